/* mail_fuzz.c: libFuzzer on the writer of mails: bodies, header fields, addresses, and whole mails with values from
 * outside.
 *
 * The first byte chooses which. The oracle reads as a mail reader does (RFC 2045, RFC 2047, RFC 5322) and knows
 * nothing of how it was written: what comes out is the text that went in, no line is too long for a server, and no
 * value makes a field, a part or a tag of its own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/connect/mail_text.h"
#include "core/connect/mime.h"

enum { TEXT_MAX_BYTES = 8 * 1024, OUT_MAX_BYTES = 8 * TEXT_MAX_BYTES, SMTP_LINE_MAX = 998, VALUES_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "mail_fuzz: %s\n", what);
        abort();
    }
}

static struct str take_line(struct str *text) {
    struct str line = str_first(*text, str_find(*text, '\n'));
    *text = str_from(*text, line.len + 1);
    return line;
}

/* ---- what a mail reader does ------------------------------------------------------------------------------------- */

static char escaped_byte(struct str text) {
    static const char digits[] = "0123456789ABCDEF";
    require(text.len >= 3, "an escape has two digits");
    const char *high = memchr(digits, text.data[1], 16), *low = memchr(digits, text.data[2], 16);
    require(high != NULL && low != NULL, "an escape has digits");
    return (char)((high - digits) << 4 | (low - digits));
}

/* ASCII, within `line_max`, ends in CR LF, and no CR or LF stands anywhere else. What begins with a dot SMTP would
 * change, and what begins with "From " a mailbox. */
static void require_lines(struct str text, uint32_t line_max, bool is_body) {
    while (text.len > 0) {
        bool is_last = str_find(text, '\n') == text.len;
        struct str line = take_line(&text);
        require(is_body || !is_last, "a field's line ends");
        require(is_last || (line.len > 0 && line.data[line.len - 1] == '\r'), "a line ends in CR LF");
        line.len -= !is_last;
        require(line.len <= line_max, "a line is not too long");
        for (uint32_t i = 0; i < line.len; i++) {
            require(line.data[i] >= ' ' && line.data[i] <= '~', "a line is printable ASCII");
        }
        require(!is_body || line.len == 0 ||
                    (line.data[0] != '.' && line.data[line.len - 1] != ' ' && !str_starts_with(line, STR("From "))),
                "nobody on the way changes a line");
    }
}

/* Quoted-printable (RFC 2045, 6.7); CR LF becomes LF. */
static void decode_body(struct buf *out, struct str text) {
    while (text.len > 0) {
        uint32_t taken = 1;
        if (str_starts_with(text, STR("=\r\n"))) {
            taken = 3;
        } else if (str_starts_with(text, STR("\r\n"))) {
            taken = 2;
            buf_byte(out, '\n');
        } else if (text.data[0] == '=') {
            taken = 3;
            buf_byte(out, escaped_byte(text));
        } else {
            buf_byte(out, text.data[0]);
        }
        text = str_from(text, taken);
    }
}

/* One encoded word (RFC 2047, 4.2), which holds whole characters. */
static void decode_word(struct buf *out, struct str *text) {
    require(str_starts_with(*text, STR("=?UTF-8?Q?")), "a word is of UTF-8 and Q");
    struct str inner = str_from(*text, 10);
    const char *end = memmem(inner.data, inner.len, "?=", 2);
    require(end != NULL, "a word ends");
    inner = str_first(inner, (uint32_t)(end - inner.data));
    require(inner.len + 12 <= 75, "a word is not too long");
    *text = str_from(*text, inner.len + 12);
    size_t begin = out->len;
    while (inner.len > 0) {
        require(memchr("?() <>@,;:\\\".[]", inner.data[0], 15) == NULL, "a word has nothing special in it");
        uint32_t taken = inner.data[0] == '=' ? 3 : 1;
        buf_byte(out, inner.data[0] == '=' ? escaped_byte(inner) : inner.data[0] == '_' ? ' ' : inner.data[0]);
        inner = str_from(inner, taken);
    }
    require(utf8_is_valid(str_of(out->data + begin, out->len - begin)), "a word has whole characters");
}

/* Encoded words, with nothing but a fold or a space between two, up to what is none. */
static void decode_words(struct buf *out, struct str *text) {
    decode_word(out, text);
    for (;;) {
        struct str next = *text;
        while (next.len > 0 && (next.data[0] == ' ' || next.data[0] == '\r' || next.data[0] == '\n')) {
            next = str_from(next, 1);
        }
        if (!str_starts_with(next, STR("=?"))) {
            return;
        }
        *text = next;
        decode_word(out, text);
    }
}

/* A fold: only what begins with a space goes on (RFC 5322, 2.2.3). */
static void require_one_field(struct str field) {
    struct str rest = field;
    for (struct str line = take_line(&rest); rest.len > 0; line = take_line(&rest)) {
        require(rest.data[0] == ' ' && rest.len > 3 && rest.data[1] != ' ' && line.len > 1, "a field is one field");
    }
}

