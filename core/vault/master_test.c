#include "core/vault/master.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/arena.h"

/* 32 zero bytes, and others. */
#define KEY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

static struct arena arena;
static char folder[] = "/tmp/daybook-master-test-XXXXXX";
static char path[64];
static const struct str person = {"per_00000000000000000000000001", 30};
static const uint8_t key[32] = {1, 2, 3};

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    bool is_made = mkdtemp(folder) != NULL;
    (void)snprintf(path, sizeof path, "%s/ring", folder);
    return !is_made;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return rmdir(folder);
}

static int remove_file(void **state) {
    (void)state;
    (void)unlink(path);
    return 0;
}

static void write_file(const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static const char *read_file(void) {
    static char text[MASTER_TEXT_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t size = read(fd, text, MASTER_TEXT_MAX);
    assert_true(size >= 0);
    (void)close(fd);
    text[size] = '\0';
    return text;
}

static struct master_ring *ring_of(const char *text) {
    struct master_ring *ring = NULL;
    struct err_info info = {0};
    if (master_load("/nonexistent", text, &ring, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return ring;
}

static struct str wrapped_by(const struct master_ring *ring, struct str key_id) {
    uint8_t *wrapped = arena_alloc(&arena, MASTER_WRAPPED_BYTES);
    master_wrap(ring, key_id, key, wrapped);
    return str_of((const char *)wrapped, MASTER_WRAPPED_BYTES);
}

/* ---- wrapping ---------------------------------------------------------------------------------------------------- */

static void a_key_opens_for_its_own_person_alone(void **state) {
    (void)state;
    struct master_ring *ring = ring_of("one " KEY_A);
    struct str wrapped = wrapped_by(ring, person);
    uint8_t opened[32] = {0};
    assert_true(master_unwrap(ring, STR("one"), person, wrapped, opened));
    assert_memory_equal(opened, key, sizeof key);
    /* As if its row had been moved to another person, or been cut. */
    memset(opened, 7, sizeof opened);
    assert_false(master_unwrap(ring, STR("one"), STR("per_00000000000000000000000002"), wrapped, opened));
    assert_false(master_unwrap(ring, STR("one"), person, str_first(wrapped, wrapped.len - 1), opened));
    assert_false(master_unwrap(ring, STR("one"), person, STR(""), opened));
    assert_int_equal(opened[0], 7);
    for (uint32_t i = 0; i < wrapped.len; i++) {
        ((char *)wrapped.data)[i] ^= 1;
        assert_false(master_unwrap(ring, STR("one"), person, wrapped, opened));
        ((char *)wrapped.data)[i] ^= 1;
    }
    master_free(ring);
}

static void a_key_is_never_wrapped_to_the_same_bytes(void **state) {
    (void)state;
    struct master_ring *ring = ring_of("one " KEY_A);
    assert_false(str_equal(wrapped_by(ring, person), wrapped_by(ring, person)));
    master_free(ring);
}

static void the_first_wraps_and_all_unwrap(void **state) {
    (void)state;
    struct master_ring *old = ring_of("one " KEY_A), *both = ring_of("two " KEY_B "\none " KEY_A "\n");
    struct master_ring *new = ring_of("two " KEY_B), *renamed = ring_of("one " KEY_B);
    uint8_t opened[32];
    struct str under_one = wrapped_by(old, person), under_two = wrapped_by(both, person);
    assert_true(master_unwrap(both, STR("one"), person, under_one, opened));
    assert_true(master_unwrap(new, STR("two"), person, under_two, opened));
    assert_false(master_unwrap(new, STR("one"), person, under_one, opened));
    assert_false(master_unwrap(both, STR("two"), person, under_one, opened));
    assert_false(master_unwrap(renamed, STR("one"), person, under_one, opened));
    /* The same bytes under another name are another master. */
    struct master_ring *alias = ring_of("six " KEY_A);
    assert_false(master_unwrap(alias, STR("six"), person, under_one, opened));
    struct master_ring *rings[] = {old, both, new, renamed, alias};
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
        master_free(rings[i]);
    }
}

static void what_is_derived_is_the_same_each_time_and_differs_in_all_else(void **state) {
    (void)state;
    struct master_ring *ring = ring_of("one " KEY_A ",two " KEY_B);
    uint8_t seeds[5][MASTER_SEED_BYTES];
    master_seed(ring, 0, "signing", 1, seeds[0]);
    master_seed(ring, 0, "signing", 2, seeds[1]);
    master_seed(ring, 0, "others", 1, seeds[2]);
    master_seed(ring, 1, "signing", 1, seeds[3]);
    master_seed(ring, 0, "signing", (UINT64_C(1) << 56) + 1, seeds[4]);
    uint8_t again[MASTER_SEED_BYTES];
    master_seed(ring, 0, "signing", 1, again);
    assert_memory_equal(seeds[0], again, sizeof again);
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(seeds[i], seeds[j], sizeof again);
        }
    }
    master_free(ring);
}

/* ---- the text ---------------------------------------------------------------------------------------------------- */

static void a_ring_stands_in_lines_or_in_one(void **state) {
    (void)state;
    static const char *const texts[] = {"a " KEY_A "\nb-2 " KEY_B "\n", "a " KEY_A ",b-2 " KEY_B,
                                        "\na " KEY_A "\n\nb-2 " KEY_B};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct master_ring *ring = ring_of(texts[i]);
        assert_int_equal(master_count(ring), 2);
        assert_true(str_equal(master_id(ring, 0), STR("a")));
        assert_true(str_equal(master_id(ring, 1), STR("b-2")));
        assert_int_equal(master_find(ring, STR("b-2")), 1);
        assert_int_equal(master_find(ring, STR("b")), 2);
        master_free(ring);
    }
}

