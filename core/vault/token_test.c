#include "core/vault/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>

#include "core/base/steady_clock.h"
#include "core/base/timestamp.h"

/* base64url of 32 bytes each. */
#define KEY_A "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
#define KEY_B "b AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n"
#define CUSTOMER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define OTHER_CUSTOMER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAW"
#define KEY_STREAM "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"

static struct arena arena;
static const struct secret secret = {{1}}, other_secret = {{2}};
static struct master_ring *ring;
static struct signing *signing;

static const int64_t now_s = 1800000000;
static const struct access_claims plain = {
    .customer = {CUSTOMER, sizeof CUSTOMER - 1},
    .session = 7,
    .roles = TOKEN_ROLE_SUPPORT,
    .issued_at_s = 1800000000,
    .expires_at_s = 1800000600,
};

static struct master_ring *ring_of(const char *text) {
    struct master_ring *made = NULL;
    struct err_info info = {0};
    if (master_load("", text, &made, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return made;
}

static struct signing *signing_of(const struct master_ring *of, int64_t at_s) {
    struct signing *made = NULL;
    struct err_info info = {0};
    if (signing_open(of, "https://shop.example", "daybook", at_s, &made, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return made;
}

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 16 << 20);
    ring = ring_of(KEY_A);
    signing = signing_of(ring, now_s);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    signing_close(signing);
    master_free(ring);
    arena_release(&arena);
    return 0;
}

static enum token_verdict verdict_at(struct str token, int64_t at_s) {
    struct access_claims claims;
    return access_token_read(signing, &arena, token, at_s, &claims);
}

static struct str encoded(struct str bytes) {
    struct buf text;
    buf_init(&text, 1 << 20);
    base64url_write(&text, bytes);
    struct str copy = arena_str_copy(&arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

static struct str dotted(struct str first, struct str second) {
    return arena_printf(&arena, "%.*s.%.*s", STR_ARGS(first), STR_ARGS(second));
}

/* What our own key signs, whatever it says. "KID" in the header stands for the key's name. */
static struct str signed_as(const char *header, const char *claims) {
    struct signing_pair pair;
    signing_pair_derive(signing, now_s, &pair);
    const char *at = strstr(header, "KID");
    struct str named =
        at == NULL ? str_of_cstr(header)
                   : arena_printf(&arena, "%.*s%.*s%s", (int)(at - header), header, SIGNING_KID_LEN, pair.kid, at + 3);
    struct str text = dotted(encoded(named), encoded(str_of_cstr(claims)));
    uint8_t signature[SIGNING_SIGNATURE_BYTES];
    signing_pair_sign(&pair, text, signature);
    return dotted(text, encoded(str_of((const char *)signature, sizeof signature)));
}

#define HEADER "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}"
#define NAMES "{\"iss\":\"https://shop.example\",\"aud\":\"daybook\",\"sub\":\"" CUSTOMER "\","
#define TIMES "\"iat\":1800000000,\"exp\":1800000600,"
#define RIGHTS "\"roles\":[\"support\"],\"amr\":[\"pwd\"]}"
#define CLAIMS NAMES "\"sid\":\"7\"," TIMES RIGHTS

static struct str changed_at(struct str text, uint32_t place, char byte) {
    char *changed = arena_alloc(&arena, text.len);
    memcpy(changed, text.data, text.len);
    changed[place] = byte;
    return str_of(changed, text.len);
}

/* ---- access tokens ---- */

static void a_token_says_what_was_written(void **state) {
    (void)state;
    static const struct access_claims full = {
        .customer = {CUSTOMER, sizeof CUSTOMER - 1},
        .session = INT32_MAX,
        .roles = TOKEN_ROLE_ALL,
        .vendor = {"M\xc3\xbcller \"&\" \x01", 14},
        .is_once = true,
        .was_code_given = true,
        .issued_at_s = 1799999999,
        .expires_at_s = 1800003599,
    };
    const struct access_claims *const all[] = {&plain, &full};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        struct str token = access_token_write(signing, &arena, all[i]);
        struct access_claims claims;
        assert_int_equal(access_token_read(signing, &arena, token, now_s, &claims), TOKEN_FINE);
        assert_true(str_equal(claims.customer, all[i]->customer));
        assert_int_equal(claims.session, all[i]->session);
        assert_int_equal(claims.roles, all[i]->roles);
        assert_true(str_equal(claims.vendor, all[i]->vendor));
        assert_int_equal(claims.is_once, all[i]->is_once);
        assert_int_equal(claims.was_code_given, all[i]->was_code_given);
        assert_int_equal(claims.issued_at_s, all[i]->issued_at_s);
        assert_int_equal(claims.expires_at_s, all[i]->expires_at_s);
    }
}

static void its_form_is_the_one_that_is_documented(void **state) {
    (void)state;
    assert_true(str_equal(access_token_write(signing, &arena, &plain), signed_as(HEADER, CLAIMS)));
}

/* What anybody's library makes of it. */
static void the_claims_are_json(void **state) {
    (void)state;
    struct str token = access_token_write(signing, &arena, &plain);
    struct str behind = str_from(token, str_find(token, '.') + 1);
    uint8_t bytes[ACCESS_TOKEN_MAX];
    int len = base64url_read(str_first(behind, str_find(behind, '.')), bytes, sizeof bytes);
    assert_true(len > 0);
    json_t *claims = json_loadb((const char *)bytes, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(claims);
    assert_string_equal(json_string_value(json_object_get(claims, "iss")), "https://shop.example");
    assert_string_equal(json_string_value(json_object_get(claims, "sub")), CUSTOMER);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")), plain.expires_at_s);
    json_decref(claims);
}

/* P1: an answer that is given again is the same, also in the next epoch, and by another front. */
static void a_token_written_again_is_the_same(void **state) {
    (void)state;
    struct str first = access_token_write(signing, &arena, &plain);
    struct signing *other = signing_of(ring, now_s + SIGNING_EPOCH_S);
    assert_true(str_equal(first, access_token_write(other, &arena, &plain)));
    signing_close(other);
}

static void the_longest_token_has_its_place(void **state) {
    (void)state;
    char issuer[SIGNING_NAMES_MAX_BYTES - 4], vendor[ACCESS_VENDOR_MAX];
    memset(issuer, 'i', sizeof issuer);
    memset(vendor, 'v', sizeof vendor);
    issuer[sizeof issuer - 1] = '\0';
    const struct access_claims longest = {
        .customer = plain.customer,
        .session = INT32_MAX,
        .roles = TOKEN_ROLE_ALL,
        .vendor = str_of(vendor, sizeof vendor),
        .is_once = true,
        .was_code_given = true,
        .issued_at_s = 253402300000,
        .expires_at_s = 253402300799,
    };
    struct signing *other = NULL;
    struct err_info info = {0};
    assert_int_equal(signing_open(ring, issuer, "a", longest.issued_at_s, &other, &info), ERR_NONE);
    struct str token = access_token_write(other, &arena, &longest);
    assert_in_range(token.len, ACCESS_TOKEN_MAX - 16, ACCESS_TOKEN_MAX);
    struct access_claims claims;
    assert_int_equal(access_token_read(other, &arena, token, longest.issued_at_s, &claims), TOKEN_FINE);
    signing_close(other);
}

static void it_lives_from_a_minute_before_its_time_to_its_end(void **state) {
    (void)state;
    struct str token = access_token_write(signing, &arena, &plain);
    assert_int_equal(verdict_at(token, plain.issued_at_s - ACCESS_EARLY_MAX_S - 1), TOKEN_NOT_YET);
    assert_int_equal(verdict_at(token, plain.issued_at_s - ACCESS_EARLY_MAX_S), TOKEN_FINE);
    assert_int_equal(verdict_at(token, plain.expires_at_s - 1), TOKEN_FINE);
    assert_int_equal(verdict_at(token, plain.expires_at_s), TOKEN_EXPIRED);
}

/* CHECKS 14: the wall clock goes back, the token stays dead. */
static void an_expired_token_stays_expired_when_the_clock_steps_back(void **state) {
    (void)state;
    struct str token = access_token_write(signing, &arena, &plain);
    int64_t wall_us = plain.issued_at_s * MICROS_PER_SECOND, boot_us = 5 * MICROS_PER_SECOND;
    struct steady_clock clock;
    steady_clock_init(&clock, wall_us, boot_us);
    for (int64_t second = 1; second <= 2 * 600; second++) {
        int64_t step_us = second < 700 ? 0 : (int64_t)3600 * MICROS_PER_SECOND;
        int64_t at_us = steady_clock_now(&clock, wall_us + second * MICROS_PER_SECOND - step_us,
                                         boot_us + second * MICROS_PER_SECOND);
        assert_int_equal(verdict_at(token, at_us / MICROS_PER_SECOND), second < 600 ? TOKEN_FINE : TOKEN_EXPIRED);
    }
}

static void keys_of_old_epochs_and_old_ring_keys_pass_and_removed_ones_do_not(void **state) {
    (void)state;
    struct str token = access_token_write(signing, &arena, &plain);
    struct access_claims claims;
    struct master_ring *rotated = ring_of(KEY_B KEY_A), *removed = ring_of(KEY_B);
    struct signing *of_rotated = signing_of(rotated, now_s), *of_removed = signing_of(removed, now_s);
    struct signing *next_epoch = signing_of(ring, now_s + SIGNING_EPOCH_S);
    struct signing *much_later = signing_of(ring, now_s + 2 * SIGNING_EPOCH_S);
    assert_int_equal(access_token_read(of_rotated, &arena, token, now_s, &claims), TOKEN_FINE);
    assert_int_equal(access_token_read(next_epoch, &arena, token, now_s, &claims), TOKEN_FINE);
    assert_int_equal(access_token_read(of_removed, &arena, token, now_s, &claims), TOKEN_UNKNOWN_KEY);
    assert_int_equal(access_token_read(much_later, &arena, token, now_s, &claims), TOKEN_UNKNOWN_KEY);
    signing_close(of_rotated);
    signing_close(of_removed);
    signing_close(next_epoch);
    signing_close(much_later);
    master_free(rotated);
    master_free(removed);
}

/* Signed by our own key: only the form is wrong. */
static void what_is_not_of_our_form_is_refused_although_it_is_signed(void **state) {
    (void)state;
    static const struct {
        const char *header, *claims;
        enum token_verdict verdict;
    } rows[] = {
        {HEADER, CLAIMS, TOKEN_FINE},
        /* the header */
        {"{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"eddsa\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"typ\":\"at+jwt\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"AT+JWT\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"0123456789abcdef\"}", CLAIMS, TOKEN_UNKNOWN_KEY},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"0123456789ABCDEF\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"../../etc/passwd\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"crit\":[\"exp\"]}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"alg\":\"none\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"jwk\":{}}", CLAIMS, TOKEN_MALFORMED},
        {"{\"typ\":\"at+jwt\",\"alg\":\"EdDSA\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\": \"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"KID\"]", CLAIMS, TOKEN_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"KID}}", CLAIMS, TOKEN_MALFORMED},
        {"", CLAIMS, TOKEN_MALFORMED},
        /* spaces, duplicates, other claims */
        {HEADER, " " CLAIMS, TOKEN_MALFORMED},
        {HEADER, CLAIMS "\n", TOKEN_MALFORMED},
        {HEADER, NAMES " \"sid\":\"7\"," TIMES RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sub\":\"" OTHER_CUSTOMER "\",\"sid\":\"7\"," TIMES RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"exp\":1900000000," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"scope\":\"all\"," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES RIGHTS RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES TIMES RIGHTS, TOKEN_MALFORMED},
        {HEADER, "", TOKEN_MALFORMED},
        {HEADER, "{}", TOKEN_MALFORMED},
        {HEADER, "[]", TOKEN_MALFORMED},
        /* for whom */
        {HEADER,
         "{\"iss\":\"https://evil.example\",\"aud\":\"daybook\",\"sub\":\"" CUSTOMER "\",\"sid\":\"7\"," TIMES RIGHTS,
         TOKEN_FOR_OTHERS},
        {HEADER,
         "{\"iss\":\"https://shop.example\",\"aud\":\"others\",\"sub\":\"" CUSTOMER "\",\"sid\":\"7\"," TIMES RIGHTS,
         TOKEN_FOR_OTHERS},
        {HEADER,
         "{\"iss\":\"https://shop.example\\\"\",\"aud\":\"daybook\",\"sub\":\"" CUSTOMER
         "\",\"sid\":\"7\"," TIMES RIGHTS,
         TOKEN_FOR_OTHERS},
        {HEADER,
         "{\"iss\":\"https://shop.example\",\"aud\":[\"daybook\"],\"sub\":\"" CUSTOMER "\",\"sid\":\"7\"," TIMES RIGHTS,
         TOKEN_MALFORMED},
        {HEADER, "{\"iss\":7,\"aud\":\"daybook\",\"sub\":\"" CUSTOMER "\",\"sid\":\"7\"," TIMES RIGHTS,
         TOKEN_MALFORMED},
        {HEADER, "{\"iss\":\"https://shop.example", TOKEN_MALFORMED},
        {HEADER, "{\"iss\":\"https://shop.example\\", TOKEN_MALFORMED},
        /* of whom */
        {HEADER,
         "{\"iss\":\"https://shop.example\",\"aud\":\"daybook\",\"sub\":\"" KEY_STREAM "\",\"sid\":\"7\"," TIMES RIGHTS,
         TOKEN_MALFORMED},
        {HEADER, "{\"iss\":\"https://shop.example\",\"aud\":\"daybook\",\"sub\":\"cus_01\",\"sid\":\"7\"," TIMES RIGHTS,
         TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":7," TIMES RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"\"," TIMES RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"07\"," TIMES RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"-1\"," TIMES RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"2147483648\"," TIMES RIGHTS, TOKEN_MALFORMED},
        /* when */
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":\"1800000600\"," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":1800000600.0," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":18e8," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":9999999999999," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":null," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":-1,\"exp\":1800000600," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":01800000000,\"exp\":1800000600," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":1800000000," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":1800003600," RIGHTS, TOKEN_FINE},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000000,\"exp\":1800003601," RIGHTS, TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1800000061,\"exp\":1800000600," RIGHTS, TOKEN_NOT_YET},
        {HEADER, NAMES "\"sid\":\"7\",\"iat\":1799999400,\"exp\":1800000000," RIGHTS, TOKEN_EXPIRED},
        /* what he may */
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"amr\":[\"pwd\"]}", TOKEN_FINE},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[\"support\",\"admin\"],\"amr\":[\"pwd\"]}", TOKEN_FINE},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[\"admin\",\"support\"],\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[\"admin\",\"admin\"],\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[\"support\",],\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[\"root\"],\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[\"Admin\"],\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[\"\"],\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":\"admin\",\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"vendor\":\"\",\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"vendor\":\"acme!\",\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"vendor\":null,\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"once\":false,\"amr\":[\"pwd\"]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"once\":true,\"once\":true,\"amr\":[\"pwd\"]}",
         TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"amr\":[]}", TOKEN_MALFORMED},
        {HEADER, NAMES "\"sid\":\"7\"," TIMES "\"roles\":[],\"amr\":[\"otp\"]}", TOKEN_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        enum token_verdict verdict = verdict_at(signed_as(rows[i].header, rows[i].claims), now_s);
        if (verdict != rows[i].verdict) {
            fail_msg("%s . %s: %d instead of %d", rows[i].header, rows[i].claims, verdict, rows[i].verdict);
        }
    }
}

/* A token that says HS256, whose secret would be what everybody knows. */
static void the_public_key_is_no_secret_to_sign_with(void **state) {
    (void)state;
    struct signing_pair pair;
    signing_pair_derive(signing, now_s, &pair);
    const uint8_t *public_key = signing_key_named(signing, str_of(pair.kid, sizeof pair.kid));
    assert_non_null(public_key);
    static const char *const algorithms[] = {"HS256", "EdDSA"};
    for (size_t i = 0; i < ARRAY_LENGTH(algorithms); i++) {
        struct str header = arena_printf(&arena, "{\"alg\":\"%s\",\"typ\":\"at+jwt\",\"kid\":\"%.*s\"}", algorithms[i],
                                         SIGNING_KID_LEN, pair.kid);
        struct str text = dotted(encoded(header), encoded(STR(CLAIMS)));
        uint8_t mac[crypto_auth_hmacsha256_BYTES], doubled[2 * sizeof mac];
        crypto_auth_hmacsha256(mac, (const uint8_t *)text.data, text.len, public_key);
        memcpy(doubled, mac, sizeof mac);
        memcpy(doubled + sizeof mac, mac, sizeof mac);
        assert_int_equal(verdict_at(dotted(text, encoded(str_of((const char *)mac, sizeof mac))), now_s),
                         TOKEN_MALFORMED);
        assert_int_equal(verdict_at(dotted(text, encoded(str_of((const char *)doubled, sizeof doubled))), now_s),
                         i == 0 ? TOKEN_MALFORMED : TOKEN_FORGED);
    }
}

static void no_byte_of_a_token_can_be_another_one(void **state) {
    (void)state;
    struct str token = access_token_write(signing, &arena, &plain);
    for (uint32_t i = 0; i < token.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            assert_int_not_equal(verdict_at(changed_at(token, i, (char)(token.data[i] ^ (1 << bit))), now_s),
                                 TOKEN_FINE);
        }
        assert_int_not_equal(verdict_at(str_first(token, i), now_s), TOKEN_FINE);
    }
}

