#include "projections/runtime/projector.h"

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/log/reader.h"
#include "core/log/topics.h"
#include "projections/runtime/feed.h"
#include "projections/runtime/schema.h"
#include "projections/runtime/skips.h"
#include "projections/runtime/witness.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    POLL_MS = 500,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    FENCED_MS = 5000, /* the other projector is at work: let it */
    FENCED_LOOK_MS = 500,
    /* After a batch a view rests for twice the time that it took, so that batches grow with the load and the views do
     * not eat the processors of the shards they follow. A view that is behind does not rest. */
    REST_FACTOR = 2,
    REST_MIN_MS = 10,
    REST_MAX_MS = 100,
    WATCH_MS = 1000,
    WATERMARK_TIMEOUT_MS = 2000,
    STALLED_AFTER_S = 30,
    REPEATED_LOG_S = 60, /* the same trouble is logged once in so long */
};

/* How long a shard stands where it stands, though there is more of it. */
struct shard_watch {
    int64_t seen;
    int64_t since_us;
};

/* One view's thread. Everything below `lock` is guarded by it. */
struct view_worker {
    struct projector *projector;
    const struct view *view;
    struct witness_slot *witness;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t stopped;
    struct feed *feed; /* to wake it, and to ask what it does; NULL: it is being opened */
    struct feed_partition *partitions;
    int64_t *ends;    /* as the watcher last saw them */
    int64_t *targets; /* as they were when the projector started */
    struct shard_watch *shards;
    size_t partition_count;
    struct feed_counts counts;
    int64_t parked;
    int64_t failures;
    int64_t fenced;
    int64_t caught_up_us; /* wall clock; when the lag was last 0 */
    int64_t progress_us;  /* boot clock; when the view last moved, or nothing was there to project or is known to be */
    int64_t shards_stalled;
    int64_t trouble_us;
    struct err_info trouble; /* the last that was logged */
    bool stopping;
    bool ends_are_known; /* the log answered when it was last asked for them */
    bool is_past_end;    /* and holds less than the view has seen of it */
    bool has_targets;
    bool reached_targets;
    bool stalled;
    bool is_live; /* it is the live schema that it follows */
    char schema[SCHEMA_NAME_MAX];
};

struct projector {
    const struct config *config;
    struct view_witness witness;
    struct view_worker *workers;
    pthread_t watcher;
    bool watching;
    struct log_topics topics;
};

/* ---- a view's thread ------------------------------------------------------------------------------------------------
 */

static void wait_until(struct view_worker *worker, int64_t delay_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += delay_ms / 1000;
    until.tv_nsec += (delay_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&worker->lock);
    int result = 0;
    while (!worker->stopping && result == 0) {
        result = pthread_cond_timedwait(&worker->stopped, &worker->lock, &until);
    }
    pthread_mutex_unlock(&worker->lock);
}

static bool is_stopping(struct view_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return stopping;
}

static void log_trouble(struct view_worker *worker, const struct err_info *info) {
    int64_t now_us = clock_boot_us();
    pthread_mutex_lock(&worker->lock);
    bool same = strcmp(worker->trouble.text, info->text) == 0;
    bool quiet = same && now_us - worker->trouble_us < (int64_t)REPEATED_LOG_S * MICROS_PER_SECOND;
    if (!quiet) {
        worker->trouble = *info;
        worker->trouble_us = now_us;
    }
    worker->failures++;
    worker->fenced += info->code == ERR_FENCED;
    pthread_mutex_unlock(&worker->lock);
    if (!quiet) {
        log_line(info->retriable ? LOG_WARN : LOG_ERROR, "projector", "a view was interrupted and is tried again",
                 LOG_CSTR("view", worker->view->name), LOG_CSTR("error", info->text));
    }
}

