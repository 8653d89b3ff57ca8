/* export_folder.h: the folder of an export: what stands in it is whole.
 *
 * Form     events/FAMILY/TYPE/[vN-]PPPP-OOOOOOOOOOOOOOOOOOO.EXT   a part of partition P, from offset O on
 *          views/VIEW/TABLE/NNNNNN.EXT, views/VIEW/position.json  a view, of one moment
 *          export.json                                            what was asked for, and how far it is
 *          .staging                                               what is being written; emptied at each start
 * Promise  files and folders come to their names by rename, after all their bytes are on the disk. One process at a
 *          time works in the folder. No link is followed where a file is made.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include "cmd/export_file.h"

struct export_folder {
    char path[EXPORT_PATH_MAX];
    int lock;
};

/* Makes and locks it, and empties .staging. ERR_CONFLICT: another process works in it. ERR_CONFIG: it holds something
 * else than an export. */
MUST_CHECK enum err export_folder_open(struct export_folder *folder, const char *path, struct err_info *info);
/* What is not whole goes: on a full disk others may need the room. */
void export_folder_close(struct export_folder *folder);

/* A path in it, made by printf. ERR_CONFIG: it is too long. */
MUST_CHECK enum err export_folder_path(const struct export_folder *folder, char ret_path[EXPORT_PATH_MAX],
                                       struct err_info *info, const char *format, ...) PRINTF_LIKE(4, 5);

/* Makes a folder in it, and those above. */
MUST_CHECK enum err export_folder_make(const struct export_folder *folder, const char *name, struct err_info *info);

/* After files were made in a folder of .staging that is to be put as a whole: brings their names to the disk. */
MUST_CHECK enum err export_folder_sync(const struct export_folder *folder, const char *name, struct err_info *info);

/* Puts what stands whole at `from` in .staging to its name in the folder, in the place of what is there. The folder
 * above must be there. A folder's old content is removed; on an error it stands where it stood. */
MUST_CHECK enum err export_folder_put(const struct export_folder *folder, const char *from, const char *name,
                                      struct err_info *info);

/* Writes a small file whole or not at all. */
MUST_CHECK enum err export_folder_write(const struct export_folder *folder, const char *name, struct str text,
                                        struct err_info *info);

/* Removes the parts of a partition of the family that begin at `offset` or behind it: what a killed run put there and
 * did not note any more. */
MUST_CHECK enum err export_folder_forget(const struct export_folder *folder, const char *family, int32_t partition,
                                         int64_t offset, struct err_info *info);

/* The name of a part's file, after its folder. `version` 0: it is not said. */
enum { EXPORT_PART_NAME_MAX = 64 };
void export_part_name(char ret_name[EXPORT_PART_NAME_MAX], int version, int32_t partition, int64_t offset,
                      enum export_format format);
/* False when the name is not of that form. */
MUST_CHECK bool export_part_name_read(struct str name, int32_t *ret_partition, int64_t *ret_offset);
