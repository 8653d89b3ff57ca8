/* A power cut under the broker: what is left is the log of a moment, whole. */
#include "core/testing/simulator/broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/testing/simulator/world.h"

enum { TXN_TIMEOUT_MS = 4000 };

static int32_t sequences[8]; /* of each producer in the one partition */

static struct broker_producer init(const char *transactional_id) {
    struct broker_producer producer;
    assert_int_equal(broker_init_producer(transactional_id, TXN_TIMEOUT_MS, &producer), RD_KAFKA_RESP_ERR_NO_ERROR);
    return producer;
}

static void append(const struct broker_producer *producer, const char *key) {
    const struct broker_record record = {.key = str_of_cstr(key), .value = STR("x"), .has_value = true};
    int64_t offset;
    assert_int_equal(broker_add_partition(producer, "events", 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(broker_produce(producer, "events", 0, sequences[producer->id % 8]++, &record, 1, &offset),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void send_offset(const struct broker_producer *producer, int64_t offset) {
    const struct broker_offset place = {.topic = "commands", .offset = offset};
    assert_int_equal(broker_add_group(producer, "group"), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(broker_txn_offsets(producer, "group", "", -1, &place, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void commit(const struct broker_producer *producer) {
    assert_int_equal(broker_end_txn(producer, true), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Until markers are written. */
static void let_pass(void) {
    sim_run(sim_now_us() + 100 * 1000);
}

static bool is_shown(const char *key) {
    const struct broker_partition *partition = broker_partition("events", 0);
    for (int64_t i = 0; i < broker_stable_offset(partition); i++) {
        if (str_equal(partition->records[i].key, str_of_cstr(key)) && broker_is_visible(&partition->records[i])) {
            return true;
        }
    }
    return false;
}

static int64_t group_stands_at(void) {
    struct broker_offset known;
    assert_int_equal(broker_group_offset("group", "commands", 0, true, NULL, &known), RD_KAFKA_RESP_ERR_NO_ERROR);
    return known.offset;
}

static void what_is_left_is_the_log_of_the_moment(void **state) {
    (void)state;
    sim_begin(1);
    broker_topic_create("events", 1);
    broker_topic_create("commands", 1);
    const struct broker_producer done = init("done"), open = init("open"), ending = init("ending");
    append(&done, "before");
    send_offset(&done, 10);
    commit(&done);
    let_pass();
    append(&open, "undecided");
    append(&ending, "promised");
    send_offset(&ending, 20);
    commit(&ending); /* its markers are not written yet */
    broker_keep_moment();
    let_pass();
    commit(&open);
    append(&done, "after");
    send_offset(&done, 30);
    commit(&done);
    let_pass();
    assert_true(is_shown("undecided") && is_shown("promised") && is_shown("after"));
    assert_int_equal(group_stands_at(), 30);

    broker_set_back();
    let_pass();
    const struct broker_partition *partition = broker_partition("events", 0);
    assert_int_equal(broker_stable_offset(partition), partition->count);
    assert_true(is_shown("before") && is_shown("promised"));
    assert_false(is_shown("undecided") || is_shown("after"));
    assert_int_equal(group_stands_at(), 20);
    assert_true(broker_has_lost(STR("undecided")) && broker_has_lost(STR("after")));
    assert_false(broker_has_lost(STR("before")) || broker_has_lost(STR("promised")));

    /* Whoever wrote before is fenced; whoever begins anew is not. */
    assert_int_equal(broker_add_partition(&done, "events", 0), RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    const struct broker_producer again = init("done");
    sequences[again.id % 8] = 0;
    append(&again, "anew");
    commit(&again);
    let_pass();
    assert_true(is_shown("anew"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_the_log_of_the_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
