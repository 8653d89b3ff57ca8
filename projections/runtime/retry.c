/* retry.c: what is parked, tried again (parking.h). */
#include "projections/runtime/parking.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/log/walk.h"
#include "core/pg/array.h"
#include "projections/runtime/writer.h"

enum {
    NUMBER_TEXT_MAX = 24,
    NAMES_MAX_BYTES = 16 * 1024 * 1024,
    CHUNK_MAX_BYTES = 16 * 1024 * 1024, /* FEED_BYTES_MAX, and one record on top */
    /* As in feed.c: what is decoded is up to 13 times its bytes. */
    ARENA_MAX_BYTES = 1024 * 1024 * 1024,
    FAILED_MAX_BYTES = 256 * 1024 * 1024,
};

struct retry {
    const struct parking_options *options;
    struct str stream; /* empty: all */
    struct pg_session *session;
    struct view_writer *writer;
    struct skips skips;
    char epoch[VIEW_EPOCH_MAX]; /* of the tables that the skips are of */
    struct view_batch batch;
    struct arena arena; /* of one transaction */
    struct arena chunk; /* of the records that were read */
    struct arena failed_names;
    struct map failed; /* streams that stay parked: what queues behind is left alone */
    struct arena *result_arena;
    struct parking_result result;
};

/* Parked events of one partition, from the log. */
struct chunk {
    const char *topic;
    int32_t shard;
    int64_t *offsets; /* in the table */
    struct log_record *records;
    size_t wanted, count; /* count: those that were read, from the first on */
    size_t bytes;
    struct arena *arena;
};

static struct pg_param number_param(int64_t number, char ret_text[NUMBER_TEXT_MAX]) {
    snprintf(ret_text, NUMBER_TEXT_MAX, "%" PRId64, number);
    return PG_TEXT(str_of_cstr(ret_text));
}

static struct pg_param stream_param(const struct retry *retry) {
    return str_is_empty(retry->stream) ? (struct pg_param){0} : PG_TEXT(retry->stream);
}

/* ---- reading --------------------------------------------------------------------------------------------------------
 */

static enum err list_offsets(struct retry *retry, struct chunk *chunk, int64_t after, struct err_info *info) {
    char shard[NUMBER_TEXT_MAX], offset[NUMBER_TEXT_MAX], limit[NUMBER_TEXT_MAX];
    const struct pg_param params[] = {PG_TEXT(str_of_cstr(chunk->topic)), number_param(chunk->shard, shard),
                                      number_param(after, offset), stream_param(retry),
                                      number_param(PARKING_EVENTS_MAX, limit)};
    CLEANUP(pg_result_clear) PGresult *rows = NULL;
    enum err failure =
        pg_session_query(retry->session,
                         "SELECT log_offset FROM parked WHERE topic = $1::text AND shard = $2::bigint"
                         " AND log_offset > $3::bigint AND ($4::text IS NULL OR stream IS NULL OR stream = $4)"
                         " ORDER BY log_offset LIMIT $5::bigint",
                         params, ARRAY_LENGTH(params), true, &rows, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    chunk->wanted = (size_t)PQntuples(rows);
    chunk->offsets = arena_alloc(chunk->arena, (chunk->wanted + 1) * sizeof *chunk->offsets);
    chunk->records = arena_alloc(chunk->arena, (chunk->wanted + 1) * sizeof *chunk->records);
    for (size_t i = 0; i < chunk->wanted; i++) {
        chunk->offsets[i] = pg_get_int8(rows, (int)i, 0);
    }
    return ERR_NONE;
}

static bool on_record(void *context, const struct log_record *record) {
    struct chunk *chunk = context;
    if (record->offset < chunk->offsets[chunk->count]) {
        return true;
    }
    if (record->offset > chunk->offsets[chunk->count]) {
        return false; /* there is no such record */
    }
    struct log_record *copy = &chunk->records[chunk->count++];
    *copy = (struct log_record){.topic = chunk->topic,
                                .partition = chunk->shard,
                                .offset = record->offset,
                                .timestamp_us = record->timestamp_us,
                                .value = arena_str_copy(chunk->arena, record->value)};
    chunk->bytes += record->value.len;
    return chunk->count < chunk->wanted && chunk->bytes < FEED_BYTES_MAX;
}

/* The next parked events of the partition, behind the offset `after`; none when there are no more. */
static enum err read_chunk(struct retry *retry, const char *topic, int32_t shard, int64_t after,
                           struct chunk *ret_chunk, struct err_info *info) {
    arena_reset(&retry->chunk);
    struct chunk chunk = {.topic = topic, .shard = shard, .arena = &retry->chunk};
    enum err failure = list_offsets(retry, &chunk, after, info);
    if (failure == ERR_NONE && chunk.wanted > 0) {
        struct log_partition partition = {topic, shard, chunk.offsets[0]};
        const struct log_walk walk = {.brokers = retry->options->config->kafka_brokers,
                                      .client_id = "daybook-retry",
                                      .context = &chunk,
                                      .on_record = on_record};
        failure = log_walk(&walk, &partition, 1, info);
    }
    if (failure == ERR_NONE && chunk.wanted > 0 && chunk.count == 0) {
        failure = err_set(info, ERR_CONFLICT,
                          "the log has no record %s/%d/%" PRId64 ", which is parked: `daybook projection rebuild %s`",
                          topic, shard, chunk.offsets[0], retry->options->view->name);
    }
    if (failure == ERR_NONE) {
        *ret_chunk = chunk;
    }
    return failure;
}

/* ---- one transaction ------------------------------------------------------------------------------------------------
 */

static bool is_meant(const struct retry *retry, const struct fold_item *item) {
    return item->stream != NULL && map_get(&retry->failed, item->stream->name) == NULL &&
           (str_is_empty(retry->stream) || str_equal(item->stream->name, retry->stream));
}

/* The records that are of a stream that is tried; how many. */
static size_t choose(struct retry *retry, const struct log_record *records, size_t count,
                     struct log_record *ret_chosen) {
    struct fold all;
    fold_read(&all, retry->options->view, &retry->arena, records, count);
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_meant(retry, &all.items[i])) {
            ret_chosen[chosen++] = records[i];
        }
    }
    return chosen;
}

