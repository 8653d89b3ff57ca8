/* customer.h: a person: what he says of himself, how he proves to be himself, and his sessions.
 *
 *             RegisterCustomer           mailbox proved, address granted        EraseCustomer     keys destroyed
 *     absent ------------------> unverified ------------------------> active --------------> erasing ----------> erased
 *                                    |                                                          ^
 *                                    +----------------------------------------------------------+
 *                                      EraseCustomer, or nobody proved the mailbox in a week
 *
 *                         SuspendCustomer            ReinstateCustomer
 *               active ------------------> suspended ------------------> active        EraseCustomer, by the house
 *                                          suspended ----------------------------------------------> erasing
 *
 * Promise  several customers may wait for one address; one verified customer has it (claiming.h tells how). So nobody
 *          learns by registering that an address is taken, and nobody can squat one whose mail he does not read.
 *          A proof (password, code) is made in the front; here its result is counted: after LOCK_AFTER failures in a
 *          row nothing is proved for a while, whichever fronts were asked, and however many at once. Logins, which
 *          anybody may try, are counted apart from proofs within a session: a stranger who locks the one does not keep
 *          the owner from changing his password.
 *          A session's tokens are good one after the other; an older one that comes back ends the session.
 *          Who is suspended has no session, opens none, is mailed nothing that anybody can ask for, and keeps all he
 *          had: address, roles and what is his. That he is, is told to nobody at the door, whatever he proves.
 *          What is sealed leaves the state when the erasure begins; its keys are destroyed by who reads the event.
 * Mail     an event that causes mail has `to`, so whoever sends it needs no fold. What somebody asks for is counted: a
 *          day has MAILS_ASKED_A_DAY that anybody can ask for, and beyond them nothing is mailed and nothing said of
 *          it; and MAILS_A_DAY with those that the customer asks for himself. What he is told for his safety (another
 *          password or address, a lock, a stolen token, an authenticator that comes or goes, that he is suspended or no
 *          more) is always mailed.
 *          CustomerErased closes all mails of the stream: of those that were not sent by then none is.
 * Sub-keys sessions, by their numbers: there may be any number of them.
 * Bounds   ADDRESSES_MAX addresses, CONSENTS_MAX purposes, ROLES_MAX roles.
 * Memory   events and states live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum {
    CUSTOMER_VERIFY_S = 24 * 3600,            /* how long a token that was mailed proves a mailbox */
    CUSTOMER_REGISTRATION_S = 7 * 24 * 3600,  /* how long a registration waits for it */
    CUSTOMER_RESET_S = 3600,                  /* how long a token that was mailed sets another password */
    CUSTOMER_SESSION_IDLE_S = 14 * 24 * 3600, /* how long a session lasts unrefreshed */
    CUSTOMER_SESSION_MAX_S = 30 * 24 * 3600,  /* and in all */
    CUSTOMER_LOCK_AFTER = 10,                 /* failed proofs in a row */
    CUSTOMER_LOCK_FIRST_S = 60,               /* and twice that with each further one ... */
    CUSTOMER_LOCK_MOST_S = 3600,              /* ... up to this */
    CUSTOMER_MAILS_ASKED_A_DAY = 10,          /* counted mails after which nothing is sent that anybody can ask for */
    CUSTOMER_MAILS_A_DAY = 20,                /* and after which nothing counted is */
    CUSTOMER_MAIL_APART_S = 60,               /* between two of one kind that anybody can ask for */
    CUSTOMER_ADDRESSES_MAX = 20,
    CUSTOMER_CONSENTS_MAX = 16,
    CUSTOMER_ROLES_MAX = 8,
    CUSTOMER_RECOVERY_CODES = 10,
};

extern const struct aggregate customer_aggregate;

/* The life of a session. */
extern const struct status_table session_life;

/* Whether the session was opened by a second factor, which he still has: a code is asked for at each login from when an
 * authenticator is on, and of one that came before nothing is known. */
bool customer_session_has_factor(const struct customer_state *state, int32_t session);

/* `session` is that of the command's or event's number; NULL for those that touch none. */
enum rejection customer_decide(const struct customer_state *state, const struct session_state *session,
                               const struct command *command, struct decision *decision);
void customer_evolve(struct customer_state *state, struct session_state *session, const struct event *event,
                     struct arena *arena);
