#include "core/log/stream_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_topic_of_a_stream_can_be_told_from_its_hash(void **state) {
    (void)state;
    for (enum log_topic topic = TOPIC_FIRST_EVENTS; topic < TOPIC_COUNT; topic++) {
        assert_int_equal(stream_hash_topic(stream_hash(STR("cart_X"), topic)), topic);
    }
    assert_int_equal(stream_hash_topic(UINT64_MAX), TOPIC_COUNT);
}

static void different_streams_have_different_hashes(void **state) {
    (void)state;
    assert_true(stream_hash(STR("cart_X"), TOPIC_CARTS) == stream_hash(STR("cart_X"), TOPIC_CARTS));
    assert_true(stream_hash(STR("cart_X"), TOPIC_CARTS) != stream_hash(STR("cart_Y"), TOPIC_CARTS));
}

/* The hash stands in tokens that clients keep and in tables: it must never change. */
static void the_hash_is_the_end_of_blake2b_256(void **state) {
    (void)state;
    /* hashlib.blake2b(b"cart_X", digest_size=32).digest()[-8:], the first 4 bits replaced by the topic's. */
    assert_int_equal(stream_hash(STR("cart_X"), TOPIC_CATALOG), 0x0c8f717348dd31c5ULL);
}

static void a_position_reads_back_as_written(void **state) {
    (void)state;
    const int64_t versions[] = {0, 1, 127, 128, 16383, 16384, 1000000, INT64_MAX};
    struct buf buf;
    buf_init(&buf, 1024);
    for (uint64_t i = 0; i < ARRAY_LENGTH(versions); i++) {
        position_write(&buf, 0xfedcba9876543210ULL + i, versions[i]);
    }
    struct position_pair pairs[POSITION_PAIRS_MAX];
    assert_int_equal(position_read(buf_text(&buf), pairs), ARRAY_LENGTH(versions));
    for (uint64_t i = 0; i < ARRAY_LENGTH(versions); i++) {
        assert_true(pairs[i].hash == 0xfedcba9876543210ULL + i);
        assert_true(pairs[i].version == versions[i]);
    }
    buf_release(&buf);
}

static void a_small_position_takes_9_bytes_in_big_endian(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 1024);
    position_write(&buf, 0x0102030405060708ULL, 5);
    assert_int_equal(buf.len, 9);
    assert_memory_equal(buf.data, "\1\2\3\4\5\6\7\10\5", 9);
    buf_release(&buf);
}

static void an_empty_position_has_no_pairs(void **state) {
    (void)state;
    struct position_pair pairs[POSITION_PAIRS_MAX];
    assert_int_equal(position_read((struct str){0}, pairs), 0);
}

static void a_cut_position_is_malformed(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 1024);
    position_write(&buf, 42, 1000000);
    struct position_pair pairs[POSITION_PAIRS_MAX];
    for (uint32_t len = 1; len < buf.len; len++) {
        assert_int_equal(position_read(str_first(buf_text(&buf), len), pairs), -1);
    }
    buf_release(&buf);
}

static void a_version_beyond_63_bits_or_written_twice_as_long_is_malformed(void **state) {
    (void)state;
    struct position_pair pairs[POSITION_PAIRS_MAX];
    assert_int_equal(position_read(STR("\0\0\0\0\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), pairs), -1);
    assert_int_equal(position_read(STR("\0\0\0\0\0\0\0\1\x81\0"), pairs), -1);
}

static void at_most_16_pairs_are_read(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 1024);
    struct position_pair pairs[POSITION_PAIRS_MAX];
    for (uint64_t i = 0; i < POSITION_PAIRS_MAX; i++) {
        position_write(&buf, i, 1);
    }
    assert_int_equal(position_read(buf_text(&buf), pairs), POSITION_PAIRS_MAX);
    position_write(&buf, 99, 1);
    assert_int_equal(position_read(buf_text(&buf), pairs), -1);
    buf_release(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_topic_of_a_stream_can_be_told_from_its_hash),
        cmocka_unit_test(different_streams_have_different_hashes),
        cmocka_unit_test(the_hash_is_the_end_of_blake2b_256),
        cmocka_unit_test(a_position_reads_back_as_written),
        cmocka_unit_test(a_small_position_takes_9_bytes_in_big_endian),
        cmocka_unit_test(an_empty_position_has_no_pairs),
        cmocka_unit_test(a_cut_position_is_malformed),
        cmocka_unit_test(a_version_beyond_63_bits_or_written_twice_as_long_is_malformed),
        cmocka_unit_test(at_most_16_pairs_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
