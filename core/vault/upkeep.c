#include "core/vault/upkeep.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/timestamp.h"
#include "core/pg/array.h"
#include "core/vault/vault.h"

enum {
    FINGERPRINT_LEN = 64,
    LACKING_MAX_BYTES = 96, /* of the ids that are named */
    ARRAY_MAX_BYTES = 1024 * 1024,
};

#define TEXT_OF(number) #number
#define NUMBER_TEXT(number) TEXT_OF(number)
/* In SQL; what they are is said elsewhere. */
#define REWRAP_ROWS 1000
#define VACUUM_WAIT_MS 5000
_Static_assert(MASTER_WRAPPED_BYTES == 72, "the table's check");
_Static_assert(REWRAP_ROWS == (int)VAULT_REWRAP_ROWS && VACUUM_WAIT_MS == (int)VAULT_VACUUM_WAIT_MS, "as promised");

const char *const vault_sql =
    "CREATE SCHEMA IF NOT EXISTS vault;\n"
    "CREATE TABLE IF NOT EXISTS vault.keys (\n"
    "  key_id text PRIMARY KEY,\n"
    "  key bytea CHECK (length(key) = 32),\n"
    "  created_at timestamptz NOT NULL DEFAULT now()\n"
    ");\n"
    "CREATE TABLE IF NOT EXISTS vault.installation (\n"
    "  only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),\n"
    "  secret_fingerprint text NOT NULL\n"
    ");\n"
    "CREATE TABLE IF NOT EXISTS vault.masters (\n"
    "  id text PRIMARY KEY,\n"
    "  fingerprint text NOT NULL,\n"
    "  added_at timestamptz NOT NULL DEFAULT now()\n"
    ");\n"
    "CREATE TABLE IF NOT EXISTS vault.remains (\n"
    "  only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),\n"
    "  changes bigint NOT NULL,\n"          /* how often keys were replaced or destroyed */
    "  removed bigint NOT NULL DEFAULT 0\n" /* up to which of these the table was written anew */
    ");\n"
    "DO $$ BEGIN\n"
    "  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'vault.keys'::regclass AND attname = 'wrapped') THEN\n"
    "    ALTER TABLE vault.keys\n"
    "      ALTER COLUMN key DROP NOT NULL,\n"
    "      ADD COLUMN wrapped bytea CHECK (length(wrapped) = 72),\n"
    "      ADD COLUMN master text REFERENCES vault.masters,\n"
    "      ADD COLUMN erased_at timestamptz,\n"
    "      ADD CONSTRAINT keys_form CHECK (CASE WHEN erased_at IS NULL\n"
    "        THEN (key IS NULL) <> (wrapped IS NULL) ELSE key IS NULL AND wrapped IS NULL END\n"
    "        AND (wrapped IS NULL) = (master IS NULL));\n"
    "  END IF;\n"
    "  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'vault.keys'::regclass AND attname = 'erased_for') "
    "THEN\n"
    "    ALTER TABLE vault.keys ADD COLUMN erased_for text;\n"
    "  END IF;\n"
    "END $$;\n";

/* In the statement that replaces or destroys keys; `changed` has a row for each. */
#define MARK_REMAINS                                                                                                   \
    "INSERT INTO vault.remains AS r (changes) SELECT 1 FROM changed LIMIT 1 "                                          \
    "ON CONFLICT (only_row) DO UPDATE SET changes = r.changes + 1"

/* ---- whose installation it is ------------------------------------------------------------------------------------ */

static void fingerprint_write(const uint8_t hash[32], char ret_text[FINGERPRINT_LEN + 1]) {
    sodium_bin2hex(ret_text, FINGERPRINT_LEN + 1, hash, FINGERPRINT_LEN / 2);
}

enum err vault_check_secret(struct pg_session *session, const struct secret *secret, struct err_info *info) {
    uint8_t hash[SECRET_HASH_BYTES];
    char text[FINGERPRINT_LEN + 1];
    secret_hash(secret, "fingerprint", NULL, 0, hash);
    fingerprint_write(hash, text);
    const struct pg_param param = PG_TEXT(str_of_cstr(text));
    enum err err = pg_session_query(session,
                                    "INSERT INTO vault.installation (secret_fingerprint) VALUES ($1::text) "
                                    "ON CONFLICT DO NOTHING",
                                    &param, 1, false, NULL, info);
    if (err != ERR_NONE) {
        return err;
    }
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    err = pg_session_query(session, "SELECT secret_fingerprint FROM vault.installation", NULL, 0, false, &result, info);
    if (err != ERR_NONE) {
        return err;
    }
    bool is_same = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), text) == 0;
    return is_same
               ? ERR_NONE
               : err_set(info, ERR_CONFIG,
                         "the secret in secret_file is not the one of this installation: copy the file from another "
                         "front or from the backup, or retries would take effect twice");
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

