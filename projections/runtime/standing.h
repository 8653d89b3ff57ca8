/* standing.h: how a stream of a view stood at a version or a time, made again of the view's history (history.h).
 *
 * Promise  the state is folded by the domain's own evolve, and is what it was after that version's event.
 * Bounds   a question finds its version through the marks, and reads at most HISTORY_STEP rows, however long the
 *          stream; those with records are no longer than the states would be. Where a mark is missing (an event that
 *          could not be projected and was passed over) it reads on to the one before.
 * Thread   pure; any.            May use: log, pg, domain.
 */
#pragma once

#include <libpq-fe.h>

#include "projections/runtime/history.h"

/* How a stream stood: $1 stream, $2 version (bigint) or time (timestamptz). The rows that standing_fold makes it of,
 * none when the stream did not exist, or not yet. What is later than the newest event is answered with that one.
 * `table` is the history with its schema, as text. */
#define STANDING_AT_VERSION(table) STANDING_AT_VERSION_IF(table, "")
#define STANDING_AT_TIME(table) STANDING_AT_TIME_IF(table, "")

/* The same, where the wanted row meets a condition besides: text that begins with AND. */
#define STANDING_AT_VERSION_IF(table, condition)                                                                       \
    "WITH wanted AS (SELECT version FROM " table " WHERE stream = $1::text AND version <= $2::bigint" condition        \
    " ORDER BY version DESC LIMIT 1)" STANDING_ROWS(table)

/* It stands between the last mark that is not later and the next one, two neighbours in the index of marks. */
#define STANDING_AT_TIME_IF(table, condition)                                                                          \
    "WITH mark AS (SELECT version FROM " table " WHERE stream = $1::text AND version % " HISTORY_STEP_TEXT " = 0"      \
    " AND occurred_at <= $2::timestamptz ORDER BY occurred_at DESC, version DESC LIMIT 1),"                            \
    " next AS (SELECT version FROM " table " WHERE stream = $1::text AND version % " HISTORY_STEP_TEXT " = 0"          \
    " AND occurred_at > $2::timestamptz ORDER BY occurred_at, version LIMIT 1),"                                       \
    " wanted AS (SELECT version FROM " table " WHERE stream = $1::text AND occurred_at <= $2::timestamptz"             \
    " AND version >= coalesce((SELECT version FROM mark), 1)"                                                          \
    " AND version < coalesce((SELECT version FROM next), 9223372036854775807)" condition                               \
    " ORDER BY version DESC LIMIT 1)" STANDING_ROWS(table)

/* From the last state that is not later than the wanted version, or from the first event, to that version. */
#define STANDING_ROWS(table)                                                                                           \
    " SELECT h.version, " HISTORY_TIME ", encode(h.state, 'hex'), encode(h.record, 'hex') FROM wanted, " table         \
    " AS h WHERE h.stream = $1::text AND h.version <= wanted.version AND h.version >= coalesce((SELECT s.version"      \
    " FROM " table " AS s WHERE s.stream = $1::text AND s.state IS NOT NULL AND s.version <= wanted.version"           \
    " ORDER BY s.version DESC LIMIT 1), 1) ORDER BY h.version"

/* When a stream's first event was, $1 stream: no row when there is no such stream. */
#define STANDING_BEGAN(table) "SELECT " HISTORY_TIME " FROM " table " WHERE stream = $1::text AND version = 1"

/* The column occurred_at as RFC 3339. */
#define HISTORY_TIME "to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* How a stream stood. */
struct standing {
    void *state;
    int64_t version;
    struct str occurred_at; /* of that version's event, RFC 3339; of the rows */
};

/* More than HISTORY_STEP rows of what the domain bounds decode to. */
enum { STANDING_MAX_BYTES = 256 * 1024 * 1024 };

/* Folds the rows, of which there is at least one. The state lives in the arena, which has STANDING_MAX_BYTES. False:
 * they cannot be read back, and the view must be rebuilt. */
MUST_CHECK bool standing_fold(struct arena *arena, const struct aggregate *aggregate, const PGresult *rows,
                              struct standing *ret_standing);
