/* provider_ledger.h: the book of the simulated payment provider: whose money it held, took and gave back.
 *
 * Purpose  the witness against which the events of payments are judged. It hears of requests alone, from provider.c.
 * Promise  one entry a key, as long as the key is remembered: the same request again is answered from it. What belongs
 *          together the provider does not know: another charge of a payment under another key is carried out, and
 *          `charges` says 2. Two different requests under one key are a bug of who asks, and assert.
 * Source   the rules of `daybook test-provider` (cmd/provider_ledger.c), whose methods are here with some more.
 * Memory   entries and payments are the ledger's, stay where they are, and live until sim_ledger_begin.
 * Thread   one.                  May use: base, world.
 */
#pragma once

#include "core/base/str.h"

#include <stddef.h>

enum { SIM_LEDGER_TEXT_MAX = 160 };

/* A dispute is the payer's, by his bank: nobody asks the provider for one. */
enum sim_operation { SIM_CHARGE, SIM_CAPTURE, SIM_VOID, SIM_REFUND, SIM_DISPUTE };

/* A row: a request that was decided, or what an earlier one came to later on. */
struct sim_ledger_entry {
    uint64_t number; /* 1, 2, 3 ... */
    uint64_t origin; /* the number of the row that the request made: the provider's reference */
    int64_t at_us;   /* the world's time */
    enum sim_operation operation;
    char key[SIM_LEDGER_TEXT_MAX];
    char payment[SIM_LEDGER_TEXT_MAX];
    char method[SIM_LEDGER_TEXT_MAX]; /* a charge's; else empty */
    char currency[4];                 /* empty for a void */
    int64_t asked_minor, amount_minor;
    const char *result; /* as in core/connect/http_provider.h; "refused": 422, the request can never work */
    const char *code;   /* why not; else "" */
    bool is_dropped;    /* a lookup does not find it any more: the shopper did not take the step in time */
    const struct sim_ledger_entry *next;
};

/* The sums of a payment. */
struct sim_ledger_payment {
    char payment[SIM_LEDGER_TEXT_MAX];
    char method[SIM_LEDGER_TEXT_MAX]; /* of its newest charge */
    int64_t authorized_minor;         /* held or taken at once, whatever came of it */
    int64_t captured_minor, refunded_minor;
    int64_t contested_minor, lost_minor; /* by disputes that are open; that were lost */
    int charges, captures, disputes;     /* that took effect */
    bool is_voided;
};

/* How a charge by a method goes. Times are drawn between two bounds. */
struct sim_method {
    const char *name;
    const char *result; /* as it is asked for */
    const char *later;  /* what it comes to after a while; NULL: this is its end */
    int64_t later_least_us, later_most_us;
    const char *dispute_ends;     /* the payer contests it: "dispute_won", "dispute_lost"; NULL: he does not */
    const char *refund;           /* "refunded", "refund_failed", or "pending", which is refunded after a while */
    bool answers_slowly;          /* after 2 s */
    bool answers_never;           /* the first time */
    bool errs_before, errs_after; /* answers 5xx, before (every other time) or after it has done what it should */
    bool tells_twice;             /* two webhooks, at once */
    bool waits_for_shopper;       /* `later` comes only of a step of his, and he may never take it */
    bool is_held_fast;            /* cannot be voided before `later` has come */
    bool is_never_captured;       /* what is authorized is not captured in the end */
    int64_t surplus_minor;        /* takes so much more than it was asked for */
};

/*  approve        captured                      decline       declined
 *  authorize      authorized                    slow          captured, answered after 2 s
 *  hang           captured, not answered        twice         captured, told by two webhooks as well
 *  late           pending, then captured        late_success  declined, and captured all the same: by webhook alone
 *  action         a step of the shopper         refund_fails  captured; refunds fail
 *  overcharge     captures 1 too much, which Daybook records as a contradiction
 * and, beyond `daybook test-provider`:
 *  late_decline   pending, then declined        pledge        pending, not to be voided; then authorized
 *  uncapturable   authorized; captures fail     refund_late   captured; refunds are pending for a while
 *  error_before   5xx without an effect, then captured        error_after  captured, and answered 5xx
 *  refuse         422
 *  dispute_won    captured, then contested, with that end          dispute_lost    likewise
 * Any other name is declined, as unknown_method. */
const struct sim_method *sim_method_named(const char *name);

/* A key that is older counts as new when it comes again with a request, as real providers do after a day (Stripe:
 * "keys are removed after they are at least 24 hours old"). 0: never. */
extern int64_t sim_ledger_forgets_after_us;

/* An empty ledger. */
void sim_ledger_begin(void);

/* Carries the request out (operation, key, payment, method, currency, asked_minor are given), or finds that it was. */
const struct sim_ledger_entry *sim_ledger_apply(const struct sim_ledger_entry *request, bool *ret_is_repeated);

/* What was pending, declined or waiting comes to `result` after all: a new row. NULL: it does not, since the payment
 * was voided, the row is not the key's newest any more, or it was dropped. */
const struct sim_ledger_entry *sim_ledger_come_to(const struct sim_ledger_entry *entry, const char *result);

/* The payer contests so much of it, or of what is left: a new row, "disputed", which comes to its end by
 * sim_ledger_come_to. NULL: nothing is left. */
const struct sim_ledger_entry *sim_ledger_dispute(const struct sim_ledger_entry *charge, int64_t amount_minor);

/* The shopper's step was not taken in time: the charge is no longer found. Nothing, when it is no longer waiting. */
void sim_ledger_drop(const struct sim_ledger_entry *entry);

/* The key's newest row; NULL when there is none. */
const struct sim_ledger_entry *sim_ledger_find(struct str key);

/* ---- for oracles ------------------------------------------------------------------------------------------------- */

/* All rows, by ->next in the order of their numbers. NULL: none. */
const struct sim_ledger_entry *sim_ledger_first(void);
bool sim_ledger_moves_money(const struct sim_ledger_entry *entry);
const char *sim_operation_name(enum sim_operation operation);

/* In the order in which they were first heard of. */
size_t sim_ledger_payment_count(void);
const struct sim_ledger_payment *sim_ledger_payment_at(size_t index);
/* NULL: the provider never heard of it. */
const struct sim_ledger_payment *sim_ledger_payment(struct str payment);
