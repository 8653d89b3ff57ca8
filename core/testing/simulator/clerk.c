#include "core/testing/simulator/shopper_parts.h"

#include "core/domain/category/category.h"
#include "core/domain/ids.h"

enum { SETUP_TRIES_FACTOR = 4, ORDERS_MAX = 4096, GIVEN_UP_ONE_IN = 25, CATEGORIES = 12 };

struct noted_order {
    struct str order;
    uint32_t payments;
};

static struct {
    uint32_t setups_open;
    uint32_t acts_left;
    uint32_t spares; /* products of no use that were defined so far */
    struct noted_order orders[ORDERS_MAX];
    uint32_t order_count;
} clerk;

bool clerk_is_open(void) {
    return clerk.setups_open == 0;
}

void clerk_notes_order(struct str order, uint32_t payments) {
    if (clerk.order_count < ORDERS_MAX) {
        clerk.orders[clerk.order_count++] = (struct noted_order){order, payments};
    }
}

/* ---- opening the shop -------------------------------------------------------------------------------------------- */

/* A product on its way: defined, published, and then each SKU stocked at each location. */
struct setup {
    uint32_t first_offer;
    struct str product;
    uint32_t received; /* receipts so far */
};

static struct errand setup_errand(struct setup *setup, uint16_t command_type, struct str stream,
                                  void (*on_end)(struct errand *)) {
    struct errand errand = errand_of(CLERK_NUMBER, command_type, stream, on_end, setup);
    errand.tries_left = clients.plan.tries * SETUP_TRIES_FACTOR;
    return errand;
}

static void receive_next(struct setup *setup);

static void on_received(struct errand *errand) {
    struct setup *setup = errand->context;
    setup->received++;
    receive_next(setup);
}

static void receive_next(struct setup *setup) {
    const struct shopper_plan *plan = &clients.plan;
    if (setup->received == plan->variants * plan->locations) {
        clerk.setups_open--;
        return;
    }
    const struct offer *offer = catalogue_at(setup->first_offer + setup->received / plan->locations);
    struct errand errand =
        setup_errand(setup, COMMAND_RECEIVE_STOCK, sku_stream(&clients.arena, offer->sku), on_received);
    errand.command.as.receive_stock = (struct receive_stock){
        .location = catalogue_location(setup->received % plan->locations),
        .quantity = offer->is_hot ? plan->hot_stock_units : plan->stock_units,
        .has_reference = true,
        .reference = STR("the first delivery"),
    };
    (void)errand_begin(&errand);
}

static void on_published(struct errand *errand) {
    struct setup *setup = errand->context;
    if (!errand_is_accepted(errand)) {
        clerk.setups_open--;
        return;
    }
    for (uint32_t i = 0; i < clients.plan.variants; i++) {
        catalogue_publish(catalogue_at(setup->first_offer + i)->sku, setup->product);
    }
    receive_next(setup);
}

static void on_defined(struct errand *errand) {
    struct setup *setup = errand->context;
    if (!errand_is_accepted(errand)) {
        clerk.setups_open--;
        return;
    }
    setup->product = errand->entry->stream;
    struct errand publish = setup_errand(setup, COMMAND_PUBLISH_PRODUCT, setup->product, on_published);
    (void)errand_begin(&publish);
}

static void add_variant_of(struct define_product *define, struct str sku, struct money price) {
    *ARRAY_PUSH(&clients.arena, &define->variants) = (struct variant){.sku = sku, .price = price};
}

static void setup_begin(uint32_t product) {
    struct setup *setup = arena_alloc(&clients.arena, sizeof *setup);
    setup->first_offer = product * clients.plan.variants;
    struct errand define = setup_errand(setup, COMMAND_DEFINE_PRODUCT, STR(""), on_defined);
    define.created_prefix = "prod_";
    define.command.as.define_product.title = catalogue_at(setup->first_offer)->title;
    for (uint32_t i = 0; i < clients.plan.variants; i++) {
        const struct offer *offer = catalogue_at(setup->first_offer + i);
        add_variant_of(&define.command.as.define_product, offer->sku, offer->price);
    }
    clerk.setups_open++;
    (void)errand_begin(&define);
}

