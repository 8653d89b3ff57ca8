/* emit_openapi.c: openapi_schemas.json: the bodies of commands, the shared records and enums as components of OpenAPI
 * 3.1 (JSON Schema 2020-12): core/gateway/openapi.c puts them into the API's document. It says what the generated
 * readers enforce; where JSON Schema counts characters and we count bytes, a text of many-byte characters meets our
 * bound first. */
#include <stdlib.h>

#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"

static json_t *value_schema(struct emitter *emitter, const struct type *type, const struct rules *rules);

static void set(json_t *object, const char *name, json_t *value) {
    json_object_set_new(object, name, value);
}

static json_t *text_schema(const struct rules *rules) {
    static const struct {
        const char *format, *keyword, *value;
        int max_length; /* of core/base/format.h; 0: the pattern says it, or there is none */
    } formats[] = {{"sku", "pattern", "^[A-Za-z0-9._-]{1,64}$", 0},
                   {"slug", "pattern", "^[a-z0-9_-]+(\\.[a-z0-9_-]+)*$", 64},
                   {"currency", "pattern", "^[A-Z]{3}$", 0},
                   {"email", "format", "email", 254},
                   {"url", "format", "uri", 2048}};
    json_t *schema = json_pack("{s:s}", "type", "string");
    if (rules->secret) {
        set(schema, "format", json_string("password"));
        set(schema, "writeOnly", json_true());
    }
    if (rules->min_length > 0) {
        set(schema, "minLength", json_integer(rules->min_length));
    }
    if (rules->max_length != NO_BOUND) {
        set(schema, "maxLength", json_integer(rules->max_length));
    }
    for (size_t i = 0; rules->format != NULL && i < ARRAY_LENGTH(formats); i++) {
        if (strcmp(formats[i].format, rules->format) == 0) {
            set(schema, formats[i].keyword, json_string(formats[i].value));
            if (formats[i].max_length > 0 && rules->max_length == NO_BOUND) {
                set(schema, "maxLength", json_integer(formats[i].max_length));
            }
        }
    }
    return schema;
}

static json_t *number_schema(const struct type *type, const struct rules *rules) {
    json_t *schema = json_pack("{s:s, s:s}", "type", "integer", "format", type->kind == TYPE_INT ? "int32" : "int64");
    if (rules->has_min) {
        set(schema, "minimum", json_integer(rules->min));
    }
    if (rules->has_max) {
        set(schema, "maximum", json_integer(rules->max));
    }
    return schema;
}

static json_t *array_schema(struct emitter *emitter, const struct type *type, const struct rules *rules) {
    static const struct rules none = {.min_length = NO_BOUND, .max_length = NO_BOUND};
    const struct definition *attribute = rules->json_object ? type->items->definition : NULL;
    const char *min = attribute != NULL ? "minProperties" : "minItems";
    const char *max = attribute != NULL ? "maxProperties" : "maxItems";
    json_t *schema = json_pack("{s:s}", "type", attribute != NULL ? "object" : "array");
    if (attribute != NULL) {
        set(schema, "propertyNames", text_schema(&field_by_name(attribute, "name")->rules));
        set(schema, "additionalProperties", text_schema(&field_by_name(attribute, "value")->rules));
    } else {
        set(schema, "items", value_schema(emitter, type->items, rules->item == NULL ? &none : rules->item));
    }
    if (rules->min_items > 0) {
        set(schema, min, json_integer(rules->min_items));
    }
    if (rules->max_items != NO_BOUND) {
        set(schema, max, json_integer(rules->max_items));
    }
    return schema;
}

static json_t *enum_schema(const struct definition *enumeration) {
    json_t *symbols = json_array();
    for (size_t i = 0; i < enumeration->symbol_count; i++) {
        json_array_append_new(symbols, json_string(enumeration->symbols[i]));
    }
    return json_pack("{s:s, s:o}", "type", "string", "enum", symbols);
}

