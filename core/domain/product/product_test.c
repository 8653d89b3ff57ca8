#include "core/domain/product/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/domain/product/size.h"
#include "core/testing/given.h"

#define PRODUCT "prod_01J00000000000000000000001"

static struct variant variant(const char *sku, int64_t price_minor) {
    return (struct variant){.sku = str_of_cstr(sku), .price = {price_minor, STR("EUR")}};
}

static struct command define(struct variant *variants, uint32_t count) {
    struct command command = {.type = COMMAND_DEFINE_PRODUCT, .meta.command_id = STR("cmd_define")};
    command.as.define_product = (struct define_product){.title = STR("Tea"), .variants = {variants, count, count}};
    return command;
}

/* The answer comes in the name of whoever began it. */
static struct command answered(const char *began, const char *sku, const char *holder) {
    bool granted = str_equal(str_of_cstr(holder), STR(PRODUCT));
    return (struct command){.type = COMMAND_RECORD_SKU_CLAIM,
                            .meta.command_id = STR("cmd_inside"),
                            .meta.correlation_id = str_of_cstr(began),
                            .as.record_sku_claim = {str_of_cstr(sku), granted, str_of_cstr(holder)}};
}

static struct command granted(const char *sku) {
    return answered("cmd_define", sku, PRODUCT);
}

static struct command add(const char *sku) {
    return (struct command){.type = COMMAND_ADD_VARIANT,
                            .meta.command_id = STR("cmd_add"),
                            .as.add_variant = {.sku = str_of_cstr(sku), .price = {500, STR("EUR")}}};
}

static struct command remove_sku(const char *sku) {
    return (struct command){.type = COMMAND_REMOVE_VARIANT, .as.remove_variant = {str_of_cstr(sku)}};
}

static struct command plain(uint16_t type) {
    return (struct command){.type = type};
}

static struct command retitle(const char *title) {
    return (struct command){.type = COMMAND_CHANGE_PRODUCT,
                            .as.change_product = {.has_title = true, .title = str_of_cstr(title)}};
}

static struct command reprice(const char *sku, int64_t price_minor) {
    return (struct command){
        .type = COMMAND_CHANGE_VARIANT,
        .as.change_variant = {.sku = str_of_cstr(sku), .has_price = true, .price = {price_minor, STR("EUR")}}};
}

static int begin(void **state) {
    struct given *product = malloc(sizeof *product);
    given_begin(product, STR(PRODUCT));
    *state = product;
    return 0;
}

/* A draft with the variants GREEN and BLACK. */
static int begin_draft(void **state) {
    begin(state);
    struct variant variants[] = {variant("GREEN", 350), variant("BLACK", 300)};
    when(*state, define(variants, 2));
    when(*state, granted("GREEN"));
    when(*state, granted("BLACK"));
    return 0;
}

static int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

static const struct product_state *now(const struct given *product) {
    return product->state;
}

/* ---- defining ---------------------------------------------------------------------------------------------------- */

static void a_definition_asks_for_each_sku(void **state) {
    struct given *product = *state;
    struct variant variants[] = {variant("GREEN", 350), variant("BLACK", 300)};
    when(product, define(variants, 2));
    THEN(product, EVENT_PRODUCT_DEFINED);
    assert_int_equal(now(product)->status, PRODUCT_STATUS_DEFINING);
    THEN_SENDS(product, 2);
    assert_str(SENT(product, 0, COMMAND_CLAIM_SKU, "sku_GREEN")->as.claim_sku.product, PRODUCT);
    assert_str(SENT(product, 1, COMMAND_CLAIM_SKU, "sku_BLACK")->as.claim_sku.product, PRODUCT);
    THEN_ANSWERS_NOBODY(product);
}

static void it_is_a_draft_when_the_last_sku_is_granted(void **state) {
    struct given *product = *state;
    struct variant variants[] = {variant("GREEN", 350), variant("BLACK", 300)};
    when(product, define(variants, 2));
    when(product, granted("BLACK"));
    THEN(product, EVENT_VARIANT_ADDED);
    THEN_ANSWERS_NOBODY(product);
    assert_int_equal(now(product)->status, PRODUCT_STATUS_DEFINING);
    when(product, granted("BLACK"));
    THEN_NOTHING(product);
    when(product, granted("GREEN"));
    THEN(product, EVENT_VARIANT_ADDED);
    THEN_ANSWERS(product, "cmd_define", ACCEPTED);
    assert_int_equal(now(product)->status, PRODUCT_STATUS_DRAFT);
}

