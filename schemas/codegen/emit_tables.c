/* emit_tables.c: codec.h (what everybody calls), the table of schemas, and the dispatch by type and by schema id. */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"

/* ---- codec.h ------------------------------------------------------------------------------------------------ */

static const char codec_top[] =
    "#pragma once\n"
    "\n"
    "#include <stddef.h>\n"
    "\n"
    "#include \"core/base/arena.h\"\n"
    "#include \"core/base/buf.h\"\n"
    "#include \"gen/commands.h\"\n"
    "#include \"gen/events.h\"\n"
    "#include \"gen/messages.h\"\n"
    "#include \"gen/state.h\"\n"
    "\n"
    "/* One version of one record, as schemas/registry.tsv has it. */\n"
    "struct schema {\n"
    "    uint32_t id;\n"
    "    const char *subject; /* with the default topic prefix, \"daybook\" */\n"
    "    int version;\n"
    "    const char *family;\n"
    "    const char *name; /* \"CartOpened\" */\n"
    "    const char *json; /* the schema, without spaces */\n"
    "    uint16_t type;    /* of an event or command; 0 for stored forms and messages */\n"
    "};\n"
    "\n"
    "/* All versions of all records, by id. */\n"
    "extern const struct schema schemas[];\n"
    "extern const size_t schemas_count;\n"
    "\n"
    "/* NULL when there is none. */\n"
    "const struct schema *schema_by_id(uint32_t id);\n"
    "\n"
    "struct event_info {\n"
    "    uint16_t type;\n"
    "    const char *name; /* \"CartOpened\" */\n"
    "    const char *family;\n"
    "    uint32_t schema_id; /* of the newest version, which event_encode writes */\n"
    "    const char *ce_type; /* the CloudEvents type: \"daybook.carts.CartOpened\" */\n"
    "};\n"
    "\n"
    "/* NULL for a type that is none. */\n"
    "const struct event_info *event_info(uint16_t type);\n"
    "/* 0 for a name that is none. */\n"
    "uint16_t event_type_by_name(struct str name);\n"
    "\n"
    "/* The newest schema's id, and the name; 0 and NULL for a type that is none. */\n"
    "uint32_t command_schema_id(uint16_t type);\n"
    "const char *command_name(uint16_t type);\n"
    "uint16_t command_type_by_name(struct str name);\n"
    "\n"
    "/* Encoding appends the whole record in Avro binary, meta first, without a frame. The type must be one.\n"
    " *\n"
    " * Decoding reads with the writer's schema, named by its id, into today's struct: fields that the writer did not "
    "know\n"
    " * take their defaults, removed ones are skipped. False when the bytes are malformed or left over, when the id is "
    "not\n"
    " * of such a record, or when the arena is full; *ret_why then says which, as a literal, and the result is "
    "untouched.\n"
    " * Texts of the result point into `avro`, arrays live in the arena. */\n"
    "void event_encode(struct buf *out, const struct event *event);\n"
    "MUST_CHECK bool event_decode(struct arena *arena, uint32_t schema_id, struct str avro, struct event *ret_event,\n"
    "                             const char **ret_why);\n"
    "\n"
    "void command_encode(struct buf *out, const struct command *command);\n"
    "MUST_CHECK bool command_decode(struct arena *arena, uint32_t schema_id, struct str avro, struct command "
    "*ret_command,\n"
    "                               const char **ret_why);\n";

/* A store of states remembers this text of the program that wrote it. */
static void emit_state_ids(const struct emitter *emitter, struct buf *out) {
    buf_str(
        out,
        STR("\n/* The newest ids of all stored forms: _decode reads what was stored under these, and nothing else. */\n"
            "#define STATE_SCHEMA_IDS \""));
    const char *separator = "";
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == SCHEMA_STATE) {
            buf_printf(out, "%s%u", separator, subject->newest->id);
            separator = ".";
        }
    }
    buf_str(out, STR("\"\n"));
}

