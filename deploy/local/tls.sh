#!/usr/bin/env bash
# tls.sh DIR NAME...: certificates for servers of this machine, by an authority of their own. DIR/ca.pem is what clients
# trust; for each NAME (a word) DIR/NAME.pem and DIR/NAME.key are a certificate for 127.0.0.1, ::1 and localhost, whose
# subject is CN=NAME, and its key (PKCS #8). What is there and valid for another 30 days is left alone; what is made
# anew takes its place whole, the key first.
#
# For a machine on which one develops: the authority's key lies beside the certificates.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

AUTHORITY_DAYS=3650
DAYS=90
LEFT_S=$((30 * 24 * 3600))

# run_openssl ARGUMENTS...: silent when all is well.
run_openssl() {
    local said
    said=$(openssl "$@" 2>&1) || die "openssl $1: $said"
}

lasts() {
    [[ -s $1 && -s $2 ]] && openssl x509 -in "$1" -noout -checkend "$LEFT_S" >/dev/null 2>&1
}

new_key() {
    run_openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

make_authority() {
    if lasts "$DIR/ca.pem" "$DIR/ca.key"; then
        return
    fi
    say "tls: making an authority in $DIR"
    # Certificates of another authority are of no use any more.
    rm -f "$DIR"/*.pem "$DIR"/*.key
    new_key "$DIR/ca.key"
    run_openssl req -new -x509 -key "$DIR/ca.key" -days "$AUTHORITY_DAYS" -subj "/CN=Daybook on $(uname -n | cut -c 1-40)" \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
        -out "$DIR/ca.new"
    chmod 644 "$DIR/ca.new"
    mv "$DIR/ca.new" "$DIR/ca.pem"
}

make_certificate() {
    local name=$1
    if lasts "$DIR/$name.pem" "$DIR/$name.key"; then
        return
    fi
    say "tls: making a certificate for $name"
    new_key "$DIR/$name.key.new"
    run_openssl req -new -key "$DIR/$name.key.new" -subj "/CN=$name" -out "$DIR/$name.request"
    run_openssl x509 -req -in "$DIR/$name.request" -CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" -days "$DAYS" \
        -set_serial "0x$(openssl rand -hex 16)" -out "$DIR/$name.pem.new" -extfile <(
            printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
                'extendedKeyUsage=serverAuth,clientAuth' 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'
        )
    chmod 644 "$DIR/$name.pem.new"
    rm "$DIR/$name.request"
    mv "$DIR/$name.key.new" "$DIR/$name.key"
    mv "$DIR/$name.pem.new" "$DIR/$name.pem"
}

(($# >= 2)) || {
    say "usage: tls.sh DIR NAME..."
    exit 2
}
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
shift
# Keys are their owner's alone from the first byte on.
umask 077
# Two at once (Kafka and PostgreSQL are started together) take turns.
exec 9>"$DIR/lock"
flock 9
make_authority
for name in "$@"; do
    [[ $name =~ ^[a-z][a-z0-9-]*$ && $name != ca ]] || die "'$name' is no name for a certificate"
    make_certificate "$name"
done
