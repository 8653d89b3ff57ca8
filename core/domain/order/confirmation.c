#include "core/domain/order/confirmation.h"

#include "core/base/timestamp.h"
#include "core/domain/mail_code.h"

enum { COUNTED_S = 24 * 3600 };

static bool begins_anew(const struct order_state *state, int64_t now_us) {
    return now_us - state->confirmations_since >= (int64_t)COUNTED_S * MICROS_PER_SECOND;
}

enum rejection order_resend_confirmation(const struct order_state *state, struct decision *decision) {
    switch (state->status) {
    case ORDER_STATUS_ABSENT:
        return REJECT_UNKNOWN_ORDER;
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_AWAITING_PAYMENT:
    case ORDER_STATUS_REJECTED:
        return REJECT_ORDER_NOT_CONFIRMED;
    case ORDER_STATUS_CANCELLED:
        return REJECT_ORDER_CANCELLED;
    case ORDER_STATUS_CONFIRMED:
        break;
    }
    if (!state->has_email) {
        return REJECT_ORDER_WITHOUT_EMAIL;
    }
    if (!begins_anew(state, decision->now_us) && state->confirmations >= ORDER_CONFIRMATIONS_A_DAY) {
        return REJECT_TOO_MANY_CONFIRMATIONS;
    }
    decision_event(decision, EVENT_ORDER_CONFIRMATION_REQUESTED)->as.order_confirmation_requested =
        (struct order_confirmation_requested){
            .to = state->email,
            .has_reference = state->has_reference,
            .reference = state->reference,
            .lines = state->lines,
            .total = state->total,
        };
    return ACCEPTED;
}

/* One that was handed over just before the order was cancelled is told of after that. */
enum rejection order_record_mail(const struct order_state *state, const struct record_order_mail *told,
                                 struct decision *decision) {
    if (!mail_code_is_plain(told->code)) {
        return REJECT_MALFORMED_COMMAND;
    }
    switch (state->status) {
    case ORDER_STATUS_ABSENT:
        return REJECT_UNKNOWN_ORDER;
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_AWAITING_PAYMENT:
    case ORDER_STATUS_REJECTED:
        return REJECT_ORDER_NOT_CONFIRMED;
    case ORDER_STATUS_CANCELLED:
    case ORDER_STATUS_CONFIRMED:
        break;
    }
    decision_event(decision, EVENT_ORDER_MAILED)->as.order_mailed = (struct order_mailed){
        .cause = told->cause,
        .template = told->template,
        .result = told->result,
        .code = told->code,
        .attempt = told->attempt,
    };
    return ACCEPTED;
}

void order_evolve_confirmation_requested(struct order_state *state, const struct event *event) {
    if (begins_anew(state, event->meta.occurred_at)) {
        state->confirmations_since = event->meta.occurred_at;
        state->confirmations = 0;
    }
    state->confirmations++;
}

void order_evolve_mailed(struct order_state *state, const struct order_mailed *mailed) {
    if (str_equal(mailed->result, ORDER_MAIL_ERASED)) {
        state->has_email = false;
        state->email = (struct sealed){0};
    }
}
