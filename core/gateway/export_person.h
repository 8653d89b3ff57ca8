/* export_person.h: all that is kept of a person, to be taken along (GDPR, articles 15 and 20): one document, streamed.
 *
 *      GET /v1/me/export, GET /v1/customers/{customer}/export
 *      {"exported_at", "customer", "sessions": [], "history": [], "orders": [], "carts": [], "complete": true}
 *
 * Promise  it ends with `"complete": true` when it is all, and else with false: at EXPORT_MAX_BYTES, when the database
 *          does not answer, when the front stops. Then what follows is left out. A connection that breaks leaves a body
 *          that is not whole, which its client sees; never a half that looks whole. What cannot be begun is refused.
 *          Other people's names are not in it: of an actor who is somebody else the history says what he was.
 * Pages    of EXPORT_PAGE_ROWS rows, one statement after the other, each once the reader has taken the page before: one
 *          who is slow costs a page, and one who takes nothing is cut off (core/http/stream.h).
 * Bounds   EXPORTS_MAX at a time a loop, of each person one; past that 503 overloaded.
 * Log      that staff exported a person is a line of the log with the actor and whom, and nothing of what it held.
 * Thread   the loop's.          May use: http, pg, vault, projections' statements.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct gateway_loop;
struct request;

enum { EXPORT_PAGE_ROWS = 200, EXPORT_MAX_BYTES = 64 * 1024 * 1024, EXPORTS_MAX = 8 };

struct person_export;

/* Those of a loop. Zeroed: none. */
struct person_exports {
    struct person_export *first;
    size_t count;
    bool is_stopping;
};

void query_my_export(struct request *request);
void query_customer_export(struct request *request);

/* The front stops: those that wait for their reader end now, the others once the database has answered. */
void person_exports_stop(struct person_exports *exports);
