#include "core/log/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "gen/codec.h"

static struct arena arena;

static int setup(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct event reopened(int64_t version, int64_t occurred_at) {
    struct event event = {.type = EVENT_CART_REOPENED};
    event.meta = (struct event_meta){
        .event_id = STR("evt_01JD0000000000000000000001"),
        .stream = STR("cart_01JD0000000000000000000002"),
        .version = version,
        .occurred_at = occurred_at,
        .command_id = STR("cmd_01JD0000000000000000000003"),
        .correlation_id = STR("cmd_01JD0000000000000000000003"),
        .causation_id = STR("evt_01JD0000000000000000000004"),
        .actor = STR("system"),
    };
    event.as.cart_reopened.order = STR("ord_01JD0000000000000000000002.1");
    event.as.cart_reopened.reason = STR("out_of_stock");
    return event;
}

static struct str written(const struct event *event) {
    struct buf buf;
    buf_init(&buf, RECORD_MAX_BYTES);
    event_record_write(&buf, event);
    assert_true(buf_ok(&buf));
    struct str value = arena_str_copy(&arena, buf_text(&buf));
    buf_release(&buf);
    return value;
}

/* ---- frames ---------------------------------------------------------------------------------------------------------
 */

static void a_frame_is_a_zero_byte_and_the_schema_id_in_big_endian(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 64);
    frame_write(&buf, 0x01020304);
    buf_str(&buf, STR("avro"));
    assert_int_equal(buf.len, 9);
    assert_memory_equal(buf.data, "\0\1\2\3\4avro", 9);
    uint32_t schema_id;
    struct str avro;
    assert_true(frame_read(buf_text(&buf), &schema_id, &avro));
    assert_int_equal(schema_id, 0x01020304);
    assert_true(str_equal(avro, STR("avro")));
    buf_release(&buf);
}

static void bytes_without_a_frame_are_not_read(void **state) {
    (void)state;
    uint32_t schema_id;
    struct str avro;
    assert_false(frame_read((struct str){0}, &schema_id, &avro));
    assert_false(frame_read(STR("\0\0\0\0"), &schema_id, &avro));
    assert_false(frame_read(STR("\1\0\0\0\1avro"), &schema_id, &avro));
}

/* ---- records ------------------------------------------------------------------------------------------------------
 */

static void an_event_is_read_as_it_was_written(void **state) {
    (void)state;
    struct event event = reopened(3, 1700000000000000);
    memset(event.meta.prev_hash, 0xab, sizeof event.meta.prev_hash);
    struct str value = written(&event);
    struct event read;
    assert_int_equal(event_record_read(&arena, value, &read, NULL), ERR_NONE);
    assert_int_equal(read.type, EVENT_CART_REOPENED);
    assert_int_equal(read.meta.version, 3);
    assert_int_equal(read.meta.occurred_at, 1700000000000000);
    assert_true(str_equal(read.meta.stream, event.meta.stream));
    assert_memory_equal(read.meta.prev_hash, event.meta.prev_hash, sizeof event.meta.prev_hash);
    assert_true(str_equal(read.as.cart_reopened.reason, STR("out_of_stock")));
}

static void a_command_is_read_as_it_was_written(void **state) {
    (void)state;
    struct command command = {.type = COMMAND_REOPEN_CART};
    command.meta.command_id = STR("cmd_01JD0000000000000000000003");
    command.meta.stream = STR("cart_01JD0000000000000000000002");
    command.meta.reply_partition = -1;
    struct buf buf;
    buf_init(&buf, RECORD_MAX_BYTES);
    command_record_write(&buf, &command);
    struct command read;
    assert_int_equal(command_record_read(&arena, buf_text(&buf), &read, NULL), ERR_NONE);
    assert_int_equal(read.type, COMMAND_REOPEN_CART);
    assert_int_equal(read.meta.reply_partition, -1);
    struct event event;
    struct err_info info;
    assert_int_equal(event_record_read(&arena, buf_text(&buf), &event, &info), ERR_MALFORMED);
    buf_release(&buf);
}

static void a_cut_record_is_malformed_wherever_it_was_cut(void **state) {
    (void)state;
    struct event event = reopened(1, 1700000000000000);
    struct str value = written(&event);
    struct event read;
    struct err_info info;
    for (uint32_t len = 0; len < value.len; len++) {
        assert_int_equal(event_record_read(&arena, str_first(value, len), &read, &info), ERR_MALFORMED);
        assert_int_equal(info.code, ERR_MALFORMED);
    }
}

