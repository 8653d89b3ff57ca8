/* oddities.c: requests that no good client makes: past every bound, under another's name, torn, from the day before
 * yesterday. Each is there for a refusal, or for what happens beside it. */
#include "core/testing/simulator/shopper_parts.h"

#include "core/base/timestamp.h"
#include "core/domain/cart/cart.h"
#include "core/domain/ids.h"
#include "core/domain/payment/payment.h"
#include "core/domain/product/product.h"
#include "core/domain/product/size.h"
#include "core/domain/sku/sku.h"

enum {
    OLD_S = 3 * 86400,         /* older than any window */
    SWIFT_MOST_US = 20 * 1000, /* a request that overtakes what it is about */
    SWIFT_VARIANTS = 30,
    SWIFT_TRIES = 4,
    LONG_ONE_IN = 12, /* those that take a hundred requests */
};

static uint32_t oddities; /* so far; makes SKUs */

static struct errand odd_errand(uint16_t command_type, struct str stream) {
    return errand_of(CLERK_NUMBER, command_type, stream, NULL, NULL);
}

static struct str odd_sku(uint32_t number) {
    return arena_printf(&clients.arena, "ODD-%u-%u", oddities, number);
}

static struct errand define_odd(uint32_t variants) {
    struct errand errand = odd_errand(COMMAND_DEFINE_PRODUCT, STR(""));
    struct define_product *define = &errand.command.as.define_product;
    errand.created_prefix = "prod_";
    define->title = STR("An odd thing");
    for (uint32_t i = 0; i < variants; i++) {
        *ARRAY_PUSH(&clients.arena, &define->variants) =
            (struct variant){.sku = odd_sku(i), .price = {100, STR("EUR")}};
    }
    return errand;
}

/* ---- past the bounds --------------------------------------------------------------------------------------------- */

static struct errand too_large_a_product(void) {
    struct errand errand = define_odd(1);
    char *text = arena_alloc(&clients.arena, PRODUCT_MAX_BYTES + 1);
    memset(text, 'x', PRODUCT_MAX_BYTES + 1);
    errand.command.as.define_product.has_description = true;
    errand.command.as.define_product.description = str_of(text, PRODUCT_MAX_BYTES + 1);
    return errand;
}

static struct errand too_long_a_cart(void) {
    struct errand errand = odd_errand(COMMAND_OPEN_CART, STR(""));
    errand.created_prefix = "cart_";
    errand.command.as.open_cart.currency = STR("EUR");
    for (uint32_t i = 0; i <= CART_MAX_LINES; i++) {
        *ARRAY_PUSH(&clients.arena, &errand.command.as.open_cart.lines) = (struct line_request){odd_sku(i), 1};
    }
    return errand;
}

/* The same again and again, until it is refused, given up, or was done so often. */
struct series {
    struct errand next;
    void (*on_end)(struct errand *errand);
    void (*vary)(struct errand *errand, uint32_t number);
    uint32_t number, most;
};

static void on_series_step(struct errand *errand) {
    struct series *series = errand->context;
    if (!errand_is_accepted(errand) || series->number >= series->most) {
        errand->context = NULL;
        series->on_end(errand);
        return;
    }
    series->number++;
    if (series->vary != NULL) {
        series->vary(&series->next, series->number);
    }
    (void)errand_begin(&series->next);
}

static struct errand series_of(struct errand first, uint32_t most, void (*vary)(struct errand *, uint32_t)) {
    struct series *series = arena_alloc(&clients.arena, sizeof *series);
    *series = (struct series){.next = first, .vary = vary, .most = most};
    series->next.on_end = on_series_step;
    series->next.context = series;
    return series->next;
}

static void at_another_place(struct errand *errand, uint32_t number) {
    errand->command.as.receive_stock.location = arena_printf(&clients.arena, "shelf-%u", number);
}

static struct errand too_many_places(const struct offer *offer) {
    struct errand errand = odd_errand(COMMAND_RECEIVE_STOCK, sku_stream(&clients.arena, offer->sku));
    errand.command.as.receive_stock = (struct receive_stock){.location = STR("shelf-0"), .quantity = 1};
    return series_of(errand, SKU_MAX_LOCATIONS, at_another_place);
}

static struct errand too_many_refunds(struct str payment) {
    struct errand errand = odd_errand(COMMAND_REFUND_PAYMENT, payment);
    errand.command.as.refund_payment = (struct refund_payment){.has_amount = true, .amount = {1, STR("EUR")}};
    return series_of(errand, PAYMENT_MAX_REFUNDS, NULL);
}

