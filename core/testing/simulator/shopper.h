/* shopper.h: the simulated clients: a clerk who keeps the shop, shoppers who buy, and what both do wrong.
 *
 * Purpose  load with a meaning: products are defined, published and stocked; shoppers open carts, fill them, check out
 *          with every method of the payment provider, pay in another way, cancel before and after the payment; the
 *          clerk adjusts, moves and refunds. People register, several for one address, log in, forget passwords,
 *          take authenticators, are robbed of tokens, and are erased; API keys are rotated by two at once. A few hot
 *          SKUs have little stock. Clients do as clients do: they retry under the same Idempotency-Key, click twice,
 *          use a key for another request, ask what became of a request, give up, and cancel what is still being placed.
 * Promise  all that they sent and were told is in the journal (journal.h). They talk to fronts (front.h) only, know
 *          nothing of the system but its answers, and need no healed world to come to their end.
 * Memory   for the length of the run.
 * Thread   one.                  May use: base, domain's ids, front, world.
 */
#pragma once

#include "core/base/config.h"
#include "core/testing/simulator/front.h"

enum { SHOPPER_FRONTS_MAX = 2 };

/* One scenario. Times in microseconds, chances in a million. */
struct shopper_plan {
    uint32_t fronts;    /* 1 to SHOPPER_FRONTS_MAX */
    uint32_t shoppers;  /* at once */
    uint32_t purchases; /* of each of them */
    uint32_t clerk_acts;
    uint32_t products;
    uint32_t variants; /* of each of them: a SKU each */
    uint32_t hot_skus; /* the first ones */
    uint32_t locations;
    int64_t stock_units; /* received of a SKU at each location */
    int64_t hot_stock_units;
    uint32_t people; /* who register and log in */
    uint32_t person_acts;
    uint32_t addresses; /* that they want to have */
    uint32_t keepers;   /* of API keys */
    uint32_t lines_most;
    int64_t quantity_most;
    int64_t think_least_us, think_most_us; /* between two things that one client does */
    int64_t patience_us;                   /* so long a client waits for an answer */
    int64_t backoff_least_us, backoff_most_us;
    uint32_t tries; /* of one request, until it is given up */
    int64_t hop_least_us, hop_most_us;
    uint32_t hot;          /* a line is of a hot SKU */
    uint32_t key;          /* a key where none is required */
    uint32_t double_click; /* the same request twice at once */
    uint32_t changed_body; /* the key is used for another request as well */
    uint32_t ask;          /* a client asks what became of a request, rather than sending it again */
    uint32_t lost_answer;
    uint32_t hasty_cancel; /* the order is cancelled while it is being placed */
    uint32_t late_cancel;  /* it is cancelled although all went well */
    uint32_t pay_again;    /* another method after a decline or for a step that is not taken */
    uint32_t last_moment;  /* that, or the step, at the order's deadline */
    uint32_t refund;       /* the clerk gives a part back */
    uint32_t missing_fact; /* the catalogue that a front sees is behind */
    uint32_t stale_fact;
    uint32_t wrong_total;
    bool with_overcharge; /* uses the method whose outcome contradicts: such an order never comes to rest by itself */
};

/* Draws a scenario from the world's chance. */
void shopper_plan_draw(struct shopper_plan *ret_plan);
/* One line for people. */
void shopper_plan_write(const struct shopper_plan *plan, FILE *file);

/* Starts the fronts' processes and all clients. Once a run. */
void shoppers_start(const struct config *config, const struct shopper_plan *plan);

/* Webhooks of the simulated provider (provider.h) come in at a front from now on, and shoppers take its steps. After
 * sim_provider_begin and shoppers_start. */
void shoppers_meet_provider(void);

/* All have done what they wanted to do or have given it up, and wait for nothing. */
bool shoppers_are_done(void);

/* Once the world is healed: asks what became of each request with a key whose end nobody knows, and makes it once more
 * as it was, which may begin a purchase that never began before. shoppers_are_done is false until all of these are
 * answered or given up; the oracle holds it against the system when one is not answered. */
void shoppers_ask_unanswered(void);

const struct journal *shoppers_journal(void);

/* For the payment provider's webhooks; 0 is always there. */
struct front *shoppers_front(uint32_t number);

/* What the provider offers the shoppers, where the double of it can do so: to take the step that the method `action`
 * asks for. NULL: nobody ever takes it. */
extern void (*shoppers_act_at_provider)(struct str payment);
