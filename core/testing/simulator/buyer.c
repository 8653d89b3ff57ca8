#include "core/testing/simulator/shopper_parts.h"

#include "core/domain/ids.h"
#include "gen/codec.h"

enum {
    LINES_MAX = 16,
    CHECKOUTS_MAX = 3, /* of one cart */
    PAYMENTS_MAX = 4,  /* tries of one order to be paid */
    STUBBORN_MAX = 22, /* and those of one who does not understand: more than there may be */
    STUBBORN_ONE_IN = 150,
    OPENING_PAUSE_US = 500 * 1000,
    HASTE_MOST_US = 4 * 1000 * 1000,
    LAST_MOMENT_US = 150 * 1000, /* around the deadline of an order */
    MISTAKE_ONE_IN = 40,         /* a wrong currency, an unknown SKU, an absurd quantity */
    INTRUSION_ONE_IN = 25,
    MAIL_WANTED_ONE_IN = 8,
    MAILS_TOO_MANY = 6,
};

void (*shoppers_act_at_provider)(struct str payment);

/* As whom somebody buys: one who logs in at the checkout is a guest before, and then takes the cart along. */
enum buying { AS_GUEST, AS_CUSTOMER, LOGS_IN_AT_CHECKOUT, BUYING_KINDS };

struct buyer {
    uint32_t number;
    uint32_t purchases_left;
    /* The purchase in hand. */
    enum buying buying;
    bool is_logged_in;
    struct str cart;
    struct str order;   /* the newest, or the one that is expected */
    int32_t attempt;    /* check-outs that made an order */
    uint32_t checkouts; /* tried */
    uint32_t payments;  /* of the order */
    uint32_t mails_wanted;
    bool is_stubborn;
    struct line_request lines[LINES_MAX];
    uint32_t line_count, line_next;
};

static void next_purchase(void *context);
static void set_next_line(struct buyer *buyer);
static void check_out(void *context);

/* ---- who he is --------------------------------------------------------------------------------------------------- */

static struct str customer_id(uint32_t number) {
    return arena_printf(&clients.arena, "cus_%026u", number);
}

static const char *actor_of_buyer(const struct buyer *buyer) {
    if (!buyer->is_logged_in) {
        return NULL; /* errand.c: a guest */
    }
    struct str customer = customer_id(buyer->number);
    return buyer->buying == AS_CUSTOMER
               ? arena_printf(&clients.arena, "customer:%.*s", STR_ARGS(customer)).data
               : arena_printf(&clients.arena, "guest:%u:%.*s", buyer->number, STR_ARGS(customer)).data;
}

static struct errand buyer_errand(struct buyer *buyer, uint16_t command_type, struct str stream,
                                  void (*on_end)(struct errand *errand)) {
    struct errand errand = errand_of(buyer->number, command_type, stream, on_end, buyer);
    errand.actor = actor_of_buyer(buyer);
    return errand;
}

/* Somebody else tries to touch what is his: another customer, a guest when it is a customer's, a vendor. He is told
 * what he would be told if it were not there. */
static void intrude(const struct buyer *buyer, struct str stream) {
    static const char *const others[] = {"customer:cus_00000000000000000000099999",
                                         "vendor:cus_00000000000000000000099999:V", "guest:99999"};
    if (sim_random(INTRUSION_ONE_IN) != 0) {
        return;
    }
    bool is_cart = str_starts_with(stream, STR("cart_"));
    static const uint16_t of_orders[] = {COMMAND_CANCEL_ORDER, COMMAND_RETRY_ORDER_PAYMENT,
                                         COMMAND_RESEND_CONFIRMATION};
    uint16_t type = is_cart ? COMMAND_SET_CART_LINE : of_orders[sim_random(ARRAY_LENGTH(of_orders))];
    struct errand errand = errand_of(buyer->number, type, stream, NULL, NULL);
    errand.actor = others[sim_random(buyer->is_logged_in ? 3 : 2)];
    if (type == COMMAND_SET_CART_LINE) {
        errand.command.as.set_cart_line = (struct set_cart_line){.sku = buyer->lines[0].sku, .quantity = 7};
        *ARRAY_PUSH(&clients.arena, &errand.fact_skus) = buyer->lines[0].sku;
    } else if (type == COMMAND_CANCEL_ORDER) {
        errand.command.as.cancel_order.reason = STR("out of malice");
    } else if (type == COMMAND_RETRY_ORDER_PAYMENT) {
        errand.command.as.retry_order_payment = (struct retry_order_payment){STR("test"), STR("decline")};
    }
    (void)errand_begin(&errand);
}

