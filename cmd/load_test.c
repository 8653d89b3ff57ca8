#include "cmd/load_run.h"

#include <sodium.h>

#include "cmd/load_kinds.h"
#include "cmd/load_schedule.h"
#include "cmd/load_source.h"
#include "core/base/map.h"
#include "core/http/test_server.h"

enum { SECOND = 1000000, BASKETS = 300, BEARERS = 3 };

/* ---- when things start --------------------------------------------------------------------------------------- */

static void an_open_loop_keeps_its_own_time(void **state) {
    (void)state;
    struct load_schedule schedule = {
        .rate_per_s = 400, .start_us = 10 * SECOND, .end_us = INT64_MAX, .items_max = UINT64_MAX};
    assert_int_equal(load_schedule_next_us(&schedule, 10 * SECOND), 10 * SECOND);
    schedule.started = 1;
    assert_int_equal(load_schedule_next_us(&schedule, 10 * SECOND), 10 * SECOND + 2500);
    /* The server stalled for a second: what was due meanwhile is still due then, not now. */
    assert_int_equal(load_schedule_next_us(&schedule, 11 * SECOND), 10 * SECOND + 2500);
    schedule.started = 400 * 3600;
    assert_int_equal(load_schedule_next_us(&schedule, 0), 3610ll * SECOND);
}

static void a_stall_is_charged_to_all_who_would_have_come(void **state) {
    (void)state;
    /* 100 a second for 10 s, every answer takes 1 ms, but the server stands still from second 4 to second 5. */
    struct load_schedule schedule = {.rate_per_s = 100, .start_us = 0, .end_us = INT64_MAX, .items_max = 1000};
    static struct histogram latencies;
    while (!load_schedule_is_over(&schedule, 0)) {
        int64_t due_us = load_schedule_next_us(&schedule, 0);
        int64_t served_us = due_us >= 4 * SECOND && due_us < 5 * SECOND ? 5 * SECOND : due_us;
        histogram_record(&latencies, (uint64_t)(served_us + 1000 - due_us));
        schedule.started++;
    }
    assert_int_equal(latencies.total, 1000);
    /* 10 % came in the stall, and waited half a second on the average. A closed loop would have seen one of them. */
    assert_true(histogram_at(&latencies, 0.89) < 1100);
    assert_in_range(histogram_at(&latencies, 0.95), 480000, 520000);
    assert_in_range(histogram_at(&latencies, 1), 1001000, 1020000);
}

static void a_closed_loop_starts_when_there_is_room(void **state) {
    (void)state;
    struct load_schedule schedule = {.start_us = 5, .end_us = 100, .items_max = 2};
    assert_int_equal(load_schedule_next_us(&schedule, 42), 42);
    assert_int_equal(load_schedule_behind(&schedule, 99), 0);
    assert_false(load_schedule_is_over(&schedule, 99));
    assert_true(load_schedule_is_over(&schedule, 100));
    schedule.started = 2;
    assert_true(load_schedule_is_over(&schedule, 50));
}

static void what_an_open_loop_could_not_start_is_counted(void **state) {
    (void)state;
    struct load_schedule schedule = {
        .rate_per_s = 10, .start_us = 0, .end_us = 2 * SECOND, .items_max = UINT64_MAX, .started = 5};
    assert_int_equal(load_schedule_behind(&schedule, SECOND), 6);
    assert_int_equal(load_schedule_behind(&schedule, 60ll * SECOND), 16);
    schedule.items_max = 8;
    assert_int_equal(load_schedule_behind(&schedule, 60ll * SECOND), 3);
    schedule.started = 8;
    assert_int_equal(load_schedule_behind(&schedule, 60ll * SECOND), 0);
}

static void what_was_due_before_the_end_starts_though_the_loop_wakes_late(void **state) {
    (void)state;
    struct load_schedule schedule = {
        .rate_per_s = 2000, .start_us = 0, .end_us = SECOND, .items_max = UINT64_MAX, .started = 1998};
    assert_false(load_schedule_is_over(&schedule, SECOND + 1500));
    schedule.started = 2000; /* the next is due at the end itself */
    assert_true(load_schedule_is_over(&schedule, SECOND + 1500));
    assert_false(load_schedule_is_over(&schedule, SECOND - 1));
    schedule.started = 1998; /* a server that is behind is not waited for */
    assert_true(load_schedule_is_over(&schedule, SECOND + 20000));
}

static void waits_double_are_scattered_and_believe_the_server_within_reason(void **state) {
    (void)state;
    for (uint32_t random = 0; random < 1000; random += 7) {
        assert_in_range(load_backoff_ms(1, random, 0), 12, 25);
        assert_in_range(load_backoff_ms(3, random, 0), 50, 100);
        assert_in_range(load_backoff_ms(1000, random, 0), 1000, 2000);
        assert_int_equal(load_backoff_ms(1, random, 3), 3000);
        assert_int_equal(load_backoff_ms(1, random, 86400), 10000);
    }
}

/* ---- options ------------------------------------------------------------------------------------------------- */

