#include "core/pg/pool.h"

#include "core/base/memory.h"
#include "core/pg/failure.h"
#include "core/pg/texts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUERIES_MAX_DEFAULT = 4096,
    TIMEOUT_MS_DEFAULT = 5000,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    TICK_MS = 100,
    STATEMENTS_MAX = 64, /* prepared on one connection; the front has about 20 */
    GROUP_MAX = 64,      /* queries before a sync */
};

enum pool_status { POOL_DOWN, POOL_CONNECTING, POOL_UP, POOL_CLOSING };

/* One query in flight. Those of one turn of the loop are a group and share a sync, which costs either side a system
 * call or two; a query that fails takes those behind it in its group along, and they are sent again. */
struct query {
    struct query *next;
    const struct pg_statement *statement; /* NULL for our own SET and LISTEN */
    char **texts;                         /* of its parameters, for another time */
    pg_result_cb *on_result;
    void *context;
    uint64_t sent_ms;
    bool answered;    /* timed out; its result is awaited only to keep the order */
    bool preparing;   /* a Parse goes ahead of it, whose result comes first */
    bool is_last;     /* of its group: a sync follows */
    bool has_part;    /* a result has come since the last NULL, which ends the results of a Parse or of the query */
    PGresult *result; /* kept until the query is over */
};

struct pg_pool {
    uv_loop_t *loop;
    uv_timer_t timer;     /* reconnecting while down, time-outs while up */
    uv_prepare_t prepare; /* ends the group of the loop's turn */
    uv_poll_t *poll;      /* of the connection's present socket */
    PGconn *connection;
    enum pool_status status;
    int backoff_ms;

    char *conninfo;
    int queries_max;
    int timeout_ms;
    const char *const *listen;
    pg_notify_cb *on_notify;
    void *context;

    struct query *first, *last;
    int in_flight;
    int group_count; /* the last so many queries are not followed by a sync yet */
    const struct pg_statement *prepared[STATEMENTS_MAX];
    size_t prepared_count;
    uint64_t connecting_since_ms;

    bool working; /* inside on_io or time_out: callbacks may be running */
    bool failing;
    void (*on_closed)(void *context);
    void *on_closed_context;
};

static void connect_start(struct pg_pool *pool);
static void connection_fail(struct pg_pool *pool, const char *why);
static void on_io(uv_poll_t *handle, int status, int events);
static void timer_cb(uv_timer_t *timer);

/* ---- the queue ----------------------------------------------------------------------------------------------------
 */

static void answer(struct query *query, const PGresult *result, const struct err_info *error) {
    if (query->answered) {
        return;
    }
    query->answered = true;
    if (query->on_result != NULL) {
        query->on_result(query->context, result, error);
    }
}

static struct query *query_make(const struct pg_statement *statement, pg_result_cb *on_result, void *context) {
    struct query *query = calloc_or_end(1, sizeof *query);
    *query = (struct query){.statement = statement, .on_result = on_result, .context = context};
    return query;
}

static void queue_push(struct pg_pool *pool, struct query *query) {
    query->sent_ms = uv_now(pool->loop);
    query->next = NULL;
    if (pool->last == NULL) {
        pool->first = query;
    } else {
        pool->last->next = query;
    }
    pool->last = query;
    pool->in_flight++;
}

static struct query *queue_pop(struct pg_pool *pool) {
    struct query *query = pool->first;
    pool->first = query->next;
    if (pool->first == NULL) {
        pool->last = NULL;
    }
    pool->in_flight--;
    return query;
}

static void query_free(struct query *query) {
    PQclear(query->result);
    free(query->texts);
    free(query);
}

/* ---- the socket ---------------------------------------------------------------------------------------------------
 */

static void on_poll_closed(uv_handle_t *handle) {
    free(handle);
}

/* libpq may close and open sockets while it connects; a uv_poll must be stopped before its descriptor is closed. */
static void poll_drop(struct pg_pool *pool) {
    if (pool->poll != NULL) {
        uv_poll_stop(pool->poll);
        uv_close((uv_handle_t *)pool->poll, on_poll_closed);
        pool->poll = NULL;
    }
}

