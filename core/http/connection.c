#include "core/http/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/http/answer.h"
#include "core/http/output.h"
#include "core/http/places.h"
#include "core/http/problem.h"

/* What one read brings; with TLS also a record that began in the read before. */
enum { HELD_MAX_BYTES = READ_BYTES + TLS_RECORD_MAX_BYTES };

/* ---- life and death ------------------------------------------------------------------------------------------ */

void connection_mark_unsent(struct connection *connection) {
    if (!connection->is_unsent && !connection->is_gone) {
        connection->is_unsent = true;
        connection->next_unsent = connection->server->unsent;
        connection->server->unsent = connection;
    }
}

static void unmark_unsent(struct connection *connection) {
    if (!connection->is_unsent) {
        return;
    }
    struct connection **link = &connection->server->unsent;
    while (*link != connection) {
        link = &(*link)->next_unsent;
    }
    *link = connection->next_unsent;
    connection->is_unsent = false;
}

static void on_closed(uv_handle_t *handle) {
    struct connection *connection = handle->data;
    struct http_server *server = connection->server;
    *(connection->newer != NULL ? &connection->newer->older : &server->connections) = connection->older;
    if (connection->older != NULL) {
        connection->older->newer = connection->newer;
    }
    request_reader_release(&connection->reader);
    output_release(connection);
    buf_release(&connection->held);
    tls_free(connection->tls);
    free(connection);
    server_maybe_closed(server);
}

static void lose_exchange(struct exchange *exchange) {
    struct http_server *server = CONTAINER_OF(exchange->pool, struct http_server, pool);
    struct http_stream *stream = exchange->stream;
    exchange->connection = NULL;
    if (exchange->is_answered) {
        exchange_free(exchange);
    } else if (server->options.on_lost != NULL) {
        server->options.on_lost(server->options.context, &exchange->public);
    }
    if (stream != NULL) {
        http_stream_lost(stream);
    }
}

/* No answer more will leave. */
static void lose_order(struct connection *connection) {
    struct exchange *exchange = connection->first;
    connection->first = connection->last = NULL;
    connection->unanswered_count = 0;
    while (exchange != NULL) {
        struct exchange *lost = exchange;
        exchange = lost->next;
        lose_exchange(lost);
    }
}

/* Neither an answer nor a stream's part will leave any more. */
static void lose_all(struct connection *connection) {
    struct http_stream *stream = connection->stream;
    connection->stream = NULL;
    lose_order(connection);
    if (stream != NULL) {
        http_stream_lost(stream);
    }
}

void connection_abort(struct connection *connection) {
    if (connection->is_gone) {
        return;
    }
    struct http_server *server = connection->server;
    unmark_unsent(connection);
    places_leave(connection);
    connection->is_gone = true;
    /* uv_close gives the descriptor back at once, so its place is free already. */
    if (connection->is_turned_away) {
        server->turned_away--;
    } else {
        server->stats.connections_open--;
    }
    deadline_clear(&connection->read_deadline);
    deadline_clear(&connection->write_deadline);
    server->answers_bytes -= connection->counted_bytes;
    connection->counted_bytes = 0;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
    lose_all(connection);
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static struct str date_now(struct http_server *server) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return http_date_at(&server->date, now.tv_sec);
}

/* While the server closes, the last request that was read is the last that is answered. */
static bool is_last_of_all(const struct exchange *exchange) {
    const struct connection *connection = exchange->connection;
    bool reads_on = !connection->takes_no_more && !request_reader_is_idle(&connection->reader);
    return connection->server->is_closing && exchange->next == NULL && !reads_on;
}

static void write_answer(struct exchange *exchange, struct buf *out, int status, const char *content_type,
                         struct str body) {
    exchange->closes |= is_last_of_all(exchange);
    out->wipes |= exchange->public.holds_secrets;
    struct answer answer = {
        .status = status,
        .content_type = content_type,
        .body = body,
        .fields = exchange->public.answer_fields,
        .field_count = exchange->public.answer_field_count,
        .date = date_now(exchange->connection->server),
        .stays_open = exchange->stays_open,
        .is_head = exchange->public.method == HTTP_HEAD_,
        .is_http_1_0 = exchange->is_http_1_0,
        .is_encrypted = exchange->public.is_encrypted,
        .closes = exchange->closes,
    };
    answer_write(out, &answer);
}

