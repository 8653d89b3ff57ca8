/* fake_shop.h: three small aggregates for the handler's tests: a cart that is checked out becomes an order, the order
 * reserves the SKU "A", the SKU answers the order, the order answers the check-out. For *_test.c alone.
 *
 * They use the real schemas, with as little in them as the tests look at. A quantity of 13 is refused, one of 11 as if
 * there were no cart, and one of 7 makes an event that no record can hold. The check-out's answer is a brief one, which
 * does not name the cart. The tree of categories, which has parts, is the real one.
 */
#pragma once

#include <assert.h>

#include "core/domain/category/category.h"
#include "core/handler/overlay.h"
#include "gen/codec.h"

#define FAKE_SKU_STREAM "sku_A"
#define FAKE_STUBBORN_ATTEMPT 9
#define FAKE_DEADLINE_US ((int64_t)60 * 1000000)

/* ---- cart ---- */

static inline struct str fake_order_of(struct arena *arena, struct str cart) {
    return arena_printf(arena, "ord_%.*s.1", STR_ARGS(str_from(cart, 5)));
}

static inline enum rejection fake_cart_decide(const void *state, const void *sub, const struct command *command,
                                              struct decision *decision) {
    (void)sub;
    const struct cart_state *cart = state;
    if (command->type == COMMAND_OPEN_CART) {
        if (cart->status != CART_STATUS_ABSENT) {
            return decision_reject(decision, REJECT_ALREADY_EXISTS, (struct str){0});
        }
        decision_event(decision, EVENT_CART_OPENED)->as.cart_opened.currency = command->as.open_cart.currency;
        return ACCEPTED;
    }
    if (cart->status == CART_STATUS_ABSENT) {
        return decision_reject(decision, REJECT_UNKNOWN_CART, (struct str){0});
    }
    if (command->type == COMMAND_SET_CART_LINE) {
        int64_t quantity = command->as.set_cart_line.quantity;
        if (quantity == 11) {
            return decision_hide(decision, REJECT_UNKNOWN_CART);
        }
        if (quantity == 13) {
            *ARRAY_PUSH(decision->arena, &decision->skus) = STR("A");
            return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE, STR("/quantity"));
        }
        struct cart_updated *updated = &decision_event(decision, EVENT_CART_UPDATED)->as.cart_updated;
        updated->sku =
            quantity == 7 ? str_of(arena_alloc(decision->arena, 2 << 20), 2 << 20) : command->as.set_cart_line.sku;
        updated->quantity = quantity;
        return ACCEPTED;
    }
    assert(command->type == COMMAND_CHECK_OUT_CART);
    decision_event(decision, EVENT_CART_CHECKED_OUT)->as.cart_checked_out.order =
        fake_order_of(decision->arena, decision->stream);
    return ACCEPTED;
}

static inline void fake_cart_evolve(void *state, void *sub, const struct event *event, struct arena *arena) {
    (void)sub, (void)arena;
    struct cart_state *cart = state;
    cart->status = event->type == EVENT_CART_CHECKED_OUT ? CART_STATUS_CHECKED_OUT : CART_STATUS_OPEN;
    if (event->type == EVENT_CART_OPENED) {
        cart->currency = event->as.cart_opened.currency;
    } else if (event->type == EVENT_CART_UPDATED) {
        cart->total.amount += event->as.cart_updated.quantity;
    }
}

static inline void fake_cart_react(const void *state, const struct event *event, const struct command *cause,
                                   struct reactions *reactions) {
    (void)state, (void)cause;
    if (event->type == EVENT_CART_CHECKED_OUT) {
        struct command *place = react_command(reactions, event->as.cart_checked_out.order, COMMAND_PLACE_ORDER);
        place->as.place_order.cart = event->meta.stream;
        place->as.place_order.pending_command = event->meta.command_id;
    }
}

static inline void fake_cart_encode(struct buf *out, const void *state) {
    cart_state_encode(out, state);
}

static inline bool fake_cart_decode(struct arena *arena, struct str bytes, void *ret_state) {
    return cart_state_decode(arena, bytes, ret_state);
}

/* ---- order ---- */

static inline enum rejection fake_order_decide(const void *state, const void *sub, const struct command *command,
                                               struct decision *decision) {
    (void)sub;
    const struct order_state *order = state;
    if (command->type == COMMAND_PLACE_ORDER) {
        struct order_placed *placed = &decision_event(decision, EVENT_ORDER_PLACED)->as.order_placed;
        placed->cart = command->as.place_order.cart;
        placed->pending_command = command->as.place_order.pending_command;
        placed->attempt = command->as.place_order.attempt;
        placed->deadline_at = decision->now_us + FAKE_DEADLINE_US;
        return ACCEPTED;
    }
    if (order->status != ORDER_STATUS_PLACED) {
        return ACCEPTED; /* it has come to rest: nothing happens */
    }
    if (command->type == COMMAND_EXPIRE_ORDER && order->attempt == FAKE_STUBBORN_ATTEMPT) {
        return ACCEPTED; /* nothing happens, and the deadline stays */
    }
    if (command->type == COMMAND_EXPIRE_ORDER) {
        decision_event(decision, EVENT_ORDER_CANCELLED)->as.order_cancelled.reason = STR("deadline");
        return ACCEPTED;
    }
    assert(command->type == COMMAND_RECORD_RESERVATIONS);
    bool held = command->as.record_reservations.shortages.count == 0;
    (void)decision_event(decision, held ? EVENT_ORDER_CONFIRMED : EVENT_ORDER_REJECTED);
    return ACCEPTED;
}

