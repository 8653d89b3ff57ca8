#include "core/gateway/query_run.h"

#include <assert.h>

#include "core/base/json_cut.h"
#include "core/base/timestamp.h"
#include "core/gateway/intake.h"
#include "core/gateway/loop.h"
#include "core/gateway/path_id.h"

static void on_result(void *context, const PGresult *result, const struct err_info *error) {
    struct query_run *run = context;
    if (run->request->is_lost) {
        request_drop(run->request);
        return;
    }
    if (error == NULL) {
        run->on_rows(run, result);
        return;
    }
    request_query_failed(run->request, run->statement->name, error);
}

static void on_view(void *context, enum view_state state);

/* The views that the statement reads are waited for one after the other. */
static void wait_for_views(struct query_run *run) {
    struct request *request = run->request;
    if (*run->views == NULL) {
        run->send(run);
        return;
    }
    int64_t until =
        request->exchange->received_at_boot_us + request->loop->gateway->config->view_wait_ms * MICROS_PER_MS;
    view_wait_begin(&request->loop->view_waits, &run->view_wait, *run->views++, &run->position, until, on_view, run);
}

static void on_view(void *context, enum view_state state) {
    struct query_run *run = context;
    if (state == VIEW_CAUGHT_UP) {
        wait_for_views(run);
    } else {
        request_view_is_not_there(run->request, state);
    }
}

void query_run_init(struct query_run *run, struct request *request, const struct pg_statement *statement) {
    run->request = request;
    run->statement = statement;
    run->values = run->parameters;
    run->send = query_run_send;
}

struct query_run *query_run_create(struct request *request, const struct pg_statement *statement) {
    struct query_run *run = arena_alloc(request_arena(request), sizeof *run);
    query_run_init(run, request, statement);
    return run;
}

static void on_lost(struct request *request) {
    struct query_run *run = request->waiting;
    if (view_wait_cancel(&run->view_wait)) {
        request_drop(request);
    } /* else the statement's answer comes first */
}

void query_run_start(struct query_run *run, const char *const *views) {
    struct request *request = run->request;
    struct problem problem;
    struct str header = http_request_field(request->exchange, "daybook-position");
    struct str position = header.data == NULL ? run->position_text : header;
    request->on_lost = on_lost;
    request->waiting = run;
    if (!intake_position(position, &request->loop->gateway->secret, &run->position, &problem)) {
        request_problem(request, &problem);
    } else if (run->from_memory == NULL || !run->from_memory(run)) {
        run->views = views;
        wait_for_views(run); /* without a position there is nothing to wait for */
    }
}

void query_run_send(struct query_run *run) {
    const struct gateway_loop *loop = run->request->loop;
    loop->view_waits.ask(run->is_list ? loop->list_pg : loop->query_pg, run->statement, run->values, on_result, run);
}

void query_run_write_items(struct buf *body, const PGresult *result, int count) {
    buf_str(body, STR("\"items\":["));
    for (int row = 0; row < count; row++) {
        if (row > 0) {
            buf_byte(body, ',');
        }
        buf_str(body, pg_value(result, row, COLUMN_DOCUMENT));
    }
    buf_byte(body, ']');
}

bool query_run_take_id(struct request *request, const char *name, struct str *ret_id, struct str *ret_stream) {
    struct problem problem;
    struct str stream;
    struct str value = request_parameter(request, name);
    if (!path_id_stream(request_arena(request), str_of_cstr(name), value, &stream, &problem)) {
        request_problem(request, &problem);
        return false;
    }
    if (ret_stream != NULL) {
        *ret_stream = stream;
    }
    *ret_id = value;
    return true;
}

bool query_run_shows(const struct query_run *run, struct str owner) {
    return access_shows(&run->request->access, &run->request->principal, owner);
}

void query_run_answer_unknown(struct query_run *run) {
    request_refuse(run->request, 404, run->unknown_code, REQUEST_UNKNOWN_THING);
}

void query_run_answer(struct query_run *run, struct str document) {
    if (run->without == NULL) {
        request_answer_json(run->request, 200, document);
        return;
    }
    struct buf rest;
    buf_init(&rest, (size_t)document.len + 1);
    bool is_cut = json_without_member(&rest, document, run->without);
    assert(is_cut && "a view's document is an object");
    request_answer_json(run->request, 200, buf_text(&rest));
    buf_release(&rest);
}

void query_run_answer_document(struct query_run *run, struct str version, struct str document) {
    struct request *request = run->request;
    struct str etag = arena_printf(request_arena(request), "\"%.*s\"", STR_ARGS(version));
    http_answer_field(request->exchange, "ETag", etag);
    if (request_knows(request, etag)) {
        request_answer(request, 304, NULL, (struct str){0});
    } else {
        query_run_answer(run, document);
    }
}
