#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/handler/ids.h"

static void assert_str(struct str text, const char *expected) {
    if (!str_equal(text, str_of_cstr(expected))) {
        fail_msg("%.*s is not %s", STR_ARGS(text), expected);
    }
}

static void ids_follow_from_their_cause_and_differ_by_all_of_it(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str ids[] = {
        event_id_of(&arena, STR("cmd_A"), 0),           event_id_of(&arena, STR("cmd_A"), 1),
        event_id_of(&arena, STR("cmd_B"), 0),           follow_up_id_of(&arena, STR("cmd_A"), 0, false),
        follow_up_id_of(&arena, STR("cmd_A"), 0, true), timer_id_of(&arena, STR("cmd_A"), 0),
        timer_id_of(&arena, STR("ord_A.1"), 1),         timer_id_of(&arena, STR("ord_A.1"), 256),
        timer_id_of(&arena, STR("ord_A.1"), INT64_MAX),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        assert_int_equal(ids[i].len, ID_TEXT_LEN);
        for (size_t j = 0; j < i; j++) {
            assert_false(str_equal(str_from(ids[i], 4), str_from(ids[j], 4)));
        }
    }
    assert_true(str_equal(ids[0], event_id_of(&arena, STR("cmd_A"), 0)));
    /* Names in the log must never change: golden. */
    assert_str(ids[0], "evt_2100000000ZDAYQEE2QH1D5P5W");
    assert_str(event_id_of(&arena, STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"), 0), "evt_01ARZ3NDEKJ2GQ63TRC6V4Y8DB");
    arena_release(&arena);
}

static void only_a_commands_id_reads_as_one(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    uint8_t id[ULID_BYTES];
    assert_true(command_id_read(follow_up_id_of(&arena, STR("evt_A"), 3, false), id));
    assert_false(command_id_read(event_id_of(&arena, STR("cmd_A"), 0), id));
    assert_false(command_id_read(STR(""), id));
    assert_false(command_id_read(STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV.2"), id));
    assert_false(command_id_read(STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAu"), id));
    arena_release(&arena);
}

static void a_follow_ups_id_tells_whether_it_was_decided_at_once(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (uint32_t i = 0; i < 64; i++) {
        struct str at_once = follow_up_id_of(&arena, STR("evt_A"), i, true);
        assert_true(command_was_at_once(at_once, STR("evt_A")));
        assert_false(command_was_at_once(follow_up_id_of(&arena, STR("evt_A"), i, false), STR("evt_A")));
        /* Whatever a client's or a timer's id looks like, its cause is itself. */
        assert_false(command_was_at_once(at_once, at_once));
    }
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_follow_from_their_cause_and_differ_by_all_of_it),
        cmocka_unit_test(only_a_commands_id_reads_as_one),
        cmocka_unit_test(a_follow_ups_id_tells_whether_it_was_decided_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
