#include "core/gateway/revocations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "core/base/timestamp.h"

#define ADA "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define EVE "cus_01ARZ3NDEKTSV4RRFFQ69G5FAW"

static struct revocations revocations;
static const int64_t now_us = INT64_C(1800000000) * MICROS_PER_SECOND;

static int set_up(void **state) {
    (void)state;
    revocations_init(&revocations);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    revocations_release(&revocations);
    return 0;
}

static void add(const char *customer, int32_t session, bool is_upto, int32_t kept, int64_t ended_at) {
    const struct session_end end = {
        .customer = str_of_cstr(customer), .session = session, .is_upto = is_upto, .kept = kept, .ended_at = ended_at};
    revocations_add(&revocations, &end);
}

static bool has(const char *customer, int32_t session) {
    return revocations_has(&revocations, str_of_cstr(customer), session);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void what_has_ended_lets_in_nobody_and_all_else_does(void **state) {
    (void)state;
    assert_false(has(ADA, 3));
    add(ADA, 3, false, 0, now_us);
    assert_true(has(ADA, 3));
    assert_false(has(ADA, 2));
    assert_false(has(EVE, 3));
}

static void all_before_one_end_together_but_the_one_that_is_kept(void **state) {
    (void)state;
    add(ADA, 5, true, 2, now_us);
    assert_true(has(ADA, 1));
    assert_false(has(ADA, 2));
    assert_true(has(ADA, 4));
    assert_false(has(ADA, 5));
    add(ADA, 6, true, 0, now_us); /* later the kept one ends as well */
    assert_true(has(ADA, 2));
}

static void an_end_that_is_told_twice_takes_one_place(void **state) {
    (void)state;
    add(ADA, 3, false, 0, now_us);
    add(ADA, 3, false, 0, now_us + 1);
    assert_int_equal(revocations_counts(&revocations).ends, 1);
    revocations_forget(&revocations, now_us + 1);
    assert_true(has(ADA, 3)); /* it ended at the later time */
}

static void what_no_token_outlives_is_forgotten(void **state) {
    (void)state;
    add(ADA, 3, false, 0, now_us);
    add(EVE, 4, false, 0, now_us + 2);
    revocations_forget(&revocations, now_us + 1);
    assert_false(has(ADA, 3));
    assert_true(has(EVE, 4));
    assert_int_equal(revocations_counts(&revocations).ends, 1);
}

/* Whoever shows a token of last month each minute is told so each time, and nothing else is kept for it. */
static void an_end_that_is_told_again_and_again_keeps_no_others(void **state) {
    (void)state;
    add(ADA, 3, false, 0, now_us);
    add(EVE, 4, false, 0, now_us + 1);
    add(ADA, 3, false, 0, now_us + 10);
    revocations_forget(&revocations, now_us + 5);
    assert_false(has(EVE, 4));
    assert_true(has(ADA, 3));
    add(EVE, 5, false, 0, now_us + 11);
    add(ADA, 3, false, 0, now_us + 20); /* from the middle, and from the end */
    add(ADA, 3, false, 0, now_us + 30);
    revocations_forget(&revocations, now_us + 25);
    assert_int_equal(revocations_counts(&revocations).ends, 1);
    assert_true(has(ADA, 3));
    revocations_forget(&revocations, now_us + 31);
    assert_int_equal(revocations_counts(&revocations).ends, 0);
    add(EVE, 6, false, 0, now_us);
    assert_true(has(EVE, 6));
}

static void what_is_no_customer_ends_nothing(void **state) {
    (void)state;
    add("key_01ARZ3NDEKTSV4RRFFQ69G5FAV", 3, false, 0, now_us);
    add("", 3, false, 0, now_us);
    assert_int_equal(revocations_counts(&revocations).ends, 0);
}

static void past_the_bound_the_first_give_way(void **state) {
    (void)state;
    for (int32_t i = 1; i <= REVOCATIONS_MAX + 2; i++) {
        char customer[32];
        (void)snprintf(customer, sizeof customer, "cus_01ARZ3NDEKTSV4RRFF%08d", i);
        add(customer, i, false, 0, now_us);
    }
    assert_int_equal(revocations_counts(&revocations).ends, REVOCATIONS_MAX);
    assert_int_equal(revocations_counts(&revocations).lost_total, 2);
    assert_false(has("cus_01ARZ3NDEKTSV4RRFF00000002", 2));
    assert_true(has("cus_01ARZ3NDEKTSV4RRFF00000003", 3));
}

/* ---- reading them ------------------------------------------------------------------------------------------------ */

/* A database that holds ends, in the order of their times. */
static struct row {
    const char *customer;
    int32_t session;
    int64_t ended_at;
} rows[REVOCATIONS_PAGE_ROWS + 8];
static size_t row_count, questions, failing; /* the question that fails; 0: none */
static bool is_away, is_refused, is_strange; /* the last: nothing of its rows can be read */
static char since_asked[TIMESTAMP_TEXT_MAX + 1];

static void put(PGresult *result, int row, int column, const char *text) {
    PQsetvalue(result, row, column, (char *)text, (int)strlen(text));
}

static void ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                pg_result_cb *on_result, void *context) {
    (void)pg;
    assert_ptr_equal(statement, &session_ends_since);
    questions++;
    (void)snprintf(since_asked, sizeof since_asked, "%.*s", STR_ARGS(parameters[0]));
    if (is_refused) {
        struct err_info error = {0};
        (void)err_set(&error, ERR_POSTGRES, "permission denied");
        on_result(context, NULL, &error);
        return;
    }
    if (is_away || questions == failing) {
        struct err_info error;
        (void)err_set_retriable(&error, ERR_POSTGRES, "it is away");
        on_result(context, NULL, &error);
        return;
    }
    int64_t since_us = 0, most = 0;
    assert_true(timestamp_read(parameters[0], &since_us) && int64_read(parameters[1], &most));
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[] = {
        {.name = "customer"}, {.name = "session"}, {.name = "upto"}, {.name = "kept"}, {.name = "ended_at"}};
    assert_true(PQsetResultAttrs(result, 5, columns));
    for (size_t i = 0; i < row_count && PQntuples(result) < most; i++) {
        if (rows[i].ended_at < since_us) {
            continue;
        }
        char time[24], number[16];
        int row = PQntuples(result);
        (void)snprintf(number, sizeof number, "%d", rows[i].session);
        put(result, row, 0, rows[i].customer);
        put(result, row, 1, is_strange ? "of a later release" : number);
        put(result, row, 2, "f");
        put(result, row, 3, "0");
        (void)snprintf(time, sizeof time, "%lld", (long long)rows[i].ended_at);
        put(result, row, 4, time);
    }
    on_result(context, result, NULL);
    PQclear(result);
}