static enum err read_options(const char *line, struct load_options *ret_options, struct err_info *info) {
    static char text[512];
    char *argv[32];
    int argc = 0;
    snprintf(text, sizeof text, "load %s", line);
    char *rest = text, *word;
    while (argc < 31 && (word = strsep(&rest, " ")) != NULL) {
        if (*word != '\0') {
            argv[argc++] = word;
        }
    }
    argv[argc] = NULL;
    return load_options_read(argc, argv, ret_options, info);
}

static void options_have_defaults_and_ranges(void **state) {
    (void)state;
    struct load_options options;
    struct err_info info = {0};
    assert_int_equal(read_options("baskets.jsonl", &options, &info), ERR_NONE);
    assert_string_equal(options.file, "baskets.jsonl");
    assert_int_equal(options.kind, LOAD_BASKETS);
    assert_int_equal(options.in_flight, 64);
    assert_int_equal(options.port, 8080);
    assert_int_equal(read_options("f --url http://shop.example:81/ --rate 12.5 --kind stock", &options, &info),
                     ERR_NONE);
    assert_string_equal(options.host, "shop.example");
    assert_int_equal(options.port, 81);
    assert_true(options.rate_per_s == 12.5);
    assert_int_equal(options.in_flight, 512);
    assert_int_equal(read_options("--closed 7 f --payment test:decline", &options, &info), ERR_NONE);
    assert_int_equal(options.in_flight, 7);
    assert_string_equal(options.method, "decline");
    assert_false(options.rotates);
    assert_int_equal(read_options("f --rate 9 --rotate", &options, &info), ERR_NONE);
    assert_true(options.rotates);
    assert_false(options.connects_first);
    assert_int_equal(read_options("f --connect-first", &options, &info), ERR_NONE);
    assert_true(options.connects_first);
    assert_int_equal(read_options("f --keyless-carts --journal j", &options, &info), ERR_NONE);
    assert_true(options.keyless_carts);
    assert_false(options.is_https);
    assert_int_equal(read_options("f --url https://shop.example --ca ca.pem", &options, &info), ERR_NONE);
    assert_true(options.is_https);
    assert_int_equal(options.port, 443);
    assert_string_equal(options.ca_file, "ca.pem");
    assert_null(options.bearer_file);
    assert_int_equal(read_options("f --bearer-file keys", &options, &info), ERR_NONE);
    assert_string_equal(options.bearer_file, "keys");
    static const char *const BAD[] = {
        "",
        "f g",
        "f --closed 0",
        "f --closed 3 --rate 4",
        "f --kind what",
        "f --rate x",
        "f --rate 0",
        "f --url ftp://a",
        "f --url http://",
        "f --url http://a:0",
        "f --url https://",
        "f --url http://a --ca ca.pem",
        "f --resume",
        "f --keyless-carts --journal j --resume",
        "f --keyless-carts --journal j --max 9 --again",
        "f --kind reads",
        "f --what",
        "f --closed",
        "f --bearer-file",
        "f --payment test",
        "f --max -1",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(BAD); i++) {
        info = (struct err_info){0};
        if (read_options(BAD[i], &options, &info) != ERR_CONFIG || info.text[0] == '\0') {
            fail_msg("accepted: %s", BAD[i]);
        }
    }
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/load_test.XXXXXX";
static char baskets_path[64], journal_path[64], report_path[64], bearers_path[64];

static int make_folder(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(baskets_path, sizeof baskets_path, "%s/baskets.jsonl", folder);
    snprintf(journal_path, sizeof journal_path, "%s/journal.jsonl", folder);
    snprintf(report_path, sizeof report_path, "%s/report.json", folder);
    snprintf(bearers_path, sizeof bearers_path, "%s/bearers", folder);
    return sodium_init() < 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(baskets_path);
    unlink(journal_path);
    unlink(report_path);
    unlink(bearers_path);
    return rmdir(folder);
}

static void write_file(const char *path, const char *mode, const char *text) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void lines_come_one_by_one_and_empty_ones_are_left_out(void **state) {
    (void)state;
    write_file(baskets_path, "w", "one\r\n\n\ntwo\nthree");
    struct load_source source;
    struct str line;
    assert_int_equal(load_source_open(&source, baskets_path, NULL), ERR_NONE);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(load_source_next(&source, &line, NULL), ERR_NONE);
        assert_true(str_equal(line, STR("one")));
        assert_int_equal(load_source_next(&source, &line, NULL), ERR_NONE);
        assert_true(str_equal(line, STR("two")));
        assert_int_equal(source.line_number, 4);
        assert_int_equal(load_source_next(&source, &line, NULL), ERR_NONE);
        assert_true(str_equal(line, STR("three")));
        assert_int_equal(load_source_next(&source, &line, NULL), ERR_NOT_FOUND);
        assert_int_equal(load_source_rewind(&source, NULL), ERR_NONE);
    }
    load_source_close(&source);
}

