#include "core/log/walk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"

enum {
    ASK_TIMEOUT_MS = 10000,
    STALL_MS = 60000,
    POLL_MS = 200,
    POLL_RECORDS = 1000,
    PROGRESS_US = MICROS_PER_SECOND,
};

/* One partition's way: records below `end` are to come. */
struct leg {
    int64_t next;
    int64_t end;
    bool done;
};

struct state {
    const struct log_walk *walk;
    struct log_partition *partitions;
    struct leg *legs;
    size_t count;
    size_t open; /* legs that are not done */
    int64_t total;
};

/* A partition that was made just now, or whose leader moves, answers a moment later. */
static enum err watermarks(struct log_reader *reader, const struct log_partition *partition, int64_t *ret_low,
                           int64_t *ret_high, struct err_info *info) {
    int64_t deadline_us = clock_boot_us() + ASK_TIMEOUT_MS * (int64_t)MICROS_PER_MS;
    for (;;) {
        enum err err = log_reader_watermarks(reader, partition->topic, partition->partition, ASK_TIMEOUT_MS, ret_low,
                                             ret_high, info);
        if (err == ERR_NONE || !info->retriable || clock_boot_us() >= deadline_us) {
            return err;
        }
        struct log_record none;
        size_t count;
        struct err_info trouble;
        /* Nothing is assigned yet: this is a pause in which the client looks after its connections. */
        if (log_reader_poll(reader, POLL_MS, &none, 1, &count, &trouble) != ERR_NONE && !trouble.retriable) {
            *info = trouble;
            return trouble.code;
        }
    }
}

/* Where each leg begins and ends. */
static enum err measure(struct state *state, struct log_reader *reader, struct err_info *info) {
    for (size_t i = 0; i < state->count; i++) {
        struct log_partition *partition = &state->partitions[i];
        int64_t low, high;
        enum err err = watermarks(reader, partition, &low, &high, info);
        if (err != ERR_NONE) {
            return err;
        }
        if (partition->offset == WALK_FROM_FIRST) {
            partition->offset = low;
        }
        if (state->walk->ends != NULL && high < state->walk->ends[i]) {
            return err_set(info, ERR_CONFLICT,
                           "%s[%" PRId32 "] ends at offset %" PRId64 ", but ended at %" PRId64 " before",
                           partition->topic, partition->partition, high, state->walk->ends[i]);
        }
        high = state->walk->ends != NULL ? state->walk->ends[i] : high;
        state->legs[i] = (struct leg){partition->offset, high, high <= partition->offset};
        state->open += !state->legs[i].done;
        state->total += state->legs[i].done ? 0 : high - partition->offset;
    }
    return ERR_NONE;
}

static struct leg *leg_of(struct state *state, const struct log_record *record) {
    for (size_t i = 0; i < state->count; i++) {
        const struct log_partition *partition = &state->partitions[i];
        if (partition->partition == record->partition && strcmp(partition->topic, record->topic) == 0) {
            return &state->legs[i];
        }
    }
    assert(!"a record of a partition that was not asked for");
    return NULL;
}

/* False when the walk's owner has had enough. */
static bool take(struct state *state, const struct log_record *record) {
    struct leg *leg = leg_of(state, record);
    if (leg->done) {
        return true;
    }
    bool goes_on = true;
    if (record->end) {
        leg->next = record->offset;
    } else if (record->offset < leg->end) {
        goes_on = state->walk->on_record(state->walk->context, record);
        leg->next = record->offset + 1;
    } else {
        leg->next = leg->end;
    }
    if (leg->next >= leg->end) {
        leg->next = leg->end;
        leg->done = true;
        state->open--;
    }
    return goes_on;
}

static int64_t left(const struct state *state) {
    int64_t offsets = 0;
    for (size_t i = 0; i < state->count; i++) {
        offsets += state->legs[i].done ? 0 : state->legs[i].end - state->legs[i].next;
    }
    return offsets;
}

static void tell_progress(const struct state *state) {
    if (state->walk->on_progress != NULL) {
        state->walk->on_progress(state->walk->context, state->total - left(state), state->total);
    }
}

static enum err read_all(struct state *state, struct log_reader *reader, struct err_info *info) {
    int64_t stall_us = (state->walk->stall_ms > 0 ? state->walk->stall_ms : STALL_MS) * (int64_t)MICROS_PER_MS;
    int64_t moved_us = clock_boot_us();
    int64_t told_us = moved_us;
    static _Thread_local struct log_record records[POLL_RECORDS];
    while (state->open > 0) {
        size_t count = 0;
        enum err err = log_reader_poll(reader, POLL_MS, records, POLL_RECORDS, &count, info);
        if (err != ERR_NONE && !info->retriable) {
            return err;
        }
        for (size_t i = 0; i < count && err == ERR_NONE; i++) {
            if (!take(state, &records[i])) {
                return ERR_NONE;
            }
        }
        int64_t now_us = clock_boot_us();
        if (err == ERR_NONE && count > 0) {
            moved_us = now_us;
        } else if (now_us - moved_us > stall_us) {
            return err != ERR_NONE ? err
                                   : err_set_retriable(info, ERR_TIMEOUT, "nothing was read for %" PRId64 " s",
                                                       stall_us / MICROS_PER_SECOND);
        }
        if (now_us - told_us >= PROGRESS_US) {
            told_us = now_us;
            tell_progress(state);
        }
    }
    tell_progress(state);
    return ERR_NONE;
}

/* A finished or empty leg is not read, so that it does not queue up what comes behind its end. */
static enum err begin(struct state *state, struct log_reader *reader, struct err_info *info) {
    struct log_partition *open = calloc_or_end(state->count, sizeof *open);
    size_t count = 0;
    for (size_t i = 0; i < state->count; i++) {
        if (!state->legs[i].done) {
            open[count++] = state->partitions[i];
        }
    }
    enum err err = log_reader_assign(reader, open, count, info);
    free(open);
    return err;
}

enum err log_walk(const struct log_walk *walk, struct log_partition *partitions, size_t count, struct err_info *info) {
    struct err_info own = {0};
    info = info != NULL ? info : &own;
    struct log_reader_options options = {.brokers = walk->brokers,
                                         .client_id = walk->client_id,
                                         .isolation = LOG_READ_COMMITTED,
                                         .queue_max_bytes = walk->queue_max_bytes};
    struct log_reader *reader;
    enum err err = log_reader_open(&options, &reader, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct state state = {.walk = walk, .partitions = partitions, .count = count};
    state.legs = calloc_or_end(count, sizeof *state.legs);
    err = measure(&state, reader, info);
    if (err == ERR_NONE && state.open > 0) {
        err = begin(&state, reader, info);
    }
    if (err == ERR_NONE) {
        err = read_all(&state, reader, info);
    }
    free(state.legs);
    log_reader_close(reader);
    return err;
}

enum err log_walk_ends(const char *brokers, const char *client_id, const struct log_partition *partitions, size_t count,
                       int64_t *ret_ends, struct err_info *info) {
    struct err_info own = {0};
    info = info != NULL ? info : &own;
    struct log_reader_options options = {.brokers = brokers, .client_id = client_id, .isolation = LOG_READ_COMMITTED};
    struct log_reader *reader;
    enum err err = log_reader_open(&options, &reader, info);
    if (err != ERR_NONE) {
        return err;
    }
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        int64_t low;
        err = watermarks(reader, &partitions[i], &low, &ret_ends[i], info);
    }
    log_reader_close(reader);
    return err;
}
