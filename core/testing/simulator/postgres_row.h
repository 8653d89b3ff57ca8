/* postgres_row.h: one row of a table of PostgreSQL's double, as bytes.
 *
 * Memory   rows never change and live until the next row_begin; one that is replaced stays for who still sees it.
 * Thread   one.                  May use: base, projections (a table's shape).
 */
#pragma once

#include "projections/runtime/view.h"

/* Forgets all rows. */
void row_begin(void);

struct stored_row {
    struct str key;   /* in bytes whose order is that of the key's columns */
    struct str bytes; /* every column: its length in 4 bytes, big-endian, -1 for NULL, and its binary format */
};

/* `fields`: one a column; data NULL is NULL. */
const struct stored_row *row_new(const struct view_table *shape, const struct str *fields);
/* The key of a row; `fields`: one a column of the key. Until the next call. */
struct str row_key_of(const struct view_table *shape, const struct str *fields);
struct str row_field(const struct stored_row *row, size_t column);

int64_t field_int8(struct str field);
/* Until the run's end. */
struct str field_of_int8(int64_t value);
struct str field_of_text(struct str text);
