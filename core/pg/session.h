/* session.h: one blocking connection to PostgreSQL, for projectors, migrations and tools.
 *
 * Promise  what PostgreSQL says becomes an enum err as in failure.h. A dead peer is noticed within about 15 s
 *          (keepalives, tcp_user_timeout), so no call hangs for ever on a cut cable.
 * Pipeline several prepared statements in one round trip. The server skips what follows one that failed. libpq reads
 *          answers while it waits to send, so however much is sent, the two never wait for each other.
 * Memory   results are the caller's to PQclear: use CLEANUP(pg_result_clear).
 * Thread   one at a time.          May use: base.
 */
#pragma once

#include <libpq-fe.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/str.h"

struct pg_session;

MUST_CHECK enum err pg_session_open(const char *conninfo, const char *application_name, struct pg_session **ret_session,
                                    struct err_info *info);
void pg_session_close(struct pg_session *session);

/* Whether the connection still stands, without asking the server: a server that went away has told the socket. Who has
 * nothing to ask for a while learns so that it lost what was committed last and not yet on the disk. ERR_POSTGRES. */
MUST_CHECK enum err pg_session_check(struct pg_session *session, struct err_info *info);

static inline void pg_result_clear(PGresult **result) {
    PQclear(*result);
}

/* One or more statements without parameters; what they answer is dropped. Outside BEGIN they are one transaction. */
MUST_CHECK enum err pg_session_exec(struct pg_session *session, const char *sql, struct err_info *info);
/* The same, with the text made by printf: for names that come from our own tables only, never for values. */
MUST_CHECK enum err pg_session_execf(struct pg_session *session, struct err_info *info, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Ends a transaction that failed; where the connection is gone, so is the transaction. */
void pg_session_rollback(struct pg_session *session);

struct pg_param {
    struct str value; /* data NULL: SQL NULL */
    bool binary;      /* in the type's binary format, else text */
};

#define PG_TEXT(text) ((struct pg_param){.value = (text)})
#define PG_BINARY(bytes) ((struct pg_param){.value = (bytes), .binary = true})

/* One statement; `ret_result` may be NULL. With `binary` the columns come in binary format, else as text. */
MUST_CHECK enum err pg_session_query(struct pg_session *session, const char *sql, const struct pg_param *params,
                                     int param_count, bool binary, PGresult **ret_result, struct err_info *info);

/* Under this name, until the session ends. Parameters' types stand in the text ($1::text[]). */
MUST_CHECK enum err pg_session_prepare(struct pg_session *session, const char *name, const char *sql,
                                       struct err_info *info);
/* The same as pg_session_query, for a statement that was prepared. */
MUST_CHECK enum err pg_session_query_prepared(struct pg_session *session, const char *name,
                                              const struct pg_param *params, int param_count, bool binary,
                                              PGresult **ret_result, struct err_info *info);

/* Columns of a binary result. */
int64_t pg_get_int8(const PGresult *result, int row, int column);
bool pg_get_bool(const PGresult *result, int row, int column);
int64_t pg_get_timestamp(const PGresult *result, int row, int column); /* microseconds since 1970 */
struct str pg_get_bytes(const PGresult *result, int row, int column);  /* text, bytea, json */

/* ---- pipelines -------------------------------------------------------------------------------------------------- */

struct pg_pipeline {
    struct pg_session *session;
    size_t sent;
    enum err failure; /* the first one; after it nothing more is sent */
    struct err_info info;
};

/* Between begin and end nothing else may be asked of the session. */
void pg_pipeline_begin(struct pg_pipeline *pipeline, struct pg_session *session);
/* The parameters may be forgotten at once. A failure is told by pg_pipeline_end. */
void pg_pipeline_send(struct pg_pipeline *pipeline, const char *name, const struct pg_param *params, int param_count);
/* Waits for all answers; tells the first failure. `ret_rows` takes how many rows each of the first `row_count`
 * statements touched, also when a later one failed; -1: it was not sent, failed, or was skipped. An open transaction
 * stays open. */
MUST_CHECK enum err pg_pipeline_end(struct pg_pipeline *pipeline, int64_t *ret_rows, size_t row_count,
                                    struct err_info *info);
