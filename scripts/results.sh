# SPDX-License-Identifier: Apache-2.0
# Sourced by test: how many tests ran, and which were left out, from what ctest and JUnit left behind.

skips=()

# native_count BUILD_FOLDER: cases of the last ctest run: doctest's count per program, 1 for a program without such a line, 0 for
# one that said it was skipped. Fails when there are none, or when a program found no case to run.
native_count() {
  awk '
    /^[0-9]+\/[0-9]+ Testing: / { programs++; cases = -1; skipped = 0 }
    /^SKIPPED: / { skipped = 1 }
    /test cases: / { sub(/.*test cases: */, ""); cases = $1 + 0 }
    /^"[^"]*" end time: / { if (cases == 0) empty = 1; total += cases >= 0 ? cases : !skipped }
    END { if (programs == 0 || empty) exit 1; print total }' "$1/Testing/Temporary/LastTest.log"
}

# native_failures BUILD_FOLDER: the last lines of each failed program of the last ctest run.
native_failures() {
  awk '
    /^[0-9]+\/[0-9]+ Testing: / { name = $3; count = 0 }
    /^<end of output>/ { inside = 0 }
    inside { lines[++count] = $0 }
    /^Output:/ { inside = 1 }
    /^Test Failed\./ && !inside {
      print "--- " name
      for (i = count > 20 ? count - 19 : 1; i <= count; i++) print lines[i]
    }' "$1/Testing/Temporary/LastTest.log"
}

# note_native_skips STAGE BUILD_FOLDER: remembers lines "SKIPPED: reason" that tests print.
note_native_skips() {
  local line
  while IFS= read -r line; do skips+=("$1: $line"); done < <(
    sed -n 's/^\(.*MESSAGE: \)\{0,1\}SKIPPED: */skipped: /p' "$2/Testing/Temporary/LastTest.log" | sort -u)
}

# java_count LOG: "K Java" or "K Java (S skipped)" from Surefire's summary of each module, K without those skipped. Fails when none
# ran. (Its report files leave out nested test classes, its summary does not.)
java_count() {
  awk -F '[:,]' '
    /Tests run: [0-9]+, Failures: [0-9]+, Errors: [0-9]+, Skipped: [0-9]+$/ { tests += $2; skipped += $8 }
    END {
      if (tests - skipped <= 0) exit 1
      printf "%d Java", tests - skipped
      if (skipped > 0) printf " (%d skipped)", skipped
    }' "$1"
}

# note_java_skips FOLDER: remembers each skipped test with its reason, from the report files of the modules below.
note_java_skips() {
  local line
  while IFS= read -r line; do skips+=("Java tests: $line"); done < <(
    find "$1" -path '*/target/*-reports/TEST-*.xml' | xargs -r -d '\n' awk '
      /<testcase / {
        name = $0; sub(/.*<testcase name="/, "", name); sub(/".*/, "", name)
        class = $0; sub(/.* classname="/, "", class); sub(/".*/, "", class); sub(/.*\./, "", class)
      }
      /<skipped/ {
        reason = "no reason given"
        if (match($0, /message="[^"]*"/)) reason = substr($0, RSTART + 9, RLENGTH - 10)
        else if (match($0, /Assumption failed: /)) reason = substr($0, RSTART + RLENGTH)
        print "skipped: " class "." name ": " reason
      }' | sed "s/&apos;/'/g; s/&quot;/\"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g" | sort -u)
}

show_skips() {
  [ ${#skips[@]} = 0 ] || printf 'vila4j: !! %s\n' "${skips[@]}" >&2
}
