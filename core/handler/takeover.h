/* takeover.h: bringing a shard's store to the end of its log, before anything is decided on it.
 *
 * Purpose  in this order (docs/handler.md): (a) the caller read the group's committed offset, from a handle that asks
 *          for stable offsets; (b) the high watermarks as a read_uncommitted handle sees them; (c) what the store says
 *          it applied last is read again and compared; (d) replay, read_committed, to those watermarks; (e) done.
 * Why (a) before (b)  a transaction of the owner before, whose offsets are stable by (a), has its events below the
 *          watermarks of (b); its markers may still be missing, and then (d) waits for them.
 * Promise  a store that names a record which is not there, or is another one, is discarded and replayed from the
 *          beginning. A history that does not chain is ERR_BROKEN_HISTORY. Commands that are missing (an offset
 *          below the first or past the last of the topic, or none on an installation that has events) are
 *          ERR_CONFLICT: a person must look; nothing is reset.
 * Bounds   records are folded and written in portions of TAKEOVER_PORTION_BYTES.
 * Thread   the worker's; takeover_step returns at least every timeout_ms, so that group membership is kept alive.
 *          May use: base, domain, log.
 */
#pragma once

#include "core/handler/fold.h"

#define TAKEOVER_PORTION_BYTES ((size_t)16 * 1024 * 1024)
#define TAKEOVER_ARENA_MAX_BYTES ((size_t)256 * 1024 * 1024)

/* The log as takeover needs it. */
struct takeover_log {
    enum err (*watermarks)(void *context, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
                           struct err_info *info);
    enum err (*assign)(void *context, const struct log_partition *partitions, size_t count, struct err_info *info);
    enum err (*poll)(void *context, int timeout_ms, struct log_record *ret_records, size_t capacity, size_t *ret_count,
                     struct err_info *info);
    void *context;
};

struct takeover_options {
    const struct takeover_log *log;
    const struct log_topics *topics;
    const struct aggregates *aggregates;
    int32_t shard;
    struct store *store;
    int64_t committed_offset; /* of the group; -1: it has none */
    int64_t window_us;
};

struct takeover_source {
    enum log_topic topic;
    int64_t begin;
    int64_t high;
    int64_t next;  /* below it everything was read */
    bool verifies; /* the first record must be the one that the store applied last */
    bool done;
};

struct takeover {
    struct takeover_options options;
    struct arena arena;
    struct overlay overlay;
    struct takeover_source sources[TOPIC_COUNT];
    size_t source_count;
    /* What was found: */
    bool is_fresh;              /* a shard that nobody ever owned */
    const char *discarded;      /* why the store was thrown away; NULL when it was not */
    int64_t next_offset;        /* the first command to be decided */
    int64_t commands_high;      /* the end of the commands as it stood */
    uint64_t replayed, foreign; /* records folded; passed over */
};

/* Steps (b) and (c), and where (d) begins. takeover_release is due whatever the result. */
MUST_CHECK enum err takeover_begin(struct takeover *takeover, const struct takeover_options *options,
                                   struct err_info *info);

/* A piece of (d). Retriable errors may be stepped on. */
MUST_CHECK enum err takeover_step(struct takeover *takeover, int timeout_ms, bool *ret_done, struct err_info *info);

/* Says in info->text which partition a replay without progress waits for. */
void takeover_waits_for(const struct takeover *takeover, struct err_info *info);

void takeover_release(struct takeover *takeover);
