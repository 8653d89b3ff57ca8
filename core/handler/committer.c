#include "core/handler/committer.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/thread_name.h"

enum { NAME_MAX = 16 };

enum stage { STAGE_FREE, STAGE_SENDING, STAGE_TAKEN, STAGE_OVER };

struct committer {
    pthread_t thread;
    char name[NAME_MAX];
    void (*wake)(void *context);
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the stage, or is_stopping */
    bool is_stopping;
    atomic_int stage;       /* changed under the lock */
    atomic_bool asks_taken; /* the worker waits for STAGE_TAKEN */
    const struct log_txn *txn;
    struct log_txn_end end;
    enum err result;
    struct err_info info;
};

static void stage_set(struct committer *committer, enum stage stage) {
    atomic_store(&committer->stage, stage);
    pthread_cond_broadcast(&committer->changed);
}

static void on_taken(void *context) {
    struct committer *committer = context;
    pthread_mutex_lock(&committer->lock);
    stage_set(committer, STAGE_TAKEN);
    if (atomic_load(&committer->asks_taken)) {
        committer->wake(committer->context);
    }
    pthread_mutex_unlock(&committer->lock);
}

/* Wakes under the lock: once committer_wait has answered, whoever was to be woken may be gone. */
static void is_over(struct committer *committer) {
    pthread_mutex_lock(&committer->lock);
    stage_set(committer, STAGE_OVER);
    committer->wake(committer->context);
    pthread_mutex_unlock(&committer->lock);
}

static void *committer_run(void *context) {
    struct committer *committer = context;
    thread_name("%s", committer->name);
    pthread_mutex_lock(&committer->lock);
    while (!committer->is_stopping) {
        if (atomic_load(&committer->stage) != STAGE_SENDING) {
            pthread_cond_wait(&committer->changed, &committer->lock);
            continue;
        }
        pthread_mutex_unlock(&committer->lock);
        committer->result = log_txn_finish(committer->txn, &committer->end, &committer->info);
        is_over(committer);
        pthread_mutex_lock(&committer->lock);
    }
    pthread_mutex_unlock(&committer->lock);
    return NULL;
}

static void committer_free(struct committer *committer) {
    pthread_cond_destroy(&committer->changed);
    pthread_mutex_destroy(&committer->lock);
    free(committer);
}

enum err committer_start(const char *name, void (*wake)(void *context), void *context, struct committer **ret_committer,
                         struct err_info *info) {
    struct committer *committer = calloc_or_end(1, sizeof *committer);
    (void)snprintf(committer->name, sizeof committer->name, "%s", name);
    committer->wake = wake;
    committer->context = context;
    pthread_mutex_init(&committer->lock, NULL);
    pthread_cond_init(&committer->changed, NULL);
    atomic_init(&committer->stage, STAGE_FREE);
    if (pthread_create(&committer->thread, NULL, committer_run, committer) != 0) {
        committer_free(committer);
        return err_set(info, ERR_IO, "no thread could be made to commit a worker's transactions");
    }
    *ret_committer = committer;
    return ERR_NONE;
}

void committer_stop(struct committer *committer) {
    pthread_mutex_lock(&committer->lock);
    assert(atomic_load(&committer->stage) == STAGE_FREE);
    committer->is_stopping = true;
    pthread_cond_broadcast(&committer->changed);
    pthread_mutex_unlock(&committer->lock);
    int failed = pthread_join(committer->thread, NULL);
    assert(failed == 0);
    committer_free(committer);
}

void committer_give(struct committer *committer, const struct log_txn *txn,
                    const rd_kafka_topic_partition_list_t *offsets, const rd_kafka_consumer_group_metadata_t *group) {
    pthread_mutex_lock(&committer->lock);
    assert(atomic_load(&committer->stage) == STAGE_FREE);
    committer->txn = txn;
    committer->end =
        (struct log_txn_end){.offsets = offsets, .group = group, .on_taken = on_taken, .context = committer};
    atomic_store(&committer->asks_taken, false);
    stage_set(committer, STAGE_SENDING);
    pthread_mutex_unlock(&committer->lock);
}

bool committer_is_taken(struct committer *committer) {
    if (atomic_load(&committer->stage) < STAGE_TAKEN) {
        atomic_store(&committer->asks_taken, true);
    }
    return atomic_load(&committer->stage) >= STAGE_TAKEN; /* looked at after asking: none of both is missed */
}

bool committer_is_over(const struct committer *committer) {
    return atomic_load(&committer->stage) == STAGE_OVER;
}

enum err committer_wait(struct committer *committer, struct err_info *info) {
    pthread_mutex_lock(&committer->lock);
    assert(atomic_load(&committer->stage) != STAGE_FREE);
    while (atomic_load(&committer->stage) != STAGE_OVER) {
        pthread_cond_wait(&committer->changed, &committer->lock);
    }
    atomic_store(&committer->stage, STAGE_FREE);
    enum err result = committer->result;
    if (result != ERR_NONE) {
        *info = committer->info;
    }
    pthread_mutex_unlock(&committer->lock);
    return result;
}
