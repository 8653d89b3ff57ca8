/* The oracle: a log that lost its end is judged as it is, and nothing more is excused than what was lost; records that
 * clients sent torn. */
#include "core/testing/simulator/oracle_scene.h"

static size_t found(const struct oracle_options *options, const char *check) {
    struct oracle *oracle = oracle_judge(options);
    size_t of_it = oracle_violations_of(oracle, check);
    if (of_it != oracle_violation_count(oracle)) {
        oracle_report(oracle, stderr);
        fail_msg("something else than %s was found", check);
    }
    oracle_free(oracle);
    return of_it;
}

/* ---- a power cut ------------------------------------------------------------------------------------------------- */

/* Told, and nowhere in the log. */
static struct journal_entry *accept_in_vain(void) {
    struct journal_entry *entry = scene_request(scene_receive(5), scene_id("cmd"), "another hash");
    scene.partitions[TOPIC_COMMANDS][scene_shard(entry->stream)].count--;
    struct outcome outcome = scene_accepted(entry, SCENE_SKU_STREAM, 1);
    scene_tell(entry, &outcome);
    return entry;
}

static void what_was_told_between_the_moment_that_is_left_and_the_cut_may_be_lost(void **state) {
    (void)state;
    play();
    const struct journal_entry *entry = accept_in_vain();
    struct oracle_options options = scene_options();
    options.cut_from_us = entry->answered_us - 1;
    options.cut_until_us = entry->answered_us + 1;
    assert_int_equal(found(&options, "nothing"), 0);
    scene_end();
}

static void expect_the_loss(int64_t from_us, int64_t until_us) {
    struct oracle_options options = scene_options();
    options.cut_from_us = from_us;
    options.cut_until_us = until_us;
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violations_of(oracle, "outcome.told"), 1);
    assert_int_equal(oracle_violations_of(oracle, "stock.journal"), 1);
    oracle_free(oracle);
    scene_end();
}

static void what_was_told_before_the_moment_may_not(void **state) {
    (void)state;
    play();
    const struct journal_entry *entry = accept_in_vain();
    expect_the_loss(entry->answered_us + 1, entry->answered_us + 2);
}

static void what_was_asked_after_the_cut_may_not(void **state) {
    (void)state;
    play();
    const struct journal_entry *entry = accept_in_vain();
    expect_the_loss(entry->asked_us - 2, entry->asked_us - 1);
}

/* As a store that knows an event which the log has lost goes on. */
static void skip_a_version(struct event *event) {
    event->meta.version += event->type == EVENT_STOCK_RESERVED;
}

static void an_event_that_goes_on_from_a_lost_one_is_found(void **state) {
    (void)state;
    play_tampered(skip_a_version);
    struct oracle_options options = scene_options();
    options.cut_from_us = 0;
    options.cut_until_us = INT64_MAX;
    struct oracle *oracle = oracle_judge(&options);
    assert_true(oracle_violations_of(oracle, "history.version") > 0);
    oracle_free(oracle);
    scene_end();
}

static void the_providers_money_of_what_lost_records_is_excused(void **state) {
    (void)state;
    play();
    scene.payments[0].refunded_minor = 1;
    struct oracle_options options = scene_options();
    scene.lost_key = STR("another purchase");
    assert_int_equal(found(&options, "money.ledger"), 1);
    scene.lost_key = shard_key(SCENE_PAYMENT);
    assert_int_equal(found(&options, "money.ledger"), 0);
    scene_end();
}

/* ---- torn records ------------------------------------------------------------------------------------------------ */

static struct journal_entry *send_torn(void) {
    struct journal_entry *entry = scene_request(scene_receive(5), scene_id("cmd"), "another hash");
    struct broker_partition *partition = &scene.partitions[TOPIC_COMMANDS][scene_shard(entry->stream)];
    struct str *value = &partition->records[partition->count - 1].value;
    *value = str_first(*value, value->len / 2);
    return entry;
}

static void a_torn_record_among_the_dead_letters_is_in_order(void **state) {
    (void)state;
    play();
    send_torn()->is_torn = true;
    struct oracle_options options = scene_options();
    options.dead_letters_are_fine = true;
    assert_int_equal(found(&options, "settled.torn"), 1);
    scene_append(TOPIC_DEAD_LETTERS, 0, STR("TEA"), STR("torn"));
    assert_int_equal(found(&options, "settled.torn"), 0);
    scene_end();
}

static void a_record_that_no_client_tore_is_found(void **state) {
    (void)state;
    play();
    (void)send_torn();
    expect_only("log.record");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_between_the_moment_that_is_left_and_the_cut_may_be_lost),
        cmocka_unit_test(what_was_told_before_the_moment_may_not),
        cmocka_unit_test(what_was_asked_after_the_cut_may_not),
        cmocka_unit_test(an_event_that_goes_on_from_a_lost_one_is_found),
        cmocka_unit_test(the_providers_money_of_what_lost_records_is_excused),
        cmocka_unit_test(a_torn_record_among_the_dead_letters_is_in_order),
        cmocka_unit_test(a_record_that_no_client_tore_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
