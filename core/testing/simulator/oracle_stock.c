/* oracle_stock.c: units: what lies where and is held for whom, folded from the events and compared with what clients
 * sent and were told. */
#include "core/testing/simulator/oracle_parts.h"

#include <inttypes.h>

#include "core/domain/ids.h"

struct level {
    int64_t on_hand, reserved;
};

/* One SKU. */
struct stock_fold {
    struct oracle *oracle;
    struct str stream;
    struct map levels; /* location -> struct level */
    int64_t on_hand, reserved;
    int64_t received; /* and adjusted, in all */
    const struct seen_event *event;
};

#define AT_FORMAT "%.*s version %lld (" PLACE_FORMAT ")"
#define AT_ARGS(fold)                                                                                                  \
    STR_ARGS((fold)->stream), (long long)(fold)->event->event.meta.version, PLACE_ARGS((fold)->event->at)

/* ---- levels ------------------------------------------------------------------------------------------------------ */

static struct level *level_at(struct stock_fold *fold, struct str location) {
    void **at = map_at(&fold->levels, location);
    if (*at == NULL) {
        *at = arena_alloc(&fold->oracle->arena, sizeof(struct level));
    }
    return *at;
}

static void judge_level(struct stock_fold *fold, struct str location, const struct level *level) {
    if (level->on_hand < level->reserved || level->reserved < 0) {
        oracle_tell(fold->oracle, "stock.negative",
                    AT_FORMAT ": at %.*s %" PRId64 " units are on hand and %" PRId64 " held", AT_ARGS(fold),
                    STR_ARGS(location), level->on_hand, level->reserved);
    }
}

static void put(struct stock_fold *fold, struct str location, int64_t units, int64_t said_on_hand) {
    struct level *level = level_at(fold, location);
    level->on_hand += units;
    fold->on_hand += units;
    if (level->on_hand != said_on_hand) {
        oracle_tell(fold->oracle, "stock.sum", AT_FORMAT ": says %" PRId64 " on hand at %.*s, the events make %" PRId64,
                    AT_ARGS(fold), said_on_hand, STR_ARGS(location), level->on_hand);
    }
    judge_level(fold, location, level);
}

/* sign 1: they become held, -1: free. */
static void hold(struct stock_fold *fold, const struct stock_allocation_array *allocations, int64_t units, int sign) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < allocations->count; i++) {
        const struct stock_allocation *allocation = &allocations->items[i];
        struct level *level = level_at(fold, allocation->location);
        level->reserved += sign * allocation->quantity;
        fold->reserved += sign * allocation->quantity;
        sum += allocation->quantity;
        judge_level(fold, allocation->location, level);
    }
    if (sum != units) {
        oracle_tell(fold->oracle, "stock.sum", AT_FORMAT ": %" PRId64 " units, of which %" PRId64 " are allocated",
                    AT_ARGS(fold), units, sum);
    }
}

static void judge_available(struct stock_fold *fold, int64_t said) {
    if (fold->on_hand - fold->reserved != said) {
        oracle_tell(fold->oracle, "stock.sum", AT_FORMAT ": says %" PRId64 " available, the events make %" PRId64,
                    AT_ARGS(fold), said, fold->on_hand - fold->reserved);
    }
}

/* ---- reservations ------------------------------------------------------------------------------------------------ */

static void wrong_hold(struct stock_fold *fold, struct str owner, const struct hold_fold *held, const char *what) {
    oracle_tell(fold->oracle, "stock.hold", AT_FORMAT ": %s for %.*s, whose reservation is %s with %" PRId64 " units",
                AT_ARGS(fold), what, STR_ARGS(owner), reservation_status_name(held->status), held->units);
}

static void reserved(struct stock_fold *fold, const struct stock_reserved *event) {
    struct hold_fold *held = oracle_hold(fold->oracle, fold->stream, event->owner);
    if (held->status != RESERVATION_STATUS_ABSENT) {
        wrong_hold(fold, event->owner, held, "units are held");
    }
    *held = (struct hold_fold){RESERVATION_STATUS_HELD, event->quantity};
    hold(fold, &event->allocations, event->quantity, 1);
    judge_available(fold, event->available);
}

