#!/usr/bin/env bash
# fuzz.sh SECONDS PROGRAM...: runs libFuzzer programs for so long each. All begin with what is known of their inputs:
# fuzz/NAME beside their source, where there is such (fuzz/NAME.dict has words of their language), and what
# fuzz_seeds.py makes of schemas, examples and attacks; it is run whole, however short the time. What they find
# interesting is kept under build/fuzz/corpus/ for the next run; the input that breaks one is written to build/fuzz/.
#
#   FUZZ_JOBS    how many run at once (1)
#   FUZZ_CLOCK   wall: SECONDS of the clock (the default); or processor: each goes on, in rounds, until it has had so
#                many of a processor, which takes longer where others want it, too. Both are told of each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Of the clock, for one input: whoever runs beside others may have to wait for as long.
INPUT_SECONDS=120
LEAST_ROUND_MS=5000

# "1.234 5.678", in milliseconds together.
sum_of_times() {
    local user system
    read -r user system <"$1"
    echo $((10#${user/./} + 10#${system/./}))
}

# One program, called again by xargs below.
if [[ ${1:-} == --one ]]; then
    clock=$2 limit_ms=$(($3 * 1000)) program=$4
    name=${program##*/} folder=$(dirname "${program#build/fuzz/}")/fuzz
    corpus=build/fuzz/corpus/$name log=build/fuzz/$name.log
    inputs=0 spent_ms=0 round=1 began=$SECONDS
    corpora=("$corpus")
    options=(-timeout="$INPUT_SECONDS" -report_slow_units="$INPUT_SECONDS" -rss_limit_mb=2048 -verbosity=0
        -print_final_stats=1 -artifact_prefix="build/fuzz/$name-")
    mkdir -p "$corpus"
    for seeds in "$folder/$name" "build/fuzz/seeds/$name"; do
        [[ ! -d $seeds ]] || corpora+=("$seeds")
        [[ ! -f $seeds.dict ]] || options+=(-dict="$seeds.dict")
    done
    TIMEFORMAT='%3U %3S'
    while ((round == 1 || (spent_ms < limit_ms && round < 1000))); do
        left_ms=$((limit_ms - spent_ms))
        ((round == 1 || left_ms > LEAST_ROUND_MS)) || left_ms=$LEAST_ROUND_MS
        code=0
        { time "$program" "${options[@]}" -max_total_time=$(((left_ms + 999) / 1000)) "${corpora[@]}" \
            >"$log" 2>&1; } 2>"$log.time" || code=$?
        ran=$(sed -nE 's/^stat::number_of_executed_units: *([0-9]+)/\1/p' "$log")
        inputs=$((inputs + ${ran:-0}))
        spent_ms=$((spent_ms + $(sum_of_times "$log.time")))
        if ((code != 0 || ${ran:-0} == 0)); then
            tail -n 40 "$log"
            printf 'fuzz: %s FAILED (%d) after %d inputs; its log is %s\n' "$name" "$code" "$inputs" "$log"
            exit 1
        fi
        [[ $clock == processor ]] || break
        round=$((round + 1))
    done
    printf 'fuzz: %s: %d inputs in %d s, %d.%d s of a processor; none of them is bad\n' "$name" "$inputs" \
        $((SECONDS - began)) $((spent_ms / 1000)) $((spent_ms / 100 % 10))
    exit 0
fi

if (($# < 2)) || [[ ! ${FUZZ_CLOCK:=wall} =~ ^(wall|processor)$ ]]; then
    echo "usage: [FUZZ_JOBS=N] [FUZZ_CLOCK=wall|processor] fuzz.sh SECONDS PROGRAM..." >&2
    exit 2
fi
seconds=$1
shift
printf 'fuzz: %d programs, %d s each (%s), %d at once\n' $# "$seconds" "$FUZZ_CLOCK" "${FUZZ_JOBS:=1}"
python3 deploy/local/fuzz_seeds.py build/fuzz/seeds
printf '%s\n' "$@" | xargs -P "$FUZZ_JOBS" -n 1 "${BASH_SOURCE[0]}" --one "$FUZZ_CLOCK" "$seconds"
