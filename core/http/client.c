#include "core/http/client.h"

#include <assert.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/http/deadline.h"
#include "core/http/tls.h"

enum {
    ANSWER_HEAD_MAX_BYTES = 32 * 1024,
    ANSWER_FIELDS_MAX = 64,
    REQUEST_MAX_BYTES = 32 * 1024 * 1024,
    CLIENT_READ_BYTES = 64 * 1024,
    REQUEST_WIRE_MAX_BYTES = REQUEST_MAX_BYTES + REQUEST_MAX_BYTES / 16,
};

/* Where a field stands in `head`, which moves while it grows. */
struct field_place {
    uint32_t name_at, name_len, value_at, value_len;
};

struct link {
    struct http_client *client;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct link *next_idle;
    enum {
        LINK_CLOSED, /* no handle */
        LINK_CONNECTING,
        LINK_SHAKING_HANDS, /* connected, TLS is not open yet */
        LINK_BUSY,          /* the request is sent, its answer awaited */
        LINK_IDLE,          /* connected, may be used again */
        LINK_CLOSING,
    } state;
    bool has_request; /* its callback is owed */
    bool wants_again; /* while LINK_CLOSING: a new request waits in `request` */
    bool is_refused;  /* while LINK_CLOSING: the system would not even begin to connect */
    bool is_writing;  /* libuv still reads from `request`, or with TLS from `wire` */
    bool is_complete; /* the answer came whole */
    void (*on_answer)(void *context, const struct http_client_answer *answer);
    void *context;
    bool is_head;
    struct deadline deadline;
    llhttp_t parser;
    struct tls *tls; /* of this connection; NULL: plain */
    struct buf wire; /* what it says, until it is sent */
    struct buf request;
    struct buf head; /* names and values of the answer */
    struct buf body;
    struct field_place places[ANSWER_FIELDS_MAX];
    size_t field_count;
};

struct http_client {
    uv_loop_t *loop;
    struct http_client_options options;
    char *host_field; /* host:port */
    struct sockaddr_storage address;
    uv_timer_t timer;
    struct deadline_queue deadlines;
    struct link *links;
    struct link *idle, *idle_last;
    size_t open_handles;
    bool is_closing;
    void (*on_closed)(void *context);
    void *on_closed_context;
    char read_buffer[CLIENT_READ_BYTES];
    struct buf plain; /* with TLS: what a read says */
};

static void start(struct link *link);
static void finish(struct link *link, enum http_client_failure failure);

const char *http_client_failure_text(enum http_client_failure failure) {
    switch (failure) {
    case HTTP_CLIENT_OK:
        return "ok";
    case HTTP_CLIENT_NOT_CONNECTED:
        return "not connected";
    case HTTP_CLIENT_LOST:
        return "connection lost";
    case HTTP_CLIENT_TIMEOUT:
        return "timeout";
    case HTTP_CLIENT_MALFORMED:
        return "malformed answer";
    case HTTP_CLIENT_NOT_TRUSTED:
        return "certificate not trusted";
    }
    assert(false && "http_client: no such failure");
    return "";
}

struct str http_client_field(const struct http_client_answer *answer, const char *name) {
    for (size_t i = 0; i < answer->field_count; i++) {
        if (http_name_equal(answer->fields[i].name, name)) {
            return answer->fields[i].value;
        }
    }
    return (struct str){0};
}

/* ---- the end of a request ------------------------------------------------------------------------------------ */

