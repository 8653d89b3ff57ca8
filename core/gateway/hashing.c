#include "core/gateway/hashing.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/thread_name.h"

enum { NICENESS = 5 };

struct hashing {
    pthread_mutex_t lock;
    pthread_cond_t has_work;                /* or it is closing */
    pthread_cond_t has_hashed;              /* for who closes an outlet */
    struct hashing_job *first, **last_next; /* guarded by lock, as all below but the threads */
    size_t queue_max;
    struct hashing_counts counts;
    size_t outlet_count;
    bool is_closing;
    int named_count;
    int thread_count; /* the opener's */
    pthread_t threads[HASHING_THREADS_MAX];
};

static void wipe_password(struct hashing_job *job) {
    sodium_memzero(job->password, job->password_len);
    free(job->password);
    job->password = NULL;
}

/* Under the lock, so that the outlet is not closed between the two. */
static void hand_out(struct hashing_job *job) {
    struct hashing_outlet *outlet = job->outlet;
    job->next = NULL;
    *outlet->done_last = job;
    outlet->done_last = &job->next;
    (void)uv_async_send(&outlet->wake);
}

static enum hashing_result hash(struct hashing_job *job) {
    struct str password = str_of(job->password, job->password_len);
    job->needs_rehash = false;
    if (job->makes) {
        return password_make(password, job->verifier) ? HASHING_DONE : HASHING_NOT_DONE;
    }
    struct str verifier = str_of(job->verifier, strnlen(job->verifier, sizeof job->verifier));
    switch (password_verify(verifier, password, &job->needs_rehash)) {
    case PASSWORD_RIGHT:
        return HASHING_DONE;
    case PASSWORD_WRONG:
        return HASHING_WRONG;
    case PASSWORD_NO_MEMORY:
        return HASHING_NOT_DONE;
    }
    assert(!"every answer returns above");
    return HASHING_NOT_DONE;
}

/* The next job, its outlet's until it is handed out; NULL when there will be none. */
static struct hashing_job *wait_for_job(struct hashing *hashing) {
    pthread_mutex_lock(&hashing->lock);
    while (hashing->first == NULL && !hashing->is_closing) {
        pthread_cond_wait(&hashing->has_work, &hashing->lock);
    }
    struct hashing_job *job = hashing->first;
    if (job != NULL) {
        hashing->first = job->next;
        hashing->last_next = hashing->first == NULL ? &hashing->first : hashing->last_next;
        hashing->counts.waiting--;
        job->outlet->being_hashed++;
    }
    pthread_mutex_unlock(&hashing->lock);
    return job;
}

static void *thread_run(void *argument) {
    struct hashing *hashing = argument;
    pthread_mutex_lock(&hashing->lock);
    int number = hashing->named_count++;
    pthread_mutex_unlock(&hashing->lock);
    thread_name("hash %d", number);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* nothing depends on it */
    struct hashing_job *job;
    while ((job = wait_for_job(hashing)) != NULL) {
        job->result = hash(job);
        wipe_password(job);
        pthread_mutex_lock(&hashing->lock);
        hashing->counts.done_total++;
        job->outlet->being_hashed--;
        hand_out(job);
        pthread_cond_broadcast(&hashing->has_hashed);
        pthread_mutex_unlock(&hashing->lock);
    }
    return NULL;
}

enum err hashing_open(int threads, size_t queue_max, struct hashing **ret_hashing, struct err_info *info) {
    assert(threads >= 1 && threads <= HASHING_THREADS_MAX);
    struct hashing *hashing = calloc_or_end(1, sizeof *hashing);
    hashing->last_next = &hashing->first;
    hashing->queue_max = queue_max;
    int failed = pthread_mutex_init(&hashing->lock, NULL) | pthread_cond_init(&hashing->has_work, NULL) |
                 pthread_cond_init(&hashing->has_hashed, NULL);
    assert(failed == 0);
    while (hashing->thread_count < threads) {
        failed = pthread_create(&hashing->threads[hashing->thread_count], NULL, thread_run, hashing);
        if (failed != 0) {
            hashing_close(hashing);
            return err_set(info, ERR_IO, "no thread could be started for the hashing of passwords: %s",
                           strerror(failed));
        }
        hashing->thread_count++;
    }
    *ret_hashing = hashing;
    return ERR_NONE;
}

