/* postgres_catalog.h: the schemas of PostgreSQL's double and the tables in them, which are rows as well.
 *
 * Purpose  so that making, renaming and dropping a schema is part of a transaction, is rolled back and lost in a crash
 *          like everything else. What a schema's tables look like is told by struct view, and checked against view.sql.
 * Promise  a table whose columns or types are not those of its CREATE TABLE, or that has none, ends the program.
 * Thread   one.                  May use: world, base, projections.
 */
#pragma once

#include "core/testing/simulator/postgres_store.h"

/* The tables of the store that hold the catalogue. */
enum { CATALOG_SCHEMAS, CATALOG_TABLES, CATALOG_ADVISORY_LOCKS };

/* The runtime's tables that projectors write no rows to: struct view knows nothing of them. */
extern const struct view_table position_shape, about_shape, migrations_shape, skipped_shape;

enum { POSITION_TOPIC, POSITION_SHARD, POSITION_NEXT_OFFSET };
enum { ABOUT_FORMAT, ABOUT_EPOCH };
enum { SKIPPED_STREAM, SKIPPED_VERSION };

/* After pg_store_begin. */
void catalog_begin(void);

/* The other transaction that is making, renaming or dropping a schema of that name; NULL: none. */
struct pg_store_txn *catalog_holder(const struct pg_store_txn *txn, struct str schema);
bool catalog_has_schema(const struct pg_store_txn *txn, struct str schema);
/* A schema keeps its number whatever its name. 0: there is none of that name; empty: none of that number. */
int64_t catalog_schema_number(const struct pg_store_txn *txn, struct str schema);
struct str catalog_schema_name(const struct pg_store_txn *txn, int64_t number);
/* False: there is no such table. `txn` NULL: as committed. */
bool catalog_find(const struct pg_store_txn *txn, struct str schema, struct str table, size_t *ret_table);

/* The tables of a schema by their names, as numbers of the store; how many. */
size_t catalog_tables(const struct pg_store_txn *txn, struct str schema, size_t *ret_tables, size_t capacity);

void catalog_create_schema(struct pg_store_txn *txn, struct str schema);
/* runtime.sql, parking.sql, a view's view.sql, and what migrate.c makes. The schema must be there, the tables not. */
void catalog_create_runtime(struct pg_store_txn *txn, struct str schema);
void catalog_create_parking(struct pg_store_txn *txn, struct str schema);
void catalog_create_view(struct pg_store_txn *txn, struct str schema, const struct view *view);
void catalog_create_migrations(struct pg_store_txn *txn, struct str schema);
void catalog_drop_schema(struct pg_store_txn *txn, struct str schema);
void catalog_rename_schema(struct pg_store_txn *txn, struct str schema, struct str name);

/* With an epoch that there never was; in the place of what says the same format. */
void catalog_put_about(struct pg_store_txn *txn, size_t about, int64_t format);
