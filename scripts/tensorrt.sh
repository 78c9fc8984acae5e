# SPDX-License-Identifier: Apache-2.0
# Sourced by setup.sh: TensorRT's libraries in .deps/tensorrt/lib, for the test that reads every graph with TensorRT's own parser, and
# for tests/gpu, where plans are built. They come out of the redistributable Maven artifact (a jar of 556 MB, 934 MB of it unpacked)
# and are fetched only for ./test --tensorrt.

tensorrt_version=11.2-1.5.14
tensorrt_inside=org/bytedeco/tensorrt/linux-x86_64
tensorrt_sums='c70022d8f3151add6e7404afb3ab053c7313a2a10e7fbdbf89946c014386a677  libnvinfer.so.11
39009c6b945561afb77ea6ea2736253e4e6ce4c8cfc0e0800cbb2abb2bfed220  libnvinfer_builder_resource_ptx.so.11.2.1
dfc95a15ec9eb73ca3a4cb1806ab4bdf97e8ea97022028eab818ea7287b73928  libnvonnxparser.so.11' # as sha256sum writes them
tensorrt_id="$tensorrt_version $tensorrt_sums"

# Everything is made in a folder of its own and renamed: an interrupted set-up leaves no half of it.
fetch_tensorrt() {
  local folder=$root/.deps/tensorrt.new library
  rm -rf "$folder" && mkdir -p "$folder/jar" "$folder/lib" || return
  (cd "$folder/jar" && mvn -B -q "$maven_dependency_plugin:copy" -DoutputDirectory="$folder/jar" \
    -Dartifact=org.bytedeco:tensorrt:$tensorrt_version:jar:linux-x86_64-redist) || return
  for library in libnvinfer.so.11 libnvinfer_builder_resource_ptx.so.11.2.1 libnvonnxparser.so.11; do
    (cd "$folder/jar" && "$jar_tool" xf "tensorrt-$tensorrt_version-linux-x86_64-redist.jar" "$tensorrt_inside/$library") || return
    mv "$folder/jar/$tensorrt_inside/$library" "$folder/lib/" || return
  done
  (cd "$folder/lib" && sha256sum --check --strict <<<"$tensorrt_sums") || return
  rm -rf "$folder/jar" "$root/.deps/tensorrt"
  echo "$tensorrt_id" >"$folder/id"
  mv "$folder" "$root/.deps/tensorrt"
}

setup_tensorrt() {
  [ "$(cat "$root/.deps/tensorrt/id" 2>/dev/null)" != "$tensorrt_id" ] || return 0
  step "fetching TensorRT $tensorrt_version (556 MB)" tensorrt fetch_tensorrt || exit 1
}