void hashing_close(struct hashing *hashing) {
    pthread_mutex_lock(&hashing->lock);
    assert(hashing->outlet_count == 0 && hashing->first == NULL);
    hashing->is_closing = true;
    pthread_cond_broadcast(&hashing->has_work);
    pthread_mutex_unlock(&hashing->lock);
    for (int i = 0; i < hashing->thread_count; i++) {
        pthread_join(hashing->threads[i], NULL);
    }
    pthread_cond_destroy(&hashing->has_hashed);
    pthread_cond_destroy(&hashing->has_work);
    pthread_mutex_destroy(&hashing->lock);
    free(hashing);
}

/* Whoever is told may submit again, or free the job. */
static void tell_all(struct hashing_outlet *outlet) {
    pthread_mutex_lock(&outlet->hashing->lock);
    struct hashing_job *job = outlet->done;
    outlet->done = NULL;
    outlet->done_last = &outlet->done;
    pthread_mutex_unlock(&outlet->hashing->lock);
    while (job != NULL) {
        struct hashing_job *next = job->next;
        job->next = NULL;
        job->on_done(job);
        job = next;
    }
}

static void on_wake(uv_async_t *wake) {
    tell_all(wake->data);
}

enum err hashing_outlet_open(struct hashing_outlet *outlet, struct hashing *hashing, uv_loop_t *loop,
                             struct err_info *info) {
    *outlet = (struct hashing_outlet){.hashing = hashing};
    outlet->done_last = &outlet->done;
    int failed = uv_async_init(loop, &outlet->wake, on_wake);
    if (failed != 0) {
        return err_set(info, ERR_IO, "cannot make a wake-up handle: %s", uv_strerror(failed));
    }
    outlet->wake.data = outlet;
    pthread_mutex_lock(&hashing->lock);
    hashing->outlet_count++;
    pthread_mutex_unlock(&hashing->lock);
    return ERR_NONE;
}

/* Takes what waits for this outlet out of the queue; the order of the others stays. */
static void withdraw_all(struct hashing *hashing, struct hashing_outlet *outlet) {
    struct hashing_job **link = &hashing->first;
    while (*link != NULL) {
        struct hashing_job *job = *link;
        if (job->outlet != outlet) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        hashing->counts.waiting--;
        wipe_password(job);
        job->result = HASHING_NOT_DONE;
        hand_out(job);
    }
    hashing->last_next = link;
}

void hashing_outlet_close(struct hashing_outlet *outlet) {
    struct hashing *hashing = outlet->hashing;
    pthread_mutex_lock(&hashing->lock);
    outlet->is_closing = true;
    withdraw_all(hashing, outlet);
    while (outlet->being_hashed > 0) {
        pthread_cond_wait(&hashing->has_hashed, &hashing->lock);
    }
    pthread_mutex_unlock(&hashing->lock);
    tell_all(outlet);
    pthread_mutex_lock(&hashing->lock);
    hashing->outlet_count--;
    pthread_mutex_unlock(&hashing->lock);
    uv_close((uv_handle_t *)&outlet->wake, NULL);
}

bool hashing_submit(struct hashing_outlet *outlet, struct hashing_job *job) {
    struct hashing *hashing = outlet->hashing;
    assert(job->password_len <= PASSWORD_MAX_BYTES);
    pthread_mutex_lock(&hashing->lock);
    bool is_full = hashing->counts.waiting >= hashing->queue_max, is_taken = !is_full && !outlet->is_closing;
    if (is_taken) {
        char *copy = malloc_or_end(job->password_len + 1);
        if (job->password_len > 0) {
            memcpy(copy, job->password, job->password_len);
        }
        job->password = copy;
        job->outlet = outlet;
        job->next = NULL;
        *hashing->last_next = job;
        hashing->last_next = &job->next;
        hashing->counts.waiting++;
        pthread_cond_signal(&hashing->has_work);
    } else {
        hashing->counts.refused_total += is_full;
    }
    pthread_mutex_unlock(&hashing->lock);
    return is_taken;
}

bool hashing_withdraw(struct hashing_outlet *outlet, struct hashing_job *job) {
    struct hashing *hashing = outlet->hashing;
    pthread_mutex_lock(&hashing->lock);
    struct hashing_job **link = &hashing->first;
    while (*link != NULL && *link != job) {
        link = &(*link)->next;
    }
    bool waited = *link != NULL;
    if (waited) {
        *link = job->next;
        hashing->last_next = hashing->last_next == &job->next ? link : hashing->last_next;
        hashing->counts.waiting--;
        job->next = NULL;
        wipe_password(job);
    }
    pthread_mutex_unlock(&hashing->lock);
    return waited;
}

struct hashing_counts hashing_count(struct hashing *hashing) {
    pthread_mutex_lock(&hashing->lock);
    struct hashing_counts counts = hashing->counts;
    pthread_mutex_unlock(&hashing->lock);
    return counts;
}
