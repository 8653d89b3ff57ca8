#include "core/gateway/as_of.h"

#include "core/base/json_write.h"
#include "core/base/logger.h"
#include "core/base/text.h"
#include "core/gateway/query_string.h"
#include "projections/runtime/standing.h"

/* A document is bounded by its aggregate: the largest is a product's, 128 KiB of text before it is escaped. */
enum { BODY_MAX_BYTES = 4 * 1024 * 1024, COLUMN_BEGAN = 0, COLUMN_BEGAN_OWNER = 1 };

/* A question of a thing as it stood. */
struct as_of_run {
    struct query_run run; /* first, so that the one is found from the other */
    const struct as_of_thing *thing;
    struct str stream;
    struct as_of as_of;
};

bool as_of_read(struct http_exchange *exchange, struct as_of *ret_as_of, struct problem *ret_problem) {
    static const char must_be[] = "a version of at least 1, or a time as in RFC 3339, e.g. 2026-11-23T06:00:00Z";
    struct as_of as_of = {0};
    struct str text;
    int64_t version;
    if (!query_string_text(exchange, "as_of", 64, &text, ret_problem)) {
        return false;
    }
    if (text.data != NULL && int64_read(text, &version)) {
        as_of.version = text;
        if (version < 1) {
            return query_string_refuse(exchange, "as_of", must_be, ret_problem);
        }
    } else if (text.data != NULL && !query_string_time(exchange, "as_of", &as_of.time, ret_problem)) {
        return query_string_refuse(exchange, "as_of", must_be, ret_problem);
    }
    *ret_as_of = as_of;
    return true;
}

void as_of_write(struct buf *body, int64_t version, struct str occurred_at) {
    struct json_writer writer = json_writer_of(body);
    buf_str(body, STR("\"as_of\":"));
    json_object_begin(&writer);
    json_field_int(&writer, "version", version);
    json_field_string(&writer, "occurred_at", occurred_at);
    json_object_end(&writer);
}

/* ---- nothing was there ------------------------------------------------------------------------------------------- */

static void on_began(struct query_run *run, const PGresult *result) {
    struct request *request = run->request;
    bool has_owner = PQnfields(result) > COLUMN_BEGAN_OWNER;
    if (PQntuples(result) == 0 ||
        (has_owner && !query_run_shows(run, query_row_owner(result, 0, COLUMN_BEGAN_OWNER)))) {
        query_run_answer_unknown(run);
        return;
    }
    struct str began = pg_value(result, 0, COLUMN_BEGAN);
    request_refuse(request, 404, "before_beginning",
                   arena_printf(request_arena(request), "It did not exist as of then: its first event is of %.*s.",
                                STR_ARGS(began))
                       .data);
}

void as_of_refuse(struct query_run *run, const struct pg_statement *began, struct str id, const struct as_of *as_of) {
    if (as_of->time.data == NULL) { /* each stream that exists has a version 1 */
        query_run_answer_unknown(run);
        return;
    }
    run->statement = began;
    run->parameters[0] = id;
    run->parameters[1] = run->request->principal.vendor;
    run->on_rows = on_began;
    query_run_send(run);
}

/* ---- something was ----------------------------------------------------------------------------------------------- */

static void answer_standing(struct as_of_run *asked, const struct standing *standing) {
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    asked->thing->write(&body, asked->stream, standing->version, standing->state);
    body.len--; /* the document's last brace: as_of is its last member */
    buf_byte(&body, ',');
    as_of_write(&body, standing->version, standing->occurred_at);
    buf_byte(&body, '}');
    struct str version = arena_printf(request_arena(asked->run.request), "%lld", (long long)standing->version);
    query_run_answer_document(&asked->run, version, buf_text(&body));
    buf_release(&body);
}

static void on_past(struct query_run *run, const PGresult *result) {
    struct as_of_run *asked = (struct as_of_run *)run;
    if (PQntuples(result) == 0) {
        as_of_refuse(run, asked->thing->began, asked->stream, &asked->as_of);
        return;
    }
    struct arena arena;
    struct standing standing;
    arena_init(&arena, STANDING_MAX_BYTES);
    if (standing_fold(&arena, asked->thing->aggregate, result, &standing)) {
        if (asked->thing->owner == NULL || query_run_shows(run, asked->thing->owner(&arena, standing.state))) {
            answer_standing(asked, &standing);
        } else {
            query_run_answer_unknown(run);
        }
    } else {
        log_line(LOG_ERROR, "gateway",
                 "a history cannot be read back: is this front older than its events? Else rebuild the view",
                 LOG_STR("stream", asked->stream));
        request_no_database(run->request);
    }
    arena_release(&arena);
}

void as_of_answer(struct request *request, const struct as_of_thing *thing, struct str stream,
                  const struct as_of *as_of) {
    struct as_of_run *asked = arena_alloc(request_arena(request), sizeof *asked);
    bool is_version = as_of->version.data != NULL;
    query_run_init(&asked->run, request, is_version ? thing->at_version : thing->at_time);
    asked->thing = thing;
    asked->stream = stream;
    asked->as_of = *as_of;
    asked->run.parameters[0] = stream;
    asked->run.parameters[1] = is_version ? as_of->version : as_of->time;
    asked->run.parameters[2] = request->principal.vendor;
    asked->run.on_rows = on_past;
    asked->run.unknown_code = thing->unknown_code;
    query_run_start(&asked->run, thing->views);
}
