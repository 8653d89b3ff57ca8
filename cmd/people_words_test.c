/* The arguments of `daybook people`. */
#include "cmd/people_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/macros.h"

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static bool email_of_line(const char *line, struct str *ret_email) {
    char input[512];
    snprintf(input, sizeof input, "%s", line);
    FILE *in = fmemopen(input, strlen(input), "r");
    assert_non_null(in);
    bool is_one = people_email_read(&arena, "-", in, ret_email);
    fclose(in);
    return is_one;
}

static void an_address_comes_as_an_argument_or_on_standard_input(void **state) {
    (void)state;
    struct str email;
    assert_true(people_email_read(&arena, "ada@example.org", NULL, &email));
    assert_true(str_equal(email, STR("ada@example.org")));
    static const char *const lines[] = {"bob@example.org\n", "bob@example.org\r\nmore\n", "bob@example.org"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        assert_true(email_of_line(lines[i], &email));
        assert_true(str_equal(email, STR("bob@example.org")));
    }
}

static void what_is_no_address_is_refused(void **state) {
    (void)state;
    struct str email;
    assert_false(people_email_read(&arena, "ada", NULL, &email));
    assert_false(people_email_read(&arena, "", NULL, &email));
    assert_false(email_of_line("\n", &email));
    assert_false(email_of_line("ada@example.org bob@example.org\n", &email));
    char line[320] = "a@example.org"; /* what is behind the longest address does not make it another one */
    memset(line + strlen(line), 'x', 300);
    assert_false(email_of_line(line, &email));
}

static void a_customer_is_named_by_his_id_alone(void **state) {
    (void)state;
    struct str customer;
    assert_true(people_customer_read("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV", &customer));
    assert_true(str_equal(customer, STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV")));
    static const char *const others[] = {"",
                                         "cus_",
                                         "key_01ARZ3NDEKTSV4RRFFQ69G5FAV",
                                         "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV1",
                                         "cus_81ARZ3NDEKTSV4RRFFQ69G5FAV",
                                         "ada@example.org"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        assert_false(people_customer_read(others[i], &customer));
    }
}

/* ---- roles ------------------------------------------------------------------------------------------------------- */

static void a_vendor_is_named_behind_his_role(void **state) {
    (void)state;
    char *words[] = {"support", "vendor:Tee: & Co"};
    struct role_grant_array roles;
    const char *why;
    assert_true(people_roles_read(&arena, 2, words, &roles, &why));
    assert_int_equal(roles.count, 2);
    assert_true(str_equal(roles.items[0].role, STR("support")));
    assert_false(roles.items[0].has_vendor);
    assert_true(str_equal(roles.items[1].role, STR("vendor")));
    assert_true(str_equal(roles.items[1].vendor, STR("Tee: & Co")));
    assert_true(people_roles_read(&arena, 0, NULL, &roles, &why)); /* none any more */
    assert_int_equal(roles.count, 0);
}

static void what_is_no_role_of_a_person_is_refused(void **state) {
    (void)state;
    static char *words[][2] = {{"king", NULL},
                               {"service", NULL},
                               {"vendor", NULL},
                               {"vendor:", NULL},
                               {"admin:Tee", NULL},
                               {"admin", "admin"},
                               {"vendor:Tee", "vendor:Kaffee"},
                               {"", NULL},
                               {"vendor:\xff", NULL}};
    struct role_grant_array roles;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        const char *why = NULL;
        assert_false(people_roles_read(&arena, words[i][1] == NULL ? 1 : 2, words[i], &roles, &why));
        assert_non_null(why);
    }
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

enum { WORDS_MAX = 24 };

static bool read_key(const char *text, struct people_key_words *ret_words) {
    static char copy[1024];
    char *words[WORDS_MAX], *rest;
    int count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        words[count++] = word;
    }
    const char *why = NULL;
    bool is_read = people_key_words_read(&arena, count, words, ret_words, &why);
    assert_true(is_read || why != NULL);
    return is_read;
}

static void a_key_has_a_name_and_roles_in_any_order(void **state) {
    (void)state;
    static const char *const texts[] = {"importer --role vendor --role auditor --vendor Teekontor",
                                        "--vendor Teekontor --role vendor importer --role auditor"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct people_key_words words;
        assert_true(read_key(texts[i], &words));
        assert_true(str_equal(words.name, STR("importer")));
        assert_int_equal(words.roles.count, 2);
        assert_true(str_equal(words.roles.items[0].vendor, STR("Teekontor")));
        assert_false(words.roles.items[1].has_vendor);
    }
    struct people_key_words words;
    assert_true(read_key("erp --role service", &words));
}

static void what_makes_no_key_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "importer",
        "--role admin",
        "importer --role",
        "importer --role king",
        "importer --role admin --role admin",
        "importer --role vendor",
        "importer --role admin --vendor Teekontor",
        "importer --role vendor --vendor a --vendor b",
        "importer exporter --role admin",
        "importer --roles admin",
        "importer --role customer",
        "12345678901234567890123456789012345678901234567890123456789012345 --role admin",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct people_key_words words;
        if (read_key(texts[i], &words)) {
            fail_msg("taken: %s", texts[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_comes_as_an_argument_or_on_standard_input),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_customer_is_named_by_his_id_alone),
        cmocka_unit_test(a_vendor_is_named_behind_his_role),
        cmocka_unit_test(what_is_no_role_of_a_person_is_refused),
        cmocka_unit_test(a_key_has_a_name_and_roles_in_any_order),
        cmocka_unit_test(what_makes_no_key_is_refused),
    };
    return cmocka_run_group_tests_name("people_words", tests, set_up, tear_down);
}
