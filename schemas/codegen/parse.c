/* parse.c: one .avsc file into definitions. avro-c checks first that it is Avro at all; then every attribute is looked
 * at here, and one that is not known is an error, since a misspelt rule would silently not be enforced. */
#include <avro.h>
#include <stdio.h>

#include "schemas/codegen/model.h"
#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

/* What is being read: for messages, and for names that are resolved within the file. */
struct parser {
    struct model *model;
    struct schema_file *file;
    char where[512]; /* the field's path, cut when it is longer: it only serves messages */
};

static struct type parse_type(struct parser *parser, const json_t *json, const char *name_space);

static const char *text_attribute(struct parser *parser, const json_t *object, const char *name, bool required) {
    const json_t *value = json_object_get(object, name);
    if (value == NULL && !required) {
        return NULL;
    }
    if (!json_is_string(value)) {
        fail_at(parser->file->path, parser->where, "`%s` must be there and be a text", name);
    }
    return json_string_value(value);
}

static void only_attributes(struct parser *parser, const json_t *object, const char *const *allowed) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        bool known = false;
        for (const char *const *at = allowed; *at != NULL && !known; at++) {
            known = strcmp(*at, name) == 0;
        }
        if (!known) {
            fail_at(parser->file->path, parser->where, "attribute `%s` is not one that the generator knows", name);
        }
    }
}

static int64_t bound_attribute(struct parser *parser, const json_t *object, const char *name, bool may_be_negative,
                               bool *ret_given) {
    const json_t *value = json_object_get(object, name);
    *ret_given = value != NULL;
    if (value == NULL) {
        return NO_BOUND;
    }
    if (!json_is_integer(value) || (!may_be_negative && json_integer_value(value) < 0)) {
        fail_at(parser->file->path, parser->where, "`%s` must be a whole number%s", name,
                may_be_negative ? "" : ", 0 or more");
    }
    return json_integer_value(value);
}

/* Such a rule stands there as true, or not at all: what says "false", or "true" as a text, would be read as none. */
static bool flag_attribute(struct parser *parser, const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (value != NULL && !json_is_true(value)) {
        fail_at(parser->file->path, parser->where, "`%s` must be true, or not be there", name);
    }
    return value != NULL;
}

static void require_fit(struct parser *parser, bool given, bool fits, const char *rule, const char *what) {
    if (given && !fits) {
        fail_at(parser->file->path, parser->where, "`%s` is for %s only", rule, what);
    }
}

static enum field_source parse_source(struct parser *parser, const json_t *json) {
    const char *from = text_attribute(parser, json, "from", false);
    if (from == NULL || strcmp(from, "body") == 0) {
        return SOURCE_BODY;
    }
    if (strcmp(from, "path") == 0) {
        return SOURCE_PATH;
    }
    if (strcmp(from, "gateway") == 0) {
        return SOURCE_GATEWAY;
    }
    fail_at(parser->file->path, parser->where, "`from` is body, path or gateway, not `%s`", from);
}

static const char *parse_format(struct parser *parser, const json_t *json) {
    static const char *const formats[] = {"sku", "slug", "currency", "email", "url", NULL};
    const char *format = text_attribute(parser, json, "format", false);
    if (format == NULL) {
        return NULL;
    }
    for (const char *const *at = formats; *at != NULL; at++) {
        if (strcmp(*at, format) == 0) {
            return format;
        }
    }
    fail_at(parser->file->path, parser->where, "format `%s` is not in core/base/format.h", format);
}

static struct rules parse_rules(struct parser *parser, const json_t *json, const struct type *type) {
    struct rules rules = {.source = parse_source(parser, json), .format = parse_format(parser, json)};
    bool has_min_length, has_max_length, has_min_items, has_max_items;
    rules.positive = flag_attribute(parser, json, "positive");
    rules.secret = flag_attribute(parser, json, "secret");
    rules.min = bound_attribute(parser, json, "min", true, &rules.has_min);
    rules.max = bound_attribute(parser, json, "max", true, &rules.has_max);
    rules.min_length = bound_attribute(parser, json, "minLength", false, &has_min_length);
    rules.max_length = bound_attribute(parser, json, "maxLength", false, &has_max_length);
    rules.min_items = bound_attribute(parser, json, "minItems", false, &has_min_items);
    rules.max_items = bound_attribute(parser, json, "maxItems", false, &has_max_items);
    rules.of = text_attribute(parser, json, "of", false);
    const char *json_form = text_attribute(parser, json, "json", false);
    rules.json_object = json_form != NULL && strcmp(json_form, "object") == 0;

