#include "core/handler/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/handler/store_folder.h"

enum { WITNESS_FILE_BYTES = WITNESS_WORKERS_MAX * sizeof(struct witness_slot) };

enum err witness_open(struct witness *witness, const char *data_dir, struct err_info *info) {
    char path[FOLDER_PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/deciding", data_dir);
    if (len < 0 || (size_t)len >= sizeof path) {
        return err_set(info, ERR_STORE, "the path of data_dir is too long");
    }
    enum err err = folders_make(data_dir, info);
    if (err != ERR_NONE) {
        return err;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(info, ERR_STORE, "making %s: %s", path, strerror(errno));
    }
    void *mapped = MAP_FAILED;
    /* All of it is given room now: a store into a page that a full disk has none for would be SIGBUS. */
    errno = posix_fallocate(fd, 0, WITNESS_FILE_BYTES);
    if (errno == 0) {
        mapped = mmap(NULL, WITNESS_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (mapped == MAP_FAILED) {
        err = err_set(info, ERR_STORE, "mapping %s: %s", path, strerror(errno));
    }
    close(fd); /* the mapping stays */
    if (err != ERR_NONE) {
        return err;
    }
    witness->slots = mapped;
    for (int i = 0; i < WITNESS_WORKERS_MAX; i++) {
        witness->former[i].shard = witness->slots[i].shard;
        atomic_init(&witness->former[i].offset_plus_one, atomic_load(&witness->slots[i].offset_plus_one));
    }
    return ERR_NONE;
}

void witness_close(struct witness *witness) {
    if (witness->slots != NULL) {
        munmap(witness->slots, WITNESS_FILE_BYTES);
        witness->slots = NULL;
    }
}

bool witness_died_at(struct witness *witness, int32_t shard, int64_t *ret_offset) {
    for (int i = 0; i < WITNESS_WORKERS_MAX; i++) {
        int64_t offset_plus_one = atomic_load(&witness->former[i].offset_plus_one);
        if (witness->former[i].shard == shard && offset_plus_one > 0) {
            *ret_offset = offset_plus_one - 1;
            return true;
        }
    }
    return false;
}

void witness_counted(struct witness *witness, int32_t shard) {
    for (int i = 0; i < WITNESS_WORKERS_MAX; i++) {
        if (witness->former[i].shard == shard) {
            int64_t told = atomic_exchange(&witness->former[i].offset_plus_one, 0);
            /* The file still says it unless the worker of that slot has decided something since. */
            if (told > 0) {
                atomic_compare_exchange_strong(&witness->slots[i].offset_plus_one, &told, 0);
            }
        }
    }
}
