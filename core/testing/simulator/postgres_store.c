#include "core/testing/simulator/postgres_store.h"

#include <assert.h>
#include <stdlib.h>

#include "core/testing/simulator/world.h"

enum { FIRST_CAPACITY = 16 };

/* One row's way back. */
struct undo {
    size_t table;
    struct str key;
    const struct stored_row *before; /* NULL: it was not there */
};

struct commit {
    int64_t at_us;
    bool is_synchronous;
    struct undo *undos;
    size_t count;
};

static struct {
    struct stored_table *tables;
    size_t table_count, table_capacity;
    struct pg_store_txn *open;
    struct commit *commits; /* that a crash may still take, the oldest first */
    size_t commit_count, commit_capacity;
    int64_t committed;
} store;

/* Room for one more. */
static void *grown(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
    void *more = realloc(items, *capacity * size);
    if (more == NULL) {
        abort();
    }
    return more;
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* ---- lists by key ------------------------------------------------------------------------------------------------ */

/* Where the key is, or would be. */
static size_t row_place(const struct row_list *list, struct str key, bool *ret_is_there) {
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(list->items[middle]->key, key);
        if (order == 0) {
            *ret_is_there = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *ret_is_there = false;
    return low;
}

static const struct stored_row *row_find(const struct row_list *list, struct str key) {
    bool is_there;
    size_t at = row_place(list, key, &is_there);
    return is_there ? list->items[at] : NULL;
}

static void row_remove(struct row_list *list, size_t at) {
    memmove(list->items + at, list->items + at + 1, (list->count - at - 1) * sizeof *list->items);
    list->count--;
}

/* `row` NULL: the key has none afterwards. */
static void row_set(struct row_list *list, struct str key, const struct stored_row *row) {
    bool is_there;
    size_t at = row_place(list, key, &is_there);
    if (row == NULL) {
        if (is_there) {
            row_remove(list, at);
        }
        return;
    }
    if (!is_there) {
        list->items = grown(list->items, list->count, &list->capacity, sizeof *list->items);
        memmove(list->items + at + 1, list->items + at, (list->count - at) * sizeof *list->items);
        list->count++;
    }
    list->items[at] = row;
}

static size_t change_place(const struct pg_store_changes *changes, struct str key, bool *ret_is_there) {
    size_t low = 0, high = changes->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(changes->items[middle].key, key);
        if (order == 0) {
            *ret_is_there = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *ret_is_there = false;
    return low;
}

static struct row_list list_copy(const struct row_list *list) {
    struct row_list copy = {.items = allocate(list->count, sizeof *copy.items), .count = list->count};
    copy.capacity = list->count;
    if (list->count > 0) {
        memcpy(copy.items, list->items, list->count * sizeof *copy.items);
    }
    return copy;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

void pg_store_begin(void) {
    for (size_t i = 0; i < store.table_count; i++) {
        free(store.tables[i].rows.items);
    }
    for (size_t i = 0; i < store.commit_count; i++) {
        free(store.commits[i].undos);
    }
    free(store.tables);
    free(store.commits);
    memset(&store, 0, sizeof store);
    row_begin();
}

size_t pg_store_table_new(const struct view_table *shape, uint32_t required) {
    store.tables = grown(store.tables, store.table_count, &store.table_capacity, sizeof *store.tables);
    store.tables[store.table_count] = (struct stored_table){.shape = shape, .required = required};
    return store.table_count++;
}

const struct stored_table *pg_store_table(size_t table) {
    assert(table < store.table_count);
    return &store.tables[table];
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

static const struct pg_store_changes *changes_of(const struct pg_store_txn *txn, size_t table) {
    return txn == NULL || table >= txn->table_count ? NULL : &txn->tables[table];
}

/* Made when it is not there yet: a table may be newer than the transaction. */
static struct pg_store_changes *changes_at(struct pg_store_txn *txn, size_t table) {
    assert(txn->is_open && table < store.table_count);
    if (table >= txn->table_count) {
        struct pg_store_changes *more = realloc(txn->tables, store.table_count * sizeof *more);
        if (more == NULL) {
            abort();
        }
        memset(more + txn->table_count, 0, (store.table_count - txn->table_count) * sizeof *more);
        txn->tables = more;
        txn->table_count = store.table_count;
    }
    return &txn->tables[table];
}

void pg_store_open(struct pg_store_txn *txn) {
    assert(!txn->is_open);
    *txn = (struct pg_store_txn){.is_open = true};
    struct pg_store_txn **last = &store.open;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = txn;
}

static void txn_end(struct pg_store_txn *txn) {
    for (struct pg_store_txn **at = &store.open; *at != NULL; at = &(*at)->next) {
        if (*at == txn) {
            *at = txn->next;
            break;
        }
    }
    for (size_t i = 0; i < txn->table_count; i++) {
        free(txn->tables[i].items);
    }
    for (size_t i = 0; i < txn->snapshot_count; i++) {
        free(txn->snapshot[i].items);
    }
    free(txn->tables);
    free(txn->snapshot);
    *txn = (struct pg_store_txn){0};
}

void pg_store_drop(struct pg_store_txn *txn) {
    assert(txn->is_open);
    txn_end(txn);
}

void pg_store_snapshot(struct pg_store_txn *txn) {
    assert(txn->is_open && txn->snapshot == NULL);
    txn->snapshot_count = store.table_count;
    txn->snapshot = allocate(store.table_count, sizeof *txn->snapshot);
    for (size_t i = 0; i < store.table_count; i++) {
        txn->snapshot[i] = list_copy(&store.tables[i].rows);
    }
}

static const struct row_list *seen_rows(const struct pg_store_txn *txn, size_t table) {
    if (txn == NULL || txn->snapshot == NULL) {
        return &store.tables[table].rows;
    }
    static const struct row_list none;
    return table < txn->snapshot_count ? &txn->snapshot[table] : &none;
}

struct pg_store_txn *pg_store_holder(const struct pg_store_txn *txn, size_t table, struct str key) {
    for (struct pg_store_txn *other = store.open; other != NULL; other = other->next) {
        const struct pg_store_changes *changes = changes_of(other, table);
        if (other == txn || changes == NULL) {
            continue;
        }
        bool is_there;
        change_place(changes, key, &is_there);
        if (is_there || changes->is_exclusive) {
            return other;
        }
    }
    return NULL;
}

struct pg_store_txn *pg_store_table_holder(const struct pg_store_txn *txn, size_t table) {
    for (struct pg_store_txn *other = store.open; other != NULL; other = other->next) {
        const struct pg_store_changes *changes = changes_of(other, table);
        if (other != txn && changes != NULL && (changes->count > 0 || changes->is_exclusive)) {
            return other;
        }
    }
    return NULL;
}

const struct pg_store_change *pg_store_changed(const struct pg_store_txn *txn, size_t table, struct str key) {
    const struct pg_store_changes *changes = changes_of(txn, table);
    if (changes == NULL) {
        return NULL;
    }
    bool is_there;
    size_t at = change_place(changes, key, &is_there);
    return is_there ? &changes->items[at] : NULL;
}

const struct stored_row *pg_store_find(const struct pg_store_txn *txn, size_t table, struct str key) {
    const struct pg_store_change *change = pg_store_changed(txn, table, key);
    if (change != NULL && !change->is_lock) {
        return change->row;
    }
    return row_find(seen_rows(txn, table), key);
}

struct row_list pg_store_rows(const struct pg_store_txn *txn, size_t table) {
    struct row_list rows = list_copy(seen_rows(txn, table));
    const struct pg_store_changes *changes = changes_of(txn, table);
    for (size_t i = 0; changes != NULL && i < changes->count; i++) {
        if (!changes->items[i].is_lock) {
            row_set(&rows, changes->items[i].key, changes->items[i].row);
        }
    }
    return rows;
}

/* The key is copied. */
static struct pg_store_change *change_at(struct pg_store_txn *txn, size_t table, struct str key) {
    struct pg_store_changes *changes = changes_at(txn, table);
    assert(pg_store_holder(txn, table, key) == NULL);
    bool is_there;
    size_t at = change_place(changes, key, &is_there);
    if (!is_there) {
        changes->items = grown(changes->items, changes->count, &changes->capacity, sizeof *changes->items);
        memmove(changes->items + at + 1, changes->items + at, (changes->count - at) * sizeof *changes->items);
        changes->items[at] = (struct pg_store_change){.key = field_of_text(key), .is_lock = true};
        changes->count++;
    }
    return &changes->items[at];
}

void pg_store_put(struct pg_store_txn *txn, size_t table, const struct stored_row *row) {
    struct pg_store_change *change = change_at(txn, table, row->key);
    change->row = row;
    change->is_lock = false;
    change->command = txn->command;
}

void pg_store_delete(struct pg_store_txn *txn, size_t table, struct str key) {
    struct pg_store_change *change = change_at(txn, table, key);
    change->row = NULL;
    change->is_lock = false;
    change->command = txn->command;
}

void pg_store_lock(struct pg_store_txn *txn, size_t table, struct str key) {
    (void)change_at(txn, table, key);
}

void pg_store_lock_table(struct pg_store_txn *txn, size_t table) {
    assert(pg_store_table_holder(txn, table) == NULL);
    changes_at(txn, table)->is_exclusive = true;
}

/* ---- commit and crash -------------------------------------------------------------------------------------------- */

static void forget_commits(size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(store.commits[i].undos);
    }
    store.commit_count -= count;
    if (store.commit_count > 0) {
        memmove(store.commits, store.commits + count, store.commit_count * sizeof *store.commits);
    }
}

void pg_store_flush(void) {
    forget_commits(store.commit_count);
}

static void forget_durable_commits(void) {
    size_t durable = 0;
    for (size_t i = 0; i < store.commit_count; i++) {
        const struct commit *commit = &store.commits[i];
        if (commit->is_synchronous || sim_now_us() - commit->at_us > WAL_LOSS_US) {
            durable = i + 1;
        }
    }
    forget_commits(durable);
}

static size_t count_rows_changed(const struct pg_store_txn *txn) {
    size_t count = 0;
    for (size_t i = 0; i < txn->table_count; i++) {
        for (size_t j = 0; j < txn->tables[i].count; j++) {
            count += !txn->tables[i].items[j].is_lock;
        }
    }
    return count;
}

/* What a row is belongs to what the run has done. */
static void digest_row(const struct stored_row *row) {
    uint64_t digest = 0xcbf29ce484222325U;
    for (uint32_t i = 0; row != NULL && i < row->bytes.len; i++) {
        digest = (digest ^ (unsigned char)row->bytes.data[i]) * 0x100000001b3U; /* FNV-1a */
    }
    sim_digest_add(digest);
}

static void apply(const struct pg_store_txn *txn, struct commit *commit) {
    for (size_t i = 0; i < txn->table_count; i++) {
        struct row_list *rows = &store.tables[i].rows;
        for (size_t j = 0; j < txn->tables[i].count; j++) {
            const struct pg_store_change *change = &txn->tables[i].items[j];
            if (!change->is_lock) {
                commit->undos[commit->count++] = (struct undo){i, change->key, row_find(rows, change->key)};
                row_set(rows, change->key, change->row);
                digest_row(change->row);
            }
        }
    }
}

bool pg_store_commit(struct pg_store_txn *txn, bool is_synchronous) {
    assert(txn->is_open);
    size_t count = count_rows_changed(txn);
    if (count > 0) {
        struct commit commit = {.at_us = sim_now_us(), .is_synchronous = is_synchronous};
        commit.undos = allocate(count, sizeof *commit.undos);
        apply(txn, &commit);
        store.commits = grown(store.commits, store.commit_count, &store.commit_capacity, sizeof *store.commits);
        store.commits[store.commit_count++] = commit;
        store.committed++;
        forget_durable_commits();
    }
    txn_end(txn);
    return count > 0;
}

size_t pg_store_crash(void) {
    assert(store.open == NULL);
    forget_durable_commits();
    size_t lost = (size_t)sim_random(store.commit_count + 1);
    for (size_t i = 0; i < lost; i++) {
        const struct commit *commit = &store.commits[store.commit_count - 1 - i];
        for (size_t j = commit->count; j-- > 0;) {
            const struct undo *undo = &commit->undos[j];
            row_set(&store.tables[undo->table].rows, undo->key, undo->before);
        }
    }
    pg_store_flush();
    return lost;
}

int64_t pg_store_commit_count(void) {
    return store.committed;
}