static void a_refused_sku_undoes_the_definition_once_all_have_answered(void **state) {
    struct given *product = *state;
    struct variant variants[] = {variant("A", 1), variant("B", 1), variant("C", 1), variant("D", 1)};
    when(product, define(variants, 4));
    when(product, granted("A"));
    when(product, answered("cmd_define", "B", "prod_other"));
    THEN(product, EVENT_VARIANT_REFUSED);
    THEN_ANSWERS_NOBODY(product);
    when(product, answered("cmd_define", "C", "prod_other"));
    THEN(product, EVENT_VARIANT_REFUSED);
    when(product, granted("D"));
    THEN(product, EVENT_VARIANT_ADDED, EVENT_VARIANT_REMOVED, EVENT_VARIANT_REMOVED, EVENT_PRODUCT_ARCHIVED);
    assert_str(made(product, 3)->as.product_archived.reason, "sku_taken");
    THEN_SENDS(product, 2);
    assert_str(SENT(product, 0, COMMAND_RELEASE_SKU, "sku_A")->as.release_sku.product, PRODUCT);
    assert_str(SENT(product, 1, COMMAND_RELEASE_SKU, "sku_D")->as.release_sku.product, PRODUCT);
    const struct answer *answer = THEN_ANSWERS(product, "cmd_define", REJECT_SKU_TAKEN);
    assert_int_equal(answer->skus.count, 2);
    assert_str(answer->skus.items[0], "B");
    assert_str(answer->skus.items[1], "C");
    assert_int_equal(now(product)->status, PRODUCT_STATUS_ARCHIVED);
}

static void a_grant_that_comes_after_all_is_given_back(void **state) {
    struct given *product = *state;
    struct variant variants[] = {variant("A", 1)};
    when(product, define(variants, 1));
    when(product, answered("cmd_define", "A", "prod_other"));
    THEN(product, EVENT_VARIANT_REFUSED, EVENT_PRODUCT_ARCHIVED);
    when(product, granted("A"));
    THEN(product, EVENT_VARIANT_REMOVED);
    THEN_SENDS(product, 1);
    SENT(product, 0, COMMAND_RELEASE_SKU, "sku_A");
}

static void a_definition_names_each_sku_once(void **state) {
    struct given *product = *state;
    struct variant variants[] = {variant("A", 1), variant("B", 1), variant("A", 2)};
    when(product, define(variants, 3));
    THEN_REFUSED(product, REJECT_DUPLICATE_SKU, "/variants/2/sku");
    assert_str(product->decision.skus.items[0], "A");
    when(product, define(variants, 0));
    THEN_REFUSED(product, REJECT_NO_VARIANTS, "/variants");
}

static void a_product_is_defined_once(void **state) {
    struct given *product = *state;
    struct variant variants[] = {variant("A", 1)};
    when(product, define(variants, 1));
    THEN_REFUSED(product, REJECT_ALREADY_EXISTS, "");
}

static void a_product_that_is_being_defined_takes_no_changes(void **state) {
    struct given *product = *state;
    struct variant variants[] = {variant("A", 1)};
    when(product, define(variants, 1));
    const struct command commands[] = {
        retitle("x"),   plain(COMMAND_PUBLISH_PRODUCT), plain(COMMAND_ARCHIVE_PRODUCT), add("B"), reprice("A", 2),
        remove_sku("A")};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(product, commands[i]);
        THEN_REFUSED(product, REJECT_NOT_PUBLISHED, "");
    }
}

static void an_unknown_product_takes_nothing(void **state) {
    struct given *product = *state;
    const struct command commands[] = {retitle("x"),
                                       plain(COMMAND_PUBLISH_PRODUCT),
                                       plain(COMMAND_ARCHIVE_PRODUCT),
                                       add("B"),
                                       reprice("A", 2),
                                       remove_sku("A"),
                                       granted("A")};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(product, commands[i]);
        THEN_REFUSED(product, REJECT_UNKNOWN_PRODUCT, "");
    }
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

