/* pool.h: PostgreSQL queries from a libuv loop, pipelined over one connection.
 *
 * Purpose  the front's reads: each loop has one connection in libpq pipeline mode; statements are prepared once.
 * Promise  every query's callback is called exactly once, on the loop's thread: with rows, or with an error (retriable
 *          when the connection was lost). In the order of sending, save that what one that fails takes along is sent
 *          again behind the others. A lost connection is made again with backoff
 *          (100 ms to 5 s); meanwhile pg_pool_query answers an error at once, during the call: the front says 503.
 * Plans    made for pages that cost as much anywhere as next to each other (random_page_cost 1.1).
 * Bounds   queries_max in flight (past it: an error at once), each answered within timeout_ms or failed.
 *          The server's statement_timeout is timeout_ms too; a server silent for twice that is given up.
 * Closing  pg_pool_close answers what is in flight with an error; not from inside a callback of the pool.
 * Thread   the loop's. Looking up a host's name blocks it (give hostaddr).       May use: base.
 */
#pragma once

#include <libpq-fe.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/str.h"

#include <stddef.h>

struct pg_pool;

/* A statement, prepared under its name on each connection. Parameters are texts ($1::text, $2::bigint ...).
 * One that is sent `once` is not prepared: PostgreSQL plans it for the values that it comes with. It must live until
 * its answer. */
struct pg_statement {
    const char *name;
    const char *sql;
    int parameter_count;
    bool once;
};

/* `result` is NULL on error, and is cleared after the callback. */
typedef void pg_result_cb(void *context, const PGresult *result, const struct err_info *error);
typedef void pg_notify_cb(void *context, struct str channel, struct str payload);

struct pg_pool_options {
    const char *conninfo;
    int queries_max;           /* 0: 4096 */
    int timeout_ms;            /* 0: 5000 */
    const char *const *listen; /* channels, NULL-terminated; may be NULL */
    pg_notify_cb *on_notify;
    void *context;
};

MUST_CHECK enum err pg_pool_open(uv_loop_t *loop, const struct pg_pool_options *options, struct pg_pool **ret_pool,
                                 struct err_info *info);
void pg_pool_close(struct pg_pool *pool, void (*on_closed)(void *context), void *context);
bool pg_pool_is_up(const struct pg_pool *pool);

/* Parameters are copied; a NULL data pointer is SQL NULL. It is on its way when the loop's turn ends. */
void pg_pool_query(struct pg_pool *pool, const struct pg_statement *statement, const struct str *parameters,
                   pg_result_cb *on_result, void *context);

/* A value of a result as text; empty for NULL. */
struct str pg_value(const PGresult *result, int row, int column);
