/* server_state.h: what the connections of one server share.
 * Memory   freed when the listener, the last connection and the last exchange are gone.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/base/address_counts.h"
#include "core/http/deadline.h"
#include "core/http/exchange.h"
#include "core/http/http_date.h"

enum {
    UNANSWERED_MAX = 16,              /* pipelined requests of one connection; then it is not read */
    READ_BYTES = 64 * 1024,           /* taken from a socket at once */
    OUTPUT_PAUSE_BYTES = 256 * 1024,  /* unsent answers; then the connection is not read */
    WRITE_PROGRESS_BYTES = 16 * 1024, /* a reader takes this much in each write_ms, or all there is */
    LINGER_BYTES = 4 * 1024 * 1024,   /* thrown away after our last byte, so that the peer gets to read it */
    SMALL_BODY_BYTES = 16 * 1024,     /* bodies up to this have an eighth more than bodies_max_bytes to live in */
    TURNED_AWAY_MAX = 64,             /* connections past connections_max that are being told so */
};

struct connection;

struct http_server {
    struct http_server_options options;
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t timer;     /* looks at the deadlines */
    uv_prepare_t prepare; /* before the loop waits: sends what timers and others answered */
    uv_check_t check;     /* after the loop has read: sends what was answered meanwhile, one write a connection */
    unsigned open_handles;

    struct exchange_pool pool;
    struct http_date date;
    struct http_server_stats stats;

    struct connection *connections;   /* all, newest first */
    struct address_counts by_address; /* of those that count; `first` is the newest of an address */
    struct connection *unsent;        /* with answers to send or input to go on with */
    unsigned turned_away;
    size_t answers_bytes; /* written for all connections and not taken by their sockets yet */
    struct deadline_queue heads, bodies, idle, lingering; /* of connection.read_deadline */
    struct deadline_queue writes;                         /* of connection.write_deadline */

    bool is_closing;
    uint64_t abort_at_ms; /* when is_closing: whoever is left then is cut off */
    void (*on_closed)(void *context);
    void *on_closed_context;

    char read_buffer[READ_BYTES]; /* one for all: what was read is consumed or copied before the next read */
    struct buf plain;             /* one for all, with TLS: what a read says */
    struct buf wire;              /* one for all, with TLS: what is written now; empty between writes */
};

/* A connection or exchange has gone: perhaps it was the last. */
void server_maybe_closed(struct http_server *server);
