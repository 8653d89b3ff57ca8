/* writer.h: one batch into one view's schema: rows, streams, parked events and position in one transaction.
 *
 * Fence    the transaction's first statement moves each partition's position from where this projector believes it to
 *          be, if the schema's epoch is the one that it knows. Else another projector took over, or other tables stand
 *          under the name, or something was changed that a projector remembers: ERR_FENCED, nothing is committed. The
 *          moved rows stay locked until the commit, so two projectors never write one partition's rows at one time.
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

/* Prepares the session (settings, prepared statements) for the view in this schema, which must exist. `epoch` is that
 * of view_schema_about. */
MUST_CHECK enum err view_writer_open(struct pg_session *session, const struct view *view, const char *schema,
                                     const char *epoch, struct view_writer **ret_writer, struct err_info *info);
void view_writer_close(struct view_writer *writer);

/* With `notify` the commit and the streams that it changed are told on VIEW_CHANNEL (behind.h). */
MUST_CHECK enum err view_writer_write(struct view_writer *writer, struct view_batch *batch, const struct fold *fold,
                                      const struct position_move *moves, size_t move_count, bool notify,
                                      struct err_info *info);

/* For events that are parked and tried again, in a transaction that the caller has begun, in which it holds projectors
 * off (view_schema_lock), and which it ends: takes the fold's events off the table `parked`, and writes what has become
 * of them. *ret_taken: how many were there. After a failure the transaction is to be rolled back. */
MUST_CHECK enum err view_writer_settle(struct view_writer *writer, struct view_batch *batch, const struct fold *fold,
                                       int64_t *ret_taken, struct err_info *info);

/* Fills in what is stored of the fold's streams that are neither `loaded` nor new; states are copied into its arena. */
MUST_CHECK enum err view_writer_load(struct view_writer *writer, struct fold *fold, struct err_info *info);
