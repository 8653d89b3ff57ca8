#include "projections/runtime/rebuild.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "projections/runtime/behind.h"

enum {
    STEP_MS = 500,
    WATERMARK_TIMEOUT_MS = 10000,
    STALL_MS = 60000, /* without progress: a transaction that nobody ends, or no broker */
    SWITCH_TRIES = 20,
};

void rebuild_schema_name(const struct view *view, char ret_name[SCHEMA_NAME_MAX]) {
    snprintf(ret_name, SCHEMA_NAME_MAX, "%s_rebuild", view->name);
}

static enum err make_schema(const struct rebuild_options *options, struct pg_session *session, const char *schema,
                            PGresult **ret_indexes, struct err_info *info) {
    enum err failure = pg_session_execf(session, info, "DROP SCHEMA IF EXISTS %s CASCADE", schema);
    if (failure == ERR_NONE) {
        failure = view_schema_migrate(session, options->view, schema, NULL, info);
    }
    return failure == ERR_NONE ? view_schema_drop_indexes(session, schema, ret_indexes, info) : failure;
}

static int64_t passed(const struct feed_partition *partition) {
    int64_t seen = partition->next_offset > partition->end_offset ? partition->next_offset : partition->end_offset;
    return seen < partition->until ? seen : partition->until;
}

/* Projects until each partition is where it is to be, or nothing moves any more. */
static enum err run_until(struct feed *feed, const struct rebuild_options *options, struct feed_counts *counts,
                          struct err_info *info) {
    size_t count;
    const struct feed_partition *partitions = feed_partitions(feed, &count);
    int64_t moved_us = clock_boot_us(), moved_to = -1;
    for (;;) {
        int64_t done = 0, total = 0;
        for (size_t i = 0; i < count; i++) {
            done += passed(&partitions[i]);
            total += partitions[i].until;
        }
        if (options->on_progress != NULL) {
            options->on_progress(options->context, done, total);
        }
        if (done == total) {
            return ERR_NONE;
        }
        if (done != moved_to) {
            moved_to = done;
            moved_us = clock_boot_us();
        } else if (clock_boot_us() - moved_us > STALL_MS * (int64_t)MICROS_PER_MS) {
            return err_set_retriable(info, ERR_TIMEOUT,
                                     "%s: nothing to read for %d s, at %" PRId64 " of %" PRId64
                                     ": no broker, or a transaction there is neither committed nor aborted",
                                     options->view->name, STALL_MS / 1000, done, total);
        }
        bool full;
        enum err failure = feed_step(feed, STEP_MS, counts, &full, info);
        if (failure != ERR_NONE) {
            return failure;
        }
    }
}

