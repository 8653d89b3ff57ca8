/* view_wait.h: queries that wait for a view to have seen what the client wrote.
 *
 * Purpose  a request with a Daybook-Position is answered from a view only once the view stands there (P6). The view
 *          tells each commit on a channel of PostgreSQL; then it is asked again, once for all who wait.
 * Promise  `done` is called exactly once, unless the wait is cancelled. It may be called before view_wait_begin
 *          returns, when there is nothing to wait for. A lost notification costs VIEW_WAIT_RECHECK_MS.
 *          Of each view at most one statement is on its way, however many wait for it.
 * Bounds   the deadline given; VIEW_WAITS_MAX at once a loop.
 * Memory   the wait is the caller's (in the exchange's arena), until done.
 * Thread   the loop's.          May use: pg, projections' contracts.
 */
#pragma once

#include "core/gateway/position.h"
#include "core/pg/pool.h"

enum { VIEW_WAITS_MAX = 512, VIEW_WAIT_RECHECK_MS = 200, VIEW_WAIT_VIEWS_MAX = 16 };

enum view_state {
    VIEW_CAUGHT_UP,
    VIEW_BEHIND, /* still, at the deadline */
    VIEW_NO_DATABASE,
    VIEW_TOO_MANY, /* wait already */
};

struct view_waits;

/* What is asked of one view. */
struct view_question {
    struct view_waits *waits;
    const char *view;
    bool is_asking; /* a statement is on its way */
    bool is_stale;  /* the view has moved since, or somebody came: ask once more */
    int64_t recheck_boot_us;
};

/* pg_pool_query, or a test's. */
typedef void view_ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                      pg_result_cb *on_result, void *context);

struct view_waits {
    struct pg_pool *pg;
    view_ask *ask;
    struct view_wait *first;
    size_t count;
    struct view_question questions[VIEW_WAIT_VIEWS_MAX]; /* by the place in `views` */
};

struct view_wait {
    struct view_waits *waits; /* NULL when it does not wait */
    struct view_question *question;
    struct position position; /* of the streams that the view reads */
    int64_t deadline_boot_us;
    void (*done)(void *context, enum view_state state);
    void *context;
    struct view_wait *previous, *next;
};

void view_waits_init(struct view_waits *waits, struct pg_pool *pg, view_ask *ask);

void view_wait_begin(struct view_waits *waits, struct view_wait *wait, const char *view,
                     const struct position *position, int64_t deadline_boot_us,
                     void (*done)(void *context, enum view_state state), void *context);
/* Nobody wants to know any more; false when it did not wait. */
bool view_wait_cancel(struct view_wait *wait);

/* A view has committed. */
void view_waits_moved(struct view_waits *waits, struct str view);
void view_waits_tick(struct view_waits *waits, int64_t now_boot_us);
