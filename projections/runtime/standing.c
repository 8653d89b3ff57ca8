#include "projections/runtime/standing.h"

#include <assert.h>

#include "core/log/record.h"
#include "core/pg/pool.h"
#include "projections/runtime/row_read.h"

enum { COLUMN_VERSION, COLUMN_OCCURRED_AT, COLUMN_STATE, COLUMN_RECORD };

/* As in a view's fold, sub-states are empty ones. */
static bool evolve(struct arena *arena, const struct aggregate *aggregate, struct str record, void *state) {
    struct event event;
    if (event_record_read(arena, record, &event, NULL) != ERR_NONE) {
        return false;
    }
    void *sub_state = aggregate->sub_state_size == 0 ? NULL : arena_alloc(arena, aggregate->sub_state_size);
    aggregate->evolve(state, sub_state, &event, arena);
    return true;
}

bool standing_fold(struct arena *arena, const struct aggregate *aggregate, const PGresult *rows,
                   struct standing *ret_standing) {
    int last = PQntuples(rows) - 1;
    assert(last >= 0);
    struct standing standing = {.state = arena_alloc(arena, aggregate->state_size),
                                .occurred_at = pg_value(rows, last, COLUMN_OCCURRED_AT)};
    for (int row = 0; row <= last; row++) {
        bool is_state = PQgetisnull(rows, row, COLUMN_STATE) == 0;
        struct str bytes;
        bool is_read = row_bytes(arena, rows, row, is_state ? COLUMN_STATE : COLUMN_RECORD, &bytes) &&
                       (is_state ? aggregate->state_decode(arena, bytes, standing.state)
                                 : evolve(arena, aggregate, bytes, standing.state));
        if (!is_read) {
            return false;
        }
    }
    if (!row_int64(rows, last, COLUMN_VERSION, &standing.version)) {
        return false;
    }
    *ret_standing = standing;
    return true;
}
