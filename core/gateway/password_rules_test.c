#include "core/gateway/password_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/daybook-password-rules-XXXXXX";

static int set_up(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path);
}

static void list_of(int count) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < count; i++) {
        fprintf(file, "too short\npassword%04d\n", i);
    }
    assert_int_equal(fclose(file), 0);
}

static void assert_refused(const struct config *config, const char *expected_in_text) {
    struct password_rules rules = {.house.count = 7};
    struct err_info info = {0};
    assert_int_equal(password_rules_open(config, &rules, &info), ERR_CONFIG);
    assert_int_equal(rules.house.count, 7);
    if (strstr(info.text, expected_in_text) == NULL) {
        fail_msg("'%s' is not in '%s'", expected_in_text, info.text);
    }
}

static void assert_opened(const struct config *config, size_t known) {
    struct password_rules rules;
    struct err_info info = {0};
    if (password_rules_open(config, &rules, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    assert_int_equal(rules.list == NULL ? 0 : password_list_count(rules.list), known);
    password_rules_close(&rules);
}

static void a_front_knows_the_most_frequent_passwords_or_does_not_start(void **state) {
    (void)state;
    struct config config = {.password_list = "", .password_words = ""};
    assert_refused(&config, "password_list is not set");
    config.password_list = path;
    list_of(PASSWORD_RULES_LEAST - 1);
    assert_refused(&config, "2999 are long enough");
    list_of(PASSWORD_RULES_LEAST);
    assert_opened(&config, PASSWORD_RULES_LEAST);
    config.password_list = "/nowhere/passwords";
    assert_refused(&config, "/nowhere/passwords");
}

static void a_developers_front_may_know_none(void **state) {
    (void)state;
    struct config config = {.password_list = "", .password_words = "", .development = true};
    assert_opened(&config, 0);
    config.password_list = path;
    list_of(1);
    assert_opened(&config, 1);
    config.password_list = "/nowhere/passwords";
    assert_refused(&config, "/nowhere/passwords");
}

static void the_words_of_the_house_are_those_that_are_set(void **state) {
    (void)state;
    struct config config;
    struct password_rules rules;
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    config.development = true;
    assert_int_equal(password_rules_open(&config, &rules, NULL), ERR_NONE);
    assert_int_equal(password_judge(rules.list, &rules.house, STR("Daybook2026"), STR("")), PASSWORD_OF_THE_HOUSE);
    password_rules_close(&rules);
    const char *set = config.password_words;
    config.password_words = "heron";
    assert_int_equal(password_rules_open(&config, &rules, NULL), ERR_NONE);
    assert_int_equal(password_judge(rules.list, &rules.house, STR("Daybook2026"), STR("")), PASSWORD_FINE);
    assert_int_equal(password_judge(rules.list, &rules.house, STR("heron-20260"), STR("")), PASSWORD_OF_THE_HOUSE);
    password_rules_close(&rules);
    config.password_words = "heron ab";
    assert_refused(&config, "password_words");
    config.password_words = set;
    config_release(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_front_knows_the_most_frequent_passwords_or_does_not_start),
        cmocka_unit_test(a_developers_front_may_know_none),
        cmocka_unit_test(the_words_of_the_house_are_those_that_are_set),
    };
    return cmocka_run_group_tests_name("password_rules", tests, set_up, tear_down);
}
