#include "cmd/sandbox.h"
#include "cmd/test_child.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* A folder with inside/file, readable/file, outside/file; removed at the end. */
struct place {
    char root[64], inside[96], readable[96], outside[96];
};

static void path_of(char *out, size_t size, const char *folder, const char *name) {
    int len = snprintf(out, size, "%s/%s", folder, name);
    assert_true(len > 0 && (size_t)len < size);
}

static int place_setup(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    snprintf(place->root, sizeof place->root, "/tmp/daybook-sandbox-test-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    char *folders[] = {place->inside, place->readable, place->outside};
    static const char *const names[] = {"inside", "readable", "outside"};
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        char file[128];
        path_of(folders[i], sizeof place->inside, place->root, names[i]);
        assert_int_equal(mkdir(folders[i], 0700), 0);
        path_of(file, sizeof file, folders[i], "file");
        int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "text", 4), 4);
        close(fd);
    }
    *state = place;
    return 0;
}

static int place_teardown(void **state) {
    struct place *place = *state;
    const char *folders[] = {place->inside, place->readable, place->outside};
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        static const char *const names[] = {"file", "made", "renamed", "deeper/file"};
        for (size_t k = 0; k < ARRAY_LENGTH(names); k++) {
            char file[128];
            path_of(file, sizeof file, folders[i], names[k]);
            (void)unlink(file);
        }
        char deeper[128];
        path_of(deeper, sizeof deeper, folders[i], "deeper");
        (void)rmdir(deeper);
        (void)rmdir(folders[i]);
    }
    (void)rmdir(place->root);
    free(place);
    return 0;
}

/* In a child, because a sandbox is for ever: `work` is given the place, and says with 0 that all was as it should be;
 * else with the line at which it was not. */
static void in_child(int (*work)(const struct place *), const struct place *place) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(work(place));
    }
    test_child_await(pid);
}

static int enter_files(const struct place *place) {
    const struct sandbox_path paths[] = {{"/usr", SANDBOX_READ},
                                         {"/lib", SANDBOX_READ},
                                         {"/nonexistent/folder", SANDBOX_READ},
                                         {place->readable, SANDBOX_READ},
                                         {place->inside, SANDBOX_WRITE}};
    struct err_info info;
    return sandbox_files(paths, ARRAY_LENGTH(paths), &info) == ERR_NONE ? 0 : -1;
}

/* Without Landlock in the kernel there is nothing to see, and the service says so at its start. */
static bool has_landlock(void) {
    const unsigned version = 1;
    return syscall(SYS_landlock_create_ruleset, NULL, 0, version) >= 1;
}

static int files_are_used_where_allowed(const struct place *place) {
    EXPECT(enter_files(place) == 0);
    EXPECT(test_open_errno(place->inside, "/file", O_RDWR) == 0);
    EXPECT(test_open_errno(place->inside, "/made", O_RDWR | O_CREAT | O_TRUNC) == 0);
    EXPECT(test_open_errno(place->readable, "/file", O_RDONLY) == 0);
    char made[128], renamed[128], deeper[128];
    (void)snprintf(made, sizeof made, "%s/made", place->inside);
    (void)snprintf(renamed, sizeof renamed, "%s/renamed", place->inside);
    (void)snprintf(deeper, sizeof deeper, "%s/deeper", place->inside);
    EXPECT(truncate(made, 1) == 0);
    EXPECT(rename(made, renamed) == 0);
    EXPECT(unlink(renamed) == 0);
    EXPECT(mkdir(deeper, 0700) == 0);
    EXPECT(test_open_errno(place->inside, "/deeper/file", O_RDWR | O_CREAT) == 0);
    return 0;
}

static int files_are_refused_elsewhere(const struct place *place) {
    int before = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    EXPECT(before >= 0);
    EXPECT(enter_files(place) == 0);
    EXPECT(test_open_errno(place->outside, "/file", O_RDONLY) == EACCES);
    EXPECT(test_open_errno(place->outside, "/made", O_WRONLY | O_CREAT) == EACCES);
    EXPECT(test_open_errno(place->readable, "/file", O_WRONLY) == EACCES);
    EXPECT(test_open_errno(place->readable, "/made", O_WRONLY | O_CREAT) == EACCES);
    EXPECT(test_open_errno("/etc", "/passwd", O_RDONLY) == EACCES);
    char inside[128], outside[128];
    (void)snprintf(inside, sizeof inside, "%s/file", place->inside);
    (void)snprintf(outside, sizeof outside, "%s/made", place->outside);
    EXPECT(rename(inside, outside) != 0);
    EXPECT(symlink("/etc/passwd", outside) != 0);
    char byte;
    EXPECT(read(before, &byte, 1) == 1); /* what was open stays open */
    return 0;
}

