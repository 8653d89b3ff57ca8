#include "core/gateway/webhook.h"

#include <jansson.h>
#include <sodium.h>

#include "core/base/format.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/payment/payment.h"
#include "core/gateway/commands.h"
#include "core/gateway/identity.h"
#include "core/gateway/json_text.h"
#include "core/gateway/loop.h"
#include "core/gateway/path_id.h"
#include "core/gateway/request.h"

enum { WEBHOOK_TEXT_MAX = 512, SIGNATURES_MAX = 8 };

static const char *const results[] = {"authorized", "captured",     "declined",    "action_required",
                                      "voided",     "void_refused", "refunded",    "refund_failed",
                                      "disputed",   "dispute_won",  "dispute_lost"};

/* ---- the signature ------------------------------------------------------------------------------------------------
 */

static void sign(struct str secret, struct str time, struct str body, uint8_t ret_hash[crypto_auth_hmacsha256_BYTES]) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret.data, secret.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)time.data, time.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)".", 1);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)body.data, body.len);
    crypto_auth_hmacsha256_final(&state, ret_hash);
}

enum webhook_check webhook_check(struct str secret, struct str signature_header, struct str body, int64_t now_s) {
    struct str time = {0};
    uint8_t given[SIGNATURES_MAX][crypto_auth_hmacsha256_BYTES];
    size_t given_count = 0;
    for (struct str rest = signature_header; !str_is_empty(rest);) {
        struct str part = str_first(rest, str_find(rest, ','));
        rest = str_from(rest, part.len + 1);
        if (str_starts_with(part, STR("t=")) && str_is_empty(time)) {
            time = str_from(part, 2);
        } else if (str_starts_with(part, STR("v1=")) && given_count < SIGNATURES_MAX &&
                   hex_read(str_from(part, 3), given[given_count], sizeof given[0])) {
            given_count++;
        }
    }
    int64_t signed_at_s;
    if (str_is_empty(secret) || given_count == 0 || !int64_read(time, &signed_at_s)) {
        return WEBHOOK_FORGED;
    }
    uint8_t expected[crypto_auth_hmacsha256_BYTES];
    sign(secret, time, body, expected);
    bool is_genuine = false;
    for (size_t i = 0; i < given_count; i++) {
        is_genuine = sodium_memcmp(given[i], expected, sizeof expected) == 0 || is_genuine;
    }
    if (!is_genuine) {
        return WEBHOOK_FORGED;
    }
    bool is_in_time = signed_at_s >= now_s - WEBHOOK_TOLERANCE_S && signed_at_s <= now_s + WEBHOOK_TOLERANCE_S;
    return is_in_time ? WEBHOOK_GENUINE : WEBHOOK_STALE;
}

/* ---- the body -----------------------------------------------------------------------------------------------------
 */

static bool refuse(struct arena *arena, const char *code, const char *field, const char *detail,
                   struct problem *ret_problem) {
    *ret_problem =
        (struct problem){.status = 400, .code = code, .detail = detail, .pointer = arena_printf(arena, "/%s", field)};
    return false;
}

/* A text of at most WEBHOOK_TEXT_MAX bytes; empty when it is absent and not required. */
static bool take_text(struct arena *arena, const json_t *body, const char *field, bool is_required,
                      struct str *ret_text, struct problem *ret_problem) {
    const json_t *value = json_object_get(body, field);
    if (value == NULL || json_is_null(value)) {
        *ret_text = STR("");
        return !is_required || refuse(arena, "missing_field", field, "The field is required.", ret_problem);
    }
    if (!json_is_string(value)) {
        return refuse(arena, "wrong_type", field, "The field must be a text.", ret_problem);
    }
    struct str text = str_of(json_string_value(value), json_string_length(value));
    if (text.len > WEBHOOK_TEXT_MAX || (is_required && text.len == 0)) {
        return refuse(arena, "too_long", field, "The text must have 1 to 512 bytes.", ret_problem);
    }
    *ret_text = arena_str_copy(arena, text);
    return true;
}

static bool take_amount(struct arena *arena, const json_t *body, struct money *ret_amount,
                        struct problem *ret_problem) {
    const json_t *value = json_object_get(body, "amount");
    ret_amount->amount = 0;
    if (value != NULL && (!json_is_integer(value) || json_integer_value(value) < 0)) {
        return refuse(arena, "wrong_type", "amount", "The amount is a whole number of minor units.", ret_problem);
    }
    ret_amount->amount = value == NULL ? 0 : json_integer_value(value);
    if (!take_text(arena, body, "currency", value != NULL, &ret_amount->currency, ret_problem)) {
        return false;
    }
    return ret_amount->currency.len == 0 || format_matches(FORMAT_CURRENCY, ret_amount->currency) ||
           refuse(arena, "invalid_format", "currency", "The currency is a code of ISO 4217.", ret_problem);
}

/* RFC 3339; absent: the provider does not say. */
static bool take_time(struct arena *arena, const json_t *body, const char *field, bool *ret_has_time,
                      int64_t *ret_time_us, struct problem *ret_problem) {
    struct str text;
    if (!take_text(arena, body, field, false, &text, ret_problem)) {
        return false;
    }
    *ret_has_time = !str_is_empty(text);
    return !*ret_has_time || timestamp_read(text, ret_time_us) ||
           refuse(arena, "invalid_format", field, "The time is one of RFC 3339.", ret_problem);
}

