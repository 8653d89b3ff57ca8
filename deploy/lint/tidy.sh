#!/usr/bin/env bash
# tidy.sh FILE...: clang-tidy on the files that have changed since it last found nothing in them, two at a time or as
# many as there are processors. What it depends on is the file, all headers, and the rules: their hash is remembered
# under build/lint/tidy. The flags come in CPPFLAGS.
#
#   DAYBOOK_LINT_NODES   how many states of a function the analyzer looks at (75000, a third of its own default: the
#                        rest took two and a half minutes of make test; a release is looked at with 225000)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

NODES=${DAYBOOK_LINT_NODES:-75000}
ANALYZER=(--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang "--extra-arg=max-nodes=$NODES")
STAMPS=build/lint/tidy
mkdir -p "$STAMPS"

# One file, called again by xargs below.
if [[ ${1:-} == --one ]]; then
    file=$2
    stamp=$STAMPS/${file//\//_}.ok
    hash=$(cat "$file" <(printf '%s' "$TIDY_COMMON") | sha256sum)
    if [[ -s $stamp && $(<"$stamp") == "$hash" ]]; then
        exit 0
    fi
    # shellcheck disable=SC2086  # the flags are words
    if found=$(clang-tidy --quiet "${ANALYZER[@]}" "$file" -- $CPPFLAGS -std=gnu17 2>/dev/null); then
        printf '%s\n' "$hash" >"$stamp"
        exit 0
    fi
    printf '%s\n' "$found"
    exit 1
fi

TIDY_COMMON=$({
    cat .clang-tidy
    echo "$NODES"
    find core projections cmd schemas build/gen \( -name '*.h' -o -name '*.def' \) -print0 | sort -z | xargs -0 cat
} | sha256sum)
export TIDY_COMMON CPPFLAGS
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 "${BASH_SOURCE[0]}" --one