static int a_program_is_refused_by_landlock(const struct place *place) {
    EXPECT(enter_files(place) == 0);
    char *const arguments[] = {(char *)"false", NULL};
    char *const environment[] = {NULL};
    (void)execve("/usr/bin/false", arguments, environment);
    EXPECT(errno == EACCES);
    return 0;
}

enum { NOBODY = 65534 };

static int look_at_parent(const char *parent) {
    EXPECT(test_open_errno(parent, "/environ", O_RDONLY) == 0);
    const struct sandbox_path paths[] = {{"/proc", SANDBOX_READ}};
    struct err_info info;
    EXPECT(sandbox_files(paths, 1, &info) == ERR_NONE);
    EXPECT(test_open_errno("/proc/self", "/environ", O_RDONLY) == 0);
    EXPECT(test_open_errno("/proc/sys/kernel/random", "/boot_id", O_RDONLY) == 0);
    EXPECT(test_open_errno(parent, "/environ", O_RDONLY) == EACCES);
    EXPECT(test_open_errno(parent, "/maps", O_RDONLY) == EACCES);
    const unsigned version = 1;
    bool knows_signals = syscall(SYS_landlock_create_ruleset, NULL, 0, version) >= 6;
    EXPECT((kill(getppid(), 0) == -1 && errno == EPERM) == knows_signals);
    EXPECT(kill(getpid(), 0) == 0);
    return 0;
}

/* /proc is allowed, as a service allows it: what it shows of another process of the same user is not. Not as root, who
 * may read it by a capability that the service has not. */