static void a_change_tells_before_and_after(void **state) {
    struct given *product = *state;
    when(product, retitle("Fine tea"));
    THEN(product, EVENT_PRODUCT_CHANGED);
    assert_str(made(product, 0)->as.product_changed.before.title, "Tea");
    assert_str(made(product, 0)->as.product_changed.after.title, "Fine tea");
    assert_str(now(product)->details.title, "Fine tea");
}

static void a_change_to_the_same_adds_no_event(void **state) {
    struct given *product = *state;
    when(product, retitle("Tea"));
    THEN_NOTHING(product);
    struct str tags[] = {STR("new"), STR("hot")};
    struct command retag = {.type = COMMAND_CHANGE_PRODUCT};
    retag.as.change_product = (struct change_product){.has_tags = true, .tags = {tags, 2, 2}};
    when(product, retag);
    THEN(product, EVENT_PRODUCT_CHANGED);
    when(product, retag);
    THEN_NOTHING(product);
    retag.as.change_product.tags.count = 1;
    when(product, retag);
    THEN(product, EVENT_PRODUCT_CHANGED);
    when(product, reprice("GREEN", 350));
    THEN_NOTHING(product);
}

static void a_change_of_nothing_is_refused(void **state) {
    struct given *product = *state;
    when(product, plain(COMMAND_CHANGE_PRODUCT));
    THEN_REFUSED(product, REJECT_NOTHING_TO_CHANGE, "");
    when(product, (struct command){.type = COMMAND_CHANGE_VARIANT, .as.change_variant.sku = STR("GREEN")});
    THEN_REFUSED(product, REJECT_NOTHING_TO_CHANGE, "");
}

static void a_variants_price_changes(void **state) {
    struct given *product = *state;
    when(product, reprice("BLACK", 310));
    THEN(product, EVENT_VARIANT_CHANGED);
    assert_int_equal(made(product, 0)->as.variant_changed.before.price.amount, 300);
    assert_int_equal(now(product)->variants.items[1].price.amount, 310);
    when(product, reprice("WHITE", 310));
    THEN_REFUSED(product, REJECT_UNKNOWN_VARIANT, "");
}

static void a_barcode_whose_check_digit_is_wrong_is_pointed_at(void **state) {
    struct given *product = *state;
    struct command command = add("WHITE");
    command.as.add_variant.has_barcode = true;
    command.as.add_variant.barcode = STR("4006381333930");
    when(product, command);
    THEN_REFUSED(product, REJECT_WRONG_CHECK_DIGIT, "/barcode");
    command.as.add_variant.barcode = STR("4006381333931");
    when(product, command);
    THEN(product, EVENT_VARIANT_PROPOSED);
    command = reprice("BLACK", 310);
    command.as.change_variant.has_barcode = true;
    command.as.change_variant.barcode = STR("036000291451");
    when(product, command);
    THEN_REFUSED(product, REJECT_WRONG_CHECK_DIGIT, "/barcode");
    struct given other;
    given_begin(&other, STR("prod_01J00000000000000000000009"));
    struct variant variants[] = {variant("A", 1), variant("B", 1)};
    variants[1].has_barcode = true;
    variants[1].barcode = STR("96385075");
    when(&other, define(variants, 2));
    THEN_REFUSED(&other, REJECT_WRONG_CHECK_DIGIT, "/variants/1/barcode");
    given_end(&other);
}

/* ---- publishing and archiving ------------------------------------------------------------------------------------ */

static void a_draft_is_published_and_archived_once(void **state) {
    struct given *product = *state;
    when(product, plain(COMMAND_PUBLISH_PRODUCT));
    THEN(product, EVENT_PRODUCT_PUBLISHED);
    when(product, plain(COMMAND_PUBLISH_PRODUCT));
    THEN_NOTHING(product);
    assert_true(now(product)->published_before);
    when(product, plain(COMMAND_ARCHIVE_PRODUCT));
    THEN(product, EVENT_PRODUCT_ARCHIVED);
    assert_str(made(product, 0)->as.product_archived.reason, "request");
    THEN_ANSWERS_NOBODY(product);
    when(product, plain(COMMAND_ARCHIVE_PRODUCT));
    THEN_NOTHING(product);
    when(product, plain(COMMAND_PUBLISH_PRODUCT));
    THEN_REFUSED(product, REJECT_PRODUCT_ARCHIVED, "");
    when(product, retitle("x"));
    THEN_REFUSED(product, REJECT_PRODUCT_ARCHIVED, "");
    when(product, add("WHITE"));
    THEN_REFUSED(product, REJECT_PRODUCT_ARCHIVED, "");
}

