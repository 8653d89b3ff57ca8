#include "core/vault/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena arena;
static const struct secret secret = {{1}};
#define CUSTOMER STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV")

/* RFC 6238, appendix B. */
static const uint8_t rfc_secret[TOTP_SECRET_BYTES] = "12345678901234567890";

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

/* The RFC's eight digits end in the six that apps show. */
static void the_vectors_of_rfc_6238_are_right(void **state) {
    (void)state;
    static const struct {
        int64_t now_s;
        const char *code;
    } vectors[] = {
        {59, "94287082"},         {1111111109, "07081804"}, {1111111111, "14050471"},
        {1234567890, "89005924"}, {2000000000, "69279037"}, {20000000000, "65353130"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        int64_t step = -1;
        assert_true(totp_check(rfc_secret, str_of_cstr(vectors[i].code + 2), vectors[i].now_s, -1, &step));
        assert_int_equal(step, vectors[i].now_s / TOTP_STEP_S);
    }
}

static void a_code_is_taken_one_step_early_and_one_late(void **state) {
    (void)state;
    int64_t begins_s = 1111111080, step = -1; /* 1111111109 lies in the step that begins here */
    struct str code = STR("081804");
    assert_false(totp_check(rfc_secret, code, begins_s - TOTP_STEP_S - 1, -1, &step));
    assert_int_equal(step, -1);
    for (int64_t now_s = begins_s - TOTP_STEP_S; now_s < begins_s + 2 * TOTP_STEP_S; now_s++) {
        assert_true(totp_check(rfc_secret, code, now_s, -1, &step));
        assert_int_equal(step, begins_s / TOTP_STEP_S);
    }
    assert_false(totp_check(rfc_secret, code, begins_s + 2 * TOTP_STEP_S, -1, &step));
}

static void a_step_that_was_used_is_used_up_with_all_before_it(void **state) {
    (void)state;
    int64_t now_s = 1111111109, step = -1;
    assert_true(totp_check(rfc_secret, STR("081804"), now_s, now_s / TOTP_STEP_S - 1, &step));
    assert_false(totp_check(rfc_secret, STR("081804"), now_s, step, &step));
    assert_false(totp_check(rfc_secret, STR("081804"), now_s, step + 1, &step));
}

static void what_is_no_code_is_refused(void **state) {
    (void)state;
    static const char *const codes[] = {"", "08180", "0818040", "081 804", "081805", "07081804", " 81804", "O81804"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        int64_t step = 7;
        assert_false(totp_check(rfc_secret, str_of_cstr(codes[i]), 1111111109, -1, &step));
        assert_int_equal(step, 7);
    }
}

static void the_beginning_of_time_has_no_step_before_it(void **state) {
    (void)state;
    int64_t step = -1;
    assert_true(totp_check(rfc_secret, STR("755224"), 0, -1, &step)); /* RFC 4226, appendix D: count 0 */
    assert_int_equal(step, 0);
}

static void each_customer_and_enrolment_has_a_secret_of_its_own(void **state) {
    (void)state;
    uint8_t first[TOTP_SECRET_BYTES], again[TOTP_SECRET_BYTES], other[TOTP_SECRET_BYTES];
    totp_secret_derive(&secret, CUSTOMER, 1, first);
    totp_secret_derive(&secret, CUSTOMER, 1, again);
    assert_memory_equal(first, again, sizeof first);
    totp_secret_derive(&secret, CUSTOMER, 2, other);
    assert_memory_not_equal(first, other, sizeof first);
    totp_secret_derive(&secret, STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAW"), 1, other);
    assert_memory_not_equal(first, other, sizeof first);
    const struct secret elsewhere = {{2}};
    totp_secret_derive(&elsewhere, CUSTOMER, 1, other);
    assert_memory_not_equal(first, other, sizeof first);
}

/* Python's base64.b32encode(b"12345678901234567890"), urllib.parse.quote. */
static void an_app_is_told_the_secret(void **state) {
    (void)state;
    assert_true(str_equal(totp_secret_text(&arena, rfc_secret), STR("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")));
    struct str uri = totp_uri(&arena, rfc_secret, STR("Day & Night: M\xc3\xbcller"), STR("a+b@example.com"));
    assert_true(str_equal(uri, STR("otpauth://totp/Day%20%26%20Night%3A%20M%C3%BCller:a%2Bb%40example.com"
                                   "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
                                   "&issuer=Day%20%26%20Night%3A%20M%C3%BCller")));
    char longest[TOTP_LABEL_MAX];
    memset(longest, ' ', sizeof longest);
    struct str label = str_of(longest, sizeof longest);
    assert_in_range(totp_uri(&arena, rfc_secret, label, label).len, 9 * TOTP_LABEL_MAX, 9 * TOTP_LABEL_MAX + 96);
}

static void a_recovery_code_is_found_however_it_is_typed(void **state) {
    (void)state;
    for (int index = 0; index < RECOVERY_CODES; index++) {
        struct str code = recovery_code_write(&arena, &secret, CUSTOMER, 3, index);
        assert_int_equal(code.len, RECOVERY_CODE_LEN);
        assert_int_equal(recovery_code_find(&secret, CUSTOMER, 3, code), index);
        struct str bare = arena_join(&arena, str_first(code, 5), str_from(code, 6));
        assert_int_equal(recovery_code_find(&secret, CUSTOMER, 3, bare), index);
        char *lower = arena_alloc(&arena, code.len);
        for (uint32_t i = 0; i < code.len; i++) {
            lower[i] = (char)(code.data[i] >= 'A' && code.data[i] <= 'Z' ? code.data[i] + 32 : code.data[i]);
        }
        assert_int_equal(recovery_code_find(&secret, CUSTOMER, 3, str_of(lower, code.len)), index);
        assert_int_equal(recovery_code_find(&secret, CUSTOMER, 4, code), -1);
        assert_int_equal(recovery_code_find(&secret, STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAW"), 3, code), -1);
        for (int other = 0; other < index; other++) {
            assert_false(str_equal(code, recovery_code_write(&arena, &secret, CUSTOMER, 3, other)));
        }
    }
}

static void what_is_no_recovery_code_is_none(void **state) {
    (void)state;
    struct str code = recovery_code_write(&arena, &secret, CUSTOMER, 3, 0);
    for (uint32_t i = 0; i < code.len; i++) {
        assert_int_equal(recovery_code_find(&secret, CUSTOMER, 3, str_first(code, i)), -1);
        char *changed = arena_alloc(&arena, code.len);
        memcpy(changed, code.data, code.len);
        changed[i] = '!';
        assert_int_equal(recovery_code_find(&secret, CUSTOMER, 3, str_of(changed, code.len)), -1);
    }
    assert_int_equal(recovery_code_find(&secret, CUSTOMER, 3, arena_join(&arena, code, STR(" "))), -1);
    assert_int_equal(recovery_code_find(&secret, CUSTOMER, 3, (struct str){0}), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_6238_are_right),
        cmocka_unit_test(a_code_is_taken_one_step_early_and_one_late),
        cmocka_unit_test(a_step_that_was_used_is_used_up_with_all_before_it),
        cmocka_unit_test(what_is_no_code_is_refused),
        cmocka_unit_test(the_beginning_of_time_has_no_step_before_it),
        cmocka_unit_test(each_customer_and_enrolment_has_a_secret_of_its_own),
        cmocka_unit_test(an_app_is_told_the_secret),
        cmocka_unit_test(a_recovery_code_is_found_however_it_is_typed),
        cmocka_unit_test(what_is_no_recovery_code_is_none),
    };
    return cmocka_run_group_tests_name("totp", tests, set_up, tear_down);
}