    bool number = type->kind == TYPE_INT || type->kind == TYPE_LONG;
    bool text = type->kind == TYPE_STRING || is_type_name(type, "daybook.Sealed");
    bool array = type->kind == TYPE_ARRAY;
    require_fit(parser, rules.has_min, number, "min", "int and long");
    require_fit(parser, rules.has_max, number, "max", "int and long");
    require_fit(parser, rules.positive, is_type_name(type, "daybook.Money"), "positive", "daybook.Money");
    require_fit(parser, has_min_length, text, "minLength", "texts");
    require_fit(parser, has_max_length, text, "maxLength", "texts");
    require_fit(parser, rules.format != NULL, text, "format", "texts");
    require_fit(parser, has_min_items, array, "minItems", "arrays");
    require_fit(parser, has_max_items, array, "maxItems", "arrays");
    require_fit(parser, rules.secret, text, "secret", "texts");
    require_fit(parser, rules.of != NULL, is_type_name(type, "daybook.Sealed"), "of", "daybook.Sealed");
    if (rules.of != NULL && (has_min_length || has_max_length || rules.format != NULL)) {
        fail_at(parser->file->path, parser->where, "with `of` it is an object, whose texts have bounds of their own");
    }
    require_fit(parser, json_form != NULL, array && is_type_name(type->items, "daybook.Attribute"), "json",
                "arrays of daybook.Attribute");
    const json_t *item = json_object_get(json, "item");
    require_fit(parser, item != NULL, array && type->items->kind == TYPE_STRING, "item", "arrays of string");
    if (item != NULL) {
        static const char *const allowed[] = {"minLength", "maxLength", "format", NULL};
        only_attributes(parser, item, allowed);
        struct rules *item_rules = arena_alloc(&parser->model->arena, sizeof *item_rules);
        *item_rules = parse_rules(parser, item, type->items);
        rules.item = item_rules;
    }
    return rules;
}

/* What may stand for a missing value: the generated decoders must be able to write it as C. */
static void check_default(struct parser *parser, const struct field *field) {
    const json_t *value = field->default_value;
    if (value == NULL) {
        return;
    }
    bool fits = false;
    if (field->optional) {
        fits = json_is_null(value);
    } else {
        switch (field->type.kind) {
        case TYPE_BOOLEAN:
            fits = json_is_boolean(value);
            break;
        case TYPE_INT:
        case TYPE_LONG:
        case TYPE_TIMESTAMP:
            fits = json_is_integer(value);
            break;
        case TYPE_STRING:
            fits = json_is_string(value);
            break;
        case TYPE_ARRAY:
            fits = json_is_array(value) && json_array_size(value) == 0;
            break;
        case TYPE_ENUM:
            for (size_t i = 0; json_is_string(value) && i < field->type.definition->symbol_count; i++) {
                fits = fits || strcmp(json_string_value(value), field->type.definition->symbols[i]) == 0;
            }
            break;
        case TYPE_BYTES:
            fits = json_is_string(value) && json_string_length(value) == 0;
            break;
        case TYPE_FIXED:
        case TYPE_RECORD:
            break;
        }
    }
    if (!fits) {
        fail_at(parser->file->path, parser->where,
                "this default is not supported for its type (null for a union; true, false, whole numbers, texts, "
                "symbols; \"\" for bytes; [] for arrays)");
    }
}

static const json_t *optional_type(struct parser *parser, const json_t *union_json) {
    const json_t *first = json_array_get(union_json, 0);
    if (json_array_size(union_json) != 2 || !json_is_string(first) || strcmp(json_string_value(first), "null") != 0) {
        fail_at(parser->file->path, parser->where, "a union must be [\"null\", type], in this order");
    }
    return json_array_get(union_json, 1);
}

