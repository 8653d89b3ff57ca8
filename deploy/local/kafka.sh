#!/usr/bin/env bash
# kafka.sh start DIR PORT | stop DIR: one Kafka broker (and KRaft controller, alone or one of three) on 127.0.0.1:PORT,
# with everything it owns under DIR. What it stored survives a restart. `start` returns when the broker answers.
#
#   DAYBOOK_KAFKA_LIBS                  where its jar files are (var/kafka-libs)
#   DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES  messages between two fsyncs of a partition. 1, the default, keeps what was
#                                       acknowledged through a power cut, as one broker alone must
#   DAYBOOK_LOCAL_KAFKA_HEAP            the Java heap (768m)
#   DAYBOOK_LOCAL_KAFKA_PROXIED         more ports to listen on, each with the port that clients are told instead, where
#                                       a proxy of a test stands: "21001=22001 21002=22002"
#   DAYBOOK_LOCAL_KAFKA_CLUSTER         "ID NODE VOTERS [ROLES]": it is node NODE of the cluster ID (22 letters), whose
#                                       controllers are VOTERS, "1@127.0.0.1:21001,2@...". A topic then has three copies,
#                                       two of which must have a record before it counts. One alone waits for another.
#                                       ROLES are broker,controller; of a controller alone PORT is not used
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    say "usage: kafka.sh start DIR PORT | stop DIR"
    exit 2
}

READY_S=60
STOP_S=30

read -r CLUSTER_ID NODE VOTERS ROLES <<<"${DAYBOOK_LOCAL_KAFKA_CLUSTER:-- 1 -}"
ROLES=${ROLES:-broker,controller}
# One broker: every internal topic has one copy, and few partitions, so that start and takeover are quick.
COPIES=1 COPIES_MIN=1
if [[ $VOTERS != - ]]; then
    COPIES=3 COPIES_MIN=2
fi

