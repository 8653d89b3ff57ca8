/* emit_json_read.c: the readers of request bodies: one function for each command, and for each record that a body may
 * hold, calling core/schema/json_read.h with the schema's rules as constants. */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

/* ---- single values ------------------------------------------------------------------------------------------ */

void emit_text_rules(struct emitter *emitter, struct buf *out, const struct rules *rules) {
    const char *separator = "";
    buf_str(out, STR("&(struct json_text_rules){"));
    if (rules->min_length > 0) {
        buf_printf(out, ".min_bytes = %lld", (long long)rules->min_length);
        separator = ", ";
    }
    if (rules->max_length != NO_BOUND) {
        buf_printf(out, "%s.max_bytes = %lld", separator, (long long)rules->max_length);
        separator = ", ";
    }
    if (rules->format != NULL) {
        buf_printf(out, "%s.has_format = true, .format = FORMAT_%s", separator,
                   upper_case(&emitter->model->arena, rules->format));
    }
    buf_byte(out, '}');
}

static void emit_bounds(struct buf *out, const struct rules *rules) {
    buf_printf(out, "%lld, %lld", rules->min_items == NO_BOUND ? 0 : (long long)rules->min_items,
               (long long)rules->max_items);
}

/* A 64-bit constant; C has no literal for the least one. */
static void emit_number(struct buf *out, int64_t number) {
    if (number == INT64_MIN) {
        buf_str(out, STR("INT64_MIN"));
    } else {
        buf_printf(out, "INT64_C(%lld)", (long long)number);
    }
}

/* The call that reads `value`, which stands at `at`, into target. */
static void emit_read_call(struct emitter *emitter, struct buf *out, const struct field *field, const char *target) {
    const struct rules *rules = &field->rules;
    const struct type *type = &field->type;
    if (rules->of_record != NULL) {
        buf_printf(out, "sealed_%s_from_json(reader, &at, value, &%s.plaintext)", rules->of_record->snake, target);
    } else if (type->kind == TYPE_STRING || is_type_name(type, "daybook.Sealed")) {
        buf_str(out, STR("json_read_text(reader, &at, value,\n            "));
        emit_text_rules(emitter, out, rules);
        buf_printf(out, ",\n            &%s%s)", target, type->kind == TYPE_STRING ? "" : ".plaintext");
    } else if (type->kind == TYPE_INT || type->kind == TYPE_LONG) {
        buf_printf(out, "json_read_%s(reader, &at, value, ", type->kind == TYPE_INT ? "int" : "long");
        emit_number(out, rules->min);
        buf_str(out, STR(", "));
        emit_number(out, rules->max);
        buf_printf(out, ", &%s)", target);
    } else if (type->kind == TYPE_BOOLEAN) {
        buf_printf(out, "json_read_boolean(reader, &at, value, &%s)", target);
    } else if (type->kind == TYPE_TIMESTAMP) {
        buf_printf(out, "json_read_time(reader, &at, value, &%s)", target);
    } else if (type->kind == TYPE_RECORD || type->kind == TYPE_ENUM) {
        buf_printf(out, "%s_from_json(reader, &at, value, &%s)", type->definition->snake, target);
    } else if (type->items->kind == TYPE_STRING) {
        buf_str(out, STR("texts_from_json(reader, &at, value, "));
        emit_bounds(out, rules);
        buf_str(out, STR(",\n            "));
        emit_text_rules(emitter, out, rules->item);
        buf_printf(out, ",\n            &%s)", target);
    } else if (rules->json_object) {
        buf_str(out, STR("attributes_from_json(reader, &at, value, "));
        emit_bounds(out, rules);
        buf_printf(out, ", &%s)", target);
    } else {
        buf_printf(out, "%s_array_from_json(reader, &at, value, ", type->items->definition->snake);
        emit_bounds(out, rules);
        buf_printf(out, ", &%s)", target);
    }
}

static void emit_positive(struct buf *out, int indent, const char *target) {
    buf_printf(out,
               "%*sif (%s.amount < 1) {\n"
               "%*sstruct json_place amount = {.parent = &at, .name = \"amount\"};\n"
               "%*sreturn json_fail(reader, &amount, \"out_of_range\", \"it must be at least 1\");\n"
               "%*s}\n",
               indent, "", target, indent + 4, "", indent + 4, "", indent, "");
}

