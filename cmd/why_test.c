/* `daybook why`: running figures of a SKU, and the causes of a purchase, from records written down here. */
#include "cmd/why_stock.h"
#include "cmd/why_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "core/base/shard.h"

#define ULID "01JD0000000000000000000002"
#define CART "cart_" ULID
#define ORDER "ord_" ULID ".1"
#define PAYMENT "pay_" ULID ".1.1"

enum { RECORDS_MAX = 64, LINES_MAX = 64 };

/* A small log of chained streams. Time goes on by a second with each event, save where a test says otherwise. */
struct fixture {
    struct buf bytes[RECORDS_MAX];
    struct log_record records[RECORDS_MAX];
    char streams[RECORDS_MAX][64];
    size_t count;
    int64_t now_us;
    struct buf out;
    json_t *lines[LINES_MAX];
    size_t line_count;
};

static struct fixture fixture;

static int set_up(void **state) {
    (void)state;
    fixture = (struct fixture){.now_us = INT64_C(1767225600000000)};
    buf_init(&fixture.out, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < fixture.count; i++) {
        buf_release(&fixture.bytes[i]);
    }
    for (size_t i = 0; i < fixture.line_count; i++) {
        json_decref(fixture.lines[i]);
    }
    buf_release(&fixture.out);
    return 0;
}

/* The next event of the stream, caused by the event `cause`, or by the command `command` from outside. */
static void add(const char *stream, const char *id, const char *command, const char *cause, struct event event) {
    size_t index = fixture.count++;
    assert_true(index < RECORDS_MAX);
    event.meta = (struct event_meta){.event_id = str_of_cstr(id),
                                     .stream = str_of_cstr(stream),
                                     .version = 1,
                                     .occurred_at = fixture.now_us += 1000000,
                                     .command_id = str_of_cstr(command),
                                     .correlation_id = STR("cmd_outside"),
                                     .causation_id = str_of_cstr(cause != NULL ? cause : command),
                                     .actor = cause != NULL ? STR("system") : STR("anonymous")};
    for (size_t i = 0; i < index; i++) {
        if (strcmp(fixture.streams[i], stream) == 0) {
            event.meta.version++;
            chain_hash(fixture.records[i].value, event.meta.prev_hash);
        }
    }
    buf_init(&fixture.bytes[index], 1 << 20);
    event_record_write(&fixture.bytes[index], &event);
    snprintf(fixture.streams[index], sizeof fixture.streams[index], "%s", stream);
    fixture.records[index] = (struct log_record){.topic = "t",
                                                 .partition = 3,
                                                 .offset = (int64_t)index,
                                                 .key = shard_key(str_of_cstr(fixture.streams[index])),
                                                 .value = buf_text(&fixture.bytes[index])};
}

static void read_lines(void) {
    struct str rest = buf_text(&fixture.out);
    while (!str_is_empty(rest)) {
        struct str line = str_first(rest, str_find(rest, '\n'));
        rest = str_from(rest, line.len + 1);
        assert_true(fixture.line_count < LINES_MAX);
        json_t *parsed = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
        if (parsed == NULL) {
            fail_msg("no JSON: %.*s", STR_ARGS(line));
        }
        fixture.lines[fixture.line_count++] = parsed;
    }
}

static void assert_has(size_t line, const char *name, const char *expected) {
    assert_true(line < fixture.line_count);
    char *text = json_dumps(json_object_get(fixture.lines[line], name), JSON_ENCODE_ANY | JSON_COMPACT);
    if (text == NULL || strcmp(text, expected) != 0) {
        fail_msg("line %zu: %s is %s, not %s", line, name, text, expected);
    }
    free(text);
}

/* ---- a SKU ---------------------------------------------------------------------------------------------------------
 */

static struct event received(const char *location, int64_t quantity, int64_t on_hand) {
    struct event event = {.type = EVENT_STOCK_RECEIVED};
    event.as.stock_received = (struct stock_received){.location = str_of_cstr(location),
                                                      .quantity = quantity,
                                                      .on_hand = on_hand,
                                                      .has_reference = true,
                                                      .reference = STR("PO-7")};
    return event;
}

