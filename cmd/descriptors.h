/* descriptors.h: how many files and connections this process may have open.
 * Source   getrlimit(2): anyone may raise the soft limit, which is 1024 on most systems for the sake of select(2),
 *          up to the hard one.
 * Thread   before the others start.      May use: libc.
 */
#pragma once

#include <stdint.h>

/* Raises the soft limit to the hard one where it can, and answers what it is then. */
uint64_t descriptors_raise(void);
