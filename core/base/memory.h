/* memory.h: a process that is given no memory says so and ends, as if it had been killed.
 *
 * What it was in the middle of is mended by whoever goes on, as after any crash; half a result that is taken for a
 * whole one would not be. These are for our own allocations, and for a library that cannot tell no memory from another
 * failure. One that can is asked, and its error is told like any other.
 *
 * Promise  what is returned is not NULL unless no byte was asked for. At the end nothing of atexit runs: other threads
 *          are still at work. Exit code 1, and a line on standard error.
 * Memory   the caller's, for free().
 * Secrets  free_wiping is free() for what may hold some: all that malloc gave is overwritten first. For libraries that
 *          copy what passes through them.
 * Thread   any.                  May use: libc.
 */
#pragma once

#include <stddef.h>

void *malloc_or_end(size_t size);
void *calloc_or_end(size_t count, size_t size);
void *realloc_or_end(void *old, size_t size);
char *strdup_or_end(const char *text);
void free_wiping(void *memory);

/* For a library that returned nothing: "daybook: out of memory (WHAT)". */
void out_of_memory(const char *what) __attribute__((noreturn));
