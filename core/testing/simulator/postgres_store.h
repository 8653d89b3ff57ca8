/* postgres_store.h: the rows of PostgreSQL's double: tables, transactions over them, and what a crash takes back.
 *
 * Purpose  what postgres_run.c's statements work on. A table is its committed rows in the order of their keys; an open
 *          transaction holds its own changes beside them, which are its row locks as well: no two transactions ever
 *          hold a change of one key. Asking pg_store_holder first, and waiting, is the caller's.
 * Crash    commits of the last WAL_LOSS_US that were not synchronous, nor followed by a synchronous one, may be lost,
 *          the newest first, each as a whole (PostgreSQL manual, "Asynchronous Commit": three times wal_writer_delay).
 * Thread   one.                  May use: world, base, projections (a table's shape).
 */
#pragma once

#include "core/testing/simulator/postgres_row.h"

enum { WAL_LOSS_US = 600 * 1000 };

struct row_list {
    const struct stored_row **items; /* by key */
    size_t count, capacity;
};

/* ---- tables, by number ------------------------------------------------------------------------------------------- */

struct stored_table {
    const struct view_table *shape;
    uint32_t required; /* a bit a column: NOT NULL */
    struct row_list rows;
};

/* Empties everything. */
void pg_store_begin(void);
size_t pg_store_table_new(const struct view_table *shape, uint32_t required);
const struct stored_table *pg_store_table(size_t table);

/* ---- transactions ------------------------------------------------------------------------------------------------ */

struct pg_store_change {
    struct str key;
    const struct stored_row *row; /* NULL: it goes */
    bool is_lock;                 /* only held; the row stays as it is */
    uint32_t command;             /* of the transaction's statements, which one made it */
};

struct pg_store_changes {
    struct pg_store_change *items; /* by key */
    size_t count, capacity;
    bool is_exclusive; /* LOCK TABLE ... IN EXCLUSIVE MODE */
};

struct pg_store_txn {
    bool is_open;
    uint32_t command; /* the caller counts it up with each statement */
    struct pg_store_changes *tables;
    size_t table_count;
    struct row_list *snapshot; /* NULL: what is committed as each statement runs */
    size_t snapshot_count;
    struct pg_store_txn *next; /* open ones, in the order in which they were opened */
};

void pg_store_open(struct pg_store_txn *txn);
/* Whether there was anything to commit. */
bool pg_store_commit(struct pg_store_txn *txn, bool is_synchronous);
void pg_store_drop(struct pg_store_txn *txn);
/* From now on it sees what is committed now, and its own changes. */
void pg_store_snapshot(struct pg_store_txn *txn);

/* The other transaction that has changed or locked the key; NULL: none. */
struct pg_store_txn *pg_store_holder(const struct pg_store_txn *txn, size_t table, struct str key);
/* The other one that has changed anything in the table, or locked it. */
struct pg_store_txn *pg_store_table_holder(const struct pg_store_txn *txn, size_t table);

/* What the transaction sees. */
const struct stored_row *pg_store_find(const struct pg_store_txn *txn, size_t table, struct str key);
/* All of it; the list is the caller's to free. `txn` NULL: what is committed. */
struct row_list pg_store_rows(const struct pg_store_txn *txn, size_t table);

/* The transaction's own change of the key; NULL: none. */
const struct pg_store_change *pg_store_changed(const struct pg_store_txn *txn, size_t table, struct str key);
void pg_store_put(struct pg_store_txn *txn, size_t table, const struct stored_row *row);
void pg_store_delete(struct pg_store_txn *txn, size_t table, struct str key);
void pg_store_lock(struct pg_store_txn *txn, size_t table, struct str key);
void pg_store_lock_table(struct pg_store_txn *txn, size_t table);

/* ---- its life ---------------------------------------------------------------------------------------------------- */

/* How many commits it lost. Nothing may be open any more. */
size_t pg_store_crash(void);
/* Everything committed so far stays, whatever happens. */
void pg_store_flush(void);
/* Transactions that changed something: committed, whether lost afterwards or not. */
int64_t pg_store_commit_count(void);
