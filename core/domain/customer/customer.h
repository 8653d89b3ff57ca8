/* customer.h: a person: what he says of himself, how he proves to be himself, and his sessions.
 *
 *             RegisterCustomer           mailbox proved, address granted        EraseCustomer     keys destroyed
 *     absent ------------------> unverified ------------------------> active --------------> erasing ----------> erased
 *                                    |                                                          ^
 *                                    +----------------------------------------------------------+
 *                                      EraseCustomer, or nobody proved the mailbox in a week
 *
 * Promise  several customers may wait for one address; one verified customer has it (claiming.h tells how). So nobody
 *          learns by registering that an address is taken, and nobody can squat one whose mail he does not read.
 *          A proof (password, code) is made in the front; here its result is counted: after LOCK_AFTER failures in a
 *          row nothing is proved for a while, whichever fronts were asked, and however many at once.
 * Mail     an event that causes mail has `to`, so whoever sends it needs no fold. A day has MAILS_A_DAY at most: a
 *          command that would only cause one more is accepted without an event.
 * Bounds   ADDRESSES_MAX addresses, CONSENTS_MAX purposes, ROLES_MAX roles.
 * Memory   events and states live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum {
    CUSTOMER_VERIFY_S = 24 * 3600, /* how long a token that was mailed proves a mailbox */
    CUSTOMER_LOCK_AFTER = 10,      /* failed proofs in a row */
    CUSTOMER_LOCK_FIRST_S = 60,    /* and twice that with each further one ... */
    CUSTOMER_LOCK_MOST_S = 3600,   /* ... up to this */
    CUSTOMER_MAILS_A_DAY = 20,
    CUSTOMER_MAIL_APART_S = 60, /* between two of one kind that anybody can ask for */
    CUSTOMER_ADDRESSES_MAX = 20,
    CUSTOMER_CONSENTS_MAX = 16,
    CUSTOMER_ROLES_MAX = 8,
};

extern const struct aggregate customer_aggregate;

enum rejection customer_decide(const struct customer_state *state, const struct command *command,
                               struct decision *decision);
void customer_evolve(struct customer_state *state, const struct event *event, struct arena *arena);