static void what_is_no_ring_is_refused_without_telling_a_byte_of_it(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"\n", "no master key in it"},
        {"a", "followed by a space"},
        {KEY_A, "an id is 1 to 32"},
        {" " KEY_A, "an id is 1 to 32"},
        {"A " KEY_A, "an id is 1 to 32"},
        {"a.b " KEY_A, "an id is 1 to 32"},
        {"a0123456789012345678901234567890123 " KEY_A, "an id is 1 to 32"},
        {"a  " KEY_A, "43 characters"},
        {"a " KEY_A " ", "43 characters"},
        {"a " KEY_A "\r\n", "43 characters"},
        {"a " KEY_A "=", "43 characters"},
        {"a AAAA", "43 characters"},
        {"a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", "43 characters"}, /* the last one has bits that say nothing */
        {"a " KEY_A "\nb\n", "master key 2: the id is followed"},
        {"a " KEY_A "\na " KEY_B, "master key 2: the id stands there twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct master_ring *ring = NULL;
        struct err_info info = {0};
        assert_int_equal(master_load("/nonexistent", rows[i].text, &ring, &info), ERR_CONFIG);
        assert_null(ring);
        assert_non_null(strstr(info.text, rows[i].why));
        assert_null(strstr(info.text, "AAAA"));
    }
}

