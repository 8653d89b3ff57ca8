#include "core/base/json_cut.h"

/* Behind the text that begins at `at` with its quote; document.len when it does not end. */
static uint32_t skip_text(struct str document, uint32_t at) {
    for (at++; at < document.len && document.data[at] != '"'; at++) {
        at += document.data[at] == '\\';
    }
    return at < document.len ? at + 1 : document.len;
}

/* Behind the value that begins at `at`: the comma or the brace that ends it; document.len when it does not end. */
static uint32_t skip_value(struct str document, uint32_t at) {
    uint32_t depth = 0;
    while (at < document.len) {
        char c = document.data[at];
        if (c == '"') {
            at = skip_text(document, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return at;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return document.len;
}

bool json_without_member(struct buf *out, struct str document, const char *name) {
    struct str wanted = str_of_cstr(name);
    if (document.len < 2 || document.data[0] != '{' || document.data[document.len - 1] != '}') {
        return false;
    }
    if (document.len == 2) {
        buf_str(out, document);
        return true;
    }
    bool is_first = true;
    buf_byte(out, '{');
    for (uint32_t at = 1; at < document.len;) {
        uint32_t colon = document.data[at] == '"' ? skip_text(document, at) : document.len;
        if (colon >= document.len || document.data[colon] != ':') {
            return false;
        }
        uint32_t end = skip_value(document, colon + 1);
        if (end >= document.len || end == colon + 1 || document.data[end] == ']') {
            return false;
        }
        if (!str_equal(str_of(document.data + at + 1, colon - at - 2), wanted)) {
            buf_str(out, is_first ? STR("") : STR(","));
            buf_str(out, str_of(document.data + at, end - at));
            is_first = false;
        }
        if (document.data[end] == '}') {
            buf_byte(out, '}');
            return end == document.len - 1;
        }
        at = end + 1;
    }
    return false;
}
