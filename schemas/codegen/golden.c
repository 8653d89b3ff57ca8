#include "schemas/codegen/golden.h"

#include <assert.h>
#include <avro.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/text.h"
#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

enum { RECORD_MAX_BYTES = 64 * 1024, TEXT_MAX_BYTES = 24, ITEMS = 2 };

/* 9999-12-31T23:59:59.999999Z: later times are no dates in other languages. */
static const int64_t time_max_us = INT64_C(253402300799999999);

struct maker {
    struct model *model;
    const char *path; /* of the schema, for messages */
    uint64_t random;
    bool full; /* every optional field and two items in every array; else none */
};

/* splitmix64 (Steele, Lea, Flood 2014): the values must be the same on every machine, for ever. */
static uint64_t next_random(struct maker *maker) {
    uint64_t z = maker->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* FNV-1a of the schema's name, so that each schema has values of its own. */
static uint64_t seed_of(const char *name) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void must(const struct maker *maker, int avro_result) {
    if (avro_result != 0) {
        fail_at(maker->path, NULL, "avro-c: %s", avro_strerror());
    }
}

/* Numbers of every length in bytes, as often negative as not. */
static int64_t random_long(struct maker *maker) {
    uint64_t bits = next_random(maker);
    return (int64_t)bits >> (next_random(maker) % 64);
}

static json_t *json_hex(struct maker *maker, const uint8_t *bytes, size_t size) {
    struct buf hex;
    buf_init(&hex, 2 * size + 1);
    hex_write(&hex, str_of((const char *)bytes, size));
    json_t *json = json_string(text_of(&maker->model->arena, "%.*s", STR_ARGS(buf_text(&hex))));
    buf_release(&hex);
    return json;
}

static json_t *make_text(struct maker *maker, avro_value_t *value) {
    static const char *const letters[] = {"a",  "b",  "c", "X", "Y", "7",  " ",   "-",
                                          "\"", "\\", "/", "é", "ß", "語", "🧾"};
    char text[TEXT_MAX_BYTES * 4 + 1] = "";
    size_t len = 0;
    for (uint64_t left = maker->full ? next_random(maker) % TEXT_MAX_BYTES : 0; left > 0; left--) {
        const char *letter = letters[next_random(maker) % ARRAY_LENGTH(letters)];
        memcpy(text + len, letter, strlen(letter));
        len += strlen(letter);
    }
    must(maker, avro_value_set_string_len(value, text, len + 1));
    return json_stringn(text, len);
}

static json_t *make_bytes(struct maker *maker, avro_value_t *value, const struct type *type) {
    size_t size = type->kind == TYPE_FIXED ? type->definition->fixed_size
                  : maker->full            ? next_random(maker) % TEXT_MAX_BYTES
                                           : 0;
    uint8_t *bytes = arena_alloc(&maker->model->arena, size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)next_random(maker);
    }
    must(maker, type->kind == TYPE_FIXED ? avro_value_set_fixed(value, bytes, size)
                                         : avro_value_set_bytes(value, bytes, size));
    return json_hex(maker, bytes, size);
}

static json_t *make_value(struct maker *maker, avro_value_t *value, const struct type *type);

/* A secret is always written empty. */
static json_t *make_field(struct maker *maker, avro_value_t *value, const struct field *field) {
    if (field->rules.secret && field->type.kind == TYPE_STRING) {
        must(maker, avro_value_set_string(value, ""));
        return json_string("");
    }
    return make_value(maker, value, &field->type);
}

static json_t *make_record(struct maker *maker, avro_value_t *value, const struct definition *record) {
    json_t *json = json_object();
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        avro_value_t member = {0}, branch = {0};
        must(maker, avro_value_get_by_name(value, field->name, &member, NULL));
        assert(member.iface != NULL);
        json_t *made;
        if (field->optional) {
            must(maker, avro_value_set_branch(&member, maker->full ? 1 : 0, &branch));
            made = maker->full ? make_field(maker, &branch, field) : json_null();
        } else {
            made = make_field(maker, &member, field);
        }
        json_object_set_new(json, field->name, made);
    }
    return json;
}

static json_t *make_array(struct maker *maker, avro_value_t *value, const struct type *items) {
    json_t *json = json_array();
    for (int i = 0; maker->full && i < ITEMS; i++) {
        avro_value_t item;
        must(maker, avro_value_append(value, &item, NULL));
        json_array_append_new(json, make_value(maker, &item, items));
    }
    return json;
}

