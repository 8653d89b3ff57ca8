#include "projections/runtime/rebuild.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"

enum {
    STEP_MS = 500,
    WATERMARK_TIMEOUT_MS = 10000,
    STALL_MS = 60000, /* without progress: a transaction that nobody ends, or no broker */
};

static enum err copy_skips(const struct rebuild_options *options, struct pg_session *session, const char *schema,
                           struct err_info *info) {
    char live[SCHEMA_NAME_MAX];
    struct view_about about;
    view_schema_name(options->view, VIEW_LIVE, live);
    enum err failure = view_schema_about(session, live, &about, info);
    if (failure == ERR_NONE && !about.is_there) {
        return err_set(info, ERR_NOT_FOUND, "there is no schema %s that this version knows: run `daybook migrate`",
                       live);
    }
    if (failure != ERR_NONE || options->forgets_skips) {
        return failure;
    }
    return pg_session_execf(session, info,
                            "INSERT INTO %s.skipped (stream, version, parked_reason, reason, actor, skipped_at)"
                            " SELECT stream, version, parked_reason, reason, actor, skipped_at FROM %s.skipped",
                            schema, live);
}

static enum err drop_if_there(struct pg_session *session, const char *schema, struct err_info *info) {
    enum err failure = view_schema_drop(session, schema, info);
    return failure == ERR_NOT_FOUND ? ERR_NONE : failure;
}

static enum err make_schema(const struct rebuild_options *options, struct pg_session *session, const char *schema,
                            PGresult **ret_indexes, struct err_info *info) {
    enum err failure = drop_if_there(session, schema, info);
    if (failure == ERR_NONE) {
        failure = view_schema_migrate(session, options->view, schema, NULL, info);
    }
    if (failure == ERR_NONE) {
        failure = copy_skips(options, session, schema, info);
    }
    return failure == ERR_NONE ? view_schema_drop_indexes(session, schema, ret_indexes, info) : failure;
}

static int64_t passed(const struct feed_partition *partition) {
    int64_t seen = partition->next_offset > partition->end_offset ? partition->next_offset : partition->end_offset;
    return seen < partition->until ? seen : partition->until;
}

enum err view_fill_on(struct feed *feed, const struct rebuild_options *options, int64_t deadline_us,
                      struct feed_counts *counts, struct err_info *info) {
    size_t count;
    const struct feed_partition *partitions = feed_partitions(feed, &count);
    int64_t moved_us = clock_boot_us(), moved_to = -1;
    for (;;) {
        int64_t done = 0, total = 0, now_us = clock_boot_us();
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
            moved_us = now_us;
        } else if (now_us - moved_us > STALL_MS * (int64_t)MICROS_PER_MS) {
            return err_set_retriable(info, ERR_TIMEOUT,
                                     "%s: nothing to read for %d s, at %" PRId64 " of %" PRId64
                                     ": no broker, or a transaction there is neither committed nor aborted",
                                     feed_schema(feed), STALL_MS / 1000, done, total);
        }
        if (now_us >= deadline_us) {
            return err_set_retriable(info, ERR_TIMEOUT, "%s does not come up in time", feed_schema(feed));
        }
        bool full;
        enum err failure = feed_step(feed, STEP_MS, counts, &full, info);
        if (failure != ERR_NONE) {
            return failure;
        }
    }
}

/* Sets where each partition is to stop: where the options say, or where the log ends now. */
static enum err set_ends(struct feed *feed, const int64_t *until, struct err_info *info) {
    size_t count;
    struct feed_partition *partitions = feed_partitions(feed, &count);
    int64_t *ends = calloc_or_end(count, sizeof *ends);
    enum err failure = until == NULL ? feed_watermarks(feed, WATERMARK_TIMEOUT_MS, ends, info) : ERR_NONE;
    for (size_t i = 0; i < count; i++) {
        partitions[i].until = until == NULL ? ends[i] : until[i];
    }
    free(ends);
    return failure;
}

static enum err fill(const struct rebuild_options *options, const char *schema, struct rebuild_result *result,
                     struct err_info *info) {
    struct feed_options feed_options = {.config = options->config, .view = options->view, .schema = schema};
    struct feed *feed = NULL;
    enum err failure = feed_open(&feed_options, &feed, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    failure = set_ends(feed, options->until, info);
    failure = failure == ERR_NONE ? view_fill_on(feed, options, INT64_MAX, &result->counts, info) : failure;
    result->parked = feed_parked(feed);
    feed_close(feed);
    return failure;
}

static enum err open_to_fill(const struct rebuild_options *options, const char *schema, struct pg_session **ret_session,
                             struct err_info *info) {
    enum err failure = pg_session_open(options->config->postgres, "daybook-rebuild", ret_session, info);
    return failure == ERR_NONE ? view_schema_claim(*ret_session, schema, info) : failure;
}

static enum err make_and_fill(const struct rebuild_options *options, struct pg_session *session, const char *schema,
                              struct rebuild_result *result, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *indexes = NULL;
    enum err failure = make_schema(options, session, schema, &indexes, info);
    failure = failure == ERR_NONE ? fill(options, schema, result, info) : failure;
    failure = failure == ERR_NONE ? view_schema_make_indexes(session, indexes, info) : failure;
    return failure == ERR_NONE ? view_schema_analyze(session, options->view, schema, info) : failure;
}

enum err view_fill(const struct rebuild_options *options, const char *schema, struct rebuild_result *ret_result,
                   struct err_info *info) {
    struct rebuild_result result = {0};
    struct pg_session *session = NULL;
    enum err failure = open_to_fill(options, schema, &session, info);
    failure = failure == ERR_NONE ? make_and_fill(options, session, schema, &result, info) : failure;
    pg_session_close(session);
    if (failure == ERR_NONE) {
        *ret_result = result;
    }
    return failure;
}

enum err view_rebuild(const struct rebuild_options *options, struct rebuild_result *ret_result, struct err_info *info) {
    char filling[SCHEMA_NAME_MAX], rebuilt[SCHEMA_NAME_MAX];
    view_schema_name(options->view, VIEW_FILLING, filling);
    view_schema_name(options->view, VIEW_REBUILT, rebuilt);
    struct rebuild_result result = {0};
    struct pg_session *session = NULL;
    enum err failure = open_to_fill(options, filling, &session, info);
    /* Before the filling, so that there is never more than one copy beside the live one and the old one. */
    failure = failure == ERR_NONE ? drop_if_there(session, rebuilt, info) : failure;
    failure = failure == ERR_NONE ? make_and_fill(options, session, filling, &result, info) : failure;
    failure = failure == ERR_NONE ? pg_session_execf(session, info, "ALTER SCHEMA %s RENAME TO %s", filling, rebuilt)
                                  : failure;
    pg_session_close(session);
    if (failure == ERR_NONE) {
        *ret_result = result;
    }
    return failure;
}