static void another_text_of_the_same_token_is_none(void **state) {
    (void)state;
    struct str token = access_token_write(signing, &arena, &plain);
    static const char *const behind[] = {"=", "==", ".", " ", "\n", "A", "."};
    for (size_t i = 0; i < ARRAY_LENGTH(behind); i++) {
        assert_int_equal(verdict_at(arena_join(&arena, token, str_of_cstr(behind[i])), now_s), TOKEN_MALFORMED);
        assert_int_equal(verdict_at(arena_join(&arena, str_of_cstr(behind[i]), token), now_s), TOKEN_MALFORMED);
    }
    /* The last character of the signature holds four bits that belong to nothing. */
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    long last = strchr(digits, token.data[token.len - 1]) - digits;
    for (long other = last & ~15L; other < (last & ~15L) + 16; other++) {
        assert_int_equal(verdict_at(changed_at(token, token.len - 1, digits[other]), now_s),
                         other == last ? TOKEN_FINE : TOKEN_MALFORMED);
    }
}

static void a_token_has_three_parts_and_a_bound(void **state) {
    (void)state;
    struct str token = access_token_write(signing, &arena, &plain);
    uint32_t first = str_find(token, '.'), second = first + 1 + str_find(str_from(token, first + 1), '.');
    assert_int_equal(verdict_at((struct str){0}, now_s), TOKEN_MALFORMED);
    assert_int_equal(verdict_at(STR("."), now_s), TOKEN_MALFORMED);
    assert_int_equal(verdict_at(STR(".."), now_s), TOKEN_MALFORMED);
    assert_int_equal(verdict_at(str_first(token, second), now_s), TOKEN_MALFORMED);
    assert_int_equal(verdict_at(str_first(token, second + 1), now_s), TOKEN_MALFORMED); /* unsecured, RFC 7519, 6.1 */
    assert_int_equal(verdict_at(dotted(token, STR("e30")), now_s), TOKEN_MALFORMED);
    assert_int_equal(verdict_at(changed_at(token, second - 1, '.'), now_s), TOKEN_MALFORMED);
    char *claims = arena_alloc(&arena, 4096);
    for (int len = 600; len < 700; len++) { /* from some length on it has more than 1,024 bytes */
        memset(claims, ' ', (size_t)len);
        claims[len] = '\0';
        assert_int_equal(verdict_at(signed_as(HEADER, claims), now_s), TOKEN_MALFORMED);
    }
    char *long_text = arena_alloc(&arena, 1 << 20);
    memset(long_text, 'A', 1 << 20);
    assert_int_equal(verdict_at(str_of(long_text, ACCESS_TOKEN_MAX), now_s), TOKEN_MALFORMED);
    assert_int_equal(verdict_at(str_of(long_text, ACCESS_TOKEN_MAX + 1), now_s), TOKEN_MALFORMED);
    assert_int_equal(verdict_at(str_of(long_text, 1 << 20), now_s), TOKEN_MALFORMED);
}

