/* connection.h: one client's connection: bytes in, requests out to the application, answers back in their order.
 *
 *      socket -> received -> (TLS) -> request_reader -> on_request -> application
 *                                                                        |
 *      socket <- output_send <- (TLS) <- output <- order of requests <- http_answer
 *
 * Promise  answers leave in the order of the requests, whatever order they are made in. All answers made in one turn
 *          of the loop leave in one write. After an answer that closes, the sending side is shut and what still
 *          arrives is thrown away for a while, because closing at once would reset the connection and could take
 *          the answer back (RFC 9112, 9.6).
 * TLS      is between the socket's bytes and all else here: the handshake has the time that a header block has, and
 *          requests are taken, answers sent, once it is over. Our end is announced (close_notify) before the sending
 *          side is shut; the peer's, unannounced in the middle of a request, is a loss.
 * Bounds   see server.h and server_state.h; past them the connection is not read, so the client's TCP waits.
 * Memory   two output buffers (one is being sent while the other is filled), and unread input while it is paused;
 *          given back when idle and large.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/http/request_reader.h"
#include "core/http/server_state.h"
#include "core/http/stream.h"
#include "core/http/tls.h"

struct connection {
    struct http_server *server;
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct connection *newer, *older; /* in server->connections */
    struct connection *next_unsent;
    uint8_t peer[ADDRESS_BYTES];
    struct address_count *of_address; /* in server->by_address; NULL: it does not count */
    struct connection *newer_of_address, *older_of_address;
    struct request_reader reader;
    struct exchange *first, *last; /* requests in their order, the answer to the first is the next to be sent */
    unsigned unanswered_count;
    struct http_stream *stream; /* the answer that stays open, once its turn has come: the last of the connection */
    struct tls *tls;            /* NULL: plain */
    struct buf output;          /* answers that are to be sent */
    struct buf wire;            /* of TLS itself, to be sent before them: the handshake, alerts */
    struct buf sending;         /* what an uv_write works on */
    struct buf held;            /* input that came before the connection was paused */
    size_t counted_bytes;       /* in server->answers_bytes */
    size_t lingered_bytes;
    size_t write_queue_bytes; /* when the write deadline was set */
    struct deadline read_deadline, write_deadline;
    bool is_unsent;        /* in server->unsent */
    bool is_reading;       /* uv_read_start is on */
    bool is_writing;       /* `sending` belongs to libuv */
    bool has_peer_ended;   /* its sending side; it may still read */
    bool ends_behind_held; /* it announced its end behind what is held */
    bool has_tls_failed;
    bool takes_no_more;  /* no further request is read: the last one closes, or the peer ended */
    bool is_shut;        /* our sending side has ended: lingering */
    bool is_gone;        /* uv_close was called */
    bool is_turned_away; /* came past connections_max, or past its address's part */
};

/* Accepts what waits at the listener. */
void connection_accept(struct http_server *server);

/* Puts the answer in its place and frees the exchange; on a lost connection it only frees. What goes on as a stream
 * stays until its turn comes. */
void connection_answer(struct exchange *exchange, int status, const char *content_type, struct str body);

/* It is looked at when the loop's turn ends. */
void connection_mark_unsent(struct connection *connection);

/* Sends what was answered, goes on reading where that had to wait. */
void connection_settle(struct connection *connection);

/* Its time for reading is over. */
void connection_read_timed_out(struct connection *connection);

/* The server closes: at once when idle, else after what is being read and answered. */
void connection_close_soon(struct connection *connection);
void connection_abort(struct connection *connection);
