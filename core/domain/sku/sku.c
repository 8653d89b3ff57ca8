#include "core/domain/sku/sku.h"

#include <assert.h>

#include "core/domain/actor.h"
#include "core/domain/checkout/checkout.h"
#include "core/domain/ids.h"
#include "core/domain/product/claim.h"
#include "gen/codec.h"

static const struct status_change changes[] = {
    {EVENT_STOCK_RESERVED, RESERVATION_STATUS_ABSENT, RESERVATION_STATUS_HELD},
    {EVENT_STOCK_RESERVATION_REFUSED, RESERVATION_STATUS_ABSENT, RESERVATION_STATUS_RELEASED},
    {EVENT_STOCK_RESERVATION_REFUSED, RESERVATION_STATUS_RELEASED, RESERVATION_STATUS_RELEASED},
    {EVENT_RESERVATION_CONFIRMED, RESERVATION_STATUS_HELD, RESERVATION_STATUS_CONFIRMED},
    {EVENT_RESERVATION_RELEASED, RESERVATION_STATUS_ABSENT, RESERVATION_STATUS_RELEASED},
    {EVENT_RESERVATION_RELEASED, RESERVATION_STATUS_HELD, RESERVATION_STATUS_RELEASED},
    {EVENT_RESERVATION_RELEASED, RESERVATION_STATUS_CONFIRMED, RESERVATION_STATUS_RELEASED},
};
const struct status_table reservation_life = {changes, ARRAY_LENGTH(changes)};

static int64_t level_available(const struct stock_level *level) {
    return level->on_hand - level->reserved;
}

int64_t sku_available(const struct sku_state *state) {
    int64_t available = 0;
    for (uint32_t i = 0; i < state->levels.count; i++) {
        available += level_available(&state->levels.items[i]);
    }
    return available;
}

/* What the location holds, or NULL when nothing ever was there. */
static struct stock_level *find_level(const struct sku_state *state, struct str location) {
    for (uint32_t i = 0; i < state->levels.count; i++) {
        if (str_equal(state->levels.items[i].location, location)) {
            return &state->levels.items[i];
        }
    }
    return NULL;
}

/* ---- decide: who has the SKU ------------------------------------------------------------------------------------- */

static bool has_units(const struct sku_state *state) {
    bool has_some = false;
    for (uint32_t i = 0; i < state->levels.count; i++) {
        has_some = has_some || state->levels.items[i].on_hand > 0;
    }
    return has_some;
}

/* The product for which the SKU, which no product has, is kept: goods of the one that had it last are still there, and
 * a vendor would take them with the SKU. Whose that one is, a SKU does not know: the house may give them to any. Empty:
 * it is free. */
static struct str kept_for(const struct sku_state *state, const struct command *command) {
    bool is_vendor = actor_of(command->meta.actor).kind == ACTOR_VENDOR;
    return is_vendor && has_units(state) ? state->last_product : STR("");
}

/* Its own product asking again is told again: the first answer may have crossed a release on its way. */
static enum rejection claim_sku(const struct sku_state *state, const struct command *command,
                                struct decision *decision) {
    struct str asks = command->as.claim_sku.product;
    struct str holder = str_is_empty(state->product) ? kept_for(state, command) : state->product;
    if (str_is_empty(holder) || str_equal(holder, asks)) {
        decision_event(decision, EVENT_SKU_CLAIMED)->as.sku_claimed = (struct sku_claimed){.product = asks};
    } else {
        decision_event(decision, EVENT_SKU_CLAIM_REFUSED)->as.sku_claim_refused =
            (struct sku_claim_refused){.product = asks, .holder = holder};
    }
    return ACCEPTED;
}

static enum rejection release_sku(const struct sku_state *state, const struct release_sku *ask,
                                  struct decision *decision) {
    if (!str_is_empty(state->product) && str_equal(state->product, ask->product)) {
        decision_event(decision, EVENT_SKU_RELEASED)->as.sku_released = (struct sku_released){.product = ask->product};
    }
    return ACCEPTED;
}

/* ---- decide: what lies where ------------------------------------------------------------------------------------- */

/* The front checks numbers too; a command that came another way must not make the arithmetic overflow. */
static bool is_a_quantity(int64_t units) {
    return units >= 1 && units <= SKU_MAX_UNITS;
}

