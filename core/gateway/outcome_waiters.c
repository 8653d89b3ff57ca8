#include "core/gateway/outcome_waiters.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/map.h"
#include "core/base/memory.h"

void outcome_waiters_init(struct outcome_waiters *waiters, size_t waiters_max) {
    size_t slot_count = 64;
    while (slot_count < waiters_max) {
        slot_count *= 2;
    }
    *waiters = (struct outcome_waiters){.slot_count = slot_count, .waiters_max = waiters_max};
    waiters->slots = calloc_or_end(slot_count, sizeof *waiters->slots);
}

void outcome_waiters_release(struct outcome_waiters *waiters) {
    assert(waiters->count == 0);
    free(waiters->slots);
    *waiters = (struct outcome_waiters){0};
}

/* GET /v1/commands/{id} takes ids as they come from outside: the hash is one that outsiders cannot compute. */
static struct outcome_waiter **slot_of(const struct outcome_waiters *waiters, struct str command_id) {
    return &waiters->slots[map_hash(command_id) & (waiters->slot_count - 1)];
}

static void insert(struct outcome_waiters *waiters, struct outcome_waiter *waiter) {
    struct outcome_waiter **slot = slot_of(waiters, waiter->command_id);
    waiter->next_same_slot = *slot;
    *slot = waiter;
    waiter->previous = NULL;
    waiter->next = waiters->all;
    if (waiters->all != NULL) {
        waiters->all->previous = waiter;
    }
    waiters->all = waiter;
    waiters->count++;
    waiter->waits = true;
}

bool outcome_waiters_add(struct outcome_waiters *waiters, struct outcome_waiter *waiter) {
    if (waiters->count >= waiters->waiters_max) {
        return false;
    }
    insert(waiters, waiter);
    return true;
}

void outcome_waiters_remove(struct outcome_waiters *waiters, struct outcome_waiter *waiter) {
    struct outcome_waiter **at = slot_of(waiters, waiter->command_id);
    while (*at != waiter) {
        assert(*at != NULL);
        at = &(*at)->next_same_slot;
    }
    *at = waiter->next_same_slot;
    if (waiter->previous != NULL) {
        waiter->previous->next = waiter->next;
    } else {
        waiters->all = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->previous = waiter->previous;
    }
    waiters->count--;
    waiter->waits = false;
}

static struct outcome_waiter *first_of(struct outcome_waiter *waiter, struct str command_id) {
    while (waiter != NULL && !str_equal(waiter->command_id, command_id)) {
        waiter = waiter->next_same_slot;
    }
    return waiter;
}

struct outcome_waiter *outcome_waiters_find(const struct outcome_waiters *waiters, struct str command_id) {
    return first_of(*slot_of(waiters, command_id), command_id);
}

struct outcome_waiter *outcome_waiters_next(const struct outcome_waiter *waiter) {
    return first_of(waiter->next_same_slot, waiter->command_id);
}

/* Takes out all that wait for the command, and for the submission if one is given, as a list by next_same_slot in the
 * order of their coming; callbacks may then add and remove others freely. */
static struct outcome_waiter *take(struct outcome_waiters *waiters, struct str command_id, uint64_t submission) {
    struct outcome_waiter *taken = NULL;
    for (struct outcome_waiter *waiter = outcome_waiters_find(waiters, command_id), *next; waiter != NULL;
         waiter = next) {
        next = outcome_waiters_next(waiter);
        if (submission == 0 || waiter->submission == submission) {
            outcome_waiters_remove(waiters, waiter);
            waiter->next_same_slot = taken;
            taken = waiter;
        }
    }
    return taken;
}

void outcome_waiters_outcome(struct outcome_waiters *waiters, const struct outcome *outcome) {
    struct outcome_waiter *waiter = take(waiters, outcome->command_id, 0);
    while (waiter != NULL) {
        struct outcome_waiter *next = waiter->next_same_slot;
        if (!waiter->on_outcome(waiter, outcome)) {
            insert(waiters, waiter); /* it was in before, so the bound holds */
        }
        waiter = next;
    }
}

void outcome_waiters_failed(struct outcome_waiters *waiters, struct str command_id, uint64_t submission,
                            bool is_certain) {
    assert(submission != 0);
    struct outcome_waiter *waiter = take(waiters, command_id, submission);
    while (waiter != NULL) {
        struct outcome_waiter *next = waiter->next_same_slot;
        waiter->on_failed(waiter, is_certain);
        waiter = next;
    }
}

void outcome_waiters_delivered(struct outcome_waiters *waiters, struct str command_id, uint64_t submission) {
    assert(submission != 0);
    struct outcome_waiter *waiter = take(waiters, command_id, submission);
    while (waiter != NULL) {
        struct outcome_waiter *next = waiter->next_same_slot;
        if (!waiter->on_delivered(waiter)) {
            insert(waiters, waiter);
        }
        waiter = next;
    }
}

bool outcome_waiters_end(const struct outcome_waiters *waiters, int64_t now_boot_us) {
    return waiters->latest_boot_us > 0 && waiters->latest_boot_us <= now_boot_us;
}

void outcome_waiters_tick(struct outcome_waiters *waiters, int64_t now_boot_us) {
    bool is_last_call = outcome_waiters_end(waiters, now_boot_us);
    struct outcome_waiter *late = NULL;
    for (struct outcome_waiter *waiter = waiters->all, *next; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (waiter->deadline_boot_us <= now_boot_us || is_last_call) {
            outcome_waiters_remove(waiters, waiter);
            waiter->next_same_slot = late;
            late = waiter;
        }
    }
    while (late != NULL) {
        struct outcome_waiter *next = late->next_same_slot;
        late->on_deadline(late);
        late = next;
    }
}

void outcome_waiters_hasten(struct outcome_waiters *waiters, int64_t until_boot_us) {
    waiters->latest_boot_us = until_boot_us;
}
