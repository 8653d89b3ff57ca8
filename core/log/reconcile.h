/* reconcile.h: a payment provider's settlement file against the log: what each says of every payment.
 *
 * Purpose  what was really paid out is in the provider's books. Each difference is one that a person has to explain: a
 *          charge that the log does not know, a refund that never left, an amount that is another one.
 * Promise  of each payment and kind of movement the sums of both sides are compared, so that parts (two refunds, say)
 *          may come in any order and cut. A difference is told once, with the line of the file and the time in the log
 *          at which the last of it stands.
 * Memory   250 bytes a payment and currency that either side names.
 * Thread   one at a time.        May use: base, generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/map.h"
#include "gen/events.h"

enum { RECONCILE_PAYMENT_MAX_BYTES = 128 };

enum movement {
    MOVEMENT_CHARGE,           /* PaymentCaptured */
    MOVEMENT_REFUND,           /* PaymentRefunded */
    MOVEMENT_DISPUTE,          /* PaymentDisputed: the provider takes it back */
    MOVEMENT_DISPUTE_REVERSAL, /* DisputeClosed, won: and gives it again */
    MOVEMENT_COUNT,
};

/* charge, refund, dispute, dispute_reversal. */
const char *movement_name(enum movement movement);
MUST_CHECK bool movement_named(struct str name, enum movement *ret_movement);

struct reconcile_sums {
    int64_t file_minor, log_minor;
};

struct reconcile_difference {
    struct str payment; /* lent for the call, as the currency is */
    struct str currency;
    enum movement movement;
    struct reconcile_sums sums;
    int64_t line;  /* the last one of it in the file; 0: none */
    int64_t at_us; /* when the last of it stands in the log; 0: never */
};

struct reconcile_total {
    struct str currency;
    struct reconcile_sums sums[MOVEMENT_COUNT];
};

struct reconcile {
    struct arena arena;
    struct map payments; /* "payment currency" -> struct reconciled */
    struct map totals;   /* currency -> struct reconcile_total */
    int64_t from_us, to_us;
};

/* Of the log what occurred at `from_us` or later, and before `to_us`. */
void reconcile_begin(struct reconcile *reconcile, int64_t from_us, int64_t to_us);
void reconcile_end(struct reconcile *reconcile);

/* The payment has at most RECONCILE_PAYMENT_MAX_BYTES, the currency 3. False: more than can be counted, which no honest
 * file says. */
MUST_CHECK bool reconcile_row(struct reconcile *reconcile, enum movement movement, struct str payment,
                              struct money amount, int64_t line);

/* An event of payments; those that move no money are passed over. False: more than can be counted, or an id, a currency
 * or a time that none of ours has. */
MUST_CHECK bool reconcile_event(struct reconcile *reconcile, const struct event *event);

/* Tells each difference, payments in the order in which they were first named; how many there were. */
int64_t reconcile_tell(const struct reconcile *reconcile,
                       void (*on_difference)(void *context, const struct reconcile_difference *difference),
                       void *context);

/* By currency, in the order in which they were first named. */
uint32_t reconcile_total_count(const struct reconcile *reconcile);
const struct reconcile_total *reconcile_total_at(const struct reconcile *reconcile, uint32_t index);
