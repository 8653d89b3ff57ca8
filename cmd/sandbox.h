/* sandbox.h: what a serving process gives up before it takes the first byte from outside.
 *
 * Purpose  whoever comes to run code in the process, by a bug in it or in one of its libraries, finds no program to
 *          start, no file beyond its own, and none of the kernel's corners in which privileges are won.
 * Promise  after sandbox_files this thread, and each that it starts, opens nothing but what lies below the given paths
 *          and starts no program; after sandbox_calls the calls of sandbox_calls.def are refused with EPERM in every
 *          thread, and another architecture's end the process. Other processes' memory and environment cannot be read
 *          then, and from Linux 6.12 on none outside can be signalled. Neither can be taken back. What is open already
 *          stays open: connections, standard output, descriptors. Sockets are not restricted.
 * Source   landlock(7), seccomp(2); docs/adr/0037 has why a list of what is denied.
 * Thread   both before any other thread starts.        May use: base, libc.
 */
#pragma once

#include <stddef.h>

#include "core/base/err.h"

/* A sanitizer starts a tracer of its own for leaks, and a program for names of functions: its build may do both. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANDBOX_ALLOWS_TOOLS = 1 };
#else
enum { SANDBOX_ALLOWS_TOOLS = 0 };
#endif

enum sandbox_access {
    SANDBOX_READ,
    SANDBOX_WRITE_FILE, /* and read: no files are made or removed there */
    SANDBOX_WRITE       /* read, write, make, rename and remove */
};

struct sandbox_path {
    const char *path; /* a file, or a folder with all in it */
    enum sandbox_access access;
};

/* Lets files be used below these paths alone; one that does not exist is left out. ERR_NOT_FOUND: this kernel cannot
 * (older than 5.13, or without Landlock), nothing has changed. ERR_IO: it can, and refused. */
MUST_CHECK enum err sandbox_files(const struct sandbox_path *paths, size_t count, struct err_info *info);

/* Denies system calls to all threads. ERR_NOT_FOUND: this kernel cannot, nothing has changed. */
MUST_CHECK enum err sandbox_calls(struct err_info *info);
