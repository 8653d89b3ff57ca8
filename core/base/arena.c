#include "core/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"

enum { ARENA_BLOCK_MIN_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *older;
    size_t capacity;
    size_t used;
    alignas(max_align_t) char bytes[];
};

static struct arena_block *block_create(size_t capacity) {
    struct arena_block *block = malloc_or_end(sizeof *block + capacity);
    block->older = NULL;
    block->capacity = capacity;
    block->used = 0;
    return block;
}

static size_t round_up(size_t size) {
    const size_t alignment = alignof(max_align_t);
    return (size + alignment - 1) / alignment * alignment;
}

void arena_init(struct arena *arena, size_t max_bytes) {
    *arena = (struct arena){.max_bytes = max_bytes};
}

void arena_keep(struct arena *arena, size_t bytes) {
    arena->keep_bytes = bytes;
}

static void blocks_free(struct arena_block *block) {
    while (block != NULL) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
}

/* Takes a block out of use: into the spare ones while there is room for it. */
static void block_give_back(struct arena *arena, struct arena_block *block) {
    if (block->capacity > arena->keep_bytes || arena->spare_bytes > arena->keep_bytes - block->capacity) {
        free(block);
        return;
    }
    block->used = 0;
    block->older = arena->spare;
    arena->spare = block;
    arena->spare_bytes += block->capacity;
}

/* A spare block that has room for `size`; NULL: there is none. */
static struct arena_block *block_take_spare(struct arena *arena, size_t size) {
    for (struct arena_block **at = &arena->spare; *at != NULL; at = &(*at)->older) {
        struct arena_block *block = *at;
        if (block->capacity >= size) {
            *at = block->older;
            arena->spare_bytes -= block->capacity;
            return block;
        }
    }
    return NULL;
}

void arena_reset(struct arena *arena) {
    while (arena->newest != NULL && arena->newest->older != NULL) {
        struct arena_block *block = arena->newest;
        arena->newest = block->older;
        block_give_back(arena, block);
    }
    if (arena->newest != NULL) {
        arena->newest->used = 0;
    }
    arena->used_bytes = 0;
}

void arena_wipe(struct arena *arena) {
    for (struct arena_block *block = arena->newest; block != NULL; block = block->older) {
        explicit_bzero(block->bytes, block->used);
    }
}

void arena_release(struct arena *arena) {
    blocks_free(arena->newest);
    blocks_free(arena->spare);
    arena->newest = arena->spare = NULL;
    arena->used_bytes = arena->spare_bytes = 0;
}

size_t arena_left(const struct arena *arena) {
    return arena->max_bytes - arena->used_bytes;
}

/* Memory with anything in it. */
static void *take(struct arena *arena, size_t size) {
    if (size > arena_left(arena)) {
        return NULL;
    }
    size_t rounded = round_up(size == 0 ? 1 : size);
    if (rounded > arena_left(arena)) {
        return NULL;
    }
    struct arena_block *block = arena->newest;
    if (block == NULL || block->capacity - block->used < rounded) {
        /* Each block is as large as all before it, so a large batch costs few mallocs. */
        size_t capacity = arena->used_bytes > ARENA_BLOCK_MIN_BYTES ? arena->used_bytes : ARENA_BLOCK_MIN_BYTES;
        struct arena_block *fresh = block_take_spare(arena, rounded);
        fresh = fresh != NULL ? fresh : block_create(capacity > rounded ? capacity : rounded);
        fresh->older = block;
        arena->newest = fresh;
        block = fresh;
    }
    void *piece = block->bytes + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return piece;
}

void *arena_try(struct arena *arena, size_t size) {
    void *piece = take(arena, size);
    return piece == NULL ? NULL : memset(piece, 0, size);
}

void *arena_alloc(struct arena *arena, size_t size) {
    void *piece = arena_try(arena, size);
    assert(piece != NULL && "arena: its maximum is too small for what our own limits allow");
    return piece;
}

bool arena_str_try(struct arena *arena, struct str text, struct str *ret_copy) {
    char *copy = take(arena, text.len);
    if (copy == NULL) {
        return false;
    }
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    *ret_copy = str_of(copy, text.len);
    return true;
}

struct str arena_str_copy(struct arena *arena, struct str text) {
    struct str copy = {0};
    bool fits = arena_str_try(arena, text, &copy);
    assert(fits && "arena: its maximum is too small for what our own limits allow");
    return copy;
}

struct str arena_join(struct arena *arena, struct str first, struct str second) {
    char *text = take(arena, (size_t)first.len + second.len);
    assert(text != NULL && "arena: its maximum is too small for what our own limits allow");
    if (first.len > 0) {
        memcpy(text, first.data, first.len);
    }
    if (second.len > 0) {
        memcpy(text + first.len, second.data, second.len);
    }
    return str_of(text, first.len + second.len);
}

struct str arena_printf(struct arena *arena, const char *format, ...) {
    /* Most texts fit into what the newest block has left, and are made where they stay. */
    struct arena_block *block = arena->newest;
    char *room = block == NULL ? NULL : block->bytes + block->used;
    size_t room_bytes = block == NULL ? 0 : block->capacity - block->used;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(room, room_bytes, format, args);
    va_end(args);
    assert(len >= 0);
    char *text = take(arena, (size_t)len + 1);
    assert(text != NULL && "arena: its maximum is too small for what our own limits allow");
    if (text != room) {
        if (room_bytes > 0) { /* arena_wipe does not look there */
            explicit_bzero(room, room_bytes > (size_t)len ? (size_t)len : room_bytes);
        }
        vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    return str_of(text, (size_t)len);
}