/* Those of the fold's streams stay parked that have more behind its last event. */
static enum err keep_those_with_more(struct retry *retry, struct fold *fold, struct err_info *info) {
    struct pg_array names;
    pg_array_init(&names, NAMES_MAX_BYTES);
    pg_array_begin(&names, PG_ELEMENT_TEXT);
    for (uint32_t i = 0; i < fold->streams.count; i++) {
        pg_array_bytes(&names, fold->streams.entries[i].key);
    }
    char offset[NUMBER_TEXT_MAX];
    const struct pg_param params[] = {PG_BINARY(pg_array_end(&names)),
                                      number_param(fold->items[fold->item_count - 1].record->offset, offset)};
    CLEANUP(pg_result_clear) PGresult *rows = NULL;
    enum err failure = pg_session_query(retry->session,
                                        "SELECT DISTINCT stream FROM parked WHERE stream = ANY ($1::text[])"
                                        " AND log_offset > $2::bigint",
                                        params, ARRAY_LENGTH(params), true, &rows, info);
    pg_array_release(&names);
    for (int row = 0; failure == ERR_NONE && row < PQntuples(rows); row++) {
        struct fold_stream *stream = map_get(&fold->streams, pg_get_bytes(rows, row, 0));
        assert(stream != NULL);
        stream->parked = true;
    }
    return failure;
}

/* The streams are tried as if they were not parked. `refused`: the one event is parked again for this reason; else
 * empty. */
static enum err make_rows(struct retry *retry, struct fold *fold, struct str refused, struct err_info *info) {
    fold->skips = &retry->skips;
    batch_begin(&retry->batch, &retry->arena);
    enum err failure = view_writer_load(retry->writer, fold, info);
    for (uint32_t i = 0; failure == ERR_NONE && i < fold->streams.count; i++) {
        struct fold_stream *stream = fold->streams.entries[i].value;
        stream->parked = false;
        stream->changed = false;
    }
    if (failure == ERR_NONE && str_is_empty(refused)) {
        fold_plan(fold);
        failure = fold_project(fold, &retry->batch, info);
    } else if (failure == ERR_NONE) {
        fold_park(fold, refused);
    }
    return failure;
}

/* How the streams stand afterwards: those that failed are told by their items. */
struct outcome {
    int64_t freed;     /* streams */
    int64_t projected; /* events */
};

static struct outcome outcome_of(const struct fold *fold) {
    struct outcome outcome = {0};
    for (size_t i = 0; i < fold->item_count; i++) {
        outcome.projected += fold->items[i].fate != FOLD_PARKED;
    }
    for (uint32_t i = 0; i < fold->streams.count; i++) {
        struct fold_stream *stream = fold->streams.entries[i].value;
        stream->changed = true; /* whether it is parked is written in any case */
        outcome.freed += !stream->parked;
    }
    return outcome;
}

