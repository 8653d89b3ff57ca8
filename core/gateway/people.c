#include "core/gateway/people.h"

#include <string.h>

#include "core/gateway/answers.h"
#include "core/gateway/commands.h"
#include "core/gateway/held.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/log/record.h"
#include "core/vault/token.h"
#include "gen/codec.h"
#include "gen/messages.h"
#include "projections/customers/sessions.h"

static const struct secret *secret_of(const struct preparation *preparation) {
    return &preparation->request->loop->gateway->secret;
}

static struct command *command_of(struct preparation *preparation) {
    return &preparation->intake->command;
}

static struct preparation *of_finding(struct customer_finding *finding) {
    return CONTAINER_OF(finding, struct preparation, finding);
}

static struct customer_state *found_state(struct preparation *preparation) {
    return &preparation->finding.customer.state;
}

/* ---- passwords --------------------------------------------------------------------------------------------------- */

bool people_takes_password(struct request *request, struct str password, struct str email) {
    struct problem problem = {.status = 422, .pointer = STR("/password")};
    const struct password_rules *rules = &request->loop->gateway->passwords;
    switch (password_judge(rules->list, &rules->house, password, email)) {
    case PASSWORD_FINE:
        return true;
    case PASSWORD_TOO_SHORT:
        problem.code = "password_too_short";
        problem.detail = "A password has at least 10 characters.";
        break;
    case PASSWORD_TOO_LONG:
        problem.status = 400;
        problem.code = "too_long";
        problem.detail = "A password has at most 1024 bytes.";
        break;
    case PASSWORD_KNOWN:
        problem.code = "password_known";
        problem.detail = "This password is known to whoever guesses passwords, or is the address itself.";
        break;
    case PASSWORD_OF_THE_HOUSE:
        problem.code = "password_known";
        problem.detail = "Without words that belong to this shop, which are guessed first, the password is too short.";
        break;
    }
    request_problem(request, &problem);
    return false;
}

struct str people_verifier_made(struct preparation *preparation) {
    const struct hashing_job *job = &preparation->job;
    return arena_str_copy(request_arena(preparation->request),
                          str_of(job->verifier, strnlen(job->verifier, sizeof job->verifier)));
}

/* ---- registering ------------------------------------------------------------------------------------------------- */

static void on_registration_hashed(struct hashing_job *job) {
    struct preparation *preparation = job->context;
    if (!preparation_was_hashed(preparation)) {
        return;
    }
    struct arena *arena = request_arena(preparation->request);
    struct str stream = command_of(preparation)->meta.stream;
    struct register_customer *ask = &command_of(preparation)->as.register_customer;
    ask->password.plaintext = people_verifier_made(preparation);
    ask->identity = identity_of_email(arena, secret_of(preparation), ask->email.plaintext);
    ask->email_key = vault_key_id_of_email(arena, secret_of(preparation), ask->email.plaintext);
    ask->key_id = vault_key_id_of_customer(arena, secret_of(preparation), stream);
    preparation->seal_key_id = ask->key_id;
    preparation->seal_wish = VAULT_MAKE;
    preparation_end(preparation, stream, (struct str){0});
}

/* Each makes a customer of its own, who is sent a mail: what one customer may be mailed bounds nothing here. So the
 * address counts, alike whether it is somebody's or not. */
static bool may_be_mailed(struct preparation *preparation, struct str email) {
    struct request *request = preparation->request;
    struct str identity = identity_of_email(request_arena(request), secret_of(preparation), email);
    return request_may_take(request, LIMIT_MAIL, REQUEST_NAME_REGISTRATION, identity, 1);
}

void people_prepare_registration(struct preparation *preparation) {
    struct register_customer *ask = &command_of(preparation)->as.register_customer;
    preparation_act_as_nobody(preparation);
    if (people_takes_password(preparation->request, ask->password.plaintext, ask->email.plaintext) &&
        may_be_mailed(preparation, ask->email.plaintext)) {
        preparation_hash(preparation, &ask->password.plaintext, false, (struct str){0}, on_registration_hashed);
    }
}

/* ---- tokens of mails --------------------------------------------------------------------------------------------- */

