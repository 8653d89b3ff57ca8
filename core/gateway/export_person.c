#include "core/gateway/export_person.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/gateway/customer_read.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/vault/token.h"
#include "projections/carts/query.h"
#include "projections/customers/document.h"
#include "projections/customers/query.h"
#include "projections/customers/sessions.h"
#include "projections/orders/query.h"

enum {
    PAGE_ARENA_BYTES = 4 * 1024 * 1024, /* sessions of one page, with their clients: some 500 bytes each */
    CURSOR_MAX_BYTES = 64,              /* an id, or a number */
    TAIL_MAX_BYTES = 128,               /* what closes the document, wherever it stands */
};
static_assert(EXPORT_PAGE_ROWS <= (int)UNSEALING_MAX, "a page's clients are opened at once");

static const char *const views_read[] = {"customers", "orders", "carts", NULL};

/* What the document is made of behind the person, in its order; each is read by $1 customer, $2 rows, $3 cursor, and a
 * row has its document and its cursor, save that sessions are written here. */
static const struct part {
    const char *name;
    const struct pg_statement *statement;
} parts[] = {
    {"sessions", &customer_sessions_opened},
    {"history", &customer_history_of_his},
    {"orders", &orders_of_customer},
    {"carts", &carts_of_customer},
};

struct person_export {
    struct http_stream stream;
    struct gateway_loop *loop;
    struct person_export *next, **link;
    char customer[CUSTOMER_ID_LEN + 1];
    size_t part; /* that is being written */
    bool has_rows;
    char cursor[CURSOR_MAX_BYTES + 1]; /* behind which the next page begins; empty: the first */
    struct buf text;                   /* to be sent */
    size_t sent_bytes;
    bool is_asking; /* an answer is on its way, of the database or the vault */
    bool is_lost;
    /* A page of sessions, while their clients are opened: */
    struct arena arena;
    struct customer_session *sessions;
    size_t session_count;
    struct unsealing unsealing;
};

/* ---- those under way --------------------------------------------------------------------------------------------- */

static struct person_export *export_create(struct gateway_loop *loop, struct str customer) {
    struct person_exports *exports = &loop->exports;
    struct person_export *export = calloc_or_end(1, sizeof *export);
    assert(customer.len < sizeof export->customer);
    memcpy(export->customer, customer.data, customer.len);
    export->loop = loop;
    export->next = exports->first;
    export->link = &exports->first;
    if (export->next != NULL) {
        export->next->link = &export->next;
    }
    exports->first = export;
    exports->count++;
    buf_init_wiping(&export->text, EXPORT_MAX_BYTES);
    arena_init(&export->arena, PAGE_ARENA_BYTES);
    return export;
}

static void export_free(struct person_export *export) {
    *export->link = export->next;
    if (export->next != NULL) {
        export->next->link = export->link;
    }
    export->loop->exports.count--;
    buf_release(&export->text);
    arena_wipe(&export->arena);
    arena_release(&export->arena);
    free(export);
}

