#!/usr/bin/env bash
# unit.sh PROGRAM... [-- PROGRAM...]: runs unit test programs (cmocka), as many at once as there are processors, each with
# a time limit, from the root of the checkout. Those behind -- mostly wait, so they run beside the others, as many again
# at once. Says one line a program, shows what a failing one printed, and ends with `123 passed, 0 failed`. A program
# that crashes, hangs or runs no test counts as one failure more.
#
#   DAYBOOK_LOCAL_UNIT_SECONDS   the time limit of one program (180)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

LIMIT_S=${DAYBOOK_LOCAL_UNIT_SECONDS:-180}

# One program, called again by xargs below: its counts go to a file beside its output.
if [[ ${1:-} == --one ]]; then
    program=$2
    output=$LOGS/${program//\//_}
    start=$SECONDS
    code=0
    timeout --kill-after=5 "$LIMIT_S" "$program" >"$output.log" 2>&1 </dev/null || code=$?
    passed=$(grep -c '^\[       OK \]' "$output.log" || true)
    # A failing test is named once where it ran; the list at the end has the names again, after a line with a number.
    failed=$(sed '/^\[  FAILED  \] [0-9]* test/,$d' "$output.log" | grep -c '^\[  FAILED  \]' || true)
    if ((code == 124 || code == 137)); then
        echo "unit: it did not end within $LIMIT_S s" >>"$output.log"
    fi
    if ((failed == 0 && (code != 0 || passed == 0))); then
        failed=1
        echo "unit: exit code $code, $passed tests passed" >>"$output.log"
    fi
    printf '%d %d\n' "$passed" "$failed" >"$output.count"
    if ((failed > 0)); then
        printf 'FAIL %s (%d passed, %d failed)\n' "$program" "$passed" "$failed"
        sed 's/^/    /' "$output.log"
    else
        printf 'ok   %s (%d tests, %d s)\n' "$program" "$passed" $((SECONDS - start))
    fi
    exit 0
fi

(($# > 0)) || {
    echo "usage: unit.sh PROGRAM... [-- PROGRAM...]" >&2
    exit 2
}
LOGS=$(mktemp -d)
trap 'rm -rf "$LOGS"' EXIT
export LOGS

run_all() {
    printf '%s\n' "$@" | xargs -r -P "$(nproc)" -n 1 "${BASH_SOURCE[0]}" --one
}

WORKING=()
while (($# > 0)) && [[ $1 != -- ]]; do
    WORKING+=("$1")
    shift
done
# Ctrl-C is for them, too, which a shell keeps from what it runs in the background.
(
    trap - INT
    run_all "${@:2}"
) &
waiting=$!
run_all "${WORKING[@]}"
wait "$waiting"
cat "$LOGS"/*.count | awk '{passed += $1; failed += $2}
    END {printf "%d passed, %d failed\n", passed, failed; exit failed > 0}'
