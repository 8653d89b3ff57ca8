#include "projections/runtime/witness.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/memory.h"

enum { WITNESS_FILE_BYTES = WITNESS_VIEWS_MAX * sizeof(struct witness_slot) };

static bool is_same(const struct witness_place *a, const struct witness_place *b) {
    return a->topic == b->topic && a->shard == b->shard && a->offset == b->offset;
}

/* What the former process died at becomes the suspect, or a suspect once more. */
static void count_death(struct witness_slot *slot) {
    struct witness_place place;
    if (!view_witness_at(slot, &place)) {
        return;
    }
    slot->deaths = slot->deaths > 0 && is_same(&slot->suspect, &place) ? slot->deaths + 1 : 1;
    slot->suspect = place;
    view_witness_rest(slot);
}

enum err view_witness_open(struct view_witness *witness, const char *data_dir, struct err_info *info) {
    *witness = (struct view_witness){.lock = -1};
    void *mapped;
    enum err err = mapped_file_open(data_dir, "projecting", WITNESS_FILE_BYTES, &witness->lock, &mapped, info);
    witness->slots = err == ERR_NONE ? mapped : calloc_or_end(1, WITNESS_FILE_BYTES);
    for (int i = 0; i < WITNESS_VIEWS_MAX; i++) {
        count_death(&witness->slots[i]);
    }
    return err;
}

void view_witness_close(struct view_witness *witness) {
    if (witness->lock >= 0) {
        munmap(witness->slots, WITNESS_FILE_BYTES);
        close(witness->lock);
    } else {
        free(witness->slots);
    }
    *witness = (struct view_witness){.lock = -1};
}

bool view_witness_is_refused(const struct witness_slot *slot, int32_t topic, int32_t shard, int64_t offset) {
    const struct witness_place place = {topic, shard, offset};
    return slot->deaths >= WITNESS_DEATHS_MAX && is_same(&slot->suspect, &place);
}

void view_witness_passed(struct witness_slot *slot) {
    slot->deaths = 0;
}

bool view_witness_at(const struct witness_slot *slot, struct witness_place *ret_place) {
    int64_t offset_plus_one = atomic_load_explicit(&slot->offset_plus_one, memory_order_acquire);
    *ret_place = (struct witness_place){atomic_load(&slot->topic), atomic_load(&slot->shard), offset_plus_one - 1};
    return offset_plus_one > 0;
}
