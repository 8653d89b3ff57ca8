/* The oracle: a run in order passes, and what is wrong with histories, effects, outcomes and rest is found. */
#include "core/testing/simulator/oracle_scene.h"

/* ---- in order ---------------------------------------------------------------------------------------------------- */

static void a_run_in_order_passes(void **state) {
    (void)state;
    play();
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    oracle_report(oracle, stderr);
    assert_int_equal(oracle_violation_count(oracle), 0);
    assert_int_equal(oracle_coverage(oracle)->events[EVENT_ORDER_CONFIRMED], 1);
    assert_int_equal(oracle_coverage(oracle)->answers[COMMAND_CHECK_OUT_CART][JOURNAL_ACCEPTED], 1);
    assert_true(oracle_is_settled(&options, NULL));
    oracle_free(oracle);
    scene_end();
}

static void the_history_has_the_operations_of_each_sku_and_the_answers_of_each_key(void **state) {
    (void)state;
    play();
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    char text[4096] = {0};
    FILE *file = fmemopen(text, sizeof text, "w");
    oracle_history_write(oracle, file);
    fclose(file);
    assert_non_null(strstr(text, "\"op\":\"receive\",\"key\":\"\",\"sku\":\"TEA\",\"quantity\":10"));
    const char *reserved = strstr(text, "\"op\":\"reserve\",\"key\":\"\",\"sku\":\"TEA\",\"quantity\":2");
    assert_non_null(reserved);
    assert_non_null(
        strstr(reserved, "\"outcome\":\"ok\",\"code\":\"\",\"order\":\"ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.1\"}"));
    const char *command = strstr(text, "\"op\":\"command\",\"key\":\"cmd_");
    assert_non_null(command);
    assert_non_null(strstr(command, "\"answer\":"));
    oracle_free(oracle);
    scene_end();
}

static void coverage_adds_up(void **state) {
    (void)state;
    struct coverage sum = {0}, one = {.runs = 1, .events[EVENT_ORDER_PLACED] = 3, .rejections[2] = 1};
    coverage_add(&sum, &one);
    coverage_add(&sum, &one);
    assert_int_equal(sum.runs, 2);
    assert_int_equal(sum.events[EVENT_ORDER_PLACED], 6);
    assert_int_equal(sum.rejections[2], 2);
}

/* ---- records and histories --------------------------------------------------------------------------------------- */

static void a_record_that_cannot_be_read_is_found(void **state) {
    (void)state;
    play();
    scene_append(TOPIC_STOCK, 0, STR("TEA"), STR("no event"));
    expect_only("log.record");
}

static void an_event_in_the_wrong_partition_is_found(void **state) {
    (void)state;
    play();
    int32_t shard = scene_shard(SCENE_CART);
    struct broker_record *cart = &scene.partitions[TOPIC_CARTS][shard].records[1];
    while (cart->kind != BROKER_DATA) {
        cart++;
    }
    scene_append(TOPIC_CARTS, 1 - shard, cart->key, cart->value);
    expect("log.record");
}

static void one_version_more(struct event *event) {
    event->meta.version += event->type == EVENT_RESERVATION_CONFIRMED;
}

static void a_version_that_is_passed_over_is_found(void **state) {
    (void)state;
    play_tampered(one_version_more);
    expect_only("history.version");
}

static void another_hash(struct event *event) {
    event->meta.prev_hash[5] ^= event->type == EVENT_ORDER_CONFIRMED;
}

static void a_broken_chain_is_found(void **state) {
    (void)state;
    play_tampered(another_hash);
    expect_only("history.chain");
}

static void an_hour_before(struct event *event) {
    event->meta.occurred_at -= event->type == EVENT_ORDER_CONFIRMED ? INT64_C(3600000000) : 0;
}

static void time_that_goes_back_is_found(void **state) {
    (void)state;
    play_tampered(an_hour_before);
    expect_only("history.time");
}

static void the_same_event_id(struct event *event) {
    event->meta.event_id = str_starts_with(event->meta.stream, STR("ord_")) ? STR("evt_X") : event->meta.event_id;
}

static void an_event_id_that_stands_twice_is_found(void **state) {
    (void)state;
    play_tampered(the_same_event_id);
    expect("history.id");
}

static void an_effect_that_is_there_twice_is_found(void **state) {
    (void)state;
    play();
    struct event event = {.type = EVENT_STOCK_RECEIVED};
    event.as.stock_received =
        (struct stock_received){.location = STR("berlin"), .quantity = SCENE_UNITS, .on_hand = 2 * SCENE_UNITS};
    scene_event(SCENE_SKU_STREAM, scene.receipt->command_id, event);
    scene_commit();
    expect("effect.once");
}