static bool poll_make(struct pg_pool *pool) {
    poll_drop(pool);
    uv_poll_t *poll = calloc_or_end(1, sizeof *poll);
    if (uv_poll_init(pool->loop, poll, PQsocket(pool->connection)) != 0) {
        free(poll);
        return false;
    }
    poll->data = pool;
    pool->poll = poll;
    return true;
}

static bool poll_for(struct pg_pool *pool, int events) {
    return uv_poll_start(pool->poll, events, on_io) == 0;
}

/* Sends what libpq has buffered, and waits for a writable socket only while something is left. */
static bool flush(struct pg_pool *pool) {
    int left = PQflush(pool->connection);
    return left >= 0 && poll_for(pool, left == 0 ? UV_READABLE : UV_READABLE | UV_WRITABLE);
}

/* ---- sending ------------------------------------------------------------------------------------------------------
 */

/* Failing tells everyone in flight, among them perhaps whom our caller is just walking past in a list of his: so not
 * from inside a call of his, but in the loop's next turn. */
static void fail_next_turn(struct pg_pool *pool) {
    pool->failing = true;
    uv_timer_start(&pool->timer, timer_cb, 0, TICK_MS);
}

static bool is_prepared(const struct pg_pool *pool, const struct pg_statement *statement) {
    for (size_t i = 0; i < pool->prepared_count; i++) {
        if (pool->prepared[i] == statement) {
            return true;
        }
    }
    return false;
}

static void forget_prepared(struct pg_pool *pool, const struct pg_statement *statement) {
    for (size_t i = 0; i < pool->prepared_count; i++) {
        if (pool->prepared[i] == statement) {
            pool->prepared[i] = pool->prepared[--pool->prepared_count];
            return;
        }
    }
}

/* No more queries in the group; what libpq has is sent. */
static bool group_end(struct pg_pool *pool) {
    if (pool->group_count == 0) {
        return true;
    }
    pool->group_count = 0;
    pool->last->is_last = true;
    return PQpipelineSync(pool->connection) == 1 && flush(pool);
}

/* One of our own, whose failure fails the connection (see query_done). */
static bool send_own(struct pg_pool *pool, const char *sql) {
    queue_push(pool, query_make(NULL, NULL, NULL));
    pool->group_count = 1;
    return PQsendQueryParams(pool->connection, sql, 0, NULL, NULL, NULL, NULL, 0) == 1 && group_end(pool);
}

/* Its results, and with them those of a Parse, are sent by the server with the group's. */
static bool query_write(struct pg_pool *pool, struct query *query) {
    const struct pg_statement *statement = query->statement;
    int count = statement->parameter_count;
    const char *const *texts = (const char *const *)query->texts;
    if (statement->once) {
        return PQsendQueryParams(pool->connection, statement->sql, count, NULL, texts, NULL, NULL, 0) == 1;
    }
    query->preparing = !is_prepared(pool, statement);
    if (query->preparing) {
        assert(pool->prepared_count < STATEMENTS_MAX);
        pool->prepared[pool->prepared_count++] = statement;
        if (PQsendPrepare(pool->connection, statement->name, statement->sql, 0, NULL) != 1) {
            return false;
        }
    }
    return PQsendQueryPrepared(pool->connection, statement->name, count, texts, NULL, NULL, 0) == 1;
}

/* Alone in its group is what may take long, for which the others would wait, and the first of its statement: those that
 * follow rely on its Parse, which nobody's failure may take along. */
static void query_send(struct pg_pool *pool, struct query *query) {
    bool alone = query->statement->once || !is_prepared(pool, query->statement);
    bool sent = !alone || group_end(pool);
    queue_push(pool, query);
    pool->group_count++;
    sent = sent && query_write(pool, query);
    if (sent && (alone || pool->group_count >= GROUP_MAX)) {
        sent = group_end(pool);
    }
    if (!sent) {
        fail_next_turn(pool);
    }
}

static void on_prepare(uv_prepare_t *prepare) {
    struct pg_pool *pool = prepare->data;
    if (pool->status == POOL_UP && !pool->failing && !group_end(pool)) {
        fail_next_turn(pool);
    }
}

