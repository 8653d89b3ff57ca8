#include "core/testing/simulator/postgres.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/pg/session.h"
#include "core/testing/simulator/postgres_server.h"

enum {
    STATEMENTS_MAX = 16, /* in one text */
    /* As session.c asks of libpq: connect_timeout, tcp_user_timeout. */
    CONNECT_TIMEOUT_US = 5 * 1000 * 1000,
    SILENCE_TIMEOUT_US = 15 * 1000 * 1000,
    BROKEN_LEAST_US = 200, /* until a client learns of a reset */
    BROKEN_MOST_US = 60 * 1000,
    CUTS_MAX = 64,
};

static const struct sim_postgres_faults no_faults = {
    .hop_least_us = 80, .hop_most_us = 250, .noticed_most_us = 20 * 1000};

struct sim_postgres_faults sim_postgres_faults;

/* ---- the network ------------------------------------------------------------------------------------------------- */

static const struct sim_process *cuts[CUTS_MAX];

static bool is_cut_off(const struct sim_process *process) {
    for (size_t i = 0; i < CUTS_MAX; i++) {
        if (cuts[i] == process) {
            return true;
        }
    }
    return false;
}

void sim_postgres_cut(struct sim_process *process, bool is_cut) {
    SIM_TRACE("the link of %s to PostgreSQL is %s", process->name, is_cut ? "CUT" : "whole");
    for (size_t i = 0; i < CUTS_MAX; i++) {
        if (cuts[i] == process) {
            cuts[i] = NULL;
        }
    }
    for (size_t i = 0; i < CUTS_MAX && is_cut; i++) {
        if (cuts[i] == NULL) {
            cuts[i] = process;
            return;
        }
    }
    assert(!is_cut);
}

static bool happens(uint32_t per_million) {
    return per_million > 0 && sim_chance(per_million);
}

int64_t network_delay_us(void) {
    int64_t us = sim_between(sim_postgres_faults.hop_least_us, sim_postgres_faults.hop_most_us);
    return happens(sim_postgres_faults.slow) ? us + sim_between(0, sim_postgres_faults.slow_most_us) : us;
}

bool network_loses_answer(const struct sim_process *client) {
    return happens(sim_postgres_faults.answer_lost) || is_cut_off(client);
}

int64_t network_client_notices_us(const struct sim_process *client) {
    return is_cut_off(client) ? SILENCE_TIMEOUT_US : sim_between(BROKEN_LEAST_US, BROKEN_MOST_US);
}

