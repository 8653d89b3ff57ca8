#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/handler/data_dir.h"

static void a_data_dir_belongs_to_one_process_at_a_time(void **state) {
    (void)state;
    char dir[] = "/tmp/daybook-data-dir-test-XXXXXX", path[64], file[80];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/made", dir);
    int lock = -1, other = -1;
    struct err_info info = {0};
    assert_int_equal(data_dir_lock(path, &lock, &info), ERR_NONE);
    assert_true(lock >= 0);
    assert_int_equal(data_dir_lock(path, &other, &info), ERR_CONFIG);
    assert_int_equal(other, -1);
    assert_non_null(strstr(info.text, path));
    data_dir_unlock(lock);
    assert_int_equal(data_dir_lock(path, &other, &info), ERR_NONE);
    data_dir_unlock(other);
    data_dir_unlock(-1);
    snprintf(file, sizeof file, "%s/lock", path);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_data_dir_belongs_to_one_process_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