static void a_journal_goes_on_after_its_last_whole_line(void **state) {
    (void)state;
    write_file(journal_path, "w",
               "{\"line\":3,\"decided\":true}\n{\"line\":4,\"decided\":false}\n{\"line\":900,\"decided\":true}\n"
               "{\"line\":5,\"deci");
    struct load_journal journal;
    struct err_info info = {0};
    assert_int_equal(load_journal_open(&journal, journal_path, false, &info), ERR_CONFIG);
    assert_int_equal(load_journal_open(&journal, journal_path, true, &info), ERR_NONE);
    assert_true(load_journal_has(&journal, 3) && load_journal_has(&journal, 900));
    assert_false(load_journal_has(&journal, 4) || load_journal_has(&journal, 5) || load_journal_has(&journal, 1 << 20));
    assert_int_equal(journal.decided_count, 2);
    json_t *entry = json_pack("{s:i, s:b}", "line", 5, "decided", 1);
    load_journal_write(&journal, entry);
    json_decref(entry);
    assert_int_equal(load_journal_close(&journal, &info), ERR_NONE);
    assert_int_equal(load_journal_open(&journal, journal_path, true, &info), ERR_NONE);
    assert_true(load_journal_has(&journal, 5));
    assert_int_equal(journal.decided_count, 3);
    assert_int_equal(load_journal_close(&journal, &info), ERR_NONE);
    unlink(journal_path);
}

/* ---- a shop that fails in all the ways a client must bear ---------------------------------------------------- */

struct shop {
    struct arena arena;
    struct map carts;    /* Idempotency-Key -> number of effects: must stay 1 */
    struct map orders;   /* the same for checkouts */
    struct map refusals; /* key -> told once to come again */
    struct map changed;  /* path -> the key that is told cart_changed, or "none" */
    struct map deferred; /* key -> told once that it is not decided yet */
    struct map openers;  /* path of a cart -> the Authorization that it was opened with */
    int requests, without_key, without_position, polls;
    int without_token; /* of what concerns a cart, by the cart's own */
    int reads_with_token;
    int by_another;               /* by another than who opened the cart, or than whose turn it was at its line */
    bool has_bearers;             /* "Bearer key-0" and two more, in turn */
    bool has_guest;               /* in the place of the second of them: he brings nothing */
    int reads_by_the_last;        /* by "Bearer key-2" */
    int greetings, greetings_due; /* GET /health/live; others before so many have come: */
    int too_early;
    bool tells_only_decided; /* and no more, where it is asked for an outcome */
    bool shows_carts;        /* then, but without their tokens, which the command's own answer has alone */
    uv_sem_t some_orders;    /* posted at each order */
};

static void shop_init(struct shop *shop) {
    *shop = (struct shop){0};
    arena_init(&shop->arena, 64 << 20);
    map_init(&shop->carts, &shop->arena);
    map_init(&shop->orders, &shop->arena);
    map_init(&shop->refusals, &shop->arena);
    map_init(&shop->changed, &shop->arena);
    map_init(&shop->deferred, &shop->arena);
    map_init(&shop->openers, &shop->arena);
    uv_sem_init(&shop->some_orders, 0);
}

static void shop_release(struct shop *shop) {
    arena_release(&shop->arena);
    uv_sem_destroy(&shop->some_orders);
}

static void answer_json(struct http_exchange *exchange, int status, struct str json) {
    http_answer_field(exchange, "Daybook-Position", STR("pos"));
    http_answer(exchange, status, "application/json", json);
}

/* The number of the key in the map, which begins at 1. */
static int number_of(struct map *map, struct str key) {
    void **place = map_at(map, key);
    if (*place == NULL) {
        *place = (void *)(uintptr_t)map->count;
    }
    return (int)(uintptr_t)*place;
}

/* The first time that a request comes, some are told to come again, and some are decided later. */
static bool fails_first(struct shop *shop, struct http_exchange *exchange, struct str key) {
    void **place = map_at(&shop->refusals, key);
    if (*place != NULL) {
        return false;
    }
    *place = shop;
    static const int STATUSES[] = {503, 429, 500};
    if (shop->refusals.count % 7 < ARRAY_LENGTH(STATUSES)) {
        http_answer_problem(exchange, &(struct problem){.status = STATUSES[shop->refusals.count % 7], .code = "later"});
        return true;
    }
    return false;
}

#define A_CART_IS_DECIDED "/v1/commands/cmd_1.0"

/* The first time that a request comes, it is decided later, and its outcome is for others. */
static bool defers(struct shop *shop, struct http_exchange *exchange, struct str key) {
    void **place = map_at(&shop->deferred, key);
    if (!shop->tells_only_decided || *place != NULL) {
        return false;
    }
    *place = shop;
    bool is_cart = str_equal(exchange->path, STR("/v1/carts"));
    http_answer_field(exchange, "Location",
                      shop->shows_carts && is_cart ? STR(A_CART_IS_DECIDED) : STR("/v1/commands/cmd_0.0"));
    answer_json(exchange, 202, STR("{\"command\":\"cmd_0.0\",\"status\":\"pending\"}"));
    return true;
}

/* "/v1/carts/cart_7" of what concerns it. */
static struct str cart_path(struct http_exchange *exchange) {
    uint32_t begun = (uint32_t)strlen("/v1/carts/");
    return str_first(exchange->path, begun + str_find(str_from(exchange->path, begun), '/'));
}

