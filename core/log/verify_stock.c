/* verify_stock.c: stock adds up, is never negative, and what is held is let go of once. */
#include "core/log/verify_parts.h"

#include <inttypes.h>

struct level {
    int64_t on_hand;
    int64_t reserved;
};

enum hold_status { HOLD_ABSENT, HOLD_HELD, HOLD_CONFIRMED, HOLD_RELEASED };

static const char *const hold_words[] = {"was never held", "is held", "is confirmed", "is released"};

struct hold {
    int64_t quantity;
    uint64_t allocations; /* a sum over them that does not depend on their order */
    uint8_t status;
};

void stock_maps_init(struct stock_maps *maps) {
    digest_map_init(&maps->levels, sizeof(struct level));
    digest_map_init(&maps->totals, sizeof(int64_t));
    digest_map_init(&maps->holds, sizeof(struct hold));
}

void stock_maps_release(struct stock_maps *maps) {
    digest_map_release(&maps->levels);
    digest_map_release(&maps->totals);
    digest_map_release(&maps->holds);
}

/* Numbers come from records that may be anything: past the range they are held at its end, which does not add up. */
static int64_t sum(int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_add_overflow(a, b, &result)) {
        return a > 0 ? INT64_MAX : INT64_MIN;
    }
    return result;
}

static int64_t *total_at(struct verify *verify, struct str stream) {
    bool is_new;
    return digest_map_at(&verify->stock.totals, digest_of(stream, STR("")), &is_new);
}

/* ---- levels --------------------------------------------------------------------------------------------------------
 */

/* `delta` units more at the location, which the event says to be `on_hand` then. */
static void change_on_hand(struct verify *verify, struct str stream, struct str location, int64_t delta,
                           int64_t on_hand) {
    bool is_new;
    struct level *level = digest_map_at(&verify->stock.levels, digest_of(stream, location), &is_new);
    if (sum(level->on_hand, delta) != on_hand) {
        verify_tell(verify, "stock", "%.*s: %" PRId64 " on hand and %" PRId64 " more do not make %" PRId64,
                    STR_ARGS(location), level->on_hand, delta, on_hand);
    }
    int64_t *total = total_at(verify, stream);
    *total = sum(*total, sum(on_hand, level->on_hand == INT64_MIN ? INT64_MAX : -level->on_hand));
    level->on_hand = on_hand;
    if (level->on_hand < level->reserved || level->on_hand < 0) {
        verify_tell(verify, "stock", "%.*s: %" PRId64 " on hand, %" PRId64 " reserved", STR_ARGS(location),
                    level->on_hand, level->reserved);
    }
}

/* sign 1: units become held, -1: they become free. */
static void move_reserved(struct verify *verify, struct str stream, const struct stock_allocation_array *allocations,
                          int sign) {
    for (uint32_t i = 0; i < allocations->count; i++) {
        const struct stock_allocation *allocation = &allocations->items[i];
        if (allocation->quantity < 1) {
            verify_tell(verify, "hold", "%.*s: an allocation of %" PRId64 " units", STR_ARGS(allocation->location),
                        allocation->quantity);
            continue;
        }
        bool is_new;
        struct level *level = digest_map_at(&verify->stock.levels, digest_of(stream, allocation->location), &is_new);
        level->reserved = sum(level->reserved, sign * allocation->quantity);
        int64_t *total = total_at(verify, stream);
        *total = sum(*total, -sign * allocation->quantity);
        if (level->on_hand < level->reserved || level->reserved < 0) {
            verify_tell(verify, "stock", "%.*s: %" PRId64 " on hand, %" PRId64 " reserved",
                        STR_ARGS(allocation->location), level->on_hand, level->reserved);
        }
    }
}

static void check_available(struct verify *verify, struct str stream, int64_t available) {
    int64_t total = *total_at(verify, stream);
    if (total != available) {
        verify_tell(verify, "stock", "the event says that %" PRId64 " are available; it is %" PRId64, available, total);
    }
}

/* ---- holds ---------------------------------------------------------------------------------------------------------
 */

static struct hold *hold_at(struct verify *verify, struct str stream, struct str owner) {
    bool is_new;
    return digest_map_at(&verify->stock.holds, digest_of(stream, owner), &is_new);
}

static uint64_t allocations_sum(const struct stock_allocation_array *allocations) {
    uint64_t result = 0;
    for (uint32_t i = 0; i < allocations->count; i++) {
        const struct stock_allocation *allocation = &allocations->items[i];
        struct digest digest =
            digest_of(allocation->location, str_of((const char *)&allocation->quantity, sizeof allocation->quantity));
        uint64_t part;
        memcpy(&part, digest.bytes, sizeof part);
        result += part;
    }
    return result;
}

static int64_t allocations_quantity(const struct stock_allocation_array *allocations) {
    int64_t quantity = 0;
    for (uint32_t i = 0; i < allocations->count; i++) {
        quantity = sum(quantity, allocations->items[i].quantity);
    }
    return quantity;
}

