/* askers.h: who else waits for a command that has not come to rest: the retries of a request that is in flight.
 *
 * Purpose  the first asker stands in the pending outcome, in the log. Those who ask again while it is pending are
 *          remembered here and told together with it.
 * Promise  best effort, as replies are: what a takeover or the bound loses is made good by GET /v1/commands/{id}.
 * Bounds   ASKERS_MAX; the oldest gives way.
 * Thread   the worker's.         May use: base.
 */
#pragma once

#include "core/base/str.h"
#include "core/base/text.h"

enum { ASKERS_MAX = 4096, REPLY_INSTANCE_MAX = 64 };

struct asker {
    uint8_t command_id[ULID_BYTES];
    int32_t partition;
    uint8_t instance_len; /* 0: the place is free */
    char instance[REPLY_INSTANCE_MAX];
};

struct askers {
    struct asker *places; /* ASKERS_MAX of them, made with the first asker */
    uint32_t next;        /* the place that is used next */
    uint32_t count;
};

void askers_release(struct askers *askers);

/* Nothing when it waits already, or when its instance's name is too long. */
void askers_add(struct askers *askers, const uint8_t command_id[ULID_BYTES], int32_t partition, struct str instance);

/* Takes one asker for the command out; false when there is none left. The name is good until the next add. */
bool askers_take(struct askers *askers, const uint8_t command_id[ULID_BYTES], int32_t *ret_partition,
                 struct str *ret_instance);
