/* batch.h: the row changes of one batch of events, before they are written.
 *
 * Promise  of several changes to one key only the last is kept, additive columns are summed; a key that was deleted and
 *          then set is both (the old row goes, the new one does not add to it). What is written therefore does not
 *          depend on where one batch ends and the next begins.
 * Memory   everything lives in the arena that it was given; batch_clear before that is reset, then batch_init again.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include "core/base/map.h"
#include "core/log/reader.h"
#include "projections/runtime/view.h"

struct row_change {
    struct row_change *next;
    bool deleted; /* the row that was there before the batch goes */
    bool present; /* and this one is there afterwards */
    bool is_new;  /* no row with its key can be there: its stream begins in this batch */
    struct view_value *values;
};

struct table_changes {
    struct map by_key; /* of keyed tables: struct row_change */
    struct row_change *first, *last;
    size_t deleted_count;
    size_t present_count;
    size_t new_count; /* of these */
};

struct view_batch {
    const struct view *view;
    struct arena *arena;
    struct table_changes tables[VIEW_TABLES_MAX];
    const struct log_record *record; /* being projected */
    bool stream_is_new;              /* of that record */
    struct buf scratch;
    struct buf key;
};

void batch_init(struct view_batch *batch, const struct view *view);
/* Empties it and takes the arena for what comes; the arena was just reset. */
void batch_begin(struct view_batch *batch, struct arena *arena);
void batch_release(struct view_batch *batch);
