#include "core/gateway/priced.h"

#include "core/base/array.h"
#include "core/gateway/facts.h"

static struct price_fact_array *facts_of_open(struct command *command) {
    return &command->as.open_cart.price_facts;
}

static struct str_array skus_of_open(struct arena *arena, const struct command *command) {
    const struct line_request_array *lines = &command->as.open_cart.lines;
    struct str_array skus = {0};
    for (uint32_t i = 0; i < lines->count && i < FACTS_SKUS_MAX; i++) {
        *ARRAY_PUSH(arena, &skus) = lines->items[i].sku;
    }
    return skus;
}

static struct price_fact_array *facts_of_line(struct command *command) {
    return &command->as.set_cart_line.price_facts;
}

/* A line that is taken out costs nothing. */
static struct str_array skus_of_line(struct arena *arena, const struct command *command) {
    struct str_array skus = {0};
    if (command->as.set_cart_line.quantity > 0) {
        *ARRAY_PUSH(arena, &skus) = command->as.set_cart_line.sku;
    }
    return skus;
}

static struct price_fact_array *facts_of_checkout(struct command *command) {
    return &command->as.check_out_cart.price_facts;
}

static const struct priced_command priced_commands[] = {
    {COMMAND_OPEN_CART, facts_of_open, skus_of_open},
    {COMMAND_SET_CART_LINE, facts_of_line, skus_of_line},
    {COMMAND_CHECK_OUT_CART, facts_of_checkout, NULL},
};

const struct priced_command *priced_command(uint16_t type) {
    for (size_t i = 0; i < ARRAY_LENGTH(priced_commands); i++) {
        if (priced_commands[i].type == type) {
            return &priced_commands[i];
        }
    }
    return NULL;
}