/* ---- methods of payment ------------------------------------------------------------------------------------------ */

/* Those of core/testing/simulator/provider_ledger.h, and one that there is not. */
static struct str any_method(void) {
    static const struct {
        const char *name;
        uint32_t weight;
    } methods[] = {{"approve", 36},     {"authorize", 12},   {"decline", 10},     {"action", 9},
                   {"late", 5},         {"hang", 4},         {"slow", 3},         {"twice", 4},
                   {"late_success", 4}, {"refund_fails", 2}, {"pledge", 3},       {"uncapturable", 3},
                   {"late_decline", 2}, {"refund_late", 3},  {"error_before", 2}, {"error_after", 2},
                   {"refuse", 1},       {"barter", 1},       {"dispute_won", 3},  {"dispute_lost", 3}};
    if (clients.plan.with_overcharge && sim_random(50) == 0) {
        return STR("overcharge");
    }
    uint32_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        total += methods[i].weight;
    }
    uint64_t drawn = sim_random(total);
    size_t at = 0;
    while (drawn >= methods[at].weight) {
        drawn -= methods[at++].weight;
    }
    return str_of_cstr(methods[at].name);
}

static struct str any_provider(void) {
    return sim_random(MISTAKE_ONE_IN) == 0 ? STR("no-such-provider") : STR("test");
}

/* ---- the order that was made ------------------------------------------------------------------------------------- */

struct order_told {
    enum order_status status; /* ABSENT: it was told of none */
    int64_t deadline_us;      /* of the world's time */
};

static struct order_told order_told(const struct journal_told *told) {
    struct arena scratch;
    uint32_t schema_id;
    struct str avro;
    struct order_state order = {0};
    const char *why;
    arena_init(&scratch, RECORD_MAX_BYTES * 4);
    bool is_order = str_starts_with(told->stream, STR("ord_")) && frame_read(told->resource, &schema_id, &avro) &&
                    order_state_decode_as(&scratch, schema_id, avro, &order, &why);
    struct order_told is = {is_order ? order.status : ORDER_STATUS_ABSENT, order.deadline_at - SIM_WORLD_BEGINS_US};
    arena_release(&scratch);
    return is;
}

static void end_purchase(struct buyer *buyer) {
    if (buyer->attempt > 0) {
        clerk_notes_order(buyer->order, buyer->payments);
    }
    actor_thinks(next_purchase, buyer);
}

static void on_last_errand(struct errand *errand) {
    end_purchase(errand->context);
}

static struct errand cancel_errand(struct buyer *buyer, const char *reason) {
    struct errand errand = buyer_errand(buyer, COMMAND_CANCEL_ORDER, buyer->order, NULL);
    errand.command.as.cancel_order.reason = str_of_cstr(reason);
    return errand;
}

static void cancel_later(void *context) {
    struct buyer *buyer = context;
    struct errand errand = cancel_errand(buyer, "changed his mind");
    errand.on_end = on_last_errand;
    (void)errand_begin(&errand);
}

static void after_payment(struct errand *errand);

static void pay_again(void *context) {
    struct buyer *buyer = context;
    struct errand errand = buyer_errand(buyer, COMMAND_RETRY_ORDER_PAYMENT, buyer->order, after_payment);
    errand.command.as.retry_order_payment = buyer->is_stubborn
                                                ? (struct retry_order_payment){STR("test"), STR("decline")}
                                                : (struct retry_order_payment){any_provider(), any_method()};
    buyer->payments++;
    (void)errand_begin(&errand);
}

static void take_step(void *context) {
    struct buyer *buyer = context;
    shoppers_act_at_provider(payment_id(&clients.arena, buyer->order, (int32_t)buyer->payments));
    end_purchase(buyer);
}

