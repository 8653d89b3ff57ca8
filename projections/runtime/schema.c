#include "projections/runtime/schema.h"

#include "core/pg/migrate.h"
#include "projections/runtime/tables.h"

static enum err format_add(struct pg_session *session, const struct view *view, const char *schema,
                           struct err_info *info) {
    char sql[2 * SCHEMA_NAME_MAX + 128];
    snprintf(sql, sizeof sql, "INSERT INTO %.63s.about (format) SELECT %d WHERE NOT EXISTS (SELECT FROM %.63s.about)",
             schema, view->format, schema);
    return pg_migrate_again(session, sql, info);
}

enum err view_schema_migrate(struct pg_session *session, const struct view *view, const char *schema, int *ret_steps,
                             struct err_info *info) {
    const struct pg_migration steps[] = {{1, "what the runtime keeps", runtime_sql}, {2, "the view", view->sql}};
    enum err failure = pg_migrate(session, schema, steps, ARRAY_LENGTH(steps), ret_steps, info);
    if (failure == ERR_NONE) {
        failure = format_add(session, view, schema, info);
    }
    return failure;
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

static enum err position_of(struct pg_session *session, const char *schema, struct feed_partition *partition,
                            struct err_info *info) {
    char sql[SCHEMA_NAME_MAX + 128];
    snprintf(sql, sizeof sql, "SELECT next_offset FROM %.63s.position WHERE topic = $1 AND shard = $2::bigint", schema);
    char shard[16];
    snprintf(shard, sizeof shard, "%d", partition->shard);
    struct pg_param params[] = {PG_TEXT(str_of_cstr(partition->topic)), PG_TEXT(str_of_cstr(shard))};
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, sql, params, ARRAY_LENGTH(params), true, &result, info);
    if (failure == ERR_NONE) {
        partition->next_offset = PQntuples(result) == 0 ? 0 : pg_get_int8(result, 0, 0);
    }
    return failure;
}

enum err view_schema_positions(struct pg_session *session, const char *schema, struct feed_partition *partitions,
                               size_t count, struct err_info *info) {
    enum err failure = ERR_NONE;
    for (size_t i = 0; i < count && failure == ERR_NONE; i++) {
        failure = position_of(session, schema, &partitions[i], info);
    }
    return failure;
}
