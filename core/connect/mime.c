#include "core/connect/mime.h"

#include "core/base/text.h"

#define WORD_BEGIN "=?UTF-8?Q?"
#define WORD_END "?="

enum { WORD_FRAME = sizeof WORD_BEGIN - 1 + sizeof WORD_END - 1 };

static const char hex_upper[] = "0123456789ABCDEF";

static void write_escaped(struct buf *out, uint8_t byte) {
    const char escaped[] = {'=', hex_upper[byte >> 4], hex_upper[byte & 15]};
    buf_bytes(out, escaped, sizeof escaped);
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static bool is_printed(char byte) {
    return byte > ' ' && byte <= '~';
}

/* Whether the byte at `at` can stand as it is, `column` characters into its line. */
static bool stands_as_it_is(struct str text, uint32_t at, uint32_t column) {
    char byte = text.data[at];
    struct str rest = str_from(text, at);
    if (column == 0 && (byte == '.' || str_starts_with(rest, STR("From ")))) {
        return false;
    }
    if (byte == ' ') { /* at a line's end it would be cut off on the way */
        return at + 1 < text.len && text.data[at + 1] != '\n';
    }
    return is_printed(byte) && byte != '=';
}

void mime_write_body(struct buf *out, struct str text) {
    uint32_t column = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '\n') {
            buf_str(out, STR("\r\n"));
            column = 0;
            continue;
        }
        /* A place is left for the sign that the line goes on. */
        uint32_t width = stands_as_it_is(text, i, column) ? 1 : 3;
        if (column + width > MIME_LINE_MAX - 1) {
            buf_str(out, STR("=\r\n"));
            column = 0;
            width = stands_as_it_is(text, i, column) ? 1 : 3;
        }
        if (width == 1) {
            buf_byte(out, byte);
        } else {
            write_escaped(out, (uint8_t)byte);
        }
        column += width;
    }
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static bool is_letter_or_digit(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/* What may stand unescaped in an encoded word wherever it stands (RFC 2047, 5, rule 3). */
static bool is_plain_in_word(char byte) {
    return is_letter_or_digit(byte) || memchr("!*+-/", byte, 5) != NULL;
}

static uint32_t width_in_word(struct str character) {
    uint32_t width = 0;
    for (uint32_t i = 0; i < character.len; i++) {
        width += is_plain_in_word(character.data[i]) || character.data[i] == ' ' ? 1 : 3;
    }
    return width;
}

static void write_in_word(struct buf *out, struct str character) {
    for (uint32_t i = 0; i < character.len; i++) {
        char byte = character.data[i];
        if (byte == ' ') {
            buf_byte(out, '_');
        } else if (is_plain_in_word(byte)) {
            buf_byte(out, byte);
        } else {
            write_escaped(out, (uint8_t)byte);
        }
    }
}

/* As many encoded words, a line each, as it takes; no character is cut. As none begins a line, each has 75 characters
 * at most (RFC 2047, 2). Gives the last line's length. */
static uint32_t write_words(struct buf *out, struct str text, uint32_t column) {
    bool is_open = false;
    while (text.len > 0) {
        uint32_t length = utf8_first(text);
        struct str character = str_first(text, length > 0 ? length : 1);
        uint32_t width = width_in_word(character);
        if (is_open && column + width > MIME_LINE_MAX) {
            buf_str(out, STR(WORD_END "\r\n "));
            is_open = false;
            column = 1;
        }
        if (!is_open) {
            buf_str(out, STR(WORD_BEGIN));
            is_open = true;
            column += WORD_FRAME;
        }
        write_in_word(out, character);
        column += width;
        text = str_from(text, character.len);
    }
    buf_str(out, STR(WORD_END));
    return column;
}

/* One line of printable ASCII that no reader takes for something else. */
static bool is_plain_text(struct str text, uint32_t column) {
    if (text.len == 0 || column + text.len > MIME_LINE_MAX || text.data[0] == ' ' || text.data[text.len - 1] == ' ') {
        return false;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        if (!is_printed(text.data[i]) && text.data[i] != ' ') {
            return false;
        }
    }
    return memmem(text.data, text.len, "=?", 2) == NULL;
}

static bool needs_no_quotes(struct str phrase) {
    for (uint32_t i = 0; i < phrase.len; i++) {
        if (!is_letter_or_digit(phrase.data[i]) && phrase.data[i] != ' ') {
            return false;
        }
    }
    return true;
}

void mime_write_text_field(struct buf *out, const char *name, struct str text) {
    buf_printf(out, "%s: ", name);
    uint32_t column = (uint32_t)strlen(name) + 2;
    if (is_plain_text(text, column)) {
        buf_str(out, text);
    } else if (text.len > 0) {
        write_words(out, text, column);
    }
    buf_str(out, STR("\r\n"));
}

void mime_write_address_field(struct buf *out, const char *name, struct str display_name, struct str address) {
    buf_printf(out, "%s: ", name);
    uint32_t column = (uint32_t)strlen(name) + 2;
    if (display_name.len == 0) {
        buf_printf(out, "%.*s\r\n", STR_ARGS(address));
        return;
    }
    bool has_quote = str_find(display_name, '"') < display_name.len || str_find(display_name, '\\') < display_name.len;
    if (is_plain_text(display_name, column + 2) && !has_quote) {
        const char *quote = needs_no_quotes(display_name) ? "" : "\"";
        buf_printf(out, "%s%.*s%s", quote, STR_ARGS(display_name), quote);
        column += display_name.len + 2;
    } else {
        column = write_words(out, display_name, column);
    }
    bool fits = column + address.len + 3 <= MIME_LINE_MAX;
    buf_printf(out, "%s<%.*s>\r\n", fits ? " " : "\r\n ", STR_ARGS(address));
}
