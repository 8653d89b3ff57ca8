/* The folder of an export and what is noted in it. */
#include "cmd/export_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/export_state.h"

#define TEMPLATE "/tmp/daybook-export-test-XXXXXX"

static char root[] = TEMPLATE;
static struct export_folder folder;
static struct err_info info;
static const struct export_form lines = {.format = EXPORT_JSONL};

static int set_up(void **state) {
    (void)state;
    memcpy(root, TEMPLATE, sizeof root);
    info = (struct err_info){0};
    return mkdtemp(root) == NULL;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void open_folder(void) {
    assert_int_equal(export_folder_open(&folder, root, &info), ERR_NONE);
}

static char *path_of(const char *name) {
    static char path[EXPORT_PATH_MAX];
    assert_int_equal(export_folder_path(&folder, path, &info, "%s", name), ERR_NONE);
    return path;
}

static bool is_there(const char *name) {
    return access(path_of(name), F_OK) == 0;
}

static void put_file(const char *name, const char *text) {
    assert_int_equal(export_folder_write(&folder, name, str_of_cstr(text), &info), ERR_NONE);
}

static void assert_holds(const char *name, const char *text) {
    char found[256] = "";
    FILE *file = fopen(path_of(name), "re");
    assert_non_null(file);
    assert_non_null(fgets(found, sizeof found, file));
    fclose(file);
    assert_string_equal(found, text);
}

/* ---- the folder ----------------------------------------------------------------------------------------------------
 */

static void a_folder_is_made_emptied_of_what_was_begun_and_locked(void **state) {
    (void)state;
    open_folder();
    export_folder_close(&folder);
    char path[EXPORT_PATH_MAX];
    snprintf(path, sizeof path, "%s/a/b/", root);
    assert_int_equal(export_folder_open(&folder, path, &info), ERR_NONE);
    put_file("export.json", "{}");
    assert_int_equal(export_folder_make(&folder, ".staging/views/orders", &info), ERR_NONE);
    put_file(".staging/views/orders/1", "half");
    struct export_folder second;
    assert_int_equal(export_folder_open(&second, path, &info), ERR_CONFLICT);
    assert_non_null(strstr(info.text, "another export is at work"));
    export_folder_close(&folder);
    assert_int_equal(export_folder_open(&folder, path, &info), ERR_NONE);
    assert_true(is_there(".staging") && is_there("export.json"));
    assert_false(is_there(".staging/views"));
    export_folder_close(&folder);
    assert_false(is_there(".staging"));
}

static void a_folder_of_something_else_is_refused_and_left_alone(void **state) {
    (void)state;
    open_folder();
    int fd = open(path_of("letters.txt"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && close(fd) == 0);
    export_folder_close(&folder);
    assert_int_equal(export_folder_open(&folder, root, &info), ERR_CONFIG);
    assert_true(is_there("letters.txt"));
}

static void what_is_put_takes_the_place_of_what_was_there(void **state) {
    (void)state;
    open_folder();
    put_file("small.json", "one");
    put_file("small.json", "two");
    assert_holds("small.json", "two\n");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(export_folder_make(&folder, ".staging/views/orders/lines", &info), ERR_NONE);
        put_file(round == 0 ? ".staging/views/orders/lines/1" : ".staging/views/orders/lines/2", "x");
        assert_int_equal(export_folder_make(&folder, "views", &info), ERR_NONE);
        char from[EXPORT_PATH_MAX];
        memcpy(from, path_of(".staging/views/orders"), sizeof from);
        assert_int_equal(export_folder_put(&folder, from, "views/orders", &info), ERR_NONE);
    }
    assert_true(is_there("views/orders/lines/2"));
    assert_false(is_there("views/orders/lines/1"));
    assert_false(is_there(".staging/old"));
    export_folder_close(&folder);
}

/* A failing rename must not cost what stood there: closing empties .staging. */
static void what_cannot_be_put_leaves_what_was_there(void **state) {
    (void)state;
    open_folder();
    assert_int_equal(export_folder_make(&folder, "views/orders", &info), ERR_NONE);
    put_file("views/orders/1", "x");
    char from[EXPORT_PATH_MAX];
    memcpy(from, path_of(".staging/views/orders"), sizeof from); /* which is not there */
    assert_int_equal(export_folder_put(&folder, from, "views/orders", &info), ERR_IO);
    export_folder_close(&folder);
    assert_true(is_there("views/orders/1"));
}

/* Who may write to the folder may not choose which files outside it are made or emptied. */
static void links_out_of_the_folder_are_not_followed(void **state) {
    (void)state;
    open_folder();
    put_file("outside", "precious");
    char outside[EXPORT_PATH_MAX];
    struct export_file file;
    memcpy(outside, path_of("outside"), sizeof outside);
    assert_int_equal(symlink(outside, path_of(".staging/orders")), 0);
    assert_int_equal(export_file_open(&file, &lines, path_of(".staging/orders"), STR(""), STR(""), &info), ERR_IO);
    assert_holds("outside", "precious\n");
    assert_int_equal(unlink(outside), 0);
    assert_int_equal(unlink(path_of(".lock")), 0);
    assert_int_equal(symlink(outside, path_of(".lock")), 0);
    export_folder_close(&folder);
    assert_int_equal(export_folder_open(&folder, root, &info), ERR_IO);
    assert_false(is_there("outside"));
}

/* ---- parts ---------------------------------------------------------------------------------------------------------
 */

static void names_of_parts_are_read_back(void **state) {
    (void)state;
    char name[EXPORT_PART_NAME_MAX];
    int32_t partition;
    int64_t offset;
    export_part_name(name, 0, 3, 1234, EXPORT_JSONL);
    assert_string_equal(name, "0003-0000000000000001234.jsonl");
    assert_true(export_part_name_read(str_of_cstr(name), &partition, &offset));
    assert_true(partition == 3 && offset == 1234);
    export_part_name(name, 2, 1023, INT64_MAX - 9, EXPORT_AVRO);
    assert_true(export_part_name_read(str_of_cstr(name), &partition, &offset));
    assert_true(str_starts_with(str_of_cstr(name), STR("v2-1023-")));
    assert_true(partition == 1023 && offset == INT64_MAX - 9);
    static const char *const others[] = {"",          "x",         "0003",      "0003-",      "-1.jsonl",
                                         "v1-3.avro", "a-1.jsonl", "1-b.jsonl", "1-2-3.jsonl"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        assert_false(export_part_name_read(str_of_cstr(others[i]), &partition, &offset));
    }
}

static void parts_that_nobody_noted_are_forgotten(void **state) {
    (void)state;
    open_folder();
    assert_int_equal(export_folder_forget(&folder, "orders", 0, 0, &info), ERR_NONE); /* nothing is there yet */
    assert_int_equal(export_folder_make(&folder, "events/orders/OrderPlaced", &info), ERR_NONE);
    static const char *const names[] = {
        "events/orders/OrderPlaced/0000-0000000000000000005.jsonl",
        "events/orders/OrderPlaced/0000-0000000000000000010.jsonl",
        "events/orders/OrderPlaced/0000-0000000000000000020.jsonl",
        "events/orders/OrderPlaced/0001-0000000000000000020.jsonl",
        "events/orders/OrderPlaced/README",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        put_file(names[i], "x");
    }
    assert_int_equal(export_folder_forget(&folder, "orders", 0, 10, &info), ERR_NONE);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_int_equal(is_there(names[i]), i == 0 || i >= 3);
    }
    export_folder_close(&folder);
}