void pg_pool_query(struct pg_pool *pool, const struct pg_statement *statement, const struct str *parameters,
                   pg_result_cb *on_result, void *context) {
    struct err_info error;
    if (pool->status != POOL_UP || pool->failing) {
        err_set_retriable(&error, ERR_POSTGRES, "%s: not connected to PostgreSQL", statement->name);
        on_result(context, NULL, &error);
        return;
    }
    if (pool->in_flight >= pool->queries_max) {
        err_set_retriable(&error, ERR_TOO_LARGE, "%s: %d queries are in flight", statement->name, pool->in_flight);
        on_result(context, NULL, &error);
        return;
    }
    char **texts = NULL;
    if (!pg_texts_make(parameters, statement->parameter_count, &texts)) {
        err_set(&error, ERR_MALFORMED, "%s: a parameter holds a NUL byte", statement->name);
        on_result(context, NULL, &error);
        return;
    }
    struct query *query = query_make(statement, on_result, context);
    query->texts = texts;
    query_send(pool, query);
}

/* ---- receiving ----------------------------------------------------------------------------------------------------
 */

/* The query at the head is over. */
static void query_done(struct pg_pool *pool) {
    struct query *query = queue_pop(pool);
    ExecStatusType status = query->result == NULL ? PGRES_FATAL_ERROR : PQresultStatus(query->result);
    if (status == PGRES_PIPELINE_ABORTED && query->statement != NULL) {
        if (!query->answered) {
            PQclear(query->result);
            query->result = NULL;
            query->is_last = false;
            query_send(pool, query); /* one before it in its group has failed */
            return;
        }
    } else if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        answer(query, query->result, NULL);
    } else if (query->statement == NULL) {
        pool->failing = true;
    } else {
        struct err_info error;
        (void)pg_failure(query->result, pool->connection, query->statement->name, &error);
        answer(query, NULL, &error);
    }
    query_free(query);
}

static void take_result(struct pg_pool *pool, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    struct query *query = pool->first;
    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        query_done(pool);
        return;
    }
    query->has_part = true;
    /* The first failure says why; what follows it before the sync is only "aborted". */
    bool failed_before = query->result != NULL && PQresultStatus(query->result) == PGRES_FATAL_ERROR;
    if (failed_before) {
        PQclear(result);
        return;
    }
    PQclear(query->result);
    query->result = result;
}

/* The results of a Parse are over, or those of a query; the last of a group ends with the sync, which comes next. */
static void take_null(struct pg_pool *pool) {
    struct query *query = pool->first;
    if (!query->has_part) {
        return;
    }
    query->has_part = false;
    if (query->preparing) {
        bool was_prepared = PQresultStatus(query->result) == PGRES_COMMAND_OK;
        query->preparing = false;
        if (!was_prepared) {
            forget_prepared(pool, query->statement);
        }
    } else if (!query->is_last) {
        query_done(pool);
    }
}

static void take_notifications(struct pg_pool *pool) {
    PGnotify *notify;
    while ((notify = PQnotifies(pool->connection)) != NULL) {
        if (pool->on_notify != NULL) {
            pool->on_notify(pool->context, str_of_cstr(notify->relname), str_of_cstr(notify->extra));
        }
        PQfreemem(notify);
    }
}

static void work(struct pg_pool *pool, int events) {
    if ((events & UV_READABLE) != 0 && PQconsumeInput(pool->connection) != 1) {
        pool->failing = true;
        return;
    }
    while (!pool->failing && pool->first != NULL && PQisBusy(pool->connection) == 0) {
        PGresult *result = PQgetResult(pool->connection);
        if (result != NULL) {
            take_result(pool, result);
        } else {
            take_null(pool);
        }
    }
    take_notifications(pool);
    if (!pool->failing && pool->status == POOL_UP && !flush(pool)) {
        pool->failing = true;
    }
}

/* ---- connecting ---------------------------------------------------------------------------------------------------
 */

static void connect_later(struct pg_pool *pool) {
    pool->status = POOL_DOWN;
    uv_timer_start(&pool->timer, timer_cb, (uint64_t)pool->backoff_ms, 0);
    pool->backoff_ms = pool->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pool->backoff_ms * 2;
}

