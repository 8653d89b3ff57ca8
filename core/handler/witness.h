/* witness.h: which command a process was deciding when it died.
 *
 * Purpose  an assertion that fails ends the process, and whoever takes over meets the same command. To set that one
 * command aside, and never an innocent one, somebody must know which it was. A file mapped into memory does: before a
 *          command is decided its coordinates are stored there, after it they are wiped. Stores into a shared mapping
 *          outlive the process, however it ends, and cost nothing.
 * Promise  witness_died_at names a command only when the former process of this data_dir ended between the two stores.
 *          That takes microseconds a command, so a kill from outside seldom leaves a name, and practically never
 *          the same one twice; core/handler/suspect.h counts.
 * Limits   a machine that stops leaves nothing; then there is nothing to be said about its commands either.
 * Thread   one slot a worker: witness_deciding and witness_rest by that worker; the rest by any.  May use: base.
 */
#pragma once

#include "core/base/err.h"

#include <stdatomic.h>
#include <stdint.h>

enum { WITNESS_WORKERS_MAX = 64 };

struct witness_slot {
    int32_t shard;
    _Atomic int64_t offset_plus_one; /* 0: nothing is being decided; so a new file says nothing */
};

struct witness {
    struct witness_slot *slots;                      /* mapped; WITNESS_WORKERS_MAX of them */
    struct witness_slot former[WITNESS_WORKERS_MAX]; /* what the former process left, until it was counted */
};

/* Makes the file in data_dir when there is none, and reads what the former process left. */
MUST_CHECK enum err witness_open(struct witness *witness, const char *data_dir, struct err_info *info);
void witness_close(struct witness *witness);

static inline void witness_deciding(struct witness *witness, int worker, int32_t shard, int64_t offset) {
    witness->slots[worker].shard = shard;
    atomic_store_explicit(&witness->slots[worker].offset_plus_one, offset + 1, memory_order_release);
}

static inline void witness_rest(struct witness *witness, int worker) {
    atomic_store_explicit(&witness->slots[worker].offset_plus_one, 0, memory_order_release);
}

/* The offset of the shard's command that the former process died deciding; false when there is none. */
bool witness_died_at(struct witness *witness, int32_t shard, int64_t *ret_offset);

/* It was written down where every later owner finds it: this death is not told again, by this process or a later one.
 */
void witness_counted(struct witness *witness, int32_t shard);
