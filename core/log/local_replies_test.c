#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>

#include "core/log/local_replies.h"

struct ear {
    int heard;
    struct str last;
};

static bool hears_its_own(void *context, struct str instance, struct str value) {
    struct ear *ear = context;
    if (!str_equal(instance, STR("here.0"))) {
        return false;
    }
    ear->heard++;
    ear->last = value;
    return true;
}

static void a_reply_reaches_who_listens_here(void **state) {
    (void)state;
    struct local_replies replies;
    struct ear ear = {0};
    local_replies_init(&replies);
    local_replies_listen(&replies, hears_its_own, &ear);
    assert_true(local_replies_hand_over(&replies, STR("here.0"), STR("answer")));
    assert_int_equal(ear.heard, 1);
    assert_true(str_equal(ear.last, STR("answer")));
    local_replies_listen(&replies, NULL, NULL);
    local_replies_release(&replies);
}

static void what_is_for_others_or_for_nobody_is_left_to_the_log(void **state) {
    (void)state;
    struct local_replies replies;
    struct ear ear = {0};
    local_replies_init(&replies);
    assert_false(local_replies_hand_over(&replies, STR("here.0"), STR("answer")));
    local_replies_listen(&replies, hears_its_own, &ear);
    assert_false(local_replies_hand_over(&replies, STR("elsewhere.0"), STR("answer")));
    local_replies_listen(&replies, NULL, NULL);
    assert_false(local_replies_hand_over(&replies, STR("here.0"), STR("answer")));
    assert_false(local_replies_hand_over(NULL, STR("here.0"), STR("answer")));
    assert_int_equal(ear.heard, 0);
    local_replies_release(&replies);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { HANDLERS = 3, FRONTS = 200 };

static struct local_replies shared;
static _Atomic bool is_over;

/* Lives while it listens, and no longer. */
struct front {
    bool is_alive;
    size_t heard;
};

static bool hears_while_alive(void *context, struct str instance, struct str value) {
    struct front *front = context;
    (void)instance;
    front->heard += front->is_alive && value.len == 6;
    return true;
}

static void *hand_over_all_the_time(void *argument) {
    size_t *taken = argument;
    do {
        *taken += local_replies_hand_over(&shared, STR("here.0"), STR("answer"));
    } while (!atomic_load(&is_over));
    return NULL;
}

/* A handler's thread hands over while the front is opened and closed: what was taken was heard, by one that lived. */
static void fronts_come_and_go_while_handlers_answer(void **state) {
    (void)state;
    pthread_t threads[HANDLERS];
    size_t taken[HANDLERS] = {0}, taken_by_all = 0, heard_by_all = 0;
    local_replies_init(&shared);
    atomic_store(&is_over, false);
    for (int i = 0; i < HANDLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hand_over_all_the_time, &taken[i]), 0);
    }
    for (int i = 0; i < FRONTS || heard_by_all == 0; i++) {
        struct front front = {.is_alive = true};
        local_replies_listen(&shared, hears_while_alive, &front);
        sched_yield();
        local_replies_listen(&shared, NULL, NULL);
        front.is_alive = false; /* nothing is being handed over any more */
        heard_by_all += front.heard;
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < HANDLERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        taken_by_all += taken[i];
    }
    assert_int_equal(taken_by_all, heard_by_all);
    local_replies_release(&shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_reaches_who_listens_here),
        cmocka_unit_test(what_is_for_others_or_for_nobody_is_left_to_the_log),
        cmocka_unit_test(fronts_come_and_go_while_handlers_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