/* Whether so many more units may come to the location, which may be a new one. */
static enum rejection check_room(const struct sku_state *state, struct str location, int64_t quantity,
                                 struct str location_pointer, struct str quantity_pointer, struct decision *decision) {
    const struct stock_level *level = find_level(state, location);
    if (level == NULL && state->levels.count >= SKU_MAX_LOCATIONS) {
        return decision_reject(decision, REJECT_TOO_MANY_LOCATIONS, location_pointer);
    }
    int64_t on_hand = level != NULL ? level->on_hand : 0;
    if (quantity > SKU_MAX_UNITS - on_hand) {
        return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE, quantity_pointer);
    }
    return ACCEPTED;
}

static int64_t on_hand_at(const struct sku_state *state, struct str location) {
    const struct stock_level *level = find_level(state, location);
    return level != NULL ? level->on_hand : 0;
}

static enum rejection receive_stock(const struct sku_state *state, const struct receive_stock *ask,
                                    struct decision *decision) {
    if (str_is_empty(state->product)) {
        return REJECT_UNKNOWN_SKU;
    }
    if (!is_a_quantity(ask->quantity)) {
        return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE, STR("/quantity"));
    }
    enum rejection refusal =
        check_room(state, ask->location, ask->quantity, STR("/location"), STR("/quantity"), decision);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    decision_event(decision, EVENT_STOCK_RECEIVED)->as.stock_received = (struct stock_received){
        .location = ask->location,
        .quantity = ask->quantity,
        .on_hand = on_hand_at(state, ask->location) + ask->quantity,
        .has_reference = ask->has_reference,
        .reference = ask->reference,
    };
    return ACCEPTED;
}

/* What is left of a SKU that its product gave back can still be counted and moved. */
static bool is_known(const struct sku_state *state) {
    return !str_is_empty(state->product) || state->levels.count > 0;
}

/* Whether so many units may leave the location. */
static enum rejection check_free(const struct stock_level *level, int64_t quantity, struct str pointer,
                                 struct decision *decision) {
    if (level == NULL || level->on_hand < quantity) {
        bool holds_some = level != NULL && level->reserved > 0;
        return decision_reject(decision, holds_some ? REJECT_STOCK_RESERVED : REJECT_STOCK_INSUFFICIENT, pointer);
    }
    if (level_available(level) < quantity) {
        return decision_reject(decision, REJECT_STOCK_RESERVED, pointer);
    }
    return ACCEPTED;
}

static enum rejection adjust_stock(const struct sku_state *state, const struct adjust_stock *ask,
                                   struct decision *decision) {
    if (!is_known(state)) {
        return REJECT_UNKNOWN_SKU;
    }
    if (ask->delta == 0) {
        return decision_reject(decision, REJECT_NOTHING_TO_CHANGE, STR("/delta"));
    }
    if (ask->delta < -SKU_MAX_UNITS || ask->delta > SKU_MAX_UNITS) {
        return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE, STR("/delta"));
    }
    enum rejection refusal =
        ask->delta > 0 ? check_room(state, ask->location, ask->delta, STR("/location"), STR("/delta"), decision)
                       : check_free(find_level(state, ask->location), -ask->delta, STR("/delta"), decision);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    decision_event(decision, EVENT_STOCK_ADJUSTED)->as.stock_adjusted = (struct stock_adjusted){
        .location = ask->location,
        .delta = ask->delta,
        .on_hand = on_hand_at(state, ask->location) + ask->delta,
        .reason = ask->reason,
    };
    return ACCEPTED;
}

static enum rejection transfer_stock(const struct sku_state *state, const struct transfer_stock *ask,
                                     struct decision *decision) {
    if (!is_known(state)) {
        return REJECT_UNKNOWN_SKU;
    }
    if (str_equal(ask->from, ask->to)) {
        return decision_reject(decision, REJECT_SAME_LOCATION, STR("/to"));
    }
    if (!is_a_quantity(ask->quantity)) {
        return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE, STR("/quantity"));
    }
    enum rejection refusal = check_free(find_level(state, ask->from), ask->quantity, STR("/quantity"), decision);
    if (refusal == ACCEPTED) {
        refusal = check_room(state, ask->to, ask->quantity, STR("/to"), STR("/quantity"), decision);
    }
    if (refusal != ACCEPTED) {
        return refusal;
    }
    decision_event(decision, EVENT_STOCK_TRANSFERRED)->as.stock_transferred = (struct stock_transferred){
        .from_location = ask->from,
        .to_location = ask->to,
        .quantity = ask->quantity,
        .from_on_hand = on_hand_at(state, ask->from) - ask->quantity,
        .to_on_hand = on_hand_at(state, ask->to) + ask->quantity,
    };
    return ACCEPTED;
}

