#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/handler/fake_log.h"
#include "core/handler/ids.h"
#include "core/log/stream_hash.h"

#define assert_str(actual, expected)                                                                                   \
    do {                                                                                                               \
        struct str actual_ = (actual), expected_ = (expected);                                                         \
        if (!str_equal(actual_, expected_)) {                                                                          \
            fail_msg("'%.*s' is not '%.*s'", STR_ARGS(actual_), STR_ARGS(expected_));                                  \
        }                                                                                                              \
    } while (0)

static int both_shards_are_ours(void **state) {
    struct fake_log *log = fake_log_new();
    fake_own(log, 0);
    fake_own(log, 1);
    *state = log;
    return 0;
}

static int both_are_ours_and_written_late(void **state) {
    int failed = both_shards_are_ours(state);
    ((struct fake_log *)*state)->writes_late = true;
    return failed;
}

static int log_ends(void **state) {
    fake_log_free(*state);
    return 0;
}

static struct command open_cart(struct fake_log *log, struct str cart, uint32_t number) {
    struct command command = fake_command(log, COMMAND_OPEN_CART, cart, number);
    command.as.open_cart.currency = STR("EUR");
    return command;
}

static struct command set_line(struct fake_log *log, struct str cart, uint32_t number, int64_t quantity) {
    struct command command = fake_command(log, COMMAND_SET_CART_LINE, cart, number);
    command.as.set_cart_line.sku = STR("A");
    command.as.set_cart_line.quantity = quantity;
    return command;
}

/* An open cart on the shard; its command is number 1. */
static struct str cart_opened_on(struct fake_log *log, int32_t shard) {
    struct str cart = fake_cart_on(log, shard);
    struct command open = open_cart(log, cart, 1);
    fake_send(log, &open);
    fake_run(log);
    return cart;
}

static int32_t sku_shard(void) {
    return shard_of_stream(STR(FAKE_SKU_STREAM), FAKE_SHARDS);
}

/* ---- one command --------------------------------------------------------------------------------------------------
 */

static void an_event_carries_who_asked_why_and_the_chain(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command set = set_line(log, cart, 2, 5);
    fake_send(log, &set);
    fake_run(log);

    struct event opened = fake_event(log, TOPIC_CARTS, 0, 0), updated = fake_event(log, TOPIC_CARTS, 0, 1);
    assert_int_equal(opened.meta.version, 1);
    assert_int_equal(updated.meta.version, 2);
    assert_str(updated.meta.stream, cart);
    assert_str(updated.meta.command_id, set.meta.command_id);
    assert_str(updated.meta.causation_id, set.meta.command_id);
    assert_str(updated.meta.correlation_id, set.meta.command_id);
    assert_str(updated.meta.actor, STR("alice"));
    assert_str(str_first(updated.meta.event_id, 4), STR("evt_"));
    assert_int_equal(updated.meta.occurred_at, set.meta.issued_at);
    uint8_t hash[CHAIN_HASH_BYTES], none[CHAIN_HASH_BYTES] = {0};
    chain_hash(log->partitions[TOPIC_CARTS][0].records[0].value, hash);
    assert_memory_equal(opened.meta.prev_hash, none, sizeof none);
    assert_memory_equal(updated.meta.prev_hash, hash, sizeof hash);
}

static void time_never_goes_back_within_a_stream(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command late = set_line(log, cart, 2, 5);
    late.meta.issued_at -= 1000000;
    fake_send(log, &late);
    fake_run(log);
    assert_int_equal(fake_event(log, TOPIC_CARTS, 0, 1).meta.occurred_at,
                     fake_event(log, TOPIC_CARTS, 0, 0).meta.occurred_at);
}

static void an_accepted_command_is_answered_with_state_and_position(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    assert_int_equal(log->replies, 1);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
    assert_int_equal(log->reply.version, 1);
    assert_str(log->reply.stream, cart);
    uint32_t schema_id;
    struct str avro;
    assert_true(frame_read(log->reply.resource, &schema_id, &avro));
    assert_int_equal(schema_id, CART_STATE_SCHEMA_ID);
    struct cart_state resource;
    assert_true(cart_state_decode(&log->arena, avro, &resource));
    assert_int_equal(resource.status, CART_STATUS_OPEN);
    struct position_pair pairs[POSITION_PAIRS_MAX];
    assert_int_equal(position_read(log->reply.position, pairs), 1);
    assert_true(pairs[0].hash == stream_hash(cart, TOPIC_CARTS));
    assert_int_equal(pairs[0].version, 1);
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), 1);
}

static void a_command_without_a_clients_key_gets_a_reply_alone(void **state) {
    struct fake_log *log = *state;
    struct command open = open_cart(log, fake_cart_on(log, 0), 1);
    open.meta.client_key = false;
    fake_send(log, &open);
    fake_run(log);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), 0);
}

