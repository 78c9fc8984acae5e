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
cp "$build"/tests/gpu/vila_{gpu_bench,gpu_probe,random_checkpoint} "$kit/bin/" || exit 1
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
# The form by place, with a kit and with parts.
mkdir -p "$temp/tensorrt"
touch "$temp/tensorrt/libnvinfer.so.11"
for deps in "$temp/gpu" "$temp/gpu/kit" "$temp/gpu/parts"; do
  check says 0 "all done" env TMPDIR="$temp" "$here/run.sh" /no/headers "$temp/tensorrt" "$deps" "$temp/place" machine
  check grep -q "the folder that was set,\|VILA_TENSORRT $temp/tensorrt" "$temp/place/machine.md"
  rm -r "$temp/place"
done
check says 0 "small: done already" "$here/run.sh" /no/headers - "$temp/gpu" "$temp/out" small
check says 1 "libnvinfer.so.11: no such file" "$here/run.sh" /no/headers "$temp/nowhere" "$temp/gpu" "$temp/place" machine
check says 1 "neither a kit nor parts" "$here/run.sh" /no/headers - "$temp/nowhere" "$temp/place" machine
check says 2 "unknown stage: nonsense" "$here/run.sh" /no/headers - "$temp/gpu" "$temp/place" nonsense
check says 1 "--part-size: none, expected a whole number" "$here/prepare.sh" --part-size none
check says 1 "the kit has no tests of the kernels" "${run[@]}" kernels
check says 1 "FAILED, see $temp/out/contract.unfinished.md" "${run[@]}" contract
check says 1 "small: ended after 0 s" "${run[@]}" --out "$temp/other" --limit 0 small
if command -v python3 >/dev/null; then
  # The tables of figures that are made up: 8B in fp16 at half of PyTorch's time, at 80 % of copying for 16 bits a weight.
  joined=$temp/joined
  mkdir -p "$joined"
  echo '{"device": "none", "torch": "0", "copy_gb_per_second": 4000.0, "bf16_tflops": 800.0}' >"$joined/peaks.json"
  echo '{"decode_at_300_ms": 5.0, "prefill_1024_tflops": 400.0, "image_ms": 3.0, "first_token_ms": 20.0}' >"$joined/8b-fp16.json"
  echo '{"decode_at_300_ms": 2.0, "requests_4_at_2010_ms": 8.0}' >"$joined/8b-int4.json"
  echo '{"decode_at_300_batch_1_ms": 10.0, "prefill_1024_tflops": 200.0, "image_ms": 6.0}' >"$joined/8b-pytorch.json"
  check python3 "$here/compare_pytorch.py" join "$joined"
  check grep -qF '| decode behind 300, batch 1, ms | 5 (2.00 x, 75 %) |  |  | 2 (5.00 x, 60 %) | 10 |' "$joined/comparison.md"
  check grep -qF '| decode behind 2000, batch 4, ms |  |  |  | 8 (18 %) |  |' "$joined/comparison.md"
  check grep -qF '| prefill of 1024, TFLOP/s | 400 (2.00 x, 50 %) |  |  |  | 200 |' "$joined/comparison.md"
  check grep -qF '| an image, ms | 3 (2.00 x) |  |  |  | 6 |' "$joined/comparison.md"
  check grep -qF '"ratio": {' "$joined/comparison.json"
  check says 0 "usage: compare_pytorch.py measure" python3 "$here/compare_pytorch.py" measure --help
  check says 2 "expected whole numbers from 1 up" python3 "$here/compare_pytorch.py" measure --model tiny --out "$temp/tiny" --at 0
  check says 2 "invalid choice: 'nonsense'" python3 "$here/compare_pytorch.py" measure --model nonsense --out "$temp/tiny"
  if python3 -c "import torch, transformers" 2>/dev/null; then
    check says 0 "image_ms: " python3 "$here/compare_pytorch.py" measure --model tiny --device cpu --dtype fp32 --no-compile \
      --at 20 --batch 1,2 --prefill 16 --tokens 2 --runs 1 --out "$temp/tiny"
    check python3 "$here/compare_pytorch.py" peaks --device cpu --out "$temp/peaks"
  else
    echo "SKIPPED: PyTorch's own measuring: python3 has no torch and transformers"
    check says 3 "SKIPPED: " python3 "$here/compare_pytorch.py" measure --model tiny --out "$temp/tiny"
    check says 0 "peaks: SKIPPED: " "${run[@]}" peaks
  fi
else
  echo "SKIPPED: the comparison with PyTorch: there is no python3"
fi
truncate -s -1 "$(ls "$temp"/gpu/parts/kit.tar.gz.* | tail -n 1)"
check says 1 "parts are missing or damaged" "${run[@]}" machine

# The probe on the emulated device, whose engines compute in float32: what is asked again is not done again.
emulated=$build/tests/native/tensorrt/libvila_cuda_emulated_library.so
fake=$(dirname "$(find "$build/tests/native/plan" -name 'libnvinfer.so.11' | head -n 1)")
probe() {
  LD_LIBRARY_PATH=$kit/lib VILA_ONNXRUNTIME=$kit/lib/libonnxruntime.so VILA_CUDA=$emulated VILA_TENSORRT=$fake \
    "$kit/bin/vila_gpu_probe" "$@"
}
check probe --write "$temp/layers.holes" --like vila1.5-3b --layers 1
check grep -q '"vocab_size": 256' "$temp/layers.holes/llm/config.json"
check says 2 "question: unknown: nonsense" probe --model m --out o nonsense
check says 2 "--at: \"x\", expected whole numbers" probe --at x
asking=(--model "$here/../data/cases/vila15-llama3-siglip/model" --cache-dir "$temp/cache" --out "$temp/probe" --precisions fp32
  --capacities 64,128 --at 20,100 --steps 3 --variants mask,lengths)
check says 0 '"at_100_cosine":' probe "${asking[@]}" build attention bucket load
check [ -z "$(probe "${asking[@]}" build attention bucket load 2>&1)" ]
check [ "$(grep -c '"asked"' "$temp/probe.json")" = 8 ]
check [ "$(grep -c '"at_20_cosine": \(1.0\|0.99999\)' "$temp/probe.json")" = 5 ]
check grep -q '^| question bucket, .* | first_before_us ' "$temp/probe.md"
! grep -q 'FAILED' "$temp/probe.md"
check [ $? = 0 ]

bench=$kit/bin/vila_gpu_bench
export LD_LIBRARY_PATH=$kit/lib
check says 2 '--runs: "x", expected a whole number' "$bench" --model m --runs x
check says 2 "--model is needed" "$bench"
check says 1 "vila_gpu_bench: " "$bench" --model "$temp/nowhere"
check says 2 "usage: vila_random_checkpoint" "$kit/bin/vila_random_checkpoint"
check says 1 "expected one of vila1.5-3b, llama3-8b, vila-7b, vila-13b" "$kit/bin/vila_random_checkpoint" nonsense "$temp/random"
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
