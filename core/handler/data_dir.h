/* data_dir.h: one handler process a data_dir.
 *
 * Why      its stores are written by the process that has them, standby stores among them, and the witness's slots are
 *          a process's own: two on one folder would spoil each other's work again and again.
 * Thread   any.                  May use: base.
 */
#pragma once

#include "core/base/err.h"

/* Makes the folder when there is none. ERR_CONFIG: another process has it. *ret_lock is for data_dir_unlock; the end of
 * the process, however it comes, unlocks as well. */
MUST_CHECK enum err data_dir_lock(const char *data_dir, int *ret_lock, struct err_info *info);
/* -1 is nothing. */
void data_dir_unlock(int lock);
