#include "core/http/output.h"

#include <assert.h>

enum { BUFFER_KEPT_BYTES = 16 * 1024, WIRE_KEPT_BYTES = 256 * 1024 };

void output_init(struct connection *connection) {
    bool has_tls = connection->server->options.tls != NULL;
    buf_init(&connection->output, OUTPUT_MAX_BYTES);
    buf_init(&connection->wire, OUTPUT_PAUSE_BYTES);
    buf_init(&connection->sending,
             has_tls ? WIRE_MAX_BYTES : OUTPUT_MAX_BYTES); /* it changes places with what is sent */
}

void output_release(struct connection *connection) {
    buf_release(&connection->output);
    buf_release(&connection->wire);
    buf_release(&connection->sending);
}

size_t output_bytes(const struct connection *connection) {
    return connection->output.len + connection->wire.len + (connection->is_writing ? connection->sending.len : 0);
}

/* A client that stays must not hold its largest answer for ever. What comes next says itself whether it is secret. */
static void empty(struct buf *buf, size_t kept_bytes) {
    if (buf->capacity > kept_bytes) {
        buf_release(buf);
    }
    buf_clear(buf);
    buf->wipes = false;
}

/* Puts into the server's `wire` what can be sent now; false when that fails. Answers wait for the handshake's end. */
static bool encrypt(struct connection *connection) {
    struct buf *wire = &connection->server->wire;
    bool is_encrypted = true;
    buf_str(wire, buf_text(&connection->wire));
    if (connection->output.len > 0 && tls_is_open(connection->tls)) {
        is_encrypted = tls_send(connection->tls, buf_text(&connection->output), wire);
        empty(&connection->output, BUFFER_KEPT_BYTES);
    }
    bool fits = buf_ok(&connection->wire) && buf_ok(wire);
    buf_release(&connection->wire);
    return is_encrypted && fits;
}

static void on_written(uv_write_t *write, int status) {
    struct connection *connection = write->data;
    connection->is_writing = false;
    empty(&connection->sending, BUFFER_KEPT_BYTES);
    deadline_clear(&connection->write_deadline);
    if (status < 0) {
        connection_abort(connection);
    } else {
        connection_mark_unsent(connection);
    }
}

/* First as much as the socket takes now, the rest when it takes more. */
static void write_out(struct connection *connection, struct buf *bytes) {
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    uv_buf_t all = uv_buf_init(bytes->data, (unsigned)bytes->len);
    int sent = uv_try_write(stream, &all, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        connection_abort(connection);
        return;
    }
    size_t sent_bytes = sent > 0 ? (size_t)sent : 0;
    if (sent_bytes == bytes->len) {
        return;
    }
    struct buf emptied = connection->sending;
    connection->sending = *bytes;
    *bytes = emptied;
    uv_buf_t rest =
        uv_buf_init(connection->sending.data + sent_bytes, (unsigned)(connection->sending.len - sent_bytes));
    connection->is_writing = true;
    if (uv_write(&connection->write, stream, &rest, 1, on_written) < 0) {
        connection->is_writing = false;
        connection_abort(connection);
        return;
    }
    connection->write_queue_bytes = uv_stream_get_write_queue_size(stream);
    deadline_set(&connection->server->writes, &connection->write_deadline, uv_now(connection->server->loop));
}

/* The one place where bytes leave. */
void output_send(struct connection *connection) {
    assert(!connection->is_writing);
    if (connection->output.len == 0 && connection->wire.len == 0) {
        return;
    }
    if (connection->tls == NULL) {
        write_out(connection, &connection->output);
        empty(&connection->output, BUFFER_KEPT_BYTES);
        return;
    }
    struct buf *wire = &connection->server->wire;
    if (!encrypt(connection)) {
        connection_abort(connection);
    } else if (wire->len > 0) {
        write_out(connection, wire);
    }
    empty(wire, WIRE_KEPT_BYTES);
}

void output_timed_out(struct connection *connection) {
    size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&connection->tcp);
    if (queued + WRITE_PROGRESS_BYTES > connection->write_queue_bytes) {
        connection_abort(connection);
        return;
    }
    connection->write_queue_bytes = queued;
    deadline_set(&connection->server->writes, &connection->write_deadline, uv_now(connection->server->loop));
}
