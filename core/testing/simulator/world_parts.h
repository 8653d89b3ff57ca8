/* world_parts.h: what the files of the world share. Not for others.
 *
 * world.c        fibers, processes, the run, the trace.
 * world_due.c    what is due when.
 * world_chance.c chance and the digest.
 */
#pragma once

#include <stddef.h>

#include "core/testing/simulator/world.h"

struct sim_fiber;

/* What is due at a time: an action, or the end of a fiber's wait. */
struct entry {
    int64_t at_us;
    uint64_t number; /* of two at one time, the older first */
    struct sim_process *process;
    sim_action *action;
    void *context;
    struct sim_fiber *fiber;
    uint64_t waits;
};

/* ---- world_due.c ------------------------------------------------------------------------------------------------- */

/* Sets the entry's number. */
void due_push(struct entry entry);
/* The first; there must be one. */
struct entry due_pop(void);
/* When the first is due; INT64_MAX: there is none. */
int64_t due_first_us(void);
void due_begin(void);
/* Room for one more. */
void *room_for_one(void *items, size_t count, size_t *capacity, size_t size);

/* ---- world_chance.c ---------------------------------------------------------------------------------------------- */

void chance_begin(uint64_t seed);