/* Avro's own attribute: readers of other makes find the value under the old name as well. */
static void parse_aliases(struct parser *parser, const json_t *json, struct field *field) {
    const json_t *aliases = json_object_get(json, "aliases");
    if (aliases == NULL) {
        return;
    }
    field->alias_count = json_array_size(aliases);
    if (field->alias_count == 0) {
        fail_at(parser->file->path, parser->where, "`aliases` are the names that older versions gave the field");
    }
    field->aliases = arena_alloc(&parser->model->arena, field->alias_count * sizeof *field->aliases);
    for (size_t i = 0; i < field->alias_count; i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        if (alias == NULL || !is_snake_case(alias) || strcmp(alias, field->name) == 0) {
            fail_at(parser->file->path, parser->where, "an alias is the name of another field, in lower_case");
        }
        field->aliases[i] = alias;
    }
}

static struct field parse_field(struct parser *parser, const json_t *json, const char *name_space) {
    static const char *const allowed[] = {
        "name",     "type",     "doc",  "default", "min",  "max",     "positive", "minLength", "maxLength", "format",
        "minItems", "maxItems", "item", "json",    "from", "aliases", "secret",   "of",        NULL};
    if (!json_is_object(json)) {
        fail_at(parser->file->path, parser->where, "a field must be an object");
    }
    const char *name = text_attribute(parser, json, "name", true);
    size_t parent_len = strlen(parser->where);
    snprintf(parser->where + parent_len, sizeof parser->where - parent_len, "%s%s", parent_len == 0 ? "" : ".", name);
    only_attributes(parser, json, allowed);
    if (!is_snake_case(name) || is_c_keyword(name) || strncmp(name, "has_", 4) == 0) {
        fail_at(parser->file->path, parser->where, "a field's name is lower_case, not a word of C, not has_...");
    }
    const json_t *type_json = json_object_get(json, "type");
    struct field field = {.name = name, .doc = text_attribute(parser, json, "doc", false)};
    field.optional = json_is_array(type_json);
    field.type = parse_type(parser, field.optional ? optional_type(parser, type_json) : type_json, name_space);
    field.default_value = json_object_get(json, "default");
    field.rules = parse_rules(parser, json, &field.type);
    check_default(parser, &field);
    parse_aliases(parser, json, &field);
    if (field.optional && field.default_value == NULL) {
        fail_at(parser->file->path, parser->where, "an optional field needs \"default\": null");
    }
    parser->where[parent_len] = '\0';
    return field;
}

/* A name that was written has one field that it is read into. */
static void check_aliases(struct parser *parser, const struct definition *record) {
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        for (size_t a = 0; a < field->alias_count; a++) {
            const struct field *taker = field_for_written(record, field->aliases[a]);
            if (taker != field) {
                fail_at(parser->file->path, field->name,
                        "its alias `%s` is %s as well: what was written under that "
                        "name can be read into one field alone",
                        field->aliases[a],
                        strcmp(taker->name, field->aliases[a]) == 0 ? "a field here" : "an alias of another field");
            }
        }
    }
}

static void parse_fields(struct parser *parser, const json_t *json, struct definition *record) {
    static const char *const allowed[] = {"type", "name", "namespace", "doc", "fields", NULL};
    only_attributes(parser, json, allowed);
    const json_t *fields = json_object_get(json, "fields");
    record->field_count = json_array_size(fields);
    record->fields = arena_alloc(&parser->model->arena, record->field_count * sizeof *record->fields);
    for (size_t i = 0; i < record->field_count; i++) {
        record->fields[i] = parse_field(parser, json_array_get(fields, i), record->name_space);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(record->fields[i].name, record->fields[j].name) == 0) {
                fail_at(parser->file->path, record->fields[i].name, "%s has it twice", record->full_name);
            }
        }
    }
    check_aliases(parser, record);
}

