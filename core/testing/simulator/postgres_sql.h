/* postgres_sql.h: the statements that PostgreSQL's double knows, told apart by their texts.
 *
 * Purpose  it does not understand SQL: it knows what the code under simulation sends, text by text. A statement that
 *          was changed and not here is met with abort() and the text, so that the double is changed with it.
 * Thread   pure; any.            May use: base, projections.
 */
#pragma once

#include "projections/runtime/view.h"

/* ROW(kind, text): '@' stands for a word (letters, digits, '_'), '~' for what stands between two quotes. */
#define SQL_TABLE(ROW)                                                                                                 \
    ROW(BEGIN, "BEGIN")                                                                                                \
    ROW(BEGIN_SNAPSHOT, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")                                             \
    ROW(COMMIT, "COMMIT")                                                                                              \
    ROW(ROLLBACK, "ROLLBACK")                                                                                          \
    ROW(SET_LOCAL_SCHEMA, "SET LOCAL search_path TO @")                                                                \
    ROW(SET_SCHEMA, "SET search_path TO @")                                                                            \
    ROW(SET_ASYNCHRONOUS, "SET synchronous_commit TO off")                                                             \
    /* what concerns plans, and the form of texts that only compare.c asks for */                                      \
    ROW(NO_PLAN_CACHE, "SET plan_cache_mode TO force_generic_plan")                                                    \
    ROW(LOCK_TIMEOUT, "SET lock_timeout TO @")                                                                         \
    ROW(LOCAL_LOCK_TIMEOUT, "SET LOCAL lock_timeout TO @")                                                             \
    ROW(IDLE_TIMEOUT, "SET idle_in_transaction_session_timeout TO @")                                                  \
    ROW(LOCAL_IDLE_TIMEOUT, "SET LOCAL idle_in_transaction_session_timeout TO @")                                      \
    ROW(NO_SEQSCAN, "SET enable_seqscan TO off")                                                                       \
    ROW(NO_HASHJOIN, "SET enable_hashjoin TO off")                                                                     \
    ROW(NO_MERGEJOIN, "SET enable_mergejoin TO off")                                                                   \
    ROW(NO_JIT, "SET jit TO off")                                                                                      \
    ROW(WORK_MEM, "SET work_mem TO '~'")                                                                               \
    ROW(TIME_ZONE, "SET TimeZone TO 'UTC'")                                                                            \
    ROW(FLOAT_DIGITS, "SET extra_float_digits TO 3")                                                                   \
    ROW(NOTIFY, "NOTIFY daybook_view, '~'")                                                                            \
    /* migrate.c, grants.c, schema.c, rebuild.c, switch.c */                                                           \
    ROW(ADVISORY_LOCK, "SELECT pg_advisory_xact_lock(@)")                                                              \
    ROW(CREATE_SCHEMA, "CREATE SCHEMA IF NOT EXISTS @")                                                                \
    ROW(CREATE_MIGRATIONS, "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL)")   \
    ROW(NEWEST_MIGRATION, "SELECT coalesce(max(number), 0)::bigint FROM migrations")                                   \
    ROW(ADD_MIGRATION, "INSERT INTO migrations (number, name) VALUES (@, '~')")                                        \
    ROW(ADD_FORMAT, "INSERT INTO @.about (format) SELECT @ WHERE NOT EXISTS (SELECT FROM @.about)")                    \
    ROW(FIND_LACKING,                                                                                                  \
        "SELECT FROM pg_roles AS r WHERE r.rolname = $1::text AND (NOT has_schema_privilege(r.oid, $2::text, 'USAGE')" \
        " OR EXISTS (SELECT FROM pg_class AS c CROSS JOIN regexp_split_to_table($4::text, ', ') AS wanted (privilege)" \
        " WHERE c.relnamespace = $2::text::regnamespace AND c.relkind = 'r' AND ($3::text IS NULL OR c.relname = $3)"  \
        " AND NOT has_table_privilege(r.oid, c.oid, wanted.privilege)))")                                              \
    ROW(DROP_SCHEMA_IF_THERE, "DROP SCHEMA IF EXISTS @ CASCADE")                                                       \
    ROW(DROP_SCHEMA, "DROP SCHEMA @ CASCADE")                                                                          \
    ROW(RENAME_SCHEMA, "ALTER SCHEMA @ RENAME TO @")                                                                   \
    ROW(LOCK_POSITION, "LOCK TABLE @.position IN EXCLUSIVE MODE")                                                      \
    ROW(LOCK_POSITION_ALONE, "LOCK TABLE @.position IN ACCESS EXCLUSIVE MODE")                                         \
    ROW(FIND_SCHEMA, "SELECT FROM pg_namespace WHERE nspname = $1")                                                    \
    ROW(CLAIM, "SELECT pg_try_advisory_lock(hashtextextended($1::text, @))")                                           \
    ROW(KEEPALIVES, "SET tcp_keepalives_@ TO @")                                                                       \
    ROW(CHECK_CLIENT, "SET client_connection_check_interval TO @")                                                     \
    ROW(FIND_INDEXES, "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = $1"                               \
                      " AND indexdef NOT LIKE 'CREATE UNIQUE %' ORDER BY indexname")                                   \
    ROW(MAINTENANCE_WORK_MEM, "SET maintenance_work_mem TO '~'")                                                       \
    ROW(ANALYZE, "ANALYZE @.@")                                                                                        \
    ROW(POSITIONS_OF, "SELECT topic, shard, next_offset FROM @.position")                                              \
    ROW(FIND_ABOUT, "SELECT FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'skipped'")        \
    ROW(SELECT_ABOUT, "SELECT format, epoch::text FROM @.about")                                                       \
    ROW(COPY_SKIPS, "INSERT INTO @.skipped (stream, version, parked_reason, reason, actor, skipped_at)"                \
                    " SELECT stream, version, parked_reason, reason, actor, skipped_at FROM @.skipped")                \
    /* feed.c, skips.c */                                                                                              \
    ROW(SELECT_SKIPS, "SELECT stream, version FROM skipped")                                                           \
    ROW(ADD_POSITION, "INSERT INTO position VALUES ('~', @, 0) ON CONFLICT DO NOTHING")                                \
    ROW(SELECT_POSITIONS, "SELECT topic, shard, next_offset FROM position")                                            \
    ROW(COUNT_PARKED, "SELECT count(*) FROM parked")                                                                   \
    /* writer.c */                                                                                                     \
    ROW(MOVE, "UPDATE position AS p SET next_offset = m.next_offset"                                                   \
              " FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])"                                     \
              " AS m (topic, shard, expected, next_offset)"                                                            \
              " WHERE p.topic = m.topic AND p.shard = m.shard AND p.next_offset = m.expected"                          \
              " AND (SELECT epoch FROM about) = $5::uuid")                                                             \
    ROW(UNPARK, "DELETE FROM parked AS p USING unnest($1::text[], $2::bigint[], $3::bigint[])"                         \
                " AS r (topic, shard, log_offset)"                                                                     \
                " WHERE (p.topic, p.shard, p.log_offset) = (r.topic, r.shard, r.log_offset)")                          \
    ROW(TELL, "SELECT pg_notify('daybook_view', $1)")                                                                  \
    ROW(LOAD, "SELECT stream, version, parked, state FROM streams WHERE stream = ANY ($1::text[])")                    \
    /* parking.c, retry.c */                                                                                           \
    ROW(NEW_EPOCH, "UPDATE about SET epoch = gen_random_uuid()")                                                       \
    ROW(COUNT_SKIPPED, "SELECT count(*) FROM skipped")                                                                 \
    ROW(SELECT_STREAM, "SELECT version, parked FROM streams WHERE stream = $1::text")                                  \
    ROW(FIRST_PARKED, "SELECT reason FROM parked WHERE stream = $1::text ORDER BY log_offset LIMIT 1")                 \
    ROW(ADD_SKIP, "INSERT INTO skipped (stream, version, parked_reason, reason, actor, skipped_at)"                    \
                  " VALUES ($1::text, $2::bigint, $3::text, $4::text, $5::text, now()) ON CONFLICT DO NOTHING")        \
    ROW(TAKE_PARKED, "DELETE FROM parked WHERE topic = $1::text AND shard = $2::bigint"                                \
                     " AND log_offset = $3::bigint AND stream IS NULL RETURNING reason")                               \
    ROW(PARKED_PARTITIONS, "SELECT DISTINCT topic, shard FROM parked"                                                  \
                           " WHERE $1::text IS NULL OR stream = $1 ORDER BY topic, shard")                             \
    ROW(PARKED_OFFSETS, "SELECT log_offset FROM parked WHERE topic = $1::text AND shard = $2::bigint"                  \
                        " AND log_offset > $3::bigint AND ($4::text IS NULL OR stream IS NULL OR stream = $4)"         \
                        " ORDER BY log_offset LIMIT $5::bigint")                                                       \
    ROW(PARKED_BEHIND, "SELECT DISTINCT stream FROM parked WHERE stream = ANY ($1::text[])"                            \
                       " AND log_offset > $2::bigint")                                                                 \
    ROW(COUNT_PARKED_OF, "SELECT count(*) FROM parked WHERE $1::text IS NULL OR stream = $1")                          \
    /* cmd/projection.c, compare.c */                                                                                  \
    ROW(FIND_COLUMNS,                                                                                                  \
        "SELECT quote_ident(c.relname), quote_ident(a.attname), coalesce(a.attnum = ANY (i.indkey), false)"            \
        " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"                                             \
        " LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary"                                            \
        " WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"         \
        " AND a.attgenerated = '' AND c.relname NOT IN ('about', 'migrations', 'position')"                            \
        " ORDER BY c.relname, a.attnum")                                                                               \
    ROW(COUNT_ROWS, "SELECT count(*) FROM @.@")                                                                        \
    ROW(FETCH, "FETCH 10000 FROM side")                                                                                \
    ROW(CLOSE, "CLOSE side")