static void an_effect_that_nobody_asked_for_is_found(void **state) {
    (void)state;
    play();
    struct event event = {.type = EVENT_CART_OPENED, .as.cart_opened.currency = STR("EUR")};
    scene_event(STR("cart_01ARZ3NDEKTSV4RRFFQ69G5FAW"), scene_id("cmd"), event);
    expect_only("effect.unasked");
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static void a_second_outcome_is_found(void **state) {
    (void)state;
    play();
    struct outcome outcome = scene_refused(scene.receipt, "unknown_sku");
    scene_outcome(&outcome, scene_shard(SCENE_SKU_STREAM));
    expect_only("outcome.once");
}

static void an_answer_other_than_the_outcome_is_found(void **state) {
    (void)state;
    play();
    struct outcome outcome = scene_accepted(scene.receipt, SCENE_SKU_STREAM, 2);
    scene_tell(scene.receipt, &outcome);
    expect_only("outcome.told");
}

static void an_answer_without_an_outcome_is_found(void **state) {
    (void)state;
    play();
    struct journal_entry *entry = scene_request(scene_receive(5), scene_id("cmd"), "another hash");
    struct outcome outcome = scene_refused(entry, "unknown_sku");
    scene_tell(entry, &outcome);
    expect("outcome.told");
}

static void a_command_without_an_outcome_is_found(void **state) {
    (void)state;
    play();
    scene_request(scene_receive(5), scene_id("cmd"), "another hash");
    expect_only("outcome.missing");
}

static void a_reused_key_that_is_answered_as_such_is_in_order(void **state) {
    (void)state;
    play();
    struct journal_entry *entry = scene_request(scene_receive(5), scene.receipt->command_id, "another hash");
    struct outcome outcome = scene_refused(entry, "idempotency_key_reused");
    scene_tell(entry, &outcome);
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violation_count(oracle), 0);
    oracle_free(oracle);
    scene_end();
}

static void a_reused_key_that_is_answered_like_the_first_is_found(void **state) {
    (void)state;
    play();
    struct journal_entry *entry = scene_request(scene_receive(5), scene.receipt->command_id, "another hash");
    struct outcome outcome = scene_accepted(scene.receipt, SCENE_SKU_STREAM, 1);
    scene_tell(entry, &outcome);
    expect_only("outcome.body");
}

static void a_key_that_was_not_reused_is_found(void **state) {
    (void)state;
    play();
    struct outcome outcome = scene_refused(scene.receipt, "idempotency_key_reused");
    scene_tell(scene.receipt, &outcome);
    expect_only("outcome.body");
}

static void an_answer_at_a_version_that_is_not_there_is_found(void **state) {
    (void)state;
    play();
    struct journal_entry *entry = scene_request(scene_receive(5), scene_id("cmd"), "another hash");
    struct outcome outcome = scene_accepted(entry, SCENE_CART, 9);
    scene_decide(entry, &outcome);
    expect("outcome.version");
}

static void a_refusal_with_events_is_found(void **state) {
    (void)state;
    play();
    struct journal_entry *entry = scene_request(scene_receive(5), scene_id("cmd"), "another hash");
    struct event event = {.type = EVENT_STOCK_RECEIVED};
    event.as.stock_received = (struct stock_received){.location = STR("berlin"), .quantity = 5, .on_hand = 15};
    scene_event(SCENE_SKU_STREAM, entry->command_id, event);
    struct outcome outcome = scene_refused(entry, "unknown_sku");
    scene_decide(entry, &outcome);
    expect_only("outcome.refused");
}

static void a_command_that_was_forgotten_is_found(void **state) {
    (void)state;
    play();
    struct command ask = {.type = COMMAND_ASK_OUTCOME, .as.ask_outcome.asked = scene.receipt->command_id};
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, &ask);
    scene_append(TOPIC_COMMANDS, scene_shard(SCENE_SKU_STREAM), STR("TEA"), buf_text(&value));
    buf_release(&value);
    struct journal_entry *question = journal_add_question(&scene.journal, scene.receipt);
    struct outcome outcome = {.command_id = question->command_id, .status = OUTCOME_STATUS_UNKNOWN};
    scene_tell(question, &outcome);
    expect_only("outcome.forgotten");
}

static void what_was_answered_503_and_stands_in_the_log_is_found(void **state) {
    (void)state;
    play();
    scene.receipt->told = (struct journal_told){.answer = JOURNAL_NOT_SENT};
    expect_only("outcome.unsent");
}

static void a_late_question_that_is_never_answered_is_found(void **state) {
    (void)state;
    play();
    struct journal_entry *question = journal_add_question(&scene.journal, scene.receipt);
    question->is_late = true;
    question->told.answer = JOURNAL_PENDING;
    expect_only("outcome.unanswered");
}

static void a_late_question_that_is_answered_at_the_second_try_is_in_order(void **state) {
    (void)state;
    play();
    for (int i = 0; i < 2; i++) {
        struct journal_entry *question = journal_add_question(&scene.journal, scene.receipt);
        question->is_late = true;
        if (i == 1) {
            question->told = scene.receipt->told;
        }
    }
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violation_count(oracle), 0);
    oracle_free(oracle);
    scene_end();
}

