/* emit_types.c: the plain structs and enums; headers that need libc and core/base/str.h alone. */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"

static void emit_comment(struct buf *out, int indent, const char *doc) {
    if (doc != NULL) {
        buf_printf(out, "%*s/* %s */\n", indent, "", doc);
    }
}

/* A member, with its doc behind it where the line has room, else above. */
static void emit_member(struct buf *out, int indent, const char *member, const char *doc) {
    size_t len = (size_t)indent + strlen(member) + (doc == NULL ? 0 : strlen(doc)) + 7;
    if (doc == NULL || len > 120) {
        emit_comment(out, indent, doc);
        buf_printf(out, "%*s%s\n", indent, "", member);
    } else {
        buf_printf(out, "%*s%s /* %s */\n", indent, "", member, doc);
    }
}

static void emit_fields(struct emitter *emitter, struct buf *out, const struct definition *record, size_t first) {
    struct arena *arena = &emitter->model->arena;
    for (size_t i = first; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        if (field->optional) {
            buf_printf(out, "    bool has_%s;\n", field->name);
        }
        const char *size =
            field->type.kind == TYPE_FIXED ? text_of(arena, "[%zu]", field->type.definition->fixed_size) : "";
        emit_member(out, 4, text_of(arena, "%s %s%s;", c_type(emitter, &field->type), field->name, size), field->doc);
    }
}

static void emit_struct(struct emitter *emitter, struct buf *out, const struct definition *record, size_t first) {
    buf_byte(out, '\n');
    emit_comment(out, 0, record->doc);
    buf_printf(out, "struct %s {\n", record->snake);
    emit_fields(emitter, out, record, first);
    if (strcmp(record->full_name, "daybook.Sealed") == 0) {
        buf_str(
            out,
            STR("    struct str plaintext; /* in memory only: what the JSON reader took, before it is sealed */\n"));
    }
    buf_str(out, STR("};\n"));
}

static void emit_enum(struct emitter *emitter, struct buf *out, const struct definition *enumeration) {
    struct arena *arena = &emitter->model->arena;
    buf_byte(out, '\n');
    emit_comment(out, 0, enumeration->doc);
    buf_printf(out, "enum %s {\n", enumeration->snake);
    for (size_t i = 0; i < enumeration->symbol_count; i++) {
        buf_printf(out, "    %s_%s,\n", enumeration->upper, upper_case(arena, enumeration->symbols[i]));
    }
    buf_printf(out, "};\n\n/* The symbol as it stands in the schema. */\nconst char *%s_name(enum %s value);\n",
               enumeration->snake, enumeration->snake);
}

static void emit_array(struct buf *out, const char *item_type, const char *item) {
    buf_printf(out, "\nstruct %s_array {\n    %s *items;\n    uint32_t count, capacity;\n};\n", item, item_type);
}

/* Whether any record of today has an array of this item. */
static bool is_array_item(const struct emitter *emitter, const char *item) {
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct definition_list *definitions = &emitter->model->subjects[s].newest->definitions;
        for (size_t i = 0; i < definitions->count; i++) {
            for (size_t f = 0; f < definitions->items[i]->field_count; f++) {
                const struct type *type = &definitions->items[i]->fields[f].type;
                if (type->kind == TYPE_ARRAY && strcmp(item_name(type->items), item) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void emit_common(struct emitter *emitter) {
    struct buf out;
    emit_header(&out, "Types that several schemas share (namespace daybook). Zeroed, each is a valid empty value.");
    buf_str(&out, STR("#pragma once\n\n#include \"core/base/str.h\"\n"));
    emit_array(&out, "struct str", "str");
    if (is_array_item(emitter, "int64")) {
        emit_array(&out, "int64_t", "int64");
    }
    const struct definition_list *shared = &emitter->model->shared;
    for (size_t i = 0; i < shared->count; i++) {
        const struct definition *definition = shared->items[i];
        if (definition->kind == DEFINITION_ENUM) {
            emit_enum(emitter, &out, definition);
        } else if (definition->kind == DEFINITION_RECORD) {
            emit_struct(emitter, &out, definition, 0);
            if (is_array_item(emitter, definition->snake)) {
                emit_array(&out, text_of(&emitter->model->arena, "struct %s", definition->snake), definition->snake);
            }
        }
    }
    emit_file(emitter, "common.h", &out);
}

/* state.h and messages.h: the records of one namespace. */
static void emit_records(struct emitter *emitter, enum schema_kind kind, const char *name, const char *purpose) {
    struct buf out;
    emit_header(&out, purpose);
    buf_str(&out, STR("#pragma once\n\n#include \"gen/common.h\"\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == kind) {
            emit_struct(emitter, &out, subject->newest->record, 0);
        }
    }
    emit_file(emitter, name, &out);
}

static void emit_type_enums(struct emitter *emitter, struct buf *out, enum schema_kind kind, const char *noun) {
    for (size_t f = 0; f < emitter->model->family_count; f++) {
        const char *family = emitter->model->families[f];
        bool begun = false;
        for (size_t s = 0; s < emitter->model->subject_count; s++) {
            const struct subject *subject = &emitter->model->subjects[s];
            if (subject->kind != kind || strcmp(subject->family, family) != 0) {
                continue;
            }
            if (!begun) {
                buf_printf(out, "\nenum %s_%s {\n", family, noun);
                begun = true;
            }
            emit_member(out, 4,
                        text_of(&emitter->model->arena, "%s = %d,", type_constant(emitter, subject), subject->type),
                        subject->newest->record->doc);
        }
        if (begun) {
            buf_str(out, STR("};\n"));
        }
    }
}

/* events.h and commands.h: the enums of types, a struct for each payload, and one struct that holds any of them. */
static void emit_tagged(struct emitter *emitter, enum schema_kind kind, const char *noun, const char *purpose) {
    struct buf out;
    emit_header(&out, purpose);
    buf_str(&out, STR("#pragma once\n\n#include \"gen/common.h\"\n"));
    emit_type_enums(emitter, &out, kind, noun);
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == kind && has_payload(subject->newest->record)) {
            emit_struct(emitter, &out, subject->newest->record, 1);
        }
    }
    buf_printf(&out, "\nstruct %s {\n    uint16_t type; /* enum <family>_%s; 0 is none */\n    struct %s_meta meta;\n",
               noun, noun, noun);
    buf_str(&out, STR("    union {\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == kind && has_payload(subject->newest->record)) {
            const char *snake = subject->newest->record->snake;
            buf_printf(&out, "        struct %s %s;\n", snake, snake);
        }
    }
    buf_str(&out, STR("    } as;\n};\n"));
    emit_array(&out, text_of(&emitter->model->arena, "struct %s", noun), noun);
    emit_file(emitter, text_of(&emitter->model->arena, "%ss.h", noun), &out);
}

void emit_types(struct emitter *emitter) {
    emit_common(emitter);
    emit_records(emitter, SCHEMA_STATE, "state.h", "Stored forms (namespace daybook.state).");
    emit_records(emitter, SCHEMA_MESSAGE, "messages.h", "Messages (namespace daybook.messages).");
    emit_tagged(
        emitter, SCHEMA_EVENT, "event",
        "Events: a number for each type, its payload (the fields beside meta), and struct event for any of them.\n"
        " * Numbers change when schemas are added: they are for memory, never for storage.");
    emit_tagged(emitter, SCHEMA_COMMAND, "command",
                "Commands: a number for each type, its payload (the fields beside meta), and struct command for any.\n"
                " * Numbers change when schemas are added: they are for memory, never for storage.");
}
