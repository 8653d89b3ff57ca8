#include "core/gateway/request.h"

#include <assert.h>

#include "core/base/logger.h"
#include "core/base/timestamp.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_string.h"
#include "core/gateway/trace.h"
#include "gen/json.h"

enum {
    BUSY_RETRY_AFTER_S = 1,
    STATUS_CLIENT_GONE = 499, /* never sent; what other servers count such requests as */
};

/* ---- answering --------------------------------------------------------------------------------------------------- */

/* Not known yet, refused by ourselves, or nobody's any more: all others are outcomes. */
static bool is_outcome(int status) {
    return status != 202 && status != 503 && status != STATUS_CLIENT_GONE;
}

static void leave_shard(struct request *request, bool is_decided) {
    if (request->is_admitted) {
        request->is_admitted = false;
        admission_leave(&request->loop->admission, request->shard, is_decided, clock_boot_us());
    }
}

void request_leaves_shard(struct request *request) {
    leave_shard(request, request->is_decided);
}

static void count(struct request *request, int status) {
    leave_shard(request, request->is_decided || is_outcome(status));
    const struct route *route = request->match.route;
    size_t row = route == NULL ? METRICS_ROUTES_MAX - 1 : (size_t)(route - routes);
    metrics_request(&request->loop->metrics, row, status, clock_boot_us() - request->exchange->received_at_boot_us);
}

/* What every answer says. */
static void add_fields(struct request *request) {
    struct http_exchange *exchange = request->exchange;
    if (request->limit_left.is_limited) {
        http_answer_field(exchange, "RateLimit-Policy", limits_policy(request->loop->gateway->limits, request->limit));
        http_answer_field(exchange, "RateLimit", limits_state(&exchange->arena, request->limit, &request->limit_left));
    }
    if (!str_is_empty(request->trace_id)) {
        http_answer_field(exchange, "traceparent", trace_parent(&exchange->arena, request->trace_id));
    }
}

void request_answer(struct request *request, int status, const char *content_type, struct str body) {
    count(request, status);
    add_fields(request);
    http_answer(request->exchange, status, content_type, body);
}

void request_answer_json(struct request *request, int status, struct str body) {
    request_answer(request, status, "application/json", body);
}

bool request_stream(struct request *request, const char *content_type, struct http_stream *stream) {
    count(request, 200);
    add_fields(request);
    return http_stream_begin(request->exchange, 200, content_type, stream);
}

void request_drop(struct request *request) {
    assert(request->is_lost);
    count(request, STATUS_CLIENT_GONE);
    http_answer(request->exchange, STATUS_CLIENT_GONE, NULL, (struct str){0});
}

/* For whoever watches over the front. */
static void note_refusal(struct request *request, const struct problem *problem) {
    const struct route *route = request->match.route;
    const struct refusal refusal = {
        .kind = refusal_kind_of(problem->status, problem->code, route == NULL || route_is_for_everybody(route)),
        .status = problem->status,
        .code = problem->code,
        .method = route == NULL ? "" : route->method_name,
        .route = route == NULL ? "" : route->pattern,
        .who = request->principal.identity,
        .is_known = !str_is_empty(request->principal.id),
        .trace_id = request->trace_id};
    refusal_log_note(&request->loop->refusals, &refusal, request->exchange->received_at_boot_us);
}

void request_refused_unread(void *gateway_loop, int status, const char *code) {
    struct gateway_loop *loop = gateway_loop;
    const struct refusal refusal = {
        .kind = refusal_kind_of_server(status), .status = status, .code = code, .method = "", .route = ""};
    refusal_log_note(&loop->refusals, &refusal, clock_boot_us());
}

void request_problem(struct request *request, const struct problem *problem) {
    struct problem traced = *problem;
    if (str_is_empty(request->trace_id)) {
        request->trace_id = trace_begin(request_arena(request));
    }
    if (str_is_empty(traced.trace_id)) {
        traced.trace_id = request->trace_id;
    }
    count(request, problem->status);
    note_refusal(request, problem);
    add_fields(request);
    http_answer_problem(request->exchange, &traced);
}