/* ---- acts: stock ------------------------------------------------------------------------------------------------- */

static void next_act(void *context);

static void on_act_end(struct errand *errand) {
    (void)errand;
    actor_thinks(next_act, NULL);
}

static struct errand act_errand(uint16_t command_type, struct str stream) {
    return errand_of(CLERK_NUMBER, command_type, stream, on_act_end, NULL);
}

static struct str any_location(void) {
    return catalogue_location((uint32_t)sim_random(clients.plan.locations));
}

static struct errand receive(const struct offer *offer) {
    struct errand errand = act_errand(COMMAND_RECEIVE_STOCK, sku_stream(&clients.arena, offer->sku));
    errand.command.as.receive_stock =
        (struct receive_stock){.location = any_location(), .quantity = sim_between(1, offer->is_hot ? 2 : 10)};
    return errand;
}

static struct errand adjust(const struct offer *offer) {
    struct errand errand = act_errand(COMMAND_ADJUST_STOCK, sku_stream(&clients.arena, offer->sku));
    bool is_absurd = sim_random(8) == 0;
    errand.command.as.adjust_stock = (struct adjust_stock){
        .location = any_location(),
        .delta = is_absurd ? -sim_between(1000, 100000) : sim_between(-3, 3),
        .reason = STR("counted again"),
    };
    return errand;
}

static struct errand transfer(const struct offer *offer) {
    struct errand errand = act_errand(COMMAND_TRANSFER_STOCK, sku_stream(&clients.arena, offer->sku));
    errand.command.as.transfer_stock = (struct transfer_stock){
        .from = any_location(),
        .to = sim_random(8) == 0 ? STR("narvik") : any_location(),
        .quantity = sim_between(1, 5),
    };
    return errand;
}

static void on_price_changed(struct errand *errand) {
    struct offer *offer = errand->context;
    if (errand_is_accepted(errand)) {
        offer->older_price = offer->price;
        offer->price = errand->command.as.change_variant.price;
    }
    on_act_end(errand);
}

static struct errand change_price(struct offer *offer) {
    struct errand errand = act_errand(COMMAND_CHANGE_VARIANT, offer->product);
    int64_t price = offer->price.amount == 0 ? 0 : sim_between(99, 49999);
    errand.on_end = on_price_changed;
    errand.context = offer;
    errand.has_key = sim_chance(clients.plan.key);
    errand.command.as.change_variant =
        (struct change_variant){.sku = offer->sku, .has_price = true, .price = {price, STR("EUR")}};
    return errand;
}

/* ---- acts: products that lead to nothing ------------------------------------------------------------------------- */

static struct errand define_spare(struct str more_sku) {
    struct errand errand = act_errand(COMMAND_DEFINE_PRODUCT, STR(""));
    errand.created_prefix = "prod_";
    struct define_product *define = &errand.command.as.define_product;
    define->title = STR("A thing that nobody buys");
    struct money price = {1000, STR("EUR")};
    add_variant_of(define, arena_printf(&clients.arena, "SPARE-%u", ++clerk.spares), price);
    if (!str_is_empty(more_sku)) {
        add_variant_of(define, more_sku, price);
    }
    return errand;
}

/* Wants a SKU that another product has: it is undone as a whole. */
static struct errand define_rival(const struct offer *offer) {
    return define_spare(offer->sku);
}

static struct str spare_sku_of(const struct errand *errand) {
    return errand->command.as.define_product.variants.items[0].sku;
}

static void on_spare_archived(struct errand *errand) {
    struct errand late = act_errand(COMMAND_PUBLISH_PRODUCT, errand->entry->stream);
    late.has_key = sim_chance(clients.plan.key);
    (void)errand_begin(&late);
}

