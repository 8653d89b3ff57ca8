#include "core/base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

static int histogram_setup(void **state) {
    *state = calloc(1, sizeof(struct histogram));
    return *state == NULL ? -1 : 0;
}

static int histogram_teardown(void **state) {
    free(*state);
    return 0;
}

static void nothing_recorded_is_0(void **state) {
    assert_int_equal(histogram_at(*state, 0.99), 0);
}

static void small_values_are_exact(void **state) {
    struct histogram *histogram = *state;
    for (uint64_t value = 1; value <= 100; value++) {
        histogram_record(histogram, value);
    }
    assert_int_equal(histogram_at(histogram, 0), 1);
    assert_int_equal(histogram_at(histogram, 0.5), 50);
    assert_int_equal(histogram_at(histogram, 0.99), 99);
    assert_int_equal(histogram_at(histogram, 1), 100);
    assert_int_equal(histogram->total, 100);
    assert_int_equal(histogram->sum, 5050);
    assert_int_equal(histogram->largest, 100);
}

static void one_value_is_found_within_a_64th(void **state) {
    struct histogram *histogram = *state;
    for (uint64_t value = 1; value < (uint64_t)1 << 40; value += value / 7 + 1) {
        memset(histogram, 0, sizeof *histogram);
        histogram_record(histogram, value);
        uint64_t found = histogram_at(histogram, 0.5);
        assert_true(found >= value);
        assert_true((found - value) * 64 < value || found == value);
    }
}

static void the_edges_of_buckets_are_in_order(void **state) {
    struct histogram *histogram = *state;
    uint64_t before = 0;
    for (int bit = 0; bit < 40; bit++) {
        for (int64_t near = -1; near <= 1; near++) {
            uint64_t value = ((uint64_t)1 << bit) + (uint64_t)near;
            memset(histogram, 0, sizeof *histogram);
            histogram_record(histogram, value);
            uint64_t found = histogram_at(histogram, 1);
            assert_true(found >= value && found >= before);
            before = bit > 1 ? found : 0;
        }
    }
}

static void larger_values_count_as_the_largest(void **state) {
    struct histogram *histogram = *state;
    histogram_record(histogram, UINT64_MAX);
    histogram_record(histogram, (uint64_t)1 << 40);
    assert_true(histogram_at(histogram, 0.5) == ((uint64_t)1 << 40) - 1);
    assert_true(histogram->largest == ((uint64_t)1 << 40) - 1);
}

static void merging_counts_both(void **state) {
    struct histogram *histogram = *state;
    struct histogram *other = calloc(1, sizeof *other);
    assert_non_null(other);
    histogram_record(histogram, 10);
    histogram_record(other, 30);
    histogram_record(other, 20);
    histogram_merge(histogram, other);
    free(other);
    assert_int_equal(histogram->total, 3);
    assert_int_equal(histogram->sum, 60);
    assert_int_equal(histogram->largest, 30);
    assert_int_equal(histogram_at(histogram, 0.5), 20);
}

enum { RECORDED = 200000, VALUE = 1000 };

static void *record_many(void *argument) {
    for (int i = 0; i < RECORDED; i++) {
        histogram_record(argument, VALUE);
    }
    return NULL;
}

/* Counts may be a moment apart, and are never more than were recorded, nor fewer than a moment ago. */
static void one_reads_while_another_records(void **state) {
    struct histogram *histogram = *state;
    pthread_t writer;
    uint64_t before = 0;
    assert_int_equal(pthread_create(&writer, NULL, record_many, histogram), 0);
    while (before < RECORDED) {
        struct histogram *seen = calloc(1, sizeof *seen);
        assert_non_null(seen);
        histogram_merge(seen, histogram);
        assert_in_range(seen->total, before, RECORDED);
        assert_true(seen->sum % VALUE == 0 && (seen->largest == VALUE || seen->largest == 0));
        assert_in_range(histogram_at(seen, 0.5), 0, VALUE + VALUE / 64);
        before = seen->total;
        free(seen);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(histogram->total, RECORDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_recorded_is_0, histogram_setup, histogram_teardown),
        cmocka_unit_test_setup_teardown(small_values_are_exact, histogram_setup, histogram_teardown),
        cmocka_unit_test_setup_teardown(one_value_is_found_within_a_64th, histogram_setup, histogram_teardown),
        cmocka_unit_test_setup_teardown(the_edges_of_buckets_are_in_order, histogram_setup, histogram_teardown),
        cmocka_unit_test_setup_teardown(larger_values_count_as_the_largest, histogram_setup, histogram_teardown),
        cmocka_unit_test_setup_teardown(merging_counts_both, histogram_setup, histogram_teardown),
        cmocka_unit_test_setup_teardown(one_reads_while_another_records, histogram_setup, histogram_teardown),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