int64_t network_server_notices_us(void) {
    return sim_between(0, sim_postgres_faults.noticed_most_us);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

struct prepared {
    struct str name, text;
    struct prepared *next;
};

struct pg_session {
    struct backend *backend;
    bool is_broken;
    struct arena arena; /* of the prepared statements */
    struct prepared *prepared;
    struct request *pipeline;
    struct pg_session *next; /* all that are open, also those of processes that died */
};

static struct pg_session *sessions;

struct points {
    const char *before, *sent, *after;
};

#define POINTS(what)                                                                                                   \
    (&(const struct points){"postgres: before " what, "postgres: " what " is sent", "postgres: after " what})

static enum err lost(const char *what, struct err_info *info) {
    return err_set_retriable(info, ERR_POSTGRES, "%s: server closed the connection unexpectedly", what);
}

/* The connection breaks, whether or not the request still arrives; it is not the caller's any more. */
static enum err break_off(struct pg_session *session, struct request *request, bool arrives, struct err_info *info) {
    const char *what = arrives ? "a request that will be late" : request->what;
    enum err failure = lost(request->what, info);
    SIM_TRACE("postgres: the connection breaks under %s", what);
    session->is_broken = true;
    if (arrives) {
        request->is_abandoned = true;
        request_send(request, sim_between(0, sim_postgres_faults.late_most_us));
    } else {
        request_free(request);
    }
    server_leave(session->backend, network_server_notices_us());
    sim_sleep(network_client_notices_us(sim_self()));
    return failure;
}

/* One round trip. ERR_NONE or what was answered: *ret_request is the request still, the caller's to free; NULL: nobody
 * knows what became of it. */
static enum err ask(struct pg_session *session, struct request *request, const struct points *points,
                    struct request **ret_request, struct err_info *info) {
    *ret_request = NULL;
    sim_point(points->before);
    if (session->is_broken) {
        enum err failure = err_set_retriable(info, ERR_POSTGRES, "%s: no connection to the server", request->what);
        request_free(request);
        return failure;
    }
    bool is_late = happens(sim_postgres_faults.late);
    if (is_late || is_cut_off(sim_self()) || happens(sim_postgres_faults.request_lost)) {
        return break_off(session, request, is_late && !is_cut_off(sim_self()), info);
    }
    request_send(request, network_delay_us());
    sim_point(points->sent);
    while (!request->is_answered) {
        sim_wait(request, -1);
    }
    session->is_broken = request->is_lost;
    sim_point(points->after);
    if (request->failure != ERR_NONE && info != NULL) {
        *info = request->info;
    }
    *ret_request = request;
    return request->failure;
}

static enum err ask_for_nothing(struct pg_session *session, struct request *request, const struct points *points,
                                struct err_info *info) {
    struct request *answered;
    enum err failure = ask(session, request, points, &answered, info);
    if (answered != NULL) {
        request_free(answered);
    }
    return failure;
}

static enum err ask_for_rows(struct pg_session *session, struct request *request, PGresult **ret_result,
                             struct err_info *info) {
    struct request *answered;
    enum err failure = ask(session, request, POINTS("query"), &answered, info);
    if (failure == ERR_NONE && ret_result != NULL) {
        *ret_result = answered->result != NULL ? answered->result : PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
        answered->result = NULL;
    }
    if (answered != NULL) {
        request_free(answered);
    }
    return failure;
}

/* ---- making requests --------------------------------------------------------------------------------------------- */

/* What a failing statement is called in an error: its first words. */
static struct request *request_of(struct pg_session *session, const char *sql) {
    struct request *request = request_new(session->backend, "");
    request->what = arena_printf(&request->arena, "%.*s", (int)strcspn(sql, "\n;("), sql).data;
    return request;
}

static struct str copied(struct arena *arena, struct str text) {
    if (text.data == NULL) {
        return text;
    }
    return text.len == 0 ? STR("") : arena_str_copy(arena, text);
}

static void add_text(struct request *request, const char *sql) {
    struct sql read[STATEMENTS_MAX];
    size_t count = sql_read(arena_str_copy(&request->arena, str_of_cstr(sql)), read, ARRAY_LENGTH(read));
    for (size_t i = 0; i < count; i++) {
        request_add(request)->sql = read[i];
    }
}

static void set_params(struct request *request, struct statement *statement, const struct pg_param *params, int count) {
    statement->param_count = count;
    statement->params = arena_alloc(&request->arena, ((size_t)count + 1) * sizeof *statement->params);
    for (int i = 0; i < count; i++) {
        statement->params[i] = copied(&request->arena, params[i].value);
    }
}

static void add_prepared(struct pg_session *session, struct request *request, const char *name,
                         const struct pg_param *params, int param_count, bool binary) {
    const struct prepared *found = session->prepared;
    while (found != NULL && !str_equal(found->name, str_of_cstr(name))) {
        found = found->next;
    }
    if (found == NULL) {
        sql_unknown("a statement that was not prepared", str_of_cstr(name));
    }
    struct statement *statement = request_add(request);
    /* Read anew: a late request outlives its session. */
    (void)sql_read(arena_str_copy(&request->arena, found->text), &statement->sql, 1);
    statement->is_binary = binary;
    set_params(request, statement, params, param_count);
}

/* ---- core/pg/session.h: a session -------------------------------------------------------------------------------- */

static enum err connect_to(struct backend **ret_backend, struct err_info *info) {
    sim_point("postgres: before connect");
    if (is_cut_off(sim_self())) {
        sim_sleep(CONNECT_TIMEOUT_US);
        return err_set_retriable(info, ERR_POSTGRES, "connecting to PostgreSQL: timeout expired");
    }
    sim_sleep(network_delay_us() + network_delay_us());
    if (!server_is_up() || happens(sim_postgres_faults.request_lost)) {
        return err_set_retriable(info, ERR_POSTGRES, "connecting to PostgreSQL: Connection refused");
    }
    *ret_backend = server_connect(sim_self());
    sim_point("postgres: after connect");
    return ERR_NONE;
}

enum err pg_session_open(const char *conninfo, const char *application_name, struct pg_session **ret_session,
                         struct err_info *info) {
    (void)conninfo, (void)application_name;
    struct backend *backend = NULL;
    enum err failure = connect_to(&backend, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    struct pg_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        abort();
    }
    session->backend = backend;
    arena_init(&session->arena, 1024 * 1024);
    session->next = sessions;
    sessions = session;
    *ret_session = session;
    return ERR_NONE;
}

static void session_free(struct pg_session *session) {
    for (struct pg_session **at = &sessions; *at != NULL; at = &(*at)->next) {
        if (*at == session) {
            *at = session->next;
            break;
        }
    }
    arena_release(&session->arena);
    free(session);
}

void pg_session_close(struct pg_session *session) {
    if (session != NULL) {
        server_leave(session->backend, network_delay_us());
        session_free(session);
    }
}

enum err pg_session_exec(struct pg_session *session, const char *sql, struct err_info *info) {
    struct request *request = request_of(session, sql);
    add_text(request, sql);
    enum sql_kind last = request->count == 0 ? SQL_NOTIFY : request->statements[request->count - 1].sql.kind;
    return ask_for_nothing(session, request,
                           last == SQL_COMMIT     ? POINTS("commit")
                           : last == SQL_ROLLBACK ? POINTS("rollback")
                                                  : POINTS("script"),
                           info);
}

enum err pg_session_check(struct pg_session *session, struct err_info *info) {
    if (!session->is_broken && session->backend->is_gone) {
        session->is_broken = true;
    }
    return session->is_broken ? lost("waiting", info) : ERR_NONE;
}

void pg_session_rollback(struct pg_session *session) {
    (void)!pg_session_exec(session, "ROLLBACK", NULL); /* where the connection is gone, so is the transaction */
}

enum err pg_session_query(struct pg_session *session, const char *sql, const struct pg_param *params, int param_count,
                          bool binary, PGresult **ret_result, struct err_info *info) {
    struct request *request = request_of(session, sql);
    add_text(request, sql);
    if (request->count != 1) {
        sql_unknown("a query of several statements", str_of_cstr(sql));
    }
    request->statements[0].is_binary = binary;
    set_params(request, &request->statements[0], params, param_count);
    return ask_for_rows(session, request, ret_result, info);
}

static void remember(struct pg_session *session, const char *name, const char *sql) {
    for (const struct prepared *at = session->prepared; at != NULL; at = at->next) {
        if (str_equal(at->name, str_of_cstr(name))) {
            sql_unknown("a statement that is prepared twice", at->name);
        }
    }
    struct prepared *prepared = arena_alloc(&session->arena, sizeof *prepared);
    prepared->name = arena_str_copy(&session->arena, str_of_cstr(name));
    prepared->next = session->prepared;
    session->prepared = prepared;
    prepared->text = arena_str_copy(&session->arena, str_of_cstr(sql));
}

enum err pg_session_prepare(struct pg_session *session, const char *name, const char *sql, struct err_info *info) {
    struct request *request = request_of(session, sql);
    request->is_preparing = true;
    add_text(request, sql);
    enum err failure = ask_for_nothing(session, request, POINTS("prepare"), info);
    if (failure == ERR_NONE) {
        remember(session, name, sql);
    }
    return failure;
}

enum err pg_session_query_prepared(struct pg_session *session, const char *name, const struct pg_param *params,
                                   int param_count, bool binary, PGresult **ret_result, struct err_info *info) {
    struct request *request = request_of(session, name);
    add_prepared(session, request, name, params, param_count, binary);
    return ask_for_rows(session, request, ret_result, info);
}

int64_t pg_get_int8(const PGresult *result, int row, int column) {
    uint64_t wire;
    assert(PQgetlength(result, row, column) == (int)sizeof wire);
    memcpy(&wire, PQgetvalue(result, row, column), sizeof wire);
    return (int64_t)be64toh(wire);
}

bool pg_get_bool(const PGresult *result, int row, int column) {
    assert(PQgetlength(result, row, column) == 1);
    return PQgetvalue(result, row, column)[0] != 0;
}

struct str pg_get_bytes(const PGresult *result, int row, int column) {
    return str_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

/* ---- core/pg/session.h: pipelines -------------------------------------------------------------------------------- */

void pg_pipeline_begin(struct pg_pipeline *pipeline, struct pg_session *session) {
    assert(session->pipeline == NULL);
    *pipeline = (struct pg_pipeline){.session = session};
    session->pipeline = request_new(session->backend, "a pipeline");
}

void pg_pipeline_send(struct pg_pipeline *pipeline, const char *name, const struct pg_param *params, int param_count) {
    if (pipeline->failure == ERR_NONE) {
        add_prepared(pipeline->session, pipeline->session->pipeline, name, params, param_count, true);
        pipeline->sent++;
    }
}

enum err pg_pipeline_end(struct pg_pipeline *pipeline, int64_t *ret_rows, size_t row_count, struct err_info *info) {
    struct pg_session *session = pipeline->session;
    struct request *answered;
    for (size_t i = 0; i < row_count; i++) {
        ret_rows[i] = -1;
    }
    pipeline->failure = ask(session, session->pipeline, POINTS("pipeline"), &answered, &pipeline->info);
    session->pipeline = NULL;
    for (size_t i = 0; answered != NULL && i < row_count && i < answered->count; i++) {
        ret_rows[i] = answered->statements[i].touched;
    }
    if (answered != NULL) {
        request_free(answered);
    }
    if (pipeline->failure != ERR_NONE && info != NULL) {
        *info = pipeline->info;
    }
    return pipeline->failure;
}

/* ---- the run's beginning ----------------------------------------------------------------------------------------- */

void sim_postgres_begin(void) {
    while (sessions != NULL) {
        session_free(sessions);
    }
    memset(cuts, 0, sizeof cuts);
    sim_postgres_faults = no_faults;
    server_begin();
}
