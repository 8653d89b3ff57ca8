/* emit_codec_read.c: the readers: each version of each record has one (avro_read_cart_opened_v1), which follows the
 * writer's schema and fills today's struct. A shared record inside an old version may have an old form as well; it then
 * gets a reader of its own in that family's file, named after the schema's id (read_variant_of_12). */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"

/* Where the readers of old forms go: before the reader that is being written, each once. */
struct read_context {
    struct emitter *emitter;
    struct buf *out;
    uint32_t schema_id;                 /* of the writer's schema; 0: today's form of a shared record */
    struct definition_list old_readers; /* old forms that have a reader already, for this schema */
    struct definition_list old_array_readers;
};

/* Today's definition of a shared name; NULL when nothing uses it any more. */
static const struct definition *today(const struct read_context *context, const struct definition *definition) {
    return definition_list_find(&context->emitter->model->shared, definition->full_name);
}

static bool is_todays_form(const struct read_context *context, const struct definition *definition) {
    const struct definition *newest = today(context, definition);
    return newest != NULL && same_wire_form(definition, newest);
}

static const char *record_reader(const struct read_context *context, const struct definition *definition) {
    struct arena *arena = &context->emitter->model->arena;
    return is_todays_form(context, definition) ? text_of(arena, "avro_read_%s", definition->snake)
                                               : text_of(arena, "read_%s_of_%u", definition->snake, context->schema_id);
}

static const char *array_reader(const struct read_context *context, const struct type *items) {
    struct arena *arena = &context->emitter->model->arena;
    bool todays = items->kind != TYPE_RECORD || is_todays_form(context, items->definition);
    return todays ? text_of(arena, "avro_read_%s_array", item_name(items))
                  : text_of(arena, "read_%s_array_of_%u", item_name(items), context->schema_id);
}

/* An enum whose symbols were others when it was written: from the old index to today's. */
static void emit_read_old_enum(struct read_context *context, int indent, const struct definition *written,
                               const struct definition *newest, const char *value) {
    struct buf *out = context->out;
    buf_printf(out, "%*s{\n%*sstatic const enum %s symbols[] = {", indent, "", indent + 4, "", newest->snake);
    for (size_t i = 0; i < written->symbol_count; i++) {
        buf_printf(out, "%s%s_%s", i == 0 ? "" : ", ", newest->upper,
                   upper_case(&context->emitter->model->arena, written->symbols[i]));
    }
    buf_printf(out, "};\n%*s%s = symbols[avro_read_symbol(reader, %zu)];\n%*s}\n", indent + 4, "", value,
               written->symbol_count, indent, "");
}

static void emit_read_value(struct read_context *context, int indent, const struct type *type, const char *value) {
    struct buf *out = context->out;
    if (type->kind == TYPE_ENUM && !is_todays_form(context, type->definition)) {
        emit_read_old_enum(context, indent, type->definition, today(context, type->definition), value);
        return;
    }
    buf_printf(out, "%*s", indent, "");
    switch (type->kind) {
    case TYPE_BOOLEAN:
        buf_printf(out, "%s = avro_read_boolean(reader);\n", value);
        return;
    case TYPE_INT:
        buf_printf(out, "%s = avro_read_int(reader);\n", value);
        return;
    case TYPE_LONG:
        buf_printf(out, "%s = avro_read_long(reader);\n", value);
        return;
    case TYPE_TIMESTAMP:
        buf_printf(out, "%s = avro_read_time(reader);\n", value);
        return;
    case TYPE_STRING:
        buf_printf(out, "%s = avro_read_string(reader);\n", value);
        return;
    case TYPE_BYTES:
        buf_printf(out, "%s = avro_read_bytes(reader);\n", value);
        return;
    case TYPE_FIXED:
        buf_printf(out, "avro_read_fixed(reader, %s, sizeof %s);\n", value, value);
        return;
    case TYPE_ENUM:
        buf_printf(out, "%s = (enum %s)avro_read_symbol(reader, %zu);\n", value, type->definition->snake,
                   type->definition->symbol_count);
        return;
    case TYPE_RECORD:
        buf_printf(out, "%s(reader, arena, &%s);\n", record_reader(context, type->definition), value);
        return;
    case TYPE_ARRAY:
        buf_printf(out, "%s(reader, arena, &%s);\n", array_reader(context, type->items), value);
        return;
    }
}

