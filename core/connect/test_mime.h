/* test_mime.h: for tests: what a mail reader makes of quoted-printable, and what every mail's bytes must be like.
 * Thread   any.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/connect/mime.h"

/* The byte of `=C3`; fails the test on anything else. */
static inline char test_mime_escaped(struct str text) {
    uint8_t byte = 0;
    char lower[2] = {0};
    assert_true(text.len >= 3 && text.data[0] == '=');
    for (int i = 0; i < 2; i++) {
        char digit = text.data[1 + i];
        assert_true((digit >= '0' && digit <= '9') || (digit >= 'A' && digit <= 'F'));
        lower[i] = digit >= 'A' ? (char)(digit - 'A' + 'a') : digit;
    }
    assert_true(hex_read(str_of(lower, 2), &byte, 1));
    return (char)byte;
}

/* RFC 2045, 6.7, backwards; CRLF becomes LF. */
static inline void test_mime_decode_body(struct buf *out, struct str text) {
    for (uint32_t i = 0; i < text.len;) {
        struct str rest = str_from(text, i);
        if (str_starts_with(rest, STR("=\r\n"))) {
            i += 3;
        } else if (rest.data[0] == '=') {
            buf_byte(out, test_mime_escaped(rest));
            i += 3;
        } else if (str_starts_with(rest, STR("\r\n"))) {
            buf_byte(out, '\n');
            i += 2;
        } else {
            buf_byte(out, rest.data[0]);
            i++;
        }
    }
}

/* ASCII, and each line within its length, with CRLF at its end, no space before it and no dot at its beginning. */
static inline void test_mime_assert_lines(struct str text, uint32_t line_max) {
    while (text.len > 0) {
        uint32_t end = str_find(text, '\n');
        assert_true(end < text.len && end > 0 && text.data[end - 1] == '\r');
        struct str line = str_first(text, end - 1);
        if (line.len > line_max) {
            fail_msg("%u characters: %.*s", line.len, STR_ARGS(line));
        }
        for (uint32_t i = 0; i < line.len; i++) {
            assert_true(line.data[i] >= ' ' && line.data[i] <= '~');
        }
        assert_true(line.len == 0 || (line.data[line.len - 1] != ' ' && line.data[0] != '.'));
        text = str_from(text, end + 1);
    }
}
