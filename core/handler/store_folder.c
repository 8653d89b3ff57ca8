#include "core/handler/store_folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/str.h"

enum {
    BOOT_TEXT_MAX = BOOT_ID_MAX + 16,
    LOCK_FILE_BYTES = 4096, /* LMDB takes what is there, when it holds its header and our readers: some 800 bytes */
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store_folder *registry;

static bool registry_add(struct store_folder *folder) {
    pthread_mutex_lock(&registry_lock);
    bool taken = false;
    for (const struct store_folder *at = registry; at != NULL; at = at->next) {
        taken = taken || strcmp(at->path, folder->path) == 0;
    }
    if (!taken) {
        folder->next = registry;
        registry = folder;
    }
    pthread_mutex_unlock(&registry_lock);
    return !taken;
}

static void registry_remove(struct store_folder *folder) {
    pthread_mutex_lock(&registry_lock);
    struct store_folder **at = &registry;
    while (*at != NULL && *at != folder) {
        at = &(*at)->next;
    }
    assert(*at == folder);
    *at = folder->next;
    pthread_mutex_unlock(&registry_lock);
}

/* The text of a small file without its last newline; false when it is not there or does not fit. */
static bool file_read(const char *path, char *ret_text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, ret_text, size);
    close(fd);
    if (got <= 0 || (size_t)got == size) {
        return false;
    }
    ret_text[got] = '\0';
    ret_text[strcspn(ret_text, "\n")] = '\0';
    return true;
}

static bool path_in(const char *folder, const char *name, char ret_path[FOLDER_PATH_MAX]) {
    int len = snprintf(ret_path, FOLDER_PATH_MAX, "%s/%s", folder, name);
    return len > 0 && len < FOLDER_PATH_MAX;
}

/* Replaces the boot file in one step, synced with the folder that names it. */
static enum err boot_write(const struct store_folder *folder, const char *state, struct err_info *info) {
    char text[BOOT_TEXT_MAX], path[FOLDER_PATH_MAX], fresh[FOLDER_PATH_MAX];
    int len = snprintf(text, sizeof text, "%s %s\n", folder->boot_id, state);
    assert(len > 0 && len < (int)sizeof text);
    if (!path_in(folder->path, "boot", path) || !path_in(folder->path, "boot.new", fresh)) {
        return err_set(info, ERR_STORE, "the path %s is too long", folder->path);
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    int parent = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    written = written && parent >= 0 && rename(fresh, path) == 0 && fsync(parent) == 0;
    if (parent >= 0) {
        close(parent);
    }
    return written ? ERR_NONE : err_set(info, ERR_STORE, "writing %s: %s", path, strerror(errno));
}

enum err folder_empty(const struct store_folder *folder, struct err_info *info) {
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[FOLDER_PATH_MAX];
        if (!path_in(folder->path, names[i], path) || (unlink(path) != 0 && errno != ENOENT)) {
            return err_set(info, ERR_STORE, "removing %s in %s: %s", names[i], folder->path, strerror(errno));
        }
    }
    return ERR_NONE;
}

int folder_make_room(const struct store_folder *folder) {
    char path[FOLDER_PATH_MAX];
    if (!path_in(folder->path, "lock.mdb", path)) {
        return ENAMETOOLONG;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int code = posix_fallocate(fd, 0, LOCK_FILE_BYTES);
    close(fd);
    return code;
}

/* Why the bytes that lie there cannot be trusted; NULL when they can, or when there are none. */
static const char *folder_distrust(const struct store_folder *folder) {
    char path[FOLDER_PATH_MAX], text[BOOT_TEXT_MAX], clean[BOOT_TEXT_MAX], open_here[BOOT_TEXT_MAX];
    if (path_in(folder->path, "data.mdb", path) && access(path, F_OK) != 0) {
        return NULL;
    }
    if (!path_in(folder->path, "boot", path) || !file_read(path, text, sizeof text)) {
        return "it does not say which boot wrote it";
    }
    (void)snprintf(open_here, sizeof open_here, "%s open", folder->boot_id);
    (void)snprintf(clean, sizeof clean, " clean");
    size_t len = strlen(text), clean_len = strlen(clean);
    bool was_closed = len > clean_len && strcmp(text + len - clean_len, clean) == 0;
    return was_closed || strcmp(text, open_here) == 0 ? NULL : "the operating system was stopped while it was open";
}

static enum err boot_id_set(struct store_folder *folder, const char *boot_id, struct err_info *info) {
    if (boot_id == NULL) {
        return file_read("/proc/sys/kernel/random/boot_id", folder->boot_id, sizeof folder->boot_id)
                   ? ERR_NONE
                   : err_set(info, ERR_STORE, "the machine's boot id cannot be read");
    }
    int len = snprintf(folder->boot_id, sizeof folder->boot_id, "%s", boot_id);
    assert(len > 0 && len < (int)sizeof folder->boot_id);
    return ERR_NONE;
}

enum err folder_open(struct store_folder *folder, const char *data_dir, int32_t shard, const char *boot_id,
                     const char **ret_why_discarded, struct err_info *info) {
    int len = snprintf(folder->path, sizeof folder->path, "%s/shard-%d", data_dir, shard);
    if (len < 0 || (size_t)len + sizeof "/boot.new" >= sizeof folder->path) {
        return err_set(info, ERR_STORE, "the path of data_dir is too long");
    }
    enum err err = boot_id_set(folder, boot_id, info);
    err = err == ERR_NONE ? folders_make(folder->path, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    if (!registry_add(folder)) {
        return err_set_retriable(info, ERR_STORE, "%s is still open in this process", folder->path);
    }
    const char *why = folder_distrust(folder);
    err = why != NULL ? folder_empty(folder, info) : ERR_NONE;
    err = err == ERR_NONE ? boot_write(folder, "open", info) : err;
    if (err != ERR_NONE) {
        registry_remove(folder);
        return err;
    }
    *ret_why_discarded = why;
    return ERR_NONE;
}

void folder_close(struct store_folder *folder, bool clean) {
    if (clean) {
        /* When it cannot be written the next boot merely distrusts the store. */
        struct err_info ignored;
        enum err err = boot_write(folder, "clean", &ignored);
        (void)err;
    }
    registry_remove(folder);
}
