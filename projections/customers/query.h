/* query.h: the statements that read customers and their history, and the rows that customers come in. The list of
 * customers is in list.h, their sessions are in sessions.h.
 *
 * State    the view holds what is personal as it stands in the log: sealed. So it keeps no ready document. A row has
 *          the customer's folded state; whoever may see it opens what is sealed there (customer_state_each_sealed names
 *          each) and writes the document (document.h). The verifier of the password is sealed in it as well.
 * Versions a row says which version of CustomerState its bytes are of, so that a newer front reads what an older
 *          projector wrote.
 * Memory   what a row is read into lives in the arena, save the id, which is the result's.
 * Thread   constants; reading is pure, any.            May use: pg, generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"
#include "gen/state.h"

/* The columns that rows of customers begin with, in each statement that has them. */
enum { CUSTOMER_COLUMN_ID, CUSTOMER_COLUMN_VERSION, CUSTOMER_COLUMN_SCHEMA, CUSTOMER_COLUMN_STATE, CUSTOMER_COLUMNS };

/* These columns, and the tables that they are of, for statements that list.c puts together. */
#define CUSTOMER_ROW "c.id, c.version, c.state_schema, encode(s.state, 'hex') AS state"
#define CUSTOMER_TABLES "customers.customers AS c JOIN customers.streams AS s ON s.stream = c.id"

/* $1 id (cus_..): the customer, whatever his status; no row when there is none. */
extern const struct pg_statement customer_by_id;

/* $1 stream of an address (idn_..): whoever logs in with it. The verified customer of the address; while there is none,
 * the newest of those who wait for it. No row: nobody; one who is being erased, or was, is not found. */
extern const struct pg_statement customer_by_identity;

struct customer_row {
    struct str id;
    int64_t version;
    struct customer_state state;
};

/* False: the bytes are of a version that this program does not know, or none at all: the front is older than its view,
 * or the view must be rebuilt. */
MUST_CHECK bool customer_row_read(struct arena *arena, const PGresult *rows, int row,
                                  struct customer_row *ret_customer);

/* The customer's events, oldest first: document ({stream, version, occurred_at, type, actor, command_id, causation_id,
 * hash, event}), cursor. What is sealed shows the id of its key alone, and what he calls an address is left out.
 * SessionRefreshed is not kept: a session has one every few minutes, and its last use is in sessions.h.
 * $1 id, $2 rows at most, $3 cursor (NULL: from the beginning) */
extern const struct pg_statement customer_history;
/* The same for himself: of an actor who is somebody else only what he was, e.g. "admin". */
extern const struct pg_statement customer_history_of_his;