/* When it is all but too late, or just is: what the shopper does races the order's timer. */
static void at_the_last_moment(struct buyer *buyer, int64_t deadline_us, sim_action *then) {
    int64_t in_us = deadline_us - sim_now_us() + sim_between(-LAST_MOMENT_US, LAST_MOMENT_US);
    sim_after(in_us > 0 ? in_us : 0, NULL, then, buyer);
}

/* The order waits for the shopper: a step at the provider, or another method. */
static void order_waits(struct buyer *buyer, const struct order_told *told, bool wants_step) {
    bool is_slow = told->status == ORDER_STATUS_AWAITING_PAYMENT && sim_chance(clients.plan.last_moment);
    if (buyer->is_stubborn && buyer->payments < STUBBORN_MAX) {
        sim_after(0, NULL, pay_again, buyer);
    } else if (wants_step && shoppers_act_at_provider != NULL && sim_random(2) == 0) {
        if (is_slow) {
            at_the_last_moment(buyer, told->deadline_us, take_step);
        } else {
            take_step(buyer);
        }
    } else if (buyer->payments < PAYMENTS_MAX && sim_chance(clients.plan.pay_again)) {
        if (is_slow) {
            at_the_last_moment(buyer, told->deadline_us, pay_again);
        } else {
            actor_thinks(pay_again, buyer);
        }
    } else if (sim_random(2) == 0) {
        actor_thinks(cancel_later, buyer);
    } else {
        end_purchase(buyer); /* until the deadline */
    }
}

static void on_closed_cart(struct errand *errand) {
    end_purchase(errand->context);
}

/* The cart is an order by now, and takes no changes. */
static void change_closed_cart(void *context) {
    struct buyer *buyer = context;
    uint16_t type = sim_random(2) == 0 ? COMMAND_SET_CART_LINE : COMMAND_CHECK_OUT_CART;
    struct errand errand = buyer_errand(buyer, type, buyer->cart, on_closed_cart);
    if (type == COMMAND_SET_CART_LINE) {
        errand.command.as.set_cart_line = (struct set_cart_line){.sku = buyer->lines[0].sku, .quantity = 1};
    } else {
        errand.command.as.check_out_cart.payment = (struct payment_choice){STR("test"), STR("approve")};
    }
    *ARRAY_PUSH(&clients.arena, &errand.fact_skus) = buyer->lines[0].sku;
    (void)errand_begin(&errand);
}

/* The mail did not come, or he has lost it; a few ask more often than they may. */
static void ask_for_confirmation(void *context);

static void on_confirmation(struct errand *errand) {
    struct buyer *buyer = errand->context;
    if (buyer->mails_wanted > 0 && errand_is_accepted(errand)) {
        ask_for_confirmation(buyer);
    } else {
        end_purchase(buyer);
    }
}

static void ask_for_confirmation(void *context) {
    struct buyer *buyer = context;
    buyer->mails_wanted--;
    struct errand errand = buyer_errand(buyer, COMMAND_RESEND_CONFIRMATION, buyer->order, on_confirmation);
    errand.has_key = sim_chance(clients.plan.key);
    (void)errand_begin(&errand);
}

static void order_rests(struct buyer *buyer, const struct journal_told *told) {
    const struct order_told order = order_told(told);
    intrude(buyer, buyer->order);
    if (order.status == ORDER_STATUS_AWAITING_PAYMENT) {
        order_waits(buyer, &order, true);
    } else if (sim_random(MAIL_WANTED_ONE_IN) == 0) {
        buyer->mails_wanted = sim_random(MISTAKE_ONE_IN) == 0 ? MAILS_TOO_MANY : 1;
        actor_thinks(ask_for_confirmation, buyer);
    } else if (sim_chance(clients.plan.late_cancel)) {
        actor_thinks(cancel_later, buyer);
    } else if (sim_random(MISTAKE_ONE_IN) == 0) {
        actor_thinks(change_closed_cart, buyer);
    } else {
        end_purchase(buyer);
    }
}

static void after_payment(struct errand *errand) {
    struct buyer *buyer = errand->context;
    if (errand_is_accepted(errand)) {
        order_rests(buyer, &errand->entry->told);
    } else if (errand_is_refused(errand, "payment_declined") || errand_is_refused(errand, "unknown_provider")) {
        const struct order_told order = order_told(&errand->entry->told);
        order_waits(buyer, &order, false);
    } else {
        end_purchase(buyer);
    }
}

