# SPDX-License-Identifier: Apache-2.0
# Sourced by setup.sh: the Debian packages of the build. Installs what is missing when root; says what to install otherwise.

debian_packages='
  ninja-build
  libprotozero-dev nlohmann-json3-dev libsentencepiece-dev libpcre2-dev libutf8proc-dev
  libjpeg62-turbo-dev libpng-dev libwebp-dev zlib1g-dev libxxhash-dev doctest-dev'

# What is missing, as package names.
missing_packages() {
  local package
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v pkg-config >/dev/null || echo pkg-config
  command -v mvn >/dev/null || echo maven
  command -v javac >/dev/null || [ -x "${JAVA_HOME:-/nonexistent}/bin/javac" ] || echo default-jdk-headless
  for package in $debian_packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

install_packages() {
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

setup_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    say "this is not a Debian system: the libraries listed in docs/dependencies.md must be there already"
    return
  fi
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  [ "$(id -u)" = 0 ] || fail "packages are missing; as root, run: apt-get install --no-install-recommends ${missing% }"
  # shellcheck disable=SC2086 # one word per package
  step "installing Debian packages: ${missing% }" packages install_packages $missing || exit 1
}
