/* oracle_money.c: payments, folded from the events, against the provider's own ledger and what the orders keep. */
#include "core/testing/simulator/oracle_parts.h"

#include <inttypes.h>

struct refund_fold {
    int64_t amount_minor;
    enum { REFUND_NONE, REFUND_ASKED, REFUND_DONE, REFUND_FAILED } status;
    bool is_on_request;
};

struct dispute_fold {
    int64_t amount_minor;
    bool is_open;
};

struct folding {
    struct oracle *oracle;
    struct payment_fold *payment;
    const struct seen_event *event;
};

#define AT_FORMAT "%.*s version %lld (" PLACE_FORMAT ")"
#define AT_ARGS(folding)                                                                                               \
    STR_ARGS((folding)->event->event.meta.stream), (long long)(folding)->event->event.meta.version,                    \
        PLACE_ARGS((folding)->event->at)

/* ---- the fold ---------------------------------------------------------------------------------------------------- */

static struct refund_fold *refund_at(struct folding *folding, int32_t number) {
    struct arena *arena = &folding->oracle->arena;
    void **at = map_at(&folding->payment->refunds, arena_printf(arena, "%d", number));
    if (*at == NULL) {
        *at = arena_alloc(arena, sizeof(struct refund_fold));
    }
    return *at;
}

static void captured(struct folding *folding, int64_t amount_minor) {
    struct payment_fold *payment = folding->payment;
    payment->captures++;
    payment->captured_minor += amount_minor;
    if (payment->captures > 1 || payment->captured_minor > payment->asked_minor) {
        oracle_tell(folding->oracle, "money.capture",
                    AT_FORMAT ": capture %u, %" PRId64 " in all of %" PRId64 " that were asked for", AT_ARGS(folding),
                    payment->captures, payment->captured_minor, payment->asked_minor);
    }
    payment->owes_charge = payment->owes_capture = payment->awaits_step = false;
}

static void judge_refunds(struct folding *folding) {
    const struct payment_fold *payment = folding->payment;
    if (payment->refunded_minor + payment->refund_pending_minor > payment->captured_minor) {
        oracle_tell(folding->oracle, "money.refund",
                    AT_FORMAT ": %" PRId64 " refunded and %" PRId64 " pending of %" PRId64 " captured",
                    AT_ARGS(folding), payment->refunded_minor, payment->refund_pending_minor, payment->captured_minor);
    }
}

static void wrong_refund(struct folding *folding, int32_t number, const char *what) {
    oracle_tell(folding->oracle, "money.refund", AT_FORMAT ": refund %d %s", AT_ARGS(folding), number, what);
}

static void refund_requested(struct folding *folding, const struct refund_requested *event) {
    struct refund_fold *refund = refund_at(folding, event->refund);
    if (refund->status != REFUND_NONE) {
        wrong_refund(folding, event->refund, "is asked for twice");
    }
    *refund = (struct refund_fold){event->amount.amount, REFUND_ASKED, str_equal(event->reason, STR("request"))};
    struct payment_fold *payment = folding->payment;
    payment->refund_pending_minor += refund->amount_minor;
    judge_refunds(folding);
    int64_t contested_minor = payment->contested_minor + payment->lost_minor;
    if (payment->refunded_minor + payment->refund_pending_minor + contested_minor > payment->captured_minor) {
        wrong_refund(folding, event->refund, "is of money that a dispute holds");
    }
}

static void refunded(struct folding *folding, const struct payment_refunded *event) {
    struct refund_fold *refund = refund_at(folding, event->refund);
    if (refund->status == REFUND_NONE || refund->status == REFUND_DONE || event->amount.amount > refund->amount_minor) {
        wrong_refund(folding, event->refund, "was not asked for, is done, or was smaller");
    }
    struct payment_fold *payment = folding->payment;
    payment->refund_pending_minor -= refund->status == REFUND_ASKED ? refund->amount_minor : 0;
    payment->refunded_minor += event->amount.amount;
    payment->refunded_on_request_minor += refund->is_on_request ? event->amount.amount : 0;
    refund->status = REFUND_DONE;
    judge_refunds(folding);
}

