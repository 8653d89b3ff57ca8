#include "core/http/server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/http/connection.h"
#include "core/http/output.h"

enum {
    BACKLOG = 1024,
    HEAD_MS = 10000,
    BODY_MS = 30000,
    IDLE_MS = 60000,
    WRITE_MS = 30000,
    LINGER_MS = 2000,
    TICK_MAX_MS = 1000,
    TICK_MIN_MS = 5,
    BODIES_MAX_BYTES = 128 * 1024 * 1024,
    ANSWERS_MAX_BYTES = 256 * 1024 * 1024,
};

/* ---- the loop's turns ---------------------------------------------------------------------------------------- */

static void settle_all(struct http_server *server) {
    while (server->unsent != NULL) {
        struct connection *connection = server->unsent;
        server->unsent = connection->next_unsent;
        connection->is_unsent = false;
        connection_settle(connection);
    }
}

static void on_prepare(uv_prepare_t *prepare) {
    settle_all(prepare->data);
}

static void on_check(uv_check_t *check) {
    settle_all(check->data);
}

static void time_out_reads(struct deadline_queue *queue, uint64_t now_ms) {
    struct deadline *due;
    while ((due = deadline_take_due(queue, now_ms)) != NULL) {
        connection_read_timed_out(CONTAINER_OF(due, struct connection, read_deadline));
    }
}

