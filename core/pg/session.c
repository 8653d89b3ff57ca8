#include "core/pg/session.h"

#include "core/base/memory.h"
#include "core/pg/array.h"
#include "core/pg/failure.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

enum {
    PARAMS_MAX = 32,
    TEXTS_MAX_BYTES = 1024 * 1024,
};

struct pg_session {
    PGconn *connection;
};

static void notice_ignore(void *context, const PGresult *result) {
    (void)context;
    (void)result;
}

enum err pg_session_open(const char *conninfo, const char *application_name, struct pg_session **ret_session,
                         struct err_info *info) {
    /* What conninfo says itself comes last and so wins. */
    const char *const names[] = {"application_name",    "connect_timeout",  "keepalives_idle",
                                 "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                                 "client_encoding",     "dbname",           NULL};
    const char *const values[] = {application_name, "5", "5", "3", "3", "15000", "UTF8", conninfo, NULL};
    struct pg_session *session = calloc_or_end(1, sizeof *session);
    PGconn *connection = PQconnectdbParams(names, values, 1);
    if (connection == NULL) {
        out_of_memory("a connection to PostgreSQL");
    }
    if (PQstatus(connection) != CONNECTION_OK) {
        enum err failure = pg_failure(NULL, connection, "connecting to PostgreSQL", info);
        PQfinish(connection);
        free(session);
        return failure;
    }
    PQsetNoticeReceiver(connection, notice_ignore, NULL);
    session->connection = connection;
    *ret_session = session;
    return ERR_NONE;
}

void pg_session_close(struct pg_session *session) {
    if (session != NULL) {
        PQfinish(session->connection);
        free(session);
    }
}

/* What a failing statement is called in an error: its first words. */
static enum err statement_failure(const struct pg_session *session, const PGresult *result, const char *sql,
                                  struct err_info *info) {
    char what[64];
    snprintf(what, sizeof what, "%.*s", (int)strcspn(sql, "\n;("), sql);
    return pg_failure(result, session->connection, what, info);
}

static bool result_is_good(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

enum err pg_session_exec(struct pg_session *session, const char *sql, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = PQexec(session->connection, sql);
    return result_is_good(result) ? ERR_NONE : statement_failure(session, result, sql, info);
}

enum err pg_session_check(struct pg_session *session, struct err_info *info) {
    if (PQconsumeInput(session->connection) != 1 || PQstatus(session->connection) != CONNECTION_OK) {
        return pg_failure(NULL, session->connection, "waiting", info);
    }
    return ERR_NONE;
}

void pg_session_rollback(struct pg_session *session) {
    PQclear(PQexec(session->connection, "ROLLBACK"));
}

/* Parameters as libpq wants them. */
struct wire_params {
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    struct buf texts; /* each text, ending in NUL */
};

static void wire_params_init(struct wire_params *wire, const struct pg_param *params, int count) {
    assert(count <= PARAMS_MAX);
    buf_init(&wire->texts, TEXTS_MAX_BYTES);
    size_t starts[PARAMS_MAX];
    for (int i = 0; i < count; i++) {
        starts[i] = wire->texts.len;
        wire->formats[i] = params[i].binary;
        wire->lengths[i] = (int)params[i].value.len;
        if (!params[i].binary && params[i].value.data != NULL) {
            buf_str(&wire->texts, params[i].value);
            buf_byte(&wire->texts, '\0');
        }
    }
    assert(buf_ok(&wire->texts));
    for (int i = 0; i < count; i++) {
        bool as_it_is = params[i].binary || params[i].value.data == NULL;
        wire->values[i] = as_it_is ? params[i].value.data : wire->texts.data + starts[i];
    }
}

static void wire_params_release(struct wire_params *wire) {
    buf_release(&wire->texts);
}

/* Takes the result over. */
static enum err finish_query(struct pg_session *session, PGresult *result, const char *sql, PGresult **ret_result,
                             struct err_info *info) {
    if (!result_is_good(result)) {
        enum err failure = statement_failure(session, result, sql, info);
        PQclear(result);
        return failure;
    }
    if (ret_result == NULL) {
        PQclear(result);
    } else {
        *ret_result = result;
    }
    return ERR_NONE;
}

enum err pg_session_query(struct pg_session *session, const char *sql, const struct pg_param *params, int param_count,
                          bool binary, PGresult **ret_result, struct err_info *info) {
    struct wire_params wire;
    wire_params_init(&wire, params, param_count);
    PGresult *result = PQexecParams(session->connection, sql, param_count, NULL, wire.values, wire.lengths,
                                    wire.formats, binary ? 1 : 0);
    wire_params_release(&wire);
    return finish_query(session, result, sql, ret_result, info);
}

enum err pg_session_prepare(struct pg_session *session, const char *name, const char *sql, struct err_info *info) {
    return finish_query(session, PQprepare(session->connection, name, sql, 0, NULL), sql, NULL, info);
}

enum err pg_session_query_prepared(struct pg_session *session, const char *name, const struct pg_param *params,
                                   int param_count, bool binary, PGresult **ret_result, struct err_info *info) {
    struct wire_params wire;
    wire_params_init(&wire, params, param_count);
    PGresult *result =
        PQexecPrepared(session->connection, name, param_count, wire.values, wire.lengths, wire.formats, binary ? 1 : 0);
    wire_params_release(&wire);
    return finish_query(session, result, name, ret_result, info);
}

int64_t pg_get_int8(const PGresult *result, int row, int column) {
    assert(PQgetlength(result, row, column) == (int)sizeof(uint64_t));
    uint64_t wire;
    memcpy(&wire, PQgetvalue(result, row, column), sizeof wire);
    return (int64_t)be64toh(wire);
}

bool pg_get_bool(const PGresult *result, int row, int column) {
    assert(PQgetlength(result, row, column) == 1);
    return PQgetvalue(result, row, column)[0] != 0;
}

int64_t pg_get_timestamp(const PGresult *result, int row, int column) {
    return pg_get_int8(result, row, column) + PG_EPOCH_US;
}

struct str pg_get_bytes(const PGresult *result, int row, int column) {
    return str_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

/* ---- pipelines ------------------------------------------------------------------------------------------------------
 */

static void pipeline_fail(struct pg_pipeline *pipeline, const PGresult *result) {
    if (pipeline->failure == ERR_NONE) {
        pipeline->failure = pg_failure(result, pipeline->session->connection, "a pipeline", &pipeline->info);
    }
}

void pg_pipeline_begin(struct pg_pipeline *pipeline, struct pg_session *session) {
    *pipeline = (struct pg_pipeline){.session = session};
    if (PQenterPipelineMode(session->connection) != 1) {
        pipeline_fail(pipeline, NULL);
    }
}

void pg_pipeline_send(struct pg_pipeline *pipeline, const char *name, const struct pg_param *params, int param_count) {
    if (pipeline->failure != ERR_NONE) {
        return;
    }
    struct wire_params wire;
    wire_params_init(&wire, params, param_count);
    if (PQsendQueryPrepared(pipeline->session->connection, name, param_count, wire.values, wire.lengths, wire.formats,
                            1) == 1) {
        pipeline->sent++;
    } else {
        pipeline_fail(pipeline, NULL);
    }
    wire_params_release(&wire);
}

/* The answer to one statement: its result, then NULL. */
static int64_t read_answer(struct pg_pipeline *pipeline) {
    int64_t rows = -1;
    PGresult *result;
    while ((result = PQgetResult(pipeline->session->connection)) != NULL) {
        ExecStatusType status = PQresultStatus(result);
        if (result_is_good(result)) {
            rows = strtoll(PQcmdTuples(result), NULL, 10); /* empty for BEGIN and the like: 0 */
        } else if (status != PGRES_PIPELINE_ABORTED) {
            pipeline_fail(pipeline, result);
        }
        PQclear(result);
        if (PQstatus(pipeline->session->connection) == CONNECTION_BAD) {
            break; /* libpq promises no end of results on a lost connection */
        }
    }
    return rows;
}

enum err pg_pipeline_end(struct pg_pipeline *pipeline, int64_t *ret_rows, size_t row_count, struct err_info *info) {
    PGconn *connection = pipeline->session->connection;
    for (size_t i = 0; i < row_count; i++) {
        ret_rows[i] = -1;
    }
    if (PQpipelineSync(connection) == 1) {
        for (size_t i = 0; i < pipeline->sent; i++) {
            int64_t rows = read_answer(pipeline);
            if (i < row_count) {
                ret_rows[i] = rows;
            }
        }
        PQclear(PQgetResult(connection)); /* the sync's own */
    } else {
        pipeline_fail(pipeline, NULL);
    }
    if (PQexitPipelineMode(connection) != 1) {
        pipeline_fail(pipeline, NULL);
    }
    if (pipeline->failure != ERR_NONE && info != NULL) {
        *info = pipeline->info;
    }
    return pipeline->failure;
}