static void a_ring_has_a_bound(void **state) {
    (void)state;
    struct str text = STR("");
    for (int i = 0; i < MASTER_KEYS_MAX; i++) {
        text = arena_printf(&arena, "%.*sabcdefghijklmnopqrstuvwxyz-%05d " KEY_A "\n", STR_ARGS(text), i);
    }
    write_file(text.data);
    struct master_ring *ring = NULL;
    struct err_info info;
    assert_int_equal(master_load(path, NULL, &ring, &info), ERR_NONE);
    assert_int_equal(master_count(ring), MASTER_KEYS_MAX);
    master_free(ring);
    char id[MASTER_ID_MAX + 1];
    assert_int_equal(master_add(path, id, &info), ERR_TOO_LARGE);
    assert_string_equal(read_file(), text.data);
    text = arena_printf(&arena, "%.*sone-more " KEY_A "\n", STR_ARGS(text));
    assert_int_equal(master_load(path, text.data, &ring, &info), ERR_CONFIG);
    for (size_t i = 0; i < 64; i++) {
        text = arena_printf(&arena, "%.*s" KEY_A "\n", STR_ARGS(text));
    }
    write_file(text.data);
    assert_int_equal(master_load(path, NULL, &ring, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "too large"));
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void a_ring_is_made_once_and_for_its_owner_alone(void **state) {
    (void)state;
    struct str deep = arena_printf(&arena, "%s/a/b/ring", folder);
    struct master_ring *first = NULL, *again = NULL;
    struct err_info info;
    assert_false(master_exists(deep.data, NULL));
    assert_false(master_exists(deep.data, ""));
    assert_true(master_exists(deep.data, "a " KEY_A));
    assert_int_equal(master_load(deep.data, "", &first, &info), ERR_NONE);
    assert_true(master_exists(deep.data, ""));
    assert_int_equal(master_load(deep.data, NULL, &again, &info), ERR_NONE);
    assert_int_equal(master_count(first), 1);
    assert_true(str_equal(master_id(first, 0), master_id(again, 0)));
    uint8_t opened[32];
    assert_true(master_unwrap(again, master_id(first, 0), person, wrapped_by(first, person), opened));
    struct stat about;
    assert_int_equal(stat(deep.data, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    master_free(first);
    master_free(again);
    assert_int_equal(unlink(deep.data), 0);
    assert_int_equal(rmdir(arena_printf(&arena, "%s/a/b", folder).data), 0); /* nothing else was left there */
    assert_int_equal(rmdir(arena_printf(&arena, "%s/a", folder).data), 0);
}

static void two_rings_that_are_made_have_two_names(void **state) {
    (void)state;
    char ids[2][MASTER_ID_MAX + 1];
    struct err_info info;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(master_add(path, ids[i], &info), ERR_NONE);
        assert_int_equal(unlink(path), 0);
    }
    assert_string_not_equal(ids[0], ids[1]);
}

static void a_key_is_added_used_and_dropped(void **state) {
    (void)state;
    write_file("one " KEY_A "\ntwo " KEY_B); /* without its last line feed */
    struct err_info info;
    char id[MASTER_ID_MAX + 1];
    assert_int_equal(master_add(path, id, &info), ERR_NONE);
    struct master_ring *ring = NULL;
    assert_int_equal(master_load(path, NULL, &ring, &info), ERR_NONE);
    assert_int_equal(master_count(ring), 3);
    assert_true(str_equal(master_id(ring, 0), STR("one"))); /* it still wraps */
    assert_true(str_equal(master_id(ring, 2), str_of_cstr(id)));
    struct str under_one = wrapped_by(ring, person);
    master_free(ring);

    assert_int_equal(master_drop(path, STR("one"), &info), ERR_CONFLICT);
    assert_int_equal(master_use(path, STR("nobody"), &info), ERR_NOT_FOUND);
    assert_int_equal(master_drop(path, STR("nobody"), &info), ERR_NOT_FOUND);
    assert_int_equal(master_use(path, str_of_cstr(id), &info), ERR_NONE);
    assert_int_equal(master_use(path, str_of_cstr(id), &info), ERR_NONE); /* as it is */
    assert_int_equal(master_load(path, NULL, &ring, &info), ERR_NONE);
    assert_true(str_equal(master_id(ring, 0), str_of_cstr(id)));
    assert_true(str_equal(master_id(ring, 1), STR("one")));
    assert_true(str_equal(master_id(ring, 2), STR("two")));
    uint8_t opened[32];
    assert_true(master_unwrap(ring, STR("one"), person, under_one, opened));
    master_free(ring);

    assert_int_equal(master_drop(path, STR("one"), &info), ERR_NONE);
    assert_int_equal(master_load(path, NULL, &ring, &info), ERR_NONE);
    assert_int_equal(master_count(ring), 2);
    assert_true(str_equal(master_id(ring, 0), str_of_cstr(id)));
    assert_true(str_equal(master_id(ring, 1), STR("two")));
    assert_false(master_unwrap(ring, STR("one"), person, under_one, opened));
    master_free(ring);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void what_somebody_else_changes_is_left_to_him(void **state) {
    (void)state;
    static const char text[] = "one " KEY_A "\ntwo " KEY_B "\n";
    write_file(text);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    struct err_info info;
    char id[MASTER_ID_MAX + 1];
    assert_int_equal(master_add(path, id, &info), ERR_CONFLICT);
    assert_true(info.retriable);
    assert_int_equal(master_use(path, STR("two"), &info), ERR_CONFLICT);
    assert_int_equal(master_drop(path, STR("two"), &info), ERR_CONFLICT);
    assert_string_equal(read_file(), text);
    (void)close(fd);
    assert_int_equal(master_drop(path, STR("two"), &info), ERR_NONE);
    assert_string_equal(read_file(), "one " KEY_A "\n");
}

static void a_ring_that_cannot_be_read_is_not_changed(void **state) {
    (void)state;
    write_file("one " KEY_A "\nwhat is this\n");
    struct err_info info;
    char id[MASTER_ID_MAX + 1];
    assert_int_equal(master_add(path, id, &info), ERR_CONFIG);
    assert_int_equal(master_use(path, STR("one"), &info), ERR_CONFIG);
    assert_string_equal(read_file(), "one " KEY_A "\nwhat is this\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct master_ring *ring = NULL;
    assert_int_equal(master_load(path, NULL, &ring, &info), ERR_IO); /* and does not wait for a writer */
    assert_int_equal(unlink(path), 0);
    struct str folder_path = arena_printf(&arena, "%s/", folder);
    assert_int_equal(master_load(folder_path.data, NULL, &ring, &info), ERR_IO);
    assert_null(ring);
}

static void a_line_for_another_place_is_one_of_a_ring(void **state) {
    (void)state;
    char line[MASTER_LINE_MAX + 1];
    struct err_info info;
    assert_int_equal(master_new_line(line, &info), ERR_NONE);
    struct master_ring *ring = ring_of(line);
    assert_int_equal(master_count(ring), 1);
    master_free(ring);
}

int main(void) {
#define WITH_FILE(test) cmocka_unit_test_teardown(test, remove_file)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_opens_for_its_own_person_alone),
        cmocka_unit_test(a_key_is_never_wrapped_to_the_same_bytes),
        cmocka_unit_test(the_first_wraps_and_all_unwrap),
        cmocka_unit_test(what_is_derived_is_the_same_each_time_and_differs_in_all_else),
        cmocka_unit_test(a_ring_stands_in_lines_or_in_one),
        cmocka_unit_test(what_is_no_ring_is_refused_without_telling_a_byte_of_it),
        WITH_FILE(a_ring_has_a_bound),
        cmocka_unit_test(a_ring_is_made_once_and_for_its_owner_alone),
        WITH_FILE(two_rings_that_are_made_have_two_names),
        WITH_FILE(a_key_is_added_used_and_dropped),
        WITH_FILE(what_somebody_else_changes_is_left_to_him),
        WITH_FILE(a_ring_that_cannot_be_read_is_not_changed),
        cmocka_unit_test(a_line_for_another_place_is_one_of_a_ring),
    };
    return cmocka_run_group_tests_name("master", tests, set_up, tear_down);
}
