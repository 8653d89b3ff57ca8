#include "core/gateway/unsealing.h"

#include <sodium.h>

bool unsealing_add(void *context, struct sealed *value) {
    struct unsealing *unsealing = context;
    if (unsealing->count == UNSEALING_MAX) {
        return false;
    }
    value->plaintext = (struct str){0};
    unsealing->values[unsealing->count] = value;
    unsealing->key_ids[unsealing->count++] = value->key_id;
    return true;
}

static void on_keys(void *context, enum vault_found found, const struct vault_key *keys, size_t count) {
    struct unsealing *unsealing = context;
    for (size_t i = 0; i < count; i++) {
        struct sealed *value = unsealing->values[i];
        if (!str_is_empty(keys[i].id) && !vault_unseal(&keys[i], unsealing->arena, value, &value->plaintext)) {
            value->plaintext = (struct str){0};
        }
    }
    unsealing->on_done(unsealing, found);
}

void unsealing_begin(struct unsealing *unsealing, struct vault *vault) {
    if (unsealing->count == 0) {
        unsealing->on_done(unsealing, VAULT_THERE);
        return;
    }
    if (unsealing->is_discreet) {
        vault_keys_of_store(vault, unsealing->key_ids, unsealing->count, on_keys, unsealing);
    } else {
        vault_keys_of(vault, unsealing->key_ids, unsealing->count, on_keys, unsealing);
    }
}

void unsealing_wipe(struct str plaintext) {
    if (plaintext.len > 0) {
        sodium_memzero((char *)plaintext.data, plaintext.len);
    }
}
