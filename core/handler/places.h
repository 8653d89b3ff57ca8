/* places.h: where the handlers stand in each shard's commands, for an operator to look at and, with care, to set.
 *
 * Purpose  a shard whose next command is not known, or is not in the log, is stopped and never reset (takeover.h):
 *          only a person can say where it goes on. `daybook shards` is his hand.
 * Promise  a place is set only while no handler is a member of the group, and only to an offset that the topic has.
 * Thread   any; calls block on the broker.       May use: log, librdkafka.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/base/err.h"

/* Offsets in one partition of the commands. */
struct place {
    int64_t next;       /* the command that is decided next; -1: the group has no offset */
    int64_t first, end; /* what the topic holds: from `first` on, below `end` */
};

/* Of all shards: config->shards places. */
MUST_CHECK enum err places_read(const struct config *config, struct place *ret_places, struct err_info *info);

/* ERR_CONFLICT: handlers are at work, or the topic has no such offset. */
MUST_CHECK enum err place_set(const struct config *config, int32_t shard, int64_t next, struct err_info *info);
