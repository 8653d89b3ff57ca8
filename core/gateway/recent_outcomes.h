/* recent_outcomes.h: what became of the commands whose answers this front has just seen.
 *
 * Purpose  whoever was told "pending" asks a moment later, most likely more than once: what is known here need not be
 *          asked of the log, where each question is a record.
 * Promise  what is remembered is the last word on the command: an outcome at rest never changes. Refusals that are said
 *          to another request under the same id (a reused key, one that came too late) are not taken for it.
 * Bounds   RECENT_OUTCOMES of at most RECENT_OUTCOME_BYTES each; a newer one takes the place of an older one.
 * Memory   copies, both ways.
 * Thread   any; it has a lock.          May use: base, domain, generated structs.
 */
#pragma once

#include <pthread.h>

#include "core/base/arena.h"
#include "gen/messages.h"

enum { RECENT_OUTCOMES = 4096, RECENT_OUTCOME_BYTES = 8192 };

struct recent_outcome;

struct recent_outcomes {
    pthread_mutex_t lock;
    struct recent_outcome **places; /* guarded by lock */
};

void recent_outcomes_init(struct recent_outcomes *outcomes);
void recent_outcomes_release(struct recent_outcomes *outcomes);

/* `value` is the record that holds the outcome, frame included. */
void recent_outcomes_note(struct recent_outcomes *outcomes, const struct outcome *outcome, struct str value);
/* The record's value, in the arena; empty when it is not known. */
struct str recent_outcomes_find(struct recent_outcomes *outcomes, struct arena *arena, struct str command_id);
