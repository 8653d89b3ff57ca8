/* test_child.h: for tests: what cannot be taken back (a sandbox, another user) is tried in a child of its own.
 *
 * What runs there says with EXPECT what has to be so, as cmocka's checks do not reach beyond a fork; it returns 0 at
 * its end.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the work with the line at which it was not so; an exit code has 8 bits. */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            return __LINE__ % 256 == 0 ? 1 : __LINE__ % 256;                                                           \
        }                                                                                                              \
    } while (0)

/* Waits for the child, and fails where it did. */
static inline void test_child_await(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("the child ended with status %#x: line %d (modulo 256)", status, WEXITSTATUS(status));
    }
}

/* Why the path that both make cannot be opened with `flags`; 0 when it can. */
static inline int test_open_errno(const char *folder, const char *rest, int flags) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s%s", folder, rest);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return error;
}
