/* emit_json_dispatch.c: json.h, and what goes by a command's type: its body's reader, its fields from the path, and its
 * Sealed fields. */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

/* ---- json.h ------------------------------------------------------------------------------------------------- */

static const char json_top[] =
    "#pragma once\n"
    "\n"
    "#include <jansson.h>\n"
    "\n"
    "#include \"core/base/json_write.h\"\n"
    "#include \"core/schema/json_read.h\"\n"
    "#include \"gen/commands.h\"\n"
    "#include \"gen/events.h\"\n"
    "#include \"gen/messages.h\"\n"
    "#include \"gen/state.h\"\n"
    "\n"
    "/* Reads the fields whose `from` is body; the others stay as they are. NULL is an empty object. The command's "
    "type\n"
    " * must be one. Texts and arrays of the command, and of the problem, live in the arena. On a problem the command "
    "is\n"
    " * half filled: throw it away. Duplicate keys, and integers beyond int64 (which jansson's loader refuses with\n"
    " * json_error_numeric_overflow), never reach this: whoever loads the text answers them. */\n"
    "MUST_CHECK bool command_body_from_json(uint16_t command_type, const json_t *body, struct arena *arena,\n"
    "                                       struct command *ret_command, struct json_problem *ret_problem);\n"
    "\n"
    "/* Sets a field whose `from` is path, checked by its rules; asserts that there is such a field. The problem has "
    "no\n"
    " * pointer, since the field is not in the body. The command's type is set. */\n"
    "MUST_CHECK bool command_path_field(struct command *command, struct arena *arena, const char *field,\n"
    "                                   struct str value, struct json_problem *ret_problem);\n"
    "\n"
    "/* Visits each Sealed that is there; stops, and answers false, when a call did. */\n"
    "MUST_CHECK bool command_each_sealed(struct command *command, bool (*visit)(void *context, struct sealed "
    "*sealed),\n"
    "                                    void *context);\n"
    "\n"
    "/* The body as it may be hashed and kept: without the members that are secret. A new reference to an object; the\n"
    " * caller gives it back with json_decref. */\n"
    "json_t *command_body_without_secrets(uint16_t command_type, const json_t *body);\n"
    "/* Whether there may be such. */\n"
    "bool command_has_secrets(uint16_t command_type);\n"
    "\n"
    "/* Whole objects, every field under its schema name in the schema's order (for events and commands `meta` "
    "first).\n"
    " * Absent optional fields are left out. Times are RFC 3339, bytes base64url, enums their symbol, attributes an\n"
    " * object; of Sealed only the key's id is written, and secret texts are empty. */\n"
    "void event_write_json(struct json_writer *writer, const struct event *event);\n"
    "void command_write_json(struct json_writer *writer, const struct command *command);\n"
    "\n";

static void emit_json_header(struct emitter *emitter) {
    struct buf out;
    emit_header(&out,
                "JSON of events, commands and stored forms: written for people, read from requests. Thread: any.");
    buf_str(&out, str_of_cstr(json_top));
    bool has_sealed = definition_list_find(&emitter->model->shared, "daybook.Sealed") != NULL;
    if (!has_sealed) {
        fail_at(emitter->model->root, NULL, "no schema uses daybook.Sealed, which the generated header needs");
    }
    for (size_t i = 0; i < emitter->model->shared.count; i++) {
        const struct definition *record = emitter->model->shared.items[i];
        if (record->kind == DEFINITION_RECORD) {
            buf_printf(&out, "void %s_write_json(struct json_writer *writer, const struct %s *value);\n", record->snake,
                       record->snake);
        }
    }
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (!is_event_or_command(subject)) {
            const char *snake = subject->newest->record->snake;
            buf_printf(&out, "void %s_write_json(struct json_writer *writer, const struct %s *value);\n", snake, snake);
        }
    }
    emit_file(emitter, "json.h", &out);
}

/* ---- by command type ---------------------------------------------------------------------------------------- */

static void emit_body_dispatch(struct emitter *emitter, struct buf *out) {
    buf_str(out, STR("\nbool command_body_from_json(uint16_t command_type, const json_t *body, struct arena *arena,\n"
                     "    struct command *ret_command, struct json_problem *ret_problem) {\n"
                     "    struct json_reader reader = {.arena = arena, .problem = ret_problem};\n"
                     "    ret_command->type = command_type;\n"
                     "    switch (command_type) {\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == SCHEMA_COMMAND) {
            buf_printf(out, "    case %s:\n        return %s_body_from_json(&reader, body, ret_command);\n",
                       type_constant(emitter, subject), subject->newest->record->snake);
        }
    }
    buf_str(out, STR("    default:\n        assert(!\"not a command's type\");\n        return false;\n    }\n}\n"));
}