static struct str value_of_field(struct str field, const char *name) {
    struct str begin = str_of_cstr(name);
    require(str_starts_with(field, begin) && field.len >= begin.len + 4 && memcmp(field.data + begin.len, ": ", 2) == 0,
            "a field has its name");
    return str_of(field.data + begin.len + 2, field.len - begin.len - 4);
}

/* ---- the parts --------------------------------------------------------------------------------------------------- */

static bool is_field_text(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.data[i] < ' ' || text.data[i] == 0x7f) {
            return false;
        }
    }
    return utf8_is_valid(text);
}

static void fuzz_body(struct str text, struct buf *out, struct buf *read) {
    mime_write_body(out, text);
    require_lines(buf_text(out), MIME_LINE_MAX, true);
    decode_body(read, buf_text(out));
    require(str_equal(buf_text(read), text), "a body comes out as it went in");
}

static void fuzz_text_field(struct str text, struct buf *out, struct buf *read) {
    if (!is_field_text(text)) {
        return; /* the caller's to refuse */
    }
    mime_write_text_field(out, "Subject", text);
    require_lines(buf_text(out), MIME_LINE_MAX, false);
    require_one_field(buf_text(out));
    struct str value = value_of_field(buf_text(out), "Subject");
    if (str_starts_with(value, STR("=?"))) {
        decode_words(read, &value);
        require(value.len == 0, "a text is words to its end");
    } else {
        require(memmem(value.data, value.len, "=?", 2) == NULL, "a plain text has no words");
        buf_str(read, value);
    }
    require(str_equal(buf_text(read), text), "a text comes out as it went in");
}

static void unfold(struct buf *out, struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] != '\r' && text.data[i] != '\n') {
            buf_byte(out, text.data[i]);
        }
    }
}

/* `Name <address>`, as the setting and the field have it: two texts that must be told apart. */
static void fuzz_sender(struct str text, struct buf *out, struct buf *read) {
    struct str name, address, again_name = {0}, again_address;
    if (!mail_sender_read(text, &name, &address)) {
        return;
    }
    require(is_field_text(name) && is_field_text(address), "a sender is one line");
    mime_write_address_field(out, "From", name, address);
    require_lines(buf_text(out), SMTP_LINE_MAX, false);
    require_one_field(buf_text(out));
    struct str value = value_of_field(buf_text(out), "From");
    if (name.len == 0) { /* no reader looks for words in an address (RFC 2047, 5) */
        again_address = value;
    } else if (str_starts_with(value, STR("=?"))) {
        decode_words(read, &value);
        again_name = buf_text(read);
        while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\r' || value.data[0] == '\n')) {
            value = str_from(value, 1);
        }
        require(value.len >= 2 && value.data[0] == '<' && value.data[value.len - 1] == '>', "an address follows");
        again_address = str_of(value.data + 1, value.len - 2);
    } else {
        unfold(read, value);
        require(mail_sender_read(buf_text(read), &again_name, &again_address), "what is written is a sender");
    }
    require(str_equal(again_name, name) && str_equal(again_address, address), "and the same one");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static const char *const field_names[] = {"From",           "To",           "Subject",     "Date", "Message-ID",
                                          "Auto-Submitted", "MIME-Version", "Content-Type"};

/* Takes the head: these fields, in this order, and no other. */
static void take_head(struct str *mail) {
    for (size_t i = 0; i < ARRAY_LENGTH(field_names); i++) {
        struct str line = take_line(mail), name = str_of_cstr(field_names[i]);
        require(str_starts_with(line, name) && line.len > name.len && line.data[name.len] == ':',
                "the fields are ours");
        bool may_be_long = i < 2 || i == 4; /* addresses, Message-ID */
        require(may_be_long || line.len <= MIME_LINE_MAX + 1, "a field is not too long");
        while (mail->len > 0 && mail->data[0] == ' ') {
            require(take_line(mail).len <= SMTP_LINE_MAX + 1, "nor is a fold");
        }
    }
    require(str_equal(take_line(mail), STR("\r")), "an empty line ends the head");
}

/* Takes a part of this type, and decodes it. */
static void take_part(struct str *mail, struct str type, struct buf *read) {
    require(str_equal(take_line(mail), STR("--=_daybook\r")), "a part begins");
    require(str_equal(take_line(mail), type), "it is of its type");
    require(str_equal(take_line(mail), STR("Content-Transfer-Encoding: quoted-printable\r")), "it says its encoding");
    require(str_equal(take_line(mail), STR("\r")), "an empty line ends its head");
    const char *end = memmem(mail->data, mail->len, "\r\n--=_daybook", 13);
    require(end != NULL, "a part ends");
    uint32_t len = (uint32_t)(end - mail->data);
    require_lines(str_first(*mail, len), MIME_LINE_MAX, true);
    decode_body(read, str_first(*mail, len));
    *mail = str_from(*mail, len + 2);
}

