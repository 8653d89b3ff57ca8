#include "core/domain/cart/cart.h"

#include "core/domain/actor.h"
#include "core/domain/checkout/checkout.h"
#include "core/domain/ids.h"
#include "core/domain/money.h"
#include "core/domain/payment/payment.h"
#include "core/domain/pricing/quote.h"
#include "gen/codec.h"

static const struct status_change changes[] = {
    {EVENT_CART_OPENED, CART_STATUS_ABSENT, CART_STATUS_OPEN},
    {EVENT_CART_UPDATED, CART_STATUS_OPEN, CART_STATUS_OPEN},
    {EVENT_CART_CHECKED_OUT, CART_STATUS_OPEN, CART_STATUS_CHECKED_OUT},
    {EVENT_CART_REOPENED, CART_STATUS_CHECKED_OUT, CART_STATUS_OPEN},
};
static const struct status_table life = {changes, ARRAY_LENGTH(changes)};

/* The index of the SKU's line, or lines->count. */
static uint32_t find_line(const struct cart_line_array *lines, struct str sku) {
    uint32_t i = 0;
    while (i < lines->count && !str_equal(lines->items[i].sku, sku)) {
        i++;
    }
    return i;
}

/* ---- decide ------------------------------------------------------------------------------------------------------ */

/* ACCEPTED when the cart is there for whoever asks, and takes changes. */
static enum rejection cart_is_open(const struct cart_state *state, struct str actor, struct decision *decision) {
    switch (state->status) {
    case CART_STATUS_ABSENT:
        return REJECT_UNKNOWN_CART;
    case CART_STATUS_OPEN:
    case CART_STATUS_CHECKED_OUT:
        break;
    }
    if (!actor_may_touch_purchase(actor, state->has_customer, state->customer)) {
        return decision_hide(decision, REJECT_UNKNOWN_CART);
    }
    return state->status == CART_STATUS_OPEN ? ACCEPTED : REJECT_CART_NOT_OPEN;
}

static enum rejection reject_skus(struct decision *decision, enum rejection why, struct str pointer,
                                  struct str_array skus) {
    decision->skus = skus;
    return decision_reject(decision, why, pointer);
}

/* Sums the lines of one SKU into its first. */
static enum rejection sum_requests(const struct line_request_array *asked, struct decision *decision,
                                   struct line_request_array *ret_requests) {
    if (asked->count > CART_MAX_LINES) {
        return decision_reject(decision, REJECT_TOO_MANY_LINES, STR("/lines"));
    }
    struct line_request_array requests = {0};
    for (uint32_t i = 0; i < asked->count; i++) {
        uint32_t at = 0;
        while (at < requests.count && !str_equal(requests.items[at].sku, asked->items[i].sku)) {
            at++;
        }
        struct line_request *sum = at < requests.count ? &requests.items[at] : ARRAY_PUSH(decision->arena, &requests);
        int64_t quantity = asked->items[i].quantity;
        sum->sku = asked->items[i].sku;
        if (quantity < 1 || quantity > CART_MAX_QUANTITY - sum->quantity) {
            return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE,
                                   arena_printf(decision->arena, "/lines/%u/quantity", i));
        }
        sum->quantity += quantity;
    }
    *ret_requests = requests;
    return ACCEPTED;
}

/* Where in the body of OpenCart the SKU was first asked for. */
static struct str pointer_to_line(const struct line_request_array *asked, struct str sku, const char *field,
                                  struct arena *arena) {
    uint32_t i = 0;
    while (i < asked->count && !str_equal(asked->items[i].sku, sku)) {
        i++;
    }
    return arena_printf(arena, "/lines/%u/%s", i, field);
}

static enum rejection open_cart(const struct cart_state *state, const struct open_cart *ask,
                                struct decision *decision) {
    if (state->status != CART_STATUS_ABSENT) {
        return REJECT_ALREADY_EXISTS;
    }
    struct line_request_array requests = {0};
    enum rejection refusal = sum_requests(&ask->lines, decision, &requests);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    struct quote quote = quote_make(decision->arena, ask->currency, &requests, &ask->price_facts);
    switch (quote.outcome) {
    case QUOTE_MADE:
        break;
    case QUOTE_FACT_MISSING:
        return reject_skus(decision, REJECT_SKU_NOT_ON_SALE,
                           pointer_to_line(&ask->lines, quote.skus.items[0], "sku", decision->arena), quote.skus);
    case QUOTE_OTHER_CURRENCY:
        return reject_skus(decision, REJECT_CURRENCY_MISMATCH, STR("/currency"), quote.skus);
    case QUOTE_TOO_LARGE:
        return reject_skus(decision, REJECT_QUANTITY_TOO_LARGE,
                           pointer_to_line(&ask->lines, quote.skus.items[0], "quantity", decision->arena), quote.skus);
    }
    decision_event(decision, EVENT_CART_OPENED)->as.cart_opened = (struct cart_opened){
        .currency = ask->currency,
        .has_reference = ask->has_reference,
        .reference = ask->reference,
        .lines = quote.lines,
        .total = quote.total,
        .has_customer = ask->has_customer,
        .customer = ask->customer,
    };
    return ACCEPTED;
}