/* What others may know of the view, after each step. */
static void publish(struct view_worker *worker, struct feed *feed, const struct feed_counts *counts) {
    size_t count;
    const struct feed_partition *partitions = feed_partitions(feed, &count);
    pthread_mutex_lock(&worker->lock);
    bool moved = counts->events != worker->counts.events;
    for (size_t i = 0; i < count; i++) { /* not the topics: those names are the feed's */
        /* By another projector, for which this one stands by: that is progress as well. */
        moved = moved || worker->partitions[i].next_offset != partitions[i].next_offset;
        worker->partitions[i].next_offset = partitions[i].next_offset;
        worker->partitions[i].end_offset = partitions[i].end_offset;
    }
    worker->counts = *counts;
    worker->parked = feed_parked(feed);
    bool reached = worker->has_targets;
    for (size_t i = 0; i < count && reached; i++) {
        reached = feed_reached(&partitions[i], worker->targets[i]);
    }
    bool first_reached = reached && !worker->reached_targets;
    worker->reached_targets = worker->reached_targets || reached;
    if (moved) {
        worker->progress_us = clock_boot_us();
    }
    pthread_mutex_unlock(&worker->lock);
    if (first_reached) {
        log_line(LOG_INFO, "projector", "the view has caught up", LOG_CSTR("view", worker->view->name),
                 LOG_INT("events", counts->events));
    }
}

static void rest(struct view_worker *worker, int64_t busy_us) {
    int64_t rest_ms = REST_FACTOR * busy_us / MICROS_PER_MS;
    rest_ms = rest_ms < REST_MIN_MS ? REST_MIN_MS : rest_ms;
    wait_until(worker, rest_ms > REST_MAX_MS ? REST_MAX_MS : rest_ms);
}

static bool lend_feed(struct view_worker *worker, struct feed *feed) {
    pthread_mutex_lock(&worker->lock);
    worker->feed = feed;
    worker->is_live = feed != NULL && feed_is_live(feed);
    bool is_new = feed != NULL && strcmp(worker->schema, feed_schema(feed)) != 0;
    if (is_new) {
        snprintf(worker->schema, sizeof worker->schema, "%s", feed_schema(feed));
    }
    bool go_on = !worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    if (is_new) {
        log_line(LOG_INFO, "projector", "the view follows a schema", LOG_CSTR("view", worker->view->name),
                 LOG_CSTR("schema", feed_schema(feed)));
    }
    return go_on;
}

/* Projects until something fails or it is stopped. */
static enum err run_feed(struct view_worker *worker, struct feed *feed, struct feed_counts *counts,
                         struct err_info *info) {
    enum err failure = ERR_NONE;
    while (failure == ERR_NONE && !is_stopping(worker)) {
        struct feed_counts before = *counts;
        bool full = false;
        failure = feed_step(feed, POLL_MS, counts, &full, info);
        publish(worker, feed, counts);
        if (failure == ERR_NONE && counts->events > before.events && !full) {
            rest(worker, counts->busy_us - before.busy_us);
        }
    }
    return failure;
}

/* Leaves the view to the other projector for a while, or until there is something new. */
static void stand_by(struct view_worker *worker, struct feed *feed) {
    for (int waited_ms = 0; waited_ms < FENCED_MS && !is_stopping(worker); waited_ms += FENCED_LOOK_MS) {
        if (feed_is_outdated(feed)) {
            return;
        }
        wait_until(worker, FENCED_LOOK_MS);
    }
}

/* After a failure; `feed` is NULL when it could not be opened. */
static void recover(struct view_worker *worker, struct feed *feed, const struct err_info *info, int64_t *backoff_ms) {
    if (feed != NULL && feed_is_outdated(feed)) {
        log_line(LOG_INFO, "projector", "the view's tables were switched or changed: it begins anew",
                 LOG_CSTR("view", worker->view->name), LOG_CSTR("schema", feed_schema(feed)));
        return;
    }
    log_trouble(worker, info);
    if (feed != NULL && info->code == ERR_FENCED) {
        stand_by(worker, feed);
        return;
    }
    wait_until(worker, *backoff_ms);
    *backoff_ms = *backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : *backoff_ms * 2;
}

