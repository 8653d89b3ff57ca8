#include "core/gateway/event_routes.h"

#include "core/gateway/event_text.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/query_string.h"
#include "core/gateway/sku_owner.h"
#include "projections/orders/query.h"
#include "projections/stock/document.h"
#include "projections/stock/query.h"

enum { POSITION_TEXT_MAX = 512, STREAM_RETRY_AFTER_S = 10 };

struct event_query {
    struct query_run run; /* first: `send` is given its address */
    struct event_wish wish;
};

static const char *const orders_view[] = {"orders", NULL};
static const char *const stock_view[] = {"stock", NULL};
static const char *const stock_and_products_views[] = {"stock", "products", NULL};

static const struct event_source order_source = {
    .view = "orders", .topic = TOPIC_ORDERS, .by_id = &order_by_id, .has_owner = true};
static const struct event_source stock_source = {.view = "stock", .topic = TOPIC_STOCK, .by_id = &stock_by_sku};
static const struct event_source vendor_stock_source = {
    .view = "stock", .topic = TOPIC_STOCK, .by_id = &stock_with_vendor, .has_owner = true};
static const struct event_source public_stock_source = {.view = "stock",
                                                        .topic = TOPIC_STOCK,
                                                        .by_id = &stock_by_sku,
                                                        .has_owner = true,
                                                        .without = STOCK_NOT_FOR_EVERYBODY};

/* Neither caches nor proxies may hold it back. */
static bool open_stream(struct request *request, struct http_stream *stream) {
    if (route_may_be_kept(request->match.route)) { /* else it is said already */
        http_answer_field(request->exchange, "Cache-Control", STR("no-store"));
    }
    http_answer_field(request->exchange, "X-Accel-Buffering", STR("no"));
    return request_stream(request, "text/event-stream", stream);
}

static bool on_found(void *context, const struct event_opening *opening, struct http_stream *stream) {
    struct event_query *query = context;
    struct request *request = query->run.request;
    switch (opening->found) {
    case EVENT_THERE:
        if (query_run_shows(&query->run, opening->owner)) {
            return open_stream(request, stream);
        }
        query_run_answer_unknown(&query->run);
        break;
    case EVENT_UNKNOWN:
        query_run_answer_unknown(&query->run);
        break;
    case EVENT_FAILED:
        request_query_failed(request, NULL, &(struct err_info){.code = opening->failure});
        break;
    case EVENT_TOO_MANY:
        request_overloaded(request);
        break;
    case EVENT_TOO_MANY_OF_ADDRESS:
        request_problem(request, &(struct problem){.status = 429,
                                                   .code = "too_many_streams",
                                                   .detail = "Your address has as many event streams as it may have.",
                                                   .retry_after_s = STREAM_RETRY_AFTER_S});
        break;
    case EVENT_STOPPING:
        request_stopping(request);
        break;
    }
    return false;
}

static void on_lost(struct request *request) {
    event_streams_leave(request->waiting);
    request_drop(request);
}

static void join(struct query_run *run) {
    struct event_query *query = (struct event_query *)run;
    struct request *request = run->request;
    struct event_reader *reader = event_streams_join(&request->loop->event_streams, &query->wish);
    if (reader != NULL) { /* else it was answered, and is gone */
        request->on_lost = on_lost;
        request->waiting = reader;
    }
}

static bool take_event_id(struct request *request, int64_t *ret_version) {
    struct str text = http_request_field(request->exchange, "last-event-id");
    *ret_version = 0;
    if (str_is_empty(text) || event_text_read_id(text, ret_version)) {
        return true;
    }
    request_refuse(request, 400, "invalid_last_event_id", "Last-Event-ID must be the id of an event of this stream.");
    return false;
}

static void follow(struct request *request, const struct event_source *source, const char *parameter,
                   const char *const *views, const char *unknown_code) {
    struct event_query *query = arena_alloc(request_arena(request), sizeof *query);
    struct problem problem;
    query_run_init(&query->run, request, source->by_id);
    query->run.send = join;
    query->run.unknown_code = unknown_code;
    query->wish = (struct event_wish){.source = source, .answer = on_found, .context = query};
    memcpy(query->wish.client, request->client, ADDRESS_BYTES);
    if (!query_run_take_id(request, parameter, &query->wish.parameter, &query->wish.stream) ||
        !take_event_id(request, &query->wish.version_seen)) {
        return;
    }
    if (!query_string_text(request->exchange, "position", POSITION_TEXT_MAX, &query->run.position_text, &problem)) {
        request_problem(request, &problem);
        return;
    }
    query_run_start(&query->run, views);
}

void query_order_stream(struct request *request) {
    follow(request, &order_source, "order", orders_view, "unknown_order");
}

static void follow_stock_of_catalogue(struct request *request, bool is_his) {
    follow(request, is_his ? &vendor_stock_source : &public_stock_source, "sku", stock_and_products_views,
           "unknown_sku");
}

void query_stock_stream(struct request *request) {
    if (request->access.by == 'v') {
        sku_owner_ask(request, follow_stock_of_catalogue);
    } else if (request->access.by == 'P') {
        follow_stock_of_catalogue(request, false);
    } else {
        follow(request, &stock_source, "sku", stock_view, "unknown_sku");
    }
}
