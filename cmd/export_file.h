/* export_file.h: one file of an export, JSON lines or an Avro object container file, written aside.
 *
 * Promise  export_file_finish answers ERR_NONE only when all of it is on the disk; only then may it be put into its
 *          place (export_folder.h). Each failing write, of a full disk too, is told.
 * Bounds   EXPORT_BUFFER_BYTES and the largest item are held in memory, and container_file's block.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include "cmd/container_file.h"
#include "core/base/err.h"

enum export_format { EXPORT_JSONL, EXPORT_AVRO };

enum { EXPORT_PATH_MAX = 1024, EXPORT_BUFFER_BYTES = 256 * 1024 };

/* How the files of an export are written. */
struct export_form {
    enum export_format format;
    enum container_codec codec; /* of Avro */
};

/* "jsonl" or "avro": also what the files' names end in. */
const char *export_format_name(enum export_format format);

struct export_file {
    struct export_form form;
    char path[EXPORT_PATH_MAX];
    int fd;
    struct container container;
    struct buf out; /* not written yet */
    int64_t count;  /* of items */
};

/* Makes the file. `schema` is that of the items, for Avro; `seed` tells it from other files (container_file.h). */
MUST_CHECK enum err export_file_open(struct export_file *file, const struct export_form *form, const char *path,
                                     struct str schema, struct str seed, struct err_info *info);
/* A JSON object without line ends, or a datum. */
MUST_CHECK enum err export_file_add(struct export_file *file, struct str item, struct err_info *info);
/* Writes what is left, brings all to the disk, and closes it, whatever it answers. */
MUST_CHECK enum err export_file_finish(struct export_file *file, struct err_info *info);
/* Closes and removes one that is not to be finished. */
void export_file_discard(struct export_file *file);
