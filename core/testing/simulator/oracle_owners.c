/* oracle_owners.c: whose carts and orders are, and that what came from outside came from whose they are. What the
 * domain makes of actors is not asked: this reads them itself. */
#include "core/testing/simulator/oracle_parts.h"

/* What follows from events, and what a timer does, is in the name of whoever began it. */
static bool is_from_outside(const struct event *event) {
    return str_equal(event->meta.causation_id, event->meta.command_id);
}

/* Behind this event; what has had a customer keeps him. */
static struct str owner_after(const struct event *event, struct str before) {
    switch (event->type) {
    case EVENT_CART_OPENED:
        return event->as.cart_opened.customer;
    case EVENT_CART_CHECKED_OUT:
        return event->as.cart_checked_out.customer;
    case EVENT_ORDER_PLACED:
        return event->as.order_placed.customer;
    default:
        return before;
    }
}

/* guest:<hash>:cus_..: who is known besides; empty: nobody is. */
static struct str person_of_guest(struct str actor) {
    struct str rest = str_from(actor, str_find(actor, ':') + 1);
    return str_from(rest, str_find(rest, ':') + 1);
}

static bool may_touch(struct str actor, struct str owner) {
    if (str_starts_with(actor, STR("customer:"))) {
        return !str_is_empty(owner) && str_equal(str_from(actor, 9), owner);
    }
    if (str_starts_with(actor, STR("guest:"))) {
        return str_is_empty(owner) || str_equal(person_of_guest(actor), owner);
    }
    return !str_starts_with(actor, STR("vendor:")) && (str_is_empty(owner) || !str_equal(actor, STR("anonymous")));
}

static void judge(struct oracle *oracle, const struct seen_stream *stream) {
    struct str owner = STR("");
    for (uint32_t i = 0; i < stream->events.count; i++) {
        const struct seen_event *seen = stream->events.items[i];
        const struct event *event = &seen->event;
        struct str after = owner_after(event, owner);
        bool is_first = i == 0; /* whoever opens it says whose it is */
        if (!is_first && is_from_outside(event) && !may_touch(event->meta.actor, owner)) {
            oracle_tell(oracle, "person.owner", "%.*s is of '%.*s', and has %s of %.*s at " PLACE_FORMAT,
                        STR_ARGS(stream->id), STR_ARGS(owner), event_info(event->type)->name,
                        STR_ARGS(event->meta.actor), PLACE_ARGS(seen->at));
        }
        if (!is_first && !str_is_empty(owner) && !str_equal(owner, after)) {
            oracle_tell(oracle, "person.owner", "%.*s was %.*s's, and is of '%.*s' at " PLACE_FORMAT,
                        STR_ARGS(stream->id), STR_ARGS(owner), STR_ARGS(after), PLACE_ARGS(seen->at));
        }
        owner = after;
    }
}

void oracle_judge_owners(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        if (str_starts_with(stream->id, STR("cart_")) || str_starts_with(stream->id, STR("ord_"))) {
            judge(oracle, stream);
        }
    }
}
