#include "core/gateway/openapi_parameters.h"

#include "gen/common.h"
#include "projections/orders/list.h"
#include "projections/products/list.h"

#define PRODUCTS "/v1/products"
#define ORDERS "/v1/orders"

#define TEXT(max) "{\"type\":\"string\",\"minLength\":1,\"maxLength\":" #max "}"
#define TIME "{\"type\":\"string\",\"format\":\"date-time\"}"
#define AMOUNT "{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000000000000}"

struct parameter {
    const char *name;
    const char *path;   /* NULL: on every path that has it */
    const char *schema; /* NULL: of sort and status, see write_schema */
    const char *meaning;
};

static const struct parameter parameters[] = {
    {"limit", NULL, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":200,\"default\":50}", "Items on a page, at most."},
    {"cursor", NULL, TEXT(1024),
     "The next_cursor of the page before; the other parameters must be those of that page, limit aside."},
    {"position", NULL, TEXT(512), "What the header Daybook-Position would say, for who can set no header."},
    {"q", PRODUCTS, TEXT(256),
     "Words to be found in title, vendor, categories, tags, SKUs, attributes and description, stemmed as English: "
     "all of them; \"a phrase\", or, -without."},
    {"category", PRODUCTS, TEXT(64), "Products in this category."},
    {"tag", PRODUCTS, TEXT(64), "Products with this tag."},
    {"vendor", PRODUCTS, TEXT(128), "Products of this vendor."},
    {"attr.NAME", PRODUCTS, TEXT(256),
     "Products with a variant whose attribute NAME has this value, e.g. attr.color=red; up to 8 of them, which one "
     "variant must meet together with price_min, price_max and in_stock."},
    {"price_min", PRODUCTS, AMOUNT, "Products with a variant that costs at least this, in minor units."},
    {"price_max", PRODUCTS, AMOUNT, "Products with a variant that costs at most this, in minor units."},
    {"in_stock", PRODUCTS, "{\"type\":\"boolean\"}",
     "true: products with such a variant that is available; false: those of which none is."},
    {"sort", PRODUCTS, NULL,
     "relevance needs q, and is the order when there is one; newest is the order when there is none. price is that of "
     "the cheapest variant. A - reverses."},
    {"reference", ORDERS, TEXT(128), "Orders with the storefront's reference."},
    {"status", ORDERS, NULL, "Orders that stand so."},
    {"sku", ORDERS, TEXT(64), "Orders that have a line of this SKU."},
    {"from", ORDERS, TIME, "Orders placed at this time or later."},
    {"to", ORDERS, TIME, "Orders placed before this time."},
    {"sort", ORDERS, NULL, "-placed_at when absent: the newest first. total is in minor units. A - reverses."},
    {"as_of", "/v1/products/{product}", TEXT(64),
     "A version or a time: the product as it stood then; `as_of` in the answer says which version that is."},
    {"as_of", "/v1/stock/{sku}", TEXT(64),
     "A version or a time: the stock as it stood then; `as_of` in the answer says which version that is."},
    {"as_of", "/v1/orders/{order}/history", TEXT(64),
     "A version or a time: the history ends there, and the answer has the order as it stood."},
};

static const struct parameter *parameter_find(const struct route *route, struct str name) {
    for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++) {
        const struct parameter *parameter = &parameters[i];
        if (str_equal(name, str_of_cstr(parameter->name)) &&
            (parameter->path == NULL || strcmp(parameter->path, route->pattern) == 0)) {
            return parameter;
        }
    }
    return NULL;
}

static void write_orders(struct json_writer *writer, const struct pg_order *orders) {
    for (; orders->name != NULL; orders++) {
        json_text(writer, str_of_cstr(orders->name));
    }
}

static void write_statuses(struct json_writer *writer) {
    for (enum order_status status = ORDER_STATUS_ABSENT + 1; status <= ORDER_STATUS_CANCELLED; status++) {
        json_text(writer, str_of_cstr(order_status_name(status)));
    }
}

static void write_schema(struct json_writer *writer, const struct parameter *parameter) {
    if (parameter->schema != NULL) {
        json_raw(writer, str_of_cstr(parameter->schema));
        return;
    }
    json_object_begin(writer);
    json_field_string(writer, "type", STR("string"));
    json_name(writer, STR("enum"));
    json_array_begin(writer);
    if (strcmp(parameter->name, "status") == 0) {
        write_statuses(writer);
    } else {
        write_orders(writer, strcmp(parameter->path, ORDERS) == 0 ? orders_orders : products_orders);
    }
    json_array_end(writer);
    json_object_end(writer);
}

static void write_parameter(struct json_writer *writer, const struct parameter *parameter) {
    json_object_begin(writer);
    json_field_string(writer, "name", str_of_cstr(parameter->name));
    json_field_string(writer, "in", STR("query"));
    json_field_bool(writer, "required", false);
    json_field_string(writer, "description", str_of_cstr(parameter->meaning));
    json_name(writer, STR("schema"));
    write_schema(writer, parameter);
    json_object_end(writer);
}

void openapi_parameters_write(struct json_writer *writer, const struct route *route) {
    for (struct str rest = str_of_cstr(route->query == NULL ? "" : route->query); !str_is_empty(rest);) {
        struct str name = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, name.len + 1);
        const struct parameter *parameter = parameter_find(route, name);
        if (parameter != NULL) {
            write_parameter(writer, parameter);
        }
    }
}
