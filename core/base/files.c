#include "core/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum err folders_make(const char *path, struct err_info *info) {
    char part[FOLDER_PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part) {
        return err_set(info, ERR_STORE, "the path %.100s... is too long", path);
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return err_set(info, ERR_STORE, "making the folder %s: %s", part, strerror(errno));
        }
    }
    return ERR_NONE;
}

static enum err lock(int file, const char *path, struct err_info *info) {
    if (flock(file, LOCK_EX | LOCK_NB) == 0) {
        return ERR_NONE;
    }
    return errno == EWOULDBLOCK ? err_set(info, ERR_CONFLICT, "another process uses %s", path)
                                : err_set(info, ERR_STORE, "locking %s: %s", path, strerror(errno));
}

static enum err map(int file, const char *path, size_t bytes, void **ret_memory, struct err_info *info) {
    void *mapped = MAP_FAILED;
    errno = posix_fallocate(file, 0, (off_t)bytes);
    if (errno == 0) {
        mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    if (mapped == MAP_FAILED) {
        return err_set(info, ERR_STORE, "mapping %s: %s", path, strerror(errno));
    }
    *ret_memory = mapped;
    return ERR_NONE;
}

enum err mapped_file_open(const char *folder, const char *name, size_t bytes, int *ret_lock, void **ret_memory,
                          struct err_info *info) {
    char path[FOLDER_PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (len < 0 || (size_t)len >= sizeof path) {
        return err_set(info, ERR_STORE, "the path %.100s... is too long", folder);
    }
    enum err err = folders_make(folder, info);
    if (err != ERR_NONE) {
        return err;
    }
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return err_set(info, ERR_STORE, "making %s: %s", path, strerror(errno));
    }
    err = ret_lock != NULL ? lock(file, path, info) : ERR_NONE;
    err = err == ERR_NONE ? map(file, path, bytes, ret_memory, info) : err;
    if (err == ERR_NONE && ret_lock != NULL) {
        *ret_lock = file;
    } else {
        close(file); /* a mapping stays */
    }
    return err;
}
