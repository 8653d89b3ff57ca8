#include "core/gateway/me.h"

#include <assert.h>

#include "core/base/json_write.h"
#include "core/base/logger.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/rejection.h"
#include "core/gateway/answers.h"
#include "core/gateway/commands.h"
#include "core/gateway/customer_read.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/sessions.h"
#include "projections/customers/document.h"
#include "projections/customers/sessions.h"

enum { DOCUMENT_MAX_BYTES = 1024 * 1024 };
static_assert(MY_SESSIONS_MAX <= (int)UNSEALING_MAX, "a page's clients are opened at once");

static const char *const customers_view[] = {"customers", NULL};

static struct command *command_of(struct preparation *preparation) {
    return &preparation->intake->command;
}

/* ---- who asks ---------------------------------------------------------------------------------------------------- */

/* False: the request is answered. */
static bool is_somebody(struct request *request) {
    if (str_is_empty(request->principal.id)) {
        http_answer_field(request->exchange, "WWW-Authenticate", STR("Bearer"));
        request_refuse(request, 401, "unauthenticated", "Nobody is logged in whose it could be.");
        return false;
    }
    return true;
}

bool me_take(struct preparation *preparation) {
    struct request *request = preparation->request;
    if (!is_somebody(request)) {
        return false;
    }
    preparation->stream = request->principal.id;
    preparation->seal_key_id =
        vault_key_id_of_customer(request_arena(request), &request->loop->gateway->secret, preparation->stream);
    preparation->seal_wish = VAULT_FIND;
    return true;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Whoever has a session is there; only a view that is behind does not have him. */
static bool is_seen(struct customer_reading *reading) {
    if (!reading->finding.is_there) {
        request_view_is_not_there(reading->request, VIEW_BEHIND);
    }
    return reading->finding.is_there;
}

static void answer_me(struct customer_reading *reading) {
    if (is_seen(reading)) {
        customer_reading_answer(reading);
    }
}

void query_me(struct request *request) {
    if (is_somebody(request)) {
        customer_read_by_id(request, request->principal.id, answer_me);
    }
}

static void answer_addresses(struct customer_reading *reading) {
    if (!is_seen(reading)) {
        return;
    }
    struct buf body;
    buf_init_wiping(&body, DOCUMENT_MAX_BYTES);
    struct json_writer writer = json_writer_of(&body);
    json_object_begin(&writer);
    json_field_array(&writer, "items");
    customer_addresses_write(&writer, &reading->finding.customer.state);
    json_array_end(&writer);
    json_name(&writer, STR("next_cursor"));
    json_none(&writer);
    json_object_end(&writer);
    assert(buf_ok(&body));
    request_answer_json(reading->request, 200, buf_text(&body));
    buf_release(&body);
}

void query_my_addresses(struct request *request) {
    if (is_somebody(request)) {
        customer_read_by_id(request, request->principal.id, answer_addresses);
    }
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

struct my_sessions {
    struct query_run run; /* first: on_rows is given its address */
    struct customer_session *items;
    size_t count;
    struct unsealing unsealing;
};

static void on_clients(struct unsealing *unsealing, enum vault_found found) {
    const struct my_sessions *sessions = unsealing->context;
    struct request *request = sessions->run.request;
    if (request->is_lost) {
        request_drop(request);
        return;
    }
    if (!customer_is_opened(found)) {
        customer_refuse_unopened(request, found);
        return;
    }
    struct buf body;
    buf_init_wiping(&body, DOCUMENT_MAX_BYTES);
    buf_str(&body, STR("{\"items\":["));
    for (size_t i = 0; i < sessions->count; i++) {
        buf_str(&body, i > 0 ? STR(",") : STR(""));
        customer_session_document(&body, &sessions->items[i], sessions->items[i].session == request->principal.session);
    }
    buf_str(&body, STR("],\"next_cursor\":null}"));
    assert(buf_ok(&body));
    request_answer_json(request, 200, buf_text(&body));
    buf_release(&body);
}

static void on_session_rows(struct query_run *run, const PGresult *result) {
    struct my_sessions *sessions = (struct my_sessions *)run;
    struct arena *arena = request_arena(run->request);
    int rows = PQntuples(result);
    sessions->items = arena_alloc(arena, (size_t)(rows + 1) * sizeof *sessions->items);
    sessions->unsealing = (struct unsealing){.arena = arena, .on_done = on_clients, .context = sessions};
    for (int row = 0; row < rows; row++) {
        struct customer_session *session = &sessions->items[sessions->count];
        if (!customer_session_read(arena, result, row, session)) {
            log_line(LOG_ERROR, "gateway", "a session cannot be read: this front is older than its view",
                     LOG_CSTR("statement", run->statement->name));
            request_no_database(run->request);
            return;
        }
        bool fits = !session->has_client || unsealing_add(&sessions->unsealing, &session->client);
        assert(fits && "the statement was asked for no more");
        sessions->count++;
    }
    unsealing_begin(&sessions->unsealing, run->request->loop->vault);
}

void query_my_sessions(struct request *request) {
    if (!is_somebody(request)) {
        return;
    }
    struct arena *arena = request_arena(request);
    struct my_sessions *sessions = arena_alloc(arena, sizeof *sessions);
    char now[TIMESTAMP_TEXT_MAX + 1];
    request->exchange->holds_secrets = true; /* what is opened */
    query_run_init(&sessions->run, request, &customer_sessions);
    sessions->run.on_rows = on_session_rows;
    sessions->run.parameters[0] = request->principal.id;
    sessions->run.parameters[1] = arena_str_copy(arena, str_of(now, timestamp_write(clock_wall_us(), now)));
    sessions->run.parameters[2] = arena_printf(arena, "%d", MY_SESSIONS_MAX);
    query_run_start(&sessions->run, customers_view);
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

void me_prepare(struct preparation *preparation) {
    if (me_take(preparation)) {
        preparation_end(preparation, preparation->stream, (struct str){0});
    }
}

void me_prepare_session_end(struct preparation *preparation) {
    struct request *request = preparation->request;
    struct end_session *ask = &command_of(preparation)->as.end_session;
    struct str parameter = request_parameter(request, "session");
    int64_t session;
    if (!me_take(preparation)) {
        return;
    }
    if (!int64_read(parameter, &session) || session < 1 || session > INT32_MAX) {
        request_refuse(request, 404, "malformed_id", "A session's id is its number: 1, 2, 3 ...");
        return;
    }
    ask->session = (int32_t)session;
    ask->reason = STR("request");
    preparation->has_cookie = request->principal.by == BY_COOKIE && request->principal.session == ask->session;
    preparation_end(preparation, preparation->stream, (struct str){0});
}

/* To whom there is no such session is not said that his own has ended. */
void me_answer_session_end(struct preparation *preparation, const struct outcome *outcome) {
    if (outcome->status == OUTCOME_STATUS_REJECTED &&
        str_equal(outcome->rejection, str_of_cstr(rejection_info(REJECT_SESSION_ENDED)->code))) {
        preparation_answer_fields(preparation, outcome);
        request_refuse(preparation->request, 404, "unknown_session", "There is no such session.");
    } else {
        sessions_answer_logout(preparation, outcome);
    }
}

void me_prepare_sessions_end(struct preparation *preparation) {
    if (me_take(preparation)) {
        command_of(preparation)->as.end_sessions.kept = preparation->request->principal.session;
        preparation_end(preparation, preparation->stream, (struct str){0});
    }
}

/* ---- answering --------------------------------------------------------------------------------------------------- */

static void on_opened(struct unsealing *unsealing, enum vault_found found) {
    (void)found; /* the change stands, whatever can be shown of it */
    struct my_answer *answer = unsealing->context;
    if (!preparation_is_abandoned(answer->preparation)) {
        answer->write(answer);
    }
}

void me_answer_opened(struct preparation *preparation, const struct outcome *outcome,
                      struct str (*location)(struct arena *arena, const struct customer_state *state),
                      void (*write)(struct my_answer *answer)) {
    struct request *request = preparation->request;
    struct arena *arena = request_arena(request);
    if (outcome->status == OUTCOME_STATUS_REJECTED) {
        preparation_answer_fields(preparation, outcome);
        preparation_refuse_by(preparation, outcome, 0);
        return;
    }
    struct my_answer *mine = arena_alloc(arena, sizeof *mine);
    struct outcome_answer answer = answer_of_outcome(arena, outcome, request->match.route->status);
    struct outcome kept = *outcome; /* which is lent: what the state points to is to stay */
    kept.resource = arena_str_copy(arena, outcome->resource);
    bool is_read = preparation_customer(preparation, &kept, &mine->state);
    if (answer.status == 201) {
        answer.location = is_read && location != NULL ? location(arena, &mine->state) : (struct str){0};
    }
    command_answer_fields(request, &answer, &preparation->intake->position, preparation->is_asked);
    if (!is_read) { /* a front that is older than the log says what it knows */
        request_answer_json(request, answer.status, answer.body);
        return;
    }
    mine->preparation = preparation;
    mine->status = answer.status;
    mine->stream = arena_str_copy(arena, outcome->stream);
    mine->version = outcome->version;
    mine->write = write;
    mine->unsealing = (struct unsealing){.arena = arena, .on_done = on_opened, .context = mine};
    customer_state_open(&mine->unsealing, &mine->state, request->loop->vault);
}

static void write_customer(struct my_answer *answer) {
    struct buf document;
    buf_init_wiping(&document, DOCUMENT_MAX_BYTES);
    customer_document(&document, answer->stream, answer->version, &answer->state);
    assert(buf_ok(&document));
    request_answer_json(answer->preparation->request, answer->status, buf_text(&document));
    buf_release(&document);
}

void me_answer_customer(struct preparation *preparation, const struct outcome *outcome) {
    me_answer_opened(preparation, outcome, NULL, write_customer);
}

/* Of the newest, which this command has made. */
static struct str location_of_address(struct arena *arena, const struct customer_state *state) {
    return arena_printf(arena, "/v1/me/addresses/%d", state->address_number);
}

void me_answer_address(struct preparation *preparation, const struct outcome *outcome) {
    me_answer_opened(preparation, outcome, location_of_address, write_customer);
}