static void master_fingerprint(const struct master_ring *ring, size_t index, char ret_text[FINGERPRINT_LEN + 1]) {
    uint8_t seed[MASTER_SEED_BYTES];
    master_seed(ring, index, "fingerprint", 0, seed);
    fingerprint_write(seed, ret_text);
}

/* Rows of (id, fingerprint) against the ring. */
static enum err compare_ring(const struct master_ring *ring, const PGresult *masters, bool *ret_has_first,
                             struct err_info *info) {
    struct buf lacking;
    buf_init(&lacking, LACKING_MAX_BYTES);
    enum err err = ERR_NONE;
    *ret_has_first = false;
    for (int row = 0; row < PQntuples(masters) && err == ERR_NONE; row++) {
        struct str id = pg_get_bytes(masters, row, 0);
        size_t index = master_find(ring, id);
        if (index == master_count(ring)) {
            buf_printf(&lacking, " %.*s", STR_ARGS(id));
            continue;
        }
        char text[FINGERPRINT_LEN + 1];
        master_fingerprint(ring, index, text);
        if (!str_equal(pg_get_bytes(masters, row, 1), str_of_cstr(text))) {
            err = err_set(info, ERR_CONFIG,
                          "the master key %.*s of this ring is not the one of this installation: take the ring of "
                          "another front or of the backup",
                          STR_ARGS(id));
        }
        *ret_has_first = *ret_has_first || index == 0;
    }
    if (err == ERR_NONE && lacking.len > 0) {
        err = err_set(info, ERR_CONFIG,
                      "the ring of master keys lacks%.*s: take the ring of another front or of the backup; what is not "
                      "used any more, `daybook vault drop-master` forgets",
                      STR_ARGS(buf_text(&lacking)));
    }
    buf_release(&lacking);
    return err;
}

static enum err compare_and_add(struct pg_session *session, const struct master_ring *ring, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *masters = NULL;
    enum err err = pg_session_query(session, "SELECT id, fingerprint FROM vault.masters ORDER BY id", NULL, 0, false,
                                    &masters, info);
    bool has_first = false;
    err = err == ERR_NONE ? compare_ring(ring, masters, &has_first, info) : err;
    if (err != ERR_NONE || has_first) {
        return err;
    }
    char text[FINGERPRINT_LEN + 1];
    master_fingerprint(ring, 0, text);
    const struct pg_param params[] = {PG_TEXT(master_id(ring, 0)), PG_TEXT(str_of_cstr(text))};
    return pg_session_query(session, "INSERT INTO vault.masters (id, fingerprint) VALUES ($1::text, $2::text)", params,
                            2, false, NULL, info);
}

/* Under a lock, so that the second of two that come at once sees what the first has written. */
enum err vault_check_ring(struct pg_session *session, const struct master_ring *ring, struct err_info *info) {
    enum err err =
        pg_session_exec(session, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('daybook vault.masters'))", info);
    err = err == ERR_NONE ? compare_and_add(session, ring, info) : err;
    err = err == ERR_NONE ? pg_session_exec(session, "COMMIT", info) : err;
    if (err != ERR_NONE) {
        pg_session_rollback(session);
    }
    return err;
}

enum err vault_drop_master(struct pg_session *session, struct str id, struct err_info *info) {
    const struct pg_param param = PG_TEXT(id);
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    /* Who wraps under it at this moment waits for the row, and is refused by the reference. */
    enum err err =
        pg_session_query(session,
                         "WITH dropped AS (DELETE FROM vault.masters AS m WHERE id = $1::text AND NOT EXISTS "
                         "(SELECT FROM vault.keys WHERE master = m.id) RETURNING 1) "
                         "SELECT count(*) FROM vault.masters WHERE id = $1::text "
                         "AND NOT EXISTS (SELECT FROM dropped)",
                         &param, 1, true, &result, info);
    if (err == ERR_NONE && pg_get_int8(result, 0, 0) != 0) {
        err = err_set(info, ERR_CONFLICT, "there are keys under the master key %.*s: `daybook vault rewrap` first",
                      STR_ARGS(str_first(id, MASTER_ID_MAX)));
    }
    return err;
}

