/* feed.h: brings one view, in one schema, up to date with the log, step by step.
 *
 * Purpose  what a projector's thread does over and over, and a rebuild does until an end: read what has arrived,
 *          fold it, write it with the position. No thread, no retry: after any failure the caller closes the feed
 *          and opens another, which begins where PostgreSQL says the view is. So a kill at any moment loses
 *          nothing.
 * Batches  a step takes what one poll of the log gave, in batches of at most FEED_EVENTS_MAX events and
 *          FEED_BYTES_MAX bytes. When PostgreSQL refuses a batch's data (a text with a NUL byte, say) it is tried
 *          again in halves down to the single event, whose stream is then parked.
 * Which    a feed follows the schema that it is given, or of the view's own (schema.h) the one that has the program's
 *          format: the live one, else the rebuilt one, else the old one. So programs of two formats that run side by
 *          side keep up to date each its own, and never the other's.
 * Failure  ERR_FENCED: another projector is at work on this view, or its tables were switched or changed: a feed that
 *          has nothing to do looks once a second. ERR_NOT_FOUND: there is no such schema yet.
 *          ERR_CONFLICT: it was made for another format; rebuild. The rest is the log's or PostgreSQL's. After any of
 *          them feed_is_outdated says whether other tables stand under the name by now.
 * Thread   one at a time; feed_wake and feed_stage from any.          May use: log, pg, domain.
 */
#pragma once

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/log/topics.h"
#include "projections/runtime/view.h"
#include "projections/runtime/witness.h"

enum { FEED_EVENTS_MAX = 2000, FEED_BYTES_MAX = 4 * 1024 * 1024 };

struct feed;

struct feed_options {
    const struct config *config;
    const struct view *view;
    const char *schema; /* NULL: the one with this format; waiting queries are told of commits to the live one */
    struct witness_slot *witness; /* may be NULL */
};

/* Where the view is on one partition. */
struct feed_partition {
    const char *topic;
    int32_t shard;
    int64_t next_offset; /* as committed */
    int64_t end_offset;  /* nothing more to see below this: passes trailing transaction markers; 0 at first */
    int64_t until;       /* records from here on are left alone; INT64_MAX as a rule */
};

struct feed_counts {
    int64_t events;   /* taken from the log */
    int64_t repeated; /* of these, skipped as known already */
    int64_t batches;
    int64_t busy_us;   /* spent on them */
    int64_t newest_us; /* the broker's time of the newest event taken; 0: none yet */
};

MUST_CHECK enum err feed_open(const struct feed_options *options, struct feed **ret_feed, struct err_info *info);
void feed_close(struct feed *feed);

/* Waits up to timeout_ms for records, and projects what has come. `counts` are added to, for what was committed.
 * `ret_full`: as much came as fits, so more is likely to be there. */
MUST_CHECK enum err feed_step(struct feed *feed, int timeout_ms, struct feed_counts *counts, bool *ret_full,
                              struct err_info *info);

/* The schema that it follows, and whether that was the live one when it was opened. */
const char *feed_schema(const struct feed *feed);
bool feed_is_live(const struct feed *feed);

/* Whether the schema was switched, dropped, or changed in what the feed remembers: open another feed at once. Asks
 * PostgreSQL; false when it does not answer. */
bool feed_is_outdated(struct feed *feed);

/* What it is doing, in words. */
const char *feed_stage(const struct feed *feed);

/* The partitions that a view reads: how many, and their names, with nothing read yet. `topics` lends the names. */
size_t feed_partition_count(const struct view *view, const struct config *config);
void feed_name_partitions(const struct view *view, const struct config *config, const struct log_topics *topics,
                          struct feed_partition *ret_partitions);

/* The feed's partitions, in the order of feed_name_partitions; a caller may set `until` before its first step. */
struct feed_partition *feed_partitions(struct feed *feed, size_t *ret_count);

/* From now on records are left alone from these offsets on. Reads again from where the schema stands. */
MUST_CHECK enum err feed_read_until(struct feed *feed, const int64_t *until, struct err_info *info);

/* The end of each partition as the broker tells it now, in the order of feed_partitions. Blocks. */
MUST_CHECK enum err feed_watermarks(struct feed *feed, int timeout_ms, int64_t *ret_ends, struct err_info *info);

/* Whether a partition has been seen up to `offset`. */
static inline bool feed_reached(const struct feed_partition *partition, int64_t offset) {
    return partition->next_offset >= offset || partition->end_offset >= offset;
}

/* How many events stand in the view's table `parked`. */
int64_t feed_parked(const struct feed *feed);

/* Ends a waiting step early. */
void feed_wake(struct feed *feed);
