/* verify_money.c: what is captured was authorized, once; what is given back was captured, and is not contested. */
#include "core/log/verify_parts.h"

#include <inttypes.h>

enum { CURRENCY_BYTES = 3 };

struct payment {
    int64_t requested_minor;
    int64_t authorized_minor;
    int64_t captured_minor;
    int64_t refunded_minor;
    int64_t pending_minor;
    int64_t contested_minor; /* by disputes that are open or lost */
    char currency[CURRENCY_BYTES + 1];
    bool was_captured;
};

enum refund_status { REFUND_UNKNOWN, REFUND_PENDING, REFUND_DONE, REFUND_FAILED_ONCE };

struct refund_record {
    int64_t amount_minor;
    uint8_t status;
};

enum dispute_status { DISPUTE_UNKNOWN, DISPUTE_OPEN, DISPUTE_ENDED };

struct dispute_record {
    int64_t amount_minor;
    uint8_t status;
};

void money_maps_init(struct money_maps *maps) {
    digest_map_init(&maps->payments, sizeof(struct payment));
    digest_map_init(&maps->refunds, sizeof(struct refund_record));
    digest_map_init(&maps->disputes, sizeof(struct dispute_record));
    digest_map_init(&maps->intents, 0);
}

void money_maps_release(struct money_maps *maps) {
    digest_map_release(&maps->payments);
    digest_map_release(&maps->refunds);
    digest_map_release(&maps->disputes);
    digest_map_release(&maps->intents);
}

static int64_t sum(int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_add_overflow(a, b, &result)) {
        return a > 0 ? INT64_MAX : INT64_MIN;
    }
    return result;
}

/* An amount is at least 0 and of the payment's currency. Answers it; 0 for one that is not. */
static int64_t amount_of(struct verify *verify, const struct payment *payment, struct money money) {
    if (!str_equal(money.currency, str_of_cstr(payment->currency))) {
        verify_tell(verify, "money", "an amount in %.*s, the payment is in %s", STR_ARGS(money.currency),
                    payment->currency);
    }
    if (money.amount < 0) {
        verify_tell(verify, "money", "an amount of %" PRId64, money.amount);
        return 0;
    }
    return money.amount;
}

/* The key that a provider is called with names one effect, in the whole installation. */
static void use_intent(struct verify *verify, struct str intent) {
    bool is_new;
    digest_map_at(&verify->money.intents, digest_of(intent, STR("")), &is_new);
    if (!is_new) {
        verify_tell(verify, "money", "the intent %.*s was used before", STR_ARGS(intent));
    }
}

static void requested(struct verify *verify, struct payment *payment, bool is_new,
                      const struct payment_requested *event) {
    if (!is_new && payment->currency[0] != 0) {
        verify_tell(verify, "money", "the payment is requested twice");
        return;
    }
    if (event->amount.currency.len == CURRENCY_BYTES) {
        memcpy(payment->currency, event->amount.currency.data, CURRENCY_BYTES);
    }
    payment->requested_minor = amount_of(verify, payment, event->amount);
    use_intent(verify, event->intent);
}

static void authorized(struct verify *verify, struct payment *payment, struct money money) {
    int64_t amount_minor = amount_of(verify, payment, money);
    if (amount_minor > payment->requested_minor) {
        verify_tell(verify, "money", "%" PRId64 " authorized, %" PRId64 " asked for", amount_minor,
                    payment->requested_minor);
    }
    payment->authorized_minor = amount_minor;
}

/* A charge authorizes and captures at once: then what was asked for is the bound. */
static int64_t most_to_capture(const struct payment *payment) {
    return payment->authorized_minor > 0 ? payment->authorized_minor : payment->requested_minor;
}

static void captured(struct verify *verify, struct payment *payment, struct money money) {
    int64_t amount_minor = amount_of(verify, payment, money);
    if (payment->was_captured) {
        verify_tell(verify, "money", "captured a second time: %" PRId64 " after %" PRId64, amount_minor,
                    payment->captured_minor);
    }
    if (amount_minor > most_to_capture(payment)) {
        verify_tell(verify, "money", "%" PRId64 " captured, %" PRId64 " authorized", amount_minor,
                    most_to_capture(payment));
    }
    payment->was_captured = true;
    payment->captured_minor = sum(payment->captured_minor, amount_minor);
}