/* ---- wrapping anew ----------------------------------------------------------------------------------------------- */

struct rewrap {
    struct pg_session *session;
    const struct master_ring *ring;
    struct pg_array ids, before, wrapped; /* of one transaction */
    struct buf last_id;                   /* up to which all were looked at */
    int64_t done, unopened;
    char first_unopened[64];
};

/* How the key of this row stands there under the first master key. */
static bool wrap_row(const struct rewrap *rewrap, const PGresult *page, int row,
                     uint8_t ret_wrapped[MASTER_WRAPPED_BYTES]) {
    struct str id = pg_get_bytes(page, row, 0), bytes = pg_get_bytes(page, row, 1);
    uint8_t key[VAULT_KEY_BYTES];
    bool is_clear = PQgetisnull(page, row, 2);
    bool is_open = is_clear ? bytes.len == sizeof key && id.len <= MASTER_KEY_ID_MAX
                            : master_unwrap(rewrap->ring, pg_get_bytes(page, row, 2), id, bytes, key);
    if (is_open && is_clear) {
        memcpy(key, bytes.data, sizeof key);
    }
    if (is_open) {
        master_wrap(rewrap->ring, id, key, ret_wrapped);
    }
    sodium_memzero(key, sizeof key);
    return is_open;
}

/* What was changed since it was read stays as it is: it was destroyed, or made anew. */
static enum err store_page(struct rewrap *rewrap, struct err_info *info) {
    const struct pg_param params[] = {PG_BINARY(pg_array_end(&rewrap->ids)), PG_BINARY(pg_array_end(&rewrap->before)),
                                      PG_BINARY(pg_array_end(&rewrap->wrapped)), PG_TEXT(master_id(rewrap->ring, 0))};
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err err = pg_session_query(
        rewrap->session,
        "WITH changed AS (UPDATE vault.keys AS k SET key = NULL, wrapped = given.wrapped, master = $4::text "
        "FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS given (key_id, before, wrapped) "
        "WHERE k.key_id = given.key_id AND coalesce(k.wrapped, k.key) = given.before RETURNING 1), "
        "marked AS (" MARK_REMAINS ") SELECT count(*) FROM changed",
        params, 4, true, &result, info);
    if (err == ERR_NONE) {
        rewrap->done += pg_get_int8(result, 0, 0);
    }
    return err;
}

static enum err wrap_page(struct rewrap *rewrap, const PGresult *page, struct err_info *info) {
    pg_array_begin(&rewrap->ids, PG_ELEMENT_TEXT);
    pg_array_begin(&rewrap->before, PG_ELEMENT_BYTEA);
    pg_array_begin(&rewrap->wrapped, PG_ELEMENT_BYTEA);
    bool is_empty = true;
    for (int row = 0; row < PQntuples(page); row++) {
        uint8_t wrapped[MASTER_WRAPPED_BYTES];
        struct str id = pg_get_bytes(page, row, 0);
        if (wrap_row(rewrap, page, row, wrapped)) {
            pg_array_bytes(&rewrap->ids, id);
            pg_array_bytes(&rewrap->before, pg_get_bytes(page, row, 1));
            pg_array_bytes(&rewrap->wrapped, str_of((const char *)wrapped, sizeof wrapped));
            is_empty = false;
        } else if (rewrap->unopened++ == 0) {
            (void)snprintf(rewrap->first_unopened, sizeof rewrap->first_unopened, "%.*s", STR_ARGS(str_first(id, 60)));
        }
    }
    return is_empty ? ERR_NONE : store_page(rewrap, info);
}

