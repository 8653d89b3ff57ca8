#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/macros.h"
#include "core/handler/suspect.h"

static const struct suspect_note open_note = {.kind = NOTE_OPEN};

static struct suspect_note suspected(int64_t offset, int64_t deaths) {
    return (struct suspect_note){.kind = NOTE_SUSPECT, .offset = offset, .deaths = deaths};
}

static void assert_note(struct suspect_note actual, struct suspect_note expected) {
    assert_int_equal(actual.kind, expected.kind);
    assert_int_equal(actual.offset, expected.offset);
    assert_int_equal(actual.deaths, expected.deaths);
}

static void a_note_reads_as_it_was_written(void **state) {
    (void)state;
    const struct suspect_note notes[] = {
        open_note, {.kind = NOTE_CLEAN}, suspected(0, 1), suspected(INT64_MAX, INT64_MAX)};
    for (size_t i = 0; i < ARRAY_LENGTH(notes); i++) {
        char text[SUSPECT_NOTE_MAX];
        suspect_note_write(notes[i], text);
        assert_note(suspect_note_read(text), notes[i]);
    }
}

static void anything_else_counts_as_an_owner_at_work(void **state) {
    (void)state;
    static const char *const texts[] = {"",           "nonsense",      "suspect:",    "suspect:1",
                                        "suspect:1:", "suspect:x:1",   "suspect:1:0", "suspect:-1:1",
                                        "cleaner",    "suspect:1:1:1", "alone:1"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        assert_note(suspect_note_read(texts[i]), open_note);
    }
}

static void who_died_nowhere_suspects_nothing(void **state) {
    (void)state;
    assert_note(suspect_note_taken_over(open_note, -1, 10), open_note);
    assert_note(suspect_note_taken_over((struct suspect_note){.kind = NOTE_CLEAN}, -1, 0), open_note);
}

static void two_deaths_at_one_command_condemn_it(void **state) {
    (void)state;
    struct suspect_note once = suspect_note_taken_over(open_note, 12, 10);
    assert_note(once, suspected(12, 1));
    assert_false(suspect_is_refused(once, 12));
    struct suspect_note twice = suspect_note_taken_over(once, 12, 10);
    assert_true(suspect_is_refused(twice, 12));
    assert_false(suspect_is_refused(twice, 11));
}

static void a_later_owner_finds_the_suspicion_without_a_witness_of_its_own(void **state) {
    (void)state;
    assert_note(suspect_note_taken_over(suspected(12, 2), -1, 10), suspected(12, 2));
}

static void what_was_passed_is_innocent(void **state) {
    (void)state;
    assert_note(suspect_note_after(suspected(12, 1), 12), suspected(12, 1));
    assert_note(suspect_note_after(suspected(12, 1), 13), open_note);
    assert_note(suspect_note_taken_over(open_note, 12, 13), open_note);
}

static void a_death_elsewhere_makes_another_suspect(void **state) {
    (void)state;
    assert_note(suspect_note_taken_over(suspected(12, 1), 11, 10), suspected(11, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_reads_as_it_was_written),
        cmocka_unit_test(anything_else_counts_as_an_owner_at_work),
        cmocka_unit_test(who_died_nowhere_suspects_nothing),
        cmocka_unit_test(two_deaths_at_one_command_condemn_it),
        cmocka_unit_test(a_later_owner_finds_the_suspicion_without_a_witness_of_its_own),
        cmocka_unit_test(what_was_passed_is_innocent),
        cmocka_unit_test(a_death_elsewhere_makes_another_suspect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