/* ---- a full disk ---------------------------------------------------------------------------------------------------
 */

static void a_full_disk_is_told_and_no_file_is_whole(void **state) {
    (void)state;
    struct export_file file;
    assert_int_equal(export_file_open(&file, &lines, "/dev/full", STR(""), STR(""), &info), ERR_NONE);
    assert_int_equal(export_file_add(&file, STR("{}"), &info), ERR_NONE); /* it waits in memory */
    assert_int_equal(export_file_finish(&file, &info), ERR_IO);
    assert_string_equal(info.text, "writing /dev/full: No space left on device");

    static char large[EXPORT_BUFFER_BYTES];
    memset(large, 'x', sizeof large);
    assert_int_equal(export_file_open(&file, &lines, "/dev/full", STR(""), STR(""), &info), ERR_NONE);
    assert_int_equal(export_file_add(&file, str_of(large, sizeof large), &info), ERR_IO);
    close(file.fd);
    file.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    file.path[0] = '\0'; /* the device stays */
    export_file_discard(&file);
}

/* ---- export.json ---------------------------------------------------------------------------------------------------
 */

static struct export_plan plan_of(enum export_format format) {
    struct export_plan plan = {.form = {.format = format, .codec = CONTAINER_DEFLATE}};
    plan.topics[TOPIC_ORDERS] = plan.topics[TOPIC_CARTS] = true;
    plan.views[1] = true;
    return plan;
}

static enum err read_as(const struct export_plan *plan, const char *prefix, const char *cluster, int32_t shards) {
    struct export_state other;
    export_state_init(&other, plan, prefix, cluster, shards);
    enum err err = export_state_read(&other, &folder, &info);
    export_state_release(&other);
    return err;
}

