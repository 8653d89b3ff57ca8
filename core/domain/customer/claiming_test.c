/* Customers and addresses together: who has what, in whatever order their commands and answers arrive. */
#include "core/domain/customer/claiming.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/people.h"
#include "core/testing/shop.h"

enum { PEOPLE = 4, ADDRESSES = 3, ROUNDS = 60, STEPS_BELOW = 3 };

static struct str stream(struct shop *shop, const char *prefix, uint64_t number) {
    return arena_printf(&shop->arena, "%s_01J0000000000000000000000%c", prefix, (char)('A' + number));
}

static const struct customer_state *person(struct shop *shop, struct str customer) {
    return shop_stream(shop, customer)->state;
}

static const struct identity_state *address(struct shop *shop, struct str identity) {
    return shop_stream(shop, identity)->state;
}

static void register_person(struct shop *shop, struct str customer, struct str identity) {
    struct command command = people_register();
    command.as.register_customer.identity = identity;
    (void)shop_ask(shop, customer, command);
}

static enum rejection verify(struct shop *shop, struct str customer, const char *command_id) {
    struct command command = people_verify(person(shop, customer)->verification_number, true);
    command.meta.command_id = str_of_cstr(command_id);
    return shop_ask(shop, customer, command);
}

static void assert_answered(struct shop *shop, const char *command_id, enum rejection expected) {
    enum rejection answer = REJECTION_COUNT;
    assert_true(shop_answer(shop, command_id, &answer));
    assert_int_equal(answer, expected);
}

static int begin(void **state) {
    struct shop *shop = malloc(sizeof *shop);
    shop_open(shop, 1);
    *state = shop;
    return 0;
}

