#!/usr/bin/env bash
# seed.sh URL CA KEY_FILE: a small catalogue over HTTP, as any client would bring it in: six products with their
# variants, published, with stock at two locations. Each request has an Idempotency-Key of its own, so that a run that was
# cut short is simply run again; once the last SKU has stock, nothing is sent. CA (PEM) is who signs the certificate of
# https.
#
# KEY_FILE has the API key that may do that. It is made by `daybook people key` when it is not there, is kept as long as
# the catalogue is not whole (a request that comes again must be the same one's), and is revoked and removed then.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

(($# == 3)) || die "usage: seed.sh URL CA KEY_FILE"
URL=$1
TRUST=(--cacert "$2")
KEY_FILE=$3
KNOWN_TRIES=20 # a quarter of a second each; a front hears of a new key within one

# title | description | category | sku=price in cents, ... The SKU's own title is its last part.
CATALOGUE=(
    "Earl Grey|Black tea with bergamot oil.|tea|tea-earl-grey-100g=790 tea-earl-grey-250g=1690"
    "Sencha|Steamed green tea from Shizuoka.|tea|tea-sencha-100g=1290"
    "Espresso Roast|Whole beans, roasted dark.|coffee|coffee-espresso-250g=890 coffee-espresso-1kg=2990"
    "Stoneware Mug|Holds 300 ml.|kitchen|mug-stoneware-white=1450 mug-stoneware-blue=1450"
    "Hand Grinder|Steel burrs, 30 g.|kitchen|grinder-hand-steel=5900"
    "Daybook|A bound book of 200 pages, for entries in ink.|paper|book-daybook-a5=1990 book-daybook-a4=2590"
)
LOCATIONS=("berlin=60" "hamburg=40")
LAST_SKU=book-daybook-a4

# call ARGUMENTS...: curl as the one whose the key is. The key stands in no argument, which all processes see.
call() {
    curl "${TRUST[@]}" --max-time 30 -H @<(printf 'Authorization: Bearer %s\n' "$(<"$KEY_FILE")") "$@"
}

make_key() {
    local tries=0 said
    if [[ ! -s $KEY_FILE ]]; then
        # What it says goes to standard error, and nothing but the key to standard output.
        said=$(
            umask 077
            "$ROOT/build/release/daybook" people key seed --role admin 2>&1 >"$KEY_FILE.new"
        ) || die "$said"
        mv "$KEY_FILE.new" "$KEY_FILE"
    fi
    until call -fsS -o /dev/null "$URL/v1/api-keys?limit=1" 2>/dev/null; do
        ((++tries < KNOWN_TRIES)) || die "the front does not take the API key in $KEY_FILE"
        sleep 0.25
    done
}

# The key's id is its stream: dbk_<ULID>_<secret> is key_<ULID>.
drop_key() {
    local key
    [[ -s $KEY_FILE ]] || return 0
    key=$(<"$KEY_FILE")
    key=${key#dbk_}
    call -fsS -o /dev/null -X DELETE "$URL/v1/api-keys/key_${key%%_*}" ||
        say "seed: the API key in $KEY_FILE could not be revoked; it is removed"
    rm -f "$KEY_FILE"
}

# post KEY PATH BODY: the answer's body; anything but success ends the seeding, with the problem.
post() {
    local answer status
    answer=$(call -sS -w '\n%{http_code}' "$URL$2" -H 'Content-Type: application/json' \
        -H "Idempotency-Key: seed-of-the-catalogue-$1" -d "$3")
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    [[ $status == 2* ]] || die "POST $2 gave $status: $answer"
    printf '%s\n' "$answer"
}

is_seeded() {
    local answer
    answer=$(curl -fsS "${TRUST[@]}" --max-time 10 "$URL/v1/stock/$LAST_SKU" 2>/dev/null) || return 1
    grep -qE '"available": *[1-9]' <<<"$answer"
}

# The variants of a product as JSON, from "sku=price sku=price".
variants_json() {
    local variant sku separator=
    for variant in $1; do
        sku=${variant%=*}
        printf '%s{"sku":"%s","title":"%s","price":{"amount":%d,"currency":"EUR"}}' \
            "$separator" "$sku" "${sku##*-}" "${variant#*=}"
        separator=,
    done
}

seed_product() {
    local title description category variants answer product variant sku location
    IFS='|' read -r title description category variants <<<"$1"
    answer=$(post "define-${variants%%=*}" /v1/products "{\"title\":\"$title\",\"description\":\"$description\",\
\"categories\":[\"$category\"],\"variants\":[$(variants_json "$variants")]}")
    [[ $answer =~ prod_[0-9A-Z]{26} ]] || die "the answer names no product: $answer"
    product=${BASH_REMATCH[0]}
    post "publish-${variants%%=*}" "/v1/products/$product/publish" '{}' >/dev/null
    for variant in $variants; do
        sku=${variant%=*}
        for location in "${LOCATIONS[@]}"; do
            post "receive-$sku-${location%=*}" "/v1/stock/$sku/receipts" \
                "{\"location\":\"${location%=*}\",\"quantity\":${location#*=},\"reference\":\"seed\"}" >/dev/null
        done
    done
    say "seed: $title ($product)"
}

if is_seeded; then
    say "seed: the catalogue is there already"
else
    make_key
    for row in "${CATALOGUE[@]}"; do
        seed_product "$row"
    done
fi
drop_key
