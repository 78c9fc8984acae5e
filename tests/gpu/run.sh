#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a machine with a GPU: first answers, the benchmarks, and the tests that need a GPU. README.md has the commands.
set -u
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)

usage() {
  cat <<'END'
usage: tests/gpu/run.sh [--kit DIR | --parts DIR] [--work DIR] [--out DIR] [--backend NAME] [--context N]
                        [--limit SECONDS] [STAGE...]
       tests/gpu/run.sh INCLUDE_DIR LIB_DIR DEPS_DIR OUT STAGE

Without stages, all of them in this order. A stage that is done (its .md file is in OUT) is not run again.

  machine           what the machine has: driver, devices, libraries
  peaks             copy bandwidth and bf16 matrix peak (PyTorch)
  probe-build       does TensorRT build a plan, with all its builder resources, with the PTX one alone, under this GPU's name, too
  probe-int4        decode steps of four 8B layers in int4 against fp16
  8b-fp16           the benchmark on random weights of Llama-3-VILA1.5-8B (16 GB on disk), in fp16
  8b-int4           the same in int4
  8b-pytorch        PyTorch on the same shapes (transformers, SDPA, static cache, torch.compile)
  probe-attention   which attention is right and how fast: mask, mask in fp32, lengths, plugin; fp16, bf16; 512, 4k, 16k rows
  probe-load        a larger cache while a sequence grows; loading plans with and without weights
  kernels           the tests of the CUDA kernels
  contract          the contract of every backend, on TensorRT, in fp32, fp16, bf16, fp8 and int8
  small             the benchmark on the small checkpoints of tests/data
  attention         the attention kernel against copying memory
  3b-fp16, 3b-int4, 3b-pytorch         VILA1.5-3B (6 GB on disk)
  8b-fp8, 3b-fp8                       the benchmark in fp8
  8b-plugin, 8b-steps                  8B in fp16 with the attention plugin in decode plans; without CUDA graphs
  13b-fp16, 13b-fp8, 13b-int4, 13b-pytorch   VILA-13B (26 GB on disk)

Stages of PyTorch say SKIPPED, and fail nothing, where python3 has no torch or transformers. Whatever has run, comparison.md and
comparison.json lay vila4j's figures beside PyTorch's and the GPU's limits.

  --kit DIR        what prepare.sh gathered (build/gpu/kit; gathered first where it is absent)
  --parts DIR      packed by prepare.sh --parts: joined and unpacked into WORK first, where that is not done
  --work DIR       where checkpoints and plans are kept (build/gpu/work)
  --out DIR        where results go ($OUT, else build/gpu/out)
  --backend NAME   of the benchmarks (tensorrt); onnxruntime measures this machine's CPU
  --context N      most positions with the large models (4352): prefill and decode plans are built for 512, 1024, ... of them
  --limit SECONDS  most time of a stage (480)

VILA_CUDA and VILA_TENSORRT, where they are set, name other libraries than the kit's.

The second form says the same by place: LIB_DIR is the folder of TensorRT's libraries (- for the kit's), DEPS_DIR where prepare.sh has
put kit or parts (its --out, or that folder's kit or parts), OUT as --out, STAGE one stage or all. INCLUDE_DIR, TensorRT's headers,
is not looked at: nothing is compiled here.
Exit code: 0 when every stage was done, 1 when one failed or ran out of time, 2 for bad usage.
END
}

