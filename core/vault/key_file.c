#include "core/vault/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_file(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

static enum err failed(struct err_info *info, const char *doing, const char *what, const char *path, int why) {
    return err_set(info, ERR_IO, "cannot %s %s %.120s: %s", doing, what, path, strerror(why));
}

/* Reads to the end, or until more than there may be was read. */
static bool read_all(int fd, uint8_t *bytes, size_t capacity, size_t *ret_size, bool *ret_is_longer) {
    size_t filled = 0;
    uint8_t beyond;
    for (;;) {
        ssize_t got = filled < capacity ? read(fd, bytes + filled, capacity - filled) : read(fd, &beyond, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        *ret_is_longer = got > 0 && filled == capacity;
        if (got == 0 || *ret_is_longer) {
            *ret_size = filled;
            return true;
        }
        filled += (size_t)got;
    }
}

enum err key_file_read(const char *path, const char *what, uint8_t *bytes, size_t capacity, size_t *ret_size,
                       struct err_info *info) {
    CLEANUP(close_file) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT) {
        return err_set(info, ERR_NOT_FOUND, "there is no file %.120s with %s", path, what);
    }
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0) {
        return failed(info, "open", what, path, errno);
    }
    if (!S_ISREG(about.st_mode)) {
        return err_set(info, ERR_IO, "%.120s with %s is not a regular file", path, what);
    }
    bool is_longer;
    size_t size;
    if (!read_all(fd, bytes, capacity, &size, &is_longer)) {
        return failed(info, "read", what, path, errno);
    }
    if (is_longer) {
        return err_set(info, ERR_MALFORMED, "%.120s with %s holds more than %zu bytes", path, what, capacity);
    }
    *ret_size = size;
    return ERR_NONE;
}

/* The folder that the file is in, or is to be in: "." when the path names none. False: the path is too long. */
static bool folder_of(const char *path, char ret_folder[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (length >= PATH_MAX) {
        return false;
    }
    memcpy(ret_folder, slash == NULL ? "." : path, length);
    ret_folder[length] = '\0';
    return true;
}

static bool sync_folder(const char *folder) {
    CLEANUP(close_file) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

/* What exists is left as it is, and what cannot be made is told by who opens the file. */
static void make_folder(const char *folder) {
    char parent[PATH_MAX];
    if (mkdir(folder, 0700) == 0 && folder_of(folder, parent)) {
        (void)sync_folder(parent);
    }
}

static void make_folders(char *folder) {
    for (char *at = folder + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            make_folder(folder);
            *at = '/';
        }
    }
    make_folder(folder);
}

static bool write_all(int fd, const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        bytes += put;
        size -= (size_t)put;
    }
    return fsync(fd) == 0;
}

/* Written under a name of our own and then given its place: with `replaces` in any case, else if the place is free. */
static enum err put_file(const char *path, const char *what, const uint8_t *bytes, size_t size, bool replaces,
                         struct err_info *info) {
    char draft[PATH_MAX], folder[PATH_MAX];
    int length = snprintf(draft, sizeof draft, "%s.%ld.%u", path, (long)getpid(), randombytes_random());
    if (length < 0 || (size_t)length >= sizeof draft || !folder_of(path, folder)) {
        return failed(info, "make", what, path, ENAMETOOLONG);
    }
    make_folders(folder);
    CLEANUP(close_file) int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(info, "make", what, path, errno);
    }
    bool is_put = write_all(fd, bytes, size) &&
                  (replaces ? rename(draft, path) == 0 : link(draft, path) == 0 || errno == EEXIST) &&
                  sync_folder(folder);
    int why = errno;
    (void)unlink(draft);
    return is_put ? ERR_NONE : failed(info, replaces ? "replace" : "make", what, path, why);
}

enum err key_file_make(const char *path, const char *what, const uint8_t *bytes, size_t size, struct err_info *info) {
    return put_file(path, what, bytes, size, false, info);
}

enum err key_file_replace(const char *path, const char *what, const uint8_t *bytes, size_t size,
                          struct err_info *info) {
    return put_file(path, what, bytes, size, true, info);
}