static void abort_all(struct http_server *server) {
    for (struct connection *connection = server->connections; connection != NULL; connection = connection->older) {
        connection_abort(connection);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    uint64_t now_ms = uv_now(server->loop);
    time_out_reads(&server->heads, now_ms);
    time_out_reads(&server->bodies, now_ms);
    time_out_reads(&server->idle, now_ms);
    time_out_reads(&server->lingering, now_ms);
    struct deadline *due;
    while ((due = deadline_take_due(&server->writes, now_ms)) != NULL) {
        output_timed_out(CONTAINER_OF(due, struct connection, write_deadline));
    }
    if (server->is_closing && now_ms >= server->abort_at_ms) {
        abort_all(server);
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    struct http_server *server = listener->data;
    if (status < 0) { /* out of descriptors: libuv turned it away itself */
        server->stats.refused_total++;
        return;
    }
    connection_accept(server);
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static enum err resolve(uv_loop_t *loop, const char *host, int port, struct sockaddr_storage *ret_address,
                        struct err_info *info) {
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    uv_getaddrinfo_t request;
    int failed = uv_getaddrinfo(loop, &request, NULL, host, service, &hints);
    if (failed != 0) {
        return err_set(info, ERR_CONFIG, "cannot listen on %s: %s", host, uv_strerror(failed));
    }
    memcpy(ret_address, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    return ERR_NONE;
}

/* SO_REUSEPORT must stand before bind: every loop's listener shares the port. */
static int bind_and_listen(struct http_server *server, const struct sockaddr_storage *address) {
    uv_os_fd_t socket;
    int one = 1;
    int failed = uv_fileno((uv_handle_t *)&server->listener, &socket);
    if (failed == 0 && setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) {
        failed = uv_translate_sys_error(errno);
    }
    if (failed == 0) {
        failed = uv_tcp_bind(&server->listener, (const struct sockaddr *)address, 0);
    }
    return failed != 0 ? failed : uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
}

static int default_to(int value, int otherwise) {
    return value > 0 ? value : otherwise;
}

/* Sets up all waits, and how often they are looked at: a few times in the shortest. */
static uint64_t init_deadlines(struct http_server *server) {
    const struct http_time_limits *times = &server->options.times;
    server->heads.after_ms = (uint64_t)default_to(times->head_ms, HEAD_MS);
    server->bodies.after_ms = (uint64_t)default_to(times->body_ms, BODY_MS);
    server->idle.after_ms = (uint64_t)default_to(times->idle_ms, IDLE_MS);
    server->writes.after_ms = (uint64_t)default_to(times->write_ms, WRITE_MS);
    server->lingering.after_ms = (uint64_t)default_to(times->linger_ms, LINGER_MS);
    const struct deadline_queue *queues[] = {&server->heads, &server->bodies, &server->idle, &server->writes,
                                             &server->lingering};
    uint64_t tick_ms = TICK_MAX_MS;
    for (size_t i = 0; i < ARRAY_LENGTH(queues); i++) {
        uint64_t wanted_ms = queues[i]->after_ms / 8;
        tick_ms = wanted_ms < tick_ms ? wanted_ms : tick_ms;
    }
    return tick_ms < TICK_MIN_MS ? TICK_MIN_MS : tick_ms;
}

static void start_handles(struct http_server *server) {
    uint64_t tick_ms = init_deadlines(server);
    uv_timer_init(server->loop, &server->timer);
    uv_prepare_init(server->loop, &server->prepare);
    uv_check_init(server->loop, &server->check);
    server->timer.data = server->prepare.data = server->check.data = server;
    server->open_handles += 3;
    uv_timer_start(&server->timer, on_tick, tick_ms, tick_ms);
    uv_prepare_start(&server->prepare, on_prepare);
    uv_check_start(&server->check, on_check);
}

static void on_failed_listener_closed(uv_handle_t *listener) {
    free(listener->data);
}

enum err http_server_open(uv_loop_t *loop, const struct http_server_options *options, struct http_server **ret_server,
                          struct err_info *info) {
    assert(options->on_request != NULL && options->connections_max > 0);
    struct sockaddr_storage address;
    enum err err = resolve(loop, options->host, options->port, &address, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct http_server *server = calloc_or_end(1, sizeof *server);
    server->options = *options;
    server->options.answers_max_bytes = options->answers_max_bytes > 0 ? options->answers_max_bytes : ANSWERS_MAX_BYTES;
    server->loop = loop;
    buf_init_wiping(&server->plain, READ_BYTES + 2 * TLS_RECORD_MAX_BYTES);
    buf_init(&server->wire, WIRE_MAX_BYTES);
    server->pool.body_max_bytes = options->body_max_bytes;
    server->pool.bodies_max_bytes = options->bodies_max_bytes > 0 ? options->bodies_max_bytes : BODIES_MAX_BYTES;
    int failed = uv_tcp_init_ex(loop, &server->listener, address.ss_family);
    if (failed != 0) {
        free(server);
        return err_set(info, ERR_IO, "cannot make a socket: %s", uv_strerror(failed));
    }
    server->listener.data = server;
    failed = bind_and_listen(server, &address);
    if (failed != 0) {
        uv_close((uv_handle_t *)&server->listener, on_failed_listener_closed);
        return err_set_retriable(info, ERR_IO, "cannot listen on %s, port %d: %s", options->host, options->port,
                                 uv_strerror(failed));
    }
    server->open_handles = 1;
    start_handles(server);
    *ret_server = server;
    return ERR_NONE;
}

int http_server_port(const struct http_server *server) {
    struct sockaddr_storage address;
    int size = sizeof address;
    int failed = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
    assert(failed == 0 && "a listening socket has a name");
    return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                                         : ntohs(((struct sockaddr_in *)&address)->sin_port);
}

struct http_server_stats http_server_stats(const struct http_server *server) {
    return server->stats;
}

/* ---- closing ------------------------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle) {
    struct http_server *server = handle->data;
    if (--server->open_handles > 0) {
        server_maybe_closed(server);
        return;
    }
    void (*on_closed)(void *context) = server->on_closed;
    void *context = server->on_closed_context;
    exchange_pool_release(&server->pool);
    address_counts_release(&server->by_address);
    buf_release(&server->plain);
    buf_release(&server->wire);
    free(server);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

/* The timer and the loop's hooks serve the connections to the last; the listener is closed already. */
void server_maybe_closed(struct http_server *server) {
    bool has_ended = server->is_closing && server->connections == NULL && server->pool.living_count == 0;
    if (!has_ended || uv_is_closing((uv_handle_t *)&server->timer)) {
        return;
    }
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&server->check, on_handle_closed);
}

void http_server_close(struct http_server *server, int grace_ms, void (*on_closed)(void *context), void *context) {
    assert(!server->is_closing && "a server is closed once");
    server->is_closing = true;
    server->abort_at_ms = uv_now(server->loop) + (uint64_t)(grace_ms > 0 ? grace_ms : 0);
    server->on_closed = on_closed;
    server->on_closed_context = context;
    uv_close((uv_handle_t *)&server->listener, on_handle_closed);
    for (struct connection *connection = server->connections; connection != NULL; connection = connection->older) {
        connection_close_soon(connection);
    }
    server_maybe_closed(server);
}

/* ---- exchanges ----------------------------------------------------------------------------------------------- */

void http_answer_field(struct http_exchange *exchange, const char *name, struct str value) {
    if (exchange->answer_field_count == exchange->answer_field_capacity) {
        size_t capacity = exchange->answer_field_capacity == 0 ? 8 : 2 * exchange->answer_field_capacity;
        struct http_field *grown = arena_alloc(&exchange->arena, capacity * sizeof *grown);
        if (exchange->answer_field_count > 0) {
            memcpy(grown, exchange->answer_fields, exchange->answer_field_count * sizeof *grown);
        }
        exchange->answer_fields = grown;
        exchange->answer_field_capacity = capacity;
    }
    exchange->answer_fields[exchange->answer_field_count++] =
        (struct http_field){.name = str_of_cstr(name), .value = value};
}

void http_answer(struct http_exchange *exchange, int status, const char *content_type, struct str body) {
    connection_answer(exchange_of(exchange), status, content_type, body);
}

struct str http_request_field(const struct http_exchange *exchange, const char *name) {
    for (size_t i = 0; i < exchange->field_count; i++) {
        if (http_name_equal(exchange->fields[i].name, name)) {
            return exchange->fields[i].value;
        }
    }
    return (struct str){0};
}
