/* metrics.h: what a loop counts, and the page that shows it all.
 *
 * Form     Prometheus text format 0.0.4.
 * Thread   any: a loop's counters have a lock, which only the page and the loop take.    May use: base, http.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/gateway/event_streams.h"
#include "core/gateway/limits.h"
#include "core/http/server.h"

enum {
    METRICS_ROUTES_MAX = 128, /* of routes.def; the last row counts requests without a route */
    METRICS_STATUS_MAX = 600,
    METRICS_BOUNDS = 14,
};

struct request;

/* What a loop looks like at a moment; told at each tick. */
struct metrics_loop_state {
    uint64_t waiters, view_waits;      /* requests that wait for an outcome, for a view */
    uint64_t pages_asked, pages_found; /* documents by id so far, and of these in the cache */
    uint64_t keys_unopened;            /* of persons, so far */
    int64_t clock_gap_us;              /* by how much the machine's clock is ahead of that by which tokens are judged */
    struct event_streams_stats events;
    struct http_server_stats http;
};

struct metrics {
    pthread_mutex_t lock;
    /* All guarded by lock: */
    uint64_t requests[METRICS_ROUTES_MAX][METRICS_STATUS_MAX];
    uint64_t durations[METRICS_ROUTES_MAX][METRICS_BOUNDS + 1]; /* by bound, the last is beyond all */
    uint64_t duration_sum_us[METRICS_ROUTES_MAX];
    uint64_t second_tries, outcome_asks; /* so far */
    uint64_t limited[LIMIT_CLASSES];     /* requests refused by their limits so far */
    struct metrics_loop_state state;
};

void metrics_init(struct metrics *metrics);
void metrics_release(struct metrics *metrics);

/* `route` is the row of routes.def, or METRICS_ROUTES_MAX - 1. */
void metrics_request(struct metrics *metrics, size_t route, int status, int64_t duration_us);
void metrics_loop_is(struct metrics *metrics, const struct metrics_loop_state *state);
void metrics_second_try(struct metrics *metrics);
void metrics_limited(struct metrics *metrics, enum limit_class limit);
void metrics_outcome_ask(struct metrics *metrics);

/* GET /metrics: all loops together, and what the other roles of the process tell. */
void metrics_page(struct request *request);