/* ---- rest -------------------------------------------------------------------------------------------------------- */

static void commands_that_are_undecided_are_found(void **state) {
    (void)state;
    play();
    scene.undecided = 1;
    expect("settled.undecided");
}

static void a_transaction_that_is_open_is_found(void **state) {
    (void)state;
    play();
    static int something;
    scene.partitions[TOPIC_CARTS][0].open = (void *)&something;
    expect_only("settled.open");
}

static void a_dead_letter_is_found_unless_it_is_allowed(void **state) {
    (void)state;
    play();
    scene_append(TOPIC_DEAD_LETTERS, 0, STR("TEA"), STR("what nobody could read"));
    struct oracle_options options = scene_options();
    options.dead_letters_are_fine = true;
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violation_count(oracle), 0);
    assert_int_equal(oracle_coverage(oracle)->dead_letters, 1);
    oracle_free(oracle);
    expect_only("settled.aside");
}

static void healing_that_took_too_long_is_found(void **state) {
    (void)state;
    play();
    struct oracle_options options = scene_options();
    options.healed_us = 1000000;
    options.settled_us = 9000000;
    options.settle_most_us = 5000000;
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violations_of(oracle, "settled.late"), 1);
    oracle_free(oracle);
    scene_end();
}

static void compare_nothing(struct oracle *oracle, void *context) {
    oracle_tell(oracle, "views.differ", "%s", (const char *)context);
}

static void the_caller_compares_views_by_himself(void **state) {
    (void)state;
    play();
    struct oracle_options options = scene_options();
    options.compare_views = compare_nothing;
    options.views_context = "orders: one row less";
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violations_of(oracle, "views.differ"), 1);
    assert_string_equal(oracle_violation_at(oracle, 0).text, "orders: one row less");
    oracle_free(oracle);
    scene_end();
}

static void what_was_aborted_is_not_seen(void **state) {
    (void)state;
    play();
    scene_append(TOPIC_STOCK, 0, STR("TEA"), STR("no event"))->is_aborted = true;
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violation_count(oracle), 0);
    assert_int_equal(oracle_coverage(oracle)->aborted_records, 1);
    oracle_free(oracle);
    scene_end();
}

static void the_mark_of_a_submission_is_read_again(void **state) {
    (void)state;
    scene_begin();
    const struct journal_entry entry = {.number = 0xbeef01};
    uint32_t number;
    assert_true(journal_trace_read(journal_trace(&scene.arena, &entry), &number));
    assert_int_equal(number, 0xbeef01);
    assert_false(journal_trace_read(STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), &number));
    scene_end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_in_order_passes),
        cmocka_unit_test(the_history_has_the_operations_of_each_sku_and_the_answers_of_each_key),
        cmocka_unit_test(coverage_adds_up),
        cmocka_unit_test(a_record_that_cannot_be_read_is_found),
        cmocka_unit_test(an_event_in_the_wrong_partition_is_found),
        cmocka_unit_test(a_version_that_is_passed_over_is_found),
        cmocka_unit_test(a_broken_chain_is_found),
        cmocka_unit_test(time_that_goes_back_is_found),
        cmocka_unit_test(an_event_id_that_stands_twice_is_found),
        cmocka_unit_test(an_effect_that_is_there_twice_is_found),
        cmocka_unit_test(an_effect_that_nobody_asked_for_is_found),
        cmocka_unit_test(a_second_outcome_is_found),
        cmocka_unit_test(an_answer_other_than_the_outcome_is_found),
        cmocka_unit_test(an_answer_without_an_outcome_is_found),
        cmocka_unit_test(a_command_without_an_outcome_is_found),
        cmocka_unit_test(a_reused_key_that_is_answered_as_such_is_in_order),
        cmocka_unit_test(a_reused_key_that_is_answered_like_the_first_is_found),
        cmocka_unit_test(a_key_that_was_not_reused_is_found),
        cmocka_unit_test(an_answer_at_a_version_that_is_not_there_is_found),
        cmocka_unit_test(a_refusal_with_events_is_found),
        cmocka_unit_test(a_command_that_was_forgotten_is_found),
        cmocka_unit_test(what_was_answered_503_and_stands_in_the_log_is_found),
        cmocka_unit_test(a_late_question_that_is_never_answered_is_found),
        cmocka_unit_test(a_late_question_that_is_answered_at_the_second_try_is_in_order),
        cmocka_unit_test(commands_that_are_undecided_are_found),
        cmocka_unit_test(a_transaction_that_is_open_is_found),
        cmocka_unit_test(a_dead_letter_is_found_unless_it_is_allowed),
        cmocka_unit_test(healing_that_took_too_long_is_found),
        cmocka_unit_test(the_caller_compares_views_by_himself),
        cmocka_unit_test(what_was_aborted_is_not_seen),
        cmocka_unit_test(the_mark_of_a_submission_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
