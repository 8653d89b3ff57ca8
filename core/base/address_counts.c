#include "core/base/address_counts.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/map.h"
#include "core/base/memory.h"

enum { FIRST_SLOTS = 64 };

static struct address_count **slot_of(const struct address_counts *counts, const uint8_t address[ADDRESS_BYTES]) {
    uint64_t hash = map_hash(str_of((const char *)address, ADDRESS_BYTES));
    return &counts->slots[hash & (counts->slot_count - 1)];
}

/* Twice the slots, so that there are never more rows than slots. */
static void grow(struct address_counts *counts) {
    struct address_counts grown = {.row_count = counts->row_count};
    grown.slot_count = counts->slot_count == 0 ? FIRST_SLOTS : 2 * counts->slot_count;
    grown.slots = calloc_or_end(grown.slot_count, sizeof(struct address_count *));
    for (size_t i = 0; i < counts->slot_count; i++) {
        for (struct address_count *row = counts->slots[i], *next; row != NULL; row = next) {
            next = row->next_in_slot;
            struct address_count **slot = slot_of(&grown, row->address);
            row->next_in_slot = *slot;
            *slot = row;
        }
    }
    free(counts->slots);
    *counts = grown;
}

void address_counts_release(struct address_counts *counts) {
    for (size_t i = 0; i < counts->slot_count; i++) {
        for (struct address_count *row = counts->slots[i], *next; row != NULL; row = next) {
            next = row->next_in_slot;
            free(row);
        }
    }
    free(counts->slots);
    *counts = (struct address_counts){0};
}

struct address_count *address_counts_find(const struct address_counts *counts, const uint8_t address[ADDRESS_BYTES]) {
    if (counts->row_count == 0) {
        return NULL;
    }
    struct address_count *row = *slot_of(counts, address);
    while (row != NULL && memcmp(row->address, address, ADDRESS_BYTES) != 0) {
        row = row->next_in_slot;
    }
    return row;
}

struct address_count *address_counts_add(struct address_counts *counts, const uint8_t address[ADDRESS_BYTES]) {
    struct address_count *row = address_counts_find(counts, address);
    if (row == NULL) {
        if (counts->row_count == counts->slot_count) {
            grow(counts);
        }
        struct address_count **slot = slot_of(counts, address);
        row = calloc_or_end(1, sizeof *row);
        memcpy(row->address, address, ADDRESS_BYTES);
        row->next_in_slot = *slot;
        *slot = row;
        counts->row_count++;
    }
    row->count++;
    return row;
}

void address_counts_remove(struct address_counts *counts, struct address_count *row) {
    assert(row->count > 0);
    if (--row->count > 0) {
        return;
    }
    struct address_count **link = slot_of(counts, row->address);
    while (*link != row) {
        link = &(*link)->next_in_slot;
    }
    *link = row->next_in_slot;
    counts->row_count--;
    free(row);
}