static void an_unexpected_version_is_refused_before_deciding(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command set = set_line(log, cart, 2, 5);
    set.meta.has_expected_version = true;
    set.meta.expected_version = 2;
    fake_send(log, &set);
    fake_run(log);
    assert_str(log->reply.rejection, STR("version_mismatch"));
    assert_int_equal(fake_count(log, TOPIC_CARTS), 1);
}

/* Whichever he expects: else a version would tell him by trying that the stream is there. */
static void who_may_not_know_of_a_stream_expects_its_version_in_vain(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    for (int64_t expected = 0; expected < 3; expected++) {
        struct command set = set_line(log, cart, (uint32_t)(2 + expected), 11);
        set.meta.has_expected_version = expected > 0;
        set.meta.expected_version = expected;
        fake_send(log, &set);
        fake_run(log);
        assert_str(log->reply.rejection, expected > 0 ? STR("version_mismatch") : STR("unknown_cart"));
    }
    assert_int_equal(fake_count(log, TOPIC_CARTS), 1);
}

/* ---- repeated -----------------------------------------------------------------------------------------------------
 */

static void a_repeated_command_gets_the_first_answer_and_does_nothing(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command set = set_line(log, cart, 2, 5), more = set_line(log, cart, 3, 9);
    fake_send(log, &set);
    fake_run(log);
    struct outcome first = log->reply;
    fake_send(log, &more);
    fake_run(log);
    fake_send(log, &set);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_CARTS), 3);
    assert_int_equal(log->replies, 4);
    assert_true(log->reply.replayed && !first.replayed);
    assert_int_equal(log->reply.version, 2);
    assert_str(log->reply.resource, first.resource);
    assert_str(log->reply.position, first.position);
}

static void a_command_twice_in_one_batch_happens_once(void **state) {
    struct fake_log *log = *state;
    struct command open = open_cart(log, fake_cart_on(log, 0), 1);
    fake_send(log, &open);
    fake_send(log, &open);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_CARTS), 1);
    assert_int_equal(log->replies, 2);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
}

static void a_refusal_is_kept_and_given_again(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command refused = set_line(log, cart, 2, 13);
    fake_send(log, &refused);
    fake_run(log);
    assert_str(log->reply.rejection, STR("quantity_too_large"));
    assert_str(log->reply.pointer, STR("/quantity"));
    assert_int_equal(log->reply.skus.count, 1);
    /* Even after its shard has moved and its store was lost. */
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    fake_own(log, 0);
    fake_send(log, &refused);
    fake_run(log);
    assert_str(log->reply.rejection, STR("quantity_too_large"));
    assert_str(log->reply.pointer, STR("/quantity"));
    assert_true(log->reply.replayed);
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), 2);
}

static void another_request_under_the_same_id_is_refused_and_the_first_stays(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command other = set_line(log, cart, 1, 5);
    other.meta.request_hash = STR("other");
    fake_send(log, &other);
    fake_run(log);
    assert_str(log->reply.rejection, STR("idempotency_key_reused"));
    struct command again = open_cart(log, cart, 1);
    fake_send(log, &again);
    fake_run(log);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
}

static void a_command_older_than_the_window_is_refused(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command old = set_line(log, cart, 2, 5);
    log->now_us += log->engine.options.window_us + 1000000;
    fake_send(log, &old);
    fake_run(log);
    assert_str(log->reply.rejection, STR("command_expired"));
    assert_int_equal(fake_count(log, TOPIC_CARTS), 1);
}

static void the_window_forgets_what_is_too_old_to_be_repeated(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    log->now_us += log->engine.options.window_us + (int64_t)2 * 3600 * 1000000;
    struct command set = set_line(log, cart, 2, 5);
    fake_send(log, &set);
    fake_run(log);
    fake_write(log);
    uint64_t count;
    struct err_info info;
    assert_int_equal(store_count(log->stores[0], STORE_WINDOW, &count, &info), ERR_NONE);
    assert_int_equal(count, 1);
}

static void a_batch_that_is_dropped_leaves_no_trace_and_decides_alike_again(void **state) {
    struct fake_log *log = *state;
    struct command open = open_cart(log, fake_cart_on(log, 0), 1);
    fake_send(log, &open);
    int64_t next[FAKE_SHARDS];
    struct err_info info;
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    struct str first = arena_str_copy(&log->arena, log->engine.outbox.records.items[0].value);
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    assert_str(log->engine.outbox.records.items[0].value, first);
    uint64_t count;
    assert_int_equal(store_count(log->stores[0], STORE_STREAMS, &count, &info), ERR_NONE);
    assert_int_equal(count, 0);
}

