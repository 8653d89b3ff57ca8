#include "core/gateway/prepared.h"

#include <assert.h>
#include <string.h>

#include "core/gateway/answers.h"
#include "core/gateway/commands.h"
#include "core/gateway/held.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/me.h"
#include "core/gateway/me_proofs.h"
#include "core/gateway/me_totp.h"
#include "core/gateway/people.h"
#include "core/gateway/sessions.h"
#include "core/log/record.h"
#include "gen/codec.h"
#include "gen/messages.h"

static const struct prepared_command prepared_commands[] = {
    /* type             discreet, one scope, prepare, answer, absent body */
    {COMMAND_REGISTER_CUSTOMER, false, true, people_prepare_registration, people_answer_standing, NULL},
    {COMMAND_VERIFY_CUSTOMER, true, true, people_prepare_verification, people_answer_standing, NULL},
    {COMMAND_REQUEST_PASSWORD_RESET, true, true, people_prepare_reset_request, people_answer_reset_request, NULL},
    {COMMAND_RESET_PASSWORD, false, true, people_prepare_reset, people_answer_standing, NULL},
    {COMMAND_CONFIRM_EMAIL, false, false, people_prepare_email, people_answer_standing, NULL},
    {COMMAND_OPEN_SESSION, true, true, sessions_prepare_login, sessions_answer_login, NULL},
    {COMMAND_REFRESH_SESSION, true, true, sessions_prepare_refresh, sessions_answer_refresh, sessions_cookie_as_body},
    {COMMAND_END_SESSION, false, false, sessions_prepare_logout, sessions_answer_logout, NULL},
};

/* Those of routes that are SELF. */
static const struct prepared_command own_commands[] = {
    /* the same */
    {COMMAND_CHANGE_PROFILE, false, false, me_prepare, me_answer_customer, NULL},
    {COMMAND_PUT_ADDRESS, false, false, me_prepare, me_answer_address, NULL},
    {COMMAND_REMOVE_ADDRESS, false, false, me_prepare, me_answer_customer, NULL},
    {COMMAND_SET_CONSENT, false, false, me_prepare, me_answer_customer, NULL},
    {COMMAND_CHANGE_PASSWORD, false, false, me_prepare_password, people_answer_standing, NULL},
    {COMMAND_CHANGE_EMAIL, false, false, me_prepare_email, people_answer_standing, NULL},
    {COMMAND_ERASE_CUSTOMER, false, false, me_prepare_erasure, me_answer_erasure, NULL},
    {COMMAND_BEGIN_TOTP, false, false, me_totp_prepare_begin, me_totp_answer_begin, NULL},
    {COMMAND_CONFIRM_TOTP, false, false, me_totp_prepare_confirm, me_totp_answer_confirm, NULL},
    {COMMAND_END_TOTP, false, false, me_totp_prepare_end, people_answer_standing, NULL},
    {COMMAND_END_SESSION, false, false, me_prepare_session_end, me_answer_session_end, NULL},
    {COMMAND_END_SESSIONS, false, false, me_prepare_sessions_end, sessions_answer_logout, NULL},
};

static const struct prepared_command *row_of(const struct prepared_command *rows, size_t count, uint16_t type) {
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type == type) {
            return &rows[i];
        }
    }
    return NULL;
}

const struct prepared_command *prepared_command(uint16_t type) {
    return row_of(prepared_commands, ARRAY_LENGTH(prepared_commands), type);
}

const struct prepared_command *prepared_command_of(const struct route *route) {
    return route->is_of_self ? row_of(own_commands, ARRAY_LENGTH(own_commands), route->command_type)
                             : prepared_command(route->command_type);
}

struct str preparation_scope(const struct request *request) {
    const struct prepared_command *row = prepared_command_of(request->match.route);
    return row != NULL && row->has_one_scope ? STR("anonymous") : request->principal.identity;
}

void preparation_end(struct preparation *preparation, struct str stream, struct str within) {
    preparation->on_prepared(preparation, stream, within);
}

