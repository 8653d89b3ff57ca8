/* csv.h: rows of comma-separated values, as RFC 4180 has them, read from a stream.
 *
 * Promise  a row is whole or an error that names the line on which the row begins: nothing of it is shown. Fields are
 *          UTF-8 without NUL; quotes are taken off, and line ends within them kept. A byte order mark at the beginning
 *          is passed over (spreadsheets write one). Lines end in LF or CRLF; empty lines are passed over.
 * Refused  what RFC 4180 leaves open or forbids, since two programs would read it in two ways: a quote within a field
 *          that does not begin with one, text behind a closing quote, CR alone, a quote that is never closed.
 * Bounds   CSV_ROW_MAX_BYTES a row, CSV_FIELDS_MAX fields.
 * Memory   fields are lent until the next row.
 * Thread   one at a time.        May use: libc.
 */
#pragma once

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/err.h"

enum {
    CSV_ROW_MAX_BYTES = 64 * 1024,
    CSV_FIELDS_MAX = 256,
};

struct csv {
    FILE *file; /* the caller's */
    int64_t line;
    struct buf row;
    uint32_t ends[CSV_FIELDS_MAX]; /* where each field ends in `row` */
    uint8_t ahead[3];              /* read to see whether it is a byte order mark, which it is not */
    uint32_t ahead_count, ahead_taken;
    bool has_begun;
};

struct csv_row {
    int64_t line; /* on which it begins, from 1 on */
    struct str fields[CSV_FIELDS_MAX];
    uint32_t count;
};

void csv_begin(struct csv *csv, FILE *file);
void csv_end(struct csv *csv);

/* ERR_NONE: a row. ERR_NOT_FOUND: there is no further one. ERR_MALFORMED, ERR_TOO_LARGE: the text says where and why;
 * ERR_IO. After an error nothing more is read. */
MUST_CHECK enum err csv_next(struct csv *csv, struct csv_row *ret_row, struct err_info *info);