static void a_record_with_bytes_left_over_is_malformed(void **state) {
    (void)state;
    struct event event = reopened(1, 1700000000000000);
    struct str whole = written(&event);
    char *longer = arena_alloc(&arena, whole.len + 1);
    memcpy(longer, whole.data, whole.len);
    assert_int_equal(event_record_read(&arena, str_of(longer, whole.len + 1), &event, NULL), ERR_MALFORMED);
}

static void an_unknown_schema_is_not_found_and_the_error_names_it(void **state) {
    (void)state;
    struct event event;
    struct err_info info;
    assert_int_equal(event_record_read(&arena, STR("\0\0\x0f\x42\x40xyz"), &event, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.text, "1000000"));
    struct command command;
    assert_int_equal(command_record_read(&arena, STR("\0\0\x0f\x42\x40xyz"), &command, &info), ERR_NOT_FOUND);
}

static void a_record_past_the_limit_is_not_looked_at(void **state) {
    (void)state;
    static char large[RECORD_MAX_BYTES + 1];
    struct event event;
    assert_int_equal(event_record_read(&arena, str_of(large, sizeof large), &event, NULL), ERR_TOO_LARGE);
}

/* ---- the chain ----------------------------------------------------------------------------------------------------
 */

static void the_chain_hash_is_blake2b_256(void **state) {
    (void)state;
    /* Computed with Python's hashlib.blake2b(digest_size=32). */
    uint8_t expected[CHAIN_HASH_BYTES], hash[CHAIN_HASH_BYTES];
    assert_true(hex_read(STR("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"), expected, 32));
    chain_hash(STR("abc"), hash);
    assert_memory_equal(hash, expected, sizeof hash);
}

/* Two events of one stream, the second as it must be. */
struct pair {
    struct event first, second;
    uint8_t hash[CHAIN_HASH_BYTES];
};

static struct pair a_good_pair(void) {
    struct pair pair = {.first = reopened(1, 1000), .second = reopened(2, 1000)};
    chain_hash(written(&pair.first), pair.hash);
    memcpy(pair.second.meta.prev_hash, pair.hash, sizeof pair.hash);
    return pair;
}

static void a_stream_begins_with_version_1_and_no_hash(void **state) {
    (void)state;
    struct pair pair = a_good_pair();
    struct err_info info;
    static const uint8_t any[CHAIN_HASH_BYTES] = {9};
    assert_int_equal(chain_check(&pair.first, 0, any, 5000, &info), ERR_NONE);
    pair.first.meta.prev_hash[31] = 1;
    assert_int_equal(chain_check(&pair.first, 0, any, 0, &info), ERR_BROKEN_HISTORY);
}

static void the_next_version_carries_the_hash_of_the_one_before(void **state) {
    (void)state;
    struct pair pair = a_good_pair();
    struct err_info info;
    assert_int_equal(chain_check(&pair.second, 1, pair.hash, 1000, &info), ERR_NONE);
    pair.hash[0] ^= 1;
    assert_int_equal(chain_check(&pair.second, 1, pair.hash, 1000, &info), ERR_BROKEN_HISTORY);
    assert_non_null(strstr(info.text, "hash"));
}

static void a_gap_and_a_repetition_break_the_history(void **state) {
    (void)state;
    struct pair pair = a_good_pair();
    struct err_info info;
    assert_int_equal(chain_check(&pair.second, 0, pair.hash, 1000, &info), ERR_BROKEN_HISTORY);
    assert_non_null(strstr(info.text, "version 2 stands after version 0"));
    assert_int_equal(chain_check(&pair.second, 2, pair.hash, 1000, &info), ERR_BROKEN_HISTORY);
}

static void time_that_goes_back_breaks_the_history(void **state) {
    (void)state;
    struct pair pair = a_good_pair();
    struct err_info info;
    assert_int_equal(chain_check(&pair.second, 1, pair.hash, 1001, &info), ERR_BROKEN_HISTORY);
    assert_non_null(strstr(info.text, "1 us before"));
}

/* ---- headers ------------------------------------------------------------------------------------------------------
 */

