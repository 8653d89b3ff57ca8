#include "core/gateway/customers_admin.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/gateway/cursor.h"
#include "core/gateway/customer_read.h"
#include "core/gateway/identity.h"
#include "core/gateway/intake.h"
#include "core/gateway/list_filters.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/unsealing.h"
#include "gen/codec.h"
#include "gen/json.h"
#include "projections/customers/document.h"
#include "projections/customers/list.h"

enum {
    DOCUMENT_MAX_BYTES = 1024 * 1024,
    LIST_BODY_MAX_BYTES = 32 * 1024 * 1024,
    LIST_ARENA_BYTES = 64 * 1024 * 1024, /* of one list's rows, until it is answered */
    ROW_MAX_BYTES = 1024 * 1024,         /* of the arena; a customer has 20 addresses, and states are bounded */
};
static_assert(LIST_LIMIT_MAX <= (int)VAULT_BATCH_MAX, "a page's keys are had by one question");

static const char *const customers_view[] = {"customers", NULL};

static void log_reading(const struct request *request, const char *message, struct str customer) {
    log_line(LOG_INFO, "gateway", message, LOG_STR("actor", request->access.actor), LOG_STR("customer", customer));
}

/* ---- one --------------------------------------------------------------------------------------------------------- */

/* That he reads himself is nobody's business. */
static void log_reading_of_one(const struct customer_reading *reading) {
    if (reading->finding.is_there && !access_is_own(&reading->request->access)) {
        log_reading(reading->request, "a customer was read", reading->finding.customer.id);
    }
}

static void answer_customer(struct customer_reading *reading) {
    log_reading_of_one(reading);
    customer_reading_answer(reading);
}

/* Whoever sees himself alone is told of another what he is told of nobody. */
void query_customer(struct request *request) {
    struct str id;
    if (!query_run_take_id(request, "customer", &id, NULL)) {
        return;
    }
    if (access_is_own(&request->access) && !str_equal(id, request->principal.id)) {
        request_refuse(request, 404, "unknown_customer", REQUEST_UNKNOWN_THING);
        return;
    }
    customer_read_by_id(request, id, answer_customer);
}

/* ---- by address -------------------------------------------------------------------------------------------------- */

static void release_json(json_t **json) {
    json_decref(*json);
}

/* The body is that of RequestPasswordReset, an address and nothing else, and is read as strictly. */
static bool read_email(struct request *request, struct str *ret_email, struct problem *ret_problem) {
    struct arena *arena = request_arena(request);
    CLEANUP(release_json) json_t *body = NULL;
    struct command command = {.type = COMMAND_REQUEST_PASSWORD_RESET};
    struct json_problem field;
    if (!intake_json(request->exchange, &body, ret_problem)) {
        return false;
    }
    if (!command_body_from_json(command.type, body, arena, &command, &field)) {
        *ret_problem = (struct problem){.status = 400,
                                        .code = field.code,
                                        .detail = arena_printf(arena, "%.*s", STR_ARGS(field.detail)).data,
                                        .pointer = field.pointer};
        return false;
    }
    *ret_email = command.as.request_password_reset.email;
    return true;
}

static void answer_lookup(struct customer_reading *reading) {
    struct buf body;
    log_reading_of_one(reading);
    buf_init_wiping(&body, DOCUMENT_MAX_BYTES);
    buf_str(&body, STR("{\"items\":["));
    if (reading->finding.is_there) {
        customer_reading_write(reading, &body);
    }
    buf_str(&body, STR("],\"next_cursor\":null}"));
    assert(buf_ok(&body));
    request_answer_json(reading->request, 200, buf_text(&body));
    buf_release(&body);
}

