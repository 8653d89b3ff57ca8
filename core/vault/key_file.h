/* key_file.h: the small files that keys stand in: read whole, made once, replaced whole.
 *
 * Promise  nobody ever sees half of one. What was made or replaced is on the disk, with its name, before it is said to
 *          be: what is then encrypted under it must not outlive it. Made for its owner alone (0600), its folder too
 *          (0700). Of several processes that make one at once, all end up with the same.
 * Errors   `what` says in the text what the file is ("the secret"). Never is a byte of it in a text.
 * Thread   any; blocks on the disk.          May use: base, libsodium.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

/* ERR_NOT_FOUND: there is none. ERR_MALFORMED: it holds more than `capacity` bytes. ERR_IO; also when it is no regular
 * file: of anything else the end might never come. */
MUST_CHECK enum err key_file_read(const char *path, const char *what, uint8_t *bytes, size_t capacity, size_t *ret_size,
                                  struct err_info *info);

/* Whatever another process has put there meanwhile is left as it is, and is no error. ERR_IO. */
MUST_CHECK enum err key_file_make(const char *path, const char *what, const uint8_t *bytes, size_t size,
                                  struct err_info *info);

/* Another one in the place of that which is there. ERR_IO: then that is still there. */
MUST_CHECK enum err key_file_replace(const char *path, const char *what, const uint8_t *bytes, size_t size,
                                     struct err_info *info);