static void note_failed(struct retry *retry, const struct fold *fold) {
    for (size_t i = 0; i < fold->item_count; i++) {
        const struct fold_item *item = &fold->items[i];
        if (item->fate != FOLD_PARKED || map_get(&retry->failed, item->stream->name) != NULL) {
            continue;
        }
        *map_at(&retry->failed, item->stream->name) = retry;
        if (str_is_empty(retry->result.stuck)) {
            retry->result.stuck =
                arena_printf(retry->result_arena, "%.*s at version %" PRId64 ": %.*s", STR_ARGS(item->stream->name),
                             item->event.meta.version, STR_ARGS(item->why));
        }
    }
}

static enum err write_rows(struct retry *retry, const struct fold *fold, int64_t freed, struct err_info *info) {
    int64_t taken = 0;
    enum err failure = view_writer_settle(retry->writer, &retry->batch, fold, &taken, info);
    if (failure == ERR_NONE && taken != (int64_t)fold->item_count) {
        return err_set_retriable(info, ERR_CONFLICT, "another retry is at work on view %s", retry->options->view->name);
    }
    /* Of a stream that stays parked a projector remembers all that it needs. */
    return failure == ERR_NONE ? pg_session_exec(retry->session, freed > 0 ? VIEW_NEW_EPOCH "; COMMIT" : "COMMIT", info)
                               : failure;
}

static enum err load_skips(struct retry *retry, const struct view_about *about, struct err_info *info) {
    if (strcmp(about->epoch, retry->epoch) == 0) {
        return ERR_NONE;
    }
    snprintf(retry->epoch, sizeof retry->epoch, "%s", about->epoch);
    skips_release(&retry->skips);
    skips_init(&retry->skips);
    return skips_load(&retry->skips, retry->session, info);
}

/* The tables may have been switched, and events skipped, since the last look. */
static enum err check_live(struct retry *retry, struct err_info *info) {
    const struct view *view = retry->options->view;
    char live[SCHEMA_NAME_MAX];
    struct view_about about = {0};
    view_schema_name(view, VIEW_LIVE, live);
    enum err failure = view_schema_about(retry->session, live, &about, info);
    failure = failure == ERR_NONE ? view_schema_must_fit(view, &about, info) : failure;
    return failure == ERR_NONE ? load_skips(retry, &about, info) : failure;
}

static enum err settle_locked(struct retry *retry, struct fold *fold, struct str refused, struct err_info *info) {
    enum err failure = check_live(retry, info);
    failure = failure == ERR_NONE ? make_rows(retry, fold, refused, info) : failure;
    failure = failure == ERR_NONE ? keep_those_with_more(retry, fold, info) : failure;
    if (failure != ERR_NONE) {
        return failure;
    }
    struct outcome outcome = outcome_of(fold);
    failure = write_rows(retry, fold, outcome.freed, info);
    if (failure == ERR_NONE) {
        note_failed(retry, fold);
        retry->result.streams += outcome.freed;
        retry->result.projected += outcome.projected;
    }
    return failure;
}

