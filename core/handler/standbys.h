/* standbys.h: stores of shards that other processes own, kept near the end of the log, so that taking such a shard over
 * reads only the rest.
 *
 * Purpose  a worker claims a shard before it takes it over, and is given the shard's standby store, when there is one,
 *          as its own. What nobody here has claimed is tailed with the code of takeover (replay.h). With fewer stores
 *          than shards, those next to the shards owned here are kept, for the range assignor gives out neighbours.
 * Promise  a store is never in two hands: from standbys_claim on, this side neither reads nor writes it, and it opens
 *          no store of a claimed shard. A standby never stops a shard: what it stumbles over, it leaves, and whoever
 *          takes the shard over looks for himself. What was taken and not written is forgotten, never written late.
 * Disk     a store that cannot be written, or any while less than a twentieth of the disk (1 GiB at most) is free, is
 *          thrown away, so that the stores of owned shards have the room. It is tried again with back-off.
 * Bounds   `most` stores; STANDBYS_PORTION_BYTES of records folded and not yet written, over all of them together;
 *          back-off from STANDBY_BACKOFF_MIN_S to STANDBY_BACKOFF_MAX_S.
 * Thread   claims, unclaims and reports: any, and they never wait for a broker. All else: one, the standbys' own.
 *          Times are of CLOCK_BOOTTIME.          May use: log, domain.
 */
#pragma once

#include "core/handler/replay.h"

enum {
    STANDBY_REST_S = 2, /* a shard just given up, or not yet given out, is left alone: the group is about to move it */
    STANDBY_BACKOFF_MIN_S = 10,
    STANDBY_BACKOFF_MAX_S = 1800,
    STANDBY_WRITE_EVERY_MS = 1000, /* at the latest: what is not written is read again after a claim */
};

#define STANDBYS_PORTION_BYTES ((size_t)16 * 1024 * 1024)

struct standbys_options {
    const char *data_dir;
    const char *boot_id; /* NULL: this machine's */
    const struct log_topics *topics;
    const struct aggregates *aggregates;
    uint32_t shard_count;
    uint32_t most;
    int64_t window_us;
};

/* Texts and tables of the options must outlive it. */
struct standbys *standbys_new(const struct standbys_options *options, int64_t now_us);
/* All must be let go of. NULL is nothing. */
void standbys_free(struct standbys *standbys);

/* From here on the shard is the caller's. Its open store, or NULL: then it has none, and the caller opens it. Claims
 * add up; NULL for `standbys` has no stores. */
MUST_CHECK struct store *standbys_claim(struct standbys *standbys, int32_t shard);
/* When the caller has closed the store. */
void standbys_unclaim(struct standbys *standbys, int32_t shard, int64_t now_us);

/* Whether there is anything to do: a store is open, or one is to be. */
bool standbys_are_wanted(struct standbys *standbys, int64_t now_us);

/* Opens and closes what is due, reads once, waiting at most timeout_ms, and writes what is due. After an error that is
 * not retriable they must be let go of, and `log` is of no use any more. */
MUST_CHECK enum err standbys_step(struct standbys *standbys, const struct replay_log *log, const char *cluster_id,
                                  int64_t now_us, int timeout_ms, struct err_info *info);

/* Closes all stores. `synced` as in store_close. They are opened again by a later step. */
void standbys_let_go(struct standbys *standbys, bool synced);

struct standbys_report {
    int open;
    uint64_t handed_over; /* claims that were given a store */
    uint64_t replayed;    /* records folded */
    uint64_t failed;      /* stores left because of a trouble */
    uint64_t discarded;   /* stores thrown away: they did not fit the log, or the disk had no room */
};

void standbys_report(struct standbys *standbys, struct standbys_report *ret_report);

/* The first shard from `from` on with a standby store, and how many records of the log it lacks; -1: not known yet.
 * False: there is none. */
bool standbys_lag(struct standbys *standbys, int32_t from, int32_t *ret_shard, int64_t *ret_records);
