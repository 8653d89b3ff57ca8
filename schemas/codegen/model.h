/* model.h: the schemas as the generator sees them: read, checked, and put in order.
 *
 * Purpose  parse.c turns one .avsc file into definitions; model.c reads the whole folder, groups the files into
 *          subjects (one record with its versions), and collects today's shared definitions.
 * Promise  what the emitters are given is complete and consistent: every name resolved, every rule on a type it
 *          fits, a shared record defined the same in all newest versions. Anything else ends the program with a
 *          message (report.h), so emitters have no error cases.
 * Subset   of Avro 1.11: records, enums, fixed, arrays, unions of null and one type, boolean, int, long (also
 *          timestamp-micros), string and bytes. No floats (money is integer minor units), no maps, no recursion.
 * Memory   everything lives in the model's arena or in jansson's heap until the program ends.
 * Thread   the generator has one.        May use: base, jansson, avro-c.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"

enum type_kind {
    TYPE_BOOLEAN,
    TYPE_INT,
    TYPE_LONG,
    TYPE_TIMESTAMP, /* long, microseconds since 1970 */
    TYPE_STRING,
    TYPE_BYTES,
    TYPE_FIXED,
    TYPE_ENUM,
    TYPE_RECORD,
    TYPE_ARRAY,
};

struct type {
    enum type_kind kind;
    const struct definition *definition; /* of a fixed, enum or record */
    const struct type *items;            /* of an array */
};

/* Where a command's field comes from. */
enum field_source { SOURCE_BODY, SOURCE_PATH, SOURCE_GATEWAY };

/* What schemas/README.md lists; NONE (-1) where a bound is not given. */
enum { NO_BOUND = -1 };

struct rules {
    bool has_min, has_max;
    int64_t min, max;
    bool positive;
    int64_t min_length, max_length;
    const char *format; /* NULL for none */
    int64_t min_items, max_items;
    const struct rules *item; /* NULL for none */
    bool json_object;
    bool secret;                        /* read from the body, and never written */
    const char *of;                     /* of a Sealed: the message that its plaintext is JSON of; NULL for none */
    const struct definition *of_record; /* that message's newest version */
    enum field_source source;
};

struct field {
    const char *name;
    const char *doc;
    struct type type;
    bool optional;               /* a union of null and the type */
    const json_t *default_value; /* NULL when there is none */
    const char **aliases;        /* what older versions called it */
    size_t alias_count;
    struct rules rules;
};

enum definition_kind { DEFINITION_RECORD, DEFINITION_ENUM, DEFINITION_FIXED };

struct definition {
    enum definition_kind kind;
    const char *full_name;  /* daybook.CartLine */
    const char *name_space; /* daybook */
    const char *name;       /* CartLine */
    const char *snake;      /* cart_line */
    const char *upper;      /* CART_LINE */
    const char *doc;
    const char *path; /* the file it was read from */
    struct field *fields;
    size_t field_count;
    const char **symbols;
    size_t symbol_count;
    size_t fixed_size;
};

struct definition_list {
    const struct definition **items;
    size_t count, capacity;
};

/* What a file's record is, told by its namespace. */
enum schema_kind { SCHEMA_EVENT, SCHEMA_COMMAND, SCHEMA_STATE, SCHEMA_MESSAGE };

/* One .avsc file. */
struct schema_file {
    const char *path;
    const char *family;
    const char *name;
    int version;
    enum schema_kind kind;
    const char *compact;                /* its JSON without spaces: what is hashed, and what the registry hands out */
    const char *subject;                /* daybook.carts-daybook.carts.CartOpened */
    struct definition *record;          /* the file's own */
    struct definition_list definitions; /* all in the file, each after those it uses; the record is the last */
    uint32_t id;                        /* from registry.tsv; 0 while unregistered */
};

/* A record with all its versions, oldest first. */
struct subject {
    const char *family;
    const char *name;
    enum schema_kind kind;
    struct schema_file **versions;
    size_t version_count;
    const struct schema_file *newest;
    int type; /* the number of an event or command among its kind, from 1; 0 for others */
};

struct model {
    struct arena arena;
    const char *root;         /* the schemas folder */
    struct subject *subjects; /* by family, then name */
    size_t subject_count;
    const char **families; /* sorted */
    size_t family_count;
    struct definition_list shared; /* today's, namespace `daybook`, each after those it uses */
};

/* parse.c: the file's text, checked and turned into definitions (path, family, name and version are set). */
void parse_schema_file(struct model *model, struct schema_file *file);

/* parse.c: every field of the file's record has the bounds that what comes from a request must have. */
void require_bounded(struct model *model, struct schema_file *file);

/* model.c */
void model_load(struct model *model, const char *root);
void definition_list_add(struct model *model, struct definition_list *list, const struct definition *definition);
const struct definition *definition_list_find(const struct definition_list *list, const char *full_name);

/* Whether two definitions mean the same on the wire (rules and docs aside), all the way down. */
bool same_wire_form(const struct definition *a, const struct definition *b);
bool same_wire_type(const struct type *a, const struct type *b);

const struct field *field_by_name(const struct definition *record, const char *name);
bool has_alias(const struct field *field, const char *name);
/* The field of `reader` that what `writer` calls `name` is read into: the one of that name, or with that alias; NULL:
 * none. And the other way: what stands in `writer` for a field of the reader. */
const struct field *field_for_written(const struct definition *reader, const char *name);
const struct field *field_written_for(const struct definition *writer, const struct field *field);
bool is_type_name(const struct type *type, const char *full_name);

/* The fewest bytes a value takes in Avro binary: what bounds the item count of a block. */
size_t min_wire_bytes(const struct type *type);

/* The fields of an event or command beside `meta`. */
bool has_payload(const struct definition *record);

static inline bool is_meta(const struct schema_file *file, const struct field *field) {
    return (file->kind == SCHEMA_EVENT || file->kind == SCHEMA_COMMAND) && field == &file->record->fields[0];
}