/* ---- refunds -------------------------------------------------------------------------------------------------------
 */

static struct refund_record *refund_at(struct verify *verify, struct str stream, int32_t number) {
    bool is_new;
    struct digest key = digest_of(stream, str_of((const char *)&number, sizeof number));
    return digest_map_at(&verify->money.refunds, key, &is_new);
}

static void check_refunds(struct verify *verify, const struct payment *payment) {
    if (sum(payment->refunded_minor, payment->pending_minor) > payment->captured_minor) {
        verify_tell(verify, "money", "%" PRId64 " refunded and %" PRId64 " pending of %" PRId64 " captured",
                    payment->refunded_minor, payment->pending_minor, payment->captured_minor);
    }
}

static void refund_requested(struct verify *verify, struct payment *payment, const struct event *event) {
    const struct refund_requested *ask = &event->as.refund_requested;
    struct refund_record *refund = refund_at(verify, event->meta.stream, ask->refund);
    if (refund->status != REFUND_UNKNOWN) {
        verify_tell(verify, "money", "refund %d is requested twice", ask->refund);
        return;
    }
    use_intent(verify, ask->intent);
    *refund = (struct refund_record){amount_of(verify, payment, ask->amount), REFUND_PENDING};
    payment->pending_minor = sum(payment->pending_minor, refund->amount_minor);
    check_refunds(verify, payment);
    int64_t gone_minor = sum(payment->refunded_minor, payment->pending_minor);
    if (payment->contested_minor > 0 && sum(gone_minor, payment->contested_minor) > payment->captured_minor) {
        verify_tell(verify, "money", "refund %d is of money that a dispute holds", ask->refund);
    }
}

/* A refund that the provider first refused may come through after all. */
static void refunded(struct verify *verify, struct payment *payment, const struct event *event) {
    const struct payment_refunded *done = &event->as.payment_refunded;
    struct refund_record *refund = refund_at(verify, event->meta.stream, done->refund);
    int64_t amount_minor = amount_of(verify, payment, done->amount);
    if (refund->status == REFUND_UNKNOWN || refund->status == REFUND_DONE) {
        verify_tell(verify, "money", "refund %d %s", done->refund,
                    refund->status == REFUND_DONE ? "is given back twice" : "was never requested");
    } else if (amount_minor > refund->amount_minor) {
        verify_tell(verify, "money", "refund %d: %" PRId64 " given back, %" PRId64 " requested", done->refund,
                    amount_minor, refund->amount_minor);
    }
    if (refund->status == REFUND_PENDING) {
        payment->pending_minor = sum(payment->pending_minor, -refund->amount_minor);
    }
    refund->status = REFUND_DONE;
    payment->refunded_minor = sum(payment->refunded_minor, amount_minor);
    check_refunds(verify, payment);
}

static void refund_failed(struct verify *verify, struct payment *payment, const struct event *event) {
    const struct refund_failed *failed = &event->as.refund_failed;
    struct refund_record *refund = refund_at(verify, event->meta.stream, failed->refund);
    if (refund->status != REFUND_PENDING) {
        verify_tell(verify, "money", "refund %d fails, and was not pending", failed->refund);
        return;
    }
    payment->pending_minor = sum(payment->pending_minor, -refund->amount_minor);
    refund->status = REFUND_FAILED_ONCE;
}

/* ---- disputes ------------------------------------------------------------------------------------------------------
 */

static struct dispute_record *dispute_at(struct verify *verify, struct str stream, struct str name) {
    bool is_new;
    return digest_map_at(&verify->money.disputes, digest_of(stream, name), &is_new);
}

