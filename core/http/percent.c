/* Percent-decoding and query parameters (RFC 3986, 2.1 and 3.4; `+` for a space as HTML forms send it). */
#include "core/base/text.h"
#include "core/http/server.h"

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool http_percent_decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret_text) {
    char *decoded = arena_try(arena, text.len);
    if (decoded == NULL) {
        return false;
    }
    uint32_t len = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        if (byte == '\0') {
            return false;
        }
        decoded[len++] = byte;
    }
    struct str result = str_of(decoded, len);
    if (!utf8_is_valid(result)) {
        return false;
    }
    *ret_text = result;
    return true;
}

bool http_query_parameter(struct http_exchange *exchange, const char *name, bool *ret_present, struct str *ret_value) {
    struct str wanted = str_of_cstr(name), value = {0}, rest = exchange->query;
    bool is_present = false;
    while (rest.len > 0) {
        struct str pair = str_first(rest, str_find(rest, '&'));
        rest = str_from(rest, pair.len + 1);
        uint32_t equals = str_find(pair, '=');
        struct str decoded_name;
        if (!http_percent_decode(&exchange->arena, str_first(pair, equals), true, &decoded_name)) {
            return false;
        }
        if (!str_equal(decoded_name, wanted)) {
            continue;
        }
        if (is_present || !http_percent_decode(&exchange->arena, str_from(pair, equals + 1), true, &value)) {
            return false;
        }
        is_present = true;
    }
    *ret_present = is_present;
    *ret_value = value;
    return true;
}
