/* fold.h: a batch of records, read, checked for contiguity and folded into states and row changes.
 *
 * Purpose  the pure middle of a projector: what comes in are records and what is known of their streams, what goes out
 *          are row changes, new states, and events that were set aside.
 * Promise  an event is applied only as its stream's version + 1. A lower one is a repeat and skipped. A higher one
 *          means that events are missing: the stream is parked there, and later events of it queue behind (only their
 *          coordinates are kept), while other streams go on. A record that cannot be read is set aside by its
 *          coordinates alone; if it was an event of a stream, that stream's next one shows the gap. An event that
 *          somebody decided to skip counts as seen, and nothing is made of it.
 * Bounds   the records' bytes are the caller's bound; states are decoded up to FOLD_STATES_MAX_BYTES of encoded ones
 *          (one stream's at least), and fold_plan says how many records that is good for.
 * Memory   the caller's arena; the records must stay while the fold is used.
 * Thread   one at a time.        May use: log, domain.
 */
#pragma once

#include "core/log/topics.h"
#include "projections/runtime/batch.h"
#include "projections/runtime/skips.h"
#include "projections/runtime/witness.h"

enum { FOLD_STATES_MAX_BYTES = 16 * 1024 * 1024 };

enum fold_fate {
    FOLD_UNREADABLE, /* not an event that this view can read; `why` says so */
    FOLD_APPLIED,
    FOLD_REPEATED,
    FOLD_SKIPPED,
    FOLD_PARKED, /* `why` is set on the one that parked the stream */
};

/* A stream that the batch touches. What the caller fills in before fold_plan: version, state and parked, if it is
 * known. */
struct fold_stream {
    struct str name;
    int64_t hash; /* stream_hash, as the signed number that PostgreSQL holds */
    int64_t version;
    bool parked;
    bool loaded;
    bool begins; /* its first event of the batch is its very first: unless that is a repeat, nothing is stored of it */
    bool is_new; /* nothing is stored of it: its rows are inserted, and refused where there are some after all */
    struct str state;                  /* encoded: before the batch, and after fold_project that after it */
    bool changed;                      /* version, parked or state are not as they were */
    size_t last_item;                  /* the last event to be applied */
    const struct aggregate *aggregate; /* that its state is of; NULL: its family is not folded */
    void *decoded;
};

struct fold_item {
    const struct log_record *record;
    struct event event;
    struct fold_stream *stream; /* NULL: unreadable */
    enum log_topic topic;       /* of the event's family */
    enum fold_fate fate;
    struct str why;
};

struct fold {
    const struct view *view;
    struct arena *arena;
    struct fold_item *items;
    size_t item_count;
    struct map streams; /* struct fold_stream by name, in the order of their first event */
    /* The caller's, between fold_read and fold_plan; each may stay NULL. */
    const struct skips *skips;
    struct witness_slot *witness;
};

/* Decodes the records (none of which is an `end`) and names their streams. */
void fold_read(struct fold *fold, const struct view *view, struct arena *arena, const struct log_record *records,
               size_t count);

/* Gives each event its fate, and lowers item_count to how many records the batch takes. */
void fold_plan(struct fold *fold);

/* After fold_read, in place of fold_plan, for a batch of one event that PostgreSQL refused: parks its stream. */
void fold_park(struct fold *fold, struct str why);

/* Evolves the states and lets the view make its row changes. A stored state that does not decode is ERR_CONFLICT: the
 * view must be rebuilt. */
MUST_CHECK enum err fold_project(struct fold *fold, struct view_batch *batch, struct err_info *info);
