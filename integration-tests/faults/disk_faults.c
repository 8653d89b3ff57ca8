/* disk_faults.c: an fsync that is slow or fails, for a program that is started with this library in LD_PRELOAD.
 *
 * The file that FAULT_DISK names says how, and is read at every call, so that a test can change its mind while
 * the program runs: "delay MS" sleeps before the real call, "fail" answers EIO without it, "" leaves it alone.
 * Every program that writes for good comes through here: Java's FileChannel.force, PostgreSQL, LMDB and Daybook itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Whether the call is to fail; sleeps when it is to be slow. */
static bool meets_fault(void) {
    const char *path = getenv("FAULT_DISK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    char text[32] = {0};
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got > 0 && strncmp(text, "delay ", 6) == 0) {
        long ms = strtol(text + 6, NULL, 10);
        struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
        }
    }
    return got > 0 && strncmp(text, "fail", 4) == 0;
}

static int failed(void) {
    errno = EIO;
    return -1;
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return meets_fault() ? failed() : real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return meets_fault() ? failed() : real(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned int flags) {
    int (*real)(int, off64_t, off64_t, unsigned int) =
        (int (*)(int, off64_t, off64_t, unsigned int))dlsym(RTLD_NEXT, "sync_file_range");
    return meets_fault() ? failed() : real(fd, offset, count, flags);
}

int msync(void *address, size_t length, int flags) {
    int (*real)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
    return meets_fault() ? failed() : real(address, length, flags);
}
