/* oracle_orders.c: orders: how they went, what they hold, and whether they have come to rest. */
#include "core/testing/simulator/oracle_parts.h"

#include "core/base/timestamp.h"
#include "core/domain/ids.h"

/* ---- the fold ---------------------------------------------------------------------------------------------------- */

static enum order_status status_after(const struct event *event, enum order_status before) {
    switch (event->type) {
    case EVENT_ORDER_PLACED:
        return ORDER_STATUS_PLACED;
    case EVENT_ORDER_PAYMENT_STARTED:
        return ORDER_STATUS_PAYING;
    case EVENT_ORDER_AWAITING_PAYMENT:
        return ORDER_STATUS_AWAITING_PAYMENT;
    case EVENT_ORDER_CONFIRMED:
        return ORDER_STATUS_CONFIRMED;
    case EVENT_ORDER_REJECTED:
        return ORDER_STATUS_REJECTED;
    case EVENT_ORDER_CANCELLED:
        return ORDER_STATUS_CANCELLED;
    default: /* all is held, or money was sent back */
        return before;
    }
}

/* Nothing may follow but money that is sent back; of a confirmed order that, its mails and its cancellation. */
static bool may_follow(const struct order_fold *order, const struct event *event) {
    switch (order->status) {
    case ORDER_STATUS_ABSENT:
        return event->type == EVENT_ORDER_PLACED;
    case ORDER_STATUS_CONFIRMED:
        return event->type == EVENT_ORDER_CANCELLED || event->type == EVENT_ORDER_PAYMENT_RETURNED ||
               event->type == EVENT_ORDER_CONFIRMATION_REQUESTED || event->type == EVENT_ORDER_MAILED;
    case ORDER_STATUS_CANCELLED: /* what became of a mail only where it was confirmed before (mail.asked) */
        return event->type == EVENT_ORDER_PAYMENT_RETURNED || event->type == EVENT_ORDER_MAILED;
    case ORDER_STATUS_REJECTED:
        return event->type == EVENT_ORDER_PAYMENT_RETURNED;
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_AWAITING_PAYMENT:
        return event->type != EVENT_ORDER_PLACED && event->type != EVENT_ORDER_CONFIRMATION_REQUESTED &&
               event->type != EVENT_ORDER_MAILED;
    }
    return false;
}

/* Cancelled by its deadline, that is by nobody's request, it gives its goods back: not while it is being paid for. */
static void judge_cancelled(struct oracle *oracle, const struct order_fold *order, const struct seen_event *seen) {
    bool is_for_it = order->status == ORDER_STATUS_PAYING || order->status == ORDER_STATUS_CONFIRMED;
    if (is_for_it && seen->command->entries.count == 0) {
        oracle_tell(oracle, "order.expired",
                    "%.*s version %lld (" PLACE_FORMAT "): it is %s, and is cancelled though nobody asked for it",
                    STR_ARGS(seen->event.meta.stream), (long long)seen->event.meta.version, PLACE_ARGS(seen->at),
                    order_status_name(order->status));
    }
}

static void apply(struct oracle *oracle, struct order_fold *order, const struct seen_event *seen) {
    const struct event *event = &seen->event;
    if (!may_follow(order, event)) {
        oracle_tell(oracle, "order.life", "%.*s version %lld (" PLACE_FORMAT "): %s of an order that is %s",
                    STR_ARGS(event->meta.stream), (long long)event->meta.version, PLACE_ARGS(seen->at),
                    event_info(event->type)->name, order_status_name(order->status));
    }
    if (event->type == EVENT_ORDER_PLACED) {
        order->lines = event->as.order_placed.lines;
        order->total_minor = event->as.order_placed.total.amount;
        order->deadline_us = event->as.order_placed.deadline_at;
    } else if (event->type == EVENT_ORDER_PAYMENT_STARTED) {
        *ARRAY_PUSH(&oracle->arena, &order->payments) = event->as.order_payment_started.payment;
        order->pending_command = event->as.order_payment_started.pending_command;
    } else if (event->type == EVENT_ORDER_CANCELLED) {
        judge_cancelled(oracle, order, seen);
    } else if (event->type == EVENT_ORDER_CONFIRMED) {
        order->kept_payment = event->as.order_confirmed.payment;
        order->confirmations++;
    }
    order->status = status_after(event, order->status);
}

void oracle_fold_orders(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        struct seen_stream *stream = oracle->streams.entries[i].value;
        if (!str_starts_with(stream->id, STR("ord_"))) {
            continue;
        }
        struct order_fold *order = arena_alloc(&oracle->arena, sizeof *order);
        stream->fold = order;
        for (uint32_t j = 0; j < stream->events.count; j++) {
            apply(oracle, order, stream->events.items[j]);
        }
        if (order->confirmations > 1) {
            oracle_tell(oracle, "order.life", "%.*s was confirmed %u times", STR_ARGS(stream->id),
                        order->confirmations);
        }
    }
}

/* ---- what they hold ---------------------------------------------------------------------------------------------- */

static int64_t units_of(const struct order_fold *order, struct str sku) {
    int64_t units = 0;
    for (uint32_t i = 0; i < order->lines.count; i++) {
        units += str_equal(order->lines.items[i].sku, sku) ? order->lines.items[i].quantity : 0;
    }
    return units;
}