static size_t count_of(struct str text, char byte) {
    size_t count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        count += text.data[i] == byte;
    }
    return count;
}

static bool has_text(struct str text, struct str part) {
    return part.len == 0 || memmem(text.data, text.len, part.data, part.len) != NULL;
}

static bool template_has(const char *template, const char *name) {
    char mark[64];
    snprintf(mark, sizeof mark, "{{%s}}", name);
    return strstr(template, mark) != NULL;
}

/* `tame`: the same mail with harmless values, so that the same parts of its template are there. */
static void check_mail(const struct mail_kind *kind, const struct mail *mail, struct str bytes, struct str tame,
                       struct buf *read) {
    require_lines(bytes, SMTP_LINE_MAX, false);
    take_head(&bytes);
    take_part(&bytes, STR("Content-Type: text/plain; charset=utf-8\r"), read);
    for (size_t i = 0; i < mail->value_count; i++) {
        bool is_in_text = template_has(kind->text, mail->values[i].name);
        require(!is_in_text || has_text(buf_text(read), mail->values[i].text), "a value comes out as it went in");
    }
    static const char tags[] = "<>\"'";
    size_t counts[sizeof tags - 1];
    buf_clear(read);
    take_part(&bytes, STR("Content-Type: text/html; charset=utf-8\r"), read);
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        counts[i] = count_of(buf_text(read), tags[i]);
    }
    require(str_equal(bytes, STR("--=_daybook--\r\n")), "the mail ends behind its parts");
    take_head(&tame);
    take_part(&tame, STR("Content-Type: text/plain; charset=utf-8\r"), read);
    buf_clear(read);
    take_part(&tame, STR("Content-Type: text/html; charset=utf-8\r"), read);
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        require(counts[i] == count_of(buf_text(read), tags[i]), "no value makes a tag or ends an attribute");
    }
}

/* The first byte says which mail; then lines: from, to, public_url, Message-ID, and the values. */
static void fuzz_mail(struct str text, struct buf *out, struct buf *read) {
    const struct mail_kind *kind = &mail_kinds[text.len > 0 ? (uint8_t)text.data[0] % mail_kind_count : 0];
    struct str rest = str_from(text, 1), names = str_of_cstr(kind->values);
    struct mail_value values[VALUES_MAX];
    char name_texts[VALUES_MAX][32];
    struct str from = take_line(&rest);
    struct mail mail = {.name = kind->name, .to = take_line(&rest), .public_url = take_line(&rest)};
    mail.message_id = take_line(&rest);
    mail.values = values;
    while (names.len > 0) {
        struct str name = str_first(names, str_find(names, ' '));
        names = str_from(names, name.len + 1);
        snprintf(name_texts[mail.value_count], sizeof name_texts[0], "%.*s", STR_ARGS(name));
        values[mail.value_count] = (struct mail_value){name_texts[mail.value_count], take_line(&rest)};
        mail.value_count++;
    }
    mail.date_us = INT64_C(1800000000000000);
    const char *why = NULL;
    if (!mail_write(out, &mail, from, &why)) {
        require(why != NULL && out->len == 0, "of a refused mail nothing is written");
        return;
    }
    struct mail_value tame_values[VALUES_MAX];
    struct mail tame = mail;
    struct buf tame_out;
    buf_init(&tame_out, 4 * OUT_MAX_BYTES);
    tame.values = tame_values;
    for (size_t i = 0; i < mail.value_count; i++) {
        tame_values[i] = (struct mail_value){values[i].name, values[i].text.len == 0 ? STR("") : STR("x")};
    }
    require(mail_write(&tame_out, &tame, from, &why), "harmless values are written");
    check_mail(kind, &mail, buf_text(out), buf_text(&tame_out), read);
    buf_release(&tame_out);
    size_t size = out->len;
    require(mail_write(out, &mail, from, &why) && out->len == 2 * size &&
                memcmp(out->data, out->data + size, size) == 0,
            "the same mail is the same bytes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > TEXT_MAX_BYTES) {
        return 0;
    }
    struct str text = str_of((const char *)data + 1, size - 1);
    struct buf out, read;
    buf_init(&out, 4 * OUT_MAX_BYTES);
    buf_init(&read, 4 * OUT_MAX_BYTES);
    switch (data[0] % 4) {
    case 0:
        fuzz_body(text, &out, &read);
        break;
    case 1:
        fuzz_text_field(text, &out, &read);
        break;
    case 2:
        fuzz_sender(text, &out, &read);
        break;
    default:
        fuzz_mail(text, &out, &read);
        break;
    }
    buf_release(&read);
    buf_release(&out);
    return 0;
}