/* Takes the first exchange out of the order; its answer is in the output. */
static void retire_first(struct connection *connection) {
    struct exchange *exchange = connection->first;
    connection->first = exchange->next;
    if (connection->first == NULL) {
        connection->last = NULL;
    }
    connection->unanswered_count--;
    connection->takes_no_more |= exchange->closes;
    connection->stream = exchange->stream;
    exchange_free(exchange);
}

/* The answers whose turn it is, up to one that stays open: behind it nothing is read or answered. */
static void answer_in_order(struct connection *connection) {
    while (connection->stream == NULL && connection->first != NULL && connection->first->is_answered) {
        connection->output.wipes |= connection->first->answer.wipes;
        buf_str(&connection->output, buf_text(&connection->first->answer));
        connection->output.overflowed |= !buf_ok(&connection->first->answer);
        retire_first(connection);
    }
    if (connection->stream != NULL) {
        http_stream_opened(connection->stream);
        lose_order(connection);
    }
}

void connection_answer(struct exchange *exchange, int status, const char *content_type, struct str body) {
    struct connection *connection = exchange->connection;
    assert(!exchange->is_answered && "an exchange is answered once");
    exchange->is_answered = true;
    if (connection == NULL) {
        struct http_server *server = CONTAINER_OF(exchange->pool, struct http_server, pool);
        exchange_free(exchange);
        server_maybe_closed(server);
        return;
    }
    connection_mark_unsent(connection);
    if (exchange != connection->first) {
        write_answer(exchange, &exchange->answer, status, content_type, body);
        return;
    }
    write_answer(exchange, &connection->output, status, content_type, body);
    retire_first(connection);
    answer_in_order(connection);
}

static void on_shut(uv_shutdown_t *shutdown, int status) {
    if (status < 0) {
        connection_abort(shutdown->data);
    }
}

/* ---- input --------------------------------------------------------------------------------------------------- */

static void append(struct connection *connection, struct exchange *exchange) {
    exchange->connection = connection;
    exchange->public.is_encrypted = connection->tls != NULL;
    *(connection->last != NULL ? &connection->last->next : &connection->first) = exchange;
    connection->last = exchange;
    connection->unanswered_count++;
}

/* Answers in the order's last place, and closes then. */
static void refuse(struct connection *connection, enum http_refusal refusal) {
    struct http_server *server = connection->server;
    server->stats.refused_total++;
    connection->takes_no_more = true;
    deadline_clear(&connection->read_deadline);
    struct exchange *exchange = exchange_create(&server->pool);
    exchange->closes = true;
    append(connection, exchange);
    struct http_refusal_row row = http_refusal_row(refusal);
    if (server->options.on_refused != NULL) {
        server->options.on_refused(server->options.context, row.status, row.code);
    }
    http_answer_problem(&exchange->public,
                        &(struct problem){.status = row.status,
                                          .code = row.code,
                                          .detail = row.detail,
                                          .retry_after_s = row.status == 503 || row.status == 429 ? 1 : 0});
}

static void hand_over(struct connection *connection, struct exchange *exchange) {
    struct http_server *server = connection->server;
    append(connection, exchange);
    deadline_clear(&connection->read_deadline);
    server->stats.requests_total++;
    memcpy(exchange->public.peer, connection->peer, ADDRESS_BYTES);
    connection->takes_no_more |= exchange->closes || server->is_closing;
    server->options.on_request(server->options.context, &exchange->public);
}

/* ---- room for bodies ----------------------------------------------------------------------------------------- */

/* Cuts off the upload that has lasted longest, save this connection's; false when there is none. */
static bool cut_off_an_upload(struct connection *connection) {
    struct deadline *longest = connection->server->bodies.first;
    if (longest != NULL && longest == &connection->read_deadline) {
        longest = longest->later;
    }
    if (longest == NULL) {
        return false;
    }
    struct connection *other = CONTAINER_OF(longest, struct connection, read_deadline);
    deadline_clear(longest);
    if (other->reader.exchange != NULL) {
        request_reader_release(&other->reader);
        refuse(other, HTTP_REFUSAL_OVERLOADED);
    }
    return true;
}

/* Who sends slowly must not keep others from sending at all: uploads that last hold what bodies share until somebody
 * else needs it. Bodies of requests that are being answered stay, so there may be no room to make; small bodies then
 * have a part of their own. */
