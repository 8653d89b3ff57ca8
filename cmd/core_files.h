/* core_files.h: what a crash may leave behind.
 *
 * Purpose  the memory of a running service holds the installation's secret, keys of persons and what they wrote: a core
 *          file, or a debugger of another process of the same user, would carry them past every erasure.
 * Promise  after core_files_forbid no core file is written, whatever core_pattern says, and nobody but root may trace
 *          the process. Children inherit the limit.
 * Thread   at the start of the process.          May use: libc.
 */
#pragma once

#include <stdbool.h>

/* False: the system refused, and errno says why. */
bool core_files_forbid(void);
