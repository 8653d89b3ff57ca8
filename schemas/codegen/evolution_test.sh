#!/usr/bin/env bash
# Three releases of one shop, each with the reader and writer that were generated from the schemas of its day, which are
# the first lines of today's registry. testdata/evolution/records.txt keeps what each of them wrote; read_by_N.txt is what
# release N makes of it: of its own and older records its own struct, of later ones a refusal that says so.
# Run from the root: schemas/codegen/evolution_test.sh
set -euo pipefail

codegen=${CODEGEN:-build/codegen}
fixture=schemas/codegen/testdata/evolution
# The last id that each release knew. 2: a field more, a field renamed, an event more. 3: a field retired, renamed again.
last_ids=(3 5 6)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

# release N: the folder of schemas as it was then, what is generated from it, and a program of that, $work/N/reader.
release() {
    local folder=$work/$1 last_id=${last_ids[$1 - 1]} sources=() source id subject version
    mkdir -p "$folder/schemas"
    head -n $((last_id + 1)) "$fixture/registry.tsv" >"$folder/schemas/registry.tsv"
    while read -r id subject version _; do
        [ "$id" = id ] && continue
        for source in "$fixture"/*/"${subject##*.}/$version.avsc"; do
            mkdir -p "$folder/schemas/parcels/${subject##*.}"
            cp "$source" "$folder/schemas/parcels/${subject##*.}/"
        done
    done <"$folder/schemas/registry.tsv"
    "$codegen" --schemas "$folder/schemas" --out "$folder/gen"
    for source in core/base/*.c core/schema/*.c core/gateway/event_json.c; do
        case $source in *_test.c | *_fuzz.c) ;; *) sources+=("$source") ;; esac
    done
    ${CC:-gcc} -I. -I"$folder" -D_GNU_SOURCE -std=gnu17 -g -O1 -Wall -Wextra -Wconversion -Wswitch-enum -Wvla -Wshadow \
        -Wstrict-prototypes -Wno-sign-conversion -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
        -o "$folder/reader" "$fixture/reader.c" "$folder"/gen/*.c "${sources[@]}" -ljansson -lm
}

for n in 1 2 3; do
    release "$n"
    "$work/$n/reader" <"$fixture/records.txt" >"$work/$n/read"
    diff -u "$fixture/read_by_$n.txt" "$work/$n/read" || fail "release $n reads the kept records otherwise"
    # Of what it wrote itself each release makes the same bytes again.
    awk -v after="$((n > 1 ? last_ids[n - 2] : 0))" -v last="${last_ids[n - 1]}" '$1 > after && $1 <= last' \
        "$fixture/records.txt" >"$work/$n/own"
    [ -s "$work/$n/own" ] || fail "no record of release $n is kept"
    "$work/$n/reader" --write <"$work/$n/own" | diff -u "$work/$n/own" - || fail "release $n writes other bytes"
    echo "ok  release $n"
done

# One reader takes a record to today's form at once. By way of release 2 it comes out the same: each step is in it.
awk -v last="${last_ids[1]}" '$1 <= last' "$fixture/records.txt" >"$work/older"
"$work/2/reader" --write <"$work/older" | "$work/3/reader" >"$work/by_steps"
"$work/3/reader" <"$work/older" | diff -u "$work/by_steps" - || fail "the chain of versions is not what one reader does"
echo "ok  version by version, and at once"

# A view keeps events as JSON, and its rows outlive the release that wrote them.
for n in 1 2; do
    grep weight_grams "$fixture/read_by_$n.txt" >"$work/rows"
    "$work/3/reader" --from-json ParcelPacked <"$work/rows" >"$work/from_rows"
    grep weight_grams "$fixture/read_by_3.txt" | head -n "$(wc -l <"$work/rows")" | diff -u - "$work/from_rows" ||
        fail "rows of release $n are read otherwise than its records"
done
echo "ok  rows that an older release wrote"
