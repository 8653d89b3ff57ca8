#include "core/log/reconcile.h"

#include <assert.h>
#include <stdio.h>

#include "core/base/timestamp.h"

#define RECONCILE_MAX_BYTES ((size_t)64 << 30) /* of addresses; what is used is what the payments need */

struct reconciled {
    struct str payment, currency;
    struct {
        struct reconcile_sums sums;
        int64_t line, at_us;
    } movements[MOVEMENT_COUNT];
};

static const char *const names[MOVEMENT_COUNT] = {"charge", "refund", "dispute", "dispute_reversal"};

const char *movement_name(enum movement movement) {
    return names[movement];
}

bool movement_named(struct str name, enum movement *ret_movement) {
    for (uint32_t i = 0; i < MOVEMENT_COUNT; i++) {
        if (str_equal(name, str_of_cstr(names[i]))) {
            *ret_movement = (enum movement)i;
            return true;
        }
    }
    return false;
}

void reconcile_begin(struct reconcile *reconcile, int64_t from_us, int64_t to_us) {
    *reconcile = (struct reconcile){.from_us = from_us, .to_us = to_us};
    arena_init(&reconcile->arena, RECONCILE_MAX_BYTES);
    map_init(&reconcile->payments, &reconcile->arena);
    map_init(&reconcile->totals, &reconcile->arena);
}

void reconcile_end(struct reconcile *reconcile) {
    arena_release(&reconcile->arena);
}

static struct reconciled *payment_at(struct reconcile *reconcile, struct str payment, struct str currency) {
    char key[256];
    int len = snprintf(key, sizeof key, "%.*s %.*s", STR_ARGS(payment), STR_ARGS(currency));
    assert((size_t)len < sizeof key);
    void **at = map_at(&reconcile->payments, str_of(key, (size_t)len));
    if (*at == NULL) {
        struct reconciled *made = arena_alloc(&reconcile->arena, sizeof *made);
        made->payment = arena_str_copy(&reconcile->arena, payment);
        made->currency = arena_str_copy(&reconcile->arena, currency);
        *at = made;
    }
    return *at;
}

static struct reconcile_total *total_at(struct reconcile *reconcile, struct str currency) {
    void **at = map_at(&reconcile->totals, currency);
    if (*at == NULL) {
        struct reconcile_total *made = arena_alloc(&reconcile->arena, sizeof *made);
        made->currency = arena_str_copy(&reconcile->arena, currency);
        *at = made;
    }
    return *at;
}

static bool add(int64_t *sum_minor, int64_t minor) {
    return !__builtin_add_overflow(*sum_minor, minor, sum_minor);
}

bool reconcile_row(struct reconcile *reconcile, enum movement movement, struct str payment, struct money amount,
                   int64_t line) {
    struct reconciled *reconciled = payment_at(reconcile, payment, amount.currency);
    reconciled->movements[movement].line = line;
    return add(&reconciled->movements[movement].sums.file_minor, amount.amount) &&
           add(&total_at(reconcile, amount.currency)->sums[movement].file_minor, amount.amount);
}

static bool moved(struct reconcile *reconcile, enum movement movement, const struct event *event, struct money amount) {
    bool is_sane = event->meta.stream.len <= RECONCILE_PAYMENT_MAX_BYTES && amount.currency.len == 3 &&
                   event->meta.occurred_at <= TIMESTAMP_MOST_US;
    if (!is_sane) {
        return false;
    }
    struct reconciled *reconciled = payment_at(reconcile, event->meta.stream, amount.currency);
    reconciled->movements[movement].at_us = event->meta.occurred_at;
    return add(&reconciled->movements[movement].sums.log_minor, amount.amount) &&
           add(&total_at(reconcile, amount.currency)->sums[movement].log_minor, amount.amount);
}

bool reconcile_event(struct reconcile *reconcile, const struct event *event) {
    if (event->meta.occurred_at < reconcile->from_us || event->meta.occurred_at >= reconcile->to_us) {
        return true;
    }
    switch ((enum payments_event)event->type) {
    case EVENT_PAYMENT_CAPTURED:
        return moved(reconcile, MOVEMENT_CHARGE, event, event->as.payment_captured.amount);
    case EVENT_PAYMENT_REFUNDED:
        return moved(reconcile, MOVEMENT_REFUND, event, event->as.payment_refunded.amount);
    case EVENT_PAYMENT_DISPUTED:
        return moved(reconcile, MOVEMENT_DISPUTE, event, event->as.payment_disputed.amount);
    case EVENT_DISPUTE_CLOSED:
        return !str_equal(event->as.dispute_closed.outcome, STR("won")) ||
               moved(reconcile, MOVEMENT_DISPUTE_REVERSAL, event, event->as.dispute_closed.amount);
    case EVENT_PAYMENT_REQUESTED:
    case EVENT_PAYMENT_ACTION_REQUIRED:
    case EVENT_PAYMENT_AUTHORIZED:
    case EVENT_PAYMENT_CAPTURE_REQUESTED:
    case EVENT_PAYMENT_FAILED:
    case EVENT_PAYMENT_VOID_REQUESTED:
    case EVENT_PAYMENT_VOID_REFUSED:
    case EVENT_PAYMENT_VOIDED:
    case EVENT_PAYMENT_OUTCOME_REFUSED:
    case EVENT_REFUND_REQUESTED:
    case EVENT_REFUND_FAILED:
    case EVENT_REFUND_DEFERRED:
        return true;
    }
    return true;
}

int64_t reconcile_tell(const struct reconcile *reconcile,
                       void (*on_difference)(void *context, const struct reconcile_difference *difference),
                       void *context) {
    int64_t count = 0;
    for (uint32_t i = 0; i < reconcile->payments.count; i++) {
        const struct reconciled *reconciled = reconcile->payments.entries[i].value;
        for (uint32_t k = 0; k < MOVEMENT_COUNT; k++) {
            struct reconcile_sums sums = reconciled->movements[k].sums;
            if (sums.file_minor == sums.log_minor) {
                continue;
            }
            count++;
            on_difference(context, &(struct reconcile_difference){.payment = reconciled->payment,
                                                                  .currency = reconciled->currency,
                                                                  .movement = (enum movement)k,
                                                                  .sums = sums,
                                                                  .line = reconciled->movements[k].line,
                                                                  .at_us = reconciled->movements[k].at_us});
        }
    }
    return count;
}

uint32_t reconcile_total_count(const struct reconcile *reconcile) {
    return reconcile->totals.count;
}

const struct reconcile_total *reconcile_total_at(const struct reconcile *reconcile, uint32_t index) {
    return reconcile->totals.entries[index].value;
}
