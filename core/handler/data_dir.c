#include "core/handler/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/files.h"

enum err data_dir_lock(const char *data_dir, int *ret_lock, struct err_info *info) {
    char path[FOLDER_PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/lock", data_dir);
    if (len < 0 || (size_t)len >= sizeof path) {
        return err_set(info, ERR_STORE, "the path of data_dir is too long");
    }
    enum err err = folders_make(data_dir, info);
    if (err != ERR_NONE) {
        return err;
    }
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) {
        return err_set(info, ERR_STORE, "making %s: %s", path, strerror(errno));
    }
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
        *ret_lock = lock;
        return ERR_NONE;
    }
    err = errno == EWOULDBLOCK
              ? err_set(info, ERR_CONFIG, "another handler process uses the data_dir %s: each needs its own", data_dir)
              : err_set(info, ERR_STORE, "locking %s: %s", path, strerror(errno));
    close(lock);
    return err;
}

void data_dir_unlock(int lock) {
    if (lock >= 0) {
        close(lock);
    }
}
