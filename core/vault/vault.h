/* vault.h: personal data stands in the log only encrypted, under a key of its person; destroying the key erases the
 * person.
 *
 * Purpose  seals what the front takes in before anything is written. A person is known by the keyed hash of his
 *          e-mail address (lower case): it finds his key again and says nothing without the installation's secret.
 * Promise  one key a person, whoever asks first: it is stored before it is used, and what the table holds wins.
 *          XChaCha20-Poly1305 with a random nonce; the key's id is authenticated, so that a ciphertext cannot be
 *          moved to another person.
 * Store    PostgreSQL, `vault.keys(key_id, key, created_at)` and the one row of `vault.installation`; vault_sql makes
 *          them. For now keys stand there in the clear.
 * Bounds   the last VAULT_CACHE_KEYS keys are remembered, in memory that core files do not show. With a remembered
 *          key sealing needs no database.
 * Thread   the loop's.          May use: base, pg, libsodium.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"
#include "core/pg/session.h"
#include "core/vault/secret.h"
#include "gen/common.h"

enum { VAULT_CACHE_KEYS = 4096, VAULT_KEY_BYTES = 32, VAULT_NONCE_BYTES = 24, VAULT_TAG_BYTES = 16 };

struct vault;

/* What `daybook migrate` runs; may be run again. */
extern const char *const vault_sql;

struct vault_key {
    struct str id;
    uint8_t bytes[VAULT_KEY_BYTES];
};

struct vault *vault_open(struct pg_pool *pg, const struct secret *secret);
void vault_close(struct vault *vault);

/* Whether this is the secret of the installation: its fingerprint, a keyed hash that says nothing of the secret, is
 * what `vault.installation` holds; the first who asks writes it there. ERR_CONFIG: it is another installation's secret.
 * Blocks; for the start of a process. */
MUST_CHECK enum err vault_check_secret(struct pg_session *session, const struct secret *secret, struct err_info *info);

/* The id of the person with this e-mail address. */
struct str vault_key_id(struct arena *arena, const struct secret *secret, struct str email);

/* The key of a person, made when there is none. on_key may be called before this returns; `key` is lent for the call,
 * and NULL when the database could not be asked. `key_id` must live until then. */
void vault_key_of(struct vault *vault, struct str key_id, void (*on_key)(void *context, const struct vault_key *key),
                  void *context);

/* Encrypts sealed->plaintext; key_id, nonce and ciphertext live in the arena. */
void vault_seal(const struct vault_key *key, struct arena *arena, struct sealed *sealed);
/* False when it was not sealed with this key, or was changed since. */
MUST_CHECK bool vault_unseal(const struct vault_key *key, struct arena *arena, const struct sealed *sealed,
                             struct str *ret_plaintext);
