/* master.h: the ring of master keys, under which the keys of persons are wrapped before the database sees them.
 *
 * Purpose  whoever has the database, its backups or its disks has no key: they stand there wrapped, and the ring in a
 *          file of the fronts' hosts. A new master key takes the old one's place without anybody being locked out.
 * Form     a line a key, the first wraps, all of them unwrap: `<id> <key>`, an id of 1 to 32 of a-z, 0-9 and -, the key
 *          as base64url of 32 bytes. Lines end in a line feed, or in a comma where a text has but one line.
 * Promise  a wrapped key opens for its own person and under its own master alone: XChaCha20-Poly1305 with a random
 *          nonce, and both their ids authenticated. What is derived (master_seed) says nothing of the master key.
 * Rule     all fronts of an installation hold the same keys: vault_check_ring. Losing the ring loses every person's
 *          data; it belongs into the backup, and not where the database's lies.
 * Memory   libsodium's: locked, out of core files, read-only once loaded.
 * Bounds   MASTER_KEYS_MAX keys, a file of MASTER_TEXT_MAX bytes.
 * Thread   loaded once, then read-only. Two that change the file at once: one is told ERR_CONFLICT.
 *          May use: base, libsodium.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum {
    MASTER_KEYS_MAX = 16,
    MASTER_ID_MAX = 32,
    MASTER_KEY_BYTES = 32,
    MASTER_TEXT_MAX = 2048,
    MASTER_LINE_MAX = MASTER_ID_MAX + 1 + 43 + 1, /* with its line feed */
    MASTER_WRAPPED_BYTES = 24 + 32 + 16,          /* nonce, a person's key, tag */
    MASTER_SEED_BYTES = 32,
    MASTER_KEY_ID_MAX = 128, /* of a person's key */
};

struct master_ring;

/* Whether there is a ring to load, in the text or the file. */
bool master_exists(const char *path, const char *text);

/* From `text`, or when that is NULL or empty from the file, which is made with one new key (0600, its folder too) when
 * it is absent. ERR_CONFIG: what is there is no ring; ERR_IO. */
MUST_CHECK enum err master_load(const char *path, const char *text, struct master_ring **ret_ring,
                                struct err_info *info);
void master_free(struct master_ring *ring); /* NULL is allowed; wipes it */

size_t master_count(const struct master_ring *ring);
struct str master_id(const struct master_ring *ring, size_t index); /* lives as long as the ring */
/* The place of that key; master_count when the ring has none of that id. */
size_t master_find(const struct master_ring *ring, struct str id);

/* Under the first key. `key` has 32 bytes, its id MASTER_KEY_ID_MAX at most. */
void master_wrap(const struct master_ring *ring, struct str key_id, const uint8_t key[32],
                 uint8_t ret_wrapped[MASTER_WRAPPED_BYTES]);
/* False when the ring has no such master key, or it was not wrapped under it, for this person, or was changed since. */
MUST_CHECK bool master_unwrap(const struct master_ring *ring, struct str id, struct str key_id, struct str wrapped,
                              uint8_t ret_key[32]);
/* HMAC-SHA-256 of label and number under that key. */
void master_seed(const struct master_ring *ring, size_t index, const char *label, uint64_t number,
                 uint8_t ret_seed[MASTER_SEED_BYTES]);

/* ---- the file ----------------------------------------------------------------------------------------------------
 * Each is whole or not at all; processes that run go on with what they loaded. */

/* A new key's line, with its line feed, for a ring that is kept elsewhere: it is a secret. ERR_IO. */
MUST_CHECK enum err master_new_line(char ret_line[MASTER_LINE_MAX + 1], struct err_info *info);

/* A new key behind the others: it unwraps, and does not wrap yet. Makes the file when it is absent. ERR_TOO_LARGE: the
 * ring is full; ERR_CONFIG, ERR_CONFLICT, ERR_IO. */
MUST_CHECK enum err master_add(const char *path, char ret_id[MASTER_ID_MAX + 1], struct err_info *info);
/* The key of that id becomes the first; ERR_NOT_FOUND. */
MUST_CHECK enum err master_use(const char *path, struct str id, struct err_info *info);
/* The key of that id is no more in the ring; ERR_NOT_FOUND, ERR_CONFLICT: it is the first. */
MUST_CHECK enum err master_drop(const char *path, struct str id, struct err_info *info);