static void emit_path_dispatch(struct emitter *emitter, struct buf *out) {
    buf_str(out, STR("\nbool command_path_field(struct command *command, struct arena *arena, const char *field,\n"
                     "    struct str value, struct json_problem *ret_problem) {\n"
                     "    struct json_reader reader = {.arena = arena, .problem = ret_problem};\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const struct definition *record = subject->newest->record;
        for (size_t i = 1; subject->kind == SCHEMA_COMMAND && i < record->field_count; i++) {
            if (record->fields[i].rules.source != SOURCE_PATH) {
                continue;
            }
            buf_printf(out,
                       "    if (command->type == %s && strcmp(field, \"%s\") == 0) {\n"
                       "        return json_check_text(&reader, NULL, value,\n            ",
                       type_constant(emitter, subject), record->fields[i].name);
            emit_text_rules(emitter, out, &record->fields[i].rules);
            buf_printf(out, ",\n            &command->as.%s.%s);\n    }\n", record->snake, record->fields[i].name);
        }
    }
    buf_str(out, STR("    assert(!\"the command has no such field from the path\");\n    return false;\n}\n"));
}

static void emit_seal_dispatch(struct emitter *emitter, struct buf *out) {
    buf_str(
        out,
        STR("\nbool command_each_sealed(struct command *command, bool (*visit)(void *context, struct sealed *sealed),\n"
            "    void *context) {\n"
            "    switch (command->type) {\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const struct definition *record = subject->newest->record;
        if (subject->kind != SCHEMA_COMMAND || !record_holds_sealed(record, 1)) {
            continue;
        }
        buf_printf(out, "    case %s:\n", type_constant(emitter, subject));
        emit_sealed_visits(emitter, out, record, 1, text_of(&emitter->model->arena, "command->as.%s.", record->snake),
                           8);
        buf_str(out, STR("        return true;\n"));
    }
    buf_str(out, STR("    default:\n        return true;\n    }\n}\n"));
}

static bool is_secret_member(const struct field *field) {
    return field->rules.secret && field->rules.source == SOURCE_BODY;
}

static void emit_secrets_dispatch(struct emitter *emitter, struct buf *out) {
    buf_str(out, STR("\njson_t *command_body_without_secrets(uint16_t command_type, const json_t *body) {\n"
                     "    json_t *without = NULL;\n"
                     "    switch (command_type) {\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const struct definition *record = subject->newest->record;
        bool begun = false;
        for (size_t i = 1; subject->kind == SCHEMA_COMMAND && i < record->field_count; i++) {
            if (!is_secret_member(&record->fields[i])) {
                continue;
            }
            if (!begun) {
                buf_printf(out,
                           "    case %s:\n        without = json_copy((json_t *)body);\n"
                           "        assert(without != NULL);\n",
                           type_constant(emitter, subject));
                begun = true;
            }
            buf_printf(out, "        (void)json_object_del(without, \"%s\");\n", record->fields[i].name);
        }
        if (begun) {
            buf_str(out, STR("        return without;\n"));
        }
    }
    buf_str(out,
            STR("    default:\n        without = json_incref((json_t *)body);\n        return without;\n    }\n}\n"));
}

static bool has_secret_member(const struct definition *record) {
    bool has = false;
    for (size_t i = 1; i < record->field_count && !has; i++) {
        has = is_secret_member(&record->fields[i]);
    }
    return has;
}

static void emit_has_secrets(struct emitter *emitter, struct buf *out) {
    buf_str(out, STR("\nbool command_has_secrets(uint16_t command_type) {\n    switch (command_type) {\n"));
    bool has_any = false;
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == SCHEMA_COMMAND && has_secret_member(subject->newest->record)) {
            buf_printf(out, "    case %s:\n", type_constant(emitter, subject));
            has_any = true;
        }
    }
    buf_str(out, has_any ? STR("        return true;\n") : STR(""));
    buf_str(out, STR("    default:\n        return false;\n    }\n}\n"));
}

void emit_json_dispatch(struct emitter *emitter) {
    struct buf out;
    emit_json_header(emitter);
    emit_header(&out, "Bodies of single commands, for the generated code among itself; others use gen/json.h.");
    buf_str(&out, STR("#pragma once\n\n#include \"gen/json.h\"\n\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == SCHEMA_COMMAND) {
            buf_printf(
                &out,
                "bool %s_body_from_json(const struct json_reader *reader, const json_t *json, struct command *ret);\n",
                subject->newest->record->snake);
        }
    }
    emit_file(emitter, "json_bodies.h", &out);

    emit_header(&out, "From a command's type to the reader of its body; fields from the path; what is to be sealed.");
    buf_str(&out, STR("#include \"gen/json_bodies.h\"\n\n#include <assert.h>\n"));
    emit_body_dispatch(emitter, &out);
    emit_path_dispatch(emitter, &out);
    emit_seal_dispatch(emitter, &out);
    emit_secrets_dispatch(emitter, &out);
    emit_has_secrets(emitter, &out);
    emit_file(emitter, "json_bodies.c", &out);
}
