/* The events of an export: parts from records written down here, without a log. */
#include "cmd/export_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <avro.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log/record.h"
#include "gen/codec.h"

#define TEMPLATE "/tmp/daybook-export-test-XXXXXX"
#define T0 INT64_C(1767225600000000)

enum { RECORDS_MAX = 128, SHARDS = 2 };

/* A log of one shard's carts and orders: of every five records one is an order's. */
struct fixture {
    char root[sizeof TEMPLATE];
    struct buf bytes[RECORDS_MAX];
    struct log_record records[RECORDS_MAX];
    size_t count;
    struct export_folder folder;
    struct export_state state;
    struct export_events events;
    int64_t unreadable;
    struct config config;
};

static struct fixture fixture;

static int set_up(void **state) {
    (void)state;
    fixture = (struct fixture){.root = TEMPLATE};
    return mkdtemp(fixture.root) == NULL;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < fixture.count; i++) {
        buf_release(&fixture.bytes[i]);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", fixture.root);
    return system(command);
}

static int64_t offset_in(const char *topic) {
    int64_t offset = 0;
    for (size_t i = 0; i < fixture.count; i++) {
        offset += strcmp(fixture.records[i].topic, topic) == 0;
    }
    return offset;
}

static void add(const char *topic, struct event event) {
    size_t index = fixture.count;
    assert_true(index < RECORDS_MAX);
    event.meta.stream = STR("cart_01JD0000000000000000000002");
    event.meta.version = (int64_t)index + 1;
    buf_init(&fixture.bytes[index], 1 << 20);
    event_record_write(&fixture.bytes[index], &event);
    fixture.records[index] = (struct log_record){.topic = topic,
                                                 .partition = 1,
                                                 .offset = offset_in(topic),
                                                 .timestamp_us = T0 + (int64_t)index * 1000000,
                                                 .value = buf_text(&fixture.bytes[index])};
    fixture.count++;
}

static void add_events(size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct event cart = {.type = i % 2 == 0 ? EVENT_CART_OPENED : EVENT_CART_REOPENED};
        if (i % 2 == 0) {
            cart.as.cart_opened.currency = STR("EUR");
        }
        struct event order = {.type = EVENT_ORDER_CANCELLED};
        if (i % 5 == 4) {
            add("daybook.orders", order);
        } else {
            add("daybook.carts", cart);
        }
    }
}

static void on_unreadable(void *context, const struct log_record *record, const char *why) {
    (void)context, (void)record;
    assert_true(strlen(why) > 0);
    fixture.unreadable++;
}

static void on_progress(void *context, int64_t done, int64_t total) {
    (void)context, (void)done, (void)total;
}

/* Begins a run, or goes on with one: as `daybook export` does. */
static void begin(enum export_format format, int64_t until_us) {
    struct err_info info;
    struct export_plan plan = {
        .form = {.format = format, .codec = CONTAINER_DEFLATE}, .has_until = until_us > 0, .until_us = until_us};
    plan.topics[TOPIC_CARTS] = plan.topics[TOPIC_ORDERS] = true;
    assert_int_equal(export_folder_open(&fixture.folder, fixture.root, &info), ERR_NONE);
    export_state_init(&fixture.state, &plan, "daybook", "c", SHARDS);
    if (export_state_read(&fixture.state, &fixture.folder, &info) != ERR_NONE || export_state_is_done(&fixture.state)) {
        for (size_t i = 0; i < fixture.state.partition_count; i++) {
            struct export_partition *at = &fixture.state.partitions[i];
            at->end = at->partition == 1 ? offset_in(at->topic == TOPIC_CARTS ? "daybook.carts" : "daybook.orders") : 0;
        }
    }
    fixture.events = (struct export_events){.config = &fixture.config,
                                            .folder = &fixture.folder,
                                            .state = &fixture.state,
                                            .on_progress = on_progress,
                                            .on_unreadable = on_unreadable,
                                            .part_bytes = 1500};
    export_events_begin(&fixture.events);
    export_events_open(&fixture.events, 1);
}

static int64_t next_of(const char *topic) {
    return fixture.state.partitions[strcmp(topic, "daybook.carts") == 0 ? 1 : SHARDS + 1].next;
}