static void the_next_batch_is_decided_on_top_of_the_one_on_its_way(void **state) {
    struct fake_log *log = *state;
    struct str cart = fake_cart_on(log, 0);
    struct command open = open_cart(log, cart, 1), set = set_line(log, cart, 2, 5);
    int64_t next[FAKE_SHARDS];
    struct err_info info;
    fake_send(log, &open);
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    fake_seal(log, next);
    fake_send(log, &set);
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    assert_int_equal(log->engine.sealed.replies.count, 1);
    assert_int_equal(log->engine.outbox.replies.count, 1);
    fake_land(log);
    fake_land_replies(log);
    assert_int_equal(log->reply.version, 1);
    fake_seal(log, next);
    fake_land(log);
    fake_land_replies(log);
    assert_int_equal(log->reply.version, 2);
    fake_write(log);
    assert_int_equal(store_progress(log->stores[0])->topics[TOPIC_CARTS].offset, 2); /* a marker lies between */
}

/* Nothing that the first batch brought out may be overwritten by the second, though it changed no store. */
static void a_batch_on_its_way_keeps_its_texts_whatever_is_decided_next(void **state) {
    struct fake_log *log = *state;
    struct command set = set_line(log, fake_cart_on(log, 0), 1, 5); /* of no cart: refused, without a key */
    set.meta.client_key = false;
    int64_t next[FAKE_SHARDS];
    struct err_info info;
    fake_send(log, &set);
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    fake_seal(log, next);
    assert_int_equal(log->engine.sealed.records.count, 0);
    for (uint32_t i = 0; i < 50; i++) {
        struct command open = open_cart(log, fake_cart_on(log, 0), 2 + i);
        fake_send(log, &open);
    }
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    fake_land(log);
    fake_land_replies(log);
    assert_str(log->reply.rejection, STR("unknown_cart"));
}

static void what_did_not_land_is_decided_again_by_whoever_takes_over(void **state) {
    struct fake_log *log = *state;
    struct command open = open_cart(log, fake_cart_on(log, 0), 1);
    fake_send(log, &open);
    int64_t next[FAKE_SHARDS];
    int64_t before[FAKE_SHARDS];
    memcpy(before, log->committed, sizeof before);
    struct err_info info;
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    fake_seal(log, next);
    engine_batch_failed(&log->engine);
    memcpy(log->committed, before, sizeof before);
    for (int32_t shard = 0; shard < FAKE_SHARDS; shard++) {
        engine_disown(&log->engine, shard);
        engine_own(&log->engine, shard, log->stores[shard]);
    }
    fake_run(log);
    assert_int_equal(log->reply.version, 1);
    assert_int_equal(fake_count(log, TOPIC_CARTS), 1);
}

/* ---- what follows -------------------------------------------------------------------------------------------------
 */

static struct command check_out(struct fake_log *log, struct str cart, uint32_t number) {
    return fake_command(log, COMMAND_CHECK_OUT_CART, cart, number);
}

static void a_check_out_whose_streams_are_all_ours_is_one_batch(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 1 - sku_shard());
    struct command command = check_out(log, cart, 2);
    fake_send(log, &command);
    fake_run(log);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
    assert_str(log->reply.stream, fake_order_of(&log->arena, cart));
    assert_int_equal(log->reply.version, 2);
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), 2); /* of opening and of checking out; none pending */
    assert_int_equal(fake_count(log, TOPIC_STOCK), 1);
    assert_int_equal(fake_count(log, TOPIC_COMMANDS), 2); /* no follow-up went through the topic */
    /* Order, cart and SKU: whoever waits for all three sees the whole purchase. */
    struct position_pair pairs[POSITION_PAIRS_MAX];
    assert_int_equal(position_read(log->reply.position, pairs), 3);
    assert_true(pairs[0].hash == stream_hash(log->reply.stream, TOPIC_ORDERS));
    assert_int_equal(pairs[0].version, 2);
}

static void causes_are_carried_from_event_to_event(void **state) {
    struct fake_log *log = *state;
    int32_t shard = 1 - sku_shard();
    struct str cart = cart_opened_on(log, shard);
    struct command command = check_out(log, cart, 2);
    fake_send(log, &command);
    fake_run(log);
    struct event checked_out = fake_event(log, TOPIC_CARTS, shard, 1), placed = fake_event(log, TOPIC_ORDERS, shard, 0),
                 reserved = fake_event(log, TOPIC_STOCK, sku_shard(), 0);
    assert_str(placed.meta.causation_id, checked_out.meta.event_id);
    assert_str(reserved.meta.causation_id, placed.meta.event_id);
    assert_str(reserved.meta.correlation_id, command.meta.command_id);
    assert_str(reserved.meta.actor, STR("alice"));
    assert_str(placed.meta.command_id, follow_up_id_of(&log->arena, checked_out.meta.event_id, 0, true));
    assert_int_equal(reserved.meta.occurred_at, checked_out.meta.occurred_at);
}