static void refund_failed(struct folding *folding, const struct refund_failed *event) {
    struct refund_fold *refund = refund_at(folding, event->refund);
    if (refund->status != REFUND_ASKED) {
        wrong_refund(folding, event->refund, "fails, and was not pending");
    }
    folding->payment->refund_pending_minor -= refund->amount_minor;
    folding->payment->has_failed_refund = true;
    refund->status = REFUND_FAILED;
}

static void wrong_dispute(struct folding *folding, struct str name, const char *what) {
    oracle_tell(folding->oracle, "money.dispute", AT_FORMAT ": dispute %.*s %s", AT_ARGS(folding), STR_ARGS(name),
                what);
}

static void disputed(struct folding *folding, const struct payment_disputed *event) {
    struct payment_fold *payment = folding->payment;
    void **at = map_at(&payment->disputes, event->dispute);
    if (*at != NULL) {
        wrong_dispute(folding, event->dispute, "begins twice");
        return;
    }
    struct dispute_fold *dispute = *at = arena_alloc(&folding->oracle->arena, sizeof *dispute);
    *dispute = (struct dispute_fold){event->amount.amount, true};
    payment->contested_minor += dispute->amount_minor;
    if (dispute->amount_minor > payment->asked_minor) {
        wrong_dispute(folding, event->dispute, "contests more than was taken");
    }
}

static void dispute_closed(struct folding *folding, const struct dispute_closed *event) {
    struct payment_fold *payment = folding->payment;
    struct dispute_fold *dispute = map_get(&payment->disputes, event->dispute);
    if (dispute == NULL || !dispute->is_open || dispute->amount_minor != event->amount.amount) {
        wrong_dispute(folding, event->dispute, "ends, and is not open, or was of another amount");
        return;
    }
    dispute->is_open = false;
    payment->contested_minor -= dispute->amount_minor;
    payment->lost_minor += str_equal(event->outcome, STR("lost")) ? dispute->amount_minor : 0;
}

static void contradicted(struct payment_fold *payment) {
    payment->has_contradiction = true;
    payment->owes_charge = payment->owes_capture = payment->owes_void = false;
}

static void authorized(struct folding *folding, int64_t amount_minor) {
    struct payment_fold *payment = folding->payment;
    payment->authorized_minor = amount_minor;
    payment->owes_charge = payment->awaits_step = false;
    if (amount_minor > payment->asked_minor) {
        oracle_tell(folding->oracle, "money.capture", AT_FORMAT ": %" PRId64 " authorized of %" PRId64 " asked for",
                    AT_ARGS(folding), amount_minor, payment->asked_minor);
    }
}

static void apply(struct folding *folding, const struct event *event) {
    struct payment_fold *payment = folding->payment;
    switch (event->type) {
    case EVENT_PAYMENT_REQUESTED:
        payment->order = event->as.payment_requested.order;
        payment->asked_minor = event->as.payment_requested.amount.amount;
        payment->owes_charge = true;
        break;
    case EVENT_PAYMENT_ACTION_REQUIRED:
        payment->owes_charge = false;
        payment->awaits_step = !payment->owes_void;
        break;
    case EVENT_PAYMENT_AUTHORIZED:
        authorized(folding, event->as.payment_authorized.amount.amount);
        break;
    case EVENT_PAYMENT_CAPTURE_REQUESTED:
        payment->owes_capture = true;
        break;
    case EVENT_PAYMENT_CAPTURED:
        captured(folding, event->as.payment_captured.amount.amount);
        break;
    case EVENT_PAYMENT_FAILED:
        /* A declined charge holds nothing that could be voided; what a declined capture was to take is still held. */
        payment->owes_void = payment->owes_void && payment->owes_capture;
        payment->owes_charge = payment->owes_capture = payment->awaits_step = false;
        break;
    case EVENT_PAYMENT_VOID_REQUESTED:
        payment->owes_void = true;
        payment->awaits_step = false;
        break;
    case EVENT_PAYMENT_VOIDED:
        payment->owes_charge = payment->owes_capture = payment->owes_void = false;
        break;
    case EVENT_PAYMENT_VOID_REFUSED:
        payment->owes_void = false;
        break;
    case EVENT_PAYMENT_OUTCOME_REFUSED:
        contradicted(payment);
        break;
    case EVENT_REFUND_REQUESTED:
        refund_requested(folding, &event->as.refund_requested);
        break;
    case EVENT_PAYMENT_REFUNDED:
        refunded(folding, &event->as.payment_refunded);
        break;
    case EVENT_REFUND_FAILED:
        refund_failed(folding, &event->as.refund_failed);
        break;
    case EVENT_PAYMENT_DISPUTED:
        disputed(folding, &event->as.payment_disputed);
        break;
    case EVENT_DISPUTE_CLOSED:
        dispute_closed(folding, &event->as.dispute_closed);
        break;
    default:
        break;
    }
}