void request_refuse(struct request *request, int status, const char *code, const char *detail) {
    const struct problem problem = {.status = status, .code = code, .detail = detail};
    request_problem(request, &problem);
}

/* Somebody says that he speaks for others: by a field that may be empty, and behind which others may follow. */
static bool speaks_for_others(const struct http_exchange *exchange) {
    return http_request_field(exchange, "x-forwarded-for").data != NULL ||
           http_request_field(exchange, "forwarded").data != NULL;
}

/* Nobody named him as a proxy of ours: a client can write these fields as well. */
static bool may_be_a_proxy(const struct request *request) {
    const struct http_exchange *exchange = request->exchange;
    return speaks_for_others(exchange) && !address_list_has(&request->loop->gateway->trusted_proxies, exchange->peer);
}

/* Behind a proxy that nobody named as ours all clients are one. Told once. */
static void warn_of_proxy(struct request *request) {
    struct http_exchange *exchange = request->exchange;
    struct gateway *gateway = request->loop->gateway;
    if (may_be_a_proxy(request) && !atomic_exchange(&gateway->has_warned_of_proxy, true)) {
        char text[ADDRESS_TEXT_MAX];
        address_write(exchange->peer, text);
        log_line(LOG_WARN, "gateway",
                 "limits refuse a client that speaks for others; if it is your proxy, name it in trusted_proxies",
                 LOG_CSTR("address", text));
    }
}

/* 429: past the limit of this class, until so many seconds are over. */
static void refuse_limited(struct request *request, enum limit_class limit, const struct limit_answer *answer,
                           const char *detail) {
    metrics_limited(&request->loop->metrics, limit);
    const struct problem problem = {
        .status = 429, .code = "rate_limited", .detail = detail, .retry_after_s = (int)answer->retry_after_s};
    request_problem(request, &problem);
}

static void refuse_address(struct request *request, enum limit_class limit, const struct limit_answer *answer) {
    warn_of_proxy(request);
    refuse_limited(request, limit, answer, "Too much was asked from your address at once; nothing was done.");
}

bool request_may_present(struct request *request) {
    struct limit_answer answer = limits_look(request->loop->gateway->limits, LIMIT_AUTH, request->client,
                                             request->exchange->received_at_boot_us);
    if (!answer.passes) {
        refuse_address(request, LIMIT_AUTH, &answer);
    }
    return answer.passes;
}

void request_presented_in_vain(struct request *request) {
    (void)limits_take(request->loop->gateway->limits, LIMIT_AUTH, request->client,
                      request->exchange->received_at_boot_us);
}

bool request_may_take(struct request *request, enum limit_class limit, const char *kind, struct str of, int64_t times) {
    struct str name = arena_printf(request_arena(request), "%s%.*s", kind, STR_ARGS(of));
    struct limit_answer answer =
        limits_take_name(request->loop->gateway->limits, limit, name, times, request->exchange->received_at_boot_us);
    if (!answer.passes) {
        refuse_limited(request, limit, &answer, "Too much was asked about this address at once; nothing was done.");
    }
    return answer.passes;
}

void request_crowded(struct request *request) {
    const struct problem problem = {.status = 429,
                                    .code = "rate_limited",
                                    .detail = "Too many are proving who they are at once; nothing was done.",
                                    .retry_after_s = BUSY_RETRY_AFTER_S};
    request_problem(request, &problem);
}

static void refuse_for_now(struct request *request, const char *code, const char *detail) {
    const struct problem problem = {.status = 503, .code = code, .detail = detail, .retry_after_s = BUSY_RETRY_AFTER_S};
    request_problem(request, &problem);
}

void request_no_database(struct request *request) {
    refuse_for_now(request, "database_unavailable", "The read models cannot be reached; nothing was done.");
}

void request_no_key(struct request *request) {
    refuse_for_now(request, "vault_unavailable", "Personal data cannot be sealed at the moment; nothing was done.");
}

void request_no_log(struct request *request) {
    refuse_for_now(request, "log_unavailable", "The event log cannot be reached; nothing was done.");
}