static void *worker_main(void *argument) {
    struct view_worker *worker = argument;
    thread_name("view %s", worker->view->name);
    struct feed_options options = {
        .config = worker->projector->config, .view = worker->view, .witness = worker->witness};
    struct feed_counts counts = {0};
    int64_t backoff_ms = BACKOFF_MIN_MS;
    while (!is_stopping(worker)) {
        struct err_info info = {0};
        struct feed *feed = NULL;
        enum err failure = feed_open(&options, &feed, &info);
        if (failure == ERR_NONE && lend_feed(worker, feed)) {
            backoff_ms = BACKOFF_MIN_MS;
            failure = run_feed(worker, feed, &counts, &info);
        }
        if (failure != ERR_NONE) {
            recover(worker, feed, &info, &backoff_ms);
        }
        lend_feed(worker, NULL);
        feed_close(feed);
    }
    return NULL;
}

/* ---- the watcher ----------------------------------------------------------------------------------------------------
 */

static int64_t seen_of(const struct feed_partition *partition) {
    return partition->next_offset > partition->end_offset ? partition->next_offset : partition->end_offset;
}

/* Records that the watcher saw in the log and the view has not; -1: the log's ends are not known. */
static int64_t lag_of(const struct view_worker *worker) {
    int64_t lag = worker->ends_are_known ? 0 : -1;
    for (size_t i = 0; i < worker->partition_count && worker->ends_are_known; i++) {
        int64_t seen = seen_of(&worker->partitions[i]);
        lag += worker->ends[i] > seen ? worker->ends[i] - seen : 0;
    }
    return lag;
}

/* What the view's thread does while it makes no progress, and with which event, "daybook.orders/2/17"; `lock` is held.
 */
static const char *stage_of(const struct view_worker *worker, char ret_event[SKIP_PLACE_MAX]) {
    struct witness_place place;
    bool is_projecting = view_witness_at(worker->witness, &place) && place.topic >= 0 && place.topic < TOPIC_COUNT;
    ret_event[0] = '\0';
    if (is_projecting) {
        (void)skip_place(worker->projector->topics.names[place.topic], place.shard, place.offset, ret_event);
    }
    return worker->is_past_end    ? "has seen more than the log holds"
           : worker->feed == NULL ? "is being opened"
                                  : feed_stage(worker->feed);
}

/* A view whose other shards move hides one that does not: a transaction there that nobody ends. Its reader was told an
 * end, and the log goes on behind it; a shard that only waits for its turn was told none. How many, and the last. */
static int64_t count_stalled_shards(struct view_worker *worker, int64_t now_us, size_t *ret_shard) {
    int64_t count = 0;
    for (size_t i = 0; i < worker->partition_count; i++) {
        const struct feed_partition *partition = &worker->partitions[i];
        struct shard_watch *watch = &worker->shards[i];
        bool waits = partition->end_offset >= partition->next_offset && worker->ends[i] > partition->end_offset;
        if (!waits || watch->seen != seen_of(partition)) {
            *watch = (struct shard_watch){.seen = seen_of(partition), .since_us = now_us};
        } else if (now_us - watch->since_us > (int64_t)STALLED_AFTER_S * MICROS_PER_SECOND) {
            *ret_shard = i;
            count++;
        }
    }
    return count;
}

/* `lock` is held. */
static void judge_shards(struct view_worker *worker, int64_t now_us) {
    size_t shard = 0;
    int64_t count = count_stalled_shards(worker, now_us, &shard);
    bool is_more = count > worker->shards_stalled;
    worker->shards_stalled = count;
    if (is_more) {
        const struct feed_partition *partition = &worker->partitions[shard];
        log_line(LOG_ERROR, "projector", "a shard's newest records cannot be read: a transaction that nobody ends?",
                 LOG_CSTR("view", worker->view->name), LOG_CSTR("topic", partition->topic),
                 LOG_INT("shard", partition->shard), LOG_INT("at", seen_of(partition)),
                 LOG_INT("end", worker->ends[shard]));
    }
}

