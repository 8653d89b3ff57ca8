/* history.h: what a view keeps of how its streams stood. standing.h reads it.
 *
 * Purpose  a view's rows say how things stand today. A view with a table `history` also keeps of what one of its
 *          streams can be made again as it stood at any version or time, without reading the log.
 * Form     a row an event: its stream, version and time, and whichever of the two is shorter: the state after it
 *          (Avro, as in `streams`), or its record as it lies in the log. So a stock item's states are kept, of a few
 *          dozen bytes each, and of a large product the small change. Each HISTORY_STEPth version has its state
 *          whatever its size: a mark.
 * Thread   the projector's.      May use: log, domain.
 */
#pragma once

#include "projections/runtime/view.h"

/* view.sql of the views that have a history says the same number. */
#define HISTORY_STEP 32
#define HISTORY_STEP_TEXT "32"

/* The table, for a view's `tables`. Its SQL, in view.sql:
 *     CREATE TABLE history (stream text, version bigint, occurred_at timestamptz NOT NULL, state bytea, record bytea,
 *                           PRIMARY KEY (stream, version));
 *     CREATE INDEX history_marks ON history (stream, occurred_at, version) WHERE version % 32 = 0; */
#define HISTORY_TABLE                                                                                                  \
    {                                                                                                                  \
        .name = "history",                                                                                             \
        .columns = {{"stream", VIEW_TEXT, .key = true},                                                                \
                    {"version", VIEW_BIGINT, .key = true},                                                             \
                    {"occurred_at", VIEW_TIMESTAMP},                                                                   \
                    {"state", VIEW_BYTEA},                                                                             \
                    {"record", VIEW_BYTEA}},                                                                           \
        .column_count = 5, .append_only = true, .opaque = true                                                         \
    }

/* Adds the row of the event being projected to `table`, which is the view's history; `state` is the one after it. */
void history_put(struct view_batch *batch, size_t table, struct arena *arena, const struct event *event,
                 const void *state);
