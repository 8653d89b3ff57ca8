#include "core/handler/witness.h"

#include <sys/mman.h>

#include "core/base/files.h"

enum { WITNESS_FILE_BYTES = WITNESS_WORKERS_MAX * sizeof(struct witness_slot) };

enum err witness_open(struct witness *witness, const char *data_dir, struct err_info *info) {
    void *mapped;
    enum err err = mapped_file_open(data_dir, "deciding", WITNESS_FILE_BYTES, NULL, &mapped, info);
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