static void publishing_needs_a_variant(void **state) {
    struct given *product = *state;
    when(product, remove_sku("GREEN"));
    when(product, remove_sku("BLACK"));
    THEN(product, EVENT_VARIANT_REMOVED);
    when(product, plain(COMMAND_PUBLISH_PRODUCT));
    THEN_REFUSED(product, REJECT_NO_VARIANTS, "");
}

static void a_published_product_keeps_its_last_variant(void **state) {
    struct given *product = *state;
    when(product, plain(COMMAND_PUBLISH_PRODUCT));
    when(product, remove_sku("GREEN"));
    THEN(product, EVENT_VARIANT_REMOVED);
    when(product, remove_sku("BLACK"));
    THEN_REFUSED(product, REJECT_NO_VARIANTS, "");
    when(product, plain(COMMAND_ARCHIVE_PRODUCT));
    when(product, remove_sku("BLACK")); /* its SKU may be wanted elsewhere */
    THEN(product, EVENT_VARIANT_REMOVED);
    SENT(product, 0, COMMAND_RELEASE_SKU, "sku_BLACK");
    THEN_ANSWERS_NOBODY(product);
}

/* ---- adding and removing variants -------------------------------------------------------------------------------- */

static void a_variant_is_added_when_its_sku_is_granted(void **state) {
    struct given *product = *state;
    when(product, add("WHITE"));
    THEN(product, EVENT_VARIANT_PROPOSED);
    SENT(product, 0, COMMAND_CLAIM_SKU, "sku_WHITE");
    THEN_ANSWERS_NOBODY(product);
    when(product, add("WHITE"));
    THEN_REFUSED(product, REJECT_DUPLICATE_SKU, "/sku");
    when(product, answered("cmd_add", "WHITE", PRODUCT));
    THEN(product, EVENT_VARIANT_ADDED);
    THEN_ANSWERS(product, "cmd_add", ACCEPTED);
    assert_int_equal(now(product)->variants.count, 3);
    when(product, add("WHITE"));
    THEN_REFUSED(product, REJECT_DUPLICATE_SKU, "/sku");
}

static void two_variants_can_be_asked_for_at_once(void **state) {
    struct given *product = *state;
    struct command second = add("RED");
    second.meta.command_id = STR("cmd_second");
    when(product, add("WHITE"));
    when(product, second);
    when(product, answered("cmd_second", "RED", PRODUCT));
    THEN_ANSWERS(product, "cmd_second", ACCEPTED);
    when(product, answered("cmd_add", "WHITE", "prod_other"));
    THEN(product, EVENT_VARIANT_REFUSED);
    const struct answer *answer = THEN_ANSWERS(product, "cmd_add", REJECT_SKU_TAKEN);
    assert_str(answer->skus.items[0], "WHITE");
}

static void a_removed_variant_gives_its_sku_back(void **state) {
    struct given *product = *state;
    when(product, remove_sku("GREEN"));
    THEN(product, EVENT_VARIANT_REMOVED);
    THEN_SENDS(product, 1);
    assert_str(SENT(product, 0, COMMAND_RELEASE_SKU, "sku_GREEN")->as.release_sku.product, PRODUCT);
    assert_int_equal(now(product)->variants.count, 1);
    when(product, remove_sku("GREEN"));
    THEN_REFUSED(product, REJECT_UNKNOWN_VARIANT, "");
    when(product, answered("cmd_remove", "GREEN", ""));
    THEN_NOTHING(product);
}

static void a_product_told_of_a_release_it_does_not_know_of_asks_again(void **state) {
    struct given *product = *state;
    when(product, answered("cmd_old", "GREEN", ""));
    THEN(product, EVENT_VARIANT_PROPOSED);
    SENT(product, 0, COMMAND_CLAIM_SKU, "sku_GREEN");
    when(product, answered("cmd_old", "GREEN", PRODUCT));
    THEN(product, EVENT_VARIANT_ADDED);
    assert_int_equal(now(product)->variants.count, 2);
}