/* Whether the view stands still although there is something to do. */
static void judge(struct view_worker *worker) {
    int64_t now_us = clock_boot_us();
    char event[SKIP_PLACE_MAX];
    pthread_mutex_lock(&worker->lock);
    if (!worker->has_targets) {
        memcpy(worker->targets, worker->ends, worker->partition_count * sizeof *worker->ends);
        worker->has_targets = true;
    }
    int64_t lag_events = lag_of(worker);
    judge_shards(worker, now_us);
    if (lag_events == 0 && !worker->is_past_end) {
        worker->caught_up_us = clock_wall_us();
        worker->progress_us = now_us;
    }
    bool stalled = now_us - worker->progress_us > (int64_t)STALLED_AFTER_S * MICROS_PER_SECOND;
    bool turned = stalled != worker->stalled;
    worker->stalled = stalled;
    const char *stage = stage_of(worker, event);
    pthread_mutex_unlock(&worker->lock);
    if (turned && stalled) {
        log_line(LOG_ERROR, "projector", "the view makes no progress although it is behind",
                 LOG_CSTR("view", worker->view->name), LOG_INT("lag_events", lag_events), LOG_CSTR("thread", stage),
                 LOG_CSTR("event", event));
    } else if (turned) {
        log_line(LOG_INFO, "projector", "the view makes progress again", LOG_CSTR("view", worker->view->name),
                 LOG_INT("lag_events", lag_events));
    }
}

/* While they are not, nobody can say that the view is behind, and it begins anew to be waited for. */
static void note_whether_ends_are_known(struct view_worker *worker, bool they_are) {
    pthread_mutex_lock(&worker->lock);
    worker->ends_are_known = they_are;
    if (!they_are && !worker->stalled) {
        worker->progress_us = clock_boot_us();
    }
    for (size_t i = 0; i < worker->partition_count && !they_are && worker->shards_stalled == 0; i++) {
        worker->shards[i].since_us = clock_boot_us();
    }
    pthread_mutex_unlock(&worker->lock);
}

/* `reader` is any; only its handle to the broker is used. */
static bool ask_ends(struct view_worker *worker, struct log_reader *reader) {
    bool is_past_end = false;
    for (size_t i = 0; i < worker->partition_count; i++) {
        int64_t low = 0, end = 0;
        pthread_mutex_lock(&worker->lock);
        int64_t stood_at = worker->partitions[i].next_offset; /* before the log is asked: the view goes on */
        pthread_mutex_unlock(&worker->lock);
        /* Topic and shard never change once the worker is made. */
        if (log_reader_watermarks(reader, worker->partitions[i].topic, worker->partitions[i].shard,
                                  WATERMARK_TIMEOUT_MS, &low, &end, NULL) != ERR_NONE) {
            /* The ends of before would make a view that sees nothing look like one that has seen all. */
            note_whether_ends_are_known(worker, false);
            return false;
        }
        pthread_mutex_lock(&worker->lock);
        worker->ends[i] = end;
        pthread_mutex_unlock(&worker->lock);
        is_past_end = is_past_end || end < stood_at;
    }
    pthread_mutex_lock(&worker->lock);
    worker->is_past_end = is_past_end;
    pthread_mutex_unlock(&worker->lock);
    note_whether_ends_are_known(worker, true);
    return true;
}

static void *watcher_main(void *argument) {
    struct projector *projector = argument;
    thread_name("views' watch");
    struct log_reader_options options = {.brokers = projector->config->kafka_brokers,
                                         .client_id = "daybook-projector-watch",
                                         .isolation = LOG_READ_UNCOMMITTED,
                                         .queue_max_bytes = 1024 * 1024};
    struct log_reader *reader = NULL;
    while (!is_stopping(&projector->workers[0])) {
        bool opened = reader != NULL || log_reader_open(&options, &reader, NULL) == ERR_NONE;
        for (size_t i = 0; opened && i < view_count && !is_stopping(&projector->workers[i]); i++) {
            if (ask_ends(&projector->workers[i], reader)) {
                judge(&projector->workers[i]);
            }
        }
        wait_until(&projector->workers[0], WATCH_MS);
    }
    if (reader != NULL) {
        log_reader_close(reader);
    }
    return NULL;
}