/* Whoever is not there, or no more, is sent no mail. */
static bool is_token_of(struct preparation *preparation, const char *use, int32_t number, struct str token) {
    enum customer_status status = preparation->finding.customer.state.status;
    bool is_there =
        preparation->finding.is_there && status != CUSTOMER_STATUS_ERASING && status != CUSTOMER_STATUS_ERASED;
    return is_there && number > 0 &&
           mail_token_read(secret_of(preparation), use, preparation->finding.customer.id, number, token);
}

static void refuse_token(struct preparation *preparation) {
    preparation_refuse(preparation, REJECT_TOKEN_USED, STR("/token"), 0);
}

static void find_customer(struct preparation *preparation, void (*on_found)(struct customer_finding *finding)) {
    struct request *request = preparation->request;
    preparation_act_as_nobody(preparation);
    if (request_may_present(request)) {
        customer_find_by_id(&preparation->finding, request, command_of(preparation)->meta.stream,
                            &preparation->intake->position, on_found);
    }
}

/* ---- proving the mailbox ----------------------------------------------------------------------------------------- */

static void on_verification_compared(struct hashing_job *job) {
    struct preparation *preparation = job->context;
    if (!preparation_was_hashed(preparation)) {
        return;
    }
    struct verify_customer *ask = &command_of(preparation)->as.verify_customer;
    ask->proved = job->result == HASHING_DONE && preparation->is_compared;
    ask->password_number = found_state(preparation)->password_number;
    if (ask->proved) {
        preparation_act_as(preparation, preparation->finding.customer.id);
    }
    if (!ask->proved) {
        preparation->intake->key = (struct str){0}; /* a key brings back what somebody has proved, and nothing else */
    }
    preparation_end(preparation, preparation->finding.customer.id, STR("proved"));
}

static void on_verification_unsealed(struct unsealing *unsealing, enum vault_found found) {
    struct preparation *preparation = unsealing->context;
    if (!preparation_was_unsealed(preparation, found)) {
        return;
    }
    struct str verifier = found_state(preparation)->password.plaintext;
    preparation->is_compared = !str_is_empty(verifier);
    preparation_hash(preparation, &command_of(preparation)->as.verify_customer.password, false,
                     preparation->is_compared ? verifier
                                              : str_of_cstr(preparation->request->loop->gateway->nobodys_verifier),
                     on_verification_compared);
}

static void on_customer_to_verify(struct customer_finding *finding) {
    struct preparation *preparation = of_finding(finding);
    struct verify_customer *ask = &command_of(preparation)->as.verify_customer;
    int32_t newest = finding->is_there ? finding->customer.state.verification_number : 0;
    if (!is_token_of(preparation, "verify", newest, ask->token)) {
        preparation_wipe(&ask->password);
        refuse_token(preparation);
        return;
    }
    ask->number = newest;
    preparation_unseal(preparation, &found_state(preparation)->password, on_verification_unsealed);
}

void people_prepare_verification(struct preparation *preparation) {
    find_customer(preparation, on_customer_to_verify);
}

/* ---- another password -------------------------------------------------------------------------------------------- */

static void on_reset_found(struct customer_finding *finding) {
    struct preparation *preparation = of_finding(finding);
    struct str stream = finding->is_there ? finding->customer.id
                                          : identity_nobody(request_arena(finding->request), secret_of(preparation),
                                                            finding->parameter);
    preparation_end(preparation, stream, STR("reset"));
}

/* Of an address that is nobody's, nobody is asked in the customer's place: the same steps, and the same answer. */
void people_prepare_reset_request(struct preparation *preparation) {
    struct request *request = preparation->request;
    struct str *email = &command_of(preparation)->as.request_password_reset.email;
    preparation_act_as_nobody(preparation);
    struct str identity = identity_of_email(request_arena(request), secret_of(preparation), *email);
    preparation_wipe(email);
    if (request_may_take(request, LIMIT_LOGIN, REQUEST_NAME_RESET, identity, REQUEST_NAME_TIMES)) {
        customer_find_discreetly(&preparation->finding, request, identity, &preparation->intake->position,
                                 on_reset_found);
    }
}

void people_answer_reset_request(struct preparation *preparation, const struct outcome *outcome) {
    if (outcome->status == OUTCOME_STATUS_REJECTED) {
        preparation_refuse_by(preparation, outcome, RESET_ANSWER_MS);
    } else {
        held_answer_json(preparation->request, 202, STR("{\"status\":\"accepted\"}"), RESET_ANSWER_MS);
    }
}

