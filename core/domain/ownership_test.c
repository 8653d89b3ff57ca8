/* ownership_test.c: whose a cart, an order and a product are, and what the others are told: each command that a
 * client can send, by each kind of actor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/domain/cart/cart.h"
#include "core/domain/order/order.h"
#include "core/domain/product/product.h"
#include "core/testing/given.h"

#define KEY "01J00000000000000000000001"
#define ANN "cus_01J0000000000000000000000A"
#define BEA "cus_01J0000000000000000000000B"

static struct price_fact tea[] = {{{"TEA", 3}, {"prod_1", 6}, {"Green tea", 9}, {350, {"EUR", 3}}}};
static const struct price_fact_array facts = {tea, 1, 1};

static struct command by(const char *actor, struct command command) {
    command.meta.actor = str_of_cstr(actor);
    return command;
}

/* `who` may do it, or is told what somebody is told of a stream that is not there. */
static void expect(struct given *thing, const char *who, struct command command, bool may, enum rejection unknown) {
    when(thing, by(who, command));
    if (may ? thing->rejection == unknown : thing->rejection != unknown || !thing->decision.is_hidden) {
        fail_msg("%s: command %u is answered %s", who, command.type,
                 thing->rejection == ACCEPTED ? "accepted" : rejection_info(thing->rejection)->code);
    }
}

/* ---- purchases --------------------------------------------------------------------------------------------------- */

/* May he touch a guest's purchase, and Ann's? */
static const struct {
    const char *actor;
    bool a_guests, anns;
} purchase_actors[] = {
    {"anonymous", true, false},
    {"guest:h4sh", true, false},
    {"guest:h4sh:" ANN, true, true},
    {"guest:h4sh:" BEA, true, false},
    {"customer:" ANN, false, true},
    {"customer:" BEA, false, false},
    {"vendor:" ANN ":Acme", false, false},
    {"support:" BEA, true, true},
    {"admin:key_1", true, true},
    {"service:key_1", true, true},
    {"provider:test", true, true},
    {"system", true, true},
    {"somebody", false, false},
};

static struct command open_cart(const char *customer) {
    static struct line_request line = {{"TEA", 3}, 2};
    struct command command = {.type = COMMAND_OPEN_CART};
    command.as.open_cart = (struct open_cart){.currency = STR("EUR"),
                                              .lines = {&line, 1, 1},
                                              .price_facts = facts,
                                              .has_customer = customer != NULL,
                                              .customer = str_of_cstr(customer != NULL ? customer : "")};
    return command;
}

static struct command set_line(int64_t quantity) {
    struct command command = {.type = COMMAND_SET_CART_LINE};
    command.as.set_cart_line = (struct set_cart_line){.sku = STR("TEA"), .quantity = quantity, .price_facts = facts};
    return command;
}

static struct command check_out(const char *customer) {
    struct command command = {.type = COMMAND_CHECK_OUT_CART};
    command.as.check_out_cart = (struct check_out_cart){.payment = {STR("test"), STR("approve")},
                                                        .price_facts = facts,
                                                        .has_customer = customer != NULL,
                                                        .customer = str_of_cstr(customer != NULL ? customer : "")};
    return command;
}

static void begin_cart(struct given *cart, const char *customer) {
    given_begin(cart, STR("cart_" KEY));
    when(cart, by(customer != NULL ? "customer:" ANN : "anonymous", open_cart(customer)));
    THEN(cart, EVENT_CART_OPENED);
}

static void a_cart_is_touched_by_whose_it_is_and_by_the_house(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(purchase_actors); i++) {
        for (int is_anns = 0; is_anns < 2; is_anns++) {
            struct given cart;
            bool may = is_anns ? purchase_actors[i].anns : purchase_actors[i].a_guests;
            begin_cart(&cart, is_anns ? ANN : NULL);
            expect(&cart, purchase_actors[i].actor, set_line(3), may, REJECT_UNKNOWN_CART);
            expect(&cart, purchase_actors[i].actor, check_out(NULL), may, REJECT_UNKNOWN_CART);
            if (!may) { /* nor is he told that it was checked out */
                when(&cart, by("system", check_out(NULL)));
                expect(&cart, purchase_actors[i].actor, set_line(1), false, REJECT_UNKNOWN_CART);
            }
            given_check_history(&cart);
            given_end(&cart);
        }
    }
}