/* Feeds what a walk would show, `most` records of it. */
static void walk(size_t most) {
    int64_t from[2] = {next_of("daybook.carts"), next_of("daybook.orders")};
    for (size_t i = 0; i < fixture.count && most > 0; i++) {
        const struct log_record *record = &fixture.records[i];
        if (record->offset >= from[strcmp(record->topic, "daybook.carts") != 0]) {
            most--;
            if (!export_events_record(&fixture.events, record)) {
                assert_int_equal(fixture.events.failed, ERR_NONE);
                return;
            }
        }
    }
}

static void finish(void) {
    struct err_info info;
    assert_int_equal(export_events_close(&fixture.events, &info), ERR_NONE);
    assert_true(export_state_is_done(&fixture.state));
}

static void end(void) {
    export_events_discard(&fixture.events);
    export_events_end(&fixture.events);
    export_state_release(&fixture.state);
    export_folder_close(&fixture.folder);
}

/* ---- what is in the folder -----------------------------------------------------------------------------------------
 */

/* The files under events, each with its content, in the order of their names. */
static struct buf tree(void) {
    char command[256], chunk[4096];
    struct buf all;
    buf_init(&all, 64 << 20);
    snprintf(command, sizeof command, "cd %s && find events -type f | sort | while read f; do echo $f; cat $f; done",
             fixture.root);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    for (size_t size; (size = fread(chunk, 1, sizeof chunk, pipe)) > 0;) {
        buf_bytes(&all, chunk, size);
    }
    assert_int_equal(pclose(pipe), 0);
    buf_byte(&all, '\0');
    return all;
}

