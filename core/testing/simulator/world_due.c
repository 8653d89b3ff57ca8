#include <assert.h>
#include <stdlib.h>

#include "core/testing/simulator/world_parts.h"

enum { FIRST_CAPACITY = 256 };

/* A heap. */
static struct {
    struct entry *heap;
    size_t count, capacity;
    uint64_t ever;
} due;

void *room_for_one(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
    void *more = realloc(items, *capacity * size);
    assert(more != NULL);
    return more;
}

static bool is_before(const struct entry *a, const struct entry *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

void due_push(struct entry entry) {
    due.heap = room_for_one(due.heap, due.count, &due.capacity, sizeof *due.heap);
    entry.number = due.ever++;
    size_t at = due.count++;
    while (at > 0 && is_before(&entry, &due.heap[(at - 1) / 2])) {
        due.heap[at] = due.heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    due.heap[at] = entry;
}

struct entry due_pop(void) {
    struct entry first = due.heap[0];
    struct entry last = due.heap[--due.count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= due.count) {
            break;
        }
        if (child + 1 < due.count && is_before(&due.heap[child + 1], &due.heap[child])) {
            child++;
        }
        if (!is_before(&due.heap[child], &last)) {
            break;
        }
        due.heap[at] = due.heap[child];
        at = child;
    }
    if (due.count > 0) {
        due.heap[at] = last;
    }
    return first;
}

int64_t due_first_us(void) {
    return due.count == 0 ? INT64_MAX : due.heap[0].at_us;
}

void due_begin(void) {
    due.count = 0;
    due.ever = 0;
}