static struct stock_allocation one_of_main = {STR("main"), 1};

static struct event reserved(const char *owner) {
    struct event event = {.type = EVENT_STOCK_RESERVED};
    event.as.stock_reserved =
        (struct stock_reserved){.owner = str_of_cstr(owner), .quantity = 1, .allocations = {&one_of_main, 1, 1}};
    return event;
}

static struct event confirmed(const char *owner) {
    struct event event = {.type = EVENT_RESERVATION_CONFIRMED};
    event.as.reservation_confirmed = (struct reservation_confirmed){.owner = str_of_cstr(owner), .quantity = 1};
    return event;
}

static struct event released(const char *owner) {
    struct event event = {.type = EVENT_RESERVATION_RELEASED};
    event.as.reservation_released = (struct reservation_released){
        .owner = str_of_cstr(owner), .quantity = 1, .allocations = {&one_of_main, 1, 1}, .reason = STR("cancelled")};
    return event;
}

static struct event moved(void) {
    struct event event = {.type = EVENT_STOCK_TRANSFERRED};
    event.as.stock_transferred = (struct stock_transferred){
        .from_location = STR("main"), .to_location = STR("shop"), .quantity = 4, .from_on_hand = 6, .to_on_hand = 4};
    return event;
}

static enum err ask_stock(struct why_stock *why, bool json) {
    enum err err = ERR_NONE;
    struct err_info info;
    why_stock_init(why, STR("sku_TEA"), json);
    for (size_t i = 0; i < fixture.count && err == ERR_NONE; i++) {
        err = why_stock_record(why, &fixture.records[i], &fixture.out, &info);
    }
    if (err == ERR_NONE) {
        why_stock_conclude(why, &fixture.out);
    }
    return err;
}

static void add_stock(void) {
    struct event claimed = {.type = EVENT_SKU_CLAIMED};
    claimed.as.sku_claimed.product = STR("prod_1");
    add("sku_TEA", "evt_1", "cmd_1", "evt_0", claimed);
    add("sku_TEA", "evt_2", "cmd_2", NULL, received("main", 10, 10));
    add("sku_POT", "evt_3", "cmd_3", NULL, received("main", 99, 99));
    add("sku_TEA", "evt_4", "cmd_4", "evt_placed", reserved(ORDER));
    add("sku_TEA", "evt_5", "cmd_5", "evt_paid", confirmed(ORDER));
    add("sku_TEA", "evt_6", "cmd_6", NULL, moved());
    add("sku_TEA", "evt_7", "cmd_7", "evt_cancelled", released(ORDER));
}

static void a_sku_shows_what_changed_its_figures_and_why(void **state) {
    (void)state;
    struct why_stock why;
    add_stock();
    assert_int_equal(ask_stock(&why, true), ERR_NONE);
    why_stock_release(&why);
    read_lines();
    assert_int_equal(fixture.line_count, 6); /* received, reserved, moved at two locations, released; the sum */
    assert_has(0, "version", "2");
    assert_has(0, "on_hand_delta", "10");
    assert_has(0, "reason", "\"PO-7\"");
    assert_has(0, "actor", "\"anonymous\"");
    assert_has(1, "reserved_delta", "1");
    assert_has(1, "on_hand_delta", "0");
    assert_has(1, "available", "9");
    assert_has(1, "causation_id", "\"evt_placed\"");
    assert_has(1, "order", "\"" ORDER "\"");
    assert_has(1, "cart", "\"" CART "\"");
    assert_has(2, "location", "\"main\"");
    assert_has(2, "on_hand_delta", "-4");
    assert_has(2, "on_hand", "6");
    assert_has(2, "reserved", "1");
    assert_has(3, "location", "\"shop\"");
    assert_has(3, "on_hand", "4");
    assert_has(4, "reserved_delta", "-1");
    assert_has(4, "reason", "\"cancelled\"");
    assert_has(4, "offset", "6");
    assert_has(5, "on_hand", "10");
    assert_has(5, "reserved", "0");
    assert_has(5, "changes", "4");
    assert_has(5, "version", "6");
}