/* `ret_rows`: how many the next page had. */
static enum err rewrap_page(struct rewrap *rewrap, int *ret_rows, struct err_info *info) {
    /* Without data it would be NULL, behind which nothing comes. */
    struct str last_id = rewrap->last_id.len == 0 ? STR("") : buf_text(&rewrap->last_id);
    const struct pg_param params[] = {PG_TEXT(last_id), PG_TEXT(master_id(rewrap->ring, 0))};
    CLEANUP(pg_result_clear) PGresult *page = NULL;
    enum err err =
        pg_session_query(rewrap->session,
                         "SELECT key_id, coalesce(wrapped, key), master FROM vault.keys WHERE key_id > $1::text AND "
                         "erased_at IS NULL AND master IS DISTINCT FROM $2::text "
                         "ORDER BY key_id LIMIT " NUMBER_TEXT(REWRAP_ROWS),
                         params, 2, true, &page, info);
    if (err == ERR_NONE && PQntuples(page) > 0) {
        err = wrap_page(rewrap, page, info);
        struct str last = pg_get_bytes(page, PQntuples(page) - 1, 0);
        buf_clear(&rewrap->last_id);
        buf_str(&rewrap->last_id, last);
        assert(buf_ok(&rewrap->last_id));
    }
    if (err == ERR_NONE) {
        *ret_rows = PQntuples(page);
    }
    return err;
}

