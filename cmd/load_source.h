/* load_source.h: the lines of a file, one at a time.
 * Bounds   a line has at most LOAD_LINE_MAX_BYTES; one line is in memory.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum { LOAD_LINE_MAX_BYTES = 1024 * 1024 };

struct load_source {
    FILE *file;
    char *line;
    int64_t line_number; /* of the line that was read last; the first is 1 */
    int64_t bytes_read;
    int64_t bytes_total; /* 0: not a plain file */
};

MUST_CHECK enum err load_source_open(struct load_source *source, const char *path, struct err_info *info);
void load_source_close(struct load_source *source);

/* The next line that is not empty, without its end, valid until the next call; ERR_NOT_FOUND at the file's end. */
MUST_CHECK enum err load_source_next(struct load_source *source, struct str *ret_line, struct err_info *info);

/* Begins again at the first line; ERR_IO when the file cannot. */
MUST_CHECK enum err load_source_rewind(struct load_source *source, struct err_info *info);
