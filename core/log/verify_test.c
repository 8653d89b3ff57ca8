/* Hand-made histories, each broken in one way: the check finds that way, and nothing else. Long because each way has a
 * test of its own. */
#include "core/log/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/shard.h"
#include "core/log/record.h"
#include "gen/codec.h"

enum { SHARDS = 4, VIOLATIONS_MAX = 16, STREAMS_MAX = 8 };

/* The newest of a stream, as a writer knows it. */
struct writer {
    struct str stream;
    int64_t version;
    int64_t occurred_at;
    uint8_t hash[CHAIN_HASH_BYTES];
};

struct world {
    struct verify *verify;
    struct arena arena;
    struct writer writers[STREAMS_MAX];
    int64_t next_offset;
    int found;
    char rules[VIOLATIONS_MAX][16];
    char texts[VIOLATIONS_MAX][512];
    struct violation last;
};

static void on_violation(void *context, const struct violation *violation) {
    struct world *world = context;
    assert_true(world->found < VIOLATIONS_MAX);
    snprintf(world->rules[world->found], sizeof world->rules[0], "%s", violation->rule);
    snprintf(world->texts[world->found], sizeof world->texts[0], "%s", violation->text);
    world->found++;
    world->last = *violation;
}

static int setup(void **state) {
    static struct world world;
    world = (struct world){.verify = verify_new(SHARDS, on_violation, &world)};
    arena_init(&world.arena, 16 << 20);
    *state = &world;
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    verify_free(world->verify);
    arena_release(&world->arena);
    return 0;
}

static struct writer *writer_of(struct world *world, struct str stream) {
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        struct writer *writer = &world->writers[i];
        if (str_is_empty(writer->stream) || str_equal(writer->stream, stream)) {
            writer->stream = stream;
            return writer;
        }
    }
    fail_msg("too many streams");
    return NULL;
}

/* An event of the stream, as it must be next. */
static struct event next(struct world *world, struct str stream, uint16_t type) {
    struct writer *writer = writer_of(world, stream);
    struct event event = {.type = type};
    event.meta = (struct event_meta){
        .event_id = arena_printf(&world->arena, "evt_%d", (int)world->next_offset),
        .stream = stream,
        .version = writer->version + 1,
        .occurred_at = 1000,
        .command_id = STR("cmd_1"),
        .correlation_id = STR("cmd_1"),
        .causation_id = STR("cmd_1"),
        .actor = STR("system"),
    };
    memcpy(event.meta.prev_hash, writer->hash, sizeof writer->hash);
    return event;
}

static void feed(struct world *world, enum log_topic topic, int32_t partition, struct str key, struct str value) {
    struct log_record record = {
        .topic = "test", .partition = partition, .offset = world->next_offset++, .key = key, .value = value};
    verify_record(world->verify, topic, &record);
}

static void append_at(struct world *world, const struct event *event, enum log_topic topic, int32_t partition,
                      struct str key) {
    struct buf buf;
    buf_init(&buf, RECORD_MAX_BYTES);
    event_record_write(&buf, event);
    feed(world, topic, partition, key, buf_text(&buf));
    struct writer *writer = writer_of(world, event->meta.stream);
    writer->version = event->meta.version;
    chain_hash(buf_text(&buf), writer->hash);
    buf_release(&buf);
}

static void append(struct world *world, const struct event *event) {
    struct str stream = event->meta.stream;
    enum log_topic topic = log_topic_of_family(str_of_cstr(event_info(event->type)->family));
    append_at(world, event, topic, shard_of_stream(stream, SHARDS), shard_key(stream));
}

static void assert_sound(const struct world *world) {
    if (world->found > 0) {
        fail_msg("%d found, the first: %s: %s", world->found, world->rules[0], world->texts[0]);
    }
}

/* Exactly one violation of the rule, whose text has `words` in it. */
static void assert_found(const struct world *world, const char *rule, const char *words) {
    if (world->found != 1 || strcmp(world->rules[0], rule) != 0 || strstr(world->texts[0], words) == NULL) {
        fail_msg("wanted %s: ... %s; found %d, the first: %s: %s", rule, words, world->found, world->rules[0],
                 world->texts[0]);
    }
}

/* ---- history --------------------------------------------------------------------------------------------------------
 */

#define CART STR("cart_01JD0000000000000000000002")

static struct event reopened(struct world *world) {
    return next(world, CART, EVENT_CART_REOPENED);
}

static void append_carts(struct world *world, int count) {
    for (int i = 0; i < count; i++) {
        struct event event = reopened(world);
        append(world, &event);
    }
}

static void a_sound_history_has_no_violations(void **state) {
    struct world *world = *state;
    append_carts(world, 10);
    assert_sound(world);
    struct verify_summary summary = verify_summary(world->verify);
    assert_int_equal(summary.records[TOPIC_CARTS], 10);
    assert_int_equal(summary.streams, 1);
    assert_int_equal(summary.violations, 0);
}

static void a_gap_is_found_once(void **state) {
    struct world *world = *state;
    append_carts(world, 2);
    struct event event = reopened(world);
    event.meta.version = 5;
    append(world, &event);
    append_carts(world, 3);
    assert_found(world, "history", "version 5 stands after version 2");
    assert_int_equal(world->last.offset, 2);
    assert_int_equal(world->last.topic, TOPIC_CARTS);
}

