/* mailbox.c: registering, and proving a mailbox, the first one or another. */
#include "core/domain/customer/parts.h"
#include "core/domain/roles.h"

static void prove_mailbox(struct str identity, struct decision *decision) {
    decision_event(decision, EVENT_CUSTOMER_VERIFICATION_PROVED)->as.customer_verification_proved =
        (struct customer_verification_proved){.identity = identity};
}

static void request_verification(int32_t number, const struct sealed *to, struct decision *decision) {
    decision_event(decision, EVENT_CUSTOMER_VERIFICATION_REQUESTED)->as.customer_verification_requested =
        (struct customer_verification_requested){.number = number, .to = *to};
}

/* The same answer whether the address is known or not: what becomes of it is decided when the mailbox is proved. */
enum rejection customer_register(const struct customer_state *state, const struct register_customer *ask,
                                 struct decision *decision) {
    if (state->status != CUSTOMER_STATUS_ABSENT) {
        return REJECT_ALREADY_EXISTS;
    }
    if (ask->roles.count > CUSTOMER_ROLES_MAX || !roles_are_known(&ask->roles, ROLES_OF_PEOPLE)) {
        return decision_reject(decision, REJECT_UNKNOWN_ROLE, STR("/roles"));
    }
    decision_event(decision, EVENT_CUSTOMER_REGISTERED)->as.customer_registered = (struct customer_registered){
        .identity = ask->identity,
        .key_id = ask->key_id,
        .email_key = ask->email_key,
        .email = ask->email,
        .has_name = ask->has_name,
        .name = ask->name,
        .password = ask->password,
        .password_number = 1,
        .roles = ask->roles,
        .once_until = ask->once_until,
    };
    if (ask->verified) {
        prove_mailbox(ask->identity, decision);
    } else {
        request_verification(1, &ask->email, decision);
    }
    return ACCEPTED;
}

void customer_request_verification(const struct customer_state *state, struct decision *decision) {
    request_verification(state->verification_number + 1, &state->email, decision);
}

/* The token alone is not enough: whoever clicks a link in a mail that somebody else's registration has sent him must
 * not give that somebody an account in his name. The password is that of this very registration. */
enum rejection customer_verify(const struct customer_state *state, const struct verify_customer *ask,
                               struct decision *decision) {
    bool is_good = state->status == CUSTOMER_STATUS_UNVERIFIED &&
                   customer_token_is_good(ask->number, state->verification_number, state->verification_sent_at,
                                          CUSTOMER_VERIFY_S, decision->now_us);
    if (!is_good) {
        return decision_reject(decision, REJECT_TOKEN_USED, STR("/token"));
    }
    const struct proof proof = {.proved = ask->proved, .password_number = ask->password_number};
    enum rejection refusal;
    if (!customer_proves(state, &proof, decision, &refusal)) {
        return refusal;
    }
    if (!str_equal(state->claiming, state->identity)) { /* else it was proved already, and the answer is on its way */
        prove_mailbox(state->identity, decision);
    }
    return ACCEPTED;
}

enum rejection customer_change_email(const struct customer_state *state, const struct change_email *ask,
                                     struct decision *decision) {
    const struct proof proof = {.within = true, .proved = ask->proved, .password_number = ask->password_number};
    const struct code code = {.totp_number = ask->totp_number, .step = ask->totp_step, .recovery = ask->recovery};
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED || !customer_proves(state, &proof, decision, &refusal) ||
        !customer_proves_code(state, true, &code, NULL, decision, &refusal)) {
        return refusal;
    }
    if (str_equal(ask->identity, state->identity)) {
        return decision_reject(decision, REJECT_NOTHING_TO_CHANGE, STR("/email"));
    }
    if (!customer_may_be_mailed(state, CUSTOMER_MAILS_A_DAY, decision->now_us)) {
        return REJECT_TOO_MANY_MAILS;
    }
    decision_event(decision, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED)->as.customer_email_change_requested =
        (struct customer_email_change_requested){
            .number = state->email_number + 1,
            .identity = ask->identity,
            .email_key = ask->email_key,
            .to = ask->email,
            .totp_step = customer_used_step(state, &code),
            .recovery = customer_used_recovery(state, &code),
        };
    return ACCEPTED;
}

/* Who asked for the change was logged in and gave all his proofs; here a session and the token are enough. The token
 * alone is not (customer.c): the mailbox's owner, who clicks a link, must not hand it to somebody else's account. */
enum rejection customer_confirm_email(const struct customer_state *state, const struct confirm_email *ask,
                                      struct decision *decision) {
    bool is_good = state->status == CUSTOMER_STATUS_ACTIVE && !str_is_empty(state->pending_identity) &&
                   customer_token_is_good(ask->number, state->email_number, state->email_asked_at, CUSTOMER_VERIFY_S,
                                          decision->now_us);
    if (!is_good) {
        return decision_reject(decision, REJECT_TOKEN_USED, STR("/token"));
    }
    if (!str_equal(state->claiming, state->pending_identity)) {
        prove_mailbox(state->pending_identity, decision);
    }
    return ACCEPTED;
}