static void refused(struct stock_fold *fold, const struct stock_reservation_refused *event) {
    struct hold_fold *held = oracle_hold(fold->oracle, fold->stream, event->owner);
    bool is_enough = fold->on_hand - fold->reserved >= event->quantity;
    if (held->status == RESERVATION_STATUS_HELD || held->status == RESERVATION_STATUS_CONFIRMED) {
        wrong_hold(fold, event->owner, held, "a refusal");
    } else {
        held->status = RESERVATION_STATUS_RELEASED;
    }
    if (is_enough && str_equal(event->reason, STR("insufficient_stock"))) {
        wrong_hold(fold, event->owner, held, "a refusal though there is enough");
    }
}

static void confirmed(struct stock_fold *fold, const struct reservation_confirmed *event) {
    struct hold_fold *held = oracle_hold(fold->oracle, fold->stream, event->owner);
    if (held->status != RESERVATION_STATUS_HELD || held->units != event->quantity) {
        wrong_hold(fold, event->owner, held, "a confirmation");
    }
    held->status = RESERVATION_STATUS_CONFIRMED;
}

static void released(struct stock_fold *fold, const struct reservation_released *event) {
    struct hold_fold *held = oracle_hold(fold->oracle, fold->stream, event->owner);
    if (held->status == RESERVATION_STATUS_RELEASED || held->units != event->quantity) {
        wrong_hold(fold, event->owner, held, "a release");
    }
    *held = (struct hold_fold){.status = RESERVATION_STATUS_RELEASED};
    hold(fold, &event->allocations, event->quantity, -1);
    judge_available(fold, event->available);
}

/* ---- what clients sent ------------------------------------------------------------------------------------------- */

static bool moves_the_same(const struct event *event, const struct command *command) {
    switch (event->type) {
    case EVENT_STOCK_RECEIVED: {
        const struct stock_received *is = &event->as.stock_received;
        const struct receive_stock *asked = &command->as.receive_stock;
        return command->type == COMMAND_RECEIVE_STOCK && is->quantity == asked->quantity &&
               str_equal(is->location, asked->location);
    }
    case EVENT_STOCK_ADJUSTED: {
        const struct stock_adjusted *is = &event->as.stock_adjusted;
        const struct adjust_stock *asked = &command->as.adjust_stock;
        return command->type == COMMAND_ADJUST_STOCK && is->delta == asked->delta &&
               str_equal(is->location, asked->location);
    }
    case EVENT_STOCK_TRANSFERRED: {
        const struct stock_transferred *is = &event->as.stock_transferred;
        const struct transfer_stock *asked = &command->as.transfer_stock;
        return command->type == COMMAND_TRANSFER_STOCK && is->quantity == asked->quantity &&
               str_equal(is->from_location, asked->from) && str_equal(is->to_location, asked->to);
    }
    default:
        return true;
    }
}

/* One of the bodies that clients sent under the command's id is the one that the event shows. */
static void judge_moved(struct stock_fold *fold) {
    const struct known_command *known = fold->event->command;
    for (uint32_t i = 0; i < known->entries.count; i++) {
        struct command command;
        if (oracle_sent(fold->oracle, known->entries.items[i], &command) &&
            moves_the_same(&fold->event->event, &command)) {
            return;
        }
    }
    oracle_tell(fold->oracle, "stock.journal", AT_FORMAT ": %s of %.*s, which no client sent so", AT_ARGS(fold),
                event_info(fold->event->event.type)->name, STR_ARGS(known->id));
}