static void on_spare_variant_gone(struct errand *errand) {
    struct errand archive = act_errand(COMMAND_ARCHIVE_PRODUCT, errand->entry->stream);
    archive.on_end = on_spare_archived;
    (void)errand_begin(&archive);
}

static void on_spare_variant(struct errand *errand) {
    struct errand removal = act_errand(COMMAND_REMOVE_VARIANT, errand->entry->stream);
    removal.on_end = on_spare_variant_gone;
    removal.command.as.remove_variant.sku = errand->command.as.add_variant.sku;
    (void)errand_begin(&removal);
}

static void on_spare_changed(struct errand *errand) {
    struct errand add = act_errand(COMMAND_ADD_VARIANT, errand->entry->stream);
    const struct offer *taken = sim_random(2) == 0 ? catalogue_draw() : NULL;
    add.on_end = on_spare_variant;
    add.command.as.add_variant = (struct add_variant){
        .sku = taken != NULL ? taken->sku : arena_printf(&clients.arena, "SPARE-%u", ++clerk.spares),
        .price = {500, STR("EUR")},
    };
    (void)errand_begin(&add);
}

static void on_spare_priced(struct errand *errand) {
    struct errand change = act_errand(COMMAND_CHANGE_PRODUCT, errand->entry->stream);
    change.on_end = on_spare_changed;
    change.command.as.change_product = (struct change_product){.has_title = true, .title = STR("Another title")};
    change.command.meta.has_expected_version = sim_random(2) == 0;
    change.command.meta.expected_version = sim_between(1, 5);
    (void)errand_begin(&change);
}

/* The life of a product in short: defined, on sale or not, changed, a variant more, one less, archived. */
static void on_spare_defined(struct errand *errand) {
    if (!errand_is_accepted(errand)) {
        on_act_end(errand);
        return;
    }
    if (sim_random(2) == 0) {
        struct errand publish = act_errand(COMMAND_PUBLISH_PRODUCT, errand->entry->stream);
        publish.on_end = on_spare_priced;
        (void)errand_begin(&publish);
        return;
    }
    struct errand price = act_errand(COMMAND_CHANGE_VARIANT, errand->entry->stream);
    price.on_end = on_spare_priced;
    price.command.as.change_variant =
        (struct change_variant){.sku = spare_sku_of(errand), .has_price = true, .price = {900, STR("EUR")}};
    (void)errand_begin(&price);
}

static struct errand live_spare(void) {
    struct errand errand = define_spare(STR(""));
    errand.on_end = on_spare_defined;
    return errand;
}

/* ---- acts: categories -------------------------------------------------------------------------------------------- */

static struct str any_category(void) {
    return arena_printf(&clients.arena, "cat-%u", (uint32_t)sim_random(CATEGORIES));
}

/* Few names, so that one is put into another that is on its way to be put into it. */
static struct errand plant(void) {
    bool is_removal = sim_random(5) == 0;
    struct errand errand =
        act_errand(is_removal ? COMMAND_REMOVE_CATEGORY : COMMAND_PUT_CATEGORY, STR(CATEGORY_TREE_STREAM));
    errand.has_key = sim_chance(clients.plan.key);
    errand.command.meta.has_expected_version = sim_random(8) == 0;
    errand.command.meta.expected_version = sim_between(1, 9);
    if (is_removal) {
        errand.command.as.remove_category.slug = any_category();
        return errand;
    }
    errand.command.as.put_category = (struct put_category){
        .slug = any_category(),
        .title = sim_random(2) == 0 ? STR("A category") : STR("Another title"),
        .has_parent = sim_random(4) > 0,
        .position = (int32_t)sim_random(3),
    };
    errand.command.as.put_category.parent = errand.command.as.put_category.has_parent ? any_category() : STR("");
    return errand;
}

/* ---- acts: orders and payments ----------------------------------------------------------------------------------- */