static void parse_symbols(struct parser *parser, const json_t *json, struct definition *enumeration) {
    static const char *const allowed[] = {"type", "name", "namespace", "doc", "symbols", NULL};
    only_attributes(parser, json, allowed);
    const json_t *symbols = json_object_get(json, "symbols");
    enumeration->symbol_count = json_array_size(symbols);
    enumeration->symbols = arena_alloc(&parser->model->arena, enumeration->symbol_count * sizeof(char *));
    for (size_t i = 0; i < enumeration->symbol_count; i++) {
        enumeration->symbols[i] = json_string_value(json_array_get(symbols, i));
        if (!is_snake_case(enumeration->symbols[i])) {
            fail_at(parser->file->path, parser->where, "symbol `%s` of %s must be lower_case", enumeration->symbols[i],
                    enumeration->full_name);
        }
    }
}

static struct definition *parse_definition(struct parser *parser, const json_t *json, const char *outer_name_space) {
    struct arena *arena = &parser->model->arena;
    struct definition *definition = arena_alloc(arena, sizeof *definition);
    const char *type = json_string_value(json_object_get(json, "type"));
    const char *own_name_space = text_attribute(parser, json, "namespace", false);
    definition->name = text_attribute(parser, json, "name", true);
    definition->name_space = own_name_space != NULL ? own_name_space : outer_name_space;
    definition->full_name = text_of(arena, "%s.%s", definition->name_space, definition->name);
    definition->snake = snake_case(arena, definition->name);
    definition->upper = upper_case(arena, definition->snake);
    definition->doc = text_attribute(parser, json, "doc", false);
    definition->path = parser->file->path;
    if (!is_camel_case(definition->name)) {
        fail_at(parser->file->path, parser->where, "type name `%s` must be CamelCase", definition->name);
    }
    if (strcmp(type, "record") == 0) {
        definition->kind = DEFINITION_RECORD;
        parse_fields(parser, json, definition);
    } else if (strcmp(type, "enum") == 0) {
        definition->kind = DEFINITION_ENUM;
        parse_symbols(parser, json, definition);
    } else {
        static const char *const allowed[] = {"type", "name", "namespace", "doc", "size", NULL};
        only_attributes(parser, json, allowed);
        definition->kind = DEFINITION_FIXED;
        definition->fixed_size = (size_t)json_integer_value(json_object_get(json, "size"));
        if (definition->fixed_size == 0) {
            fail_at(parser->file->path, parser->where, "a fixed needs a size of 1 or more");
        }
    }
    if (definition_list_find(&parser->file->definitions, definition->full_name) != NULL) {
        fail_at(parser->file->path, parser->where, "%s is defined twice in this file", definition->full_name);
    }
    definition_list_add(parser->model, &parser->file->definitions, definition);
    return definition;
}

static struct type type_of_definition(const struct definition *definition) {
    enum type_kind kind = definition->kind == DEFINITION_RECORD ? TYPE_RECORD
                          : definition->kind == DEFINITION_ENUM ? TYPE_ENUM
                                                                : TYPE_FIXED;
    return (struct type){.kind = kind, .definition = definition};
}

static struct type parse_named_type(struct parser *parser, const char *name, const char *name_space) {
    static const struct {
        const char *name;
        enum type_kind kind;
    } primitives[] = {{"boolean", TYPE_BOOLEAN},
                      {"int", TYPE_INT},
                      {"long", TYPE_LONG},
                      {"string", TYPE_STRING},
                      {"bytes", TYPE_BYTES}};
    for (size_t i = 0; i < ARRAY_LENGTH(primitives); i++) {
        if (strcmp(primitives[i].name, name) == 0) {
            return (struct type){.kind = primitives[i].kind};
        }
    }
    const char *full_name =
        strchr(name, '.') != NULL ? name : text_of(&parser->model->arena, "%s.%s", name_space, name);
    const struct definition *definition = definition_list_find(&parser->file->definitions, full_name);
    if (definition == NULL) {
        fail_at(parser->file->path, parser->where,
                "type `%s` is not supported (no float, double, map), or not defined earlier in this file", name);
    }
    return type_of_definition(definition);
}

static struct type parse_array(struct parser *parser, const json_t *json, const char *name_space) {
    struct type *items = arena_alloc(&parser->model->arena, sizeof *items);
    *items = parse_type(parser, json_object_get(json, "items"), name_space);
    bool supported = items->kind == TYPE_STRING || items->kind == TYPE_LONG ||
                     (items->kind == TYPE_RECORD && min_wire_bytes(items) > 0);
    if (!supported) {
        fail_at(parser->file->path, parser->where, "arrays are of string, long, or records with at least one field");
    }
    return (struct type){.kind = TYPE_ARRAY, .items = items};
}