struct preparation *preparation_create(struct request *request, struct intake *intake,
                                       void (*on_prepared)(struct preparation *preparation, struct str stream,
                                                           struct str within),
                                       void *context, json_t **ret_absent_body) {
    const struct prepared_command *row = prepared_command_of(request->match.route);
    *ret_absent_body = NULL;
    if (row == NULL) {
        return NULL;
    }
    request->exchange->holds_secrets = true;
    if (row->absent_body != NULL && request->exchange->body.len == 0) {
        *ret_absent_body = row->absent_body(request);
    }
    struct preparation *preparation = arena_alloc(request_arena(request), sizeof *preparation);
    preparation->row = row;
    preparation->request = request;
    preparation->intake = intake;
    preparation->has_cookie = *ret_absent_body != NULL;
    preparation->on_prepared = on_prepared;
    preparation->context = context;
    return preparation;
}

void preparation_wipe_body(struct preparation *preparation) {
    struct str body = preparation->request->exchange->body;
    unsealing_wipe(body);
}

void preparation_begin(struct preparation *preparation) {
    struct intake *intake = preparation->intake;
    if (preparation->row->is_discreet) {
        intake->responds_async = false; /* nothing is told of it elsewhere */
        intake->wait_ms = preparation->request->loop->gateway->config->command_wait_ms;
        intake->preference_applied = (struct str){0};
        intake->command.meta.has_expected_version = false; /* by If-Match one could try whether there is a version */
    }
    preparation->row->prepare(preparation);
}

