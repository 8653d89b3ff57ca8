#include "core/base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void assert_written(int64_t time_us, const char *expected) {
    char text[TIMESTAMP_TEXT_MAX + 1];
    assert_int_equal(timestamp_write(time_us, text), TIMESTAMP_TEXT_MAX);
    assert_string_equal(text, expected);
}

static void assert_read(const char *text, int64_t expected_us) {
    int64_t time_us = -1;
    assert_true(timestamp_read(str_of_cstr(text), &time_us));
    assert_int_equal(time_us, expected_us);
}

static void a_time_is_written_in_utc_with_six_places(void **state) {
    (void)state;
    assert_written(0, "1970-01-01T00:00:00.000000Z");
    assert_written(1, "1970-01-01T00:00:00.000001Z");
    assert_written(951782400000000, "2000-02-29T00:00:00.000000Z");
    assert_written(253402300799999999, "9999-12-31T23:59:59.999999Z");
}

static void times_of_every_form_of_rfc_3339_are_read(void **state) {
    (void)state;
    assert_read("1970-01-01T00:00:00Z", 0);
    assert_read("1985-04-12T23:20:50.52Z", 482196050520000);
    assert_read("1996-12-19T16:39:57-08:00", 851042397000000);
    assert_read("1996-12-20T00:39:57Z", 851042397000000);
    assert_read("1990-12-31T23:59:60Z", 662688000000000);
    assert_read("1990-12-31T15:59:60-08:00", 662688000000000);
    assert_read("2026-11-23t06:22:51.1z", 1795414971100000);
    assert_read("2026-11-23T06:22:51.123456789Z", 1795414971123456);
    assert_read("1969-12-31T23:00:00-02:00", 3600000000);
    assert_read("9999-12-31T23:59:59.999999Z", 253402300799999999);
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "2026-11-23",
        "2026-11-23T06:22:51",
        "2026-11-23 06:22:51Z",
        "2026-11-23T06:22Z",
        "2026-11-23T06:22:51.Z",
        "2026-11-23T06:22:51.1234567890Z",
        "2026-11-23T06:22:51Zx",
        "2026-11-23T06:22:51+0100",
        "2026-11-23T06:22:51+24:00",
        "2026-11-23T06:22:51+01:60",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T12:00:60Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "02026-11-23T06:22:51Z",
        "+026-11-23T06:22:51Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t time_us = -1;
        assert_false(timestamp_read(str_of_cstr(bad[i]), &time_us));
        assert_int_equal(time_us, -1);
    }
}

static void every_day_agrees_with_the_c_library(void **state) {
    (void)state;
    for (int64_t day = 0; day < 366 * 200; day++) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm broken;
        gmtime_r(&seconds, &broken);
        char expected[32];
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000Z", &broken);
        assert_written((int64_t)seconds * MICROS_PER_SECOND, expected);
        assert_read(expected, (int64_t)seconds * MICROS_PER_SECOND);
    }
}

static void the_clocks_run_forward(void **state) {
    (void)state;
    assert_true(clock_wall_us() > 1767225600000000); /* 2026 */
    int64_t before = clock_boot_us();
    assert_true(clock_boot_us() >= before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_written_in_utc_with_six_places),
        cmocka_unit_test(times_of_every_form_of_rfc_3339_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(every_day_agrees_with_the_c_library),
        cmocka_unit_test(the_clocks_run_forward),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
