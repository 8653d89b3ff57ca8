/* erasing.h: keys of persons destroyed, and their table written anew, beside a loop that must not wait.
 *
 * Promise  what was begun is told of exactly once, on the loop's thread. Told ERR_NONE, the keys are gone for ever,
 *          those aside that are somebody else's by now. Each may be done again without harm (vault/upkeep.h).
 * Bounds   one at a time: whoever begins asks erasing_is_busy before. The connection is kept for the next; one that
 *          failed is given up. A loop that ends waits for what was begun: some 15 s, where the database is silent.
 * Thread   the loop's; the work is done on one of libuv's.          May use: base, vault, pg.
 */
#pragma once

#include <stddef.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/vault/upkeep.h"

struct erasing;

/* What came of it, where it is ERR_NONE. */
struct erased {
    int64_t keys_left; /* of erasing_destroy: how many are somebody else's by now (vault_destroy) */
    bool was_due;      /* of erasing_vacuum: whether there was anything to remove */
};

typedef void erasing_done_cb(void *context, enum err err, const struct erased *erased, const struct err_info *info);

/* `conninfo` must outlive it. */
struct erasing *erasing_open(uv_loop_t *loop, const char *conninfo);
/* When the loop has ended. */
void erasing_close(struct erasing *erasing);

bool erasing_is_busy(const struct erasing *erasing);

/* The texts must live until it is told; the array is copied. */
void erasing_destroy(struct erasing *erasing, const struct vault_doomed *doomed, size_t count, erasing_done_cb *on_done,
                     void *context);
/* Writes the table anew, if keys were replaced or destroyed since it was. */
void erasing_vacuum(struct erasing *erasing, erasing_done_cb *on_done, void *context);
