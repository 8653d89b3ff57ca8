/* http_calls.c: the double of core/connect/http_calls.h: outgoing HTTP over the world, to the payment provider alone.
 *
 * Every symbol of core/connect/http_calls.c is here, so a link that names this first never takes the real one from the
 * library. A request that was sent is the world's: it arrives although its sender was killed. Answers and time-outs are
 * events of the sender's process, which its loop is told of by an async, as a real one would be by its sockets.
 * Points, at which the sender may die or stand still: "provider: before call", "provider: after call" (it is on its
 * way), "provider: before answer" (it has come, and nobody has looked at it), "provider: after answer".
 */
#include "core/connect/http_calls.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/testing/simulator/provider.h"
#include "core/testing/simulator/world.h"

enum {
    BODY_MAX_BYTES = 64 * 1024,
    US_PER_MS = 1000,
    WAY_LEAST_US = 1 * US_PER_MS, /* one way */
    WAY_MOST_US = 40 * US_PER_MS,
    TWICE_WITHIN_US = 2000 * US_PER_MS,
};

struct http_calls {
    uv_async_t arrived;
    struct exchange *first;   /* in flight, the newest first */
    struct exchange *answers; /* of these: whose end has come and is yet to be told, the oldest first */
    int calls_max, in_flight;
    bool is_closing;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* A request and what came of it. Events on their way hold it, and so does the call while it is in flight. */
struct exchange {
    int references;
    struct sim_process *process;
    char *method, *url, *key;
    struct buf body, answer;
    int status;