static void remove_line(const struct cart_state *state, const struct cart_line *line, struct decision *decision) {
    decision_event(decision, EVENT_CART_UPDATED)->as.cart_updated = (struct cart_updated){
        .sku = line->sku,
        .before_quantity = line->quantity,
        .quantity = 0,
        .total = {state->total.amount - line->total.amount, state->currency},
    };
}

static bool line_is_the_same(const struct cart_line *a, const struct cart_line *b) {
    return a->quantity == b->quantity && money_equal(a->unit_price, b->unit_price) && str_equal(a->title, b->title) &&
           str_equal(a->product, b->product);
}

static enum rejection set_cart_line(const struct cart_state *state, const struct command *command,
                                    struct decision *decision) {
    const struct set_cart_line *ask = &command->as.set_cart_line;
    enum rejection refusal = cart_is_open(state, command->meta.actor, decision);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    uint32_t at = find_line(&state->lines, ask->sku);
    const struct cart_line *before = at < state->lines.count ? &state->lines.items[at] : NULL;
    if (ask->quantity == 0) {
        if (before != NULL) {
            remove_line(state, before, decision);
        }
        return ACCEPTED;
    }
    if (ask->quantity < 0 || ask->quantity > CART_MAX_QUANTITY) {
        return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE, STR("/quantity"));
    }
    if (before == NULL && state->lines.count >= CART_MAX_LINES) {
        return REJECT_TOO_MANY_LINES;
    }
    struct line_request request = {ask->sku, ask->quantity};
    struct line_request_array requests = {&request, 1, 1};
    struct quote quote = quote_make(decision->arena, state->currency, &requests, &ask->price_facts);
    switch (quote.outcome) {
    case QUOTE_MADE:
        break;
    case QUOTE_FACT_MISSING:
        return reject_skus(decision, REJECT_SKU_NOT_ON_SALE, STR(""), quote.skus);
    case QUOTE_OTHER_CURRENCY:
        return reject_skus(decision, REJECT_CURRENCY_MISMATCH, STR(""), quote.skus);
    case QUOTE_TOO_LARGE:
        return reject_skus(decision, REJECT_QUANTITY_TOO_LARGE, STR("/quantity"), quote.skus);
    }
    const struct cart_line *line = &quote.lines.items[0];
    if (before != NULL && line_is_the_same(before, line)) {
        return ACCEPTED;
    }
    int64_t others_minor = state->total.amount - (before != NULL ? before->total.amount : 0);
    int64_t total_minor;
    if (!money_add(others_minor, line->total.amount, &total_minor)) {
        return decision_reject(decision, REJECT_QUANTITY_TOO_LARGE, STR("/quantity"));
    }
    decision_event(decision, EVENT_CART_UPDATED)->as.cart_updated = (struct cart_updated){
        .sku = ask->sku,
        .before_quantity = before != NULL ? before->quantity : 0,
        .quantity = ask->quantity,
        .has_line = true,
        .line = *line,
        .total = {total_minor, state->currency},
    };
    return ACCEPTED;
}

/* The lines again at the prices of this moment. */
static struct quote quote_cart(const struct cart_state *state, const struct price_fact_array *facts,
                               struct arena *arena) {
    struct line_request_array requests = {0};
    for (uint32_t i = 0; i < state->lines.count; i++) {
        const struct cart_line *line = &state->lines.items[i];
        *ARRAY_PUSH(arena, &requests) = (struct line_request){line->sku, line->quantity};
    }
    return quote_make(arena, state->currency, &requests, facts);
}

/* Whoever is known and holds the token of a guest's cart buys for himself. Staff who help a guest take nothing. */
static bool becomes_the_buyers(const struct cart_state *state, const struct command *command) {
    return !state->has_customer && command->as.check_out_cart.has_customer &&
           actor_of(command->meta.actor).kind == ACTOR_GUEST;
}

