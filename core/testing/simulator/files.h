/* files.h: folders of a run: copied and removed, as a shell would do it.
 * Thread   one.                  May use: libc.
 */
#pragma once

/* A new folder for the run, in memory where there is such a file system. Lives as long as the program. */
const char *files_root_make(void);
/* With all that is in it. What is not there is gone already. */
void files_remove(const char *folder);
/* A folder of plain files and folders, but for lock.mdb: LMDB's lock file names threads of a process that is gone. */
void files_copy(const char *from, const char *to);
