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

/* The number of a page's payments, the first of them, and where to go on; -1: nowhere. */
static size_t page(const struct ledger *ledger, size_t from, char ret_first[64], long long *ret_next) {
    json_t *told = ledger_json(ledger, from);
    json_t *payments = json_object_get(told, "payments"), *next = json_object_get(told, "next");
    size_t count = json_array_size(payments);
    assert_int_equal(json_array_size(json_object_get(told, "operations")), count);
    snprintf(ret_first, 64, "%s", json_string_value(json_object_get(json_array_get(payments, 0), "payment")));
    *ret_next = json_is_null(next) ? -1 : json_integer_value(next);
    json_decref(told);
    return count;
}

static void a_long_ledger_is_told_in_pages(void **state) {
    (void)state;
    struct ledger *ledger;
    struct err_info info = {0};
    assert_int_equal(ledger_open(NULL, 0, &ledger, &info), ERR_NONE);
    for (int i = 0; i < LEDGER_PAGE_MAX + 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        charge(ledger, name);
    }
    char first[64];
    long long next;
    assert_int_equal(page(ledger, 0, first, &next), LEDGER_PAGE_MAX);
    assert_string_equal(first, "pay_0");
    assert_int_equal(next, LEDGER_PAGE_MAX);
    assert_int_equal(page(ledger, (size_t)next, first, &next), 3);
    assert_string_equal(first, "pay_50000");
    assert_int_equal(next, -1);
    ledger_close(ledger);
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
        cmocka_unit_test(a_long_ledger_is_told_in_pages),
        cmocka_unit_test_setup_teardown(what_follows_a_torn_line_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_follows_a_full_disk_is_read_back, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("provider_ledger", tests, NULL, NULL);
}
