#include "core/gateway/view_wait.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "projections/runtime/behind.h"
#include "projections/runtime/view.h"

enum {
    COLUMN_HASH,
    COLUMN_VERSION,
    /* A signed number of 64 bits and what stands between two of them. */
    HASH_TEXT_MAX = 21,
};

void view_waits_init(struct view_waits *waits, struct pg_pool *pg, view_ask *ask) {
    assert(view_count <= VIEW_WAIT_VIEWS_MAX);
    *waits = (struct view_waits){.pg = pg, .ask = ask};
    for (size_t i = 0; i < view_count; i++) {
        waits->questions[i] = (struct view_question){.waits = waits, .view = views[i]->name};
    }
}

static bool view_reads(const struct view *view, enum log_topic topic) {
    for (size_t i = 0; i < VIEW_FAMILIES_MAX && view->families[i] != NULL; i++) {
        if (log_topic_of_family(str_of_cstr(view->families[i])) == topic) {
            return true;
        }
    }
    return false;
}

/* ---- who waits --------------------------------------------------------------------------------------------------- */

static void list_add(struct view_waits *waits, struct view_wait *wait) {
    wait->waits = waits;
    wait->previous = NULL;
    wait->next = waits->first;
    if (waits->first != NULL) {
        waits->first->previous = wait;
    }
    waits->first = wait;
    waits->count++;
}

static void list_remove(struct view_wait *wait) {
    struct view_waits *waits = wait->waits;
    *(wait->previous != NULL ? &wait->previous->next : &waits->first) = wait->next;
    if (wait->next != NULL) {
        wait->next->previous = wait->previous;
    }
    waits->count--;
    wait->waits = NULL;
}

bool view_wait_cancel(struct view_wait *wait) {
    bool waited = wait->waits != NULL;
    if (waited) {
        list_remove(wait);
    }
    return waited;
}

/* Those that are done, taken out of the list before any of them is told: who is told may begin another wait, and that
 * may tell others. */
static void finish_later(struct view_wait **done, struct view_wait *wait) {
    list_remove(wait);
    wait->next = *done;
    *done = wait;
}

static void tell(struct view_wait *done, enum view_state state) {
    while (done != NULL) {
        struct view_wait *next = done->next;
        done->done(done->context, state);
        done = next;
    }
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int compare_hashes(const void *left, const void *right) {
    uint64_t a = ((const struct position_pair *)left)->hash, b = ((const struct position_pair *)right)->hash;
    return a < b ? -1 : a > b;
}

/* A stream that was not asked for, because its wait has begun since, counts as not reached. */
static bool has_reached(const struct view_wait *wait, const struct position_pair *reached, size_t count) {
    for (size_t i = 0; i < wait->position.count; i++) {
        const struct position_pair *found =
            bsearch(&wait->position.pairs[i], reached, count, sizeof *reached, compare_hashes);
        if (found == NULL || found->version < wait->position.pairs[i].version) {
            return false;
        }
    }
    return true;
}

/* *ret_reached is to be freed. */
static size_t read_rows(const PGresult *result, struct position_pair **ret_reached) {
    size_t rows = (size_t)PQntuples(result), count = 0;
    struct position_pair *reached = calloc_or_end(rows + 1, sizeof *reached);
    for (size_t row = 0; row < rows; row++) {
        int64_t hash, version;
        if (int64_read(pg_value(result, (int)row, COLUMN_HASH), &hash) &&
            int64_read(pg_value(result, (int)row, COLUMN_VERSION), &version)) {
            reached[count++] = (struct position_pair){.hash = (uint64_t)hash, .version = version};
        }
    }
    qsort(reached, count, sizeof *reached, compare_hashes);
    *ret_reached = reached;
    return count;
}

static void ask(struct view_question *question);

static void on_reached(void *context, const PGresult *result, const struct err_info *error) {
    struct view_question *question = context;
    struct view_waits *waits = question->waits;
    struct position_pair *reached = NULL;
    size_t count = error == NULL ? read_rows(result, &reached) : 0;
    struct view_wait *done = NULL;
    for (struct view_wait *wait = waits->first, *next; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->question == question && (error != NULL || has_reached(wait, reached, count))) {
            finish_later(&done, wait);
        }
    }
    free(reached);
    question->is_asking = false;
    if (question->is_stale && error == NULL) {
        ask(question);
    }
    tell(done, error != NULL ? VIEW_NO_DATABASE : VIEW_CAUGHT_UP);
}

static void ask(struct view_question *question) {
    if (question->is_asking) {
        question->is_stale = true;
        return;
    }
    struct view_waits *waits = question->waits;
    struct buf hashes;
    buf_init(&hashes, (size_t)VIEW_WAITS_MAX * POSITION_PAIRS_MAX * HASH_TEXT_MAX + 2);
    buf_byte(&hashes, '{');
    for (const struct view_wait *wait = waits->first; wait != NULL; wait = wait->next) {
        for (size_t i = 0; wait->question == question && i < wait->position.count; i++) {
            buf_printf(&hashes, "%s%lld", hashes.len > 1 ? "," : "", (long long)(int64_t)wait->position.pairs[i].hash);
        }
    }
    question->is_stale = false;
    if (hashes.len > 1) {
        buf_byte(&hashes, '}');
        question->is_asking = true;
        question->recheck_boot_us = clock_boot_us() + (int64_t)VIEW_WAIT_RECHECK_MS * MICROS_PER_MS;
        const struct str parameters[] = {str_of_cstr(question->view), buf_text(&hashes)};
        waits->ask(waits->pg, &view_reached, parameters, on_reached, question);
    }
    buf_release(&hashes);
}

/* ---- from outside ------------------------------------------------------------------------------------------------ */

void view_wait_begin(struct view_waits *waits, struct view_wait *wait, const char *view,
                     const struct position *position, int64_t deadline_boot_us,
                     void (*done)(void *context, enum view_state state), void *context) {
    *wait = (struct view_wait){.deadline_boot_us = deadline_boot_us, .done = done, .context = context};
    for (size_t i = 0; i < view_count; i++) {
        if (strcmp(views[i]->name, view) != 0) {
            continue;
        }
        wait->question = &waits->questions[i];
        for (size_t j = 0; j < position->count; j++) {
            if (view_reads(views[i], stream_hash_topic(position->pairs[j].hash))) {
                wait->position.pairs[wait->position.count++] = position->pairs[j];
            }
        }
    }
    if (wait->position.count == 0) {
        done(context, VIEW_CAUGHT_UP);
    } else if (waits->count >= VIEW_WAITS_MAX) {
        done(context, VIEW_TOO_MANY);
    } else {
        list_add(waits, wait);
        ask(wait->question);
    }
}

void view_waits_moved(struct view_waits *waits, struct str view) {
    for (size_t i = 0; i < view_count; i++) {
        if (str_equal(str_of_cstr(views[i]->name), view)) {
            ask(&waits->questions[i]);
        }
    }
}

void view_waits_tick(struct view_waits *waits, int64_t now_boot_us) {
    struct view_wait *late = NULL;
    for (struct view_wait *wait = waits->first, *next; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->deadline_boot_us <= now_boot_us) {
            finish_later(&late, wait);
        }
    }
    for (size_t i = 0; i < view_count; i++) {
        struct view_question *question = &waits->questions[i];
        if (!question->is_asking && question->recheck_boot_us <= now_boot_us) {
            ask(question);
        }
    }
    tell(late, VIEW_BEHIND);
}