static void connection_drop(struct pg_pool *pool) {
    poll_drop(pool);
    PQfinish(pool->connection);
    pool->connection = NULL;
    pool->prepared_count = 0;
    pool->group_count = 0;
    pool->failing = false;
}

/* Everything in flight is told, then the connection is made again. */
static void connection_fail(struct pg_pool *pool, const char *why) {
    assert(!pool->working);
    struct err_info error;
    const char *reason = pool->connection == NULL ? "" : PQerrorMessage(pool->connection);
    err_set_retriable(&error, ERR_POSTGRES, "%s: %.*s", why, (int)strcspn(reason, "\n"), reason);
    connection_drop(pool);
    connect_later(pool);
    /* A callback may ask again: it is refused at once, as the status is down, so this ends. */
    while (pool->first != NULL) {
        struct query *query = queue_pop(pool);
        answer(query, NULL, &error);
        query_free(query);
    }
}

static void connected(struct pg_pool *pool) {
    pool->status = POOL_UP;
    pool->backoff_ms = BACKOFF_MIN_MS;
    if (PQsetnonblocking(pool->connection, 1) != 0 || PQenterPipelineMode(pool->connection) != 1) {
        pool->failing = true;
        return;
    }
    char set[64];
    snprintf(set, sizeof set, "SET statement_timeout = %d", pool->timeout_ms);
    /* By default a page elsewhere is four times as dear as the next one, as on a turning disk: so PostgreSQL reads
     * whole tables to join 2,000 products with their variants. What a front asks for lies in memory, or on a disk
     * without arms. */
    bool sent = send_own(pool, set) && send_own(pool, "SET random_page_cost = 1.1");
    for (size_t i = 0; sent && pool->listen != NULL && pool->listen[i] != NULL; i++) {
        char *name = PQescapeIdentifier(pool->connection, pool->listen[i], strlen(pool->listen[i]));
        char listen[128];
        sent = name != NULL && snprintf(listen, sizeof listen, "LISTEN %s", name) < (int)sizeof listen &&
               send_own(pool, listen);
        PQfreemem(name);
    }
    uv_timer_start(&pool->timer, timer_cb, TICK_MS, TICK_MS);
    pool->failing = !sent || !flush(pool);
}

static void connect_step(struct pg_pool *pool) {
    poll_drop(pool);
    PostgresPollingStatusType step = PQconnectPoll(pool->connection);
    if (step == PGRES_POLLING_FAILED) {
        pool->failing = true;
        return;
    }
    if (!poll_make(pool)) {
        pool->failing = true;
    } else if (step == PGRES_POLLING_OK) {
        connected(pool);
    } else {
        pool->failing = !poll_for(pool, step == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE);
    }
}

static void notice_ignore(void *context, const PGresult *result) {
    (void)context;
    (void)result;
}

static void connect_start(struct pg_pool *pool) {
    /* What conninfo says itself comes last and so wins. */
    const char *const names[] = {"application_name", "keepalives_idle", "tcp_user_timeout",
                                 "client_encoding",  "dbname",          NULL};
    const char *const values[] = {"daybook-front", "10", "10000", "UTF8", pool->conninfo, NULL};
    pool->status = POOL_CONNECTING;
    pool->connecting_since_ms = uv_now(pool->loop);
    pool->connection = PQconnectStartParams(names, values, 1);
    if (pool->connection == NULL) {
        out_of_memory("a connection to PostgreSQL");
    }
    PQsetNoticeReceiver(pool->connection, notice_ignore, NULL);
    /* libpq: after PQconnectStart behave as if PQconnectPoll had answered WRITING. */
    if (PQstatus(pool->connection) == CONNECTION_BAD || !poll_make(pool) || !poll_for(pool, UV_WRITABLE)) {
        connection_fail(pool, "connecting failed");
        return;
    }
    uv_timer_start(&pool->timer, timer_cb, TICK_MS, TICK_MS);
}

static void on_io(uv_poll_t *handle, int status, int events) {
    struct pg_pool *pool = handle->data;
    pool->working = true;
    if (status < 0) {
        pool->failing = true;
    } else if (pool->status == POOL_CONNECTING) {
        connect_step(pool);
    } else {
        work(pool, events);
    }
    pool->working = false;
    if (pool->failing && pool->status != POOL_CLOSING) {
        connection_fail(pool, "the connection to PostgreSQL failed");
    }
}

