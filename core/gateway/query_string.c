#include "core/gateway/query_string.h"

#include "core/base/json_write.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"

enum { PAIRS_MAX = 64 };

/* "parameter":"<name>", for programs. */
static struct str name_member(struct arena *arena, struct str name) {
    struct buf text;
    buf_init(&text, 64 * 1024);
    struct json_writer writer = json_writer_of(&text);
    json_object_begin(&writer);
    json_field_string(&writer, "parameter", name);
    struct str member = arena_str_copy(arena, str_from(buf_text(&text), 1));
    buf_release(&text);
    return member;
}

static bool refuse(struct http_exchange *exchange, struct str name, const char *must_be, struct problem *ret_problem) {
    *ret_problem = (struct problem){
        .status = 400,
        .code = "invalid_parameter",
        .detail = arena_printf(&exchange->arena, "The parameter %.*s must be %s.", STR_ARGS(name), must_be).data,
        .members = name_member(&exchange->arena, name)};
    return false;
}

bool query_string_refuse(struct http_exchange *exchange, const char *name, const char *must_be,
                         struct problem *ret_problem) {
    return refuse(exchange, str_of_cstr(name), must_be, ret_problem);
}

static bool is_allowed(struct str name, const char *allowed) {
    for (struct str rest = str_of_cstr(allowed); !str_is_empty(rest);) {
        struct str one = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, one.len + 1);
        uint32_t prefix = one.len < 4 ? 0 : one.len - 4;
        bool is_any = prefix > 0 && str_equal(str_from(one, prefix), STR("NAME"));
        if (is_any ? name.len > prefix && str_starts_with(name, str_first(one, prefix)) : str_equal(name, one)) {
            return true;
        }
    }
    return false;
}

/* The next of the query's pairs, still encoded; empty ones are passed over. */
static bool next_pair(struct str *rest, struct query_pair *ret_pair) {
    while (!str_is_empty(*rest)) {
        struct str pair = str_first(*rest, str_find(*rest, '&'));
        *rest = str_from(*rest, pair.len + 1);
        if (!str_is_empty(pair)) {
            uint32_t equals = str_find(pair, '=');
            *ret_pair = (struct query_pair){.name = str_first(pair, equals), .value = str_from(pair, equals + 1)};
            return true;
        }
    }
    return false;
}

bool query_string_has_only(struct http_exchange *exchange, const char *allowed, struct problem *ret_problem) {
    struct str rest = exchange->query;
    struct query_pair pair;
    while (next_pair(&rest, &pair)) {
        struct str name = {0};
        if (!http_percent_decode(&exchange->arena, pair.name, true, &name) || !is_allowed(name, allowed)) {
            *ret_problem = (struct problem){.status = 400,
                                            .code = "unknown_parameter",
                                            .detail = "The query has a parameter that is not known here.",
                                            .members = name_member(&exchange->arena, name)};
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

bool query_string_number(struct http_exchange *exchange, const char *name, int64_t max, struct str *ret_value,
                         struct problem *ret_problem) {
    int64_t number;
    if (!query_string_text(exchange, name, 64, ret_value, ret_problem)) {
        return false;
    }
    if (ret_value->data != NULL && (!int64_read(*ret_value, &number) || number < 0 || number > max)) {
        return query_string_refuse(exchange, name,
                                   arena_printf(&exchange->arena, "a whole number, 0 to %lld", (long long)max).data,
                                   ret_problem);
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

static bool is_among(struct str name, const struct query_pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (str_equal(pairs[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool is_short_text(struct str text, uint32_t max_len) {
    return text.len > 0 && text.len <= max_len && !has_control_characters(text);
}

bool query_string_prefixed(struct http_exchange *exchange, const char *prefix, size_t most, uint32_t max_name_len,
                           uint32_t max_value_len, struct query_pair *ret_pairs, size_t *ret_count,
                           struct problem *ret_problem) {
    struct arena *arena = &exchange->arena;
    struct str rest = exchange->query;
    struct query_pair raw;
    size_t count = 0;
    while (next_pair(&rest, &raw)) {
        struct query_pair pair = {0};
        if (!http_percent_decode(arena, raw.name, true, &pair.name) ||
            !str_starts_with(pair.name, str_of_cstr(prefix))) {
            continue;
        }
        struct str whole_name = pair.name;
        pair.name = str_from(pair.name, (uint32_t)strlen(prefix));
        if (count == most) {
            return refuse(exchange, whole_name, arena_printf(arena, "one of at most %zu of its kind", most).data,
                          ret_problem);
        }
        if (!http_percent_decode(arena, raw.value, true, &pair.value) || is_among(pair.name, ret_pairs, count)) {
            return refuse(exchange, whole_name, "given once and well percent-encoded", ret_problem);
        }
        if (!is_short_text(pair.name, max_name_len) || !is_short_text(pair.value, max_value_len)) {
            const char *must_be =
                arena_printf(arena, "1 to %u bytes, its name after %s 1 to %u, without control characters",
                             max_value_len, prefix, max_name_len)
                    .data;
            return refuse(exchange, whole_name, must_be, ret_problem);
        }
        ret_pairs[count++] = pair;
    }
    *ret_count = count;
    return true;
}

/* Into the sorted pairs. */
static void insert(struct query_pair *pairs, size_t count, const struct query_pair *pair) {
    size_t at = count;
    for (; at > 0 && str_compare(pairs[at - 1].name, pair->name) > 0; at--) {
        pairs[at] = pairs[at - 1];
    }
    pairs[at] = *pair;
}

/* No name and no value holds a control character, so these tell the pairs apart. */
bool query_string_identity(struct http_exchange *exchange, const char *list, struct str *ret_identity,
                           struct problem *ret_problem) {
    struct arena *arena = &exchange->arena;
    struct str rest = exchange->query;
    struct query_pair pairs[PAIRS_MAX], raw;
    size_t count = 0;
    while (next_pair(&rest, &raw)) {
        struct query_pair pair = {0};
        bool is_decoded = http_percent_decode(arena, raw.name, true, &pair.name) &&
                          http_percent_decode(arena, raw.value, true, &pair.value);
        if (is_decoded && (str_equal(pair.name, STR("limit")) || str_equal(pair.name, STR("cursor")))) {
            continue;
        }
        if (!is_decoded || count == PAIRS_MAX || has_control_characters(pair.name) ||
            has_control_characters(pair.value)) {
            return refuse(exchange, pair.name, "given once and well percent-encoded", ret_problem);
        }
        insert(pairs, count++, &pair);
    }
    struct str identity = str_of_cstr(list);
    for (size_t i = 0; i < count; i++) {
        identity = arena_printf(arena, "%.*s\n%.*s\t%.*s", STR_ARGS(identity), STR_ARGS(pairs[i].name),
                                STR_ARGS(pairs[i].value));
    }
    *ret_identity = identity;
    return true;
}