say() { printf 'run.sh: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

layers=(--like llama3-8b --layers 4) # of the probe
kit= parts= work=$root/build/gpu/work out=${OUT:-$root/build/gpu/out} backend=tensorrt context=4352 limit=480
stages=()
all=(machine peaks probe-build probe-int4 8b-fp16 8b-int4 8b-pytorch probe-attention probe-load kernels contract small attention
  3b-fp16 3b-int4 3b-pytorch 8b-fp8 3b-fp8 8b-plugin 8b-steps 13b-fp16 13b-fp8 13b-int4 13b-pytorch)

# by_place LIB_DIR DEPS_DIR OUT STAGE: the options that they stand for.
by_place() {
  local from
  if [ "$1" != - ]; then
    [ -e "$1/libnvinfer.so.11" ] || fail "LIB_DIR: $1/libnvinfer.so.11: no such file; - takes the kit's"
    export VILA_TENSORRT=$1
  fi
  for from in "$2/kit" "$2"; do [ -n "$kit" ] || [ ! -x "$from/bin/vila_gpu_bench" ] || kit=$from; done
  if [ -z "$kit" ]; then
    for from in "$2/parts" "$2"; do [ -n "$parts" ] || [ ! -e "$from/SHA256SUMS" ] || parts=$from; done
    [ -n "$parts" ] || fail "DEPS_DIR: $2: neither a kit nor parts; tests/gpu/prepare.sh --out makes them"
  fi
  out=$3
  [ "$4" = all ] || stages=("$4")
}

if [ $# = 5 ] && [[ $1 != --* && " ${all[*]} " != *" $1 "* ]]; then
  if [[ " ${all[*]} all " != *" $5 "* ]]; then
    usage >&2
    say "unknown stage: $5"
    exit 2
  fi
  by_place "${@:2}"
  set --
fi
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
    --prefill 256,1024,4096 --decode-at 300,2000
}

# pytorch ARGUMENT...: compare_pytorch.py for this stage, which goes on where an earlier run was ended.
pytorch() {
  local status=0
  command -v python3 >/dev/null || skip "there is no python3"
  python3 "$root/tests/gpu/compare_pytorch.py" "$@" --out "$work/$name" 2>"$work/$name.log" || status=$?
  grep -v '^SKIPPED' "$work/$name.log" >&2
  [ "$status" != 3 ] || skip "$(sed -n 's/^SKIPPED: //p' "$work/$name.log")"
  [ "$status" = 0 ] || return "$status"
  cp "$work/$name.json" "$out/$name.json"
  cat "$work/$name.md"
}

# skip REASON: ends the stage; it is neither done nor failed.
skip() {
  printf '### %s\n\nSKIPPED: %s\n\n' "$name" "$1"
  exit 3
}

# probe TITLE OUT QUESTION OPTION...: the probe on a few layers, whose answers are kept in OUT/OUT.json.
probe() {
  local title=$1 file=$2
  shift 2
  if [ ! -e "$work/layers" ]; then
    rm -rf "$work/layers.holes"
    "$kit/bin/vila_gpu_probe" --write "$work/layers.holes" "${layers[@]}" || return
    "$kit/bin/vila_random_checkpoint" "$work/layers.holes" "$work/layers" >&2 || return
  fi
  printf '### %s\n\n' "$title"
  "$kit/bin/vila_gpu_probe" --model "$work/layers" --cache-dir "$work/cache" --out "$work/$file" "$@" || return
  cp "$work/$file.json" "$out/$file.json"
  cat "$work/$file.md"
  printf '\n'
}

# The folder of TensorRT with the PTX builder resource alone, and with further names for it.
ptx_only() {
  local into=$1 name ptx
  shift
  rm -rf "$into"
  mkdir -p "$into"
  for name in "$VILA_TENSORRT"/libnvinfer.so.11* "$VILA_TENSORRT"/libnvonnxparser.so.11* \
    "$VILA_TENSORRT"/libnvinfer_builder_resource_ptx.so*; do
    [ ! -e "$name" ] || ln "$(readlink -f "$name")" "$into/$(basename "$name")" 2>/dev/null || cp -L "$name" "$into/"
  done
  ptx=$(cd "$into" && ls libnvinfer_builder_resource_ptx.so* 2>/dev/null | head -n 1)
  [ -n "$ptx" ] || return 1
  for name in "$@"; do ln "$into/$ptx" "$into/${ptx/_ptx./_$name.}"; done
}

probe-build() {
  local status=0 sm
  probe "Building a plan: TensorRT as it is" probe-build build || status=1
  [ -n "${VILA_TENSORRT:-}" ] || return $status
  sm=sm$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .)
  if ptx_only "$work/tensorrt-ptx"; then
    VILA_TENSORRT=$work/tensorrt-ptx LD_LIBRARY_PATH=$work/tensorrt-ptx:$LD_LIBRARY_PATH \
      probe "… with the PTX builder resource alone" probe-build build || status=1
    ptx_only "$work/tensorrt-$sm" "$sm"
    VILA_TENSORRT=$work/tensorrt-$sm LD_LIBRARY_PATH=$work/tensorrt-$sm:$LD_LIBRARY_PATH \
      probe "… and under the name of $sm, too" probe-build build || status=1
  else
    printf 'There is no PTX builder resource in %s.\n\n' "$VILA_TENSORRT"
  fi
  return $status
}

probe-int4() { probe "Four layers in int4 against fp16" probe-int4 int4; }
probe-attention() { probe "Attention: variants" probe-attention attention; }
probe-load() { probe "Larger caches; loading plans" probe-load bucket load; }
peaks() { pytorch peaks; }

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
    8b-pytorch) pytorch measure --model llama3-8b ;;
    3b-pytorch) pytorch measure --model vila1.5-3b ;;
    13b-pytorch) pytorch measure --model vila-13b ;;
    8b-plugin) VILA_ATTENTION_PLUGIN=1 sized "$1" llama3-8b fp16 ;;
    8b-steps) VILA_CUDA_GRAPH=0 sized "$1" llama3-8b fp16 ;;
    8b-*) sized "$1" llama3-8b "${1#*-}" ;;
    3b-*) sized "$1" vila1.5-3b "${1#*-}" ;;
    13b-*) sized "$1" vila-13b "${1#*-}" ;;
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
    [ ! -e "$work/$name.json" ] || cp "$work/$name.json" "$out/$name.json" # what it has found so far
    say "$name: ended after $limit s; what it finished (plans, checkpoints) is kept, so that running it again goes on"
    failed+=("$name")
  elif
    status=0
    wait $pid || status=$?
    [ "$status" = 0 ]
  then
    mv "$out/$name.unfinished.md" "$out/$name.md"
    say "$name: done in $((SECONDS - started)) s"
  elif [ "$status" = 3 ]; then
    say "$name: $(grep '^SKIPPED: ' "$out/$name.unfinished.md")"
  else
    say "$name: FAILED, see $out/$name.unfinished.md"
    failed+=("$name")
  fi
done

if command -v python3 >/dev/null; then python3 "$root/tests/gpu/compare_pytorch.py" join "$out" || failed+=(comparison); fi

# One document and one file of numbers of all that is there.
{
  printf '# On a GPU\n\n'
  [ ! -e "$out/comparison.md" ] || sed 's/^#/##/' "$out/comparison.md"
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
