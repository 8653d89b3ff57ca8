/* test_orders.h: events of one order, as tests of errands give them.
 * Thread   one.          May use: generated structs.
 */
#pragma once

#include "core/connect/test_people.h"

#define AN_ORDER STR("ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.1")
#define ANOTHER_ORDER STR("ord_01ARZ3NDEKTSV4RRFFQ69G5FAW.1")

static inline struct event of_order(uint16_t type, struct str event_id) {
    struct event event = of_customer(type, event_id);
    event.meta.stream = AN_ORDER;
    return event;
}

/* Two lines, 31.99 EUR in all. */
static inline struct cart_line_array goods(void) {
    static struct cart_line lines[2];
    lines[0] = (struct cart_line){.sku = STR("TEA"),
                                  .product = STR("prod_1"),
                                  .title = STR("Green tea"),
                                  .quantity = 2,
                                  .unit_price = {350, STR("EUR")},
                                  .total = {700, STR("EUR")}};
    lines[1] = (struct cart_line){.sku = STR("POT"),
                                  .product = STR("prod_2"),
                                  .title = STR("Pot & lid"),
                                  .quantity = 1,
                                  .unit_price = {2499, STR("EUR")},
                                  .total = {2499, STR("EUR")}};
    return (struct cart_line_array){lines, 2, 2};
}

static inline struct event placed(struct str event_id) {
    struct event event = of_order(EVENT_ORDER_PLACED, event_id);
    event.as.order_placed = (struct order_placed){.cart = STR("cart_1"),
                                                  .attempt = 1,
                                                  .has_reference = true,
                                                  .reference = STR("R-1"),
                                                  .lines = goods(),
                                                  .total = {3199, STR("EUR")},
                                                  .has_email = true,
                                                  .email = sealed_address()};
    return event;
}

static inline struct event confirmation_requested(struct str event_id) {
    struct event event = of_order(EVENT_ORDER_CONFIRMATION_REQUESTED, event_id);
    event.as.order_confirmation_requested = (struct order_confirmation_requested){.to = sealed_address(),
                                                                                  .has_reference = true,
                                                                                  .reference = STR("R-1"),
                                                                                  .lines = goods(),
                                                                                  .total = {3199, STR("EUR")}};
    return event;
}

static inline struct event order_told(struct str event_id, struct str cause) {
    struct event event = of_order(EVENT_ORDER_MAILED, event_id);
    event.as.order_mailed =
        (struct order_mailed){.cause = cause, .template = STR("order_confirmed"), .result = STR("sent"), .attempt = 1};
    return event;
}
