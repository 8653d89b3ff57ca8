#include "core/gateway/event_json.h"

#include <assert.h>
#include <jansson.h>

#include "core/base/avro_binary.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "gen/codec.h"

enum { EVENT_AVRO_MAX_BYTES = 2 * 1024 * 1024 };

/* Named types of the schema at hand, by their full names. */
struct walk {
    json_t *names;
    struct buf *out;
    struct arena *arena;
};

static bool write_value(struct walk *walk, const json_t *schema, const json_t *value);

static void release_json(json_t **json) {
    json_decref(*json);
}

static struct str text_of(const json_t *value) {
    return str_of(json_string_value(value), json_string_length(value));
}

static bool is(const char *text, const char *expected) {
    return strcmp(text, expected) == 0;
}

/* ---- leaves -------------------------------------------------------------------------------------------------------
 */

/* Bytes and fixed are base64url; absent ones (of a Sealed) are empty. */
static bool write_binary(struct walk *walk, const json_t *value, size_t fixed_size) {
    struct str text = value == NULL ? STR("") : text_of(value);
    size_t capacity = text.len + 1;
    uint8_t *bytes = arena_try(walk->arena, capacity > fixed_size ? capacity : fixed_size);
    int size = bytes == NULL ? -1 : base64url_read(text, bytes, capacity);
    if (size < 0 || (fixed_size > 0 && (size_t)size != fixed_size)) {
        return false;
    }
    if (fixed_size > 0) {
        avro_write_fixed(walk->out, bytes, fixed_size);
    } else {
        avro_write_bytes(walk->out, str_of((const char *)bytes, (size_t)size));
    }
    return true;
}

static bool write_time(struct walk *walk, const json_t *value) {
    int64_t time_us;
    if (json_is_integer(value)) { /* a default of the schema */
        avro_write_long(walk->out, json_integer_value(value));
        return true;
    }
    if (!json_is_string(value) || !timestamp_read(text_of(value), &time_us)) {
        return false;
    }
    avro_write_long(walk->out, time_us);
    return true;
}

static bool write_primitive(struct walk *walk, const char *type, const json_t *value) {
    if (is(type, "string") && json_is_string(value)) {
        avro_write_bytes(walk->out, text_of(value));
    } else if ((is(type, "int") || is(type, "long")) && json_is_integer(value)) {
        avro_write_long(walk->out, json_integer_value(value));
    } else if (is(type, "boolean") && json_is_boolean(value)) {
        avro_write_boolean(walk->out, json_is_true(value));
    } else {
        return is(type, "bytes") && write_binary(walk, value, 0);
    }
    return true;
}

static bool write_symbol(struct walk *walk, const json_t *schema, const json_t *value) {
    const json_t *symbols = json_object_get(schema, "symbols");
    for (size_t i = 0; i < json_array_size(symbols); i++) {
        if (json_equal(json_array_get(symbols, i), value)) {
            avro_write_long(walk->out, (int64_t)i);
            return true;
        }
    }
    return false;
}

/* ---- what holds others --------------------------------------------------------------------------------------------
 */

/* Named properties are an object in JSON, and records of name and value in Avro. */
static bool write_properties(struct walk *walk, const json_t *object) {
    const char *name;
    json_t *value;
    if (json_object_size(object) > 0) {
        avro_write_long(walk->out, (int64_t)json_object_size(object));
    }
    json_object_foreach((json_t *)object, name, value) {
        if (!json_is_string(value)) {
            return false;
        }
        avro_write_bytes(walk->out, str_of_cstr(name));
        avro_write_bytes(walk->out, text_of(value));
    }
    avro_write_long(walk->out, 0);
    return true;
}

static bool write_array(struct walk *walk, const json_t *schema, const json_t *value) {
    if (json_is_object(value)) {
        return write_properties(walk, value);
    }
    if (!json_is_array(value)) {
        return false;
    }
    if (json_array_size(value) > 0) {
        avro_write_long(walk->out, (int64_t)json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (!write_value(walk, json_object_get(schema, "items"), json_array_get(value, i))) {
                return false;
            }
        }
    }
    avro_write_long(walk->out, 0);
    return true;
}

