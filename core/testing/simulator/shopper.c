#include "core/testing/simulator/shopper.h"

#include <assert.h>
#include <inttypes.h>

#include "core/testing/simulator/shopper_parts.h"

static uint32_t per_million(int64_t least_percent, int64_t most_percent) {
    return (uint32_t)sim_between(least_percent * 10000, most_percent * 10000);
}

static uint32_t count_between(int64_t least, int64_t most) {
    return (uint32_t)sim_between(least, most);
}

void shopper_plan_draw(struct shopper_plan *ret_plan) {
    struct shopper_plan plan = {
        .fronts = count_between(1, SHOPPER_FRONTS_MAX),
        .shoppers = count_between(2, 24),
        .purchases = count_between(2, 8),
        .clerk_acts = count_between(5, 50),
        .products = count_between(1, 4),
        .variants = count_between(1, 4),
        .locations = count_between(1, 3),
        .stock_units = sim_between(10, 60),
        .hot_stock_units = sim_between(1, 6),
        .lines_most = count_between(1, 6),
        .quantity_most = sim_between(1, 4),
        .think_least_us = sim_between(1, 100) * 1000,
        .think_most_us = sim_between(100, 3000) * 1000,
        .patience_us = sim_between(6000, 12000) * 1000,
        .backoff_least_us = sim_between(10, 200) * 1000,
        .backoff_most_us = sim_between(500, 4000) * 1000,
        .tries = count_between(3, 8),
        .hop_least_us = sim_between(50, 500),
        .hop_most_us = sim_between(1000, 30000),
        .hot = per_million(10, 80),
        .key = per_million(20, 80),
        .double_click = per_million(0, 25),
        .changed_body = per_million(0, 15),
        .ask = per_million(10, 60),
        .lost_answer = per_million(0, 5),
        .hasty_cancel = per_million(0, 20),
        .late_cancel = per_million(5, 40),
        .pay_again = per_million(30, 80),
        .last_moment = per_million(0, 30),
        .refund = per_million(30, 80),
        .missing_fact = per_million(0, 8),
        .stale_fact = per_million(0, 15),
        .wrong_total = per_million(0, 20),
    };
    plan.hot_skus = count_between(1, plan.products * plan.variants < 3 ? 1 : 3);
    plan.with_overcharge = sim_random(10) == 0;
    plan.people = count_between(0, 5);
    plan.person_acts = count_between(5, 30);
    plan.addresses = count_between(1, 4);
    plan.keepers = count_between(0, 2);
    *ret_plan = plan;
}

void shopper_plan_write(const struct shopper_plan *plan, FILE *file) {
    fprintf(file,
            "%u fronts, %u shoppers with %u purchases each, %u people with %u acts each who want %u addresses, %u keep "
            "API keys, %u acts of the clerk; %u products of %u SKUs, %u hot; "
            "%" PRId64 " units (hot %" PRId64 ") at %u locations; lines up to %u of up to %" PRId64
            " units; %u tries, patience %" PRId64 " ms%s\n",
            plan->fronts, plan->shoppers, plan->purchases, plan->people, plan->person_acts, plan->addresses,
            plan->keepers, plan->clerk_acts, plan->products, plan->variants, plan->hot_skus, plan->stock_units,
            plan->hot_stock_units, plan->locations, plan->lines_most, plan->quantity_most, plan->tries,
            plan->patience_us / 1000, plan->with_overcharge ? "; overcharges" : "");
}

void shoppers_start(const struct config *config, const struct shopper_plan *plan) {
    static const char *const names[SHOPPER_FRONTS_MAX] = {"front", "second-front"};
    assert(plan->fronts >= 1 && plan->fronts <= SHOPPER_FRONTS_MAX && plan->products * plan->variants > 0);
    clients = (struct clients){.plan = *plan};
    arena_init(&clients.arena, CLIENTS_MAX_BYTES);
    journal_init(&clients.journal);
    catalogue_init();
    for (uint32_t i = 0; i < plan->fronts; i++) {
        const struct front_options options = {
            .config = config,
            .journal = &clients.journal,
            .instance = names[i],
            .hop_least_us = plan->hop_least_us,
            .hop_most_us = plan->hop_most_us,
            .lost_answers_per_million = plan->lost_answer,
        };
        clients.fronts[i] = front_start(&options);
    }
    clerk_start();
    for (uint32_t i = 0; i < plan->shoppers; i++) {
        buyer_start(FIRST_BUYER_NUMBER + i);
    }
    for (uint32_t i = 0; i < plan->people; i++) {
        person_start(FIRST_BUYER_NUMBER + plan->shoppers + i);
    }
    for (uint32_t i = 0; i < plan->keepers; i++) {
        keeper_start(FIRST_BUYER_NUMBER + plan->shoppers + plan->people + i);
    }
}

bool shoppers_are_done(void) {
    return clients.busy == 0;
}

const struct journal *shoppers_journal(void) {
    return &clients.journal;
}

struct front *shoppers_front(uint32_t number) {
    assert(number < clients.plan.fronts);
    return clients.fronts[number];
}
