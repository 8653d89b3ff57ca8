#include "core/vault/signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <sodium.h>

#include "core/base/text.h"

/* base64url of 32 bytes each. */
#define KEY_A "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
#define KEY_B "b AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n"

static const int64_t now_s = 1800000000;

static struct master_ring *ring_of(const char *text) {
    struct master_ring *ring = NULL;
    struct err_info info = {0};
    if (master_load("", text, &ring, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return ring;
}

static struct signing *opened(const struct master_ring *ring, int64_t at_s) {
    struct signing *signing = NULL;
    struct err_info info = {0};
    if (signing_open(ring, "https://shop.example", "daybook", at_s, &signing, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return signing;
}

/* Whether what is signed at that time with the first key of `signer` is accepted by `reader` as it is now. */
static bool is_accepted(const struct signing *signer, int64_t at_s, const struct signing *reader) {
    struct signing_pair pair;
    uint8_t signature[SIGNING_SIGNATURE_BYTES];
    char kid[SIGNING_KID_LEN];
    signing_pair_derive(signer, at_s, &pair);
    memcpy(kid, pair.kid, sizeof kid);
    signing_pair_sign(&pair, STR("text"), signature);
    const uint8_t *key = signing_key_named(reader, str_of(kid, sizeof kid));
    if (key == NULL) {
        return false;
    }
    assert_true(signing_is_signed(key, STR("text"), signature));
    assert_false(signing_is_signed(key, STR("texT"), signature));
    return true;
}

/* Appendix A.4 and A.5. */
static void the_vector_of_rfc_8037_is_right(void **state) {
    (void)state;
    uint8_t seed[32], public_key[SIGNING_PUBLIC_BYTES], signature[SIGNING_SIGNATURE_BYTES],
        expected[SIGNING_SIGNATURE_BYTES];
    struct signing_pair pair = {0};
    assert_int_equal(base64url_read(STR("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), seed, sizeof seed), 32);
    assert_int_equal(
        base64url_read(STR("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
                       expected, sizeof expected),
        64);
    assert_int_equal(crypto_sign_seed_keypair(public_key, pair.private_key, seed), 0);
    struct str text = STR("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
    signing_pair_sign(&pair, text, signature);
    assert_memory_equal(signature, expected, sizeof expected);
    assert_true(signing_is_signed(public_key, text, expected));
    const struct signing_pair nothing = {0};
    assert_memory_equal(&pair, &nothing, sizeof pair);
}

static void what_one_front_signs_every_front_accepts(void **state) {
    (void)state;
    struct master_ring *ring = ring_of(KEY_A KEY_B), *same = ring_of(KEY_A KEY_B);
    struct signing *one = opened(ring, now_s), *other = opened(same, now_s + 7);
    assert_true(is_accepted(one, now_s, other));
    signing_close(one);
    signing_close(other);
    master_free(ring);
    master_free(same);
}

static void keys_turn_with_the_epochs(void **state) {
    (void)state;
    struct master_ring *ring = ring_of(KEY_A);
    struct signing *signing = opened(ring, now_s);
    int64_t begins_s = now_s - now_s % SIGNING_EPOCH_S;
    assert_false(is_accepted(signing, begins_s - SIGNING_EPOCH_S - 1, signing));
    assert_true(is_accepted(signing, begins_s - SIGNING_EPOCH_S, signing));
    assert_true(is_accepted(signing, begins_s + 2 * SIGNING_EPOCH_S - 1, signing));
    assert_false(is_accepted(signing, begins_s + 2 * SIGNING_EPOCH_S, signing));
    struct signing_pair first, last, next;
    signing_pair_derive(signing, begins_s, &first);
    signing_pair_derive(signing, begins_s + SIGNING_EPOCH_S - 1, &last);
    signing_pair_derive(signing, begins_s + SIGNING_EPOCH_S, &next);
    assert_memory_equal(&first, &last, sizeof first);
    assert_memory_not_equal(first.kid, next.kid, sizeof next.kid);
    signing_turn(signing, begins_s + SIGNING_EPOCH_S);
    assert_false(is_accepted(signing, begins_s - 1, signing));
    assert_true(is_accepted(signing, begins_s, signing));
    assert_true(is_accepted(signing, begins_s + 2 * SIGNING_EPOCH_S, signing));
    signing_close(signing);
    master_free(ring);
}

static void in_1970_there_is_no_epoch_before(void **state) {
    (void)state;
    struct master_ring *ring = ring_of(KEY_A);
    struct signing *signing = opened(ring, 0);
    assert_true(is_accepted(signing, 0, signing));
    assert_true(is_accepted(signing, SIGNING_EPOCH_S, signing));
    signing_close(signing);
    master_free(ring);
}

static void the_first_master_key_signs_and_all_of_the_ring_are_accepted(void **state) {
    (void)state;
    struct master_ring *before = ring_of(KEY_A), *rotated = ring_of(KEY_B KEY_A), *after = ring_of(KEY_B);
    struct signing *of_before = opened(before, now_s), *of_rotated = opened(rotated, now_s),
                   *of_after = opened(after, now_s);
    assert_true(is_accepted(of_before, now_s, of_rotated));
    assert_true(is_accepted(of_rotated, now_s, of_after)); /* so it was signed with the new one */
    assert_false(is_accepted(of_rotated, now_s, of_before));
    assert_false(is_accepted(of_before, now_s, of_after));
    signing_close(of_before);
    signing_close(of_rotated);
    signing_close(of_after);
    master_free(before);
    master_free(rotated);
    master_free(after);
}

static json_t *key_set_of(const struct signing *signing) {
    struct buf out;
    buf_init(&out, 1 << 20);
    jwks_write(signing, &out);
    assert_true(buf_ok(&out));
    json_t *set = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(set);
    buf_release(&out);
    return json_object_get(set, "keys") == NULL ? NULL : set;
}

static void the_key_set_shows_what_is_accepted(void **state) {
    (void)state;
    struct master_ring *ring = ring_of(KEY_A KEY_B);
    struct signing *signing = opened(ring, now_s);
    json_t *set = key_set_of(signing);
    assert_non_null(set);
    json_t *keys = json_object_get(set, "keys");
    assert_int_equal(json_array_size(keys), 6);
    for (size_t i = 0; i < 6; i++) {
        const char *kty, *crv, *use, *alg, *kid, *x;
        assert_int_equal(json_unpack(json_array_get(keys, i), "{s:s, s:s, s:s, s:s, s:s, s:s !}", "kty", &kty, "crv",
                                     &crv, "use", &use, "alg", &alg, "kid", &kid, "x", &x),
                         0);
        assert_string_equal(kty, "OKP");
        assert_string_equal(crv, "Ed25519");
        assert_string_equal(use, "sig");
        assert_string_equal(alg, "EdDSA");
        uint8_t bytes[SIGNING_PUBLIC_BYTES], hash[32];
        char name[SIGNING_KID_LEN + 1];
        assert_int_equal(base64url_read(str_of_cstr(x), bytes, sizeof bytes), 32);
        const uint8_t *key = signing_key_named(signing, str_of_cstr(kid));
        assert_non_null(key);
        assert_memory_equal(key, bytes, sizeof bytes);
        assert_int_equal(crypto_generichash(hash, sizeof hash, bytes, sizeof bytes, NULL, 0), 0);
        assert_string_equal(sodium_bin2hex(name, sizeof name, hash, 8), kid);
    }
    json_decref(set);
    signing_close(signing);
    master_free(ring);
}

static void names_that_tokens_cannot_carry_are_refused(void **state) {
    (void)state;
    struct master_ring *ring = ring_of(KEY_A);
    char longest[SIGNING_NAMES_MAX_BYTES];
    memset(longest, 'a', sizeof longest);
    longest[SIGNING_NAMES_MAX_BYTES - 4 - 1] = '\0'; /* the quotes of both, and one byte of the audience */
    struct signing *signing = NULL;
    struct err_info info = {0};
    assert_int_equal(signing_open(ring, longest, "a", now_s, &signing, &info), ERR_NONE);
    assert_int_equal(signing_issuer(signing).len, SIGNING_NAMES_MAX_BYTES - 3);
    assert_true(str_equal(signing_audience(signing), STR("\"a\"")));
    signing_close(signing);
    signing = NULL;
    static const struct {
        const char *issuer, *audience;
    } bad[] = {
        {"", "daybook"}, {"https://shop.example", ""}, {"\xff", "daybook"}, {"https://shop.example", "\xc0\x80"}};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        assert_int_equal(signing_open(ring, bad[i].issuer, bad[i].audience, now_s, &signing, &info), ERR_CONFIG);
    }
    assert_int_equal(signing_open(ring, longest, "ab", now_s, &signing, &info), ERR_CONFIG);
    assert_int_equal(signing_open(ring, longest, longest, now_s, &signing, &info), ERR_CONFIG);
    assert_null(signing);
    master_free(ring);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_of_rfc_8037_is_right),
        cmocka_unit_test(what_one_front_signs_every_front_accepts),
        cmocka_unit_test(keys_turn_with_the_epochs),
        cmocka_unit_test(in_1970_there_is_no_epoch_before),
        cmocka_unit_test(the_first_master_key_signs_and_all_of_the_ring_are_accepted),
        cmocka_unit_test(the_key_set_shows_what_is_accepted),
        cmocka_unit_test(names_that_tokens_cannot_carry_are_refused),
    };
    return cmocka_run_group_tests_name("signing", tests, NULL, NULL);
}
