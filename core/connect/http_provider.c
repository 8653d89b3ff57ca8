#include "core/connect/http_provider.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/json_write.h"
#include "core/base/memory.h"

enum { URL_MAX = 1024, REQUEST_MAX_BYTES = 16 * 1024 };

struct http_provider {
    struct provider port; /* first: the port is the provider */
    struct http_calls *calls;
    const char *url;
    int timeout_ms;
};

/* One call under way. */
struct exchange {
    enum intent_kind kind;
    bool is_lookup;
    provider_outcome_cb *on_outcome;
    void *context;
};

static void release_json(json_t **json) {
    json_decref(*json);
}

static struct str text_member(const json_t *object, const char *name) {
    const json_t *member = json_object_get(object, name);
    return json_is_string(member) ? str_of(json_string_value(member), json_string_length(member)) : (struct str){0};
}

static bool is_known_result(struct str result) {
    static const struct str results[] = {STR("authorized"),      STR("captured"),     STR("declined"),
                                         STR("action_required"), STR("voided"),       STR("void_refused"),
                                         STR("refunded"),        STR("refund_failed")};
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (str_equal(result, results[i])) {
            return true;
        }
    }
    return false;
}

static void tell_decided(const struct exchange *exchange, const json_t *answer) {
    struct provider_outcome outcome = {.answer = PROVIDER_DECIDED,
                                       .result = text_member(answer, "result"),
                                       .amount_minor = json_integer_value(json_object_get(answer, "amount")),
                                       .currency = text_member(answer, "currency"),
                                       .provider_ref = text_member(answer, "provider_ref"),
                                       .code = text_member(answer, "code"),
                                       .message = text_member(answer, "message"),
                                       .action_url = text_member(answer, "action_url")};
    if (str_equal(outcome.result, STR("pending"))) {
        outcome.answer = PROVIDER_PENDING;
    } else if (!is_known_result(outcome.result) || (outcome.currency.len != 0 && outcome.currency.len != 3)) {
        outcome = (struct provider_outcome){.answer = PROVIDER_UNKNOWN};
    }
    exchange->on_outcome(exchange->context, &outcome);
}

/* The request itself can never work, so it had no effect. Anything else (409: the key is in use right now, 401: our
 * own credentials, 5xx) leaves open what happened or may heal. */
static bool is_definite_refusal(int status) {
    return status == 400 || status == 402 || status == 422;
}

static void on_done(void *context, const struct http_call_result *result) {
    struct exchange *exchange = context;
    struct provider_outcome outcome = {.answer = PROVIDER_UNKNOWN};
    if (result->status == 200 || result->status == 201) {
        json_t *answer CLEANUP(release_json) = json_loadb(result->body.data, result->body.len, 0, NULL);
        if (json_is_object(answer)) {
            tell_decided(exchange, answer);
            free(exchange);
            return;
        }
    } else if (result->status == 404 && exchange->is_lookup) {
        outcome.answer = PROVIDER_NOT_FOUND;
    } else if (!exchange->is_lookup && is_definite_refusal(result->status)) {
        char code[16];
        int len = snprintf(code, sizeof code, "http_%d", result->status);
        outcome = (struct provider_outcome){.answer = PROVIDER_DECIDED,
                                            .result = intent_refusal(exchange->kind),
                                            .code = str_of(code, (size_t)len),
                                            .message = STR("The provider does not take this request.")};
        exchange->on_outcome(exchange->context, &outcome);
        free(exchange);
        return;
    }
    exchange->on_outcome(exchange->context, &outcome);
    free(exchange);
}

static enum err send_request(struct http_provider *provider, const struct intent *intent, bool is_lookup,
                             struct http_call_request request, provider_outcome_cb *on_outcome, void *context,
                             struct err_info *info) {
    struct exchange *exchange = calloc_or_end(1, sizeof *exchange);
    *exchange =
        (struct exchange){.kind = intent->kind, .is_lookup = is_lookup, .on_outcome = on_outcome, .context = context};
    enum err err = http_call(provider->calls, &request, on_done, exchange, info);
    if (err != ERR_NONE) {
        free(exchange);
    }
    return err;
}

static enum err call(struct provider *self, const struct intent *intent, provider_outcome_cb *on_outcome, void *context,
                     struct err_info *info) {
    static const char *const paths[] = {[INTENT_CHARGE] = "charges",
                                        [INTENT_CAPTURE] = "captures",
                                        [INTENT_VOID] = "voids",
                                        [INTENT_REFUND] = "refunds"};
    struct http_provider *provider = (struct http_provider *)self;
    char url[URL_MAX], key[INTENT_TEXT_MAX + 32];
    snprintf(url, sizeof url, "%s/%s", provider->url, paths[intent->kind]);
    snprintf(key, sizeof key, "Idempotency-Key: %s", intent->key);
    const char *headers[] = {"Content-Type: application/json", key, "Expect:", NULL};

    struct buf body;
    buf_init(&body, REQUEST_MAX_BYTES);
    struct json_writer writer = json_writer_of(&body);
    json_object_begin(&writer);
    json_field_string(&writer, "intent", str_of_cstr(intent->key));
    json_field_string(&writer, "payment", str_of_cstr(intent->payment));
    json_field_string(&writer, "method", str_of_cstr(intent->method));
    json_field_int(&writer, "amount", intent->amount_minor);
    json_field_string(&writer, "currency", str_of_cstr(intent->currency));
    json_object_end(&writer);
    struct http_call_request request = {
        .method = "POST", .url = url, .headers = headers, .body = buf_text(&body), .timeout_ms = provider->timeout_ms};
    enum err err = send_request(provider, intent, false, request, on_outcome, context, info);
    buf_release(&body);
    return err;
}

static enum err lookup(struct provider *self, const struct intent *intent, provider_outcome_cb *on_outcome,
                       void *context, struct err_info *info) {
    struct http_provider *provider = (struct http_provider *)self;
    char url[URL_MAX];
    snprintf(url, sizeof url, "%s/operations/%s", provider->url, intent->key);
    struct http_call_request request = {.method = "GET", .url = url, .timeout_ms = provider->timeout_ms};
    return send_request(provider, intent, true, request, on_outcome, context, info);
}

struct http_provider *http_provider_create(struct http_calls *calls, const char *url, int timeout_ms) {
    struct http_provider *provider = calloc_or_end(1, sizeof *provider);
    *provider = (struct http_provider){
        .port = {.call = call, .lookup = lookup}, .calls = calls, .url = url, .timeout_ms = timeout_ms};
    return provider;
}

void http_provider_free(struct http_provider *provider) {
    free(provider);
}

struct provider *http_provider_port(struct http_provider *provider) {
    return &provider->port;
}
