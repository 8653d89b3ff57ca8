/* writer.h: one batch into one view's schema: rows, streams, parked events and position in one transaction.
 *
 * Fence    the transaction's first statement moves each partition's position from where this projector believes it to
 *          be. Where it is not there any more another projector took over: ERR_FENCED, nothing is committed. The moved
 *          rows stay locked until the commit, so two projectors never write one partition's rows at the same time.
 * How      two round trips a batch. BEGIN, the fence and all rows go out in one pipeline; their results are looked at;
 *          then COMMIT or ROLLBACK. A table's rows are one statement, prepared once, with an array a column: INSERT ...
 *          SELECT unnest(...), ON CONFLICT DO UPDATE unless the rows are new or the table is append-only, and a
 *          DELETE by keys before it. (Temporary staging tables cost more than the rows: each commit truncates them
 *          all.) The commit is asynchronous (synchronous_commit off): rows and position go together, so a crash of
 *          the server only means projecting its last moments again.
 * Failure  ERR_MALFORMED: PostgreSQL refused the data (SQLSTATE class 22 or 23). After any failure the transaction is
 *          rolled back; whether a failed COMMIT happened is told by the position, which the caller loads again.
 * Thread   one at a time.        May use: pg.
 */
#pragma once

#include "core/pg/session.h"
#include "projections/runtime/fold.h"

struct view_writer;

struct position_move {
    struct str topic;
    int64_t shard;
    int64_t expected;
    int64_t next_offset;
};

/* Prepares the session (settings, prepared statements) for the view in this schema, which must exist. */
MUST_CHECK enum err view_writer_open(struct pg_session *session, const struct view *view, const char *schema,
                                     struct view_writer **ret_writer, struct err_info *info);
void view_writer_close(struct view_writer *writer);

/* With `notify` the commit and the streams that it changed are told on VIEW_CHANNEL (behind.h). */
MUST_CHECK enum err view_writer_write(struct view_writer *writer, struct view_batch *batch, const struct fold *fold,
                                      const struct position_move *moves, size_t move_count, bool notify,
                                      struct err_info *info);

/* Fills in what is stored of the fold's streams that are neither `loaded` nor new; states are copied into its arena. */
MUST_CHECK enum err view_writer_load(struct view_writer *writer, struct fold *fold, struct err_info *info);
