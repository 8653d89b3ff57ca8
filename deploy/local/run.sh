#!/usr/bin/env bash
# run.sh: what `make run` does. Installs what is missing, builds, starts Kafka, PostgreSQL, the payment provider's double,
# a server that keeps mails as files, and Daybook under var/, makes the first admin, seeds a small catalogue, says where to go
# next, and on Ctrl-C (or TERM) stops all of it in order. What was stored stays in var/: the next run goes on with it; to
# begin anew, remove var/kafka, var/postgres* and var/daybook together.
#
# The front asks who comes and has its limits, as anywhere else.
#
#   DAYBOOK_HTTP_PORT             the front (8443)
#   DAYBOOK_LOCAL_KAFKA_PORT      Kafka (19092)
#   DAYBOOK_LOCAL_POSTGRES_PORT   PostgreSQL (15432)
#   DAYBOOK_LOCAL_PROVIDER_PORT   the provider's double (18090)
#   DAYBOOK_LOCAL_MAIL_PORT       the server that keeps mails (12525); it is not started where DAYBOOK_SMTP_URL is set
#   DAYBOOK_LOCAL_VAR             where all of it is stored (var/)
#   DAYBOOK_LOCAL_TLS             certificates of the front and the servers (var/daybook/tls); ca.pem has signed them
# Every other DAYBOOK_* setting is passed on: DAYBOOK_LIMITS=off, say, for whoever sends much from this machine, or
# DAYBOOK_ACCESS=open.
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
MAIL_PORT=${DAYBOOK_LOCAL_MAIL_PORT:-12525}
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
# So that the admin of a developer's machine comes in by README.md's lines, without an authenticator.
export DAYBOOK_STAFF_SECOND_FACTOR=${DAYBOOK_STAFF_SECOND_FACTOR:-optional}
export DAYBOOK_DOCS_DIR=${DAYBOOK_DOCS_DIR-$ROOT/var/docs}
export DAYBOOK_SECRET_FILE=${DAYBOOK_SECRET_FILE:-$VAR/daybook/secret}
export DAYBOOK_MASTER_KEY_FILE=${DAYBOOK_MASTER_KEY_FILE:-$VAR/daybook/master}

BINARY=$ROOT/build/release/daybook
SINK=$HERE/mail_sink.py
URL=https://127.0.0.1:$DAYBOOK_HTTP_PORT
export DAYBOOK_PUBLIC_URL=${DAYBOOK_PUBLIC_URL:-$URL}
HAS_SINK=0
if [[ -z ${DAYBOOK_SMTP_URL:-} ]]; then
    HAS_SINK=1
    export DAYBOOK_SMTP_URL=smtp://127.0.0.1:$MAIL_PORT
    export DAYBOOK_MAIL_FROM="${DAYBOOK_MAIL_FROM:-Daybook <shop@daybook.example>}"
fi
ADMIN=admin@daybook.example
ADMIN_PASSWORD=
READY_S=60
STOP_S=30
STARTED=0

# stop_own NAME [PROGRAM]: ends the process of var/NAME.pid, when it is one of ours.
stop_own() {
    local pid
    if pid=$(pid_of "$VAR/$1.pid" "${2:-$BINARY}"); then
        kill -TERM "$pid"
        if ! wait_gone "$pid" "$STOP_S"; then
            say "run: $1 (pid $pid) does not stop, killing it"
            kill -KILL "$pid"
        fi
        say "run: $1 stopped"
    fi
    rm -f "$VAR/$1.pid"
}

# In the order in which nobody misses the next: the service, the provider, the mails, the database, the log.
stop_all() {
    trap '' INT TERM # a second Ctrl-C does not cut this short
    trap - EXIT
    if ((STARTED)); then
        say "run: stopping"
        stop_own serve
        stop_own provider
        stop_own mail "$SINK"
        "$HERE/stack.sh" down "$VAR" || true
    fi
}

# start_own NAME COMMAND...: its output in var/NAME.log. In a session of its own, because Ctrl-C at the terminal is for
# this script.
start_own() {
    local name=$1
    shift
    setsid "$@" >>"$VAR/$name.log" 2>&1 </dev/null 8>&- &
    printf '%s\n' "$!" >"$VAR/$name.pid"
}

serve_is_ready() {
    curl -fsS --cacert "$CA" --max-time 2 "$URL/health/ready"
}

provider_listens() {
    ! port_is_free "$PROVIDER_PORT"
}

sink_listens() {
    ! port_is_free "$MAIL_PORT"
}

