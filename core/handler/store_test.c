#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/handler/store.h"
#include "gen/codec.h"

/* Each test has a folder of its own; shard 3 in it. */
static char dir[] = "/tmp/daybook-store-test-XXXXXX";

static int a_folder(void **state) {
    (void)state;
    memcpy(dir, "/tmp/daybook-store-test-XXXXXX", sizeof dir);
    return mkdtemp(dir) == NULL;
}

static int folder_goes(void **state) {
    (void)state;
    static const char *const names[] = {"/shard-3/data.mdb", "/shard-3/lock.mdb", "/shard-3/boot", "/shard-3", ""};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", dir, names[i]);
        (void)remove(path);
    }
    return 0;
}

static struct store *opened_for(const char *forms, const char *boot_id, const char *cluster_id, const char **ret_why) {
    const struct store_options options = {.data_dir = dir,
                                          .shard = 3,
                                          .cluster_id = cluster_id,
                                          .forms = forms,
                                          .boot_id = boot_id,
                                          .map_initial_bytes = (size_t)1 << 20};
    struct store *store;
    struct err_info info = {0};
    enum err err = store_open(&options, &store, ret_why, &info);
    if (err != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return store;
}

static struct store *opened(const char *boot_id, const char *cluster_id, const char **ret_why) {
    return opened_for(NULL, boot_id, cluster_id, ret_why);
}

struct pair {
    struct str key, value;
};

static enum err put_pair(struct store_writer *writer, void *context, struct err_info *info) {
    const struct pair *pair = context;
    return store_put(writer, STORE_STREAMS, pair->key, pair->value, info);
}

/* Writes one stream and moves progress on by one. */
static enum err wrote(struct store *store, struct str key, struct str value, struct err_info *info) {
    struct store_progress progress = *store_progress(store);
    progress.topics[TOPIC_CARTS].offset++;
    struct pair pair = {key, value};
    return store_write(store, &progress, put_pair, &pair, info);
}

static bool has(struct store *store, struct str key) {
    bool found;
    struct str value;
    struct err_info info;
    assert_int_equal(store_get(store, STORE_STREAMS, key, &found, &value, &info), ERR_NONE);
    return found;
}

static void what_was_written_is_there_when_it_is_opened_again(void **state) {
    (void)state;
    const char *why;
    struct err_info info;
    struct store *store = opened("boot-1", "cluster", &why);
    assert_null(why);
    assert_int_equal(wrote(store, STR("cart_1"), STR("state"), &info), ERR_NONE);
    store_close(store, false);
    store = opened("boot-1", "cluster", &why);
    assert_null(why);
    assert_true(has(store, STR("cart_1")));
    assert_int_equal(store_progress(store)->topics[TOPIC_CARTS].offset, 0);
    store_close(store, true);
    store = opened("boot-2", "cluster", &why); /* closed clean: another boot may trust it */
    assert_null(why);
    assert_true(has(store, STR("cart_1")));
    store_close(store, true);
}

static void a_store_that_another_boot_left_open_is_discarded(void **state) {
    (void)state;
    const char *why;
    struct err_info info;
    struct store *store = opened("boot-1", "cluster", &why);
    assert_int_equal(wrote(store, STR("cart_1"), STR("state"), &info), ERR_NONE);
    store_close(store, false);
    store = opened("boot-2", "cluster", &why);
    assert_non_null(why);
    assert_false(has(store, STR("cart_1")));
    assert_int_equal(store_progress(store)->topics[TOPIC_CARTS].offset, -1);
    store_close(store, false);
}

static void a_store_of_another_cluster_is_discarded(void **state) {
    (void)state;
    const char *why;
    struct err_info info;
    struct store *store = opened("boot-1", "cluster", &why);
    assert_int_equal(wrote(store, STR("cart_1"), STR("state"), &info), ERR_NONE);
    store_close(store, false);
    store = opened("boot-1", "another", &why);
    assert_non_null(why);
    assert_false(has(store, STR("cart_1")));
    assert_int_equal(wrote(store, STR("cart_2"), STR("state"), &info), ERR_NONE);
    store_close(store, false);
}

/* A release with a new version of a stored state: its codecs would not read a single value. */
static void a_store_of_other_forms_is_discarded(void **state) {
    (void)state;
    const char *why;
    struct err_info info;
    struct store *store = opened_for("4.19", "boot-1", "cluster", &why);
    assert_int_equal(wrote(store, STR("cart_1"), STR("state"), &info), ERR_NONE);
    store_close(store, true);
    store = opened_for("4.19", "boot-1", "cluster", &why);
    assert_null(why);
    assert_true(has(store, STR("cart_1")));
    store_close(store, true);
    store = opened_for("4.20", "boot-1", "cluster", &why);
    assert_non_null(why);
    assert_false(has(store, STR("cart_1")));
    assert_int_equal(store_progress(store)->topics[TOPIC_CARTS].offset, -1);
    assert_int_equal(wrote(store, STR("cart_2"), STR("state"), &info), ERR_NONE);
    store_close(store, true);
    store = opened_for("4.20", "boot-1", "cluster", &why); /* filled anew, it is kept */
    assert_null(why);
    assert_true(has(store, STR("cart_2")));
    store_close(store, true);
}

static void its_forms_are_those_of_this_program(void **state) {
    (void)state;
    const char *why;
    store_close(opened("boot-1", "cluster", &why), true);
    store_close(opened_for(STATE_SCHEMA_IDS, "boot-1", "cluster", &why), true);
    assert_null(why);
}

static void garbage_in_its_place_is_discarded(void **state) {
    (void)state;
    const char *why;
    store_close(opened("boot-1", "cluster", &why), true);
    char path[128];
    snprintf(path, sizeof path, "%s/shard-3/data.mdb", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 20000; i++) {
        fputs("garbage ", file);
    }
    fclose(file);
    struct store *store = opened("boot-1", "cluster", &why);
    assert_non_null(why);
    store_close(store, false);
}

static void a_folder_is_open_once_a_process(void **state) {
    (void)state;
    const char *why;
    struct store *store = opened("boot-1", "cluster", &why), *second;
    const struct store_options options = {.data_dir = dir, .shard = 3, .cluster_id = "cluster", .boot_id = "boot-1"};
    struct err_info info;
    assert_int_equal(store_open(&options, &second, &why, &info), ERR_STORE);
    assert_true(info.retriable);
    store_close(store, false);
    store_close(opened("boot-1", "cluster", &why), false);
}

/* Another process is another owner: it moved the store on, so ours must not touch it any more. */
static void a_write_from_a_stale_standing_is_refused(void **state) {
    (void)state;
    const char *why;
    struct err_info info;
    struct store *store = opened("boot-1", "cluster", &why);
    assert_int_equal(wrote(store, STR("cart_1"), STR("old"), &info), ERR_NONE);
    store_close(store, false);
    int from_child[2], to_child[2];
    assert_int_equal(pipe(from_child) | pipe(to_child), 0);
    pid_t child = fork();
    if (child == 0) {
        /* The zombie: opens, waits while the successor writes, then writes what it had in hand. */
        char go = 'x';
        struct store *zombie = opened("boot-1", "cluster", &why);
        if (write(from_child[1], &go, 1) != 1 || read(to_child[0], &go, 1) != 1) {
            _exit(9);
        }
        _exit(wrote(zombie, STR("cart_1"), STR("zombie"), &info) == ERR_CONFLICT ? 0 : 1);
    }
    char go;
    assert_int_equal(read(from_child[0], &go, 1), 1);
    store = opened("boot-1", "cluster", &why);
    assert_int_equal(wrote(store, STR("cart_1"), STR("new"), &info), ERR_NONE);
    assert_int_equal(write(to_child[1], &go, 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    bool found;
    struct str value;
    store_rest(store);
    assert_int_equal(store_get(store, STORE_STREAMS, STR("cart_1"), &found, &value, &info), ERR_NONE);
    assert_true(str_equal(value, STR("new")));
    store_close(store, false);
    close(from_child[0]), close(from_child[1]), close(to_child[0]), close(to_child[1]);
}

static void the_map_grows_with_what_is_written(void **state) {
    (void)state;
    const char *why;
    struct err_info info;
    struct store *store = opened("boot-1", "cluster", &why);
    static char large[300 * 1024];
    for (int i = 0; i < 40; i++) { /* 12 MB through a map of 1 MB */
        char key[16];
        snprintf(key, sizeof key, "cart_%d", i);
        assert_int_equal(wrote(store, str_of_cstr(key), str_of(large, sizeof large), &info), ERR_NONE);
    }
    assert_true(has(store, STR("cart_0")) && has(store, STR("cart_39")));
    store_close(store, false);
    store = opened("boot-1", "cluster", &why);
    assert_null(why);
    assert_true(has(store, STR("cart_39")));
    store_close(store, false);
}

/* A child writes rounds of three streams with the same number until it is killed; whatever it wrote last, the three
 * agree with each other and with progress. */
enum { ROUND_STREAMS = 3 };

static enum err put_round(struct store_writer *writer, void *context, struct err_info *info) {
    static char value[20000];
    memcpy(value, context, sizeof(int64_t));
    enum err err = ERR_NONE;
    for (int i = 0; i < ROUND_STREAMS && err == ERR_NONE; i++) {
        char key[16];
        snprintf(key, sizeof key, "cart_%d", i);
        err = store_put(writer, STORE_STREAMS, str_of_cstr(key), str_of(value, sizeof value), info);
    }
    return err;
}

static void child_writes_for_ever(int ready) {
    const char *why;
    struct err_info info;
    struct store *store = opened("boot-1", "cluster", &why);
    for (int64_t round = 0;; round++) {
        struct store_progress progress = *store_progress(store);
        int64_t number = ++progress.topics[TOPIC_CARTS].offset;
        if (store_write(store, &progress, put_round, &number, &info) != ERR_NONE ||
            (round == 0 && write(ready, "x", 1) != 1)) {
            _exit(1);
        }
    }
}

static void a_process_killed_while_it_writes_leaves_a_whole_store(void **state) {
    (void)state;
    const char *why;
    for (int kill_count = 0; kill_count < 20; kill_count++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0) {
            child_writes_for_ever(ready[1]);
        }
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        nanosleep(&(struct timespec){.tv_nsec = 1000000L + 617000L * kill_count}, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        close(ready[0]), close(ready[1]);

        struct store *store = opened("boot-1", "cluster", &why);
        assert_null(why);
        for (int i = 0; i < ROUND_STREAMS; i++) {
            char key[16];
            snprintf(key, sizeof key, "cart_%d", i);
            bool found;
            struct str value;
            struct err_info info;
            assert_int_equal(store_get(store, STORE_STREAMS, str_of_cstr(key), &found, &value, &info), ERR_NONE);
            int64_t number;
            memcpy(&number, value.data, sizeof number);
            assert_true(found);
            assert_int_equal(number, store_progress(store)->topics[TOPIC_CARTS].offset);
        }
        store_close(store, false);
    }
}

static enum err put_timers(struct store_writer *writer, void *context, struct err_info *info) {
    (void)context;
    char key[STORE_TIME_KEY_MAX];
    enum err err = store_put(writer, STORE_TIMERS, store_time_key(300, STR("ord_b"), key), (struct str){0}, info);
    err = err == ERR_NONE
              ? store_put(writer, STORE_TIMERS, store_time_key(70000, STR("ord_c"), key), (struct str){0}, info)
              : err;
    return err == ERR_NONE
               ? store_put(writer, STORE_TIMERS, store_time_key(200, STR("ord_a"), key), (struct str){0}, info)
               : err;
}

static void timers_are_due_in_the_order_of_their_deadlines(void **state) {
    (void)state;
    const char *why;
    struct err_info info;
    struct store *store = opened("boot-1", "cluster", &why);
    assert_int_equal(store_write(store, store_progress(store), put_timers, NULL, &info), ERR_NONE);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct store_timer_array due;
    assert_int_equal(store_timers_due(store, 300, 10, &arena, &due, &info), ERR_NONE);
    assert_int_equal(due.count, 2);
    assert_true(str_equal(due.items[0].stream, STR("ord_a")));
    assert_int_equal(due.items[1].deadline_us, 300);
    assert_int_equal(store_timers_due(store, INT64_MAX, 1, &arena, &due, &info), ERR_NONE);
    assert_int_equal(due.count, 1);
    arena_release(&arena);
    store_close(store, false);
}

/* Keys that lie beside each other in a table, whatever else is in it: by what they begin with. */
static void rows_of_one_purchase_lie_near_each_other(void **state) {
    (void)state;
    static const char *const streams[] = {"cart_01ARZ3NDEKTSV4RRFFQ69G5FAV", "ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.1",
                                          "pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.2"};
    const struct str common = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    char keys[ARRAY_LENGTH(streams) + 2][STORE_KEY_MAX];
    struct str all[ARRAY_LENGTH(keys)];
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        all[i] = store_stream_key(str_of_cstr(streams[i]), keys[i]);
    }
    struct str order = str_of_cstr(streams[1]);
    all[3] = store_sub_key(STR("sku_A-1.b_c"), order, keys[3]);
    all[4] = store_sub_key(STR("sku_A-2"), order, keys[4]);
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        assert_true(str_starts_with(all[i], common));
        for (size_t j = 0; j < i; j++) {
            assert_false(str_equal(all[i], all[j]));
        }
    }
    assert_true(str_starts_with(store_stream_key(STR("sku_A-1.b_c"), keys[0]), STR("A-1.b_c")));
    /* Names that only look alike once they are taken apart. */
    assert_false(str_equal(store_stream_key(STR("a_X.1"), keys[0]), store_stream_key(STR("a_X.1.1"), keys[1])));
    assert_false(str_equal(store_stream_key(STR("a_X"), keys[0]), store_stream_key(STR("b_X"), keys[1])));
    assert_false(
        str_equal(store_sub_key(STR("sku_A"), STR("k"), keys[0]), store_sub_key(STR("sku_B"), STR("k"), keys[1])));
}

static void the_longest_names_make_a_key(void **state) {
    (void)state;
    char stream[128], sub_key[255], key[STORE_KEY_MAX];
    memset(stream, 's', sizeof stream);
    memset(sub_key, 'k', sizeof sub_key);
    struct str made = store_sub_key(str_of(stream, sizeof stream), str_of(sub_key, sizeof sub_key), key);
    assert_true(made.len >= sizeof stream + sizeof sub_key && made.len <= STORE_KEY_MAX);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, a_folder, folder_goes)
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_there_when_it_is_opened_again),
        TEST(a_store_that_another_boot_left_open_is_discarded),
        TEST(a_store_of_another_cluster_is_discarded),
        TEST(a_store_of_other_forms_is_discarded),
        TEST(its_forms_are_those_of_this_program),
        TEST(garbage_in_its_place_is_discarded),
        TEST(a_folder_is_open_once_a_process),
        TEST(a_write_from_a_stale_standing_is_refused),
        TEST(the_map_grows_with_what_is_written),
        TEST(a_process_killed_while_it_writes_leaves_a_whole_store),
        TEST(timers_are_due_in_the_order_of_their_deadlines),
        TEST(rows_of_one_purchase_lie_near_each_other),
        TEST(the_longest_names_make_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