/* The cart's shard is ours, the SKU's belongs to another worker (a second log would be the same one). */
static struct command check_out_while_the_sku_is_anothers(struct fake_log *log, struct str *ret_cart) {
    *ret_cart = cart_opened_on(log, 1 - sku_shard());
    fake_disown(log, sku_shard());
    struct command command = check_out(log, *ret_cart, 2);
    fake_send(log, &command);
    fake_run(log);
    return command;
}

static void a_follow_up_for_anothers_shard_goes_through_the_log(void **state) {
    struct fake_log *log = *state;
    int32_t mine = 1 - sku_shard();
    struct str cart;
    struct command command = check_out_while_the_sku_is_anothers(log, &cart);
    assert_int_equal(log->replies, 1); /* of opening: the check-out waits */
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), 2);
    assert_int_equal(log->partitions[TOPIC_COMMANDS][sku_shard()].end, 2); /* ReserveStock and a marker */

    fake_disown(log, mine);
    fake_own(log, sku_shard());
    fake_run(log); /* the other worker decides and sends RecordReservations back */
    fake_disown(log, sku_shard());
    fake_own(log, mine);
    fake_run(log);
    assert_int_equal(log->replies, 2);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
    assert_str(log->reply.command_id, command.meta.command_id);
    assert_str(log->reply.stream, fake_order_of(&log->arena, cart));
}

static void a_follow_up_that_lies_in_the_log_twice_happens_once(void **state) {
    struct fake_log *log = *state;
    int32_t mine = 1 - sku_shard();
    struct str cart;
    (void)check_out_while_the_sku_is_anothers(log, &cart);
    fake_disown(log, mine);
    const struct fake_record sent = log->partitions[TOPIC_COMMANDS][sku_shard()].records[0];
    fake_append(log, TOPIC_COMMANDS, sku_shard(), sent.key, sent.value);
    fake_own(log, sku_shard());
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_STOCK), 1);
    assert_int_equal(log->engine.stats.repeated, 1);
    fake_append(log, TOPIC_COMMANDS, sku_shard(), sent.key, sent.value);
    fake_disown(log, sku_shard());
    fake_own(log, sku_shard()); /* the window comes back with a takeover */
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_STOCK), 1);
    assert_int_equal(log->engine.stats.repeated, 2);
}

/* The connector's outcomes, for one: caused by an event, and brought again when nothing is heard. */
static void a_command_that_an_event_caused_happens_once_however_its_id_begins(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command set = set_line(log, cart, 2, 5);
    set.meta.command_id = follow_up_id_of(&log->arena, STR("evt_A"), 0, false);
    set.meta.causation_id = STR("evt_A");
    set.meta.client_key = false;
    fake_send(log, &set);
    fake_run(log);
    fake_send(log, &set);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_CARTS), 2);
    assert_int_equal(log->engine.stats.repeated, 1);
}

static void after_a_batch_that_was_dropped_there_is_nothing_to_write(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command set = set_line(log, cart, 2, 5);
    fake_send(log, &set);
    int64_t next[FAKE_SHARDS];
    struct err_info info;
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    for (int32_t i = 0; i < FAKE_SHARDS; i++) {
        fake_disown(log, i); /* the commit failed: all shards are taken over again */
        fake_own(log, i);
    }
    fake_write(log); /* and nothing comes */
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_CARTS), 2);
}

static uint64_t window_count(struct fake_log *log, int32_t shard) {
    uint64_t count;
    struct err_info info;
    assert_int_equal(store_count(log->stores[shard], STORE_WINDOW, &count, &info), ERR_NONE);
    return count;
}

static void follow_ups_decided_at_once_need_no_place_in_the_window(void **state) {
    struct fake_log *log = *state;
    int32_t shard = 1 - sku_shard();
    struct str cart = cart_opened_on(log, shard);
    struct command command = check_out(log, cart, 2);
    fake_send(log, &command);
    fake_run(log);
    assert_true(log->engine.stats.follow_ups_local >= 2);
    fake_write(log);
    assert_int_equal(window_count(log, shard), 2); /* the opening and the check-out */
    assert_int_equal(window_count(log, sku_shard()), 0);
    for (int32_t i = 0; i < FAKE_SHARDS; i++) {
        fake_disown(log, i);
        fake_forget_store(log, i);
        fake_own(log, i);
    }
    assert_int_equal(window_count(log, shard), 2);
    assert_int_equal(window_count(log, sku_shard()), 0);
}

static void who_asks_again_meanwhile_is_told_at_rest_as_well(void **state) {
    struct fake_log *log = *state;
    struct str cart;
    struct command command = check_out_while_the_sku_is_anothers(log, &cart);
    struct command again = command;
    again.meta.reply_partition = 0;
    again.meta.reply_instance = STR("another");
    fake_send(log, &again);
    fake_send(log, &again);
    fake_run(log);
    assert_int_equal(log->replies, 1);
    fake_own(log, sku_shard());
    fake_run(log);
    assert_int_equal(log->replies, 3);
    assert_int_equal(log->engine.outbox.replies.items[0].partition, 1);
    assert_int_equal(log->engine.outbox.replies.items[1].partition, 0);
    assert_str(log->engine.outbox.replies.items[1].instance, STR("another"));
}