/* ---- life -----------------------------------------------------------------------------------------------------------
 */

static void worker_init(struct view_worker *worker, struct projector *projector, size_t number) {
    const struct view *view = views[number];
    worker->projector = projector;
    worker->view = view;
    worker->witness = &projector->witness.slots[number];
    worker->progress_us = clock_boot_us();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&worker->lock, NULL);
    size_t count = feed_partition_count(view, projector->config);
    worker->partition_count = count;
    worker->partitions = calloc_or_end(count, sizeof *worker->partitions);
    worker->ends = calloc_or_end(count, sizeof *worker->ends);
    worker->targets = calloc_or_end(count, sizeof *worker->targets);
    worker->shards = calloc_or_end(count, sizeof *worker->shards);
    feed_name_partitions(view, projector->config, &projector->topics, worker->partitions);
}

/* A projector can do without: then an event that ends it does so until it is skipped. */
static void open_witness(struct projector *projector) {
    struct err_info info = {0};
    assert(view_count <= WITNESS_VIEWS_MAX);
    if (view_witness_open(&projector->witness, projector->config->data_dir, &info) != ERR_NONE) {
        log_line(LOG_WARN, "projector", "which event a view dies of will not be known", LOG_CSTR("why", info.text));
    }
}

enum err projector_start(const struct config *config, struct projector **ret_projector, struct err_info *info) {
    struct projector *projector = calloc_or_end(1, sizeof *projector);
    projector->config = config;
    projector->workers = calloc_or_end(view_count, sizeof *projector->workers);
    log_topics_name(&projector->topics, config->topic_prefix);
    open_witness(projector);
    for (size_t i = 0; i < view_count; i++) {
        worker_init(&projector->workers[i], projector, i);
    }
    bool started = true;
    for (size_t i = 0; i < view_count && started; i++) {
        struct view_worker *worker = &projector->workers[i];
        worker->started = started = pthread_create(&worker->thread, NULL, worker_main, worker) == 0;
    }
    projector->watching = started && pthread_create(&projector->watcher, NULL, watcher_main, projector) == 0;
    if (!projector->watching) {
        projector_stop(projector);
        return err_set(info, ERR_IO, "a projector's thread could not be started");
    }
    *ret_projector = projector;
    return ERR_NONE;
}

static void worker_stop(struct view_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_broadcast(&worker->stopped);
    if (worker->feed != NULL) {
        feed_wake(worker->feed);
    }
    pthread_mutex_unlock(&worker->lock);
}

static void worker_release(struct view_worker *worker) {
    if (worker->started) {
        pthread_join(worker->thread, NULL);
    }
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->stopped);
    free(worker->partitions);
    free(worker->ends);
    free(worker->targets);
    free(worker->shards);
}

void projector_stop(struct projector *projector) {
    for (size_t i = 0; i < view_count; i++) {
        worker_stop(&projector->workers[i]);
    }
    if (projector->watching) {
        pthread_join(projector->watcher, NULL);
    }
    for (size_t i = 0; i < view_count; i++) {
        worker_release(&projector->workers[i]);
    }
    view_witness_close(&projector->witness);
    free(projector->workers);
    free(projector);
}

/* ---- what others ask ------------------------------------------------------------------------------------------------
 */

bool projector_is_ready(const struct projector *projector) {
    bool ready = true;
    for (size_t i = 0; i < view_count && ready; i++) {
        struct view_worker *worker = &projector->workers[i];
        pthread_mutex_lock(&worker->lock);
        ready = worker->reached_targets && !worker->stalled;
        pthread_mutex_unlock(&worker->lock);
    }
    return ready;
}

