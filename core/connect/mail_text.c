#include "core/connect/mail_text.h"

#include <assert.h>

#include "core/base/embed.h"
#include "core/base/format.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/connect/mime.h"
#include "core/http/http_date.h"

#define EMBED_BOTH(name, values)                                                                                       \
    EMBED_TEXT(mail_##name##_txt, "core/connect/mails/" #name ".txt");                                                 \
    EMBED_TEXT(mail_##name##_html, "core/connect/mails/" #name ".html");
MAIL_TABLE(EMBED_BOTH)

const struct mail_kind mail_kinds[] = {
#define MAIL_ROW(name, values) {#name, values, mail_##name##_txt, mail_##name##_html},
    MAIL_TABLE(MAIL_ROW)};

const size_t mail_kind_count = ARRAY_LENGTH(mail_kinds);

/* In quoted-printable a '=' is followed by a digit or a line's end, so no part can hold this. */
#define BOUNDARY "=_daybook"

enum { MESSAGE_ID_MAX_BYTES = 320 };

/* ---- what comes from outside ------------------------------------------------------------------------------------- */

static bool is_one_line(struct str text, uint32_t max_bytes) {
    for (uint32_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.data[i] < ' ' || text.data[i] == 0x7f) {
            return false;
        }
    }
    return text.len <= max_bytes && utf8_is_valid(text);
}

/* <left@right>, of printable ASCII without spaces and further brackets (RFC 5322, 3.6.4, strictly). */
static bool is_message_id(struct str text) {
    if (text.len < 5 || text.len > MESSAGE_ID_MAX_BYTES || text.data[0] != '<' || text.data[text.len - 1] != '>') {
        return false;
    }
    struct str inner = str_of(text.data + 1, text.len - 2);
    uint32_t at = str_find(inner, '@');
    for (uint32_t i = 0; i < inner.len; i++) {
        char byte = inner.data[i];
        if (byte <= ' ' || byte > '~' || strchr("<>()[]\\,;:\"", byte) != NULL || (byte == '@' && i != at)) {
            return false;
        }
    }
    return at > 0 && at + 1 < inner.len;
}

static struct str trim(struct str text) {
    while (text.len > 0 && text.data[0] == ' ') {
        text = str_from(text, 1);
    }
    while (text.len > 0 && text.data[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

bool mail_sender_read(struct str from, struct str *ret_name, struct str *ret_address) {
    uint32_t bracket = str_find(from, '<');
    struct str name = {0}, address = from;
    if (bracket < from.len) {
        if (from.data[from.len - 1] != '>') {
            return false;
        }
        address = str_of(from.data + bracket + 1, from.len - bracket - 2);
        name = trim(str_first(from, bracket));
        if (name.len >= 2 && name.data[0] == '"' && name.data[name.len - 1] == '"') {
            name = str_of(name.data + 1, name.len - 2);
        }
    }
    if (!format_matches(FORMAT_EMAIL, address) || !is_one_line(name, MAIL_NAME_MAX_BYTES) ||
        str_find(name, '"') < name.len || str_find(name, '\\') < name.len || str_find(name, '>') < name.len) {
        return false;
    }
    *ret_name = name;
    *ret_address = address;
    return true;
}

static bool are_lines(const struct mail_value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!is_one_line(values[i].text, MAIL_VALUE_MAX_BYTES)) {
            return false;
        }
    }
    return true;
}

/* NULL when all is as it must be. */
static const char *why_not(const struct mail *mail) {
    if (!format_matches(FORMAT_EMAIL, mail->to)) {
        return "the recipient's address is none";
    }
    if (!format_matches(FORMAT_URL, mail->public_url) || mail->public_url.len > MAIL_VALUE_MAX_BYTES) {
        return "public_url is no URL of a fitting length";
    }
    if (!is_message_id(mail->message_id)) {
        return "the Message-ID has not the form of one";
    }
    if (!are_lines(mail->values, mail->value_count) ||
        !are_lines(mail->rows.values, mail->rows.count * mail->rows.value_count)) {
        return "a value is not one line of UTF-8, or is too long";
    }
    return NULL;
}

/* ---- filling ----------------------------------------------------------------------------------------------------- */

static const struct mail_kind *kind_of(const char *name) {
    for (size_t i = 0; i < mail_kind_count; i++) {
        if (strcmp(mail_kinds[i].name, name) == 0) {
            return &mail_kinds[i];
        }
    }
    assert(!"there is no such template");
    return NULL;
}

static const struct mail_value *find(const struct mail_value *values, size_t count, struct str name) {
    for (size_t i = 0; i < count; i++) {
        if (str_equal(name, str_of_cstr(values[i].name))) {
            return &values[i];
        }
    }
    return NULL;
}

/* `row`: the values of the row at hand; NULL outside of rows. */
static struct str value_of(const struct mail *mail, const struct mail_value *row, struct str name) {
    if (str_equal(name, STR("public_url"))) {
        struct str url = mail->public_url;
        return url.data[url.len - 1] == '/' ? str_first(url, url.len - 1) : url;
    }
    const struct mail_value *found = row != NULL ? find(row, mail->rows.value_count, name) : NULL;
    found = found != NULL ? found : find(mail->values, mail->value_count, name);
    assert(found != NULL && "a template's value is missing");
    return found->text;
}

/* For text between tags, and in attributes with quotes. */
static void write_html(struct buf *out, struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '&':
            buf_str(out, STR("&amp;"));
            break;
        case '<':
            buf_str(out, STR("&lt;"));
            break;
        case '>':
            buf_str(out, STR("&gt;"));
            break;
        case '"':
            buf_str(out, STR("&quot;"));
            break;
        case '\'':
            buf_str(out, STR("&#39;"));
            break;
        default:
            buf_byte(out, text.data[i]);
        }
    }
}