void query_customer_lookup(struct request *request) {
    struct problem problem;
    struct str email;
    if (!read_email(request, &email, &problem)) {
        request_problem(request, &problem);
        return;
    }
    http_body_done(request->exchange);
    struct str identity = identity_of_email(request_arena(request), &request->loop->gateway->secret, email);
    customer_read_by_identity(request, identity, answer_lookup);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* Rows are read into memory of their own: so many persons are more than one request may hold in its arena. */
struct customers_page {
    struct arena arena;
    struct customer_row *rows;
    struct str *key_ids;
    size_t count;
    struct str cursor; /* of the last row; empty: there are no more */
};

struct customers_list {
    struct query_run run; /* first: on_rows is given its address */
    struct list_page asked;
    struct pg_select select;
    struct customers_page *page;
};

static bool page_make(struct customers_list *list) {
    struct gateway_loop *loop = list->run.request->loop;
    if (loop->customers_pages == CUSTOMERS_PAGES_MAX) {
        return false;
    }
    loop->customers_pages++;
    list->page = calloc_or_end(1, sizeof *list->page);
    arena_init(&list->page->arena, LIST_ARENA_BYTES);
    return true;
}

static void page_free(struct customers_list *list) {
    list->run.request->loop->customers_pages--;
    arena_wipe(&list->page->arena);
    arena_release(&list->page->arena);
    free(list->page);
}

/* False: a row cannot be read. */
static bool take_rows(struct customers_list *list, const PGresult *result) {
    struct customers_page *page = list->page;
    struct arena *arena = &page->arena;
    int rows = PQntuples(result), most = rows > list->asked.limit ? (int)list->asked.limit : rows;
    page->rows = arena_alloc(arena, (size_t)LIST_LIMIT_MAX * sizeof *page->rows);
    page->key_ids = arena_alloc(arena, (size_t)LIST_LIMIT_MAX * sizeof *page->key_ids);
    for (int at = 0; at < most && arena_left(arena) > ROW_MAX_BYTES; at++) {
        struct customer_row *row = &page->rows[page->count];
        if (!customer_row_read(arena, result, at, row)) {
            return false;
        }
        row->id = arena_str_copy(arena, row->id);
        page->key_ids[page->count++] = row->state.key_id;
    }
    int shown = (int)page->count;
    if (rows > shown && shown > 0) {
        page->cursor = arena_str_copy(arena, pg_value(result, shown - 1, CUSTOMERS_COLUMN_CURSOR));
    }
    return true;
}

static void open_with(struct arena *arena, const struct vault_key *key, bool is_there, struct sealed *value) {
    if (!is_there || str_is_empty(key->id) || !vault_unseal(key, arena, value, &value->plaintext)) {
        value->plaintext = (struct str){0};
    }
}

static void write_page(const struct customers_list *list, struct buf *body) {
    struct request *request = list->run.request;
    const struct customers_page *page = list->page;
    buf_str(body, STR("{\"items\":["));
    for (size_t i = 0; i < page->count; i++) {
        buf_str(body, i > 0 ? STR(",") : STR(""));
        customer_document(body, page->rows[i].id, page->rows[i].version, &page->rows[i].state);
    }
    buf_str(body, STR("],\"next_cursor\":"));
    if (str_is_empty(page->cursor)) {
        buf_str(body, STR("null}"));
    } else {
        struct str cursor =
            cursor_write(request_arena(request), &request->loop->gateway->secret, list->asked.identity, page->cursor);
        buf_printf(body, "\"%.*s\"}", STR_ARGS(cursor));
    }
    assert(buf_ok(body));
}

/* The list is gone once its request is answered, and its page before. `keys` is NULL when nobody is on it. */
static void answer_list(struct customers_list *list, const struct vault_key *keys) {
    struct request *request = list->run.request;
    struct customers_page *page = list->page;
    struct buf body;
    buf_init_wiping(&body, LIST_BODY_MAX_BYTES);
    for (size_t i = 0; keys != NULL && i < page->count; i++) {
        struct customer_state *state = &page->rows[i].state;
        open_with(&page->arena, &keys[i], state->has_email, &state->email);
        open_with(&page->arena, &keys[i], state->has_name, &state->name);
        log_reading(request, "a customer was listed", page->rows[i].id);
    }
    write_page(list, &body);
    page_free(list);
    request_answer_json(request, 200, buf_text(&body));
    buf_release(&body);
}

static void on_keys(void *context, enum vault_found found, const struct vault_key *keys, size_t count) {
    struct customers_list *list = context;
    struct request *request = list->run.request;
    if (!request->is_lost && customer_is_opened(found)) {
        assert(count == list->page->count);
        answer_list(list, keys);
        return;
    }
    page_free(list);
    if (request->is_lost) {
        request_drop(request);
    } else {
        customer_refuse_unopened(request, found);
    }
}

static void on_rows(struct query_run *run, const PGresult *result) {
    struct customers_list *list = (struct customers_list *)run;
    if (!page_make(list)) {
        request_overloaded(run->request);
    } else if (!take_rows(list, result)) {
        log_line(LOG_ERROR, "gateway", "a customer cannot be read: this front is older than its view",
                 LOG_CSTR("statement", list->select.statement.name));
        page_free(list);
        request_no_database(run->request);
    } else if (list->page->count == 0) {
        answer_list(list, NULL);
    } else {
        vault_keys_of(run->request->loop->vault, list->page->key_ids, list->page->count, on_keys, list);
    }
}

void query_customers(struct request *request) {
    struct customers_list *list = arena_alloc(request_arena(request), sizeof *list);
    struct customers_filter filter;
    struct problem problem;
    request->exchange->holds_secrets = true; /* what is opened */
    query_run_init(&list->run, request, NULL);
    list->run.on_rows = on_rows;
    list->run.is_list = true;
    if (!list_page_read(request->exchange, &request->loop->gateway->secret, "customers", &list->asked, &problem) ||
        !list_filters_customers(request->exchange, &list->asked, &filter, &problem)) {
        request_problem(request, &problem);
        return;
    }
    /* A row more than the page has tells that there are more. */
    struct str rows = arena_printf(request_arena(request), "%lld", (long long)list->asked.limit + 1);
    customers_list(&list->select, request_arena(request), &filter, rows);
    list->run.statement = &list->select.statement;
    list->run.values = list->select.parameters;
    query_run_start(&list->run, customers_view);
}
