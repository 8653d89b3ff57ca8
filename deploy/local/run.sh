#!/usr/bin/env bash
# run.sh: what `make run` does. Installs what is missing, builds, starts Kafka, PostgreSQL, the payment provider's double
# and Daybook under var/, seeds a small catalogue, says where to go next, and on Ctrl-C (or TERM) stops all of it in
# order. What was stored stays in var/: the next run goes on with it; to begin anew, remove var/kafka, var/postgres*
# and var/daybook together.
#
#   DAYBOOK_HTTP_PORT             the front (8443)
#   DAYBOOK_LOCAL_KAFKA_PORT      Kafka (19092)
#   DAYBOOK_LOCAL_POSTGRES_PORT   PostgreSQL (15432)
#   DAYBOOK_LOCAL_PROVIDER_PORT   the provider's double (18090)
#   DAYBOOK_LOCAL_VAR             where all of it is stored (var/)
#   DAYBOOK_LOCAL_TLS             certificates of the front and the servers (var/daybook/tls); ca.pem has signed them
#   DAYBOOK_LIMITS                off here, where all clients are one address (docs/http.md, "Limits")
# Every other DAYBOOK_* setting is passed on.
# Some functions are called by traps and by name.
# shellcheck disable=SC2317
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$HERE/common.sh"
cd "$ROOT"

VAR=${DAYBOOK_LOCAL_VAR:-$ROOT/var}
KAFKA_PORT=${DAYBOOK_LOCAL_KAFKA_PORT:-19092}
POSTGRES_PORT=${DAYBOOK_LOCAL_POSTGRES_PORT:-15432}
PROVIDER_PORT=${DAYBOOK_LOCAL_PROVIDER_PORT:-18090}
export DAYBOOK_HTTP_PORT=${DAYBOOK_HTTP_PORT:-8443}
export DAYBOOK_KAFKA_BROKERS=127.0.0.1:$KAFKA_PORT
export DAYBOOK_LOCAL_TLS=${DAYBOOK_LOCAL_TLS:-$VAR/daybook/tls}
CA=$DAYBOOK_LOCAL_TLS/ca.pem
export DAYBOOK_TLS_CERTIFICATE=$DAYBOOK_LOCAL_TLS/front.pem
export DAYBOOK_TLS_KEY=$DAYBOOK_LOCAL_TLS/front.key
export DAYBOOK_LOCAL_POSTGRES_SECURE=1
DATABASE="host=127.0.0.1 port=$POSTGRES_PORT dbname=daybook sslmode=verify-full"
DATABASE+=" sslrootcert='$CA' passfile='$VAR/pgpass'"
# The tables' owner; who serves has a login that may do less.
export DAYBOOK_POSTGRES="$DATABASE user=daybook"
export DAYBOOK_PROVIDER_URL=http://127.0.0.1:$PROVIDER_PORT
export DAYBOOK_DATA_DIR=${DAYBOOK_DATA_DIR:-$VAR/daybook}
export DAYBOOK_DEVELOPMENT=${DAYBOOK_DEVELOPMENT:-true}
export DAYBOOK_LIMITS=${DAYBOOK_LIMITS:-off}
export DAYBOOK_DOCS_DIR=${DAYBOOK_DOCS_DIR-$ROOT/var/docs}
export DAYBOOK_SECRET_FILE=${DAYBOOK_SECRET_FILE:-$VAR/daybook/secret}
export DAYBOOK_MASTER_KEY_FILE=${DAYBOOK_MASTER_KEY_FILE:-$VAR/daybook/master}

BINARY=$ROOT/build/release/daybook
URL=https://127.0.0.1:$DAYBOOK_HTTP_PORT
READY_S=60
STOP_S=30
STARTED=0

# stop_own NAME: ends the process of var/NAME.pid, when it is one of ours.
stop_own() {
    local pid
    if pid=$(pid_of "$VAR/$1.pid" "$BINARY"); then
        kill -TERM "$pid"
        if ! wait_gone "$pid" "$STOP_S"; then
            say "run: $1 (pid $pid) does not stop, killing it"
            kill -KILL "$pid"
        fi
        say "run: $1 stopped"
    fi
    rm -f "$VAR/$1.pid"
}

# In the order in which nobody misses the next: the service, the provider, the database, the log.
stop_all() {
    trap '' INT TERM # a second Ctrl-C does not cut this short
    trap - EXIT
    if ((STARTED)); then
        say "run: stopping"
        stop_own serve
        stop_own provider
        "$HERE/stack.sh" down "$VAR" || true
    fi
}

