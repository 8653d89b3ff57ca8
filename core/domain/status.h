/* status.h: the life of an aggregate as one table: which event may come in which status, and what follows.
 *
 * Promise  evolve takes each new status from the aggregate's table, and the tests check that decide makes no event the
 *          table has no row for. So a status and how it is left are read in one place.
 * Thread   pure; any.            May use: libc.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct status_change {
    uint16_t event;
    int from, to; /* values of the aggregate's status enum */
};

struct status_table {
    const struct status_change *changes;
    size_t count;
};

/* The status after the event; -1 when the table has no such change. */
static inline int status_after(const struct status_table *table, uint16_t event, int from) {
    for (size_t i = 0; i < table->count; i++) {
        if (table->changes[i].event == event && table->changes[i].from == from) {
            return table->changes[i].to;
        }
    }
    return -1;
}

/* The same, but unchanged where the table has no row: what evolve uses, which must take any history there is. */
static inline int status_evolved(const struct status_table *table, uint16_t event, int from) {
    int to = status_after(table, event, from);
    return to == -1 ? from : to;
}
