/* signing.h: the keys that access tokens are signed with: Ed25519, derived from the ring of master keys, never stored.
 *
 * Purpose  every front signs and checks alike without asking anybody: no table, no race of fronts at the start.
 * Keys     one for each master key and epoch of SIGNING_EPOCH_S (30 days): seed = master_seed("signing", epoch).
 *          Signed is with the ring's first master key and the epoch of the token's own time, so that a token written
 *          again is the same, byte for byte. Accepted are all master keys with the epoch of now, the one before and
 *          the one after. So keys turn with time by themselves, and at once where another master key is put first in
 *          the ring; what a master key has signed is refused once the ring lacks it.
 * Names    `kid` is the first 8 bytes of BLAKE2b-256 of the public key, in hexadecimal.
 * Promise  private keys are derived when something is signed and wiped then; only public ones are kept.
 * Bounds   SIGNING_KEYS_MAX keys; deriving them all takes some 2 ms, once an epoch.
 * Memory   the ring is lent and must outlive it.
 * Thread   one at a time: each loop has its own.          May use: base, libsodium.
 */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/vault/master.h"

enum {
    SIGNING_EPOCH_S = 30 * 24 * 3600,
    SIGNING_KEYS_MAX = 3 * MASTER_KEYS_MAX,
    SIGNING_KID_LEN = 16,
    SIGNING_PUBLIC_BYTES = 32,
    SIGNING_SIGNATURE_BYTES = 64,
    /* Issuer and audience together, as texts of JSON: the rest of ACCESS_TOKEN_MAX is for what tokens say. */
    SIGNING_NAMES_MAX_BYTES = 252,
};

struct signing;

/* `issuer` and `audience` are copied. ERR_CONFIG: they are empty, no UTF-8, or too long. */
MUST_CHECK enum err signing_open(const struct master_ring *ring, const char *issuer, const char *audience,
                                 int64_t now_s, struct signing **ret_signing, struct err_info *info);
void signing_close(struct signing *signing);

/* The keys of the epoch of now, where it is another than before. */
void signing_turn(struct signing *signing, int64_t now_s);

/* The text is signed in two steps, because it names the key. `at_s`: since 1970, not negative. */
struct signing_pair {
    char kid[SIGNING_KID_LEN];
    uint8_t private_key[64];
};
void signing_pair_derive(const struct signing *signing, int64_t at_s, struct signing_pair *ret_pair);
/* Wipes the pair. */
void signing_pair_sign(struct signing_pair *pair, struct str text, uint8_t ret_signature[SIGNING_SIGNATURE_BYTES]);

/* The public key of this name; NULL when none that is accepted has it. Valid until signing_turn. */
const uint8_t *signing_key_named(const struct signing *signing, struct str kid);
MUST_CHECK bool signing_is_signed(const uint8_t *key, struct str text,
                                  const uint8_t signature[SIGNING_SIGNATURE_BYTES]);

/* As texts of JSON, quotes included. */
struct str signing_issuer(const struct signing *signing);
struct str signing_audience(const struct signing *signing);

/* What is accepted, as a JSON Web Key Set (RFC 7517, RFC 8037): the ring's order, then by epoch. */
void jwks_write(const struct signing *signing, struct buf *out);
