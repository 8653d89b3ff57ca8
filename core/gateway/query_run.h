/* query_run.h: one statement for one request: waits for the views that it reads, is sent, and its rows are answered.
 *
 * Promise  the request is answered exactly once: by on_rows, or with 503 view_behind, query_timeout, overloaded or
 *          database_unavailable.
 * Memory   in the exchange's arena; what embeds a query_run is, too.
 * Thread   the loop's.          May use: http, pg.
 */
#pragma once

#include "core/gateway/page_cache.h"
#include "core/gateway/position.h"
#include "core/gateway/request.h"
#include "core/pg/pool.h"

enum { QUERY_PARAMETERS_MAX = 4, COLUMN_DOCUMENT = 0, COLUMN_SECOND = 1, COLUMN_OWNER = 2 /* by id */ };

struct query_run {
    struct request *request;
    struct str position_text; /* what the Daybook-Position says when there is no header; mostly empty */
    struct position position;
    const char *const *views; /* still to be waited for */
    struct view_wait view_wait;
    const struct pg_statement *statement;
    struct str parameters[QUERY_PARAMETERS_MAX];
    const struct str *values; /* the statement's parameters: those above, or what was put in their place */
    bool (*from_memory)(struct query_run *run); /* answers without the database if it can; NULL: it never can */
    void (*send)(struct query_run *run);        /* once the views are there: query_run_send, or in its place */
    void (*on_rows)(struct query_run *run, const PGresult *result);
    bool is_list; /* it may take long, and then stands behind its like alone */
    /* By id: */
    const char *unknown_code;
    bool has_etag;
    bool has_owner;            /* the statement says whose it is: COLUMN_OWNER */
    bool is_of_catalogue;      /* that is not told by the document's own stream, but by the catalogue */
    struct page_question page; /* with an ETag */
    const char *without;       /* the member of the document that who asks is not shown; NULL: all of it */
};

struct query_run *query_run_create(struct request *request, const struct pg_statement *statement);
/* For one that stands inside something larger, which is zeroed. */
void query_run_init(struct query_run *run, struct request *request, const struct pg_statement *statement);

/* `views`: those that the statement reads; NULL-terminated. */
void query_run_start(struct query_run *run, const char *const *views);

/* Another statement in the place of the one that was answered, from inside on_rows. */
void query_run_send(struct query_run *run);

/* "items":[...]: the documents of the first `count` rows. */
void query_run_write_items(struct buf *body, const PGresult *result, int count);

/* The path parameter `name` as it is for a statement: checked by kind, a SKU without the prefix of its stream; and that
 * stream, which may be NULL. When it is refused, the request is answered. */
MUST_CHECK bool query_run_take_id(struct request *request, const char *name, struct str *ret_id,
                                  struct str *ret_stream);

/* Whose a row is, as this column of it says (access.h). One that says nothing is nobody's, and not everybody's. */
static inline struct str query_row_owner(const PGresult *result, int row, int column) {
    return PQgetisnull(result, row, column) != 0 ? OWNER_NOBODY : pg_value(result, row, column);
}
/* Whether who asks may see what is `owner`'s. */
bool query_run_shows(const struct query_run *run, struct str owner);
/* 404, as for what is not there. */
void query_run_answer_unknown(struct query_run *run);

/* The document, without what is not shown of it. */
void query_run_answer(struct query_run *run, struct str document);
/* The document of one stream at a version, which is its ETag; 304 to whom has that. */
void query_run_answer_document(struct query_run *run, struct str version, struct str document);