static void a_product_has_at_most_100_variants(void **state) {
    struct given *product = *state;
    for (int i = 2; i < PRODUCT_MAX_VARIANTS; i++) {
        char sku[16];
        (void)snprintf(sku, sizeof sku, "V%d", i);
        when(product, add(sku));
        THEN(product, EVENT_VARIANT_PROPOSED);
        if (i % 2 == 0) { /* those asked for count as well */
            when(product, answered("cmd_add", sku, PRODUCT));
        }
    }
    when(product, add("ONE-MORE"));
    THEN_REFUSED(product, REJECT_TOO_MANY_VARIANTS, "");
    static struct variant many[PRODUCT_MAX_VARIANTS + 1];
    struct given other;
    given_begin(&other, STR("prod_other"));
    when(&other, define(many, PRODUCT_MAX_VARIANTS + 1));
    THEN_REFUSED(&other, REJECT_TOO_MANY_VARIANTS, "/variants");
    given_end(&other);
}

static void what_a_product_holds_in_all_is_bounded(void **state) {
    struct given *product = *state;
    static char text[PRODUCT_MAX_BYTES];
    memset(text, 'x', sizeof text);
    struct attribute attributes[] = {{STR("a"), str_of(text, PRODUCT_MAX_BYTES - 1000)},
                                     {STR("b"), str_of(text, 1000)}};
    struct command change = {.type = COMMAND_CHANGE_VARIANT,
                             .as.change_variant = {.sku = STR("GREEN"), .has_attributes = true}};
    change.as.change_variant.attributes = (struct attribute_array){attributes, 2, 2};
    when(product, change);
    THEN_REFUSED(product, REJECT_PRODUCT_TOO_LARGE, "");
    change.as.change_variant.attributes.count = 1;
    when(product, change);
    THEN(product, EVENT_VARIANT_CHANGED);
    struct command describe = {.type = COMMAND_CHANGE_PRODUCT, .as.change_product.has_description = true};
    describe.as.change_product.description = str_of(text, 1000);
    when(product, describe);
    THEN_REFUSED(product, REJECT_PRODUCT_TOO_LARGE, "");
    struct command one_more = add("ONE-MORE");
    one_more.as.add_variant.has_title = true;
    one_more.as.add_variant.title = str_of(text, 1000);
    when(product, one_more);
    THEN_REFUSED(product, REJECT_PRODUCT_TOO_LARGE, "");
    when(product, add("ONE-MORE"));
    THEN(product, EVENT_VARIANT_PROPOSED);
    change.as.change_variant.attributes.items[0].value.len /= 2;
    when(product, change);
    THEN(product, EVENT_VARIANT_CHANGED);
    struct variant large = variant("LARGE", 1);
    large.attributes = (struct attribute_array){attributes, 2, 2};
    attributes[0].value.len = PRODUCT_MAX_BYTES;
    struct given other;
    given_begin(&other, STR("prod_other"));
    when(&other, define(&large, 1));
    THEN_REFUSED(&other, REJECT_PRODUCT_TOO_LARGE, "");
    given_end(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define DRAFT(name) cmocka_unit_test_setup_teardown(name, begin_draft, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_definition_asks_for_each_sku),
        TEST(it_is_a_draft_when_the_last_sku_is_granted),
        TEST(a_refused_sku_undoes_the_definition_once_all_have_answered),
        TEST(a_grant_that_comes_after_all_is_given_back),
        TEST(a_definition_names_each_sku_once),
        DRAFT(a_product_is_defined_once),
        TEST(a_product_that_is_being_defined_takes_no_changes),
        TEST(an_unknown_product_takes_nothing),
        DRAFT(a_change_tells_before_and_after),
        DRAFT(a_change_to_the_same_adds_no_event),
        DRAFT(a_change_of_nothing_is_refused),
        DRAFT(a_variants_price_changes),
        DRAFT(a_barcode_whose_check_digit_is_wrong_is_pointed_at),
        DRAFT(a_draft_is_published_and_archived_once),
        DRAFT(publishing_needs_a_variant),
        DRAFT(a_published_product_keeps_its_last_variant),
        DRAFT(a_variant_is_added_when_its_sku_is_granted),
        DRAFT(two_variants_can_be_asked_for_at_once),
        DRAFT(a_removed_variant_gives_its_sku_back),
        DRAFT(a_product_told_of_a_release_it_does_not_know_of_asks_again),
        DRAFT(a_product_has_at_most_100_variants),
        DRAFT(what_a_product_holds_in_all_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
