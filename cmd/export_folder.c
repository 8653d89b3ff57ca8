#include "cmd/export_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/handler/store_folder.h"

/* Nothing of ours is deeper: .staging/views/VIEW/TABLE/FILE. */
enum { DEPTH_MAX = 8 };

static enum err failed(const char *what, const char *path, struct err_info *info) {
    return err_set(info, ERR_IO, "%s %s: %s", what, path, strerror(errno));
}

enum err export_folder_path(const struct export_folder *folder, char ret_path[EXPORT_PATH_MAX], struct err_info *info,
                            const char *format, ...) {
    int head = snprintf(ret_path, EXPORT_PATH_MAX, "%s/", folder->path);
    va_list args;
    va_start(args, format);
    int tail = vsnprintf(ret_path + head, (size_t)(EXPORT_PATH_MAX - head), format, args);
    va_end(args);
    return head + tail < EXPORT_PATH_MAX ? ERR_NONE
                                         : err_set(info, ERR_CONFIG, "the path %.100s... is too long", ret_path);
}

/* ---- removing ------------------------------------------------------------------------------------------------------
 */

static int remove_all(int parent, const char *name, int depth);

static int empty(int fd, int depth) {
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return -1;
    }
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = remove_all(dirfd(dir), entry->d_name, depth + 1);
        }
    }
    closedir(dir);
    return result;
}

static int remove_all(int parent, const char *name, int depth) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    int fd = depth < DEPTH_MAX ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return fd < 0 || empty(fd, depth) != 0 ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}

/* ---- opening -------------------------------------------------------------------------------------------------------
 */

/* A folder that is not empty must be one of ours. */
static enum err check_content(const char *path, struct err_info *info) {
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return failed("opening", path, info);
    }
    bool is_ours = false, has_others = false;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        is_ours |= strcmp(entry->d_name, "export.json") == 0;
        has_others |= entry->d_name[0] != '.';
    }
    closedir(dir);
    return is_ours || !has_others ? ERR_NONE : err_set(info, ERR_CONFIG, "%s is not empty, and holds no export", path);
}

static enum err lock(struct export_folder *folder, struct err_info *info) {
    char path[EXPORT_PATH_MAX];
    enum err err = export_folder_path(folder, path, info, ".lock");
    if (err != ERR_NONE) {
        return err;
    }
    folder->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (folder->lock < 0) {
        return failed("making", path, info);
    }
    if (flock(folder->lock, LOCK_EX | LOCK_NB) != 0) {
        err = errno == EWOULDBLOCK ? err_set(info, ERR_CONFLICT, "another export is at work in %s", folder->path)
                                   : failed("locking", path, info);
        close(folder->lock);
    }
    return err;
}

enum err export_folder_open(struct export_folder *folder, const char *path, struct err_info *info) {
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    if (len == 0 || len >= EXPORT_PATH_MAX) {
        return err_set(info, ERR_CONFIG, "the folder's path is empty or too long");
    }
    *folder = (struct export_folder){.lock = -1};
    memcpy(folder->path, path, len);
    if (folders_make(folder->path, info) != ERR_NONE) {
        return err_set(info, ERR_IO, "making %s: %s", folder->path, strerror(errno));
    }
    enum err err = check_content(folder->path, info);
    err = err != ERR_NONE ? err : lock(folder, info);
    if (err != ERR_NONE) {
        return err;
    }
    char staging[EXPORT_PATH_MAX];
    err = export_folder_path(folder, staging, info, ".staging");
    if (err == ERR_NONE && remove_all(AT_FDCWD, staging, 0) != 0) {
        err = failed("emptying", staging, info);
    }
    err = err != ERR_NONE ? err : export_folder_make(folder, ".staging", info);
    if (err != ERR_NONE) {
        export_folder_close(folder);
    }
    return err;
}

void export_folder_close(struct export_folder *folder) {
    char staging[EXPORT_PATH_MAX];
    if (export_folder_path(folder, staging, NULL, ".staging") == ERR_NONE) {
        (void)remove_all(AT_FDCWD, staging, 0); /* else the next start does */
    }
    close(folder->lock);
}

/* ---- putting into place --------------------------------------------------------------------------------------------
 */

static enum err sync_folder(const char *path, struct err_info *info) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        enum err err = failed("writing", path, info);
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    close(fd);
    return ERR_NONE;
}

/* A name in a folder that is not there until a sync of that folder may be gone after a power cut. */
static enum err sync_above(const char *path, struct err_info *info) {
    char above[EXPORT_PATH_MAX];
    size_t len = (size_t)(strrchr(path, '/') - path);
    memcpy(above, path, len);
    above[len] = '\0';
    return sync_folder(above, info);
}

enum err export_folder_make(const struct export_folder *folder, const char *name, struct err_info *info) {
    char path[EXPORT_PATH_MAX];
    struct stat there;
    enum err err = export_folder_path(folder, path, info, "%s", name);
    if (err != ERR_NONE || stat(path, &there) == 0) {
        return err;
    }
    if (folders_make(path, info) != ERR_NONE) {
        return err_set(info, ERR_IO, "making %s: %s", path, strerror(errno));
    }
    /* Up to the export's own folder: any of those between may be new. */
    for (size_t len = strlen(folder->path); err == ERR_NONE && strlen(path) > len; *strrchr(path, '/') = '\0') {
        err = sync_above(path, info);
    }
    return err;
}

