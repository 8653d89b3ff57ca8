/* local_replies.h: answers to a gateway of the same process, handed over instead of sent through the log.
 *
 * Purpose  handler and gateway often share a process; then a reply's way to the broker and back costs a request, a
 *          fetch and two threads' waking, and tells the gateway nothing that it could not be told at once.
 * Promise  as that of a reply: best effort, after the commit. Whoever sends learns whether the addressee lives here;
 *          when local_replies_listen(NULL) has returned, nothing is being handed over any more.
 * Thread   any; a lock makes deliveries one at a time.    May use: base.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "core/base/str.h"

/* `instance`: whom the reply is for; `value`: its record value, lent. False: nobody here is called so. Must not wait.
 */
typedef bool local_reply_taker(void *context, struct str instance, struct str value);

struct local_replies {
    pthread_mutex_t lock;
    local_reply_taker *take; /* under the lock; NULL: nobody listens */
    void *context;           /* likewise */
};

void local_replies_init(struct local_replies *replies);
void local_replies_release(struct local_replies *replies);

/* One listener at a time; NULL ends it. */
void local_replies_listen(struct local_replies *replies, local_reply_taker *take, void *context);

/* False: it must go through the log. `replies` may be NULL. */
bool local_replies_hand_over(struct local_replies *replies, struct str instance, struct str value);