/* What was written but is no longer a field: read and forgotten. */
static void emit_skip_value(struct read_context *context, int indent, const struct type *type) {
    struct buf *out = context->out;
    switch (type->kind) {
    case TYPE_BOOLEAN:
        buf_printf(out, "%*s(void)avro_read_boolean(reader);\n", indent, "");
        return;
    case TYPE_INT:
    case TYPE_LONG:
    case TYPE_TIMESTAMP:
        buf_printf(out, "%*s(void)avro_read_long(reader);\n", indent, "");
        return;
    case TYPE_STRING:
    case TYPE_BYTES:
        buf_printf(out, "%*s(void)avro_read_bytes(reader);\n", indent, "");
        return;
    case TYPE_FIXED:
        buf_printf(out, "%*savro_read_fixed(reader, (uint8_t[%zu]){0}, %zu);\n", indent, "",
                   type->definition->fixed_size, type->definition->fixed_size);
        return;
    case TYPE_ENUM:
        buf_printf(out, "%*s(void)avro_read_symbol(reader, %zu);\n", indent, "", type->definition->symbol_count);
        return;
    case TYPE_RECORD:
        for (size_t i = 0; i < type->definition->field_count; i++) {
            const struct field *field = &type->definition->fields[i];
            if (field->optional) {
                buf_printf(out, "%*sif (avro_read_optional(reader)) {\n", indent, "");
                emit_skip_value(context, indent + 4, &field->type);
                buf_printf(out, "%*s}\n", indent, "");
            } else {
                emit_skip_value(context, indent, &field->type);
            }
        }
        return;
    case TYPE_ARRAY:
        buf_printf(out,
                   "%*sfor (uint32_t more_%d; (more_%d = avro_read_block(reader, %zu)) != 0;) {\n"
                   "%*sfor (; more_%d > 0 && !reader->failed; more_%d--) {\n",
                   indent, "", indent, indent, min_wire_bytes(type->items), indent + 4, "", indent, indent);
        emit_skip_value(context, indent + 8, type->items);
        buf_printf(out, "%*s}\n%*s}\n", indent + 4, "", indent, "");
        return;
    }
}

/* A field that the writer did not know. Zero needs no line: the struct was zeroed. */
static void emit_default(struct read_context *context, const struct field *field, const char *value) {
    const json_t *json = field->default_value;
    struct buf *out = context->out;
    if (field->optional || field->type.kind == TYPE_ARRAY || field->type.kind == TYPE_BYTES || json_is_false(json)) {
        return;
    }
    if (json_is_true(json)) {
        buf_printf(out, "    %s = true;\n", value);
    } else if (json_is_integer(json)) {
        buf_printf(out, "    %s = INT64_C(%lld);\n", value, (long long)json_integer_value(json));
    } else if (field->type.kind == TYPE_ENUM) {
        buf_printf(out, "    %s = %s_%s;\n", value, field->type.definition->upper,
                   upper_case(&context->emitter->model->arena, json_string_value(json)));
    } else if (json_string_length(json) > 0) {
        buf_printf(out, "    %s = STR(", value);
        emit_literal(out, json_string_value(json), 0, SIZE_MAX);
        buf_str(out, STR(");\n"));
    }
}

/* The lines that read a record written with `written` into `target` (which ends in -> or .), a `newest` struct. */
static void emit_read_fields(struct read_context *context, const struct definition *written,
                             const struct definition *newest, size_t first, const char *target) {
    struct arena *arena = &context->emitter->model->arena;
    for (size_t i = first; i < written->field_count; i++) {
        const struct field *field = &written->fields[i], *known = field_for_written(newest, field->name);
        int indent = field->optional ? 8 : 4;
        if (field->optional && known != NULL) {
            buf_printf(context->out, "    %shas_%s = avro_read_optional(reader);\n    if (%shas_%s) {\n", target,
                       known->name, target, known->name);
        } else if (field->optional) {
            buf_str(context->out, STR("    if (avro_read_optional(reader)) {\n"));
        }
        if (known != NULL) {
            emit_read_value(context, indent, &field->type, text_of(arena, "%s%s", target, known->name));
        } else {
            emit_skip_value(context, indent, &field->type);
        }
        if (field->optional) {
            buf_str(context->out, STR("    }\n"));
        }
    }
    for (size_t i = first; i < newest->field_count; i++) {
        if (field_written_for(written, &newest->fields[i]) == NULL) {
            emit_default(context, &newest->fields[i], text_of(arena, "%s%s", target, newest->fields[i].name));
        }
    }
}

