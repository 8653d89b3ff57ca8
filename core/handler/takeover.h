/* takeover.h: bringing a shard's store to the end of its log, before anything is decided on it.
 *
 * Purpose  in this order (docs/handler.md): (a) the caller read the group's committed offset, from a handle that asks
 *          for stable offsets, and then wrote its barriers; (b) the high watermarks as a read_uncommitted handle sees
 *          them, or what lies behind the barriers, when a broker tells less; (c) what the store says it applied last is
 *          read again and compared; (d) replay, read_committed, to those watermarks; (e) done.
 * Why (a) before (b)  a transaction of the owner before, whose offsets are stable by (a), has its events below the
 *          watermarks of (b); its markers may still be missing, and then (d) waits for them.
 * Promise  a store that names a record which is not there, or is another one, is discarded and replayed from the
 *          beginning. A history that does not chain is ERR_BROKEN_HISTORY. Commands that are missing (an offset
 *          below the first or past the last of the topic, or none on an installation that has events) are
 *          ERR_CONFLICT: a person must look; nothing is reset. (The commands have no barrier, whose records would make
 *          an offset past the end one within it: see is_past_end.)
 * Bounds   records are folded and written in portions of REPLAY_PORTION_BYTES.
 * Thread   the worker's; takeover_step returns at least every timeout_ms, so that group membership is kept alive.
 *          May use: base, domain, log.
 */
#pragma once

#include "core/handler/replay.h"

struct takeover_options {
    const struct replay_log *log;
    struct replay_options replay;
    int64_t committed_offset;        /* of the group; -1: it has none */
    int64_t ends_least[TOPIC_COUNT]; /* behind the barriers (log_txn_barrier): no partition ends before; 0: unknown */
};

struct takeover {
    struct takeover_options options;
    struct replay replay;
    /* What was found: */
    bool is_fresh;         /* a shard that nobody ever owned */
    int64_t next_offset;   /* the first command to be decided */
    int64_t commands_high; /* the end of the commands as it stood */
    bool is_past_end;      /* with ERR_CONFLICT: the offset lies behind the commands' end, as it was told */
};

/* Steps (b) and (c), and where (d) begins. takeover_release is due whatever the result. */
MUST_CHECK enum err takeover_begin(struct takeover *takeover, const struct takeover_options *options,
                                   struct err_info *info);

/* A piece of (d). Retriable errors may be stepped on. */
MUST_CHECK enum err takeover_step(struct takeover *takeover, int timeout_ms, bool *ret_done, struct err_info *info);

/* Says in info->text which partition a replay without progress waits for. */
void takeover_waits_for(const struct takeover *takeover, struct err_info *info);

void takeover_release(struct takeover *takeover);
