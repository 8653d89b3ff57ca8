#!/usr/bin/env bash
# postgres.sh start DIR PORT | stop DIR: a private PostgreSQL 15 cluster on 127.0.0.1:PORT with a role `daybook` that
# owns a database `daybook` and may create others. What it stored survives a restart. `start` returns when it answers.
#
# PostgreSQL refuses to run as root, so under root it runs as the system user `daybook`, made when absent. Where that
# user cannot reach DIR (a checkout under /root), the cluster is under /var/lib/daybook, and DIR/postgres.location says
# where. Only the role `daybook` gets in without a password, and only over the loopback; nobody gets in as superuser.
#
# The group roles of core/pg/grants.h are there: daybook_reader, daybook_writer, daybook_keys.
#
#   DAYBOOK_LOCAL_POSTGRES_FSYNC   off: a power cut may cost all, which a test wants to see (on)
#   DAYBOOK_LOCAL_POSTGRES_SECURE  1: nobody gets in without TLS and a password (scram-sha-256). Besides the owner there
#                                  are logins for a front (daybook_front), a projector (daybook_projector), a
#                                  connector (daybook_connector) and a process with all roles (daybook_serve). Their passwords are made once: DIR/pgpass has
#                                  them for libpq (PGPASSFILE)
#   DAYBOOK_LOCAL_TLS              with it: the folder of tls.sh (DIR/tls); ca.pem there is what clients trust
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    say "usage: postgres.sh start DIR PORT | stop DIR"
    exit 2
}

BIN=/usr/lib/postgresql/15/bin
SYSTEM_USER=daybook
READY_S=60
STOP_S=30

# As the user that owns the cluster. setpriv becomes the program it runs, so its pid is the program's.
choose_runner() {
    AS_OWNER=()
    if ((EUID == 0)); then
        if ! id -u "$SYSTEM_USER" >/dev/null 2>&1; then
            say "postgres: creating the system user $SYSTEM_USER"
            useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "$SYSTEM_USER"
        fi
        AS_OWNER=(setpriv --reuid "$SYSTEM_USER" --regid "$SYSTEM_USER" --clear-groups --)
    fi
}

# The cluster's folder, which its owner can reach.
choose_home() {
    if [[ -s $DIR/postgres.location ]]; then
        HOME_DIR=$(<"$DIR/postgres.location")
    elif "${AS_OWNER[@]}" test -x "$DIR"; then
        HOME_DIR=$DIR/postgres
    else
        mkdir -p /var/lib/daybook
        HOME_DIR=$(mktemp -d /var/lib/daybook/postgres.XXXXXX)
        printf '%s\n' "$HOME_DIR" >"$DIR/postgres.location"
        say "postgres: $SYSTEM_USER cannot reach $DIR, so the cluster is in $HOME_DIR"
    fi
    mkdir -p "$HOME_DIR"
    if ((EUID == 0)); then
        chown "$SYSTEM_USER:" "$HOME_DIR"
    fi
    chmod 700 "$HOME_DIR"
}

GROUPS_OF=(
    "daybook_reader"
    "daybook_writer"
    "daybook_keys"
)
# Login, and the groups that it is a member of.
LOGINS=(
    "daybook_serve daybook_reader, daybook_writer, daybook_keys"
    "daybook_front daybook_reader, daybook_keys"
    "daybook_projector daybook_writer"
    "daybook_connector daybook_keys"
)

is_secure() {
    [[ ${DAYBOOK_LOCAL_POSTGRES_SECURE:-} == 1 ]]
}

# password_of LOGIN: made when there is none. They are words of letters, digits, - and _.
password_of() {
    local line
    if ! grep -q "^127.0.0.1:[*]:[*]:$1:" "$DIR/pgpass" 2>/dev/null; then
        line="127.0.0.1:*:*:$1:$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"
        (umask 077 && printf '%s\n' "$line" >>"$DIR/pgpass")
    fi
    sed -n "s/^127.0.0.1:[*]:[*]:$1://p" "$DIR/pgpass"
}

# One statement a line, as single-user mode wants it.
role_sql() {
    printf "DO 'BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ''%s'')" "$1"
    printf " THEN CREATE ROLE %s; END IF; END';\n" "$1"
}

roles_sql() {
    local name groups login
    role_sql daybook
    printf 'ALTER ROLE daybook LOGIN CREATEDB;\n'
    printf 'GRANT pg_checkpoint TO daybook;\n' # for who looks at what the files hold
    for name in "${GROUPS_OF[@]}"; do
        role_sql "$name"
    done
    is_secure || return 0
    printf "ALTER ROLE daybook PASSWORD '%s';\n" "$(password_of daybook)"
    for login in "${LOGINS[@]}"; do
        read -r name groups <<<"$login"
        role_sql "$name"
        printf "ALTER ROLE %s LOGIN PASSWORD '%s';\n" "$name" "$(password_of "$name")"
        printf 'GRANT %s TO %s;\n' "$groups" "$name"
    done
}

# Single-user mode needs no superuser's connection.
run_as_superuser() {
    "${AS_OWNER[@]}" "$BIN/postgres" --single -c exit_on_error=on -D "$1" postgres >>"$LOG" 2>&1 ||
        die "PostgreSQL refused a statement; see $LOG"
}