/* ---- decide: for whom it is held --------------------------------------------------------------------------------- */

/* The first location that has them all; else from one after the other, in the order in which they were first stocked.
 * The caller knows that there are enough. */
static struct stock_allocation_array choose_locations(const struct sku_state *state, int64_t quantity,
                                                      struct arena *arena) {
    struct stock_allocation_array chosen = {0};
    for (uint32_t i = 0; i < state->levels.count; i++) {
        const struct stock_level *level = &state->levels.items[i];
        if (level_available(level) >= quantity) {
            *ARRAY_PUSH(arena, &chosen) = (struct stock_allocation){level->location, quantity};
            return chosen;
        }
    }
    int64_t missing = quantity;
    for (uint32_t i = 0; missing > 0; i++) {
        assert(i < state->levels.count);
        const struct stock_level *level = &state->levels.items[i];
        int64_t taken = level_available(level) < missing ? level_available(level) : missing;
        if (taken > 0) {
            *ARRAY_PUSH(arena, &chosen) = (struct stock_allocation){level->location, taken};
            missing -= taken;
        }
    }
    return chosen;
}

static void refuse_reservation(const struct reserve_stock *ask, int64_t quantity, int64_t available, struct str reason,
                               struct decision *decision) {
    decision_event(decision, EVENT_STOCK_RESERVATION_REFUSED)->as.stock_reservation_refused =
        (struct stock_reservation_refused){
            .owner = ask->owner, .quantity = quantity, .available = available, .reason = reason};
}

static enum rejection reserve_stock(const struct sku_state *state, const struct reservation_state *reservation,
                                    const struct reserve_stock *ask, struct decision *decision) {
    struct str sku = sku_of_stream(decision->stream);
    if (ask->position < 0 || (uint32_t)ask->position >= ask->requests.count ||
        !str_equal(ask->requests.items[ask->position].sku, sku) ||
        !is_a_quantity(ask->requests.items[ask->position].quantity)) {
        return REJECT_MALFORMED_COMMAND;
    }
    int64_t quantity = ask->requests.items[ask->position].quantity;
    int64_t available = sku_available(state);
    switch (reservation->status) {
    case RESERVATION_STATUS_ABSENT:
        break;
    case RESERVATION_STATUS_HELD:
    case RESERVATION_STATUS_CONFIRMED:
        return ACCEPTED; /* asked twice; the first time sent the order's other requests on their way */
    case RESERVATION_STATUS_RELEASED:
        refuse_reservation(ask, quantity, available, STR("released"), decision);
        return ACCEPTED;
    }
    if (str_is_empty(state->product)) {
        refuse_reservation(ask, quantity, 0, STR("not_sold"), decision);
    } else if (available < quantity) {
        refuse_reservation(ask, quantity, available, STR("insufficient_stock"), decision);
    } else {
        decision_event(decision, EVENT_STOCK_RESERVED)->as.stock_reserved = (struct stock_reserved){
            .owner = ask->owner,
            .quantity = quantity,
            .allocations = choose_locations(state, quantity, decision->arena),
            .available = available - quantity,
        };
    }
    return ACCEPTED;
}

static int64_t units_held(const struct reservation_state *reservation) {
    int64_t units = 0;
    for (uint32_t i = 0; i < reservation->allocations.count; i++) {
        units += reservation->allocations.items[i].quantity;
    }
    return units;
}

static enum rejection confirm_reservation(const struct reservation_state *reservation,
                                          const struct confirm_reservation *ask, struct decision *decision) {
    switch (reservation->status) {
    case RESERVATION_STATUS_HELD:
        decision_event(decision, EVENT_RESERVATION_CONFIRMED)->as.reservation_confirmed =
            (struct reservation_confirmed){.owner = ask->owner, .quantity = units_held(reservation)};
        return ACCEPTED;
    case RESERVATION_STATUS_CONFIRMED: /* told twice */
    case RESERVATION_STATUS_RELEASED:  /* the order was cancelled since, and its release came first */
    case RESERVATION_STATUS_ABSENT:
        return ACCEPTED;
    }
    return ACCEPTED;
}