/* ---- out of place ------------------------------------------------------------------------------------------------ */

static struct errand define_again(const struct offer *offer) {
    struct errand errand = define_odd(1);
    errand.created_prefix = NULL;
    errand.command.meta.stream = offer->product;
    return errand;
}

static struct errand of_another_kind(const struct offer *offer) {
    struct errand errand = odd_errand(COMMAND_RECEIVE_STOCK, offer->product);
    errand.command.as.receive_stock = (struct receive_stock){.location = STR("berlin"), .quantity = 1};
    return errand;
}

static struct errand torn(const struct offer *offer) {
    struct errand errand = odd_errand(COMMAND_ADJUST_STOCK, sku_stream(&clients.arena, offer->sku));
    errand.command.as.adjust_stock =
        (struct adjust_stock){.location = STR("berlin"), .delta = 1, .reason = STR("torn on its way")};
    errand.is_torn = true;
    return errand;
}

static struct errand long_ago(const struct offer *offer) {
    struct errand errand = odd_errand(COMMAND_ADJUST_STOCK, sku_stream(&clients.arena, offer->sku));
    errand.command.as.adjust_stock =
        (struct adjust_stock){.location = STR("berlin"), .delta = 1, .reason = STR("long ago")};
    errand.age_us = (int64_t)OLD_S * MICROS_PER_SECOND;
    return errand;
}

static struct errand never_asked(struct str payment) {
    struct errand errand = odd_errand(COMMAND_RECORD_PROVIDER_OUTCOME, payment);
    errand.has_key = false;
    errand.command.as.record_provider_outcome =
        (struct record_provider_outcome){.intent = arena_printf(&clients.arena, "%.*s.refund.99", STR_ARGS(payment)),
                                         .result = STR("refunded"),
                                         .amount = {1, STR("EUR")}};
    return errand;
}

/* ---- too soon ---------------------------------------------------------------------------------------------------- */

static void go_on_swiftly(void *context) {
    static const uint16_t types[] = {COMMAND_PUBLISH_PRODUCT, COMMAND_PUBLISH_PRODUCT, COMMAND_ARCHIVE_PRODUCT,
                                     COMMAND_REMOVE_VARIANT, COMMAND_ADD_VARIANT};
    const struct errand *define = context;
    struct errand next = odd_errand(types[sim_random(ARRAY_LENGTH(types))], define->entry->stream);
    next.has_key = false;
    if (next.command.type == COMMAND_REMOVE_VARIANT) {
        next.command.as.remove_variant.sku = define->command.as.define_product.variants.items[0].sku;
    } else if (next.command.type == COMMAND_ADD_VARIANT) {
        next.command.as.add_variant = (struct add_variant){.sku = odd_sku(SWIFT_VARIANTS), .price = {1, STR("EUR")}};
    }
    (void)errand_begin(&next);
    actor_is_idle();
}

/* A product with so many SKUs that they are not all claimed when it is to be published, or to go. */
static void define_swiftly(void) {
    struct errand define = define_odd(SWIFT_VARIANTS);
    const struct errand *begun = errand_begin(&define);
    for (int i = 0; i < SWIFT_TRIES; i++) {
        actor_is_busy();
        sim_after(sim_between(0, SWIFT_MOST_US), NULL, go_on_swiftly, (void *)begun);
    }
}

/* ---- any --------------------------------------------------------------------------------------------------------- */

static struct errand any_oddity(const struct offer *offer, struct str payment) {
    bool is_long = sim_random(LONG_ONE_IN) == 0;
    switch (sim_random(8)) {
    case 0:
        return define_odd(PRODUCT_MAX_VARIANTS + 1);
    case 1:
        return too_large_a_product();
    case 2:
        return is_long ? too_many_places(offer) : too_long_a_cart();
    case 3:
        return define_again(offer);
    case 4:
        return of_another_kind(offer);
    case 5:
        return torn(offer);
    case 6:
        return long_ago(offer);
    default:
        if (str_is_empty(payment)) {
            return long_ago(offer);
        }
        return is_long ? too_many_refunds(payment) : never_asked(payment);
    }
}

struct errand oddity(const struct offer *offer, struct str payment, void (*on_end)(struct errand *errand)) {
    oddities++;
    if (sim_random(8) == 0) {
        define_swiftly();
        oddities++;
    }
    struct errand errand = any_oddity(offer, payment);
    if (errand.on_end == on_series_step) {
        struct series *series = errand.context;
        series->on_end = on_end;
    } else {
        errand.on_end = on_end;
    }
    return errand;
}
