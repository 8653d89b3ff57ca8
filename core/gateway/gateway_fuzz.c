/* gateway_fuzz.c: libFuzzer on what outsiders write into paths, headers and bodies.
 *
 * The first byte chooses the reader. That no input makes the code misbehave is the sanitizers' part; beyond that, what
 * is accepted must be what we could have made ourselves: an unknown cursor never passes, a position says the same when
 * written again, a JSON body is an object whose canonical text reads to itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/gateway/as_of.h"
#include "core/gateway/cursor.h"
#include "core/gateway/event_text.h"
#include "core/gateway/intake.h"
#include "core/gateway/json_text.h"
#include "core/gateway/list_filters.h"
#include "core/gateway/path_id.h"
#include "core/gateway/position.h"
#include "core/gateway/query_string.h"
#include "core/gateway/trace.h"
#include "core/gateway/webhook.h"

enum { FUZZ_ARENA_BYTES = 64 << 20, FUZZ_NOW_S = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct secret secret = {{1}};

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "gateway_fuzz: %s\n", what);
        abort();
    }
}

static void fuzz_json(struct arena *arena, struct str text) {
    struct json_text_problem problem;
    json_t *value = json_text_read(arena, text, &problem);
    if (value == NULL) {
        require(problem.code != NULL && problem.detail != NULL, "a refusal says why");
        return;
    }
    struct str canonical = json_text_canonical(arena, value);
    json_decref(value);
    json_t *again = json_text_read(arena, canonical, &problem);
    require(again != NULL, "a canonical text is JSON");
    require(str_equal(json_text_canonical(arena, again), canonical), "a canonical text is its own");
    json_decref(again);
}

static void fuzz_cursor(struct arena *arena, struct str text) {
    struct str inner;
    require(!cursor_read(arena, &secret, "fuzz", text, &inner), "a cursor cannot be made up");
    struct str mine = cursor_write(arena, &secret, "fuzz", str_first(text, CURSOR_INNER_MAX));
    require(cursor_read(arena, &secret, "fuzz", mine, &inner), "a cursor of ours is taken");
    require(str_equal(inner, str_first(text, CURSOR_INNER_MAX)), "and is the same");
}

static void fuzz_position(struct arena *arena, struct str text) {
    struct position position, again;
    require(!position_header_read(&secret, text, &position), "a position cannot be made up");
    struct str mine = position_header_write(arena, &secret, str_first(text, 200));
    if (!position_header_read(&secret, mine, &position)) {
        return; /* no pairs */
    }
    struct buf bytes;
    buf_init(&bytes, 4096);
    for (size_t i = 0; i < position.count; i++) {
        position_write(&bytes, position.pairs[i].hash, position.pairs[i].version);
    }
    struct str written = position_header_write(arena, &secret, buf_text(&bytes));
    require(position_header_read(&secret, written, &again), "a position can be written");
    require(again.count == position.count, "and is the same");
    buf_release(&bytes);
}

/* An event read as a browser reads it: lines by their names, data joined by LF. */
static void fuzz_event(struct arena *arena, struct str text) {
    int64_t version = 1;
    struct buf event, data;
    if (event_text_read_id(text, &version)) {
        require(version >= 1, "a version is at least 1");
        require(str_equal(arena_printf(arena, "%lld", (long long)version), text), "an id is written in one way");
    }
    buf_init(&event, FUZZ_ARENA_BYTES);
    buf_init(&data, FUZZ_ARENA_BYTES);
    event_text_write(&event, version, text);
    struct str rest = buf_text(&event);
    require(event.data[event.len - 2] == '\n' && event.data[event.len - 1] == '\n', "an event ends with an empty line");
    for (int line_number = 0; rest.len > 1; line_number++) {
        struct str line = str_first(rest, str_find(rest, '\n'));
        struct str name = line_number == 0 ? STR("id: ") : STR("data: ");
        require(str_starts_with(line, name), "a line is the id or data");
        if (line_number > 0) {
            buf_str(&data, line_number > 1 ? STR("\n") : STR(""));
            buf_str(&data, str_from(line, name.len));
        }
        rest = str_from(rest, line.len + 1);
    }
    require(str_equal(buf_text(&data), text), "the data comes out as it went in");
    buf_release(&event);
    buf_release(&data);
}

static void fuzz_webhook(struct arena *arena, struct str text) {
    struct str header = str_first(text, str_find(text, '\n'));
    struct str body = str_from(text, header.len + 1);
    require(webhook_check(STR("a secret nobody knows"), header, body, FUZZ_NOW_S) == WEBHOOK_FORGED, "it is forged");
    struct command command;
    struct problem problem;
    if (webhook_command(arena, body, &command, &problem)) {
        require(str_starts_with(command.meta.stream, STR("pay_")), "a webhook is about a payment");
    }
}

static void fuzz_path(struct arena *arena, struct str text) {
    struct route_match match;
    enum http_method method = text.len > 0 ? (enum http_method)((uint8_t)text.data[0] % (HTTP_OTHER_ + 1)) : HTTP_GET_;
    (void)router_find(arena, method, arena_printf(arena, "/%.*s", STR_ARGS(str_from(text, 1))), &match);
    static const char *const kinds[] = {"product", "sku", "cart", "order", "payment"};
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        struct str stream;
        struct problem problem;
        if (path_id_stream(arena, str_of_cstr(kinds[i]), text, &stream, &problem)) {
            require(stream.len <= 80, "an id is short");
        }
    }
    struct str command_id;
    int32_t shard;
    struct problem problem;
    if (path_id_command(arena, text, 4, &command_id, &shard, &problem)) {
        require(shard >= 0 && shard < 4 && command_id.len == 30, "a command's id names its shard");
    }
    (void)trace_read(text, &command_id);
}

