#include "core/pg/migrate.h"

#include <assert.h>

/* Any constant does, as long as all Daybooks agree on it. */
#define MIGRATION_LOCK "7235909471530182"

static enum err newest_step(struct pg_session *session, int *ret_number, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, "SELECT coalesce(max(number), 0)::bigint FROM migrations", NULL, 0,
                                        true, &result, info);
    if (failure == ERR_NONE) {
        *ret_number = (int)pg_get_int8(result, 0, 0);
    }
    return failure;
}

static enum err run_steps(struct pg_session *session, const char *schema, const struct pg_migration *migrations,
                          size_t count, int *ret_applied, struct err_info *info) {
    int newest = 0;
    enum err failure = newest_step(session, &newest, info);
    if (failure == ERR_NONE && newest > migrations[count - 1].number) {
        failure = err_set(info, ERR_CONFLICT, "schema %s has step %d, this program knows %d: it is too old", schema,
                          newest, migrations[count - 1].number);
    }
    for (size_t i = 0; i < count && failure == ERR_NONE; i++) {
        assert(migrations[i].number > (i == 0 ? 0 : migrations[i - 1].number));
        if (migrations[i].number <= newest) {
            continue;
        }
        failure = pg_session_exec(session, migrations[i].sql, info);
        if (failure == ERR_NONE) {
            failure = pg_session_execf(session, info, "INSERT INTO migrations (number, name) VALUES (%d, '%s')",
                                       migrations[i].number, migrations[i].name);
            ++*ret_applied;
        }
    }
    return failure;
}

static enum err begin(struct pg_session *session, struct err_info *info) {
    return pg_session_exec(session, "BEGIN; SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ")", info);
}

/* Commits what went well and rolls back what did not. */
static enum err end(struct pg_session *session, enum err failure, struct err_info *info) {
    failure = failure != ERR_NONE ? failure : pg_session_exec(session, "COMMIT", info);
    if (failure != ERR_NONE) {
        pg_session_rollback(session);
    }
    return failure;
}

enum err pg_migrate_again(struct pg_session *session, const char *sql, struct err_info *info) {
    enum err failure = begin(session, info);
    failure = failure != ERR_NONE ? failure : pg_session_exec(session, sql, info);
    return end(session, failure, info);
}

enum err pg_migrate(struct pg_session *session, const char *schema, const struct pg_migration *migrations, size_t count,
                    int *ret_applied, struct err_info *info) {
    assert(count > 0);
    int applied = 0;
    enum err failure = begin(session, info);
    if (failure == ERR_NONE) {
        failure =
            pg_session_execf(session, info,
                             "CREATE SCHEMA IF NOT EXISTS %s; SET LOCAL search_path TO %s;"
                             "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL)",
                             schema, schema);
    }
    if (failure == ERR_NONE) {
        failure = run_steps(session, schema, migrations, count, &applied, info);
    }
    failure = end(session, failure, info);
    if (failure == ERR_NONE && ret_applied != NULL) {
        *ret_applied = applied;
    }
    return failure;
}
