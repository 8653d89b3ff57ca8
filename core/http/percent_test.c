#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/http/server.h"

static struct arena arena;

static int begin(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static void assert_decodes(struct str text, bool plus_is_space, struct str expected) {
    struct str decoded;
    assert_true(http_percent_decode(&arena, text, plus_is_space, &decoded));
    assert_true(str_equal(decoded, expected));
}

static void escapes_become_bytes(void **state) {
    (void)state;
    assert_decodes(STR(""), false, STR(""));
    assert_decodes(STR("abc"), false, STR("abc"));
    assert_decodes(STR("a%20b%2Fc%2fd"), false, STR("a b/c/d"));
    assert_decodes(STR("%C3%A4%e2%82%ac"), false, STR("\303\244\342\202\254"));
    assert_decodes(STR("%25%32%35"), false, STR("%25"));
    assert_decodes(STR("a+b"), false, STR("a+b"));
    assert_decodes(STR("a+b%2B"), true, STR("a b+"));
}

static void bad_escapes_nul_and_bad_utf_8_are_refused(void **state) {
    (void)state;
    static const struct str BAD[] = {STR("%"),    STR("%4"),   STR("a%4"),    STR("%4g"),      STR("%g4"),
                                     STR("%%41"), STR("%00"),  STR("%C0%80"), STR("%ff"),      STR("%c3"),
                                     STR("%C3A"), STR("\377"), STR("%-1"),    STR("%ED%A0%80")};
    for (size_t i = 0; i < ARRAY_LENGTH(BAD); i++) {
        struct str decoded = STR("untouched");
        if (http_percent_decode(&arena, BAD[i], false, &decoded)) {
            fail_msg("%.*s was decoded", STR_ARGS(BAD[i]));
        }
        assert_true(str_equal(decoded, STR("untouched")));
    }
}

static bool parameter(const char *query, const char *name, bool *ret_present, struct str *ret_value) {
    struct http_exchange exchange = {.arena = arena, .query = str_of_cstr(query)};
    bool is_well_formed = http_query_parameter(&exchange, name, ret_present, ret_value);
    arena = exchange.arena;
    return is_well_formed;
}

static void a_query_parameter_is_found_by_its_decoded_name(void **state) {
    (void)state;
    bool is_present;
    struct str value;
    assert_true(parameter("limit=50&q=red+shoes%21&cursor", "q", &is_present, &value));
    assert_true(is_present && str_equal(value, STR("red shoes!")));
    assert_true(parameter("limit=50&q=x&cursor", "cursor", &is_present, &value));
    assert_true(is_present && str_is_empty(value));
    assert_true(parameter("attr.%43olour=a=b", "attr.Colour", &is_present, &value));
    assert_true(is_present && str_equal(value, STR("a=b")));
    assert_true(parameter("limit=50", "Limit", &is_present, &value));
    assert_false(is_present);
    assert_true(parameter("", "q", &is_present, &value));
    assert_false(is_present);
    assert_true(parameter("&&q=1&", "q", &is_present, &value));
    assert_true(is_present && str_equal(value, STR("1")));
}

static void a_parameter_given_twice_or_malformed_is_refused(void **state) {
    (void)state;
    bool is_present;
    struct str value;
    assert_false(parameter("q=1&q=2", "q", &is_present, &value));
    assert_false(parameter("q=1&%71=1", "q", &is_present, &value));
    assert_false(parameter("q=%", "q", &is_present, &value));
    assert_false(parameter("%=1&q=1", "q", &is_present, &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_become_bytes),
        cmocka_unit_test(bad_escapes_nul_and_bad_utf_8_are_refused),
        cmocka_unit_test(a_query_parameter_is_found_by_its_decoded_name),
        cmocka_unit_test(a_parameter_given_twice_or_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
