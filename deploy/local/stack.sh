#!/usr/bin/env bash
# stack.sh up DIR KAFKA_PORT POSTGRES_PORT | down DIR: the two servers that Daybook stands on, in DIR/kafka and DIR.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$HERE/common.sh"

usage() {
    say "usage: stack.sh up DIR KAFKA_PORT POSTGRES_PORT | down DIR"
    exit 2
}

# Both at once: together they are ready as soon as the slower one is.
up() {
    "$HERE/kafka.sh" start "$1/kafka" "$2" &
    local kafka=$!
    local failed=0
    "$HERE/postgres.sh" start "$1" "$3" || failed=1
    wait "$kafka" || failed=1
    if ((failed)); then
        down "$1"
        exit 1
    fi
}

down() {
    local failed=0
    "$HERE/postgres.sh" stop "$1" || failed=1
    "$HERE/kafka.sh" stop "$1/kafka" || failed=1
    return "$failed"
}

case ${1:-} in
up)
    (($# == 4)) || usage
    up "$2" "$3" "$4"
    ;;
down)
    (($# == 2)) || usage
    down "$2"
    ;;
*)
    usage
    ;;
esac