static bool make_room(struct connection *connection, const struct exchange *exchange) {
    const struct exchange_pool *pool = &connection->server->pool;
    while (pool->bodies_bytes > pool->bodies_max_bytes) {
        if (!cut_off_an_upload(connection)) {
            return exchange->charged_bytes <= SMALL_BODY_BYTES &&
                   pool->bodies_bytes <= pool->bodies_max_bytes + pool->bodies_max_bytes / 8;
        }
    }
    return true;
}

static bool is_paused(const struct connection *connection) {
    return connection->unanswered_count >= UNANSWERED_MAX || output_bytes(connection) >= OUTPUT_PAUSE_BYTES;
}

/* The client waits for 100 (Continue) before it sends the body. It may only stand where this request's answer will:
 * after all earlier ones. */
static void send_continue(struct connection *connection) {
    if (connection->reader.owes_continue && connection->first == NULL && !connection->takes_no_more) {
        connection->reader.owes_continue = false;
        buf_str(&connection->output, STR("HTTP/1.1 100 Continue\r\n\r\n"));
        connection_mark_unsent(connection);
    }
}

/* Gives bytes to the reader until they are used up or something stops it; keeps what is left. */
static void pass_on(struct connection *connection, struct str bytes) {
    while (bytes.len > 0 && !connection->takes_no_more && !connection->is_gone && !is_paused(connection)) {
        size_t used = 0;
        struct exchange *exchange = NULL;
        enum http_refusal refusal = HTTP_REFUSAL_NONE;
        switch (request_reader_feed(&connection->reader, bytes, &used, &exchange, &refusal)) {
        case READER_MORE:
            if (connection->reader.exchange != NULL && !make_room(connection, connection->reader.exchange)) {
                request_reader_release(&connection->reader);
                refuse(connection, HTTP_REFUSAL_OVERLOADED);
            }
            break;
        case READER_REQUEST:
            if (make_room(connection, exchange)) {
                hand_over(connection, exchange);
            } else {
                exchange_free(exchange);
                refuse(connection, HTTP_REFUSAL_OVERLOADED);
            }
            break;
        case READER_REFUSAL:
            refuse(connection, refusal);
            break;
        }
        bytes = str_from(bytes, (uint32_t)used);
    }
    if (bytes.len > 0 && !connection->takes_no_more && !connection->is_gone) {
        buf_bytes(&connection->held, bytes.data, bytes.len);
        assert(buf_ok(&connection->held) && "at most what one read brought is held");
    }
    send_continue(connection);
}

/* Its answers are still owed. */
static void peer_has_ended(struct connection *connection) {
    connection->takes_no_more = connection->has_peer_ended = true;
    request_reader_release(&connection->reader);
    connection_mark_unsent(connection);
}

static void resume(struct connection *connection) {
    if (connection->held.len > 0 && !is_paused(connection)) {
        struct buf held = connection->held;
        buf_init_wiping(&connection->held, HELD_MAX_BYTES);
        pass_on(connection, buf_text(&held));
        buf_release(&held);
    }
    if (connection->ends_behind_held && connection->held.len == 0 && !connection->is_gone) {
        connection->ends_behind_held = false;
        peer_has_ended(connection);
    }
}

static void give_read_buffer(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *ret_buffer) {
    (void)suggested_bytes;
    struct connection *connection = handle->data;
    *ret_buffer = uv_buf_init(connection->server->read_buffer, READ_BYTES);
}

