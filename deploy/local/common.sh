# shellcheck shell=bash
# common.sh: what the scripts of deploy/local share. Sourced, not run.

# The root of the checkout.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Kafka's jar files; the same ones serve `make run` and the tests.
# shellcheck disable=SC2034  # used by those who source this
KAFKA_LIBS=${DAYBOOK_KAFKA_LIBS:-$ROOT/var/kafka-libs}

# A line for whoever watches; results go to standard output, progress does not.
say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "${0##*/}: $*"
    exit 1
}

# Whether nothing listens on 127.0.0.1:PORT.
port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# pid_of PIDFILE MARK: the process that the file names, when it lives and MARK is in its command line. A pid that
# the system has given to somebody else meanwhile is nobody's.
pid_of() {
    local pid command
    [[ -s $1 ]] || return 1
    pid=$(<"$1")
    command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
    [[ $command == *"$2"* ]] || return 1
    printf '%s\n' "$pid"
}

# Whether the process runs. One that has ended and waits for its parent to notice (in a container whose first process
# never does) does not.
is_running() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    [[ ${stat##*) } != Z* ]]
}

# wait_gone PID SECONDS: whether the process has ended by then.
wait_gone() {
    local deadline=$((SECONDS + $2))
    while is_running "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# wait_ready WHAT SECONDS PID LOG COMMAND...: polls COMMAND until it succeeds. Gives up, with the log's end, at the
# deadline or as soon as the process has died.
wait_ready() {
    local what=$1 deadline=$((SECONDS + $2)) pid=$3 log=$4
    shift 4
    until "$@" >/dev/null 2>&1; do
        if ! is_running "$pid"; then
            tail -n 30 "$log" >&2 || true
            die "$what has ended instead of getting ready; its log is $log"
        fi
        if ((SECONDS >= deadline)); then
            tail -n 30 "$log" >&2 || true
            die "$what is not ready in time; its log is $log"
        fi
        sleep 0.1
    done
}
