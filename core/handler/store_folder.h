/* store_folder.h: the folder of a state store: that it is open once a process, and whether its bytes can be trusted.
 *
 * Promise  between folder_open and folder_close no other store of this process has the same folder. The file `boot`
 *          says which boot of the machine wrote here last and whether it closed in good order; it is synced before
 *          folder_open answers. What cannot be trusted is removed before anything opens it.
 * Thread   any; a lock guards the registry.      May use: base.
 */
#pragma once

#include "core/base/files.h"

#include <stdint.h>

enum { BOOT_ID_MAX = 64 };

struct store_folder {
    char path[FOLDER_PATH_MAX];
    char boot_id[BOOT_ID_MAX];
    struct store_folder *next; /* in the registry */
};

/* boot_id NULL: that of this machine. *ret_why_discarded: why what was there was removed; NULL when it was not. */
MUST_CHECK enum err folder_open(struct store_folder *folder, const char *data_dir, int32_t shard, const char *boot_id,
                                const char **ret_why_discarded, struct err_info *info);

/* `clean`: all bytes are synced, so that the next boot may trust them. */
void folder_close(struct store_folder *folder, bool clean);

/* Gives LMDB's lock file its room on the disk. LMDB maps it as a hole and writes into the mapping, which on a full disk
 * is not an error but SIGBUS. 0 or an errno. */
MUST_CHECK int folder_make_room(const struct store_folder *folder);

/* Removes LMDB's files. They must not be open. */
MUST_CHECK enum err folder_empty(const struct store_folder *folder, struct err_info *info);
