#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/thread_name.h"

static void a_name_that_is_too_long_is_cut_off(void **state) {
    (void)state;
    char name[16];
    thread_name("worker %d", 7);
    assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    assert_string_equal(name, "worker 7");
    thread_name("view %s", "of a long name");
    assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    assert_string_equal(name, "view of a long ");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_name_that_is_too_long_is_cut_off)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
