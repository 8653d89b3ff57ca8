/* parking.c: looking at what is parked, and skipping (parking.h); retry.c tries again. */
#include "projections/runtime/parking.h"

#include <stdlib.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"

#define TIME_TEXT(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

enum { SQL_MAX = 1024, NUMBER_TEXT_MAX = 24 };

static enum err open_live(const struct parking_options *options, struct pg_session **ret_session,
                          struct err_info *info) {
    char live[SCHEMA_NAME_MAX];
    struct view_about about = {0};
    view_schema_name(options->view, VIEW_LIVE, live);
    enum err failure = pg_session_open(options->config->postgres, "daybook-parking", ret_session, info);
    failure = failure == ERR_NONE ? view_schema_about(*ret_session, live, &about, info) : failure;
    if (failure == ERR_NONE && !about.is_there) {
        return err_set(info, ERR_NOT_FOUND, "there is no schema %s that this version knows: run `daybook migrate`",
                       live);
    }
    return failure == ERR_NONE ? pg_session_execf(*ret_session, info, "SET search_path TO %s", live) : failure;
}

/* ---- looking --------------------------------------------------------------------------------------------------------
 */

static enum err look_at_parked(struct pg_session *session, struct parking_list *list, struct err_info *info) {
    enum { NAME, TOPIC, SHARD, OFFSET, VERSION, APPENDED_AT, REASON, BEHIND, ALL };
    char sql[SQL_MAX];
    snprintf(sql, sizeof sql,
             "SELECT name, topic, shard, log_offset, coalesce(version, 0), " TIME_TEXT(
                 "appended_at") ", reason,"
                                " behind, count(*) OVER () FROM (SELECT DISTINCT ON (name) *,"
                                " count(*) OVER (PARTITION BY name) - 1 AS behind FROM"
                                " (SELECT coalesce(stream, concat_ws('/', topic, shard, log_offset)) AS name, * FROM "
                                "parked) AS named"
                                " ORDER BY name, log_offset) AS stopped ORDER BY appended_at, name LIMIT %d",
             list->limit);
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, sql, NULL, 0, true, &result, info);
    for (int row = 0; failure == ERR_NONE && row < PQntuples(result); row++) {
        const struct parked_stream stream = {.name = pg_get_bytes(result, row, NAME),
                                             .topic = pg_get_bytes(result, row, TOPIC),
                                             .shard = pg_get_int8(result, row, SHARD),
                                             .log_offset = pg_get_int8(result, row, OFFSET),
                                             .version = pg_get_int8(result, row, VERSION),
                                             .appended_at = pg_get_bytes(result, row, APPENDED_AT),
                                             .reason = pg_get_bytes(result, row, REASON),
                                             .behind = pg_get_int8(result, row, BEHIND)};
        list->parked = pg_get_int8(result, row, ALL);
        list->on_parked(list->context, &stream);
    }
    return failure;
}

static enum err look_at_skipped(struct pg_session *session, struct parking_list *list, struct err_info *info) {
    enum { NAME, VERSION, PARKED_REASON, REASON, ACTOR, SKIPPED_AT, ALL };
    char sql[SQL_MAX];
    snprintf(sql, sizeof sql,
             "SELECT stream, version, parked_reason, reason, actor, " TIME_TEXT(
                 "skipped_at") ", count(*) OVER ()"
                               " FROM skipped ORDER BY skipped.skipped_at DESC, stream, version LIMIT %d",
             list->limit);
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, sql, NULL, 0, true, &result, info);
    for (int row = 0; failure == ERR_NONE && row < PQntuples(result); row++) {
        const struct skipped_event event = {.name = pg_get_bytes(result, row, NAME),
                                            .version = pg_get_int8(result, row, VERSION),
                                            .parked_reason = pg_get_bytes(result, row, PARKED_REASON),
                                            .reason = pg_get_bytes(result, row, REASON),
                                            .actor = pg_get_bytes(result, row, ACTOR),
                                            .skipped_at = pg_get_bytes(result, row, SKIPPED_AT)};
        list->skipped = pg_get_int8(result, row, ALL);
        list->on_skipped(list->context, &event);
    }
    return failure;
}

enum err parking_look(const struct parking_options *options, struct parking_list *list, struct err_info *info) {
    struct pg_session *session = NULL;
    enum err failure = open_live(options, &session, info);
    failure = failure == ERR_NONE ? look_at_parked(session, list, info) : failure;
    failure = failure == ERR_NONE ? look_at_skipped(session, list, info) : failure;
    pg_session_close(session);
    return failure;
}

/* ---- skipping -------------------------------------------------------------------------------------------------------
 */

struct place {
    struct str topic, shard, offset;
};

/* "daybook.orders/2/17" */
static bool place_read(struct str name, struct place *ret_place) {
    uint32_t first = str_find(name, '/');
    struct str rest = str_from(name, first + 1);
    uint32_t second = str_find(rest, '/');
    struct place place = {str_first(name, first), str_first(rest, second), str_from(rest, second + 1)};
    int64_t shard, offset;
    *ret_place = place;
    return !str_is_empty(place.topic) && int64_read(place.shard, &shard) && int64_read(place.offset, &offset);
}

bool parking_is_place(struct str name) {
    struct place place;
    return place_read(name, &place);
}

