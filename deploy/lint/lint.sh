#!/usr/bin/env bash
# lint.sh [CHECK...]: all that `make lint` looks at, each check by its name, or those that are named; all of them are run,
# and any that complains fails the whole. CPPFLAGS come from the Makefile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t SOURCES < <(find core projections cmd schemas/codegen -name '*.c' | sort)
mapfile -t CODE < <(find core projections cmd schemas/codegen -name '*.[ch]' | sort)
mapfile -t UNTESTED < <(printf '%s\n' "${SOURCES[@]}" | grep -vE '(_test|_fuzz)\.c$')
mapfile -t SCRIPTS < <(find deploy .ci -type f \( -name '*.sh' -o -path '.ci/run' \) | sort)

format() {
    clang-format --dry-run --Werror "${CODE[@]}"
}

layers() {
    python3 deploy/lint/layers.py
}

house() {
    python3 deploy/lint/house.py
}

# The commits whose registry this one may only add to: where the branch left main; on main the commit before, and this
# one for what is not committed yet. None without git history.
registry_bases() {
    local head base
    head=$(git rev-parse --verify --quiet HEAD) || return 0
    base=$(git merge-base HEAD main 2>/dev/null || git merge-base HEAD origin/main 2>/dev/null || echo "$head")
    if [[ $base == "$head" ]]; then
        git rev-parse --verify --quiet HEAD^ || true
    fi
    echo "$base"
}

codes() {
    python3 deploy/lint/codes.py
}

documented() {
    python3 deploy/lint/documented.py
}

registry() {
    local base
    build/codegen --schemas schemas --check || return
    mkdir -p build/lint
    for base in $(registry_bases); do
        if git show "$base:schemas/registry.tsv" >build/lint/registry.before 2>/dev/null; then
            build/codegen --schemas schemas --check-against build/lint/registry.before || return
        fi
    done
}

shell() {
    shellcheck -x -P SCRIPTDIR "${SCRIPTS[@]}"
}

python() {
    var/venv/bin/ruff check --quiet --no-cache --config deploy/lint/ruff.toml --exclude build --exclude var .
}

# The inline suppressions stand in the code, each with its reason.
cppcheck_all() {
    mkdir -p build/lint/cppcheck
    local -a flags
    read -ra flags <<<"$CPPFLAGS"
    cppcheck --quiet -j "$(nproc)" --cppcheck-build-dir=build/lint/cppcheck --std=c11 --language=c \
        --enable=warning,portability --inline-suppr --error-exitcode=1 \
        --suppressions-list=deploy/lint/cppcheck.txt --library=posix "${flags[@]}" "${UNTESTED[@]}"
}

tidy() {
    deploy/lint/tidy.sh "${UNTESTED[@]}"
}

ALL=(format layers house codes documented registry shell python cppcheck_all tidy)
for check in "$@"; do
    [[ " ${ALL[*]} " == *" $check "* ]] || {
        printf 'lint: there is no check %s; there are %s\n' "$check" "${ALL[*]}" >&2
        exit 2
    }
done
(($# > 0)) || set -- "${ALL[@]}"
FAILED=()
for check in "$@"; do
    start=$SECONDS
    result=ok
    "$check" || result=FAILED
    [[ $result == ok ]] || FAILED+=("$check")
    printf 'lint: %-14s %s (%d s)\n' "$check" "$result" $((SECONDS - start))
done
((${#FAILED[@]} == 0)) || {
    printf 'lint: failed: %s\n' "${FAILED[*]}"
    exit 1
}
