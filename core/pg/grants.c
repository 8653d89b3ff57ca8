#include "core/pg/grants.h"

#include <stdio.h>

#include "core/pg/migrate.h"

#define VAULT "vault"

struct grant {
    const char *role;
    const char *table; /* NULL: each of the schema */
    const char *privileges;
};

static const struct grant of_views[] = {
    {"daybook_reader", NULL, "SELECT"},
    {"daybook_writer", NULL, "SELECT, INSERT, UPDATE, DELETE"},
};

static const struct grant of_vault[] = {
    {"daybook_keys", "keys", "SELECT, INSERT, UPDATE"},
    {"daybook_keys", "installation", "SELECT, INSERT"},
    {"daybook_keys", "masters", "SELECT, INSERT"},
    {"daybook_keys", "remains", "SELECT, INSERT, UPDATE"},
};

/* A row when the role is there and lacks something. has_table_privilege is content with one of a list of privileges,
 * so each is asked for by itself. */
static const char lacking[] =
    "SELECT FROM pg_roles AS r WHERE r.rolname = $1::text AND (NOT has_schema_privilege(r.oid, $2::text, 'USAGE')"
    " OR EXISTS (SELECT FROM pg_class AS c CROSS JOIN regexp_split_to_table($4::text, ', ') AS wanted (privilege)"
    " WHERE c.relnamespace = $2::text::regnamespace AND c.relkind = 'r' AND ($3::text IS NULL OR c.relname = $3)"
    " AND NOT has_table_privilege(r.oid, c.oid, wanted.privilege)))";

enum { LACKING_PARAMS = 4, GRANT_SQL_MAX = 512 };

static enum err is_lacking(struct pg_session *session, const char *schema, const struct grant *grant, bool *ret_lacks,
                           struct err_info *info) {
    const struct pg_param params[LACKING_PARAMS] = {
        PG_TEXT(str_of_cstr(grant->role)), PG_TEXT(str_of_cstr(schema)),
        PG_TEXT(grant->table == NULL ? (struct str){0} : str_of_cstr(grant->table)),
        PG_TEXT(str_of_cstr(grant->privileges))};
    CLEANUP(pg_result_clear) PGresult *rows = NULL;
    enum err failure = pg_session_query(session, lacking, params, LACKING_PARAMS, true, &rows, info);
    if (failure == ERR_NONE) {
        *ret_lacks = PQntuples(rows) > 0;
    }
    return failure;
}

/* Under the lock of migrations: two that grant on one table at once would meet in its row of the catalogue. */
static enum err give(struct pg_session *session, const char *schema, const struct grant *grant, struct err_info *info) {
    char sql[GRANT_SQL_MAX];
    int length = snprintf(sql, sizeof sql, "GRANT USAGE ON SCHEMA %s TO %s; GRANT %s ON %s%s%s TO %s", schema,
                          grant->role, grant->privileges, grant->table == NULL ? "ALL TABLES IN SCHEMA " : schema,
                          grant->table == NULL ? schema : ".", grant->table == NULL ? "" : grant->table, grant->role);
    return length > 0 && (size_t)length < sizeof sql
               ? pg_migrate_again(session, sql, info)
               : err_set(info, ERR_TOO_LARGE, "the name of schema %s is too long", schema);
}

static enum err give_missing(struct pg_session *session, const char *schema, const struct grant *grants, size_t count,
                             struct err_info *info) {
    enum err failure = ERR_NONE;
    for (size_t i = 0; i < count && failure == ERR_NONE; i++) {
        bool lacks = false;
        failure = is_lacking(session, schema, &grants[i], &lacks, info);
        if (failure == ERR_NONE && lacks) {
            failure = give(session, schema, &grants[i], info);
        }
    }
    return failure;
}

enum err pg_grants_view(struct pg_session *session, const char *schema, struct err_info *info) {
    return give_missing(session, schema, of_views, ARRAY_LENGTH(of_views), info);
}

enum err pg_grants_vault(struct pg_session *session, struct err_info *info) {
    return give_missing(session, VAULT, of_vault, ARRAY_LENGTH(of_vault), info);
}
