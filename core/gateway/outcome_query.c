#include "core/gateway/outcome_query.h"

#include "core/base/timestamp.h"
#include "core/domain/ids.h"
#include "core/domain/rejection.h"
#include "core/gateway/answers.h"
#include "core/gateway/commands.h"
#include "core/gateway/identity.h"
#include "core/gateway/intake.h"
#include "core/gateway/loop.h"
#include "core/gateway/path_id.h"
#include "core/gateway/request.h"
#include "core/gateway/sku_owner.h"
#include "core/gateway/submit.h"
#include "core/gateway/trace.h"
#include "core/log/record.h"

enum { OUTCOME_QUERY_WAIT_MS = 2000, ASKERS_MAX = 64 /* that wait for one command; whoever comes then is told 202 */ };

struct outcome_query {
    struct request *request;
    struct outcome_waiter waiter;
    struct str public_id, command_id;
    int32_t shard;
    enum { ASKED_FIRST, ASKED_SECOND_TRY, ASKED_AGAIN } asked;
    enum { OWNER_NOT_ASKED, OWNER_IS_ANOTHER, OWNER_IS_HE } owner; /* of stock, of a vendor */
};

static void answer_query_undecided(struct outcome_query *query) {
    struct arena *arena = request_arena(query->request);
    http_answer_field(query->request->exchange, "Retry-After", STR("1"));
    request_answer_json(
        query->request, 202,
        arena_printf(arena, "{\"command\":\"%.*s\",\"status\":\"pending\"}", STR_ARGS(query->public_id)));
}

static void ask_outcome(struct outcome_query *query, struct str command_id);

/* A checkout that was refused for want of facts may have gone out a second time (commands.c, begin_second_try), for
 * another request with its key or by a front that has died since: then that one's outcome is what became of it. Where
 * there was none, the refusal stands, and is asked for again because it was not kept. */
static bool follows_second_try(struct outcome_query *query, const struct outcome *outcome) {
    struct gateway_loop *loop = query->request->loop;
    if (query->asked == ASKED_FIRST && outcome->skus.count > 0 &&
        str_equal(outcome->rejection, str_of_cstr(rejection_info(REJECT_CART_CHANGED)->code))) {
        query->asked = ASKED_SECOND_TRY;
        ask_outcome(query,
                    identity_second_try(request_arena(query->request), &loop->gateway->secret, query->command_id));
        return true;
    }
    if (query->asked == ASKED_SECOND_TRY && outcome->status == OUTCOME_STATUS_UNKNOWN) {
        query->asked = ASKED_AGAIN;
        ask_outcome(query, query->command_id);
        return true;
    }
    return false;
}

/* To whom it is not shown is told that it is decided, and no more. */
static void answer_decided(struct outcome_query *query) {
    request_answer_json(query->request, 200,
                        arena_printf(request_arena(query->request), "{\"command\":\"%.*s\",\"status\":\"decided\"}",
                                     STR_ARGS(query->public_id)));
}

static bool is_shown(struct request *request, const struct outcome *outcome) {
    const struct gateway *gateway = request->loop->gateway;
    struct arena *arena = request_arena(request);
    return access_shows_outcome(arena, &gateway->secret, gateway->is_open, &request->principal, outcome->stream,
                                answer_owner(arena, outcome));
}

static void on_stock_owned(struct request *request, bool is_his) {
    struct outcome_query *query = request->waiting;
    query->owner = is_his ? OWNER_IS_HE : OWNER_IS_ANOTHER;
    ask_outcome(query, query->waiter.command_id); /* it was not kept; mostly it is remembered */
}

/* Whose goods a SKU is its outcome does not say: the catalogue is asked, for vendors alone. False: there is nothing to
 * ask. */
static bool asks_for_owner(struct outcome_query *query, const struct outcome *outcome) {
    struct request *request = query->request;
    bool is_vendor = (request->principal.capacities >> CAPACITY_VENDOR & 1) != 0;
    if (!is_vendor || query->owner != OWNER_NOT_ASKED || !str_starts_with(outcome->stream, STR("sku_"))) {
        return false;
    }
    sku_owner_ask_of(request, arena_str_copy(request_arena(request), sku_of_stream(outcome->stream)), on_stock_owned);
    return true;
}