static int end(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

static void two_who_prove_one_address(struct shop *shop, uint64_t first, uint64_t second) {
    struct str identity = stream(shop, "idn", 0);
    struct str people[] = {stream(shop, "cus", 0), stream(shop, "cus", 1)};
    register_person(shop, people[0], identity);
    register_person(shop, people[1], identity);
    assert_int_equal(verify(shop, people[first], "cmd_first"), ACCEPTED);
    assert_int_equal(verify(shop, people[second], "cmd_second"), ACCEPTED);
    shop_settle(shop);
    assert_answered(shop, "cmd_first", ACCEPTED);
    assert_answered(shop, "cmd_second", REJECT_EMAIL_TAKEN);
    assert_int_equal(person(shop, people[first])->status, CUSTOMER_STATUS_ACTIVE);
    assert_int_equal(person(shop, people[second])->status, CUSTOMER_STATUS_UNVERIFIED);
    assert_true(str_equal(address(shop, identity)->customer, people[first]));
}

static void of_two_who_prove_one_address_one_is_verified(void **state) {
    two_who_prove_one_address(*state, 0, 1);
}

static void the_other_is_when_he_proves_it_first(void **state) {
    two_who_prove_one_address(*state, 1, 0);
}

static void ask_change(struct shop *shop, struct str customer, struct str identity) {
    struct command command = people_change_email("", "new@example.org", true);
    command.as.change_email.identity = identity;
    (void)shop_ask(shop, customer, command);
}

static enum rejection confirm(struct shop *shop, struct str customer, const char *command_id) {
    struct command command = people_confirm_email(person(shop, customer)->email_number);
    command.meta.command_id = str_of_cstr(command_id);
    command.meta.actor = arena_printf(&shop->arena, "customer:%.*s", STR_ARGS(customer));
    return shop_ask(shop, customer, command);
}

static void an_address_that_was_given_up_goes_to_who_proves_it_next(void **state) {
    struct shop *shop = *state;
    struct str ada = stream(shop, "cus", 0), bob = stream(shop, "cus", 1);
    struct str old = stream(shop, "idn", 0), new = stream(shop, "idn", 1);
    register_person(shop, ada, old);
    register_person(shop, bob, old);
    (void)verify(shop, ada, "cmd_1");
    shop_settle(shop);
    ask_change(shop, ada, new);
    assert_int_equal(confirm(shop, ada, "cmd_2"), ACCEPTED);
    shop_settle(shop);
    assert_answered(shop, "cmd_2", ACCEPTED);
    assert_true(str_equal(address(shop, new)->customer, ada));
    assert_str(address(shop, old)->customer, "");
    (void)verify(shop, bob, "cmd_3");
    shop_settle(shop);
    assert_answered(shop, "cmd_3", ACCEPTED);
    assert_true(str_equal(address(shop, old)->customer, bob));
}

/* There and back again, and the release of the first claim arrives last. */
static void a_release_that_arrives_after_a_newer_claim_does_not_part_them(void **state) {
    struct shop *shop = *state;
    struct str ada = stream(shop, "cus", 0), old = stream(shop, "idn", 0), new = stream(shop, "idn", 1);
    register_person(shop, ada, old);
    (void)verify(shop, ada, "cmd_1");
    shop_settle(shop);
    ask_change(shop, ada, new);
    (void)confirm(shop, ada, "cmd_2");
    while (!str_equal(person(shop, ada)->identity, new)) {
        assert_true(shop_step(shop));
    }
    assert_int_equal(shop->queue.count, 1);
    struct command late_release = shop->queue.items[0];
    shop->queue.count = 0;
    ask_change(shop, ada, old);
    (void)confirm(shop, ada, "cmd_3");
    shop_settle(shop);
    assert_answered(shop, "cmd_3", ACCEPTED);
    *ARRAY_PUSH(&shop->arena, &shop->queue) = late_release;
    shop_settle(shop);
    assert_true(str_equal(address(shop, old)->customer, ada));
    assert_str(address(shop, new)->customer, "");
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

/* One verified customer at most has an address, at any time, and the address says the same; when all is quiet no
 * address is anybody's who does not want it. */
static void check(struct shop *shop, bool is_quiet) {
    for (uint64_t a = 0; a < ADDRESSES; a++) {
        struct str identity = stream(shop, "idn", a);
        int verified = 0;
        for (uint64_t p = 0; p < PEOPLE; p++) {
            struct str customer = stream(shop, "cus", p);
            const struct customer_state *state = person(shop, customer);
            bool has_it = state->status == CUSTOMER_STATUS_ACTIVE && str_equal(state->identity, identity);
            verified += has_it;
            if (has_it) {
                assert_true(str_equal(address(shop, identity)->customer, customer));
            }
            if (is_quiet && str_equal(address(shop, identity)->customer, customer)) {
                assert_true(has_it);
                assert_int_equal(address(shop, identity)->claim, state->claim);
            }
            assert_true(!is_quiet || str_is_empty(state->claiming));
        }
        assert_true(verified <= 1);
    }
}

static void act(struct shop *shop) {
    struct str customer = stream(shop, "cus", shop_random(shop, PEOPLE));
    struct str identity = stream(shop, "idn", shop_random(shop, ADDRESSES));
    shop->now_us += 100 * INT64_C(1000000);
    switch (shop_random(shop, 6)) {
    case 0:
        register_person(shop, customer, identity);
        break;
    case 1:
        (void)verify(shop, customer, "");
        break;
    case 2:
        ask_change(shop, customer, identity);
        break;
    case 3:
        (void)confirm(shop, customer, "");
        break;
    case 4: {
        struct command erase = {.type = COMMAND_ERASE_CUSTOMER,
                                .meta.actor = STR("admin:key_1"),
                                .as.erase_customer.password_number = PASSWORD_NUMBER};
        (void)(shop_random(shop, 4) == 0 && shop_ask(shop, customer, erase));
        break;
    }
    case 5:
        (void)shop_ask(shop, customer, (struct command){.type = COMMAND_RECORD_ERASURE});
        break;
    }
}

static void in_any_order_one_has_an_address(void **state) {
    (void)state;
    shop_at_random(&(struct shop_chance){
        .shuffled = true, .rounds = ROUNDS, .steps_below = STEPS_BELOW, .act = act, .check = check});
}

static void in_any_order_and_twice_over_one_has_an_address(void **state) {
    (void)state;
    shop_at_random(&(struct shop_chance){.shuffled = true,
                                         .duplicate_percent = 20,
                                         .rounds = ROUNDS,
                                         .steps_below = STEPS_BELOW,
                                         .act = act,
                                         .check = check});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_two_who_prove_one_address_one_is_verified, begin, end),
        cmocka_unit_test_setup_teardown(the_other_is_when_he_proves_it_first, begin, end),
        cmocka_unit_test_setup_teardown(an_address_that_was_given_up_goes_to_who_proves_it_next, begin, end),
        cmocka_unit_test_setup_teardown(a_release_that_arrives_after_a_newer_claim_does_not_part_them, begin, end),
        cmocka_unit_test(in_any_order_one_has_an_address),
        cmocka_unit_test(in_any_order_and_twice_over_one_has_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
