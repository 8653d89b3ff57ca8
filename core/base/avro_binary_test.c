#include "core/base/avro_binary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int buf_setup(void **state) {
    static struct buf buf;
    buf_init(&buf, 64 * 1024);
    *state = &buf;
    return 0;
}

static int buf_teardown(void **state) {
    buf_release(*state);
    return 0;
}

static void longs_have_the_bytes_of_the_specification(void **state) {
    static const struct {
        int64_t value;
        const char *hex;
        size_t size;
    } rows[] = {
        {0, "\x00", 1},
        {-1, "\x01", 1},
        {1, "\x02", 1},
        {-64, "\x7f", 1},
        {64, "\x80\x01", 2},
        {8192, "\x80\x80\x01", 3},
        {INT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
        {INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
    };
    struct buf *buf = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        buf_clear(buf);
        avro_write_long(buf, rows[i].value);
        assert_int_equal(buf->len, rows[i].size);
        assert_memory_equal(buf->data, rows[i].hex, rows[i].size);
        struct avro_reader reader = avro_reader_of(buf_text(buf));
        assert_true(avro_read_long(&reader) == rows[i].value);
        assert_false(reader.failed);
        assert_ptr_equal(reader.at, reader.end);
    }
}

static void any_long_reads_back(void **state) {
    struct buf *buf = *state;
    srand(3);
    for (int round = 0; round < 10000; round++) {
        int64_t value =
            (int64_t)(((uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand()) >> (rand() % 64));
        buf_clear(buf);
        avro_write_long(buf, value);
        avro_write_long(buf, -value);
        struct avro_reader reader = avro_reader_of(buf_text(buf));
        assert_true(avro_read_long(&reader) == value);
        assert_true(avro_read_long(&reader) == -value);
        assert_false(reader.failed);
    }
}

static void assert_long_fails(struct str bytes) {
    struct avro_reader reader = avro_reader_of(bytes);
    assert_int_equal(avro_read_long(&reader), 0);
    assert_true(reader.failed);
    assert_non_null(reader.why);
}

static void a_long_that_is_cut_off_or_too_long_fails(void **state) {
    (void)state;
    assert_long_fails(STR(""));
    assert_long_fails(STR("\x80"));
    assert_long_fails(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_long_fails(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));     /* 65 bits */
    assert_long_fails(STR("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")); /* 11 bytes */
}

static void an_int_must_fit_into_32_bits(void **state) {
    struct buf *buf = *state;
    avro_write_long(buf, INT32_MAX);
    avro_write_long(buf, INT32_MIN);
    avro_write_long(buf, (int64_t)INT32_MAX + 1);
    struct avro_reader reader = avro_reader_of(buf_text(buf));
    assert_int_equal(avro_read_int(&reader), INT32_MAX);
    assert_int_equal(avro_read_int(&reader), INT32_MIN);
    assert_false(reader.failed);
    assert_int_equal(avro_read_int(&reader), 0);
    assert_true(reader.failed);
}

static void booleans_strings_and_fixed_bytes_read_back(void **state) {
    struct buf *buf = *state;
    avro_write_boolean(buf, true);
    avro_write_boolean(buf, false);
    avro_write_bytes(buf, STR("Łódź"));
    avro_write_bytes(buf, STR("\xff\x00"));
    avro_write_fixed(buf, "1234", 4);
    struct avro_reader reader = avro_reader_of(buf_text(buf));
    assert_true(avro_read_boolean(&reader));
    assert_false(avro_read_boolean(&reader));
    assert_true(str_equal(avro_read_string(&reader), STR("Łódź")));
    assert_true(str_equal(avro_read_bytes(&reader), STR("\xff\x00")));
    char fixed[4];
    avro_read_fixed(&reader, fixed, sizeof fixed);
    assert_memory_equal(fixed, "1234", 4);
    assert_false(reader.failed);
    assert_ptr_equal(reader.at, reader.end);
}

static void a_boolean_of_2_fails(void **state) {
    (void)state;
    struct avro_reader reader = avro_reader_of(STR("\x02"));
    assert_false(avro_read_boolean(&reader));
    assert_true(reader.failed);
}

static void a_string_that_is_not_utf8_fails(void **state) {
    (void)state;
    struct avro_reader reader = avro_reader_of(STR("\x02\xff"));
    assert_int_equal(avro_read_string(&reader).len, 0);
    assert_true(reader.failed);
}

static void a_length_past_the_end_or_below_zero_fails(void **state) {
    struct buf *buf = *state;
    static const int64_t lengths[] = {4, -1, INT64_MAX, INT64_MIN, UINT32_MAX, (int64_t)UINT32_MAX + 4};
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        buf_clear(buf);
        avro_write_long(buf, lengths[i]);
        buf_str(buf, STR("abc"));
        struct avro_reader reader = avro_reader_of(buf_text(buf));
        assert_int_equal(avro_read_bytes(&reader).len, 0);
        assert_true(reader.failed);
    }
}

static void after_a_failure_everything_reads_as_zero(void **state) {
    (void)state;
    struct avro_reader reader = avro_reader_of(STR("\x02\x02\x02\x02\x02\x02"));
    avro_reader_fail(&reader, "the first reason");
    avro_reader_fail(&reader, "another");
    assert_string_equal(reader.why, "the first reason");
    assert_int_equal(avro_read_long(&reader), 0);
    assert_int_equal(avro_read_int(&reader), 0);
    assert_false(avro_read_boolean(&reader));
    assert_int_equal(avro_read_bytes(&reader).len, 0);
    assert_int_equal(avro_read_string(&reader).len, 0);
    assert_int_equal(avro_read_block(&reader, 1), 0);
    char fixed[2] = {1, 1};
    avro_read_fixed(&reader, fixed, sizeof fixed);
    assert_memory_equal(fixed, "\0\0", 2);
    assert_string_equal(reader.why, "the first reason");
}

static void a_block_tells_its_items_also_when_it_tells_its_size(void **state) {
    (void)state;
    struct avro_reader reader = avro_reader_of(STR("\x04"
                                                   "ab"
                                                   "\x03\x04"
                                                   "cd"
                                                   "\x00"));
    assert_int_equal(avro_read_block(&reader, 1), 2);
    reader.at += 2;
    assert_int_equal(avro_read_block(&reader, 1), 2);
    reader.at += 2;
    assert_int_equal(avro_read_block(&reader, 1), 0);
    assert_false(reader.failed);
}

static void a_block_with_more_items_than_could_follow_fails(void **state) {
    struct buf *buf = *state;
    static const int64_t counts[] = {3, -3, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        buf_clear(buf);
        avro_write_long(buf, counts[i]);
        if (counts[i] < 0) {
            avro_write_long(buf, 5);
        }
        buf_str(buf, STR("abcde"));
        struct avro_reader reader = avro_reader_of(buf_text(buf));
        assert_int_equal(avro_read_block(&reader, 2), 0);
        assert_true(reader.failed);
    }
    struct avro_reader reader = avro_reader_of(STR("\x01\x0c"
                                                   "abcde")); /* one item in 6 bytes, of which 5 follow */
    assert_int_equal(avro_read_block(&reader, 1), 0);
    assert_true(reader.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(longs_have_the_bytes_of_the_specification, buf_setup, buf_teardown),
        cmocka_unit_test_setup_teardown(any_long_reads_back, buf_setup, buf_teardown),
        cmocka_unit_test(a_long_that_is_cut_off_or_too_long_fails),
        cmocka_unit_test_setup_teardown(an_int_must_fit_into_32_bits, buf_setup, buf_teardown),
        cmocka_unit_test_setup_teardown(booleans_strings_and_fixed_bytes_read_back, buf_setup, buf_teardown),
        cmocka_unit_test(a_boolean_of_2_fails),
        cmocka_unit_test(a_string_that_is_not_utf8_fails),
        cmocka_unit_test_setup_teardown(a_length_past_the_end_or_below_zero_fails, buf_setup, buf_teardown),
        cmocka_unit_test(after_a_failure_everything_reads_as_zero),
        cmocka_unit_test(a_block_tells_its_items_also_when_it_tells_its_size),
        cmocka_unit_test_setup_teardown(a_block_with_more_items_than_could_follow_fails, buf_setup, buf_teardown),
    };
    return cmocka_run_group_tests_name("avro_binary", tests, NULL, NULL);
}