enum sql_kind {
#define SQL_ENUM(kind, text) SQL_##kind,
    SQL_TABLE(SQL_ENUM)
#undef SQL_ENUM
    /* Texts that are made from a table's shape, or that are a file. */
    SQL_CREATE_RUNTIME,
    SQL_CREATE_VIEW,
    SQL_CREATE_PARKING,
    SQL_INSERT_ROWS, /* words: the table */
    SQL_DELETE_ROWS,
    SQL_OPEN_CURSOR, /* words: schema and table */
    SQL_KINDS,
};

enum { SQL_WORDS_MAX = 3 };

struct sql {
    enum sql_kind kind;
    struct str words[SQL_WORDS_MAX]; /* what stood for '@' and '~' */
    struct str text;
    bool adds;               /* SQL_INSERT_ROWS: a row that is there is an error */
    const struct view *view; /* SQL_CREATE_VIEW */
};

/* The statements of a text; what they point to is the text. How many: `capacity` at most. */
size_t sql_read(struct str text, struct sql *ret_statements, size_t capacity);

/* Whether the statement is what the double does with a table of this shape; aborts when it is not. */
void sql_check_rows(const struct sql *sql, const struct view_table *shape);

/* Ends the program, saying what the double does not know. */
void sql_unknown(const char *why, struct str text) __attribute__((noreturn));
