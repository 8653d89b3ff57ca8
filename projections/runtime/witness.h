/* witness.h: which event a view was being made of when its process died, and whether it is to be set aside for that.
 *
 * Purpose  an assertion that fails in a view ends the process, and the next one meets the same event. As handlers do
 *          for commands (ADR 0010), each view stores the place of the event that it is projecting in a file mapped into
 *          memory, and wipes it afterwards: microseconds, so that a kill from outside hardly ever leaves a name, and
 *          not twice the same. An event at which WITNESS_DEATHS_MAX processes died is parked instead of projected.
 *          While a process lives the same place tells which event a view does not come to an end with.
 * Limits   the count is this data_dir's: a projector that starts on another machine dies at the event itself, as often.
 * Thread   a slot is its view's thread's; view_witness_at may be asked by any.       May use: base.
 */
#pragma once

#include "core/base/err.h"

#include <stdatomic.h>
#include <stdint.h>

enum { WITNESS_DEATHS_MAX = 2, WITNESS_VIEWS_MAX = 32 };

/* An event: `topic` is an enum log_topic. */
struct witness_place {
    int32_t topic;
    int32_t shard;
    int64_t offset;
};

struct witness_slot {
    _Atomic int64_t offset_plus_one; /* 0: nothing is being projected; so a new file says nothing */
    _Atomic int32_t topic, shard;
    struct witness_place suspect; /* if `deaths` > 0 */
    int64_t deaths;
};

struct view_witness {
    struct witness_slot *slots; /* WITNESS_VIEWS_MAX of them */
    int lock;                   /* of the file; -1: there is none, and what is stored ends with the process */
};

/* What the former process left is counted. On failure (another process has the file, or it cannot be made) there are
 * slots all the same, which nobody will find later. */
enum err view_witness_open(struct view_witness *witness, const char *data_dir, struct err_info *info);
void view_witness_close(struct view_witness *witness);

static inline void view_witness_projecting(struct witness_slot *slot, int32_t topic, int32_t shard, int64_t offset) {
    atomic_store_explicit(&slot->topic, topic, memory_order_relaxed);
    atomic_store_explicit(&slot->shard, shard, memory_order_relaxed);
    atomic_store_explicit(&slot->offset_plus_one, offset + 1, memory_order_release);
}

static inline void view_witness_rest(struct witness_slot *slot) {
    atomic_store_explicit(&slot->offset_plus_one, 0, memory_order_release);
}

/* Whether the event is to be set aside. */
bool view_witness_is_refused(const struct witness_slot *slot, int32_t topic, int32_t shard, int64_t offset);
/* The suspect was set aside for good, or passed: what comes to its place again begins anew. */
void view_witness_passed(struct witness_slot *slot);

/* What is being projected; false: nothing. */
bool view_witness_at(const struct witness_slot *slot, struct witness_place *ret_place);
