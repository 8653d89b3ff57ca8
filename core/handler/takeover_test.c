#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/handler/fake_log.h"

static int a_log(void **state) {
    *state = fake_log_new();
    return 0;
}

static int log_ends(void **state) {
    fake_log_free(*state);
    return 0;
}

static bool stored(struct fake_log *log, struct str cart, struct stored_stream *ret_stored) {
    char key[STORE_KEY_MAX];
    bool found;
    struct str bytes;
    struct err_info info;
    enum err err = store_get(log->stores[0], STORE_STREAMS, store_stream_key(cart, key), &found, &bytes, &info);
    assert_int_equal(err, ERR_NONE);
    return found && stored_stream_decode(&log->arena, arena_str_copy(&log->arena, bytes), ret_stored);
}

/* Every row of every table, in order: what two stores must have in common to be the same. */
static void store_digest(struct fake_log *log, uint8_t ret_hash[CHAIN_HASH_BYTES]) {
    struct buf text;
    buf_init(&text, 1 << 20);
    struct err_info info;
    for (int table = STORE_STREAMS; table <= STORE_TIMERS; table++) {
        uint64_t count;
        assert_int_equal(store_count(log->stores[0], (enum store_table)table, &count, &info), ERR_NONE);
        buf_printf(&text, "%d:%d ", table, (int)count);
    }
    struct stored_stream stream;
    assert_true(stored(log, fake_cart_on(log, 0), &stream));
    stored_stream_encode(&text, &stream);
    for (uint32_t number = 1; number <= 3; number++) {
        uint8_t id[ULID_BYTES] = {1};
        memcpy(id + 12, &number, sizeof number);
        bool found;
        struct str bytes;
        assert_int_equal(store_get(log->stores[0], STORE_WINDOW, str_of((char *)id, sizeof id), &found, &bytes, &info),
                         ERR_NONE);
        struct window_entry entry;
        assert_true(found && window_entry_decode(&log->arena, arena_str_copy(&log->arena, bytes), &entry));
        entry.seen_at = 0; /* the command's time or its events': close, not equal */
        window_entry_encode(&text, &entry);
    }
    chain_hash(buf_text(&text), ret_hash);
    buf_release(&text);
}

static void a_fresh_shard_begins_at_its_first_command(void **state) {
    struct fake_log *log = *state;
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_true(takeover.is_fresh);
    assert_int_equal(takeover.next_offset, 0);
}

static void an_end_told_by_a_broker_that_leads_no_more_is_not_believed(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    for (int topic = TOPIC_COMMANDS + 1; topic < TOPIC_COUNT; topic++) {
        log->ends_behind[topic] = log->partitions[topic][0].end;
    }
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.replayed, 6);
    fake_disown(log, 0);
}

static void what_is_replayed_equals_what_was_decided(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    uint8_t live[CHAIN_HASH_BYTES], replayed[CHAIN_HASH_BYTES];
    store_digest(log, live);
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.replayed, 6); /* three events, three outcomes */
    store_digest(log, replayed);
    assert_memory_equal(live, replayed, sizeof live);
    fake_disown(log, 0);
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.replayed, 0); /* and it knows how far it came */
}

static void a_store_that_is_up_to_date_replays_nothing(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.replayed, 0);
    assert_null(takeover.replay.discarded);
}

static void a_commit_that_never_reached_the_store_is_replayed(void **state) {
    struct fake_log *log = *state;
    struct str cart = fake_used_shard(log);
    struct command command = fake_command(log, COMMAND_SET_CART_LINE, cart, 4);
    command.as.set_cart_line.quantity = 9;
    fake_send(log, &command);
    int64_t next[FAKE_SHARDS];
    struct err_info info;
    assert_int_equal(fake_decide(log, 0, next, &info), ERR_NONE);
    fake_commit(log, next); /* and here the process ends */
    fake_disown(log, 0);
    struct takeover takeover = {0};
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.replayed, 2);
    struct stored_stream stream;
    assert_true(stored(log, cart, &stream));
    assert_int_equal(stream.version, 4);
}

static void batches_that_were_kept_and_not_written_are_replayed(void **state) {
    struct fake_log *log = *state;
    log->writes_late = true;
    struct str cart = fake_used_shard(log);
    struct stored_stream stream;
    assert_false(stored(log, cart, &stream));
    fake_disown(log, 0); /* the process ends */
    uint8_t at_once[CHAIN_HASH_BYTES], replayed[CHAIN_HASH_BYTES];
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.replayed, 6);
    store_digest(log, replayed);
    struct fake_log *other = fake_log_new();
    fake_used_shard(other);
    store_digest(other, at_once);
    assert_memory_equal(at_once, replayed, sizeof replayed);
    fake_log_free(other);
}

