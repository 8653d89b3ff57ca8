/* postgres_rows.h: the statements of PostgreSQL's double that write and read many rows, and results. Not for others.
 *
 * Purpose  what writer.c and compare.c send, whose parameters are arrays in PostgreSQL's binary format.
 * Thread   one.                  May use: the double's other parts.
 */
#pragma once

#include "core/testing/simulator/postgres_server.h"

/* ---- postgres_run.c ---------------------------------------------------------------------------------------------- */

struct str schema_of(const struct backend *backend);
/* `schema` empty: that of search_path. RUN_REFUSED: there is none. */
enum run find_table(struct backend *backend, struct request *request, struct str schema, struct str name,
                    size_t *ret_table);

/* ---- postgres_rows.c --------------------------------------------------------------------------------------------- */

enum run run_move(struct backend *backend, struct request *request, struct statement *statement);
enum run run_unpark(struct backend *backend, struct request *request, struct statement *statement);
enum run run_load(struct backend *backend, struct request *request, struct statement *statement);
enum run run_insert_rows(struct backend *backend, struct request *request, struct statement *statement);
enum run run_delete_rows(struct backend *backend, struct request *request, struct statement *statement);
/* The elements of a text[] parameter, in the request's arena; how many. */
size_t text_array_read(struct request *request, struct str parameter, struct str **ret_elements);
/* PREPARE: whether there is the table, and the text is what the double does. */
enum run look_at_rows(struct backend *backend, struct request *request, struct statement *statement);

/* ---- postgres_parking.c ------------------------------------------------------------------------------------------ */

/* What is parked and skipped, asked for and changed. */
enum run run_parking(struct backend *backend, struct request *request, struct statement *statement);

/* ---- postgres_cursor.c ------------------------------------------------------------------------------------------- */

enum run run_find_columns(struct backend *backend, struct request *request, struct statement *statement);
enum run run_open_cursor(struct backend *backend, struct request *request, struct statement *statement);
enum run run_fetch(struct backend *backend, struct request *request, struct statement *statement);
enum run run_close(struct backend *backend, struct request *request, struct statement *statement);

/* Replaces the request's result by an empty one of so many columns. */
void result_begin(struct request *request, const struct statement *statement, int columns);
void result_field(struct request *request, int row, int column, struct str field);
void result_int8(struct request *request, const struct statement *statement, int row, int column, int64_t number);
/* SELECT of the first columns of a table, all its rows. */
enum run select_columns(struct backend *backend, struct request *request, struct statement *statement,
                        struct str schema, struct str name, size_t columns);
