#!/usr/bin/env bash
# kafka.sh start DIR PORT | stop DIR: one Kafka broker (and KRaft controller, alone or one of three) on 127.0.0.1:PORT,
# with everything it owns under DIR. What it stored survives a restart. `start` returns when the broker answers.
#
#   DAYBOOK_KAFKA_LIBS                  where its jar files are (var/kafka-libs)
#   DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES  messages between two fsyncs of a partition. 1, the default, keeps what was
#                                       acknowledged through a power cut, as one broker alone must
#   DAYBOOK_LOCAL_KAFKA_HEAP            the Java heap (768m)
#   DAYBOOK_LOCAL_KAFKA_JAVA            more options of Java, as words: "-XX:TieredStopAtLevel=1" for a broker that lives
#                                       for minutes, which the second compiler would only keep busy
#   DAYBOOK_LOCAL_KAFKA_PROXIED         more ports to listen on, each with the port that clients are told instead, where
#                                       a proxy of a test stands: "21001=22001 21002=22002"
#   DAYBOOK_LOCAL_KAFKA_CLUSTER         "ID NODE VOTERS [ROLES]": it is node NODE of the cluster ID (22 letters), whose
#                                       controllers are VOTERS, "1@127.0.0.1:21001,2@...". A topic then has three copies,
#                                       two of which must have a record before it counts. One alone waits for another.
#                                       ROLES are broker,controller; of a controller alone PORT is not used
#   DAYBOOK_LOCAL_KAFKA_SECURE          1, for a broker that is alone: no port speaks in the clear. PORT is SASL_SSL with
#                                       PLAIN and SCRAM-SHA-512; the broker and its controller know each other by a
#                                       certificate. kafka/access.txt says which users there are and what each may do;
#                                       the password of USER is in DIR/users/USER, made once, and read at each start
#   DAYBOOK_LOCAL_KAFKA_PREFIX          with it: what the topics' names begin with (daybook)
#   DAYBOOK_LOCAL_TLS                   with it: the folder of tls.sh (DIR/tls); ca.pem there is what clients trust
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

read -ra JAVA_MORE <<<"${DAYBOOK_LOCAL_KAFKA_JAVA:-}"

is_secure() {
    [[ ${DAYBOOK_LOCAL_KAFKA_SECURE:-} == 1 ]]
}

# port_kept NAME FROM: a free port from FROM on, the same one at each start.
port_kept() {
    local file=$DIR/$1.port port=$2
    if [[ ! -s $file ]]; then
        until port_is_free "$port"; do
            port=$((port + 1))
        done
        printf '%s\n' "$port" >"$file"
    fi
    cat "$file"
}

# The controller keeps its port over restarts, because the quorum's record of it names the port.
controller_port() {
    local voter
    if [[ $VOTERS != - ]]; then
        for voter in ${VOTERS//,/ }; do
            [[ $voter != "$NODE@"* ]] || printf '%s\n' "${voter##*:}"
        done
        return
    fi
    port_kept controller $((PORT + 1))
}

# Where the broker, and who sets up its users, speak to it.
inner_port() {
    port_kept inner $((PORT + 2))
}

ACCESS=$ROOT/deploy/local/kafka/access.txt

users() {
    sed -n 's/^\([a-z]*\) .*/\1/p' "$ACCESS" | sort -u
}

make_passwords() {
    local user
    mkdir -p "$DIR/users"
    for user in $(users); do
        [[ -s $DIR/users/$user ]] || head -c 24 /dev/urandom | base64 >"$DIR/users/$user"
    done
}

# What write_properties says of a secure broker; and tls.properties, by which Java's clients speak to its inner port.
write_security() {
    local tls=${DAYBOOK_LOCAL_TLS:-$DIR/tls}
    "$(dirname "${BASH_SOURCE[0]}")/tls.sh" "$tls" broker
    # From here on what is written is its owner's alone: keys and passwords are among it.
    umask 077
    rm -f "$DIR/server.properties" "$DIR/format.properties"
    make_passwords
    # Kafka wants key and certificate in one file.
    cat "$tls/broker.key" "$tls/broker.pem" >"$DIR/broker.pem"
    cat >"$DIR/tls.properties" <<PROPERTIES
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=$DIR/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=$tls/ca.pem
PROPERTIES
    listeners=CLIENTS://127.0.0.1:$PORT,INNER://127.0.0.1:$(inner_port),CONTROLLER://127.0.0.1:$1
    advertised=CLIENTS://127.0.0.1:$PORT,INNER://127.0.0.1:$(inner_port)
    protocols=CLIENTS:SASL_SSL,INNER:SSL,CONTROLLER:SSL
    security=$(
        grep '^ssl' "$DIR/tls.properties"
        cat <<PROPERTIES
inter.broker.listener.name=INNER
listener.name.inner.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.clients.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required$(
            for user in $(users); do
                printf ' user_%s="%s"' "$user" "$(<"$DIR/users/$user")"
            done
        );
listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:CN=broker;User:admin
PROPERTIES
    )
}

write_properties() {
    local controller=$1 quorum listeners advertised protocols security='' pair number=0 user
    listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$controller
    advertised=PLAINTEXT://127.0.0.1:$PORT
    protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
    for pair in ${DAYBOOK_LOCAL_KAFKA_PROXIED:-}; do
        number=$((number + 1))
        listeners+=,PROXIED$number://127.0.0.1:${pair%=*}
        advertised+=,PROXIED$number://127.0.0.1:${pair#*=}
        protocols+=,PROXIED$number:PLAINTEXT
    done
    if is_secure; then
        [[ $VOTERS == - ]] || die "DAYBOOK_LOCAL_KAFKA_SECURE is for a broker that is alone"
        write_security "$controller"
    fi
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

$security
PROPERTIES
}

# How Java is called: Kafka's main class and its arguments follow.
java_command() {
    JAVA=(
        java "-Xmx${DAYBOOK_LOCAL_KAFKA_HEAP:-768m}" -Xms128m -XX:+UseG1GC -XX:MaxGCPauseMillis=20
        -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true "${JAVA_MORE[@]}"
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
    if is_secure; then
        # Whether it serves as well is seen by who makes its users.
        if port_is_free "$PORT"; then
            return 1
        fi
        return 0
    fi
    listing=$(kcat -b "127.0.0.1:$PORT" -L -m 2 2>/dev/null) && [[ $listing == *"broker $NODE at 127.0.0.1:$PORT"* ]]
}

# For SCRAM the broker keeps its users itself, and what each may do.
make_users() {
    java "${JAVA_MORE[@]}" -cp "$KAFKA_LIBS/*" "-Ddaybook.kafka.log=$DIR/users.log" \
        "-Dlog4j2.configurationFile=$ROOT/deploy/local/kafka/log4j2.properties" "$ROOT/deploy/local/kafka/Access.java" \
        "127.0.0.1:$(inner_port)" "$DIR/tls.properties" "$ACCESS" "${DAYBOOK_LOCAL_KAFKA_PREFIX:-daybook}" \
        "$DIR/users" >>"$DIR/console.log" 2>&1 || die "cannot make its users; see $DIR/console.log"
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
    if is_secure; then
        make_users
    fi
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
