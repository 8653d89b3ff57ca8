#include "core/testing/simulator/postgres_server.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/testing/simulator/postgres_catalog.h"

enum { FIRST_CAPACITY = 8 };
static const size_t REQUEST_MAX_BYTES = (size_t)1 << 30;

static struct {
    bool is_up;
    int64_t lost_commits;
    struct backend *backends;
    struct request *requests;
    int64_t requests_ever;
    struct backend *waiting; /* the longest wait first */
    bool has_ended;          /* a transaction did: those that wait are to look again */
} server;

/* ---- requests ---------------------------------------------------------------------------------------------------- */

struct request *request_new(struct backend *backend, const char *what) {
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        abort();
    }
    arena_init(&request->arena, REQUEST_MAX_BYTES);
    request->backend = backend;
    request->what = what;
    request->number = ++server.requests_ever;
    request->next = server.requests;
    server.requests = request;
    return request;
}

struct statement *request_add(struct request *request) {
    if (request->count == request->capacity) {
        size_t capacity = request->capacity == 0 ? FIRST_CAPACITY : request->capacity * 2;
        struct statement *more = arena_alloc(&request->arena, capacity * sizeof *more);
        if (request->count > 0) {
            memcpy(more, request->statements, request->count * sizeof *more);
        }
        request->statements = more;
        request->capacity = capacity;
    }
    request->statements[request->count] = (struct statement){.touched = -1};
    return &request->statements[request->count++];
}

void request_free(struct request *request) {
    for (struct request **at = &server.requests; *at != NULL; at = &(*at)->next) {
        if (*at == request) {
            *at = request->next;
            break;
        }
    }
    PQclear(request->result);
    arena_release(&request->arena);
    free(request);
}

static void answer_arrives(void *context) {
    struct request *request = context;
    request->is_answered = true;
    if (request->is_abandoned || !request->backend->client->is_alive) {
        request_free(request);
        return;
    }
    sim_wake(request);
}

/* Answers of a pipeline that came before the connection broke are told. */
static void lose(struct request *request) {
    size_t told = (size_t)sim_random(request->count + 1);
    for (size_t i = told; i < request->count; i++) {
        request->statements[i].touched = -1;
    }
    PQclear(request->result);
    request->result = NULL;
    request->is_lost = true;
    request->failure =
        err_set_retriable(&request->info, ERR_POSTGRES, "%s: server closed the connection unexpectedly", request->what);
}

static void answer(struct request *request) {
    struct backend *backend = request->backend;
    int64_t delay_us = network_delay_us();
    if (!request->is_lost && !request->is_abandoned && network_loses_answer(backend->client)) {
        SIM_TRACE("postgres: the answer to %s of %s is LOST", request->what, backend->client->name);
        lose(request);
        server_leave(backend, network_server_notices_us());
        delay_us = network_client_notices_us(backend->client);
    }
    sim_after(delay_us, NULL, answer_arrives, request);
}

