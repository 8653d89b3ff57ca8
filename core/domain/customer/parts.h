/* parts.h: what customer.c is made of: its commands by subject, and what they share. Nobody else includes this.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/customer/customer.h"

/* Of the customer himself (customer.c). */
extern const struct status_table customer_life;

/* ---- what they share (proof.c) ----------------------------------------------------------------------------------- */

/* ACCEPTED when the customer is active. */
enum rejection customer_is_active(const struct customer_state *state);
/* ACCEPTED also when he is suspended: for what the house does with him all the same. */
enum rejection customer_is_there(const struct customer_state *state);

/* What the front found out about a password. */
struct proof {
    bool within; /* asked of somebody who is logged in; else it is a login, which anybody may try */
    bool proved;
    int32_t password_number;
    const struct sealed *client; /* from where it came; NULL: not told */
};

/* Not proved: *ret_refusal is what the command is answered now, a refusal or, with LoginFailed made, ACCEPTED: the
 * event's reaction refuses it. */
MUST_CHECK bool customer_proves(const struct customer_state *state, const struct proof *proof,
                                struct decision *decision, enum rejection *ret_refusal);

/* Makes LoginFailed. `client` may be NULL. */
void customer_fail_proof(const struct customer_state *state, bool within, struct str why, const struct sealed *client,
                         struct decision *decision);

/* What the front found out about a second factor. */
struct code {
    int32_t totp_number; /* which authenticator it was compared with */
    int64_t step;        /* of an authenticator's code; 0: none was sent, -1: a wrong one */
    int32_t recovery;    /* the recovery code's number, from 1 */
};

/* The second factor, where one is asked for: as customer_proves. Whoever sends no code is told to, which says no more
 * than that the password was right. `client` may be NULL. */
MUST_CHECK bool customer_proves_code(const struct customer_state *state, bool within, const struct code *code,
                                     const struct sealed *client, struct decision *decision,
                                     enum rejection *ret_refusal);
/* What an event says of a code that was good, so that it is good once; 0 where none was asked for. */
int64_t customer_used_step(const struct customer_state *state, const struct code *code);
int32_t customer_used_recovery(const struct customer_state *state, const struct code *code);

bool customer_code_is_recovery(const struct code *code);
/* Each is good once, and those of another authenticator are not. */
bool customer_code_is_good(const struct customer_state *state, const struct code *code);

/* A span of customer.h in microseconds. */
int64_t customer_seconds_us(int64_t seconds);

/* Whether the day of which the mails are counted is over. */
bool customer_mails_begin_anew(const struct customer_state *state, int64_t now_us);
/* Whether fewer than `most` mails were asked for today. */
bool customer_may_be_mailed(const struct customer_state *state, int32_t most, int64_t now_us);
/* Whether one of a kind was asked for so long ago that another may be. */
bool customer_mail_is_apart(int64_t asked_at_us, int64_t now_us);

/* Whether a token that was mailed then is still good. */
bool customer_token_is_good(int32_t number, int32_t newest, int64_t sent_at_us, int64_t lasts_s, int64_t now_us);

/* Makes SessionsEnded when there may be sessions to end, all but `kept`. The one that is kept; 0: none. */
int32_t customer_end_sessions(const struct customer_state *state, int32_t kept, struct str reason,
                              struct decision *decision);

/* ---- the mailbox (mailbox.c) ------------------------------------------------------------------------------------- */
enum rejection customer_register(const struct customer_state *state, const struct register_customer *ask,
                                 struct decision *decision);
enum rejection customer_verify(const struct customer_state *state, const struct verify_customer *ask,
                               struct decision *decision);
enum rejection customer_change_email(const struct customer_state *state, const struct change_email *ask,
                                     struct decision *decision);
enum rejection customer_confirm_email(const struct customer_state *state, const struct confirm_email *ask,
                                      struct decision *decision);
/* Also what an unverified customer asks for anew. */
void customer_request_verification(const struct customer_state *state, struct decision *decision);

