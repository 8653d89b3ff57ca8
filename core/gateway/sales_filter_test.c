#include "core/gateway/sales_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/gateway/cursor.h"

static struct http_exchange exchange;
static const struct secret secret = {{7}};
static struct list_page page;
static struct sales_filter sales;
static struct problem problem;

#define FROM "from=2026-01-01T00:00:00Z"
#define RANGE FROM "&to=2026-02-01T00:00:00Z"

static int set_up(void **state) {
    (void)state;
    exchange = (struct http_exchange){0};
    arena_init(&exchange.arena, 16 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&exchange.arena);
    return 0;
}

static bool ask(const char *query) {
    exchange.query = str_of_cstr(query);
    problem = (struct problem){0};
    return query_string_has_only(&exchange, "from to by tz limit cursor", &problem) &&
           list_page_read(&exchange, &secret, "sales", &page, &problem) &&
           sales_filter_read(&exchange, &page, &sales, &problem);
}

static void assert_refused(const char *query, const char *parameter) {
    if (ask(query)) {
        fail_msg("%s is taken", query);
    }
    assert_int_equal(problem.status, 400);
    assert_string_equal(problem.code, "invalid_parameter");
    char member[128];
    snprintf(member, sizeof member, "\"parameter\":\"%s\"", parameter);
    if (!str_equal(problem.members, str_of_cstr(member))) {
        fail_msg("%s: %.*s instead of %s", query, STR_ARGS(problem.members), member);
    }
    assert_non_null(problem.detail);
}

static void a_report_is_of_a_range_by_something_and_in_utc_unless_it_is_said_otherwise(void **state) {
    (void)state;
    assert_true(ask("by=week&" RANGE));
    assert_int_equal(sales.by, SALES_BY_WEEK);
    assert_int_equal(sales.from_us, INT64_C(1767225600000000));
    assert_int_equal(sales.to_us - sales.from_us, INT64_C(31) * 86400 * 1000000);
    assert_true(str_equal(sales.zone, STR("UTC")));
    assert_null(sales.after.id.data);
    assert_true(ask("by=day&from=2026-01-01T00:00:00%2B05:45&to=2026-01-02T00:00:00%2B05:45&tz=Asia/Kathmandu"));
    assert_true(str_equal(sales.zone, STR("Asia/Kathmandu")));
    for (enum sales_by by = 0; by <= SALES_BY_CURRENCY; by++) {
        assert_true(ask(arena_printf(&exchange.arena, "by=%s&" RANGE, sales_by_name(by)).data));
        assert_int_equal(sales.by, by);
    }
}