static bool on_queried_outcome(struct outcome_waiter *waiter, const struct outcome *outcome) {
    struct outcome_query *query = waiter->context;
    struct request *request = query->request;
    if (follows_second_try(query, outcome)) {
        return true;
    }
    if (str_equal(outcome->rejection, str_of_cstr(rejection_info(REJECT_KEY_REUSED)->code))) {
        return false; /* said to another request that came under this id */
    }
    if (outcome->status == OUTCOME_STATUS_UNKNOWN) {
        request_refuse(request, 404, "unknown_command",
                       "No such command was decided within the time for which answers are kept.");
    } else if (outcome->status == OUTCOME_STATUS_PENDING) {
        answer_query_undecided(query);
    } else if (query->owner != OWNER_IS_HE && !is_shown(request, outcome)) {
        if (!asks_for_owner(query, outcome)) {
            answer_decided(query);
        }
    } else {
        struct outcome_answer answer = answer_of_outcome(request_arena(request), outcome, 200);
        struct position seen;
        struct problem ignored; /* a position that is none is as good as none here: nothing is waited for */
        (void)!intake_position(http_request_field(request->exchange, "daybook-position"),
                               &request->loop->gateway->secret, &seen, &ignored);
        command_answer_fields(request, &answer, &seen, true);
        if (answer.is_problem) {
            request_problem(request, &answer.problem);
        } else {
            if (!str_is_empty(answer.location)) {
                http_answer_field(request->exchange, "Content-Location", answer.location);
            }
            request_answer_json(request, answer.status, answer.body);
        }
    }
    return true;
}

static bool on_queried_delivered(struct outcome_waiter *waiter) {
    (void)waiter;
    return false;
}

static void on_queried_failed(struct outcome_waiter *waiter, bool is_certain) {
    (void)is_certain;
    struct outcome_query *query = waiter->context;
    request_no_log(query->request);
}

static void on_queried_deadline(struct outcome_waiter *waiter) {
    answer_query_undecided(waiter->context);
}

static void on_query_lost(struct request *request) {
    struct outcome_query *query = request->waiting;
    if (query->waiter.waits) {
        outcome_waiters_remove(&request->loop->waiters, &query->waiter);
        request_drop(request);
    }
}

/* What this front has seen itself. False: it has not. */
static bool answer_from_memory(struct outcome_query *query) {
    struct arena *arena = request_arena(query->request);
    struct str value =
        recent_outcomes_find(&query->request->loop->gateway->recent_outcomes, arena, query->waiter.command_id);
    struct outcome outcome;
    return outcome_read(arena, value, &outcome) && on_queried_outcome(&query->waiter, &outcome);
}

/* A question is a record in the log, and anybody may ask: the same one is asked once at a time, and few at all. A
 * request of our own that waits for the command asks for itself, and its answer will do as well. */
static void ask_log(struct outcome_query *query) {
    struct request *request = query->request;
    struct gateway_loop *loop = request->loop;
    struct str command_id = query->waiter.command_id;
    const struct outcome_waiter *other = outcome_waiters_find(&loop->waiters, command_id);
    size_t askers = 0;
    while (other != NULL && other->submission == 0) { /* a question as well */
        other = outcome_waiters_next(other);
        askers++;
    }
    if (askers >= ASKERS_MAX) {
        answer_query_undecided(query);
        return;
    }
    bool is_ours = other != NULL;
    enum question question =
        is_ours ? QUESTION_ASKED : outcome_questions_begin(&loop->questions, command_id, clock_boot_us());
    if (question == QUESTION_TOO_MANY || !outcome_waiters_add(&loop->waiters, &query->waiter)) {
        if (question == QUESTION_NEW) {
            outcome_questions_end(&loop->questions, command_id);
        }
        request_overloaded(request);
        return;
    }
    struct arena *arena = request_arena(request);
    if (question == QUESTION_NEW && submit_outcome_ask(loop, arena, command_id, query->shard,
                                                       trace_parent(arena, request->trace_id)) != SUBMITTED) {
        outcome_questions_end(&loop->questions, command_id);
        outcome_waiters_remove(&loop->waiters, &query->waiter);
        request_no_log(request);
    }
}

/* Asks for what became of this id. The request is answered when that cannot be. */
static void ask_outcome(struct outcome_query *query, struct str command_id) {
    query->waiter.command_id = command_id;
    if (!answer_from_memory(query)) {
        ask_log(query);
    }
}

void query_command(struct request *request) {
    struct arena *arena = request_arena(request);
    struct outcome_query *query = arena_alloc(arena, sizeof *query);
    struct problem problem;
    query->request = request;
    request->on_lost = on_query_lost;
    request->waiting = query;
    query->public_id = request_parameter(request, "command");
    query->asked = ASKED_FIRST;
    query->waiter = (struct outcome_waiter){
        .deadline_boot_us = clock_boot_us() + (int64_t)OUTCOME_QUERY_WAIT_MS * MICROS_PER_MS,
        .on_outcome = on_queried_outcome,
        .on_delivered = on_queried_delivered,
        .on_failed = on_queried_failed,
        .on_deadline = on_queried_deadline,
        .context = query,
    };
    if (!path_id_command(arena, query->public_id, (uint32_t)request->loop->gateway->config->shards, &query->command_id,
                         &query->shard, &problem)) {
        request_problem(request, &problem);
        return;
    }
    ask_outcome(query, query->command_id);
}
