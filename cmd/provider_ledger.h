/* provider_ledger.h: what the test provider charged: its own book, from which tests compute what must be true.
 *
 * Promise  one effect per idempotency key, as long as keys are remembered: asked again, the first answer is given
 * again. Every effect is appended to a file before it is answered, and read back at the start, so kill -9 of the double
 * forgets nothing. Bounds   none but memory: it is a test's double. Thread   one at a time.        May use: base.
 */
#pragma once

#include <jansson.h>

#include "core/base/err.h"
#include "core/base/str.h"

/* A dispute is the payer's, by his bank: nobody asks the provider for one. */
enum provider_operation { OPERATION_CHARGE, OPERATION_CAPTURE, OPERATION_VOID, OPERATION_REFUND, OPERATION_DISPUTE };

struct ledger_entry {
    enum provider_operation operation;
    char intent[160], payment[160], method[80], currency[4];
    char result[32]; /* captured, authorized, declined, action_required, pending, voided, ... */
    char code[32], message[96], ref[48];
    int64_t amount;
    int64_t at_us;
};

struct ledger;

/* `path` may be NULL: kept in memory alone. forget_after_us > 0: a key older than that is treated as new when posted
 * again, as real providers do after a day; looking it up still finds it. */
MUST_CHECK enum err ledger_open(const char *path, int64_t forget_after_us, struct ledger **ret_ledger,
                                struct err_info *info);
void ledger_close(struct ledger *ledger);

/* Carries a request out, or gives the answer of the first time again (*ret_repeated). */
MUST_CHECK enum err ledger_apply(struct ledger *ledger, const struct ledger_entry *request, int64_t now_us,
                                 const struct ledger_entry **ret_entry, bool *ret_repeated, struct err_info *info);

/* A pending, declined or waiting charge comes to `result` after all (a late success, a shopper's step). */
MUST_CHECK enum err ledger_decide_late(struct ledger *ledger, struct str intent, const char *result, int64_t now_us,
                                       const struct ledger_entry **ret_entry, struct err_info *info);

/* The payer contests all that a charge took: an entry of its own, "disputed", with the key <payment>.dispute.1, which
 * ledger_decide_late brings to its end: dispute_won or dispute_lost. */
MUST_CHECK enum err ledger_dispute(struct ledger *ledger, const struct ledger_entry *charge, int64_t now_us,
                                   const struct ledger_entry **ret_entry, struct err_info *info);

/* NULL when the key was never seen. */
const struct ledger_entry *ledger_find(const struct ledger *ledger, struct str intent);

enum { LEDGER_PAGE_MAX = 50000 };

/* {"operations": [...], "payments": [{payment, authorized, captured, refunded, contested, lost,
 * charges, voided}], "next": N}: LEDGER_PAGE_MAX
 * of each from their number `from` on, in the order in which they were heard of; "next" is where to go on, null at the
 * end. The caller owns it. */
json_t *ledger_json(const struct ledger *ledger, size_t from);

/* An entry as the provider answers it; the caller owns it. */
json_t *ledger_entry_json(const struct ledger_entry *entry);
