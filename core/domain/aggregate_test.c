#include "core/domain/aggregate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/domain/apikey/apikey.h"
#include "core/domain/cart/cart.h"
#include "core/domain/category/category.h"
#include "core/domain/customer/customer.h"
#include "core/domain/identity/identity.h"
#include "core/domain/order/order.h"
#include "core/domain/payment/payment.h"
#include "core/domain/product/product.h"
#include "core/domain/sku/sku.h"
#include "gen/codec.h"

static void the_prefix_of_a_stream_names_its_aggregate(void **state) {
    (void)state;
    assert_ptr_equal(aggregate_of_stream(STR("prod_1")), &product_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR("sku_1")), &sku_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR("cart_1")), &cart_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR("ord_1")), &order_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR("pay_1")), &payment_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR("idn_1")), &identity_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR("cus_1")), &customer_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR("key_1")), &apikey_aggregate);
    assert_ptr_equal(aggregate_of_stream(STR(CATEGORY_TREE_STREAM)), &category_aggregate);
    assert_null(aggregate_of_stream(STR("car_1")));
    assert_null(aggregate_of_stream(STR("")));
}

/* A schema without a row in commands.def would be a command that nobody decides. */
static void every_command_with_a_schema_has_a_row_under_its_own_name(void **state) {
    (void)state;
    int decided = 0;
    for (uint16_t type = 1; command_name(type) != NULL; type++) {
        const struct command_info *info = command_info(type);
        if (type == COMMAND_ASK_OUTCOME) {
            assert_null(info);
            continue;
        }
        assert_non_null(info);
        assert_int_equal(info->type, type);
        assert_string_equal(info->name, command_name(type));
        decided++;
    }
    assert_int_equal(decided, 70);
    assert_null(command_info(0));
    assert_null(command_info(UINT16_MAX));
}

static void each_aggregates_events_are_of_its_family(void **state) {
    (void)state;
    assert_string_equal(event_info(EVENT_PRODUCT_DEFINED)->family, product_aggregate.family);
    assert_string_equal(event_info(EVENT_SKU_CLAIMED)->family, sku_aggregate.family);
    assert_string_equal(event_info(EVENT_CART_OPENED)->family, cart_aggregate.family);
    assert_string_equal(event_info(EVENT_ORDER_PLACED)->family, order_aggregate.family);
    assert_string_equal(event_info(EVENT_PAYMENT_REQUESTED)->family, payment_aggregate.family);
    assert_string_equal(event_info(EVENT_IDENTITY_CLAIMED)->family, identity_aggregate.family);
    assert_string_equal(event_info(EVENT_CUSTOMER_REGISTERED)->family, customer_aggregate.family);
    assert_string_equal(event_info(EVENT_API_KEY_CREATED)->family, apikey_aggregate.family);
    assert_string_equal(event_info(EVENT_CATEGORY_DEFINED)->family, category_aggregate.family);
}

static void some_commands_are_answered_when_their_stream_comes_to_rest(void **state) {
    (void)state;
    assert_int_equal(command_info(COMMAND_CHECK_OUT_CART)->answered, ANSWER_AT_REST);
    assert_int_equal(command_info(COMMAND_RETRY_ORDER_PAYMENT)->answered, ANSWER_AT_REST);
    assert_int_equal(command_info(COMMAND_DEFINE_PRODUCT)->answered, ANSWER_AT_REST);
    assert_int_equal(command_info(COMMAND_VERIFY_CUSTOMER)->answered, ANSWER_AT_REST);
    assert_int_equal(command_info(COMMAND_OPEN_SESSION)->answered, ANSWER_AT_REST);
    assert_int_equal(command_info(COMMAND_SET_CART_LINE)->answered, ANSWER_NOW);
}

static void every_refusal_has_a_code_of_its_own_that_leads_back_to_it(void **state) {
    (void)state;
    for (int i = ACCEPTED + 1; i < REJECTION_COUNT; i++) {
        const struct rejection_info *info = rejection_info((enum rejection)i);
        enum rejection found;
        assert_true(rejection_by_code(str_of_cstr(info->code), &found));
        assert_int_equal(found, i);
        assert_in_range(info->http_status, 400, 499);
        assert_int_equal(info->text[strlen(info->text) - 1], '.');
    }
    enum rejection found = REJECTION_COUNT;
    assert_true(rejection_by_code(STR(""), &found));
    assert_int_equal(found, ACCEPTED);
    assert_false(rejection_by_code(STR("no_such_code"), &found));
}

/* A history from elsewhere, with an event out of its turn, must not end the process that folds it. */
static void an_event_out_of_its_turn_changes_no_status(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct order_state order = {.status = ORDER_STATUS_CANCELLED};
    struct event confirmed = {.type = EVENT_ORDER_CONFIRMED, .as.order_confirmed.payment = STR("pay_1")};
    order_evolve(&order, &confirmed, &arena);
    assert_int_equal(order.status, ORDER_STATUS_CANCELLED);
    struct payment_state payment = {0};
    struct event refunded = {.type = EVENT_PAYMENT_REFUNDED, .as.payment_refunded.refund = 7};
    payment_evolve(&payment, &refunded, &arena);
    assert_int_equal(payment.status, PAYMENT_STATUS_ABSENT);
    assert_int_equal(payment.refunded, 0);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prefix_of_a_stream_names_its_aggregate),
        cmocka_unit_test(every_command_with_a_schema_has_a_row_under_its_own_name),
        cmocka_unit_test(each_aggregates_events_are_of_its_family),
        cmocka_unit_test(some_commands_are_answered_when_their_stream_comes_to_rest),
        cmocka_unit_test(every_refusal_has_a_code_of_its_own_that_leads_back_to_it),
        cmocka_unit_test(an_event_out_of_its_turn_changes_no_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
