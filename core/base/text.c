#include "core/base/text.h"

#include <assert.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char crockford_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* The value of one digit, -1 when it is none. */
static int digit_of(const char *digits, size_t count, char digit) {
    const char *at = memchr(digits, digit, count);
    return at == NULL ? -1 : (int)(at - digits);
}

void hex_write(struct buf *out, struct str bytes) {
    char *at = buf_reserve(out, (size_t)bytes.len * 2);
    if (at == NULL) {
        return;
    }
    for (uint32_t i = 0; i < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.data[i];
        *at++ = hex_digits[byte >> 4];
        *at++ = hex_digits[byte & 15];
    }
    out->len += (size_t)bytes.len * 2;
}

bool hex_read(struct str text, uint8_t *ret_bytes, size_t size) {
    if (text.len != size * 2) {
        return false;
    }
    /* Looked at once before, so that a bad text leaves the output as it was. */
    for (uint32_t i = 0; i < text.len; i++) {
        if (digit_of(hex_digits, 16, text.data[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < size; i++) {
        uint32_t high = (uint32_t)digit_of(hex_digits, 16, text.data[i * 2]);
        uint32_t low = (uint32_t)digit_of(hex_digits, 16, text.data[i * 2 + 1]);
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void base64url_write(struct buf *out, struct str bytes) {
    size_t len = ((size_t)bytes.len * 4 + 2) / 3;
    char *at = buf_reserve(out, len);
    if (at == NULL) {
        return;
    }
    uint32_t bits = 0;
    int bit_count = 0;
    for (uint32_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (uint8_t)bytes.data[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
            *at++ = base64url_digits[bits >> (bit_count - 6) & 63];
        }
    }
    if (bit_count > 0) {
        *at = base64url_digits[bits << (6 - bit_count) & 63];
    }
    out->len += len;
}

int base64url_read(struct str text, uint8_t *ret_bytes, size_t capacity) {
    size_t size = (size_t)text.len * 3 / 4;
    if (text.len % 4 == 1 || size > capacity || size > INT32_MAX) {
        return -1;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        if (digit_of(base64url_digits, 64, text.data[i]) < 0) {
            return -1;
        }
    }
    /* The bits of the last digit that belong to no byte are zero: one text per value. */
    int unused_bits = (int)(text.len * 6 % 8);
    if (unused_bits > 0 && (digit_of(base64url_digits, 64, text.data[text.len - 1]) & ((1 << unused_bits) - 1)) != 0) {
        return -1;
    }
    uint32_t bits = 0;
    int bit_count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        bits = bits << 6 | (uint32_t)digit_of(base64url_digits, 64, text.data[i]);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *ret_bytes++ = (uint8_t)(bits >> bit_count);
        }
    }
    return (int)size;
}

void ulid_write(const uint8_t bytes[ULID_BYTES], char ret_text[ULID_TEXT_LEN]) {
    /* 128 bits in 26 digits of 5: the first digit holds the two zero bits that are over. */
    uint32_t bits = 0;
    int bit_count = 2;
    int written = 0;
    for (int i = 0; i < ULID_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (bit_count += 8; bit_count >= 5; bit_count -= 5) {
            ret_text[written++] = crockford_digits[bits >> (bit_count - 5) & 31];
        }
    }
    assert(written == ULID_TEXT_LEN && bit_count == 0);
}

/* One more than the value of each of crockford_digits, 0 of all other bytes. Ids are read several times a command, so
 * their digits are not looked for. */
static const uint8_t crockford_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    ['G'] = 17, ['H'] = 18, ['J'] = 19, ['K'] = 20, ['M'] = 21, ['N'] = 22, ['P'] = 23, ['Q'] = 24,
    ['R'] = 25, ['S'] = 26, ['T'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31, ['Z'] = 32,
};

bool ulid_read(struct str text, uint8_t ret_bytes[ULID_BYTES]) {
    uint8_t digits[ULID_TEXT_LEN];
    bool are_digits = text.len == ULID_TEXT_LEN;
    for (uint32_t i = 0; are_digits && i < ULID_TEXT_LEN; i++) {
        uint8_t value = crockford_values[(uint8_t)text.data[i]];
        are_digits = value != 0;
        digits[i] = (uint8_t)(value - 1);
    }
    if (!are_digits || digits[0] > 7) {
        return false;
    }
    uint32_t bits = 0;
    int bit_count = -2;
    for (uint32_t i = 0; i < ULID_TEXT_LEN; i++) {
        bits = bits << 5 | digits[i];
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            *ret_bytes++ = (uint8_t)(bits >> bit_count);
        }
    }
    return true;
}

bool int64_read(struct str text, int64_t *ret_value) {
    bool negative = text.len > 0 && text.data[0] == '-';
    struct str digits = str_from(text, negative ? 1 : 0);
    if (digits.len == 0 || digits.len > 19 || (digits.data[0] == '0' && text.len > 1)) {
        return false;
    }
    /* 19 digits always fit into 64 bits without sign. */
    uint64_t magnitude = 0;
    for (uint32_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        magnitude = magnitude * 10 + (uint64_t)(digits.data[i] - '0');
    }
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *ret_value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

uint32_t utf8_first(struct str text) {
    if (text.len == 0) {
        return 0;
    }
    const uint8_t *at = (const uint8_t *)text.data;
    if (at[0] < 0x80) {
        return 1;
    }
    /* RFC 3629, section 4: the second byte's range depends on the first; the others are 80..BF. */
    uint32_t len;
    uint8_t least = 0x80, most = 0xbf;
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        len = 2;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        len = 3;
        least = at[0] == 0xe0 ? 0xa0 : 0x80;
        most = at[0] == 0xed ? 0x9f : 0xbf;
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        len = 4;
        least = at[0] == 0xf0 ? 0x90 : 0x80;
        most = at[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (text.len < len || at[1] < least || at[1] > most) {
        return 0;
    }
    for (uint32_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

struct str utf8_cut(struct str text, uint32_t max_bytes) {
    if (text.len <= max_bytes) {
        return text;
    }
    uint32_t len = max_bytes;
    while (len > 0 && ((uint8_t)text.data[len] & 0xc0) == 0x80) {
        len--; /* what would be cut off goes on in the middle of a character */
    }
    return str_first(text, len);
}

/* Of one well-formed sequence. */
static uint32_t utf8_point(struct str sequence) {
    const uint8_t *at = (const uint8_t *)sequence.data;
    uint32_t point = sequence.len == 1 ? at[0] : at[0] & (0x7fu >> sequence.len);
    for (uint32_t i = 1; i < sequence.len; i++) {
        point = point << 6 | (at[i] & 0x3fu);
    }
    return point;
}

static bool may_be_shown(uint32_t point) {
    bool is_control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    bool is_separator = point == 0x2028 || point == 0x2029;
    bool turns = (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    return !is_control && !is_separator && !turns;
}

void text_write_shown(struct buf *out, struct str text) {
    uint32_t written = 0;
    for (uint32_t i = 0; i < text.len;) {
        uint32_t len = utf8_first(str_from(text, i));
        uint32_t point = len > 0 ? utf8_point(str_of(text.data + i, len)) : 0xfffd;
        uint32_t next = i + (len > 0 ? len : 1);
        if (len == 0 || !may_be_shown(point)) {
            buf_bytes(out, text.data + written, i - written);
            buf_printf(out, "\\u%04x", point);
            written = next;
        }
        i = next;
    }
    buf_str(out, str_from(text, written));
}

bool utf8_is_valid(struct str text) {
    uint32_t at = 0;
    while (at < text.len) {
        /* Most text is ASCII: eight bytes at a time. */
        uint64_t word;
        if (text.len - at >= sizeof word) {
            memcpy(&word, text.data + at, sizeof word);
            if ((word & 0x8080808080808080U) == 0) {
                at += (uint32_t)sizeof word;
                continue;
            }
        }
        uint32_t len = utf8_first(str_from(text, at));
        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}
