#include "core/domain/pricing/quote.h"

#include "core/base/array.h"
#include "core/domain/money.h"

/* Facts as a rule come in the order of the lines, so the search goes on where the last one ended. */
static const struct price_fact *find_fact(const struct price_fact_array *facts, struct str sku, uint32_t *cursor) {
    for (uint32_t i = 0; i < facts->count; i++) {
        uint32_t at = (*cursor + i) % facts->count;
        if (str_equal(facts->items[at].sku, sku)) {
            *cursor = at + 1;
            return &facts->items[at];
        }
    }
    return NULL;
}

/* Only the first kind of trouble is told, with all the SKUs that have it. */
static void note_trouble(struct arena *arena, struct quote *quote, enum quote_outcome outcome, struct str sku,
                         uint32_t index) {
    if (quote->outcome == QUOTE_MADE) {
        quote->outcome = outcome;
        quote->offending_index = index;
    }
    if (quote->outcome == outcome) {
        *ARRAY_PUSH(arena, &quote->skus) = sku;
    }
}

static enum quote_outcome price_line(struct str currency, const struct line_request *request,
                                     const struct price_fact *fact, struct quote *quote, struct cart_line *ret_line) {
    if (fact == NULL || fact->price.amount < 0) {
        return QUOTE_FACT_MISSING;
    }
    if (!str_equal(fact->price.currency, currency)) {
        return QUOTE_OTHER_CURRENCY;
    }
    int64_t line_total;
    if (!money_multiply(fact->price.amount, request->quantity, &line_total) ||
        !money_add(quote->total.amount, line_total, &quote->total.amount)) {
        return QUOTE_TOO_LARGE;
    }
    *ret_line = (struct cart_line){
        .sku = request->sku,
        .product = fact->product,
        .title = fact->title,
        .quantity = request->quantity,
        .unit_price = fact->price,
        .total = {line_total, fact->price.currency},
    };
    return QUOTE_MADE;
}

struct quote quote_make(struct arena *arena, struct str currency, const struct line_request_array *requests,
                        const struct price_fact_array *facts) {
    struct quote quote = {.total = {0, currency}};
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < requests->count; i++) {
        const struct line_request *request = &requests->items[i];
        const struct price_fact *fact = find_fact(facts, request->sku, &cursor);
        struct cart_line line = {0};
        enum quote_outcome outcome = price_line(currency, request, fact, &quote, &line);
        if (outcome == QUOTE_MADE) {
            *ARRAY_PUSH(arena, &quote.lines) = line;
        } else {
            note_trouble(arena, &quote, outcome, request->sku, i);
        }
    }
    return quote;
}
