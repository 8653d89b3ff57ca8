#include "core/domain/sku/sku.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/given.h"

#define SKU "sku_TEA"
#define ORDER "ord_01J00000000000000000000001.1"
#define OTHER "ord_01J00000000000000000000002.1"

static struct command claim(const char *product) {
    return (struct command){.type = COMMAND_CLAIM_SKU, .as.claim_sku = {str_of_cstr(product)}};
}

static struct command release_claim(const char *product) {
    return (struct command){.type = COMMAND_RELEASE_SKU, .as.release_sku = {str_of_cstr(product)}};
}

static struct command receive(const char *location, int64_t quantity) {
    return (struct command){.type = COMMAND_RECEIVE_STOCK,
                            .as.receive_stock = {.location = str_of_cstr(location), .quantity = quantity}};
}

static struct command adjust(const char *location, int64_t delta) {
    return (struct command){
        .type = COMMAND_ADJUST_STOCK,
        .as.adjust_stock = {.location = str_of_cstr(location), .delta = delta, .reason = STR("count")}};
}

static struct command transfer(const char *from, const char *to, int64_t quantity) {
    return (struct command){
        .type = COMMAND_TRANSFER_STOCK,
        .as.transfer_stock = {.from = str_of_cstr(from), .to = str_of_cstr(to), .quantity = quantity}};
}

/* The order wants CUP, then so many of TEA, then POT. */
static struct command reserve(const char *owner, int64_t quantity) {
    static struct stock_request requests[3];
    requests[0] = (struct stock_request){STR("CUP"), 1};
    requests[1] = (struct stock_request){STR("TEA"), quantity};
    requests[2] = (struct stock_request){STR("POT"), 5};
    return (struct command){
        .type = COMMAND_RESERVE_STOCK,
        .as.reserve_stock = {.owner = str_of_cstr(owner), .requests = {requests, 3, 3}, .position = 1}};
}

static struct command confirm(const char *owner) {
    return (struct command){.type = COMMAND_CONFIRM_RESERVATION, .as.confirm_reservation = {str_of_cstr(owner)}};
}

static struct command release(const char *owner) {
    return (struct command){.type = COMMAND_RELEASE_RESERVATION,
                            .as.release_reservation = {str_of_cstr(owner), STR("order_cancelled")}};
}

static int begin(void **state) {
    struct given *sku = malloc(sizeof *sku);
    given_begin(sku, STR(SKU));
    *state = sku;
    return 0;
}

static int begin_stocked(void **state) {
    begin(state);
    when(*state, claim("prod_1"));
    when(*state, receive("berlin", 5));
    when(*state, receive("paris", 8));
    return 0;
}

static int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

static const struct sku_state *now(const struct given *sku) {
    return sku->state;
}

static void assert_level(const struct given *sku, uint32_t index, const char *location, int64_t on_hand,
                         int64_t reserved) {
    assert_true(index < now(sku)->levels.count);
    assert_str(now(sku)->levels.items[index].location, location);
    assert_int_equal(now(sku)->levels.items[index].on_hand, on_hand);
    assert_int_equal(now(sku)->levels.items[index].reserved, reserved);
}

/* ---- who has it -------------------------------------------------------------------------------------------------- */

static void a_free_sku_is_granted_to_the_first_product_that_asks(void **state) {
    struct given *sku = *state;
    when(sku, claim("prod_1"));
    THEN(sku, EVENT_SKU_CLAIMED);
    THEN_SENDS(sku, 1);
    const struct record_sku_claim *told = &SENT(sku, 0, COMMAND_RECORD_SKU_CLAIM, "prod_1")->as.record_sku_claim;
    assert_true(told->granted);
    assert_str(told->sku, "TEA");
    when(sku, claim("prod_2"));
    THEN(sku, EVENT_SKU_CLAIM_REFUSED);
    told = &SENT(sku, 0, COMMAND_RECORD_SKU_CLAIM, "prod_2")->as.record_sku_claim;
    assert_false(told->granted);
    assert_str(told->holder, "prod_1");
    assert_str(now(sku)->product, "prod_1");
}

