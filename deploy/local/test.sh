#!/usr/bin/env bash
# test.sh: what `make test` runs, from the root of the checkout, on two tracks. Ahead run, one after the other, the steps
# that have clocks: unit tests and tests on real servers, which wait more than they compute. Beside them run the steps
# that load, with a tenth of the processors where others want them, as networks do not wait for ever, and then those that
# only compute, with what the others leave.
#
# A step beside begins when those before it have ended, in the order in which they are asked for. It is asked for once all
# that it is made of stands there, and what it builds itself nobody builds ahead: no two makes write one file, and none
# reads what the other writes. Its output is shown when the track ahead is between two steps, and stays in build/test.
# A step that fails ends the whole; one beside does so when the step ahead has ended.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

LOGS=build/test
# Each make below has as many jobs as there are processors, rather than a share of those of the make that called.
unset MAKEFLAGS MFLAGS MAKELEVEL

# ---- beside ----------------------------------------------------------------------------------------------------------
# A group that gives way at once to whoever is not in it: a control group (version 2 or 1), where one may be made. Its path.
make_idle_group() {
    local root=/sys/fs/cgroup group
    [[ -e $root/cgroup.controllers ]] || root+=/cpu
    group=$root/daybook-test-$$
    mkdir "$group" 2>/dev/null || return 0
    if { echo 1 >"$group/cpu.idle"; } 2>/dev/null; then
        echo "$group"
    else
        rmdir "$group"
    fi
}

# Linux shares processors among sessions first (sched_autogroup(7)), where it does, and then among a session's processes.
nice_from_now() {
    renice -n "$1" -p "$BASHPID" >/dev/null
    { echo "$1" >"/proc/$BASHPID/autogroup"; } 2>/dev/null || true
}

loading() {
    "$@"
}

# From here on, all that the track does.
idly() {
    if [[ -n $IDLE_GROUP ]]; then
        echo "$BASHPID" >"$IDLE_GROUP/cgroup.procs"
    else
        nice_from_now 19
    fi
    "$@"
}

# The track, in a session of its own. Reads steps, one a line: name, command. Writes how each ended: name, exit code, seconds.
if [[ ${1:-} == --beside ]]; then
    nice_from_now 10
    while read -r name command; do
        began=$SECONDS code=0
        # shellcheck disable=SC2086  # the command is words
        $command >"$LOGS/$name.log" 2>&1 </dev/null || code=$?
        printf '%s %d %d\n' "$name" "$code" $((SECONDS - began))
    done
    exit
fi

# beside NAME loading|idly COMMAND...: to be run beside; no word of it has a space.
beside() {
    printf '%s\n' "$*" >&8
}

declare -A ENDED
# Waits for the next step beside to end, and shows it.
hear() {
    local name code seconds
    read -r name code seconds <&7 || die "the track beside has ended; its steps are in $LOGS"
    ENDED[$name]=$code
    printf '==== beside: %s\n' "$name"
    cat "$LOGS/$name.log"
    ((code == 0)) || die "$name failed with $code, in $seconds s"
    printf '==== %s: beside, %s took %d s\n' "$(date +%T)" "$name" "$seconds"
}

await() {
    local name
    for name in "$@"; do
        until [[ -v ENDED[$name] ]]; do
            hear
        done
    done
}

# ---- ahead -----------------------------------------------------------------------------------------------------------
# step NAME COMMAND...
step() {
    local name=$1 began=$SECONDS code=0
    shift
    printf '==== %s: %s\n' "$(date +%T)" "$*"
    "$@" 7<&- 8>&- || code=$?
    ((code == 0)) || die "$name failed with $code"
    printf '==== %s: %s took %d s\n' "$(date +%T)" "$name" $((SECONDS - began))
    while read -r -t 0 <&7; do
        hear
    done
}

end_track() {
    local pid
    kill -- -"$TRACK" 2>/dev/null || true
    [[ -n $IDLE_GROUP ]] || return 0
    # Who is about to end would keep the group.
    for pid in $(<"$IDLE_GROUP/cgroup.procs"); do
        { echo "$pid" >"${IDLE_GROUP%/*}/cgroup.procs"; } 2>/dev/null || true
    done
    rmdir "$IDLE_GROUP"
}

rm -rf "$LOGS"
mkdir -p "$LOGS"
IDLE_GROUP=$(make_idle_group)
coproc BESIDE { export IDLE_GROUP && exec setsid "$ROOT/deploy/local/test.sh" --beside; }
TRACK=$BESIDE_PID
exec 7<&"${BESIDE[0]}" 8>&"${BESIDE[1]}"
trap end_track EXIT
trap 'exit 130' INT TERM

step packages deploy/local/deps.sh --debian
step generate make build/gen/stamp
beside deps loading deploy/local/deps.sh
beside clients loading make clients
beside checker loading make checker
step lint make lint CHECKS=format,layers,house,codes,documented,registry,shell
step build make build
beside evolved idly make evolved
beside lint_slow idly make lint CHECKS=python,cppcheck_all,tidy
step unit make unit build/release/simulator
beside sim idly make sim SEEDS=400
beside histories idly make histories
step asan make MODE=asan unit build build/asan/simulator
beside sim_asan idly make MODE=asan sim SEEDS=50
beside fuzz idly make fuzz FUZZ_SECONDS=20 FUZZ_JOBS=6
await deps clients checker evolved
step integration make integration ASAN=build/asan/daybook
SLOWER=6 step faults make faults ARGS="-m quick -n 3 --dist loadfile --no-loadscope-reorder"
await lint_slow sim histories sim_asan fuzz
printf '==== all passed, in %d s\n' "$SECONDS"
