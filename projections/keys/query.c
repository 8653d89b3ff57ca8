#include "projections/keys/query.h"

#include "core/base/array.h"
#include "projections/runtime/row_read.h"

enum {
    KEY_ID,
    KEY_HASH,
    KEY_PREVIOUS_HASH,
    KEY_PREVIOUS_UNTIL,
    KEY_EXPIRES_AT,
    KEY_ROLES,
    KEY_VENDOR,
};

#define TEXT_OF(number) #number
#define AS_TEXT(number) TEXT_OF(number)

const struct pg_statement api_key_by_id = {
    .name = "api_key_by_id",
    .sql = "SELECT document, version FROM keys.keys WHERE id = $1::text",
    .parameter_count = 1,
};

/* Roles have no spaces in their names. */
const struct pg_statement api_keys_live = {
    .name = "api_keys_live",
    .sql =
        "SELECT id, encode(hash, 'hex'), encode(previous_hash, 'hex'), " ROW_MICROS("previous_until") ", " ROW_MICROS(
            "expires_at") ", array_to_string(roles, ' '), vendor FROM keys.keys WHERE status = 'active'"
                          " AND (expires_at IS NULL OR expires_at > $1::timestamptz) ORDER BY created_at, id"
                          " LIMIT " AS_TEXT(API_KEYS_LIVE_MAX) " + 1",
    .parameter_count = 1,
};

static bool read_hash(struct arena *arena, const PGresult *rows, int row, int column, uint8_t *ret_hash) {
    struct str bytes;
    if (!row_bytes(arena, rows, row, column, &bytes) || bytes.len != API_KEY_ROW_HASH_BYTES) {
        return false;
    }
    memcpy(ret_hash, bytes.data, API_KEY_ROW_HASH_BYTES);
    return true;
}

static bool read_previous(struct arena *arena, const PGresult *rows, int row, struct api_key_row *key) {
    key->has_previous = PQgetisnull(rows, row, KEY_PREVIOUS_HASH) == 0;
    return !key->has_previous || (read_hash(arena, rows, row, KEY_PREVIOUS_HASH, key->previous_hash) &&
                                  row_int64(rows, row, KEY_PREVIOUS_UNTIL, &key->previous_until));
}

static void read_roles(struct arena *arena, const PGresult *rows, int row, struct role_grant_array *roles) {
    struct str left = arena_str_copy(arena, pg_value(rows, row, KEY_ROLES));
    while (left.len > 0) {
        uint32_t length = str_find(left, ' ');
        struct role_grant *grant = ARRAY_PUSH(arena, roles);
        grant->role = str_first(left, length);
        if (str_equal(grant->role, STR("vendor")) && PQgetisnull(rows, row, KEY_VENDOR) == 0) {
            grant->has_vendor = true;
            grant->vendor = arena_str_copy(arena, pg_value(rows, row, KEY_VENDOR));
        }
        left = str_from(left, length + 1);
    }
}

bool api_key_row_read(struct arena *arena, const PGresult *rows, int row, struct api_key_row *ret_key) {
    struct api_key_row key = {.id = pg_value(rows, row, KEY_ID),
                              .has_expires_at = PQgetisnull(rows, row, KEY_EXPIRES_AT) == 0};
    if (!read_hash(arena, rows, row, KEY_HASH, key.hash) || !read_previous(arena, rows, row, &key) ||
        (key.has_expires_at && !row_int64(rows, row, KEY_EXPIRES_AT, &key.expires_at))) {
        return false;
    }
    read_roles(arena, rows, row, &key.roles);
    *ret_key = key;
    return true;
}