static void a_brief_answer_leaves_out_what_it_may_and_is_kept_so(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 1 - sku_shard());
    struct command command = check_out(log, cart, 2);
    for (int i = 0; i < 2; i++) { /* the second time out of the window */
        fake_send(log, &command);
        fake_run(log);
        uint32_t schema_id;
        struct str avro;
        struct order_state order;
        assert_true(frame_read(log->reply.resource, &schema_id, &avro));
        assert_int_equal(schema_id, ORDER_STATE_SCHEMA_ID);
        assert_true(order_state_decode(&log->arena, avro, &order));
        assert_int_equal(order.status, ORDER_STATUS_CONFIRMED);
        assert_str(order.cart, STR(""));
    }
    assert_int_equal(log->engine.stats.repeated, 1);
}

static void too_many_follow_ups_go_through_the_log(void **state) {
    struct fake_log *log = *state;
    log->engine.options.decisions_per_command = 2;
    struct str cart = cart_opened_on(log, 1 - sku_shard());
    struct command command = check_out(log, cart, 2);
    fake_send(log, &command);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_ORDERS), 1);
    assert_int_equal(fake_count(log, TOPIC_STOCK), 0);
    assert_int_equal(log->replies, 1);
    fake_run(log);
    assert_int_equal(log->replies, 2);
    assert_int_equal(fake_count(log, TOPIC_ORDERS), 2);
}

static void a_release_that_comes_first_leaves_a_tombstone(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 1 - sku_shard());
    struct command release = fake_command(log, COMMAND_RELEASE_RESERVATION, STR(FAKE_SKU_STREAM), 7);
    release.as.release_reservation.owner = fake_order_of(&log->arena, cart);
    fake_send(log, &release);
    fake_run(log);
    struct command command = check_out(log, cart, 2);
    fake_send(log, &command);
    fake_run(log);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_REJECTED);
    assert_str(log->reply.rejection, STR("out_of_stock"));
    assert_int_equal(log->reply.skus.count, 1);
    assert_int_equal(fake_event(log, TOPIC_STOCK, sku_shard(), 1).type, EVENT_STOCK_RESERVATION_REFUSED);
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static int32_t tree_shard(void) {
    return shard_of_stream(STR(CATEGORY_TREE_STREAM), FAKE_SHARDS);
}

/* `expected` 0: whatever version it has. */
static void send_to_tree(struct fake_log *log, uint16_t type, const char *slug, uint32_t number, int64_t expected) {
    struct command command = fake_command(log, type, STR(CATEGORY_TREE_STREAM), number);
    if (type == COMMAND_PUT_CATEGORY) {
        command.as.put_category =
            (struct put_category){.slug = str_of_cstr(slug), .title = arena_printf(&log->arena, "Title %u", number)};
    } else {
        command.as.remove_category.slug = str_of_cstr(slug);
    }
    command.meta.client_key = number % 2 == 0;
    command.meta.has_expected_version = expected > 0;
    command.meta.expected_version = expected;
    fake_send(log, &command);
    fake_run(log);
}

static void assert_part(struct fake_log *log, const struct outcome *outcome, const char *slug, int64_t version) {
    assert_int_equal(outcome->status, OUTCOME_STATUS_ACCEPTED);
    assert_str(outcome->stream, STR(CATEGORY_TREE_STREAM));
    assert_int_equal(outcome->version, version);
    uint32_t schema_id;
    struct str avro;
    struct category_state part;
    assert_true(frame_read(outcome->resource, &schema_id, &avro));
    assert_int_equal(schema_id, CATEGORY_STATE_SCHEMA_ID);
    assert_true(category_state_decode(&log->arena, avro, &part));
    assert_str(part.category.slug, str_of_cstr(slug));
}