static void a_changed_record_is_found_where_the_next_one_stands(void **state) {
    struct world *world = *state;
    append_carts(world, 2);
    world->writers[0].hash[0] ^= 1;
    append_carts(world, 2);
    assert_found(world, "history", "does not carry the hash");
    assert_int_equal(world->last.offset, 2);
}

static void time_that_goes_back_is_found(void **state) {
    struct world *world = *state;
    append_carts(world, 1);
    struct event event = reopened(world);
    event.meta.occurred_at = 999;
    append(world, &event);
    assert_found(world, "history", "1 us before");
}

static void an_event_id_that_stands_twice_in_a_stream_is_found(void **state) {
    struct world *world = *state;
    struct event first = reopened(world);
    append(world, &first);
    struct event second = reopened(world);
    second.meta.event_id = first.meta.event_id;
    append(world, &second);
    assert_found(world, "history", "stands in the stream twice");
}

/* ---- records --------------------------------------------------------------------------------------------------------
 */

static void a_record_that_is_no_event_is_found(void **state) {
    struct world *world = *state;
    feed(world, TOPIC_CARTS, 0, STR("key"), STR("no event"));
    assert_found(world, "record", "without a schema frame");
}

static void an_event_of_another_family_is_found(void **state) {
    struct world *world = *state;
    struct event event = reopened(world);
    append_at(world, &event, TOPIC_ORDERS, shard_of_stream(CART, SHARDS), shard_key(CART));
    assert_found(world, "record", "of the family carts");
}

static void an_event_in_another_partition_is_found(void **state) {
    struct world *world = *state;
    struct event event = reopened(world);
    append_at(world, &event, TOPIC_CARTS, (shard_of_stream(CART, SHARDS) + 1) % SHARDS, shard_key(CART));
    assert_found(world, "record", "the stream's shard is");
}

static void an_event_under_another_key_is_found(void **state) {
    struct world *world = *state;
    struct event event = reopened(world);
    append_at(world, &event, TOPIC_CARTS, shard_of_stream(CART, SHARDS), CART);
    assert_found(world, "record", "not the stream's shard key");
}

/* ---- stock ----------------------------------------------------------------------------------------------------------
 */

#define SKU STR("sku_MUG-1")

static void receive(struct world *world, const char *location, int64_t quantity, int64_t on_hand) {
    struct event event = next(world, SKU, EVENT_STOCK_RECEIVED);
    event.as.stock_received = (struct stock_received){str_of_cstr(location), quantity, on_hand, false, {0}};
    append(world, &event);
}

static void adjust(struct world *world, int64_t delta, int64_t on_hand) {
    struct event event = next(world, SKU, EVENT_STOCK_ADJUSTED);
    event.as.stock_adjusted = (struct stock_adjusted){STR("main"), delta, on_hand, STR("count")};
    append(world, &event);
}

static void hold(struct world *world, const char *owner, int64_t quantity, int64_t available) {
    struct stock_allocation allocation = {STR("main"), quantity};
    struct event event = next(world, SKU, EVENT_STOCK_RESERVED);
    event.as.stock_reserved = (struct stock_reserved){str_of_cstr(owner), quantity, {&allocation, 1, 1}, available};
    append(world, &event);
}

static void let_go(struct world *world, const char *owner, int64_t quantity, int64_t available) {
    struct stock_allocation allocation = {STR("main"), quantity};
    struct event event = next(world, SKU, EVENT_RESERVATION_RELEASED);
    event.as.reservation_released = (struct reservation_released){
        str_of_cstr(owner), quantity, {&allocation, quantity != 0, 1}, STR("order_cancelled"), available};
    append(world, &event);
}

static void confirm(struct world *world, const char *owner, int64_t quantity) {
    struct event event = next(world, SKU, EVENT_RESERVATION_CONFIRMED);
    event.as.reservation_confirmed = (struct reservation_confirmed){str_of_cstr(owner), quantity};
    append(world, &event);
}

static void refuse(struct world *world, const char *owner, int64_t available) {
    struct event event = next(world, SKU, EVENT_STOCK_RESERVATION_REFUSED);
    event.as.stock_reservation_refused =
        (struct stock_reservation_refused){str_of_cstr(owner), 1, available, STR("insufficient_stock")};
    append(world, &event);
}

static void transfer(struct world *world, int64_t quantity, int64_t from_on_hand, int64_t to_on_hand) {
    struct event event = next(world, SKU, EVENT_STOCK_TRANSFERRED);
    event.as.stock_transferred =
        (struct stock_transferred){STR("main"), STR("shop"), quantity, from_on_hand, to_on_hand};
    append(world, &event);
}

static void sound_stock_has_no_violations(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_A.1", 4, 6);
    hold(world, "ord_B.1", 6, 0);
    refuse(world, "ord_C.1", 0);
    confirm(world, "ord_A.1", 4);
    let_go(world, "ord_B.1", 6, 6);
    let_go(world, "ord_A.1", 4, 10);
    let_go(world, "ord_D.1", 0, 10);
    refuse(world, "ord_D.1", 10);
    adjust(world, -3, 7);
    receive(world, "shop", 5, 5);
    transfer(world, 7, 0, 12);
    assert_sound(world);
    assert_int_equal(verify_summary(world->verify).reservations, 4);
}

static void units_that_do_not_add_up_are_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    receive(world, "main", 10, 21);
    assert_found(world, "stock", "10 on hand and 10 more do not make 21");
}

static void an_oversold_location_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_A.1", 8, 2);
    hold(world, "ord_B.1", 3, -1);
    assert_found(world, "stock", "10 on hand, 11 reserved");
}

