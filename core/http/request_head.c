#include "core/http/request_head.h"

#include <assert.h>
#include <llhttp.h>

#include "core/http/header_scan.h"

/* Digits of the largest Content-Length that is looked at: far beyond any limit, and no uint64_t overflow. */
enum { CONTENT_LENGTH_DIGITS_MAX = 18 };

/* What llhttp's callbacks fill. The block is whole, so its spans are never cut. */
struct reading {
    llhttp_t parser;
    struct request_head *head;
    size_t field_capacity;
    bool is_complete;
};

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

bool http_name_equal(struct str name, const char *expected) {
    for (uint32_t i = 0; i < name.len; i++) {
        if (expected[i] == '\0' || lower(name.data[i]) != lower(expected[i])) {
            return false;
        }
    }
    return expected[name.len] == '\0';
}

static struct str trimmed(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = str_from(text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

static struct reading *reading_of(llhttp_t *parser) {
    return CONTAINER_OF(parser, struct reading, parser);
}

static int on_url(llhttp_t *parser, const char *at, size_t length) {
    reading_of(parser)->head->target = str_of(at, length);
    return HPE_OK;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length) {
    struct reading *reading = reading_of(parser);
    struct request_head *head = reading->head;
    if (head->field_count == reading->field_capacity) {
        return HPE_USER; /* llhttp sees more fields than the scan did: refused as any disagreement is */
    }
    head->fields[head->field_count++] =
        (struct http_field){.name = str_of(at, length), .value = str_of(at + length, 0)};
    return HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length) {
    struct request_head *head = reading_of(parser)->head;
    if (head->field_count == 0) {
        return HPE_USER;
    }
    head->fields[head->field_count - 1].value = trimmed(str_of(at, length));
    return HPE_OK;
}

/* The body is body_decoder's: llhttp stops here. */
static int on_headers_complete(llhttp_t *parser) {
    reading_of(parser)->is_complete = true;
    return HPE_PAUSED;
}

static enum http_method method_of(uint8_t method) {
    switch (method) {
    case HTTP_GET:
        return HTTP_GET_;
    case HTTP_HEAD:
        return HTTP_HEAD_;
    case HTTP_POST:
        return HTTP_POST_;
    case HTTP_PUT:
        return HTTP_PUT_;
    case HTTP_PATCH:
        return HTTP_PATCH_;
    case HTTP_DELETE:
        return HTTP_DELETE_;
    case HTTP_OPTIONS:
        return HTTP_OPTIONS_;
    default:
        return HTTP_OTHER_;
    }
}

/* The request line's version and target, which the scan found at their places. */
static enum http_refusal check_request_line(struct str head) {
    uint32_t method_end = str_find(head, ' ');
    struct str rest = str_from(head, method_end + 1);
    struct str target = str_first(rest, str_find(rest, ' '));
    struct str version = str_first(str_from(rest, target.len + 1), 8);
    if (!str_equal(version, STR("HTTP/1.1")) && !str_equal(version, STR("HTTP/1.0"))) {
        return HTTP_REFUSAL_VERSION;
    }
    return str_starts_with(target, STR("/")) ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_TARGET_FORM;
}

static bool host_is_valid(struct str host) {
    for (uint32_t i = 0; i < host.len; i++) {
        bool separates = memchr("/?#@\\\"<>^`{|} \t", host.data[i], 15) != NULL;
        if (separates || host.data[i] >= 0x7f || host.data[i] < 0x20) {
            return false;
        }
    }
    return true;
}

static bool content_length_read(struct str text, uint64_t *ret_length) {
    if (text.len == 0 || text.len > CONTENT_LENGTH_DIGITS_MAX) {
        return false;
    }
    uint64_t length = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        length = length * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_length = length;
    return true;
}

/* `close` wins over `keep-alive`; other options are not ours (RFC 9112, 9.3). */
static void read_connection_options(struct str options, bool *has_close, bool *has_keep_alive) {
    while (options.len > 0) {
        uint32_t comma = str_find(options, ',');
        struct str option = trimmed(str_first(options, comma));
        *has_close |= http_name_equal(option, "close");
        *has_keep_alive |= http_name_equal(option, "keep-alive");
        options = str_from(options, comma + 1);
    }
}

/* The fields that decide where this message ends and whether another may follow. */
static enum http_refusal read_framing(struct request_head *head) {
    uint32_t hosts = 0, lengths = 0, codings = 0;
    bool has_close = false, has_keep_alive = false;
    for (size_t i = 0; i < head->field_count; i++) {
        struct str name = head->fields[i].name, value = head->fields[i].value;
        if (http_name_equal(name, "host")) {
            if (++hosts > 1 || !host_is_valid(value)) {
                return HTTP_REFUSAL_HOST;
            }
        } else if (http_name_equal(name, "content-length")) {
            if (++lengths > 1 || !content_length_read(value, &head->content_length)) {
                return HTTP_REFUSAL_CONTENT_LENGTH;
            }
        } else if (http_name_equal(name, "transfer-encoding")) {
            if (++codings > 1 || !http_name_equal(value, "chunked")) {
                return HTTP_REFUSAL_TRANSFER_ENCODING;
            }
            head->is_chunked = true;
        } else if (http_name_equal(name, "connection")) {
            read_connection_options(value, &has_close, &has_keep_alive);
        } else if (http_name_equal(name, "expect") && !head->is_http_1_0) {
            if (!http_name_equal(value, "100-continue")) {
                return HTTP_REFUSAL_EXPECTATION;
            }
            head->expects_continue = true;
        }
    }
    if (codings > 0 && (lengths > 0 || head->is_http_1_0)) {
        return HTTP_REFUSAL_TRANSFER_ENCODING;
    }
    if (hosts == 0 && !head->is_http_1_0) {
        return HTTP_REFUSAL_HOST;
    }
    head->keeps_alive = !has_close && (has_keep_alive || !head->is_http_1_0);
    return HTTP_REFUSAL_NONE;
}

static const llhttp_settings_t SETTINGS = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

enum http_refusal request_head_read(struct str head, uint32_t field_count, struct arena *arena,
                                    struct request_head *ret_head) {
    enum http_refusal refusal = check_request_line(head);
    if (refusal != HTTP_REFUSAL_NONE) {
        return refusal;
    }
    struct request_head result = {0};
    result.fields = arena_alloc(arena, field_count * sizeof *result.fields);
    struct reading reading = {.head = &result, .field_capacity = field_count};
    llhttp_init(&reading.parser, HTTP_REQUEST, &SETTINGS);
    llhttp_errno_t stopped = llhttp_execute(&reading.parser, head.data, head.len);
    if (stopped != HPE_PAUSED || !reading.is_complete || result.field_count != field_count) {
        return HTTP_REFUSAL_HEAD_GRAMMAR;
    }
    result.method = method_of(llhttp_get_method(&reading.parser));
    result.is_http_1_0 = llhttp_get_http_minor(&reading.parser) == 0;
    refusal = read_framing(&result);
    if (refusal != HTTP_REFUSAL_NONE) {
        return refusal;
    }
    bool llhttp_chunked = (reading.parser.flags & F_CHUNKED) != 0;
    if (llhttp_chunked != result.is_chunked ||
        (!llhttp_chunked && reading.parser.content_length != result.content_length)) {
        return HTTP_REFUSAL_HEAD_GRAMMAR;
    }
    *ret_head = result;
    return HTTP_REFUSAL_NONE;
}