static bool is_result(struct str text) {
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (str_equal(text, str_of_cstr(results[i]))) {
            return true;
        }
    }
    return false;
}

static bool take_fields(struct arena *arena, const json_t *body, struct command *command, struct problem *ret_problem) {
    struct record_provider_outcome *outcome = &command->as.record_provider_outcome;
    struct str payment;
    bool is_taken = take_text(arena, body, "intent", true, &outcome->intent, ret_problem) &&
                    take_text(arena, body, "payment", true, &payment, ret_problem) &&
                    take_text(arena, body, "result", true, &outcome->result, ret_problem) &&
                    take_text(arena, body, "provider_ref", false, &outcome->provider_ref, ret_problem) &&
                    take_text(arena, body, "code", false, &outcome->code, ret_problem) &&
                    take_text(arena, body, "message", false, &outcome->message, ret_problem) &&
                    take_text(arena, body, "action_url", false, &outcome->action_url, ret_problem) &&
                    take_time(arena, body, "respond_by", &outcome->has_respond_by, &outcome->respond_by, ret_problem) &&
                    take_amount(arena, body, &outcome->amount, ret_problem);
    if (!is_taken) {
        return false;
    }
    outcome->has_action_url = outcome->action_url.len > 0;
    if (outcome->has_action_url && !format_matches(FORMAT_URL, outcome->action_url)) {
        return refuse(arena, "invalid_format", "action_url", "The address is one of http or https.", ret_problem);
    }
    if (!is_result(outcome->result)) {
        return refuse(arena, "invalid_format", "result", "This is no result of a payment.", ret_problem);
    }
    if (payment_is_of_dispute(outcome->result) && str_is_empty(outcome->provider_ref)) {
        return refuse(arena, "missing_field", "provider_ref", "A dispute has the provider's name for it.", ret_problem);
    }
    if (!path_id_stream(arena, STR("payment"), payment, &command->meta.stream, ret_problem)) {
        ret_problem->status = 400;
        ret_problem->pointer = STR("/payment");
        return false;
    }
    return true;
}

bool webhook_command(struct arena *arena, struct str body, struct command *ret_command, struct problem *ret_problem) {
    struct json_text_problem problem;
    json_t *json = json_text_read(arena, body, &problem);
    if (json == NULL) {
        *ret_problem =
            (struct problem){.status = 400, .code = problem.code, .detail = problem.detail, .pointer = problem.pointer};
        return false;
    }
    struct command command = {.type = COMMAND_RECORD_PROVIDER_OUTCOME};
    bool is_taken = take_fields(arena, json, &command, ret_problem);
    json_decref(json);
    if (is_taken) {
        *ret_command = command;
    }
    return is_taken;
}

/* ---- the request ---------------------------------------------------------------------------------------------------
 */

static void name_command(struct request *request, struct command *command) {
    struct arena *arena = request_arena(request);
    const struct record_provider_outcome *outcome = &command->as.record_provider_outcome;
    struct command_meta *meta = &command->meta;
    meta->command_id = identity_provider_outcome(arena, &request->loop->gateway->secret, outcome->intent,
                                                 outcome->result, outcome->amount, outcome->provider_ref);
    meta->correlation_id = meta->command_id;
    meta->causation_id = meta->command_id;
    meta->actor = STR("provider:test");
    meta->issued_at = clock_wall_us();
}

enum err webhook_secret_check(const struct config *config, struct err_info *info) {
    size_t bytes = strlen(config->provider_webhook_secret);
    return bytes == 0 || bytes >= WEBHOOK_SECRET_MIN_BYTES || config_is_default(config, "provider_webhook_secret")
               ? ERR_NONE
               : err_set(
                     info, ERR_CONFIG,
                     "provider_webhook_secret has %zu bytes: whoever has seen a webhook could guess it. Give one of "
                     "%d at least, such as `openssl rand -hex 32` makes",
                     bytes, WEBHOOK_SECRET_MIN_BYTES);
}

bool webhook_secret_is_usable(const struct config *config) {
    bool is_public = config_is_default(config, "provider_webhook_secret");
    return config->provider_webhook_secret[0] != '\0' && (!is_public || config->development);
}

void webhook_received(struct request *request) {
    struct http_exchange *exchange = request->exchange;
    const struct config *config = request->loop->gateway->config;
    struct str secret = str_of_cstr(config->provider_webhook_secret);
    if (!str_equal(request_parameter(request, "provider"), STR("test")) || !webhook_secret_is_usable(config)) {
        request_refuse(request, 404, "unknown_provider", "No webhooks are taken from such a provider.");
        return;
    }
    if (!request_may_present(request)) {
        return;
    }
    switch (webhook_check(secret, http_request_field(exchange, "daybook-test-signature"), exchange->body,
                          clock_wall_us() / MICROS_PER_SECOND)) {
    case WEBHOOK_FORGED:
        request_presented_in_vain(request);
        request_refuse(request, 401, "invalid_signature", "The signature is not that of the provider.");
        return;
    case WEBHOOK_STALE:
        request_presented_in_vain(request);
        request_refuse(request, 401, "stale_signature", "The webhook was signed more than 5 minutes ago.");
        return;
    case WEBHOOK_GENUINE:
        break;
    }
    struct command command;
    struct problem problem;
    if (!webhook_command(request_arena(request), exchange->body, &command, &problem)) {
        request_problem(request, &problem);
        return;
    }
    http_body_done(exchange);
    name_command(request, &command);
    command_send_made(request, &command, "{\"received\":true}");
}
