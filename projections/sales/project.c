/* project.c: sums of what was sold, from the events of orders and payments; and what the catalogue says of products. */
#include "core/base/embed.h"
#include "core/domain/order/order.h"
#include "core/domain/payment/payment.h"
#include "core/domain/product/product.h"
#include "gen/codec.h"
#include "projections/runtime/view.h"
#include "projections/sales/quarter.h"

#include <assert.h>

EMBED_TEXT(sales_sql, "projections/sales/view.sql");

enum { TOTALS, PRODUCTS, FACTS, GROUPS };

/* What an event adds. */
struct figures {
    int64_t orders;
    int64_t units;
    int64_t minor;
};

static void add_line(struct figures *figures, const struct cart_line *line) {
    figures->units += line->quantity;
    figures->minor += line->total.amount;
}

static void put_totals(struct view_batch *batch, const struct event *event, struct str currency, struct figures sold,
                       struct figures cancelled, int64_t refunded_minor) {
    view_upsert(batch, TOTALS,
                (struct view_value[]){
                    view_number(quarter_of(event->meta.occurred_at)),
                    view_text(currency),
                    view_number(sold.orders),
                    view_number(sold.units),
                    view_number(sold.minor),
                    view_number(cancelled.orders),
                    view_number(cancelled.units),
                    view_number(cancelled.minor),
                    view_number(refunded_minor),
                });
}

static void put_product(struct view_batch *batch, const struct event *event, const struct cart_line *line,
                        struct figures sold, struct figures cancelled) {
    view_upsert(batch, PRODUCTS,
                (struct view_value[]){
                    view_text(line->product),
                    view_text(line->total.currency),
                    view_number(quarter_of(event->meta.occurred_at)),
                    view_number(sold.orders),
                    view_number(sold.units),
                    view_number(sold.minor),
                    view_number(cancelled.orders),
                    view_number(cancelled.units),
                    view_number(cancelled.minor),
                });
}

static bool is_product_before(const struct cart_line_array *lines, uint32_t index) {
    for (uint32_t i = 0; i < index; i++) {
        if (str_equal(lines->items[i].product, lines->items[index].product)) {
            return true;
        }
    }
    return false;
}

/* The order counts once, and once for each of its products, of which several lines may be variants. */
static void put_order(struct view_batch *batch, const struct event *event, const struct order_state *order,
                      bool is_cancelled) {
    const struct figures none = {0};
    struct figures all = {.orders = 1};
    for (uint32_t i = 0; i < order->lines.count; i++) {
        const struct cart_line *line = &order->lines.items[i];
        struct figures own = {.orders = is_product_before(&order->lines, i) ? 0 : 1};
        add_line(&all, line);
        add_line(&own, line);
        put_product(batch, event, line, is_cancelled ? none : own, is_cancelled ? own : none);
    }
    put_totals(batch, event, order->total.currency, is_cancelled ? none : all, is_cancelled ? all : none, 0);
}

/* What was never confirmed was not sold, and is not counted when it is cancelled. */
static void project_order(struct view_batch *batch, const struct event *event, const struct order_state *order) {
    struct str confirmed = str_of_cstr(order_status_name(ORDER_STATUS_CONFIRMED));
    if (event->type == EVENT_ORDER_CONFIRMED) {
        put_order(batch, event, order, false);
    } else if (event->type == EVENT_ORDER_CANCELLED && str_equal(event->as.order_cancelled.status_before, confirmed)) {
        put_order(batch, event, order, true);
    }
}

static void project_payment(struct view_batch *batch, const struct event *event) {
    if (event->type == EVENT_PAYMENT_REFUNDED) {
        const struct money *amount = &event->as.payment_refunded.amount;
        put_totals(batch, event, amount->currency, (struct figures){0}, (struct figures){0}, amount->amount);
    }
}

static bool is_among(const struct str *texts, size_t count, struct str text) {
    for (size_t i = 0; i < count; i++) {
        if (str_equal(texts[i], text)) {
            return true;
        }
    }
    return false;
}

static void put_facts(struct view_batch *batch, struct arena *arena, const struct event *event,
                      const struct product_state *product) {
    const struct product_details *details = &product->details;
    struct str *categories = arena_alloc(arena, ((size_t)details->categories.count + 1) * sizeof *categories);
    size_t count = 0;
    for (uint32_t i = 0; i < details->categories.count; i++) {
        if (!is_among(categories, count, details->categories.items[i])) {
            categories[count++] = details->categories.items[i];
        }
    }
    if (count == 0) {
        categories[count++] = STR("");
    }
    view_upsert(batch, FACTS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_text(details->title),
                    view_text(details->has_vendor ? details->vendor : STR("")),
                    view_texts(categories, count),
                });
}

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    const char *family = event_info(event->type)->family;
    if (strcmp(family, order_aggregate.family) == 0) {
        project_order(batch, event, state);
    } else if (strcmp(family, payment_aggregate.family) == 0) {
        project_payment(batch, event);
    } else if (last) {
        put_facts(batch, arena, event, state);
    }
}

#define SUM(name)                                                                                                      \
    { name, VIEW_BIGINT, .additive = true }

const struct view sales_view = {
    .name = "sales",
    .sql = sales_sql,
    .format = 1,
    .families = {"orders", "catalog", "payments"},
    .tables = {[TOTALS] = {.name = "totals",
                           .columns = {{"at", VIEW_TIMESTAMP, .key = true},
                                       {"currency", VIEW_TEXT, .key = true},
                                       SUM("orders"),
                                       SUM("units"),
                                       SUM("gross_minor"),
                                       SUM("cancelled_orders"),
                                       SUM("cancelled_units"),
                                       SUM("cancelled_minor"),
                                       SUM("refunded_minor")},
                           .column_count = 9},
               [PRODUCTS] = {.name = "products",
                             .columns = {{"product", VIEW_TEXT, .key = true},
                                         {"currency", VIEW_TEXT, .key = true},
                                         {"at", VIEW_TIMESTAMP, .key = true},
                                         SUM("orders"),
                                         SUM("units"),
                                         SUM("gross_minor"),
                                         SUM("cancelled_orders"),
                                         SUM("cancelled_units"),
                                         SUM("cancelled_minor")},
                             .column_count = 9},
               [FACTS] = {.name = "facts",
                          .columns = {{"product", VIEW_TEXT, .key = true},
                                      {"title", VIEW_TEXT},
                                      {"vendor", VIEW_TEXT},
                                      {"categories", VIEW_TEXT_ARRAY}},
                          .column_count = 4},
               /* view.sql's triggers keep it, of what is written into the two before; nothing is put into it here. */
               [GROUPS] = {.name = "groups",
                           .columns = {{"kind", VIEW_TEXT, .key = true},
                                       {"span", VIEW_TEXT, .key = true},
                                       {"at", VIEW_TIMESTAMP, .key = true},
                                       {"name", VIEW_TEXT, .key = true},
                                       {"currency", VIEW_TEXT, .key = true},
                                       SUM("units"),
                                       SUM("gross_minor"),
                                       SUM("cancelled_units"),
                                       SUM("cancelled_minor")},
                           .column_count = 9}},
    .table_count = 4,
    .fold = &order_aggregate,
    .also_folds = {&product_aggregate},
    .project = project,
};
