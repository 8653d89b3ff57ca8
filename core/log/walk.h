/* walk.h: reading a part of the log once, from where it begins to where it ended when the walk began.
 *
 * Purpose  `daybook replay`, `why`, `verify` and `export`: the whole of some partitions, every committed record once,
 *          and then it is over, however much is appended meanwhile.
 * Promise  the records of a partition come in their order, partitions come interleaved. The end of each is the high
 *          watermark at the start, or one that was taken before (log_walk_ends), markers and open transactions
 *          included; a transaction that is open there is waited for. No record behind the end is shown.
 * Bounds   `stall_ms` without any progress ends it with ERR_TIMEOUT. `queue_max_bytes` of records are read ahead.
 * Thread   the caller's; blocks. May use: base.
 */
#pragma once

#include "core/log/reader.h"

enum { WALK_FROM_FIRST = -1 };

struct log_walk {
    const char *brokers;
    const char *client_id;
    int stall_ms;            /* 0: 60 s */
    int64_t queue_max_bytes; /* are read ahead; 0: 64 MiB */
    /* Where each partition ends, in their order; NULL: where it ends now. ERR_CONFLICT: one holds less than that. */
    const int64_t *ends;
    void *context;
    /* False ends the walk, which then answers ERR_NONE. The record is lent for the call. */
    bool (*on_record)(void *context, const struct log_record *record);
    /* About once a second, and at the end; in offsets. May be NULL. */
    void (*on_progress)(void *context, int64_t done, int64_t total);
};

/* Each partition from its `offset`, or its first record when that is WALK_FROM_FIRST; offsets are set to where it
 * began. ERR_NOT_FOUND: a topic or partition does not exist. */
MUST_CHECK enum err log_walk(const struct log_walk *walk, struct log_partition *partitions, size_t count,
                             struct err_info *info);

/* Where each partition ends now, to be walked to by and by. The same errors. */
MUST_CHECK enum err log_walk_ends(const char *brokers, const char *client_id, const struct log_partition *partitions,
                                  size_t count, int64_t *ret_ends, struct err_info *info);
