/* Container files as avro-c's own reader sees them, which shares no code with the writer. */
#include "cmd/container_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <avro.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/avro_binary.h"

#define SCHEMA                                                                                                         \
    "{\"type\":\"record\",\"name\":\"Thing\",\"namespace\":\"daybook.test\",\"fields\":["                              \
    "{\"name\":\"number\",\"type\":\"long\"},{\"name\":\"text\",\"type\":\"string\"},"                                 \
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}}]}"

enum { THINGS = 20000 };

static struct buf out;

static int set_up(void **state) {
    (void)state;
    buf_init(&out, 64 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    buf_release(&out);
    return 0;
}

static void put_thing(struct container *container, int64_t number, struct str text) {
    struct buf datum;
    buf_init(&datum, 1 << 20);
    avro_write_long(&datum, number);
    avro_write_bytes(&datum, text);
    avro_write_long(&datum, number * 1000000);
    container_add(container, buf_text(&datum), &out);
    buf_release(&datum);
}

static void write_things(enum container_codec codec, int count, struct str text, const char *seed) {
    struct container container;
    buf_clear(&out);
    container_begin(&container, codec, STR(SCHEMA), str_of_cstr(seed), &out);
    for (int i = 0; i < count; i++) {
        put_thing(&container, i, text);
    }
    container_end(&container, &out);
    container_release(&container);
    assert_true(buf_ok(&out));
}

/* How many things avro-c finds in the file, each as it was put. */
static int read_things(const char *text) {
    char path[] = "/tmp/daybook-container-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, out.data, out.len) == (ssize_t)out.len && close(fd) == 0);
    avro_file_reader_t reader;
    if (avro_file_reader(path, &reader) != 0) {
        fail_msg("avro-c: %s", avro_strerror());
    }
    avro_schema_t schema = avro_file_reader_get_writer_schema(reader);
    avro_value_iface_t *iface = avro_generic_class_from_schema(schema);
    avro_value_t value, field;
    assert_int_equal(avro_generic_value_new(iface, &value), 0);
    int count = 0;
    while (avro_file_reader_read_value(reader, &value) == 0) {
        int64_t number;
        const char *found;
        size_t size;
        assert_int_equal(avro_value_get_by_name(&value, "number", &field, NULL), 0);
        assert_int_equal(avro_value_get_long(&field, &number), 0);
        assert_int_equal(number, count++);
        assert_int_equal(avro_value_get_by_name(&value, "text", &field, NULL), 0);
        assert_int_equal(avro_value_get_string(&field, &found, &size), 0);
        assert_string_equal(found, text);
    }
    avro_value_decref(&value);
    avro_value_iface_decref(iface);
    avro_schema_decref(schema);
    avro_file_reader_close(reader);
    assert_int_equal(unlink(path), 0);
    return count;
}

static void avro_c_reads_every_datum_of_either_codec(void **state) {
    (void)state;
    for (enum container_codec codec = CONTAINER_NULL; codec <= CONTAINER_DEFLATE; codec++) {
        write_things(codec, THINGS, STR("earl grey"), "a");
        assert_int_equal(read_things("earl grey"), THINGS);
    }
}

static void a_file_without_datums_is_whole_too(void **state) {
    (void)state;
    write_things(CONTAINER_DEFLATE, 0, STR(""), "a");
    assert_int_equal(read_things(""), 0);
}

static void a_datum_larger_than_a_block_is_a_block(void **state) {
    (void)state;
    static char text[5 * CONTAINER_BLOCK_BYTES];
    memset(text, 'x', sizeof text - 1);
    write_things(CONTAINER_NULL, 3, str_of(text, sizeof text - 1), "a");
    assert_int_equal(read_things(text), 3);
    write_things(CONTAINER_DEFLATE, 3, str_of(text, sizeof text - 1), "a");
    assert_true(out.len < CONTAINER_BLOCK_BYTES);
    assert_int_equal(read_things(text), 3);
}

static void the_schema_stands_in_the_file_as_it_was_given(void **state) {
    (void)state;
    write_things(CONTAINER_DEFLATE, 1, STR("x"), "a");
    buf_byte(&out, '\0');
    assert_non_null(memmem(out.data, out.len, SCHEMA, sizeof SCHEMA - 1));
}

static void the_same_gives_the_same_bytes_and_another_name_another_marker(void **state) {
    (void)state;
    write_things(CONTAINER_DEFLATE, 100, STR("x"), "a");
    struct buf first = out;
    buf_init(&out, 64 << 20);
    write_things(CONTAINER_DEFLATE, 100, STR("x"), "a");
    assert_true(str_equal(buf_text(&first), buf_text(&out)));
    write_things(CONTAINER_DEFLATE, 100, STR("x"), "b");
    assert_false(str_equal(buf_text(&first), buf_text(&out)));
    assert_int_equal(first.len, out.len);
    buf_release(&first);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(avro_c_reads_every_datum_of_either_codec),
        TEST(a_file_without_datums_is_whole_too),
        TEST(a_datum_larger_than_a_block_is_a_block),
        TEST(the_schema_stands_in_the_file_as_it_was_given),
        TEST(the_same_gives_the_same_bytes_and_another_name_another_marker),
    };
    return cmocka_run_group_tests_name("container_file", tests, NULL, NULL);
}
