#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: abi_test.sh DIST: what the distribution folder asks of the system it runs on, and what it shows to others.
set -u
dist=$1
newest_glibc=2.34 newest_glibcxx=3.4.30
cases=0 failures=0

failed() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# newest LIBRARY PREFIX: the highest version of PREFIX_... symbols the library needs.
newest() {
  objdump -T "$1" | grep '\*UND\*' | grep -o "($2_[0-9.]*)" | tr -d '()' | sed "s/^$2_//" | sort -uV | tail -n 1
}

# at_most LIBRARY PREFIX LIMIT
at_most() {
  local found
  found=$(newest "$1" "$2")
  if [ -n "$found" ] && [ "$(printf '%s\n' "$found" "$3" | sort -V | tail -n 1)" != "$3" ]; then
    failed "$(basename "$1") needs $2_$found, allowed is $2_$3: $(objdump -T "$1" | grep -o "$2_$found.*" | head -n 3 | tr '\n' ' ')"
  fi
}

for library in libvila.so libonnxruntime.so; do
  [ -e "$dist/$library" ] || failed "$library is not in $dist"
done
for file in LICENSE NOTICE onnxruntime-notices.txt; do
  [ -s "$dist/licenses/$file" ] || failed "licenses/$file is not in $dist"
done

# 1. Versions of the C and C++ runtime. Only natives built on Debian 12 are released; a newer system binds newer symbols.
cases=$((cases + 1))
here=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$here" 2.36 | sort -V | tail -n 1)" = 2.36 ]; then
  for library in "$dist"/*.so*; do
    at_most "$library" GLIBC "$newest_glibc"
    at_most "$library" GLIBCXX "$newest_glibcxx"
  done
else
  echo "SKIPPED: symbol versions are not checked, because this system has glibc $here and releases are built with 2.36 (Debian 12)"
fi

# 2. Libraries that are only ever opened at run time.
cases=$((cases + 1))
needed=$(readelf -d "$dist/libvila.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
echo "$needed" | grep -q '^libstdc++' || failed "no list of needed libraries was found in libvila.so"
unwanted=$(echo "$needed" | grep -E 'onnxruntime|cuda|nvinfer|nvonnx|protobuf|cudnn|cublas')
[ -z "$unwanted" ] || failed "libvila.so needs $unwanted"

# 3. Everything else it needs lies beside it and is found there.
cases=$((cases + 1))
readelf -d "$dist/libvila.so" | grep -q '(RPATH).*\[$ORIGIN\]' || failed "libvila.so has no RPATH of \$ORIGIN"
for name in $needed; do
  case $name in
    libc.so.* | libm.so.* | libstdc++.so.* | libgcc_s.so.* | ld-linux-x86-64.so.* | libdl.so.* | libpthread.so.* | librt.so.*) ;;
    *) [ -e "$dist/$name" ] || failed "libvila.so needs $name, which is not in $dist" ;;
  esac
done
outside=$(ldd "$dist/libvila.so" | grep -vE 'linux-vdso|/(libc|libm|libstdc\+\+|libgcc_s|libdl|libpthread|librt|ld-linux-x86-64)\.so' | grep -vF "$dist/")
[ -z "$outside" ] || failed "found outside the folder: $outside"

# 4. Exports: the API, nothing else.
cases=$((cases + 1))
exported=$(nm -DC --defined-only "$dist/libvila.so" | sed 's/^[0-9a-f]* . //')
echo "$exported" | grep -qxF 'vila::version[abi:cxx11]()' || failed "vila::version() is not exported"
echo "$exported" | grep -qxF 'typeinfo for vila::Error' || failed "the type of vila::Error is not exported"
strangers=$(echo "$exported" | grep -vE '^(vila::|(typeinfo|typeinfo name|vtable) for vila::)')
[ -z "$strangers" ] || failed "exported beside the API: $strangers"

# 5. libvila_cuda.so, where it was built: needs the C and C++ runtime alone, exports its two functions and the types of what is thrown.
if [ -e "$dist/gpu/libvila_cuda.so" ]; then
  cases=$((cases + 1))
  strangers=$(readelf -d "$dist/gpu/libvila_cuda.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc|libm|libstdc\+\+|libgcc_s|libdl|libpthread|librt|ld-linux-x86-64)\.so')
  [ -z "$strangers" ] || failed "libvila_cuda.so needs $strangers"
  exported=$(nm -D --defined-only "$dist/gpu/libvila_cuda.so" | awk '$3 !~ /^_ZT[ISV]N4vila/ { print $3 }' | sort | tr '\n' ' ')
  [ "$exported" = "vila_cuda_backend vila_cuda_entry_version " ] || failed "libvila_cuda.so exports $exported"
  if [ "$(printf '%s\n' "$here" 2.36 | sort -V | tail -n 1)" = 2.36 ]; then
    at_most "$dist/gpu/libvila_cuda.so" GLIBC "$newest_glibc"
    at_most "$dist/gpu/libvila_cuda.so" GLIBCXX "$newest_glibcxx"
  fi
fi

if [ "$failures" -gt 0 ]; then
  echo "$failures failures in $cases cases"
  exit 1
fi
echo "test cases: $cases | $cases passed: $(find "$dist" -maxdepth 1 -name '*.so*' | wc -l) libraries in $dist"
