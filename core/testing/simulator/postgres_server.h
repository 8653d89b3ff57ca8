/* postgres_server.h: the server's side of PostgreSQL's double: one backend a session, and what it is asked.
 *
 * Purpose  a request is carried out by the world, not by the fiber that asked: what has left goes on although the
 *          asking process dies, and a COMMIT on its way takes effect after its sender's end.
 * Locks    a statement that meets another transaction's uncommitted change of the same row waits for that transaction's
 *          end, in the order in which the waits began, and then sees what it left (READ COMMITTED). Who would wait for
 *          itself, over others, is refused (deadlock_detected).
 * Files    postgres_server.c its life and the requests, postgres_run.c what each statement does.
 * Thread   one.                  May use: world, libpq's results.
 */
#pragma once

#include <libpq-fe.h>

#include "core/base/err.h"
#include "core/testing/simulator/postgres_sql.h"
#include "core/testing/simulator/postgres_store.h"
#include "core/testing/simulator/world.h"

enum { SCHEMA_NAME_BYTES = 64 };

struct statement {
    struct sql sql;
    struct str *params; /* data NULL: NULL */
    int param_count;
    bool is_binary;  /* the result's form */
    int64_t touched; /* rows; -1: it did not come to its end */

    /* While it runs: it may stop at a row and go on there. */
    bool is_read;
    struct str *cells; /* the parameters' elements, a row after the other */
    size_t row_count, row_at;
    bool has_waited; /* for the row it is at */
    int64_t schema_number;
};

/* Allocated with its own arena, which holds all that it points to. */
struct request {
    struct arena arena;
    struct backend *backend;
    const char *what;  /* in errors: "COMMIT" */
    bool is_preparing; /* the statements are looked at and not run */
    struct statement *statements;
    size_t count, capacity, at;

    PGresult *result; /* of the last statement that has rows */
    enum err failure;
    struct err_info info;
    bool is_lost; /* the connection is gone, and nobody knows what became of it */
    bool is_answered;
    bool is_abandoned;    /* nobody waits for the answer */
    int64_t number;       /* 1, 2, ... of all there ever were */
    size_t timed;         /* a lock_timeout runs for the statement before this one */
    struct request *next; /* all there are */
};

enum backend_state { IDLE, IN_TRANSACTION, FAILED };

struct backend {
    struct sim_process *client;
    bool is_gone;    /* ended: what is asked of it is lost */
    bool is_leaving; /* its client is gone: it ends once it has done what it was asked */
    enum backend_state state;
    struct pg_store_txn txn; /* open from a statement's beginning, in a transaction or for it alone */
    bool wants_snapshot;     /* REPEATABLE READ, and nothing was read yet */
    bool is_asynchronous;    /* synchronous_commit off */
    char schema[SCHEMA_NAME_BYTES], local_schema[SCHEMA_NAME_BYTES];
    char claim[SCHEMA_NAME_BYTES];                  /* the session's advisory lock, by its name; empty: none */
    int64_t lock_timeout_us, local_lock_timeout_us; /* 0: none */
    struct row_list cursor;
    size_t cursor_table, cursor_at;

    int64_t newest_arrival_us; /* of what its client sent */
    struct request *request;
    struct backend *waits_for;
    struct backend *next_waiting;
    struct backend *next; /* all that ever were */
};

/* ---- the server's life ------------------------------------------------------------------------------------------- */

void server_begin(void);
bool server_is_up(void);
/* Ends every backend. How many commits were lost. */
size_t server_stop(bool is_crash);
void server_start(void);
int64_t server_lost_commits(void);

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

/* It must be up. */
struct backend *server_connect(struct sim_process *client);
/* The client's end of the connection is gone: the backend learns it after so long. */
void server_leave(struct backend *backend, int64_t delay_us);

struct request *request_new(struct backend *backend, const char *what);
/* A statement of it, to be filled in; valid until the next one. */
struct statement *request_add(struct request *request);
/* It arrives after so long. The answer is told by sim_wake(request), or by nothing when it is abandoned. */
void request_send(struct request *request, int64_t delay_us);
void request_free(struct request *request);

/* What PostgreSQL refuses it with. */
enum refusal {
    REFUSED_DATA,  /* SQLSTATE classes 22 and 23 */
    REFUSED_LATER, /* class 40 */
    REFUSED_LOCK,  /* 55P03 */
    REFUSED,       /* all others */
};

/* ---- postgres_run.c ---------------------------------------------------------------------------------------------- */

enum run { RUN_DONE, RUN_WAITS, RUN_REFUSED };

/* Runs the request's statement `at`. RUN_WAITS: backend->waits_for is set; call it again. */
enum run statement_run(struct backend *backend, struct request *request);

/* ---- for postgres_run.c ------------------------------------------------------------------------------------------ */

enum run refuse(struct request *request, enum refusal refusal, const char *format, ...) PRINTF_LIKE(3, 4);
enum run wait_for(struct backend *backend, struct pg_store_txn *holder);
/* False: another session that is alive has it. */
bool server_claim(struct backend *backend, struct str name);
void backend_commit(struct backend *backend);
void backend_rollback(struct backend *backend);

/* ---- postgres.c: the network, which loses answers and takes its time --------------------------------------------- */

int64_t network_delay_us(void);
bool network_loses_answer(const struct sim_process *client);
/* Until the client learns that its connection is gone, and until the server does. */
int64_t network_client_notices_us(const struct sim_process *client);
int64_t network_server_notices_us(void);
