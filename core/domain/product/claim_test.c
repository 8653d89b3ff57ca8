/* Products and SKUs together: who owns what, in whatever order their commands and answers arrive. */
#include "core/domain/product/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/domain/ids.h"
#include "core/domain/product/product.h"
#include "core/domain/sku/sku.h"
#include "core/testing/shop.h"

enum { PRODUCTS = 4, SKUS = 6 };

static const char *const skus[SKUS] = {"A", "B", "C", "D", "E", "F"};

static struct variant variant(const char *sku) {
    return (struct variant){.sku = str_of_cstr(sku), .price = {100, STR("EUR")}};
}

static struct command define(const char *command_id, struct variant *variants, uint32_t count) {
    struct command command = {.type = COMMAND_DEFINE_PRODUCT, .meta.command_id = str_of_cstr(command_id)};
    command.as.define_product = (struct define_product){.title = STR("Thing"), .variants = {variants, count, count}};
    return command;
}

static struct command add(const char *command_id, const char *sku) {
    return (struct command){.type = COMMAND_ADD_VARIANT,
                            .meta.command_id = str_of_cstr(command_id),
                            .as.add_variant = {.sku = str_of_cstr(sku), .price = {100, STR("EUR")}}};
}

static struct command remove_sku(const char *sku) {
    return (struct command){.type = COMMAND_REMOVE_VARIANT, .as.remove_variant = {.sku = str_of_cstr(sku)}};
}

static struct command by(const char *actor, struct command command) {
    command.meta.actor = str_of_cstr(actor);
    return command;
}

static const struct product_state *product(struct shop *shop, struct str stream) {
    return shop_stream(shop, stream)->state;
}