enum run refuse(struct request *request, enum refusal refusal, const char *format, ...) {
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    enum err code = refusal == REFUSED_DATA ? ERR_MALFORMED : refusal == REFUSED_LOCK ? ERR_TIMEOUT : ERR_POSTGRES;
    request->failure = code;
    err_fill(&request->info, code, refusal == REFUSED_LATER || refusal == REFUSED_LOCK, "%s: ERROR:  %s", request->what,
             text);
    SIM_TRACE("postgres: %s of %s is refused: %s", request->what, request->backend->client->name, text);
    return RUN_REFUSED;
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

static void transaction_over(struct backend *backend) {
    backend->state = IDLE;
    backend->wants_snapshot = false;
    backend->local_schema[0] = '\0';
    backend->local_lock_timeout_us = 0;
    free(backend->cursor.items);
    backend->cursor = (struct row_list){0};
    server.has_ended = true;
}

void backend_commit(struct backend *backend) {
    if (backend->txn.is_open && pg_store_commit(&backend->txn, !backend->is_asynchronous)) {
        SIM_TRACE("postgres: %s commits in %s", backend->client->name, backend->schema);
    }
    transaction_over(backend);
}

void backend_rollback(struct backend *backend) {
    if (backend->txn.is_open) {
        pg_store_drop(&backend->txn);
    }
    transaction_over(backend);
}

static struct backend *backend_of(struct pg_store_txn *txn) {
    return CONTAINER_OF(txn, struct backend, txn);
}

enum run wait_for(struct backend *backend, struct pg_store_txn *holder) {
    struct request *request = backend->request;
    for (const struct backend *at = backend_of(holder); at != NULL; at = at->waits_for) {
        if (at == backend) {
            return refuse(request, REFUSED_LATER, "deadlock detected");
        }
    }
    backend->waits_for = backend_of(holder);
    return RUN_WAITS;
}

bool server_claim(struct backend *backend, struct str name) {
    for (const struct backend *other = server.backends; other != NULL; other = other->next) {
        if (other != backend && !other->is_gone && str_equal(str_of_cstr(other->claim), name)) {
            return false;
        }
    }
    snprintf(backend->claim, sizeof backend->claim, "%.*s", STR_ARGS(name));
    return true;
}

/* ---- backends ---------------------------------------------------------------------------------------------------- */

static void backend_end(struct backend *backend) {
    if (!backend->is_gone) {
        backend->is_gone = true;
        backend_rollback(backend);
    }
}

static void lock_times_out(void *context);

/* Which wait a lock_timeout ends: of a statement of a request. */
struct lock_wait {
    struct backend *backend;
    int64_t number;
    size_t at;
};

/* It runs from the statement's first wait on. */
static void begin_lock_timeout(struct backend *backend) {
    struct request *request = backend->request;
    int64_t us = backend->local_lock_timeout_us > 0 ? backend->local_lock_timeout_us : backend->lock_timeout_us;
    if (us == 0 || request->timed == request->at + 1) {
        return;
    }
    request->timed = request->at + 1;
    struct lock_wait *wait = malloc(sizeof *wait);
    if (wait == NULL) {
        abort();
    }
    *wait = (struct lock_wait){backend, request->number, request->at};
    sim_after(us, NULL, lock_times_out, wait);
}

static void wait_in_line(struct backend *backend) {
    begin_lock_timeout(backend);
    SIM_TRACE("postgres: %s waits for %s", backend->client->name, backend->waits_for->client->name);
    struct backend **last = &server.waiting;
    while (*last != NULL) {
        last = &(*last)->next_waiting;
    }
    backend->next_waiting = NULL;
    *last = backend;
}

static void request_done(struct backend *backend) {
    struct request *request = backend->request;
    backend->request = NULL;
    if (request->failure != ERR_NONE) {
        bool is_explicit = backend->state != IDLE;
        backend_rollback(backend); /* what it holds is let go at once */
        backend->state = is_explicit ? FAILED : IDLE;
    } else if (backend->state == IDLE && backend->txn.is_open) {
        backend_commit(backend);
    }
    answer(request);
    if (backend->is_leaving) {
        backend_end(backend);
    }
}

static void backend_go(struct backend *backend) {
    struct request *request = backend->request;
    backend->waits_for = NULL;
    for (; request->at < request->count; request->at++) {
        enum run run = statement_run(backend, request);
        if (run == RUN_WAITS) {
            wait_in_line(backend);
            return;
        }
        if (run == RUN_REFUSED) {
            request->statements[request->at].touched = -1;
            break;
        }
    }
    request_done(backend);
}

/* Lets those go on who waited for a transaction that has ended. */
static void settle(void) {
    while (server.has_ended) {
        server.has_ended = false;
        struct backend *waiting = server.waiting;
        server.waiting = NULL;
        while (waiting != NULL) {
            struct backend *next = waiting->next_waiting;
            backend_go(waiting);
            waiting = next;
        }
    }
}

static void leave_line(struct backend *backend) {
    for (struct backend **at = &server.waiting; *at != NULL; at = &(*at)->next_waiting) {
        if (*at == backend) {
            *at = backend->next_waiting;
            return;
        }
    }
}

static void lock_times_out(void *context) {
    const struct lock_wait wait = *(struct lock_wait *)context;
    free(context);
    struct request *request = wait.backend->request;
    if (request == NULL || request->number != wait.number || request->at != wait.at ||
        wait.backend->waits_for == NULL) {
        return;
    }
    leave_line(wait.backend);
    wait.backend->waits_for = NULL;
    (void)refuse(request, REFUSED_LOCK, "canceling statement due to lock timeout");
    request->statements[request->at].touched = -1;
    request_done(wait.backend);
    settle();
}

static void request_arrives(void *context) {
    struct request *request = context;
    struct backend *backend = request->backend;
    if (backend->is_gone) {
        lose(request);
        answer(request);
        return;
    }
    assert(backend->request == NULL);
    backend->request = request;
    backend_go(backend);
    settle();
}

/* What a client sends arrives in the order in which it was sent, its going last. */
static int64_t in_order(struct backend *backend, int64_t delay_us) {
    int64_t at_us = sim_now_us() + delay_us;
    if (at_us <= backend->newest_arrival_us) {
        at_us = backend->newest_arrival_us + 1;
    }
    backend->newest_arrival_us = at_us;
    return at_us - sim_now_us();
}

void request_send(struct request *request, int64_t delay_us) {
    sim_after(in_order(request->backend, delay_us), NULL, request_arrives, request);
}

static void leave(void *context) {
    struct backend *backend = context;
    backend->is_leaving = true;
    if (backend->request == NULL) {
        backend_end(backend);
        settle();
    }
}

void server_leave(struct backend *backend, int64_t delay_us) {
    sim_after(in_order(backend, delay_us), NULL, leave, backend);
}

/* ---- clients that end -------------------------------------------------------------------------------------------- */

/* What a process had wanted to be called at its end. */
struct watch {
    struct sim_process *process;
    void (*previous)(struct sim_process *process);
    struct watch *next;
};

static struct watch *watches;

static void client_ends(struct sim_process *process) {
    for (struct backend *backend = server.backends; backend != NULL; backend = backend->next) {
        if (backend->client == process && !backend->is_gone) {
            server_leave(backend, network_delay_us()); /* behind what it had sent: a request in flight comes first */
        }
    }
    for (const struct watch *watch = watches; watch != NULL; watch = watch->next) {
        if (watch->process == process && watch->previous != NULL) {
            watch->previous(process);
        }
    }
}

static void watch_client(struct sim_process *process) {
    if (process->on_end == client_ends) {
        return;
    }
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        abort();
    }
    *watch = (struct watch){process, process->on_end, watches};
    watches = watch;
    process->on_end = client_ends;
}

