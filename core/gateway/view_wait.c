#include "core/gateway/view_wait.h"

#include "core/base/timestamp.h"
#include "projections/runtime/behind.h"
#include "projections/runtime/view.h"

static const struct view *view_by_name(const char *name) {
    for (size_t i = 0; i < view_count; i++) {
        if (strcmp(views[i]->name, name) == 0) {
            return views[i];
        }
    }
    return NULL;
}

static bool view_reads(const struct view *view, enum log_topic topic) {
    for (size_t i = 0; i < VIEW_FAMILIES_MAX && view->families[i] != NULL; i++) {
        if (log_topic_of_family(str_of_cstr(view->families[i])) == topic) {
            return true;
        }
    }
    return false;
}

/* {1,-2}: the hashes and versions of the streams that the view reads; false when there are none. */
static bool write_arrays(struct view_wait *wait, struct arena *arena, const struct position *position) {
    const struct view *view = view_by_name(wait->view);
    struct str hashes = {0}, versions = {0};
    for (size_t i = 0; view != NULL && i < position->count; i++) {
        const struct position_pair *pair = &position->pairs[i];
        if (view_reads(view, stream_hash_topic(pair->hash))) {
            const char *before = hashes.len == 0 ? "{" : ",";
            hashes = arena_printf(arena, "%.*s%s%lld", STR_ARGS(hashes), before, (long long)(int64_t)pair->hash);
            versions = arena_printf(arena, "%.*s%s%lld", STR_ARGS(versions), before, (long long)pair->version);
        }
    }
    if (hashes.len == 0) {
        return false;
    }
    wait->hashes = arena_printf(arena, "%.*s}", STR_ARGS(hashes));
    wait->versions = arena_printf(arena, "%.*s}", STR_ARGS(versions));
    return true;
}

static void list_add(struct view_waits *waits, struct view_wait *wait) {
    wait->next = waits->first;
    if (waits->first != NULL) {
        waits->first->previous = wait;
    }
    waits->first = wait;
    waits->count++;
}

static void finish(struct view_wait *wait, enum view_state state) {
    struct view_waits *waits = wait->waits;
    if (wait->previous != NULL) {
        wait->previous->next = wait->next;
    } else {
        waits->first = wait->next;
    }
    if (wait->next != NULL) {
        wait->next->previous = wait->previous;
    }
    waits->count--;
    wait->done(wait->context, state);
}

static void ask(struct view_wait *wait);

static void on_behind(void *context, const PGresult *result, const struct err_info *error) {
    struct view_wait *wait = context;
    wait->is_asking = false;
    if (error != NULL) {
        finish(wait, VIEW_NO_DATABASE);
    } else if (PQntuples(result) == 1 && str_equal(pg_value(result, 0, 0), STR("f"))) {
        finish(wait, VIEW_CAUGHT_UP);
    } else if (wait->deadline_boot_us <= clock_boot_us()) {
        finish(wait, VIEW_BEHIND);
    } else if (wait->is_stale) {
        ask(wait);
    }
}

/* A wait is finished only when no statement of its own is on its way, whose callback would find it gone. */
static void ask(struct view_wait *wait) {
    if (wait->is_asking) {
        wait->is_stale = true;
        return;
    }
    wait->is_asking = true;
    wait->is_stale = false;
    wait->recheck_boot_us = clock_boot_us() + (int64_t)VIEW_WAIT_RECHECK_MS * MICROS_PER_MS;
    const struct str parameters[] = {str_of_cstr(wait->view), wait->hashes, wait->versions};
    pg_pool_query(wait->waits->pg, &view_behind, parameters, on_behind, wait);
}

void view_waits_init(struct view_waits *waits, struct pg_pool *pg) {
    *waits = (struct view_waits){.pg = pg};
}

void view_wait_begin(struct view_waits *waits, struct view_wait *wait, struct arena *arena, const char *view,
                     const struct position *position, int64_t deadline_boot_us,
                     void (*done)(void *context, enum view_state state), void *context) {
    *wait = (struct view_wait){
        .waits = waits, .view = view, .deadline_boot_us = deadline_boot_us, .done = done, .context = context};
    if (!write_arrays(wait, arena, position)) {
        done(context, VIEW_CAUGHT_UP);
    } else if (waits->count >= VIEW_WAITS_MAX) {
        done(context, VIEW_TOO_MANY);
    } else {
        list_add(waits, wait);
        ask(wait);
    }
}

void view_waits_moved(struct view_waits *waits, struct str view) {
    for (struct view_wait *wait = waits->first, *next; wait != NULL; wait = next) {
        next = wait->next;
        if (str_equal(str_of_cstr(wait->view), view)) {
            ask(wait);
        }
    }
}

void view_waits_tick(struct view_waits *waits, int64_t now_boot_us) {
    for (struct view_wait *wait = waits->first, *next; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->is_asking) {
            continue; /* its answer comes within the pool's time-out */
        }
        if (wait->deadline_boot_us <= now_boot_us) {
            finish(wait, VIEW_BEHIND);
        } else if (wait->recheck_boot_us <= now_boot_us) {
            ask(wait);
        }
    }
}