static void look_at_token(struct shop *shop, struct http_exchange *exchange) {
    struct str cart = str_from(cart_path(exchange), (uint32_t)strlen("/v1/carts/"));
    struct str expected = arena_printf(&exchange->arena, "token-of-%.*s", STR_ARGS(cart));
    shop->without_token += !str_equal(http_request_field(exchange, "Daybook-Cart-Token"), expected);
}

static void open_cart(struct shop *shop, struct http_exchange *exchange, struct str key) {
    int number = number_of(&shop->carts, key);
    if (shop->has_bearers) {
        struct str bearer = http_request_field(exchange, "Authorization");
        json_t *body = json_loadb(exchange->body.data, exchange->body.len, 0, NULL);
        long line = strtol(json_string_value(json_object_get(body, "reference")) + 1, NULL, 10);
        json_decref(body);
        long turn = (line - 1) % BEARERS;
        struct str expected =
            shop->has_guest && turn == 1 ? STR("") : arena_printf(&exchange->arena, "Bearer key-%ld", turn);
        shop->by_another += !str_equal(bearer, expected);
        void **opener = map_at(&shop->openers, arena_printf(&exchange->arena, "/v1/carts/cart_%d", number));
        *opener = arena_alloc(&shop->arena, sizeof(struct str));
        *(struct str *)*opener = arena_str_copy(&shop->arena, bearer);
    }
    answer_json(exchange, 201,
                arena_printf(&exchange->arena, "{\"id\":\"cart_%d\",\"token\":\"token-of-cart_%d\"}", number, number));
}

static void look_at_opener(struct shop *shop, struct http_exchange *exchange) {
    const struct str *opener = map_get(&shop->openers, cart_path(exchange));
    struct str bearer = http_request_field(exchange, "Authorization");
    shop->by_another += opener == NULL ? !str_is_empty(bearer) : !str_equal(bearer, *opener);
}

static void shop_check_out(struct shop *shop, struct http_exchange *exchange, struct str key) {
    look_at_token(shop, exchange);
    look_at_opener(shop, exchange);
    shop->without_position += !str_equal(http_request_field(exchange, "Daybook-Position"), STR("pos"));
    /* Every eleventh cart is told once that it changed; then only a new key counts. */
    void **changed = map_at(&shop->changed, exchange->path);
    if (*changed == NULL) {
        bool is_told = shop->changed.count % 11 == 0;
        *changed = arena_alloc(&shop->arena, sizeof(struct str));
        *(struct str *)*changed = is_told ? arena_str_copy(&shop->arena, key) : STR("none");
    }
    if (str_equal(*(struct str *)*changed, key)) {
        http_answer_problem(exchange, &(struct problem){.status = 409, .code = "cart_changed"});
        return;
    }
    if (defers(shop, exchange, key)) {
        return;
    }
    int number = number_of(&shop->orders, key);
    uv_sem_post(&shop->some_orders);
    if (number % 3 == 0 && !shop->tells_only_decided) {
        http_answer_field(exchange, "Location", arena_printf(&exchange->arena, "/v1/commands/cmd_%d.0", number));
        answer_json(exchange, 202, arena_printf(&exchange->arena, "{\"status\":\"pending\",\"number\":%d}", number));
    } else if (number % 10 == 1) {
        http_answer_problem(exchange, &(struct problem){.status = 409, .code = "out_of_stock"});
    } else {
        answer_json(
            exchange, 201,
            arena_printf(&exchange->arena,
                         "{\"id\":\"ord_%d.1\",\"status\":\"confirmed\",\"total\":{\"amount\":5,\"currency\":\"EUR\"}}",
                         number));
    }
}

static void shop_poll(struct shop *shop, struct http_exchange *exchange) {
    int number = (int)strtol(exchange->path.data + strlen("/v1/commands/cmd_"), NULL, 10);
    if (shop->shows_carts && str_equal(exchange->path, STR(A_CART_IS_DECIDED))) {
        shop->polls++;
        answer_json(exchange, 200, STR("{\"id\":\"cart_1\"}"));
    } else if (shop->tells_only_decided) {
        shop->polls++;
        answer_json(exchange, 200, STR("{\"command\":\"cmd_0.0\",\"status\":\"decided\"}"));
    } else if (shop->polls++ % 2 == 0) {
        answer_json(exchange, 202, arena_printf(&exchange->arena, "{\"status\":\"pending\",\"number\":%d}", number));
    } else {
        answer_json(
            exchange, 200,
            arena_printf(&exchange->arena,
                         "{\"id\":\"ord_%d.1\",\"status\":\"confirmed\",\"total\":{\"amount\":5,\"currency\":\"EUR\"}}",
                         number));
    }
}