void oracle_fold_payments(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        struct seen_stream *stream = oracle->streams.entries[i].value;
        if (!str_starts_with(stream->id, STR("pay_"))) {
            continue;
        }
        struct folding folding = {.oracle = oracle,
                                  .payment = arena_alloc(&oracle->arena, sizeof(struct payment_fold))};
        map_init(&folding.payment->refunds, &oracle->arena);
        map_init(&folding.payment->disputes, &oracle->arena);
        stream->fold = folding.payment;
        for (uint32_t j = 0; j < stream->events.count; j++) {
            folding.event = stream->events.items[j];
            apply(&folding, &folding.event->event);
        }
    }
}

/* ---- the provider's ledger --------------------------------------------------------------------------------------- */

/* What contradicted what was asked for moves nothing here, though the provider may have done it: a person looks. */
static void judge_entry(struct oracle *oracle, const struct oracle_payment *entry) {
    const struct payment_fold *payment = oracle_payment_fold(oracle, entry->payment);
    bool is_excused = payment != NULL && payment->has_contradiction;
    int64_t captured_minor = payment == NULL ? 0 : payment->captured_minor;
    int64_t refunded_minor = payment == NULL ? 0 : payment->refunded_minor;
    if (entry->charges > 1) {
        oracle_tell(oracle, "money.charged", "%.*s: the provider carried out %d charges", STR_ARGS(entry->payment),
                    entry->charges);
    }
    if (!is_excused && (entry->captured_minor != captured_minor || entry->refunded_minor != refunded_minor)) {
        oracle_tell(oracle, "money.ledger",
                    "%.*s: the provider captured %" PRId64 " and refunded %" PRId64 "; the events say %" PRId64
                    " and %" PRId64 "%s",
                    STR_ARGS(entry->payment), entry->captured_minor, entry->refunded_minor, captured_minor,
                    refunded_minor, payment == NULL ? " (there are none)" : "");
    }
    int64_t contested_minor = payment == NULL ? 0 : payment->contested_minor;
    int64_t lost_minor = payment == NULL ? 0 : payment->lost_minor;
    if (!is_excused && (entry->contested_minor != contested_minor || entry->lost_minor != lost_minor)) {
        oracle_tell(oracle, "money.ledger",
                    "%.*s: the payer contests %" PRId64 " and won %" PRId64 "; the events say %" PRId64 " and %" PRId64,
                    STR_ARGS(entry->payment), entry->contested_minor, entry->lost_minor, contested_minor, lost_minor);
    }
    if (!is_excused && !entry->is_voided && entry->authorized_minor > entry->captured_minor) {
        oracle_tell(oracle, "money.held", "%.*s: the provider holds %" PRId64 " of which it captured %" PRId64,
                    STR_ARGS(entry->payment), entry->authorized_minor, entry->captured_minor);
    }
}

