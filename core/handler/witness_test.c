#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/handler/witness.h"

static char dir[] = "/tmp/daybook-witness-test-XXXXXX";

static int a_folder(void **state) {
    (void)state;
    memcpy(dir, "/tmp/daybook-witness-test-XXXXXX", sizeof dir);
    return mkdtemp(dir) == NULL;
}

static int folder_goes(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/deciding", dir);
    (void)remove(path);
    return remove(dir);
}

/* A process that dies by the signal, within deciding offset 7 of shard 2 or after it. */
static void process_dies(int signal_number, bool within) {
    pid_t child = fork();
    if (child == 0) {
        struct witness witness = {0};
        struct err_info info;
        const struct rlimit no_core = {0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(signal_number, SIG_DFL); /* cmocka catches some */
        if (witness_open(&witness, dir, &info) != ERR_NONE) {
            _exit(1);
        }
        witness_deciding(&witness, 1, 2, 6);
        witness_rest(&witness, 1);
        witness_deciding(&witness, 1, 2, 7);
        if (!within) {
            witness_rest(&witness, 1);
        }
        kill(getpid(), signal_number);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static bool died_at(struct witness *witness, int32_t shard, int64_t *ret_offset) {
    struct err_info info;
    assert_int_equal(witness_open(witness, dir, &info), ERR_NONE);
    return witness_died_at(witness, shard, ret_offset);
}

static void a_death_within_deciding_is_told_once(void **state) {
    (void)state;
    static const int signals[] = {SIGABRT, SIGKILL, SIGSEGV};
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++) {
        process_dies(signals[i], true);
        struct witness witness = {0};
        int64_t offset = -1;
        assert_false(died_at(&witness, 1, &offset));
        assert_true(witness_died_at(&witness, 2, &offset));
        assert_int_equal(offset, 7);
        witness_counted(&witness, 2);
        assert_false(witness_died_at(&witness, 2, &offset));
        witness_close(&witness);
        assert_false(died_at(&witness, 2, &offset)); /* not by a later process either */
        witness_close(&witness);
    }
}

static void a_death_outside_of_deciding_names_nothing(void **state) {
    (void)state;
    process_dies(SIGKILL, false);
    struct witness witness = {0};
    int64_t offset;
    assert_false(died_at(&witness, 2, &offset));
    witness_close(&witness);
}

static void a_first_start_names_nothing(void **state) {
    (void)state;
    struct witness witness = {0};
    int64_t offset;
    assert_false(died_at(&witness, 0, &offset));
    witness_close(&witness);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, a_folder, folder_goes)
    const struct CMUnitTest tests[] = {
        TEST(a_death_within_deciding_is_told_once),
        TEST(a_death_outside_of_deciding_names_nothing),
        TEST(a_first_start_names_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