static void emit_default(struct emitter *emitter, struct buf *out, const struct field *field, const char *target) {
    const json_t *json = field->default_value;
    if (json_is_true(json)) {
        buf_printf(out, "    } else {\n        %s = true;\n", target);
    } else if (json_is_integer(json) && json_integer_value(json) != 0) {
        buf_printf(out, "    } else {\n        %s = INT64_C(%lld);\n", target, (long long)json_integer_value(json));
    } else if (json_is_string(json) && field->type.kind == TYPE_ENUM) {
        buf_printf(out, "    } else {\n        %s = %s_%s;\n", target, field->type.definition->upper,
                   upper_case(&emitter->model->arena, json_string_value(json)));
    } else if (json_is_string(json) && json_string_length(json) > 0) {
        buf_printf(out, "    } else {\n        %s = STR(", target);
        emit_literal(out, json_string_value(json), 0, SIZE_MAX);
        buf_str(out, STR(");\n"));
    }
}

static void emit_read_field(struct emitter *emitter, struct buf *out, const struct field *field, const char *prefix) {
    const char *target = text_of(&emitter->model->arena, "%s%s", prefix, field->name);
    bool required = !field->optional && field->default_value == NULL;
    int indent = required ? 4 : 8;
    buf_printf(out, "\n    at.name = \"%s\";\n", field->name);
    if (required) {
        buf_str(out, STR("    if (!json_read_required(reader, &at, json, &value) ||\n        !"));
    } else if (field->optional) {
        buf_printf(out, "    if (json_read_optional(&at, json, &value)) {\n        %shas_%s = true;\n        if (!",
                   prefix, field->name);
    } else {
        buf_str(out, STR("    if (json_read_optional(&at, json, &value)) {\n        if (!"));
    }
    emit_read_call(emitter, out, field, target);
    buf_printf(out, ") {\n%*sreturn false;\n%*s}\n", indent + 4, "", indent, "");
    if (field->rules.positive) {
        emit_positive(out, indent, target);
    }
    if (!required) {
        emit_default(emitter, out, field, target);
        buf_str(out, STR("    }\n"));
    }
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

static bool is_from_body(const struct field *field) {
    return field->rules.source == SOURCE_BODY;
}

static void emit_reader_body(struct emitter *emitter, struct buf *out, const struct definition *record, size_t first,
                             const char *prefix) {
    size_t count = 0;
    buf_str(out, STR("    static const char *const names[] = {"));
    for (size_t i = first; i < record->field_count; i++) {
        if (is_from_body(&record->fields[i])) {
            buf_printf(out, "\"%s\", ", record->fields[i].name);
            count++;
        }
    }
    buf_str(out, STR("NULL};\n"));
    if (count > 0) {
        buf_str(out, STR("    struct json_place at = {.parent = place};\n    const json_t *value;\n"));
    }
    buf_str(out, STR("    if (!json_read_object(reader, place, json, names)) {\n        return false;\n    }\n"));
    for (size_t i = first; i < record->field_count; i++) {
        if (is_from_body(&record->fields[i])) {
            emit_read_field(emitter, out, &record->fields[i], prefix);
        }
    }
    buf_str(out, STR("    return true;\n}\n"));
}

static const char array_reader[] =
    "\nstatic bool %s_array_from_json(const struct json_reader *reader, const struct json_place *place, const json_t "
    "*json,\n"
    "    uint32_t min_items, uint32_t max_items, struct %s_array *ret) {\n"
    "    ret->items = json_read_array(reader, place, json, min_items, max_items, sizeof *ret->items, &ret->capacity);\n"
    "    if (ret->items == NULL) {\n"
    "        return false;\n"
    "    }\n"
    "    for (ret->count = 0; ret->count < ret->capacity; ret->count++) {\n"
    "        struct json_place item = {.parent = place, .index = ret->count};\n"
    "        if (!%s_from_json(reader, &item, json_array_get(json, ret->count), &ret->items[ret->count])) {\n"
    "            return false;\n"
    "        }\n"
    "    }\n"
    "    return true;\n"
    "}\n";

static const char texts_reader[] =
    "\nstatic bool texts_from_json(const struct json_reader *reader, const struct json_place *place, const json_t "
    "*json,\n"
    "    uint32_t min_items, uint32_t max_items, const struct json_text_rules *rules, struct str_array *ret) {\n"
    "    ret->items = json_read_array(reader, place, json, min_items, max_items, sizeof *ret->items, &ret->capacity);\n"
    "    if (ret->items == NULL) {\n"
    "        return false;\n"
    "    }\n"
    "    for (ret->count = 0; ret->count < ret->capacity; ret->count++) {\n"
    "        struct json_place item = {.parent = place, .index = ret->count};\n"
    "        if (!json_read_text(reader, &item, json_array_get(json, ret->count), rules, &ret->items[ret->count])) {\n"
    "            return false;\n"
    "        }\n"
    "    }\n"
    "    return true;\n"
    "}\n";

/* A JSON object of texts, each name and value under the rules that daybook.Attribute has for them. */
static void emit_attributes_reader(struct emitter *emitter, struct buf *out) {
    const struct definition *attribute = definition_list_find(&emitter->model->shared, "daybook.Attribute");
    const struct field *name = attribute == NULL ? NULL : field_by_name(attribute, "name");
    const struct field *value = attribute == NULL ? NULL : field_by_name(attribute, "value");
    if (name == NULL || value == NULL || attribute->field_count != 2 || name->type.kind != TYPE_STRING ||
        value->type.kind != TYPE_STRING) {
        fail_at(emitter->model->root, NULL, "daybook.Attribute must have the two texts `name` and `value`");
    }
    buf_str(out,
            STR("\nstatic bool attributes_from_json(const struct json_reader *reader, const struct json_place *place,\n"
                "    const json_t *json, uint32_t min_items, uint32_t max_items, struct attribute_array *ret) {\n"
                "    ret->items = json_read_members(reader, place, json, min_items, max_items, sizeof *ret->items,\n"
                "        &ret->capacity);\n"
                "    if (ret->items == NULL) {\n"
                "        return false;\n"
                "    }\n"
                "    const char *name;\n"
                "    json_t *value;\n"
                "    json_object_foreach((json_t *)json, name, value) {\n"
                "        struct json_place member = {.parent = place, .name = name};\n"
                "        struct attribute *attribute = &ret->items[ret->count++];\n"
                "        if (!json_check_text(reader, &member, str_of_cstr(name),\n                "));
    emit_text_rules(emitter, out, &name->rules);
    buf_str(out, STR(", &attribute->name) ||\n"
                     "            !json_read_text(reader, &member, value,\n                "));
    emit_text_rules(emitter, out, &value->rules);
    buf_str(out, STR(", &attribute->value)) {\n"
                     "            return false;\n"
                     "        }\n"
                     "    }\n"
                     "    return true;\n"
                     "}\n"));
}

/* ---- what a family's bodies need ---------------------------------------------------------------------------- */

struct needs {
    struct definition_list records; /* inner ones first */
    struct definition_list arrays;  /* of these records */
    struct definition_list enums;
    struct definition_list sealed; /* messages that a Sealed is made of */
    bool texts, attributes;
};

static void add_needs(struct emitter *emitter, struct needs *needs, const struct field *field);

static void add_record(struct emitter *emitter, struct needs *needs, const struct definition *record) {
    if (definition_list_find(&needs->records, record->full_name) != NULL) {
        return;
    }
    for (size_t i = 0; i < record->field_count; i++) {
        add_needs(emitter, needs, &record->fields[i]);
    }
    definition_list_add(emitter->model, &needs->records, record);
}

static void add_needs(struct emitter *emitter, struct needs *needs, const struct field *field) {
    const struct type *type = &field->type;
    const struct definition *sealed = field->rules.of_record;
    if (sealed != NULL && definition_list_find(&needs->sealed, sealed->full_name) == NULL) {
        add_record(emitter, needs, sealed);
        definition_list_add(emitter->model, &needs->sealed, sealed);
    }
    if (type->kind == TYPE_RECORD && !is_type_name(type, "daybook.Sealed")) {
        add_record(emitter, needs, type->definition);
    }
    if (type->kind == TYPE_ENUM && definition_list_find(&needs->enums, type->definition->full_name) == NULL) {
        definition_list_add(emitter->model, &needs->enums, type->definition);
    }
    if (type->kind != TYPE_ARRAY) {
        return;
    }
    if (type->items->kind == TYPE_STRING) {
        needs->texts = true;
    } else if (field->rules.json_object) {
        needs->attributes = true;
    } else if (type->items->kind == TYPE_RECORD) {
        add_record(emitter, needs, type->items->definition);
        if (definition_list_find(&needs->arrays, type->items->definition->full_name) == NULL) {
            definition_list_add(emitter->model, &needs->arrays, type->items->definition);
        }
    } else {
        fail_at(type->items->definition == NULL ? NULL : type->items->definition->path, field->name,
                "arrays in bodies are of texts or records");
    }
}

static struct needs family_needs(struct emitter *emitter, const char *family) {
    struct needs needs = {0};
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const struct definition *record = subject->newest->record;
        for (size_t i = 1; subject->kind == SCHEMA_COMMAND && i < record->field_count; i++) {
            if (strcmp(subject->family, family) == 0 && is_from_body(&record->fields[i])) {
                add_needs(emitter, &needs, &record->fields[i]);
            }
        }
    }
    return needs;
}