# start_own NAME ARGUMENTS...: `daybook ARGUMENTS...`, its output in var/NAME.log. In a session of its own, because
# Ctrl-C at the terminal is for this script.
start_own() {
    local name=$1
    shift
    setsid "$BINARY" "$@" >>"$VAR/$name.log" 2>&1 </dev/null 8>&- &
    printf '%s\n' "$!" >"$VAR/$name.pid"
}

serve_is_ready() {
    curl -fsS --cacert "$CA" --max-time 2 "$URL/health/ready"
}

provider_listens() {
    ! port_is_free "$PROVIDER_PORT"
}

start_all() {
    STARTED=1
    # Of an earlier run that was killed.
    stop_own serve
    stop_own provider
    local port
    for port in "$DAYBOOK_HTTP_PORT" "$PROVIDER_PORT"; do
        port_is_free "$port" || die "port $port is taken; run.sh says which variable chooses another"
    done
    # Ctrl-C waits until both servers are there, so that what it stops is known.
    (
        trap '' INT
        exec "$HERE/stack.sh" up "$VAR" "$KAFKA_PORT" "$POSTGRES_PORT" 8>&-
    )
    mkdir -p "$VAR/daybook"
    say "run: creating topics and tables"
    "$BINARY" topics create >&2
    "$BINARY" migrate >&2
    "$HERE/tls.sh" "$DAYBOOK_LOCAL_TLS" front
    start_own provider test-provider --port "$PROVIDER_PORT" --ledger "$VAR/daybook/provider-ledger" \
        --webhook-url "$URL/v1/webhooks/test" --webhook-ca "$CA"
    wait_ready "the provider's double" "$READY_S" "$!" "$VAR/provider.log" provider_listens
    DAYBOOK_POSTGRES="$DATABASE user=daybook_serve" start_own serve serve
    SERVE=$!
    wait_ready "daybook serve" "$READY_S" "$SERVE" "$VAR/serve.log" serve_is_ready
    say "run: daybook serve is ready (pid $SERVE, its log is $VAR/serve.log)"
}

say_where_to_go() {
    cat <<NEXT

Daybook is running: $URL (Kafka 127.0.0.1:$KAFKA_PORT, PostgreSQL 127.0.0.1:$POSTGRES_PORT)

Its certificate is of an authority of its own, $CA. Open a cart with a line, check it out, look at the order:

  curl() { command curl --cacert $CA "\$@"; }
  cart=\$(curl -s $URL/v1/carts -H 'Content-Type: application/json' -d '{"currency":"EUR","lines":[{"sku":"tea-earl-grey-100g","quantity":2}]}' | tee /dev/stderr | grep -o 'cart_[0-9A-Z]*' | head -n 1)
  order=\$(curl -s $URL/v1/carts/\$cart/checkout -H 'Content-Type: application/json' -H "Idempotency-Key: \$(cat /proc/sys/kernel/random/uuid)" -d '{"email":"you@example.com","payment":{"provider":"test","method":"approve"}}' | tee /dev/stderr | grep -o 'ord_[0-9A-Z]*[.][0-9]*' | head -n 1)
  curl -s -w '\n' $URL/v1/orders/\$order

Its events: kcat -b 127.0.0.1:$KAFKA_PORT -C -e -q -t daybook.orders -f '%T %k %h\n'
Its story:  DAYBOOK_KAFKA_BROKERS=$DAYBOOK_KAFKA_BROKERS build/release/daybook replay \$order
Its tables: PGPASSFILE=$VAR/pgpass psql -h 127.0.0.1 -p $POSTGRES_PORT -U daybook daybook

All of its API: $URL/docs, and its events: $URL/docs/events

Ctrl-C stops everything; what was stored stays in $VAR/.
NEXT
}

# Make's own variables would bind the inner make to the outer one's jobs.
unset MAKEFLAGS MAKELEVEL MFLAGS

mkdir -p "$VAR"
exec 8>"$VAR/run.lock"
flock -n 8 || die "another make run works in this checkout"

trap stop_all EXIT
# Being stopped is how a run ends; before anything runs, it is a failure to get there.
trap 'exit $((STARTED ? 0 : 130))' INT TERM

"$HERE/deps.sh" 8>&-
say "run: building"
make --no-print-directory -s build 8>&-
start_all
"$HERE/seed.sh" "$URL" "$CA"
say_where_to_go
code=0
wait "$SERVE" || code=$?
say "run: daybook serve has ended by itself with $code; its log ends so:"
tail -n 20 "$VAR/serve.log" >&2
exit 1
