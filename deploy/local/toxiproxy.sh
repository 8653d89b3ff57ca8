#!/usr/bin/env bash
# toxiproxy.sh: builds the server of Toxiproxy, which the tests put on links to harm them, under var/ unless it is there,
# and prints where it is. Needs Go, and installs Debian's when there is none.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$HERE/common.sh"

# The newest that Debian 12's Go 1.19 builds.
VERSION=v2.5.0
FOLDER=$ROOT/var/toxiproxy-$VERSION

if [[ ! -x $FOLDER/server ]]; then
    command -v go >/dev/null || "$HERE/deps.sh" golang-go
    say "toxiproxy: building $VERSION into $FOLDER"
    mkdir -p "$FOLDER.new"
    GOBIN=$FOLDER.new go install "github.com/Shopify/toxiproxy/v2/cmd/server@$VERSION" >&2
    # Put in its place whole; whoever built it at the same time built the same.
    mkdir -p "$FOLDER"
    mv -f "$FOLDER.new/server" "$FOLDER/server"
    rm -rf "$FOLDER.new"
fi
printf '%s\n' "$FOLDER/server"