/* What clients were told to have been moved was. */
static void judge_accepted(struct oracle *oracle, const struct journal_entry *entry) {
    bool moves = entry->command_type == COMMAND_RECEIVE_STOCK || entry->command_type == COMMAND_ADJUST_STOCK ||
                 entry->command_type == COMMAND_TRANSFER_STOCK;
    const struct known_command *known = oracle_command(oracle, entry->command_id);
    if (moves && entry->told.answer == JOURNAL_ACCEPTED && known->events.count != 1 &&
        !oracle_may_be_lost(oracle, entry)) {
        oracle_tell(oracle, "stock.journal", "%.*s: client %u was told that %s of %.*s was accepted; it has %u events",
                    STR_ARGS(entry->command_id), entry->client, command_name(entry->command_type),
                    STR_ARGS(entry->stream), known->events.count);
    }
}

/* ---- one SKU ----------------------------------------------------------------------------------------------------- */

static void apply(struct stock_fold *fold, const struct event *event) {
    switch (event->type) {
    case EVENT_STOCK_RECEIVED: {
        const struct stock_received *is = &event->as.stock_received;
        fold->received += is->quantity;
        put(fold, is->location, is->quantity, is->on_hand);
        judge_moved(fold);
        break;
    }
    case EVENT_STOCK_ADJUSTED: {
        const struct stock_adjusted *is = &event->as.stock_adjusted;
        fold->received += is->delta;
        put(fold, is->location, is->delta, is->on_hand);
        judge_moved(fold);
        break;
    }
    case EVENT_STOCK_TRANSFERRED: {
        const struct stock_transferred *is = &event->as.stock_transferred;
        put(fold, is->from_location, -is->quantity, is->from_on_hand);
        put(fold, is->to_location, is->quantity, is->to_on_hand);
        judge_moved(fold);
        break;
    }
    case EVENT_STOCK_RESERVED:
        reserved(fold, &event->as.stock_reserved);
        break;
    case EVENT_STOCK_RESERVATION_REFUSED:
        refused(fold, &event->as.stock_reservation_refused);
        break;
    case EVENT_RESERVATION_CONFIRMED:
        confirmed(fold, &event->as.reservation_confirmed);
        break;
    case EVENT_RESERVATION_RELEASED:
        released(fold, &event->as.reservation_released);
        break;
    default: /* who has the SKU */
        break;
    }
}

/* Units of the SKU in orders that are confirmed, by the orders' own lines. */
static int64_t units_sold(struct oracle *oracle, struct str stream) {
    int64_t sold = 0;
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *other = oracle->streams.entries[i].value;
        const struct order_fold *order = oracle_order(oracle, other->id);
        for (uint32_t j = 0; order != NULL && order->status == ORDER_STATUS_CONFIRMED && j < order->lines.count; j++) {
            bool is_it = str_equal(order->lines.items[j].sku, sku_of_stream(stream));
            sold += is_it ? order->lines.items[j].quantity : 0;
        }
    }
    return sold;
}

static void judge_sku(struct oracle *oracle, struct seen_stream *stream) {
    struct stock_fold fold = {.oracle = oracle, .stream = stream->id};
    map_init(&fold.levels, &oracle->arena);
    for (uint32_t i = 0; i < stream->events.count; i++) {
        fold.event = stream->events.items[i];
        apply(&fold, &fold.event->event);
    }
    int64_t sold = units_sold(oracle, stream->id);
    if (sold > fold.received) {
        oracle_tell(oracle, "stock.oversold",
                    "%.*s: %" PRId64 " units are in confirmed orders, %" PRId64 " were received", STR_ARGS(stream->id),
                    sold, fold.received);
    }
    if (fold.on_hand != fold.received) {
        oracle_tell(oracle, "stock.sum", "%.*s: %" PRId64 " units on hand, %" PRId64 " received and adjusted",
                    STR_ARGS(stream->id), fold.on_hand, fold.received);
    }
}

void oracle_judge_stock(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        struct seen_stream *stream = oracle->streams.entries[i].value;
        if (str_starts_with(stream->id, STR("sku_"))) {
            judge_sku(oracle, stream);
        }
    }
    const struct journal *journal = oracle->options.journal;
    for (uint32_t i = 0; i < journal->count; i++) {
        judge_accepted(oracle, journal->entries[i]);
    }
}
