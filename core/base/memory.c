#include "core/base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not through stdio, which may want memory itself, and whose lock may be held by a thread that waits for this one. */
void out_of_memory(const char *what) {
    dprintf(STDERR_FILENO, "daybook: out of memory (%s)\n", what);
    _exit(EXIT_FAILURE);
}

static void *or_end(void *memory, size_t size) {
    if (memory == NULL && size > 0) {
        char what[40];
        snprintf(what, sizeof what, "%zu bytes", size);
        out_of_memory(what);
    }
    return memory;
}

void *malloc_or_end(size_t size) {
    return or_end(malloc(size), size);
}

void *calloc_or_end(size_t count, size_t size) {
    return or_end(calloc(count, size), count * size);
}

void *realloc_or_end(void *old, size_t size) {
    return or_end(realloc(old, size), size);
}

char *strdup_or_end(const char *text) {
    return or_end(strdup(text), strlen(text) + 1);
}

void free_wiping(void *memory) {
    if (memory != NULL) {
        explicit_bzero(memory, malloc_usable_size(memory));
    }
    free(memory);
}