static void emit_enum_reader(struct buf *out, const struct definition *enumeration) {
    buf_printf(out,
               "\nstatic bool %s_from_json(const struct json_reader *reader, const struct json_place *place,\n"
               "    const json_t *json, enum %s *ret) {\n    static const char *const symbols[] = {",
               enumeration->snake, enumeration->snake);
    for (size_t i = 0; i < enumeration->symbol_count; i++) {
        buf_printf(out, "\"%s\", ", enumeration->symbols[i]);
    }
    buf_printf(out,
               "NULL};\n    uint32_t index;\n"
               "    if (!json_read_symbol(reader, place, json, symbols, &index)) {\n        return false;\n    }\n"
               "    *ret = (enum %s)index;\n    return true;\n}\n",
               enumeration->snake);
}

/* A Sealed whose plaintext is an object: what was read, written again, so that only what the record has gets in. */
static void emit_sealed_reader(struct buf *out, const struct definition *record) {
    const char *snake = record->snake;
    buf_printf(out,
               "\nstatic bool sealed_%s_from_json(const struct json_reader *reader, const struct json_place *place,\n"
               "    const json_t *json, struct str *ret_plaintext) {\n"
               "    struct %s value;\n"
               "    memset(&value, 0, sizeof value);\n"
               "    if (!%s_from_json(reader, place, json, &value)) {\n        return false;\n    }\n"
               "    struct buf text;\n"
               "    buf_init(&text, JSON_SEALED_MAX_BYTES);\n"
               "    struct json_writer writer = json_writer_of(&text);\n"
               "    %s_write_json(&writer, &value);\n"
               "    return json_take_text(reader, place, &text, ret_plaintext);\n}\n",
               snake, snake, snake, snake);
}