struct backend *server_connect(struct sim_process *client) {
    assert(server.is_up && client != NULL);
    struct backend *backend = calloc(1, sizeof *backend);
    if (backend == NULL) {
        abort();
    }
    backend->client = client;
    struct backend **last = &server.backends;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = backend;
    watch_client(client);
    return backend;
}

/* ---- its life ---------------------------------------------------------------------------------------------------- */

static void forget_run(void) {
    while (server.requests != NULL) {
        request_free(server.requests);
    }
    while (server.backends != NULL) {
        struct backend *next = server.backends->next;
        if (server.backends->txn.is_open) {
            pg_store_drop(&server.backends->txn);
        }
        free(server.backends->cursor.items);
        free(server.backends);
        server.backends = next;
    }
    while (watches != NULL) {
        struct watch *next = watches->next;
        free(watches);
        watches = next;
    }
}

void server_begin(void) {
    forget_run();
    memset(&server, 0, sizeof server);
    pg_store_begin();
    catalog_begin();
    server.is_up = true;
}

bool server_is_up(void) {
    return server.is_up;
}

size_t server_stop(bool is_crash) {
    server.is_up = false;
    server.waiting = NULL;
    for (struct backend *backend = server.backends; backend != NULL; backend = backend->next) {
        if (backend->is_gone) {
            continue;
        }
        struct request *request = backend->request;
        backend->request = NULL;
        backend_end(backend);
        if (request != NULL) {
            lose(request);
            answer(request);
        }
    }
    server.has_ended = false;
    size_t lost = 0;
    if (is_crash) {
        lost = pg_store_crash();
    } else {
        pg_store_flush();
    }
    server.lost_commits += (int64_t)lost;
    return lost;
}

void server_start(void) {
    server.is_up = true;
}

int64_t server_lost_commits(void) {
    return server.lost_commits;
}
