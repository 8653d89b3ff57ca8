#include "projections/runtime/meeting.h"

#include <stdlib.h>
#include <time.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"

enum {
    LOOK_MS = 50,
    PAUSE_MS = 200,
    NEAR_RECORDS = FEED_EVENTS_MAX, /* further apart they are not held */
    FOREIGN_MS = 60000,             /* who follows a schema of another format has so long to bring it up */
};

static void pause_for(int64_t ms) {
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static int64_t deadline_in(int64_t ms) {
    return clock_boot_us() + ms * MICROS_PER_MS;
}

/* ---- where the two are ----------------------------------------------------------------------------------------------
 */

static enum err look(struct meeting *meeting, struct err_info *info) {
    enum err failure = view_schema_positions(meeting->session, meeting->live, meeting->live_at, meeting->count, info);
    return failure == ERR_NONE
               ? view_schema_positions(meeting->session, meeting->side, meeting->side_at, meeting->count, info)
               : failure;
}

/* Records that the side lacks, or has more than the live one. */
static int64_t sum_apart(const struct meeting *meeting, bool more) {
    int64_t sum = 0;
    for (size_t i = 0; i < meeting->count; i++) {
        int64_t lacks = meeting->live_at[i].next_offset - meeting->side_at[i].next_offset;
        lacks = more ? -lacks : lacks;
        sum += lacks > 0 ? lacks : 0;
    }
    return sum;
}

static bool have_met(const struct meeting *meeting, bool exactly) {
    return sum_apart(meeting, false) == 0 && !(exactly && sum_apart(meeting, true) > 0);
}

/* ---- bringing the side up -------------------------------------------------------------------------------------------
 */

static bool is_ours(const struct meeting *meeting) {
    return meeting->side_about.format == meeting->options->view->format;
}

static enum err drive_feed(struct meeting *meeting, const struct rebuild_options *options, int64_t deadline_us,
                           struct err_info *info) {
    int64_t *until = calloc_or_end(meeting->count, sizeof *until);
    for (size_t i = 0; i < meeting->count; i++) {
        int64_t side = meeting->side_at[i].next_offset, live = meeting->live_at[i].next_offset;
        until[i] = side > live ? side : live;
    }
    enum err failure = feed_read_until(meeting->feed, until, info);
    free(until);
    struct feed_counts counts = {0};
    return failure == ERR_NONE ? view_fill_on(meeting->feed, options, deadline_us, &counts, info) : failure;
}

/* A projector may follow the side as well: of two that move it, one is refused. */
static enum err drive(struct meeting *meeting, const struct rebuild_options *options, int64_t deadline_us,
                      struct err_info *info) {
    enum err failure = ERR_NONE;
    if (meeting->feed == NULL) {
        struct feed_options feed_options = {.config = options->config, .view = options->view, .schema = meeting->side};
        failure = feed_open(&feed_options, &meeting->feed, info);
    }
    failure = failure == ERR_NONE ? drive_feed(meeting, options, deadline_us, info) : failure;
    if (failure != ERR_NONE) {
        feed_close(meeting->feed);
        meeting->feed = NULL;
    }
    return failure == ERR_FENCED ? ERR_NONE : failure;
}

/* Until the side lacks no more than so many records. */
static enum err bring_up(struct meeting *meeting, const struct rebuild_options *options, int64_t most,
                         int64_t deadline_us, struct err_info *info) {
    enum err failure = look(meeting, info);
    while (failure == ERR_NONE && sum_apart(meeting, false) > most) {
        if (clock_boot_us() >= deadline_us) {
            return err_set_retriable(info, ERR_TIMEOUT, "%s does not come up with %s%s", meeting->side, meeting->live,
                                     is_ours(meeting) ? ""
                                                      : ", and has another format: its own program must follow it");
        }
        if (is_ours(meeting)) {
            failure = drive(meeting, options, deadline_us, info);
        } else {
            pause_for(LOOK_MS);
        }
        failure = failure == ERR_NONE ? look(meeting, info) : failure;
    }
    return failure;
}

/* ---- meeting --------------------------------------------------------------------------------------------------------
 */

enum err meeting_begin(struct meeting *meeting, const struct rebuild_options *options, enum view_schema side,
                       struct err_info *info) {
    *meeting = (struct meeting){.options = options, .count = feed_partition_count(options->view, options->config)};
    log_topics_name(&meeting->topics, options->config->topic_prefix);
    view_schema_name(options->view, VIEW_LIVE, meeting->live);
    view_schema_name(options->view, side, meeting->side);
    meeting->live_at = calloc_or_end(meeting->count, sizeof *meeting->live_at);
    meeting->side_at = calloc_or_end(meeting->count, sizeof *meeting->side_at);
    feed_name_partitions(options->view, options->config, &meeting->topics, meeting->live_at);
    feed_name_partitions(options->view, options->config, &meeting->topics, meeting->side_at);
    enum err failure = pg_session_open(options->config->postgres, "daybook-meeting", &meeting->session, info);
    failure =
        failure == ERR_NONE ? view_schema_about(meeting->session, meeting->side, &meeting->side_about, info) : failure;
    if (failure == ERR_NONE && !meeting->side_about.is_there) {
        return err_set(info, ERR_NOT_FOUND, "there is no schema %s%s%s%s", meeting->side,
                       side == VIEW_REBUILT ? ": `daybook projection rebuild " : "",
                       side == VIEW_REBUILT ? options->view->name : "", side == VIEW_REBUILT ? "` makes it" : "");
    }
    return failure;
}

void meeting_end(struct meeting *meeting) {
    feed_close(meeting->feed);
    pg_session_close(meeting->session);
    free(meeting->live_at);
    free(meeting->side_at);
}

/* In a transaction that holds the live one: it stays open when they have met. */
static enum err come_together(struct meeting *meeting, bool exactly, bool *ret_met, struct err_info *info) {
    struct rebuild_options quiet = *meeting->options;
    quiet.on_progress = NULL;
    enum err failure = bring_up(meeting, &quiet, 0, deadline_in(MEETING_HOLD_MS), info);
    if (failure == ERR_NONE) {
        failure = pg_session_execf(meeting->session, info, "LOCK TABLE %s.position IN EXCLUSIVE MODE", meeting->side);
    }
    failure = failure == ERR_NONE ? look(meeting, info) : failure;
    *ret_met = failure == ERR_NONE && have_met(meeting, exactly);
    if (!*ret_met) {
        pg_session_rollback(meeting->session);
    }
    return failure == ERR_TIMEOUT ? ERR_NONE : failure;
}

static enum err try_to_hold(struct meeting *meeting, bool exactly, bool *ret_met, struct err_info *info) {
    enum err failure = view_schema_lock(meeting->session, meeting->live, info);
    if (failure == ERR_NONE) {
        return come_together(meeting, exactly, ret_met, info);
    }
    return failure == ERR_TIMEOUT ? ERR_NONE : failure;
}

/* A feed of ours comes close enough for the rest to be one batch: while nobody is held the live one goes on, and more
 * may never be reached. It is opened, and has read, before anybody waits for it. */
static enum err come_near(struct meeting *meeting, struct err_info *info) {
    if (!is_ours(meeting)) {
        return bring_up(meeting, meeting->options, 0, deadline_in(FOREIGN_MS), info);
    }
    enum err failure = look(meeting, info);
    if (failure == ERR_NONE && meeting->feed == NULL && !have_met(meeting, false)) {
        failure = drive(meeting, meeting->options, INT64_MAX, info);
    }
    return failure == ERR_NONE ? bring_up(meeting, meeting->options, NEAR_RECORDS, INT64_MAX, info) : failure;
}

enum err meeting_hold(struct meeting *meeting, bool exactly, struct err_info *info) {
    bool met = false;
    enum err failure = ERR_NONE;
    int64_t held_ms = 0;
    for (int i = 0; failure == ERR_NONE && !met && i < MEETING_TRIES; i++) {
        if (i > 0) {
            pause_for(held_ms > PAUSE_MS ? held_ms : PAUSE_MS); /* who was held has as long to catch up */
        }
        failure = come_near(meeting, info);
        int64_t began_us = clock_boot_us();
        failure = failure == ERR_NONE ? try_to_hold(meeting, exactly, &met, info) : failure;
        held_ms = (clock_boot_us() - began_us) / MICROS_PER_MS;
    }
    if (failure == ERR_NONE && !met) {
        failure = err_set_retriable(info, ERR_TIMEOUT,
                                    "%s and %s do not come together: is a projector or a session standing still?",
                                    meeting->live, meeting->side);
    }
    return failure;
}
