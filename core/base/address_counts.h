/* address_counts.h: how many of something each address has just now: connections, event streams.
 *
 * Promise  a seeded hash (map_hash), so whoever chooses addresses cannot make it slow.
 * Bounds   as many rows as there are things that count, which is the caller's bound: a row goes with its last.
 * Memory   40 bytes a row and one pointer or two for its slot, malloc'ed; out of memory ends the process.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include <stddef.h>

#include "core/base/address.h"

struct address_count {
    uint8_t address[ADDRESS_BYTES];
    size_t count;
    void *first; /* the caller's own: NULL in a new row */
    struct address_count *next_in_slot;
};

/* Zeroed it is empty. */
struct address_counts {
    struct address_count **slots;
    size_t slot_count; /* 0, or a power of two */
    size_t row_count;
};

/* Frees all that is left. */
void address_counts_release(struct address_counts *counts);

/* The address's row; NULL: it has nothing. */
struct address_count *address_counts_find(const struct address_counts *counts, const uint8_t address[ADDRESS_BYTES]);

/* One more; its row, which stays where it is until its count is 0. */
struct address_count *address_counts_add(struct address_counts *counts, const uint8_t address[ADDRESS_BYTES]);
/* One less: the last one frees the row. */
void address_counts_remove(struct address_counts *counts, struct address_count *row);
