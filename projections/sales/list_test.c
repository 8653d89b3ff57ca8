/* What the report of sales asks of its tables. What comes of it is for integration-tests/test_analytics.py. */
#include "projections/sales/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/timestamp.h"

static struct arena arena;
static struct pg_select made;

static int setup(void **state) {
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static int64_t at(const char *text) {
    int64_t time_us;
    assert_true(timestamp_read(str_of_cstr(text), &time_us));
    return time_us;
}

static const char *sql_of(enum sales_by by, const char *from, const char *to) {
    struct sales_filter filter = {.by = by, .from_us = at(from), .to_us = at(to), .zone = STR("Europe/Berlin")};
    sales_list(&made, &arena, &filter, STR("51"));
    return made.statement.sql;
}

static const char *after_sql_of(enum sales_by by, const char *id, const char *key) {
    struct sales_filter filter = {.by = by,
                                  .from_us = at("2026-01-01T00:00:00Z"),
                                  .to_us = at("2026-02-01T00:00:00Z"),
                                  .zone = STR("UTC"),
                                  .after = {.id = str_of_cstr(id), .key = str_of_cstr(key)}};
    sales_list(&made, &arena, &filter, STR("51"));
    return made.statement.sql;
}

static void holds(const char *sql, const char *part) {
    if (strstr(sql, part) == NULL) {
        fail_msg("%s is not in %s", part, sql);
    }
}

static void lacks(const char *sql, const char *part) {
    if (strstr(sql, part) != NULL) {
        fail_msg("%s is in %s", part, sql);
    }
}

static void is_parameter(size_t index, const char *expected) {
    assert_true(index < (size_t)made.statement.parameter_count);
    if (!str_equal(made.parameters[index], str_of_cstr(expected))) {
        fail_msg("parameter %zu is %.*s instead of %s", index, STR_ARGS(made.parameters[index]), expected);
    }
}

/* The columns of `table` alone are read, and no other's. */
static void each_report_reads_the_sums_that_are_made_for_it(void **state) {
    (void)state;
    static const char *const tables[] = {"sales.totals", "sales.products", "sales.groups"};
    static const int table_of[SALES_BY_COUNT] = {
        [SALES_BY_CATEGORY] = 2, [SALES_BY_VENDOR] = 2, [SALES_BY_PRODUCT] = 1};
    for (enum sales_by by = 0; by <= SALES_BY_CURRENCY; by++) {
        const char *sql = sql_of(by, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        for (int i = 0; i < 3; i++) {
            (i == table_of[by] ? holds : lacks)(sql, tables[i]);
        }
        holds(sql, " LIMIT $");
        is_parameter(0, "2026-01-01T00:00:00.000000Z");
        is_parameter(1, "2026-02-01T00:00:00.000000Z");
        is_parameter((size_t)made.statement.parameter_count - 1, "51");
    }
}

static void only_what_is_by_time_asks_for_the_zone(void **state) {
    (void)state;
    for (enum sales_by by = 0; by <= SALES_BY_CURRENCY; by++) {
        const char *sql = sql_of(by, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        (sales_is_by_time(by) ? holds : lacks)(sql, "$3::text");
        if (sales_is_by_time(by)) {
            is_parameter(2, "Europe/Berlin");
        }
    }
    assert_true(sales_is_by_time(SALES_BY_MONTH));
    assert_false(sales_is_by_time(SALES_BY_CATEGORY));
}

static void weeks_begin_on_monday_and_are_named_as_in_iso_8601(void **state) {
    (void)state;
    const char *sql = sql_of(SALES_BY_WEEK, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    holds(sql, "date_trunc('week'");
    holds(sql, "to_char(b.wall, 'IYYY-\"W\"IW')");
    holds(sql, "interval '1 week'");
}

static void groups_are_read_by_the_whole_days_of_utc_and_by_quarters_at_the_ends(void **state) {
    (void)state;
    const char *sql = sql_of(SALES_BY_VENDOR, "2026-01-01T23:00:00Z", "2026-02-01T23:00:00Z");
    holds(sql, "g.kind = 'vendor' AND g.span = 'day' AND g.at >= $3::timestamptz AND g.at < $4::timestamptz");
    holds(sql, "g.kind = 'vendor' AND g.span = 'quarter' AND g.at >= $1::timestamptz AND g.at < $3::timestamptz");
    holds(sql, "g.kind = 'vendor' AND g.span = 'quarter' AND g.at >= $4::timestamptz AND g.at < $2::timestamptz");
    is_parameter(2, "2026-01-02T00:00:00.000000Z");
    is_parameter(3, "2026-02-01T00:00:00.000000Z");
    /* Whole days have nothing at their ends. */
    sql_of(SALES_BY_VENDOR, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    is_parameter(2, "2026-01-01T00:00:00.000000Z");
    is_parameter(3, "2026-01-02T00:00:00.000000Z");
}

static void of_whole_months_no_days_are_read(void **state) {
    (void)state;
    const char *sql = sql_of(SALES_BY_CATEGORY, "2025-12-15T12:00:00Z", "2026-05-03T06:00:00Z");
    is_parameter(2, "2025-12-16T00:00:00.000000Z");
    is_parameter(3, "2026-05-03T00:00:00.000000Z");
    is_parameter(4, "2026-01-01T00:00:00.000000Z");
    is_parameter(5, "2026-05-01T00:00:00.000000Z");
    holds(sql, "g.span = 'month' AND g.at >= $5::timestamptz AND g.at < $6::timestamptz");
    holds(sql, "g.span = 'day' AND g.at >= $3::timestamptz AND g.at < $5::timestamptz");
    holds(sql, "g.span = 'day' AND g.at >= $6::timestamptz AND g.at < $4::timestamptz");
    /* From a month's first day on, of a whole February; and the days around no whole month. */
    holds(sql_of(SALES_BY_CATEGORY, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"), "'month'");
    is_parameter(4, "2026-02-01T00:00:00.000000Z");
    is_parameter(5, "2026-03-01T00:00:00.000000Z");
    lacks(sql_of(SALES_BY_CATEGORY, "2026-01-02T00:00:00Z", "2026-02-28T00:00:00Z"), "'month'");
    lacks(sql_of(SALES_BY_CATEGORY, "9999-12-02T00:00:00Z", "9999-12-31T23:45:00Z"), "'month'");
}

static void of_a_part_of_a_day_quarters_alone_are_read(void **state) {
    (void)state;
    static const char *const ends[] = {"2026-01-01T22:45:00Z", "2026-01-02T23:45:00Z"};
    for (size_t i = 0; i < 2; i++) {
        const char *sql = sql_of(SALES_BY_CATEGORY, "2026-01-01T00:15:00Z", ends[i]);
        holds(sql, "g.span = 'quarter' AND g.at >= $1::timestamptz AND g.at < $2::timestamptz");
        lacks(sql, "g.span = 'day'");
    }
}

static void a_page_goes_on_behind_the_last_row_of_the_one_before(void **state) {
    (void)state;
    holds(after_sql_of(SALES_BY_DAY, "EUR", "2026-01-02 00:00:00+00"),
          "(s.starts, s.currency) > ($4::timestamptz, $5::text)");
    is_parameter(3, "2026-01-02 00:00:00+00");
    is_parameter(4, "EUR");
    /* Products are looked for from there on, and not all summed up first. */
    const char *sql = after_sql_of(SALES_BY_PRODUCT, "EUR", "prod_A");
    holds(sql, "(t.product, t.currency) > ($3::text, $4::text) AND t.at >=");
    holds(sql, "ORDER BY t.product, t.currency LIMIT $5::bigint) AS p");
    is_parameter(4, "51");
}

static void a_report_by_hour_is_of_fewer_days_than_one_by_month(void **state) {
    (void)state;
    assert_int_equal(sales_days_max(SALES_BY_HOUR), 93);
    assert_int_equal(sales_days_max(SALES_BY_DAY), 1100);
    assert_int_equal(sales_days_max(SALES_BY_MONTH), 3660);
    assert_string_equal(sales_by_name(SALES_BY_CURRENCY), "currency");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(each_report_reads_the_sums_that_are_made_for_it),
        TEST(only_what_is_by_time_asks_for_the_zone),
        TEST(weeks_begin_on_monday_and_are_named_as_in_iso_8601),
        TEST(groups_are_read_by_the_whole_days_of_utc_and_by_quarters_at_the_ends),
        TEST(of_whole_months_no_days_are_read),
        TEST(of_a_part_of_a_day_quarters_alone_are_read),
        TEST(a_page_goes_on_behind_the_last_row_of_the_one_before),
        TEST(a_report_by_hour_is_of_fewer_days_than_one_by_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