static void what_cannot_be_summed_up_is_refused_by_its_name(void **state) {
    (void)state;
    static const struct {
        const char *query, *name;
    } cases[] = {
        {RANGE, "by"},
        {"by=region&" RANGE, "by"},
        {"by=hour,day&" RANGE, "by"},
        {"by=&" RANGE, "by"},
        {"by=day&to=2026-01-01T00:00:00Z", "from"},
        {"by=day&" FROM, "to"},
        {"by=day&from=2026-01-01&to=2026-02-01T00:00:00Z", "from"},
        {"by=day&from=2026-01-01T00:10:00Z&to=2026-02-01T00:00:00Z", "from"},
        {"by=day&" FROM "&to=2026-02-01T00:00:00.000001Z", "to"},
        {"by=day&" FROM "&to=2026-01-01T00:00:00Z", "to"},
        {"by=day&" FROM "&to=2025-12-31T00:00:00Z", "to"},
        {"by=day&tz=&" RANGE, "tz"},
        {"by=product&tz=UTC&" RANGE, "tz"},
        {"by=day&cursor=abc&" RANGE, "cursor"},
        {"by=day&limit=201&" RANGE, "limit"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_refused(cases[i].query, cases[i].name);
    }
    assert_false(ask("by=day&vendor=A&" RANGE));
    assert_string_equal(problem.code, "unknown_parameter");
}

static void a_range_is_no_longer_than_what_is_answered_soon(void **state) {
    (void)state;
    assert_true(ask("by=hour&" FROM "&to=2026-04-04T00:00:00Z"));
    assert_refused("by=hour&" FROM "&to=2026-04-04T00:15:00Z", "to");
    assert_true(ask("by=day&" FROM "&to=2029-01-05T00:00:00Z"));
    assert_refused("by=day&" FROM "&to=2029-01-05T00:15:00Z", "to");
    assert_true(ask("by=product&" FROM "&to=2036-01-09T00:00:00Z"));
    assert_refused("by=product&" FROM "&to=2036-01-09T00:15:00Z", "to");
    assert_refused("by=month&from=1970-01-01T00:00:00Z&to=9999-12-31T23:45:00Z", "to");
}

static void zones_have_the_form_of_names_in_the_iana_database(void **state) {
    (void)state;
    static const char *const good[] = {"UTC",
                                       "Europe/Berlin",
                                       "America/Argentina/Buenos_Aires",
                                       "Etc/GMT-14",
                                       "Etc/GMT%2B5",
                                       "America/Port-au-Prince",
                                       "Etc/UTC",
                                       "America/North_Dakota/New_Salem"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        if (!ask(arena_printf(&exchange.arena, "by=day&tz=%s&" RANGE, good[i]).data)) {
            fail_msg("%s is refused", good[i]);
        }
    }
    /* PostgreSQL would take most of these, as rules of POSIX or as what it calls zones itself. */
    static const char *const bad[] = {"CET",           "PST8PDT",         "Europe/Berlin5",  "Etc/GMT%2B15",
                                      "Etc/GMT5",      "Etc/GMT-05",      "Etc/GMT-%2B5",    "/Europe",
                                      "Europe/",       "Europe//Berlin",  "A/B/C/D",         "Europe/Ber%20lin",
                                      "Europe/B%27--", "..%2F..%2Fetc/x", "Etc/GMT-",        "Europe/Ber_-lin",
                                      "%2B5",          "local",           "Europe/Berlin,M3"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        assert_refused(arena_printf(&exchange.arena, "by=day&tz=%s&" RANGE, bad[i]).data, "tz");
    }
    assert_false(sales_filter_refuse_zone(&exchange, &problem));
    assert_true(str_equal(problem.members, STR("\"parameter\":\"tz\"")));
}

static void a_cursor_goes_on_with_its_own_report_alone(void **state) {
    (void)state;
    static const char query[] = "by=vendor&" RANGE;
    assert_true(ask(query));
    struct str cursor = cursor_write(&exchange.arena, &secret, page.identity, STR("EUR Garden & Co"));
    assert_true(ask(arena_printf(&exchange.arena, "%s&limit=3&cursor=%.*s", query, STR_ARGS(cursor)).data));
    assert_true(str_equal(sales.after.id, STR("EUR")));
    assert_true(str_equal(sales.after.key, STR("Garden & Co")));
    assert_refused(arena_printf(&exchange.arena, "by=category&" RANGE "&cursor=%.*s", STR_ARGS(cursor)).data, "cursor");
    /* Behind those without a vendor, whose name is empty. */
    cursor = cursor_write(&exchange.arena, &secret, page.identity, STR("EUR "));
    assert_refused(arena_printf(&exchange.arena, "%s&cursor=%.*s", query, STR_ARGS(cursor)).data, "cursor");
    assert_true(ask(query));
    cursor = cursor_write(&exchange.arena, &secret, page.identity, STR("EUR "));
    assert_true(ask(arena_printf(&exchange.arena, "%s&cursor=%.*s", query, STR_ARGS(cursor)).data));
    assert_non_null(sales.after.key.data);
    assert_int_equal(sales.after.key.len, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_report_is_of_a_range_by_something_and_in_utc_unless_it_is_said_otherwise),
        TEST(what_cannot_be_summed_up_is_refused_by_its_name),
        TEST(a_range_is_no_longer_than_what_is_answered_soon),
        TEST(zones_have_the_form_of_names_in_the_iana_database),
        TEST(a_cursor_goes_on_with_its_own_report_alone),
    };
    return cmocka_run_group_tests_name("filter of sales", tests, NULL, NULL);
}
