#include "core/base/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

static void assert_all(enum text_format format, bool expected, const char *const *texts) {
    for (; *texts != NULL; texts++) {
        if (format_matches(format, str_of_cstr(*texts)) != expected) {
            fail_msg("'%s' should %s", *texts, expected ? "match" : "be refused");
        }
    }
}

#define MATCH(format, ...) assert_all(format, true, (const char *const[]){__VA_ARGS__, NULL})
#define REFUSE(format, ...) assert_all(format, false, (const char *const[]){__VA_ARGS__, NULL})

static void skus_are_short_and_safe_in_a_path(void **state) {
    (void)state;
    MATCH(FORMAT_SKU, "A", "1082185", "shirt-red.XL_2", ".", X64);
    REFUSE(FORMAT_SKU, "", X64 "x", "a b", "a/b", "a%20", "é", "a\n", "a\x7f", "sku:1");
    assert_false(format_matches(FORMAT_SKU, STR("a\0b")));
}

static void slugs_are_lower_case_with_dots_only_inside(void **state) {
    (void)state;
    MATCH(FORMAT_SLUG, "berlin", "store-367", "eu.de.berlin_2", "1", X64);
    REFUSE(FORMAT_SLUG, "", X64 "x", "Berlin", ".berlin", "berlin.", "eu..de", "a b", "a/b", ".", "ß");
    assert_false(format_matches(FORMAT_SLUG, STR("a\0b")));
}

static void currencies_are_those_that_are_in_use(void **state) {
    (void)state;
    MATCH(FORMAT_CURRENCY, "EUR", "USD", "JPY", "KWD", "AED", "ZWG", "XOF", "SLE", "XCG");
    REFUSE(FORMAT_CURRENCY, "", "EU", "EURO", "eur", "XXX", "XTS", "XAU", "DEM", "HRK", "BGN", "ANG", "CHE", "E R",
           "ZZZ", "AAA", "\xe2\x82\xac");
    /* Each letter combination once: as many as the list has, which also shows that the list is in order. */
    int count = 0;
    for (char a = 'A'; a <= 'Z'; a++) {
        for (char b = 'A'; b <= 'Z'; b++) {
            for (char c = 'A'; c <= 'Z'; c++) {
                char code[3] = {a, b, c};
                count += format_matches(FORMAT_CURRENCY, str_of(code, 3));
            }
        }
    }
    assert_int_equal(count, 155);
}

static void emails_have_a_local_part_and_a_domain_with_a_top_level(void **state) {
    (void)state;
    MATCH(FORMAT_EMAIL, "a@b.de", "first.last+tag@mail.example.co.uk", "o'neil@example.com", "x@xn--bcher-kva.example",
          "1@2.example", X64 "@example.com");
    REFUSE(FORMAT_EMAIL, "", "a", "a@", "@b.de", "a@b", "a@@b.de", "a@b@c.de", ".a@b.de", "a.@b.de", "a..b@c.de",
           "a b@c.de", "a@-b.de", "a@b-.de", "a@b..de", "a@b.de.", "a@.de", "a@127.0.0.1", "a@[127.0.0.1]",
           "\"a b\"@c.de", "a@b.de\n", "a\r\nBcc:x@y.de", "ä@b.de", "a@bü.de", "a@b.1", X64 "x@example.com",
           "a@" X64 ".de", "<a@b.de>");
    assert_false(format_matches(FORMAT_EMAIL, STR("a\0@b.de")));
    assert_false(format_matches(FORMAT_EMAIL, STR("a@b\0.de")));
}

static void an_email_has_at_most_254_bytes(void **state) {
    (void)state;
    char email[255];
    memset(email, 'x', sizeof email);
    email[64] = '@';
    for (size_t i = 64 + 60; i < sizeof email - 1; i += 60) {
        email[i] = '.';
    }
    assert_true(format_matches(FORMAT_EMAIL, str_of(email, 254)));
    assert_false(format_matches(FORMAT_EMAIL, str_of(email, 255)));
}

static void urls_are_http_without_credentials(void **state) {
    (void)state;
    MATCH(FORMAT_URL, "http://a", "https://example.com", "https://example.com:8443/a/b%20c?d=e&f=[1]#g",
          "http://127.0.0.1:80/", "http://[::1]:8080/x", "https://example.com?q", "https://example.com#f");
    REFUSE(FORMAT_URL, "", "http://", "https:///path", "ftp://example.com", "javascript:alert(1)", "//example.com",
           "HTTP://example.com", "http://user@example.com/", "http://u:p@example.com/", "http://example.com:/",
           "http://example.com:65536/", "http://example.com:80x/", "http://exa mple.com/", "http://example.com/a b",
           "http://example.com/\"", "http://example.com/<script>", "http://example.com/%zz", "http://example.com/%2",
           "http://example.com/\n", "http://example.com/é", "http://-a.com/", "http://[::1/", "http://[]/",
           "http://[::1]x/", "http://a\\b/", "http://example..com/");
    assert_false(format_matches(FORMAT_URL, STR("http://example.com/\0")));
}

static void a_url_has_at_most_2048_bytes(void **state) {
    (void)state;
    char url[2049];
    memset(url, 'x', sizeof url);
    memcpy(url, "http://a/", 9);
    assert_true(format_matches(FORMAT_URL, str_of(url, 2048)));
    assert_false(format_matches(FORMAT_URL, str_of(url, 2049)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skus_are_short_and_safe_in_a_path),
        cmocka_unit_test(slugs_are_lower_case_with_dots_only_inside),
        cmocka_unit_test(currencies_are_those_that_are_in_use),
        cmocka_unit_test(emails_have_a_local_part_and_a_domain_with_a_top_level),
        cmocka_unit_test(an_email_has_at_most_254_bytes),
        cmocka_unit_test(urls_are_http_without_credentials),
        cmocka_unit_test(a_url_has_at_most_2048_bytes),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
