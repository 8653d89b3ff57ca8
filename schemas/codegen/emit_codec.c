/* emit_codec.c: the writers, which write today's form straight through the fields, and the files that hold writers and
 * readers (emit_codec_read.c) of a family. */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

/* ---- writing ------------------------------------------------------------------------------------------------ */

static void emit_write_value(struct buf *out, int indent, const struct type *type, const char *value) {
    buf_printf(out, "%*s", indent, "");
    switch (type->kind) {
    case TYPE_BOOLEAN:
        buf_printf(out, "avro_write_boolean(out, %s);\n", value);
        return;
    case TYPE_INT:
    case TYPE_LONG:
    case TYPE_TIMESTAMP:
        buf_printf(out, "avro_write_long(out, %s);\n", value);
        return;
    case TYPE_STRING:
    case TYPE_BYTES:
        buf_printf(out, "avro_write_bytes(out, %s);\n", value);
        return;
    case TYPE_FIXED:
        buf_printf(out, "avro_write_fixed(out, %s, sizeof %s);\n", value, value);
        return;
    case TYPE_ENUM:
        buf_printf(out, "avro_write_long(out, (int64_t)%s);\n", value);
        return;
    case TYPE_RECORD:
        buf_printf(out, "avro_write_%s(out, &%s);\n", type->definition->snake, value);
        return;
    case TYPE_ARRAY:
        buf_printf(out, "avro_write_%s_array(out, &%s);\n", item_name(type->items), value);
        return;
    }
}

static void emit_write_field(struct buf *out, int indent, const struct field *field, const char *value) {
    emit_write_value(out, indent, &field->type, is_written_empty(field) ? "STR(\"\")" : value);
}

static void emit_writer(struct emitter *emitter, struct buf *out, const struct definition *record, size_t first) {
    buf_printf(out, "\nvoid avro_write_%s(struct buf *out, const struct %s *value) {\n", record->snake, record->snake);
    if (is_all_written_empty(record, first)) {
        buf_str(out, STR("    (void)value;\n"));
    }
    for (size_t i = first; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        const char *value = text_of(&emitter->model->arena, "value->%s", field->name);
        if (field->optional) {
            buf_printf(out, "    avro_write_long(out, value->has_%s ? 1 : 0);\n    if (value->has_%s) {\n", field->name,
                       field->name);
            emit_write_field(out, 8, field, value);
            buf_str(out, STR("    }\n"));
        } else {
            emit_write_field(out, 4, field, value);
        }
    }
    buf_str(out, STR("}\n"));
}

static void emit_array_writer(struct buf *out, const struct type *items) {
    const char *item = item_name(items);
    buf_printf(out,
               "\nvoid avro_write_%s_array(struct buf *out, const struct %s_array *value) {\n"
               "    if (value->count > 0) {\n"
               "        avro_write_long(out, value->count);\n"
               "        for (uint32_t i = 0; i < value->count; i++) {\n",
               item, item);
    emit_write_value(out, 12, items, "value->items[i]");
    buf_str(out, STR("        }\n    }\n    avro_write_long(out, 0);\n}\n"));
}

/* ---- the public functions of stored forms and messages ------------------------------------------------------ */

static void emit_record_functions(struct buf *out, const struct subject *subject) {
    const char *snake = subject->newest->record->snake;
    buf_printf(out,
               "\nvoid %s_encode(struct buf *out, const struct %s *value) {\n    avro_write_%s(out, value);\n}\n"
               "\nbool %s_decode(struct arena *arena, struct str avro, struct %s *ret_value) {\n"
               "    const char *why;\n"
               "    return %s_decode_as(arena, %s_SCHEMA_ID, avro, ret_value, &why);\n}\n"
               "\nbool %s_decode_as(struct arena *arena, uint32_t schema_id, struct str avro, struct %s *ret_value,\n"
               "    const char **ret_why) {\n"
               "    struct avro_reader reader = avro_reader_of(avro);\n"
               "    struct %s value;\n"
               "    memset(&value, 0, sizeof value);\n"
               "    switch (schema_id) {\n",
               snake, snake, snake, snake, snake, snake, subject->newest->record->upper, snake, snake, snake);
    for (size_t v = 0; v < subject->version_count; v++) {
        buf_printf(out, "    case %u:\n        avro_read_%s_v%zu(&reader, arena, &value);\n        break;\n",
                   subject->versions[v]->id, snake, v + 1);
    }
    buf_printf(out,
               "    default:\n        *ret_why = \"the schema id is not of %s\";\n        return false;\n    }\n"
               "    if (!avro_reader_finish(&reader, ret_why)) {\n        return false;\n    }\n"
               "    *ret_value = value;\n    return true;\n}\n",
               subject->name);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

/* Each item type that any record of today has an array of, once. */
static struct definition_list array_items(struct emitter *emitter, bool *ret_int64) {
    struct definition_list items = {0};
    *ret_int64 = false;
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        for (size_t v = 0; v < emitter->model->subjects[s].version_count; v++) {
            const struct definition_list *definitions = &emitter->model->subjects[s].versions[v]->definitions;
            for (size_t i = 0; i < definitions->count; i++) {
                for (size_t f = 0; f < definitions->items[i]->field_count; f++) {
                    const struct type *type = &definitions->items[i]->fields[f].type;
                    if (type->kind != TYPE_ARRAY) {
                        continue;
                    }
                    *ret_int64 = *ret_int64 || type->items->kind == TYPE_LONG;
                    const struct definition *newest =
                        type->items->kind == TYPE_RECORD
                            ? definition_list_find(&emitter->model->shared, type->items->definition->full_name)
                            : NULL;
                    if (newest != NULL && definition_list_find(&items, newest->full_name) == NULL) {
                        definition_list_add(emitter->model, &items, newest);
                    }
                }
            }
        }
    }
    return items;
}