static void disputed(struct verify *verify, struct payment *payment, const struct event *event) {
    const struct payment_disputed *told = &event->as.payment_disputed;
    struct dispute_record *dispute = dispute_at(verify, event->meta.stream, told->dispute);
    if (dispute->status != DISPUTE_UNKNOWN) {
        verify_tell(verify, "money", "the dispute %.*s is opened twice", STR_ARGS(told->dispute));
        return;
    }
    *dispute = (struct dispute_record){amount_of(verify, payment, told->amount), DISPUTE_OPEN};
    payment->contested_minor = sum(payment->contested_minor, dispute->amount_minor);
    int64_t taken_minor = payment->was_captured ? payment->captured_minor : payment->requested_minor;
    if (dispute->amount_minor > taken_minor) { /* of several, one may end before it is told that another has */
        verify_tell(verify, "money", "%" PRId64 " contested of %" PRId64 " taken", dispute->amount_minor, taken_minor);
    }
}

static void dispute_closed(struct verify *verify, struct payment *payment, const struct event *event) {
    const struct dispute_closed *told = &event->as.dispute_closed;
    struct dispute_record *dispute = dispute_at(verify, event->meta.stream, told->dispute);
    bool is_won = str_equal(told->outcome, STR("won"));
    if (dispute->status != DISPUTE_OPEN) {
        verify_tell(verify, "money", "the dispute %.*s ends, and was not open", STR_ARGS(told->dispute));
        return;
    }
    if (amount_of(verify, payment, told->amount) != dispute->amount_minor) {
        verify_tell(verify, "money", "the dispute %.*s ends over %" PRId64 ", and was opened over %" PRId64,
                    STR_ARGS(told->dispute), told->amount.amount, dispute->amount_minor);
    }
    if (!is_won && !str_equal(told->outcome, STR("lost"))) {
        verify_tell(verify, "money", "the dispute %.*s is neither won nor lost", STR_ARGS(told->dispute));
    }
    dispute->status = DISPUTE_ENDED;
    payment->contested_minor =
        is_won ? sum(payment->contested_minor, -dispute->amount_minor) : payment->contested_minor;
}

/* --------------------------------------------------------------------------------------------------------------------
 */

void verify_payment(struct verify *verify, const struct event *event) {
    bool is_new;
    struct digest key = digest_of(event->meta.stream, STR(""));
    struct payment *payment = digest_map_at(&verify->money.payments, key, &is_new);
    switch ((enum payments_event)event->type) {
    case EVENT_PAYMENT_REQUESTED:
        requested(verify, payment, is_new, &event->as.payment_requested);
        break;
    case EVENT_PAYMENT_AUTHORIZED:
        authorized(verify, payment, event->as.payment_authorized.amount);
        break;
    case EVENT_PAYMENT_CAPTURE_REQUESTED: {
        const struct payment_capture_requested *ask = &event->as.payment_capture_requested;
        use_intent(verify, ask->intent);
        if (amount_of(verify, payment, ask->amount) > payment->authorized_minor) {
            verify_tell(verify, "money", "%" PRId64 " to be captured, %" PRId64 " authorized", ask->amount.amount,
                        payment->authorized_minor);
        }
        break;
    }
    case EVENT_PAYMENT_CAPTURED:
        captured(verify, payment, event->as.payment_captured.amount);
        break;
    case EVENT_PAYMENT_VOID_REQUESTED:
        use_intent(verify, event->as.payment_void_requested.intent);
        break;
    case EVENT_REFUND_REQUESTED:
        refund_requested(verify, payment, event);
        break;
    case EVENT_PAYMENT_REFUNDED:
        refunded(verify, payment, event);
        break;
    case EVENT_REFUND_FAILED:
        refund_failed(verify, payment, event);
        break;
    case EVENT_PAYMENT_DISPUTED:
        disputed(verify, payment, event);
        break;
    case EVENT_DISPUTE_CLOSED:
        dispute_closed(verify, payment, event);
        break;
    case EVENT_REFUND_DEFERRED:
    case EVENT_PAYMENT_ACTION_REQUIRED:
    case EVENT_PAYMENT_FAILED:
    case EVENT_PAYMENT_VOIDED:
    case EVENT_PAYMENT_VOID_REFUSED:
    case EVENT_PAYMENT_OUTCOME_REFUSED:
        break;
    }
}