static void a_count_that_goes_below_what_is_held_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_A.1", 8, 2);
    adjust(world, -5, 5);
    assert_found(world, "stock", "5 on hand, 8 reserved");
}

static void units_lost_in_a_transfer_are_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    transfer(world, 4, 6, 3);
    assert_found(world, "stock", "shop: 0 on hand and 4 more do not make 3");
}

static void a_wrong_number_available_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_A.1", 4, 7);
    assert_found(world, "stock", "says that 7 are available; it is 6");
}

static void a_hold_that_is_taken_twice_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_A.1", 1, 9);
    hold(world, "ord_A.1", 1, 8);
    assert_found(world, "hold", "takes units, but its hold is held");
}

static void a_hold_that_is_released_twice_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_B.1", 1, 9);
    hold(world, "ord_A.1", 1, 8);
    let_go(world, "ord_A.1", 1, 9);
    let_go(world, "ord_A.1", 1, 10);
    assert_found(world, "hold", "released twice");
}

static void a_release_of_other_units_than_were_taken_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_A.1", 3, 7);
    let_go(world, "ord_A.1", 2, 9);
    assert_found(world, "hold", "other than the 3");
}

static void a_release_of_units_never_taken_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    hold(world, "ord_B.1", 5, 5);
    let_go(world, "ord_A.1", 2, 7);
    assert_found(world, "hold", "that it never took");
}

static void a_confirmation_of_what_is_not_held_is_found(void **state) {
    struct world *world = *state;
    confirm(world, "ord_A.1", 2);
    assert_found(world, "hold", "is confirmed, but its hold was never held");
}

static void a_hold_behind_a_tombstone_is_found(void **state) {
    struct world *world = *state;
    receive(world, "main", 10, 10);
    let_go(world, "ord_A.1", 0, 10);
    hold(world, "ord_A.1", 1, 9);
    assert_found(world, "hold", "takes units, but its hold is released");
}

/* ---- money ----------------------------------------------------------------------------------------------------------
 */

#define PAYMENT STR("pay_01JD0000000000000000000002.1.1")

static struct money euros(int64_t minor) {
    return (struct money){minor, STR("EUR")};
}

static void ask(struct world *world, int64_t minor) {
    struct event event = next(world, PAYMENT, EVENT_PAYMENT_REQUESTED);
    event.as.payment_requested = (struct payment_requested){STR("ord_01JD0000000000000000000002.1"), euros(minor),
                                                            STR("test"), STR("approve"), STR("pay.charge")};
    append(world, &event);
}

static void authorize(struct world *world, int64_t minor) {
    struct event event = next(world, PAYMENT, EVENT_PAYMENT_AUTHORIZED);
    event.as.payment_authorized = (struct payment_authorized){euros(minor), STR("ref")};
    append(world, &event);
}

static void capture_money(struct world *world, struct money money) {
    struct event event = next(world, PAYMENT, EVENT_PAYMENT_CAPTURED);
    event.as.payment_captured = (struct payment_captured){money, STR("ref")};
    append(world, &event);
}

static void capture(struct world *world, int64_t minor) {
    capture_money(world, euros(minor));
}

static void ask_refund_as(struct world *world, int32_t number, int64_t minor, const char *intent) {
    struct event event = next(world, PAYMENT, EVENT_REFUND_REQUESTED);
    event.as.refund_requested = (struct refund_requested){
        .refund = number, .amount = euros(minor), .reason = STR("request"), .intent = str_of_cstr(intent)};
    append(world, &event);
}

static void ask_refund(struct world *world, int32_t number, int64_t minor) {
    char intent[32];
    snprintf(intent, sizeof intent, "pay.refund.%d", number);
    ask_refund_as(world, number, minor, intent);
}

static void refund(struct world *world, int32_t number, int64_t minor) {
    struct event event = next(world, PAYMENT, EVENT_PAYMENT_REFUNDED);
    event.as.payment_refunded = (struct payment_refunded){number, euros(minor), STR("ref")};
    append(world, &event);
}

static void fail_refund(struct world *world, int32_t number, int64_t minor) {
    struct event event = next(world, PAYMENT, EVENT_REFUND_FAILED);
    event.as.refund_failed = (struct refund_failed){number, euros(minor), STR("code"), STR("words")};
    append(world, &event);
}

static void sound_money_has_no_violations(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    authorize(world, 1000);
    capture(world, 900);
    ask_refund(world, 1, 500);
    fail_refund(world, 1, 500);
    ask_refund(world, 2, 400);
    refund(world, 1, 500); /* came through after all */
    refund(world, 2, 400);
    assert_sound(world);
}

static void dispute(struct world *world, const char *name, int64_t minor) {
    struct event event = next(world, PAYMENT, EVENT_PAYMENT_DISPUTED);
    event.as.payment_disputed =
        (struct payment_disputed){.dispute = str_of_cstr(name), .amount = euros(minor), .reason = STR("fraudulent")};
    append(world, &event);
}

static void end_dispute(struct world *world, const char *name, int64_t minor, const char *outcome) {
    struct event event = next(world, PAYMENT, EVENT_DISPUTE_CLOSED);
    event.as.dispute_closed = (struct dispute_closed){str_of_cstr(name), euros(minor), str_of_cstr(outcome)};
    append(world, &event);
}

static void sound_disputes_have_no_violations(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    dispute(world, "early", 100); /* told of before the capture */
    capture(world, 1000);
    ask_refund(world, 1, 500);
    dispute(world, "dp", 900); /* of what is given back as well: banks may */
    end_dispute(world, "early", 100, "lost");
    end_dispute(world, "dp", 900, "won");
    ask_refund(world, 2, 400);
    assert_sound(world);
}

