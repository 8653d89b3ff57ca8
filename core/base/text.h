/* text.h: bytes as text: hexadecimal, base64url (RFC 4648, section 5, unpadded) and Crockford's base 32 (ULIDs).
 *
 * Promise  decoding accepts exactly what encoding makes: one text per value, so no two texts name one thing.
 * Thread   pure; any.            May use: libc.
 */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"

enum {
    ULID_BYTES = 16,
    ULID_TEXT_LEN = 26,
};

void hex_write(struct buf *out, struct str bytes);
MUST_CHECK bool hex_read(struct str text, uint8_t *ret_bytes, size_t size);

void base64url_write(struct buf *out, struct str bytes);
/* The number of bytes, at most `capacity`; -1 when the text is not base64url or holds more. */
MUST_CHECK int base64url_read(struct str text, uint8_t *ret_bytes, size_t capacity);

/* 16 bytes as 26 characters of Crockford's alphabet, upper case, no NUL. */
void ulid_write(const uint8_t bytes[ULID_BYTES], char ret_text[ULID_TEXT_LEN]);
MUST_CHECK bool ulid_read(struct str text, uint8_t ret_bytes[ULID_BYTES]);

/* Whole numbers in decimal: no sign unless negative, no spaces, no leading zeros, nothing after. */
MUST_CHECK bool int64_read(struct str text, int64_t *ret_value);

/* The length of the well-formed UTF-8 sequence that the text begins with; 0 when there is none. */
uint32_t utf8_first(struct str text);

/* The longest part from the beginning that has at most max_bytes and ends between two characters. */
struct str utf8_cut(struct str text, uint32_t max_bytes);

/* The text for people to read within a line of other text: what a terminal would obey, or what would begin a line that
 * is not ours, is written as JSON does (\u001b): control characters, what separates lines, what turns the direction of
 * writing (UAX #9), and as \ufffd what is no UTF-8. A text of JSON stays the same JSON. */
void text_write_shown(struct buf *out, struct str text);

/* Whether the bytes are UTF-8 without overlong forms and surrogates (RFC 3629). */
bool utf8_is_valid(struct str text);
