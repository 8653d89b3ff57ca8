#include "core/testing/simulator/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/base/timestamp.h"
#include "core/connect/http_provider.h"
#include "core/testing/simulator/world.h"

#define PAYMENT "pay_A.1.1"
#define SECOND_US ((int64_t)MICROS_PER_SECOND)

enum { TIMEOUT_MS = 10000, DAY_S = 24 * 3600 };

/* One question of a connector: after the answer of the one before, and a pause. */
struct step {
    enum { END, CHARGE, CAPTURE, VOID, REFUND, LOOKUP } what;
    const char *key; /* what follows the payment's name */
    int64_t amount_minor;
    int pause_s;
};

static struct step charge(const char *key, int64_t amount_minor) {
    return (struct step){CHARGE, key, amount_minor, 0};
}

static struct step capture(const char *key, int64_t amount_minor) {
    return (struct step){CAPTURE, key, amount_minor, 0};
}

static struct step cancel(void) {
    return (struct step){VOID, "void", 0, 0};
}

static struct step refund(const char *key, int64_t amount_minor) {
    return (struct step){REFUND, key, amount_minor, 0};
}

static struct step look(const char *key) {
    return (struct step){LOOKUP, key, 0, 0};
}

static struct step after(int pause_s, struct step step) {
    step.pause_s = pause_s;
    return step;
}

/* Stands in for the connector: the real http_provider.c on a loop of its own. */
static struct {
    const char *method;
    const struct step *next;
    uv_loop_t loop;
    uv_timer_t pause;
    struct http_calls *calls;
    struct http_provider *provider;
    struct intent intent;
    char heard[512]; /* "captured 100, unknown, not found" */
    int heard_count;
} asker;

static void ask(uv_timer_t *timer);

static void ask_later(void) {
    uv_timer_start(&asker.pause, ask, (uint64_t)asker.next->pause_s * 1000, 0);
}

static void hear(void *context, const struct provider_outcome *outcome) {
    (void)context;
    char *end = asker.heard + strlen(asker.heard);
    size_t left = sizeof asker.heard - (size_t)(end - asker.heard);
    const char *comma = asker.heard_count++ == 0 ? "" : ", ";
    switch (outcome->answer) {
    case PROVIDER_UNKNOWN:
        snprintf(end, left, "%sunknown", comma);
        break;
    case PROVIDER_NOT_FOUND:
        snprintf(end, left, "%snot found", comma);
        break;
    case PROVIDER_PENDING:
        snprintf(end, left, "%spending", comma);
        break;
    case PROVIDER_DECIDED:
        snprintf(end, left, "%s%.*s %lld", comma, STR_ARGS(outcome->result), (long long)outcome->amount_minor);
        break;
    }
    ask_later();
}

static void ask(uv_timer_t *timer) {
    const struct step *step = asker.next;
    if (step->what == END) {
        http_calls_close(asker.calls, NULL, NULL);
        uv_close((uv_handle_t *)timer, NULL);
        return;
    }
    asker.next++;
    asker.intent = (struct intent){.amount_minor = step->amount_minor, .payment = PAYMENT, .currency = "EUR"};
    snprintf(asker.intent.key, sizeof asker.intent.key, "%s.%s", PAYMENT, step->key);
    if (step->what != LOOKUP) {
        asker.intent.kind = (enum intent_kind)(step->what - CHARGE);
    }
    if (step->what == CHARGE) {
        snprintf(asker.intent.method, sizeof asker.intent.method, "%s", asker.method);
    }
    struct provider *port = http_provider_port(asker.provider);
    struct err_info info = {0};
    enum err err = step->what == LOOKUP ? port->lookup(port, &asker.intent, hear, NULL, &info)
                                        : port->call(port, &asker.intent, hear, NULL, &info);
    assert_int_equal(err, ERR_NONE);
}

static void asker_main(void *context) {
    (void)context;
    struct err_info info = {0};
    uv_loop_init(&asker.loop);
    uv_timer_init(&asker.loop, &asker.pause);
    assert_int_equal(http_calls_open(&asker.loop, 4, &asker.calls, &info), ERR_NONE);
    asker.provider = http_provider_create(asker.calls, "http://provider.test", TIMEOUT_MS);
    ask_later();
    uv_run(&asker.loop, UV_RUN_DEFAULT);
    http_provider_free(asker.provider);
    assert_int_equal(uv_loop_close(&asker.loop), 0);
}