static struct errand pay_back(const struct noted_order *noted) {
    int32_t number = (int32_t)sim_between(1, noted->payments > 0 ? noted->payments : 1);
    struct str payment = payment_id(&clients.arena, noted->order, number);
    if (sim_chance(clients.plan.refund)) {
        struct errand errand = act_errand(COMMAND_REFUND_PAYMENT, payment);
        errand.command.as.refund_payment =
            (struct refund_payment){.has_amount = sim_random(4) > 0,
                                    .amount = {sim_random(8) == 0 ? 100000000 : sim_between(0, 2000), STR("EUR")}};
        return errand;
    }
    return act_errand(sim_random(2) == 0 ? COMMAND_CAPTURE_PAYMENT : COMMAND_VOID_PAYMENT, payment);
}

static struct errand cancel(struct str order) {
    struct errand errand = act_errand(COMMAND_CANCEL_ORDER, order);
    errand.command.as.cancel_order.reason = STR("the clerk thought so");
    return errand;
}

/* What there is none of, or what cannot be. */
static struct errand ask_for_nothing(void) {
    struct errand errand;
    switch (sim_random(5)) {
    case 0:
        errand = act_errand(COMMAND_RECEIVE_STOCK, STR("sku_NOTHING"));
        errand.command.as.receive_stock = (struct receive_stock){.location = any_location(), .quantity = 1};
        return errand;
    case 1:
        return act_errand(COMMAND_PUBLISH_PRODUCT, STR("prod_00000000000000000000000000"));
    case 2:
        errand = act_errand(COMMAND_SET_CART_LINE, STR("cart_00000000000000000000000000"));
        errand.command.as.set_cart_line.sku = STR("TEA");
        return errand;
    case 3:
        errand = define_spare(STR(""));
        add_variant_of(&errand.command.as.define_product, spare_sku_of(&errand), (struct money){1, STR("EUR")});
        return errand;
    default:
        return cancel(STR("ord_00000000000000000000000000.1"));
    }
}

/* No longer sold, whatever the fronts still say: orders for it find that out. Its units stay. */
static struct errand give_up_sku(const struct offer *offer) {
    struct errand errand = act_errand(COMMAND_REMOVE_VARIANT, offer->product);
    errand.command.as.remove_variant.sku = offer->sku;
    return errand;
}

/* ---- acts -------------------------------------------------------------------------------------------------------- */

static struct errand any_act(void) {
    struct offer *offer = catalogue_draw();
    const struct noted_order *noted = clerk.order_count > 0 ? &clerk.orders[sim_random(clerk.order_count)] : NULL;
    uint64_t which = sim_random(15);
    if (offer == NULL || which == 0) {
        return ask_for_nothing();
    }
    if (which >= 13) {
        return plant();
    }
    if (which == 12) {
        struct str payment = noted == NULL ? STR("") : payment_id(&clients.arena, noted->order, 1);
        return oddity(offer, payment, on_act_end);
    }
    if (which <= 2) {
        return receive(offer);
    }
    if (which <= 4) {
        return adjust(offer);
    }
    if (which <= 6) {
        return transfer(offer);
    }
    if (which == 7) {
        return sim_random(GIVEN_UP_ONE_IN) == 0 ? give_up_sku(offer) : change_price(offer);
    }
    if (which == 8) {
        return sim_random(2) == 0 ? define_rival(offer) : live_spare();
    }
    if (noted == NULL) {
        return receive(offer);
    }
    return which == 9 ? cancel(noted->order) : pay_back(noted);
}

static void next_act(void *context) {
    (void)context;
    if (!clerk_is_open()) {
        actor_thinks(next_act, NULL);
    } else if (clerk.acts_left == 0) {
        actor_is_idle();
    } else {
        clerk.acts_left--;
        struct errand errand = any_act();
        (void)errand_begin(&errand);
    }
}

void clerk_start(void) {
    clerk.acts_left = clients.plan.clerk_acts;
    for (uint32_t i = 0; i < clients.plan.products; i++) {
        setup_begin(i);
    }
    actor_is_busy();
    actor_thinks(next_act, NULL);
}
