#include "projections/runtime/schema.h"

#include "core/pg/grants.h"
#include "core/pg/migrate.h"
#include "projections/runtime/tables.h"

#include <assert.h>
#include <time.h>

enum { LOCK_PAUSE_MS = 200 };

void view_schema_name(const struct view *view, enum view_schema which, char ret_name[SCHEMA_NAME_MAX]) {
    static const char *const endings[VIEW_SCHEMAS] = {[VIEW_LIVE] = "",
                                                      [VIEW_REBUILT] = "_rebuild",
                                                      [VIEW_OLD] = "_old",
                                                      [VIEW_FILLING] = "_filling",
                                                      [VIEW_COMPARED] = "_compare"};
    int length = snprintf(ret_name, SCHEMA_NAME_MAX, "%s%s", view->name, endings[which]);
    assert(length > 0 && length < SCHEMA_NAME_MAX);
}

/* The last table that a step of ours makes tells whether all are there. */
static enum err is_there(struct pg_session *session, const char *schema, bool *ret_is_there, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *tables = NULL;
    struct pg_param name = PG_TEXT(str_of_cstr(schema));
    enum err failure = pg_session_query(session,
                                        "SELECT FROM information_schema.tables WHERE table_schema = $1"
                                        " AND table_name = 'skipped'",
                                        &name, 1, true, &tables, info);
    if (failure == ERR_NONE) {
        *ret_is_there = PQntuples(tables) > 0;
    }
    return failure;
}

enum err view_schema_about(struct pg_session *session, const char *schema, struct view_about *ret_about,
                           struct err_info *info) {
    struct view_about about = {0};
    enum err failure = is_there(session, schema, &about.is_there, info);
    if (failure == ERR_NONE && about.is_there) {
        CLEANUP(pg_result_clear) PGresult *result = NULL;
        char sql[SCHEMA_NAME_MAX + 64];
        snprintf(sql, sizeof sql, "SELECT format, epoch::text FROM %.63s.about", schema);
        failure = pg_session_query(session, sql, NULL, 0, true, &result, info);
        about.is_there = failure == ERR_NONE && PQntuples(result) == 1;
        if (about.is_there) {
            about.format = pg_get_int8(result, 0, 0);
            snprintf(about.epoch, sizeof about.epoch, "%.*s", STR_ARGS(pg_get_bytes(result, 0, 1)));
        }
    }
    if (failure == ERR_NONE) {
        *ret_about = about;
    }
    return failure;
}

enum err view_schema_must_fit(const struct view *view, const struct view_about *about, struct err_info *info) {
    if (!about->is_there) {
        return err_set(info, ERR_CONFLICT, "there is no schema %s that this version knows: run `daybook migrate`",
                       view->name);
    }
    return about->format == view->format
               ? ERR_NONE
               : err_set(info, ERR_CONFLICT,
                         "%s has format %lld and this version makes %d: ask the version that made it", view->name,
                         (long long)about->format, view->format);
}

static enum err format_add(struct pg_session *session, const struct view *view, const char *schema,
                           struct err_info *info) {
    char sql[2 * SCHEMA_NAME_MAX + 128];
    snprintf(sql, sizeof sql, "INSERT INTO %.63s.about (format) SELECT %d WHERE NOT EXISTS (SELECT FROM %.63s.about)",
             schema, view->format, schema);
    return pg_migrate_again(session, sql, info);
}

enum err view_schema_migrate(struct pg_session *session, const struct view *view, const char *schema, int *ret_steps,
                             struct err_info *info) {
    const struct pg_migration steps[] = {
        {1, "what the runtime keeps", runtime_sql}, {2, "the view", view->sql}, {3, "parking", parking_sql}};
    enum err failure = pg_migrate(session, schema, steps, ARRAY_LENGTH(steps), ret_steps, info);
    if (failure == ERR_NONE) {
        failure = format_add(session, view, schema, info);
    }
    return failure == ERR_NONE ? pg_grants_view(session, schema, info) : failure;
}

enum { INDEX_NAME, INDEX_DEFINITION };

enum err view_schema_drop_indexes(struct pg_session *session, const char *schema, PGresult **ret_indexes,
                                  struct err_info *info) {
    static const char find[] = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = $1"
                               " AND indexdef NOT LIKE 'CREATE UNIQUE %' ORDER BY indexname";
    CLEANUP(pg_result_clear) PGresult *found = NULL;
    enum err failure = pg_session_query(session, find, &PG_TEXT(str_of_cstr(schema)), 1, false, &found, info);
    for (int i = 0; failure == ERR_NONE && i < PQntuples(found); i++) {
        failure = pg_session_execf(session, info, "DROP INDEX %s.%s", schema, PQgetvalue(found, i, INDEX_NAME));
    }
    if (failure == ERR_NONE) {
        *ret_indexes = found;
        found = NULL;
    }
    return failure;
}

enum err view_schema_make_indexes(struct pg_session *session, const PGresult *indexes, struct err_info *info) {
    enum err failure = pg_session_exec(session, "SET maintenance_work_mem TO '256MB'", info);
    for (int i = 0; failure == ERR_NONE && i < PQntuples(indexes); i++) {
        failure = pg_session_exec(session, PQgetvalue(indexes, i, INDEX_DEFINITION), info);
    }
    return failure;
}

enum err view_schema_analyze(struct pg_session *session, const struct view *view, const char *schema,
                             struct err_info *info) {
    enum err failure = ERR_NONE;
    for (size_t i = 0; i < view->table_count && failure == ERR_NONE; i++) {
        failure = pg_session_execf(session, info, "ANALYZE %s.%s", schema, view->tables[i].name);
    }
    for (size_t i = 0; i < RUNTIME_TABLES && failure == ERR_NONE; i++) {
        failure = pg_session_execf(session, info, "ANALYZE %s.%s", schema, runtime_tables[i].name);
    }
    return failure;
}