/* Whatever the filters hold, the statement is ours: it ends, and has a parameter for each value. */
static void fuzz_lists(struct http_exchange *exchange) {
    struct list_page page;
    struct products_filter products;
    struct orders_filter orders;
    struct pg_select select;
    struct problem problem;
    if (list_page_read(exchange, &secret, "products", &page, &problem) &&
        list_filters_products(exchange, &page, &products, &problem)) {
        require(page.cursor.data == NULL, "a cursor cannot be made up");
        require(products.q.word_count <= QUESTION_WORDS_MAX, "few words are asked for");
        products_list(&select, &exchange->arena, &products, STR("51"), true);
    }
    if (list_page_read(exchange, &secret, "orders", &page, &problem) &&
        list_filters_orders(exchange, &page, &orders, &problem)) {
        orders_list(&select, &exchange->arena, &orders, STR("51"));
    }
}

static void fuzz_query(struct http_exchange *exchange, struct str text) {
    struct problem problem;
    struct str value;
    int64_t limit;
    exchange->query = text;
    (void)!query_string_has_only(exchange, "limit from q attr.NAME", &problem);
    if (query_string_limit(exchange, &limit, &problem)) {
        require(limit >= 1 && limit <= LIST_LIMIT_MAX, "a page is bounded");
    }
    (void)!query_string_time(exchange, "from", &value, &problem);
    (void)!query_string_text(exchange, "q", 100, &value, &problem);
    struct as_of as_of = {0};
    int64_t version = 0, time_us;
    if (as_of_read(exchange, &as_of, &problem) && as_of_is_given(&as_of)) {
        bool is_version = int64_read(as_of.version, &version) && version >= 1;
        require(is_version != timestamp_read(as_of.time, &time_us),
                "as_of is a version or a time, as PostgreSQL reads it");
    }
    fuzz_lists(exchange);
}

/* One of the commands by the first byte; headers are lines up to an empty one; the rest is the body. */
static void fuzz_intake(struct http_exchange *exchange, struct str text) {
    static const char *const paths[] = {"/v1/products", "/v1/stock/A/receipts", "/v1/carts",
                                        "/v1/carts/cart_01ARZ3NDEKTSV4RRFFQ69G5FAV/checkout",
                                        "/v1/payments/pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1/refunds"};
    struct http_field fields[4] = {{STR("content-type"), STR("application/json")}};
    exchange->fields = fields;
    exchange->field_count = 1;
    static const char *const names[] = {"idempotency-key", "if-match", "prefer"};
    struct str path = str_of_cstr(paths[text.len > 0 ? (uint8_t)text.data[0] % ARRAY_LENGTH(paths) : 0]);
    struct str rest = str_from(text, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct str line = str_first(rest, str_find(rest, '\n'));
        rest = str_from(rest, line.len + 1);
        fields[exchange->field_count++] = (struct http_field){str_of_cstr(names[i]), line};
    }
    exchange->path = path;
    exchange->body = rest;
    struct route_match match;
    require(router_find(&exchange->arena, HTTP_POST_, path, &match) == ROUTE_FOUND, "the path is one of ours");
    const struct intake_source source = {.exchange = exchange,
                                         .match = &match,
                                         .secret = &secret,
                                         .scope = STR("anonymous"),
                                         .actor = STR("anonymous"),
                                         .now_us = FUZZ_NOW_S * (int64_t)1000000,
                                         .wait_default_ms = 5000};
    struct intake intake;
    struct problem problem = {0};
    if (intake_command(&source, &intake, &problem)) {
        require(intake.command.meta.stream.len > 0 && intake.command.meta.command_id.len == 30, "a command is whole");
        require(intake.wait_ms >= 0 && intake.wait_ms <= PREFER_WAIT_MAX_S * 1000, "waiting is bounded");
        const struct command_meta *meta = &intake.command.meta;
        struct str etag = arena_printf(&exchange->arena, "\"%lld\"", (long long)meta->expected_version);
        require(!meta->has_expected_version || str_equal(etag, fields[2].value), "a version is the one of If-Match");
    } else {
        require(problem.status >= 400 && problem.status < 500 && problem.code != NULL, "a refusal is the caller's");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct http_exchange exchange = {0};
    arena_init(&exchange.arena, FUZZ_ARENA_BYTES);
    struct str text = str_of((const char *)data + 1, size - 1);
    switch (data[0] % 8) {
    case 0:
        fuzz_json(&exchange.arena, text);
        break;
    case 1:
        fuzz_cursor(&exchange.arena, text);
        break;
    case 2:
        fuzz_position(&exchange.arena, text);
        break;
    case 3:
        fuzz_webhook(&exchange.arena, text);
        break;
    case 4:
        fuzz_path(&exchange.arena, text);
        break;
    case 5:
        fuzz_query(&exchange, text);
        break;
    case 6:
        fuzz_event(&exchange.arena, text);
        break;
    default:
        fuzz_intake(&exchange, text);
        break;
    }
    arena_release(&exchange.arena);
    return 0;
}