static bool has_export(const struct person_exports *exports, struct str customer) {
    const struct person_export *export = exports->first;
    while (export != NULL && !str_equal(str_of_cstr(export->customer), customer)) {
        export = export->next;
    }
    return export != NULL;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void send_text(struct person_export *export) {
    struct str text = buf_text(&export->text);
    export->sent_bytes += text.len;
    http_stream_send(&export->stream, text);
    unsealing_wipe(text);
    buf_clear(&export->text);
}

/* The document is closed wherever it stands: in an array, or behind the last. */
static void end(struct person_export *export, bool is_complete) {
    buf_str(&export->text, export->part < ARRAY_LENGTH(parts) ? STR("]") : STR(""));
    buf_printf(&export->text, ",\"complete\":%s}", is_complete ? "true" : "false");
    assert(buf_ok(&export->text) && "room is left for it");
    send_text(export);
    http_stream_end(&export->stream);
    export_free(export);
}

static void begin_part(struct person_export *export) {
    buf_printf(&export->text, ",\"%s\":[", parts[export->part].name);
    export->cursor[0] = '\0';
    export->has_rows = false;
}

/* False: with it, it would be too large. */
static bool write_row(struct person_export *export, struct str document) {
    if (export->sent_bytes + export->text.len + document.len + TAIL_MAX_BYTES > EXPORT_MAX_BYTES) {
        return false;
    }
    buf_str(&export->text, export->has_rows ? STR(",") : STR(""));
    buf_str(&export->text, document);
    export->has_rows = true;
    return true;
}

/* A page stands in the text, or as much of it as there was room for. */
static void end_page(struct person_export *export, bool is_whole, int rows) {
    if (!is_whole || export->loop->exports.is_stopping) {
        end(export, false);
        return;
    }
    if (rows < EXPORT_PAGE_ROWS) {
        export->part++;
        buf_byte(&export->text, ']');
        if (export->part == ARRAY_LENGTH(parts)) {
            end(export, true);
            return;
        }
        begin_part(export);
    }
    send_text(export);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The answer has come: false when nobody waits for it any more, and the export is gone. */
static bool goes_on(struct person_export *export) {
    export->is_asking = false;
    if (export->is_lost) {
        export_free(export);
        return false;
    }
    return true;
}

static void on_clients(struct unsealing *unsealing, enum vault_found found) {
    struct person_export *export = unsealing->context;
    if (!goes_on(export)) {
        return;
    }
    struct buf document;
    bool is_whole = customer_is_opened(found);
    buf_init_wiping(&document, PAGE_ARENA_BYTES);
    for (size_t i = 0; is_whole && i < export->session_count; i++) {
        buf_clear(&document);
        customer_session_opened_document(&document, &export->sessions[i]);
        is_whole = buf_ok(&document) && write_row(export, buf_text(&document));
    }
    buf_release(&document);
    end_page(export, is_whole, (int)export->session_count);
}

/* False: one cannot be read by a front of this age. */
static bool take_sessions(struct person_export *export, const PGresult *rows) {
    struct arena *arena = &export->arena;
    arena_reset(arena);
    export->session_count = 0;
    export->sessions = arena_alloc(arena, (size_t)EXPORT_PAGE_ROWS * sizeof *export->sessions);
    /* The rows stay when he is erased, unlike his state: a key that is remembered here and destroyed opens nothing. */
    export->unsealing =
        (struct unsealing){.arena = arena, .on_done = on_clients, .context = export, .is_discreet = true};
    for (int row = 0; row < PQntuples(rows); row++) {
        struct customer_session *session = &export->sessions[export->session_count];
        if (!customer_session_read(arena, rows, row, session)) {
            return false;
        }
        bool fits = !session->has_client || unsealing_add(&export->unsealing, &session->client);
        assert(fits);
        export->session_count++;
        (void)snprintf(export->cursor, sizeof export->cursor, "%d", session->session);
    }
    return true;
}

static void on_sessions(struct person_export *export, const PGresult *rows) {
    if (!take_sessions(export, rows)) {
        end(export, false);
        return;
    }
    export->is_asking = true;
    unsealing_begin(&export->unsealing, export->loop->vault);
}

static void on_documents(struct person_export *export, const PGresult *rows) {
    bool is_whole = true;
    int count = PQntuples(rows);
    for (int row = 0; is_whole && row < count; row++) {
        struct str cursor = pg_value(rows, row, COLUMN_SECOND);
        is_whole = cursor.len <= CURSOR_MAX_BYTES && write_row(export, pg_value(rows, row, COLUMN_DOCUMENT));
        if (is_whole) {
            (void)snprintf(export->cursor, sizeof export->cursor, "%.*s", STR_ARGS(cursor));
        }
    }
    end_page(export, is_whole, count);
}

static void on_rows(void *context, const PGresult *rows, const struct err_info *error) {
    struct person_export *export = context;
    if (!goes_on(export)) {
        return;
    }
    if (error != NULL) {
        log_line(LOG_WARN, "gateway", "an export ends early: the database does not answer",
                 LOG_CSTR("statement", parts[export->part].statement->name), LOG_CSTR("why", error->text));
        end(export, false);
    } else if (parts[export->part].statement == &customer_sessions_opened) {
        on_sessions(export, rows);
    } else {
        on_documents(export, rows);
    }
}

static void ask(struct person_export *export) {
    struct gateway_loop *loop = export->loop;
    char rows[16];
    struct str cursor = str_of_cstr(export->cursor);
    const struct str parameters[] = {
        str_of_cstr(export->customer),
        str_of(rows, (size_t)snprintf(rows, sizeof rows, "%d", EXPORT_PAGE_ROWS)),
        str_is_empty(cursor) ? (struct str){0} : cursor,
    };
    export->is_asking = true;
    loop->view_waits.ask(loop->list_pg, parts[export->part].statement, parameters, on_rows, export);
}

static void on_room(struct http_stream *stream) {
    struct person_export *export = CONTAINER_OF(stream, struct person_export, stream);
    if (!export->is_asking) {
        ask(export);
    }
}

static void on_lost(struct http_stream *stream) {
    struct person_export *export = CONTAINER_OF(stream, struct person_export, stream);
    if (export->is_asking) {
        export->is_lost = true;
    } else {
        export_free(export);
    }
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static void write_beginning(struct person_export *export, const struct customer_reading *reading) {
    char now[TIMESTAMP_TEXT_MAX + 1];
    size_t len = timestamp_write(clock_wall_us(), now);
    buf_printf(&export->text, "{\"exported_at\":\"%.*s\",\"customer\":", (int)len, now);
    customer_reading_write(reading, &export->text);
    begin_part(export);
}

static void begin(struct customer_reading *reading) {
    struct request *request = reading->request;
    struct gateway_loop *loop = request->loop;
    struct str customer = reading->finding.customer.id;
    if (!reading->finding.is_there) {
        request_refuse(request, 404, "unknown_customer", REQUEST_UNKNOWN_THING);
        return;
    }
    if (loop->exports.is_stopping) {
        request_stopping(request);
        return;
    }
    if (loop->exports.count >= EXPORTS_MAX || has_export(&loop->exports, customer)) {
        request_overloaded(request);
        return;
    }
    if (!access_is_own(&request->access)) {
        log_line(LOG_INFO, "gateway", "a customer was exported", LOG_STR("actor", request->access.actor),
                 LOG_STR("customer", customer));
    }
    struct person_export *export = export_create(loop, customer);
    export->stream = (struct http_stream){.on_room = on_room, .on_lost = on_lost};
    write_beginning(export, reading);
    http_answer_field(request->exchange, "Content-Disposition",
                      arena_printf(request_arena(request), "attachment; filename=\"%s.json\"", export->customer));
    if (!request_stream(request, "application/json", &export->stream)) {
        export_free(export); /* only its head was asked for, or nobody waits for it */
        return;
    }
    send_text(export);
}

struct export_query {
    struct query_run run; /* first: `send` is given its address */
    struct str customer;
};

/* The views have what the position names, each: the person is read first. */
static void read_person(struct query_run *run) {
    const struct export_query *query = (const struct export_query *)run;
    customer_read_by_id(run->request, query->customer, begin);
}

static void begin_query(struct request *request, struct str customer) {
    struct export_query *query = arena_alloc(request_arena(request), sizeof *query);
    query_run_init(&query->run, request, NULL);
    query->run.send = read_person;
    query->customer = customer;
    query_run_start(&query->run, views_read);
}

void query_my_export(struct request *request) {
    if (str_is_empty(request->principal.id)) {
        http_answer_field(request->exchange, "WWW-Authenticate", STR("Bearer"));
        request_refuse(request, 401, "unauthenticated", "Nobody is logged in whose it could be.");
        return;
    }
    begin_query(request, request->principal.id);
}

void query_customer_export(struct request *request) {
    struct str customer;
    if (query_run_take_id(request, "customer", &customer, NULL)) {
        begin_query(request, customer);
    }
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

void person_exports_stop(struct person_exports *exports) {
    exports->is_stopping = true;
    for (struct person_export *export = exports->first, *next; export != NULL; export = next) {
        next = export->next;
        if (!export->is_asking) {
            end(export, false);
        }
    }
}