static void a_refund_of_what_a_dispute_holds_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    dispute(world, "dp", 600);
    ask_refund(world, 1, 401);
    assert_found(world, "money", "is of money that a dispute holds");
}

static void a_refund_of_what_a_dispute_took_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    dispute(world, "dp", 600);
    end_dispute(world, "dp", 600, "lost");
    ask_refund(world, 1, 401);
    assert_found(world, "money", "is of money that a dispute holds");
}

static void more_contested_than_was_taken_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 800);
    dispute(world, "dp", 801);
    assert_found(world, "money", "801 contested of 800 taken");
}

static void a_dispute_that_begins_twice_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    dispute(world, "dp", 100);
    dispute(world, "dp", 100);
    assert_found(world, "money", "the dispute dp is opened twice");
}

static void a_dispute_that_ends_twice_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    dispute(world, "dp", 100);
    end_dispute(world, "dp", 100, "won");
    end_dispute(world, "dp", 100, "lost");
    assert_found(world, "money", "the dispute dp ends, and was not open");
}

static void a_dispute_that_ends_over_another_amount_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    dispute(world, "dp", 100);
    end_dispute(world, "dp", 99, "lost");
    assert_found(world, "money", "ends over 99, and was opened over 100");
}

static void a_dispute_that_ends_neither_way_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    dispute(world, "dp", 100);
    end_dispute(world, "dp", 100, "drawn");
    assert_found(world, "money", "is neither won nor lost");
}

static void a_charge_that_captures_at_once_is_sound(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    assert_sound(world);
}

static void a_second_capture_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    capture(world, 1000);
    assert_found(world, "money", "captured a second time");
}

static void a_capture_of_more_than_was_authorized_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    authorize(world, 800);
    capture(world, 801);
    assert_found(world, "money", "801 captured, 800 authorized");
}

static void an_authorization_of_more_than_was_asked_for_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    authorize(world, 1001);
    assert_found(world, "money", "1001 authorized, 1000 asked for");
}

static void refunds_beyond_what_was_captured_are_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    ask_refund(world, 1, 600);
    refund(world, 1, 600);
    ask_refund(world, 2, 401);
    assert_found(world, "money", "600 refunded and 401 pending of 1000 captured");
}

static void a_refund_that_is_given_twice_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    ask_refund(world, 1, 300);
    refund(world, 1, 300);
    refund(world, 1, 300);
    assert_found(world, "money", "refund 1 is given back twice");
}

static void a_refund_that_nobody_asked_for_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    refund(world, 7, 300);
    assert_found(world, "money", "refund 7 was never requested");
}

static void an_intent_that_is_used_for_two_effects_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture(world, 1000);
    ask_refund_as(world, 1, 100, "pay.charge");
    assert_found(world, "money", "the intent pay.charge was used before");
}

static void another_currency_is_found(void **state) {
    struct world *world = *state;
    ask(world, 1000);
    capture_money(world, (struct money){1000, STR("USD")});
    assert_found(world, "money", "an amount in USD, the payment is in EUR");
}

/* ---- outcomes -------------------------------------------------------------------------------------------------------
 */

static void record_outcome(struct world *world, const char *command, enum outcome_status status, int64_t version) {
    struct outcome outcome = {.command_id = str_of_cstr(command),
                              .status = status,
                              .stream = CART,
                              .version = version,
                              .reply_partition = (int32_t)world->next_offset % 3,
                              .recorded_at = world->next_offset};
    struct buf buf;
    buf_init(&buf, RECORD_MAX_BYTES);
    frame_write(&buf, OUTCOME_SCHEMA_ID);
    outcome_encode(&buf, &outcome);
    feed(world, TOPIC_OUTCOMES, 0, outcome.command_id, buf_text(&buf));
    buf_release(&buf);
}

static void sound_outcomes_have_no_violations(void **state) {
    struct world *world = *state;
    record_outcome(world, "cmd_A", OUTCOME_STATUS_PENDING, 1);
    record_outcome(world, "cmd_B", OUTCOME_STATUS_REJECTED, 0);
    record_outcome(world, "cmd_A", OUTCOME_STATUS_ACCEPTED, 3);
    assert_sound(world);
    assert_int_equal(verify_summary(world->verify).outcomes, 2);
}

static void an_outcome_that_changes_is_found(void **state) {
    struct world *world = *state;
    record_outcome(world, "cmd_A", OUTCOME_STATUS_REJECTED, 1);
    record_outcome(world, "cmd_A", OUTCOME_STATUS_ACCEPTED, 1);
    assert_found(world, "outcome", "recorded as accepted after it was recorded as rejected");
}

static void an_outcome_that_is_recorded_twice_is_found(void **state) {
    struct world *world = *state;
    record_outcome(world, "cmd_A", OUTCOME_STATUS_ACCEPTED, 1);
    record_outcome(world, "cmd_A", OUTCOME_STATUS_ACCEPTED, 1);
    assert_found(world, "outcome", "the same once more");
}

static void an_outcome_that_becomes_pending_again_is_found(void **state) {
    struct world *world = *state;
    record_outcome(world, "cmd_A", OUTCOME_STATUS_ACCEPTED, 1);
    record_outcome(world, "cmd_A", OUTCOME_STATUS_PENDING, 1);
    assert_found(world, "outcome", "recorded as pending");
}