static void a_part_has_a_version_of_its_own_and_is_the_answer(void **state) {
    struct fake_log *log = *state;
    send_to_tree(log, COMMAND_PUT_CATEGORY, "a", 1, 0);
    send_to_tree(log, COMMAND_PUT_CATEGORY, "b", 2, 0);
    assert_part(log, &log->reply, "b", 2);
    send_to_tree(log, COMMAND_PUT_CATEGORY, "a", 3, 1); /* the tree is at 2, and it at 1 */
    assert_part(log, &log->reply, "a", 3);
    send_to_tree(log, COMMAND_PUT_CATEGORY, "b", 4, 3);
    assert_str(log->reply.rejection, STR("version_mismatch"));
    send_to_tree(log, COMMAND_PUT_CATEGORY, "c", 5, 3); /* it is not there */
    assert_str(log->reply.rejection, STR("version_mismatch"));
    struct position_pair pairs[POSITION_PAIRS_MAX];
    send_to_tree(log, COMMAND_REMOVE_CATEGORY, "b", 6, 2);
    assert_part(log, &log->reply, "b", 4);
    assert_int_equal(position_read(log->reply.position, pairs), 1);
    assert_true(pairs[0].hash == stream_hash(STR(CATEGORY_TREE_STREAM), TOPIC_CATEGORIES));
    assert_int_equal(pairs[0].version, 4);
    send_to_tree(log, COMMAND_PUT_CATEGORY, "b", 7, 4); /* what was there is gone */
    assert_str(log->reply.rejection, STR("version_mismatch"));
    fake_disown(log, tree_shard());
    fake_own(log, tree_shard());
    send_to_tree(log, COMMAND_PUT_CATEGORY, "a", 8, 3);
    assert_part(log, &log->reply, "a", 5);
}

/* ---- timers -------------------------------------------------------------------------------------------------------
 */

/* An order that waits for its reservation, because nobody owns the SKU's shard. */
static struct str order_waiting(struct fake_log *log) {
    struct str cart = cart_opened_on(log, 1 - sku_shard());
    fake_disown(log, sku_shard());
    struct command command = check_out(log, cart, 2);
    fake_send(log, &command);
    fake_run(log);
    return fake_order_of(&log->arena, cart);
}

static void a_timer_fires_once_when_its_time_has_come(void **state) {
    struct fake_log *log = *state;
    struct str order = order_waiting(log);
    int32_t shard = shard_of_stream(order, FAKE_SHARDS);
    int64_t deadline_us = fake_event(log, TOPIC_ORDERS, shard, 0).as.order_placed.deadline_at;
    fake_run_at(log, deadline_us - 1);
    assert_int_equal(fake_count(log, TOPIC_ORDERS), 1);
    fake_run_at(log, deadline_us + 5);
    assert_int_equal(fake_count(log, TOPIC_ORDERS), 2);
    struct event cancelled = fake_event(log, TOPIC_ORDERS, shard, 1);
    assert_int_equal(cancelled.type, EVENT_ORDER_CANCELLED);
    assert_str(cancelled.meta.actor, STR("system"));
    assert_str(cancelled.meta.command_id, timer_id_of(&log->arena, order, deadline_us));
    assert_int_equal(cancelled.meta.occurred_at, deadline_us + 5);
    fake_run_at(log, deadline_us + 10);
    assert_int_equal(fake_count(log, TOPIC_ORDERS), 2);
}

static void timers_come_back_with_the_fold(void **state) {
    struct fake_log *log = *state;
    struct str order = order_waiting(log);
    int32_t shard = shard_of_stream(order, FAKE_SHARDS);
    fake_disown(log, shard);
    fake_forget_store(log, shard);
    fake_own(log, shard);
    fake_run_at(log, fake_event(log, TOPIC_ORDERS, shard, 0).as.order_placed.deadline_at);
    assert_int_equal(fake_count(log, TOPIC_ORDERS), 2);
}

static void the_result_that_comes_in_the_same_batch_stills_the_timer(void **state) {
    struct fake_log *log = *state;
    struct str order = order_waiting(log);
    int32_t shard = shard_of_stream(order, FAKE_SHARDS);
    int64_t deadline_us = fake_event(log, TOPIC_ORDERS, shard, 0).as.order_placed.deadline_at;
    struct command record = fake_command(log, COMMAND_RECORD_RESERVATIONS, order, 9);
    fake_send(log, &record);
    fake_run_at(log, deadline_us);
    assert_int_equal(fake_count(log, TOPIC_ORDERS), 2);
    assert_int_equal(fake_event(log, TOPIC_ORDERS, shard, 1).type, EVENT_ORDER_CONFIRMED);
}

static void a_timer_that_changes_nothing_does_not_fire_for_ever(void **state) {
    struct fake_log *log = *state;
    struct str order = fake_order_of(&log->arena, fake_cart_on(log, 1 - sku_shard()));
    fake_disown(log, sku_shard());
    struct command place = fake_command(log, COMMAND_PLACE_ORDER, order, 1);
    place.as.place_order.attempt = FAKE_STUBBORN_ATTEMPT;
    fake_send(log, &place);
    fake_run(log);
    int64_t deadline_us = fake_event(log, TOPIC_ORDERS, 1 - sku_shard(), 0).as.order_placed.deadline_at;
    for (int i = 0; i < 3; i++) {
        fake_run_at(log, deadline_us + i);
    }
    assert_int_equal(log->engine.stats.timers_fired, 1);
}

/* ---- poison -------------------------------------------------------------------------------------------------------
 */