static struct str header(const struct log_header *headers, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, name) == 0) {
            return headers[i].value;
        }
    }
    return (struct str){0};
}

static void assert_text(struct str actual, const char *expected) {
    if (!str_equal(actual, str_of_cstr(expected))) {
        fail_msg("'%.*s' is not '%s'", STR_ARGS(actual), expected);
    }
}

static void an_event_has_cloudevents_headers(void **state) {
    (void)state;
    struct event event = reopened(1, 1732345678123456);
    struct log_header headers[EVENT_HEADERS_MAX];
    size_t count = event_headers(&arena, &event, STR("daybook/handler"), (struct str){0}, headers);
    assert_int_equal(count, 7);
    assert_text(header(headers, count, "ce_specversion"), "1.0");
    assert_text(header(headers, count, "ce_id"), "evt_01JD0000000000000000000001");
    assert_text(header(headers, count, "ce_type"), "daybook.carts.CartReopened");
    assert_text(header(headers, count, "ce_source"), "daybook/handler");
    assert_text(header(headers, count, "ce_subject"), "cart_01JD0000000000000000000002");
    assert_text(header(headers, count, "ce_time"), "2024-11-23T07:07:58.123456Z");
}

static void a_trace_is_passed_on_where_there_is_one(void **state) {
    (void)state;
    struct event event = reopened(1, 0);
    struct log_header headers[EVENT_HEADERS_MAX];
    struct str trace = STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    size_t count = event_headers(&arena, &event, STR("daybook"), trace, headers);
    assert_int_equal(count, EVENT_HEADERS_MAX);
    assert_true(str_equal(header(headers, count, "traceparent"), trace));
}

static void assert_lead(struct str id, const char *expected) {
    uint8_t lead[ID_LEAD_BYTES];
    id_lead(id, lead);
    assert_memory_equal(lead, expected, sizeof lead);
}

static void ids_that_belong_together_begin_alike(void **state) {
    (void)state;
    static const char *const of_one_cart[] = {"cart_01ARZ3NDEKTSV4RRFFQ69G5FAV", "pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1",
                                              "cmd_01ARZ3NDEK0000000000000000", "evt_01ARZ3NDEK0000000000000001"};
    for (size_t i = 0; i < ARRAY_LENGTH(of_one_cart); i++) {
        assert_lead(str_of_cstr(of_one_cart[i]), "\x01\x56\x3e\x3a\xb5\xd3");
    }
    assert_lead(STR("sku_A.1"), "A.1\0\0\0");
    assert_lead(STR("sku_LONG-NAME"), "LONG-N");
    assert_lead(STR("sku_\xc3\xa4"), "\x43\xa4\0\0\0\0"); /* without COMMAND_AT_ONCE_BIT */
    assert_lead(STR(""), "\0\0\0\0\0\0");
    const uint8_t hash[ULID_BYTES] = {[5] = 0xff, [ULID_BYTES - 1] = 7};
    uint8_t bytes[ULID_BYTES];
    struct str id = command_id_of_hash(&arena, STR("cart_01ARZ3NDEKTSV4RRFFQ69G5FAV"), hash);
    assert_lead(id, "\x01\x56\x3e\x3a\xb5\xd3");
    assert_true(ulid_read(str_from(id, 4), bytes) && bytes[ULID_BYTES - 1] == 7);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ids_that_belong_together_begin_alike),       TEST(a_frame_is_a_zero_byte_and_the_schema_id_in_big_endian),
        TEST(bytes_without_a_frame_are_not_read),         TEST(an_event_is_read_as_it_was_written),
        TEST(a_command_is_read_as_it_was_written),        TEST(a_cut_record_is_malformed_wherever_it_was_cut),
        TEST(a_record_with_bytes_left_over_is_malformed), TEST(an_unknown_schema_is_not_found_and_the_error_names_it),
        TEST(a_record_past_the_limit_is_not_looked_at),   TEST(the_chain_hash_is_blake2b_256),
        TEST(a_stream_begins_with_version_1_and_no_hash), TEST(the_next_version_carries_the_hash_of_the_one_before),
        TEST(a_gap_and_a_repetition_break_the_history),   TEST(time_that_goes_back_breaks_the_history),
        TEST(an_event_has_cloudevents_headers),           TEST(a_trace_is_passed_on_where_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