static void how_far_it_is_is_read_back(void **state) {
    (void)state;
    open_folder();
    struct export_plan plan = plan_of(EXPORT_AVRO);
    struct export_state written, found;
    export_state_init(&written, &plan, "daybook", "cluster-1", 3);
    assert_int_equal(written.partition_count, 6);
    assert_int_equal(export_state_read(&written, &folder, &info), ERR_NOT_FOUND);
    written.partitions[4].next = 7;
    written.partitions[4].end = INT64_MAX - 1;
    written.unreadable = 2;
    assert_false(export_state_is_done(&written));
    assert_int_equal(export_state_write(&written, &folder, &info), ERR_NONE);
    export_state_init(&found, &plan, "daybook", "cluster-1", 3);
    assert_int_equal(export_state_read(&found, &folder, &info), ERR_NONE);
    assert_int_equal(found.partitions[4].next, 7);
    assert_int_equal(found.partitions[4].end, INT64_MAX - 1);
    assert_int_equal(found.unreadable, 2);
    assert_false(export_state_is_done(&found));
    found.partitions[4].next = found.partitions[4].end;
    assert_false(export_state_is_done(&found));
    found.view_is_done[1] = true;
    assert_true(export_state_is_done(&found));
    export_state_release(&found);
    export_state_release(&written);
    export_folder_close(&folder);
}

static void an_export_of_something_else_is_refused(void **state) {
    (void)state;
    open_folder();
    struct export_plan plan = plan_of(EXPORT_AVRO), other = plan;
    struct export_state written;
    export_state_init(&written, &plan, "daybook", "cluster-1", 3);
    written.partitions[0].end = 1;
    assert_int_equal(export_state_write(&written, &folder, &info), ERR_NONE);
    assert_int_equal(read_as(&plan, "daybook", "cluster-1", 3), ERR_NONE);
    assert_int_equal(read_as(&plan, "daybook", "cluster-2", 3), ERR_CONFIG);
    assert_int_equal(read_as(&plan, "other", "cluster-1", 3), ERR_CONFIG);
    assert_int_equal(read_as(&plan, "daybook", "cluster-1", 4), ERR_CONFIG);
    other.form.codec = CONTAINER_NULL;
    assert_int_equal(read_as(&other, "daybook", "cluster-1", 3), ERR_CONFIG);
    other = plan;
    other.topics[TOPIC_STOCK] = true;
    assert_int_equal(read_as(&other, "daybook", "cluster-1", 3), ERR_CONFIG);
    other = plan;
    other.views[2] = true;
    assert_int_equal(read_as(&other, "daybook", "cluster-1", 3), ERR_CONFIG);
    other = plan;
    other.has_until = true;
    other.until_us = 1;
    assert_int_equal(read_as(&other, "daybook", "cluster-1", 3), ERR_CONFIG);
    /* Of one that is done, only what comes is another's. */
    written.partitions[0].next = 1;
    written.view_is_done[1] = true;
    assert_int_equal(export_state_write(&written, &folder, &info), ERR_NONE);
    assert_int_equal(read_as(&other, "daybook", "cluster-1", 3), ERR_NONE);
    put_file("export.json", "{\"format\":");
    assert_int_equal(read_as(&plan, "daybook", "cluster-1", 3), ERR_MALFORMED);
    export_state_release(&written);
    export_folder_close(&folder);
}

/* Taken for 0 they would have all parts forgotten. */
static void offsets_that_are_no_numbers_are_refused(void **state) {
    (void)state;
    open_folder();
    struct export_plan plan = {.topics = {[TOPIC_ORDERS] = true}};
    static const char head[] =
        "{\"format\":\"jsonl\",\"codec\":\"null\",\"topic_prefix\":\"daybook\",\"cluster\":\"c\","
        "\"partitions\":[{\"topic\":\"daybook.orders\",\"partition\":0,";
    static const char *const offsets[] = {"\"next\":7,\"end\":9", "\"next\":\"7\",\"end\":9", "\"end\":9",
                                          "\"next\":7.0,\"end\":9", "\"next\":0"};
    for (size_t i = 0; i < ARRAY_LENGTH(offsets); i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s}],\"views\":[]}", head, offsets[i]);
        put_file("export.json", text);
        assert_int_equal(read_as(&plan, "daybook", "c", 1), i == 0 ? ERR_NONE : ERR_MALFORMED);
    }
    export_folder_close(&folder);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_folder_is_made_emptied_of_what_was_begun_and_locked),
        TEST(a_folder_of_something_else_is_refused_and_left_alone),
        TEST(what_is_put_takes_the_place_of_what_was_there),
        TEST(what_cannot_be_put_leaves_what_was_there),
        TEST(links_out_of_the_folder_are_not_followed),
        TEST(names_of_parts_are_read_back),
        TEST(parts_that_nobody_noted_are_forgotten),
        TEST(a_full_disk_is_told_and_no_file_is_whole),
        TEST(how_far_it_is_is_read_back),
        TEST(an_export_of_something_else_is_refused),
        TEST(offsets_that_are_no_numbers_are_refused),
    };
    return cmocka_run_group_tests_name("export_folder", tests, NULL, NULL);
}