static void a_record_that_is_no_outcome_is_found(void **state) {
    struct world *world = *state;
    feed(world, TOPIC_OUTCOMES, 0, STR("key"), STR("\0\0\0\0\1x"));
    assert_found(world, "record", "it is no outcome");
}

/* ---- many
 * ------------------------------------------------------------------------------------------------------------ */

static void the_memory_of_many_streams_stays_below_what_is_promised(void **state) {
    struct world *world = *state;
    enum { STREAMS = 50000 };
    for (int i = 0; i < STREAMS; i++) {
        char stream[40];
        snprintf(stream, sizeof stream, "cart_%026d", i);
        world->writers[0] = (struct writer){.stream = str_of_cstr(stream)};
        struct event event = next(world, str_of_cstr(stream), EVENT_CART_REOPENED);
        append(world, &event);
    }
    assert_sound(world);
    struct verify_summary summary = verify_summary(world->verify);
    assert_int_equal(summary.streams, STREAMS);
    assert_in_range(summary.memory_bytes, 0, STREAMS * (175 + 45));
}

/* ---- categories -------------------------------------------------------------------------------------------------- */

#define TREE STR("cat_tree")

static struct category_details category(const char *slug, const char *parent) {
    return (struct category_details){.slug = str_of_cstr(slug),
                                     .title = STR("A category"),
                                     .has_parent = parent != NULL,
                                     .parent = parent == NULL ? STR("") : str_of_cstr(parent)};
}

static void define_category(struct world *world, const char *slug, const char *parent) {
    struct event event = next(world, TREE, EVENT_CATEGORY_DEFINED);
    event.as.category_defined.category = category(slug, parent);
    append(world, &event);
}

static void move_category(struct world *world, const char *slug, const char *from, const char *to) {
    struct event event = next(world, TREE, EVENT_CATEGORY_MOVED);
    event.as.category_moved = (struct category_moved){
        .category = category(slug, to), .has_from = from != NULL, .from = from == NULL ? STR("") : str_of_cstr(from)};
    append(world, &event);
}

static void change_category(struct world *world, const char *slug, const char *parent) {
    struct event event = next(world, TREE, EVENT_CATEGORY_CHANGED);
    event.as.category_changed.category = category(slug, parent);
    append(world, &event);
}

static void remove_category(struct world *world, const char *slug) {
    struct event event = next(world, TREE, EVENT_CATEGORY_REMOVED);
    event.as.category_removed.slug = str_of_cstr(slug);
    append(world, &event);
}