static void emit_declarations(struct emitter *emitter) {
    struct buf out;
    bool has_int64;
    struct definition_list items = array_items(emitter, &has_int64);
    emit_header(&out, "The codecs of single records, for the generated code among itself; others use gen/codec.h.");
    buf_str(&out, STR("#pragma once\n\n#include \"core/schema/avro_fields.h\"\n#include \"gen/codec.h\"\n\n"));
#define EMIT_ARRAY_PAIR(item)                                                                                          \
    buf_printf(&out,                                                                                                   \
               "void avro_write_%s_array(struct buf *out, const struct %s_array *value);\n"                            \
               "void avro_read_%s_array(struct avro_reader *reader, struct arena *arena, struct %s_array *ret);\n",    \
               item, item, item, item)
    EMIT_ARRAY_PAIR("str");
    if (has_int64) {
        EMIT_ARRAY_PAIR("int64");
    }
    for (size_t i = 0; i < items.count; i++) {
        EMIT_ARRAY_PAIR(items.items[i]->snake);
    }
#undef EMIT_ARRAY_PAIR
    for (size_t i = 0; i < emitter->model->shared.count; i++) {
        const struct definition *record = emitter->model->shared.items[i];
        if (record->kind == DEFINITION_RECORD) {
            buf_printf(&out,
                       "void avro_write_%s(struct buf *out, const struct %s *value);\n"
                       "void avro_read_%s(struct avro_reader *reader, struct arena *arena, struct %s *ret);\n",
                       record->snake, record->snake, record->snake, record->snake);
        }
    }
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const char *snake = subject->newest->record->snake;
        const char *holder = subject->kind == SCHEMA_EVENT     ? "event"
                             : subject->kind == SCHEMA_COMMAND ? "command"
                                                               : snake;
        buf_byte(&out, '\n');
        if (has_struct(subject)) {
            buf_printf(&out, "void avro_write_%s(struct buf *out, const struct %s *value);\n", snake, snake);
        }
        for (size_t v = 0; v < subject->version_count; v++) {
            buf_printf(&out,
                       "void avro_read_%s_v%zu(struct avro_reader *reader, struct arena *arena, struct %s *ret);\n",
                       snake, v + 1, holder);
        }
    }
    emit_file(emitter, "codec_records.h", &out);
}

static void emit_enum_names(struct buf *out, const struct definition *enumeration) {
    buf_printf(out, "\nconst char *%s_name(enum %s value) {\n    static const char *const names[] = {",
               enumeration->snake, enumeration->snake);
    for (size_t i = 0; i < enumeration->symbol_count; i++) {
        buf_printf(out, "%s\"%s\"", i == 0 ? "" : ", ", enumeration->symbols[i]);
    }
    buf_str(out, STR("};\n    assert((size_t)value < ARRAY_LENGTH(names));\n    return names[value];\n}\n"));
}

static void emit_array_codec(struct emitter *emitter, struct buf *out, const struct type *items) {
    emit_array_writer(out, items);
    emit_array_reader(emitter, out, items);
}

static void emit_common_codecs(struct emitter *emitter) {
    struct buf out;
    bool has_int64;
    struct definition_list items = array_items(emitter, &has_int64);
    emit_header(&out, "Codecs of the shared records (namespace daybook) and their arrays; names of enums.");
    buf_str(&out, STR("#include \"gen/codec_records.h\"\n\n#include <assert.h>\n\n#include \"core/base/macros.h\"\n"));
    for (size_t i = 0; i < emitter->model->shared.count; i++) {
        const struct definition *definition = emitter->model->shared.items[i];
        if (definition->kind == DEFINITION_ENUM) {
            emit_enum_names(&out, definition);
        } else if (definition->kind == DEFINITION_RECORD) {
            emit_writer(emitter, &out, definition, 0);
            emit_shared_reader(emitter, &out, definition);
        }
    }
    for (size_t i = 0; i < items.count; i++) {
        emit_array_codec(emitter, &out, &(struct type){.kind = TYPE_RECORD, .definition = items.items[i]});
    }
    emit_array_codec(emitter, &out, &(struct type){.kind = TYPE_STRING});
    if (has_int64) {
        emit_array_codec(emitter, &out, &(struct type){.kind = TYPE_LONG});
    }
    emit_file(emitter, "codec_common.c", &out);
}

void emit_codec(struct emitter *emitter) {
    emit_declarations(emitter);
    emit_common_codecs(emitter);
    for (size_t f = 0; f < emitter->model->family_count; f++) {
        const char *family = emitter->model->families[f];
        struct buf out;
        emit_header(&out, text_of(&emitter->model->arena, "Codecs of schemas/%s.", family));
        buf_str(&out, STR("#include \"gen/codec_records.h\"\n"));
        for (size_t s = 0; s < emitter->model->subject_count; s++) {
            const struct subject *subject = &emitter->model->subjects[s];
            if (strcmp(subject->family, family) != 0) {
                continue;
            }
            if (has_struct(subject)) {
                emit_writer(emitter, &out, subject->newest->record, first_field(subject));
            }
            for (size_t v = 0; v < subject->version_count; v++) {
                emit_version_reader(emitter, &out, subject, subject->versions[v]);
            }
            if (!is_event_or_command(subject)) {
                emit_record_functions(&out, subject);
                emit_state_visits(emitter, &out, subject);
            }
        }
        emit_file(emitter, text_of(&emitter->model->arena, "codec_%s.c", family), &out);
    }
}