static json_t *record_reference(struct emitter *emitter, const struct definition *record, const struct rules *rules) {
    const char *path = text_of(&emitter->model->arena, "#/components/schemas/%s", record->name);
    json_t *schema = json_pack("{s:s}", "$ref", path);
    if (rules->positive) {
        set(schema, "properties", json_pack("{s:{s:i}}", "amount", "minimum", 1));
    }
    return schema;
}

static json_t *value_schema(struct emitter *emitter, const struct type *type, const struct rules *rules) {
    switch (type->kind) {
    case TYPE_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case TYPE_INT:
    case TYPE_LONG:
        return number_schema(type, rules);
    case TYPE_TIMESTAMP:
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    case TYPE_STRING:
        return text_schema(rules);
    case TYPE_BYTES:
    case TYPE_FIXED:
        return json_pack("{s:s, s:s}", "type", "string", "contentEncoding", "base64url");
    case TYPE_ENUM:
        return enum_schema(type->definition);
    case TYPE_RECORD:
        if (rules->of_record != NULL) {
            return record_reference(emitter, rules->of_record, rules);
        }
        return is_type_name(type, "daybook.Sealed") ? text_schema(rules)
                                                    : record_reference(emitter, type->definition, rules);
    case TYPE_ARRAY:
        return array_schema(emitter, type, rules);
    }
    return NULL;
}

/* An object with the record's fields, those from the body where it is a command's. */
static json_t *object_schema(struct emitter *emitter, const struct definition *record) {
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        if (field->rules.source != SOURCE_BODY) {
            continue;
        }
        json_t *schema = value_schema(emitter, &field->type, &field->rules);
        if (field->doc != NULL) {
            set(schema, "description", json_string(field->doc));
        }
        /* That what is absent is empty goes without saying; generators of clients ask for whatever has a default. */
        if (field->default_value != NULL && !json_is_null(field->default_value) &&
            !json_is_array(field->default_value)) {
            set(schema, "default", json_deep_copy(field->default_value));
        }
        set(properties, field->name, schema);
        if (!field->optional && field->default_value == NULL) {
            json_array_append_new(required, json_string(field->name));
        }
    }
    json_t *schema = json_pack("{s:s, s:s*, s:o, s:b}", "type", "object", "description", record->doc, "properties",
                               properties, "additionalProperties", 0);
    if (json_array_size(required) > 0) {
        set(schema, "required", required);
    } else {
        json_decref(required);
    }
    return schema;
}

void emit_openapi(struct emitter *emitter) {
    json_t *schemas = json_object();
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind != SCHEMA_COMMAND) {
            continue;
        }
        const struct definition *record = subject->newest->record;
        set(schemas, subject->name, object_schema(emitter, record));
        for (size_t f = 0; f < record->field_count; f++) {
            const struct definition *sealed = record->fields[f].rules.of_record;
            if (sealed != NULL) {
                set(schemas, sealed->name, object_schema(emitter, sealed));
            }
        }
    }
    for (size_t i = 0; i < emitter->model->shared.count; i++) {
        const struct definition *record = emitter->model->shared.items[i];
        bool internal = strcmp(record->full_name, "daybook.Sealed") == 0 ||
                        strcmp(record->full_name, "daybook.EventMeta") == 0 ||
                        strcmp(record->full_name, "daybook.CommandMeta") == 0;
        if (record->kind == DEFINITION_RECORD && !internal) {
            set(schemas, record->name, object_schema(emitter, record));
        } else if (record->kind == DEFINITION_ENUM) {
            set(schemas, record->name, enum_schema(record));
        }
    }
    struct buf out;
    char *text = json_dumps(schemas, JSON_INDENT(2));
    buf_init(&out, strlen(text) + 1);
    buf_str(&out, str_of_cstr(text));
    buf_byte(&out, '\n');
    emit_file(emitter, "openapi_schemas.json", &out);
    free(text);
    json_decref(schemas);
}