/* [null, T]: left out, or there. */
static bool write_union(struct walk *walk, const json_t *schema, const json_t *value) {
    bool is_there = value != NULL && !json_is_null(value);
    avro_write_long(walk->out, is_there);
    return !is_there || write_value(walk, json_array_get(schema, 1), value);
}

/* The row may be older than the schema: the field has the name that it had then, or its default. */
static const json_t *member_of(const json_t *field, const json_t *record) {
    const json_t *value = json_object_get(record, json_string_value(json_object_get(field, "name")));
    const json_t *aliases = json_object_get(field, "aliases");
    for (size_t i = 0; value == NULL && i < json_array_size(aliases); i++) {
        value = json_object_get(record, json_string_value(json_array_get(aliases, i)));
    }
    return value != NULL ? value : json_object_get(field, "default");
}

static bool write_record(struct walk *walk, const json_t *schema, const json_t *value) {
    const json_t *fields = json_object_get(schema, "fields");
    if (!json_is_object(value)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        if (!write_value(walk, json_object_get(field, "type"), member_of(field, value))) {
            return false;
        }
    }
    return true;
}

/* Types that are defined with a name may be meant by it elsewhere. */
static void note_names(struct walk *walk, json_t *schema) {
    const char *name = json_string_value(json_object_get(schema, "name"));
    const char *space = json_string_value(json_object_get(schema, "namespace"));
    const json_t *type = json_object_get(schema, "type");
    if (name != NULL && space != NULL && json_is_string(type)) {
        struct str full = arena_printf(walk->arena, "%s.%s", space, name);
        (void)json_object_set(walk->names, full.data, schema);
    }
    const char *key;
    json_t *inner;
    size_t i;
    json_object_foreach(schema, key, inner) {
        note_names(walk, inner);
    }
    json_array_foreach(schema, i, inner) {
        note_names(walk, inner);
    }
}

static bool write_value(struct walk *walk, const json_t *schema, const json_t *value) {
    if (json_is_array(schema)) {
        return write_union(walk, schema, value);
    }
    if (json_is_string(schema)) {
        const json_t *named = json_object_get(walk->names, json_string_value(schema));
        return named != NULL ? write_value(walk, named, value)
                             : write_primitive(walk, json_string_value(schema), value);
    }
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (is(type, "record")) {
        return write_record(walk, schema, value);
    }
    if (is(type, "array")) {
        return write_array(walk, schema, value);
    }
    if (is(type, "enum")) {
        return write_symbol(walk, schema, value);
    }
    if (is(type, "fixed")) {
        return write_binary(walk, value, (size_t)json_integer_value(json_object_get(schema, "size")));
    }
    return json_object_get(schema, "logicalType") != NULL ? write_time(walk, value)
                                                          : write_primitive(walk, type, value);
}

bool event_from_json(struct arena *arena, struct str name, struct str json, struct event *ret_event) {
    const struct event_info *info = event_info(event_type_by_name(name));
    const struct schema *schema = info == NULL ? NULL : schema_by_id(info->schema_id);
    if (schema == NULL) {
        return false;
    }
    CLEANUP(release_json) json_t *types = json_loads(schema->json, 0, NULL);
    CLEANUP(release_json) json_t *value = json_loadb(json.data, json.len, 0, NULL);
    CLEANUP(release_json) json_t *names = json_object();
    assert(types != NULL && names != NULL);
    struct buf avro;
    buf_init(&avro, EVENT_AVRO_MAX_BYTES);
    struct walk walk = {.names = names, .out = &avro, .arena = arena};
    note_names(&walk, types);
    struct str copy;
    const char *why;
    bool is_read = value != NULL && write_value(&walk, types, value) && buf_ok(&avro) &&
                   arena_str_try(arena, buf_text(&avro), &copy) &&
                   event_decode(arena, info->schema_id, copy, ret_event, &why);
    buf_release(&avro);
    return is_read;
}
