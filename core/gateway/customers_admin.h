/* customers_admin.h: people, as those see them who help them: one by id or by address, and the list of all.
 *
 * Personal what is sealed is opened for the answer and kept nowhere: what it was opened into is overwritten. The list
 *          opens addresses and names; the verifier of a password is never opened here. Of one who was erased nothing
 *          opens, and the answer has the rest.
 * Log      each reading is a line of the log with the actor and whom he read, and nothing of what he saw.
 * Address  to look somebody up by stands in a body alone; the view knows its keyed hash.
 * Bounds   CUSTOMERS_PAGES_MAX lists a loop that have their rows and wait for the vault; past them 503 `overloaded`.
 * Promise  as queries.h. What cannot be opened because the vault is away is 503, never half an answer.
 * Changes  of roles, lockouts and erasure are commands (routes.def); their answers open nothing.
 * Thread   the loop's.          May use: http, pg, vault, projections' statements.
 */
#pragma once

enum { CUSTOMERS_PAGES_MAX = 8 }; /* of 64 MiB at most, and mostly of some KiB */

struct request;

void query_customer(struct request *request);
void query_customer_lookup(struct request *request);
void query_customers(struct request *request);
