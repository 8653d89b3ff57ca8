/* mailbox.h: what other threads have to tell a loop: answers from the log, and how deliveries went.
 *
 * Promise  letters arrive in the order of posting, on the loop's thread. Posting never waits: past the bound, and
 *          after closing, a letter is dropped and counted. A dropped answer is made good by asking the shard for
 *          it.
 * Bounds   letters_max, and bytes_max of what is in them.
 * Memory   a letter is copied when posted, lent to on_letter, then freed.
 * Thread   mailbox_post from any; the rest on the loop's.          May use: base.
 */
#pragma once

#include <pthread.h>
#include <uv.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum letter_kind {
    LETTER_OUTCOME,           /* bytes: the record value of a reply */
    LETTER_DELIVERED,         /* bytes: a submission (core/gateway/submit.h) whose record stands in the log */
    LETTER_NOT_DELIVERED,     /* ... which certainly does not */
    LETTER_DELIVERY_IN_DOUBT, /* ... which may or may not */
};

struct letter;

struct mailbox {
    pthread_mutex_t lock;
    struct letter *first, **last_next; /* guarded by lock */
    size_t count, bytes;               /* guarded by lock */
    uint64_t dropped;                  /* guarded by lock */
    bool open;                         /* guarded by lock */
    size_t letters_max, bytes_max;
    uv_async_t wake;
    void (*on_letter)(void *context, enum letter_kind kind, struct str bytes);
    void *context;
};

MUST_CHECK enum err mailbox_open(struct mailbox *mailbox, uv_loop_t *loop, size_t letters_max, size_t bytes_max,
                                 void (*on_letter)(void *context, enum letter_kind kind, struct str bytes),
                                 void *context, struct err_info *info);
/* Posting answers false from now on; the loop must run once more. mailbox_release when nobody posts any more. */
void mailbox_close(struct mailbox *mailbox);
void mailbox_release(struct mailbox *mailbox);

bool mailbox_post(struct mailbox *mailbox, enum letter_kind kind, struct str bytes);

/* Letters waiting, and dropped so far; any thread. */
void mailbox_count(struct mailbox *mailbox, size_t *ret_waiting, uint64_t *ret_dropped);