static enum rejection release_reservation(const struct sku_state *state, const struct reservation_state *reservation,
                                          const struct release_reservation *ask, struct decision *decision) {
    if (reservation->status == RESERVATION_STATUS_RELEASED) {
        return ACCEPTED;
    }
    int64_t units = units_held(reservation);
    decision_event(decision, EVENT_RESERVATION_RELEASED)->as.reservation_released = (struct reservation_released){
        .owner = ask->owner,
        .quantity = units,
        .allocations = reservation->allocations,
        .reason = ask->reason,
        .available = sku_available(state) + units,
    };
    return ACCEPTED;
}

/* A command about a reservation without an owner can only come from a broken sender. */
static bool lacks_its_owner(const struct reservation_state *reservation, uint16_t command_type) {
    bool is_about_one = command_type == COMMAND_RESERVE_STOCK || command_type == COMMAND_CONFIRM_RESERVATION ||
                        command_type == COMMAND_RELEASE_RESERVATION;
    return is_about_one && reservation == NULL;
}

enum rejection sku_decide(const struct sku_state *state, const struct reservation_state *reservation,
                          const struct command *command, struct decision *decision) {
    if (lacks_its_owner(reservation, command->type)) {
        return REJECT_MALFORMED_COMMAND;
    }
    switch ((enum stock_command)command->type) {
    case COMMAND_CLAIM_SKU:
        return claim_sku(state, command, decision);
    case COMMAND_RELEASE_SKU:
        return release_sku(state, &command->as.release_sku, decision);
    case COMMAND_RECEIVE_STOCK:
        return receive_stock(state, &command->as.receive_stock, decision);
    case COMMAND_ADJUST_STOCK:
        return adjust_stock(state, &command->as.adjust_stock, decision);
    case COMMAND_TRANSFER_STOCK:
        return transfer_stock(state, &command->as.transfer_stock, decision);
    case COMMAND_RESERVE_STOCK:
        return reserve_stock(state, reservation, &command->as.reserve_stock, decision);
    case COMMAND_CONFIRM_RESERVATION:
        return confirm_reservation(reservation, &command->as.confirm_reservation, decision);
    case COMMAND_RELEASE_RESERVATION:
        return release_reservation(state, reservation, &command->as.release_reservation, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

/* What a product claims that has it, or had it last, has not come from another. */
static void evolve_claimed(struct sku_state *state, const struct event *event) {
    struct str product = event->as.sku_claimed.product;
    struct str before = str_is_empty(state->product) ? state->last_product : state->product;
    state->held_since = str_equal(before, product) ? state->held_since : event->meta.version;
    state->product = product;
    state->last_product = STR("");
}

static void set_on_hand(struct sku_state *state, struct str location, int64_t on_hand, struct arena *arena) {
    struct stock_level *level = find_level(state, location);
    if (level == NULL) {
        level = ARRAY_PUSH(arena, &state->levels);
        level->location = location;
    }
    level->on_hand = on_hand;
}

/* sign 1: the units become held, -1: they become free. */
static void move_reserved(struct sku_state *state, const struct stock_allocation_array *allocations, int sign) {
    for (uint32_t i = 0; i < allocations->count; i++) {
        struct stock_level *level = find_level(state, allocations->items[i].location);
        if (level != NULL) {
            level->reserved += sign * allocations->items[i].quantity;
        }
    }
}

/* `held` is what the reservation holds from now on; NULL when that stays as it was. */
static void evolve_reservation(struct reservation_state *reservation, uint16_t event_type,
                               const struct stock_allocation_array *held) {
    if (reservation == NULL) {
        return; /* a history from elsewhere: we write no event without an owner */
    }
    reservation->allocations = held != NULL ? *held : reservation->allocations;
    reservation->status =
        (enum reservation_status)status_evolved(&reservation_life, event_type, (int)reservation->status);
}

void sku_evolve(struct sku_state *state, struct reservation_state *reservation, const struct event *event,
                struct arena *arena) {
    switch ((enum stock_event)event->type) {
    case EVENT_SKU_CLAIMED:
        evolve_claimed(state, event);
        break;
    case EVENT_SKU_CLAIM_REFUSED:
        break;
    case EVENT_SKU_RELEASED:
        state->last_product = state->product;
        state->product = STR("");
        break;
    case EVENT_STOCK_RECEIVED:
        set_on_hand(state, event->as.stock_received.location, event->as.stock_received.on_hand, arena);
        break;
    case EVENT_STOCK_ADJUSTED:
        set_on_hand(state, event->as.stock_adjusted.location, event->as.stock_adjusted.on_hand, arena);
        break;
    case EVENT_STOCK_TRANSFERRED: {
        const struct stock_transferred *moved = &event->as.stock_transferred;
        set_on_hand(state, moved->from_location, moved->from_on_hand, arena);
        set_on_hand(state, moved->to_location, moved->to_on_hand, arena);
        break;
    }
    case EVENT_STOCK_RESERVED:
        move_reserved(state, &event->as.stock_reserved.allocations, 1);
        evolve_reservation(reservation, event->type, &event->as.stock_reserved.allocations);
        break;
    case EVENT_RESERVATION_RELEASED:
        move_reserved(state, &event->as.reservation_released.allocations, -1);
        evolve_reservation(reservation, event->type, &(struct stock_allocation_array){0});
        break;
    case EVENT_STOCK_RESERVATION_REFUSED:
    case EVENT_RESERVATION_CONFIRMED:
        evolve_reservation(reservation, event->type, NULL);
        break;
    }
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static struct str command_owner(const struct command *command, struct arena *arena) {
    (void)arena;
    switch ((enum stock_command)command->type) {
    case COMMAND_RESERVE_STOCK:
        return command->as.reserve_stock.owner;
    case COMMAND_CONFIRM_RESERVATION:
        return command->as.confirm_reservation.owner;
    case COMMAND_RELEASE_RESERVATION:
        return command->as.release_reservation.owner;
    case COMMAND_CLAIM_SKU:
    case COMMAND_RELEASE_SKU:
    case COMMAND_RECEIVE_STOCK:
    case COMMAND_ADJUST_STOCK:
    case COMMAND_TRANSFER_STOCK:
        return STR("");
    }
    return STR("");
}

static struct str event_owner(const struct event *event, struct arena *arena) {
    (void)arena;
    switch ((enum stock_event)event->type) {
    case EVENT_STOCK_RESERVED:
        return event->as.stock_reserved.owner;
    case EVENT_STOCK_RESERVATION_REFUSED:
        return event->as.stock_reservation_refused.owner;
    case EVENT_RESERVATION_CONFIRMED:
        return event->as.reservation_confirmed.owner;
    case EVENT_RESERVATION_RELEASED:
        return event->as.reservation_released.owner;
    case EVENT_SKU_CLAIMED:
    case EVENT_SKU_CLAIM_REFUSED:
    case EVENT_SKU_RELEASED:
    case EVENT_STOCK_RECEIVED:
    case EVENT_STOCK_ADJUSTED:
    case EVENT_STOCK_TRANSFERRED:
        return STR("");
    }
    return STR("");
}

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    return sku_decide(state, sub_state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    sku_evolve(state, sub_state, event, arena);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    (void)state;
    switch ((enum stock_event)event->type) {
    case EVENT_SKU_CLAIMED:
    case EVENT_SKU_CLAIM_REFUSED:
    case EVENT_SKU_RELEASED:
        claim_after_sku(event, reactions);
        break;
    case EVENT_STOCK_RESERVED:
    case EVENT_STOCK_RESERVATION_REFUSED:
        checkout_after_reserve(event, cause, reactions);
        break;
    case EVENT_RESERVATION_CONFIRMED:
    case EVENT_RESERVATION_RELEASED:
    case EVENT_STOCK_RECEIVED:
    case EVENT_STOCK_ADJUSTED:
    case EVENT_STOCK_TRANSFERRED:
        break;
    }
}

static void encode(struct buf *out, const void *state) {
    sku_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return sku_state_decode(arena, bytes, ret_state);
}

static void encode_reservation(struct buf *out, const void *sub_state) {
    reservation_state_encode(out, sub_state);
}

static bool decode_reservation(struct arena *arena, struct str bytes, void *ret_sub_state) {
    return reservation_state_decode(arena, bytes, ret_sub_state);
}

const struct aggregate sku_aggregate = {
    .prefix = {"sku_", 4},
    .family = "stock",
    .noun = "SKU",
    .state_size = sizeof(struct sku_state),
    .sub_state_size = sizeof(struct reservation_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .command_sub_key = command_owner,
    .event_sub_key = event_owner,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = SKU_STATE_SCHEMA_ID,
    .sub_state_encode = encode_reservation,
    .sub_state_decode = decode_reservation,
};