static void emit_needs(struct emitter *emitter, struct buf *out, const struct needs *needs) {
    if (needs->texts) {
        buf_str(out, str_of_cstr(texts_reader));
    }
    if (needs->attributes) {
        emit_attributes_reader(emitter, out);
    }
    for (size_t i = 0; i < needs->enums.count; i++) {
        emit_enum_reader(out, needs->enums.items[i]);
    }
    for (size_t i = 0; i < needs->records.count; i++) {
        const struct definition *record = needs->records.items[i];
        buf_printf(out,
                   "\nstatic bool %s_from_json(const struct json_reader *reader, const struct json_place *place,\n"
                   "    const json_t *json, struct %s *ret) {\n",
                   record->snake, record->snake);
        emit_reader_body(emitter, out, record, 0, "ret->");
        if (definition_list_find(&needs->arrays, record->full_name) != NULL) {
            buf_printf(out, array_reader, record->snake, record->snake, record->snake);
        }
    }
    for (size_t i = 0; i < needs->sealed.count; i++) {
        emit_sealed_reader(out, needs->sealed.items[i]);
    }
}

static void emit_family(struct emitter *emitter, const char *family) {
    struct buf out;
    struct needs needs = family_needs(emitter, family);
    emit_header(&out, text_of(&emitter->model->arena, "Bodies of the commands of schemas/%s, from JSON.", family));
    buf_str(&out, STR("#include \"gen/json_bodies.h\"\n"));
    emit_needs(emitter, &out, &needs);
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const struct definition *record = subject->newest->record;
        if (subject->kind != SCHEMA_COMMAND || strcmp(subject->family, family) != 0) {
            continue;
        }
        buf_printf(
            &out,
            "\nbool %s_body_from_json(const struct json_reader *reader, const json_t *json, struct command *ret) {\n"
            "    const struct json_place *place = NULL;\n    (void)ret;\n",
            record->snake);
        emit_reader_body(emitter, &out, record, 1, text_of(&emitter->model->arena, "ret->as.%s.", record->snake));
    }
    emit_file(emitter, text_of(&emitter->model->arena, "json_bodies_%s.c", family), &out);
}

void emit_json_read(struct emitter *emitter) {
    for (size_t f = 0; f < emitter->model->family_count; f++) {
        emit_family(emitter, emitter->model->families[f]);
    }
}