static void batches_written_together_leave_nothing_to_replay(void **state) {
    struct fake_log *log = *state;
    log->writes_late = true;
    struct str cart = fake_used_shard(log);
    uint32_t number = 3;
    for (uint32_t i = 0; i < KEPT_BATCHES_MAX; i++) {
        fake_cart_gets(log, cart, ++number, 5 + i % 2);
    }
    struct stored_stream stream;
    assert_true(stored(log, cart, &stream)); /* no more than KEPT_BATCHES_MAX are kept */
    assert_true(stream.version < number);
    fake_write(log);
    fake_disown(log, 0);
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.replayed, 0);
    assert_true(stored(log, cart, &stream));
    assert_int_equal(stream.version, number);
}

static void a_store_ahead_of_a_cut_log_is_discarded(void **state) {
    struct fake_log *log = *state;
    struct str cart = fake_used_shard(log);
    fake_disown(log, 0);
    /* The last event and its marker are gone, as after a power cut without flushing. */
    log->partitions[TOPIC_CARTS][0].end -= 2;
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_non_null(takeover.replay.discarded);
    struct stored_stream stream;
    assert_true(stored(log, cart, &stream));
    assert_int_equal(stream.version, 2);
}

static void a_store_of_another_history_is_discarded(void **state) {
    struct fake_log *log = *state;
    struct str cart = fake_used_shard(log);
    fake_disown(log, 0);
    /* The log was cut and has grown again: the offset exists, the record is another. */
    struct fake_partition *carts = &log->partitions[TOPIC_CARTS][0];
    carts->records[carts->end - 2].value = carts->records[0].value;
    struct takeover takeover = {0};
    struct err_info info;
    (void)fake_take_over(log, 0, &takeover, &info);
    assert_non_null(takeover.replay.discarded);
    (void)cart;
}

static void a_changed_event_stops_the_shard(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    struct fake_partition *carts = &log->partitions[TOPIC_CARTS][0];
    struct event event = fake_event(log, TOPIC_CARTS, 0, 1);
    event.as.cart_updated.quantity = 500;
    struct buf forged;
    buf_init(&forged, 4096);
    event_record_write(&forged, &event);
    carts->records[2].value = arena_str_copy(&log->arena, buf_text(&forged));
    buf_release(&forged);
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_BROKEN_HISTORY);
}

static void a_missing_event_stops_the_shard(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    log->partitions[TOPIC_CARTS][0].records[2].is_marker = true;
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_BROKEN_HISTORY);
}

static void strangers_records_are_passed_over_and_counted(void **state) {
    struct fake_log *log = *state;
    struct str cart = fake_used_shard(log);
    fake_append(log, TOPIC_CARTS, 0, STR("key"), STR("garbage"));
    fake_append(log, TOPIC_OUTCOMES, 0, STR("key"), STR("garbage"));
    fake_cart_gets(log, cart, 4, 8);
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.replay.foreign, 2);
    assert_int_equal(takeover.replay.replayed, 8);
}

static void an_event_of_a_schema_not_known_here_stops_the_shard(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_append(log, TOPIC_CARTS, 0, STR("key"), STR("\0\0\0\xff\xffof a newer release"));
    fake_disown(log, 0);
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_BROKEN_HISTORY);
    assert_non_null(strstr(info.text, "schema id 65535"));
}

static void a_last_stable_offset_at_the_record_looked_for_is_waited_out(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    log->ends_early[TOPIC_CARTS] = true;
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_false(log->ends_early[TOPIC_CARTS]);
    assert_null(takeover.replay.discarded);
}

static void a_used_shard_without_a_committed_offset_is_not_reset(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    log->committed[0] = -1;
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_CONFLICT);
}

static void a_shard_whose_outcomes_have_expired_is_no_fresh_one(void **state) {
    struct fake_log *log = *state;
    struct fake_partition *outcomes = &log->partitions[TOPIC_OUTCOMES][0];
    fake_append(log, TOPIC_OUTCOMES, 0, STR("key"), STR("of long ago"));
    outcomes->low = outcomes->end;
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_CONFLICT);
    assert_non_null(strstr(info.text, "no committed offset"));
}

static void an_offset_past_the_commands_is_not_reset(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    log->committed[0] = 100;
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_CONFLICT);
    assert_true(takeover.is_past_end);
}

/* The takeover of a shard that is used and has no store, whose log says of an offset that it does not exist. */
static enum err taken_over_with_an_offset_missing(struct fake_log *log, struct err_info *info) {
    struct takeover takeover = {0};
    log->poll_fails = ERR_CONFLICT;
    return fake_take_over(log, 0, &takeover, info);
}