static void shop_on_request(void *context, struct http_exchange *exchange) {
    struct shop *shop = context;
    shop->requests++;
    if (str_equal(exchange->path, STR("/health/live"))) {
        shop->greetings++;
        answer_json(exchange, 200, STR("{}"));
        return;
    }
    shop->too_early += shop->greetings < shop->greetings_due;
    struct str key = http_request_field(exchange, "Idempotency-Key");
    if (str_starts_with(exchange->path, STR("/v1/commands/"))) {
        shop_poll(shop, exchange);
        return;
    }
    if (exchange->method == HTTP_PUT_) {
        look_at_token(shop, exchange);
        look_at_opener(shop, exchange);
    }
    shop->reads_with_token += exchange->method == HTTP_GET_ &&
                              str_equal(http_request_field(exchange, "Daybook-Cart-Token"), STR("token-of-another"));
    shop->reads_by_the_last +=
        exchange->method == HTTP_GET_ && str_equal(http_request_field(exchange, "Authorization"), STR("Bearer key-2"));
    if (exchange->method == HTTP_PUT_ || exchange->method == HTTP_GET_) {
        answer_json(exchange, 200, arena_printf(&exchange->arena, "{\"id\":\"cart_%d\"}", 1));
        return;
    }
    shop->without_key += key.len < 22;
    if (fails_first(shop, exchange, key)) {
        return;
    }
    if (str_equal(exchange->path, STR("/v1/carts"))) {
        if (!defers(shop, exchange, key)) {
            open_cart(shop, exchange, key);
        }
    } else {
        shop_check_out(shop, exchange, key);
    }
}

static void write_baskets(int count) {
    FILE *file = fopen(baskets_path, "w");
    assert_non_null(file);
    for (int i = 1; i <= count; i++) {
        fprintf(file, "{\"reference\":\"b%d\",\"currency\":\"EUR\",\"lines\":[{\"sku\":\"S%d\",\"quantity\":1}]}\n", i,
                i % 9);
    }
    assert_int_equal(fclose(file), 0);
}

static bool stops_at_once; /* whoever runs load is told to end before it has begun */

