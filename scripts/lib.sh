# SPDX-License-Identifier: Apache-2.0
# Sourced by the other scripts, after `root` is set: messages, long steps with progress, fingerprints of what was built.
# Everything a person reads goes to stderr, so that a command's output on stdout stays clean.

say() { printf 'vila4j: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# duration SECONDS -> "3 s" or "2 min 05 s"
duration() {
  if [ "$1" -lt 60 ]; then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# The last line of a log, without control characters, at most WIDTH columns.
last_line() {
  tail -c 1000 "$1" 2>/dev/null | tr '\r' '\n' | sed 's/\x1b\[[0-9;]*[mK]//g' | tr -dc '[:print:]\n' | awk -v width="$2" \
    'NF { line = $0 } END { print substr(line, 1, width) }'
}

# watch PID TITLE LOG: shows that a step of process PID is alive: a line rewritten each second on a terminal, a line every 30 s
# elsewhere.
watch() {
  trap '' INT
  local owner=$1 title=$2 log=$3 waited=0 columns
  columns=$(($(tput cols 2>/dev/null || echo 80) - ${#title} - 25))
  [ "$columns" -ge 20 ] || columns=20
  while kill -0 "$owner" 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
    if [ -t 2 ]; then
      printf '\r\033[Kvila4j: %s (%s) %s' "$title" "$(duration $waited)" "$(last_line "$log" "$columns")" >&2
    elif [ $((waited % 30)) = 0 ]; then
      say "$title ($(duration $waited)) $(last_line "$log" 100)"
    fi
  done
}

# step TITLE NAME COMMAND...: runs COMMAND with its output in build/logs/NAME.log; progress while it runs, one line at its end.
# Returns COMMAND's status; after a failure the end of the log has been printed. Sets last_log.
step() {
  local title=$1 log=$root/build/logs/$2.log start=$SECONDS status=0 watcher
  last_log=build/logs/$2.log
  shift 2
  mkdir -p "${log%/*}"
  : >"$log"
  watch $BASHPID "$title" "$log" 9>&- &
  watcher=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  [ ! -t 2 ] || printf '\r\033[K' >&2
  if [ "$status" = 0 ]; then
    say "$title: done in $(duration $((SECONDS - start)))"
  else
    tail -n 40 "$log" >&2
    say "$title: failed with status $status after $(duration $((SECONDS - start))); the whole log is $last_log"
  fi
  return "$status"
}

# changed_since STAMP PATH...: true when STAMP is missing or a source under one of the paths is newer. Folders count only below
# src/ (a removed source), because builds write into the others.
changed_since() {
  local stamp=$1 newer
  shift
  [ -e "$stamp" ] || return 0
  newer=$(find "$@" -name target -prune -o -newer "$stamp" \( -type f -o -path '*/src/*' -o -path '*/include/*' \) -print -quit 2>/dev/null)
  [ -n "$newer" ]
}

# jobs_at_once: compilers to run at once: one a core, and 2 GiB of memory each.
jobs_at_once() {
  local cores memory
  cores=$(nproc)
  memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 2000000))
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}