static enum rejection check_out_cart(const struct cart_state *state, const struct command *command,
                                     struct decision *decision) {
    const struct check_out_cart *ask = &command->as.check_out_cart;
    enum rejection refusal = cart_is_open(state, command->meta.actor, decision);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (state->lines.count == 0) {
        return REJECT_CART_EMPTY;
    }
    if (!payment_provider_exists(ask->payment.provider)) {
        return decision_reject(decision, REJECT_UNKNOWN_PROVIDER, STR("/payment/provider"));
    }
    struct quote quote = quote_cart(state, &ask->price_facts, decision->arena);
    switch (quote.outcome) {
    case QUOTE_MADE:
        break;
    case QUOTE_FACT_MISSING:
        return reject_skus(decision, REJECT_CART_CHANGED, STR(""), quote.skus);
    case QUOTE_OTHER_CURRENCY:
        return reject_skus(decision, REJECT_CURRENCY_MISMATCH, STR(""), quote.skus);
    case QUOTE_TOO_LARGE:
        return reject_skus(decision, REJECT_QUANTITY_TOO_LARGE, STR(""), quote.skus);
    }
    if (ask->has_expected_total && !money_equal(ask->expected_total, quote.total)) {
        return decision_reject(decision, REJECT_PRICE_CHANGED, STR("/expected_total"));
    }
    int32_t attempt = state->attempt + 1;
    bool is_taken_over = becomes_the_buyers(state, command);
    decision_event(decision, EVENT_CART_CHECKED_OUT)->as.cart_checked_out = (struct cart_checked_out){
        .order = order_id(decision->arena, decision->stream, attempt),
        .attempt = attempt,
        .lines = quote.lines,
        .total = quote.total,
        .has_reference = state->has_reference,
        .reference = state->reference,
        .has_email = ask->has_email,
        .email = ask->email,
        .payment = ask->payment,
        .has_customer = state->has_customer || is_taken_over,
        .customer = is_taken_over ? ask->customer : state->customer,
    };
    return ACCEPTED;
}

/* Only the newest order's word counts: that of an older one comes late. */
static enum rejection reopen_cart(const struct cart_state *state, const struct reopen_cart *ask,
                                  struct decision *decision) {
    if (state->status == CART_STATUS_ABSENT) {
        return REJECT_UNKNOWN_CART;
    }
    if (state->status == CART_STATUS_CHECKED_OUT && str_equal(state->order, ask->order)) {
        decision_event(decision, EVENT_CART_REOPENED)->as.cart_reopened =
            (struct cart_reopened){.order = ask->order, .reason = ask->reason};
    }
    return ACCEPTED;
}

enum rejection cart_decide(const struct cart_state *state, const struct command *command, struct decision *decision) {
    switch ((enum carts_command)command->type) {
    case COMMAND_OPEN_CART:
        return open_cart(state, &command->as.open_cart, decision);
    case COMMAND_SET_CART_LINE:
        return set_cart_line(state, command, decision);
    case COMMAND_CHECK_OUT_CART:
        return check_out_cart(state, command, decision);
    case COMMAND_REOPEN_CART:
        return reopen_cart(state, &command->as.reopen_cart, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

static void evolve_line(struct cart_state *state, const struct cart_updated *updated, struct arena *arena) {
    uint32_t at = find_line(&state->lines, updated->sku);
    if (updated->has_line) {
        struct cart_line *line = at < state->lines.count ? &state->lines.items[at] : ARRAY_PUSH(arena, &state->lines);
        *line = updated->line;
    } else if (at < state->lines.count) {
        ARRAY_REMOVE(&state->lines, at);
    }
    state->total = updated->total;
}

void cart_evolve(struct cart_state *state, const struct event *event, struct arena *arena) {
    switch ((enum carts_event)event->type) {
    case EVENT_CART_OPENED: {
        const struct cart_opened *opened = &event->as.cart_opened;
        state->currency = opened->currency;
        state->has_reference = opened->has_reference;
        state->reference = opened->reference;
        ARRAY_COPY(arena, &opened->lines, &state->lines);
        state->total = opened->total;
        state->has_customer = opened->has_customer;
        state->customer = opened->customer;
        state->created_at = event->meta.occurred_at;
        break;
    }
    case EVENT_CART_UPDATED:
        evolve_line(state, &event->as.cart_updated, arena);
        break;
    case EVENT_CART_CHECKED_OUT: {
        const struct cart_checked_out *checked_out = &event->as.cart_checked_out;
        ARRAY_COPY(arena, &checked_out->lines, &state->lines);
        state->total = checked_out->total;
        state->attempt = checked_out->attempt;
        state->order = checked_out->order;
        state->has_customer = checked_out->has_customer;
        state->customer = checked_out->customer;
        break;
    }
    case EVENT_CART_REOPENED:
        break;
    }
    state->status = (enum cart_status)status_evolved(&life, event->type, (int)state->status);
    state->changed_at = event->meta.occurred_at;
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    (void)sub_state;
    return cart_decide(state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    (void)sub_state;
    cart_evolve(state, event, arena);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    (void)state;
    (void)cause;
    checkout_after_cart(event, reactions);
}

static void encode(struct buf *out, const void *state) {
    cart_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return cart_state_decode(arena, bytes, ret_state);
}

const struct aggregate cart_aggregate = {
    .prefix = {"cart_", 5},
    .family = "carts",
    .noun = "cart",
    .state_size = sizeof(struct cart_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .life = &life,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = CART_STATE_SCHEMA_ID,
};