/* Deadlines go with the order of sending, so the late ones stand at the head. */
static void time_out(struct pg_pool *pool) {
    uint64_t now_ms = uv_now(pool->loop);
    uint64_t limit_ms = (uint64_t)pool->timeout_ms;
    pool->working = true;
    for (struct query *query = pool->first; query != NULL && now_ms - query->sent_ms > limit_ms; query = query->next) {
        struct err_info error;
        err_set_retriable(&error, ERR_TIMEOUT, "no answer from PostgreSQL within %d ms", pool->timeout_ms);
        answer(query, NULL, &error);
    }
    pool->working = false;
    /* The server's own statement_timeout should have answered; as it did not, the connection is dead. */
    if (pool->failing || (pool->first != NULL && now_ms - pool->first->sent_ms > 2 * limit_ms)) {
        connection_fail(pool, "PostgreSQL does not answer");
    }
}

static void timer_cb(uv_timer_t *timer) {
    struct pg_pool *pool = timer->data;
    if (pool->status == POOL_DOWN) {
        connect_start(pool);
    } else if (pool->status == POOL_UP) {
        time_out(pool);
    } else if (uv_now(pool->loop) - pool->connecting_since_ms > (uint64_t)pool->timeout_ms) {
        connection_fail(pool, "connecting to PostgreSQL took too long");
    }
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

enum err pg_pool_open(uv_loop_t *loop, const struct pg_pool_options *options, struct pg_pool **ret_pool,
                      struct err_info *info) {
    char *why = NULL;
    PQconninfoOption *parsed = PQconninfoParse(options->conninfo, &why);
    if (parsed == NULL) {
        (void)err_set(info, ERR_CONFIG, "the setting postgres: %s", why == NULL ? "cannot be read" : why);
        PQfreemem(why);
        return ERR_CONFIG;
    }
    PQconninfoFree(parsed);
    struct pg_pool *pool = calloc_or_end(1, sizeof *pool);
    char *conninfo = strdup_or_end(options->conninfo);
    *pool = (struct pg_pool){
        .loop = loop,
        .conninfo = conninfo,
        .backoff_ms = BACKOFF_MIN_MS,
        .queries_max = options->queries_max == 0 ? QUERIES_MAX_DEFAULT : options->queries_max,
        .timeout_ms = options->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : options->timeout_ms,
        .listen = options->listen,
        .on_notify = options->on_notify,
        .context = options->context,
    };
    uv_timer_init(loop, &pool->timer);
    pool->timer.data = pool;
    uv_prepare_init(loop, &pool->prepare);
    pool->prepare.data = pool;
    uv_prepare_start(&pool->prepare, on_prepare);
    *ret_pool = pool;
    connect_start(pool);
    return ERR_NONE;
}

static void on_prepare_closed(uv_handle_t *handle) {
    struct pg_pool *pool = handle->data;
    void (*on_closed)(void *context) = pool->on_closed;
    void *context = pool->on_closed_context;
    free(pool->conninfo);
    free(pool);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

static void on_timer_closed(uv_handle_t *handle) {
    struct pg_pool *pool = handle->data;
    uv_close((uv_handle_t *)&pool->prepare, on_prepare_closed);
}

void pg_pool_close(struct pg_pool *pool, void (*on_closed)(void *context), void *context) {
    assert(!pool->working && pool->status != POOL_CLOSING);
    pool->status = POOL_CLOSING;
    pool->on_closed = on_closed;
    pool->on_closed_context = context;
    struct err_info error;
    err_set_retriable(&error, ERR_POSTGRES, "the front is stopping");
    while (pool->first != NULL) {
        struct query *query = queue_pop(pool);
        answer(query, NULL, &error);
        query_free(query);
    }
    connection_drop(pool);
    uv_close((uv_handle_t *)&pool->timer, on_timer_closed);
}

bool pg_pool_is_up(const struct pg_pool *pool) {
    return pool->status == POOL_UP;
}

struct str pg_value(const PGresult *result, int row, int column) {
    return str_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}
