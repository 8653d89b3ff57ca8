/* json_write.h: JSON text into a buf, for documents that are made once and sent many times.
 *
 * Promise  commas and colons are put where they belong; text is escaped as RFC 8259 asks (and U+2028/2029, `<` stay as
 *          they are). The same calls give the same bytes: nothing is sorted, nothing depends on a locale.
 *          The names keep clear of jansson's (json_string, json_null), which the same file may include.
 * Bounds   31 levels; the buf's maximum.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include "core/base/buf.h"

struct json_writer {
    struct buf *out;
    uint32_t filled; /* bit n: level n holds something already */
    uint32_t depth;
};

static inline struct json_writer json_writer_of(struct buf *out) {
    return (struct json_writer){.out = out};
}

void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_name(struct json_writer *writer, struct str name);
void json_text(struct json_writer *writer, struct str text);
void json_int(struct json_writer *writer, int64_t value);
void json_bool(struct json_writer *writer, bool value);
void json_none(struct json_writer *writer);                        /* null */
void json_time(struct json_writer *writer, int64_t time_us);       /* RFC 3339 text */
void json_base64url(struct json_writer *writer, struct str bytes); /* text */
/* A value that is JSON already. */
void json_raw(struct json_writer *writer, struct str json);

/* json_name, then a value. */
void json_field_string(struct json_writer *writer, const char *name, struct str text);
void json_field_cstr(struct json_writer *writer, const char *name, const char *text);
void json_field_object(struct json_writer *writer, const char *name); /* begun */
void json_field_array(struct json_writer *writer, const char *name);  /* begun */
void json_field_raw(struct json_writer *writer, const char *name, const char *json);
void json_field_int(struct json_writer *writer, const char *name, int64_t value);
void json_field_bool(struct json_writer *writer, const char *name, bool value);
void json_field_time(struct json_writer *writer, const char *name, int64_t time_us);