static void judge_ledger(struct oracle *oracle) {
    const struct oracle_sources *sources = oracle->options.sources;
    struct map in_ledger;
    map_init(&in_ledger, &oracle->arena);
    for (size_t i = 0; i < sources->payment_count(); i++) {
        const struct oracle_payment entry = sources->payment_at(i);
        *map_at(&in_ledger, entry.payment) = oracle;
        if (!oracle_has_lost(oracle, entry.payment)) {
            judge_entry(oracle, &entry);
        }
    }
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        const struct payment_fold *payment = oracle_payment_fold(oracle, stream->id);
        if (payment != NULL && payment->captured_minor > 0 && map_get(&in_ledger, stream->id) == NULL) {
            oracle_tell(oracle, "money.ledger",
                        "%.*s: the events say %" PRId64 " captured, the provider never heard of it",
                        STR_ARGS(stream->id), payment->captured_minor);
        }
    }
}

/* ---- what the orders keep ---------------------------------------------------------------------------------------- */

/* Nobody is to pay for an order that has ended. */
static void judge_steps(struct oracle *oracle, struct str id, const struct order_fold *order) {
    for (uint32_t i = 0; i < order->payments.count && order->status != ORDER_STATUS_AWAITING_PAYMENT; i++) {
        const struct payment_fold *payment = oracle_payment_fold(oracle, order->payments.items[i]);
        if (payment != NULL && payment->awaits_step && !payment->has_contradiction) {
            oracle_tell(oracle, "money.open", "%.*s is %s, and %.*s still waits for the shopper to pay", STR_ARGS(id),
                        order_status_name(order->status), STR_ARGS(order->payments.items[i]));
        }
    }
}

static bool has_ended(enum order_status status) {
    return status == ORDER_STATUS_CONFIRMED || status == ORDER_STATUS_REJECTED || status == ORDER_STATUS_CANCELLED ||
           status == ORDER_STATUS_AWAITING_PAYMENT;
}

/* What a client asked back of the payment that an order keeps is not the order's any more, but is no fault either. */
static void judge_kept(struct oracle *oracle, struct str id, const struct order_fold *order) {
    int64_t kept_minor = 0;
    for (uint32_t i = 0; i < order->payments.count; i++) {
        const struct payment_fold *payment = oracle_payment_fold(oracle, order->payments.items[i]);
        if (payment == NULL) {
            continue; /* voided before it was asked for; settled.undecided tells when it is still to come */
        }
        if (payment->has_failed_refund || payment->has_contradiction || payment->refund_pending_minor > 0 ||
            payment->contested_minor > 0) {
            return; /* a person is to look; or settled.intent tells of it */
        }
        bool is_kept =
            order->status == ORDER_STATUS_CONFIRMED && str_equal(order->payments.items[i], order->kept_payment);
        int64_t left_minor = payment->captured_minor - payment->refunded_minor;
        if (is_kept) {
            kept_minor += left_minor + payment->refunded_on_request_minor;
        } else {
            /* What the payer won back need not be given back; a bank may have let him contest what he was given. */
            int64_t gone_minor = left_minor < payment->lost_minor ? left_minor : payment->lost_minor;
            kept_minor += left_minor - gone_minor;
        }
    }
    int64_t expected_minor = order->status == ORDER_STATUS_CONFIRMED ? order->total_minor : 0;
    if (kept_minor != expected_minor) {
        oracle_tell(oracle, "money.kept", "%.*s is %s: of its payments %" PRId64 " are kept, expected %" PRId64,
                    STR_ARGS(id), order_status_name(order->status), kept_minor, expected_minor);
    }
}

void oracle_judge_money(struct oracle *oracle) {
    judge_ledger(oracle);
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        const struct order_fold *order = oracle_order(oracle, stream->id);
        if (order != NULL && has_ended(order->status) && !oracle_has_lost(oracle, stream->id)) {
            judge_kept(oracle, stream->id, order);
            judge_steps(oracle, stream->id, order);
        }
    }
}
