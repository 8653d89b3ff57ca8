/* vault.c: the double of core/vault as far as core/connect uses it: whose keys are there, and which are destroyed.
 *
 * What is sealed in the simulated world is made up (person.c), so there are no bytes of keys: a key is there until it
 * is destroyed. Destroying takes a session of the simulated PostgreSQL, which may be away, and time.
 * Points: "vault: before destroying", "vault: after destroying".
 */
#include "core/vault/vault.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/map.h"
#include "core/testing/simulator/post.h"
#include "core/testing/simulator/world.h"
#include "core/vault/upkeep.h"

enum { US_PER_MS = 1000, DESTROYING_MOST_US = 50 * US_PER_MS };

#define DESTROYED_MAX_BYTES ((size_t)64 << 20)

static struct arena destroyed_arena;
static struct map destroyed; /* key id -> itself */

bool sim_key_is_destroyed(struct str key_id) {
    return destroyed.arena != NULL && map_get(&destroyed, key_id) != NULL;
}

/* ---- the pool, which nobody asks anything ------------------------------------------------------------------------ */

struct pg_pool {
    char nothing;
};

enum err pg_pool_open(uv_loop_t *loop, const struct pg_pool_options *options, struct pg_pool **ret_pool,
                      struct err_info *info) {
    (void)loop, (void)options, (void)info;
    *ret_pool = calloc(1, sizeof **ret_pool);
    assert(*ret_pool != NULL);
    return ERR_NONE;
}

void pg_pool_close(struct pg_pool *pool, void (*on_closed)(void *context), void *context) {
    free(pool);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

/* ---- vault.h ----------------------------------------------------------------------------------------------------- */

struct vault {
    char nothing;
};

struct vault *vault_open(struct pg_pool *pg, const struct master_ring *ring) {
    (void)pg, (void)ring;
    struct vault *vault = calloc(1, sizeof *vault);
    assert(vault != NULL);
    return vault;
}

void vault_close(struct vault *vault) {
    free(vault);
}

void vault_key_of(struct vault *vault, struct str key_id, enum vault_wish wish, vault_key_cb *on_key, void *context) {
    (void)vault;
    assert(wish == VAULT_FIND);
    const struct vault_key key = {.id = key_id};
    bool is_away = sim_chance(sim_post_faults.vault_away);
    bool is_there = !is_away && !sim_key_is_destroyed(key_id);
    on_key(context, is_away ? VAULT_NO_DATABASE : is_there ? VAULT_THERE : VAULT_NONE, is_there ? &key : NULL);
}

void vault_end_of(struct vault *vault, struct str key_id, vault_end_cb *on_end, void *context) {
    (void)vault;
    bool is_away = sim_chance(sim_post_faults.vault_away);
    on_end(context, is_away                        ? VAULT_END_UNKNOWN
                    : sim_key_is_destroyed(key_id) ? VAULT_DESTROYED
                                                   : VAULT_NEVER_DESTROYED);
}

bool vault_unseal(const struct vault_key *key, struct arena *arena, const struct sealed *sealed,
                  struct str *ret_plaintext) {
    assert(str_equal(key->id, sealed->key_id));
    *ret_plaintext = arena_printf(arena, "%.*s@example.com", STR_ARGS(key->id));
    return true;
}

void vault_forget(struct vault *vault, struct str key_id) {
    (void)vault, (void)key_id;
}

/* ---- upkeep.h ---------------------------------------------------------------------------------------------------- */

enum err vault_destroy(struct pg_session *session, const struct vault_doomed *doomed, size_t count, int64_t *ret_left,
                       struct err_info *info) {
    sim_point("vault: before destroying");
    sim_sleep(sim_between(1, DESTROYING_MOST_US));
    enum err err = pg_session_check(session, info);
    if (err != ERR_NONE) {
        return err;
    }
    if (destroyed.arena == NULL) {
        arena_init(&destroyed_arena, DESTROYED_MAX_BYTES);
        map_init(&destroyed, &destroyed_arena);
    }
    for (size_t i = 0; i < count; i++) {
        SIM_TRACE("vault: %.*s is destroyed", STR_ARGS(doomed[i].key_id));
        *map_at(&destroyed, doomed[i].key_id) = &destroyed;
    }
    *ret_left = 0; /* nobody makes keys anew */
    sim_point("vault: after destroying");
    return ERR_NONE;
}

enum err vault_vacuum(struct pg_session *session, bool *ret_was_due, struct err_info *info) {
    *ret_was_due = false;
    return pg_session_check(session, info);
}
