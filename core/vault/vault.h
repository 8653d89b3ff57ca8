/* vault.h: personal data stands in the log only encrypted, under a key of its person; destroying the key erases the
 * person.
 *
 * Purpose  seals what the front takes in before anything is written. Whose key it is, is told by a keyed hash: of the
 *          e-mail address (lower case) where a guest gave it, of the customer's id where it is a customer's. It finds
 *          the key again and says nothing without the installation's secret.
 * Promise  one key an id, whoever asks first: it is stored before it is used, and what the table holds wins.
 *          XChaCha20-Poly1305 with a random nonce; the key's id is authenticated, so that a ciphertext cannot be
 *          moved to another person.
 * Store    PostgreSQL, `vault.keys`, wrapped by the ring of master keys (master.h); upkeep.h makes the tables. Keys of
 *          before there was a ring stand there in the clear, and are used as they are until they are wrapped.
 * Bounds   the last VAULT_CACHE_KEYS keys are remembered for VAULT_KEPT_S, in memory that core files do not show. With
 *          a remembered key sealing needs no database; so long one that was destroyed meanwhile is used.
 * Thread   the loop's.          May use: base, pg, libsodium.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"
#include "core/vault/master.h"
#include "core/vault/secret.h"
#include "gen/common.h"

enum {
    VAULT_CACHE_KEYS = 4096,
    VAULT_KEPT_S = 60,
    VAULT_BATCH_MAX = 256,
    VAULT_KEY_BYTES = 32,
    VAULT_NONCE_BYTES = 24,
    VAULT_TAG_BYTES = 16,
};

struct vault;

struct vault_key {
    struct str id; /* empty where there is no such key: then it opens nothing */
    uint8_t bytes[VAULT_KEY_BYTES];
};

struct vault *vault_open(struct pg_pool *pg, const struct master_ring *ring);
void vault_close(struct vault *vault); /* when its pool answers no more */

/* The id of the key of whoever has this e-mail address, and has not registered. */
struct str vault_key_id_of_email(struct arena *arena, const struct secret *secret, struct str email);
/* The id of the key of this customer (cus_...). */
struct str vault_key_id_of_customer(struct arena *arena, const struct secret *secret, struct str customer);

enum vault_wish {
    VAULT_FIND,
    VAULT_MAKE,      /* when there never was one: what was destroyed stays so */
    VAULT_MAKE_ANEW, /* also where one was destroyed: other bytes under the same id, which open nothing of before */
};

enum vault_found {
    VAULT_THERE,
    VAULT_NONE,        /* never made, or destroyed */
    VAULT_NO_DATABASE, /* it could not be asked */
    VAULT_NO_MASTER,   /* it stands there, and the ring of this process cannot open it */
};

/* `key` is lent for the call, and NULL unless it is there. */
typedef void vault_key_cb(void *context, enum vault_found found, const struct vault_key *key);
/* May call before it returns. An id that is none of ours is never there. */
void vault_key_of(struct vault *vault, struct str key_id, enum vault_wish wish, vault_key_cb *on_key, void *context);

enum vault_end {
    VAULT_NEVER_DESTROYED, /* also one that is not there: it was never made, or this is not the vault that has it */
    VAULT_DESTROYED,
    VAULT_END_UNKNOWN, /* the database could not be asked */
};

typedef void vault_end_cb(void *context, enum vault_end end);
/* Whether a key of this id was ever destroyed: a tombstone stands there, or another key in its place. For those who
 * find none, or one that opens nothing, and must not take a loss for an erasure. May call before it returns. An id that
 * is none of ours never was. */
void vault_end_of(struct vault *vault, struct str key_id, vault_end_cb *on_end, void *context);

/* `keys` stand in the order of the ids that were asked for, each with its id, or it is not there; they are lent for the
 * call. VAULT_NO_DATABASE: there are none. VAULT_NO_MASTER: one or more could not be opened, and are not there either.
 */
typedef void vault_keys_cb(void *context, enum vault_found found, const struct vault_key *keys, size_t count);
/* Up to VAULT_BATCH_MAX at once, in one question. The ids must live until the answer. May call before it returns. */
void vault_keys_of(struct vault *vault, const struct str *key_ids, size_t count, vault_keys_cb *on_keys, void *context);
/* The same; the store is asked also for those that are remembered: where it must not show that they were. */
void vault_keys_of_store(struct vault *vault, const struct str *key_ids, size_t count, vault_keys_cb *on_keys,
                         void *context);

/* This process has destroyed it: it is not used for the rest of its time. */
void vault_forget(struct vault *vault, struct str key_id);

/* How often a key was there and the ring could not open it, so far. */
uint64_t vault_unopened(const struct vault *vault);

/* Encrypts sealed->plaintext; key_id, nonce and ciphertext live in the arena. */
void vault_seal(const struct vault_key *key, struct arena *arena, struct sealed *sealed);
/* False when it was not sealed with this key, or was changed since. */
MUST_CHECK bool vault_unseal(const struct vault_key *key, struct arena *arena, const struct sealed *sealed,
                             struct str *ret_plaintext);

/* ---- for tests --------------------------------------------------------------------------------------------------- */

/* How the database is asked, and what time it is since the machine's start. */
struct vault_ports {
    void (*query)(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                  pg_result_cb *on_result, void *context);
    int64_t (*now_boot_us)(void);
};
struct vault *vault_open_by(const struct vault_ports *ports, struct pg_pool *pg, const struct master_ring *ring);