static struct type parse_type(struct parser *parser, const json_t *json, const char *name_space) {
    if (json_is_string(json)) {
        return parse_named_type(parser, json_string_value(json), name_space);
    }
    if (!json_is_object(json)) {
        fail_at(parser->file->path, parser->where, "a union can only be a field's whole type");
    }
    const char *type = text_attribute(parser, json, "type", true);
    if (strcmp(type, "array") == 0) {
        return parse_array(parser, json, name_space);
    }
    if (strcmp(type, "record") == 0 || strcmp(type, "enum") == 0 || strcmp(type, "fixed") == 0) {
        const struct definition *definition = parse_definition(parser, json, name_space);
        if (strcmp(definition->name_space, "daybook") != 0) {
            fail_at(parser->file->path, parser->where, "nested types belong to the namespace daybook, %s does not",
                    definition->full_name);
        }
        return type_of_definition(definition);
    }
    const char *logical = text_attribute(parser, json, "logicalType", false);
    if (logical != NULL) {
        if (strcmp(type, "long") != 0 || strcmp(logical, "timestamp-micros") != 0) {
            fail_at(parser->file->path, parser->where, "the only logical type is timestamp-micros, of long");
        }
        return (struct type){.kind = TYPE_TIMESTAMP};
    }
    return parse_named_type(parser, type, name_space);
}

/* What comes from a request must be bounded: a text by maxLength or a format, an array by maxItems, a number by both
 * ends. */
static void check_bounded(struct parser *parser, const struct field *field, const char *path) {
    const char *where = text_of(&parser->model->arena, "%s%s%s", path, path[0] == '\0' ? "" : ".", field->name);
    const struct rules *rules = &field->rules;
    const char *missing = NULL;
    if (field->type.kind == TYPE_STRING || is_type_name(&field->type, "daybook.Sealed")) {
        bool is_bounded = rules->max_length != NO_BOUND || rules->format != NULL || rules->of != NULL;
        missing = is_bounded ? NULL : "maxLength or format";
    } else if (field->type.kind == TYPE_INT || field->type.kind == TYPE_LONG) {
        missing = !rules->has_min || !rules->has_max ? "min and max" : NULL;
    } else if (field->type.kind == TYPE_ARRAY) {
        const struct rules *item = rules->item;
        bool items_bounded = field->type.items->kind != TYPE_STRING ||
                             (item != NULL && (item->max_length != NO_BOUND || item->format != NULL));
        missing = rules->max_items == NO_BOUND ? "maxItems" : items_bounded ? NULL : "item with maxLength or format";
    } else if (field->type.kind == TYPE_BYTES || field->type.kind == TYPE_FIXED) {
        fail_at(parser->file->path, where, "bytes and fixed cannot come from a request");
    }
    if (missing != NULL) {
        fail_at(parser->file->path, where, "it comes from a request and so needs %s", missing);
    }
    const struct type *inner = field->type.kind == TYPE_ARRAY ? field->type.items : &field->type;
    if (inner->kind == TYPE_RECORD && !is_type_name(inner, "daybook.Sealed")) {
        for (size_t i = 0; i < inner->definition->field_count; i++) {
            check_bounded(parser, &inner->definition->fields[i], where);
        }
    }
}

void require_bounded(struct model *model, struct schema_file *file) {
    struct parser parser = {.model = model, .file = file};
    for (size_t i = 0; i < file->record->field_count; i++) {
        check_bounded(&parser, &file->record->fields[i], "");
    }
}

/* Whoever reads the body, hashes it and writes the command looks at the command's own fields alone. */
static void check_secrets(struct parser *parser) {
    for (size_t d = 0; d < parser->file->definitions.count; d++) {
        const struct definition *definition = parser->file->definitions.items[d];
        bool is_own = definition == parser->file->record && parser->file->kind == SCHEMA_COMMAND;
        for (size_t i = 0; i < definition->field_count; i++) {
            const struct rules *rules = &definition->fields[i].rules;
            if ((rules->secret || rules->of != NULL) && (!is_own || rules->source != SOURCE_BODY)) {
                fail_at(parser->file->path, definition->fields[i].name,
                        "`%s` is for a command's own fields, from the body", rules->secret ? "secret" : "of");
            }
        }
    }
}