static struct str holder(struct shop *shop, const char *sku) {
    const struct sku_state *state = shop_stream(shop, sku_stream(&shop->arena, str_of_cstr(sku)))->state;
    return state->product;
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

static void a_product_is_a_draft_once_all_its_skus_are_its_own(void **state) {
    struct shop *shop = *state;
    struct variant variants[] = {variant("A"), variant("B")};
    assert_int_equal(shop_ask(shop, STR("prod_1"), define("cmd_define", variants, 2)), ACCEPTED);
    assert_int_equal(product(shop, STR("prod_1"))->status, PRODUCT_STATUS_DEFINING);
    shop_settle(shop);
    assert_int_equal(product(shop, STR("prod_1"))->status, PRODUCT_STATUS_DRAFT);
    assert_int_equal(product(shop, STR("prod_1"))->variants.count, 2);
    assert_str(holder(shop, "A"), "prod_1");
    assert_answered(shop, "cmd_define", ACCEPTED);
}

static void a_taken_sku_undoes_the_definition_and_gives_the_others_back(void **state) {
    struct shop *shop = *state;
    struct variant first[] = {variant("B")};
    struct variant second[] = {variant("A"), variant("B"), variant("C")};
    (void)shop_ask(shop, STR("prod_1"), define("cmd_1", first, 1));
    shop_settle(shop);
    (void)shop_ask(shop, STR("prod_2"), define("cmd_2", second, 3));
    shop_settle(shop);
    assert_int_equal(product(shop, STR("prod_2"))->status, PRODUCT_STATUS_ARCHIVED);
    assert_int_equal(product(shop, STR("prod_2"))->variants.count, 0);
    assert_str(holder(shop, "A"), "");
    assert_str(holder(shop, "B"), "prod_1");
    assert_str(holder(shop, "C"), "");
    assert_answered(shop, "cmd_2", REJECT_SKU_TAKEN);
}

static void a_removed_variants_sku_can_go_to_another_product(void **state) {
    struct shop *shop = *state;
    struct variant first[] = {variant("A"), variant("B")};
    struct variant second[] = {variant("C")};
    (void)shop_ask(shop, STR("prod_1"), define("cmd_1", first, 2));
    (void)shop_ask(shop, STR("prod_2"), define("cmd_2", second, 1));
    shop_settle(shop);
    assert_int_equal(shop_ask(shop, STR("prod_2"), add("cmd_3", "B")), ACCEPTED);
    shop_settle(shop);
    assert_answered(shop, "cmd_3", REJECT_SKU_TAKEN);
    assert_int_equal(shop_ask(shop, STR("prod_1"), remove_sku("B")), ACCEPTED);
    shop_settle(shop);
    assert_int_equal(shop_ask(shop, STR("prod_2"), add("cmd_4", "B")), ACCEPTED);
    shop_settle(shop);
    assert_answered(shop, "cmd_4", ACCEPTED);
    assert_str(holder(shop, "B"), "prod_2");
}

static void a_claim_granted_after_archiving_is_given_back(void **state) {
    struct shop *shop = *state;
    struct variant first[] = {variant("A")};
    (void)shop_ask(shop, STR("prod_1"), define("cmd_1", first, 1));
    shop_settle(shop);
    (void)shop_ask(shop, STR("prod_1"), add("cmd_2", "B"));
    struct command archive = {.type = COMMAND_ARCHIVE_PRODUCT};
    assert_int_equal(shop_ask(shop, STR("prod_1"), archive), ACCEPTED);
    shop_settle(shop);
    assert_str(holder(shop, "B"), "");
    assert_str(holder(shop, "A"), "prod_1");
    assert_answered(shop, "cmd_2", REJECT_PRODUCT_ARCHIVED);
}

static void a_release_that_arrives_after_a_newer_claim_does_not_part_them(void **state) {
    struct shop *shop = *state;
    struct variant first[] = {variant("A"), variant("B")};
    (void)shop_ask(shop, STR("prod_1"), define("cmd_1", first, 2));
    shop_settle(shop);
    (void)shop_ask(shop, STR("prod_1"), remove_sku("B"));
    struct command late_release = shop->queue.items[0];
    shop->queue.count = 0;
    (void)shop_ask(shop, STR("prod_1"), add("cmd_2", "B"));
    shop_settle(shop);
    *ARRAY_PUSH(&shop->arena, &shop->queue) = late_release;
    shop_settle(shop);
    assert_str(holder(shop, "B"), "prod_1");
    assert_int_equal(product(shop, STR("prod_1"))->variants.count, 2);
}

#define LEAF "vendor:cus_01J0000000000000000000000A:Leaf"
#define KILN "vendor:cus_01J0000000000000000000000B:Kiln"

static void stock(struct shop *shop, const char *sku, int64_t delta) {
    struct command command = {.type = COMMAND_ADJUST_STOCK,
                              .as.adjust_stock = {.location = STR("main"), .delta = delta, .reason = STR("count")}};
    assert_int_equal(shop_ask(shop, sku_stream(&shop->arena, str_of_cstr(sku)), command), ACCEPTED);
}

/* What follows from his commands is in his name, the claim too. */
static void a_sku_with_goods_left_is_refused_to_another_vendors_product(void **state) {
    struct shop *shop = *state;
    struct variant first[] = {variant("A"), variant("B")}, second[] = {variant("C")};
    (void)shop_ask(shop, STR("prod_1"), by(LEAF, define("cmd_1", first, 2)));
    (void)shop_ask(shop, STR("prod_2"), by(KILN, define("cmd_2", second, 1)));
    shop_settle(shop);
    stock(shop, "B", 7);
    assert_int_equal(shop_ask(shop, STR("prod_1"), by(LEAF, remove_sku("B"))), ACCEPTED);
    shop_settle(shop);
    assert_int_equal(shop_ask(shop, STR("prod_2"), by(KILN, add("cmd_3", "B"))), ACCEPTED);
    shop_settle(shop);
    assert_answered(shop, "cmd_3", REJECT_SKU_TAKEN);
    assert_int_equal(product(shop, STR("prod_2"))->variants.count, 1);
    assert_str(holder(shop, "B"), "");
    assert_int_equal(shop_ask(shop, STR("prod_1"), by(LEAF, add("cmd_4", "B"))), ACCEPTED);
    shop_settle(shop);
    assert_answered(shop, "cmd_4", ACCEPTED);
}

/* A release that came too late does not part a vendor's product from its goods. */
static void a_vendors_goods_come_back_to_his_product_after_a_late_release(void **state) {
    struct shop *shop = *state;
    struct variant first[] = {variant("A"), variant("B")};
    (void)shop_ask(shop, STR("prod_1"), by(LEAF, define("cmd_1", first, 2)));
    shop_settle(shop);
    stock(shop, "B", 7);
    (void)shop_ask(shop, STR("prod_1"), by(LEAF, remove_sku("B")));
    struct command late_release = shop->queue.items[0];
    shop->queue.count = 0;
    (void)shop_ask(shop, STR("prod_1"), by(LEAF, add("cmd_2", "B")));
    shop_settle(shop);
    *ARRAY_PUSH(&shop->arena, &shop->queue) = late_release;
    shop_settle(shop);
    assert_str(holder(shop, "B"), "prod_1");
    assert_int_equal(product(shop, STR("prod_1"))->variants.count, 2);
}

/* ---- every order of delivery ------------------------------------------------------------------------------------- */

static struct str product_stream(struct shop *shop, uint64_t number) {
    return arena_printf(&shop->arena, "prod_%d", (int)number);
}

static const char *fresh_id(struct shop *shop) {
    return arena_printf(&shop->arena, "ask_%u", ++shop->command_count).data;
}

/* Whose each product is. The house has two, so that goods pass to them and from them. */
static const char *const product_vendors[PRODUCTS] = {LEAF, "anonymous", KILN, "admin:key_1"};

/* Commands that were taken of the run under way, and wait for an answer. */
static struct str_array asked;

static void act(struct shop *shop) {
    if (shop->command_count == 0) {
        asked = (struct str_array){0}; /* of another run's arena */
    }
    struct str stream = product_stream(shop, shop_random(shop, PRODUCTS));
    const char *sku = skus[shop_random(shop, SKUS)];
    const char *id = fresh_id(shop);
    const char *actor = product_vendors[(size_t)(stream.data[stream.len - 1] - '0')];
    enum rejection rejection = REJECTION_COUNT;
    switch (shop_random(shop, 7)) {
    case 0: {
        uint32_t first = (uint32_t)shop_random(shop, SKUS - 1);
        struct variant *variants = arena_alloc(&shop->arena, 2 * sizeof *variants);
        variants[0] = variant(skus[first]);
        variants[1] = variant(skus[first + 1]);
        rejection = shop_ask(shop, stream, by(actor, define(id, variants, 2)));
        break;
    }
    case 1:
    case 2:
        rejection = shop_ask(shop, stream, by(actor, add(id, sku)));
        break;
    case 3:
    case 4:
        (void)shop_ask(shop, stream, by(actor, remove_sku(sku)));
        break;
    case 5:
        (void)shop_ask(shop, stream, by(actor, (struct command){.type = COMMAND_PUBLISH_PRODUCT}));
        break;
    case 6: /* refused where nobody has it, or where as many are not left */
        (void)shop_ask(shop, sku_stream(&shop->arena, str_of_cstr(sku)),
                       (struct command){.type = COMMAND_ADJUST_STOCK,
                                        .as.adjust_stock = {.location = STR("main"),
                                                            .delta = shop_random(shop, 2) == 0 ? 1 : -1,
                                                            .reason = STR("count")}});
        break;
    }
    if (rejection == ACCEPTED) {
        *ARRAY_PUSH(&shop->arena, &asked) = str_of_cstr(id);
    }
}

static bool has_variant(const struct product_state *state, struct str sku) {
    for (uint32_t i = 0; i < state->variants.count; i++) {
        if (str_equal(state->variants.items[i].sku, sku)) {
            return true;
        }
    }
    return false;
}

static void check_agreement(struct shop *shop, bool is_quiet) {
    for (uint64_t i = 0; is_quiet && i < PRODUCTS; i++) {
        struct str stream = product_stream(shop, i);
        const struct product_state *state = product(shop, stream);
        assert_int_not_equal(state->status, PRODUCT_STATUS_DEFINING);
        assert_int_equal(state->proposed.count, 0);
        for (uint32_t k = 0; k < state->variants.count; k++) {
            struct str sku = sku_stream(&shop->arena, state->variants.items[k].sku);
            const struct sku_state *held = shop_stream(shop, sku)->state;
            assert_true(str_equal(held->product, stream));
        }
    }
    for (int i = 0; is_quiet && i < SKUS; i++) {
        struct str stream = holder(shop, skus[i]);
        assert_true(str_is_empty(stream) || has_variant(product(shop, stream), str_of_cstr(skus[i])));
    }
}

/* An answer goes to the command that the claim began with. A claim that was repeated or overtaken may speak for another
 * one: the client then sees the outcome in the product, but not in its command. */
static void check_agreement_and_answers(struct shop *shop, bool is_quiet) {
    check_agreement(shop, is_quiet);
    for (uint32_t i = 0; is_quiet && i < asked.count; i++) {
        enum rejection answer;
        assert_true(shop_answer(shop, asked.items[i].data, &answer));
    }
}

enum { ROUNDS = 60, STEPS_BELOW = 5 };

static void products_and_skus_agree_in_the_end(void **state) {
    (void)state;
    shop_at_random(&(struct shop_chance){
        .rounds = ROUNDS, .steps_below = STEPS_BELOW, .act = act, .check = check_agreement_and_answers});
}

static void they_agree_when_all_is_delivered_twice(void **state) {
    (void)state;
    shop_at_random(&(struct shop_chance){
        .duplicate_percent = 40, .rounds = ROUNDS, .steps_below = STEPS_BELOW, .act = act, .check = check_agreement});
}

static void they_agree_whatever_overtakes_what(void **state) {
    (void)state;
    shop_at_random(&(struct shop_chance){.shuffled = true,
                                         .duplicate_percent = 30,
                                         .rounds = ROUNDS,
                                         .steps_below = STEPS_BELOW,
                                         .act = act,
                                         .check = check_agreement});
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_product_is_a_draft_once_all_its_skus_are_its_own),
        TEST(a_taken_sku_undoes_the_definition_and_gives_the_others_back),
        TEST(a_removed_variants_sku_can_go_to_another_product),
        TEST(a_claim_granted_after_archiving_is_given_back),
        TEST(a_release_that_arrives_after_a_newer_claim_does_not_part_them),
        TEST(a_sku_with_goods_left_is_refused_to_another_vendors_product),
        TEST(a_vendors_goods_come_back_to_his_product_after_a_late_release),
        cmocka_unit_test(products_and_skus_agree_in_the_end),
        cmocka_unit_test(they_agree_when_all_is_delivered_twice),
        cmocka_unit_test(they_agree_whatever_overtakes_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
