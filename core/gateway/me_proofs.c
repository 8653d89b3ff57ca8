#include "core/gateway/me_proofs.h"

#include "core/gateway/customer_read.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/me.h"
#include "core/gateway/people.h"
#include "core/gateway/seen_code.h"
#include "core/gateway/sessions.h"

static struct command *command_of(struct preparation *preparation) {
    return &preparation->intake->command;
}

static struct customer_state *found_state(struct preparation *preparation) {
    return &preparation->finding.customer.state;
}

/* ---- proving to be oneself --------------------------------------------------------------------------------------- */

static void on_compared(struct hashing_job *job) {
    struct preparation *preparation = job->context;
    if (preparation_was_hashed(preparation)) {
        preparation->on_proved(preparation, job->result == HASHING_DONE && preparation->is_compared);
    }
}

static void on_verifier(struct unsealing *unsealing, enum vault_found found) {
    struct preparation *preparation = unsealing->context;
    if (preparation->request->is_lost || !customer_is_opened(found)) {
        preparation_wipe(preparation->secret);
    }
    if (!preparation_was_unsealed(preparation, found)) {
        return;
    }
    struct str verifier = found_state(preparation)->password.plaintext;
    preparation->is_compared = !str_is_empty(verifier);
    preparation_hash(preparation, preparation->secret, false,
                     preparation->is_compared ? verifier
                                              : str_of_cstr(preparation->request->loop->gateway->nobodys_verifier),
                     on_compared);
}

void me_compare(struct preparation *preparation, struct str *password,
                void (*on_proved)(struct preparation *preparation, bool is_proved)) {
    preparation->secret = password;
    preparation->on_proved = on_proved;
    preparation_unseal(preparation, &found_state(preparation)->password, on_verifier);
}

/* Whoever has a session is there; only a view that is behind does not have him. */
static void on_customer(struct customer_finding *finding) {
    struct preparation *preparation = CONTAINER_OF(finding, struct preparation, finding);
    if (finding->is_there) {
        preparation->on_found(preparation);
    } else {
        preparation_wipe(preparation->secret);
        request_view_is_not_there(preparation->request, VIEW_BEHIND);
    }
}

void me_find(struct preparation *preparation, struct str *secret, void (*on_found)(struct preparation *preparation)) {
    struct request *request = preparation->request;
    preparation->secret = secret;
    preparation->on_found = on_found;
    if (me_take(preparation) && request_may_present(request)) {
        customer_find_by_id(&preparation->finding, request, preparation->stream, &preparation->intake->position,
                            on_customer);
    }
}

static void on_customer_to_prove(struct preparation *preparation) {
    me_compare(preparation, preparation->secret, preparation->on_proved);
}

void me_prove(struct preparation *preparation, struct str *password,
              void (*on_proved)(struct preparation *preparation, bool is_proved)) {
    preparation->on_proved = on_proved;
    me_find(preparation, password, on_customer_to_prove);
}

/* What was sent of a second factor, where one is asked for; whether it was used before is for the decision to say. */
static struct seen_code look_at_code(struct preparation *preparation, bool has_code, struct str *code) {
    const struct customer_state *state = found_state(preparation);
    struct seen_code seen = {0};
    if (has_code && state->totp == TOTP_STATUS_ON) {
        seen = seen_code_of(preparation->request->loop, preparation->stream, state->totp_number, *code);
    }
    preparation_wipe(code);
    return seen;
}

/* ---- another password -------------------------------------------------------------------------------------------- */

static void on_verifier_made(struct hashing_job *job) {
    struct preparation *preparation = job->context;
    if (!preparation_was_hashed(preparation)) {
        return;
    }
    command_of(preparation)->as.change_password.password.plaintext = people_verifier_made(preparation);
    preparation_end(preparation, preparation->stream, (struct str){0});
}

/* A verifier is made whether the old one was right or not: what is sealed is never a password. */
static void on_current_proved(struct preparation *preparation, bool is_proved) {
    struct change_password *ask = &command_of(preparation)->as.change_password;
    const struct seen_code seen = look_at_code(preparation, ask->has_code, &ask->code);
    ask->proved = is_proved;
    ask->password_number = found_state(preparation)->password_number;
    ask->totp_number = found_state(preparation)->totp_number;
    ask->totp_step = seen.step;
    ask->recovery = seen.recovery;
    preparation_hash(preparation, &ask->password.plaintext, false, (struct str){0}, on_verifier_made);
}

static void on_email_of_password(struct unsealing *unsealing, enum vault_found found) {
    struct preparation *preparation = unsealing->context;
    struct change_password *ask = &command_of(preparation)->as.change_password;
    struct str email = found_state(preparation)->email.plaintext;
    if (!preparation_was_unsealed(preparation, found)) {
        return;
    }
    if (people_takes_password(preparation->request, ask->password.plaintext, email)) {
        me_compare(preparation, &ask->current, on_current_proved);
    }
}

static void on_customer_of_password(struct preparation *preparation) {
    preparation_unseal(preparation, &found_state(preparation)->email, on_email_of_password);
}

void me_prepare_password(struct preparation *preparation) {
    struct change_password *ask = &command_of(preparation)->as.change_password;
    ask->session = preparation->request->principal.session;
    me_find(preparation, &ask->current, on_customer_of_password);
}

/* ---- another address --------------------------------------------------------------------------------------------- */

static void on_email_proved(struct preparation *preparation, bool is_proved) {
    struct change_email *ask = &command_of(preparation)->as.change_email;
    const struct seen_code seen = look_at_code(preparation, ask->has_code, &ask->code);
    ask->proved = is_proved;
    ask->password_number = found_state(preparation)->password_number;
    ask->totp_number = found_state(preparation)->totp_number;
    ask->totp_step = seen.step;
    ask->recovery = seen.recovery;
    preparation_end(preparation, preparation->stream, (struct str){0});
}

/* The address is looked for nowhere: whether somebody has it is decided when its mailbox is proved. */
void me_prepare_email(struct preparation *preparation) {
    struct arena *arena = request_arena(preparation->request);
    const struct secret *secret = &preparation->request->loop->gateway->secret;
    struct change_email *ask = &command_of(preparation)->as.change_email;
    ask->identity = identity_of_email(arena, secret, ask->email.plaintext);
    ask->email_key = vault_key_id_of_email(arena, secret, ask->email.plaintext);
    me_prove(preparation, &ask->password, on_email_proved);
}

/* ---- erasure ----------------------------------------------------------------------------------------------------- */

static void on_erasure_proved(struct preparation *preparation, bool is_proved) {
    struct erase_customer *ask = &command_of(preparation)->as.erase_customer;
    ask->proved = is_proved;
    ask->password_number = found_state(preparation)->password_number;
    preparation_end(preparation, preparation->stream, (struct str){0});
}

/* The house erases without a password, so the schema asks for none. */
void me_prepare_erasure(struct preparation *preparation) {
    struct erase_customer *ask = &command_of(preparation)->as.erase_customer;
    if (!ask->has_password) {
        const struct problem problem = {.status = 400,
                                        .code = "missing_field",
                                        .detail = "Whoever has himself erased gives his password.",
                                        .pointer = STR("/password")};
        request_problem(preparation->request, &problem);
        return;
    }
    me_prove(preparation, &ask->password, on_erasure_proved);
}

void me_answer_erasure(struct preparation *preparation, const struct outcome *outcome) {
    struct request *request = preparation->request;
    if (outcome->status == OUTCOME_STATUS_ACCEPTED && request->principal.by == BY_COOKIE) {
        sessions_forget_cookies(request);
    }
    people_answer_standing(preparation, outcome);
}
