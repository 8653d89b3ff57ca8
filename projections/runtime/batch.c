#include "projections/runtime/batch.h"

#include "core/log/record.h"

#include <assert.h>

enum {
    /* An order of 500 lines is about 150 KB of JSON; nothing that a record can hold makes more than this. */
    SCRATCH_MAX_BYTES = 16 * 1024 * 1024,
};

void batch_init(struct view_batch *batch, const struct view *view) {
    *batch = (struct view_batch){.view = view};
    buf_init(&batch->scratch, SCRATCH_MAX_BYTES);
    buf_init(&batch->key, SCRATCH_MAX_BYTES);
}

void batch_begin(struct view_batch *batch, struct arena *arena) {
    batch->arena = arena;
    batch->record = NULL;
    batch->stream_is_new = false;
    for (size_t i = 0; i < batch->view->table_count; i++) {
        batch->tables[i] = (struct table_changes){0};
        map_init(&batch->tables[i].by_key, arena);
    }
}

void batch_release(struct view_batch *batch) {
    buf_release(&batch->scratch);
    buf_release(&batch->key);
}

struct buf *view_scratch(struct view_batch *batch) {
    buf_clear(&batch->scratch);
    return &batch->scratch;
}

void view_record_hash(const struct view_batch *batch, uint8_t ret_hash[VIEW_HASH_BYTES]) {
    static_assert((int)VIEW_HASH_BYTES == (int)CHAIN_HASH_BYTES, "a record's hash is the chain's");
    chain_hash(batch->record->value, ret_hash);
}

/* The key columns as bytes: numbers as they are, texts after their length. */
static struct str key_of(struct view_batch *batch, const struct view_table *table, const struct view_value *values) {
    struct buf *key = &batch->key;
    buf_clear(key);
    for (size_t i = 0; i < table->column_count; i++) {
        const struct view_column *column = &table->columns[i];
        if (!column->key) {
            continue;
        }
        assert(!values[i].is_null && column->type != VIEW_TEXT_ARRAY);
        bool is_text = column->type == VIEW_TEXT || column->type == VIEW_BYTEA || column->type == VIEW_JSON;
        if (is_text) {
            buf_bytes(key, &values[i].text.len, sizeof values[i].text.len);
            buf_str(key, values[i].text);
        } else {
            buf_bytes(key, &values[i].number, sizeof values[i].number);
        }
    }
    assert(buf_ok(key) && key->len > 0);
    return buf_text(key);
}

static struct row_change *add_change(struct view_batch *batch, struct table_changes *changes, size_t column_count) {
    struct row_change *change = arena_alloc(batch->arena, sizeof *change);
    change->values = arena_alloc(batch->arena, column_count * sizeof *change->values);
    if (changes->last == NULL) {
        changes->first = change;
    } else {
        changes->last->next = change;
    }
    changes->last = change;
    return change;
}

/* Whether rows of it are summed up over streams: then a row may be there before a stream of it begins. */
static bool has_sums(const struct view_table *shape) {
    for (size_t i = 0; i < shape->column_count; i++) {
        if (shape->columns[i].additive) {
            return true;
        }
    }
    return false;
}

static struct row_change *change_of_key(struct view_batch *batch, size_t table, const struct view_value *values) {
    const struct view_table *shape = &batch->view->tables[table];
    struct table_changes *changes = &batch->tables[table];
    void **place = map_at(&changes->by_key, key_of(batch, shape, values));
    if (*place == NULL) {
        struct row_change *change = add_change(batch, changes, shape->column_count);
        change->is_new = batch->stream_is_new && !has_sums(shape);
        *place = change;
    }
    return *place;
}

void view_upsert(struct view_batch *batch, size_t table, const struct view_value *values) {
    assert(table < batch->view->table_count);
    const struct view_table *shape = &batch->view->tables[table];
    struct table_changes *changes = &batch->tables[table];
    struct row_change *change =
        shape->append_only ? add_change(batch, changes, shape->column_count) : change_of_key(batch, table, values);
    for (size_t i = 0; i < shape->column_count; i++) {
        int64_t before = shape->columns[i].additive && change->present ? change->values[i].number : 0;
        change->values[i] = values[i];
        change->values[i].number += before;
    }
    changes->present_count += change->present ? 0 : 1;
    changes->new_count += change->is_new && !change->present ? 1 : 0;
    change->present = true;
}

void view_delete(struct view_batch *batch, size_t table, const struct view_value *values) {
    assert(table < batch->view->table_count);
    const struct view_table *shape = &batch->view->tables[table];
    assert(!shape->append_only);
    struct table_changes *changes = &batch->tables[table];
    struct row_change *change = change_of_key(batch, table, values);
    for (size_t i = 0; i < shape->column_count; i++) {
        if (shape->columns[i].key) {
            change->values[i] = values[i];
        }
    }
    changes->present_count -= change->present ? 1 : 0;
    changes->new_count -= change->is_new && change->present ? 1 : 0;
    changes->deleted_count += change->deleted ? 0 : 1;
    change->present = false;
    change->deleted = true;
}
