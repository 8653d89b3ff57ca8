#include "core/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BLOCK_MIN_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *older;
    size_t capacity;
    size_t used;
    alignas(max_align_t) char bytes[];
};

static struct arena_block *block_create(size_t capacity) {
    struct arena_block *block = malloc(sizeof *block + capacity);
    if (block == NULL) {
        fprintf(stderr, "daybook: out of memory (%zu bytes for an arena)\n", capacity);
        exit(EXIT_FAILURE);
    }
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

void arena_reset(struct arena *arena) {
    while (arena->newest != NULL && arena->newest->older != NULL) {
        struct arena_block *block = arena->newest;
        arena->newest = block->older;
        free(block);
    }
    if (arena->newest != NULL) {
        arena->newest->used = 0;
    }
    arena->used_bytes = 0;
}

void arena_release(struct arena *arena) {
    arena_reset(arena);
    free(arena->newest);
    arena->newest = NULL;
}

size_t arena_left(const struct arena *arena) {
    return arena->max_bytes - arena->used_bytes;
}

void *arena_try(struct arena *arena, size_t size) {
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
        struct arena_block *fresh = block_create(capacity > rounded ? capacity : rounded);
        fresh->older = block;
        arena->newest = fresh;
        block = fresh;
    }
    void *piece = block->bytes + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return memset(piece, 0, size);
}

void *arena_alloc(struct arena *arena, size_t size) {
    void *piece = arena_try(arena, size);
    assert(piece != NULL && "arena: its maximum is too small for what our own limits allow");
    return piece;
}

bool arena_str_try(struct arena *arena, struct str text, struct str *ret_copy) {
    char *copy = arena_try(arena, text.len);
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

struct str arena_printf(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return str_of(text, (size_t)len);
}
