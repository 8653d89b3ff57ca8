/* query.h: the statements that read API keys. The list of them is in list.h.
 *
 * Live     what fronts let in by: each key that is neither revoked nor expired. All of them are read at once into the
 *          front's memory, API_KEYS_LIVE_MAX at most, the oldest first: whoever is given one more than that has too
 *          many, and says so.
 * Memory   what a row is read into lives in the arena, save the id, which is the result's.
 * Thread   constants; reading is pure, any.            May use: pg, generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"
#include "gen/common.h"

#define API_KEYS_LIVE_MAX 10000
enum { API_KEY_ROW_HASH_BYTES = 32 };

/* $1 id (key_..): document, version. */
extern const struct pg_statement api_key_by_id;

/* The live ones, API_KEYS_LIVE_MAX + 1 at most. $1 the time now (RFC 3339) */
extern const struct pg_statement api_keys_live;

struct api_key_row {
    struct str id;
    uint8_t hash[API_KEY_ROW_HASH_BYTES]; /* BLAKE2b-256 of the key */
    bool has_previous;
    uint8_t previous_hash[API_KEY_ROW_HASH_BYTES]; /* of the one before */
    int64_t previous_until;                        /* it is good until then, which may be over */
    bool has_expires_at;
    int64_t expires_at;
    struct role_grant_array roles; /* a vendor's name with the role vendor */
};

/* False: a row that no projector writes. */
MUST_CHECK bool api_key_row_read(struct arena *arena, const PGresult *rows, int row, struct api_key_row *ret_key);