struct view_figures {
    int64_t lag_events, events, repeated, batches, parked, failures, fenced, stalled, shards_stalled, live;
    int64_t lag_us, busy_us;
};

static struct view_figures figures_of(struct view_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    /* Of a view that is behind, or may be: the age of the newest event it has shown, but not more than the time for
     * which it has been behind. */
    int64_t newest_us =
        worker->counts.newest_us > worker->caught_up_us ? worker->counts.newest_us : worker->caught_up_us;
    int64_t lag_events = lag_of(worker);
    int64_t lag_us = lag_events == 0 || newest_us == 0 ? 0 : clock_wall_us() - newest_us;
    struct view_figures figures = {.lag_events = lag_events,
                                   .events = worker->counts.events,
                                   .repeated = worker->counts.repeated,
                                   .batches = worker->counts.batches,
                                   .parked = worker->parked,
                                   .failures = worker->failures,
                                   .fenced = worker->fenced,
                                   .stalled = worker->stalled,
                                   .shards_stalled = worker->shards_stalled,
                                   .live = worker->is_live,
                                   .lag_us = lag_us < 0 ? 0 : lag_us,
                                   .busy_us = worker->counts.busy_us};
    pthread_mutex_unlock(&worker->lock);
    return figures;
}

static const struct metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
    bool in_seconds; /* kept in microseconds */
} metrics[] = {
    {"daybook_projection_lag_events", "gauge",
     "Records that the view has not seen; -1: not known, no answer from the log.",
     offsetof(struct view_figures, lag_events), false},
    {"daybook_projection_lag_seconds", "gauge", "How far behind the view is in time.",
     offsetof(struct view_figures, lag_us), true},
    {"daybook_projection_events_total", "counter", "Events projected.", offsetof(struct view_figures, events), false},
    {"daybook_projection_repeated_total", "counter", "Events skipped as known already.",
     offsetof(struct view_figures, repeated), false},
    {"daybook_projection_batches_total", "counter", "Transactions.", offsetof(struct view_figures, batches), false},
    {"daybook_projection_busy_seconds_total", "counter", "Time spent projecting.",
     offsetof(struct view_figures, busy_us), true},
    {"daybook_projection_parked", "gauge", "Events that were set aside.", offsetof(struct view_figures, parked), false},
    {"daybook_projection_failures_total", "counter", "Interruptions after which the view was tried again.",
     offsetof(struct view_figures, failures), false},
    {"daybook_projection_fenced_total", "counter", "Of these, because another projector was at work.",
     offsetof(struct view_figures, fenced), false},
    {"daybook_projection_stalled", "gauge", "1 when the view is behind, or ahead of the log, and makes no progress.",
     offsetof(struct view_figures, stalled), false},
    {"daybook_projection_shards_stalled", "gauge",
     "Shards whose newest records are not to be read: a transaction there is not ended.",
     offsetof(struct view_figures, shards_stalled), false},
    {"daybook_projection_live", "gauge",
     "1 when it keeps the live tables up to date; 0: those of its format beside them, or none.",
     offsetof(struct view_figures, live), false},
};

void projector_metrics(const struct projector *projector, struct buf *out) {
    for (size_t i = 0; i < ARRAY_LENGTH(metrics); i++) {
        const struct metric *metric = &metrics[i];
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->type);
        for (size_t j = 0; j < view_count; j++) {
            struct view_figures figures = figures_of(&projector->workers[j]);
            int64_t value = *(const int64_t *)((const char *)&figures + metric->offset);
            buf_printf(out, "%s{view=\"%s\"} ", metric->name, views[j]->name);
            if (metric->in_seconds) {
                buf_printf(out, "%.6f\n", (double)value / MICROS_PER_SECOND);
            } else {
                buf_printf(out, "%lld\n", (long long)value);
            }
        }
    }
}
