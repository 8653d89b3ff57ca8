#include "core/gateway/me_totp.h"

#include <assert.h>
#include <sodium.h>

#include "core/base/json_write.h"
#include "core/base/text.h"
#include "core/gateway/loop.h"
#include "core/gateway/me.h"
#include "core/gateway/me_proofs.h"
#include "core/gateway/seen_code.h"
#include "core/vault/totp.h"

enum { BODY_MAX_BYTES = 4096 };

static struct command *command_of(struct preparation *preparation) {
    return &preparation->intake->command;
}

static const struct secret *secret_of(const struct preparation *preparation) {
    return &preparation->request->loop->gateway->secret;
}

static void answer_secret(const struct my_answer *answer, struct buf *body) {
    assert(buf_ok(body));
    request_answer_json(answer->preparation->request, answer->status, buf_text(body));
    buf_release(body);
}

/* ---- begun ------------------------------------------------------------------------------------------------------- */

static void on_begin_proved(struct preparation *preparation, bool is_proved) {
    struct begin_totp *ask = &command_of(preparation)->as.begin_totp;
    ask->proved = is_proved;
    ask->password_number = preparation->finding.customer.state.password_number;
    if (!is_proved) {
        preparation->intake->key = (struct str){0}; /* a key brings back what somebody has proved, and nothing else */
    }
    preparation_end(preparation, preparation->stream, STR("proved"));
}

void me_totp_prepare_begin(struct preparation *preparation) {
    me_prove(preparation, &command_of(preparation)->as.begin_totp.password, on_begin_proved);
}

struct str me_totp_issuer(const char *public_url) {
    struct str rest = str_of_cstr(public_url);
    rest = str_from(rest, str_find(rest, ':') + 3);
    rest = str_first(rest, str_find(rest, '/'));
    bool is_ipv6 = rest.len > 0 && rest.data[0] == '[';
    struct str host = is_ipv6 ? str_first(rest, str_find(rest, ']') + 1) : str_first(rest, str_find(rest, ':'));
    return str_first(host, TOTP_LABEL_MAX);
}

/* Without the vault the app shows whose it is by the customer's id. */
static void write_begun(struct my_answer *answer) {
    struct arena *arena = request_arena(answer->preparation->request);
    uint8_t secret[TOTP_SECRET_BYTES];
    struct str email = answer->state.email.plaintext;
    struct str label = str_is_empty(email) ? answer->stream : email;
    struct str issuer = me_totp_issuer(answer->preparation->request->loop->gateway->config->public_url);
    totp_secret_derive(secret_of(answer->preparation), answer->stream, answer->state.totp_number, secret);
    struct buf body;
    buf_init_wiping(&body, BODY_MAX_BYTES);
    struct json_writer writer = json_writer_of(&body);
    json_object_begin(&writer);
    json_field_string(&writer, "secret", totp_secret_text(arena, secret));
    json_field_string(&writer, "uri", totp_uri(arena, secret, issuer, label));
    json_object_end(&writer);
    sodium_memzero(secret, sizeof secret);
    answer_secret(answer, &body);
}

void me_totp_answer_begin(struct preparation *preparation, const struct outcome *outcome) {
    me_answer_opened(preparation, outcome, NULL, write_begun);
}

/* ---- confirmed --------------------------------------------------------------------------------------------------- */

/* The code itself, as nobody reads it back: a minute later it could not be compared any more, and the request that is
 * sent again is to be the same one. */
static struct str within_code(struct preparation *preparation, struct str code) {
    char hex[2 * SECRET_HASH_BYTES + 1];
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(secret_of(preparation), "confirming code", &code, 1, hash);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return arena_str_copy(request_arena(preparation->request), str_of(hex, sizeof hex - 1));
}

/* A recovery code confirms nothing: it shows no more than that its owner has read the answer. */
static void on_customer_to_confirm(struct preparation *preparation) {
    struct confirm_totp *ask = &command_of(preparation)->as.confirm_totp;
    int32_t number = preparation->finding.customer.state.totp_number;
    const struct seen_code seen = seen_code_of(preparation->request->loop, preparation->stream, number, ask->code);
    struct str within = within_code(preparation, ask->code);
    ask->totp_number = number;
    ask->step = seen.step > 0 ? seen.step : 0;
    preparation_wipe(&ask->code);
    preparation_end(preparation, preparation->stream, within);
}

void me_totp_prepare_confirm(struct preparation *preparation) {
    me_find(preparation, &command_of(preparation)->as.confirm_totp.code, on_customer_to_confirm);
}

static void write_confirmed(struct my_answer *answer) {
    struct arena *arena = request_arena(answer->preparation->request);
    struct buf body;
    buf_init_wiping(&body, BODY_MAX_BYTES);
    struct json_writer writer = json_writer_of(&body);
    json_object_begin(&writer);
    json_field_array(&writer, "recovery_codes");
    for (int i = 0; i < RECOVERY_CODES; i++) {
        json_text(&writer, recovery_code_write(arena, secret_of(answer->preparation), answer->stream,
                                               answer->state.totp_number, i));
    }
    json_array_end(&writer);
    json_object_end(&writer);
    answer_secret(answer, &body);
}

void me_totp_answer_confirm(struct preparation *preparation, const struct outcome *outcome) {
    me_answer_opened(preparation, outcome, NULL, write_confirmed);
}

/* ---- ended ------------------------------------------------------------------------------------------------------- */

static void on_end_proved(struct preparation *preparation, bool is_proved) {
    struct end_totp *ask = &command_of(preparation)->as.end_totp;
    const struct customer_state *state = &preparation->finding.customer.state;
    const struct seen_code seen =
        seen_code_of(preparation->request->loop, preparation->stream, state->totp_number, ask->code);
    preparation_wipe(&ask->code);
    ask->proved = is_proved;
    ask->password_number = state->password_number;
    ask->totp_number = state->totp_number;
    ask->step = seen.step;
    ask->recovery = seen.recovery;
    preparation_end(preparation, preparation->stream, (struct str){0});
}

void me_totp_prepare_end(struct preparation *preparation) {
    me_prove(preparation, &command_of(preparation)->as.end_totp.password, on_end_proved);
}
