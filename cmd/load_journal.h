/* load_journal.h: what was sent and what was answered: one JSON object a line, an independent witness for tests.
 *
 * Purpose  the oracle after every fault asks this journal, never the system under test; and --resume reads from it
 *          which lines of the file have a final answer.
 * Promise  a line is written when an item's outcome is known or given up; load_journal_close puts all on the disk
 *          (fsync) before it returns. A torn last line of a killed run is cut off when it is opened again.
 * Memory   one bit a line of the file when resuming.
 * Thread   one at a time.        May use: base, jansson.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/err.h"

struct load_journal {
    FILE *file;
    const char *path;
    uint8_t *decided; /* a bit a line */
    size_t decided_bytes;
    int64_t decided_count;
};

/* Makes it; or, when resuming, reads what stands in it and goes on at its end. Without `resumes` a journal that holds
 * something already is an error: it is evidence. */
MUST_CHECK enum err load_journal_open(struct load_journal *journal, const char *path, bool resumes,
                                      struct err_info *info);

/* Whether the file's line has a final answer, from this run or an earlier one. */
bool load_journal_has(const struct load_journal *journal, int64_t line_number);

/* Appends an entry (borrowed), and remembers whether it is decided. */
void load_journal_write(struct load_journal *journal, json_t *entry);

/* ERR_IO when anything could not be written, now or before. */
MUST_CHECK enum err load_journal_close(struct load_journal *journal, struct err_info *info);
