#include "core/testing/simulator/files.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512, COPY_BYTES = 64 * 1024, OPEN_MOST = 16 };

const char *files_root_make(void) {
    static char root[64];
    snprintf(root, sizeof root, "%s/daybook-sim-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    const char *made = mkdtemp(root);
    assert(made != NULL);
    return root;
}

static int one_removed(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

void files_remove(const char *folder) {
    (void)nftw(folder, one_removed, OPEN_MOST, FTW_DEPTH | FTW_PHYS);
}

static void file_copy(const char *from, const char *to) {
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(in >= 0 && out >= 0);
    char *bytes = malloc(COPY_BYTES);
    assert(bytes != NULL);
    ssize_t count;
    while ((count = read(in, bytes, COPY_BYTES)) > 0) {
        ssize_t written = write(out, bytes, (size_t)count);
        assert(written == count);
    }
    free(bytes);
    close(in);
    close(out);
}

static void path_in(char ret_path[PATH_BYTES], const char *folder, const char *name) {
    int length = snprintf(ret_path, PATH_BYTES, "%s/%s", folder, name);
    assert(length > 0 && length < PATH_BYTES);
}

void files_copy(const char *from, const char *to) {
    int made = mkdir(to, 0700);
    DIR *folder = opendir(from);
    assert(made == 0 && folder != NULL);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock.mdb") == 0) {
            continue;
        }
        char source[PATH_BYTES], target[PATH_BYTES];
        path_in(source, from, entry->d_name);
        path_in(target, to, entry->d_name);
        if (entry->d_type == DT_DIR) {
            files_copy(source, target);
        } else {
            file_copy(source, target);
        }
    }
    closedir(folder);
}