static void the_text_says_the_same(void **state) {
    (void)state;
    struct why_stock why;
    add_stock();
    assert_int_equal(ask_stock(&why, false), ERR_NONE);
    why_stock_release(&why);
    buf_byte(&fixture.out, '\0');
    static const char *const parts[] = {
        "     2  2026-01-01T00:00:02.000000Z  StockReceived        main: on hand 10 (+10), reserved 0; available in "
        "all "
        "10; by anonymous, cmd_2: PO-7\n",
        "on hand 10, reserved 1 (+1); available in all 9; by system, cmd_4, caused by evt_placed, for " ORDER
        " of " CART "\n",
        "main: on hand 6 (-4), reserved 1; ",
        "shop: on hand 4 (+4), reserved 0; ",
        "of " CART ": cancelled\n",
        "\nsku_TEA at version 6 (2026-01-01T00:00:07.000000Z): 10 on hand, 0 reserved, 10 available, by 4 changes\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (strstr(fixture.out.data, parts[i]) == NULL) {
            fail_msg("%s is missing in\n%s", parts[i], fixture.out.data);
        }
    }
}

/* A record that somebody wrote into the log himself, to say to an auditor what he likes. */
static void words_of_the_log_cannot_forge_lines_or_command_a_terminal(void **state) {
    (void)state;
    struct why_stock why;
    add_stock();
    struct event forged = received("ma\nin", 1, 1);
    forged.as.stock_received.reference = str_of("1\0\x1b[2J\n     9  x \xc2\x9b\xe2\x80\xae", 22);
    add("sku_TEA", "evt_8", "cmd\r8", NULL, forged);
    assert_int_equal(ask_stock(&why, false), ERR_NONE);
    why_stock_release(&why);
    buf_byte(&fixture.out, '\0');
    assert_non_null(strstr(fixture.out.data, "StockReceived        ma\\u000ain: on hand 1 (+1), reserved 0; "));
    assert_non_null(
        strstr(fixture.out.data, "; by anonymous, cmd\\u000d8: 1\\u0000\\u001b[2J\\u000a     9  x \\u009b\\u202e\n"));
}

static void a_broken_chain_and_a_sku_that_is_not_there_are_told_apart(void **state) {
    (void)state;
    struct why_stock why;
    assert_int_equal(ask_stock(&why, true), ERR_NONE);
    assert_int_equal(why.fold.version, 0);
    why_stock_release(&why);
    add_stock();
    fixture.records[1] = fixture.records[3];
    assert_int_equal(ask_stock(&why, true), ERR_BROKEN_HISTORY);
    why_stock_release(&why);
}

/* ---- a purchase ----------------------------------------------------------------------------------------------------
 */