static void received(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

/* What is thrown away has to be read as well. */
static void update_reading(struct connection *connection) {
    bool can_use = connection->takes_no_more || (!is_paused(connection) && connection->held.len == 0);
    bool wants = can_use && !connection->has_peer_ended;
    if (wants && !connection->is_reading) {
        connection->is_reading = uv_read_start((uv_stream_t *)&connection->tcp, give_read_buffer, received) == 0;
    } else if (!wants && connection->is_reading) {
        uv_read_stop((uv_stream_t *)&connection->tcp);
        connection->is_reading = false;
    }
}

/* It is read for the sake of the handshake, also where no request will be taken. */
static bool is_shaking_hands(const struct connection *connection) {
    return connection->tls != NULL && !connection->has_tls_failed && !tls_is_open(connection->tls);
}

/* What is left to say is the alert that tells why. */
static void tls_has_failed(struct connection *connection) {
    connection->server->stats.refused_total++;
    connection->has_tls_failed = connection->takes_no_more = true;
    request_reader_release(&connection->reader);
    buf_clear(&connection->output);
    lose_all(connection);
}

static void received_encrypted(struct connection *connection, struct str ciphertext) {
    struct http_server *server = connection->server;
    bool was_shaking_hands = is_shaking_hands(connection);
    buf_clear(&server->plain);
    enum tls_state state = tls_received(connection->tls, ciphertext, &server->plain, &connection->wire);
    if (state == TLS_FAILED) {
        tls_has_failed(connection);
        return;
    }
    if (was_shaking_hands && tls_is_open(connection->tls)) {
        deadline_clear(&connection->read_deadline); /* the first request has its own time */
    }
    pass_on(connection, buf_text(&server->plain));
    buf_clear(&server->plain);
    connection->ends_behind_held |= state == TLS_ENDED;
    resume(connection);
}

/* With TLS an end that was not announced may be somebody's who cut the line: no request is taken for whole by it, and
 * so what has begun is lost. */
static bool is_cut_short(const struct connection *connection) {
    return connection->tls != NULL && (is_shaking_hands(connection) || !request_reader_is_idle(&connection->reader));
}

static void take(struct connection *connection, struct str bytes) {
    if (connection->takes_no_more && !is_shaking_hands(connection)) {
        connection->lingered_bytes += bytes.len;
        if (connection->lingered_bytes > LINGER_BYTES) {
            connection_abort(connection);
        }
        return;
    }
    if (connection->tls != NULL) {
        received_encrypted(connection, bytes);
    } else {
        pass_on(connection, bytes);
    }
    if (!connection->is_gone) {
        update_reading(connection); /* now: libuv may have more to give in this very turn */
        connection_mark_unsent(connection);
    }
}

/* The one place where bytes come in. */
static void received(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    struct connection *connection = stream->data;
    if (size > 0) {
        take(connection, str_of(buffer->base, (size_t)size));
        explicit_bzero(buffer->base, (size_t)size); /* passwords and tokens come this way */
    } else if (size == UV_EOF && !connection->is_shut && !is_cut_short(connection)) {
        peer_has_ended(connection); /* no loss: it may have shut its sending side and wait for its answers */
    } else if (size < 0) {
        connection_abort(connection);
    }
}

/* ---- what is next -------------------------------------------------------------------------------------------- */

/* Which wait for the client's bytes is on, if any; what has begun goes on from its own start. */
static void update_read_deadline(struct connection *connection) {
    struct http_server *server = connection->server;
    struct deadline_queue *queue = NULL;
    if (connection->is_shut) {
        queue = &server->lingering;
    } else if (is_shaking_hands(connection)) {
        queue = &server->heads;
    } else if (connection->takes_no_more || !connection->is_reading) {
        queue = NULL; /* the wait is ours, not the client's */
    } else if (connection->reader.state == READER_AT_BODY) {
        queue = &server->bodies;
    } else if (!request_reader_is_idle(&connection->reader)) {
        queue = &server->heads;
    } else if (connection->first == NULL && output_bytes(connection) == 0) {
        queue = &server->idle;
    }
    if (queue == NULL) {
        deadline_clear(&connection->read_deadline);
    } else if (connection->read_deadline.queue != queue) {
        deadline_set(queue, &connection->read_deadline, uv_now(server->loop));
    }
}

/* One connection may be owed large answers, but not all at once: who reads makes place for others, who does not is cut
 * off for them, perhaps this one. */
static void count_answers(struct connection *connection) {
    struct http_server *server = connection->server;
    size_t bytes = output_bytes(connection);
    server->answers_bytes += bytes - connection->counted_bytes;
    connection->counted_bytes = bytes;
    while (server->answers_bytes > server->options.answers_max_bytes && server->writes.first != NULL) {
        connection_abort(CONTAINER_OF(server->writes.first, struct connection, write_deadline));
    }
}

static void tell_room(struct connection *connection) {
    struct http_stream *stream = connection->stream;
    if (stream != NULL && stream->has_unsent && output_bytes(connection) == 0) {
        stream->has_unsent = false;
        stream->on_room(stream);
    }
}

/* TLS announces that the sending side ends; whether that is on its way to the peer. */
static bool has_announced_end(struct connection *connection) {
    if (connection->tls != NULL && !connection->is_shut && !connection->is_writing) {
        tls_end(connection->tls, &connection->wire);
        output_send(connection);
    }
    return !connection->is_gone && output_bytes(connection) == 0;
}

void connection_settle(struct connection *connection) {
    resume(connection);
    bool has_left = connection->stream != NULL && connection->has_peer_ended;
    if (!connection->is_gone && (has_left || !buf_ok(&connection->output))) {
        connection_abort(connection);
    }
    if (!connection->is_gone && !connection->is_writing) {
        output_send(connection);
    }
    if (!connection->is_gone) {
        count_answers(connection);
    }
    if (!connection->is_gone) {
        tell_room(connection);
    }
    if (connection->is_gone) {
        return;
    }
    send_continue(connection);
    bool is_owed = connection->first != NULL || connection->stream != NULL || output_bytes(connection) > 0;
    bool is_done = connection->takes_no_more && !is_owed && has_announced_end(connection);
    if (connection->is_gone) {
        return;
    }
    if (is_done && connection->has_peer_ended) {
        connection_abort(connection);
        return;
    }
    if (is_done && !connection->is_shut) {
        connection->is_shut = true;
        connection->shutdown.data = connection;
        if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shut) < 0) {
            connection_abort(connection);
            return;
        }
    }
    /* The socket took all at once: nothing will tell that there is room for the answers to what is held. */
    if (connection->held.len > 0 && !is_paused(connection)) {
        connection_mark_unsent(connection);
    }
    update_reading(connection);
    update_read_deadline(connection);
}

