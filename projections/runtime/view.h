/* view.h: what a read model is, to the runtime that keeps it up to date.
 *
 * Purpose  one folder a read model: view.sql (its tables), project.c (event -> row changes), query.c (the statements
 *          that read it). A view lives in a PostgreSQL schema of its own, named like the view; a rebuild fills another
 *          schema with the same code, so no SQL here names its schema: view.sql and the runtime find it by search_path.
 * Fold     a view whose row is one stream's state keeps that state beside it (`load`ed by the runtime in one query a
 *          batch) and evolves it with the aggregate's own evolve: one fold, so a command's answer and a later GET say
 *          the same. (ADR 0007.) A view of several families may fold some of them, each by its aggregate, and be made
 *          of the events alone of the others.
 * Promise  `project` is pure: same rows for the same events, whatever the batches. Rows of one key are owned by one
 *          stream family; what sums over streams is added (`additive`), never set. In a view that folds, a row without
 *          such columns belongs to the one stream whose events make it: before its first event there is none, and the
 *          row is inserted without looking for one.
 * Thread   the projector's.      May use: log, pg, domain.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/domain/aggregate.h"

enum { VIEW_COLUMNS_MAX = 24, VIEW_TABLES_MAX = 6, VIEW_FAMILIES_MAX = 4, VIEW_HASH_BYTES = 32 };

enum view_column_type { VIEW_TEXT, VIEW_BIGINT, VIEW_BOOLEAN, VIEW_TIMESTAMP, VIEW_BYTEA, VIEW_JSON, VIEW_TEXT_ARRAY };

struct view_column {
    const char *name;
    enum view_column_type type;
    bool key;
    bool additive; /* VIEW_BIGINT: the change is added to what is there */
    bool personal; /* holds ciphertext of what is personal; said to whoever is given the table's columns */
};

struct view_table {
    const char *name;
    struct view_column columns[VIEW_COLUMNS_MAX];
    size_t column_count;
    bool append_only; /* rows are only ever inserted (ledgers, histories) */
    bool opaque;      /* of encoded states and records: for the program alone, and in no export */
};

struct view_value {
    bool is_null;
    struct str text;         /* TEXT, BYTEA, JSON */
    int64_t number;          /* BIGINT, BOOLEAN, TIMESTAMP (microseconds since 1970) */
    const struct str *items; /* TEXT_ARRAY */
    size_t item_count;
};

/* Values, for rows written down in one initialiser. */
static inline struct view_value view_null(void) {
    return (struct view_value){.is_null = true};
}
static inline struct view_value view_text(struct str text) {
    return (struct view_value){.text = text};
}
static inline struct view_value view_text_or_null(bool present, struct str text) {
    return (struct view_value){.is_null = !present, .text = text};
}
static inline struct view_value view_number(int64_t number) {
    return (struct view_value){.number = number};
}
static inline struct view_value view_texts(const struct str *items, size_t item_count) {
    return (struct view_value){.items = items, .item_count = item_count};
}

/* One projector's batch, into which project puts row changes. What the values point to must live as long as the batch's
 * arena: events and states do; text made in view_scratch is copied into the arena. */
struct view_batch;

/* A buffer to make a document in; empty after each call. */
struct buf *view_scratch(struct view_batch *batch);

/* BLAKE2b-256 of the record being projected: what the stream's next event names as its prev_hash. */
void view_record_hash(const struct view_batch *batch, uint8_t ret_hash[VIEW_HASH_BYTES]);

/* The row with the key of `values` (one a column, in the table's order) is to be so; append_only: is added. */
void view_upsert(struct view_batch *batch, size_t table, const struct view_value *values);
/* Only the key columns are looked at. */
void view_delete(struct view_batch *batch, size_t table, const struct view_value *values);

struct view {
    const char *name;                        /* and of its schema */
    const char *sql;                         /* view.sql, linked in */
    int format;                              /* raised when rows come out differently: the view must then be rebuilt */
    const char *families[VIEW_FAMILIES_MAX]; /* whose topics it reads; NULL-terminated when fewer */
    struct view_table tables[VIEW_TABLES_MAX];
    size_t table_count;
    /* The aggregate whose state the view folds, or NULL. Its state is kept by the runtime in table `streams`. */
    const struct aggregate *fold;
    /* Those of further families that it folds as well; NULL-terminated when fewer. */
    const struct aggregate *also_folds[VIEW_FAMILIES_MAX - 1];

    /* `state` is the one after the event (NULL for a family that is not folded). Called for each event in log order;
     * `last` is true for the stream's last event in this batch: rows made from the state alone need be made only then.
     */
    void (*project)(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last);
};

extern const struct view *const views[];
extern const size_t view_count;