enum err vault_rewrap(struct pg_session *session, const struct master_ring *ring, int64_t *ret_done,
                      struct err_info *info) {
    *ret_done = 0;
    enum err err = vault_check_ring(session, ring, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct rewrap rewrap = {.session = session, .ring = ring};
    pg_array_init(&rewrap.ids, ARRAY_MAX_BYTES);
    pg_array_init(&rewrap.before, ARRAY_MAX_BYTES);
    pg_array_init(&rewrap.wrapped, ARRAY_MAX_BYTES);
    buf_init(&rewrap.last_id, ARRAY_MAX_BYTES);
    int rows;
    do {
        rows = 0;
        err = rewrap_page(&rewrap, &rows, info);
    } while (err == ERR_NONE && rows == REWRAP_ROWS);
    if (err == ERR_NONE && rewrap.unopened > 0) {
        err = err_set(info, ERR_MALFORMED, "%lld keys cannot be opened and stay as they are; the first is %s",
                      (long long)rewrap.unopened, rewrap.first_unopened);
    }
    *ret_done = rewrap.done;
    pg_array_release(&rewrap.ids);
    pg_array_release(&rewrap.before);
    pg_array_release(&rewrap.wrapped);
    buf_release(&rewrap.last_id);
    return err;
}

/* ---- destroying -------------------------------------------------------------------------------------------------- */

/* Of one that is named twice, the later asked for counts; NULL is infinitely late. What a tombstone is there for is
 * kept up, so that whoever comes again knows his own. */
static const char destroy_keys[] =
    "WITH given AS MATERIALIZED (SELECT DISTINCT ON (key_id) key_id, cause, until "
    "FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS named (key_id, cause, until) "
    "ORDER BY key_id, until DESC NULLS FIRST, cause), "
    "changed AS (UPDATE vault.keys AS k SET key = NULL, wrapped = NULL, master = NULL, "
    "erased_at = coalesce(k.erased_at, now()), erased_for = given.cause FROM given "
    "WHERE k.key_id = given.key_id AND CASE WHEN given.until IS NULL THEN k.erased_at IS NULL "
    "ELSE k.erased_for IS DISTINCT FROM given.cause AND (k.erased_at IS NOT NULL OR k.created_at <= given.until) END "
    "RETURNING 1), "
    "added AS (INSERT INTO vault.keys (key_id, erased_at, erased_for) SELECT key_id, now(), cause FROM given "
    "ON CONFLICT (key_id) DO NOTHING), "
    "marked AS (" MARK_REMAINS ") "
    "SELECT count(*) FROM given JOIN vault.keys AS k USING (key_id) WHERE k.erased_at IS NULL AND "
    "(k.erased_for = given.cause OR k.created_at > given.until) AND given.until IS NOT NULL";

enum err vault_destroy(struct pg_session *session, const struct vault_doomed *doomed, size_t count, int64_t *ret_left,
                       struct err_info *info) {
    struct pg_array ids, causes, until;
    pg_array_init(&ids, ARRAY_MAX_BYTES);
    pg_array_init(&causes, ARRAY_MAX_BYTES);
    pg_array_init(&until, ARRAY_MAX_BYTES);
    pg_array_begin(&ids, PG_ELEMENT_TEXT);
    pg_array_begin(&causes, PG_ELEMENT_TEXT);
    pg_array_begin(&until, PG_ELEMENT_TIMESTAMPTZ);
    for (size_t i = 0; i < count; i++) {
        pg_array_bytes(&ids, doomed[i].key_id);
        pg_array_bytes(&causes, doomed[i].cause);
        if (doomed[i].may_be_anew) {
            pg_array_timestamp(&until, doomed[i].asked_at_us + (int64_t)VAULT_CLOCKS_DIFFER_S * MICROS_PER_SECOND);
        } else {
            pg_array_null(&until);
        }
    }
    const struct pg_param params[] = {PG_BINARY(pg_array_end(&ids)), PG_BINARY(pg_array_end(&causes)),
                                      PG_BINARY(pg_array_end(&until))};
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err err = pg_session_query(session, destroy_keys, params, 3, true, &result, info);
    if (err == ERR_NONE && ret_left != NULL) {
        *ret_left = pg_get_int8(result, 0, 0);
    }
    pg_array_release(&ids);
    pg_array_release(&causes);
    pg_array_release(&until);
    return err;
}

/* `ret_changes`: up to which change the table is about to be written anew; -1: there is nothing to remove. PostgreSQL
 * would leave out who may not, with a warning, and call it done. */
static enum err remains(struct pg_session *session, int64_t *ret_changes, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err err = pg_session_query(session,
                                    "SELECT coalesce((SELECT changes FROM vault.remains WHERE changes > removed), -1), "
                                    "pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'vault.keys'::regclass",
                                    NULL, 0, true, &result, info);
    if (err != ERR_NONE) {
        return err;
    }
    int64_t changes = pg_get_int8(result, 0, 0);
    if (changes >= 0 && !pg_get_bool(result, 0, 1)) {
        return err_set(info, ERR_POSTGRES, "only the owner of vault.keys can have it written anew");
    }
    *ret_changes = changes;
    return ERR_NONE;
}

enum err vault_vacuum(struct pg_session *session, bool *ret_was_due, struct err_info *info) {
    int64_t changes = -1;
    enum err err = remains(session, &changes, info);
    if (err == ERR_NONE && changes >= 0) {
        err = pg_session_exec(session, "SET lock_timeout = " NUMBER_TEXT(VACUUM_WAIT_MS), info);
        err = err == ERR_NONE ? pg_session_exec(session, "VACUUM (FULL, ANALYZE) vault.keys", info) : err;
        struct err_info ignored;
        enum err reset = pg_session_exec(session, "RESET lock_timeout", err == ERR_NONE ? info : &ignored);
        err = err == ERR_NONE ? reset : err;
    }
    if (err == ERR_NONE && changes >= 0) {
        err = pg_session_execf(session, info, "UPDATE vault.remains SET removed = greatest(removed, %lld)",
                               (long long)changes);
    }
    if (err == ERR_NONE && ret_was_due != NULL) {
        *ret_was_due = changes >= 0;
    }
    return err;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static enum err look_at_keys(struct pg_session *session, struct vault_figures *figures, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err err = pg_session_query(session,
                                    "SELECT count(*) FILTER (WHERE key IS NOT NULL), "
                                    "count(*) FILTER (WHERE erased_at IS NOT NULL), "
                                    "EXISTS (SELECT FROM vault.remains WHERE changes > removed) FROM vault.keys",
                                    NULL, 0, true, &result, info);
    if (err == ERR_NONE) {
        figures->in_the_clear = pg_get_int8(result, 0, 0);
        figures->destroyed = pg_get_int8(result, 0, 1);
        figures->has_remains = pg_get_bool(result, 0, 2);
    }
    return err;
}

static enum err look_at_masters(struct pg_session *session, struct vault_figures *figures, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err err = pg_session_query(session,
                                    "SELECT id, count(k.master) FROM vault.masters AS m LEFT JOIN vault.keys AS k "
                                    "ON k.master = m.id GROUP BY id ORDER BY id",
                                    NULL, 0, true, &result, info);
    for (int row = 0; err == ERR_NONE && row < PQntuples(result) && row < VAULT_MASTERS_MAX; row++) {
        struct vault_master_figures *master = &figures->masters[figures->master_count++];
        (void)snprintf(master->id, sizeof master->id, "%.*s", STR_ARGS(pg_get_bytes(result, row, 0)));
        master->keys = pg_get_int8(result, row, 1);
    }
    return err;
}

enum err vault_look(struct pg_session *session, struct vault_figures *ret_figures, struct err_info *info) {
    struct vault_figures figures = {0};
    enum err err = look_at_keys(session, &figures, info);
    err = err == ERR_NONE ? look_at_masters(session, &figures, info) : err;
    if (err == ERR_NONE) {
        *ret_figures = figures;
    }
    return err;
}