void connection_read_timed_out(struct connection *connection) {
    bool is_mid_request = !connection->is_shut && !request_reader_is_idle(&connection->reader);
    if (!is_mid_request) {
        connection->server->stats.refused_total += is_shaking_hands(connection);
        (void)has_announced_end(connection);
        connection_abort(connection);
        return;
    }
    request_reader_release(&connection->reader);
    refuse(connection, HTTP_REFUSAL_TIMEOUT);
}

void connection_close_soon(struct connection *connection) {
    bool is_mid_request = !request_reader_is_idle(&connection->reader) || connection->held.len > 0;
    if (!is_mid_request) {
        connection->takes_no_more = true;
    }
    connection_mark_unsent(connection);
}

/* ---- beginning ----------------------------------------------------------------------------------------------- */

static struct connection *connection_create(struct http_server *server) {
    struct connection *connection = calloc_or_end(1, sizeof *connection);
    connection->server = server;
    request_reader_init(&connection->reader, &server->pool);
    output_init(connection);
    buf_init_wiping(&connection->held, HELD_MAX_BYTES);
    if (server->options.tls != NULL) {
        connection->tls = tls_begin(server->options.tls, NULL);
    }
    connection->older = server->connections;
    if (connection->older != NULL) {
        connection->older->newer = connection;
    }
    server->connections = connection;
    connection->tcp.data = connection->write.data = connection;
    return connection;
}

static bool learn_peer(struct connection *connection) {
    struct sockaddr_storage socket;
    int len = sizeof socket;
    return uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&socket, &len) == 0 &&
           address_of_socket((const struct sockaddr *)&socket, connection->peer);
}

void connection_accept(struct http_server *server) {
    struct connection *connection = connection_create(server);
    server->stats.connections_total++;
    int failed = uv_tcp_init(server->loop, &connection->tcp);
    assert(failed == 0 && "uv_tcp_init without a socket cannot fail");
    failed = uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->tcp);
    bool is_there = failed == 0 && learn_peer(connection); /* else it has gone already */
    enum http_refusal refusal = is_there ? places_take(connection) : HTTP_REFUSAL_OVERLOADED;
    connection->is_turned_away = refusal != HTTP_REFUSAL_NONE;
    server->turned_away += connection->is_turned_away;
    server->stats.connections_open += !connection->is_turned_away;
    if (!is_there || (connection->is_turned_away && server->turned_away > TURNED_AWAY_MAX)) {
        connection_abort(connection);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    if (refusal != HTTP_REFUSAL_NONE) {
        refuse(connection, refusal);
    }
    /* Now: it may have to give way to the next one of this very turn. */
    connection_settle(connection);
}