/* Sets the Avro value, and returns the same value as JSON. */
static json_t *make_value(struct maker *maker, avro_value_t *value, const struct type *type) {
    int64_t number;
    switch (type->kind) {
    case TYPE_BOOLEAN:
        number = next_random(maker) % 2;
        must(maker, avro_value_set_boolean(value, (int)number));
        return json_boolean(number == 1);
    case TYPE_INT:
        number = random_long(maker) >> 32;
        must(maker, avro_value_set_int(value, (int32_t)number));
        return json_integer(number);
    case TYPE_LONG:
        number = random_long(maker);
        must(maker, avro_value_set_long(value, number));
        return json_integer(number);
    case TYPE_TIMESTAMP:
        number = (int64_t)(next_random(maker) % (uint64_t)time_max_us);
        must(maker, avro_value_set_long(value, number));
        return json_integer(number);
    case TYPE_STRING:
        return make_text(maker, value);
    case TYPE_BYTES:
    case TYPE_FIXED:
        return make_bytes(maker, value, type);
    case TYPE_ENUM:
        number = (int64_t)(next_random(maker) % type->definition->symbol_count);
        must(maker, avro_value_set_enum(value, (int)number));
        return json_string(type->definition->symbols[number]);
    case TYPE_RECORD:
        return make_record(maker, value, type->definition);
    case TYPE_ARRAY:
        return make_array(maker, value, type->items);
    }
    return NULL;
}

/* One record: its bytes as a line of hexadecimal behind `hex`, its value behind `values`. */
static void make_golden(struct maker *maker, avro_value_iface_t *class, const struct definition *record,
                        struct buf *hex, json_t *values) {
    avro_value_t value;
    must(maker, avro_generic_value_new(class, &value));
    json_array_append_new(values, make_record(maker, &value, record));
    char *bytes = arena_alloc(&maker->model->arena, RECORD_MAX_BYTES);
    avro_writer_t writer = avro_writer_memory(bytes, RECORD_MAX_BYTES);
    must(maker, avro_value_write(writer, &value));
    hex_write(hex, str_of(bytes, (size_t)avro_writer_tell(writer)));
    buf_byte(hex, '\n');
    avro_writer_free(writer);
    avro_value_decref(&value);
}

static void write_file(const char *path, struct str text) {
    FILE *file = fopen(path, "wbx"); /* x: never over one that is there */
    if (file == NULL || fwrite(text.data, 1, text.len, file) != text.len || fclose(file) != 0) {
        fail_at(path, NULL, "cannot write: %s", strerror(errno));
    }
}

static void make_folder(const char *path) {
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        fail_at(path, NULL, "cannot make the folder: %s", strerror(errno));
    }
}

static void write_golden(struct model *model, const struct schema_file *file, const char *folder) {
    struct arena *arena = &model->arena;
    const char *base = text_of(arena, "%s/%s.%d", folder, file->name, file->version);
    const char *hex_path = text_of(arena, "%s.hex", base), *json_path = text_of(arena, "%s.json", base);
    if (access(hex_path, F_OK) == 0) {
        return;
    }
    struct maker maker = {.model = model, .path = file->path};
    avro_schema_t schema;
    must(&maker, avro_schema_from_json_length(file->compact, strlen(file->compact), &schema));
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    struct buf hex;
    buf_init(&hex, 4 * RECORD_MAX_BYTES);
    json_t *values = json_array();
    for (int full = 1; full >= 0; full--) {
        maker.full = full == 1;
        maker.random = seed_of(text_of(arena, "%s/%s.%d", file->family, file->name, file->version));
        make_golden(&maker, class, file->record, &hex, values);
    }
    assert(buf_ok(&hex));
    write_file(json_path, str_of_cstr(text_of(arena, "%s\n", json_dumps(values, JSON_INDENT(2)))));
    write_file(hex_path, buf_text(&hex)); /* last, so that one that is there is complete */
    buf_release(&hex);
    json_decref(values);
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
}

void golden_write(struct model *model) {
    const char *root = text_of(&model->arena, "%s/golden", model->root);
    make_folder(root);
    for (size_t s = 0; s < model->subject_count; s++) {
        const char *folder = text_of(&model->arena, "%s/%s", root, model->subjects[s].family);
        make_folder(folder);
        for (size_t v = 0; v < model->subjects[s].version_count; v++) {
            write_golden(model, model->subjects[s].versions[v], folder);
        }
    }
}