static void reserved(struct verify *verify, struct str stream, const struct stock_reserved *event) {
    struct hold *hold = hold_at(verify, stream, event->owner);
    if (hold->status != HOLD_ABSENT) {
        verify_tell(verify, "hold", "%.*s takes units, but its hold %s", STR_ARGS(event->owner),
                    hold_words[hold->status]);
    }
    int64_t allocated = allocations_quantity(&event->allocations);
    if (event->quantity < 1 || allocated != event->quantity) {
        verify_tell(verify, "hold", "%.*s takes %" PRId64 " units, %" PRId64 " are allocated", STR_ARGS(event->owner),
                    event->quantity, allocated);
    }
    *hold = (struct hold){event->quantity, allocations_sum(&event->allocations), HOLD_HELD};
    move_reserved(verify, stream, &event->allocations, 1);
    check_available(verify, stream, event->available);
}

static void refused(struct verify *verify, struct str stream, const struct stock_reservation_refused *event) {
    struct hold *hold = hold_at(verify, stream, event->owner);
    if (hold->status == HOLD_HELD || hold->status == HOLD_CONFIRMED) {
        verify_tell(verify, "hold", "%.*s is refused, but its hold %s", STR_ARGS(event->owner),
                    hold_words[hold->status]);
        return;
    }
    hold->status = HOLD_RELEASED;
    check_available(verify, stream, event->available);
}

static void confirmed(struct verify *verify, struct str stream, const struct reservation_confirmed *event) {
    struct hold *hold = hold_at(verify, stream, event->owner);
    if (hold->status != HOLD_HELD) {
        verify_tell(verify, "hold", "%.*s is confirmed, but its hold %s", STR_ARGS(event->owner),
                    hold_words[hold->status]);
    } else if (hold->quantity != event->quantity) {
        verify_tell(verify, "hold", "%.*s: %" PRId64 " units confirmed, %" PRId64 " held", STR_ARGS(event->owner),
                    event->quantity, hold->quantity);
    }
    hold->status = HOLD_CONFIRMED;
}

static void released(struct verify *verify, struct str stream, const struct reservation_released *event) {
    struct hold *hold = hold_at(verify, stream, event->owner);
    bool is_taken = hold->status == HOLD_HELD || hold->status == HOLD_CONFIRMED;
    if (hold->status == HOLD_RELEASED) {
        verify_tell(verify, "hold", "%.*s is released twice", STR_ARGS(event->owner));
    } else if (!is_taken && (event->quantity != 0 || event->allocations.count != 0)) {
        verify_tell(verify, "hold", "%.*s gives %" PRId64 " units back that it never took", STR_ARGS(event->owner),
                    event->quantity);
    } else if (is_taken &&
               (hold->quantity != event->quantity || hold->allocations != allocations_sum(&event->allocations))) {
        verify_tell(verify, "hold", "%.*s gives %" PRId64 " units back, other than the %" PRId64 " it took",
                    STR_ARGS(event->owner), event->quantity, hold->quantity);
    }
    hold->status = HOLD_RELEASED;
    move_reserved(verify, stream, &event->allocations, -1);
    check_available(verify, stream, event->available);
}

/* --------------------------------------------------------------------------------------------------------------------
 */

void verify_stock(struct verify *verify, const struct event *event) {
    struct str stream = event->meta.stream;
    switch ((enum stock_event)event->type) {
    case EVENT_STOCK_RECEIVED: {
        const struct stock_received *received = &event->as.stock_received;
        change_on_hand(verify, stream, received->location, received->quantity, received->on_hand);
        break;
    }
    case EVENT_STOCK_ADJUSTED: {
        const struct stock_adjusted *adjusted = &event->as.stock_adjusted;
        change_on_hand(verify, stream, adjusted->location, adjusted->delta, adjusted->on_hand);
        break;
    }
    case EVENT_STOCK_TRANSFERRED: {
        const struct stock_transferred *moved = &event->as.stock_transferred;
        if (moved->quantity < 1) {
            verify_tell(verify, "stock", "a transfer of %" PRId64 " units", moved->quantity);
            break;
        }
        change_on_hand(verify, stream, moved->from_location, -moved->quantity, moved->from_on_hand);
        change_on_hand(verify, stream, moved->to_location, moved->quantity, moved->to_on_hand);
        break;
    }
    case EVENT_STOCK_RESERVED:
        reserved(verify, stream, &event->as.stock_reserved);
        break;
    case EVENT_STOCK_RESERVATION_REFUSED:
        refused(verify, stream, &event->as.stock_reservation_refused);
        break;
    case EVENT_RESERVATION_CONFIRMED:
        confirmed(verify, stream, &event->as.reservation_confirmed);
        break;
    case EVENT_RESERVATION_RELEASED:
        released(verify, stream, &event->as.reservation_released);
        break;
    case EVENT_SKU_CLAIMED:
    case EVENT_SKU_CLAIM_REFUSED:
    case EVENT_SKU_RELEASED:
        break;
    }
}