enum err export_folder_sync(const struct export_folder *folder, const char *name, struct err_info *info) {
    char path[EXPORT_PATH_MAX];
    enum err err = export_folder_path(folder, path, info, "%s", name);
    return err != ERR_NONE ? err : sync_folder(path, info);
}

enum err export_folder_put(const struct export_folder *folder, const char *from, const char *name,
                           struct err_info *info) {
    char to[EXPORT_PATH_MAX], old[EXPORT_PATH_MAX];
    enum err err = export_folder_path(folder, to, info, "%s", name);
    err = err != ERR_NONE ? err : export_folder_path(folder, old, info, ".staging/old");
    if (err != ERR_NONE) {
        return err;
    }
    struct stat there;
    bool is_folder = stat(to, &there) == 0 && S_ISDIR(there.st_mode);
    if (is_folder && rename(to, old) != 0) {
        return failed("putting into place", to, info);
    }
    if (rename(from, to) != 0) {
        err = failed("putting into place", to, info);
        if (is_folder) {
            (void)rename(old, to); /* else it would go with .staging */
        }
        return err;
    }
    if (is_folder && remove_all(AT_FDCWD, old, 0) != 0) {
        return failed("removing", old, info);
    }
    return sync_above(to, info);
}

enum err export_folder_write(const struct export_folder *folder, const char *name, struct str text,
                             struct err_info *info) {
    char path[EXPORT_PATH_MAX];
    struct export_file file;
    const struct export_form lines = {.format = EXPORT_JSONL};
    enum err err = export_folder_path(folder, path, info, ".staging/small");
    err = err != ERR_NONE ? err : export_file_open(&file, &lines, path, STR(""), STR(""), info);
    if (err != ERR_NONE) {
        return err;
    }
    err = export_file_add(&file, text, info);
    enum err finished = export_file_finish(&file, err == ERR_NONE ? info : NULL);
    err = err != ERR_NONE ? err : finished;
    return err != ERR_NONE ? err : export_folder_put(folder, path, name, info);
}

/* ---- parts ---------------------------------------------------------------------------------------------------------
 */

void export_part_name(char ret_name[EXPORT_PART_NAME_MAX], int version, int32_t partition, int64_t offset,
                      enum export_format format) {
    char head[16] = "";
    if (version > 0) {
        snprintf(head, sizeof head, "v%d-", version);
    }
    snprintf(ret_name, EXPORT_PART_NAME_MAX, "%s%04" PRId32 "-%019" PRId64 ".%s", head, partition, offset,
             export_format_name(format));
}

/* Digits, leading zeros included; false when there are none or others. */
static bool digits_read(struct str text, int64_t *ret_value) {
    int64_t value = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || value > (INT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    *ret_value = value;
    return text.len > 0;
}

bool export_part_name_read(struct str name, int32_t *ret_partition, int64_t *ret_offset) {
    struct str rest = str_first(name, str_find(name, '.'));
    if (str_starts_with(rest, STR("v"))) {
        rest = str_from(rest, str_find(rest, '-') + 1);
    }
    uint32_t dash = str_find(rest, '-');
    int64_t partition, offset;
    if (dash == rest.len || !digits_read(str_first(rest, dash), &partition) || partition > INT32_MAX ||
        !digits_read(str_from(rest, dash + 1), &offset)) {
        return false;
    }
    *ret_partition = (int32_t)partition;
    *ret_offset = offset;
    return true;
}

static enum err forget_in(const char *type_path, int32_t partition, int64_t offset, struct err_info *info) {
    DIR *dir = opendir(type_path);
    if (dir == NULL) {
        return errno == ENOTDIR ? ERR_NONE : failed("opening", type_path, info);
    }
    enum err err = ERR_NONE;
    const struct dirent *entry;
    while (err == ERR_NONE && (entry = readdir(dir)) != NULL) {
        int32_t of_partition;
        int64_t from;
        if (export_part_name_read(str_of_cstr(entry->d_name), &of_partition, &from) && of_partition == partition &&
            from >= offset && unlinkat(dirfd(dir), entry->d_name, 0) != 0) {
            err = failed("removing a part in", type_path, info);
        }
    }
    closedir(dir);
    return err;
}

enum err export_folder_forget(const struct export_folder *folder, const char *family, int32_t partition, int64_t offset,
                              struct err_info *info) {
    char path[EXPORT_PATH_MAX], type_path[EXPORT_PATH_MAX];
    enum err err = export_folder_path(folder, path, info, "events/%s", family);
    if (err != ERR_NONE) {
        return err;
    }
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return errno == ENOENT ? ERR_NONE : failed("opening", path, info);
    }
    const struct dirent *entry;
    while (err == ERR_NONE && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            err = export_folder_path(folder, type_path, info, "events/%s/%s", family, entry->d_name);
            err = err != ERR_NONE ? err : forget_in(type_path, partition, offset, info);
        }
    }
    closedir(dir);
    return err;
}
