/* unsealing.h: what is sealed is opened again, for whoever may read it, or to be compared with what he says.
 *
 * Promise  each value whose key is there has its `plaintext` afterwards; of one that was erased, or is not ours, it
 *          stays empty, and nothing else is told: that is what erasure is. One question, however many persons they
 *          are of.
 * Bounds   UNSEALING_MAX values at a time.
 * Memory   plaintexts live in the arena; whoever has no more need of one wipes it (unsealing_wipe).
 * Thread   the loop's.          May use: vault.
 */
#pragma once

#include "core/vault/vault.h"

enum { UNSEALING_MAX = VAULT_BATCH_MAX };

struct unsealing {
    struct arena *arena;
    struct sealed *values[UNSEALING_MAX];
    struct str key_ids[UNSEALING_MAX];
    size_t count;
    bool is_discreet; /* what is remembered here neither counts nor shows: the vault's store is asked each time */
    /* VAULT_THERE: each key that exists was had; else VAULT_NO_DATABASE or VAULT_NO_MASTER. */
    void (*on_done)(struct unsealing *unsealing, enum vault_found found);
    void *context;
};

/* False: there are UNSEALING_MAX already. `unsealing` as the context: so it can be a state's visitor. */
MUST_CHECK bool unsealing_add(void *unsealing, struct sealed *value);

/* May call on_done before it returns. It must stay until then, and so must the values. */
void unsealing_begin(struct unsealing *unsealing, struct vault *vault);

void unsealing_wipe(struct str plaintext);