/* A purchase of two SKUs, paid for, in the order of the log: its shard's topics, then the SKUs'. */
static void add_purchase(void) {
    static struct cart_line lines[] = {{.sku = STR("TEA"), .quantity = 1}, {.sku = STR("POT"), .quantity = 1}};
    struct event opened = {.type = EVENT_CART_OPENED}, checked_out = {.type = EVENT_CART_CHECKED_OUT},
                 placed = {.type = EVENT_ORDER_PLACED}, held = {.type = EVENT_ORDER_STOCK_RESERVED},
                 started = {.type = EVENT_ORDER_PAYMENT_STARTED}, requested = {.type = EVENT_PAYMENT_REQUESTED},
                 captured = {.type = EVENT_PAYMENT_CAPTURED}, done = {.type = EVENT_ORDER_CONFIRMED};
    checked_out.as.cart_checked_out.order = STR(ORDER);
    placed.as.order_placed.lines = (struct cart_line_array){lines, 2, 2};
    started.as.order_payment_started.payment = STR(PAYMENT);
    add(CART, "evt_opened", "cmd_open", NULL, opened);
    add(CART, "evt_out", "cmd_check_out", NULL, checked_out);
    add(ORDER, "evt_placed", "cmd_a", "evt_out", placed);
    add("sku_TEA", "evt_tea", "cmd_b", "evt_placed", reserved(ORDER));
    add("sku_TEA", "evt_other", "cmd_o", "evt_elsewhere", reserved("ord_01JD0000000000000000000003.1"));
    add("sku_POT", "evt_pot", "cmd_c", "evt_tea", reserved(ORDER));
    add("sku_CUP", "evt_cup", "cmd_d", NULL, received("main", 1, 1));
    add(ORDER, "evt_held", "cmd_e", "evt_pot", held);
    add(ORDER, "evt_started", "cmd_e", "evt_pot", started);
    add(PAYMENT, "evt_requested", "cmd_f", "evt_started", requested);
    add(PAYMENT, "evt_captured", "cmd_g", "evt_requested", captured);
    add(ORDER, "evt_done", "cmd_h", "evt_captured", done);
    add("sku_TEA", "evt_confirmed", "cmd_i", "evt_done", confirmed(ORDER));
}

static bool is_stock(size_t index) {
    return strncmp(fixture.streams[index], "sku_", 4) == 0;
}

static void ask_story(const char *stream, bool json) {
    struct why_story story;
    struct err_info info;
    why_story_init(&story, str_of_cstr(stream), json);
    for (size_t i = 0; i < fixture.count; i++) {
        if (!is_stock(i)) {
            assert_int_equal(why_story_record(&story, &fixture.records[i], &info), ERR_NONE);
        }
    }
    for (size_t i = 0; i < fixture.count; i++) {
        if (is_stock(i)) {
            assert_int_equal(why_story_stock_record(&story, &fixture.records[i], &info), ERR_NONE);
        }
    }
    assert_false(why_story_has_sku(&story, STR("CUP")));
    why_story_write(&story, &fixture.out);
    why_story_release(&story);
}

static void assert_line(size_t line, const char *event_id, int because_of) {
    const json_t *meta = json_object_get(json_object_get(fixture.lines[line], "event"), "meta");
    const char *found = json_string_value(json_object_get(meta, "event_id"));
    if (found == NULL || strcmp(found, event_id) != 0) {
        fail_msg("line %zu is of %s, not %s", line, found, event_id);
    }
    assert_int_equal(json_integer_value(json_object_get(fixture.lines[line], "number")), line + 1);
    assert_int_equal(json_integer_value(json_object_get(fixture.lines[line], "because_of")), because_of);
}

static void an_order_is_traced_back_over_cart_skus_and_payment(void **state) {
    (void)state;
    add_purchase();
    ask_story(ORDER, true);
    read_lines();
    assert_int_equal(fixture.line_count, 10);
    assert_line(0, "evt_out", 0);
    assert_line(1, "evt_placed", 1);
    assert_line(2, "evt_tea", 2);
    assert_line(3, "evt_pot", 3);
    assert_line(4, "evt_held", 4);
    assert_line(5, "evt_started", 4);
    assert_line(6, "evt_requested", 6);
    assert_line(7, "evt_captured", 7);
    assert_line(8, "evt_done", 8);
    assert_has(9, "stream", "\"" ORDER "\"");
    assert_has(9, "version", "4");
    assert_has(9, "events", "9");
    assert_has(9, "streams", "5");
    assert_has(9, "commands", "1");
    const json_t *order = json_object_get(fixture.lines[9], "state");
    assert_string_equal(json_string_value(json_object_get(order, "status")), "confirmed");
}