static void note_position(struct feed_partition *partitions, size_t count, const PGresult *result, int row) {
    for (size_t i = 0; i < count; i++) {
        if (partitions[i].shard == pg_get_int8(result, row, 1) &&
            str_equal(str_of_cstr(partitions[i].topic), pg_get_bytes(result, row, 0))) {
            partitions[i].next_offset = pg_get_int8(result, row, 2);
        }
    }
}

enum err view_schema_positions(struct pg_session *session, const char *schema, struct feed_partition *partitions,
                               size_t count, struct err_info *info) {
    char sql[SCHEMA_NAME_MAX + 64];
    snprintf(sql, sizeof sql, "SELECT topic, shard, next_offset FROM %.63s.position", schema);
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, sql, NULL, 0, true, &result, info);
    for (size_t i = 0; failure == ERR_NONE && i < count; i++) {
        partitions[i].next_offset = 0;
    }
    for (int row = 0; failure == ERR_NONE && row < PQntuples(result); row++) {
        note_position(partitions, count, result, row);
    }
    return failure;
}

/* ---- locks and drops ------------------------------------------------------------------------------------------------
 */

static void pause_a_moment(void) {
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    nanosleep(&pause, NULL);
}

enum err view_schema_lock(struct pg_session *session, const char *schema, struct err_info *info) {
    enum err failure = pg_session_execf(session, info,
                                        "BEGIN; SET LOCAL lock_timeout TO %d;"
                                        "SET LOCAL idle_in_transaction_session_timeout TO %d;"
                                        "LOCK TABLE %s.position IN EXCLUSIVE MODE",
                                        VIEW_LOCK_MS, VIEW_HOLDER_IDLE_MS, schema);
    if (failure != ERR_NONE) {
        pg_session_rollback(session);
    }
    return failure;
}

enum err view_schema_lock_patiently(struct pg_session *session, const char *schema, struct err_info *info) {
    enum err failure = view_schema_lock(session, schema, info);
    for (int i = 1; failure == ERR_TIMEOUT && i < VIEW_LOCK_TRIES; i++) {
        pause_a_moment();
        failure = view_schema_lock(session, schema, info);
    }
    return failure;
}

static enum err try_claim(struct pg_session *session, const char *schema, bool *ret_is_ours, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure =
        pg_session_query(session, "SELECT pg_try_advisory_lock(hashtextextended($1::text, 7235909471530182))",
                         &PG_TEXT(str_of_cstr(schema)), 1, true, &result, info);
    if (failure == ERR_NONE) {
        *ret_is_ours = pg_get_bool(result, 0, 0);
    }
    return failure;
}

/* A session that is lost and not noticed would keep it: so the server looks after its client. Of one that was killed a
 * moment ago it learns in less time than is tried here. */
enum err view_schema_claim(struct pg_session *session, const char *schema, struct err_info *info) {
    enum err failure = pg_session_exec(session,
                                       "SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 3;"
                                       "SET tcp_keepalives_count TO 3; SET client_connection_check_interval TO 2000",
                                       info);
    if (failure != ERR_NONE) {
        return failure;
    }
    bool is_ours = false;
    for (int i = 0; failure == ERR_NONE && !is_ours && i < VIEW_LOCK_TRIES; i++) {
        if (i > 0) {
            pause_a_moment();
        }
        failure = try_claim(session, schema, &is_ours, info);
    }
    return failure == ERR_NONE && !is_ours
               ? err_set(info, ERR_CONFLICT, "another command is filling %s: wait for it, or end it", schema)
               : failure;
}

/* DROP SCHEMA looks its name up once and then waits for the tables: a schema that was given another name meanwhile, the
 * live one's, would be dropped all the same. A table's name is looked up again after a wait; a switch holds these. */
static enum err hold_name(struct pg_session *session, const char *schema, struct err_info *info) {
    bool has_tables = false;
    enum err failure = is_there(session, schema, &has_tables, info);
    return failure == ERR_NONE && has_tables
               ? pg_session_execf(session, info, "LOCK TABLE %s.position IN ACCESS EXCLUSIVE MODE", schema)
               : failure;
}

static enum err try_drop(struct pg_session *session, const char *schema, struct err_info *info) {
    enum err failure = pg_session_execf(session, info, "BEGIN; SET LOCAL lock_timeout TO %d", VIEW_LOCK_MS);
    failure = failure != ERR_NONE ? failure : hold_name(session, schema, info);
    failure = failure != ERR_NONE ? failure : pg_session_execf(session, info, "DROP SCHEMA %s CASCADE", schema);
    failure = failure != ERR_NONE ? failure : pg_session_exec(session, "COMMIT", info);
    if (failure != ERR_NONE) {
        pg_session_rollback(session);
    }
    return failure;
}

static enum err must_exist(struct pg_session *session, const char *schema, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, "SELECT FROM pg_namespace WHERE nspname = $1",
                                        &PG_TEXT(str_of_cstr(schema)), 1, true, &result, info);
    return failure == ERR_NONE && PQntuples(result) == 0 ? err_set(info, ERR_NOT_FOUND, "there is no schema %s", schema)
                                                         : failure;
}

enum err view_schema_drop(struct pg_session *session, const char *schema, struct err_info *info) {
    enum err failure = must_exist(session, schema, info);
    failure = failure != ERR_NONE ? failure : try_drop(session, schema, info);
    for (int i = 1; failure == ERR_TIMEOUT && i < VIEW_LOCK_TRIES; i++) {
        pause_a_moment();
        failure = try_drop(session, schema, info);
    }
    return failure;
}