static void row_is(size_t place, const char *customer, int32_t session, int64_t ended_at) {
    rows[place] = (struct row){customer, session, ended_at};
    row_count = place + 1 > row_count ? place + 1 : row_count;
}

static struct revocation_reader reader_over(size_t first_rows) {
    struct revocation_reader reader;
    row_count = first_rows;
    questions = failing = 0;
    is_away = is_refused = is_strange = false;
    revocation_reader_init(&reader, &revocations, NULL, ask, INT64_C(600) * MICROS_PER_SECOND);
    return reader;
}

static void ends_are_read_at_the_start_and_when_the_view_has_moved(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    row_is(0, ADA, 3, now_us);
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_true(has(ADA, 3));
    row_is(1, EVE, 4, now_us + 1);
    revocation_reader_tick(&reader, now_us, 1100000);
    assert_false(has(EVE, 4)); /* nobody told of it */
    revocation_reader_moved(&reader, 1100000);
    revocation_reader_tick(&reader, now_us, 1150000);
    assert_int_equal(questions, 1); /* others may follow at once */
    revocation_reader_tick(&reader, now_us, 1200000);
    assert_true(has(EVE, 4));
    assert_int_equal(questions, 2);
}

static void a_lost_notification_costs_half_a_minute_at_most(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    revocation_reader_tick(&reader, now_us, 1000000);
    row_is(0, ADA, 3, now_us - INT64_C(300) * MICROS_PER_SECOND); /* and became visible late */
    revocation_reader_tick(&reader, now_us, 1000000 + REVOCATIONS_WHOLE_MS * INT64_C(1000));
    assert_true(has(ADA, 3));
}

static void what_is_older_than_any_token_is_not_asked_for(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    row_is(0, ADA, 3, now_us - INT64_C(721) * MICROS_PER_SECOND);
    row_is(1, ADA, 4, now_us - INT64_C(719) * MICROS_PER_SECOND);
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_false(has(ADA, 3));
    assert_true(has(ADA, 4));
}

