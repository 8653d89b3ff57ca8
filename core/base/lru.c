#include "projections/runtime/cache.h"

#include <assert.h>
#include <stdlib.h>

enum { SLOTS_MIN = 1024 };

static size_t size_of(const struct cached_stream *entry) {
    return sizeof *entry + entry->name.len + entry->state.len;
}

static struct cached_stream **slot_of(const struct state_cache *cache, int64_t hash) {
    return &cache->slots[(uint64_t)hash & (cache->slot_count - 1)];
}

static struct cached_stream **slots_make(size_t count) {
    struct cached_stream **slots = calloc(count, sizeof(struct cached_stream *));
    if (slots == NULL) {
        abort();
    }
    return slots;
}

void state_cache_init(struct state_cache *cache, size_t max_bytes) {
    *cache = (struct state_cache){.slots = slots_make(SLOTS_MIN), .slot_count = SLOTS_MIN, .max_bytes = max_bytes};
}

static void unlink_age(struct state_cache *cache, struct cached_stream *entry) {
    if (entry->newer == NULL) {
        cache->newest = entry->older;
    } else {
        entry->newer->older = entry->older;
    }
    if (entry->older == NULL) {
        cache->oldest = entry->newer;
    } else {
        entry->older->newer = entry->newer;
    }
}

static void link_newest(struct state_cache *cache, struct cached_stream *entry) {
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest == NULL) {
        cache->oldest = entry;
    } else {
        cache->newest->newer = entry;
    }
    cache->newest = entry;
}

static struct cached_stream *find(const struct state_cache *cache, struct str name, int64_t hash) {
    struct cached_stream *entry = *slot_of(cache, hash);
    while (entry != NULL && (entry->hash != hash || !str_equal(entry->name, name))) {
        entry = entry->next_in_slot;
    }
    return entry;
}

static void drop(struct state_cache *cache, struct cached_stream *entry) {
    struct cached_stream **at = slot_of(cache, entry->hash);
    while (*at != entry) {
        at = &(*at)->next_in_slot;
    }
    *at = entry->next_in_slot;
    unlink_age(cache, entry);
    cache->count--;
    cache->bytes -= size_of(entry);
    free(entry);
}

static void drop_oldest(struct state_cache *cache) {
    assert(cache->oldest != NULL && cache->oldest->older == NULL);
    drop(cache, cache->oldest);
}

void state_cache_clear(struct state_cache *cache) {
    while (cache->oldest != NULL) {
        drop_oldest(cache);
    }
}

void state_cache_release(struct state_cache *cache) {
    state_cache_clear(cache);
    free(cache->slots);
}

const struct cached_stream *state_cache_get(struct state_cache *cache, struct str name, int64_t hash) {
    struct cached_stream *entry = find(cache, name, hash);
    if (entry != NULL && entry != cache->newest) {
        unlink_age(cache, entry);
        link_newest(cache, entry);
    }
    return entry;
}

static void grow(struct state_cache *cache) {
    struct cached_stream **old = cache->slots;
    size_t old_count = cache->slot_count;
    cache->slot_count = old_count * 2;
    cache->slots = slots_make(cache->slot_count);
    for (size_t i = 0; i < old_count; i++) {
        struct cached_stream *next;
        for (struct cached_stream *entry = old[i]; entry != NULL; entry = next) {
            next = entry->next_in_slot;
            struct cached_stream **slot = slot_of(cache, entry->hash);
            entry->next_in_slot = *slot;
            *slot = entry;
        }
    }
    free(old);
}

/* One piece of memory: the entry, its state, its name. */
static struct cached_stream *entry_make(struct str name, struct str state) {
    struct cached_stream *entry = malloc(sizeof *entry + name.len + state.len);
    if (entry == NULL) {
        abort();
    }
    char *texts = (char *)(entry + 1);
    *entry = (struct cached_stream){.state = str_of(texts, state.len), .name = str_of(texts + state.len, name.len)};
    if (state.len > 0) {
        memcpy(texts, state.data, state.len);
    }
    memcpy(texts + state.len, name.data, name.len);
    return entry;
}

void state_cache_put(struct state_cache *cache, struct str name, int64_t hash, int64_t version, bool parked,
                     struct str state) {
    struct cached_stream *entry = entry_make(name, state);
    entry->hash = hash;
    entry->version = version;
    entry->parked = parked;
    struct cached_stream *before = find(cache, name, hash);
    if (before != NULL) {
        drop(cache, before);
    }
    if (cache->count == cache->slot_count) {
        grow(cache);
    }
    struct cached_stream **slot = slot_of(cache, hash);
    entry->next_in_slot = *slot;
    *slot = entry;
    link_newest(cache, entry);
    cache->count++;
    cache->bytes += size_of(entry);
    while (cache->bytes > cache->max_bytes) {
        drop_oldest(cache);
    }
}