/* a, in it b, in it c, ... h: as deep as may be. */
static void define_eight(struct world *world) {
    static const char *const slugs[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (size_t i = 0; i < ARRAY_LENGTH(slugs); i++) {
        define_category(world, slugs[i], i == 0 ? NULL : slugs[i - 1]);
    }
}

static void categories_come_move_and_go(void **state) {
    struct world *world = *state;
    define_eight(world);
    change_category(world, "c", "b");
    move_category(world, "h", "g", "a");
    remove_category(world, "h");
    remove_category(world, "g");
    define_category(world, "g", NULL);
    move_category(world, "f", "e", "g");
    assert_sound(world);
}

static void a_category_in_itself_is_found(void **state) {
    struct world *world = *state;
    define_eight(world);
    move_category(world, "b", "a", "d");
    assert_found(world, "tree", "b stands in itself");
}

static void a_category_in_what_is_not_there_is_found(void **state) {
    struct world *world = *state;
    define_category(world, "a", NULL);
    remove_category(world, "a");
    define_category(world, "b", "a");
    assert_found(world, "tree", "b stands in what is not there");
}

static void a_category_deeper_than_eight_is_found(void **state) {
    struct world *world = *state;
    define_eight(world);
    define_category(world, "i", "h");
    assert_found(world, "tree", "i stands deeper than 8");
}

static void a_category_that_goes_while_another_stands_in_it_is_found(void **state) {
    struct world *world = *state;
    define_category(world, "a", NULL);
    define_category(world, "b", "a");
    remove_category(world, "a");
    assert_found(world, "tree", "a is removed, and 1 stand in it");
}

static void a_category_that_comes_twice_is_found(void **state) {
    struct world *world = *state;
    define_category(world, "a", NULL);
    define_category(world, "a", NULL);
    assert_found(world, "tree", "a is defined, and is there already");
}

static void a_category_that_goes_twice_is_found(void **state) {
    struct world *world = *state;
    define_category(world, "a", NULL);
    remove_category(world, "a");
    remove_category(world, "a");
    assert_found(world, "tree", "a is removed, and is not there");
}

static void a_category_that_moves_from_elsewhere_or_by_a_change_is_found(void **state) {
    struct world *world = *state;
    define_category(world, "a", NULL);
    define_category(world, "b", "a");
    move_category(world, "b", NULL, NULL);
    assert_found(world, "tree", "b is moved from where it does not stand");
    world->found = 0;
    change_category(world, "b", "a");
    assert_found(world, "tree", "b is changed, and does not stand where that says");
}

/* ---- people --------------------------------------------------------------------------------------------------------
 */

#define IDN STR("idn_01JD0000000000000000000003")
#define ADA STR("cus_01JD0000000000000000000004")
#define BOB STR("cus_01JD0000000000000000000005")

static void claim(struct world *world, struct str customer, int64_t number) {
    struct event event = next(world, IDN, EVENT_IDENTITY_CLAIMED);
    event.as.identity_claimed = (struct identity_claimed){.customer = customer, .claim = number};
    append(world, &event);
}

static void release_claim(struct world *world, struct str customer, int64_t number) {
    struct event event = next(world, IDN, EVENT_IDENTITY_RELEASED);
    event.as.identity_released = (struct identity_released){.customer = customer, .claim = number};
    append(world, &event);
}

static void refuse_claim(struct world *world, struct str customer, struct str holder) {
    struct event event = next(world, IDN, EVENT_IDENTITY_CLAIM_REFUSED);
    event.as.identity_claim_refused = (struct identity_claim_refused){.customer = customer, .holder = holder};
    append(world, &event);
}

static void an_address_goes_from_hand_to_hand(void **state) {
    struct world *world = *state;
    claim(world, ADA, 3);
    refuse_claim(world, BOB, ADA);
    claim(world, ADA, 7);
    release_claim(world, ADA, 7);
    claim(world, BOB, 3);
    assert_sound(world);
}

static void an_address_that_two_have_is_found(void **state) {
    struct world *world = *state;
    claim(world, ADA, 3);
    claim(world, BOB, 3);
    assert_found(world, "claim", "claims what another has");
}

static void a_release_of_what_another_has_is_found(void **state) {
    struct world *world = *state;
    claim(world, ADA, 3);
    release_claim(world, BOB, 3);
    assert_found(world, "claim", "which is not held");
}

static void a_release_of_an_older_claim_is_found(void **state) {
    struct world *world = *state;
    claim(world, ADA, 3);
    claim(world, ADA, 7);
    release_claim(world, ADA, 3);
    assert_found(world, "claim", "which is not held");
}

static void a_refusal_for_who_has_it_not_is_found(void **state) {
    struct world *world = *state;
    claim(world, ADA, 3);
    release_claim(world, ADA, 3);
    refuse_claim(world, BOB, ADA);
    assert_found(world, "claim", "who has it not");
}

static void person_event(struct world *world, uint16_t type, int32_t number, int32_t other) {
    struct event event = next(world, ADA, type);
    if (type == EVENT_SESSION_OPENED) {
        event.as.session_opened.session = number;
    } else if (type == EVENT_SESSION_REFRESHED) {
        event.as.session_refreshed = (struct session_refreshed){.session = number, .generation = other};
    } else if (type == EVENT_SESSION_ENDED) {
        event.as.session_ended.session = number;
    } else if (type == EVENT_SESSIONS_ENDED) {
        event.as.sessions_ended = (struct sessions_ended){.before = number, .kept = other};
    } else if (type == EVENT_LOGIN_FAILED) {
        event.as.login_failed =
            (struct login_failed){.locked_until = event.meta.occurred_at + number, .within = other > 0};
    } else if (type == EVENT_CUSTOMER_PASSWORD_CHANGED) {
        event.as.customer_password_changed.how = number == 0   ? STR("changed")
                                                 : number == 1 ? STR("reset")
                                                               : STR("issued");
    }
    append(world, &event);
}

static void sessions_of_a_sound_life(struct world *world) {
    person_event(world, EVENT_SESSION_OPENED, 1, 0);
    person_event(world, EVENT_SESSION_OPENED, 2, 0);
    person_event(world, EVENT_SESSION_OPENED, 3, 0);
    person_event(world, EVENT_SESSION_REFRESHED, 1, 2);
    person_event(world, EVENT_SESSION_REFRESHED, 1, 3);
    person_event(world, EVENT_SESSION_ENDED, 3, 0);
    person_event(world, EVENT_SESSIONS_ENDED, 4, 2);
    person_event(world, EVENT_SESSION_REFRESHED, 2, 2);
}

static void sessions_of_a_sound_life_are_sound(void **state) {
    struct world *world = *state;
    sessions_of_a_sound_life(world);
    person_event(world, EVENT_SESSIONS_ENDED, 4, 2);
    assert_sound(world);
}

static void tokens_and_sessions_out_of_turn_are_found(void **state) {
    (void)state;
    static const struct {
        uint16_t type;
        int32_t number, other;
        const char *words;
    } rows[] = {
        {EVENT_SESSION_OPENED, 5, 0, "session 5 is opened after session 3"},
        {EVENT_SESSION_OPENED, 3, 0, "session 3 is opened after session 3"},
        {EVENT_SESSION_REFRESHED, 2, 2, "generation 2 of session 2 after generation 2"},
        {EVENT_SESSION_REFRESHED, 2, 4, "generation 4 of session 2 after generation 2"},
        {EVENT_SESSION_REFRESHED, 1, 4, "session 1 is refreshed, and is not open"},
        {EVENT_SESSION_REFRESHED, 3, 2, "session 3 is refreshed, and is not open"},
        {EVENT_SESSION_REFRESHED, 9, 1, "session 9 is refreshed, and is not open"},
        {EVENT_SESSION_ENDED, 1, 0, "session 1 ends, and is not open"},
        {EVENT_SESSION_ENDED, 3, 0, "session 3 ends, and is not open"},
        {EVENT_SESSIONS_ENDED, 4, 1, "session 1 is kept, and is not open"},
        {EVENT_SESSIONS_ENDED, 4, 4, "session 4 is kept, and is not open"},
        {EVENT_SESSIONS_ENDED, 3, 0, "those before 3 end, of 3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *world;
        setup(&world);
        sessions_of_a_sound_life(world);
        person_event(world, rows[i].type, rows[i].number, rows[i].other);
        assert_found(world, "session", rows[i].words);
        teardown(&world);
    }
}

static void a_session_that_is_opened_while_locked_is_found(void **state) {
    (void)state;
    static const struct {
        uint16_t type; /* what happens to who is locked out */
        int32_t number;
        bool is_sound;
    } rows[] = {
        {EVENT_CUSTOMER_UNLOCKED, 0, true},         {EVENT_CUSTOMER_VERIFIED, 0, true},
        {EVENT_CUSTOMER_TOTP_ENDED, 0, true},       {EVENT_CUSTOMER_PASSWORD_CHANGED, 1, true},
        {EVENT_CUSTOMER_PASSWORD_CHANGED, 2, true}, {EVENT_CUSTOMER_PASSWORD_CHANGED, 0, false},
        {EVENT_CUSTOMER_MAILED, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *world;
        setup(&world);
        person_event(world, EVENT_LOGIN_FAILED, 60, 0);
        person_event(world, rows[i].type, rows[i].number, 0);
        person_event(world, EVENT_SESSION_OPENED, 1, 0);
        if (rows[i].is_sound) {
            assert_sound(world);
        } else {
            assert_found(world, "session", "while the account is locked");
        }
        teardown(&world);
    }
}

static void a_lock_within_sessions_keeps_nobody_from_logging_in(void **state) {
    struct world *world = *state;
    person_event(world, EVENT_LOGIN_FAILED, 60, 1);
    person_event(world, EVENT_SESSION_OPENED, 1, 0);
    assert_sound(world);
}

static void who_is_suspended_without_an_open_session_is_sound(void **state) {
    struct world *world = *state;
    sessions_of_a_sound_life(world);
    person_event(world, EVENT_SESSIONS_ENDED, 4, 0);
    person_event(world, EVENT_CUSTOMER_SUSPENDED, 0, 0);
    person_event(world, EVENT_LOGIN_FAILED, 60, 0);
    person_event(world, EVENT_CUSTOMER_ROLES_CHANGED, 0, 0);
    person_event(world, EVENT_CUSTOMER_MAILED, 0, 0);
    person_event(world, EVENT_CUSTOMER_CLAIM_REFUSED, 0, 0);
    person_event(world, EVENT_CUSTOMER_REINSTATED, 0, 0); /* unlocks as well */
    person_event(world, EVENT_SESSION_OPENED, 4, 0);
    person_event(world, EVENT_SESSIONS_ENDED, 5, 0);
    person_event(world, EVENT_CUSTOMER_SUSPENDED, 0, 0);
    person_event(world, EVENT_CUSTOMER_ERASURE_REQUESTED, 0, 0);
    person_event(world, EVENT_CUSTOMER_MAILED, 0, 0);
    person_event(world, EVENT_CUSTOMER_ERASED, 0, 0);
    assert_sound(world);
}

static void what_a_suspension_forbids_is_found(void **state) {
    (void)state;
    static const struct {
        uint16_t types[3];
        const char *words;
    } rows[] = {
        {{EVENT_SESSION_OPENED, EVENT_CUSTOMER_SUSPENDED}, "not all of his sessions were ended"},
        {{EVENT_CUSTOMER_SUSPENDED, EVENT_SESSION_OPENED}, "has another event"},
        {{EVENT_CUSTOMER_SUSPENDED, EVENT_CUSTOMER_PASSWORD_CHANGED}, "has another event"},
        {{EVENT_CUSTOMER_SUSPENDED, EVENT_CUSTOMER_EMAIL_CHANGED}, "has another event"},
        {{EVENT_CUSTOMER_SUSPENDED, EVENT_CUSTOMER_SUSPENDED}, "suspended again"},
        {{EVENT_CUSTOMER_REINSTATED}, "who was not suspended"},
        {{EVENT_CUSTOMER_SUSPENDED, EVENT_CUSTOMER_REINSTATED, EVENT_CUSTOMER_REINSTATED}, "who was not suspended"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *world;
        setup(&world);
        for (size_t j = 0; j < 3 && (j == 0 || rows[i].types[j] != 0); j++) {
            person_event(world, rows[i].types[j], 1, 0);
        }
        assert_found(world, "suspended", rows[i].words);
        teardown(&world);
    }
}

static void what_is_written_of_an_erased_customer_is_found(void **state) {
    (void)state;
    static const struct {
        uint16_t types[3];
        bool is_sound;
    } rows[] = {
        {{EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_MAILED, EVENT_CUSTOMER_ERASED}, true},
        {{EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_ERASED, EVENT_CUSTOMER_CLAIM_REFUSED}, true},
        {{EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_CLAIM_REFUSED, EVENT_CUSTOMER_ERASED}, true},
        {{EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_ERASED, EVENT_CUSTOMER_MAILED}, false},
        {{EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_ERASED, EVENT_CUSTOMER_ERASED}, false},
        {{EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_ERASED}, false},
        {{EVENT_CUSTOMER_ERASURE_REQUESTED, EVENT_CUSTOMER_PROFILE_CHANGED, EVENT_CUSTOMER_ERASED}, false},
        {{EVENT_CUSTOMER_MAILED, EVENT_CUSTOMER_ERASED, EVENT_CUSTOMER_CLAIM_REFUSED}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *world;
        setup(&world);
        for (size_t j = 0; j < 3; j++) {
            person_event(world, rows[i].types[j], 0, 0);
        }
        if (rows[i].is_sound) {
            assert_sound(world);
        } else {
            assert_found(world, "erased", "a customer who is");
        }
        teardown(&world);
    }
}

static const struct str an_order = {"ord_01J00000000000000000000001.1", 32};

/* Appends the event; its id. */
static struct str order_event(struct world *world, struct event event) {
    append(world, &event);
    return event.meta.event_id;
}

static void order_mailed(struct world *world, struct str cause) {
    struct event event = next(world, an_order, EVENT_ORDER_MAILED);
    event.as.order_mailed.cause = cause;
    append(world, &event);
}

static void the_mails_of_an_order_name_what_asked_for_them(void **state) {
    struct world *world = *state;
    struct str confirmed = order_event(world, next(world, an_order, EVENT_ORDER_CONFIRMED));
    order_mailed(world, confirmed);
    struct event asked = next(world, an_order, EVENT_ORDER_CONFIRMATION_REQUESTED);
    struct str again = order_event(world, asked);
    order_mailed(world, again);
    assert_sound(world);
}

static void a_mail_that_the_order_did_not_ask_for_is_found(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        void *of;
        setup(&of);
        struct world *world = of;
        struct str placed = order_event(world, next(world, an_order, EVENT_ORDER_PLACED));
        struct event others = next(world, STR("ord_01J00000000000000000000002.1"), EVENT_ORDER_CONFIRMED);
        struct str of_another = order_event(world, others);
        const struct str causes[] = {placed, of_another, STR("evt_none")};
        order_mailed(world, causes[i]);
        assert_found(world, "mail", "is no event of the order that asks for a mail");
        teardown(&of);
    }
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_sound_history_has_no_violations),
        TEST(a_gap_is_found_once),
        TEST(a_changed_record_is_found_where_the_next_one_stands),
        TEST(time_that_goes_back_is_found),
        TEST(an_event_id_that_stands_twice_in_a_stream_is_found),
        TEST(a_record_that_is_no_event_is_found),
        TEST(an_event_of_another_family_is_found),
        TEST(an_event_in_another_partition_is_found),
        TEST(an_event_under_another_key_is_found),
        TEST(categories_come_move_and_go),
        TEST(a_category_in_itself_is_found),
        TEST(a_category_in_what_is_not_there_is_found),
        TEST(a_category_deeper_than_eight_is_found),
        TEST(a_category_that_goes_while_another_stands_in_it_is_found),
        TEST(a_category_that_comes_twice_is_found),
        TEST(a_category_that_goes_twice_is_found),
        TEST(a_category_that_moves_from_elsewhere_or_by_a_change_is_found),
        TEST(sound_stock_has_no_violations),
        TEST(units_that_do_not_add_up_are_found),
        TEST(an_oversold_location_is_found),
        TEST(a_count_that_goes_below_what_is_held_is_found),
        TEST(units_lost_in_a_transfer_are_found),
        TEST(a_wrong_number_available_is_found),
        TEST(a_hold_that_is_taken_twice_is_found),
        TEST(a_hold_that_is_released_twice_is_found),
        TEST(a_release_of_other_units_than_were_taken_is_found),
        TEST(a_release_of_units_never_taken_is_found),
        TEST(a_confirmation_of_what_is_not_held_is_found),
        TEST(a_hold_behind_a_tombstone_is_found),
        TEST(sound_money_has_no_violations),
        TEST(a_charge_that_captures_at_once_is_sound),
        TEST(sound_disputes_have_no_violations),
        TEST(a_refund_of_what_a_dispute_holds_is_found),
        TEST(a_refund_of_what_a_dispute_took_is_found),
        TEST(more_contested_than_was_taken_is_found),
        TEST(a_dispute_that_begins_twice_is_found),
        TEST(a_dispute_that_ends_twice_is_found),
        TEST(a_dispute_that_ends_over_another_amount_is_found),
        TEST(a_dispute_that_ends_neither_way_is_found),
        TEST(a_second_capture_is_found),
        TEST(a_capture_of_more_than_was_authorized_is_found),
        TEST(an_authorization_of_more_than_was_asked_for_is_found),
        TEST(refunds_beyond_what_was_captured_are_found),
        TEST(a_refund_that_is_given_twice_is_found),
        TEST(a_refund_that_nobody_asked_for_is_found),
        TEST(an_intent_that_is_used_for_two_effects_is_found),
        TEST(another_currency_is_found),
        TEST(sound_outcomes_have_no_violations),
        TEST(an_outcome_that_changes_is_found),
        TEST(an_outcome_that_is_recorded_twice_is_found),
        TEST(an_outcome_that_becomes_pending_again_is_found),
        TEST(a_record_that_is_no_outcome_is_found),
        TEST(the_memory_of_many_streams_stays_below_what_is_promised),
        cmocka_unit_test_setup_teardown(an_address_goes_from_hand_to_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_two_have_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_release_of_what_another_has_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_release_of_an_older_claim_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_for_who_has_it_not_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(sessions_of_a_sound_life_are_sound, setup, teardown),
        cmocka_unit_test(tokens_and_sessions_out_of_turn_are_found),
        cmocka_unit_test(a_session_that_is_opened_while_locked_is_found),
        cmocka_unit_test_setup_teardown(a_lock_within_sessions_keeps_nobody_from_logging_in, setup, teardown),
        TEST(who_is_suspended_without_an_open_session_is_sound),
        cmocka_unit_test(what_a_suspension_forbids_is_found),
        cmocka_unit_test(what_is_written_of_an_erased_customer_is_found),
        TEST(the_mails_of_an_order_name_what_asked_for_them),
        cmocka_unit_test(a_mail_that_the_order_did_not_ask_for_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
