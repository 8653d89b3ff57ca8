#include "core/http/exchange.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"

enum { ANSWER_MAX_BYTES = 64 * 1024 * 1024 };

struct exchange *exchange_create(struct exchange_pool *pool) {
    struct exchange *exchange = pool->kept;
    if (exchange != NULL) {
        pool->kept = exchange->next;
        pool->kept_count--;
    } else {
        exchange = calloc_or_end(1, sizeof *exchange);
        arena_init(&exchange->public.arena, HTTP_ARENA_BYTES + 8 * pool->body_max_bytes);
        buf_init_wiping(&exchange->body, pool->body_max_bytes); /* whatever becomes of it: it may be a login */
        buf_init(&exchange->answer, ANSWER_MAX_BYTES);
        exchange->pool = pool;
    }
    exchange->next = NULL;
    pool->living_count++;
    return exchange;
}

static void buf_shrink(struct buf *buf) {
    if (buf->capacity > EXCHANGE_KEPT_BYTES) {
        buf_release(buf);
    }
    buf_clear(buf);
}

static void exchange_release(struct exchange *exchange) {
    arena_release(&exchange->public.arena);
    buf_release(&exchange->body);
    buf_release(&exchange->answer);
    free(exchange);
}

void exchange_charge(struct exchange *exchange, size_t bytes) {
    struct exchange_pool *pool = exchange->pool;
    assert(pool->bodies_bytes >= exchange->charged_bytes);
    pool->bodies_bytes += bytes - exchange->charged_bytes;
    exchange->charged_bytes = bytes;
}

/* What the application made of a small body is left out: that is bounded by how many requests it takes. */
void http_body_done(struct http_exchange *public) {
    struct exchange *exchange = exchange_of(public);
    public->body = (struct str){0};
    buf_release(&exchange->body);
    exchange_charge(exchange, public->arena.used_bytes > EXCHANGE_KEPT_BYTES ? public->arena.used_bytes : 0);
}

void exchange_free(struct exchange *exchange) {
    struct exchange_pool *pool = exchange->pool;
    assert(pool->living_count > 0);
    pool->living_count--;
    exchange_charge(exchange, 0);
    if (exchange->public.holds_secrets) {
        arena_wipe(&exchange->public.arena);
    }
    if (pool->kept_count == EXCHANGES_KEPT_MAX || exchange->public.arena.used_bytes > EXCHANGE_KEPT_BYTES) {
        exchange_release(exchange);
        return;
    }
    struct arena arena = exchange->public.arena;
    arena_reset(&arena);
    buf_shrink(&exchange->body);
    buf_shrink(&exchange->answer);
    exchange->answer.wipes = false;
    struct buf body = exchange->body, answer = exchange->answer;
    *exchange =
        (struct exchange){.public = {.arena = arena}, .pool = pool, .body = body, .answer = answer, .next = pool->kept};
    pool->kept = exchange;
    pool->kept_count++;
}

void exchange_pool_release(struct exchange_pool *pool) {
    assert(pool->living_count == 0);
    while (pool->kept != NULL) {
        struct exchange *exchange = pool->kept;
        pool->kept = exchange->next;
        exchange_release(exchange);
    }
    pool->kept_count = 0;
}
