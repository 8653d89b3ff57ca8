#include "core/handler/standby_thread.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/handler/replay_reader.h"

enum {
    POLL_MS = 500,
    IDLE_MS = 1000,
    PAUSE_MIN_MS = 200,
    PAUSE_MAX_MS = 5000,
    SLICE_MS = 200, /* of a pause: how soon a stop is seen */
    READER_QUEUE_BYTES = 8 * 1024 * 1024,
    FETCH_MIN_BYTES = 64 * 1024,
    NICENESS = 10,
};

struct standby_thread {
    struct standbys *standbys;
    const char *brokers;
    pthread_t thread;
    atomic_bool stopping;
    struct log_reader *reader; /* NULL: there is nothing to read, or no broker was found */
    char cluster_id[STORE_CLUSTER_MAX];
};

static void pause_ms(const struct standby_thread *thread, int ms) {
    for (int left_ms = ms; left_ms > 0 && !atomic_load(&thread->stopping); left_ms -= SLICE_MS) {
        nanosleep(&(struct timespec){.tv_nsec = SLICE_MS * 1000000L}, NULL);
    }
}

static void reader_close(struct standby_thread *thread) {
    log_reader_close(thread->reader);
    thread->reader = NULL;
}

static enum err reader_open(struct standby_thread *thread, struct err_info *info) {
    if (thread->reader != NULL) {
        return ERR_NONE;
    }
    const struct log_reader_options options = {
        .brokers = thread->brokers,
        .client_id = "daybook-standbys",
        .isolation = LOG_READ_COMMITTED,
        .queue_max_bytes = READER_QUEUE_BYTES,
        .fetch_min_bytes = FETCH_MIN_BYTES,
    };
    enum err err = log_reader_open(&options, &thread->reader, info);
    if (err == ERR_NONE) {
        err = log_reader_cluster_id(thread->reader, REPLAY_CALL_TIMEOUT_MS, thread->cluster_id,
                                    sizeof thread->cluster_id, info);
    }
    if (err != ERR_NONE) {
        reader_close(thread);
    }
    return err;
}

static enum err step(struct standby_thread *thread, struct err_info *info) {
    enum err err = reader_open(thread, info);
    if (err != ERR_NONE) {
        return err;
    }
    const struct replay_log log = replay_log_of_reader(thread->reader);
    err = standbys_step(thread->standbys, &log, thread->cluster_id, clock_boot_us(), POLL_MS, info);
    if (err != ERR_NONE && !info->retriable) {
        /* A place that is not there any more, as where outcomes expired: each store says anew where it stands. */
        standbys_let_go(thread->standbys, false);
        reader_close(thread);
    }
    return err;
}

static void *thread_run(void *context) {
    struct standby_thread *thread = context;
    thread_name("standbys");
    /* Of this thread alone, and of those that its reader makes. When it cannot be, nothing else suffers. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    int wait_ms = PAUSE_MIN_MS;
    while (!atomic_load(&thread->stopping)) {
        if (!standbys_are_wanted(thread->standbys, clock_boot_us())) {
            reader_close(thread);
            pause_ms(thread, IDLE_MS);
            continue;
        }
        struct err_info info = {0};
        enum err err = step(thread, &info);
        if (err == ERR_NONE) {
            wait_ms = PAUSE_MIN_MS;
            continue;
        }
        log_line(LOG_WARN, "handler", "standby stores cannot follow the log", LOG_CSTR("error", err_text(err)),
                 LOG_CSTR("why", info.text));
        pause_ms(thread, wait_ms);
        wait_ms = wait_ms * 2 < PAUSE_MAX_MS ? wait_ms * 2 : PAUSE_MAX_MS;
    }
    standbys_let_go(thread->standbys, true);
    reader_close(thread);
    return NULL;
}

enum err standby_thread_start(struct standbys *standbys, const char *brokers, struct standby_thread **ret_thread,
                              struct err_info *info) {
    struct standby_thread *thread = calloc_or_end(1, sizeof *thread);
    thread->standbys = standbys;
    thread->brokers = brokers;
    atomic_init(&thread->stopping, false);
    if (pthread_create(&thread->thread, NULL, thread_run, thread) != 0) {
        free(thread);
        return err_set(info, ERR_IO, "no thread could be made for standby stores");
    }
    *ret_thread = thread;
    return ERR_NONE;
}

void standby_thread_stop(struct standby_thread *thread) {
    if (thread == NULL) {
        return;
    }
    atomic_store(&thread->stopping, true);
    int failed = pthread_join(thread->thread, NULL);
    assert(failed == 0);
    free(thread);
}
