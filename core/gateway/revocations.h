/* revocations.h: which sessions have ended of late, so that their access tokens let nobody in for the rest of their
 * time.
 *
 *      view customers -> notification -> loop 0: session_ends_since -> table <- any loop: is this token's session in
 *      it? outcome of a command of our own ----------------------------------^
 *
 * Purpose  an access token is good by itself for some minutes (core/vault/token.h). What ended longer ago than that
 *          needs no remembering: its tokens have died.
 * Promise  an end that a command of this front caused counts at once, on all its loops, if the request still waits for
 *          its outcome and this release can read that; any other, one by erasure among them, once the view has it and
 *          told so. Where a notification is lost, or an end became visible late or was told by a front whose clock is
 *          more than REVOCATIONS_OVERLAP_S behind, the whole is read every REVOCATIONS_WHOLE_MS, and when the database
 *          answers again. Without it the table stands still: a session that ended meanwhile at another front is let in
 *          until its token dies. An end in the view that cannot be read ends nothing here. All of that is counted
 *          (revocations_counts), and the first of its kind, and each time anew that reading begins to fail, is logged.
 * Start    a table that was never read is not empty but unknown (revocations_are_known), and then nobody is let in by a
 *          token: a front that starts has forgotten what it knew before, and a session that ended a moment ago must not
 *          be good again.
 * Bounds   REVOCATIONS_MAX ends; past it those that were told longest ago give way, and their tokens let in again:
 *          `lost_total` counts them. An end that is there already takes no second place.
 * Thread   adding and asking: any, one lock, which nobody takes while the table is empty. The reader is its loop's.
 *          May use: base, pg, projections' contracts.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/text.h"
#include "core/pg/pool.h"
#include "projections/customers/sessions.h"

enum {
    REVOCATIONS_MAX = 262144,
    REVOCATIONS_SLOTS = 65536, /* a power of two */
    REVOCATIONS_PAGE_ROWS = 4096,
    REVOCATIONS_DEBOUNCE_MS = 100, /* after a notification, so that a busy view is not asked at each commit */
    REVOCATIONS_OVERLAP_S = 5,     /* ends become visible not quite in the order of their times */
    REVOCATIONS_WHOLE_MS = 30000,
    REVOCATIONS_AGAIN_MS = 1000, /* after a question that failed: for all, since nobody knows what was told meanwhile */
    REVOCATIONS_MARGIN_S = 120,  /* for clocks that differ */
};

struct revocation;

struct revocations_counts {
    size_t ends;               /* that are remembered */
    int64_t read_at_boot_us;   /* when the last reading that succeeded was asked for; 0: none has */
    uint64_t failures_total;   /* readings that failed */
    uint64_t lost_total;       /* ends that gave way to others */
    uint64_t unreadable_total; /* ends that this release cannot read, each as often as it was shown */
};

struct revocations {
    pthread_mutex_t lock;
    uint8_t key[16];                  /* of the slots' hash: ids may be chosen by whoever registers often enough */
    struct revocation **slots;        /* guarded by lock, as all below */
    struct revocation *first, *last;  /* in the order in which they, or later times of theirs, came */
    struct revocations_counts counts; /* without the ends */
    _Atomic size_t count;
    _Atomic bool are_known;
};

void revocations_init(struct revocations *revocations);
void revocations_release(struct revocations *revocations);

/* `end->customer` is cus_ and a ULID; another text is nobody's. */
void revocations_add(struct revocations *revocations, const struct session_end *end);
bool revocations_has(struct revocations *revocations, struct str customer, int32_t session);
/* Those that ended before then: no token of them lives. */
void revocations_forget(struct revocations *revocations, int64_t before_us);
struct revocations_counts revocations_counts(struct revocations *revocations);
/* There are so many that cannot be read, and so are not in the table. */
void revocations_unreadable(struct revocations *revocations, size_t count);

/* Whether all that ended while tokens of today live were read, once; set by whoever reads them. */
bool revocations_are_known(const struct revocations *revocations);
void revocations_set_known(struct revocations *revocations);

/* ---- reading them ------------------------------------------------------------------------------------------------ */

/* How the database is asked: pg_pool_query, or a test's. */
typedef void revocations_ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                             pg_result_cb *on_result, void *context);

struct revocation_reader {
    struct revocations *revocations;
    struct pg_pool *pg;
    revocations_ask *ask;
    int64_t token_life_us;              /* the longest life of an access token */
    int64_t due_boot_us, whole_boot_us; /* when it is asked next: for what is new (0: not), for all */
    int64_t asked_boot_us;              /* when it was asked last */
    int64_t since_us;                   /* of the question under way */
    int64_t newest_us;                  /* of what was read so far; not after the time at which it was asked for */
    int64_t asked_us;                   /* that time */
    bool is_asking, are_all_unreadable;
    bool has_told; /* that it cannot be read */
    char since_text[32], rows_text[16];
};

void revocation_reader_init(struct revocation_reader *reader, struct revocations *revocations, struct pg_pool *pg,
                            revocations_ask *ask, int64_t token_life_us);
/* Notifications may have been missed: all are asked for at the next tick. */
void revocation_reader_missed(struct revocation_reader *reader, int64_t now_boot_us);
/* The view has moved. */
void revocation_reader_moved(struct revocation_reader *reader, int64_t now_boot_us);
/* `now_us`: of the clock by which tokens are judged. */
void revocation_reader_tick(struct revocation_reader *reader, int64_t now_us, int64_t now_boot_us);
