/* files.h: folders that are made where they are missing, and small files that are mapped into memory.
 *
 * Promise  stores into a mapping outlive the process, however it ends, and cost no call. All of the file is given its
 *          room when it is opened: a store into a page that a full disk has none for would be SIGBUS.
 * Thread   any.                  May use: libc.
 */
#pragma once

#include <stddef.h>

#include "core/base/err.h"

enum { FOLDER_PATH_MAX = 1024 };

/* mkdir -p: every part of the path. ERR_STORE. */
MUST_CHECK enum err folders_make(const char *path, struct err_info *info);

/* The first `bytes` of the file `name` in the folder; both are made where they are missing, with zeros. munmap gives
 * them back. `ret_lock` may be NULL; else the file is this process's alone until the descriptor is closed, or the
 * process ends: ERR_CONFLICT when another one has it. All else is ERR_STORE. */
MUST_CHECK enum err mapped_file_open(const char *folder, const char *name, size_t bytes, int *ret_lock,
                                     void **ret_memory, struct err_info *info);