bool preparation_cancel(struct preparation *preparation) {
    return preparation != NULL && (customer_finding_cancel(&preparation->finding) ||
                                   hashing_withdraw(&preparation->request->loop->hashing_outlet, &preparation->job));
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

bool preparation_is_abandoned(struct preparation *preparation) {
    if (preparation->request->is_lost) {
        request_drop(preparation->request);
        return true;
    }
    return false;
}

void preparation_unseal(struct preparation *preparation, struct sealed *value,
                        void (*on_done)(struct unsealing *unsealing, enum vault_found found)) {
    struct unsealing *unsealing = &preparation->unsealing;
    *unsealing = (struct unsealing){.arena = request_arena(preparation->request),
                                    .is_discreet = preparation->row->is_discreet,
                                    .on_done = on_done,
                                    .context = preparation};
    bool fits = unsealing_add(unsealing, value);
    assert(fits);
    unsealing_begin(unsealing, preparation->request->loop->vault);
}

bool preparation_was_unsealed(struct preparation *preparation, enum vault_found found) {
    if (preparation_is_abandoned(preparation)) {
        return false;
    }
    if (found == VAULT_NO_DATABASE) {
        request_no_database(preparation->request);
        return false;
    }
    if (found == VAULT_NO_MASTER) {
        request_no_key(preparation->request);
        return false;
    }
    return true;
}

bool preparation_try_hash(struct preparation *preparation, const struct str *password, struct str verifier,
                          void (*on_done)(struct hashing_job *job)) {
    struct hashing_job *job = &preparation->job;
    *job = (struct hashing_job){
        .makes = str_is_empty(verifier),
        .password = (char *)password->data,
        .password_len = password->len,
        .on_done = on_done,
        .context = preparation,
    };
    if (!str_is_empty(verifier) && verifier.len < sizeof job->verifier) { /* a longer one is nobody's: it stays empty */
        memcpy(job->verifier, verifier.data, verifier.len);
    }
    return hashing_submit(&preparation->request->loop->hashing_outlet, job);
}

void preparation_hash(struct preparation *preparation, struct str *password, bool is_needed_again, struct str verifier,
                      void (*on_done)(struct hashing_job *job)) {
    bool is_taken = preparation_try_hash(preparation, password, verifier, on_done);
    if (!is_needed_again || !is_taken) {
        preparation_wipe(password);
    }
    if (!is_taken) {
        request_crowded(preparation->request);
    }
}

bool preparation_was_hashed(struct preparation *preparation) {
    if (preparation_is_abandoned(preparation)) {
        return false;
    }
    if (preparation->job.result == HASHING_NOT_DONE) {
        request_overloaded(preparation->request);
        return false;
    }
    return true;
}

/* ---- as whom, and what is told ----------------------------------------------------------------------------------- */

void preparation_act_as(struct preparation *preparation, struct str customer) {
    preparation->intake->command.meta.actor =
        arena_printf(request_arena(preparation->request), "customer:%.*s", STR_ARGS(customer));
}

void preparation_act_as_nobody(struct preparation *preparation) {
    struct request *request = preparation->request;
    preparation->intake->command.meta.actor =
        identity_principal(request_arena(request), &request->loop->gateway->secret, request->principal.cart_token);
}

/* That a code is wanted, or that the session has ended, is told to who had the password, or its token. */
static bool may_be_a_guess(const char *code) {
    return strcmp(code, rejection_info(REJECT_CODE_REQUIRED)->code) != 0 &&
           strcmp(code, rejection_info(REJECT_SESSION_ENDED)->code) != 0;
}

static void refuse(struct preparation *preparation, const struct problem *problem, int64_t hold_ms) {
    struct request *request = preparation->request;
    if (problem->status == 401) {
        if (may_be_a_guess(problem->code)) {
            request_presented_in_vain(request);
        }
        http_answer_field(request->exchange, "WWW-Authenticate", STR("Bearer"));
    }
    if (hold_ms > 0) {
        held_answer_problem(request, problem, hold_ms);
    } else {
        request_problem(request, problem);
    }
}

void preparation_refuse(struct preparation *preparation, enum rejection rejection, struct str pointer,
                        int64_t hold_ms) {
    const struct rejection_info *info = rejection_info(rejection);
    const struct problem problem = {
        .status = info->http_status, .code = info->code, .detail = info->text, .pointer = pointer};
    refuse(preparation, &problem, hold_ms);
}

void preparation_refuse_key(struct preparation *preparation) {
    if (preparation->seal_wish == VAULT_MAKE) {
        preparation_refuse(preparation, REJECT_ALREADY_EXISTS, (struct str){0}, 0);
    } else {
        request_no_key(preparation->request);
    }
}

/* By the trace of a command one sees whether it is the same one again: where that must not be seen, the request's. */
struct problem preparation_problem(const struct preparation *preparation, const struct outcome *outcome) {
    struct arena *arena = request_arena(preparation->request);
    struct problem problem = answer_of_outcome(arena, outcome, 0).problem;
    problem.pointer = arena_str_copy(arena, outcome->pointer);
    if (preparation->row->is_discreet) {
        problem.trace_id = (struct str){0};
    }
    return problem;
}

void preparation_refuse_by(struct preparation *preparation, const struct outcome *outcome, int64_t hold_ms) {
    const struct problem problem = preparation_problem(preparation, outcome);
    refuse(preparation, &problem, hold_ms);
}

void preparation_answer_fields(struct preparation *preparation, const struct outcome *outcome) {
    const struct outcome_answer answer = {.position = outcome->position, .is_replayed = outcome->replayed};
    command_answer_fields(preparation->request, &answer, &preparation->intake->position, preparation->is_asked);
}

void preparation_answer_pending(struct preparation *preparation) {
    http_answer_field(preparation->request->exchange, "Retry-After", STR("1"));
    held_answer_json(preparation->request, 202, STR("{\"status\":\"pending\"}"), DISCREET_ANSWER_MS);
}

bool preparation_customer(struct preparation *preparation, const struct outcome *outcome,
                          struct customer_state *ret_state) {
    uint32_t schema_id;
    struct str avro;
    const char *why;
    return frame_read(outcome->resource, &schema_id, &avro) &&
           customer_state_decode_as(request_arena(preparation->request), schema_id, avro, ret_state, &why);
}

static bool is_verifier(const struct sealed *password) {
    return str_starts_with(password->plaintext, STR("$argon2id$"));
}

bool preparation_hides_passwords(const struct command *command) {
    if (command->type == COMMAND_REGISTER_CUSTOMER) {
        return is_verifier(&command->as.register_customer.password);
    }
    if (command->type == COMMAND_RESET_PASSWORD) {
        return is_verifier(&command->as.reset_password.password);
    }
    if (command->type == COMMAND_CHANGE_PASSWORD) {
        return is_verifier(&command->as.change_password.password);
    }
    if (command->type == COMMAND_ISSUE_PASSWORD) {
        return is_verifier(&command->as.issue_password.password);
    }
    const struct open_session *login = command->type == COMMAND_OPEN_SESSION ? &command->as.open_session : NULL;
    return login == NULL || !login->has_rehashed || is_verifier(&login->rehashed);
}

void preparation_wipe(struct str *secret) {
    unsealing_wipe(*secret);
    *secret = (struct str){0};
}
