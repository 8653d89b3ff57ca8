#include "core/gateway/query_string.h"

#include "core/base/text.h"
#include "core/base/timestamp.h"

bool query_string_refuse(struct http_exchange *exchange, const char *name, const char *must_be,
                         struct problem *ret_problem) {
    *ret_problem =
        (struct problem){.status = 400,
                         .code = "invalid_parameter",
                         .detail = arena_printf(&exchange->arena, "The parameter %s must be %s.", name, must_be).data};
    return false;
}

static bool is_allowed(struct str name, const char *allowed) {
    for (struct str rest = str_of_cstr(allowed); !str_is_empty(rest);) {
        struct str one = str_first(rest, str_find(rest, ' '));
        if (str_equal(name, one)) {
            return true;
        }
        rest = str_from(rest, one.len + 1);
    }
    return false;
}

bool query_string_has_only(struct http_exchange *exchange, const char *allowed, struct problem *ret_problem) {
    struct str rest = exchange->query;
    while (!str_is_empty(rest)) {
        struct str pair = str_first(rest, str_find(rest, '&'));
        rest = str_from(rest, pair.len + 1);
        struct str name;
        if (!http_percent_decode(&exchange->arena, str_first(pair, str_find(pair, '=')), true, &name) ||
            (!is_allowed(name, allowed) && !str_is_empty(pair))) {
            *ret_problem = (struct problem){.status = 400,
                                            .code = "unknown_parameter",
                                            .detail = "The query has a parameter that is not known here."};
            return false;
        }
    }
    return true;
}

static bool has_control_characters(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

bool query_string_text(struct http_exchange *exchange, const char *name, uint32_t max_len, struct str *ret_value,
                       struct problem *ret_problem) {
    bool is_present;
    struct str value;
    *ret_value = (struct str){0};
    if (!http_query_parameter(exchange, name, &is_present, &value)) {
        return query_string_refuse(exchange, name, "given once and well percent-encoded", ret_problem);
    }
    if (!is_present) {
        return true;
    }
    if (value.len == 0 || value.len > max_len || has_control_characters(value)) {
        return query_string_refuse(
            exchange, name, arena_printf(&exchange->arena, "1 to %u bytes without control characters", max_len).data,
            ret_problem);
    }
    *ret_value = value;
    return true;
}

bool query_string_time(struct http_exchange *exchange, const char *name, struct str *ret_value,
                       struct problem *ret_problem) {
    struct str text;
    if (!query_string_text(exchange, name, 64, &text, ret_problem)) {
        return false;
    }
    int64_t time_us;
    if (text.data != NULL && !timestamp_read(text, &time_us)) {
        return query_string_refuse(exchange, name, "a time as in RFC 3339, e.g. 2026-11-23T06:00:00Z", ret_problem);
    }
    *ret_value = text;
    if (text.data != NULL) {
        char *written = arena_alloc(&exchange->arena, TIMESTAMP_TEXT_MAX + 1);
        *ret_value = str_of(written, timestamp_write(time_us, written));
    }
    return true;
}

bool query_string_limit(struct http_exchange *exchange, int64_t *ret_limit, struct problem *ret_problem) {
    struct str text;
    if (!query_string_text(exchange, "limit", 64, &text, ret_problem)) {
        return false;
    }
    int64_t limit = LIST_LIMIT_DEFAULT;
    if (text.data != NULL && (!int64_read(text, &limit) || limit < 1 || limit > LIST_LIMIT_MAX)) {
        return query_string_refuse(exchange, "limit", "1 to 200", ret_problem);
    }
    *ret_limit = limit;
    return true;
}