/* Each test begins with a world and a provider without faults; what it changes, it changes before its run. */
static int begin(void **state) {
    (void)state;
    sim_begin(1);
    sim_provider_begin();
    sim_point_hook = NULL;
    memset(&asker, 0, sizeof asker);
    return 0;
}

static void ask_all(const char *method, const struct step *steps) {
    asker.method = method;
    asker.next = steps;
    sim_start("asker", 1, asker_main, NULL);
    sim_run(INT64_C(10) * DAY_S * SECOND_US);
}
#define ASK(method, ...) ask_all((method), (const struct step[]){__VA_ARGS__, {.what = END}})

static const struct sim_ledger_payment *sums(void) {
    const struct sim_ledger_payment *payment = sim_ledger_payment(STR(PAYMENT));
    assert_non_null(payment);
    return payment;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void one_key_is_one_charge_however_often_it_is_asked(void **state) {
    (void)state;
    ASK("approve", look("charge"), charge("charge", 100), charge("charge", 100), look("charge"));
    assert_string_equal(asker.heard, "not found, captured 100, captured 100, captured 100");
    assert_int_equal(sums()->charges, 1);
    assert_int_equal(sums()->captured_minor, 100);
    assert_null(sim_ledger_first()->next);
}

static void another_key_charges_again_and_the_ledger_says_so(void **state) {
    (void)state;
    ASK("approve", charge("charge", 100), charge("charge.2", 100));
    assert_int_equal(sums()->charges, 2);
    assert_int_equal(sums()->captures, 2);
    assert_int_equal(sums()->captured_minor, 200);
}

static void a_forgotten_key_charges_again_and_is_found_until_then(void **state) {
    (void)state;
    ASK("approve", charge("charge", 100), after(DAY_S + 1, look("charge")), charge("charge", 100));
    assert_string_equal(asker.heard, "captured 100, captured 100, captured 100");
    assert_int_equal(sums()->charges, 2);
}

static void a_key_is_remembered_for_a_day(void **state) {
    (void)state;
    ASK("approve", charge("charge", 100), after(DAY_S - 60, charge("charge", 100)));
    assert_int_equal(sums()->charges, 1);
}

/* ---- methods ----------------------------------------------------------------------------------------------------- */

static void a_charge_that_hangs_is_taken_and_can_be_looked_up(void **state) {
    (void)state;
    ASK("hang", charge("charge", 100), look("charge"), charge("charge", 100));
    assert_string_equal(asker.heard, "unknown, captured 100, captured 100");
    assert_int_equal(sums()->charges, 1);
}

static void a_late_charge_is_pending_and_taken_once(void **state) {
    (void)state;
    ASK("late", charge("charge", 100), look("charge"), after(60, look("charge")));
    assert_string_equal(asker.heard, "pending, pending, captured 100");
    assert_int_equal(sums()->charges, 1);
}

static void what_is_authorized_is_captured_once(void **state) {
    (void)state;
    ASK("authorize", charge("charge", 100), capture("capture.1", 100), capture("capture.2", 100), cancel());
    assert_string_equal(asker.heard, "authorized 100, captured 100, declined 100, void_refused 0");
    assert_int_equal(sums()->captured_minor, 100);
    assert_int_equal(sums()->captures, 1);
}

static void a_charge_after_its_void_is_declined(void **state) {
    (void)state;
    ASK("approve", cancel(), charge("charge", 100));
    assert_string_equal(asker.heard, "voided 0, declined 100");
    assert_true(sums()->is_voided);
    assert_int_equal(sums()->charges, 0);
}

static void a_late_charge_is_not_taken_after_its_void(void **state) {
    (void)state;
    ASK("late", charge("charge", 100), cancel(), after(60, look("charge")));
    assert_string_equal(asker.heard, "pending, voided 0, declined 100");
    assert_int_equal(sums()->charges, 0);
}

static void a_pledge_cannot_be_voided_before_it_is_held(void **state) {
    (void)state;
    ASK("pledge", charge("charge", 100), cancel(), after(120, look("charge")), capture("capture.1", 100));
    assert_string_equal(asker.heard, "pending, void_refused 0, authorized 100, captured 100");
}

static void no_more_is_refunded_than_was_captured(void **state) {
    (void)state;
    ASK("approve", charge("charge", 100), refund("refund.1", 60), refund("refund.1", 60), refund("refund.2", 60),
        refund("refund.3", 40));
    assert_string_equal(asker.heard, "captured 100, refunded 60, refunded 60, refund_failed 60, refunded 40");
    assert_int_equal(sums()->refunded_minor, 100);
}

static void a_refund_can_take_a_while(void **state) {
    (void)state;
    ASK("refund_late", charge("charge", 100), refund("refund.1", 60), after(120, look("refund.1")));
    assert_string_equal(asker.heard, "captured 100, pending, refunded 60");
    assert_int_equal(sums()->refunded_minor, 60);
}

static void a_refused_request_has_no_effect_and_is_not_found(void **state) {
    (void)state;
    ASK("refuse", charge("charge", 100), look("charge"), charge("charge", 100));
    assert_string_equal(asker.heard, "declined 0, not found, declined 0");
    assert_int_equal(sums()->charges, 0);
}

static void an_error_after_the_charge_is_no_second_charge(void **state) {
    (void)state;
    ASK("error_after", charge("charge", 100), charge("charge", 100));
    assert_string_equal(asker.heard, "unknown, captured 100");
    assert_int_equal(sums()->charges, 1);
}

static void an_overcharge_is_in_the_ledger(void **state) {
    (void)state;
    ASK("overcharge", charge("charge", 100));
    assert_string_equal(asker.heard, "captured 101");
    assert_int_equal(sums()->captured_minor, 101);
    assert_int_equal(sim_ledger_first()->asked_minor, 100);
}

/* ---- the shopper's step, webhooks -------------------------------------------------------------------------------- */

static struct {
    int told;
    bool is_refused_once;
    const char *newest;
} webhooks;

static void take_webhook(const struct sim_ledger_entry *entry, void (*on_taken)(void *context, bool is_taken),
                         void *context) {
    webhooks.told++;
    webhooks.newest = entry->result;
    bool is_taken = !webhooks.is_refused_once;
    webhooks.is_refused_once = false;
    on_taken(context, is_taken);
}

static void act(void *context) {
    (void)context;
    sim_provider_act(STR(PAYMENT));
}

static void a_step_that_the_shopper_takes_is_told_by_webhook(void **state) {
    (void)state;
    memset(&webhooks, 0, sizeof webhooks);
    sim_provider_on_decided = take_webhook;
    sim_provider_shoppers_act = 0;
    sim_after(5 * SECOND_US, NULL, act, NULL);
    sim_after(6 * SECOND_US, NULL, act, NULL); /* again: nothing */
    ASK("action", charge("charge", 100), after(10, look("charge")));
    assert_string_equal(asker.heard, "action_required 100, captured 100");
    assert_int_equal(webhooks.told, 1);
    assert_string_equal(webhooks.newest, "captured");
    assert_int_equal(sums()->charges, 1);
}

static void a_lost_webhook_leaves_the_outcome_to_be_looked_up(void **state) {
    (void)state;
    memset(&webhooks, 0, sizeof webhooks);
    sim_provider_on_decided = take_webhook;
    sim_provider_faults.webhook_lost = 1000000;
    ASK("late", charge("charge", 100), after(60, look("charge")));
    assert_string_equal(asker.heard, "pending, captured 100");
    assert_int_equal(webhooks.told, 0);
    begin(NULL);
    sim_provider_on_decided = take_webhook;
    sim_provider_faults.webhook_lost = 1000000;
    ASK("late_success", charge("charge", 100));
    assert_int_equal(webhooks.told, 1);
}

static void what_the_payer_contests_is_told_by_webhooks_and_taken_at_its_end(void **state) {
    (void)state;
    memset(&webhooks, 0, sizeof webhooks);
    sim_provider_on_decided = take_webhook;
    ASK("dispute_lost", charge("charge", 100), after(600, look("charge")), refund("refund.1", 100));
    assert_string_equal(asker.heard, "captured 100, captured 100, refund_failed 100");
    assert_int_equal(webhooks.told, 2);
    assert_int_equal(sums()->contested_minor, 0);
    assert_in_range(sums()->lost_minor, 1, 100);
    begin(NULL);
    sim_provider_on_decided = take_webhook;
    ASK("dispute_won", charge("charge", 100), after(600, refund("refund.1", 100)));
    assert_string_equal(asker.heard, "captured 100, refunded 100");
    assert_int_equal(sums()->lost_minor, 0);
}

static void a_webhook_that_is_not_taken_comes_again(void **state) {
    (void)state;
    memset(&webhooks, 0, sizeof webhooks);
    webhooks.is_refused_once = true;
    sim_provider_on_decided = take_webhook;
    ASK("late_success", charge("charge", 100));
    assert_string_equal(asker.heard, "declined 100");
    assert_int_equal(webhooks.told, 2);
    assert_string_equal(webhooks.newest, "captured");
    assert_int_equal(sim_provider_webhooks_open(), 0);
    assert_int_equal(sums()->charges, 1);
}

static void drop(void *context) {
    (void)context;
    sim_ledger_drop(sim_ledger_first());
}

static void what_was_dropped_is_not_found_and_charging_it_again_shows(void **state) {
    (void)state;
    sim_provider_shoppers_act = 0;
    sim_after(5 * SECOND_US, NULL, drop, NULL);
    ASK("action", charge("charge", 100), after(10, look("charge")), charge("charge", 100));
    assert_string_equal(asker.heard, "action_required 100, not found, action_required 100");
    assert_non_null(sim_ledger_first()->next);
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static void a_lost_request_is_unknown_and_did_nothing(void **state) {
    (void)state;
    sim_provider_faults.request_lost = 1000000;
    ASK("approve", charge("charge", 100));
    assert_string_equal(asker.heard, "unknown");
    assert_null(sim_ledger_first());
}

static void a_lost_answer_is_unknown_and_did_it(void **state) {
    (void)state;
    sim_provider_faults.answer_lost = 1000000;
    ASK("approve", charge("charge", 100));
    assert_string_equal(asker.heard, "unknown");
    assert_int_equal(sums()->charges, 1);
}

static void a_torn_answer_is_unknown(void **state) {
    (void)state;
    sim_provider_faults.torn = 1000000;
    ASK("approve", charge("charge", 100), look("charge"));
    assert_string_equal(asker.heard, "unknown, unknown");
}

static void a_request_that_arrives_twice_is_one_charge(void **state) {
    (void)state;
    sim_provider_faults.request_twice = 1000000;
    ASK("approve", charge("charge", 100), after(5, look("charge")));
    assert_string_equal(asker.heard, "captured 100, captured 100");
    assert_int_equal(sums()->charges, 1);
}

static void a_request_may_arrive_after_its_sender_has_given_it_up(void **state) {
    (void)state;
    sim_provider_faults.late = 1000000;
    sim_provider_faults.late_most_us = 3600 * SECOND_US;
    ASK("approve", charge("charge", 100));
    assert_string_equal(asker.heard, "unknown");
    assert_int_equal(sums()->charges, 1);
    assert_true(sim_ledger_first()->at_us > (int64_t)TIMEOUT_MS * MICROS_PER_MS);
}

static void a_provider_that_is_away_does_nothing_until_it_is_healed(void **state) {
    (void)state;
    const enum sim_provider_condition conditions[] = {SIM_PROVIDER_SILENT, SIM_PROVIDER_REFUSING};
    for (size_t i = 0; i < ARRAY_LENGTH(conditions); i++) {
        begin(NULL);
        sim_provider_condition = conditions[i];
        ASK("approve", charge("charge", 100), look("charge"));
        assert_string_equal(asker.heard, "unknown, unknown");
        assert_null(sim_ledger_first());
        sim_provider_heal();
        assert_int_equal(sim_provider_condition, SIM_PROVIDER_UP);
    }
}

static void outages_that_were_drawn_come_and_go(void **state) {
    (void)state;
    int seen = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        sim_begin(seed);
        sim_provider_begin();
        sim_provider_draw_faults(600 * SECOND_US);
        for (int64_t s = 1; s <= 600; s++) {
            sim_run(s * SECOND_US);
            seen += sim_provider_condition != SIM_PROVIDER_UP;
        }
        sim_run(1000 * SECOND_US);
        assert_int_equal(sim_provider_condition, SIM_PROVIDER_UP);
    }
    assert_in_range(seen, 1, 20 * 600);
}

/* ---- processes that die ------------------------------------------------------------------------------------------ */

static const char *deadly_point;

static void kill_there(const char *name) {
    if (strcmp(name, deadly_point) == 0) {
        sim_kill(sim_self());
    }
}

static void dies_at(const char *point, int charges) {
    begin(NULL);
    deadly_point = point;
    sim_point_hook = kill_there;
    ASK("approve", charge("charge", 100));
    const struct sim_ledger_payment *payment = sim_ledger_payment(STR(PAYMENT));
    assert_int_equal(payment == NULL ? 0 : payment->charges, charges);
    assert_false(sim_processes()->is_alive);
    assert_int_equal(asker.heard_count, strcmp(point, "provider: after answer") == 0);
}

static void what_left_a_process_arrives_although_it_was_killed(void **state) {
    (void)state;
    dies_at("provider: before call", 0);
    dies_at("provider: after call", 1);
    dies_at("provider: before answer", 1);
    dies_at("provider: after answer", 1);
}

/* ---- chance ------------------------------------------------------------------------------------------------------ */

static uint64_t digest_of(uint64_t seed) {
    sim_begin(seed);
    sim_provider_begin();
    memset(&asker, 0, sizeof asker);
    sim_provider_draw_faults(3600 * SECOND_US);
    ASK("authorize", charge("charge", 100), look("charge"), charge("charge", 100), capture("capture.1", 100),
        capture("capture.1", 100), refund("refund.1", 10), refund("refund.1", 10), look("refund.1"));
    const struct sim_ledger_payment *payment = sim_ledger_payment(STR(PAYMENT));
    if (payment != NULL) {
        assert_in_range(payment->charges, 0, 1);
        assert_true(payment->captured_minor <= payment->authorized_minor);
        assert_true(payment->refunded_minor <= 10);
    }
    return sim_digest();
}

static void a_seed_gives_one_run_and_faults_never_make_a_second_effect(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t first = digest_of(seed);
        assert_int_equal(asker.heard_count, 8);
        assert_true(first == digest_of(seed));
        assert_true(first != digest_of(seed + 1000));
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, begin)
    const struct CMUnitTest tests[] = {
        TEST(one_key_is_one_charge_however_often_it_is_asked),
        TEST(another_key_charges_again_and_the_ledger_says_so),
        TEST(a_forgotten_key_charges_again_and_is_found_until_then),
        TEST(a_key_is_remembered_for_a_day),
        TEST(a_charge_that_hangs_is_taken_and_can_be_looked_up),
        TEST(a_late_charge_is_pending_and_taken_once),
        TEST(what_is_authorized_is_captured_once),
        TEST(a_charge_after_its_void_is_declined),
        TEST(a_late_charge_is_not_taken_after_its_void),
        TEST(a_pledge_cannot_be_voided_before_it_is_held),
        TEST(no_more_is_refunded_than_was_captured),
        TEST(a_refund_can_take_a_while),
        TEST(a_refused_request_has_no_effect_and_is_not_found),
        TEST(an_error_after_the_charge_is_no_second_charge),
        TEST(an_overcharge_is_in_the_ledger),
        TEST(a_step_that_the_shopper_takes_is_told_by_webhook),
        TEST(a_lost_webhook_leaves_the_outcome_to_be_looked_up),
        TEST(what_the_payer_contests_is_told_by_webhooks_and_taken_at_its_end),
        TEST(a_webhook_that_is_not_taken_comes_again),
        TEST(what_was_dropped_is_not_found_and_charging_it_again_shows),
        TEST(a_lost_request_is_unknown_and_did_nothing),
        TEST(a_lost_answer_is_unknown_and_did_it),
        TEST(a_torn_answer_is_unknown),
        TEST(a_request_that_arrives_twice_is_one_charge),
        TEST(a_request_may_arrive_after_its_sender_has_given_it_up),
        TEST(a_provider_that_is_away_does_nothing_until_it_is_healed),
        TEST(outages_that_were_drawn_come_and_go),
        TEST(what_left_a_process_arrives_although_it_was_killed),
        TEST(a_seed_gives_one_run_and_faults_never_make_a_second_effect),
    };
    return cmocka_run_group_tests_name("simulated provider", tests, NULL, NULL);
}