/* Cuts what stands before `mark` off the front, the mark as well. Templates are ours: it is there. */
static struct str cut_before(struct str *text, struct str mark) {
    const char *at = memmem(text->data, text->len, mark.data, mark.len);
    assert(at != NULL && "a template's braces");
    struct str before = str_first(*text, (uint32_t)(at - text->data));
    *text = str_from(*text, before.len + mark.len);
    return before;
}

static void drop_line_end(struct str *text) {
    if (text->len > 0 && text->data[0] == '\n') {
        *text = str_from(*text, 1);
    }
}

/* Of text without parts. */
static void fill_plain(struct buf *out, struct str template, const struct mail *mail, const struct mail_value *row,
                       bool is_html) {
    while (memmem(template.data, template.len, "{{", 2) != NULL) {
        buf_str(out, cut_before(&template, STR("{{")));
        struct str value = value_of(mail, row, cut_before(&template, STR("}}")));
        if (is_html) {
            write_html(out, value);
        } else {
            buf_str(out, value);
        }
    }
    buf_str(out, template);
}

static void fill_part(struct buf *out, struct str name, struct str part, const struct mail *mail, bool is_html) {
    if (!str_equal(name, STR("lines"))) {
        if (!str_is_empty(value_of(mail, NULL, name))) {
            fill_plain(out, part, mail, NULL, is_html);
        }
        return;
    }
    for (size_t i = 0; i < mail->rows.count; i++) {
        fill_plain(out, part, mail, &mail->rows.values[i * mail->rows.value_count], is_html);
    }
}

static void fill(struct buf *out, struct str template, const struct mail *mail, bool is_html) {
    while (memmem(template.data, template.len, "{{#", 3) != NULL) {
        fill_plain(out, cut_before(&template, STR("{{#")), mail, NULL, is_html);
        struct str name = cut_before(&template, STR("}}"));
        drop_line_end(&template);
        struct str part = cut_before(&template, STR("{{/"));
        struct str closed = cut_before(&template, STR("}}"));
        assert(str_equal(name, closed) && "a template's parts");
        drop_line_end(&template);
        fill_part(out, name, part, mail, is_html);
    }
    fill_plain(out, template, mail, NULL, is_html);
}

/* Takes a line, without its end, from the front. */
static struct str take_line(struct str *text) {
    struct str line = str_first(*text, str_find(*text, '\n'));
    *text = str_from(*text, line.len + 1);
    return line;
}

static void write_head(struct buf *out, const struct mail *mail, struct str from_name, struct str from_address,
                       struct str subject) {
    struct http_date date = {0};
    struct str gmt = http_date_at(&date, mail->date_us / MICROS_PER_SECOND);
    mime_write_address_field(out, "From", from_name, from_address);
    mime_write_address_field(out, "To", (struct str){0}, mail->to);
    mime_write_text_field(out, "Subject", subject);
    /* As HTTP has it, save that mail writes the zone as a number (RFC 5322, 3.3). */
    buf_printf(out, "Date: %.*s+0000\r\n", (int)(gmt.len - STR("GMT").len), gmt.data);
    buf_printf(out, "Message-ID: %.*s\r\n", STR_ARGS(mail->message_id));
    buf_str(out, STR("Auto-Submitted: auto-generated\r\n" /* so that no holiday notice answers: RFC 3834 */
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/alternative; boundary=\"" BOUNDARY "\"\r\n"
                     "\r\n"));
}

static void write_part(struct buf *out, const char *type, struct str text) {
    buf_printf(out,
               "--" BOUNDARY "\r\n"
               "Content-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n"
               "\r\n",
               type);
    mime_write_body(out, text);
    buf_str(out, STR("\r\n"));
}

bool mail_write(struct buf *out, const struct mail *mail, struct str from, const char **ret_why) {
    assert(mail->date_us >= 0);
    const struct mail_kind *kind = kind_of(mail->name);
    struct str from_name, from_address;
    const char *why = why_not(mail);
    if (why == NULL && !mail_sender_read(from, &from_name, &from_address)) {
        why = "mail_from is neither an address nor `Name <address>`";
    }
    if (why != NULL) {
        *ret_why = why;
        return false;
    }
    struct buf text, html;
    buf_init(&text, MAIL_MAX_BYTES);
    buf_init(&html, MAIL_MAX_BYTES);
    fill(&text, str_of_cstr(kind->text), mail, false);
    fill(&html, str_of_cstr(kind->html), mail, true);
    struct str body = buf_text(&text);
    struct str subject = take_line(&body);
    assert(str_starts_with(subject, STR("Subject: ")) && body.len > 0 && body.data[0] == '\n');
    size_t before = out->len;
    write_head(out, mail, from_name, from_address, str_from(subject, STR("Subject: ").len));
    write_part(out, "text/plain", str_from(body, 1));
    write_part(out, "text/html", buf_text(&html));
    buf_str(out, STR("--" BOUNDARY "--\r\n"));
    bool fits = buf_ok(out) && buf_ok(&text) && buf_ok(&html) && out->len - before <= MAIL_MAX_BYTES;
    buf_release(&text);
    buf_release(&html);
    if (!fits) {
        out->len = before;
        *ret_why = "it is too large";
    }
    return fits;
}