static void emit_codec_header(struct emitter *emitter) {
    struct buf out;
    emit_header(&out, "Avro binary of every record, and the table of all schemas. Thread: any.");
    buf_str(&out, str_of_cstr(codec_top));
    buf_str(
        &out,
        STR("\n/* Stored forms and messages likewise: _decode reads the newest version's bytes, _decode_as those of\n"
            " * any version. X_SCHEMA_ID is the newest version's id. */\n"));
    buf_str(&out, STR("enum {\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (!is_event_or_command(subject)) {
            buf_printf(&out, "    %s_SCHEMA_ID = %u,\n", subject->newest->record->upper, subject->newest->id);
        }
    }
    buf_str(&out, STR("};\n"));
    emit_state_ids(emitter, &out);
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (!is_event_or_command(subject)) {
            const char *snake = subject->newest->record->snake;
            buf_printf(&out,
                       "\nvoid %s_encode(struct buf *out, const struct %s *value);\n"
                       "MUST_CHECK bool %s_decode(struct arena *arena, struct str avro, struct %s *ret_value);\n"
                       "MUST_CHECK bool %s_decode_as(struct arena *arena, uint32_t schema_id, struct str avro,\n"
                       "    struct %s *ret_value, const char **ret_why);\n",
                       snake, snake, snake, snake, snake, snake);
        }
    }
    buf_str(&out,
            STR("\n/* Visits each Sealed of the state that is there; stops, and answers false, when a call did. */\n"));
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        const struct definition *record = subject->newest->record;
        if (subject->kind == SCHEMA_STATE && record_holds_sealed(record, 0)) {
            buf_printf(&out,
                       "MUST_CHECK bool %s_each_sealed(struct %s *value,\n"
                       "    bool (*visit)(void *context, struct sealed *sealed), void *context);\n",
                       record->snake, record->snake);
        }
    }
    emit_file(emitter, "codec.h", &out);
}

/* ---- codec_schemas.c ---------------------------------------------------------------------------------------- */

static const struct schema_file *file_by_id(const struct model *model, uint32_t id,
                                            const struct subject **ret_subject) {
    for (size_t s = 0; s < model->subject_count; s++) {
        for (size_t v = 0; v < model->subjects[s].version_count; v++) {
            if (model->subjects[s].versions[v]->id == id) {
                *ret_subject = &model->subjects[s];
                return model->subjects[s].versions[v];
            }
        }
    }
    return NULL;
}

static void emit_schemas(struct emitter *emitter) {
    struct buf out;
    emit_header(&out, "The table of all schemas, from schemas/registry.tsv and the files themselves.");
    buf_str(&out,
            STR("#include \"gen/codec.h\"\n\n#include \"core/base/macros.h\"\n\nconst struct schema schemas[] = {\n"));
    const struct subject *subject;
    const struct schema_file *file;
    uint32_t id = 1;
    for (; (file = file_by_id(emitter->model, id, &subject)) != NULL; id++) {
        buf_printf(&out,
                   "    {.id = %u,\n     .subject = \"%s\",\n     .version = %d,\n     .family = \"%s\",\n"
                   "     .name = \"%s\",\n     .type = %d,\n     .json =\n",
                   id, file->subject, file->version, file->family, file->name, subject->type);
        emit_literal(&out, file->compact, 9, 100);
        buf_str(&out, STR("},\n"));
    }
    buf_str(&out, STR("};\n\nconst size_t schemas_count = ARRAY_LENGTH(schemas);\n\n"
                      "const struct schema *schema_by_id(uint32_t id) {\n"
                      "    /* Ids count up from 1 without gaps. */\n"
                      "    return id >= 1 && id <= schemas_count ? &schemas[id - 1] : NULL;\n}\n"));
    emit_file(emitter, "codec_schemas.c", &out);
}

/* ---- codec_tables.c: names and dispatch --------------------------------------------------------------------- */

static void emit_info_rows(struct emitter *emitter, struct buf *out, enum schema_kind kind) {
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == kind) {
            buf_printf(out, "    {%s, \"%s\", \"%s\", %u, \"daybook.%s.%s\"},\n", type_constant(emitter, subject),
                       subject->name, subject->family, subject->newest->id, subject->family, subject->name);
        }
    }
}

