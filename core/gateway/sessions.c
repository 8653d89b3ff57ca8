#include "core/gateway/sessions.h"

#include <sodium.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/timestamp.h"
#include "core/domain/customer/customer.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/seen_code.h"
#include "core/vault/token.h"
#include "gen/messages.h"

enum { WITHIN_HASH_BYTES = 16, SESSION_BODY_MAX_BYTES = 8192, JWKS_MAX_BYTES = 64 * 1024 };

static const struct secret *secret_of(const struct preparation *preparation) {
    return &preparation->request->loop->gateway->secret;
}

static struct command *command_of(struct preparation *preparation) {
    return &preparation->intake->command;
}

/* ---- logging in: whose address it is ----------------------------------------------------------------------------- */

/* From where: whoever has many sessions finds the one that is not his. */
static struct str client_text(struct preparation *preparation) {
    struct request *request = preparation->request;
    char address[ADDRESS_TEXT_MAX];
    address_write(request->client, address);
    struct str agent = http_request_field(request->exchange, "user-agent");
    agent = utf8_is_valid(agent) ? utf8_cut(agent, CLIENT_AGENT_MAX_BYTES) : (struct str){0};
    return arena_printf(request_arena(request), "%s%s%.*s", address, str_is_empty(agent) ? "" : " ", STR_ARGS(agent));
}

/* The code as the decision counts it: a step of the authenticator, or a recovery code. Whether it was used before is
 * not for the front to say: so a login that is sent again is the same one. */
static void look_at_code(struct preparation *preparation, const struct customer_state *state,
                         struct open_session *ask) {
    if (state->totp != TOTP_STATUS_ON || !ask->has_code) {
        return;
    }
    const struct seen_code seen =
        seen_code_of(preparation->request->loop, preparation->finding.customer.id, state->totp_number, ask->code);
    ask->totp_number = state->totp_number;
    ask->totp_step = seen.step;
    ask->recovery = seen.recovery;
}

/* Password, and a code where one is asked for. */
static bool is_wholly_proved(const struct preparation *preparation, const struct open_session *ask) {
    bool needs_code = preparation->finding.is_there && preparation->finding.customer.state.totp == TOTP_STATUS_ON;
    return ask->proved && (!needs_code || ask->totp_step > 0 || ask->recovery > 0);
}

/* What was proved, and what else was asked for: another request under the same key is another command. Were it
 * refused for that, it would show that the first one had the password. */
static struct str within_proof(struct preparation *preparation) {
    struct str hash = command_of(preparation)->meta.request_hash;
    char text[2 * WITHIN_HASH_BYTES + 1];
    sodium_bin2hex(text, sizeof text, (const uint8_t *)hash.data,
                   hash.len < WITHIN_HASH_BYTES ? hash.len : WITHIN_HASH_BYTES);
    return arena_printf(request_arena(preparation->request), "proved %s", text);
}

/* The session of whoever logs in that his browser still has, or by whose token he comes: it ends with the new one. One
 * of somebody else is none of his business, whoever sat there before. */
static int32_t session_until_now(struct preparation *preparation) {
    const struct request *request = preparation->request;
    struct str customer = preparation->finding.customer.id;
    struct str cookie = cookie_find(request->exchange, REFRESH_COOKIE);
    struct session_ref ref = {0};
    uint8_t his[ULID_BYTES] = {0};
    if (str_equal(request->principal.id, customer)) {
        return request->principal.session;
    }
    bool is_his = !str_is_empty(cookie) && refresh_token_read(secret_of(preparation), cookie, &ref) &&
                  ulid_read(str_from(customer, 4), his) && memcmp(his, ref.customer, sizeof his) == 0;
    return is_his && ref.session <= INT32_MAX ? (int32_t)ref.session : 0;
}

static void end_login(struct preparation *preparation) {
    struct open_session *ask = &command_of(preparation)->as.open_session;
    preparation_wipe(&ask->password);
    if (preparation->finding.is_there) {
        ask->replaces = session_until_now(preparation);
        look_at_code(preparation, &preparation->finding.customer.state, ask);
    }
    preparation_wipe(&ask->code);
    if (ask->proved) {
        preparation_act_as(preparation, preparation->stream);
    }
    if (!is_wholly_proved(preparation, ask)) {
        preparation->intake->key = (struct str){0}; /* a key brings back what somebody has proved, and nothing else */
    }
    preparation_end(preparation, preparation->stream, within_proof(preparation));
}

/* ---- logging in: the password ------------------------------------------------------------------------------------ */