static int other_processes_are_closed(const struct place *place) {
    (void)place;
    if (geteuid() == 0) {
        EXPECT(setgid(NOBODY) == 0 && setuid(NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    }
    char parent[64];
    (void)snprintf(parent, sizeof parent, "/proc/%d", (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        _exit(look_at_parent(parent));
    }
    int status;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void other_processes_cannot_be_looked_into_or_signalled(void **state) {
    if (!has_landlock()) {
        skip();
    }
    in_child(other_processes_are_closed, *state);
}

static void what_lies_below_a_path_can_be_used(void **state) {
    if (!has_landlock()) {
        skip();
    }
    in_child(files_are_used_where_allowed, *state);
}

static void what_lies_elsewhere_cannot(void **state) {
    if (!has_landlock()) {
        skip();
    }
    in_child(files_are_refused_elsewhere, *state);
}

static void no_program_starts_for_want_of_the_right(void **state) {
    if (!has_landlock() || SANDBOX_ALLOWS_TOOLS) {
        skip();
    }
    in_child(a_program_is_refused_by_landlock, *state);
}

/* A path of more than PATH_MAX bytes: an error, and nothing is given up. */
static int a_bad_path_changes_nothing(const struct place *place) {
    static char path[8192];
    memset(path, 'x', sizeof path - 1);
    const struct sandbox_path paths[] = {{path, SANDBOX_READ}};
    struct err_info info;
    EXPECT(sandbox_files(paths, 1, &info) == ERR_IO);
    EXPECT(strstr(info.text, "cannot open xxx") != NULL);
    EXPECT(test_open_errno(place->outside, "/file", O_RDONLY) == 0);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    return 0;
}

static void a_path_that_cannot_be_is_an_error(void **state) {
    if (!has_landlock()) {
        skip();
    }
    in_child(a_bad_path_changes_nothing, *state);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

#define TOOL_CALL(name) {#name, SYS_##name, SANDBOX_ALLOWS_TOOLS},
#define DENIED_CALL(name) {#name, SYS_##name, 0},
static const struct {
    const char *name;
    long number;
    int is_allowed;
} calls[] = {
#include "cmd/sandbox_calls.def"
};

/* Arguments that none of them accepts: without the sandbox each would be EFAULT, EINVAL, EBADF ... or EPERM for want of
 * a privilege, which a test as root has, nearly always. */
static int every_call_of_the_table_is_refused(const struct place *place) {
    (void)place;
    struct err_info info;
    EXPECT(sandbox_calls(&info) == ERR_NONE);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        if (calls[i].is_allowed) {
            continue;
        }
        errno = 0;
        if (syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM) {
            fprintf(stderr, "%s: %s\n", calls[i].name, strerror(errno));
            return 1;
        }
    }
    return 0;
}

static int execve_is_refused(const struct place *place) {
    (void)place;
    struct err_info info;
    EXPECT(sandbox_calls(&info) == ERR_NONE);
    char *const arguments[] = {(char *)"false", NULL};
    char *const environment[] = {NULL};
    (void)execve("/usr/bin/false", arguments, environment);
    EXPECT(errno == EPERM);
    return 0;
}

static void *work_of_thread(void *result) {
    *(int *)result = 1 + (syscall(SYS_setns, -1, -1) == -1 && errno == EPERM);
    return NULL;
}

static int threads_and_children_still_start(const struct place *place) {
    (void)place;
    struct err_info info;
    EXPECT(sandbox_calls(&info) == ERR_NONE);
    int in_thread = 0;
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, work_of_thread, &in_thread) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(in_thread == 2); /* it ran, and is bound as well */
    pid_t child = fork();
    if (child == 0) {
        _exit(7);
    }
    int status;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    return 0;
}

static int namespaces_are_refused(const struct place *place) {
    (void)place;
    struct err_info info;
    EXPECT(sandbox_calls(&info) == ERR_NONE);
    static const unsigned long spaces[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC};
    for (size_t i = 0; i < ARRAY_LENGTH(spaces); i++) {
        EXPECT(syscall(SYS_clone, spaces[i] | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM);
    }
    EXPECT(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
    return 0;
}

static int ptrace_of_a_child_is_as_built(const struct place *place) {
    (void)place;
    struct err_info info;
    EXPECT(sandbox_calls(&info) == ERR_NONE);
    const long trace_me = 0;
    EXPECT((syscall(SYS_ptrace, trace_me, 0, 0, 0) == 0) == (SANDBOX_ALLOWS_TOOLS != 0));
    return 0;
}

static void each_call_of_the_table_is_refused_with_eperm(void **state) {
    in_child(every_call_of_the_table_is_refused, *state);
}

static void no_program_can_be_started(void **state) {
    if (SANDBOX_ALLOWS_TOOLS) {
        skip();
    }
    in_child(execve_is_refused, *state);
}

static void threads_start_and_are_bound_as_well(void **state) {
    in_child(threads_and_children_still_start, *state);
}

static void a_clone_into_namespaces_is_refused(void **state) {
    in_child(namespaces_are_refused, *state);
}

static void a_sanitizer_may_trace_and_nobody_else(void **state) {
    in_child(ptrace_of_a_child_is_as_built, *state);
}

#if defined(__x86_64__)
/* The kernel ends the process, with SIGSYS. */
static void calls_of_x32_end_the_process(void **state) {
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err_info info;
        const struct rlimit none = {0};
        if (setrlimit(RLIMIT_CORE, &none) == 0 && sandbox_calls(&info) == ERR_NONE) {
            (void)syscall(0x40000000 + SYS_getpid);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_lies_below_a_path_can_be_used, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_lies_elsewhere_cannot, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(no_program_starts_for_want_of_the_right, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(other_processes_cannot_be_looked_into_or_signalled, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_path_that_cannot_be_is_an_error, place_setup, place_teardown),
        cmocka_unit_test(each_call_of_the_table_is_refused_with_eperm),
        cmocka_unit_test(no_program_can_be_started),
        cmocka_unit_test(threads_start_and_are_bound_as_well),
        cmocka_unit_test(a_clone_into_namespaces_is_refused),
        cmocka_unit_test(a_sanitizer_may_trace_and_nobody_else),
#if defined(__x86_64__)
        cmocka_unit_test(calls_of_x32_end_the_process),
#endif
    };
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