# Once in an installation. His password is shown by this run, and by no later one.
make_admin() {
    local code=0 said=$VAR/daybook/admin.said
    ADMIN_PASSWORD=$("$BINARY" people admin "$ADMIN" 2>"$said") || code=$?
    # 3: there is one already.
    if ((code != 0 && code != 3)); then
        cat "$said" >&2
        die "the first admin could not be made"
    fi
    rm -f "$said"
}

start_all() {
    STARTED=1
    # Of an earlier run that was killed.
    stop_own serve
    stop_own provider
    stop_own mail "$SINK"
    local port
    local -a ports=("$DAYBOOK_HTTP_PORT" "$PROVIDER_PORT")
    ((HAS_SINK)) && ports+=("$MAIL_PORT")
    for port in "${ports[@]}"; do
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
    if ((HAS_SINK)); then
        start_own mail "$ROOT/var/venv/bin/python" "$SINK" --text --port "$MAIL_PORT" "$VAR/mail"
        wait_ready "the server that keeps mails" "$READY_S" "$!" "$VAR/mail.log" sink_listens
    fi
    start_own provider "$BINARY" test-provider --port "$PROVIDER_PORT" --ledger "$VAR/daybook/provider-ledger" \
        --webhook-url "$URL/v1/webhooks/test" --webhook-ca "$CA"
    wait_ready "the provider's double" "$READY_S" "$!" "$VAR/provider.log" provider_listens
    DAYBOOK_POSTGRES="$DATABASE user=daybook_serve" start_own serve "$BINARY" serve
    SERVE=$!
    wait_ready "daybook serve" "$READY_S" "$SERVE" "$VAR/serve.log" serve_is_ready
    say "run: daybook serve is ready (pid $SERVE, its log is $VAR/serve.log)"
    make_admin
}

say_who_is_admin() {
    if [[ -n $ADMIN_PASSWORD ]]; then
        cat <<ADMIN
The first admin is $ADMIN. His password is good for a day, for setting another one, and is not shown again
(README.md, "People, by hand"):

  once=$ADMIN_PASSWORD

ADMIN
    else
        cat <<ADMIN
The first admin is $ADMIN, whose password a run before has shown.
Another one for him: DAYBOOK_KAFKA_BROKERS=$DAYBOOK_KAFKA_BROKERS DAYBOOK_POSTGRES="$DAYBOOK_POSTGRES" DAYBOOK_SECRET_FILE=$DAYBOOK_SECRET_FILE DAYBOOK_MASTER_KEY_FILE=$DAYBOOK_MASTER_KEY_FILE $BINARY people admin --again

ADMIN
    fi
}

say_where_mails_are() {
    if ((HAS_SINK)); then
        echo "Mails are not sent but kept: $VAR/mail/*.txt"
    else
        echo "Mails go to $DAYBOOK_SMTP_URL"
    fi
}

say_where_to_go() {
    cat <<NEXT

Daybook is running: $URL (Kafka 127.0.0.1:$KAFKA_PORT, PostgreSQL 127.0.0.1:$POSTGRES_PORT)

$(say_who_is_admin)

$(say_where_mails_are)

Its certificate is of an authority of its own, $CA. As a guest, who is known by his cart's token alone: open a cart with
a line, check it out, look at the order:

  curl() { command curl --cacert $CA "\$@"; }
  cart=\$(curl -s $URL/v1/carts -H 'Content-Type: application/json' -d '{"currency":"EUR","lines":[{"sku":"tea-earl-grey-100g","quantity":2}]}' | tee /dev/stderr)
  token="Daybook-Cart-Token: \$(grep -o '"token":"[^"]*' <<<"\$cart" | cut -d '"' -f 4)"
  order=\$(curl -s $URL/v1/carts/\$(grep -o 'cart_[0-9A-Z]*' <<<"\$cart" | head -n 1)/checkout -H "\$token" -H 'Content-Type: application/json' -H "Idempotency-Key: \$(cat /proc/sys/kernel/random/uuid)" -d '{"email":"you@example.com","payment":{"provider":"test","method":"approve"}}' | tee /dev/stderr | grep -o 'ord_[0-9A-Z]*[.][0-9]*' | head -n 1)
  curl -s -w '\n' $URL/v1/orders/\$order -H "\$token"

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
"$HERE/seed.sh" "$URL" "$CA" "$VAR/daybook/seed.key"
say_where_to_go
code=0
wait "$SERVE" || code=$?
say "run: daybook serve has ended by itself with $code; its log ends so:"
tail -n 20 "$VAR/serve.log" >&2
exit 1