static void a_payment_is_traced_back_no_further_than_to_what_caused_it(void **state) {
    (void)state;
    add_purchase();
    ask_story(PAYMENT, true);
    read_lines();
    assert_int_equal(fixture.line_count, 8); /* all but evt_held, which caused nothing, and evt_done */
    assert_line(4, "evt_started", 4);
    assert_line(6, "evt_captured", 6);
    assert_has(7, "stream", "\"" PAYMENT "\"");
}

static void a_cause_stands_before_its_effect_where_clocks_disagree(void **state) {
    (void)state;
    struct event placed = {.type = EVENT_ORDER_PLACED}, checked_out = {.type = EVENT_CART_CHECKED_OUT},
                 opened = {.type = EVENT_CART_OPENED};
    add(CART, "evt_opened", "cmd_open", NULL, opened);
    add(CART, "evt_out", "cmd_check_out", NULL, checked_out);
    fixture.now_us -= 10000000;
    add(ORDER, "evt_placed", "cmd_a", "evt_out", placed);
    ask_story(ORDER, true);
    read_lines();
    assert_int_equal(fixture.line_count, 3);
    assert_line(0, "evt_out", 0);
    assert_line(1, "evt_placed", 1);
}

static void the_story_as_text_names_the_number_of_each_cause(void **state) {
    (void)state;
    add_purchase();
    ask_story(ORDER, false);
    buf_byte(&fixture.out, '\0');
    static const char *const parts[] = {
        "   1  2026-01-01T00:00:02.000000Z  CartCheckedOut           of " CART
        ", version 2; by anonymous, who asked with cmd_check_out  {\"",
        "OrderPlaced              of " ORDER ", version 1; by system, because of 1  {\"",
        "at version 4 (2026-01-01T00:00:12.000000Z), by 9 events of 5 streams; commands from outside: 1\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (strstr(fixture.out.data, parts[i]) == NULL) {
            fail_msg("%s is missing in\n%s", parts[i], fixture.out.data);
        }
    }
}

static void a_story_cannot_forge_lines_or_command_a_terminal(void **state) {
    (void)state;
    struct event opened = {.type = EVENT_CART_OPENED};
    opened.as.cart_opened.currency = STR("\xc2\x9b\n");
    add(CART, "evt_\n1", "cmd_\x1b", "evt_\x1b", opened);
    ask_story(CART, false);
    buf_byte(&fixture.out, '\0');
    assert_non_null(strstr(fixture.out.data, "; by system, because of evt_\\u001b, which was not found  {"));
    assert_null(strstr(fixture.out.data, "\xc2\x9b"));
    assert_null(strchr(fixture.out.data, '\x1b'));
}

static void too_many_events_are_refused(void **state) {
    (void)state;
    struct why_story story;
    struct err_info info = {0};
    struct event opened = {.type = EVENT_CART_OPENED};
    add("cart_" ULID, "evt_1", "cmd_1", NULL, opened);
    why_story_init(&story, STR(ORDER), true);
    enum err err = ERR_NONE;
    size_t taken = 0;
    while (err == ERR_NONE) { /* the same one again: of another stream than the asked one no chain is checked */
        err = why_story_record(&story, &fixture.records[0], &info);
        taken += err == ERR_NONE;
    }
    assert_int_equal(err, ERR_TOO_LARGE);
    assert_int_equal(taken, STORY_EVENTS_MAX);
    why_story_release(&story);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_sku_shows_what_changed_its_figures_and_why),
        TEST(the_text_says_the_same),
        TEST(words_of_the_log_cannot_forge_lines_or_command_a_terminal),
        TEST(a_broken_chain_and_a_sku_that_is_not_there_are_told_apart),
        TEST(an_order_is_traced_back_over_cart_skus_and_payment),
        TEST(a_payment_is_traced_back_no_further_than_to_what_caused_it),
        TEST(a_cause_stands_before_its_effect_where_clocks_disagree),
        TEST(the_story_as_text_names_the_number_of_each_cause),
        TEST(a_story_cannot_forge_lines_or_command_a_terminal),
        TEST(too_many_events_are_refused),
    };
    return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
