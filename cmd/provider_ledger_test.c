#include "cmd/provider_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPLATE "/tmp/daybook-ledger-test-XXXXXX"
static char path[] = TEMPLATE;

static int set_up(void **state) {
    (void)state;
    memcpy(path, TEMPLATE, sizeof path);
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path);
}

static struct ledger *opened(void) {
    struct ledger *ledger;
    struct err_info info = {0};
    assert_int_equal(ledger_open(path, 0, &ledger, &info), ERR_NONE);
    return ledger;
}

static enum err try_to_charge(struct ledger *ledger, const char *intent) {
    struct ledger_entry request = {.operation = OPERATION_CHARGE, .amount = 100};
    snprintf(request.intent, sizeof request.intent, "%s", intent);
    snprintf(request.payment, sizeof request.payment, "pay_%s", intent);
    snprintf(request.method, sizeof request.method, "approve");
    snprintf(request.currency, sizeof request.currency, "EUR");
    const struct ledger_entry *entry;
    bool is_repeated;
    struct err_info info = {0};
    return ledger_apply(ledger, &request, 1, &entry, &is_repeated, &info);
}

static void charge(struct ledger *ledger, const char *intent) {
    assert_int_equal(try_to_charge(ledger, intent), ERR_NONE);
}

static void what_follows_a_full_disk_is_read_back(void **state) {
    (void)state;
    struct ledger *ledger = opened();
    charge(ledger, "first");
    struct stat file;
    struct rlimit before;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit full = {.rlim_cur = (rlim_t)file.st_size + 20, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    assert_int_equal(try_to_charge(ledger, "second"), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_null(ledger_find(ledger, STR("second")));
    charge(ledger, "third");
    ledger_close(ledger);
    ledger = opened();
    assert_non_null(ledger_find(ledger, STR("first")));
    assert_null(ledger_find(ledger, STR("second")));
    assert_non_null(ledger_find(ledger, STR("third")));
    ledger_close(ledger);
}

static void what_follows_a_torn_line_is_read_back(void **state) {
    (void)state;
    struct ledger *ledger = opened();
    charge(ledger, "first");
    ledger_close(ledger);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs("{\"operation\":\"char", file) >= 0); /* killed in the middle of it */
    assert_int_equal(fclose(file), 0);
    ledger = opened();
    charge(ledger, "second");
    ledger_close(ledger);
    ledger = opened();
    assert_non_null(ledger_find(ledger, STR("first")));
    assert_non_null(ledger_find(ledger, STR("second")));
    ledger_close(ledger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_follows_a_torn_line_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_follows_a_full_disk_is_read_back, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("provider_ledger", tests, NULL, NULL);
}
