/* stream.h: an answer that stays open: its head at once, its body in parts, until the application or client ends it.
 *
 * Promise  on_room tells that all that was sent so far has been taken by the socket, so an application need never have
 *          more than one part under way. A stream ends once: by http_stream_end, http_stream_cut, or on_lost.
 * Order    it is the last answer of its connection, which closes with it: what the client asked behind it is lost
 *          (on_lost of the server). Whoever ends his sending side is taken to be gone, because that is how a reader
 *          that went away looks.
 * Form     chunked (RFC 9112, 7.1); to a client of HTTP/1.0 the end of the connection is the end of the body.
 * Bounds   STREAM_UNSENT_MAX_BYTES and one part wait for the reader, past that he is cut off; so is one who takes
 *          nothing of them in write_ms (server.h), and one whose machine has not acknowledged a byte in that time. The
 *          kernel holds about twice STREAM_SOCKET_BYTES more of it, not the megabytes that it allows a fast
 *          connection. How many there are is the application's to bound: none gives way to a new connection.
 * Closing  of the server waits for its streams until the grace is over: the application ends them first.
 * Memory   the application's, from http_stream_begin until it ends.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/http/server.h"

enum { STREAM_UNSENT_MAX_BYTES = 256 * 1024, STREAM_SOCKET_BYTES = 32 * 1024 };

struct connection;
struct exchange;

struct http_stream {
    /* Set before http_stream_begin. Both are called by the server in its own time, save that an answer, of this kind or
     * the other, may lose a stream that waits for its turn behind another one. */
    void (*on_room)(struct http_stream *stream);
    void (*on_lost)(struct http_stream *stream);
    /* The server's: */
    struct connection *connection; /* NULL: it is not open */
    struct exchange *exchange;     /* its place in the order, while earlier answers are to be sent; else NULL */
    bool is_chunked;
    bool has_unsent;
};

/* Answers, as http_answer does, with a body that goes on. False when there is none to send: the request was HEAD, or
 * its client is gone; the stream is then not open. The exchange is gone either way. */
MUST_CHECK bool http_stream_begin(struct http_exchange *exchange, int status, const char *content_type,
                                  struct http_stream *stream);

/* Copies the bytes, of which there is at least one. */
void http_stream_send(struct http_stream *stream, struct str bytes);

/* Nothing that was sent waits for the reader. */
static inline bool http_stream_has_room(const struct http_stream *stream) {
    return !stream->has_unsent;
}

/* The body is whole. What was sent goes on its way. */
void http_stream_end(struct http_stream *stream);

/* The connection is closed at once; what was not sent is lost, and the client sees that the body is not whole. */
void http_stream_cut(struct http_stream *stream);

/* ---- for connection.c -------------------------------------------------------------------------------------------- */

/* Its turn has come: the connection is its own. */
void http_stream_opened(struct http_stream *stream);
void http_stream_lost(struct http_stream *stream);
