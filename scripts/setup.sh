# SPDX-License-Identifier: Apache-2.0
# Sourced by ./vila4j and ./test, with `root` set to the project's folder. Each setup_ function does its part when that is needed
# and nothing otherwise.

. "$root/scripts/lib.sh"
. "$root/scripts/packages.sh"
. "$root/scripts/java.sh"
. "$root/scripts/onnxruntime.sh"
. "$root/scripts/tensorrt.sh"
. "$root/scripts/native.sh"

cli_stamp=$root/build/.cli # its time: when the build of ./vila4j's parts began
cli_sources=("$root/CMakeLists.txt" "$root/CMakePresets.json" "$root/pom.xml" "$root/cmake" "$root/native" "$root/java" "$root/scripts")

# What both commands need before they build. One set-up at a time in this checkout: the lock is held until the process ends.
setup_dependencies() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "this is $(uname -s) on $(uname -m); supported is Linux on x86_64"
  mkdir -p "$root/build/logs" "$root/.deps"
  exec 9>"$root/build/.lock"
  if ! flock -n 9; then
    say "another set-up of this folder is running; waiting for it"
    flock 9
  fi
  setup_packages
  setup_onnxruntime
}

# finish_cli STARTED: after a Maven build. STARTED is a file made before the sources were read; it becomes the stamp.
finish_cli() {
  write_cli_arguments && mv "$1" "$cli_stamp"
}

# Builds what ./vila4j starts.
setup_cli() {
  setup_dependencies
  [ -e "$cli_arguments" ] && ! changed_since "$cli_stamp" "${cli_sources[@]}" && return # another set-up did it meanwhile
  local started=$root/build/.cli.started
  touch "$started"
  setup_native release dist || exit 1
  step "Java build" java maven package -DskipTests || exit 1
  finish_cli "$started"
}