static void the_product_that_has_it_is_answered_again_when_it_asks_again(void **state) {
    struct given *sku = *state;
    when(sku, claim("prod_1"));
    when(sku, claim("prod_1"));
    THEN_SENDS(sku, 1);
    assert_true(SENT(sku, 0, COMMAND_RECORD_SKU_CLAIM, "prod_1")->as.record_sku_claim.granted);
}

static void only_the_product_that_has_it_can_give_it_back(void **state) {
    struct given *sku = *state;
    when(sku, release_claim("prod_1"));
    THEN_NOTHING(sku);
    when(sku, claim("prod_1"));
    when(sku, release_claim("prod_2"));
    THEN_NOTHING(sku);
    when(sku, release_claim("prod_1"));
    THEN(sku, EVENT_SKU_RELEASED);
    const struct record_sku_claim *told = &SENT(sku, 0, COMMAND_RECORD_SKU_CLAIM, "prod_1")->as.record_sku_claim;
    assert_false(told->granted);
    assert_str(told->holder, "");
    when(sku, claim("prod_2"));
    THEN(sku, EVENT_SKU_CLAIMED);
}

static struct command by_vendor(struct command command) {
    command.meta.actor = STR("vendor:cus_01J0000000000000000000000A:Leaf");
    return command;
}

static struct command by_house(struct command command) {
    command.meta.actor = STR("admin:key_1");
    return command;
}

static void while_goods_are_left_no_vendor_takes_them_with_the_sku(void **state) {
    struct given *sku = *state; /* prod_1's */
    when(sku, release_claim("prod_1"));
    when(sku, by_vendor(claim("prod_2")));
    THEN(sku, EVENT_SKU_CLAIM_REFUSED);
    const struct record_sku_claim *told = &SENT(sku, 0, COMMAND_RECORD_SKU_CLAIM, "prod_2")->as.record_sku_claim;
    assert_false(told->granted);
    assert_str(told->holder, "prod_1"); /* else prod_2 would take it for released, and ask again */
    when(sku, by_vendor(claim("prod_1")));
    THEN(sku, EVENT_SKU_CLAIMED); /* its own goods */
    when(sku, release_claim("prod_1"));
    when(sku, adjust("berlin", -5));
    when(sku, by_vendor(claim("prod_2")));
    THEN(sku, EVENT_SKU_CLAIM_REFUSED);
    when(sku, adjust("paris", -8));
    when(sku, by_vendor(claim("prod_2")));
    THEN(sku, EVENT_SKU_CLAIMED);
}

static void the_house_may_give_goods_that_are_left_to_another_product(void **state) {
    struct given *sku = *state;
    when(sku, release_claim("prod_1"));
    when(sku, by_house(claim("prod_2")));
    THEN(sku, EVENT_SKU_CLAIMED);
    assert_int_equal(sku_available(now(sku)), 13);
}

static void since_when_a_product_has_it_is_told_by_the_claim_that_brought_it(void **state) {
    struct given *sku = *state;
    when(sku, claim("prod_1"));
    assert_int_equal(now(sku)->held_since, 1);
    when(sku, claim("prod_1")); /* told twice */
    assert_int_equal(now(sku)->held_since, 1);
    when(sku, release_claim("prod_1"));
    assert_str(now(sku)->product, "");
    assert_str(now(sku)->last_product, "prod_1");
    when(sku, claim("prod_1")); /* a release that came too late */
    assert_int_equal(now(sku)->held_since, 1);
    when(sku, release_claim("prod_1"));
    when(sku, claim("prod_2"));
    assert_int_equal(now(sku)->held_since, sku->version);
    assert_str(now(sku)->last_product, "");
}

/* ---- what lies where --------------------------------------------------------------------------------------------- */