static void many_ends_are_read_a_page_at_a_time(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    for (int32_t i = 0; i < REVOCATIONS_PAGE_ROWS + 5; i++) {
        row_is((size_t)i, ADA, i + 1, now_us + i);
    }
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_int_equal(questions, 2);
    assert_int_equal(revocations_counts(&revocations).ends, REVOCATIONS_PAGE_ROWS + 5);
}

static void a_page_of_one_moment_does_not_hold_up_the_rest(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    for (int32_t i = 0; i < REVOCATIONS_PAGE_ROWS; i++) {
        row_is((size_t)i, ADA, i + 1, now_us);
    }
    row_is(REVOCATIONS_PAGE_ROWS, EVE, 1, now_us + 1);
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_true(has(EVE, 1));
}

static void without_the_database_the_table_stands_still_and_is_asked_for_whole_afterwards(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    row_is(0, ADA, 3, now_us);
    revocation_reader_tick(&reader, now_us, 1000000);
    is_away = true;
    revocation_reader_moved(&reader, 1000000);
    revocation_reader_tick(&reader, now_us, 1100000);
    assert_true(has(ADA, 3));
    size_t asked = questions;
    revocation_reader_tick(&reader, now_us, 1200000);
    assert_int_equal(questions, asked); /* not at each tick */
    is_away = false;
    row_is(1, EVE, 4, now_us - INT64_C(60) * MICROS_PER_SECOND);
    revocation_reader_tick(&reader, now_us, 1100000 + REVOCATIONS_AGAIN_MS * INT64_C(1000));
    assert_true(has(EVE, 4));
}

static void nothing_is_known_before_all_were_read_once(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    is_away = true;
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_false(revocations_are_known(&revocations));
    is_away = false;
    revocation_reader_tick(&reader, now_us, 1000000 + REVOCATIONS_AGAIN_MS * INT64_C(1000)); /* there is none */
    assert_true(revocations_are_known(&revocations));
    is_away = true; /* from then on it stands still */
    revocation_reader_tick(&reader, now_us, 1000000 + 2 * REVOCATIONS_WHOLE_MS * INT64_C(1000));
    assert_true(revocations_are_known(&revocations));
}

static void a_first_page_alone_is_not_all(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    for (int32_t i = 0; i < REVOCATIONS_PAGE_ROWS + 5; i++) {
        row_is((size_t)i, ADA, i + 1, now_us + i);
    }
    failing = 2;
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_int_equal(revocations_counts(&revocations).ends, REVOCATIONS_PAGE_ROWS);
    assert_false(revocations_are_known(&revocations));
    revocation_reader_moved(&reader, 1000000); /* what is new begins where the first page ended */
    revocation_reader_tick(&reader, now_us, 1000000 + REVOCATIONS_DEBOUNCE_MS * INT64_C(1000));
    assert_int_equal(revocations_counts(&revocations).ends, REVOCATIONS_PAGE_ROWS + 5);
    assert_true(revocations_are_known(&revocations));
}

/* So that whoever looks after it learns of it, and how long it has been so. */
static void a_reading_that_fails_is_counted_and_asked_again_after_a_while(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    is_refused = true;
    revocation_reader_tick(&reader, now_us, 1000000);
    revocation_reader_tick(&reader, now_us, 1100000);
    assert_int_equal(questions, 1);
    struct revocations_counts counts = revocations_counts(&revocations);
    assert_int_equal(counts.failures_total, 1);
    assert_int_equal(counts.read_at_boot_us, 0);
    assert_true(reader.has_told);
    is_refused = false;
    revocation_reader_tick(&reader, now_us, 2000000);
    counts = revocations_counts(&revocations);
    assert_int_equal(counts.failures_total, 1);
    assert_int_equal(counts.read_at_boot_us, 2000000);
    assert_false(reader.has_told); /* and would be again */
}

static void a_database_that_is_away_is_told_by_others(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    is_away = true;
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_int_equal(revocations_counts(&revocations).failures_total, 1);
    assert_false(reader.has_told);
}