static void signatures_of_other_tokens_and_other_keys_are_forged(void **state) {
    (void)state;
    struct access_claims other = plain;
    other.roles = TOKEN_ROLE_ADMIN;
    struct str token = access_token_write(signing, &arena, &plain), admin = access_token_write(signing, &arena, &other);
    struct str signature = str_from(token, token.len - 86);
    assert_int_equal(verdict_at(arena_join(&arena, str_first(admin, admin.len - 86), signature), now_s), TOKEN_FORGED);
    struct signing_pair pair, next;
    uint8_t bytes[SIGNING_SIGNATURE_BYTES];
    signing_pair_derive(signing, now_s, &pair);
    signing_pair_derive(signing, now_s + SIGNING_EPOCH_S, &next);
    struct str text = str_first(token, token.len - 87);
    signing_pair_sign(&next, text, bytes);
    assert_int_equal(verdict_at(dotted(text, encoded(str_of((const char *)bytes, sizeof bytes))), now_s), TOKEN_FORGED);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(verdict_at(dotted(text, encoded(str_of((const char *)bytes, sizeof bytes))), now_s), TOKEN_FORGED);
}

static void claims_are_untouched_where_a_token_is_refused(void **state) {
    (void)state;
    struct access_claims claims = {.session = 77};
    struct str token = access_token_write(signing, &arena, &plain);
    assert_int_equal(access_token_read(signing, &arena, token, plain.expires_at_s, &claims), TOKEN_EXPIRED);
    assert_int_equal(claims.session, 77);
    assert_null(claims.customer.data);
}