/* ---- checking out ------------------------------------------------------------------------------------------------ */

/* One unit of each will do, or none of it; what was short a moment ago may be there again. */
static void ask_for_less(struct buyer *buyer) {
    int64_t units = 0;
    for (uint32_t i = 0; i < buyer->line_count; i++) {
        bool is_dropped = buyer->lines[i].quantity <= 1 && sim_random(2) == 0;
        buyer->lines[i].quantity = is_dropped ? 0 : 1;
        units += buyer->lines[i].quantity;
    }
    buyer->line_next = 0;
    if (units > 0 || sim_random(8) == 0) {
        set_next_line(buyer);
    } else {
        end_purchase(buyer);
    }
}

static void on_checked_out(struct errand *errand) {
    struct buyer *buyer = errand->context;
    const struct journal_told *told = &errand->entry->told;
    bool may_again = buyer->checkouts < CHECKOUTS_MAX;
    if (errand->is_decided && str_starts_with(told->stream, STR("ord_"))) {
        buyer->attempt++;
        buyer->order = told->stream;
        buyer->payments = 1;
    }
    if (errand_is_accepted(errand)) {
        order_rests(buyer, told);
    } else if (errand_is_refused(errand, "payment_declined")) {
        const struct order_told order = order_told(told);
        order_waits(buyer, &order, false);
    } else if (errand_is_refused(errand, "out_of_stock") && may_again) {
        ask_for_less(buyer);
    } else if (may_again && (errand_is_refused(errand, "cart_changed") || errand_is_refused(errand, "price_changed") ||
                             errand_is_refused(errand, "unknown_provider"))) {
        actor_thinks(check_out, buyer);
    } else {
        end_purchase(buyer);
    }
}

struct haste {
    struct buyer buyer; /* as it was: it cancels the order of then */
};

static void cancel_hastily(void *context) {
    struct haste *haste = context;
    struct errand errand = cancel_errand(&haste->buyer, "in haste");
    (void)errand_begin(&errand);
    actor_is_idle();
}

static struct money total_of(const struct buyer *buyer) {
    struct money total = {0, STR("EUR")};
    for (uint32_t i = 0; i < buyer->line_count; i++) {
        const struct offer *offer = catalogue_find(buyer->lines[i].sku);
        total.amount += offer == NULL ? 0 : offer->price.amount * buyer->lines[i].quantity;
    }
    return total;
}

/* Sealed with per_b7 is the address per_b7@example.com (vault.c). */
static struct sealed sealed_address(const struct buyer *buyer) {
    return (struct sealed){.key_id = arena_printf(&clients.arena, "per_b%u", buyer->number),
                           .nonce = STR("a nonce"),
                           .ciphertext = STR("a ciphertext")};
}

static void check_out(void *context) {
    struct buyer *buyer = context;
    buyer->is_logged_in = buyer->buying != AS_GUEST;
    struct errand errand = buyer_errand(buyer, COMMAND_CHECK_OUT_CART, buyer->cart, on_checked_out);
    struct check_out_cart *ask = &errand.command.as.check_out_cart;
    ask->has_customer = buyer->is_logged_in;
    ask->customer = buyer->is_logged_in ? customer_id(buyer->number) : STR("");
    ask->has_email = sim_random(2) == 0;
    ask->email = sealed_address(buyer);
    ask->payment = (struct payment_choice){any_provider(), any_method()};
    ask->has_expected_total = sim_random(3) == 0;
    ask->expected_total = total_of(buyer);
    ask->expected_total.amount += sim_chance(clients.plan.wrong_total) ? 1 : 0;
    for (uint32_t i = 0; i < buyer->line_count; i++) {
        *ARRAY_PUSH(&clients.arena, &errand.fact_skus) = buyer->lines[i].sku;
    }
    buyer->checkouts++;
    buyer->order = order_id(&clients.arena, buyer->cart, buyer->attempt + 1);
    (void)errand_begin(&errand);
    if (sim_chance(clients.plan.hasty_cancel)) {
        struct haste *haste = arena_alloc(&clients.arena, sizeof *haste);
        haste->buyer = *buyer;
        actor_is_busy();
        sim_after(sim_between(0, HASTE_MOST_US), NULL, cancel_hastily, haste);
    }
}