static void when_notifications_may_be_missing_all_are_asked_for_at_once(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    revocation_reader_tick(&reader, now_us, 1000000);
    row_is(0, ADA, 3, now_us - INT64_C(300) * MICROS_PER_SECOND);
    revocation_reader_missed(&reader, 1000001);
    revocation_reader_tick(&reader, now_us, 1000002);
    assert_true(has(ADA, 3));
}

/* Else the ends that all others tell would be passed over until the whole is read again. */
static void a_front_whose_clock_is_ahead_holds_up_nobody_elses_ends(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    row_is(0, ADA, 3, now_us + INT64_C(600) * MICROS_PER_SECOND);
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_true(has(ADA, 3));
    row_is(1, EVE, 4, now_us + 1);
    revocation_reader_moved(&reader, 1100000);
    revocation_reader_tick(&reader, now_us + MICROS_PER_SECOND, 1200000);
    assert_true(has(EVE, 4));
}

static void a_page_of_which_nothing_can_be_read_is_asked_for_again_after_a_while(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    for (int32_t i = 0; i < REVOCATIONS_PAGE_ROWS; i++) {
        row_is((size_t)i, ADA, i + 1, now_us);
    }
    is_strange = true;
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_int_equal(questions, 1);
    struct revocations_counts counts = revocations_counts(&revocations);
    assert_int_equal(counts.unreadable_total, REVOCATIONS_PAGE_ROWS);
    assert_int_equal(counts.failures_total, 1);
    assert_false(revocations_are_known(&revocations));
    is_strange = false;
    revocation_reader_tick(&reader, now_us, 1000000 + REVOCATIONS_AGAIN_MS * INT64_C(1000));
    assert_int_equal(revocations_counts(&revocations).ends, REVOCATIONS_PAGE_ROWS);
    assert_true(revocations_are_known(&revocations));
}

static void of_a_machine_whose_clock_says_1970_all_are_asked_for(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    row_is(0, ADA, 3, now_us);
    revocation_reader_tick(&reader, INT64_C(5) * MICROS_PER_SECOND, 1000000);
    assert_string_equal(since_asked, "1970-01-01T00:00:00.000000Z");
    assert_true(has(ADA, 3));
    revocation_reader_tick(&reader, INT64_MAX, 1000000 + REVOCATIONS_WHOLE_MS * INT64_C(1000));
    assert_string_equal(since_asked, "9999-12-31T23:59:59.999999Z");
}