static size_t count_of(const struct buf *all, const char *text) {
    size_t count = 0;
    const char *end = all->data + all->len;
    for (const char *at = all->data; (at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL; at++) {
        count++;
    }
    return count;
}

static void events_become_lines_by_type(void **state) {
    (void)state;
    add_events(20);
    begin(EXPORT_JSONL, 0);
    fixture.events.part_bytes = 0;
    walk(SIZE_MAX);
    finish();
    end();
    struct buf all = tree();
    assert_non_null(strstr(all.data, "events/carts/CartOpened/0001-0000000000000000000.jsonl\n"
                                     "{\"type\":\"CartOpened\",\"partition\":1,\"offset\":0,"
                                     "\"appended_at\":\"2026-01-01T00:00:00.000000Z\",\"event\":{\"meta\":{"));
    assert_int_equal(count_of(&all, "events/"), 3);
    assert_int_equal(count_of(&all, "\"type\":\"OrderCancelled\""), 4);
    assert_int_equal(count_of(&all, "\"appended_at\""), 20);
    assert_int_equal(fixture.events.event_count, 20);
    buf_release(&all);
}

/* Killed after each possible number of records, and started again: the same files, byte for byte. */
static void a_killed_export_goes_on_to_the_same_files(void **state) {
    (void)state;
    add_events(60);
    for (enum export_format format = EXPORT_JSONL; format <= EXPORT_AVRO; format++) {
        struct buf whole = {0};
        for (size_t killed_after = 0; killed_after <= fixture.count; killed_after += killed_after < 8 ? 1 : 7) {
            char command[128];
            snprintf(command, sizeof command, "rm -rf %s/* %s/.[a-z]*", fixture.root, fixture.root);
            assert_int_equal(system(command), 0);
            if (killed_after > 0) {
                begin(format, 0);
                struct err_info info;
                assert_int_equal(export_state_write(&fixture.state, &fixture.folder, &info), ERR_NONE);
                walk(killed_after);
                if (killed_after % 2 == 1) { /* after the files were put, and before that was noted */
                    for (size_t i = 0; i < fixture.state.partition_count; i++) {
                        fixture.state.partitions[i].next = 0;
                    }
                    assert_int_equal(export_state_write(&fixture.state, &fixture.folder, &info), ERR_NONE);
                }
                end();
            }
            begin(format, 0);
            walk(SIZE_MAX);
            finish();
            end();
            struct buf all = tree();
            if (killed_after == 0) {
                whole = all;
                assert_true(count_of(&whole, "events/carts/") >= 6);
                continue;
            }
            assert_true(str_equal(buf_text(&whole), buf_text(&all)));
            buf_release(&all);
        }
        buf_release(&whole);
    }
}

static void a_finished_export_is_added_to(void **state) {
    (void)state;
    add_events(20);
    begin(EXPORT_JSONL, 0);
    walk(SIZE_MAX);
    finish();
    end();
    add_events(11);
    begin(EXPORT_JSONL, 0);
    walk(SIZE_MAX);
    finish();
    assert_int_equal(fixture.events.event_count, 11);
    end();
    struct buf all = tree();
    for (size_t i = 0; i < fixture.count; i++) {
        char text[64];
        snprintf(text, sizeof text, "\"version\":%zu,", i + 1);
        assert_int_equal(count_of(&all, text), 1);
    }
    buf_release(&all);
}

static void what_the_log_took_later_is_left_for_another_run(void **state) {
    (void)state;
    add_events(30);
    begin(EXPORT_JSONL, T0 + 12 * INT64_C(1000000));
    walk(SIZE_MAX);
    finish();
    assert_int_equal(fixture.events.event_count, 13);
    end();
    begin(EXPORT_JSONL, 0);
    walk(SIZE_MAX);
    finish();
    assert_int_equal(fixture.events.event_count, 17);
    end();
    struct buf all = tree();
    assert_int_equal(count_of(&all, "\"appended_at\""), 30);
    buf_release(&all);
}

static void what_cannot_be_read_is_left_out_and_counted(void **state) {
    (void)state;
    add_events(5);
    struct event foreign = {.type = EVENT_ORDER_CANCELLED};
    add("daybook.carts", foreign);
    add("daybook.carts", foreign);
    fixture.records[fixture.count - 1].value = STR("poison");
    add_events(5);
    for (int round = 0; round < 2; round++) { /* killed before it was noted, they are counted once all the same */
        begin(EXPORT_JSONL, 0);
        fixture.events.part_bytes = 0;
        walk(SIZE_MAX);
        if (round == 1) {
            finish();
            assert_int_equal(fixture.state.unreadable, 2);
        }
        end();
    }
    assert_int_equal(fixture.unreadable, 4);
    struct buf all = tree();
    assert_int_equal(count_of(&all, "\"appended_at\""), 10);
    buf_release(&all);
}

/* The datums of the only container file of a type, read by avro-c, which tells each version. */
static void assert_avro(const char *type, int schema_version, const int64_t *versions, int count) {
    char path[256];
    snprintf(path, sizeof path, "%s/events/%s/v%d-0001-0000000000000000000.avro", fixture.root, type, schema_version);
    avro_file_reader_t reader;
    assert_int_equal(avro_file_reader(path, &reader), 0);
    avro_schema_t schema = avro_file_reader_get_writer_schema(reader);
    avro_value_iface_t *iface = avro_generic_class_from_schema(schema);
    avro_value_t value = {0}, meta = {0}, field = {0};
    assert_int_equal(avro_generic_value_new(iface, &value), 0);
    int found = 0;
    while (avro_file_reader_read_value(reader, &value) == 0) {
        int64_t version;
        assert_int_equal(avro_value_get_by_name(&value, "meta", &meta, NULL), 0);
        assert_int_equal(avro_value_get_by_name(&meta, "version", &field, NULL), 0);
        assert_int_equal(avro_value_get_long(&field, &version), 0);
        assert_true(found < count);
        assert_int_equal(version, versions[found++]);
    }
    assert_int_equal(found, count);
    avro_value_decref(&value);
    avro_value_iface_decref(iface);
    avro_schema_decref(schema);
    avro_file_reader_close(reader);
}

static void container_files_have_the_bytes_of_the_log_by_schema(void **state) {
    (void)state;
    add_events(10);
    begin(EXPORT_AVRO, 0);
    fixture.events.part_bytes = 0;
    walk(SIZE_MAX);
    finish();
    end();
    assert_avro("carts/CartOpened", 2, (int64_t[]){1, 3, 7, 9}, 4);
    assert_avro("carts/CartReopened", 1, (int64_t[]){2, 4, 6, 8}, 4);
    assert_avro("orders/OrderCancelled", 1, (int64_t[]){5, 10}, 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_become_lines_by_type),
        TEST(a_killed_export_goes_on_to_the_same_files),
        TEST(a_finished_export_is_added_to),
        TEST(what_the_log_took_later_is_left_for_another_run),
        TEST(what_cannot_be_read_is_left_out_and_counted),
        TEST(container_files_have_the_bytes_of_the_log_by_schema),
    };
    return cmocka_run_group_tests_name("export_events", tests, NULL, NULL);
}