# The controller keeps its port over restarts, because the quorum's record of it names the port.
controller_port() {
    local file=$DIR/controller.port port=$((PORT + 1)) voter
    if [[ $VOTERS != - ]]; then
        for voter in ${VOTERS//,/ }; do
            [[ $voter != "$NODE@"* ]] || printf '%s\n' "${voter##*:}"
        done
        return
    fi
    if [[ ! -s $file ]]; then
        until port_is_free "$port"; do
            port=$((port + 1))
        done
        printf '%s\n' "$port" >"$file"
    fi
    cat "$file"
}

write_properties() {
    local controller=$1 quorum listeners advertised protocols pair number=0
    listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$controller
    advertised=PLAINTEXT://127.0.0.1:$PORT
    protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
    for pair in ${DAYBOOK_LOCAL_KAFKA_PROXIED:-}; do
        number=$((number + 1))
        listeners+=,PROXIED$number://127.0.0.1:${pair%=*}
        advertised+=,PROXIED$number://127.0.0.1:${pair#*=}
        protocols+=,PROXIED$number:PLAINTEXT
    done
    if [[ $ROLES == controller ]]; then
        listeners=CONTROLLER://127.0.0.1:$controller
        advertised=$listeners
    fi
    quorum=controller.quorum.bootstrap.servers=127.0.0.1:$controller
    if [[ $VOTERS != - ]]; then
        quorum=controller.quorum.voters=$VOTERS
    fi
    cat >"$DIR/server.properties" <<PROPERTIES
process.roles=$ROLES
node.id=$NODE
listeners=$listeners
advertised.listeners=$advertised
listener.security.protocol.map=$protocols
controller.listener.names=CONTROLLER
$quorum
log.dirs=$DIR/data

# The log is a contract: topics are made on purpose, and a group's place in it is never forgotten.
auto.create.topics.enable=false
offsets.retention.minutes=2147483647
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.flush.interval.messages=${DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES:-1}

default.replication.factor=$COPIES
min.insync.replicas=$COPIES_MIN
offsets.topic.replication.factor=$COPIES
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$COPIES
transaction.state.log.min.isr=$COPIES_MIN
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$COPIES
share.coordinator.state.topic.min.isr=$COPIES_MIN
group.initial.rebalance.delay.ms=0
# A broker that was killed is let in again when its former session has run out, which else takes 9 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# A small machine.
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
}

# How Java is called: Kafka's main class and its arguments follow.
java_command() {
    JAVA=(
        java "-Xmx${DAYBOOK_LOCAL_KAFKA_HEAP:-768m}" -Xms128m -XX:+UseG1GC -XX:MaxGCPauseMillis=20
        -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true
        -cp "$KAFKA_LIBS/*" "-Ddaybook.kafka.log=$DIR/kafka.log"
        "-Dlog4j2.configurationFile=$ROOT/deploy/local/kafka/log4j2.properties"
    )
}

# Formatted elsewhere and then put in its place, so that a data folder is whole or absent.
format_storage() {
    [[ -d $DIR/data ]] && return
    local id=$CLUSTER_ID
    local -a quorum=()
    [[ $VOTERS != - ]] || quorum=(--standalone)
    # A cluster id is 16 random bytes as base64url; one that begins with - would look like an option.
    while [[ $id == -* ]]; do
        id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
    done
    say "kafka: formatting $DIR/data"
    rm -rf "$DIR/data.new"
    sed "s|^log.dirs=.*|log.dirs=$DIR/data.new|" "$DIR/server.properties" >"$DIR/format.properties"
    "${JAVA[@]}" kafka.tools.StorageTool format "${quorum[@]}" -t "$id" -c "$DIR/format.properties" \
        >>"$DIR/console.log" 2>&1 || die "cannot format; see $DIR/console.log"
    mv "$DIR/data.new" "$DIR/data"
}

answers() {
    local listing
    if [[ $ROLES == controller ]]; then
        if port_is_free "$(controller_port)"; then
            return 1
        fi
        return 0
    fi
    listing=$(kcat -b "127.0.0.1:$PORT" -L -m 2 2>/dev/null) && [[ $listing == *"broker $NODE at 127.0.0.1:$PORT"* ]]
}

start() {
    local pid
    if pid=$(pid_of "$DIR/kafka.pid" "$DIR/server.properties"); then
        say "kafka: already running (pid $pid)"
        return
    fi
    [[ -s $KAFKA_LIBS/complete.list ]] || die "Kafka's jar files are not in $KAFKA_LIBS: run deploy/local/deps.sh"
    port_is_free "$PORT" || die "port $PORT is taken"
    : >"$DIR/console.log"
    java_command
    write_properties "$(controller_port)"
    format_storage
    # A session of its own: Ctrl-C at the terminal is for those who stop the broker in its turn.
    setsid "${JAVA[@]}" kafka.Kafka "$DIR/server.properties" >>"$DIR/console.log" 2>&1 </dev/null &
    pid=$!
    printf '%s\n' "$pid" >"$DIR/kafka.pid"
    wait_ready "kafka" "$READY_S" "$pid" "$DIR/console.log" answers
    say "kafka: ready on 127.0.0.1:$PORT (pid $pid)"
}

stop() {
    local pid
    if ! pid=$(pid_of "$DIR/kafka.pid" "$DIR/server.properties"); then
        rm -f "$DIR/kafka.pid"
        return
    fi
    kill -TERM "$pid"
    if ! wait_gone "$pid" "$STOP_S"; then
        say "kafka: pid $pid does not stop, killing it"
        kill -KILL "$pid"
        wait_gone "$pid" "$STOP_S"
    fi
    rm -f "$DIR/kafka.pid"
    say "kafka: stopped"
}

(($# >= 2)) || usage
mkdir -p "$2"
DIR=$(cd "$2" && pwd)
case $1 in
start)
    (($# == 3)) || usage
    PORT=$3
    start
    ;;
stop)
    stop
    ;;
*)
    usage
    ;;
esac
