#include "cmd/core_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void no_core_file_can_be_written_and_no_limit_raised_again(void **state) {
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit;
        bool is_forbidden = core_files_forbid() && prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 &&
                            limit.rlim_cur == 0 && limit.rlim_max == 0;
        _exit(is_forbidden ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_core_file_can_be_written_and_no_limit_raised_again)};
    return cmocka_run_group_tests_name("core_files", tests, NULL, NULL);
}
