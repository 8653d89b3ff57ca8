/* parking.h: what a view has set aside, what was skipped of it, and how a stream goes on: tried again, or without an
 * event.
 *
 * Words    a stream is parked at the event that could not be projected; later ones queue behind it. A record that could
 *          not be read is of no known stream: its name is its place, "daybook.orders/2/17".
 * Skips    somebody's decision, which the log does not have: a row in the table `skipped`, of who and why. A rebuild
 *          takes it over and so comes out the same; one that forgets it (rebuild.h) tries the event again.
 * Retry    reads what is parked from the log again, in its order, with what has queued up behind, by the program that
 *          asks; PARKING_EVENTS_MAX events a transaction. What fails parks its stream there, with the new reason.
 * Fence    projectors are held off for each transaction (view_schema_lock), and drop what they remember after it.
 * Thread   one at a time; blocks.        May use: log, pg, domain.
 */
#pragma once

#include "core/base/config.h"
#include "projections/runtime/schema.h"
#include "projections/runtime/skips.h"

enum {
    PARKING_EVENTS_MAX = FEED_EVENTS_MAX, /* tried in one transaction */
    PARKING_STREAM_MAX = SKIP_PLACE_MAX,  /* bytes of a stream's name */
    PARKING_REASON_MAX = 1000,
    PARKING_ACTOR_MAX = 200,
};

struct parking_options {
    const struct config *config;
    const struct view *view; /* its live schema is meant */
};

/* ---- looking --------------------------------------------------------------------------------------------------------
 */

/* A stream that is parked, or a record of none; its first parked event. */
struct parked_stream {
    struct str name;
    struct str topic;
    int64_t shard, log_offset;
    int64_t version;        /* 0: could not be read */
    struct str appended_at; /* by the broker's clock */
    struct str reason;
    int64_t behind; /* events that queue behind it */
};

struct skipped_event {
    struct str name;
    int64_t version; /* 0: a record of no stream */
    struct str parked_reason, reason, actor, skipped_at;
};

struct parking_list {
    void *context;
    int limit; /* of each kind: so many are told, those parked longest and those skipped last */
    void (*on_parked)(void *context, const struct parked_stream *stream); /* lent for the call */
    void (*on_skipped)(void *context, const struct skipped_event *event);
    int64_t parked, skipped; /* how many there are in all */
};

MUST_CHECK enum err parking_look(const struct parking_options *options, struct parking_list *list,
                                 struct err_info *info);

/* ---- going on -------------------------------------------------------------------------------------------------------
 */

struct parking_result {
    int64_t projected; /* events that are not parked any more */
    int64_t streams;   /* that go on */
    int64_t parked;    /* events that are, of what was asked for */
    struct str stuck;  /* the first that failed, "cart_7 at version 5: why"; empty: none; in `arena` */
};

/* `stream` empty: all, and the records of no known stream, too. ERR_NOT_FOUND: nothing of the stream is parked.
 * ERR_CONFLICT: the live tables have another format, or another retry is at work. What was done before a failure stays
 * done. `arena` is for the result. */
MUST_CHECK enum err parking_retry(const struct parking_options *options, struct str stream, struct arena *arena,
                                  struct parking_result *ret_result, struct err_info *info);

struct skip_decision {
    struct str stream; /* or a place */
    int64_t version;   /* 0 with a place */
    struct str reason, actor;
};

/* Writes the decision down; the stream goes on with parking_retry. A record of no stream is off the table `parked` at
 * once. ERR_NOT_FOUND: it is not parked. ERR_CONFLICT: the stream does not stand before that event, or the live tables
 * have another format. ERR_TOO_LARGE: a text is too long, or SKIPS_MAX are skipped. */
MUST_CHECK enum err parking_skip(const struct parking_options *options, const struct skip_decision *decision,
                                 struct err_info *info);

/* Whether the name is that of a record's place; no stream's is. */
bool parking_is_place(struct str name);
