#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Collects what run.sh needs on a machine with a GPU. README.md says when that is needed.
set -eu
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)

usage() {
  cat <<'END'
usage: tests/gpu/prepare.sh [--parts] [--part-size MIB] [--build DIR] [--tensorrt DIR | --without-tensorrt] [--out DIR]

Builds the target gpu_kit of a native build and gathers it: programs in bin/, libraries in lib/, TensorRT's in tensorrt/.

  --parts             also pack it into OUT/parts: files of one size, to be carried to a machine without a network
  --part-size MIB     the most of such a file (40)
  --build DIR         the native build (build/release)
  --tensorrt DIR      the folder of TensorRT's libraries (.deps/tensorrt/lib, which ./test --tensorrt fetches)
  --without-tensorrt  none: the machine with the GPU has TensorRT 11 installed
  --out DIR           where the folder `kit` goes (build/gpu)
END
}

fail() {
  printf 'prepare.sh: %s\n' "$*" >&2
  exit 1
}

parts=false size=40 build=$root/build/release tensorrt=$root/.deps/tensorrt/lib out=$root/build/gpu
while [ $# -gt 0 ]; do
  case $1 in
    --parts) parts=true ;;
    --without-tensorrt) tensorrt= ;;
    --part-size | --build | --tensorrt | --out)
      [ $# -gt 1 ] || fail "$1 needs a value"
      case $1 in
        --part-size) size=$2 ;;
        --build) build=$2 ;;
        --tensorrt) tensorrt=$2 ;;
        --out) out=$2 ;;
      esac
      shift
      ;;
    --help | -h) usage && exit 0 ;;
    *)
      usage >&2
      printf 'prepare.sh: unknown argument: %s\n' "$1" >&2
      exit 2
      ;;
  esac
  shift
done

[[ $size =~ ^[1-9][0-9]{0,4}$ ]] || fail "--part-size: $size, expected a whole number of MiB"
[ -e "$build/CMakeCache.txt" ] || fail "$build: no native build; configure one with cmake --preset release"
if [ -n "$tensorrt" ] && [ ! -e "$tensorrt/libnvinfer.so.11" ]; then
  fail "$tensorrt/libnvinfer.so.11: no such file; ./test --tensorrt fetches it, --tensorrt names another folder, --without-tensorrt none"
fi
cmake --build "$build" --target gpu_kit >&2
[ -e "$build/dist/gpu/libvila_cuda.so" ] ||
  printf 'prepare.sh: this build has no libvila_cuda.so (nvcc or TensorRT headers are missing): the kit can only measure the CPU\n' >&2

# needed PROGRAM: the libraries that it loads at its start, but for those of every glibc system with a C++ runtime.
needed() {
  ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    grep -Ev '/(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s)\.so\.[0-9]+$' || true
}

kit=$out/kit
rm -rf "$kit.new"
mkdir -p "$kit.new/bin" "$kit.new/lib"
while IFS= read -r program; do
  cp "$program" "$kit.new/bin/"
  needed "$program" | while IFS= read -r library; do
    cp -L "$library" "$kit.new/lib/"
  done
done <"$build/gpu_kit.txt"
cp "$build"/dist/*.so* "$kit.new/lib/"
[ ! -e "$build/dist/gpu" ] || cp "$build/dist/gpu/libvila_cuda.so" "$kit.new/lib/"
if [ -n "$tensorrt" ]; then
  mkdir "$kit.new/tensorrt"
  for library in "$tensorrt"/libnvinfer.so.11* "$tensorrt"/libnvonnxparser.so.11* "$tensorrt"/libnvinfer_builder_resource*; do
    [ ! -e "$library" ] || ln "$(readlink -f "$library")" "$kit.new/tensorrt/$(basename "$library")" 2>/dev/null ||
      cp -L "$library" "$kit.new/tensorrt/"
  done
fi
rm -rf "$kit"
mv "$kit.new" "$kit"
printf '%s\n' "$kit"

if $parts; then
  rm -rf "$out/parts" "$out/parts.new"
  mkdir -p "$out/parts.new"
  tar -C "$out" -cf - kit | gzip -6 | split -b "${size}m" -d -a 3 - "$out/parts.new/kit.tar.gz."
  (cd "$out/parts.new" && sha256sum kit.tar.gz.* >SHA256SUMS)
  mv "$out/parts.new" "$out/parts"
  du -h "$out/parts"/kit.tar.gz.*
fi