static enum err check_texts(const struct skip_decision *decision, struct err_info *info) {
    const struct {
        const char *what;
        struct str text;
        uint32_t max;
    } texts[] = {{"stream's name", decision->stream, PARKING_STREAM_MAX},
                 {"reason", decision->reason, PARKING_REASON_MAX},
                 {"actor", decision->actor, PARKING_ACTOR_MAX}};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (texts[i].text.len > texts[i].max || str_is_empty(texts[i].text) || !utf8_is_valid(texts[i].text)) {
            return err_set(info, ERR_TOO_LARGE, "the %s must be a text of 1 to %u bytes", texts[i].what, texts[i].max);
        }
    }
    return ERR_NONE;
}

/* The stream must be parked, and the event the very next one: a later one would take those between along. */
static enum err check_next(struct pg_session *session, const struct skip_decision *decision, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, "SELECT version, parked FROM streams WHERE stream = $1::text",
                                        &PG_TEXT(decision->stream), 1, true, &result, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    if (PQntuples(result) == 0 || !pg_get_bool(result, 0, 1)) {
        return err_set(info, ERR_NOT_FOUND, "%.*s is not parked", STR_ARGS(decision->stream));
    }
    int64_t next = pg_get_int8(result, 0, 0) + 1;
    return next == decision->version
               ? ERR_NONE
               : err_set(info, ERR_CONFLICT, "%.*s stands before version %lld: that is the one to skip or to mend",
                         STR_ARGS(decision->stream), (long long)next);
}

static enum err check_room(struct pg_session *session, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, "SELECT count(*) FROM skipped", NULL, 0, true, &result, info);
    if (failure == ERR_NONE && pg_get_int8(result, 0, 0) >= SKIPS_MAX) {
        return err_set(info, ERR_TOO_LARGE, "%d events are skipped already: mend their cause, and rebuild the view",
                       SKIPS_MAX);
    }
    return failure;
}

static enum err add_skip(struct pg_session *session, const struct skip_decision *decision, struct str parked_reason,
                         struct err_info *info) {
    char version[NUMBER_TEXT_MAX];
    snprintf(version, sizeof version, "%lld", (long long)decision->version);
    const struct pg_param params[] = {PG_TEXT(decision->stream), PG_TEXT(str_of_cstr(version)), PG_TEXT(parked_reason),
                                      PG_TEXT(decision->reason), PG_TEXT(decision->actor)};
    return pg_session_query(session,
                            "INSERT INTO skipped (stream, version, parked_reason, reason, actor, skipped_at)"
                            " VALUES ($1::text, $2::bigint, $3::text, $4::text, $5::text, now())"
                            " ON CONFLICT DO NOTHING",
                            params, ARRAY_LENGTH(params), true, NULL, info);
}

static enum err skip_event(struct pg_session *session, const struct skip_decision *decision, struct err_info *info) {
    enum err failure = check_next(session, decision, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    CLEANUP(pg_result_clear) PGresult *parked = NULL;
    failure = pg_session_query(session, "SELECT reason FROM parked WHERE stream = $1::text ORDER BY log_offset LIMIT 1",
                               &PG_TEXT(decision->stream), 1, true, &parked, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    return add_skip(session, decision, PQntuples(parked) == 0 ? STR("") : pg_get_bytes(parked, 0, 0), info);
}

static enum err skip_record(struct pg_session *session, const struct skip_decision *decision, struct err_info *info) {
    struct place place;
    bool is_place = place_read(decision->stream, &place);
    const struct pg_param params[] = {PG_TEXT(place.topic), PG_TEXT(place.shard), PG_TEXT(place.offset)};
    CLEANUP(pg_result_clear) PGresult *taken = NULL;
    enum err failure = pg_session_query(session,
                                        "DELETE FROM parked WHERE topic = $1::text AND shard = $2::bigint"
                                        " AND log_offset = $3::bigint AND stream IS NULL RETURNING reason",
                                        params, ARRAY_LENGTH(params), true, &taken, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    if (!is_place || PQntuples(taken) == 0) {
        return err_set(info, ERR_NOT_FOUND, "%.*s is not parked as a record of no known stream",
                       STR_ARGS(decision->stream));
    }
    return add_skip(session, decision, pg_get_bytes(taken, 0, 0), info);
}

static enum err check_format(struct pg_session *session, const struct view *view, struct err_info *info) {
    struct view_about about;
    enum err failure = view_schema_about(session, view->name, &about, info);
    return failure == ERR_NONE ? view_schema_must_fit(view, &about, info) : failure;
}

static enum err skip(struct pg_session *session, const struct view *view, const struct skip_decision *decision,
                     struct err_info *info) {
    enum err failure = check_format(session, view, info);
    failure = failure == ERR_NONE ? check_room(session, info) : failure;
    if (failure == ERR_NONE) {
        failure = parking_is_place(decision->stream) ? skip_record(session, decision, info)
                                                     : skip_event(session, decision, info);
    }
    return failure == ERR_NONE ? pg_session_exec(session, VIEW_NEW_EPOCH "; COMMIT", info) : failure;
}

enum err parking_skip(const struct parking_options *options, const struct skip_decision *decision,
                      struct err_info *info) {
    enum err failure = check_texts(decision, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    struct pg_session *session = NULL;
    failure = open_live(options, &session, info);
    failure = failure == ERR_NONE ? view_schema_lock_patiently(session, options->view->name, info) : failure;
    if (failure == ERR_NONE) {
        failure = skip(session, options->view, decision, info);
        if (failure != ERR_NONE) {
            pg_session_rollback(session);
        }
    }
    pg_session_close(session);
    return failure;
}