static void stock_is_received_only_for_a_product(void **state) {
    struct given *sku = *state;
    when(sku, receive("berlin", 5));
    THEN_REFUSED(sku, REJECT_UNKNOWN_SKU, "");
    when(sku, adjust("berlin", 5));
    THEN_REFUSED(sku, REJECT_UNKNOWN_SKU, "");
    when(sku, transfer("berlin", "paris", 5));
    THEN_REFUSED(sku, REJECT_UNKNOWN_SKU, "");
    when(sku, claim("prod_1"));
    when(sku, receive("berlin", 5));
    THEN(sku, EVENT_STOCK_RECEIVED);
    when(sku, receive("berlin", 2));
    assert_int_equal(made(sku, 0)->as.stock_received.on_hand, 7);
    assert_level(sku, 0, "berlin", 7, 0);
}

static void a_count_can_be_corrected_down_to_what_is_held(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 3)); /* in berlin */
    when(sku, adjust("berlin", -3));
    THEN_REFUSED(sku, REJECT_STOCK_RESERVED, "/delta");
    when(sku, adjust("berlin", -6));
    THEN_REFUSED(sku, REJECT_STOCK_RESERVED, "/delta");
    when(sku, adjust("berlin", -2));
    THEN(sku, EVENT_STOCK_ADJUSTED);
    assert_level(sku, 0, "berlin", 3, 3);
    when(sku, adjust("paris", -9));
    THEN_REFUSED(sku, REJECT_STOCK_INSUFFICIENT, "/delta");
    when(sku, adjust("rome", -1));
    THEN_REFUSED(sku, REJECT_STOCK_INSUFFICIENT, "/delta");
    when(sku, adjust("rome", 0));
    THEN_REFUSED(sku, REJECT_NOTHING_TO_CHANGE, "/delta");
    when(sku, adjust("rome", 4));
    THEN(sku, EVENT_STOCK_ADJUSTED);
    assert_level(sku, 2, "rome", 4, 0);
}

static void only_free_units_move(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 3));
    when(sku, transfer("berlin", "paris", 3));
    THEN_REFUSED(sku, REJECT_STOCK_RESERVED, "/quantity");
    when(sku, transfer("paris", "berlin", 9));
    THEN_REFUSED(sku, REJECT_STOCK_INSUFFICIENT, "/quantity");
    when(sku, transfer("paris", "paris", 1));
    THEN_REFUSED(sku, REJECT_SAME_LOCATION, "/to");
    when(sku, transfer("berlin", "rome", 2));
    THEN(sku, EVENT_STOCK_TRANSFERRED);
    assert_level(sku, 0, "berlin", 3, 3);
    assert_level(sku, 2, "rome", 2, 0);
    assert_int_equal(sku_available(now(sku)), 10);
}

static void numbers_that_cannot_be_counted_are_refused(void **state) {
    struct given *sku = *state;
    when(sku, receive("berlin", SKU_MAX_UNITS));
    THEN_REFUSED(sku, REJECT_QUANTITY_TOO_LARGE, "/quantity");
    when(sku, receive("berlin", INT64_MAX));
    THEN_REFUSED(sku, REJECT_QUANTITY_TOO_LARGE, "/quantity");
    when(sku, receive("berlin", -1));
    THEN_REFUSED(sku, REJECT_QUANTITY_TOO_LARGE, "/quantity");
    when(sku, adjust("berlin", INT64_MIN));
    THEN_REFUSED(sku, REJECT_QUANTITY_TOO_LARGE, "/delta");
    when(sku, transfer("berlin", "paris", INT64_MIN));
    THEN_REFUSED(sku, REJECT_QUANTITY_TOO_LARGE, "/quantity");
}

static void a_sku_lies_in_at_most_100_locations(void **state) {
    struct given *sku = *state;
    for (int i = 2; i < SKU_MAX_LOCATIONS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "loc-%d", i);
        when(sku, receive(name, 1));
        THEN(sku, EVENT_STOCK_RECEIVED);
    }
    when(sku, receive("one-more", 1));
    THEN_REFUSED(sku, REJECT_TOO_MANY_LOCATIONS, "/location");
    when(sku, adjust("one-more", 1));
    THEN_REFUSED(sku, REJECT_TOO_MANY_LOCATIONS, "/location");
    when(sku, transfer("berlin", "one-more", 1));
    THEN_REFUSED(sku, REJECT_TOO_MANY_LOCATIONS, "/to");
    when(sku, receive("berlin", 1));
    THEN(sku, EVENT_STOCK_RECEIVED);
}

