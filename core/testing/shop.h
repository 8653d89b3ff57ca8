/* shop.h: a whole shop in memory: every stream under test at once, its follow-up commands delivered until it is quiet,
 * and a payment provider with a ledger of its own.
 *
 * Purpose  to run the saga of a purchase across aggregates as unkindly as the world may be: reactions in any order,
 *          twice, or late; a provider that declines, hangs or comes back with a success after all.
 * Promise  each stream runs on core/testing/given.h with all its checks. The same seed gives the same run.
 *          What clients send is taken once per command id, as the handler's window does; follow-ups are not.
 * Memory   everything lives until shop_close.
 * Thread   one.                  May use: base, domain, core/testing.
 */
#pragma once

#include "core/testing/given.h"

struct shop_queue {
    struct command *items;
    uint32_t count, capacity;
};

/* What the provider knows of one charge. */
struct shop_charge {
    struct str payment;
    struct str method;
    struct money amount;
    enum { CHARGE_OPEN, CHARGE_HELD, CHARGE_TAKEN, CHARGE_DECLINED, CHARGE_VOIDED } status;
    int64_t refunded_minor;
    int64_t asked_back_minor; /* of these: by a client, and not by the order */
};

struct shop_charge_array {
    struct shop_charge *items;
    uint32_t count, capacity;
};

struct shop {
    struct arena arena;
    uint64_t random;
    bool shuffled;         /* follow-ups are delivered in random order */
    int duplicate_percent; /* so many of them are delivered twice */
    int64_t now_us;
    struct map streams; /* of struct given */
    struct map window;  /* client commands seen */
    struct map answers; /* of enum rejection + 1, by command id */
    struct shop_queue queue;
    struct shop_charge_array charges;
    uint32_t command_count;
};

void shop_open(struct shop *shop, uint64_t seed);
void shop_close(struct shop *shop);

uint64_t shop_random(struct shop *shop, uint64_t below);

/* A client's command: decided at once; its follow-ups wait for shop_step. An empty command id gets a fresh one. */
enum rejection shop_ask(struct shop *shop, struct str stream, struct command command);

/* Delivers one waiting command; false when there is none. */
bool shop_step(struct shop *shop);
/* Delivers until all is quiet. */
void shop_settle(struct shop *shop);

/* Time passes; deadlines that have come fire. */
void shop_wait(struct shop *shop, int64_t us);

/* The provider decides a charge that it left open (methods `action` and `hang`): taken or declined. One of the method
 * `pledge` is only held then, and until then the provider refuses to void it. */
void shop_provider_decides(struct shop *shop, struct str payment, bool taken);

/* The stream; begun when it is new. */
struct given *shop_stream(struct shop *shop, struct str stream);

/* What an AT_REST command was answered; false while it waits. */
bool shop_answer(struct shop *shop, const char *command_id, enum rejection *ret_rejection);

/* What chance does with a shop: things are done, and between them some of what follows is delivered. */
struct shop_chance {
    bool shuffled; /* of struct shop, like the next one */
    int duplicate_percent;
    int rounds;           /* things that are done */
    uint64_t steps_below; /* after each, fewer deliveries than this */
    void (*act)(struct shop *shop);
    void (*check)(struct shop *shop, bool is_quiet); /* after each round, and in the end, when all is quiet */
};

enum { SHOP_SEEDS = 300 };

/* SHOP_SEEDS runs, each in a shop of its own. A run's seed is printed; SEED in the environment repeats that one. */
void shop_at_random(const struct shop_chance *chance);

/* Asserts what must hold whenever the shop is quiet: stock adds up with the orders' holds at every location, the
 * provider's ledger equals the payments' events, and of each order at most one captured payment is kept. */
void shop_check(struct shop *shop);
