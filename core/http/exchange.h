/* exchange.h: the server's side of a struct http_exchange, and the pool they come from.
 *
 * Purpose  an exchange outlives its connection when the application still works on it; so it belongs to the server,
 *          and knows its connection only as long as that lives.
 * Memory   the pool keeps EXCHANGES_KEPT_MAX used ones with their first blocks, so that a steady load allocates
 *          nothing. Large ones are given back.
 * Bounds   bodies held by all living exchanges: the pool's bodies_max_bytes. The reader only counts; the connection
 *          that feeds it makes room, or refuses.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/http/server.h"

enum { EXCHANGES_KEPT_MAX = 256, EXCHANGE_KEPT_BYTES = 64 * 1024 };

struct connection;
struct exchange_pool;
struct http_stream;

struct exchange {
    struct http_exchange public;
    struct exchange_pool *pool;
    struct connection *connection; /* NULL once it is lost */
    struct exchange *next;         /* in its connection's order, or in the pool */
    struct buf body;
    size_t charged_bytes;       /* of the pool's bodies_bytes */
    struct buf answer;          /* written already, while earlier ones are not */
    struct http_stream *stream; /* that the answer goes on as */
    bool is_answered;
    bool stays_open; /* the answer's length is not known */
    bool is_http_1_0;
    bool closes; /* the connection ends with this answer */
};

struct exchange_pool {
    struct exchange *kept;
    size_t kept_count;
    size_t living_count;
    size_t bodies_bytes; /* the charges of all living exchanges */
    size_t bodies_max_bytes;
    size_t body_max_bytes; /* of one */
};

struct exchange *exchange_create(struct exchange_pool *pool);
void exchange_free(struct exchange *exchange);
void exchange_charge(struct exchange *exchange, size_t bytes);

/* Frees what is kept; none may be living. */
void exchange_pool_release(struct exchange_pool *pool);

static inline struct exchange *exchange_of(struct http_exchange *public) {
    return CONTAINER_OF(public, struct exchange, public);
}