void request_overloaded(struct request *request) {
    refuse_for_now(request, "overloaded", "Too much is being done already; nothing was done.");
}

void request_stopping(struct request *request) {
    refuse_for_now(request, "stopping", "This front is stopping; nothing was done.");
}

void request_query_failed(struct request *request, const char *statement, const struct err_info *error) {
    if (!error->retriable && statement != NULL) { /* that the database is away, the loop says */
        log_line(LOG_ERROR, "gateway", "a query failed", LOG_CSTR("statement", statement),
                 LOG_CSTR("why", error->text));
    }
    if (error->code == ERR_TOO_LARGE) {
        request_overloaded(request);
    } else if (error->code == ERR_TIMEOUT) {
        refuse_for_now(request, "query_timeout", "The query was given up because it took too long; ask for less.");
    } else {
        request_no_database(request);
    }
}

void request_view_is_not_there(struct request *request, enum view_state state) {
    switch (state) {
    case VIEW_CAUGHT_UP:
    case VIEW_BEHIND:
        refuse_for_now(request, "view_behind", "The read model has not reached the Daybook-Position yet.");
        return;
    case VIEW_NO_DATABASE:
        request_no_database(request);
        return;
    case VIEW_TOO_MANY:
        request_overloaded(request);
        return;
    }
}

/* ---- what the client knows --------------------------------------------------------------------------------------- */

