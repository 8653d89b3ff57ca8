/* house.c: what the house does: roles, lockouts, suspending, erasure, and what became of mails. */
#include "core/domain/actor.h"
#include "core/domain/customer/parts.h"
#include "core/domain/mail_code.h"
#include "core/domain/roles.h"

/* ---- roles and lockouts ------------------------------------------------------------------------------------------ */

bool customer_is_by_himself(const struct command *command, const struct decision *decision) {
    return str_equal(actor_of(command->meta.actor).id, decision->stream);
}

/* Nobody takes the role of an admin from himself, so nobody locks himself out by mistake; nor does anybody take it who
 * has lost it a moment ago, by a token that does not know of that yet. Two may still take it from
 * each other at once: each is a stream of his own. Whoever runs the program names another one then. Tokens say which
 * roles somebody has, so they end. */
enum rejection customer_set_roles(const struct customer_state *state, const struct command *command,
                                  struct decision *decision) {
    const struct set_roles *ask = &command->as.set_roles;
    enum rejection refusal = customer_is_there(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (ask->roles.count > CUSTOMER_ROLES_MAX || !roles_are_known(&ask->roles, ROLES_OF_PEOPLE)) {
        return decision_reject(decision, REJECT_UNKNOWN_ROLE, STR("/roles"));
    }
    bool is_admin = roles_include(&state->roles, ROLE_ADMIN);
    if (customer_is_by_himself(command, decision) && is_admin != roles_include(&ask->roles, ROLE_ADMIN)) {
        return decision_reject(decision, REJECT_OWN_ROLE, STR("/roles"));
    }
    if (!roles_equal(&state->roles, &ask->roles)) {
        decision_event(decision, EVENT_CUSTOMER_ROLES_CHANGED)->as.customer_roles_changed =
            (struct customer_roles_changed){.before = state->roles, .after = ask->roles};
        (void)customer_end_sessions(state, 0, STR("roles_changed"), decision);
    }
    return ACCEPTED;
}

enum rejection customer_unlock(const struct customer_state *state, const struct command *command,
                               struct decision *decision) {
    if (customer_is_by_himself(command, decision)) {
        return REJECT_OWN_ACCOUNT; /* else whoever guesses his password from an open desk begins anew after each nine */
    }
    if (state->status != CUSTOMER_STATUS_UNVERIFIED) {
        enum rejection refusal = customer_is_active(state);
        if (refusal != ACCEPTED) {
            return refusal;
        }
    }
    if (state->failures > 0 || state->proof_failures > 0) {
        decision_event(decision, EVENT_CUSTOMER_UNLOCKED);
    }
    return ACCEPTED;
}

/* ---- suspending -------------------------------------------------------------------------------------------------- */

bool customer_asks_for_himself(const struct command *command, const struct decision *decision) {
    struct actor actor = actor_of(command->meta.actor);
    bool is_of_house = actor.kind == ACTOR_STAFF || actor.kind == ACTOR_SYSTEM;
    return !is_of_house || str_equal(actor.id, decision->stream);
}

/* Sessions first, so that none is open of who is suspended, wherever one stops to read. Nobody does it to himself: the
 * last admin would lock out all of them. Two may do it to each other at once, as with roles. */
enum rejection customer_suspend(const struct customer_state *state, const struct command *command,
                                struct decision *decision) {
    enum rejection refusal = customer_is_there(state);
    if (refusal != ACCEPTED || state->status == CUSTOMER_STATUS_SUSPENDED) {
        return refusal;
    }
    if (customer_is_by_himself(command, decision)) {
        return REJECT_OWN_ACCOUNT;
    }
    (void)customer_end_sessions(state, 0, STR("suspended"), decision);
    decision_event(decision, EVENT_CUSTOMER_SUSPENDED)->as.customer_suspended = (struct customer_suspended){
        .reason = command->as.suspend_customer.reason, .has_to = state->has_email, .to = state->email};
    return ACCEPTED;
}

/* Not by himself: a front that has not heard of the suspension yet takes his token for a moment. */
enum rejection customer_reinstate(const struct customer_state *state, const struct command *command,
                                  struct decision *decision) {
    enum rejection refusal = customer_is_by_himself(command, decision) ? REJECT_OWN_ACCOUNT : customer_is_there(state);
    if (refusal == ACCEPTED && state->status == CUSTOMER_STATUS_SUSPENDED) {
        decision_event(decision, EVENT_CUSTOMER_REINSTATED)->as.customer_reinstated =
            (struct customer_reinstated){.has_to = state->has_email, .to = state->email};
    }
    return refusal;
}

/* ---- erasure ----------------------------------------------------------------------------------------------------- */

/* The person's own key; and that of the address, once it is his: before, somebody else's orders may lie under it, who
 * did not ask to be erased. */
static void request_erasure(const struct customer_state *state, bool asked, struct decision *decision) {
    bool has_address = state->claim > 0;
    struct str_array keys = {0};
    *ARRAY_PUSH(decision->arena, &keys) = state->key_id;
    if (has_address) {
        *ARRAY_PUSH(decision->arena, &keys) = state->email_key;
    }
    if (state->sessions_opened > 0) {
        (void)customer_end_sessions(state, 0, STR("erased"), decision);
    }
    decision_event(decision, EVENT_CUSTOMER_ERASURE_REQUESTED)->as.customer_erasure_requested =
        (struct customer_erasure_requested){
            .keys = keys, .identity = has_address ? state->identity : STR(""), .asked = asked};
}

/* Whoever asks for himself gives his password; the house does not have it. Who is suspended asks the house. */
enum rejection customer_erase(const struct customer_state *state, const struct command *command,
                              struct decision *decision) {
    const struct erase_customer *ask = &command->as.erase_customer;
    const struct proof proof = {.within = true, .proved = ask->proved, .password_number = ask->password_number};
    bool is_by_house = !customer_asks_for_himself(command, decision);
    enum rejection refusal = is_by_house ? customer_is_there(state) : customer_is_active(state);
    if (refusal != ACCEPTED && state->status != CUSTOMER_STATUS_UNVERIFIED) {
        return refusal;
    }
    refusal = ACCEPTED;
    if (is_by_house || customer_proves(state, &proof, decision, &refusal)) {
        request_erasure(state, true, decision);
    }
    return refusal;
}

enum rejection customer_expire_registration(const struct customer_state *state, struct decision *decision) {
    if (state->status == CUSTOMER_STATUS_UNVERIFIED) {
        request_erasure(state, false, decision);
    }
    return ACCEPTED;
}

enum rejection customer_record_erasure(const struct customer_state *state, struct decision *decision) {
    switch (state->status) {
    case CUSTOMER_STATUS_ABSENT:
    case CUSTOMER_STATUS_UNVERIFIED:
    case CUSTOMER_STATUS_SUSPENDED:
    case CUSTOMER_STATUS_ACTIVE:
        return REJECT_UNKNOWN_CUSTOMER; /* nobody asked for it */
    case CUSTOMER_STATUS_ERASING:
        decision_event(decision, EVENT_CUSTOMER_ERASED);
        return ACCEPTED;
    case CUSTOMER_STATUS_ERASED:
        return ACCEPTED; /* told twice */
    }
    return REJECT_UNKNOWN_CUSTOMER;
}

/* ---- mails ------------------------------------------------------------------------------------------------------- */

enum rejection customer_record_mail(const struct customer_state *state, const struct record_mail *told,
                                    struct decision *decision) {
    if (!mail_code_is_plain(told->code)) {
        return REJECT_MALFORMED_COMMAND;
    }
    if (state->status == CUSTOMER_STATUS_ABSENT || state->status == CUSTOMER_STATUS_ERASED) {
        return REJECT_UNKNOWN_CUSTOMER;
    }
    decision_event(decision, EVENT_CUSTOMER_MAILED)->as.customer_mailed = (struct customer_mailed){
        .cause = told->cause,
        .template = told->template,
        .result = told->result,
        .code = told->code,
        .attempt = told->attempt,
    };
    return ACCEPTED;
}
