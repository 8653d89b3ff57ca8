#include "core/http/answer.h"

#include <assert.h>

#include "core/http/status.h"

static void write_number(struct buf *out, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_bytes(out, digits + at, sizeof digits - at);
}

static void write_status_line(struct buf *out, int status) {
    buf_str(out, STR("HTTP/1.1 "));
    write_number(out, (uint64_t)status);
    buf_byte(out, ' ');
    buf_str(out, str_of_cstr(http_status_text(status)));
    buf_str(out, STR("\r\n"));
}

/* A control byte becomes a space, so that no value can end its line (RFC 9110, 5.5). */
static void write_field(struct buf *out, const struct http_field *field) {
    buf_str(out, field->name);
    buf_str(out, STR(": "));
    char *value = buf_reserve(out, field->value.len);
    if (value != NULL) {
        for (uint32_t i = 0; i < field->value.len; i++) {
            unsigned char byte = (unsigned char)field->value.data[i];
            value[i] = byte < 0x20 || byte == 0x7f ? ' ' : (char)byte;
        }
        out->len += field->value.len;
    }
    buf_str(out, STR("\r\n"));
}

/* What protects whoever reads the answer in a browser; one text each, so that it costs a copy. */
#define POLICY_FIELD "Content-Security-Policy"
#define HSTS "Strict-Transport-Security: max-age=63072000\r\n"
/* It is what it says it is, and no browser shall find another use for it (WHATWG Fetch, 3.5). */
#define AS_IT_IS "X-Content-Type-Options: nosniff\r\n"
/* Opened as a page it loads nothing, runs nothing, and stands in nobody's frame. */
#define NO_PAGE POLICY_FIELD ": default-src 'none'; frame-ancestors 'none'\r\n"

/* Pages have a policy of their own. */
static bool has_policy(const struct answer *answer) {
    for (size_t i = 0; i < answer->field_count; i++) {
        if (http_name_equal(answer->fields[i].name, POLICY_FIELD)) {
            return true;
        }
    }
    return false;
}

static struct str protection_of(const struct answer *answer) {
    if (has_policy(answer)) {
        return answer->is_encrypted ? STR(HSTS AS_IT_IS) : STR(AS_IT_IS);
    }
    return answer->is_encrypted ? STR(HSTS AS_IT_IS NO_PAGE) : STR(AS_IT_IS NO_PAGE);
}

void answer_write(struct buf *out, const struct answer *answer) {
    assert(answer->status >= 200 && answer->status <= 599);
    bool has_body = answer->status != 204 && answer->status != 304;
    write_status_line(out, answer->status);
    buf_str(out, STR("Date: "));
    buf_str(out, answer->date);
    buf_str(out, STR("\r\n"));
    buf_str(out, protection_of(answer));
    if (answer->content_type != NULL) {
        buf_str(out, STR("Content-Type: "));
        buf_str(out, str_of_cstr(answer->content_type));
        buf_str(out, STR("\r\n"));
    }
    if (answer->stays_open) {
        buf_str(out, answer->is_http_1_0 ? STR("") : STR("Transfer-Encoding: chunked\r\n"));
    } else if (has_body) {
        buf_str(out, STR("Content-Length: "));
        write_number(out, answer->body.len);
        buf_str(out, STR("\r\n"));
    }
    for (size_t i = 0; i < answer->field_count; i++) {
        write_field(out, &answer->fields[i]);
    }
    if (answer->closes) {
        buf_str(out, STR("Connection: close\r\n"));
    } else if (answer->is_http_1_0) {
        buf_str(out, STR("Connection: keep-alive\r\n"));
    }
    buf_str(out, STR("\r\n"));
    if (has_body && !answer->is_head) {
        buf_str(out, answer->body);
    }
}
