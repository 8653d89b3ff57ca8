#include "core/log/local_replies.h"

#include <assert.h>
#include <stddef.h>

void local_replies_init(struct local_replies *replies) {
    *replies = (struct local_replies){0};
    int failed = pthread_mutex_init(&replies->lock, NULL);
    assert(failed == 0);
}

void local_replies_release(struct local_replies *replies) {
    assert(replies->take == NULL);
    pthread_mutex_destroy(&replies->lock);
}

void local_replies_listen(struct local_replies *replies, local_reply_taker *take, void *context) {
    pthread_mutex_lock(&replies->lock);
    replies->take = take;
    replies->context = context;
    pthread_mutex_unlock(&replies->lock);
}

bool local_replies_hand_over(struct local_replies *replies, struct str instance, struct str value) {
    if (replies == NULL) {
        return false;
    }
    pthread_mutex_lock(&replies->lock);
    bool taken = replies->take != NULL && replies->take(replies->context, instance, value);
    pthread_mutex_unlock(&replies->lock);
    return taken;
}