static enum err fill(const struct rebuild_options *options, const char *schema, const int64_t *until,
                     struct feed_counts *counts, struct err_info *info) {
    struct feed_options feed_options = {
        .config = options->config, .view = options->view, .schema = schema, .notify = false};
    struct feed *feed = NULL;
    enum err failure = feed_open(&feed_options, &feed, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    size_t count;
    struct feed_partition *partitions = feed_partitions(feed, &count);
    int64_t *ends = calloc_or_end(count, sizeof *ends);
    if (until == NULL) {
        failure = feed_watermarks(feed, WATERMARK_TIMEOUT_MS, ends, info);
    }
    for (size_t i = 0; i < count; i++) {
        partitions[i].until = until == NULL ? ends[i] : until[i];
    }
    if (failure == ERR_NONE) {
        failure = run_until(feed, options, counts, info);
    }
    free(ends);
    feed_close(feed);
    return failure;
}

enum err view_rebuild(const struct rebuild_options *options, struct feed_counts *ret_counts, struct err_info *info) {
    char schema[SCHEMA_NAME_MAX];
    rebuild_schema_name(options->view, schema);
    struct feed_counts counts = {0};
    struct pg_session *session = NULL;
    CLEANUP(pg_result_clear) PGresult *indexes = NULL;
    enum err failure = pg_session_open(options->config->postgres, "daybook-rebuild", &session, info);
    if (failure == ERR_NONE) {
        failure = make_schema(options, session, schema, &indexes, info);
    }
    if (failure == ERR_NONE) {
        failure = fill(options, schema, options->until, &counts, info);
    }
    if (failure == ERR_NONE) {
        failure = view_schema_make_indexes(session, indexes, info);
    }
    pg_session_close(session);
    if (failure == ERR_NONE) {
        *ret_counts = counts;
    }
    return failure;
}

/* ---- switching ------------------------------------------------------------------------------------------------------
 */

struct switching {
    const struct rebuild_options *options;
    char side_schema[SCHEMA_NAME_MAX];
    struct pg_session *session;
    struct feed_partition *live, *side;
    size_t count;
};

static bool has_caught_up(const struct switching *work) {
    for (size_t i = 0; i < work->count; i++) {
        if (work->side[i].next_offset < work->live[i].next_offset) {
            return false;
        }
    }
    return true;
}

/* In a transaction that holds the live projector off: either switches and commits, or rolls back. */
static enum err try_switch(struct switching *work, bool *ret_switched, struct err_info *info) {
    const char *name = work->options->view->name;
    enum err failure = pg_session_execf(work->session, info, "BEGIN; LOCK TABLE %s.position IN EXCLUSIVE MODE", name);
    if (failure == ERR_NONE) {
        failure = view_schema_positions(work->session, name, work->live, work->count, info);
    }
    if (failure == ERR_NONE) {
        failure = view_schema_positions(work->session, work->side_schema, work->side, work->count, info);
    }
    *ret_switched = failure == ERR_NONE && has_caught_up(work);
    if (*ret_switched) {
        failure = pg_session_execf(work->session, info,
                                   "ALTER SCHEMA %s RENAME TO %s_old; ALTER SCHEMA %s RENAME TO %s;"
                                   "DROP SCHEMA %s_old CASCADE; NOTIFY " VIEW_CHANNEL ", '%s'; COMMIT",
                                   name, name, work->side_schema, name, name, name);
    }
    if (!*ret_switched || failure != ERR_NONE) {
        pg_session_rollback(work->session);
    }
    return failure;
}

static enum err catch_up(struct switching *work, struct err_info *info) {
    int64_t *until = calloc_or_end(work->count, sizeof *until);
    for (size_t i = 0; i < work->count; i++) {
        int64_t side = work->side[i].next_offset, live = work->live[i].next_offset;
        until[i] = side > live ? side : live;
    }
    struct feed_counts counts = {0};
    enum err failure = fill(work->options, work->side_schema, until, &counts, info);
    free(until);
    return failure;
}

enum err view_switch(const struct rebuild_options *options, struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, options->config->topic_prefix);
    struct switching work = {.options = options, .count = feed_partition_count(options->view, options->config)};
    rebuild_schema_name(options->view, work.side_schema);
    work.live = calloc_or_end(work.count, sizeof *work.live);
    work.side = calloc_or_end(work.count, sizeof *work.side);
    feed_name_partitions(options->view, options->config, &topics, work.live);
    feed_name_partitions(options->view, options->config, &topics, work.side);
    enum err failure = pg_session_open(options->config->postgres, "daybook-rebuild", &work.session, info);
    bool switched = false;
    for (int i = 0; failure == ERR_NONE && !switched && i < SWITCH_TRIES; i++) {
        failure = try_switch(&work, &switched, info);
        if (failure == ERR_NONE && !switched) {
            failure = catch_up(&work, info);
        }
    }
    pg_session_close(work.session);
    free(work.live);
    free(work.side);
    if (failure == ERR_NONE && !switched) {
        failure = err_set_retriable(info, ERR_TIMEOUT, "the rebuilt view %s does not catch up with the live one",
                                    options->view->name);
    }
    return failure;
}