/* Runs load in this thread against the shop at `port`. */
static struct load_report *run_load(struct load_options options, int port, bool has_journal) {
    struct err_info info = {0};
    struct load_journal journal;
    struct load_run *run = NULL;
    uv_loop_t loop;
    snprintf(options.host, sizeof options.host, "127.0.0.1");
    options.port = port;
    options.file = baskets_path;
    options.journal = journal_path;
    options.salt = "";
    options.provider = "test";
    options.method = "approve";
    options.timeout_ms = options.timeout_ms > 0 ? options.timeout_ms : 5000;
    static struct load_options kept;
    kept = options;
    struct load_report *report = load_report_create(&kept, load_kind_rules(options.kind)->item_name, 0);
    assert_int_equal(has_journal ? load_journal_open(&journal, journal_path, options.resumes, &info) : ERR_NONE,
                     ERR_NONE);
    uv_loop_init(&loop);
    assert_int_equal(load_run_start(&loop, &kept, report, has_journal ? &journal : NULL, &run, &info), ERR_NONE);
    if (stops_at_once) {
        load_run_stop(run);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(load_run_finish(run, &info), ERR_NONE);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(has_journal ? load_journal_close(&journal, &info) : ERR_NONE, ERR_NONE);
    return report;
}

static void assert_journal_tells_of_every_basket_once(int count) {
    bool seen[BASKETS + 1] = {false};
    struct load_source source;
    struct str line;
    int entries = 0;
    assert_int_equal(load_source_open(&source, journal_path, NULL), ERR_NONE);
    while (load_source_next(&source, &line, NULL) == ERR_NONE) {
        json_t *entry = json_loadb(line.data, line.len, 0, NULL);
        const char *reference = json_string_value(json_object_get(json_object_get(entry, "sent"), "reference"));
        int number = (int)strtol(reference + 1, NULL, 10);
        assert_in_range(number, 1, count);
        assert_false(seen[number]);
        assert_true(json_is_true(json_object_get(entry, "decided")));
        bool is_confirmed = strcmp(json_string_value(json_object_get(entry, "outcome")), "confirmed") == 0;
        assert_int_equal(is_confirmed, json_string_value(json_object_get(entry, "order")) != NULL);
        seen[number] = true;
        entries++;
        json_decref(entry);
    }
    load_source_close(&source);
    assert_int_equal(entries, count);
}

static void shop_serves(struct shop *shop, struct test_server *server) {
    test_server_start(server, (struct http_server_options){.on_request = shop_on_request, .context = shop});
}

static void shop_opens(struct shop *shop, struct test_server *server) {
    shop_init(shop);
    shop_serves(shop, server);
}

static void each_basket_becomes_one_order_though_the_shop_fails_and_dawdles(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    struct load_options options = {.kind = LOAD_BASKETS, .in_flight = 16, .retry_s = 30};
    struct load_report *report = run_load(options, server.port, true);
    assert_int_equal(report->items_finished, BASKETS);
    assert_int_equal(report->items_unknown, 0);
    assert_int_equal(load_tally_of(&report->outcomes, "confirmed") +
                         load_tally_of(&report->outcomes, "refused:out_of_stock"),
                     BASKETS);
    assert_true(load_tally_of(&report->errors, "503") > 0 && load_tally_of(&report->errors, "500") > 0);
    assert_true(report->polls > 0);
    assert_int_equal(report->item.histogram.total, BASKETS);
    free(report);
    options.resumes = true;
    int requests = shop.requests;
    report = run_load(options, server.port, true);
    assert_int_equal(report->items_skipped, BASKETS);
    test_server_stop(&server);
    free(report);
    assert_int_equal(shop.requests, requests);
    assert_int_equal(shop.carts.count, BASKETS);
    assert_int_equal(shop.orders.count, BASKETS);
    assert_int_equal(shop.without_key, 0);
    assert_int_equal(shop.without_token, 0);
    assert_int_equal(shop.without_position, 0);
    assert_journal_tells_of_every_basket_once(BASKETS);
    unlink(journal_path);
    shop_release(&shop);
}

static void carts_are_made_first_and_checked_out_later(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    struct load_options options = {.kind = LOAD_CARTS, .in_flight = 16, .retry_s = 30};
    free(run_load(options, server.port, true));
    assert_int_equal(shop.carts.count, BASKETS);
    assert_int_equal(shop.orders.count, 0);
    assert_int_equal(rename(journal_path, baskets_path), 0); /* what one wrote the other reads */
    options.kind = LOAD_CHECKOUTS;
    struct load_report *report = run_load(options, server.port, true);
    test_server_stop(&server);
    assert_int_equal(report->items_finished, BASKETS);
    assert_int_equal(load_tally_of(&report->outcomes, "confirmed") +
                         load_tally_of(&report->outcomes, "refused:out_of_stock"),
                     BASKETS);
    free(report);
    assert_int_equal(shop.carts.count, BASKETS);
    assert_int_equal(shop.orders.count, BASKETS);
    assert_int_equal(shop.without_key, 0);
    assert_int_equal(shop.without_token, 0); /* the journal has them */
    unlink(journal_path);
    shop_release(&shop);
}

static void a_line_is_always_sent_by_the_same_one_whoever_sends_it(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    write_file(bearers_path, "w", "key-0\nkey-1\nkey-2\n");
    shop_opens(&shop, &server);
    shop.has_bearers = true;
    struct load_options options = {
        .kind = LOAD_BASKETS, .in_flight = 16, .retry_s = 30, .bearer_file = bearers_path, .items_max = BASKETS / 2};
    free(run_load(options, server.port, true));
    options.resumes = true;
    options.items_max = 0;
    options.in_flight = 5;
    free(run_load(options, server.port, true));
    assert_int_equal(shop.orders.count, BASKETS);
    assert_int_equal(shop.openers.count, BASKETS);
    unlink(journal_path);
    options = (struct load_options){
        .kind = LOAD_CART_UPDATES, .in_flight = 1, .retry_s = 30, .bearer_file = bearers_path, .items_max = 20};
    free(run_load(options, server.port, false));
    test_server_stop(&server);
    assert_int_equal(shop.by_another, 0);
    shop_release(&shop);
}

/* The carts that were told to come again stand later in the journal than in the file. */
static void a_cart_is_checked_out_and_read_by_whoever_opened_it(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    write_file(bearers_path, "w", "key-0\n-\nkey-2\n");
    shop_opens(&shop, &server);
    shop.has_bearers = shop.has_guest = true;
    struct load_options options = {.kind = LOAD_CARTS, .in_flight = 16, .retry_s = 30, .bearer_file = bearers_path};
    free(run_load(options, server.port, true));
    assert_int_equal(shop.openers.count, BASKETS);
    assert_int_equal(rename(journal_path, baskets_path), 0);
    options.kind = LOAD_CHECKOUTS;
    free(run_load(options, server.port, true));
    assert_int_equal(shop.orders.count, BASKETS);
    assert_int_equal(shop.by_another, 0);
    assert_int_equal(rename(journal_path, baskets_path), 0);
    options.kind = LOAD_READS; /* once round: an entry names its order, or what was refused has none */
    options.items_max = BASKETS;
    options.in_flight = 1;
    free(run_load(options, server.port, false));
    test_server_stop(&server);
    assert_in_range(shop.reads_by_the_last, BASKETS / BEARERS * 8 / 10, BASKETS / BEARERS);
    shop_release(&shop);
}

static void who_is_told_no_more_than_that_it_is_decided_asks_again_under_his_key(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    shop.tells_only_decided = true;
    struct load_options options = {.kind = LOAD_BASKETS, .in_flight = 16, .retry_s = 30};
    struct load_report *report = run_load(options, server.port, false);
    assert_int_equal(report->items_finished, BASKETS);
    assert_int_equal(load_tally_of(&report->outcomes, "confirmed") +
                         load_tally_of(&report->outcomes, "refused:out_of_stock"),
                     BASKETS);
    assert_true(report->polls >= 2 * BASKETS); /* a cart and its checkout each */
    assert_int_equal(shop.orders.count, BASKETS);
    free(report);
    /* Without a key the same request would be another one: nobody can tell what became of it. */
    options = (struct load_options){.kind = LOAD_CARTS, .in_flight = 1, .retry_s = 30, .keyless_carts = true};
    report = run_load(options, server.port, false);
    test_server_stop(&server);
    assert_int_equal(report->items_unknown, 1);
    assert_int_equal(report->items_finished, BASKETS - 1);
    free(report);
    shop_release(&shop);
}

/* As where access is open: whoever asks for the outcome sees the cart. Its token speaks for it from then on, and a
 * checkout that is asked for again without it would be another command. */
static void whoever_was_shown_his_cart_asks_for_its_token_under_his_key(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    shop.tells_only_decided = shop.shows_carts = true;
    struct load_options options = {.kind = LOAD_BASKETS, .in_flight = 16, .retry_s = 30};
    struct load_report *report = run_load(options, server.port, false);
    test_server_stop(&server);
    assert_int_equal(report->items_finished, BASKETS);
    assert_int_equal(shop.without_token, 0);
    assert_int_equal(shop.orders.count, BASKETS);
    free(report);
    shop_release(&shop);
}

static void carts_may_be_opened_without_keys_and_checkouts_never(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    struct load_options options = {.kind = LOAD_CARTS, .in_flight = 16, .retry_s = 30, .keyless_carts = true};
    struct load_report *report = run_load(options, server.port, false);
    assert_int_equal(report->items_finished, BASKETS);
    assert_true(shop.without_key >= BASKETS);
    free(report);
    shop.without_key = 0;
    options.kind = LOAD_BASKETS;
    free(run_load(options, server.port, false));
    test_server_stop(&server);
    assert_int_equal(shop.orders.count, BASKETS);
    assert_true(shop.without_key >= BASKETS && shop.without_key < 2 * BASKETS);
    shop_release(&shop);
}

struct restarts {
    struct shop *shop;
    struct test_server *server;
    int port;
    int count;
};

/* Cuts the server off again and again, in the middle of what it does, and starts it on the same port. */
static void restart_again_and_again(void *context) {
    struct restarts *restarts = context;
    for (int i = 0; i < restarts->count; i++) {
        for (int orders = 0; orders < BASKETS / 10; orders++) {
            uv_sem_wait(&restarts->shop->some_orders);
        }
        restarts->server->grace_ms = 0;
        test_server_stop(restarts->server);
        test_server_start(restarts->server, (struct http_server_options){.port = restarts->port,
                                                                         .on_request = shop_on_request,
                                                                         .context = restarts->shop});
    }
}

static void each_basket_becomes_one_order_though_the_shop_is_killed_meanwhile(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    struct restarts restarts = {.shop = &shop, .server = &server, .port = server.port, .count = 5};
    uv_thread_t thread;
    uv_thread_create(&thread, restart_again_and_again, &restarts);
    struct load_options options = {.kind = LOAD_BASKETS, .in_flight = 16, .retry_s = 30};
    struct load_report *report = run_load(options, restarts.port, true);
    uv_thread_join(&thread);
    test_server_stop(&server);
    assert_int_equal(report->items_finished, BASKETS);
    assert_int_equal(report->items_unknown, 0);
    free(report);
    assert_int_equal(shop.carts.count, BASKETS);
    assert_int_equal(shop.orders.count, BASKETS);
    assert_journal_tells_of_every_basket_once(BASKETS);
    unlink(journal_path);
    shop_release(&shop);
}

static void the_time_begins_when_all_connections_are_open(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    shop.greetings_due = 16;
    struct load_options options = {.kind = LOAD_CARTS, .in_flight = 16, .retry_s = 30, .connects_first = true};
    struct load_report *report = run_load(options, server.port, false);
    assert_int_equal(report->items_finished, BASKETS);
    assert_int_equal(report->item.histogram.total, BASKETS);
    assert_true(report->started_us > 0); /* not run_load's */
    assert_int_equal(shop.greetings, 16);
    assert_int_equal(shop.too_early, 0);
    free(report);
    test_server_stop(&server);
    assert_int_equal(server.stats.connections_total, 16);
    shop_release(&shop);
}

static void who_is_stopped_while_connections_are_opened_sends_nothing(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(3);
    shop_opens(&shop, &server);
    struct load_options options = {.kind = LOAD_CARTS, .in_flight = 4, .retry_s = 30, .connects_first = true};
    stops_at_once = true;
    struct load_report *report = run_load(options, server.port, false);
    stops_at_once = false;
    test_server_stop(&server);
    assert_int_equal(report->items_finished + report->items_unknown + report->items_not_started, 0);
    assert_int_equal(shop.requests, shop.greetings);
    assert_int_equal(report->started_us, 0); /* run_load's */
    free(report);
    shop_release(&shop);
}

static void what_is_never_answered_ends_as_unknown_and_is_tried_again_by_resume(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(5);
    shop_opens(&shop, &server);
    int port = server.port;
    test_server_stop(&server);
    struct load_options options = {.kind = LOAD_BASKETS, .in_flight = 2, .retry_s = 0};
    struct load_report *report = run_load(options, port, true);
    assert_int_equal(report->items_unknown, 5);
    assert_int_equal(load_tally_of(&report->errors, "not connected"), 5);
    free(report);
    shop_serves(&shop, &server);
    options.resumes = true;
    options.retry_s = 30;
    report = run_load(options, server.port, true);
    test_server_stop(&server);
    assert_int_equal(report->items_finished, 5);
    assert_int_equal(shop.orders.count, 5);
    free(report);
    unlink(journal_path);
    shop_release(&shop);
}

static void what_was_refused_for_now_comes_again_at_the_end_of_the_file(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(BASKETS);
    shop_opens(&shop, &server);
    struct load_options options = {
        .kind = LOAD_CARTS, .in_flight = 8, .retry_s = 0, .duration_s = 60, .comes_again = true};
    uint64_t began_ns = uv_hrtime();
    struct load_report *report = run_load(options, server.port, true);
    test_server_stop(&server);
    /* Those that are on their way when the file ends may come more than once, under their keys. */
    assert_true(report->items_finished >= BASKETS);
    assert_true(report->items_unknown > 0);
    assert_true(uv_hrtime() - began_ns < UINT64_C(60) * 1000 * 1000 * 1000);
    assert_int_equal(shop.carts.count, BASKETS);
    free(report);
    unlink(journal_path);
    shop_release(&shop);
}

static void an_open_loop_sends_at_its_rate_and_stops_in_time(void **state) {
    (void)state;
    struct shop shop;
    struct test_server server;
    write_baskets(3);
    write_file(baskets_path, "a", "not json\n");
    shop_opens(&shop, &server);
    struct load_options options = {
        .kind = LOAD_CART_UPDATES, .in_flight = 4, .rate_per_s = 200, .duration_s = 1, .retry_s = 5};
    struct load_report *report = run_load(options, server.port, false);
    assert_in_range(report->items_finished + report->items_not_started + report->items_malformed, 195, 202);
    assert_true(report->step_count == 2);
    free(report);
    write_file(baskets_path, "w",
               "ord_1.1\n{\"order\":\"ord_2.1\",\"token\":\"token-of-another\"}\n/v1/stock/A\n{\"id\":\"prod_1\"}\n");
    options = (struct load_options){.kind = LOAD_READS, .in_flight = 3, .items_max = 100, .retry_s = 5};
    report = run_load(options, server.port, false);
    assert_int_equal(report->items_finished, 100);
    assert_int_equal(shop.reads_with_token, 25);
    assert_int_equal(shop.without_token, 0);
    struct err_info info = {0};
    report->ended_us = 1000000;
    assert_in_range(report->processor_us, 1, 60ll * SECOND);
    report->processor_us = 2500000;
    assert_int_equal(load_report_write(report, report_path, &info), ERR_NONE);
    json_t *json = json_load_file(report_path, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json, "finished")), 100);
    assert_true(json_real_value(json_object_get(json, "processor_s")) == 2.5);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(json_object_get(json, "latency_ms"), "get"), "count")), 100);
    json_decref(json);
    free(report);
    test_server_stop(&server);
    shop_release(&shop);
}

