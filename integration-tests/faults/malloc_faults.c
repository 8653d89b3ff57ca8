/* malloc_faults.c: one allocation fails, for a program that is started with this library in LD_PRELOAD.
 *
 * The file that FAULT_MALLOC names is mapped: its first eight bytes are how many allocations still succeed, and
 * the one that takes the number from 1 to 0 fails. 0: none fails. The test writes a number while the program runs, and
 * sees in it whether the fault has happened.
 *
 * The others come from the next allocator in the order of the program's libraries, whose free() takes them back.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic int64_t *countdown;

__attribute__((constructor)) static void map_countdown(void) {
    const char *path = getenv("FAULT_MALLOC");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *countdown, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        countdown = mapped == MAP_FAILED ? NULL : mapped;
    }
}

static bool is_the_one(void) {
    if (countdown == NULL || atomic_load_explicit(countdown, memory_order_relaxed) <= 0 ||
        atomic_fetch_sub(countdown, 1) != 1) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

/* Looked up at the first call, which may come before any constructor. dlsym itself allocates only when it fails. */
static void *next(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        abort();
    }
    return function;
}

void *malloc(size_t size) {
    static void *(*_Atomic next_malloc)(size_t);
    if (next_malloc == NULL) {
        next_malloc = (void *(*)(size_t))next("malloc");
    }
    return is_the_one() ? NULL : next_malloc(size);
}

void *calloc(size_t count, size_t size) {
    static void *(*_Atomic next_calloc)(size_t, size_t);
    if (next_calloc == NULL) {
        next_calloc = (void *(*)(size_t, size_t))next("calloc");
    }
    return is_the_one() ? NULL : next_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    static void *(*_Atomic next_realloc)(void *, size_t);
    if (next_realloc == NULL) {
        next_realloc = (void *(*)(void *, size_t))next("realloc");
    }
    return is_the_one() ? NULL : next_realloc(old, size);
}
