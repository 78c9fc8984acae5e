#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a machine with a GPU: the tests that need one, then the benchmarks. README.md has the commands.
set -u
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)

usage() {
  cat <<'END'
usage: tests/gpu/run.sh [--kit DIR | --parts DIR] [--work DIR] [--out DIR] [--backend NAME] [--context N]
                        [--limit SECONDS] [STAGE...]

Without stages, all of them in this order. A stage that is done (its .md file is in OUT) is not run again.

  machine     what the machine has: driver, devices, libraries
  kernels     the tests of the CUDA kernels
  contract    the contract of every backend, on TensorRT, in fp32, fp16, bf16, fp8 and int8
  small       the benchmark on the small checkpoints of tests/data
  attention   the attention kernel against copying memory
  8b-fp16     the benchmark on random weights of Llama-3-VILA1.5-8B (16 GB on disk), in fp16
  8b-int4     the same in int4
  8b-plugin   the same in fp16, with the attention plugin in decode plans
  8b-steps    the same in fp16, without CUDA graphs
  3b-fp16     the benchmark on random weights of VILA1.5-3B (6 GB on disk), in fp16
  3b-int4     the same in int4

  --kit DIR        what prepare.sh gathered (build/gpu/kit; gathered first where it is absent)
  --parts DIR      packed by prepare.sh --parts: joined and unpacked into WORK first, where that is not done
  --work DIR       where checkpoints and plans are kept (build/gpu/work)
  --out DIR        where results go ($OUT, else build/gpu/out)
  --backend NAME   of the benchmarks (tensorrt); onnxruntime measures this machine's CPU
  --context N      most positions with the large models (2048): prefill and decode plans are built for 512, 1024, ... of them
  --limit SECONDS  most time of a stage (480)

VILA_CUDA and VILA_TENSORRT, where they are set, name other libraries than the kit's.
Exit code: 0 when every stage was done, 1 when one failed or ran out of time, 2 for bad usage.
END
}

