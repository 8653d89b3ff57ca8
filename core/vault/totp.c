#include "core/vault/totp.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "core/base/memory.h"
#include "core/base/text.h"

enum {
    SHA1_BYTES = 20,
    STEPS_AROUND = 1, /* before and after now */
    TOTP_MODULUS = 1000000,
    BASE32_LEN = TOTP_SECRET_BYTES * 8 / 5,
    RECOVERY_HALF_LEN = 5,
    RECOVERY_CHARACTERS = 2 * RECOVERY_HALF_LEN,
};

static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* RFC 4226, 5.3. */
static void code_of_step(const uint8_t secret[TOTP_SECRET_BYTES], int64_t step, char ret_code[TOTP_DIGITS]) {
    uint8_t counter[8], hash[SHA1_BYTES];
    for (int i = 0; i < 8; i++) {
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    }
    if (HMAC(EVP_sha1(), secret, TOTP_SECRET_BYTES, counter, sizeof counter, hash, NULL) == NULL) {
        out_of_memory("HMAC-SHA-1");
    }
    const uint8_t *at = hash + (hash[SHA1_BYTES - 1] & 15);
    uint32_t number =
        ((uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]) % TOTP_MODULUS;
    for (int i = TOTP_DIGITS - 1; i >= 0; i--) {
        ret_code[i] = (char)('0' + number % 10);
        number /= 10;
    }
    sodium_memzero(hash, sizeof hash);
}

/* All steps are computed, and each is compared, so that the time taken does not tell which one fits. */
bool totp_check(const uint8_t secret[TOTP_SECRET_BYTES], struct str code, int64_t now_s, int64_t after_step,
                int64_t *ret_step) {
    assert(now_s >= 0);
    if (code.len != TOTP_DIGITS) {
        return false;
    }
    bool is_right = false;
    int64_t now = now_s / TOTP_STEP_S, found = 0;
    for (int64_t step = now < STEPS_AROUND ? 0 : now - STEPS_AROUND; step <= now + STEPS_AROUND; step++) {
        char expected[TOTP_DIGITS];
        code_of_step(secret, step, expected);
        if (sodium_memcmp(expected, code.data, TOTP_DIGITS) == 0 && step > after_step && !is_right) {
            is_right = true;
            found = step;
        }
        sodium_memzero(expected, sizeof expected);
    }
    if (is_right) {
        *ret_step = found;
    }
    return is_right;
}

static void hash_enrolment(const struct secret *secret, const char *label, struct str customer, int32_t number,
                           int index, uint8_t ret_hash[SECRET_HASH_BYTES]) {
    const uint8_t numbers[] = {(uint8_t)((uint32_t)number >> 24), (uint8_t)((uint32_t)number >> 16),
                               (uint8_t)((uint32_t)number >> 8), (uint8_t)number, (uint8_t)index};
    const struct str parts[] = {customer, str_of((const char *)numbers, sizeof numbers)};
    secret_hash(secret, label, parts, ARRAY_LENGTH(parts), ret_hash);
}

void totp_secret_derive(const struct secret *secret, struct str customer, int32_t number,
                        uint8_t ret_secret[TOTP_SECRET_BYTES]) {
    uint8_t hash[SECRET_HASH_BYTES];
    hash_enrolment(secret, "totp secret", customer, number, 0, hash);
    memcpy(ret_secret, hash, TOTP_SECRET_BYTES);
    sodium_memzero(hash, sizeof hash);
}

struct str totp_secret_text(struct arena *arena, const uint8_t secret[TOTP_SECRET_BYTES]) {
    char *text = arena_alloc(arena, BASE32_LEN + 1);
    uint32_t bits = 0;
    int bit_count = 0, written = 0;
    for (int i = 0; i < TOTP_SECRET_BYTES; i++) {
        bits = bits << 8 | secret[i];
        for (bit_count += 8; bit_count >= 5; bit_count -= 5) {
            text[written++] = base32_digits[bits >> (bit_count - 5) & 31];
        }
    }
    assert(written == BASE32_LEN);
    return str_of(text, BASE32_LEN);
}