# In a cluster of before, or one that was not secure. What was done is remembered: it takes half a second.
make_roles() {
    local sql hash stamp=$HOME_DIR/roles.sha256
    sql=$(roles_sql)
    hash=$(sha256sum <<<"$sql")
    if [[ ! -s $stamp || $(<"$stamp") != "$hash" ]]; then
        run_as_superuser "$1" <<<"$sql"
        printf '%s\n' "$hash" >"$stamp"
    fi
}

# Copies, because a key must be its server's own.
copy_certificate() {
    local data=$1 tls=${DAYBOOK_LOCAL_TLS:-$DIR/tls}
    "$(dirname "${BASH_SOURCE[0]}")/tls.sh" "$tls" postgres
    (umask 077 && "${AS_OWNER[@]}" tee "$data/server.key" >/dev/null) <"$tls/postgres.key"
    "${AS_OWNER[@]}" tee "$data/server.pem" <"$tls/postgres.pem" >/dev/null
}

# Written at each start, so that a newer checkout brings its settings to an older cluster. All that is not named has
# PostgreSQL's own defaults: fsync, synchronous_commit and full_page_writes are on.
write_settings() {
    local data=$1 ssl=off rule='host all daybook 127.0.0.1/32 trust'
    if is_secure; then
        copy_certificate "$data"
        ssl=on rule='hostssl all all 127.0.0.1/32 scram-sha-256'
    fi
    "${AS_OWNER[@]}" tee "$data/postgresql.auto.conf" >/dev/null <<SETTINGS
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 256MB
wal_compression = lz4
max_wal_size = 2GB
log_min_messages = warning
log_line_prefix = '%m [%p] %u@%d '
cluster_name = 'daybook'
fsync = ${DAYBOOK_LOCAL_POSTGRES_FSYNC:-on}
ssl = $ssl
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
SETTINGS
    "${AS_OWNER[@]}" tee "$data/pg_hba.conf" >/dev/null <<<"$rule"
}

# Made elsewhere and then put in its place, so that a data folder is whole or absent.
create_cluster() {
    [[ -d $HOME_DIR/data ]] && return
    say "postgres: creating a cluster in $HOME_DIR/data"
    rm -rf "$HOME_DIR/data.new" "$HOME_DIR/roles.sha256"
    # Collation C sorts as C.UTF-8 does, by code point, and compares keys several times as fast.
    "${AS_OWNER[@]}" "$BIN/initdb" -D "$HOME_DIR/data.new" --username=postgres --auth=reject \
        --encoding=UTF8 --locale=C.UTF-8 --lc-collate=C --no-instructions >>"$LOG" 2>&1 || die "initdb failed; see $LOG"
    write_settings "$HOME_DIR/data.new"
    local sql
    sql=$(roles_sql)
    printf '%s\n' "$sql" 'CREATE DATABASE daybook OWNER daybook;' | run_as_superuser "$HOME_DIR/data.new"
    sha256sum <<<"$sql" >"$HOME_DIR/roles.sha256"
    mv "$HOME_DIR/data.new" "$HOME_DIR/data"
}

# PostgreSQL looks only whether a process with the lock's number exists, which one that was killed and never waited for
# still does.
drop_dead_lock() {
    local lock=$HOME_DIR/data/postmaster.pid pid
    [[ -s $lock ]] || return 0
    pid=$(head -n 1 "$lock")
    is_running "$pid" || rm -f "$lock"
}

answers() {
    "$BIN/pg_isready" -q -h 127.0.0.1 -p "$PORT" -d daybook -U daybook
}

start() {
    local pid
    if pid=$(pid_of "$DIR/postgres.pid" "$HOME_DIR/data"); then
        say "postgres: already running (pid $pid)"
        return
    fi
    port_is_free "$PORT" || die "port $PORT is taken"
    create_cluster
    write_settings "$HOME_DIR/data"
    drop_dead_lock
    make_roles "$HOME_DIR/data"
    # The cluster's owner cannot be asked to run in a folder that it cannot reach.
    cd /
    setsid "${AS_OWNER[@]}" "$BIN/postgres" -D "$HOME_DIR/data" -p "$PORT" >>"$LOG" 2>&1 </dev/null &
    pid=$!
    printf '%s\n' "$pid" >"$DIR/postgres.pid"
    wait_ready "postgres" "$READY_S" "$pid" "$LOG" answers
    say "postgres: ready on 127.0.0.1:$PORT (pid $pid)"
}

stop() {
    local pid
    if ! pid=$(pid_of "$DIR/postgres.pid" "$HOME_DIR/data"); then
        rm -f "$DIR/postgres.pid"
        return
    fi
    kill -INT "$pid" # the fast shutdown: clients are cut off, transactions rolled back
    if ! wait_gone "$pid" "$STOP_S"; then
        say "postgres: pid $pid does not stop, stopping it immediately"
        kill -QUIT "$pid"
        wait_gone "$pid" "$STOP_S"
    fi
    rm -f "$DIR/postgres.pid"
    say "postgres: stopped"
}

(($# >= 2)) || usage
mkdir -p "$2"
DIR=$(cd "$2" && pwd)
LOG=$DIR/postgres.log
case $1 in
start)
    (($# == 3)) || usage
    PORT=$3
    choose_runner
    choose_home
    start
    ;;
stop)
    HOME_DIR=$DIR/postgres
    if [[ -s $DIR/postgres.location ]]; then
        HOME_DIR=$(<"$DIR/postgres.location")
    fi
    stop
    ;;
*)
    usage
    ;;
esac