/* Without the spaces around a member of a list (RFC 9110, 5.6.1). */
static struct str trimmed(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = str_from(text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

bool request_knows(struct request *request, struct str etag) {
    struct str rest = http_request_field(request->exchange, "if-none-match");
    if (str_equal(rest, STR("*"))) {
        return true;
    }
    while (!str_is_empty(rest)) {
        struct str item = str_first(rest, str_find(rest, ','));
        rest = str_from(rest, item.len + 1);
        item = trimmed(item);
        if (str_starts_with(item, STR("W/"))) {
            item = str_from(item, 2);
        }
        if (str_equal(item, etag)) {
            return true;
        }
    }
    return false;
}

/* ---- routing ----------------------------------------------------------------------------------------------------- */

static void refuse_method(struct request *request) {
    struct http_exchange *exchange = request->exchange;
    http_answer_field(exchange, "Allow", request->match.allowed);
    if (exchange->method == HTTP_OPTIONS_) {
        cors_answer_preflight(&request->loop->gateway->cors, exchange, request->match.allowed);
        request_answer(request, 204, NULL, (struct str){0});
        return;
    }
    request_refuse(request, 405, "method_not_allowed", "This method is not for this path; see Allow.");
}

/* All fields of this name as one list (RFC 9110, 5.3): a proxy may add its own below those that came. */
static struct str whole_list(struct http_exchange *exchange, const char *name) {
    struct str list = {0};
    for (size_t i = 0; i < exchange->field_count; i++) {
        if (http_name_equal(exchange->fields[i].name, name)) {
            struct str value = exchange->fields[i].value;
            list = str_is_empty(list) ? value
                                      : arena_printf(&exchange->arena, "%.*s,%.*s", STR_ARGS(list), STR_ARGS(value));
        }
    }
    return list;
}

static void find_client(struct request *request) {
    struct http_exchange *exchange = request->exchange;
    const struct address_list *trusted = &request->loop->gateway->trusted_proxies;
    memcpy(request->client, exchange->peer, ADDRESS_BYTES);
    if (address_list_has(trusted, exchange->peer)) {
        address_of_client(trusted, exchange->peer, whole_list(exchange, "forwarded"),
                          whole_list(exchange, "x-forwarded-for"), request->client);
    }
}

/* False: it was refused. Either way the answer tells what is left. */
static bool is_within_limit(struct request *request, enum limit_class limit) {
    request->limit = limit;
    request->limit_left =
        limits_take(request->loop->gateway->limits, limit, request->client, request->exchange->received_at_boot_us);
    if (!request->limit_left.passes) {
        refuse_address(request, limit, &request->limit_left);
        return false;
    }
    return true;
}

static bool has_less_left(const struct limit_answer *one, const struct limit_answer *other) {
    return !one->passes || one->remaining < other->remaining ||
           (one->remaining == other->remaining && one->reset_s > other->reset_s);
}

/* Who is known has no more from many addresses than from one. A guest is not counted by his cart: he may have as many
 * carts as he likes, and so would be as many. False: it was refused. */
static bool is_within_his_limit(struct request *request) {
    if (str_is_empty(request->principal.id)) {
        return true;
    }
    struct limit_answer answer = limits_take_name(request->loop->gateway->limits, request->limit, request->principal.id,
                                                  1, request->exchange->received_at_boot_us);
    if (answer.is_limited && has_less_left(&answer, &request->limit_left)) {
        request->limit_left = answer;
    }
    if (!answer.passes) {
        refuse_limited(request, request->limit, &answer,
                       "Too much was asked with your credentials at once, from whatever addresses; nothing was done.");
    }
    return answer.passes;
}

/* ---- who may ----------------------------------------------------------------------------------------------------- */

/* By his address. A proxy that could not be understood stands for its client where limits are counted, but brings
 * nobody in by its own address. */
static bool is_operator(const struct request *request) {
    const struct gateway *gateway = request->loop->gateway;
    bool is_proxy_itself =
        speaks_for_others(request->exchange) && address_list_has(&gateway->trusted_proxies, request->client);
    return address_list_has(&gateway->metrics_from, request->client) && !may_be_a_proxy(request) && !is_proxy_itself;
}

/* Those who look after the process, and webhooks, show nothing of what people show. */
static bool takes_credentials(const struct route *route) {
    return route->limit != LIMIT_NONE || !route_is_for_everybody(route);
}

static void refuse_credentials(struct request *request, const struct problem *problem) {
    http_answer_field(request->exchange, "WWW-Authenticate", STR("Bearer error=\"invalid_token\""));
    if (request->principal.by == BY_COOKIE) {
        cookie_forget_access(request->exchange);
    }
    request_problem(request, problem);
}

/* False: it was refused. Who is known, or was until his token had its time, is not held up by what others from his
 * address have tried, and takes nothing of what is left to them. */
static bool is_who_he_says(struct request *request) {
    const struct route *route = request->match.route;
    struct problem problem;
    if (!takes_credentials(route)) {
        return true;
    }
    bool takes_cookie = !route_is_door(route); /* which browsers send by themselves, old ones too */
    switch (authentication_read(&request->loop->authentication, request->exchange, takes_cookie, &request->principal,
                                &problem)) {
    case CREDENTIALS_NONE:
    case CREDENTIALS_GOOD:
        return true;
    case CREDENTIALS_REFUSED:
        if (!request_may_present(request)) {
            return false;
        }
        request_presented_in_vain(request);
        refuse_credentials(request, &problem);
        return false;
    case CREDENTIALS_OVER:
        refuse_credentials(request, &problem);
        return false;
    case CREDENTIALS_STRANGE:
        break;
    case CREDENTIALS_UNSURE:
        request_no_database(request);
        return false;
    }
    request_problem(request, &problem);
    return false;
}

/* A one-time password opens nothing but what it is changed by. */
static bool must_change_password(const struct request *request) {
    return request->principal.is_once && strchr(request->match.route->may, 'o') == NULL;
}

/* Whether his role would let him in, did he prove by a second factor that it is he. Whoever may not come in either way
 * is told no more than others. */
static bool lacks_factor(struct request *request, const char *may) {
    const struct gateway *gateway = request->loop->gateway;
    struct principal whole = request->principal;
    whole.capacities |= whole.withheld;
    return whole.withheld != 0 &&
           access_judge_for(request_arena(request), &gateway->secret, gateway->is_open, &request->match, &whole, may)
                   .verdict == ACCESS_GRANTED;
}

/* False: it was refused. */
static bool is_granted(struct request *request, const char *may) {
    switch (request->access.verdict) {
    case ACCESS_GRANTED:
        return true;
    case ACCESS_UNAUTHENTICATED:
        http_answer_field(request->exchange, "WWW-Authenticate", STR("Bearer"));
        request_refuse(request, 401, "unauthenticated", "This is not for everybody, and nothing says who you are.");
        return false;
    case ACCESS_FORBIDDEN:
        if (lacks_factor(request, may)) {
            request_refuse(request, 403, "second_factor_required",
                           "This takes a session that was opened with an authenticator's code: get one "
                           "(POST /v1/me/totp), and log in with it.");
            return false;
        }
        request_refuse(request, 403, "forbidden", "This is for others.");
        return false;
    case ACCESS_HIDDEN:
        request_refuse(request, 404, access_hidden_code(&request->match), REQUEST_UNKNOWN_THING);
        return false;
    }
    assert(!"one of enum access_verdict");
    return false;
}

bool request_is_let_in_for(struct request *request, const char *may) {
    const struct gateway *gateway = request->loop->gateway;
    request->access = access_judge_for(request_arena(request), &gateway->secret, gateway->is_open, &request->match,
                                       &request->principal, may);
    return is_granted(request, may);
}

/* False: it was refused. */
static bool is_let_in(struct request *request) {
    const struct gateway *gateway = request->loop->gateway;
    struct problem problem;
    if (!principal_read(request->exchange, &gateway->secret, &request->principal, &problem)) {
        request_problem(request, &problem);
        return false;
    }
    if (!route_may_be_kept(request->match.route)) {
        http_answer_field(request->exchange, "Cache-Control", STR("no-store"));
    }
    if (!is_who_he_says(request) || !is_within_his_limit(request)) {
        return false;
    }
    if (must_change_password(request)) {
        request_refuse(request, 403, "password_change_required",
                       "Who asks has a password for one use; it is to be changed first.");
        return false;
    }
    request->principal.is_operator = is_operator(request);
    request->access =
        access_judge(request_arena(request), &gateway->secret, gateway->is_open, &request->match, &request->principal);
    return is_granted(request, request->match.route->may);
}

/* In its body, or in what it is answered. */
static bool holds_secrets(const struct route *route) {
    return route->limit == LIMIT_LOGIN || (route->command_type != 0 && command_has_secrets(route->command_type));
}

static void route(struct request *request) {
    struct http_exchange *exchange = request->exchange;
    enum route_found found = router_find(&exchange->arena, exchange->method, exchange->path, &request->match);
    exchange->holds_secrets |= found == ROUTE_FOUND && holds_secrets(request->match.route);
    if (!is_within_limit(request, found == ROUTE_FOUND ? request->match.route->limit : LIMIT_READ)) {
        return;
    }
    switch (found) {
    case ROUTE_UNKNOWN_PATH:
        request_refuse(request, 404, "unknown_path", "There is nothing at this path.");
        return;
    case ROUTE_WRONG_METHOD:
        refuse_method(request);
        return;
    case ROUTE_BAD_ESCAPE:
        request_refuse(request, 400, "malformed_path", "The path is not well percent-encoded UTF-8.");
        return;
    case ROUTE_FOUND:
        break;
    }
    if (!is_let_in(request)) {
        return;
    }
    struct problem problem;
    const char *query = request->match.route->query;
    if (query != NULL && !query_string_has_only(exchange, query, &problem)) {
        request_problem(request, &problem);
        return;
    }
    request->match.route->answer(request);
}

void request_lost(void *gateway_loop, struct http_exchange *exchange) {
    (void)gateway_loop;
    struct request *request = exchange->application;
    request->is_lost = true;
    if (request->on_lost != NULL) {
        request->on_lost(request);
    }
}

void request_received(void *gateway_loop, struct http_exchange *exchange) {
    struct request *request = arena_alloc(&exchange->arena, sizeof *request);
    request->exchange = exchange;
    request->loop = gateway_loop;
    exchange->application = request;
    find_client(request);
    cors_answer(&request->loop->gateway->cors, exchange);
    request->has_client_trace = trace_read(http_request_field(exchange, "traceparent"), &request->trace_id);
    if (atomic_load_explicit(&request->loop->gateway->stopping, memory_order_relaxed)) {
        request_stopping(request);
        return;
    }
    route(request);
}