static void on_reset_hashed(struct hashing_job *job) {
    struct preparation *preparation = job->context;
    if (!preparation_was_hashed(preparation)) {
        return;
    }
    struct reset_password *ask = &command_of(preparation)->as.reset_password;
    ask->password.plaintext = people_verifier_made(preparation);
    preparation->seal_key_id = found_state(preparation)->key_id;
    preparation->seal_wish = VAULT_FIND;
    preparation_act_as(preparation, preparation->finding.customer.id);
    preparation_end(preparation, preparation->finding.customer.id, STR("proved"));
}

static void on_reset_unsealed(struct unsealing *unsealing, enum vault_found found) {
    struct preparation *preparation = unsealing->context;
    if (!preparation_was_unsealed(preparation, found)) {
        return;
    }
    struct str *password = &command_of(preparation)->as.reset_password.password.plaintext;
    struct str email = found_state(preparation)->email.plaintext;
    if (people_takes_password(preparation->request, *password, email)) {
        preparation_hash(preparation, password, false, (struct str){0}, on_reset_hashed);
    }
}

static void on_customer_to_reset(struct customer_finding *finding) {
    struct preparation *preparation = of_finding(finding);
    struct reset_password *ask = &command_of(preparation)->as.reset_password;
    int32_t newest = finding->is_there ? finding->customer.state.reset_number : 0;
    if (!is_token_of(preparation, "reset", newest, ask->token)) {
        preparation_wipe(&ask->password.plaintext);
        refuse_token(preparation);
        return;
    }
    ask->number = newest;
    preparation_unseal(preparation, &found_state(preparation)->email, on_reset_unsealed);
}

void people_prepare_reset(struct preparation *preparation) {
    find_customer(preparation, on_customer_to_reset);
}

/* ---- another address --------------------------------------------------------------------------------------------- */

static void on_customer_with_new_email(struct customer_finding *finding) {
    struct preparation *preparation = of_finding(finding);
    struct confirm_email *ask = &command_of(preparation)->as.confirm_email;
    int32_t newest = finding->is_there ? finding->customer.state.email_number : 0;
    if (!is_token_of(preparation, "email", newest, ask->token)) {
        refuse_token(preparation);
        return;
    }
    ask->number = newest;
    preparation_act_as(preparation, finding->customer.id);
    preparation_end(preparation, finding->customer.id, STR("proved"));
}

/* The token alone is not enough: the mailbox's owner, who clicks a link, must not hand it to somebody else's account.
 * So the customer is whoever is logged in. */
void people_prepare_email(struct preparation *preparation) {
    struct request *request = preparation->request;
    if (str_is_empty(request->principal.id)) {
        http_answer_field(request->exchange, "WWW-Authenticate", STR("Bearer"));
        request_refuse(request, 401, "unauthenticated", "Nobody is logged in whose address it could be.");
        return;
    }
    command_of(preparation)->meta.stream = request->principal.id;
    find_customer(preparation, on_customer_with_new_email);
}

/* ---- erasure by the house ---------------------------------------------------------------------------------------- */

