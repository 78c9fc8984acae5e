#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Training of the demo model: scripts/train.sh train --run build/training. Builds what it needs first (PyTorch's Java libraries are
# 110 MB). `scripts/train.sh --help` lists the commands.
set -u
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd) || exit 1
. "$root/scripts/setup.sh"

training=$root/java/training/target
stamp=$root/build/.training
library=$root/build/training-lib # copies of the modules' jars: a build does not disturb a run that is under way

# Fills the library's folder anew and writes the class path, the modules' own jars first.
copy_jars() {
  local entry own="" other="" jar
  jar=$(find "$training" -maxdepth 1 -name 'vila4j-training-*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar')
  rm -rf "$library"
  mkdir -p "$library" || return
  while IFS= read -r entry; do
    case $entry in
      "$root"/*)
        cp "$entry" "$library/" || return
        own=$own$library/${entry##*/}:
        ;;
      *) other=$other$entry: ;;
    esac
  done < <(printf '%s\n' "$jar" && tr ':' '\n' <"$training/classpath.txt")
  printf '%s%s' "$own" "${other%:}" >"$library/classpath.txt"
}

setup_training() {
  setup_dependencies
  local started=$root/build/.training.started
  touch "$started"
  setup_native release dist || exit 1
  step "Java build with training" training maven package -DskipTests -Ptraining -pl java/training -am || exit 1
  copy_jars && mv "$started" "$stamp"
}

if [ ! -e "$library/classpath.txt" ] || changed_since "$stamp" "${cli_sources[@]}"; then
  (setup_training) || exit 1
fi
# The memory of PyTorch's tensors is not counted against the JVM's heap.
exec "$java_tool" -Xmx3g -Dorg.bytedeco.javacpp.maxbytes=0 -Dorg.bytedeco.javacpp.maxphysicalbytes=0 \
  -cp "$(cat "$library/classpath.txt")" io.github.vila4j.training.Main "$@"
