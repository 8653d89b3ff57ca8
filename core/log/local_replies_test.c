#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_reaches_who_listens_here),
        cmocka_unit_test(what_is_for_others_or_for_nobody_is_left_to_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