static void bytes_that_are_no_command_are_set_aside(void **state) {
    struct fake_log *log = *state;
    fake_append(log, TOPIC_COMMANDS, 0, STR("key"), STR("garbage"));
    struct command open = open_cart(log, fake_cart_on(log, 0), 1);
    fake_send(log, &open);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_DEAD_LETTERS), 1);
    assert_str(log->partitions[TOPIC_DEAD_LETTERS][0].records[0].value, STR("garbage"));
    assert_int_equal(log->replies, 1);
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
    assert_int_equal(log->engine.stats.dead_letters, 1);
}

static void a_torn_command_is_set_aside_and_its_sender_told(void **state) {
    struct fake_log *log = *state;
    struct command set = set_line(log, fake_cart_on(log, 0), 1, 5);
    struct buf value;
    buf_init(&value, 4096);
    command_record_write(&value, &set);
    fake_append(log, TOPIC_COMMANDS, 0, STR("key"), str_of(value.data, value.len - 2));
    buf_release(&value);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_DEAD_LETTERS), 1);
    assert_int_equal(log->replies, 1);
    assert_str(log->reply.rejection, STR("malformed_command"));
    assert_str(log->reply.command_id, set.meta.command_id);
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), 1);
}

static void a_command_for_a_stream_of_another_kind_is_set_aside(void **state) {
    struct fake_log *log = *state;
    struct command wrong = open_cart(log, STR("ord_X.1"), 1);
    fake_send(log, &wrong);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_DEAD_LETTERS), 1);
    assert_str(log->reply.rejection, STR("malformed_command"));
}

static void a_command_that_was_set_aside_gets_its_answer_again(void **state) {
    struct fake_log *log = *state;
    struct command wrong = open_cart(log, STR("ord_X.1"), 1);
    fake_send(log, &wrong);
    fake_run(log);
    fake_send(log, &wrong);
    fake_run(log);
    assert_int_equal(log->replies, 2);
    assert_true(log->reply.replayed);
    assert_str(log->reply.rejection, STR("malformed_command"));
    wrong.meta.request_hash = STR("of another body");
    fake_send(log, &wrong);
    fake_run(log);
    assert_int_equal(log->replies, 3);
    assert_str(log->reply.rejection, STR("idempotency_key_reused"));
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), 1);
}

static void a_command_in_the_wrong_partition_is_set_aside(void **state) {
    struct fake_log *log = *state;
    struct command stray = open_cart(log, fake_cart_on(log, 0), 1);
    fake_send_to(log, 1, &stray);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_DEAD_LETTERS), 1);
    assert_int_equal(fake_count(log, TOPIC_CARTS), 0);
}

static void a_command_whose_event_would_be_too_large_is_set_aside(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct command large = set_line(log, cart, 2, 7);
    fake_send(log, &large);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_DEAD_LETTERS), 1);
    assert_int_equal(fake_count(log, TOPIC_CARTS), 1);
    assert_str(log->reply.rejection, STR("malformed_command"));
    struct command next = set_line(log, cart, 3, 1);
    fake_send(log, &next);
    fake_run(log);
    assert_int_equal(log->reply.version, 2);
}

static void a_suspect_is_set_aside_undecided(void **state) {
    struct fake_log *log = *state;
    struct command open = open_cart(log, fake_cart_on(log, 0), 1);
    int64_t offset = fake_send(log, &open);
    const struct fake_record *record = &log->partitions[TOPIC_COMMANDS][0].records[offset];
    const struct engine_input input = {
        .shard = 0, .offset = offset, .timestamp_us = record->timestamp_us, .value = record->value};
    struct err_info info;
    engine_batch_begin(&log->engine);
    assert_int_equal(engine_set_aside(&log->engine, &input, STR("it killed"), &info), ERR_NONE);
    fake_commit(log, (int64_t[]){offset + 1, 0});
    fake_keep(log);
    assert_str(log->reply.rejection, STR("malformed_command"));
    assert_int_equal(fake_count(log, TOPIC_CARTS), 0);
}

/* ---- asking -------------------------------------------------------------------------------------------------------
 */

static struct outcome asked(struct fake_log *log, struct str id, int32_t shard) {
    struct command ask = fake_command(log, COMMAND_ASK_OUTCOME, (struct str){0}, 1000);
    ask.as.ask_outcome.asked = id;
    int outcomes = fake_count(log, TOPIC_OUTCOMES);
    fake_send_to(log, shard, &ask);
    fake_run(log);
    assert_int_equal(fake_count(log, TOPIC_OUTCOMES), outcomes);
    return log->reply;
}

