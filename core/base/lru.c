#include "core/base/lru.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"

enum { SLOTS_MIN = 1024 };

static size_t size_of(const struct lru_entry *entry) {
    return sizeof *entry + entry->name.len + entry->value.len;
}

static struct lru_entry **slot_of(const struct lru *lru, int64_t hash) {
    return &lru->slots[(uint64_t)hash & (lru->slot_count - 1)];
}

static struct lru_entry **slots_make(size_t count) {
    return calloc_or_end(count, sizeof(struct lru_entry *));
}

void lru_init(struct lru *lru, size_t max_bytes) {
    *lru = (struct lru){.slots = slots_make(SLOTS_MIN), .slot_count = SLOTS_MIN, .max_bytes = max_bytes};
}

static void unlink_age(struct lru *lru, struct lru_entry *entry) {
    if (entry->newer == NULL) {
        lru->newest = entry->older;
    } else {
        entry->newer->older = entry->older;
    }
    if (entry->older == NULL) {
        lru->oldest = entry->newer;
    } else {
        entry->older->newer = entry->newer;
    }
}

static void link_newest(struct lru *lru, struct lru_entry *entry) {
    entry->newer = NULL;
    entry->older = lru->newest;
    if (lru->newest == NULL) {
        lru->oldest = entry;
    } else {
        lru->newest->newer = entry;
    }
    lru->newest = entry;
}

static struct lru_entry *find(const struct lru *lru, struct str name, int64_t hash) {
    struct lru_entry *entry = *slot_of(lru, hash);
    while (entry != NULL && (entry->hash != hash || !str_equal(entry->name, name))) {
        entry = entry->next_in_slot;
    }
    return entry;
}

static void drop(struct lru *lru, struct lru_entry *entry) {
    struct lru_entry **at = slot_of(lru, entry->hash);
    while (*at != entry) {
        at = &(*at)->next_in_slot;
    }
    *at = entry->next_in_slot;
    unlink_age(lru, entry);
    lru->count--;
    lru->bytes -= size_of(entry);
    free(entry);
}

static void drop_oldest(struct lru *lru) {
    assert(lru->oldest != NULL && lru->oldest->older == NULL);
    drop(lru, lru->oldest);
}

void lru_clear(struct lru *lru) {
    while (lru->oldest != NULL) {
        drop_oldest(lru);
    }
}

void lru_release(struct lru *lru) {
    lru_clear(lru);
    free(lru->slots);
}

const struct lru_entry *lru_get(struct lru *lru, struct str name, int64_t hash) {
    struct lru_entry *entry = find(lru, name, hash);
    if (entry != NULL && entry != lru->newest) {
        unlink_age(lru, entry);
        link_newest(lru, entry);
    }
    return entry;
}

static void grow(struct lru *lru) {
    struct lru_entry **old = lru->slots;
    size_t old_count = lru->slot_count;
    lru->slot_count = old_count * 2;
    lru->slots = slots_make(lru->slot_count);
    for (size_t i = 0; i < old_count; i++) {
        struct lru_entry *next;
        for (struct lru_entry *entry = old[i]; entry != NULL; entry = next) {
            next = entry->next_in_slot;
            struct lru_entry **slot = slot_of(lru, entry->hash);
            entry->next_in_slot = *slot;
            *slot = entry;
        }
    }
    free(old);
}

/* One piece of memory: the entry, its value, its name. */
static struct lru_entry *entry_copy(const struct lru_entry *from) {
    struct lru_entry *entry = malloc_or_end(sizeof *entry + from->name.len + from->value.len);
    char *texts = (char *)(entry + 1);
    *entry = (struct lru_entry){
        .name = str_of(texts + from->value.len, from->name.len),
        .hash = from->hash,
        .value = str_of(texts, from->value.len),
        .version = from->version,
        .mark = from->mark,
    };
    if (from->value.len > 0) {
        memcpy(texts, from->value.data, from->value.len);
    }
    memcpy(texts + from->value.len, from->name.data, from->name.len);
    return entry;
}

void lru_put(struct lru *lru, const struct lru_entry *new) {
    struct lru_entry *entry = entry_copy(new);
    struct lru_entry *before = find(lru, new->name, new->hash);
    if (before != NULL) {
        drop(lru, before);
    }
    if (lru->count == lru->slot_count) {
        grow(lru);
    }
    struct lru_entry **slot = slot_of(lru, entry->hash);
    entry->next_in_slot = *slot;
    *slot = entry;
    link_newest(lru, entry);
    lru->count++;
    lru->bytes += size_of(entry);
    while (lru->bytes > lru->max_bytes) {
        drop_oldest(lru);
    }
}

void lru_drop(struct lru *lru, int64_t hash) {
    struct lru_entry *entry = *slot_of(lru, hash);
    while (entry != NULL) {
        struct lru_entry *next = entry->next_in_slot;
        if (entry->hash == hash) {
            drop(lru, entry);
        }
        entry = next;
    }
}
