/* disk_faults.c: an fsync that is slow, fails or lies, for a program that is started with this library in LD_PRELOAD.
 *
 * The file that FAULT_DISK names says how, and is read at every call, so that a test can change its mind while
 * the program runs: "delay MS" sleeps before the real call, "lie MS" sleeps and says that it was done, "fail" answers
 * EIO without it, "" leaves it alone.
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

enum fault { NONE, FAILS, LIES };

/* Sleeps when the call is to be slow. */
static enum fault met(void) {
    const char *path = getenv("FAULT_DISK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NONE;
    }
    char text[32] = {0};
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    bool lies = got > 0 && strncmp(text, "lie ", 4) == 0;
    if (lies || (got > 0 && strncmp(text, "delay ", 6) == 0)) {
        long ms = strtol(strchr(text, ' '), NULL, 10);
        struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
        }
    }
    bool fails = got > 0 && strncmp(text, "fail", 4) == 0;
    return lies ? LIES : fails ? FAILS : NONE;
}

static int answered(enum fault fault) {
    if (fault == LIES) {
        return 0;
    }
    errno = EIO;
    return -1;
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    enum fault fault = met();
    return fault == NONE ? real(fd) : answered(fault);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    enum fault fault = met();
    return fault == NONE ? real(fd) : answered(fault);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned int flags) {
    int (*real)(int, off64_t, off64_t, unsigned int) =
        (int (*)(int, off64_t, off64_t, unsigned int))dlsym(RTLD_NEXT, "sync_file_range");
    enum fault fault = met();
    return fault == NONE ? real(fd, offset, count, flags) : answered(fault);
}

int msync(void *address, size_t length, int flags) {
    int (*real)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
    enum fault fault = met();
    return fault == NONE ? real(address, length, flags) : answered(fault);
}