static void asking_tells_what_became_of_a_command(void **state) {
    struct fake_log *log = *state;
    struct str cart = cart_opened_on(log, 0);
    struct str id = fake_command_id(log, 1);
    struct outcome outcome = asked(log, arena_printf(&log->arena, "%.*s.0", STR_ARGS(id)), 0);
    assert_int_equal(outcome.status, OUTCOME_STATUS_ACCEPTED);
    assert_str(outcome.stream, cart);
    assert_str(outcome.command_id, id);
    assert_int_equal(asked(log, fake_command_id(log, 999), 0).status, OUTCOME_STATUS_UNKNOWN);
    assert_int_equal(asked(log, STR("nonsense"), 0).status, OUTCOME_STATUS_UNKNOWN);
}

static void asking_finds_an_accepted_command_without_a_key(void **state) {
    struct fake_log *log = *state;
    struct command open = open_cart(log, fake_cart_on(log, 0), 1);
    open.meta.client_key = false;
    fake_send(log, &open);
    fake_run(log);
    assert_int_equal(asked(log, open.meta.command_id, 0).status, OUTCOME_STATUS_ACCEPTED);
}

/* The window keeps a stream's name, not a part's. */
static void asking_finds_the_part_that_a_command_without_a_key_was_about(void **state) {
    struct fake_log *log = *state;
    send_to_tree(log, COMMAND_PUT_CATEGORY, "a", 1, 0);
    send_to_tree(log, COMMAND_PUT_CATEGORY, "b", 3, 0);
    const struct outcome outcome = asked(log, fake_command_id(log, 1), tree_shard());
    assert_part(log, &outcome, "a", 1);
}

int main(void) {
#define TEST(name)                                                                                                     \
    cmocka_unit_test_setup_teardown(name, both_shards_are_ours, log_ends), {                                           \
#name " (kept, not written)", name, both_are_ours_and_written_late, log_ends, NULL                             \
    }
    const struct CMUnitTest tests[] = {
        TEST(an_event_carries_who_asked_why_and_the_chain),
        TEST(time_never_goes_back_within_a_stream),
        TEST(an_accepted_command_is_answered_with_state_and_position),
        TEST(a_command_without_a_clients_key_gets_a_reply_alone),
        TEST(an_unexpected_version_is_refused_before_deciding),
        TEST(who_may_not_know_of_a_stream_expects_its_version_in_vain),
        TEST(a_repeated_command_gets_the_first_answer_and_does_nothing),
        TEST(a_command_twice_in_one_batch_happens_once),
        TEST(a_refusal_is_kept_and_given_again),
        TEST(another_request_under_the_same_id_is_refused_and_the_first_stays),
        TEST(a_command_older_than_the_window_is_refused),
        TEST(the_window_forgets_what_is_too_old_to_be_repeated),
        TEST(a_batch_that_is_dropped_leaves_no_trace_and_decides_alike_again),
        TEST(the_next_batch_is_decided_on_top_of_the_one_on_its_way),
        TEST(a_batch_on_its_way_keeps_its_texts_whatever_is_decided_next),
        TEST(what_did_not_land_is_decided_again_by_whoever_takes_over),
        TEST(a_check_out_whose_streams_are_all_ours_is_one_batch),
        TEST(causes_are_carried_from_event_to_event),
        TEST(a_follow_up_for_anothers_shard_goes_through_the_log),
        TEST(a_follow_up_that_lies_in_the_log_twice_happens_once),
        TEST(a_command_that_an_event_caused_happens_once_however_its_id_begins),
        TEST(after_a_batch_that_was_dropped_there_is_nothing_to_write),
        TEST(follow_ups_decided_at_once_need_no_place_in_the_window),
        TEST(who_asks_again_meanwhile_is_told_at_rest_as_well),
        TEST(a_brief_answer_leaves_out_what_it_may_and_is_kept_so),
        TEST(too_many_follow_ups_go_through_the_log),
        TEST(a_release_that_comes_first_leaves_a_tombstone),
        TEST(a_part_has_a_version_of_its_own_and_is_the_answer),
        TEST(a_timer_fires_once_when_its_time_has_come),
        TEST(timers_come_back_with_the_fold),
        TEST(the_result_that_comes_in_the_same_batch_stills_the_timer),
        TEST(a_timer_that_changes_nothing_does_not_fire_for_ever),
        TEST(bytes_that_are_no_command_are_set_aside),
        TEST(a_torn_command_is_set_aside_and_its_sender_told),
        TEST(a_command_for_a_stream_of_another_kind_is_set_aside),
        TEST(a_command_that_was_set_aside_gets_its_answer_again),
        TEST(a_command_in_the_wrong_partition_is_set_aside),
        TEST(a_command_whose_event_would_be_too_large_is_set_aside),
        TEST(a_suspect_is_set_aside_undecided),
        TEST(asking_tells_what_became_of_a_command),
        TEST(asking_finds_an_accepted_command_without_a_key),
        TEST(asking_finds_the_part_that_a_command_without_a_key_was_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
