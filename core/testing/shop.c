#include "core/testing/shop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/domain/order/order.h"
#include "core/domain/payment/payment.h"
#include "core/domain/sku/sku.h"

enum { MAX_SHOP_BYTES = 1 << 28, MAX_STEPS = 1000000 };

#define START_US INT64_C(1750000000000000)

void shop_open(struct shop *shop, uint64_t seed) {
    *shop = (struct shop){.random = seed, .now_us = START_US};
    arena_init(&shop->arena, MAX_SHOP_BYTES);
    map_init(&shop->streams, &shop->arena);
    map_init(&shop->window, &shop->arena);
    map_init(&shop->answers, &shop->arena);
}

void shop_close(struct shop *shop) {
    /* Streams share texts, so all are looked at before the first one goes. */
    for (uint32_t i = 0; i < shop->streams.count; i++) {
        given_check_history(shop->streams.entries[i].value);
    }
    for (uint32_t i = 0; i < shop->streams.count; i++) {
        given_end(shop->streams.entries[i].value);
    }
    arena_release(&shop->arena);
}

/* splitmix64 */
uint64_t shop_random(struct shop *shop, uint64_t below) {
    uint64_t z = (shop->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

struct given *shop_stream(struct shop *shop, struct str stream) {
    struct given **at = (struct given **)map_at(&shop->streams, stream);
    if (*at == NULL) {
        *at = arena_alloc(&shop->arena, sizeof **at);
        given_begin(*at, arena_str_copy(&shop->arena, stream));
    }
    return *at;
}

/* ---- the provider ------------------------------------------------------------------------------------------------ */

static void say(struct shop *shop, struct str payment, struct str intent, const char *result, struct money amount) {
    struct command *command = ARRAY_PUSH(&shop->arena, &shop->queue);
    *command = (struct command){.type = COMMAND_RECORD_PROVIDER_OUTCOME, .meta.stream = payment};
    command->as.record_provider_outcome = (struct record_provider_outcome){
        .intent = intent,
        .result = str_of_cstr(result),
        .amount = amount,
        .provider_ref = STR("ref"),
        .code = STR("code"),
        .message = STR("said the provider"),
    };
}

static struct shop_charge *find_charge(struct shop *shop, struct str payment) {
    for (uint32_t i = 0; i < shop->charges.count; i++) {
        if (str_equal(shop->charges.items[i].payment, payment)) {
            return &shop->charges.items[i];
        }
    }
    return NULL;
}

static struct str charge_intent(struct shop *shop, struct str payment) {
    return arena_printf(&shop->arena, "%.*s.charge", STR_ARGS(payment));
}

static void provider_charge(struct shop *shop, const struct event *event) {
    const struct payment_requested *ask = &event->as.payment_requested;
    assert(find_charge(shop, event->meta.stream) == NULL && "a charge was asked for twice");
    struct shop_charge *charge = ARRAY_PUSH(&shop->arena, &shop->charges);
    *charge = (struct shop_charge){.payment = event->meta.stream, .method = ask->method, .amount = ask->amount};
    if (str_equal(ask->method, STR("approve"))) {
        charge->status = CHARGE_TAKEN;
        say(shop, charge->payment, ask->intent, "captured", ask->amount);
    } else if (str_equal(ask->method, STR("decline"))) {
        charge->status = CHARGE_DECLINED;
        say(shop, charge->payment, ask->intent, "declined", ask->amount);
    } else if (str_equal(ask->method, STR("authorize")) || str_equal(ask->method, STR("uncapturable"))) {
        charge->status = CHARGE_HELD;
        say(shop, charge->payment, ask->intent, "authorized", ask->amount);
    } else if (str_equal(ask->method, STR("action"))) {
        say(shop, charge->payment, ask->intent, "action_required", ask->amount);
    } else {
        assert(str_equal(ask->method, STR("hang")) || str_equal(ask->method, STR("pledge")));
    }
}

void shop_provider_decides(struct shop *shop, struct str payment, bool taken) {
    struct shop_charge *charge = find_charge(shop, payment);
    assert(charge != NULL);
    if (charge->status != CHARGE_OPEN) {
        return;
    }
    if (taken && str_equal(charge->method, STR("pledge"))) {
        charge->status = CHARGE_HELD;
        say(shop, payment, charge_intent(shop, payment), "authorized", charge->amount);
        return;
    }
    charge->status = taken ? CHARGE_TAKEN : CHARGE_DECLINED;
    say(shop, payment, charge_intent(shop, payment), taken ? "captured" : "declined", charge->amount);
}

static void provider_capture(struct shop *shop, const struct event *event) {
    struct shop_charge *charge = find_charge(shop, event->meta.stream);
    bool held = charge->status == CHARGE_HELD && !str_equal(charge->method, STR("uncapturable"));
    charge->status = held ? CHARGE_TAKEN : charge->status;
    say(shop, charge->payment, event->as.payment_capture_requested.intent, held ? "captured" : "declined",
        event->as.payment_capture_requested.amount);
}

static void provider_void(struct shop *shop, const struct event *event) {
    struct shop_charge *charge = find_charge(shop, event->meta.stream);
    bool is_early = charge->status == CHARGE_OPEN && str_equal(charge->method, STR("pledge"));
    bool refused = charge->status == CHARGE_TAKEN || is_early;
    charge->status = refused ? charge->status : CHARGE_VOIDED;
    say(shop, charge->payment, event->as.payment_void_requested.intent, refused ? "void_refused" : "voided",
        charge->amount);
}

static void provider_refund(struct shop *shop, const struct event *event) {
    struct shop_charge *charge = find_charge(shop, event->meta.stream);
    const struct refund_requested *ask = &event->as.refund_requested;
    assert(charge->status == CHARGE_TAKEN && "a refund of what was never taken");
    charge->refunded_minor += ask->amount.amount;
    charge->asked_back_minor += str_equal(ask->reason, STR("request")) ? ask->amount.amount : 0;
    assert(charge->refunded_minor <= charge->amount.amount && "more was refunded than taken");
    say(shop, charge->payment, ask->intent, "refunded", ask->amount);
}

/* What the connector does with a payment's events. */
static void call_provider(struct shop *shop, const struct event *event) {
    if (event->type == EVENT_PAYMENT_REQUESTED) {
        provider_charge(shop, event);
    } else if (event->type == EVENT_PAYMENT_CAPTURE_REQUESTED) {
        provider_capture(shop, event);
    } else if (event->type == EVENT_PAYMENT_VOID_REQUESTED) {
        provider_void(shop, event);
    } else if (event->type == EVENT_REFUND_REQUESTED) {
        provider_refund(shop, event);
    }
}

/* ---- delivering -------------------------------------------------------------------------------------------------- */

static void take_reactions(struct shop *shop, const struct given *given) {
    for (uint32_t i = 0; i < given->decision.events.count; i++) {
        call_provider(shop, &given->decision.events.items[i]);
    }
    for (uint32_t i = 0; i < given->reactions.commands.count; i++) {
        struct command *follow_up = ARRAY_PUSH(&shop->arena, &shop->queue);
        *follow_up = given->reactions.commands.items[i];
        follow_up->meta.correlation_id = given->decision.events.items[0].meta.correlation_id;
        follow_up->meta.actor = given->decision.events.items[0].meta.actor;
    }
    for (uint32_t i = 0; i < given->reactions.answers.count; i++) {
        const struct answer *answer = &given->reactions.answers.items[i];
        void **at = map_at(&shop->answers, answer->command_id);
        if (*at == NULL) {
            *at = (void *)((uintptr_t)answer->rejection + 1);
        }
    }
}

static enum rejection deliver(struct shop *shop, struct command command,
                              enum rejection (*decide)(struct given *, struct command)) {
    struct given *given = shop_stream(shop, command.meta.stream);
    if (given->now_us < shop->now_us) {
        given->now_us = shop->now_us;
    }
    if (str_is_empty(command.meta.command_id)) {
        command.meta.command_id = arena_printf(&shop->arena, "cmd_%u", ++shop->command_count);
    }
    enum rejection rejection = decide(given, command);
    if (rejection == ACCEPTED) {
        take_reactions(shop, given);
    }
    return rejection;
}

enum rejection shop_ask(struct shop *shop, struct str stream, struct command command) {
    if (!str_is_empty(command.meta.command_id)) {
        void **seen = map_at(&shop->window, command.meta.command_id);
        if (*seen != NULL) {
            return (enum rejection)((uintptr_t)*seen - 1);
        }
    }
    command.meta.stream = stream;
    enum rejection rejection = deliver(shop, command, when);
    if (!str_is_empty(command.meta.command_id)) {
        *map_at(&shop->window, command.meta.command_id) = (void *)((uintptr_t)rejection + 1);
    }
    return rejection;
}

bool shop_step(struct shop *shop) {
    if (shop->queue.count == 0) {
        return false;
    }
    uint32_t index = shop->shuffled ? (uint32_t)shop_random(shop, shop->queue.count) : 0;
    struct command command = shop->queue.items[index];
    bool again = shop->duplicate_percent > 0 && shop_random(shop, 100) < (uint64_t)shop->duplicate_percent;
    if (!again) {
        ARRAY_REMOVE(&shop->queue, index);
    }
    (void)deliver(shop, command, when_shared); /* a follow-up may be refused: it came too late */
    return true;
}

void shop_settle(struct shop *shop) {
    int steps = 0;
    while (shop_step(shop)) {
        steps++;
        assert(steps < MAX_STEPS && "the shop does not come to rest");
    }
}

void shop_wait(struct shop *shop, int64_t us) {
    shop->now_us += us;
    for (uint32_t i = 0; i < shop->streams.count; i++) {
        struct given *given = shop->streams.entries[i].value;
        int64_t deadline_us = given->aggregate->deadline_us != NULL ? given->aggregate->deadline_us(given->state) : 0;
        if (deadline_us > 0 && deadline_us <= shop->now_us) {
            struct command command = {.meta.stream = given->stream};
            given->aggregate->on_deadline(given->state, &command);
            command.meta.stream = given->stream;
            *ARRAY_PUSH(&shop->arena, &shop->queue) = command;
        }
    }
}

bool shop_answer(struct shop *shop, const char *command_id, enum rejection *ret_rejection) {
    const void *answer = map_get(&shop->answers, str_of_cstr(command_id));
    if (answer == NULL) {
        return false;
    }
    *ret_rejection = (enum rejection)((uintptr_t)answer - 1);
    return true;
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

static void run_seed(const struct shop_chance *chance, uint64_t seed) {
    struct shop shop;
    shop_open(&shop, seed);
    shop.shuffled = chance->shuffled;
    shop.duplicate_percent = chance->duplicate_percent;
    for (int round = 0; round < chance->rounds; round++) {
        chance->act(&shop);
        for (uint64_t steps = shop_random(&shop, chance->steps_below); steps > 0 && shop_step(&shop); steps--) {
        }
        chance->check(&shop, false);
    }
    shop_settle(&shop);
    chance->check(&shop, true);
    shop_close(&shop);
}

void shop_at_random(const struct shop_chance *chance) {
    const char *only = getenv("SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : SHOP_SEEDS;
    for (uint64_t seed = first; seed <= last; seed++) {
        printf("seed %llu%s", (unsigned long long)seed, seed == last ? "\n" : "\r");
        (void)fflush(stdout);
        run_seed(chance, seed);
    }
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

static void check_sku(struct shop *shop, const struct given *given) {
    const struct sku_state *sku = given->state;
    for (uint32_t i = 0; i < sku->levels.count; i++) {
        const struct stock_level *level = &sku->levels.items[i];
        assert(level->reserved >= 0 && level->on_hand >= level->reserved);
        int64_t held = 0;
        for (uint32_t k = 0; k < given->parts.count; k++) {
            const struct given_part *part = given->parts.entries[k].value;
            const struct reservation_state *reservation = part->state;
            for (uint32_t n = 0; n < reservation->allocations.count; n++) {
                bool here = str_equal(reservation->allocations.items[n].location, level->location);
                held += here ? reservation->allocations.items[n].quantity : 0;
            }
        }
        assert(held == level->reserved && "what is reserved is not the sum of the reservations");
    }
    for (uint32_t k = 0; k < given->parts.count; k++) {
        const struct given_part *part = given->parts.entries[k].value;
        const struct reservation_state *reservation = part->state;
        const struct order_state *order = shop_stream(shop, given->parts.entries[k].key)->state;
        switch (order->status) {
        case ORDER_STATUS_CONFIRMED:
            assert(reservation->status == RESERVATION_STATUS_CONFIRMED);
            break;
        case ORDER_STATUS_PAYING:
        case ORDER_STATUS_AWAITING_PAYMENT:
            assert(reservation->status == RESERVATION_STATUS_HELD);
            break;
        case ORDER_STATUS_REJECTED:
        case ORDER_STATUS_CANCELLED:
            assert(reservation->status == RESERVATION_STATUS_RELEASED);
            break;
        case ORDER_STATUS_ABSENT:
        case ORDER_STATUS_PLACED:
            assert(!"a quiet order is not on its way");
        }
    }
}

static void check_payment(struct shop *shop, const struct given *given) {
    const struct payment_state *payment = given->state;
    const struct shop_charge *charge = find_charge(shop, given->stream);
    assert(payment->refunded + payment->refund_pending <= payment->captured);
    assert(payment->captured <= payment->authorized && payment->authorized <= payment->amount.amount);
    if (payment->status == PAYMENT_STATUS_ABSENT) {
        return; /* a void that came before the payment was asked for */
    }
    assert(payment->captured == (charge->status == CHARGE_TAKEN ? charge->amount.amount : 0));
    assert(payment->refunded == charge->refunded_minor);
    assert(charge->status != CHARGE_HELD && "the shopper's money is held for nothing");
}

static void check_order(struct shop *shop, const struct given *given) {
    const struct order_state *order = given->state;
    int64_t kept_minor = 0;
    for (uint32_t i = 0; i < order->payments.count; i++) {
        const struct shop_charge *charge = find_charge(shop, order->payments.items[i].payment);
        assert(charge != NULL);
        kept_minor += charge->status == CHARGE_TAKEN ? charge->amount.amount - charge->refunded_minor : 0;
        bool is_confirmed = order->status == ORDER_STATUS_CONFIRMED;
        bool is_kept = str_equal(order->payments.items[i].result, ORDER_PAYMENT_CAPTURED);
        kept_minor += is_kept && is_confirmed ? charge->asked_back_minor : 0;
        /* What a dispute holds, or has taken, cannot be given back. */
        const struct payment_state *payment = shop_stream(shop, order->payments.items[i].payment)->state;
        kept_minor -= is_confirmed ? 0 : payment_contested_now(payment) + payment_lost(payment);
    }
    assert(kept_minor == (order->status == ORDER_STATUS_CONFIRMED ? order->total.amount : 0) &&
           "the money kept is not what the order costs");
}

void shop_check(struct shop *shop) {
    assert(shop->queue.count == 0);
    for (uint32_t i = 0; i < shop->streams.count; i++) {
        const struct given *given = shop->streams.entries[i].value;
        if (given->aggregate == &sku_aggregate) {
            check_sku(shop, given);
        } else if (given->aggregate == &payment_aggregate) {
            check_payment(shop, given);
        } else if (given->aggregate == &order_aggregate) {
            check_order(shop, given);
        }
    }
}