/* ---- what a person says of himself (profile.c) ------------------------------------------------------------------- */
enum rejection customer_change_profile(const struct customer_state *state, const struct change_profile *ask,
                                       struct decision *decision);
enum rejection customer_put_address(const struct customer_state *state, const struct put_address *ask,
                                    struct decision *decision);
enum rejection customer_remove_address(const struct customer_state *state, const struct remove_address *ask,
                                       struct decision *decision);
enum rejection customer_set_consent(const struct customer_state *state, const struct set_consent *ask,
                                    struct decision *decision);

/* ---- passwords and authenticators (credentials.c) ---------------------------------------------------------------- */
enum rejection customer_request_reset(const struct customer_state *state, struct decision *decision);
enum rejection customer_reset_password(const struct customer_state *state, const struct reset_password *ask,
                                       struct decision *decision);
enum rejection customer_change_password(const struct customer_state *state, const struct change_password *ask,
                                        struct decision *decision);
enum rejection customer_issue_password(const struct customer_state *state, const struct command *command,
                                       struct decision *decision);
enum rejection customer_begin_totp(const struct customer_state *state, const struct begin_totp *ask,
                                   struct decision *decision);
enum rejection customer_confirm_totp(const struct customer_state *state, const struct confirm_totp *ask,
                                     struct decision *decision);
enum rejection customer_end_totp(const struct customer_state *state, const struct end_totp *ask,
                                 struct decision *decision);
/* The house's way. */
enum rejection customer_remove_totp(const struct customer_state *state, const struct command *command,
                                    struct decision *decision);

/* What CustomerPasswordChanged.how says. */
#define CUSTOMER_BY_RESET STR("reset")
#define CUSTOMER_BY_CHANGE STR("changed")
#define CUSTOMER_BY_ISSUE STR("issued")

/* What SessionEnded.reason says of a session whose older token came back. */
#define SESSION_REUSED STR("reused")

/* Why a suspended customer was not let in who had proved to be himself: LoginFailed.why. */
#define CUSTOMER_WHY_SUSPENDED STR("suspended")

/* Whether the command comes from the customer and not from the house. */
bool customer_asks_for_himself(const struct command *command, const struct decision *decision);

/* ---- sessions (sessions.c) --------------------------------------------------------------------------------------- */
/* `session` is that which is replaced; NULL: none. */
enum rejection customer_open_session(const struct customer_state *state, const struct session_state *session,
                                     const struct open_session *ask, struct decision *decision);
enum rejection customer_refresh_session(const struct customer_state *state, const struct session_state *session,
                                        const struct refresh_session *ask, struct decision *decision);
enum rejection customer_end_session(const struct customer_state *state, const struct session_state *session,
                                    const struct end_session *ask, struct decision *decision);
enum rejection customer_end_all_sessions(const struct customer_state *state, const struct command *command,
                                         struct decision *decision);

/* ---- what the house does (house.c) ------------------------------------------------------------------------------- */
/* Whether the one who asks is the customer, whatever he may besides. */
bool customer_is_by_himself(const struct command *command, const struct decision *decision);

enum rejection customer_set_roles(const struct customer_state *state, const struct command *command,
                                  struct decision *decision);
enum rejection customer_unlock(const struct customer_state *state, const struct command *command,
                               struct decision *decision);
enum rejection customer_suspend(const struct customer_state *state, const struct command *command,
                                struct decision *decision);
enum rejection customer_reinstate(const struct customer_state *state, const struct command *command,
                                  struct decision *decision);
enum rejection customer_erase(const struct customer_state *state, const struct command *command,
                              struct decision *decision);
enum rejection customer_expire_registration(const struct customer_state *state, struct decision *decision);
enum rejection customer_record_erasure(const struct customer_state *state, struct decision *decision);
enum rejection customer_record_mail(const struct customer_state *state, const struct record_mail *told,
                                    struct decision *decision);