static void emit_array_reader_body(struct read_context *context, const struct type *items) {
    buf_printf(context->out,
               "    for (uint32_t more; (more = avro_read_block(reader, %zu)) != 0;) {\n"
               "        ret->items = avro_array_room(reader, arena, ret->items, sizeof *ret->items, ret->count, more,\n"
               "            &ret->capacity);\n"
               "        for (; more > 0 && !reader->failed; more--) {\n",
               min_wire_bytes(items));
    if (items->kind == TYPE_RECORD) {
        buf_printf(context->out, "            %s(reader, arena, &ret->items[ret->count++]);\n",
                   record_reader(context, items->definition));
    } else {
        emit_read_value(context, 12, items, "ret->items[ret->count++]");
    }
    buf_str(context->out, STR("        }\n    }\n}\n"));
}

/* Readers for the old forms of shared records in the fields of `record` that are still there in `newest_record`, inner
 * ones first. */
static void emit_old_readers(struct read_context *context, const struct definition *record,
                             const struct definition *newest_record) {
    for (size_t i = 0; i < record->field_count; i++) {
        const struct type *type = &record->fields[i].type;
        const struct type *inner = type->kind == TYPE_ARRAY ? type->items : type;
        bool removed = field_for_written(newest_record, record->fields[i].name) == NULL;
        if (removed || inner->kind != TYPE_RECORD || is_todays_form(context, inner->definition)) {
            continue;
        }
        const struct definition *written = inner->definition, *newest = today(context, written);
        emit_old_readers(context, written, newest);
        if (definition_list_find(&context->old_readers, written->full_name) == NULL) {
            buf_printf(context->out,
                       "\nstatic void %s(struct avro_reader *reader, struct arena *arena, struct %s *ret) {\n"
                       "    (void)arena;\n",
                       record_reader(context, written), newest->snake);
            emit_read_fields(context, written, newest, 0, "ret->");
            buf_str(context->out, STR("}\n"));
            definition_list_add(context->emitter->model, &context->old_readers, written);
        }
        if (type->kind == TYPE_ARRAY && definition_list_find(&context->old_array_readers, written->full_name) == NULL) {
            buf_printf(context->out,
                       "\nstatic void %s(struct avro_reader *reader, struct arena *arena, struct %s_array *ret) {\n",
                       array_reader(context, inner), newest->snake);
            emit_array_reader_body(context, inner);
            definition_list_add(context->emitter->model, &context->old_array_readers, written);
        }
    }
}

void emit_version_reader(struct emitter *emitter, struct buf *out, const struct subject *subject,
                         const struct schema_file *file) {
    struct read_context context = {.emitter = emitter, .out = out, .schema_id = file->id};
    const struct definition *newest = subject->newest->record;
    emit_old_readers(&context, file->record, newest);
    const char *holder = subject->kind == SCHEMA_EVENT     ? "event"
                         : subject->kind == SCHEMA_COMMAND ? "command"
                                                           : newest->snake;
    buf_printf(out,
               "\n/* %s */\nvoid avro_read_%s_v%d(struct avro_reader *reader, struct arena *arena, struct %s *ret) {\n",
               file->path, newest->snake, file->version, holder);
    buf_str(out, STR("    (void)arena;\n"));
    if (is_event_or_command(subject)) {
        buf_printf(out, "    ret->type = %s;\n", type_constant(emitter, subject));
        emit_read_value(&context, 4, &file->record->fields[0].type, "ret->meta");
    }
    const char *target =
        is_event_or_command(subject) ? text_of(&emitter->model->arena, "ret->as.%s.", newest->snake) : "ret->";
    emit_read_fields(&context, file->record, newest, first_field(subject), target);
    buf_str(out, STR("}\n"));
}

void emit_shared_reader(struct emitter *emitter, struct buf *out, const struct definition *record) {
    struct read_context context = {.emitter = emitter, .out = out};
    buf_printf(out,
               "\nvoid avro_read_%s(struct avro_reader *reader, struct arena *arena, struct %s *ret) {\n"
               "    (void)arena;\n",
               record->snake, record->snake);
    emit_read_fields(&context, record, record, 0, "ret->");
    buf_str(out, STR("}\n"));
}

void emit_array_reader(struct emitter *emitter, struct buf *out, const struct type *items) {
    struct read_context context = {.emitter = emitter, .out = out};
    buf_printf(out,
               "\nvoid avro_read_%s_array(struct avro_reader *reader, struct arena *arena, struct %s_array *ret) {\n",
               item_name(items), item_name(items));
    emit_array_reader_body(&context, items);
}