static void on_rehashed(struct hashing_job *job) {
    struct preparation *preparation = job->context;
    struct open_session *ask = &command_of(preparation)->as.open_session;
    if (preparation_is_abandoned(preparation)) {
        return;
    }
    if (job->result == HASHING_DONE) { /* else the old one is good for another time */
        ask->has_rehashed = true;
        ask->rehashed.plaintext = arena_str_copy(request_arena(preparation->request),
                                                 str_of(job->verifier, strnlen(job->verifier, sizeof job->verifier)));
    }
    end_login(preparation);
}

static void on_compared(struct hashing_job *job) {
    struct preparation *preparation = job->context;
    struct open_session *ask = &command_of(preparation)->as.open_session;
    bool is_right = job->result == HASHING_DONE && preparation->is_compared;
    bool is_made_anew = is_right && job->needs_rehash;
    if (!is_made_anew) {
        preparation_wipe(&ask->password);
    }
    if (!preparation_was_hashed(preparation)) {
        return;
    }
    ask->proved = is_right;
    ask->password_number = preparation->finding.is_there ? preparation->finding.customer.state.password_number : 0;
    if (!is_made_anew || !preparation_try_hash(preparation, &ask->password, (struct str){0}, on_rehashed)) {
        end_login(preparation); /* without room for it the old verifier is good for another time */
    }
}

/* Nobody is asked in somebody's place: always the same for an address. */
static void take_nobody(struct preparation *preparation) {
    struct arena *arena = request_arena(preparation->request);
    preparation->finding.is_there = false;
    preparation->stream = identity_nobody(arena, secret_of(preparation), preparation->finding.parameter);
}

/* Of nobody, and of whoever cannot be compared with, nobody's verifier: it takes as long. One whose key the ring cannot
 * open is nobody here, since of a nobody that would not be told; the loop's log tells it (loop.c, watch_vault). */
static void on_unsealed(struct unsealing *unsealing, enum vault_found found) {
    struct preparation *preparation = unsealing->context;
    bool is_closed = found == VAULT_NO_MASTER;
    if (!preparation_was_unsealed(preparation, is_closed ? VAULT_THERE : found)) {
        return;
    }
    if (is_closed) {
        take_nobody(preparation);
    }
    struct open_session *ask = &command_of(preparation)->as.open_session;
    struct str verifier = unsealing->values[0]->plaintext;
    preparation->is_compared = preparation->finding.is_there && !str_is_empty(verifier);
    if (preparation->is_compared) {
        preparation->seal_key_id = preparation->finding.customer.state.key_id;
        preparation->seal_wish = VAULT_FIND;
        ask->has_client = true;
        ask->client.plaintext = client_text(preparation);
    }
    preparation_hash(preparation, &ask->password, true,
                     preparation->is_compared ? verifier
                                              : str_of_cstr(preparation->request->loop->gateway->nobodys_verifier),
                     on_compared);
}

static void on_customer(struct customer_finding *finding) {
    struct preparation *preparation = CONTAINER_OF(finding, struct preparation, finding);
    struct arena *arena = request_arena(preparation->request);
    if (finding->is_there) {
        preparation->stream = finding->customer.id;
        preparation_unseal(preparation, &finding->customer.state.password, on_unsealed);
        return;
    }
    take_nobody(preparation);
    preparation->sealed =
        (struct sealed){.key_id = vault_key_id_of_customer(arena, secret_of(preparation), preparation->stream)};
    preparation_unseal(preparation, &preparation->sealed, on_unsealed);
}

