/* view_wait.h: queries that wait for a view to have seen what the client wrote.
 *
 * Purpose  a request with a Daybook-Position is answered from a view only once the view stands there (P6). The view
 *          tells each commit on a channel of PostgreSQL; then those who wait ask again.
 * Promise  `done` is called exactly once. It may be called before view_wait_begin returns, when there is nothing to
 *          wait for. A lost notification costs VIEW_WAIT_RECHECK_MS.
 * Bounds   the deadline given; VIEW_WAITS_MAX at once a loop.
 * Memory   the wait is the caller's (in the exchange's arena), until done.
 * Thread   the loop's.          May use: pg, projections' contracts.
 */
#pragma once

#include "core/base/arena.h"
#include "core/gateway/position.h"
#include "core/pg/pool.h"

enum { VIEW_WAITS_MAX = 4096, VIEW_WAIT_RECHECK_MS = 200 };

enum view_state {
    VIEW_CAUGHT_UP,
    VIEW_BEHIND, /* still, at the deadline */
    VIEW_NO_DATABASE,
    VIEW_TOO_MANY, /* wait already */
};

struct view_waits {
    struct pg_pool *pg;
    struct view_wait *first;
    size_t count;
};

struct view_wait {
    struct view_waits *waits;
    const char *view;
    struct str hashes, versions; /* as PostgreSQL's array texts */
    int64_t deadline_boot_us, recheck_boot_us;
    bool is_asking; /* a statement is on its way */
    bool is_stale;  /* the view has moved since it was sent: ask once more */
    void (*done)(void *context, enum view_state state);
    void *context;
    struct view_wait *previous, *next;
};

void view_waits_init(struct view_waits *waits, struct pg_pool *pg);

void view_wait_begin(struct view_waits *waits, struct view_wait *wait, struct arena *arena, const char *view,
                     const struct position *position, int64_t deadline_boot_us,
                     void (*done)(void *context, enum view_state state), void *context);

/* A view has committed. */
void view_waits_moved(struct view_waits *waits, struct str view);
void view_waits_tick(struct view_waits *waits, int64_t now_boot_us);
