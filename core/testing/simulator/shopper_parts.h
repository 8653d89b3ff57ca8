/* shopper_parts.h: what the simulated clients' files share. Not for others.
 *
 * errand.c       the errand: one request with its retries, its mischief and its end.
 * catalogue.c    what the clients know of the products on sale, and the price facts that a front attaches.
 * clerk.c        keeps the shop.
 * oddities.c     requests that are there to be refused.
 * buyer.c        buys.
 * person.c       registers, logs in, is erased.
 * keeper.c       keeps an API key.
 * aftermath.c    asks what became of all that nobody knows the end of.
 * shopper_provider.c  webhooks, and the steps that the provider asks for.
 * shopper.c      starts them, and the scenario's draw.
 */
#pragma once

#include "core/base/array.h"
#include "core/base/map.h"
#include "core/testing/simulator/shopper.h"
#include "core/testing/simulator/world.h"

enum { CLERK_NUMBER = 1, FIRST_BUYER_NUMBER = 2 };

#define CLIENTS_MAX_BYTES ((size_t)2 << 30)

/* ---- errand.c ---------------------------------------------------------------------------------------------------- */

/* One request that a client means to have decided, however often it takes to ask. */
struct errand {
    uint32_t client;
    const char *actor;          /* NULL: a guest */
    struct command command;     /* type, payload, and the stream unless it creates one */
    const char *created_prefix; /* of the stream that it creates; NULL: none */
    bool has_key;
    bool is_torn;               /* only a part of its record is sent, the first time */
    int64_t age_us;             /* it says that it was made so long ago */
    struct str_array fact_skus; /* those that it needs price facts of */
    uint32_t tries_left;
    void (*on_end)(struct errand *errand); /* may be NULL */
    void *context;

    /* How it ended. */
    bool is_decided;                   /* else it was given up */
    const struct journal_entry *entry; /* the last request */

    /* Its own: */
    struct str key;
    bool is_second_try;
    struct str_array missing_skus;
};

struct clients {
    struct arena arena;
    struct journal journal;
    struct shopper_plan plan;
    struct front *fronts[SHOPPER_FRONTS_MAX];
    uint32_t busy;    /* errands, shadows of errands and actors that have not come to their end */
    uint32_t errands; /* so far; makes keys */
};

extern struct clients clients;

/* A copy of `errand` begins; tries_left 0 means the plan's. */
struct errand *errand_begin(const struct errand *errand);
/* Accepted; or refused with this code. */
bool errand_is_accepted(const struct errand *errand);
bool errand_is_refused(const struct errand *errand, const char *code);
/* An errand of a client with a key, as most are. */
struct errand errand_of(uint32_t client, uint16_t command_type, struct str stream,
                        void (*on_end)(struct errand *errand), void *context);

/* Lets the client think, then goes on. */
void actor_thinks(sim_action *then, void *context);

/* Keeps clients.busy. */
void actor_is_busy(void);
void actor_is_idle(void);

/* ---- catalogue.c ------------------------------------------------------------------------------------------------- */

struct offer {
    struct str sku;
    struct str product; /* the stream; empty: not on sale yet */
    struct str title;
    struct money price, older_price; /* the newest, and the one before */
    bool is_hot;
};

/* Makes the SKUs, none of them on sale. */
void catalogue_init(void);
uint32_t catalogue_count(void);
struct offer *catalogue_at(uint32_t index);
struct offer *catalogue_find(struct str sku);
/* Any that is on sale, a hot one as often as the plan says; NULL: none is. */
struct offer *catalogue_draw(void);
/* Says that it is on sale. */
void catalogue_publish(struct str sku, struct str product);
struct str catalogue_location(uint32_t index);

/* Fills the command's price facts, as far as the front's catalogue is up to date. `are_fresh`: all of them, newest. */
void catalogue_attach(struct command *command, const struct str_array *skus, bool are_fresh);

/* ---- clerk.c ----------------------------------------------------------------------------------------------------- */

void clerk_start(void);
/* Some SKU may be bought. */
bool clerk_is_open(void);
/* An order that was placed, for the clerk to look at. */
void clerk_notes_order(struct str order, uint32_t payments);

/* ---- oddities.c -------------------------------------------------------------------------------------------------- */

/* One that is to be refused, for the clerk to begin. `payment`: of some order; empty: there is none. */
struct errand oddity(const struct offer *offer, struct str payment, void (*on_end)(struct errand *errand));

/* ---- buyer.c ----------------------------------------------------------------------------------------------------- */

void buyer_start(uint32_t number);

/* ---- person.c ---------------------------------------------------------------------------------------------------- */

void person_start(uint32_t number);

/* ---- keeper.c ---------------------------------------------------------------------------------------------------- */

void keeper_start(uint32_t number);
