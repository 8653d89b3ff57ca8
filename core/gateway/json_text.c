#include "core/gateway/json_text.h"

#include <stdlib.h>

#include "core/base/text.h"

/* ---- where in the text ---------------------------------------------------------------------------------------- */

struct place {
    bool in_array;
    uint32_t index; /* in an array */
    struct str key; /* in an object: the newest key as written, without its quotes */
    bool is_keyed;  /* in an object: the key has been read, its value is next */
};

struct places {
    struct place levels[JSON_TEXT_DEPTH_MAX + 1];
    uint32_t depth;
    bool is_too_deep;
};

/* The end of the string that begins at `at` (its opening quote): just after the closing one, or the text's end. */
static size_t string_end(struct str text, size_t at) {
    for (size_t i = at + 1; i < text.len; i++) {
        if (text.data[i] == '\\') {
            i++;
        } else if (text.data[i] == '"') {
            return i + 1;
        }
    }
    return text.len;
}

/* What one structural byte does to the place. Strings in the place of a key are told by the caller. */
static void step(struct places *places, char byte) {
    struct place *level = &places->levels[places->depth];
    switch (byte) {
    case '{':
    case '[':
        if (places->depth == JSON_TEXT_DEPTH_MAX) {
            places->is_too_deep = true;
            return;
        }
        places->levels[++places->depth] = (struct place){.in_array = byte == '['};
        return;
    case '}':
    case ']':
        places->depth -= places->depth > 0;
        return;
    case ',':
        level->index++;
        level->is_keyed = false;
        return;
    default:
        return;
    }
}

/* Walks the text up to `until`; tolerant of what is not JSON, which jansson finds. */
static void walk(struct places *places, struct str text, size_t until) {
    for (size_t i = 0; i < text.len && i < until && !places->is_too_deep;) {
        if (text.data[i] != '"') {
            step(places, text.data[i++]);
            continue;
        }
        size_t end = string_end(text, i);
        struct place *level = &places->levels[places->depth];
        if (places->depth > 0 && !level->in_array && !level->is_keyed) {
            level->key = str_of(text.data + i + 1, end - i >= 2 ? end - i - 2 : 0);
            level->is_keyed = true;
        }
        i = end;
    }
}

/* RFC 6901: ~ and / within a name are written ~0 and ~1. Escapes of JSON are left as the client wrote them. */
static void write_name(struct buf *out, struct str name) {
    for (uint32_t i = 0; i < name.len; i++) {
        if (name.data[i] == '~' || name.data[i] == '/') {
            buf_str(out, name.data[i] == '~' ? STR("~0") : STR("~1"));
        } else {
            buf_byte(out, name.data[i]);
        }
    }
}

enum { POINTER_MAX_BYTES = 1024 };

struct str json_text_pointer_at(struct arena *arena, struct str text, size_t position) {
    struct places places = {0};
    walk(&places, text, position);
    struct buf pointer;
    buf_init(&pointer, POINTER_MAX_BYTES);
    for (uint32_t i = 1; i <= places.depth; i++) {
        const struct place *level = &places.levels[i];
        if (level->in_array) {
            buf_printf(&pointer, "/%u", level->index);
        } else if (level->is_keyed) {
            buf_byte(&pointer, '/');
            write_name(&pointer, level->key);
        }
    }
    struct str copy = {0};
    if (!buf_ok(&pointer) || !arena_str_try(arena, buf_text(&pointer), &copy)) {
        copy = (struct str){0};
    }
    buf_release(&pointer);
    return copy;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static const char *malformed_detail(struct arena *arena, const json_error_t *error) {
    return arena_printf(arena, "The body is not JSON: %s (line %d, column %d).", error->text, error->line,
                        error->column)
        .data;
}

static struct json_text_problem problem_of(struct arena *arena, struct str text, const json_error_t *error) {
    struct str pointer = json_text_pointer_at(arena, text, error->position < 0 ? 0 : (size_t)error->position);
    enum json_error_code code = json_error_code(error);
    if (code == json_error_duplicate_key) {
        return (struct json_text_problem){"duplicate_key", pointer, "The object has this key twice."};
    }
    if (code == json_error_numeric_overflow) {
        return (struct json_text_problem){"out_of_range", pointer, "The number is too large."};
    }
    if (code == json_error_null_character || code == json_error_null_byte_in_key) {
        return (struct json_text_problem){"invalid_format", pointer, "The text holds the character U+0000."};
    }
    return (struct json_text_problem){"malformed_json", {0}, malformed_detail(arena, error)};
}

json_t *json_text_read(struct arena *arena, struct str text, struct json_text_problem *ret_problem) {
    if (!utf8_is_valid(text)) {
        *ret_problem = (struct json_text_problem){"invalid_utf8", {0}, "The body is not UTF-8."};
        return NULL;
    }
    struct places places = {0};
    walk(&places, text, text.len);
    if (places.is_too_deep) {
        *ret_problem = (struct json_text_problem){"too_deep", {0}, "The body is nested in more than 32 levels."};
        return NULL;
    }
    json_error_t error;
    json_t *value = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        *ret_problem = problem_of(arena, text, &error);
        return NULL;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        *ret_problem = (struct json_text_problem){"wrong_type", {0}, "The body must be an object."};
        return NULL;
    }
    return value;
}

struct str json_text_canonical(struct arena *arena, const json_t *value) {
    size_t size = json_dumpb(value, NULL, 0, JSON_SORT_KEYS | JSON_COMPACT);
    char *text = arena_try(arena, size + 1);
    if (text == NULL) {
        return (struct str){0};
    }
    (void)json_dumpb(value, text, size, JSON_SORT_KEYS | JSON_COMPACT);
    return str_of(text, size);
}
