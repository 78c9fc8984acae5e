#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our int4 against llama.cpp's Q4_0 on this machine: random weights in the sizes of VILA1.5-3b's language model, both programs in turn,
# medians of the rounds, and the peak resident memory of each; and how long our command line takes for a prompt of few tokens and one
# token of answer, from the start of its process to the end, plans being in the cache. Needs llama-bench (Debian sid: package llama.cpp),
# from PATH or $LLAMA_BENCH, and python3.
# Usage: compare-llama-cpp.sh [ROUNDS [THREADS]], 5 rounds and 2 threads unless given. The two programs' own output stays in
# build/bench/.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
rounds=${1:-5} threads=${2:-2} llama=${LLAMA_BENCH:-llama-bench}
out=$root/build/bench gguf=$root/build/bench/vila1.5-3b-q4_0.gguf

refuse() {
  printf 'compare-llama-cpp.sh: %s\n' "$*" >&2
  exit 1
}

[[ $rounds =~ ^[1-9][0-9]?$ && $threads =~ ^[1-9][0-9]{0,2}$ ]] ||
  refuse "rounds '$rounds' and threads '$threads', expected whole numbers from 1 to 99 and 1 to 999"
command -v "$llama" >/dev/null || refuse "no $llama: install llama.cpp, or name its llama-bench in LLAMA_BENCH"
# Captured first: grep -q would end the pipe early.
help=$("$llama" --help 2>&1 || true)
[[ $help == *--n-depth* ]] || refuse "$llama is too old, it has no --n-depth"

# peak FILE COMMAND ...: runs it and writes the most resident memory that it had, in bytes, to FILE.
peak() {
  python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
print(1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=open(sys.argv[1], "w"))
sys.exit(status)' "$@"
}

# seconds FILE COMMAND ...: runs it and writes how long it took to FILE.
seconds() {
  python3 -c '
import subprocess, sys, time
start = time.monotonic()
status = subprocess.call(sys.argv[2:], stdout=subprocess.DEVNULL)
print(time.monotonic() - start, file=open(sys.argv[1], "w"))
sys.exit(status)' "$@"
}

mkdir -p "$out"
rm -f "$out"/*.json "$out"/*.peak "$out"/*.seconds
[ -e "$gguf" ] || python3 "$root/tests/bench/random_gguf.py" "$gguf"
for ((round = 1; round <= rounds; ++round)); do
  printf 'round %d of %d\n' "$round" "$rounds" >&2
  peak "$out/llama-prefill-$round.peak" "$llama" -m "$gguf" -t "$threads" -r 1 -p 256 -n 0 -o json \
    >"$out/llama-prefill-$round.json" 2>"$out/llama.log"
  peak "$out/llama-decode-$round.peak" "$llama" -m "$gguf" -t "$threads" -r 1 -p 0 -n 64 -d 256 -o json \
    >"$out/llama-decode-$round.json" 2>>"$out/llama.log"
  "$root/vila4j" bench --synthetic vila1.5-3b --precision int4 --threads "$threads" --runs 1 --requests 4 --compare-fp32 --json \
    >"$out/vila4j-$round.json"
  checkpoint=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["checkpoint"])' "$out/vila4j-$round.json")
  seconds "$out/vila4j-start-$round.seconds" \
    "$root/vila4j" ask --model "$checkpoint" --precision int4 --threads "$threads" --max-tokens 1 ab
done

python3 - "$out" "$rounds" <<'END'
import json
import statistics
import sys

folder, rounds = sys.argv[1], range(1, int(sys.argv[2]) + 1)
read = lambda name: json.load(open(f"{folder}/{name}.json"))
print("| tokens per second | vila4j int4 | llama.cpp Q4_0 | ratio |\n|---|---|---|---|")
for title, key, theirs in (
    ("prefill of 256", "prefill_tokens_per_second", "llama-prefill"),
    ("decode, context 256 to 320", "decode_tokens_per_second", "llama-decode"),
):
    ours = [read(f"vila4j-{i}")[key] for i in rounds]
    other = [read(f"{theirs}-{i}")[0]["avg_ts"] for i in rounds]
    ratio = statistics.median(a / b for a, b in zip(ours, other))
    print(f"| {title} | {statistics.median(ours):.1f} | {statistics.median(other):.1f} | {ratio:.2f} |")
ours = lambda key: [read(f"vila4j-{i}")[key] for i in rounds]
print("\n| vila4j int4 | median | lowest | highest |\n|---|---|---|---|")
for title, key in (
    ("decode of 4 requests against 1", "decode_4_requests_ratio"),
    ("one image, seconds", "image_seconds"),
    ("one image, fp32 against int8", "image_fp32_to_chosen_ratio"),
    ("first token of an image and 45 text tokens, afresh, seconds", "first_token_seconds"),
    ("another question about the same image, seconds", "first_token_cached_prefix_seconds"),
    ("return of a call cancelled in its prompt, seconds", "cancel_prefill_seconds"),
    ("return of a call cancelled in its image, seconds", "cancel_image_seconds"),
    ("share of the memory's rate in decode", "decode_share_of_memory_bandwidth"),
    ("share of the 8-bit peak in prefill", "prefill_share_of_int8_peak"),
):
    print(f"| {title} | {statistics.median(ours(key)):.3g} | {min(ours(key)):.3g} | {max(ours(key)):.3g} |")
starts = [float(open(f"{folder}/vila4j-start-{i}.seconds").read()) for i in rounds]
print(f"| a whole process that answers one token, seconds | {statistics.median(starts):.3g} | {min(starts):.3g} | {max(starts):.3g} |")
peaks = [[int(open(f"{folder}/llama-{what}-{i}.peak").read()) for what in ("prefill", "decode")] for i in rounds]
other = [max(pair) for pair in peaks]
print("\n| peak resident memory, with JVM | vila4j int4 | llama.cpp Q4_0 | ratio |\n|---|---|---|---|")
for title, key in (
    ("language model only", "peak_rss_language_only_bytes"),
    ("with the tower and an image", "peak_rss_bytes"),
):
    ratio = statistics.median(a / b for a, b in zip(ours(key), other))
    print(f"| {title} | {statistics.median(ours(key)) / 1e9:.2f} GB | {statistics.median(other) / 1e9:.2f} GB | {ratio:.2f} |")
END