static void check_command_fields(struct parser *parser, const struct definition *record) {
    for (size_t i = 1; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        if (field->rules.source == SOURCE_PATH && (field->type.kind != TYPE_STRING || field->optional)) {
            fail_at(parser->file->path, field->name, "a field from the path must be a plain text");
        }
        if (field->rules.source != SOURCE_GATEWAY) {
            check_bounded(parser, field, "");
        }
    }
}

static void check_meta(struct parser *parser, const struct definition *record) {
    const char *wanted = parser->file->kind == SCHEMA_EVENT     ? "daybook.EventMeta"
                         : parser->file->kind == SCHEMA_COMMAND ? "daybook.CommandMeta"
                                                                : NULL;
    if (wanted == NULL) {
        return;
    }
    const struct field *first = record->field_count == 0 ? NULL : &record->fields[0];
    if (first == NULL || strcmp(first->name, "meta") != 0 || first->optional || !is_type_name(&first->type, wanted)) {
        fail_at(parser->file->path, NULL, "its first field must be `meta`, of type %s", wanted);
    }
    if (parser->file->kind == SCHEMA_COMMAND && first->rules.source != SOURCE_GATEWAY) {
        fail_at(parser->file->path, "meta", "it must say \"from\": \"gateway\"");
    }
}

static enum schema_kind kind_of(const struct schema_file *file, const char *name_space) {
    if (strcmp(name_space, "daybook.commands") == 0) {
        return SCHEMA_COMMAND;
    }
    if (strcmp(name_space, "daybook.state") == 0) {
        return SCHEMA_STATE;
    }
    if (strcmp(name_space, "daybook.messages") == 0) {
        return SCHEMA_MESSAGE;
    }
    if (strncmp(name_space, "daybook.", 8) != 0 || strcmp(name_space + 8, file->family) != 0) {
        fail_at(file->path, NULL, "namespace `%s` is none of daybook.commands, .state, .messages, .%s", name_space,
                file->family);
    }
    return SCHEMA_EVENT;
}

static const char *subject_of(struct model *model, const struct schema_file *file) {
    const char *full_name = file->record->full_name;
    switch (file->kind) {
    case SCHEMA_EVENT:
        return text_of(&model->arena, "daybook.%s-%s", file->family, full_name);
    case SCHEMA_COMMAND:
        return text_of(&model->arena, "daybook.commands-%s", full_name);
    case SCHEMA_STATE:
        return text_of(&model->arena, "daybook.state-%s", full_name);
    case SCHEMA_MESSAGE:
        return text_of(&model->arena, "daybook.outcomes-%s", full_name);
    }
    return NULL;
}

void parse_schema_file(struct model *model, struct schema_file *file) {
    json_error_t error;
    json_t *json = json_load_file(file->path, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        fail_at(file->path, NULL, "line %d: %s", error.line, error.text);
    }
    file->compact = json_dumps(json, JSON_COMPACT);
    avro_schema_t avro_schema;
    if (avro_schema_from_json_length(file->compact, strlen(file->compact), &avro_schema) != 0) {
        fail_at(file->path, NULL, "not an Avro schema: %s", avro_strerror());
    }
    avro_schema_decref(avro_schema);

    struct parser parser = {.model = model, .file = file};
    const char *type = text_attribute(&parser, json, "type", true);
    if (strcmp(type, "record") != 0) {
        fail_at(file->path, NULL, "a schema file holds a record");
    }
    file->kind = kind_of(file, text_attribute(&parser, json, "namespace", true));
    file->record = parse_definition(&parser, json, "");
    if (strcmp(file->record->name, file->name) != 0) {
        fail_at(file->path, NULL, "the record is `%s`, its folder `%s`", file->record->name, file->name);
    }
    check_meta(&parser, file->record);
    if (file->kind == SCHEMA_COMMAND) {
        check_command_fields(&parser, file->record);
    }
    check_secrets(&parser);
    file->subject = subject_of(model, file);
}