static void keys_differ_by_every_part_and_repeat_for_the_same(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct load_options options = {.kind = LOAD_BASKETS, .salt = ""};
    struct str key = load_key(&arena, &options, STR("b1"), "cart");
    assert_int_equal(key.len, 37);
    assert_true(str_equal(key, load_key(&arena, &options, STR("b1"), "cart")));
    assert_false(str_equal(key, load_key(&arena, &options, STR("b1"), "checkout")));
    assert_false(str_equal(key, load_key(&arena, &options, STR("b"), "1cart")));
    options.salt = "b";
    assert_false(str_equal(key, load_key(&arena, &options, STR("b1"), "cart")));
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_loop_keeps_its_own_time),
        cmocka_unit_test(a_stall_is_charged_to_all_who_would_have_come),
        cmocka_unit_test(a_closed_loop_starts_when_there_is_room),
        cmocka_unit_test(what_an_open_loop_could_not_start_is_counted),
        cmocka_unit_test(what_was_due_before_the_end_starts_though_the_loop_wakes_late),
        cmocka_unit_test(waits_double_are_scattered_and_believe_the_server_within_reason),
        cmocka_unit_test(options_have_defaults_and_ranges),
        cmocka_unit_test(lines_come_one_by_one_and_empty_ones_are_left_out),
        cmocka_unit_test(a_journal_goes_on_after_its_last_whole_line),
        cmocka_unit_test(keys_differ_by_every_part_and_repeat_for_the_same),
        cmocka_unit_test(each_basket_becomes_one_order_though_the_shop_fails_and_dawdles),
        cmocka_unit_test(carts_are_made_first_and_checked_out_later),
        cmocka_unit_test(a_line_is_always_sent_by_the_same_one_whoever_sends_it),
        cmocka_unit_test(a_cart_is_checked_out_and_read_by_whoever_opened_it),
        cmocka_unit_test(who_is_told_no_more_than_that_it_is_decided_asks_again_under_his_key),
        cmocka_unit_test(whoever_was_shown_his_cart_asks_for_its_token_under_his_key),
        cmocka_unit_test(carts_may_be_opened_without_keys_and_checkouts_never),
        cmocka_unit_test(each_basket_becomes_one_order_though_the_shop_is_killed_meanwhile),
        cmocka_unit_test(the_time_begins_when_all_connections_are_open),
        cmocka_unit_test(who_is_stopped_while_connections_are_opened_sends_nothing),
        cmocka_unit_test(what_is_never_answered_ends_as_unknown_and_is_tried_again_by_resume),
        cmocka_unit_test(what_was_refused_for_now_comes_again_at_the_end_of_the_file),
        cmocka_unit_test(an_open_loop_sends_at_its_rate_and_stops_in_time),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
