# SPDX-License-Identifier: Apache-2.0
# Sourced by setup.sh: ONNX Runtime in .deps/onnxruntime/{include,lib,licenses}. The library comes out of the Maven artifact of
# its makers, the C headers out of the Debian package libonnxruntime-dev (the C API is ABI-stable: older headers will do).

onnxruntime_version=1.28.0
onnxruntime_sha256=1461ef7cc3d9e49982591721683cc3e3a55580aeca9a5254e7aac47b75ee4bab # of linux-x64/libonnxruntime.so
onnxruntime_headers_suite=trixie                                                    # the first Debian release that has them

# fetch_library FOLDER: lib/libonnxruntime.so and the notices that come with it.
fetch_library() {
  local folder=$1 jar=onnxruntime-$onnxruntime_version.jar inside=ai/onnxruntime/native/linux-x64/libonnxruntime.so found
  mkdir -p "$folder/jar" "$folder/lib" "$folder/licenses" || return
  (cd "$folder/jar" && mvn -B -q "$maven_dependency_plugin:copy" -DoutputDirectory="$folder/jar" \
    -Dartifact=com.microsoft.onnxruntime:onnxruntime:$onnxruntime_version:jar) || return
  (cd "$folder/jar" && "$jar_tool" xf "$jar" "$inside" ThirdPartyNotices.txt) || return
  found=$(sha256sum "$folder/jar/$inside" | cut -d ' ' -f 1)
  if [ "$found" != "$onnxruntime_sha256" ]; then
    echo "$inside of $jar has sha256 $found, expected $onnxruntime_sha256"
    return 1
  fi
  mv "$folder/jar/$inside" "$folder/lib/" && mv "$folder/jar/ThirdPartyNotices.txt" "$folder/licenses/onnxruntime-notices.txt"
}

# apt_own FOLDER COMMAND...: apt-get with sources, lists and cache of its own; needs no root and changes nothing elsewhere.
apt_own() {
  local folder=$1
  shift
  apt-get -qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State="$folder" \
    -o Dir::State::status=/dev/null -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root "$@"
}

# download_headers FOLDER: unpacks the headers of the Debian package into FOLDER/include; its mirror is the one apt uses already.
download_headers() {
  local folder=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed_by= codename mirror
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $codename" 'Component: main' | head -n 1)
  [ -n "$mirror" ] || return
  [ ! -e "$keyring" ] || signed_by="[signed-by=$keyring]"
  mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" || return
  echo "deb $signed_by $mirror $onnxruntime_headers_suite main" >"$folder/apt/sources.list"
  apt_own "$folder/apt" update || return
  (cd "$folder/apt" && apt_own "$folder/apt" download libonnxruntime-dev) || return
  dpkg-deb -x "$folder"/apt/libonnxruntime-dev_*.deb "$folder/apt/unpacked" || return
  mv "$folder/apt/unpacked/usr/include/onnxruntime" "$folder/include"
}

# fetch_headers FOLDER: FOLDER/include from VILA_ONNXRUNTIME_INCLUDE, from the system, or from the Debian package.
fetch_headers() {
  local given=${VILA_ONNXRUNTIME_INCLUDE:-/usr/include/onnxruntime}
  if [ -e "$given/onnxruntime_c_api.h" ]; then
    cp -rL "$given" "$1/include"
  elif [ -n "${VILA_ONNXRUNTIME_INCLUDE:-}" ]; then
    echo "VILA_ONNXRUNTIME_INCLUDE is $given, where there is no onnxruntime_c_api.h"
    return 1
  elif ! download_headers "$1"; then
    echo "the headers of ONNX Runtime could not be fetched: install libonnxruntime-dev, or name the folder of onnxruntime_c_api.h" \
      "in the environment variable VILA_ONNXRUNTIME_INCLUDE"
    return 1
  fi
}

# Everything is made in a folder of its own and renamed: an interrupted set-up leaves no half of it.
fetch_onnxruntime() {
  local folder=$root/.deps/onnxruntime.new
  rm -rf "$folder" && mkdir -p "$folder" || return
  fetch_library "$folder" || return
  fetch_headers "$folder" || return
  rm -rf "$folder/jar" "$folder/apt" "$root/.deps/onnxruntime"
  echo "$onnxruntime_id" >"$folder/id"
  mv "$folder" "$root/.deps/onnxruntime"
}

onnxruntime_id="$onnxruntime_version $onnxruntime_sha256 $onnxruntime_headers_suite"

setup_onnxruntime() {
  [ "$(cat "$root/.deps/onnxruntime/id" 2>/dev/null)" != "$onnxruntime_id" ] || return 0
  step "fetching ONNX Runtime $onnxruntime_version" onnxruntime fetch_onnxruntime || exit 1
}