/* ---- for whom it is held ----------------------------------------------------------------------------------------- */

static void one_location_serves_all_where_it_can(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 6));
    THEN(sku, EVENT_STOCK_RESERVED);
    const struct stock_reserved *reserved = &made(sku, 0)->as.stock_reserved;
    assert_int_equal(reserved->allocations.count, 1);
    assert_str(reserved->allocations.items[0].location, "paris");
    assert_int_equal(reserved->available, 7);
    assert_level(sku, 0, "berlin", 5, 0);
    assert_level(sku, 1, "paris", 8, 6);
}

static void else_the_units_come_from_one_location_after_the_other(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 11));
    const struct stock_reserved *reserved = &made(sku, 0)->as.stock_reserved;
    assert_int_equal(reserved->allocations.count, 2);
    assert_str(reserved->allocations.items[0].location, "berlin");
    assert_int_equal(reserved->allocations.items[0].quantity, 5);
    assert_int_equal(reserved->allocations.items[1].quantity, 6);
    assert_int_equal(sku_available(now(sku)), 2);
}

static void the_next_sku_is_visited_with_the_shortages_so_far(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 14));
    THEN(sku, EVENT_STOCK_RESERVATION_REFUSED);
    assert_str(made(sku, 0)->as.stock_reservation_refused.reason, "insufficient_stock");
    THEN_SENDS(sku, 1);
    const struct reserve_stock *next = &SENT(sku, 0, COMMAND_RESERVE_STOCK, "sku_POT")->as.reserve_stock;
    assert_int_equal(next->position, 2);
    assert_int_equal(next->shortages.count, 1);
    assert_str(next->shortages.items[0].sku, "TEA");
    assert_int_equal(next->shortages.items[0].requested, 14);
    assert_int_equal(next->shortages.items[0].available, 13);
}

static void the_last_sku_reports_to_the_order(void **state) {
    struct given *sku = *state;
    struct command last = reserve(ORDER, 2);
    last.as.reserve_stock.requests.count = 2;
    when(sku, last);
    THEN(sku, EVENT_STOCK_RESERVED);
    THEN_SENDS(sku, 1);
    assert_int_equal(SENT(sku, 0, COMMAND_RECORD_RESERVATIONS, ORDER)->as.record_reservations.shortages.count, 0);
}

static void what_no_product_sells_is_not_held(void **state) {
    struct given *sku = *state;
    when(sku, release_claim("prod_1"));
    when(sku, reserve(ORDER, 1));
    THEN(sku, EVENT_STOCK_RESERVATION_REFUSED);
    assert_str(made(sku, 0)->as.stock_reservation_refused.reason, "not_sold");
    assert_int_equal(made(sku, 0)->as.stock_reservation_refused.available, 0);
}

static void a_reservation_asked_for_twice_is_one(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 3));
    when(sku, reserve(ORDER, 3));
    THEN_NOTHING(sku);
    when(sku, confirm(ORDER));
    THEN(sku, EVENT_RESERVATION_CONFIRMED);
    when(sku, reserve(ORDER, 3));
    THEN_NOTHING(sku);
    assert_int_equal(sku_available(now(sku)), 10);
}

static void a_reservation_is_confirmed_once_and_its_units_stay_held(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 3));
    when(sku, confirm(ORDER));
    THEN(sku, EVENT_RESERVATION_CONFIRMED);
    assert_int_equal(made(sku, 0)->as.reservation_confirmed.quantity, 3);
    when(sku, confirm(ORDER));
    THEN_NOTHING(sku);
    when(sku, confirm(OTHER));
    THEN_NOTHING(sku);
    assert_level(sku, 0, "berlin", 5, 3);
}