static void roles_have_names(void **state) {
    (void)state;
    assert_int_equal(token_role_of_name(STR("vendor")) | token_role_of_name(STR("support")) |
                         token_role_of_name(STR("admin")) | token_role_of_name(STR("analyst")) |
                         token_role_of_name(STR("auditor")) | token_role_of_name(STR("service")),
                     TOKEN_ROLE_ALL);
    assert_int_equal(token_role_of_name(STR("admin")), TOKEN_ROLE_ADMIN);
    assert_int_equal(token_role_of_name(STR("customer")), 0);
    assert_int_equal(token_role_of_name((struct str){0}), 0);
}

/* ---- refresh tokens ---- */

static const struct session_ref a_session = {.customer = {1, 2, 3}, .session = 4000000000, .generation = 258};

static void a_refresh_token_names_its_session_and_generation(void **state) {
    (void)state;
    struct str token = refresh_token_write(&arena, &secret, &a_session);
    assert_int_equal(token.len, REFRESH_TOKEN_LEN);
    assert_true(str_starts_with(token, STR("drt_")));
    assert_true(str_equal(token, refresh_token_write(&arena, &secret, &a_session)));
    struct session_ref ref;
    assert_true(refresh_token_read(&secret, token, &ref));
    assert_memory_equal(&ref, &a_session, sizeof ref);
    assert_false(refresh_token_read(&other_secret, token, &ref));
}