static const struct cart_state *cart_of(const struct given *cart) {
    return cart->state;
}

static void a_guests_cart_becomes_his_who_checks_it_out_by_its_token(void **state) {
    (void)state;
    static const struct {
        const char *actor, *customer, *becomes;
    } rows[] = {
        {"guest:h4sh:" BEA, BEA, BEA}, {"anonymous", NULL, ""}, {"guest:h4sh", NULL, ""},
        {"support:" BEA, BEA, ""},     {"admin:" BEA, BEA, ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct given cart;
        begin_cart(&cart, NULL);
        when(&cart, by(rows[i].actor, check_out(rows[i].customer)));
        THEN(&cart, EVENT_CART_CHECKED_OUT);
        bool is_somebodys = rows[i].becomes[0] != '\0';
        assert_int_equal(made(&cart, 0)->as.cart_checked_out.has_customer, is_somebodys);
        assert_str(made(&cart, 0)->as.cart_checked_out.customer, rows[i].becomes);
        const struct place_order *placed = &SENT(&cart, 0, COMMAND_PLACE_ORDER, "ord_" KEY ".1")->as.place_order;
        assert_int_equal(placed->has_customer, is_somebodys);
        assert_str(placed->customer, rows[i].becomes);
        assert_int_equal(cart_of(&cart)->has_customer, is_somebodys);
        when(&cart, (struct command){.type = COMMAND_REOPEN_CART, .as.reopen_cart.order = STR("ord_" KEY ".1")});
        expect(&cart, "guest:h4sh", set_line(1), !is_somebodys, REJECT_UNKNOWN_CART);
        given_end(&cart);
    }
}

static void a_customers_cart_stays_his_whoever_checks_it_out(void **state) {
    (void)state;
    struct given cart;
    begin_cart(&cart, ANN);
    when(&cart, by("support:" BEA, check_out(BEA)));
    THEN(&cart, EVENT_CART_CHECKED_OUT);
    assert_str(made(&cart, 0)->as.cart_checked_out.customer, ANN);
    given_end(&cart);
}

static struct command place(const char *customer) {
    static struct cart_line line = {.sku = {"TEA", 3}, .quantity = 2};
    struct command command = {.type = COMMAND_PLACE_ORDER};
    command.as.place_order = (struct place_order){.cart = STR("cart_" KEY),
                                                  .attempt = 1,
                                                  .lines = {&line, 1, 1},
                                                  .total = {700, STR("EUR")},
                                                  .payment = {STR("test"), STR("card")},
                                                  .pending_command = STR("cmd_checkout"),
                                                  .has_customer = customer != NULL,
                                                  .customer = str_of_cstr(customer != NULL ? customer : "")};
    return command;
}

/* It waits for a payment that somebody else than its customer may not replace. */
static void begin_order(struct given *order, const char *customer) {
    given_begin(order, STR("ord_" KEY ".1"));
    when(order, by("guest:h4sh:" ANN, place(customer)));
    THEN(order, EVENT_ORDER_PLACED);
    when(order, by("guest:h4sh:" BEA, (struct command){.type = COMMAND_RECORD_RESERVATIONS}));
    THEN(order, EVENT_ORDER_STOCK_RESERVED, EVENT_ORDER_PAYMENT_STARTED);
    struct command declined = {.type = COMMAND_RECORD_ORDER_PAYMENT};
    declined.as.record_order_payment = (struct record_order_payment){
        .payment = STR("pay_" KEY ".1.1"), .result = STR("failed"), .amount = {700, STR("EUR")}};
    when(order, by("provider:test", declined));
    THEN(order, EVENT_ORDER_AWAITING_PAYMENT);
}

static void an_order_is_touched_by_whose_it_is_and_by_the_house(void **state) {
    (void)state;
    struct command retry = {.type = COMMAND_RETRY_ORDER_PAYMENT, .as.retry_order_payment = {STR("test"), STR("bank")}};
    struct command cancel = {.type = COMMAND_CANCEL_ORDER, .as.cancel_order = {STR("no more")}};
    struct command resend = {.type = COMMAND_RESEND_CONFIRMATION};
    for (size_t i = 0; i < ARRAY_LENGTH(purchase_actors); i++) {
        for (int is_anns = 0; is_anns < 2; is_anns++) {
            struct given order;
            bool may = is_anns ? purchase_actors[i].anns : purchase_actors[i].a_guests;
            begin_order(&order, is_anns ? ANN : NULL);
            expect(&order, purchase_actors[i].actor, resend, may, REJECT_UNKNOWN_ORDER);
            expect(&order, purchase_actors[i].actor, retry, may, REJECT_UNKNOWN_ORDER);
            expect(&order, purchase_actors[i].actor, cancel, may, REJECT_UNKNOWN_ORDER);
            given_check_history(&order);
            given_end(&order);
        }
    }
}

/* They are decided in the name of whoever began it. */
static void what_follows_is_asked_of_nobody(void **state) {
    (void)state;
    struct given order;
    begin_order(&order, ANN);
    order.now_us += order.policy.payment_deadline_us;
    when(&order, by("customer:" BEA, (struct command){.type = COMMAND_EXPIRE_ORDER}));
    THEN(&order, EVENT_ORDER_CANCELLED);
    given_end(&order);
    struct given cart;
    begin_cart(&cart, ANN);
    when(&cart, by("customer:" ANN, check_out(ANN)));
    when(&cart, by("customer:" BEA,
                   (struct command){.type = COMMAND_REOPEN_CART, .as.reopen_cart.order = STR("ord_" KEY ".1")}));
    THEN(&cart, EVENT_CART_REOPENED);
    given_end(&cart);
}

static void what_is_not_there_is_told_alike_to_all(void **state) {
    (void)state;
    struct given cart, order;
    given_begin(&cart, STR("cart_" KEY));
    given_begin(&order, STR("ord_" KEY ".1"));
    for (size_t i = 0; i < ARRAY_LENGTH(purchase_actors); i++) {
        when(&cart, by(purchase_actors[i].actor, set_line(1)));
        THEN_REFUSED(&cart, REJECT_UNKNOWN_CART, "");
        when(&order, by(purchase_actors[i].actor, (struct command){.type = COMMAND_CANCEL_ORDER}));
        THEN_REFUSED(&order, REJECT_UNKNOWN_ORDER, "");
    }
    given_end(&cart);
    given_end(&order);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

#define PRODUCT "prod_" KEY
#define ACME "vendor:" ANN ":Acme"
#define OTHER "vendor:" BEA ":Other"

static struct command define(const char *vendor) {
    static struct variant variant = {.sku = {"TEA", 3}, .price = {350, {"EUR", 3}}};
    struct command command = {.type = COMMAND_DEFINE_PRODUCT};
    command.as.define_product = (struct define_product){.title = STR("Tea"),
                                                        .variants = {&variant, 1, 1},
                                                        .has_vendor = vendor != NULL,
                                                        .vendor = str_of_cstr(vendor != NULL ? vendor : "")};
    return command;
}

static struct command granted(const char *sku) {
    return (struct command){.type = COMMAND_RECORD_SKU_CLAIM,
                            .as.record_sku_claim = {str_of_cstr(sku), true, STR(PRODUCT)}};
}

static void begin_product(struct given *product, const char *vendor) {
    given_begin(product, STR(PRODUCT));
    when(product, by("admin:key_1", define(vendor)));
    THEN(product, EVENT_PRODUCT_DEFINED);
    when(product, by(OTHER, granted("TEA"))); /* what follows is asked of nobody */
    THEN(product, EVENT_VARIANT_ADDED);
}

static void a_product_is_touched_by_its_vendor_and_by_the_house(void **state) {
    (void)state;
    static const struct {
        const char *actor;
        bool acmes, nobodys;
    } rows[] = {{"anonymous", true, true},
                {ACME, true, false},
                {OTHER, false, false},
                {"vendor:" ANN, false, false},
                {"admin:key_1", true, true}};
    struct command retitle = {.type = COMMAND_CHANGE_PRODUCT,
                              .as.change_product = {.has_title = true, .title = STR("Green tea")}};
    struct command reprice = {.type = COMMAND_CHANGE_VARIANT,
                              .as.change_variant = {.sku = STR("TEA"), .has_price = true, .price = {400, STR("EUR")}}};
    struct command add = {.type = COMMAND_ADD_VARIANT, .as.add_variant = {.sku = STR("POT"), .price = {1, STR("EUR")}}};
    struct command remove = {.type = COMMAND_REMOVE_VARIANT, .as.remove_variant = {STR("TEA")}};
    struct command commands[] = {
        retitle, reprice, add, {.type = COMMAND_PUBLISH_PRODUCT}, remove, {.type = COMMAND_ARCHIVE_PRODUCT}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (int is_acmes = 0; is_acmes < 2; is_acmes++) {
            struct given product;
            begin_product(&product, is_acmes ? "Acme" : NULL);
            for (size_t c = 0; c < ARRAY_LENGTH(commands); c++) {
                bool may = is_acmes ? rows[i].acmes : rows[i].nobodys;
                expect(&product, rows[i].actor, commands[c], may, REJECT_UNKNOWN_PRODUCT);
            }
            given_end(&product);
        }
    }
}

static void a_vendors_product_bears_his_name(void **state) {
    (void)state;
    static const char *const named[] = {NULL, "Acme"};
    struct given product;
    for (size_t i = 0; i < ARRAY_LENGTH(named); i++) {
        given_begin(&product, STR(PRODUCT));
        when(&product, by(ACME, define("Other")));
        THEN_REFUSED(&product, REJECT_OTHER_VENDOR, "/vendor");
        when(&product, by("vendor:" ANN, define(NULL)));
        THEN_REFUSED(&product, REJECT_OTHER_VENDOR, "/vendor");
        when(&product, by(ACME, define(named[i])));
        THEN(&product, EVENT_PRODUCT_DEFINED);
        assert_true(made(&product, 0)->as.product_defined.details.has_vendor);
        assert_str(made(&product, 0)->as.product_defined.details.vendor, "Acme");
        when(&product, granted("TEA"));
        struct command rename = {.type = COMMAND_CHANGE_PRODUCT,
                                 .as.change_product = {.has_vendor = true, .vendor = STR("Other")}};
        when(&product, by(ACME, rename));
        THEN_REFUSED(&product, REJECT_OTHER_VENDOR, "/vendor");
        when(&product, by("admin:key_1", rename));
        THEN(&product, EVENT_PRODUCT_CHANGED);
        expect(&product, ACME, (struct command){.type = COMMAND_PUBLISH_PRODUCT}, false, REJECT_UNKNOWN_PRODUCT);
        expect(&product, OTHER, (struct command){.type = COMMAND_PUBLISH_PRODUCT}, true, REJECT_UNKNOWN_PRODUCT);
        given_end(&product);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cart_is_touched_by_whose_it_is_and_by_the_house),
        cmocka_unit_test(a_guests_cart_becomes_his_who_checks_it_out_by_its_token),
        cmocka_unit_test(a_customers_cart_stays_his_whoever_checks_it_out),
        cmocka_unit_test(an_order_is_touched_by_whose_it_is_and_by_the_house),
        cmocka_unit_test(what_follows_is_asked_of_nobody),
        cmocka_unit_test(what_is_not_there_is_told_alike_to_all),
        cmocka_unit_test(a_product_is_touched_by_its_vendor_and_by_the_house),
        cmocka_unit_test(a_vendors_product_bears_his_name),
    };
    return cmocka_run_group_tests_name("ownership", tests, NULL, NULL);
}
