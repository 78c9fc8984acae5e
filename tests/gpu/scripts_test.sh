#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: scripts_test.sh BUILD: the way through run.sh and the benchmark without a GPU: parts, joining, the CPU's backend, results.
set -u
build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cases=0 failures=0

check() {
  cases=$((cases + 1))
  "$@" || {
    echo "FAILED: $*"
    failures=$((failures + 1))
  }
}
# says STATUS TEXT COMMAND...: the command ends so, and prints this.
says() {
  local status=$1 text=$2 found=0
  shift 2
  "$@" >"$temp/log" 2>&1 || found=$?
  if [ "$found" != "$status" ] || ! grep -qF -- "$text" "$temp/log"; then
    echo "expected exit code $status and '$text', found $found:"
    cat "$temp/log"
    return 1
  fi
}

# A kit of this build, without what needs building: its tests are not run here.
kit=$temp/gpu/kit
mkdir -p "$kit/bin" "$kit/lib" "$temp/gpu/parts"
cp "$build/tests/gpu/vila_gpu_bench" "$build/tests/gpu/vila_random_checkpoint" "$kit/bin/" || exit 1
cp "$build"/dist/*.so* "$kit/lib/" || exit 1
tar -C "$temp/gpu" -czf - kit | split -b 10m -d -a 3 - "$temp/gpu/parts/kit.tar.gz."
(cd "$temp/gpu/parts" && sha256sum kit.tar.gz.* >SHA256SUMS)
unset OUT VILA_CUDA VILA_TENSORRT
run=("$here/run.sh" --parts "$temp/gpu/parts" --work "$temp/work" --out "$temp/out" --backend onnxruntime)

check says 2 "unknown argument: nonsense" "$here/run.sh" nonsense
check says 1 "no kit; tests/gpu/prepare.sh makes one" "$here/run.sh" --kit "$temp/nowhere" --work "$temp/work" --out "$temp/out" machine
check says 0 "all done" "${run[@]}" machine small
check grep -q "backend tensorrt: " "$temp/out/machine.md"
for name in vila15-llama3-siglip vila10-clip-linear nvila-lite-dynamic; do
  check grep -q "^### $name" "$temp/out/results.md"
  check grep -q '"load_seconds": ' "$temp/out/small-$name.json"
done
for row in "an image (" "prefill of " "decoding behind " "first token: " "second turn\|another question" "2 requests at once" \
  "outgrowing a cache of 512, again"; do
  check grep -q "^| .*$row" "$temp/out/small.md"
done
check grep -q '^"small-vila10-clip-linear": {' "$temp/out/results.json"
check says 0 "small: done already" "${run[@]}" small
check says 1 "the kit has no tests of the kernels" "${run[@]}" kernels
check says 1 "FAILED, see $temp/out/contract.unfinished.md" "${run[@]}" contract
check says 1 "small: ended after 0 s" "${run[@]}" --out "$temp/other" --limit 0 small
truncate -s -1 "$(ls "$temp"/gpu/parts/kit.tar.gz.* | tail -n 1)"
check says 1 "parts are missing or damaged" "${run[@]}" machine

bench=$kit/bin/vila_gpu_bench
export LD_LIBRARY_PATH=$kit/lib
check says 2 '--runs: "x", expected a whole number' "$bench" --model m --runs x
check says 2 "--model is needed" "$bench"
check says 1 "vila_gpu_bench: " "$bench" --model "$temp/nowhere"
check says 2 "usage: vila_random_checkpoint" "$kit/bin/vila_random_checkpoint"
check says 1 "expected one of vila1.5-3b, llama3-8b, vila-7b" "$kit/bin/vila_random_checkpoint" nonsense "$temp/random"
model=$here/../data/cases/vila15-llama3-siglip/model
check says 0 "$temp/random" "$kit/bin/vila_random_checkpoint" "$model" "$temp/random"
check says 0 "$temp/random" "$kit/bin/vila_random_checkpoint" "$model" "$temp/random"
! cmp -s "$model/llm/model.safetensors" "$temp/random/llm/model.safetensors"
check [ $? = 0 ]
check says 0 "| an image (" "$bench" --model "$temp/random" --backend onnxruntime --runs 1 --tokens 2 --prefill 300 --decode-at 300 \
  --requests 1 --buckets 512 --cache-dir "$temp/cache"
# doctest's form, which ./test counts.
echo "[doctest] test cases: $cases | $((cases - failures)) passed | $failures failed"
[ "$failures" = 0 ]
