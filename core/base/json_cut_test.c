#include "core/base/json_cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char stock[] = "{\"sku\":\"tea\",\"available\":3,\"locations\":[{\"location\":\"north\",\"available\":3}],"
                            "\"version\":7}";

static void expect(const char *document, const char *name, const char *expected) {
    struct buf out;
    buf_init(&out, 1024);
    bool is_cut = json_without_member(&out, str_of_cstr(document), name);
    if (expected == NULL ? is_cut : !is_cut || !str_equal(buf_text(&out), str_of_cstr(expected))) {
        fail_msg("%s without %s: %d, %.*s", document, name, is_cut, STR_ARGS(buf_text(&out)));
    }
    buf_release(&out);
}

static void a_member_is_left_out_wherever_it_stands(void **state) {
    (void)state;
    expect(stock, "locations", "{\"sku\":\"tea\",\"available\":3,\"version\":7}");
    expect(stock, "sku", "{\"available\":3,\"locations\":[{\"location\":\"north\",\"available\":3}],\"version\":7}");
    expect(stock, "version",
           "{\"sku\":\"tea\",\"available\":3,\"locations\":[{\"location\":\"north\",\"available\":3}]}");
    expect("{\"a\":1}", "a", "{}");
    expect("{\"a\":1,\"a\":2,\"b\":3}", "a", "{\"b\":3}");
}

static void what_is_not_there_leaves_all(void **state) {
    (void)state;
    expect(stock, "location", stock); /* of an inner object */
    expect(stock, "", stock);
    expect("{}", "a", "{}");
}

/* Neither a text nor a name is taken for what it looks like. */
static void texts_are_texts(void **state) {
    (void)state;
    expect("{\"a\":\"\\\"},\\\\\",\"b\":[\"]\",\"{\"],\"c\":{\"b\":\"}\"}}", "b",
           "{\"a\":\"\\\"},\\\\\",\"c\":{\"b\":\"}\"}}");
    expect("{\"a\":\"\\\"b\\\":1\",\"b\":1}", "b", "{\"a\":\"\\\"b\\\":1\"}");
}

static void what_is_no_object_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",           "{",     "}",          "[]",         "{]",         "{\"a\"}",   "{\"a\":}", "{\"a\":1,}",
        "{\"a\":1]}", "{a:1}", "{\"a\":1}}", "{\"a\":\"}", "{\"a\":[1}", "{\"a\":{}", "null",     "{\"a\":\"\\}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect(wrong[i], "b", NULL);
    }
}

static void every_beginning_of_a_document_is_refused(void **state) {
    (void)state;
    for (uint32_t len = 0; len < sizeof stock - 1; len++) {
        struct buf out;
        buf_init(&out, 1024);
        assert_false(json_without_member(&out, str_of(stock, len), "locations"));
        buf_release(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_left_out_wherever_it_stands),
        cmocka_unit_test(what_is_not_there_leaves_all),
        cmocka_unit_test(texts_are_texts),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(every_beginning_of_a_document_is_refused),
    };
    return cmocka_run_group_tests_name("json_cut", tests, NULL, NULL);
}