static void what_a_broker_does_not_have_that_leads_no_more_is_asked_for_again(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    struct err_info info;
    assert_int_equal(taken_over_with_an_offset_missing(log, &info), ERR_KAFKA);
    assert_true(info.retriable);
    fake_own(log, 0);
}

/* As if the beginning of the topic went while it is replayed: the store has its first record, and is asked for it. */
static enum err with_the_beginning_gone(struct fake_log *log, enum log_topic topic, struct err_info *info) {
    fake_used_shard(log);
    fake_disown(log, 0);
    log->loses_beginning = topic;
    return taken_over_with_an_offset_missing(log, info);
}

static void events_that_are_gone_stop_the_shard(void **state) {
    struct err_info info;
    assert_int_equal(with_the_beginning_gone(*state, TOPIC_CARTS, &info), ERR_CONFLICT);
    assert_false(info.retriable);
    assert_non_null(strstr(info.text, "test.carts[0] begins at"));
}

static void outcomes_that_expired_are_passed_by_another_takeover(void **state) {
    struct err_info info;
    assert_int_equal(with_the_beginning_gone(*state, TOPIC_OUTCOMES, &info), ERR_KAFKA);
    assert_true(info.retriable);
    fake_own(*state, 0);
}

static void a_pending_outcome_comes_back_with_the_replay(void **state) {
    struct fake_log *log = *state;
    int32_t sku_shard = shard_of_stream(STR(FAKE_SKU_STREAM), FAKE_SHARDS), mine = 1 - sku_shard;
    fake_own(log, mine);
    struct str cart = fake_cart_on(log, mine);
    fake_cart_gets(log, cart, 1, 0);
    struct command command = fake_command(log, COMMAND_CHECK_OUT_CART, cart, 2);
    fake_send(log, &command);
    fake_run(log);
    assert_int_equal(log->replies, 1);
    fake_disown(log, mine);
    fake_forget_store(log, mine);
    fake_own(log, mine);
    fake_own(log, sku_shard);
    fake_run(log); /* ReserveStock; what follows from it is decided at once */
    assert_int_equal(log->replies, 2);
    assert_true(str_equal(log->reply.command_id, command.meta.command_id));
    assert_int_equal(log->reply.status, OUTCOME_STATUS_ACCEPTED);
}

static void commands_that_retention_took_are_not_passed_over(void **state) {
    struct fake_log *log = *state;
    fake_used_shard(log);
    fake_disown(log, 0);
    fake_partition_of(log, log->topics.names[TOPIC_COMMANDS], 0)->low = log->committed[0];
    struct takeover takeover = {0};
    struct err_info info;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_NONE);
    assert_int_equal(takeover.next_offset, log->committed[0]); /* what was decided may go */
    fake_disown(log, 0);
    log->committed[0]--;
    assert_int_equal(fake_take_over(log, 0, &takeover, &info), ERR_CONFLICT);
    assert_non_null(strstr(info.text, "daybook shards"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, a_log, log_ends)
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_shard_begins_at_its_first_command),
        TEST(an_end_told_by_a_broker_that_leads_no_more_is_not_believed),
        TEST(what_is_replayed_equals_what_was_decided),
        TEST(a_store_that_is_up_to_date_replays_nothing),
        TEST(a_commit_that_never_reached_the_store_is_replayed),
        TEST(batches_that_were_kept_and_not_written_are_replayed),
        TEST(batches_written_together_leave_nothing_to_replay),
        TEST(a_store_ahead_of_a_cut_log_is_discarded),
        TEST(a_store_of_another_history_is_discarded),
        TEST(a_changed_event_stops_the_shard),
        TEST(a_missing_event_stops_the_shard),
        TEST(strangers_records_are_passed_over_and_counted),
        TEST(an_event_of_a_schema_not_known_here_stops_the_shard),
        TEST(a_last_stable_offset_at_the_record_looked_for_is_waited_out),
        TEST(a_used_shard_without_a_committed_offset_is_not_reset),
        TEST(a_shard_whose_outcomes_have_expired_is_no_fresh_one),
        TEST(an_offset_past_the_commands_is_not_reset),
        TEST(commands_that_retention_took_are_not_passed_over),
        TEST(what_a_broker_does_not_have_that_leads_no_more_is_asked_for_again),
        TEST(events_that_are_gone_stop_the_shard),
        TEST(outcomes_that_expired_are_passed_by_another_takeover),
        TEST(a_pending_outcome_comes_back_with_the_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
