/* array.h: the growing array of generated structs, `struct x_array {struct x *items; uint32_t count, capacity;}`.
 *
 * Promise  ARRAY_PUSH gives a zeroed item at the end; older items may move (into the arena), so keep no pointer to
 *          an item across a push.
 * Memory   the arena's; a grown array leaves its old place behind until the arena is reset.
 * Thread   the arena's.          May use: base.
 */
#pragma once

#include <assert.h>

#include "core/base/arena.h"

/* A pointer to a new zeroed last item. */
#define ARRAY_PUSH(arena, array)                                                                                       \
    ((void)((array)->count == (array)->capacity && (ARRAY_GROW(arena, array), true)), &(array)->items[(array)->count++])

#define ARRAY_GROW(arena, array)                                                                                       \
    ((array)->items = array_grow((arena), (array)->items, sizeof *(array)->items, (array)->count, &(array)->capacity))

/* Takes item `index` out, the later ones close up in their order. */
#define ARRAY_REMOVE(array, index)                                                                                     \
    (memmove(&(array)->items[index], &(array)->items[(index) + 1],                                                     \
             ((array)->count - (index)-1) * sizeof *(array)->items),                                                   \
     (array)->count--)

/* Makes `ret_array` a copy that can grow and change without touching the items of `array`. */
#define ARRAY_COPY(arena, array, ret_array)                                                                            \
    ((ret_array)->items = array_copy((arena), (array)->items, sizeof *(array)->items, (array)->count),                 \
     (ret_array)->count = (ret_array)->capacity = (array)->count)

static inline void *array_copy(struct arena *arena, const void *items, size_t item_size, uint32_t count) {
    void *copy = count == 0 ? NULL : arena_alloc(arena, count * item_size);
    if (count > 0) {
        memcpy(copy, items, count * item_size);
    }
    return copy;
}

static inline void *array_grow(struct arena *arena, const void *items, size_t item_size, uint32_t count,
                               uint32_t *capacity) {
    assert(*capacity <= UINT32_MAX / 2);
    *capacity = *capacity == 0 ? 4 : *capacity * 2;
    void *grown = arena_alloc(arena, *capacity * item_size);
    if (count > 0) {
        memcpy(grown, items, count * item_size);
    }
    return grown;
}