static void a_release_frees_units_held_or_sold(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 11));
    when(sku, reserve(OTHER, 2));
    when(sku, confirm(OTHER));
    when(sku, release(ORDER));
    THEN(sku, EVENT_RESERVATION_RELEASED);
    assert_int_equal(made(sku, 0)->as.reservation_released.quantity, 11);
    assert_int_equal(made(sku, 0)->as.reservation_released.available, 11);
    when(sku, release(OTHER));
    THEN(sku, EVENT_RESERVATION_RELEASED);
    assert_int_equal(sku_available(now(sku)), 13);
    when(sku, release(OTHER));
    THEN_NOTHING(sku);
    when(sku, confirm(OTHER));
    THEN_NOTHING(sku);
}

static void a_release_that_comes_first_leaves_a_tombstone(void **state) {
    struct given *sku = *state;
    when(sku, release(ORDER));
    THEN(sku, EVENT_RESERVATION_RELEASED);
    assert_int_equal(made(sku, 0)->as.reservation_released.quantity, 0);
    when(sku, reserve(ORDER, 1));
    THEN(sku, EVENT_STOCK_RESERVATION_REFUSED);
    assert_str(made(sku, 0)->as.stock_reservation_refused.reason, "released");
    assert_int_equal(sku_available(now(sku)), 13);
}

static void a_refused_reservation_stays_refused_when_stock_arrives(void **state) {
    struct given *sku = *state;
    when(sku, reserve(ORDER, 14));
    when(sku, receive("berlin", 100));
    when(sku, reserve(ORDER, 14));
    THEN(sku, EVENT_STOCK_RESERVATION_REFUSED);
    when(sku, release(ORDER));
    THEN_NOTHING(sku);
}

static void a_visit_to_the_wrong_sku_is_malformed(void **state) {
    struct given *sku = *state;
    struct command wrong = reserve(ORDER, 1);
    wrong.as.reserve_stock.position = 0;
    when(sku, wrong);
    THEN_REFUSED(sku, REJECT_MALFORMED_COMMAND, "");
    wrong.as.reserve_stock.position = 3;
    when(sku, wrong);
    THEN_REFUSED(sku, REJECT_MALFORMED_COMMAND, "");
    wrong.as.reserve_stock.position = -1;
    when(sku, wrong);
    THEN_REFUSED(sku, REJECT_MALFORMED_COMMAND, "");
    when(sku, reserve(ORDER, INT64_MIN));
    THEN_REFUSED(sku, REJECT_MALFORMED_COMMAND, "");
    const struct command ownerless[] = {reserve("", 1), confirm(""), release("")};
    for (size_t i = 0; i < ARRAY_LENGTH(ownerless); i++) {
        when(sku, ownerless[i]);
        THEN_REFUSED(sku, REJECT_MALFORMED_COMMAND, "");
    }
}

/* ---- whatever is asked ------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct command any_command(uint64_t *seed) {
    static const char *const locations[] = {"berlin", "paris", "rome", "oslo"};
    static const char *const owners[] = {"ord_1.1", "ord_2.1", "ord_3.1", "ord_4.1", "ord_5.1",
                                         "ord_6.1", "ord_7.1", "ord_8.1", "ord_9.1"};
    const char *location = locations[next_random(seed) % 4];
    const char *owner = owners[next_random(seed) % ARRAY_LENGTH(owners)];
    int64_t quantity = (int64_t)(next_random(seed) % 12) + 1;
    switch (next_random(seed) % 9) {
    case 0:
        return receive(location, quantity);
    case 1:
        return adjust(location, quantity - 6);
    case 2:
        return transfer(location, locations[next_random(seed) % 4], quantity);
    case 3:
    case 4:
    case 5:
        return reserve(owner, quantity);
    case 6:
        return confirm(owner);
    case 7:
        return release(owner);
    default:
        return next_random(seed) % 2 == 0 ? claim("prod_1") : release_claim("prod_1");
    }
}

static void check_conserved(struct given *sku) {
    int64_t reserved = 0;
    for (uint32_t i = 0; i < now(sku)->levels.count; i++) {
        const struct stock_level *level = &now(sku)->levels.items[i];
        assert_true(level->reserved >= 0);
        assert_true(level->on_hand - level->reserved >= 0);
        reserved += level->reserved;
    }
    int64_t held = 0;
    for (uint32_t i = 0; i < sku->parts.count; i++) {
        const struct reservation_state *reservation = ((struct given_part *)sku->parts.entries[i].value)->state;
        for (uint32_t k = 0; k < reservation->allocations.count; k++) {
            held += reservation->allocations.items[k].quantity;
        }
    }
    assert_int_equal(held, reserved);
}

/* What the events say of units coming and going adds up to what is there. */
static int64_t units_by_events(const struct given *sku) {
    int64_t units = 0;
    for (uint32_t i = 0; i < sku->history.count; i++) {
        const struct event *event = &sku->history.items[i].event;
        units += event->type == EVENT_STOCK_RECEIVED ? event->as.stock_received.quantity : 0;
        units += event->type == EVENT_STOCK_ADJUSTED ? event->as.stock_adjusted.delta : 0;
    }
    return units;
}

