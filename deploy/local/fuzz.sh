#!/usr/bin/env bash
# fuzz.sh SECONDS PROGRAM...: runs libFuzzer programs for so long each. They begin with the inputs in fuzz/NAME beside
# their source, where there are such. What they find interesting is kept under build/fuzz/corpus/ for the next run; the
# input that breaks one is written to build/fuzz/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

(($# >= 2)) || {
    echo "usage: fuzz.sh SECONDS PROGRAM..." >&2
    exit 2
}
SECONDS_EACH=$1
shift
failed=0
for program in "$@"; do
    name=${program##*/}
    corpus=build/fuzz/corpus/$name
    corpora=("$corpus")
    seeds=$(dirname "${program#build/fuzz/}")/fuzz/$name
    mkdir -p "$corpus"
    [[ ! -d $seeds ]] || corpora+=("$seeds")
    printf 'fuzz: %s for %d s\n' "$name" "$SECONDS_EACH"
    if ! "$program" -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "${corpora[@]}" 2>"build/fuzz/$name.log"; then
        failed=1
        tail -n 40 "build/fuzz/$name.log"
        printf 'fuzz: %s FAILED; its log is build/fuzz/%s.log\n' "$name" "$name"
    else
        sed -nE 's/^stat::number_of_executed_units: *([0-9]+)/fuzz: \1 inputs, none of them bad/p' "build/fuzz/$name.log"
    fi
done
exit "$failed"
