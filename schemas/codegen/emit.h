/* emit.h: the emitters, one a kind of generated code, and what they share.
 *
 * Promise  each emit_... writes its files below the output folder; a file whose text did not change is left alone, and
 *          files of an earlier run that are no longer made are removed by emit_finish (only those that begin with the
 *          generator's mark).
 * Thread   the generator has one.        May use: base, model.
 */
#pragma once

#include "core/base/buf.h"
#include "schemas/codegen/model.h"

struct emitter {
    struct model *model;
    const char *folder;
    const char **written; /* names of the files made in this run */
    size_t written_count;
};

void emit_start(struct emitter *emitter, struct model *model, const char *folder);
void emit_finish(struct emitter *emitter);

/* A new file's text begins with the mark, and what it was made from. */
void emit_header(struct buf *out, const char *purpose);
/* Writes the file and releases the text. */
void emit_file(struct emitter *emitter, const char *name, struct buf *text);

void emit_types(struct emitter *emitter);         /* common.h state.h messages.h events.h commands.h */
void emit_codec(struct emitter *emitter);         /* codec_records.h codec_common.c codec_<family>.c */
void emit_tables(struct emitter *emitter);        /* codec.h codec_tables.c codec_schemas.c */
void emit_json_write(struct emitter *emitter);    /* json_records.h json_common.c json_<family>.c */
void emit_json_read(struct emitter *emitter);     /* json_bodies_<family>.c */
void emit_json_dispatch(struct emitter *emitter); /* json.h json_bodies.h json_bodies.c */
void emit_openapi(struct emitter *emitter);       /* openapi_schemas.json */

/* emit_sealed.c: whether the record's fields from `first` on hold a Sealed; a call of `visit` for each, which a false
 * answer ends, where `prefix` is what the fields are members of; the function that a stored state has for it. */
bool record_holds_sealed(const struct definition *record, size_t first);
void emit_sealed_visits(struct emitter *emitter, struct buf *out, const struct definition *record, size_t first,
                        const char *prefix, int indent);
void emit_state_visits(struct emitter *emitter, struct buf *out, const struct subject *subject);

/* emit_codec_read.c, for emit_codec.c: one version's reader with what it needs; a shared record's; an array's. */
void emit_version_reader(struct emitter *emitter, struct buf *out, const struct subject *subject,
                         const struct schema_file *file);
void emit_shared_reader(struct emitter *emitter, struct buf *out, const struct definition *record);
void emit_array_reader(struct emitter *emitter, struct buf *out, const struct type *items);

/* ---- C texts that several emitters need --------------------------------------------------------------------- */

/* "struct str", "int64_t", "struct cart_line_array"; a fixed has none, it is an array of bytes. */
const char *c_type(struct emitter *emitter, const struct type *type);
/* The part before _array: "str", "int64", "cart_line". */
const char *item_name(const struct type *items);
/* EVENT_CART_OPENED, COMMAND_OPEN_CART. */
const char *type_constant(struct emitter *emitter, const struct subject *subject);
/* A C string literal, escaped, in pieces of at most `width` characters a line, each line indented. */
void emit_literal(struct buf *out, const char *text, int indent, size_t width);

/* A struct json_text_rules as a C literal. */
void emit_text_rules(struct emitter *emitter, struct buf *out, const struct rules *rules);

bool is_event_or_command(const struct subject *subject);
/* Whether a struct exists for it: records all, events and commands when they have fields beside meta. */
bool has_struct(const struct subject *subject);
/* A secret text, whatever the struct holds; and whether no field from `first` on is anything else. */
bool is_written_empty(const struct field *field);
bool is_all_written_empty(const struct definition *record, size_t first);
/* Its fields start here: after meta, for events and commands. */
size_t first_field(const struct subject *subject);