static enum reservation_status expected_hold(enum order_status status) {
    switch (status) {
    case ORDER_STATUS_CONFIRMED:
        return RESERVATION_STATUS_CONFIRMED;
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_AWAITING_PAYMENT:
        return RESERVATION_STATUS_HELD;
    case ORDER_STATUS_REJECTED:
    case ORDER_STATUS_CANCELLED:
        return RESERVATION_STATUS_RELEASED;
    case ORDER_STATUS_ABSENT:
    case ORDER_STATUS_PLACED: /* on its way: order.unsettled tells of it */
        return RESERVATION_STATUS_ABSENT;
    }
    return RESERVATION_STATUS_ABSENT;
}

static void judge_holds(struct oracle *oracle, struct str id, const struct order_fold *order) {
    enum reservation_status expected = expected_hold(order->status);
    for (uint32_t i = 0; i < order->lines.count && expected != RESERVATION_STATUS_ABSENT; i++) {
        struct str sku = order->lines.items[i].sku;
        const struct hold_fold *held = oracle_hold(oracle, sku_stream(&oracle->arena, sku), id);
        int64_t units = expected == RESERVATION_STATUS_RELEASED ? 0 : units_of(order, sku);
        if (held->status != expected || held->units != units) {
            oracle_tell(oracle, "stock.order", "%.*s is %s: of %.*s %lld units are %s, expected %lld %s", STR_ARGS(id),
                        order_status_name(order->status), STR_ARGS(sku), (long long)held->units,
                        reservation_status_name(held->status), (long long)units, reservation_status_name(expected));
        }
    }
}

/* A reservation whose order knows nothing of it would be held for ever. */
static void judge_owners(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->holds.count; i++) {
        const struct hold_fold *held = oracle->holds.entries[i].value;
        struct str key = oracle->holds.entries[i].key;
        uint32_t space = str_find(key, ' ');
        struct str sku = sku_of_stream(str_first(key, space)), owner = str_from(key, space + 1);
        const struct order_fold *order = oracle_order(oracle, owner);
        bool is_known = order != NULL && units_of(order, sku) > 0;
        if (!is_known && held->status != RESERVATION_STATUS_ABSENT) {
            oracle_tell(oracle, "stock.order", "%.*s: %lld units are %s for %.*s, which is no order for it",
                        STR_ARGS(sku), (long long)held->units, reservation_status_name(held->status), STR_ARGS(owner));
        }
    }
}

/* ---- what clients were told -------------------------------------------------------------------------------------- */

static bool is_cancelled_by_anybody(const struct oracle *oracle, struct str order) {
    const struct journal *journal = oracle->options.journal;
    for (uint32_t i = 0; i < journal->count; i++) {
        const struct journal_entry *entry = journal->entries[i];
        bool is_refused = entry->told.answer == JOURNAL_REFUSED; /* it was no cancellation */
        if (entry->command_type == COMMAND_CANCEL_ORDER && str_equal(entry->stream, order) && !is_refused) {
            return true;
        }
    }
    return false;
}

static void judge_told(struct oracle *oracle, const struct journal_entry *entry) {
    struct order_state told;
    if (!oracle_told_order(oracle, &entry->told, &told) || told.status != ORDER_STATUS_CONFIRMED ||
        is_cancelled_by_anybody(oracle, entry->told.stream) || oracle_may_be_lost(oracle, entry)) {
        return;
    }
    for (uint32_t i = 0; i < told.lines.count; i++) {
        const struct cart_line *line = &told.lines.items[i];
        const struct hold_fold *held = oracle_hold(oracle, sku_stream(&oracle->arena, line->sku), entry->told.stream);
        if (held->status != RESERVATION_STATUS_CONFIRMED || held->units < line->quantity) {
            oracle_tell(oracle, "stock.sold",
                        "%.*s: client %u was told that it is confirmed, with %lld units of %.*s; %lld are %s",
                        STR_ARGS(entry->told.stream), entry->client, (long long)line->quantity, STR_ARGS(line->sku),
                        (long long)held->units, reservation_status_name(held->status));
        }
    }
}

void oracle_judge_orders(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        const struct order_fold *order = oracle_order(oracle, stream->id);
        if (order != NULL) {
            judge_holds(oracle, stream->id, order);
        }
    }
    judge_owners(oracle);
    const struct journal *journal = oracle->options.journal;
    for (uint32_t i = 0; i < journal->count; i++) {
        judge_told(oracle, journal->entries[i]);
    }
}

/* ---- rest -------------------------------------------------------------------------------------------------------- */

static bool is_at_rest(const struct oracle *oracle, const struct order_fold *order) {
    int64_t late_us = order->deadline_us + oracle->options.deadline_grace_us;
    switch (order->status) {
    case ORDER_STATUS_CONFIRMED:
    case ORDER_STATUS_REJECTED:
    case ORDER_STATUS_CANCELLED:
        return true;
    case ORDER_STATUS_AWAITING_PAYMENT:
        return oracle->options.now_wall_us < late_us;
    case ORDER_STATUS_ABSENT:
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_PAYING:
        return false;
    }
    return false;
}

void oracle_judge_open_orders(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        const struct order_fold *order = oracle_order(oracle, stream->id);
        if (order != NULL && !is_at_rest(oracle, order)) {
            oracle_tell(oracle, "order.unsettled", "%.*s is %s; its deadline was %lld ms ago", STR_ARGS(stream->id),
                        order_status_name(order->status),
                        (long long)((oracle->options.now_wall_us - order->deadline_us) / MICROS_PER_MS));
        }
    }
}