/* RFC 3986: all but the unreserved characters is escaped. */
static void put_escaped(struct buf *out, struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        bool is_plain =
            is_letter || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
        if (is_plain) {
            buf_byte(out, byte);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(uint8_t)byte);
        }
    }
}

struct str totp_uri(struct arena *arena, const uint8_t secret[TOTP_SECRET_BYTES], struct str issuer, struct str label) {
    enum { AROUND_BYTES = 64 + BASE32_LEN, URI_MAX = 3 * 3 * TOTP_LABEL_MAX + AROUND_BYTES };
    assert(issuer.len <= TOTP_LABEL_MAX && label.len <= TOTP_LABEL_MAX);
    struct buf uri;
    buf_init(&uri, URI_MAX);
    buf_str(&uri, STR("otpauth://totp/"));
    put_escaped(&uri, issuer);
    buf_byte(&uri, ':');
    put_escaped(&uri, label);
    buf_str(&uri, STR("?secret="));
    buf_str(&uri, totp_secret_text(arena, secret));
    buf_str(&uri, STR("&issuer="));
    put_escaped(&uri, issuer);
    assert(buf_ok(&uri));
    struct str copy = arena_str_copy(arena, buf_text(&uri));
    sodium_memzero(uri.data, uri.len);
    buf_release(&uri);
    return copy;
}

/* The last digits of a ULID's text, which hold 5 bits each. */
static void recovery_characters(const struct secret *secret, struct str customer, int32_t number, int index,
                                char ret_characters[RECOVERY_CHARACTERS]) {
    uint8_t hash[SECRET_HASH_BYTES];
    char text[ULID_TEXT_LEN];
    hash_enrolment(secret, "recovery code", customer, number, index, hash);
    ulid_write(hash, text);
    memcpy(ret_characters, text + ULID_TEXT_LEN - RECOVERY_CHARACTERS, RECOVERY_CHARACTERS);
    sodium_memzero(hash, sizeof hash);
    sodium_memzero(text, sizeof text);
}

struct str recovery_code_write(struct arena *arena, const struct secret *secret, struct str customer, int32_t number,
                               int index) {
    assert(index >= 0 && index < RECOVERY_CODES);
    char characters[RECOVERY_CHARACTERS];
    recovery_characters(secret, customer, number, index, characters);
    struct str code = arena_printf(arena, "%.*s-%.*s", RECOVERY_HALF_LEN, characters, RECOVERY_HALF_LEN,
                                   characters + RECOVERY_HALF_LEN);
    sodium_memzero(characters, sizeof characters);
    return code;
}

/* As it was written, without its hyphen. */
static bool read_characters(struct str code, char ret_characters[RECOVERY_CHARACTERS]) {
    bool has_hyphen = code.len == RECOVERY_CODE_LEN && code.data[RECOVERY_HALF_LEN] == '-';
    if (!has_hyphen && code.len != RECOVERY_CHARACTERS) {
        return false;
    }
    for (uint32_t i = 0; i < RECOVERY_CHARACTERS; i++) {
        char byte = code.data[i + (has_hyphen && i >= RECOVERY_HALF_LEN)];
        ret_characters[i] = (char)(byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte);
    }
    return true;
}

int recovery_code_find(const struct secret *secret, struct str customer, int32_t number, struct str code) {
    char given[RECOVERY_CHARACTERS], expected[RECOVERY_CHARACTERS];
    if (!read_characters(code, given)) {
        return -1;
    }
    int found = -1;
    for (int index = 0; index < RECOVERY_CODES; index++) {
        recovery_characters(secret, customer, number, index, expected);
        if (sodium_memcmp(expected, given, sizeof given) == 0) {
            found = index;
        }
    }
    sodium_memzero(expected, sizeof expected);
    sodium_memzero(given, sizeof given);
    return found;
}