static void emit_names(struct emitter *emitter, struct buf *out) {
    buf_str(out, STR("/* By type, which counts up from 1. */\nstatic const struct event_info events[] = {\n"));
    emit_info_rows(emitter, out, SCHEMA_EVENT);
    buf_str(out, STR("};\n\nstatic const struct event_info commands[] = {\n"));
    emit_info_rows(emitter, out, SCHEMA_COMMAND);
    buf_str(out, STR("};\n\n"
                     "static uint16_t type_by_name(const struct event_info *infos, size_t count, struct str name) {\n"
                     "    for (size_t i = 0; i < count; i++) {\n"
                     "        if (str_equal(str_of_cstr(infos[i].name), name)) {\n"
                     "            return infos[i].type;\n"
                     "        }\n"
                     "    }\n"
                     "    return 0;\n"
                     "}\n\n"
                     "const struct event_info *event_info(uint16_t type) {\n"
                     "    return type >= 1 && type <= ARRAY_LENGTH(events) ? &events[type - 1] : NULL;\n"
                     "}\n\n"
                     "uint16_t event_type_by_name(struct str name) {\n"
                     "    return type_by_name(events, ARRAY_LENGTH(events), name);\n"
                     "}\n\n"
                     "uint32_t command_schema_id(uint16_t type) {\n"
                     "    return type >= 1 && type <= ARRAY_LENGTH(commands) ? commands[type - 1].schema_id : 0;\n"
                     "}\n\n"
                     "const char *command_name(uint16_t type) {\n"
                     "    return type >= 1 && type <= ARRAY_LENGTH(commands) ? commands[type - 1].name : NULL;\n"
                     "}\n\n"
                     "uint16_t command_type_by_name(struct str name) {\n"
                     "    return type_by_name(commands, ARRAY_LENGTH(commands), name);\n"
                     "}\n"));
}

static void emit_encode_dispatch(struct emitter *emitter, struct buf *out, enum schema_kind kind, const char *noun) {
    buf_printf(out,
               "\nvoid %s_encode(struct buf *out, const struct %s *%s) {\n"
               "    assert(%s->type >= 1 && %s->type <= ARRAY_LENGTH(%ss));\n"
               "    avro_write_%s_meta(out, &%s->meta);\n"
               "    switch (%s->type) {\n",
               noun, noun, noun, noun, noun, noun, noun, noun, noun);
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        if (subject->kind == kind && has_struct(subject)) {
            const char *snake = subject->newest->record->snake;
            buf_printf(out, "    case %s:\n        avro_write_%s(out, &%s->as.%s);\n        return;\n",
                       type_constant(emitter, subject), snake, noun, snake);
        }
    }
    buf_str(out, STR("    default: /* it has nothing beside meta */\n        return;\n    }\n}\n"));
}

/* Every version has its own reader, chosen by the id it was registered under. */
static void emit_decode_dispatch(struct emitter *emitter, struct buf *out, enum schema_kind kind, const char *noun) {
    buf_printf(out,
               "\nbool %s_decode(struct arena *arena, uint32_t schema_id, struct str avro, struct %s *ret_%s,\n"
               "    const char **ret_why) {\n"
               "    struct avro_reader reader = avro_reader_of(avro);\n"
               "    struct %s value;\n"
               "    memset(&value, 0, sizeof value);\n"
               "    switch (schema_id) {\n",
               noun, noun, noun, noun);
    for (size_t s = 0; s < emitter->model->subject_count; s++) {
        const struct subject *subject = &emitter->model->subjects[s];
        for (size_t v = 0; subject->kind == kind && v < subject->version_count; v++) {
            buf_printf(out, "    case %u:\n        avro_read_%s_v%zu(&reader, arena, &value);\n        break;\n",
                       subject->versions[v]->id, subject->newest->record->snake, v + 1);
        }
    }
    buf_printf(out,
               "    default:\n"
               "        *ret_why = schema_by_id(schema_id) == NULL\n"
               "            ? \"the schema id is not known here: was it written by a newer release?\"\n"
               "            : \"the schema id is not of %s %s\";\n"
               "        return false;\n"
               "    }\n"
               "    if (!avro_reader_finish(&reader, ret_why)) {\n"
               "        return false;\n"
               "    }\n"
               "    *ret_%s = value;\n"
               "    return true;\n"
               "}\n",
               kind == SCHEMA_EVENT ? "an" : "a", noun, noun);
}

static void emit_dispatch(struct emitter *emitter) {
    struct buf out;
    emit_header(&out, "Types by name, and the way from a type or a schema's id to its codec.");
    buf_str(&out, STR("#include \"gen/codec.h\"\n\n#include <assert.h>\n\n#include \"core/base/macros.h\"\n"
                      "#include \"gen/codec_records.h\"\n\n"));
    emit_names(emitter, &out);
    emit_encode_dispatch(emitter, &out, SCHEMA_EVENT, "event");
    emit_decode_dispatch(emitter, &out, SCHEMA_EVENT, "event");
    emit_encode_dispatch(emitter, &out, SCHEMA_COMMAND, "command");
    emit_decode_dispatch(emitter, &out, SCHEMA_COMMAND, "command");
    emit_file(emitter, "codec_tables.c", &out);
}

void emit_tables(struct emitter *emitter) {
    emit_codec_header(emitter);
    emit_schemas(emitter);
    emit_dispatch(emitter);
}
