#include "core/handler/askers.h"

#include <stdlib.h>

#include "core/base/memory.h"

static bool waits_for(const struct asker *asker, const uint8_t command_id[ULID_BYTES]) {
    return asker->instance_len > 0 && memcmp(asker->command_id, command_id, ULID_BYTES) == 0;
}

static struct str instance_of(const struct asker *asker) {
    return str_of(asker->instance, asker->instance_len);
}

void askers_release(struct askers *askers) {
    free(askers->places);
    *askers = (struct askers){0};
}

void askers_add(struct askers *askers, const uint8_t command_id[ULID_BYTES], int32_t partition, struct str instance) {
    if (str_is_empty(instance) || instance.len > REPLY_INSTANCE_MAX) {
        return;
    }
    if (askers->places == NULL) {
        askers->places = calloc_or_end(ASKERS_MAX, sizeof *askers->places);
    }
    for (uint32_t i = 0; askers->count > 0 && i < ASKERS_MAX; i++) {
        const struct asker *at = &askers->places[i];
        if (waits_for(at, command_id) && at->partition == partition && str_equal(instance_of(at), instance)) {
            return;
        }
    }
    struct asker *place = &askers->places[askers->next];
    askers->next = (askers->next + 1) % ASKERS_MAX;
    askers->count += place->instance_len == 0;
    memcpy(place->command_id, command_id, ULID_BYTES);
    place->partition = partition;
    place->instance_len = (uint8_t)instance.len;
    memcpy(place->instance, instance.data, instance.len);
}

bool askers_take(struct askers *askers, const uint8_t command_id[ULID_BYTES], int32_t *ret_partition,
                 struct str *ret_instance) {
    for (uint32_t i = 0; askers->count > 0 && i < ASKERS_MAX; i++) {
        struct asker *at = &askers->places[i];
        if (waits_for(at, command_id)) {
            *ret_partition = at->partition;
            *ret_instance = instance_of(at);
            at->instance_len = 0;
            askers->count--;
            return true;
        }
    }
    return false;
}