bool people_refuse_erasure(struct request *request, const struct command *command) {
    if (command->type != COMMAND_ERASE_CUSTOMER) {
        return false;
    }
    if (command->as.erase_customer.has_password) {
        const struct problem problem = {.status = 400,
                                        .code = "unknown_field",
                                        .detail = "The house erases without a password: there is none to look at.",
                                        .pointer = STR("/password")};
        request_problem(request, &problem);
        return true;
    }
    if (str_equal(request->principal.id, command->meta.stream)) {
        request_refuse(request, 403, "forbidden", "For oneself it takes one's password, at DELETE /v1/me.");
        return true;
    }
    return false;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

void people_answer_standing(struct preparation *preparation, const struct outcome *outcome) {
    struct request *request = preparation->request;
    struct arena *arena = request_arena(request);
    if (outcome->status == OUTCOME_STATUS_REJECTED) {
        if (!preparation->row->is_discreet) {
            preparation_answer_fields(preparation, outcome);
        }
        preparation_refuse_by(preparation, outcome, 0);
        return;
    }
    struct outcome_answer answer = answer_of_outcome(arena, outcome, request->match.route->status);
    command_answer_fields(request, &answer, &preparation->intake->position, preparation->is_asked);
    struct customer_state state;
    struct str standing = preparation_customer(preparation, outcome, &state)
                              ? arena_printf(arena, ",\"status\":\"%s\"", customer_status_name(state.status))
                              : STR("");
    request_answer_json(request, answer.status,
                        arena_printf(arena, "{\"id\":\"%.*s\"%.*s,\"version\":%lld}", STR_ARGS(outcome->stream),
                                     STR_ARGS(standing), (long long)outcome->version));
}

/* ---- tokens that are out ----------------------------------------------------------------------------------------- */

static bool ends_sessions(uint16_t command_type) {
    return command_type == COMMAND_RESET_PASSWORD || command_type == COMMAND_CHANGE_PASSWORD ||
           command_type == COMMAND_ISSUE_PASSWORD || command_type == COMMAND_END_SESSIONS ||
           command_type == COMMAND_SET_ROLES || command_type == COMMAND_SUSPEND_CUSTOMER ||
           command_type == COMMAND_ERASE_CUSTOMER;
}

void people_wait_for_end(struct intake *intake) {
    uint16_t type = intake->command.type;
    if (type == COMMAND_END_SESSION || (ends_sessions(type) && type != COMMAND_ERASE_CUSTOMER)) {
        intake->responds_async = false;
        intake->preference_applied = (struct str){0};
    }
}

static bool is_refusal(const struct outcome *outcome, enum rejection rejection) {
    return outcome->status == OUTCOME_STATUS_REJECTED &&
           str_equal(outcome->rejection, str_of_cstr(rejection_info(rejection)->code));
}

static void note_one(struct revocations *revocations, const struct command *command, int32_t session) {
    const struct session_end end = {
        .customer = command->meta.stream, .session = session, .ended_at = command->meta.issued_at};
    revocations_add(revocations, &end);
}

/* All sessions but the one that was kept: so the state tells; of whoever is being erased none is left. */
static void note_all(struct revocations *revocations, struct arena *arena, const struct outcome *outcome) {
    uint32_t schema_id;
    struct str avro;
    struct customer_state state;
    const char *why;
    if (!frame_read(outcome->resource, &schema_id, &avro) ||
        !customer_state_decode_as(arena, schema_id, avro, &state, &why)) {
        revocations_unreadable(revocations, 1); /* the view tells of it */
        return;
    }
    bool is_gone = state.status == CUSTOMER_STATUS_ERASING || state.status == CUSTOMER_STATUS_ERASED;
    const struct session_end end = {
        .customer = outcome->stream,
        .session = is_gone ? INT32_MAX : state.sessions_from,
        .is_upto = true,
        .kept = is_gone ? 0 : state.session_kept,
        .ended_at = state.changed_at,
    };
    revocations_add(revocations, &end);
}

/* By a login that is sent again the browser may have the new session's cookie already, which that login opened: what it
 * replaced was noted when it was decided. */
static bool was_replaced(struct arena *arena, const struct command *command, const struct outcome *outcome) {
    int32_t replaced = command->as.open_session.replaces;
    uint32_t schema_id;
    struct str avro;
    struct customer_state state;
    const char *why;
    return replaced > 0 && !outcome->replayed && frame_read(outcome->resource, &schema_id, &avro) &&
           customer_state_decode_as(arena, schema_id, avro, &state, &why) && state.touched_session > replaced;
}

void people_note_outcome(struct revocations *revocations, struct arena *arena, const struct command *command,
                         const struct outcome *outcome) {
    if (command->type == COMMAND_END_SESSION && outcome->status == OUTCOME_STATUS_ACCEPTED) {
        note_one(revocations, command, command->as.end_session.session);
    } else if (command->type == COMMAND_REFRESH_SESSION && is_refusal(outcome, REJECT_SESSION_ENDED)) {
        note_one(revocations, command, command->as.refresh_session.session);
    } else if (command->type == COMMAND_OPEN_SESSION && outcome->status == OUTCOME_STATUS_ACCEPTED &&
               was_replaced(arena, command, outcome)) {
        note_one(revocations, command, command->as.open_session.replaces);
    } else if (ends_sessions(command->type) && outcome->status == OUTCOME_STATUS_ACCEPTED) {
        note_all(revocations, arena, outcome);
    }
}
