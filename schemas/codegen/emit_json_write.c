/* emit_json_write.c: JSON text of every record, field by field in the schema's order. */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"

static void emit_value(struct emitter *emitter, struct buf *out, int indent, const struct type *type, bool as_object,
                       const char *value);

static void emit_array(struct emitter *emitter, struct buf *out, int indent, const struct type *items, bool as_object,
                       const char *value) {
    struct arena *arena = &emitter->model->arena;
    const char *shape = as_object ? "object" : "array";
    const char *item = text_of(arena, "%s.items[i]", value);
    buf_printf(out, "%*sjson_%s_begin(writer);\n%*sfor (uint32_t i = 0; i < %s.count; i++) {\n", indent, "", shape,
               indent, "", value);
    if (as_object) {
        buf_printf(out, "%*sjson_name(writer, %s.name);\n%*sjson_text(writer, %s.value);\n", indent + 4, "", item,
                   indent + 4, "", item);
    } else {
        emit_value(emitter, out, indent + 4, items, false, item);
    }
    buf_printf(out, "%*s}\n%*sjson_%s_end(writer);\n", indent, "", indent, "", shape);
}

static void emit_value(struct emitter *emitter, struct buf *out, int indent, const struct type *type, bool as_object,
                       const char *value) {
    if (type->kind == TYPE_ARRAY) {
        emit_array(emitter, out, indent, type->items, as_object, value);
        return;
    }
    buf_printf(out, "%*s", indent, "");
    switch (type->kind) {
    case TYPE_BOOLEAN:
        buf_printf(out, "json_bool(writer, %s);\n", value);
        return;
    case TYPE_INT:
    case TYPE_LONG:
        buf_printf(out, "json_int(writer, %s);\n", value);
        return;
    case TYPE_TIMESTAMP:
        buf_printf(out, "json_time(writer, %s);\n", value);
        return;
    case TYPE_STRING:
        buf_printf(out, "json_text(writer, %s);\n", value);
        return;
    case TYPE_BYTES:
        buf_printf(out, "json_base64url(writer, %s);\n", value);
        return;
    case TYPE_FIXED:
        buf_printf(out, "json_base64url(writer, str_of((const char *)%s, sizeof %s));\n", value, value);
        return;
    case TYPE_ENUM:
        buf_printf(out, "json_text(writer, str_of_cstr(%s_name(%s)));\n", type->definition->snake, value);
        return;
    case TYPE_RECORD:
        buf_printf(out, "%s_write_json(writer, &%s);\n", type->definition->snake, value);
        return;
    case TYPE_ARRAY:
        return;
    }
}

static void emit_fields(struct emitter *emitter, struct buf *out, const struct definition *record, size_t first) {
    if (is_all_written_empty(record, first)) {
        buf_str(out, STR("    (void)value;\n"));
    }
    for (size_t i = first; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        const char *value = text_of(&emitter->model->arena, "value->%s", field->name);
        int indent = field->optional ? 8 : 4;
        if (field->optional) {
            buf_printf(out, "    if (value->has_%s) {\n", field->name);
        }
        buf_printf(out, "%*sjson_name(writer, STR(\"%s\"));\n", indent, "", field->name);
        emit_value(emitter, out, indent, &field->type, field->rules.json_object,
                   is_written_empty(field) ? "STR(\"\")" : value);
        if (field->optional) {
            buf_str(out, STR("    }\n"));
        }
    }
}

/* A whole object. What Sealed holds is of no use to a reader of JSON, and its ciphertext need not travel further. */
static void emit_record(struct emitter *emitter, struct buf *out, const struct definition *record) {
    buf_printf(out, "\nvoid %s_write_json(struct json_writer *writer, const struct %s *value) {\n", record->snake,
               record->snake);
    buf_str(out, STR("    json_object_begin(writer);\n"));
    if (strcmp(record->full_name, "daybook.Sealed") == 0) {
        buf_str(out, STR("    json_field_string(writer, \"key_id\", value->key_id);\n"));
    } else {
        emit_fields(emitter, out, record, 0);
    }
    buf_str(out, STR("    json_object_end(writer);\n}\n"));
}

static void emit_dispatch(struct emitter *emitter, struct buf *out, enum schema_kind kind, const char *noun) {
    buf_printf(out,
               "\nvoid %s_write_json(struct json_writer *writer, const struct %s *%s) {\n"
               "    json_object_begin(writer);\n"
               "    json_name(writer, STR(\"meta\"));\n"
               "    %s_meta_write_json(writer, &%s->meta);\n"
               "    switch (%s->type) {\n",
               noun, noun, noun, noun, noun, noun);
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == kind && has_struct(subject)) {
            const char *snake = subject->newest->record->snake;
            buf_printf(out, "    case %s:\n        %s_write_json_fields(writer, &%s->as.%s);\n        break;\n",
                       type_constant(emitter, subject), snake, noun, snake);
        }
    }
    buf_str(out, STR("    default: /* it has nothing beside meta */\n        break;\n    }\n"
                     "    json_object_end(writer);\n}\n"));
}

static void emit_declarations(struct emitter *emitter) {
    struct buf out;
    emit_header(&out,
                "The fields of events and commands as JSON, for the generated code among itself; see gen/json.h.");
    buf_str(&out, STR("#pragma once\n\n#include \"gen/json.h\"\n\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (is_event_or_command(subject) && has_struct(subject)) {
            const char *snake = subject->newest->record->snake;
            buf_printf(&out, "void %s_write_json_fields(struct json_writer *writer, const struct %s *value);\n", snake,
                       snake);
        }
    }
    emit_file(emitter, "json_records.h", &out);
}

static void emit_family(struct emitter *emitter, const char *family) {
    struct buf out;
    emit_header(&out, text_of(&emitter->model->arena, "JSON text of schemas/%s.", family));
    buf_str(&out, STR("#include \"gen/json_records.h\"\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const struct definition *record = subject->newest->record;
        if (strcmp(subject->family, family) != 0 || !has_struct(subject)) {
            continue;
        }
        if (is_event_or_command(subject)) {
            buf_printf(&out, "\nvoid %s_write_json_fields(struct json_writer *writer, const struct %s *value) {\n",
                       record->snake, record->snake);
            emit_fields(emitter, &out, record, 1);
            buf_str(&out, STR("}\n"));
        } else {
            emit_record(emitter, &out, record);
        }
    }
    emit_file(emitter, text_of(&emitter->model->arena, "json_%s.c", family), &out);
}

void emit_json_write(struct emitter *emitter) {
    struct buf out;
    emit_declarations(emitter);
    emit_header(&out, "JSON text of the shared records, and of any event or command.");
    buf_str(&out, STR("#include \"gen/json_records.h\"\n"));
    for (size_t i = 0; i < emitter->model->shared.count; i++) {
        if (emitter->model->shared.items[i]->kind == DEFINITION_RECORD) {
            emit_record(emitter, &out, emitter->model->shared.items[i]);
        }
    }
    emit_dispatch(emitter, &out, SCHEMA_EVENT, "event");
    emit_dispatch(emitter, &out, SCHEMA_COMMAND, "command");
    emit_file(emitter, "json_common.c", &out);
    for (size_t f = 0; f < emitter->model->family_count; f++) {
        emit_family(emitter, emitter->model->families[f]);
    }
}
