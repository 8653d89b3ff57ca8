#include "core/schema/json_read.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/timestamp.h"

enum {
    POINTER_DEPTH_MAX = 16, /* deeper than any schema: these are the schema's levels, not the body's */
    DETAIL_MAX_BYTES = 256,
    MULTILINE_FROM_BYTES = 256,
};

static const char *const format_details[] = {
    [FORMAT_SKU] = "a SKU is 1 to 64 of A-Z a-z 0-9 . _ -",
    [FORMAT_SLUG] = "a slug is 1 to 64 of a-z 0-9 _ - and single dots inside",
    [FORMAT_CURRENCY] = "a currency is an active code of ISO 4217 in capitals, e.g. EUR",
    [FORMAT_EMAIL] = "it is not an e-mail address",
    [FORMAT_URL] = "it is not an http or https address",
};

/* ---- problems ----------------------------------------------------------------------------------------------- */

/* A name within a pointer: ~ and / are written as ~0 and ~1. */
static void write_escaped(struct buf *out, const char *name) {
    for (; *name != '\0'; name++) {
        if (*name == '~' || *name == '/') {
            buf_byte(out, '~');
            buf_byte(out, *name == '~' ? '0' : '1');
        } else {
            buf_byte(out, *name);
        }
    }
}

static struct str pointer_of(struct arena *arena, const struct json_place *place) {
    const struct json_place *levels[POINTER_DEPTH_MAX];
    size_t depth = 0;
    for (; place != NULL && depth < POINTER_DEPTH_MAX; place = place->parent) {
        levels[depth++] = place;
    }
    struct buf text;
    buf_init(&text, 4096);
    while (depth > 0) {
        place = levels[--depth];
        buf_byte(&text, '/');
        if (place->name != NULL) {
            write_escaped(&text, place->name);
        } else {
            buf_printf(&text, "%zu", place->index);
        }
    }
    struct str pointer = {0};
    /* In a full arena, or with a name of kilobytes, the problem goes without its pointer. */
    if (!buf_ok(&text) || !arena_str_try(arena, buf_text(&text), &pointer)) {
        pointer = STR("");
    }
    buf_release(&text);
    return pointer;
}

bool json_fail(const struct json_reader *reader, const struct json_place *place, const char *code, const char *format,
               ...) {
    char detail[DETAIL_MAX_BYTES]; /* details are short sentences of ours; what is longer is cut */
    va_list args;
    va_start(args, format);
    int len = vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    struct json_problem *problem = reader->problem;
    *problem = (struct json_problem){.code = code, .pointer = pointer_of(reader->arena, place)};
    size_t kept = len < 0 ? 0 : (size_t)len < sizeof detail ? (size_t)len : sizeof detail - 1;
    if (!arena_str_try(reader->arena, str_of(detail, kept), &problem->detail)) {
        problem->detail = STR("");
    }
    return false;
}

/* ---- objects ------------------------------------------------------------------------------------------------ */

bool json_read_object(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                      const char *const *names) {
    if (json == NULL) {
        return true;
    }
    if (!json_is_object(json)) {
        return json_fail(reader, place, "wrong_type", "it must be an object");
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value) {
        const char *const *known = names;
        while (*known != NULL && strcmp(*known, name) != 0) {
            known++;
        }
        if (*known == NULL) {
            struct json_place member = {.parent = place, .name = name};
            return json_fail(reader, &member, "unknown_field", "there is no such field here");
        }
    }
    return true;
}

bool json_read_required(const struct json_reader *reader, const struct json_place *place, const json_t *object,
                        const json_t **ret_value) {
    const json_t *value = json_object_get(object, place->name);
    if (value == NULL) {
        return json_fail(reader, place, "missing_field", "it is required");
    }
    *ret_value = value;
    return true;
}

bool json_read_optional(const struct json_place *place, const json_t *object, const json_t **ret_value) {
    *ret_value = json_object_get(object, place->name);
    return *ret_value != NULL;
}

/* ---- texts -------------------------------------------------------------------------------------------------- */

static bool has_control(struct str text, bool multiline) {
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool allowed = multiline && (byte == '\n' || byte == '\t');
        if ((byte < 0x20 || byte == 0x7f) && !allowed) {
            return true;
        }
    }
    return false;
}

bool json_check_text(const struct json_reader *reader, const struct json_place *place, struct str text,
                     const struct json_text_rules *rules, struct str *ret_copy) {
    if (text.len < rules->min_bytes) {
        return json_fail(reader, place, "too_short", "it must have at least %u bytes", rules->min_bytes);
    }
    if (rules->max_bytes > 0 && text.len > rules->max_bytes) {
        return json_fail(reader, place, "too_long", "it may have at most %u bytes", rules->max_bytes);
    }
    if (has_control(text, rules->max_bytes > MULTILINE_FROM_BYTES)) {
        return json_fail(reader, place, "invalid_format", "it must not have control characters");
    }
    if (rules->has_format && !format_matches(rules->format, text)) {
        return json_fail(reader, place, "invalid_format", "%s", format_details[rules->format]);
    }
    if (!arena_str_try(reader->arena, text, ret_copy)) {
        return json_fail(reader, place, "too_long", "the request is too large");
    }
    return true;
}