static inline void fake_order_evolve(void *state, void *sub, const struct event *event, struct arena *arena) {
    (void)sub, (void)arena;
    struct order_state *order = state;
    if (event->type == EVENT_ORDER_PLACED) {
        order->status = ORDER_STATUS_PLACED;
        order->cart = event->as.order_placed.cart;
        order->attempt = event->as.order_placed.attempt;
        order->deadline_at = event->as.order_placed.deadline_at;
        order->pending_command = event->as.order_placed.pending_command;
    } else if (event->type == EVENT_ORDER_CANCELLED) {
        order->status = ORDER_STATUS_CANCELLED;
    } else {
        order->status = event->type == EVENT_ORDER_CONFIRMED ? ORDER_STATUS_CONFIRMED : ORDER_STATUS_REJECTED;
    }
}

static inline void fake_order_react(const void *state, const struct event *event, const struct command *cause,
                                    struct reactions *reactions) {
    (void)cause;
    const struct order_state *order = state;
    if (event->type == EVENT_ORDER_PLACED) {
        struct command *reserve = react_command(reactions, STR(FAKE_SKU_STREAM), COMMAND_RESERVE_STOCK);
        reserve->as.reserve_stock.owner = event->meta.stream;
        return;
    }
    enum rejection rejection = event->type == EVENT_ORDER_CONFIRMED ? ACCEPTED : REJECT_OUT_OF_STOCK;
    struct answer *answer = react_answer(reactions, order->pending_command, rejection);
    answer->is_brief = rejection == ACCEPTED;
    if (rejection != ACCEPTED) {
        *ARRAY_PUSH(reactions->arena, &answer->skus) = STR("A");
    }
}

static inline int64_t fake_order_deadline(const void *state) {
    const struct order_state *order = state;
    return order->status == ORDER_STATUS_PLACED ? order->deadline_at : 0;
}

static inline void fake_order_on_deadline(const void *state, struct command *ret_command) {
    (void)state;
    *ret_command = (struct command){.type = COMMAND_EXPIRE_ORDER};
}

static inline void fake_order_encode(struct buf *out, const void *state) {
    order_state_encode(out, state);
}

static inline void fake_order_encode_brief(struct buf *out, const void *of) {
    struct order_state state = *(const struct order_state *)of;
    state.cart = STR("");
    order_state_encode(out, &state);
}

static inline bool fake_order_decode(struct arena *arena, struct str bytes, void *ret_state) {
    return order_state_decode(arena, bytes, ret_state);
}

/* ---- sku ---- */

static inline struct str fake_sku_command_key(const struct command *command, struct arena *arena) {
    (void)arena;
    return command->type == COMMAND_RESERVE_STOCK ? command->as.reserve_stock.owner
                                                  : command->as.release_reservation.owner;
}

static inline struct str fake_sku_event_key(const struct event *event, struct arena *arena) {
    (void)arena;
    return event->type == EVENT_STOCK_RESERVED              ? event->as.stock_reserved.owner
           : event->type == EVENT_STOCK_RESERVATION_REFUSED ? event->as.stock_reservation_refused.owner
                                                            : event->as.reservation_released.owner;
}

static inline enum rejection fake_sku_decide(const void *state, const void *sub, const struct command *command,
                                             struct decision *decision) {
    (void)state;
    const struct reservation_state *reservation = sub;
    if (command->type == COMMAND_RELEASE_RESERVATION) {
        if (reservation->status != RESERVATION_STATUS_RELEASED) {
            decision_event(decision, EVENT_RESERVATION_RELEASED)->as.reservation_released.owner =
                command->as.release_reservation.owner;
        }
        return ACCEPTED;
    }
    assert(command->type == COMMAND_RESERVE_STOCK);
    if (reservation->status == RESERVATION_STATUS_RELEASED) {
        /* The release came first and left a tombstone. */
        decision_event(decision, EVENT_STOCK_RESERVATION_REFUSED)->as.stock_reservation_refused.owner =
            command->as.reserve_stock.owner;
    } else if (reservation->status == RESERVATION_STATUS_ABSENT) {
        decision_event(decision, EVENT_STOCK_RESERVED)->as.stock_reserved.owner = command->as.reserve_stock.owner;
    }
    return ACCEPTED;
}