/* *ret_next: the first record that is left. */
static enum err settle(struct retry *retry, const struct log_record *records, size_t count, struct str refused,
                       size_t *ret_next, struct err_info *info) {
    arena_reset(&retry->arena);
    struct log_record *chosen = arena_alloc(&retry->arena, count * sizeof *chosen);
    size_t chosen_count = choose(retry, records, count, chosen);
    *ret_next = count;
    if (chosen_count == 0) {
        return ERR_NONE;
    }
    enum err failure = view_schema_lock_patiently(retry->session, retry->options->view->name, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    struct fold fold;
    fold_read(&fold, retry->options->view, &retry->arena, chosen, chosen_count);
    failure = settle_locked(retry, &fold, refused, info);
    if (failure != ERR_NONE) {
        pg_session_rollback(retry->session);
    } else if (fold.item_count < chosen_count) {
        size_t next = 0;
        while (records[next].offset != chosen[fold.item_count].offset) {
            next++;
        }
        *ret_next = next;
    }
    return failure;
}

/* In halves, down to the one event that PostgreSQL will not have. */
static enum err settle_chunk(struct retry *retry, const struct chunk *chunk, struct err_info *info) {
    size_t at = 0, size = chunk->count;
    while (at < chunk->count) {
        size = size > chunk->count - at ? chunk->count - at : size;
        size_t next;
        enum err failure = settle(retry, chunk->records + at, size, STR(""), &next, info);
        if (failure == ERR_MALFORMED && size > 1) {
            size /= 2;
            continue;
        }
        if (failure == ERR_MALFORMED) {
            const struct err_info refusal = *info;
            failure = settle(retry, chunk->records + at, 1, str_of_cstr(refusal.text), &next, info);
        }
        if (failure != ERR_NONE) {
            return failure;
        }
        at += next;
        size *= 2;
    }
    return ERR_NONE;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------
 */

static enum err retry_partition(struct retry *retry, const char *topic, int32_t shard, struct err_info *info) {
    struct chunk chunk = {0};
    int64_t after = -1;
    do {
        enum err failure = read_chunk(retry, topic, shard, after, &chunk, info);
        failure = failure == ERR_NONE ? settle_chunk(retry, &chunk, info) : failure;
        if (failure != ERR_NONE) {
            return failure;
        }
        after = chunk.count > 0 ? chunk.records[chunk.count - 1].offset : after;
    } while (chunk.count > 0);
    return ERR_NONE;
}

static enum err retry_all(struct retry *retry, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *partitions = NULL;
    const struct pg_param stream = stream_param(retry);
    enum err failure = pg_session_query(retry->session,
                                        "SELECT DISTINCT topic, shard FROM parked"
                                        " WHERE $1::text IS NULL OR stream = $1 ORDER BY topic, shard",
                                        &stream, 1, true, &partitions, info);
    if (failure == ERR_NONE && PQntuples(partitions) == 0 && !str_is_empty(retry->stream)) {
        return err_set(info, ERR_NOT_FOUND, "nothing of a stream %.*s is parked in view %s", STR_ARGS(retry->stream),
                       retry->options->view->name);
    }
    for (int row = 0; failure == ERR_NONE && row < PQntuples(partitions); row++) {
        struct str topic = arena_printf(retry->result_arena, "%.*s", STR_ARGS(pg_get_bytes(partitions, row, 0)));
        failure = retry_partition(retry, topic.data, (int32_t)pg_get_int8(partitions, row, 1), info);
    }
    return failure;
}

static enum err count_parked(struct retry *retry, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    const struct pg_param stream = stream_param(retry);
    enum err failure =
        pg_session_query(retry->session, "SELECT count(*) FROM parked WHERE $1::text IS NULL OR stream = $1", &stream,
                         1, true, &result, info);
    retry->result.parked = failure == ERR_NONE ? pg_get_int8(result, 0, 0) : 0;
    return failure;
}

static enum err open_live(struct retry *retry, struct err_info *info) {
    const struct view *view = retry->options->view;
    enum err failure = pg_session_open(retry->options->config->postgres, "daybook-retry", &retry->session, info);
    failure =
        failure == ERR_NONE ? pg_session_execf(retry->session, info, "SET search_path TO %s", view->name) : failure;
    failure = failure == ERR_NONE ? check_live(retry, info) : failure;
    /* Without an epoch: it moves no position. */
    return failure == ERR_NONE ? view_writer_open(retry->session, view, view->name, "", &retry->writer, info) : failure;
}

enum err parking_retry(const struct parking_options *options, struct str stream, struct arena *arena,
                       struct parking_result *ret_result, struct err_info *info) {
    struct retry retry = {.options = options, .stream = stream, .result_arena = arena};
    skips_init(&retry.skips);
    batch_init(&retry.batch, options->view);
    arena_init(&retry.arena, ARENA_MAX_BYTES);
    arena_init(&retry.chunk, CHUNK_MAX_BYTES);
    arena_init(&retry.failed_names, FAILED_MAX_BYTES);
    map_init(&retry.failed, &retry.failed_names);
    enum err failure = open_live(&retry, info);
    failure = failure == ERR_NONE ? retry_all(&retry, info) : failure;
    failure = failure == ERR_NONE ? count_parked(&retry, info) : failure;
    view_writer_close(retry.writer);
    pg_session_close(retry.session);
    batch_release(&retry.batch);
    arena_release(&retry.arena);
    arena_release(&retry.chunk);
    arena_release(&retry.failed_names);
    skips_release(&retry.skips);
    if (failure == ERR_NONE) {
        *ret_result = retry.result;
    }
    return failure;
}