bool json_read_text(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                    const struct json_text_rules *rules, struct str *ret_text) {
    if (!json_is_string(json)) {
        return json_fail(reader, place, "wrong_type", "it must be a text");
    }
    struct str text = str_of(json_string_value(json), json_string_length(json));
    return json_check_text(reader, place, text, rules, ret_text);
}

bool json_read_time(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                    int64_t *ret_time_us) {
    if (!json_is_string(json)) {
        return json_fail(reader, place, "wrong_type", "it must be a time as text");
    }
    if (!timestamp_read(str_of(json_string_value(json), json_string_length(json)), ret_time_us)) {
        return json_fail(reader, place, "invalid_format", "it must be a time as in RFC 3339");
    }
    return true;
}

bool json_read_symbol(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                      const char *const *symbols, uint32_t *ret_index) {
    if (!json_is_string(json)) {
        return json_fail(reader, place, "wrong_type", "it must be a text");
    }
    for (uint32_t i = 0; symbols[i] != NULL; i++) {
        if (str_equal(str_of_cstr(symbols[i]), str_of(json_string_value(json), json_string_length(json)))) {
            *ret_index = i;
            return true;
        }
    }
    return json_fail(reader, place, "invalid_format", "it is none of the words that may stand here");
}

bool json_take_text(const struct json_reader *reader, const struct json_place *place, struct buf *text,
                    struct str *ret_text) {
    bool is_taken = buf_ok(text) && arena_str_try(reader->arena, buf_text(text), ret_text);
    buf_release(text);
    return is_taken || json_fail(reader, place, "too_long", "the request is too large");
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

bool json_read_long(const struct json_reader *reader, const struct json_place *place, const json_t *json, int64_t min,
                    int64_t max, int64_t *ret_value) {
    if (json_is_real(json)) {
        return json_fail(reader, place, "out_of_range", "it must be a whole number");
    }
    if (!json_is_integer(json)) {
        return json_fail(reader, place, "wrong_type", "it must be a whole number");
    }
    int64_t value = json_integer_value(json);
    if (value < min || value > max) {
        return json_fail(reader, place, "out_of_range", "it must be from %lld to %lld", (long long)min, (long long)max);
    }
    *ret_value = value;
    return true;
}

bool json_read_int(const struct json_reader *reader, const struct json_place *place, const json_t *json, int32_t min,
                   int32_t max, int32_t *ret_value) {
    int64_t value = 0;
    if (!json_read_long(reader, place, json, min, max, &value)) {
        return false;
    }
    *ret_value = (int32_t)value;
    return true;
}

bool json_read_boolean(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                       bool *ret_value) {
    if (!json_is_boolean(json)) {
        return json_fail(reader, place, "wrong_type", "it must be true or false");
    }
    *ret_value = json_is_true(json);
    return true;
}

/* ---- arrays ------------------------------------------------------------------------------------------------- */

static void *room_for(const struct json_reader *reader, const struct json_place *place, size_t count,
                      uint32_t min_items, uint32_t max_items, size_t item_bytes, uint32_t *ret_count) {
    if (count < min_items) {
        json_fail(reader, place, "too_few_items", "it must have at least %u items", min_items);
        return NULL;
    }
    if (count > max_items) {
        json_fail(reader, place, "too_many_items", "it may have at most %u items", max_items);
        return NULL;
    }
    void *items = arena_try(reader->arena, count * item_bytes);
    if (items == NULL) {
        json_fail(reader, place, "too_many_items", "the request is too large");
        return NULL;
    }
    *ret_count = (uint32_t)count;
    return items;
}

void *json_read_array(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                      uint32_t min_items, uint32_t max_items, size_t item_bytes, uint32_t *ret_count) {
    if (!json_is_array(json)) {
        json_fail(reader, place, "wrong_type", "it must be an array");
        return NULL;
    }
    return room_for(reader, place, json_array_size(json), min_items, max_items, item_bytes, ret_count);
}

void *json_read_members(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                        uint32_t min_items, uint32_t max_items, size_t item_bytes, uint32_t *ret_count) {
    if (!json_is_object(json)) {
        json_fail(reader, place, "wrong_type", "it must be an object");
        return NULL;
    }
    return room_for(reader, place, json_object_size(json), min_items, max_items, item_bytes, ret_count);
}