static inline void fake_sku_evolve(void *state, void *sub, const struct event *event, struct arena *arena) {
    (void)state, (void)arena;
    struct reservation_state *reservation = sub;
    if (event->type != EVENT_STOCK_RESERVATION_REFUSED) {
        reservation->status =
            event->type == EVENT_STOCK_RESERVED ? RESERVATION_STATUS_HELD : RESERVATION_STATUS_RELEASED;
    }
}

static inline void fake_sku_react(const void *state, const struct event *event, const struct command *cause,
                                  struct reactions *reactions) {
    (void)state;
    if (event->type == EVENT_RESERVATION_RELEASED) {
        return;
    }
    struct command *record = react_command(reactions, cause->as.reserve_stock.owner, COMMAND_RECORD_RESERVATIONS);
    if (event->type == EVENT_STOCK_RESERVATION_REFUSED) {
        ARRAY_PUSH(reactions->arena, &record->as.record_reservations.shortages)->sku = STR("A");
    }
}

static inline void fake_sku_encode(struct buf *out, const void *state) {
    sku_state_encode(out, state);
}

static inline bool fake_sku_decode(struct arena *arena, struct str bytes, void *ret_state) {
    return sku_state_decode(arena, bytes, ret_state);
}

static inline void fake_reservation_encode(struct buf *out, const void *state) {
    reservation_state_encode(out, state);
}

static inline bool fake_reservation_decode(struct arena *arena, struct str bytes, void *ret_state) {
    return reservation_state_decode(arena, bytes, ret_state);
}

/* ---- the table ---- */

static const struct aggregate fake_cart = {
    .prefix = STR("cart_"),
    .family = "carts",
    .noun = "cart",
    .state_size = sizeof(struct cart_state),
    .decide = fake_cart_decide,
    .evolve = fake_cart_evolve,
    .react = fake_cart_react,
    .state_encode = fake_cart_encode,
    .state_decode = fake_cart_decode,
    .state_schema_id = CART_STATE_SCHEMA_ID,
};

static const struct aggregate fake_order = {
    .prefix = STR("ord_"),
    .family = "orders",
    .noun = "order",
    .state_size = sizeof(struct order_state),
    .decide = fake_order_decide,
    .evolve = fake_order_evolve,
    .react = fake_order_react,
    .deadline_us = fake_order_deadline,
    .on_deadline = fake_order_on_deadline,
    .state_encode = fake_order_encode,
    .state_decode = fake_order_decode,
    .state_encode_brief = fake_order_encode_brief,
    .state_schema_id = ORDER_STATE_SCHEMA_ID,
};

static const struct aggregate fake_sku = {
    .prefix = STR("sku_"),
    .family = "stock",
    .noun = "stock item",
    .state_size = sizeof(struct sku_state),
    .sub_state_size = sizeof(struct reservation_state),
    .decide = fake_sku_decide,
    .evolve = fake_sku_evolve,
    .react = fake_sku_react,
    .command_sub_key = fake_sku_command_key,
    .event_sub_key = fake_sku_event_key,
    .state_encode = fake_sku_encode,
    .state_decode = fake_sku_decode,
    .state_schema_id = SKU_STATE_SCHEMA_ID,
    .sub_state_encode = fake_reservation_encode,
    .sub_state_decode = fake_reservation_decode,
};

static const struct command_info fake_commands[] = {
    {COMMAND_OPEN_CART, "OpenCart", &fake_cart, ANSWER_NOW},
    {COMMAND_SET_CART_LINE, "SetCartLine", &fake_cart, ANSWER_NOW},
    {COMMAND_CHECK_OUT_CART, "CheckOutCart", &fake_cart, ANSWER_AT_REST},
    {COMMAND_PLACE_ORDER, "PlaceOrder", &fake_order, ANSWER_NOW},
    {COMMAND_RECORD_RESERVATIONS, "RecordReservations", &fake_order, ANSWER_NOW},
    {COMMAND_EXPIRE_ORDER, "ExpireOrder", &fake_order, ANSWER_NOW},
    {COMMAND_RESERVE_STOCK, "ReserveStock", &fake_sku, ANSWER_NOW},
    {COMMAND_RELEASE_RESERVATION, "ReleaseReservation", &fake_sku, ANSWER_NOW},
    {COMMAND_PUT_CATEGORY, "PutCategory", &category_aggregate, ANSWER_NOW},
    {COMMAND_REMOVE_CATEGORY, "RemoveCategory", &category_aggregate, ANSWER_NOW},
};

static inline const struct aggregate *fake_of_stream(struct str stream) {
    static const struct aggregate *const all[] = {&fake_cart, &fake_order, &fake_sku, &category_aggregate};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        if (str_starts_with(stream, all[i]->prefix)) {
            return all[i];
        }
    }
    return NULL;
}

static inline const struct command_info *fake_of_command(uint16_t type) {
    for (size_t i = 0; i < ARRAY_LENGTH(fake_commands); i++) {
        if (fake_commands[i].type == type) {
            return &fake_commands[i];
        }
    }
    return NULL;
}

static const struct aggregates fake_aggregates = {.of_stream = fake_of_stream, .of_command = fake_of_command};
