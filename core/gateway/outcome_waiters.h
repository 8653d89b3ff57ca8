/* outcome_waiters.h: the requests of one loop that wait for what becomes of their command.
 *
 * Purpose  an answer from the log names its command; several requests may wait for the same one (a client that
 *          retries while the first request is in flight), and each is told.
 * Promise  a waiter is told until it says that it is done; whenever it is told it has left the table, so the
 *          callback may answer the request and thereby free the waiter.
 * Submissions  each time a command is sent it has a number of its own; how the delivery went concerns those who wait
 *          for just that submission. An earlier one of the same command may stand in the log.
 * Bounds   waiters_max; past it outcome_waiters_add answers false: shed load. Deadlines are seen within
 *          OUTCOME_TICK_MS.
 * Memory   waiters are the caller's (in the exchange's arena); the table is allocated once.
 * Thread   the loop's.          May use: base, generated structs.
 */
#pragma once

#include "core/base/err.h"
#include "core/base/str.h"
#include "gen/messages.h"

#include <stddef.h>

enum { OUTCOME_TICK_MS = 25 };

/* Whether it says what became of the command; else the answer is still to come. */
static inline bool outcome_is_final(const struct outcome *outcome) {
    return outcome->status != OUTCOME_STATUS_PENDING && outcome->status != OUTCOME_STATUS_UNKNOWN;
}

struct outcome_waiter {
    struct str command_id;
    uint64_t submission;      /* whose delivery concerns it; 0 for none */
    int64_t asked_boot_us;    /* the caller's own: when it last asked the log; 0: never */
    int64_t deadline_boot_us; /* clock_boot_us */
    /* Outcome and delivery are told to a waiter outside the table; false: it waits on, and is put back.
     * The outcome is lent for the call. */
    bool (*on_outcome)(struct outcome_waiter *waiter, const struct outcome *outcome);
    bool (*on_delivered)(struct outcome_waiter *waiter);
    /* The command's record is not in the log (`is_certain`), or nobody knows. */
    void (*on_failed)(struct outcome_waiter *waiter, bool is_certain);
    void (*on_deadline)(struct outcome_waiter *waiter);
    void *context;
    /* The table's own: */
    bool waits;
    struct outcome_waiter *next_same_slot;
    struct outcome_waiter *previous, *next; /* all waiters, in no order */
};

struct outcome_waiters {
    struct outcome_waiter **slots;
    size_t slot_count; /* a power of two */
    struct outcome_waiter *all;
    size_t count, waiters_max;
    int64_t latest_boot_us; /* 0: no bound on all; see outcome_waiters_hasten */
};

void outcome_waiters_init(struct outcome_waiters *waiters, size_t waiters_max);
void outcome_waiters_release(struct outcome_waiters *waiters);

MUST_CHECK bool outcome_waiters_add(struct outcome_waiters *waiters, struct outcome_waiter *waiter);
void outcome_waiters_remove(struct outcome_waiters *waiters, struct outcome_waiter *waiter);
/* One that waits for the command, and the next that waits for the same; or NULL. */
struct outcome_waiter *outcome_waiters_find(const struct outcome_waiters *waiters, struct str command_id);
struct outcome_waiter *outcome_waiters_next(const struct outcome_waiter *waiter);

void outcome_waiters_outcome(struct outcome_waiters *waiters, const struct outcome *outcome);
void outcome_waiters_delivered(struct outcome_waiters *waiters, struct str command_id, uint64_t submission);
void outcome_waiters_failed(struct outcome_waiters *waiters, struct str command_id, uint64_t submission,
                            bool is_certain);
/* Ends the waiting of those whose time is over. */
void outcome_waiters_tick(struct outcome_waiters *waiters, int64_t now_boot_us);
/* From then on each tick ends all waiting: a callback that would wait on must not. */
void outcome_waiters_hasten(struct outcome_waiters *waiters, int64_t until_boot_us);
bool outcome_waiters_end(const struct outcome_waiters *waiters, int64_t now_boot_us);