static void on_handle_closed(struct http_client *client) {
    if (--client->open_handles > 0 || !client->is_closing) {
        return;
    }
    void (*on_closed)(void *context) = client->on_closed;
    void *context = client->on_closed_context;
    for (size_t i = 0; i < client->options.connections_max; i++) {
        buf_release(&client->links[i].wire);
        buf_release(&client->links[i].request);
        buf_release(&client->links[i].head);
        buf_release(&client->links[i].body);
    }
    buf_release(&client->plain);
    free(client->links);
    free(client->host_field);
    free(client);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

static void make_idle(struct link *link) {
    struct http_client *client = link->client;
    if (client->idle == NULL) {
        link->next_idle = NULL;
        client->idle = client->idle_last = link;
    } else if (client->options.rotates) {
        link->next_idle = NULL;
        client->idle_last->next_idle = link;
        client->idle_last = link;
    } else {
        link->next_idle = client->idle;
        client->idle = link;
    }
}

static void on_link_closed(uv_handle_t *handle) {
    struct link *link = handle->data;
    link->state = LINK_CLOSED;
    tls_free(link->tls);
    link->tls = NULL;
    buf_clear(&link->wire);
    if (link->is_refused) {
        link->is_refused = false;
        if (link->has_request) {
            finish(link, HTTP_CLIENT_NOT_CONNECTED);
        }
    } else if (link->wants_again && !link->client->is_closing) {
        link->wants_again = false;
        start(link);
    }
    on_handle_closed(link->client);
}

static void close_link(struct link *link) {
    if (link->state != LINK_CLOSED && link->state != LINK_CLOSING) {
        link->state = LINK_CLOSING;
        uv_close((uv_handle_t *)&link->tcp, on_link_closed);
    }
}

/* Calls back, once; the link is free for the next request then, which the callback may make. */
static void finish(struct link *link, enum http_client_failure failure) {
    assert(link->has_request);
    link->has_request = false;
    deadline_clear(&link->deadline);
    bool is_over = failure != HTTP_CLIENT_OK || link->client->is_closing || link->is_writing;
    if (is_over || !llhttp_should_keep_alive(&link->parser)) {
        close_link(link);
    } else {
        link->state = LINK_IDLE;
    }
    make_idle(link);
    struct http_field fields[ANSWER_FIELDS_MAX];
    struct http_client_answer answer = {.failure = failure, .fields = fields};
    if (failure == HTTP_CLIENT_OK) {
        answer.status = llhttp_get_status_code(&link->parser);
        answer.body = buf_text(&link->body);
        answer.field_count = link->field_count;
        for (size_t i = 0; i < link->field_count; i++) {
            struct field_place place = link->places[i];
            fields[i] = (struct http_field){.name = str_of(link->head.data + place.name_at, place.name_len),
                                            .value = str_of(link->head.data + place.value_at, place.value_len)};
        }
    }
    link->on_answer(link->context, &answer);
}

/* The connection is of no more use: what it carried fails. */
static void fail(struct link *link, enum http_client_failure failure) {
    if (link->has_request) {
        finish(link, failure);
    } else {
        close_link(link);
    }
}

/* ---- the answer ---------------------------------------------------------------------------------------------- */

static struct link *link_of(llhttp_t *parser) {
    return CONTAINER_OF(parser, struct link, parser);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length) {
    struct link *link = link_of(parser);
    struct field_place *last = link->field_count == 0 ? NULL : &link->places[link->field_count - 1];
    if (last == NULL || last->value_at != 0) {
        if (link->field_count == ANSWER_FIELDS_MAX) {
            return HPE_USER;
        }
        last = &link->places[link->field_count++];
        *last = (struct field_place){.name_at = (uint32_t)link->head.len};
    }
    last->name_len += (uint32_t)length;
    buf_bytes(&link->head, at, length);
    return buf_ok(&link->head) ? HPE_OK : HPE_USER;
}

static int on_header_field_complete(llhttp_t *parser) {
    struct link *link = link_of(parser);
    struct field_place *last = &link->places[link->field_count - 1];
    last->value_at = (uint32_t)link->head.len;
    return HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length) {
    struct link *link = link_of(parser);
    link->places[link->field_count - 1].value_len += (uint32_t)length;
    buf_bytes(&link->head, at, length);
    return buf_ok(&link->head) ? HPE_OK : HPE_USER;
}

/* 1: no body follows (llhttp's contract). */
static int on_headers_complete(llhttp_t *parser) {
    return link_of(parser)->is_head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t length) {
    struct link *link = link_of(parser);
    buf_bytes(&link->body, at, length);
    return buf_ok(&link->body) ? HPE_OK : HPE_USER;
}

static int on_message_complete(llhttp_t *parser) {
    link_of(parser)->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t SETTINGS = {
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static void give_read_buffer(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *ret_buffer) {
    (void)suggested_bytes;
    struct link *link = handle->data;
    *ret_buffer = uv_buf_init(link->client->read_buffer, CLIENT_READ_BYTES);
}

/* Whether the end of what the server sends is the end of a body without a length. */
static bool ends_body(struct link *link) {
    return link->state == LINK_BUSY && llhttp_finish(&link->parser) == HPE_PAUSED && link->is_complete;
}

static void on_answer_bytes(struct link *link, struct str bytes) {
    llhttp_errno_t stopped = llhttp_execute(&link->parser, bytes.data, bytes.len);
    if (link->is_complete) {
        bool has_more = llhttp_get_error_pos(&link->parser) != bytes.data + bytes.len;
        finish(link, has_more ? HTTP_CLIENT_MALFORMED : HTTP_CLIENT_OK);
    } else if (stopped != HPE_OK) {
        finish(link, HTTP_CLIENT_MALFORMED);
    }
}

static void send_request(struct link *link);
static void send_bytes(struct link *link, const struct buf *bytes);

/* What TLS answers by itself is sent at once; a server that makes it speak while a request is still on its way is none
 * of ours. */
static void on_encrypted(struct link *link, struct str ciphertext) {
    struct buf *plain = &link->client->plain;
    buf_clear(plain);
    size_t waiting = link->wire.len;
    enum tls_state state = tls_received(link->tls, ciphertext, plain, &link->wire);
    bool is_shaking_hands = link->state == LINK_SHAKING_HANDS;
    bool was_writing = link->is_writing, speaks = link->wire.len > waiting;
    if (speaks && !was_writing) {
        send_bytes(link, &link->wire);
    }
    if (state == TLS_FAILED || (speaks && was_writing)) {
        enum http_client_failure failure = is_shaking_hands ? HTTP_CLIENT_NOT_CONNECTED : HTTP_CLIENT_LOST;
        fail(link, tls_distrusts(link->tls) ? HTTP_CLIENT_NOT_TRUSTED : failure);
        return;
    }
    if (is_shaking_hands && tls_is_open(link->tls) && !link->is_writing) {
        send_request(link);
    }
    if (plain->len > 0 && link->state == LINK_BUSY) {
        on_answer_bytes(link, buf_text(plain));
    }
    if (state == TLS_ENDED && link->state != LINK_CLOSING) {
        bool is_whole = ends_body(link);
        fail(link, is_whole ? HTTP_CLIENT_OK : HTTP_CLIENT_LOST);
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    struct link *link = stream->data;
    if (size == 0) {
        return;
    }
    if (link->state != LINK_BUSY && link->state != LINK_SHAKING_HANDS) { /* an idle one ended, or speaks unasked */
        close_link(link);
        return;
    }
    if (size < 0) {
        bool has_ended_body = size == UV_EOF && link->tls == NULL && ends_body(link);
        enum http_client_failure failure =
            link->state == LINK_SHAKING_HANDS ? HTTP_CLIENT_NOT_CONNECTED : HTTP_CLIENT_LOST;
        fail(link, has_ended_body ? HTTP_CLIENT_OK : failure);
        return;
    }
    struct str bytes = str_of(buffer->base, (size_t)size);
    if (link->tls != NULL) {
        on_encrypted(link, bytes);
    } else {
        on_answer_bytes(link, bytes);
    }
}

/* ---- the request --------------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status) {
    struct link *link = write->data;
    link->is_writing = false;
    buf_clear(&link->wire);
    if (status < 0 && status != UV_ECANCELED) {
        fail(link, link->state == LINK_SHAKING_HANDS ? HTTP_CLIENT_NOT_CONNECTED : HTTP_CLIENT_LOST);
    } else if (link->state == LINK_SHAKING_HANDS && tls_is_open(link->tls)) {
        send_request(link);
    }
}

/* They must stay as they are until is_writing is false; `wire` is emptied then. */
static void send_bytes(struct link *link, const struct buf *bytes) {
    uv_buf_t all = uv_buf_init(bytes->data, (unsigned)bytes->len);
    int sent = uv_try_write((uv_stream_t *)&link->tcp, &all, 1);
    if (sent == (int)bytes->len) {
        buf_clear(&link->wire);
        return;
    }
    size_t sent_bytes = sent > 0 ? (size_t)sent : 0;
    all = uv_buf_init(bytes->data + sent_bytes, (unsigned)(bytes->len - sent_bytes));
    /* Whatever is wrong with the connection, this callback or the reading one says so. */
    link->write.data = link;
    link->is_writing = uv_write(&link->write, (uv_stream_t *)&link->tcp, &all, 1, on_written) == 0;
}

static void send_request(struct link *link) {
    link->state = LINK_BUSY;
    link->is_complete = false;
    link->field_count = 0;
    buf_clear(&link->head);
    buf_clear(&link->body);
    llhttp_init(&link->parser, HTTP_RESPONSE, &SETTINGS);
    if (link->tls == NULL) {
        send_bytes(link, &link->request);
        return;
    }
    bool is_sent = tls_send(link->tls, buf_text(&link->request), &link->wire);
    assert(is_sent && "http_client: there is room for the largest request");
    send_bytes(link, &link->wire);
}

static void on_connected(uv_connect_t *connect, int status) {
    struct link *link = connect->data;
    if (link->state != LINK_CONNECTING) {
        return; /* timed out meanwhile */
    }
    if (status < 0) {
        fail(link, HTTP_CLIENT_NOT_CONNECTED);
        return;
    }
    uv_tcp_nodelay(&link->tcp, 1);
    uv_read_start((uv_stream_t *)&link->tcp, give_read_buffer, on_read);
    struct http_client *client = link->client;
    if (client->options.tls == NULL) {
        send_request(link);
        return;
    }
    link->state = LINK_SHAKING_HANDS;
    link->tls = tls_begin(client->options.tls, client->options.host);
    on_encrypted(link, (struct str){0});
}

/* Sends on the kept connection, or connects first. */
static void start(struct link *link) {
    struct http_client *client = link->client;
    if (link->state == LINK_IDLE) {
        send_request(link);
        return;
    }
    if (link->state == LINK_CLOSING) {
        link->wants_again = true;
        return;
    }
    assert(link->state == LINK_CLOSED);
    uv_tcp_init(client->loop, &link->tcp);
    client->open_handles++;
    link->tcp.data = link->connect.data = link;
    link->state = LINK_CONNECTING;
    if (uv_tcp_connect(&link->connect, &link->tcp, (const struct sockaddr *)&client->address, on_connected) != 0) {
        link->is_refused = true; /* told when it is closed: never from inside http_client_send */
        close_link(link);
    }
}

static void write_request(struct link *link, const struct http_client_request *request) {
    struct buf *out = &link->request;
    buf_clear(out);
    buf_printf(out, "%s %.*s HTTP/1.1\r\nHost: %s\r\n", request->method, STR_ARGS(request->path),
               link->client->host_field);
    for (size_t i = 0; i < request->field_count; i++) {
        buf_printf(out, "%.*s: %.*s\r\n", STR_ARGS(request->fields[i].name), STR_ARGS(request->fields[i].value));
    }
    if (request->content_type != NULL) {
        buf_printf(out, "Content-Type: %s\r\n", request->content_type);
    }
    if (request->content_type != NULL || strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0) {
        buf_printf(out, "Content-Length: %u\r\n", request->body.len);
    }
    buf_str(out, STR("\r\n"));
    buf_str(out, request->body);
    assert(buf_ok(out) && "http_client: the caller's own requests are small");
}

bool http_client_send(struct http_client *client, const struct http_client_request *request) {
    assert(!client->is_closing);
    struct link *link = client->idle;
    if (link == NULL) {
        return false;
    }
    client->idle = link->next_idle;
    link->has_request = true;
    link->on_answer = request->on_answer;
    link->context = request->context;
    link->is_head = strcmp(request->method, "HEAD") == 0;
    write_request(link, request);
    deadline_set(&client->deadlines, &link->deadline, uv_now(client->loop));
    start(link);
    return true;
}

/* ---- life and death ------------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer) {
    struct http_client *client = timer->data;
    struct deadline *due;
    while ((due = deadline_take_due(&client->deadlines, uv_now(client->loop))) != NULL) {
        struct link *link = CONTAINER_OF(due, struct link, deadline);
        link->wants_again = false;
        fail(link, link->state == LINK_BUSY ? HTTP_CLIENT_TIMEOUT : HTTP_CLIENT_NOT_CONNECTED);
    }
}

enum err http_client_open(uv_loop_t *loop, const struct http_client_options *options, struct http_client **ret_client,
                          struct err_info *info) {
    assert(options->connections_max > 0 && options->timeout_ms > 0);
    char service[16];
    snprintf(service, sizeof service, "%d", options->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t lookup;
    int failed = uv_getaddrinfo(loop, &lookup, NULL, options->host, service, &hints);
    if (failed != 0) {
        return err_set(info, ERR_CONFIG, "cannot find %s: %s", options->host, uv_strerror(failed));
    }
    struct http_client *client = calloc_or_end(1, sizeof *client);
    struct link *links = calloc_or_end(options->connections_max, sizeof *links);
    int host_len = snprintf(NULL, 0, "%s:%d", options->host, options->port);
    char *host_field = malloc_or_end((size_t)host_len + 1);
    snprintf(host_field, (size_t)host_len + 1, "%s:%d", options->host, options->port);
    client->loop = loop;
    client->options = *options;
    client->host_field = host_field;
    client->links = links;
    memcpy(&client->address, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
    uv_freeaddrinfo(lookup.addrinfo);
    for (size_t i = options->connections_max; i-- > 0;) {
        links[i].client = client;
        buf_init(&links[i].wire, REQUEST_WIRE_MAX_BYTES);
        buf_init(&links[i].request, REQUEST_MAX_BYTES);
        buf_init(&links[i].head, ANSWER_HEAD_MAX_BYTES);
        buf_init(&links[i].body, options->body_max_bytes);
        make_idle(&links[i]);
    }
    buf_init(&client->plain, CLIENT_READ_BYTES + 2 * TLS_RECORD_MAX_BYTES);
    client->deadlines.after_ms = (uint64_t)options->timeout_ms;
    uint64_t tick_ms = options->timeout_ms / 20 > 0 ? (uint64_t)options->timeout_ms / 20 : 1;
    uv_timer_init(loop, &client->timer);
    client->timer.data = client;
    client->open_handles = 1;
    uv_timer_start(&client->timer, on_tick, tick_ms, tick_ms);
    *ret_client = client;
    return ERR_NONE;
}

static void on_timer_closed(uv_handle_t *handle) {
    on_handle_closed(handle->data);
}

void http_client_close(struct http_client *client, void (*on_closed)(void *context), void *context) {
    assert(!client->is_closing);
    client->is_closing = true;
    client->on_closed = on_closed;
    client->on_closed_context = context;
    for (size_t i = 0; i < client->options.connections_max; i++) {
        fail(&client->links[i], HTTP_CLIENT_LOST);
    }
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}