static void a_refresh_token_with_any_bit_flipped_is_none(void **state) {
    (void)state;
    struct str token = refresh_token_write(&arena, &secret, &a_session);
    struct session_ref ref = {.session = 77};
    for (uint32_t i = 0; i < token.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            assert_false(refresh_token_read(&secret, changed_at(token, i, (char)(token.data[i] ^ (1 << bit))), &ref));
        }
        assert_false(refresh_token_read(&secret, str_first(token, i), &ref));
    }
    assert_false(refresh_token_read(&secret, arena_join(&arena, token, STR("A")), &ref));
    assert_false(refresh_token_read(&secret, (struct str){0}, &ref));
    assert_int_equal(ref.session, 77);
}

/* The bytes themselves, not their text. */
static void no_bit_of_a_refresh_tokens_session_can_be_another_one(void **state) {
    (void)state;
    struct str token = refresh_token_write(&arena, &secret, &a_session);
    uint8_t bytes[48];
    assert_int_equal(base64url_read(str_from(token, 4), bytes, sizeof bytes), 48);
    for (size_t i = 0; i < sizeof bytes * 8; i++) {
        struct session_ref ref;
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        struct str changed = arena_join(&arena, STR("drt_"), encoded(str_of((const char *)bytes, sizeof bytes)));
        assert_false(refresh_token_read(&secret, changed, &ref));
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

/* ---- mailed tokens ---- */

static void a_mailed_token_is_for_one_use_customer_and_number(void **state) {
    (void)state;
    struct str token = mail_token_write(&arena, &secret, "verify", STR(CUSTOMER), 3);
    assert_int_equal(token.len, MAIL_TOKEN_LEN);
    assert_true(mail_token_read(&secret, "verify", STR(CUSTOMER), 3, token));
    assert_false(mail_token_read(&secret, "reset", STR(CUSTOMER), 3, token));
    assert_false(mail_token_read(&secret, "verify", STR(OTHER_CUSTOMER), 3, token));
    assert_false(mail_token_read(&secret, "verify", STR(CUSTOMER), 2, token));
    assert_false(mail_token_read(&secret, "verify", STR(CUSTOMER), 4, token));
    assert_false(mail_token_read(&other_secret, "verify", STR(CUSTOMER), 3, token));
    for (uint32_t i = 0; i < token.len; i++) {
        assert_false(mail_token_read(&secret, "verify", STR(CUSTOMER), 3, changed_at(token, i, '!')));
        assert_false(mail_token_read(&secret, "verify", STR(CUSTOMER), 3,
                                     changed_at(token, i, token.data[i] == 'A' ? 'B' : 'A')));
        assert_false(mail_token_read(&secret, "verify", STR(CUSTOMER), 3, str_first(token, i)));
    }
    assert_false(mail_token_read(&secret, "verify", STR(CUSTOMER), 3, arena_join(&arena, token, STR("A"))));
}

/* What stands in one part does not become another's by moving the border between them. */
static void the_parts_of_a_mailed_token_do_not_run_together(void **state) {
    (void)state;
    struct str token = mail_token_write(&arena, &secret, "ab", STR("c"), 3);
    assert_false(mail_token_read(&secret, "a", STR("bc"), 3, token));
}

/* ---- API keys ---- */

static void an_api_key_names_its_stream(void **state) {
    (void)state;
    struct str key = api_key_write(&arena, &secret, STR(KEY_STREAM), 1);
    assert_int_equal(key.len, API_KEY_LEN);
    assert_true(str_starts_with(key, STR("dbk_01ARZ3NDEKTSV4RRFFQ69G5FAV_")));
    assert_true(str_equal(key, api_key_write(&arena, &secret, STR(KEY_STREAM), 1)));
    char stream[API_KEY_STREAM_LEN];
    assert_true(api_key_parse(key, stream));
    assert_memory_equal(stream, KEY_STREAM, sizeof stream);
}

static void each_generation_of_an_api_key_has_a_hash_of_its_own(void **state) {
    (void)state;
    uint8_t first[API_KEY_HASH_BYTES], second[API_KEY_HASH_BYTES], elsewhere[API_KEY_HASH_BYTES];
    api_key_hash(api_key_write(&arena, &secret, STR(KEY_STREAM), 1), first);
    api_key_hash(api_key_write(&arena, &secret, STR(KEY_STREAM), 2), second);
    api_key_hash(api_key_write(&arena, &other_secret, STR(KEY_STREAM), 1), elsewhere);
    assert_memory_not_equal(first, second, sizeof first);
    assert_memory_not_equal(first, elsewhere, sizeof first);
    /* BLAKE2b-256 of "abc", by Python's hashlib. */
    static const uint8_t abc[API_KEY_HASH_BYTES] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
                                                    0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
                                                    0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
    api_key_hash(STR("abc"), first);
    assert_memory_equal(first, abc, sizeof abc);
}

static void what_has_not_the_form_of_an_api_key_is_none(void **state) {
    (void)state;
    struct str key = api_key_write(&arena, &secret, STR(KEY_STREAM), 1);
    char stream[API_KEY_STREAM_LEN] = "untouched";
    for (uint32_t i = 0; i < key.len; i++) {
        assert_false(api_key_parse(changed_at(key, i, '!'), stream));
        assert_false(api_key_parse(str_first(key, i), stream));
    }
    assert_false(api_key_parse(arena_join(&arena, key, STR("A")), stream));
    assert_false(api_key_parse(changed_at(key, 4, 'l'), stream));
    assert_false(api_key_parse(changed_at(key, 4, '8'), stream)); /* more than 128 bits */
    assert_false(api_key_parse((struct str){0}, stream));
    assert_string_equal(stream, "untouched");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_says_what_was_written),
        cmocka_unit_test(its_form_is_the_one_that_is_documented),
        cmocka_unit_test(the_claims_are_json),
        cmocka_unit_test(a_token_written_again_is_the_same),
        cmocka_unit_test(the_longest_token_has_its_place),
        cmocka_unit_test(it_lives_from_a_minute_before_its_time_to_its_end),
        cmocka_unit_test(an_expired_token_stays_expired_when_the_clock_steps_back),
        cmocka_unit_test(keys_of_old_epochs_and_old_ring_keys_pass_and_removed_ones_do_not),
        cmocka_unit_test(what_is_not_of_our_form_is_refused_although_it_is_signed),
        cmocka_unit_test(the_public_key_is_no_secret_to_sign_with),
        cmocka_unit_test(no_byte_of_a_token_can_be_another_one),
        cmocka_unit_test(another_text_of_the_same_token_is_none),
        cmocka_unit_test(a_token_has_three_parts_and_a_bound),
        cmocka_unit_test(signatures_of_other_tokens_and_other_keys_are_forged),
        cmocka_unit_test(claims_are_untouched_where_a_token_is_refused),
        cmocka_unit_test(roles_have_names),
        cmocka_unit_test(a_refresh_token_names_its_session_and_generation),
        cmocka_unit_test(a_refresh_token_with_any_bit_flipped_is_none),
        cmocka_unit_test(no_bit_of_a_refresh_tokens_session_can_be_another_one),
        cmocka_unit_test(a_mailed_token_is_for_one_use_customer_and_number),
        cmocka_unit_test(the_parts_of_a_mailed_token_do_not_run_together),
        cmocka_unit_test(an_api_key_names_its_stream),
        cmocka_unit_test(each_generation_of_an_api_key_has_a_hash_of_its_own),
        cmocka_unit_test(what_has_not_the_form_of_an_api_key_is_none),
    };
    return cmocka_run_group_tests_name("token", tests, set_up, tear_down);
}