say() { printf 'run.sh: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

kit= parts= work=$root/build/gpu/work out=${OUT:-$root/build/gpu/out} backend=tensorrt context=2048 limit=480
stages=()
all=(machine kernels contract small attention 8b-fp16 8b-int4 8b-plugin 8b-steps 3b-fp16 3b-int4)
while [ $# -gt 0 ]; do
  case $1 in
    --kit | --parts | --work | --out | --backend | --context | --limit)
      [ $# -gt 1 ] || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    --help | -h) usage && exit 0 ;;
    *)
      if [[ " ${all[*]} " != *" $1 "* ]]; then
        usage >&2
        say "unknown argument: $1"
        exit 2
      fi
      stages+=("$1")
      ;;
  esac
  shift
done
[ ${#stages[@]} -gt 0 ] || stages=("${all[@]}")
mkdir -p "$work" "$out" || exit 1

# Joins the parts into $work/kit; every part must be there and whole.
join_parts() {
  kit=$work/kit
  (cd "$parts" && sha256sum --check --quiet --strict SHA256SUMS) || fail "$parts: parts are missing or damaged (see above)"
  if ! cmp -s "$parts/SHA256SUMS" "$kit/.parts"; then
    rm -rf "$kit"
    cat "$parts"/kit.tar.gz.* | tar -C "$work" -xzf - || fail "$parts: cannot be unpacked into $work"
    cp "$parts/SHA256SUMS" "$kit/.parts"
  fi
}

if [ -n "$parts" ]; then
  join_parts
elif [ -z "$kit" ]; then
  kit=$root/build/gpu/kit
  [ -e "$kit" ] || "$root/tests/gpu/prepare.sh" >/dev/null || exit 1
fi
[ -x "$kit/bin/vila_gpu_bench" ] || fail "$kit: no kit; tests/gpu/prepare.sh makes one"

export LD_LIBRARY_PATH=$kit/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export VILA_ONNXRUNTIME=$kit/lib/libonnxruntime.so VILA_TEST_DATA=$root/tests/data VILA_CACHE=$work/cache
[ ! -e "$kit/lib/libvila_cuda.so" ] || export VILA_CUDA=${VILA_CUDA:-$kit/lib/libvila_cuda.so}
[ ! -e "$kit/tensorrt" ] || export VILA_TENSORRT=${VILA_TENSORRT:-$kit/tensorrt}

# quoted TITLE COMMAND...: the command's output as a block of Markdown; returns its status.
quoted() {
  local title=$1 status=0
  shift
  printf '### %s\n\n```\n' "$title"
  "$@" 2>&1 || status=$?
  printf '```\n\n'
  return $status
}

machine() {
  if command -v nvidia-smi >/dev/null; then
    quoted "nvidia-smi" nvidia-smi --format=csv \
      --query-gpu=name,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.max.mem,power.limit
  fi
  quoted "What vila4j finds" "$kit/bin/vila_gpu_bench" --doctor
}

# A test that says it was skipped is no success here: this is the machine that it is for.
run_test() {
  local log=$work/$1.log status=0
  quoted "$1" "$kit/bin/$1" >"$log" || status=$?
  cat "$log"
  ! grep -q 'SKIPPED: ' "$log" && [ "$status" = 0 ]
}

kernels() {
  local status=0 program
  for program in "$kit"/bin/test_cuda_*; do
    [ -e "$program" ] || fail "the kit has no tests of the kernels: it was built without nvcc"
    run_test "$(basename "$program")" || status=1
  done
  return $status
}

contract() { run_test test_session_tensorrt; }

small() {
  local name status=0
  for name in vila15-llama3-siglip vila10-clip-linear nvila-lite-dynamic; do
    bench "small-$name" --title "$name, random weights, tiny" --model "$root/tests/data/cases/$name/model" --tokens 16 \
      --context 1024 --prefill 256,900 --decode-at 300,900 --requests 1,2,4 --buckets 512 || status=1
  done
  return $status
}

attention() { quoted "The attention kernel" "$kit/bin/bench_cuda_attention"; }

# sized STAGE NAME PRECISION: the benchmark on random weights of real sizes.
sized() {
  "$kit/bin/vila_random_checkpoint" "$2" "$work/random-$2" >&2 || return
  bench "$1" --title "Random weights of $2, $3" --model "$work/random-$2" --precision "$3" --context "$context" \
    --prefill "256,1024,$((context - 100))" --decode-at "300,$((context - 100))"
}

# bench FILE OPTION...: its table on stdout, its numbers in OUT/FILE.json, the GPU's most memory below.
bench() {
  local file=$1 watcher= status=0
  shift
  rm -f "$work/$file.memory"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=500 >"$work/$file.memory" &
    watcher=$!
  fi
  "$kit/bin/vila_gpu_bench" --backend "$backend" "$@" --out "$work/$file" || status=$?
  [ -z "$watcher" ] || kill "$watcher"
  [ "$status" = 0 ] || return "$status"
  cp "$work/$file.json" "$out/$file.json"
  cat "$work/$file.md"
  [ ! -s "$work/$file.memory" ] || printf '\nMost memory of the GPU: %s MiB\n' "$(sort -n "$work/$file.memory" | tail -n 1)"
  printf '\n'
}

stage() {
  case $1 in
    8b-fp16) sized "$1" llama3-8b fp16 ;;
    8b-int4) sized "$1" llama3-8b int4 ;;
    8b-plugin) VILA_ATTENTION_PLUGIN=1 sized "$1" llama3-8b fp16 ;;
    8b-steps) VILA_CUDA_GRAPH=0 sized "$1" llama3-8b fp16 ;;
    3b-fp16) sized "$1" vila1.5-3b fp16 ;;
    3b-int4) sized "$1" vila1.5-3b int4 ;;
    *) "$1" ;;
  esac
}

failed=()
for name in "${stages[@]}"; do
  if [ -e "$out/$name.md" ]; then
    say "$name: done already ($out/$name.md)"
    continue
  fi
  say "$name ..."
  started=$SECONDS
  set -m # a process group of its own, to be ended as one
  (
    set +m
    stage "$name"
  ) >"$out/$name.unfinished.md" &
  pid=$!
  set +m
  while kill -0 $pid 2>/dev/null && [ $((SECONDS - started)) -lt "$limit" ]; do sleep 0.2; done
  if kill -0 $pid 2>/dev/null; then
    kill -- -$pid
    wait $pid 2>/dev/null
    say "$name: ended after $limit s; what it finished (plans, checkpoints) is kept, so that running it again goes on"
    failed+=("$name")
  elif wait $pid; then
    mv "$out/$name.unfinished.md" "$out/$name.md"
    say "$name: done in $((SECONDS - started)) s"
  else
    say "$name: FAILED, see $out/$name.unfinished.md"
    failed+=("$name")
  fi
done

# One document and one file of numbers of all that is there.
{
  printf '# On a GPU\n\n'
  for name in "${all[@]}"; do [ ! -e "$out/$name.md" ] || cat "$out/$name.md"; done
} >"$out/results.md"
{
  printf '{'
  separator=
  for file in "$out"/*.json; do
    [ "$file" != "$out/results.json" ] && [ -e "$file" ] || continue
    printf '%s\n"%s": ' "$separator" "$(basename "$file" .json)"
    cat "$file"
    separator=,
  done
  printf '}\n'
} >"$out/results.new" && mv "$out/results.new" "$out/results.json"
[ ${#failed[@]} = 0 ] || fail "not done: ${failed[*]}"
say "all done: $out/results.md"