/* ---- filling the cart -------------------------------------------------------------------------------------------- */

static void on_line_set(struct errand *errand) {
    set_next_line(errand->context);
}

static void set_next_line(struct buyer *buyer) {
    if (buyer->line_next == buyer->line_count) {
        actor_thinks(check_out, buyer);
        return;
    }
    const struct line_request *line = &buyer->lines[buyer->line_next++];
    struct errand errand = buyer_errand(buyer, COMMAND_SET_CART_LINE, buyer->cart, on_line_set);
    errand.has_key = sim_chance(clients.plan.key);
    errand.command.as.set_cart_line = (struct set_cart_line){.sku = line->sku, .quantity = line->quantity};
    *ARRAY_PUSH(&clients.arena, &errand.fact_skus) = line->sku;
    if (sim_random(MISTAKE_ONE_IN) == 0) {
        errand.command.as.set_cart_line.quantity = 2000000;
    }
    (void)errand_begin(&errand);
}

static void on_cart_opened(struct errand *errand) {
    struct buyer *buyer = errand->context;
    if (!errand_is_accepted(errand)) {
        end_purchase(buyer);
        return;
    }
    buyer->cart = errand->entry->stream;
    intrude(buyer, buyer->cart);
    set_next_line(buyer);
}

static void draw_lines(struct buyer *buyer) {
    uint32_t most = clients.plan.lines_most < LINES_MAX ? clients.plan.lines_most : LINES_MAX;
    uint32_t wanted = (uint32_t)sim_between(1, most);
    buyer->line_count = buyer->line_next = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        const struct offer *offer = catalogue_draw();
        uint32_t at = 0;
        while (at < buyer->line_count && !str_equal(buyer->lines[at].sku, offer->sku)) {
            at++;
        }
        if (at == buyer->line_count) {
            buyer->lines[buyer->line_count++] =
                (struct line_request){offer->sku, sim_between(1, clients.plan.quantity_most)};
        }
    }
}

static void open_cart(struct buyer *buyer) {
    struct errand errand = buyer_errand(buyer, COMMAND_OPEN_CART, STR(""), on_cart_opened);
    struct open_cart *ask = &errand.command.as.open_cart;
    ask->has_customer = buyer->is_logged_in;
    ask->customer = buyer->is_logged_in ? customer_id(buyer->number) : STR("");
    errand.created_prefix = "cart_";
    errand.has_key = sim_chance(clients.plan.key);
    ask->currency = sim_random(MISTAKE_ONE_IN) == 0 ? STR("USD") : STR("EUR");
    /* Some of its lines come with it. */
    while (buyer->line_next < buyer->line_count && sim_random(2) == 0) {
        const struct line_request *line = &buyer->lines[buyer->line_next++];
        *ARRAY_PUSH(&clients.arena, &ask->lines) = *line;
        *ARRAY_PUSH(&clients.arena, &errand.fact_skus) = line->sku;
    }
    if (sim_random(MISTAKE_ONE_IN) == 0) {
        *ARRAY_PUSH(&clients.arena, &ask->lines) = (struct line_request){STR("NO-SUCH-SKU"), 1};
    }
    (void)errand_begin(&errand);
}

static void next_purchase(void *context) {
    struct buyer *buyer = context;
    if (!clerk_is_open()) {
        sim_after(OPENING_PAUSE_US, NULL, next_purchase, buyer);
        return;
    }
    if (buyer->purchases_left == 0 || catalogue_draw() == NULL) {
        actor_is_idle();
        return;
    }
    *buyer = (struct buyer){.number = buyer->number, .purchases_left = buyer->purchases_left - 1};
    buyer->is_stubborn = sim_random(STUBBORN_ONE_IN) == 0;
    buyer->buying = (enum buying)sim_random(BUYING_KINDS);
    buyer->is_logged_in = buyer->buying == AS_CUSTOMER;
    draw_lines(buyer);
    open_cart(buyer);
}

void buyer_start(uint32_t number) {
    struct buyer *buyer = arena_alloc(&clients.arena, sizeof *buyer);
    buyer->number = number;
    buyer->purchases_left = clients.plan.purchases;
    actor_is_busy();
    actor_thinks(next_purchase, buyer);
}