static void stock_is_never_oversold_whatever_is_asked(void **state) {
    (void)state;
    const char *only = getenv("SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : 60;
    for (uint64_t seed = first; seed <= last; seed++) {
        printf("seed %llu%s", (unsigned long long)seed, seed == last ? "\n" : "\r");
        (void)fflush(stdout);
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        struct given sku;
        given_begin(&sku, STR(SKU));
        when(&sku, claim("prod_1"));
        for (int i = 0; i < 200; i++) {
            when(&sku, any_command(&random));
            check_conserved(&sku);
        }
        int64_t on_hand = 0;
        for (uint32_t i = 0; i < now(&sku)->levels.count; i++) {
            on_hand += now(&sku)->levels.items[i].on_hand;
        }
        assert_int_equal(on_hand, units_by_events(&sku));
        given_check_history(&sku);
        given_end(&sku);
    }
}

static void each_command_and_event_names_its_reservation(void **state) {
    (void)state;
    struct command command = reserve(ORDER, 1);
    assert_str(sku_aggregate.command_sub_key(&command, NULL), ORDER);
    command = confirm(ORDER);
    assert_str(sku_aggregate.command_sub_key(&command, NULL), ORDER);
    command = receive("berlin", 1);
    assert_str(sku_aggregate.command_sub_key(&command, NULL), "");
    struct event event = {.type = EVENT_RESERVATION_RELEASED, .as.reservation_released.owner = STR(ORDER)};
    assert_str(sku_aggregate.event_sub_key(&event, NULL), ORDER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define STOCKED(name) cmocka_unit_test_setup_teardown(name, begin_stocked, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_free_sku_is_granted_to_the_first_product_that_asks),
        TEST(the_product_that_has_it_is_answered_again_when_it_asks_again),
        TEST(only_the_product_that_has_it_can_give_it_back),
        STOCKED(while_goods_are_left_no_vendor_takes_them_with_the_sku),
        STOCKED(the_house_may_give_goods_that_are_left_to_another_product),
        TEST(since_when_a_product_has_it_is_told_by_the_claim_that_brought_it),
        TEST(stock_is_received_only_for_a_product),
        STOCKED(a_count_can_be_corrected_down_to_what_is_held),
        STOCKED(only_free_units_move),
        STOCKED(numbers_that_cannot_be_counted_are_refused),
        STOCKED(a_sku_lies_in_at_most_100_locations),
        STOCKED(one_location_serves_all_where_it_can),
        STOCKED(else_the_units_come_from_one_location_after_the_other),
        STOCKED(the_next_sku_is_visited_with_the_shortages_so_far),
        STOCKED(the_last_sku_reports_to_the_order),
        STOCKED(what_no_product_sells_is_not_held),
        STOCKED(a_reservation_asked_for_twice_is_one),
        STOCKED(a_reservation_is_confirmed_once_and_its_units_stay_held),
        STOCKED(a_release_frees_units_held_or_sold),
        STOCKED(a_release_that_comes_first_leaves_a_tombstone),
        STOCKED(a_refused_reservation_stays_refused_when_stock_arrives),
        STOCKED(a_visit_to_the_wrong_sku_is_malformed),
        cmocka_unit_test(stock_is_never_oversold_whatever_is_asked),
        cmocka_unit_test(each_command_and_event_names_its_reservation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
