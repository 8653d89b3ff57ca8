#include "core/testing/simulator/shopper_parts.h"

enum { PRICE_LEAST = 99, PRICE_MOST = 49999, FREE_ONE_IN = 12 };

static struct {
    struct offer *offers;
    uint32_t count;
} catalogue;

void catalogue_init(void) {
    const struct shopper_plan *plan = &clients.plan;
    catalogue.count = plan->products * plan->variants;
    catalogue.offers = arena_alloc(&clients.arena, catalogue.count * sizeof *catalogue.offers);
    for (uint32_t i = 0; i < catalogue.count; i++) {
        struct offer *offer = &catalogue.offers[i];
        offer->is_hot = i < plan->hot_skus;
        offer->sku = arena_printf(&clients.arena, "%s-%u", offer->is_hot ? "HOT" : "SKU", i);
        offer->title = arena_printf(&clients.arena, "Thing %u", i);
        /* What costs nothing is paid without a provider. */
        bool is_free = !offer->is_hot && sim_random(FREE_ONE_IN) == 0;
        offer->price = (struct money){is_free ? 0 : sim_between(PRICE_LEAST, PRICE_MOST), STR("EUR")};
        offer->older_price = offer->price;
    }
}

uint32_t catalogue_count(void) {
    return catalogue.count;
}

struct offer *catalogue_at(uint32_t index) {
    return &catalogue.offers[index];
}

struct offer *catalogue_find(struct str sku) {
    for (uint32_t i = 0; i < catalogue.count; i++) {
        if (str_equal(catalogue.offers[i].sku, sku)) {
            return &catalogue.offers[i];
        }
    }
    return NULL;
}

struct offer *catalogue_draw(void) {
    bool wants_hot = sim_chance(clients.plan.hot);
    uint32_t start = (uint32_t)sim_random(catalogue.count);
    struct offer *second_best = NULL;
    for (uint32_t i = 0; i < catalogue.count; i++) {
        struct offer *offer = &catalogue.offers[(start + i) % catalogue.count];
        if (str_is_empty(offer->product)) {
            continue;
        }
        if (offer->is_hot == wants_hot) {
            return offer;
        }
        second_best = offer;
    }
    return second_best;
}

void catalogue_publish(struct str sku, struct str product) {
    struct offer *offer = catalogue_find(sku);
    if (offer != NULL) {
        offer->product = product;
    }
}

struct str catalogue_location(uint32_t index) {
    static const char *const names[] = {"berlin", "lyon", "porto", "turku"};
    return str_of_cstr(names[index % ARRAY_LENGTH(names)]);
}

/* ---- price facts ------------------------------------------------------------------------------------------------- */

/* NULL: the command needs none. */
static struct price_fact_array *facts_of(struct command *command) {
    if (command->type == COMMAND_OPEN_CART) {
        return &command->as.open_cart.price_facts;
    }
    if (command->type == COMMAND_SET_CART_LINE) {
        return &command->as.set_cart_line.price_facts;
    }
    return command->type == COMMAND_CHECK_OUT_CART ? &command->as.check_out_cart.price_facts : NULL;
}

void catalogue_attach(struct command *command, const struct str_array *skus, bool are_fresh) {
    struct price_fact_array *facts = facts_of(command);
    for (uint32_t i = 0; facts != NULL && i < skus->count; i++) {
        const struct offer *offer = catalogue_find(skus->items[i]);
        bool is_known =
            offer != NULL && !str_is_empty(offer->product) && (are_fresh || !sim_chance(clients.plan.missing_fact));
        if (is_known) {
            bool is_stale = !are_fresh && sim_chance(clients.plan.stale_fact);
            *ARRAY_PUSH(&clients.arena, facts) = (struct price_fact){
                .sku = offer->sku,
                .product = offer->product,
                .title = offer->title,
                .price = is_stale ? offer->older_price : offer->price,
            };
        }
    }
}
