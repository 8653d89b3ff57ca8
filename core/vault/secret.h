/* secret.h: the installation's secret, and the keyed hashes made with it.
 *
 * Purpose  command ids, ids of created streams, person ids and request hashes derive from the secret, so that a retry
 *          finds them again and an outsider can neither compute nor compare them.
 * Promise  a hash is HMAC-SHA-256 over a label and parts, each preceded by its length: no two lists of parts make the
 *          same bytes, and hashes with different labels say nothing about one another.
 * Rule     losing the file means that retries of older requests are not recognised and persons' keys are not found
 *          again; it belongs into the backup. All hosts of an installation hold the same one: vault_check_secret.
 * Thread   loaded once, then read-only.          May use: base, libsodium.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum { SECRET_BYTES = 32, SECRET_HASH_BYTES = 32 };

struct secret {
    uint8_t bytes[SECRET_BYTES];
};

/* Reads the file; makes it (mode 0600, random, its folder too) when it is absent. Of several processes that make it at
 * once, all end up with the same. ERR_IO; ERR_MALFORMED when it does not hold exactly 32 bytes. */
MUST_CHECK enum err secret_load(const char *path, struct secret *ret_secret, struct err_info *info);

/* Wipes it from memory. */
void secret_forget(struct secret *secret);

void secret_hash(const struct secret *secret, const char *label, const struct str *parts, size_t part_count,
                 uint8_t ret_hash[SECRET_HASH_BYTES]);