/* A page that does not get any further is not asked for again and again. */
static void ends_of_no_year_do_not_hold_it_up(void **state) {
    (void)state;
    struct revocation_reader reader = reader_over(0);
    for (int32_t i = 0; i < REVOCATIONS_PAGE_ROWS; i++) {
        row_is((size_t)i, ADA, i + 1, TIMESTAMP_MOST_US + i);
    }
    revocation_reader_tick(&reader, now_us, 1000000);
    assert_int_equal(questions, 2);
    assert_int_equal(revocations_counts(&revocations).failures_total, 1);
    assert_true(has(ADA, REVOCATIONS_PAGE_ROWS));
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { ADDERS = 3, ENDS_EACH = 4000, ASKERS = 2 };

static pthread_barrier_t begun;
static _Atomic int adding;

struct part {
    pthread_t thread;
    int number;
    _Atomic int progress; /* so many of its ends were added */
    int wrong;            /* what cmocka must not be told on this thread */
};

static void customer_of(int part, int number, char ret_customer[31]) {
    snprintf(ret_customer, 31, "cus_01ARZ3NDEKTSV4RRFF%02u%06u", (unsigned)part % 100, (unsigned)number % 1000000);
}

/* Ends of its own, later and later; and between them, over and over, one that all tell. */
static void *add_ends(void *argument) {
    struct part *part = argument;
    char customer[31];
    pthread_barrier_wait(&begun);
    for (int i = 0; i < ENDS_EACH; i++) {
        customer_of(part->number, i, customer);
        add(customer, 1, false, 0, now_us + i);
        add(EVE, 1, false, 0, now_us + i);
        part->wrong += !has(customer, 1);
        atomic_store(&part->progress, i + 1);
    }
    atomic_fetch_sub(&adding, 1);
    return NULL;
}

static struct part adders[ADDERS];

/* A loop that judges tokens: who has ended has ended, and who has not has not; who ends just now, may have. */
static void *ask_ends(void *argument) {
    struct part *part = argument;
    char customer[31];
    pthread_barrier_wait(&begun);
    do { /* once at least, also where the thread comes late */
        part->wrong += !has(ADA, 3) + has(ADA, 2) + has(EVE, 2);
        part->wrong += revocations_counts(&revocations).ends > ADDERS * ENDS_EACH + 2;
        for (int i = 0; i < ADDERS; i++) {
            int progress = atomic_load(&adders[i].progress);
            customer_of(i, progress, customer);
            (void)has(customer, 1);
            customer_of(i, progress - 1, customer);
            part->wrong += progress > 0 && !has(customer, 1) && atomic_load(&adders[i].progress) < progress + 10;
        }
    } while (atomic_load(&adding) > 0);
    part->wrong += !revocations_are_known(&revocations);
    return NULL;
}

static int least_progress(void) {
    int least = ENDS_EACH;
    for (int i = 0; i < ADDERS; i++) {
        int progress = atomic_load(&adders[i].progress);
        least = progress < least ? progress : least;
    }
    return least;
}

/* Of what loops tell each other no end is lost that still matters, while one forgets those that do not. */
static void loops_add_and_ask_while_one_forgets(void **state) {
    (void)state;
    struct part askers[ASKERS] = {0};
    char customer[31];
    add(ADA, 3, false, 0, now_us + ENDS_EACH);
    atomic_store(&adding, ADDERS);
    pthread_barrier_init(&begun, NULL, ADDERS + ASKERS + 1);
    for (int i = 0; i < ADDERS; i++) {
        adders[i].number = i;
        assert_int_equal(pthread_create(&adders[i].thread, NULL, add_ends, &adders[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_ends, &askers[i]), 0);
    }
    revocations_set_known(&revocations);
    pthread_barrier_wait(&begun);
    for (int i = 1; atomic_load(&adding) > 0; i++) {
        add(ADA, 3, false, 0, now_us + ENDS_EACH + i); /* to the end of the line, so that it holds up no others */
        revocations_forget(&revocations, now_us + least_progress() - ENDS_EACH / 4);
    }
    for (int i = 0; i < ADDERS; i++) {
        assert_int_equal(pthread_join(adders[i].thread, NULL), 0);
        assert_int_equal(adders[i].wrong, 0);
        for (int k = ENDS_EACH - ENDS_EACH / 4; k < ENDS_EACH; k++) {
            customer_of(i, k, customer);
            assert_true(has(customer, 1));
        }
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].wrong, 0);
    }
    assert_true(has(EVE, 1));
    revocations_forget(&revocations, INT64_MAX);
    assert_int_equal(revocations_counts(&revocations).ends, 0);
    assert_int_equal(revocations_counts(&revocations).lost_total, 0);
    assert_false(has(ADA, 3));
    pthread_barrier_destroy(&begun);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(what_has_ended_lets_in_nobody_and_all_else_does),
        WITH(all_before_one_end_together_but_the_one_that_is_kept),
        WITH(an_end_that_is_told_twice_takes_one_place),
        WITH(what_no_token_outlives_is_forgotten),
        WITH(an_end_that_is_told_again_and_again_keeps_no_others),
        WITH(what_is_no_customer_ends_nothing),
        WITH(past_the_bound_the_first_give_way),
        WITH(ends_are_read_at_the_start_and_when_the_view_has_moved),
        WITH(a_lost_notification_costs_half_a_minute_at_most),
        WITH(what_is_older_than_any_token_is_not_asked_for),
        WITH(many_ends_are_read_a_page_at_a_time),
        WITH(a_page_of_one_moment_does_not_hold_up_the_rest),
        WITH(nothing_is_known_before_all_were_read_once),
        WITH(a_first_page_alone_is_not_all),
        WITH(a_reading_that_fails_is_counted_and_asked_again_after_a_while),
        WITH(a_database_that_is_away_is_told_by_others),
        WITH(when_notifications_may_be_missing_all_are_asked_for_at_once),
        WITH(a_front_whose_clock_is_ahead_holds_up_nobody_elses_ends),
        WITH(a_page_of_which_nothing_can_be_read_is_asked_for_again_after_a_while),
        WITH(of_a_machine_whose_clock_says_1970_all_are_asked_for),
        WITH(ends_of_no_year_do_not_hold_it_up),
        WITH(without_the_database_the_table_stands_still_and_is_asked_for_whole_afterwards),
        WITH(loops_add_and_ask_while_one_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
