/* array.h: one array, as a binary parameter of a statement: what unnest makes a column of.
 *
 * Use      pg_array_begin, one call an element, then pg_array_end gives the parameter's bytes; begin again reuses the
 *          memory. The element's calls must be those of its type.
 * Format   one dimension from index 1 (array_recv in PostgreSQL's src/backend/utils/adt/arrayfuncs.c; the elements as
 *          their types' *_recv have them). unnest would flatten an array of arrays, so the elements that are arrays
 *          themselves travel as texts, in the syntax of the manual's "Array Input and Output", and the statement casts.
 * Reading  the texts of a text[] in a result's binary format: pg_array_read, then pg_array_next until it answers false.
 * Bounds   max_bytes; past it pg_array_end asserts.
 * Thread   one at a time.          May use: base.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/str.h"

/* PostgreSQL counts timestamps from 2000-01-01T00:00:00Z; this is that moment, in microseconds since 1970. */
#define PG_EPOCH_US (INT64_C(946684800) * 1000000)

enum pg_element {
    PG_ELEMENT_BOOL,
    PG_ELEMENT_BYTEA,
    PG_ELEMENT_INT8,
    PG_ELEMENT_TEXT,
    PG_ELEMENT_JSON,
    PG_ELEMENT_TIMESTAMPTZ
};

struct pg_array {
    struct buf bytes;
    uint32_t count;
    bool has_null;
};

void pg_array_init(struct pg_array *array, size_t max_bytes);
void pg_array_release(struct pg_array *array);

void pg_array_begin(struct pg_array *array, enum pg_element type);
void pg_array_null(struct pg_array *array);
void pg_array_bytes(struct pg_array *array, struct str bytes); /* TEXT, JSON, BYTEA */
void pg_array_int8(struct pg_array *array, int64_t value);
void pg_array_bool(struct pg_array *array, bool value);
void pg_array_timestamp(struct pg_array *array, int64_t time_us);                     /* since 1970 */
void pg_array_literal(struct pg_array *array, const struct str *items, size_t count); /* TEXT: {"a","b"} */
/* The parameter's value, until the array is changed. */
struct str pg_array_end(struct pg_array *array);

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct pg_array_reader {
    struct str rest;
    uint32_t left;
};

/* False when the bytes are no array of texts without NULLs, of one dimension or none. */
MUST_CHECK bool pg_array_read(struct str bytes, struct pg_array_reader *ret_reader);
/* The next text, which points into the bytes. False behind the last, and where the bytes end too early. */
MUST_CHECK bool pg_array_next(struct pg_array_reader *reader, struct str *ret_text);