    struct http_calls *calls; /* NULL: the caller was told */
    struct exchange *next, **link;
    struct exchange *next_answer;
    http_call_cb *on_done;
    void *context;
    const char *error;
    bool is_answered;
};

/* ---- exchanges --------------------------------------------------------------------------------------------------- */

static void exchange_release(struct exchange *exchange) {
    if (--exchange->references > 0) {
        return;
    }
    free(exchange->method);
    free(exchange->url);
    free(exchange->key);
    buf_release(&exchange->body);
    buf_release(&exchange->answer);
    free(exchange);
}

static char *copy(struct str text) {
    char *bytes = calloc(1, (size_t)text.len + 1);
    assert(bytes != NULL);
    memcpy(bytes, text.data, text.len);
    return bytes;
}

static struct str key_of(const char *const *headers) {
    const struct str name = STR("Idempotency-Key: ");
    for (const char *const *header = headers; header != NULL && *header != NULL; header++) {
        if (str_starts_with(str_of_cstr(*header), name)) {
            return str_from(str_of_cstr(*header), name.len);
        }
    }
    return STR("");
}

static struct exchange *exchange_new(struct http_calls *calls, const struct http_call_request *request) {
    struct exchange *exchange = calloc(1, sizeof *exchange);
    assert(exchange != NULL);
    exchange->references = 1;
    exchange->process = sim_self();
    exchange->method = copy(str_of_cstr(request->method));
    exchange->url = copy(str_of_cstr(request->url));
    exchange->key = copy(key_of(request->headers));
    buf_init(&exchange->body, BODY_MAX_BYTES);
    buf_init(&exchange->answer, BODY_MAX_BYTES);
    buf_str(&exchange->body, request->body);
    assert(buf_ok(&exchange->body));
    exchange->calls = calls;
    exchange->next = calls->first;
    exchange->link = &calls->first;
    if (exchange->next != NULL) {
        exchange->next->link = &exchange->next;
    }
    calls->first = exchange;
    calls->in_flight++;
    return exchange;
}

static void after(int64_t delay_us, struct sim_process *process, sim_action *action, struct exchange *exchange) {
    exchange->references++;
    sim_after(delay_us, process, action, exchange);
}

/* ---- the caller's end of it -------------------------------------------------------------------------------------- */

/* The caller may start the next call from its callback. */
static void tell(struct exchange *exchange) {
    struct http_calls *calls = exchange->calls;
    const struct http_call_result result = {
        .status = exchange->status, .body = buf_text(&exchange->answer), .error = exchange->error};
    exchange->on_done(exchange->context, &result);
    *exchange->link = exchange->next;
    if (exchange->next != NULL) {
        exchange->next->link = exchange->link;
    }
    calls->in_flight--;
    exchange->calls = NULL;
    exchange_release(exchange);
}

static void on_arrived(uv_async_t *async) {
    struct http_calls *calls = async->data;
    while (calls->answers != NULL) {
        struct exchange *exchange = calls->answers;
        calls->answers = exchange->next_answer;
        sim_point("provider: before answer");
        tell(exchange);
        sim_point("provider: after answer");
    }
}

/* What comes first counts: an answer, or that there is none. */
static void end(struct exchange *exchange, int status, const char *error) {
    if (exchange->calls == NULL || exchange->is_answered) {
        return;
    }
    exchange->is_answered = true;
    exchange->status = status;
    exchange->error = error;
    if (status == 0) {
        buf_clear(&exchange->answer);
    }
    struct exchange **last = &exchange->calls->answers;
    while (*last != NULL) {
        last = &(*last)->next_answer;
    }
    *last = exchange;
    uv_async_send(&exchange->calls->arrived);
}

static void on_timeout(void *context) {
    struct exchange *exchange = context;
    end(exchange, 0, "the time for it ran out");
    exchange_release(exchange);
}

static void on_refused(void *context) {
    struct exchange *exchange = context;
    end(exchange, 0, "the connection was refused");
    exchange_release(exchange);
}

/* ---- the way there and back -------------------------------------------------------------------------------------- */

/* An answer on its way back. A request that arrives twice is answered twice. */
struct answer {
    struct exchange *exchange;
    int status;
    struct buf body;
};

static int64_t way_us(void) {
    const struct sim_provider_faults *faults = &sim_provider_faults;
    return sim_chance(faults->late) ? sim_between(WAY_LEAST_US, faults->late_most_us)
                                    : sim_between(WAY_LEAST_US, WAY_MOST_US);
}

static void on_answer(void *context) {
    struct answer *answer = context;
    struct exchange *exchange = answer->exchange;
    if (exchange->calls != NULL && !exchange->is_answered) {
        buf_str(&exchange->answer, buf_text(&answer->body));
        end(exchange, answer->status, NULL);
    }
    buf_release(&answer->body);
    free(answer);
    exchange_release(exchange);
}

static struct str path_of(const struct exchange *exchange) {
    struct str url = str_of_cstr(exchange->url);
    const struct str scheme = STR("http://");
    assert(str_starts_with(url, scheme));
    struct str rest = str_from(url, scheme.len);
    return str_from(rest, str_find(rest, '/'));
}

static void on_request(void *context) {
    struct exchange *exchange = context;
    if (sim_provider_condition == SIM_PROVIDER_UP) {
        const struct sim_provider_request request = {.method = str_of_cstr(exchange->method),
                                                     .path = path_of(exchange),
                                                     .key = str_of_cstr(exchange->key),
                                                     .body = buf_text(&exchange->body)};
        struct answer *answer = calloc(1, sizeof *answer);
        assert(answer != NULL);
        answer->exchange = exchange;
        buf_init(&answer->body, BODY_MAX_BYTES);
        struct sim_provider_answer said = sim_provider_take(&request, &answer->body);
        answer->status = said.status;
        SIM_TRACE("provider: %s %.*s: %d", exchange->method, STR_ARGS(request.path), said.status);
        if (said.status != 0 && !sim_chance(sim_provider_faults.answer_lost)) {
            exchange->references++;
            sim_after(said.after_us + way_us(), exchange->process, on_answer, answer);
        } else {
            buf_release(&answer->body);
            free(answer);
        }
    }
    exchange_release(exchange);
}

static void send_off(struct exchange *exchange) {
    if (sim_provider_condition == SIM_PROVIDER_REFUSING) {
        after(sim_between(WAY_LEAST_US, WAY_MOST_US), exchange->process, on_refused, exchange);
        return;
    }
    if (!sim_chance(sim_provider_faults.request_lost)) {
        after(way_us(), NULL, on_request, exchange);
    }
    if (sim_chance(sim_provider_faults.request_twice)) {
        after(way_us() + sim_between(0, TWICE_WITHIN_US), NULL, on_request, exchange);
    }
}

/* ---- http_calls.h ------------------------------------------------------------------------------------------------ */

enum err http_calls_open(uv_loop_t *loop, int calls_max, struct http_calls **ret_calls, struct err_info *info) {
    struct http_calls *calls = calloc(1, sizeof *calls);
    if (calls == NULL) {
        return err_set(info, ERR_IO, "out of memory for provider calls");
    }
    calls->calls_max = calls_max;
    uv_async_init(loop, &calls->arrived, on_arrived);
    calls->arrived.data = calls;
    *ret_calls = calls;
    return ERR_NONE;
}

static void on_async_closed(uv_handle_t *handle) {
    struct http_calls *calls = handle->data;
    void (*on_closed)(void *) = calls->on_closed;
    void *context = calls->closed_context;
    free(calls);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

void http_calls_close(struct http_calls *calls, void (*on_closed)(void *context), void *context) {
    calls->is_closing = true;
    calls->on_closed = on_closed;
    calls->closed_context = context;
    calls->answers = NULL;
    // NOLINTBEGIN(clang-analyzer-unix.Malloc): tell unlinks the exchange
    while (calls->first != NULL) {
        struct exchange *exchange = calls->first;
        exchange->is_answered = true;
        exchange->status = 0; /* also when an answer has come that nobody has looked at */
        exchange->error = "the caller closes";
        buf_clear(&exchange->answer);
        tell(exchange);
    }
    // NOLINTEND(clang-analyzer-unix.Malloc)
    uv_close((uv_handle_t *)&calls->arrived, on_async_closed);
}

enum err http_call(struct http_calls *calls, const struct http_call_request *request, http_call_cb *on_done,
                   void *context, struct err_info *info) {
    assert(!calls->is_closing);
    if (calls->in_flight >= calls->calls_max) {
        return err_set_retriable(info, ERR_TOO_LARGE, "%d calls are in flight", calls->in_flight);
    }
    sim_point("provider: before call");
    struct exchange *exchange = exchange_new(calls, request);
    exchange->on_done = on_done;
    exchange->context = context;
    after((int64_t)request->timeout_ms * US_PER_MS, exchange->process, on_timeout, exchange);
    send_off(exchange);
    sim_point("provider: after call");
    return ERR_NONE;
}

int http_calls_in_flight(const struct http_calls *calls) {
    return calls->in_flight;
}