void sessions_prepare_login(struct preparation *preparation) {
    struct request *request = preparation->request;
    struct open_session *ask = &command_of(preparation)->as.open_session;
    preparation_act_as_nobody(preparation);
    preparation->has_cookie = ask->cookie;
    struct str identity = identity_of_email(request_arena(request), secret_of(preparation), ask->email);
    preparation_wipe(&ask->email);
    if (request_may_present(request) &&
        request_may_take(request, LIMIT_LOGIN, REQUEST_NAME_LOGIN, identity, REQUEST_NAME_TIMES)) {
        customer_find_discreetly(&preparation->finding, request, identity, &preparation->intake->position, on_customer);
    }
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static void take_roles(const struct role_grant_array *grants, struct access_claims *claims) {
    for (uint32_t i = 0; i < grants->count; i++) {
        const struct role_grant *grant = &grants->items[i];
        uint32_t role = token_role_of_name(grant->role);
        claims->roles |= role;
        if (role == TOKEN_ROLE_VENDOR && grant->has_vendor) {
            claims->vendor = grant->vendor;
        }
    }
}

static bool take_session(struct str customer, const struct customer_state *state, struct session_ref *ret_ref) {
    ret_ref->session = (uint32_t)state->touched_session;
    ret_ref->generation = (uint32_t)state->touched_generation;
    return state->touched_session > 0 && state->touched_generation > 0 && customer.len == CUSTOMER_ID_LEN &&
           ulid_read(str_from(customer, 4), ret_ref->customer);
}

bool session_answer_write(struct arena *arena, const struct session_terms *terms, struct str customer,
                          const struct customer_state *state, struct session_answer *ret_answer) {
    struct session_ref ref;
    if (!take_session(customer, state, &ref)) {
        return false;
    }
    struct access_claims claims = {
        .customer = customer,
        .session = state->touched_session,
        .is_once = state->once_until > 0,
        .was_code_given = customer_session_has_factor(state, state->touched_session),
        .issued_at_s = state->touched_at / MICROS_PER_SECOND,
        .expires_at_s = state->touched_at / MICROS_PER_SECOND + terms->access_token_s,
    };
    take_roles(&state->roles, &claims);
    struct str access = access_token_write(terms->signing, arena, &claims);
    struct str refresh = refresh_token_write(arena, terms->secret, &ref);
    struct buf body;
    buf_init_wiping(&body, SESSION_BODY_MAX_BYTES);
    struct json_writer writer = json_writer_of(&body);
    json_object_begin(&writer);
    json_field_string(&writer, "customer", customer);
    json_field_int(&writer, "session", state->touched_session);
    json_field_cstr(&writer, "token_type", terms->as_cookies ? "Cookie" : "Bearer");
    if (!terms->as_cookies) {
        json_field_string(&writer, "access_token", access);
    }
    json_field_int(&writer, "expires_in", terms->access_token_s);
    if (!terms->as_cookies) {
        json_field_string(&writer, "refresh_token", refresh);
    }
    char until[TIMESTAMP_TEXT_MAX + 1];
    size_t len = timestamp_write(state->touched_expires_at, until);
    json_field_string(&writer, "refresh_expires_at", str_of(until, len));
    if (terms->as_cookies) {
        json_field_string(&writer, "csrf_token",
                          mail_token_write(arena, terms->secret, CSRF_USE, customer, state->touched_session));
    }
    json_field_bool(&writer, "password_change_required", claims.is_once);
    json_field_bool(&writer, "second_factor_required",
                    terms->roles_need_factor && claims.roles != 0 && !claims.was_code_given);
    json_object_end(&writer);
    *ret_answer = (struct session_answer){.body = arena_str_copy(arena, buf_text(&body))};
    if (terms->as_cookies) {
        int64_t refresh_s = (state->touched_expires_at - state->touched_at) / MICROS_PER_SECOND;
        ret_answer->access_cookie = cookie_write(arena, ACCESS_COOKIE, "/", access, terms->access_token_s);
        ret_answer->refresh_cookie = cookie_write(arena, REFRESH_COOKIE, "/v1/sessions", refresh, refresh_s);
    }
    buf_release(&body);
    return true;
}

/* The state is that of the moment of the outcome, so that the session it touched last is the one that was opened or
 * refreshed by this command. A front that cannot read it says what is true: the session is there, and another front
 * has its tokens. */
static void answer_session(struct preparation *preparation, const struct outcome *outcome) {
    struct request *request = preparation->request;
    struct arena *arena = request_arena(request);
    struct customer_state state;
    struct session_answer answer;
    bool is_read = preparation_customer(preparation, outcome, &state);
    const struct session_terms terms = {
        .signing = request->loop->authentication.signing,
        .secret = secret_of(preparation),
        .access_token_s = request->loop->gateway->config->access_token_s,
        .as_cookies = preparation->has_cookie,
        .roles_need_factor = request->loop->authentication.roles_need_factor,
    };
    if (!is_read || !session_answer_write(arena, &terms, arena_str_copy(arena, outcome->stream), &state, &answer)) {
        preparation_answer_pending(preparation);
        return;
    }
    preparation_answer_fields(preparation, outcome);
    if (terms.as_cookies) {
        http_answer_field(request->exchange, "Set-Cookie", answer.access_cookie);
        http_answer_field(request->exchange, "Set-Cookie", answer.refresh_cookie);
    }
    request_answer_json(request, request->match.route->status, answer.body);
}

/* A wrong password, an address that is nobody's and a mailbox that was not proved are told alike; that a code is wanted
 * is told to who had the password. */
void sessions_answer_login(struct preparation *preparation, const struct outcome *outcome) {
    if (outcome->status == OUTCOME_STATUS_REJECTED) {
        preparation_refuse_by(preparation, outcome, LOGIN_ANSWER_MS);
    } else {
        answer_session(preparation, outcome);
    }
}

/* ---- the next tokens --------------------------------------------------------------------------------------------- */

/* A browser sends its token by itself, and nothing else. */
json_t *sessions_cookie_as_body(struct request *request) {
    struct str token = cookie_find(request->exchange, REFRESH_COOKIE);
    return str_is_empty(token) ? NULL : json_pack("{s:s%}", "refresh_token", token.data, (size_t)token.len);
}

void sessions_forget_cookies(struct request *request) {
    cookie_forget_access(request->exchange);
    http_answer_field(request->exchange, "Set-Cookie",
                      cookie_write(request_arena(request), REFRESH_COOKIE, "/v1/sessions", STR(""), 0));
}

/* None of ours. Only now is it looked at how many such the client has brought: whose token is one is let in by it,
 * whatever others from his address have tried. */
static void refuse_refresh(struct preparation *preparation) {
    if (!request_may_present(preparation->request)) {
        return;
    }
    request_presented_in_vain(preparation->request);
    if (preparation->has_cookie) {
        sessions_forget_cookies(preparation->request);
    }
    preparation_refuse(preparation, REJECT_SESSION_ENDED, (struct str){0}, 0);
}

void sessions_prepare_refresh(struct preparation *preparation) {
    struct request *request = preparation->request;
    struct arena *arena = request_arena(request);
    struct refresh_session *ask = &command_of(preparation)->as.refresh_session;
    struct session_ref ref;
    bool is_ours = refresh_token_read(secret_of(preparation), ask->refresh_token, &ref) && ref.session <= INT32_MAX &&
                   ref.session > 0 && ref.generation <= INT32_MAX && ref.generation > 0;
    preparation_wipe(&ask->refresh_token);
    if (!is_ours) {
        refuse_refresh(preparation);
        return;
    }
    char ulid[ULID_TEXT_LEN];
    ulid_write(ref.customer, ulid);
    struct str customer = arena_printf(arena, "cus_%.*s", ULID_TEXT_LEN, ulid);
    struct problem problem;
    if (preparation->has_cookie &&
        !csrf_is_met(&request->loop->authentication, request->exchange, customer, (int32_t)ref.session, &problem)) {
        request_problem(request, &problem);
        return;
    }
    ask->session = (int32_t)ref.session;
    ask->generation = (int32_t)ref.generation;
    preparation_act_as(preparation, customer);
    preparation_end(preparation, customer, arena_printf(arena, "%u.%u", ref.session, ref.generation));
}

void sessions_answer_refresh(struct preparation *preparation, const struct outcome *outcome) {
    if (outcome->status == OUTCOME_STATUS_ACCEPTED) {
        answer_session(preparation, outcome);
        return;
    }
    if (preparation->has_cookie) {
        sessions_forget_cookies(preparation->request);
    }
    preparation_refuse_by(preparation, outcome, 0);
}

/* ---- logging out ------------------------------------------------------------------------------------------------- */

void sessions_prepare_logout(struct preparation *preparation) {
    const struct principal *principal = &preparation->request->principal;
    struct end_session *ask = &command_of(preparation)->as.end_session;
    if (principal->session == 0) {
        http_answer_field(preparation->request->exchange, "WWW-Authenticate", STR("Bearer"));
        request_refuse(preparation->request, 401, "unauthenticated", "Nobody is logged in who could log out.");
        return;
    }
    ask->session = principal->session;
    ask->reason = STR("logout");
    preparation->has_cookie = principal->by == BY_COOKIE;
    preparation_end(preparation, principal->id, arena_printf(request_arena(preparation->request), "%d", ask->session));
}

void sessions_answer_logout(struct preparation *preparation, const struct outcome *outcome) {
    if (preparation->has_cookie) { /* where it is refused the session has ended otherwise */
        sessions_forget_cookies(preparation->request);
    }
    if (outcome->status == OUTCOME_STATUS_REJECTED) {
        preparation_refuse_by(preparation, outcome, 0);
        return;
    }
    preparation_answer_fields(preparation, outcome);
    request_answer_json(preparation->request, 200, STR("{\"status\":\"ended\"}"));
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

void jwks_document(struct request *request) {
    struct buf text;
    buf_init(&text, JWKS_MAX_BYTES);
    jwks_write(request->loop->authentication.signing, &text);
    http_answer_field(request->exchange, "Cache-Control", STR("public, max-age=300"));
    request_answer_json(request, 200, buf_text(&text));
    buf_release(&text);
}
