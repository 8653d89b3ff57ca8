#include "core/http/stream.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "core/http/connection.h"

/* What it sends goes behind the answers before it. */
static struct buf *out_of(struct http_stream *stream) {
    return stream->exchange != NULL ? &stream->exchange->answer : &stream->connection->output;
}

static void leave(struct http_stream *stream) {
    struct connection *connection = stream->connection;
    if (stream->exchange != NULL) {
        stream->exchange->stream = NULL;
    } else {
        connection->stream = NULL;
    }
    stream->connection = NULL;
    stream->exchange = NULL;
}

bool http_stream_begin(struct http_exchange *public, int status, const char *content_type, struct http_stream *stream) {
    assert(stream->on_room != NULL && stream->on_lost != NULL);
    struct exchange *exchange = exchange_of(public);
    bool goes_on = exchange->connection != NULL && public->method != HTTP_HEAD_;
    exchange->stays_open = exchange->closes = true;
    if (goes_on) {
        exchange->stream = stream;
        stream->connection = exchange->connection;
        stream->exchange = exchange;
        stream->is_chunked = !exchange->is_http_1_0;
        stream->has_unsent = true;
    }
    connection_answer(exchange, status, content_type, (struct str){0});
    return goes_on;
}

void http_stream_send(struct http_stream *stream, struct str bytes) {
    assert(stream->connection != NULL && bytes.len > 0);
    struct buf *out = out_of(stream);
    stream->has_unsent = true;
    out->overflowed |= out->len > STREAM_UNSENT_MAX_BYTES; /* its connection is aborted when it is looked at */
    if (stream->is_chunked) {
        buf_printf(out, "%x\r\n", (unsigned)bytes.len);
        buf_str(out, bytes);
        buf_str(out, STR("\r\n"));
    } else {
        buf_str(out, bytes);
    }
    connection_mark_unsent(stream->connection);
}

void http_stream_end(struct http_stream *stream) {
    assert(stream->connection != NULL);
    if (stream->is_chunked) {
        buf_str(out_of(stream), STR("0\r\n\r\n"));
    }
    connection_mark_unsent(stream->connection);
    leave(stream);
}

void http_stream_cut(struct http_stream *stream) {
    assert(stream->connection != NULL);
    struct connection *connection = stream->connection;
    leave(stream);
    connection_abort(connection);
}

/* The kernel takes no more than a little ahead of the reader, or a stopped one would cost megabytes, and be told what
 * was true long ago; and it ends a connection whose machine vanished, where its default is a quarter of an hour. */
void http_stream_opened(struct http_stream *stream) {
    struct connection *connection = stream->connection;
    int socket_bytes = STREAM_SOCKET_BYTES;
    unsigned patience_ms = (unsigned)connection->server->writes.after_ms;
    uv_os_fd_t socket;
    stream->exchange = NULL;
    request_reader_release(&connection->reader); /* what began behind it */
    (void)uv_send_buffer_size((uv_handle_t *)&connection->tcp, &socket_bytes);
    if (uv_fileno((uv_handle_t *)&connection->tcp, &socket) == 0) {
        (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
    }
}

void http_stream_lost(struct http_stream *stream) {
    stream->connection = NULL;
    stream->exchange = NULL;
    stream->on_lost(stream);
}
