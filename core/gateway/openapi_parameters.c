#include "core/gateway/openapi_parameters.h"

#include <string.h>

#include "gen/common.h"
#include "projections/orders/list.h"
#include "projections/products/list.h"

#define PRODUCTS "/v1/products"
#define ORDERS "/v1/orders"
#define CATEGORIES "/v1/categories"
#define CUSTOMERS "/v1/customers"
#define API_KEYS "/v1/api-keys"
#define SALES "/v1/analytics/sales"

#define TEXT(max) "{\"type\":\"string\",\"minLength\":1,\"maxLength\":" #max "}"
#define TIME "{\"type\":\"string\",\"format\":\"date-time\"}"
#define VERSION_OR_TIME                                                                                                \
    "{\"type\":\"string\",\"pattern\":\"^([1-9][0-9]{0,17}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]{5}))$\"}"
#define AMOUNT "{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000000000000}"

#define ULID "[0-7][0-9A-HJKMNP-TV-Z]{25}"
#define ID(prefix, numbers) "{\"type\":\"string\",\"pattern\":\"^" prefix "_" ULID numbers "$\"}"

#define SLUG "{\"type\":\"string\",\"minLength\":1,\"maxLength\":64,\"pattern\":\"^[a-z0-9_-]+(\\\\.[a-z0-9_-]+)*$\"}"

#define ONE_OF_ROLES "{\"type\":\"string\",\"enum\":[\"admin\",\"support\",\"analyst\",\"auditor\",\"vendor\""

struct parameter {
    const char *name;
    const char *path;   /* NULL: on every path that has it */
    const char *schema; /* NULL: of sort and status, see write_schema */
    const char *meaning;
};

static const struct parameter parameters[] = {
    {"limit", NULL, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":200,\"default\":50}", "Items on a page, at most."},
    {"cursor", NULL, TEXT(2048),
     "The next_cursor of the page before; the other parameters must be those of that page, limit aside."},
    {"position", NULL, TEXT(512), "What the header Daybook-Position would say, for who can set no header."},
    {"q", PRODUCTS, TEXT(256),
     "Words to be found in title, vendor, categories, tags, SKUs, barcodes, attributes and description, stemmed as "
     "English: "
     "all of them; \"a phrase\", or, -without. The last word may be half typed, unless something stands behind it, if "
     "only "
     "a space. A misspelt word is replaced by one of the catalogue, which `corrected` tells; in quotes it is not."},
    {"category", PRODUCTS, TEXT(64), "Products in this category, or in one below it."},
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
    {"parent", CATEGORIES, SLUG, "Categories that stand in this one, not those below them."},
    {"top", CATEGORIES, "{\"type\":\"boolean\",\"enum\":[true]}",
     "true: categories that stand in none; without parent."},
    {"sort", CATEGORIES, "{\"type\":\"string\",\"enum\":[\"position\",\"title\",\"-title\"]}",
     "position when absent, and where that is the same by slug. A - reverses."},
    {"reference", ORDERS, TEXT(128), "Orders with the storefront's reference; not for vendors."},
    {"customer", ORDERS, ID("cus", ""),
     "Orders of this customer. Whoever sees his own alone finds nothing by another's; a vendor finds "
     "by "
     "his own what he bought himself."},
    {"status", ORDERS, NULL, "Orders that stand so."},
    {"sku", ORDERS, TEXT(64), "Orders that have a line of this SKU."},
    {"from", ORDERS, TIME, "Orders placed at this time or later."},
    {"to", ORDERS, TIME, "Orders placed before this time."},
    {"sort", ORDERS, NULL,
     "-placed_at when absent: the newest first. total is in minor units; not for vendors. A - reverses."},
    {"status", CUSTOMERS, "{\"type\":\"string\",\"enum\":[\"unverified\",\"active\",\"erasing\",\"erased\"]}",
     "Customers who stand so."},
    {"role", CUSTOMERS, ONE_OF_ROLES "]}", "Customers who have this role, beside whatever others."},
    {"sort", CUSTOMERS, "{\"type\":\"string\",\"enum\":[\"-created_at\",\"created_at\"]}",
     "-created_at when absent: the newest first."},
    {"status", API_KEYS, "{\"type\":\"string\",\"enum\":[\"active\",\"revoked\"]}", "Keys that stand so."},
    {"role", API_KEYS, ONE_OF_ROLES ",\"service\"]}", "Keys that have this role, beside whatever others."},
    {"sort", API_KEYS, "{\"type\":\"string\",\"enum\":[\"-created_at\",\"created_at\",\"name\",\"-name\"]}",
     "-created_at when absent: the newest first."},
    {"from", SALES, TIME, "The range's beginning: a whole quarter of an hour."},
    {"to", SALES, TIME,
     "The range's end, which is not in it: a whole quarter of an hour, of at most 93 days by hour, 1100 by day and "
     "3660 "
     "else."},
    {"by", SALES,
     "{\"type\":\"string\",\"enum\":[\"hour\",\"day\",\"week\",\"month\",\"category\",\"vendor\",\"product\","
     "\"currency\"]}",
     "What the report has a row of. Weeks are those of ISO 8601. A product of several categories counts in each; "
     "categories and vendors are those that products have now."},
    {"tz", SALES, "{\"type\":\"string\",\"minLength\":3,\"maxLength\":64,\"default\":\"UTC\"}",
     "The time zone of hours, days, weeks and months, by its name in the IANA database, e.g. Europe/Berlin."},
    {"as_of", "/v1/products/{product}", VERSION_OR_TIME,
     "A version or a time: the product as it stood then; `as_of` in the answer says which version that is."},
    {"as_of", "/v1/stock/{sku}", VERSION_OR_TIME,
     "A version or a time: the stock as it stood then; `as_of` in the answer says which version that is."},
    {"as_of", "/v1/orders/{order}/history", VERSION_OR_TIME,
     "A version or a time: the history ends there, and the answer has the order as it stood."},
};

/* Of whatever path has them. `example` makes a whole address that could be. */
static const struct path_parameter {
    const char *name, *schema, *example, *meaning;
} path_parameters[] = {
    {"product", ID("prod", ""), "prod_01KB3Q6ZK8M2V9T4R7X5N1C0HD", "A product's id."},
    {"sku", "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9._-]{1,64}$\"}", "tea-darjeeling-100g",
     "A stock keeping unit."},
    {"category", SLUG, "tea", "A category's slug."},
    {"barcode", TEXT(64), "4006381333931", "The GTIN or other code on the pack."},
    {"cart", ID("cart", ""), "cart_01KB3Q6ZK8M2V9T4R7X5N1C0HD", "A cart's id."},
    {"order", ID("ord", "\\\\.[0-9]{1,9}"), "ord_01KB3Q6ZK8M2V9T4R7X5N1C0HD.1", "An order's id."},
    {"payment", ID("pay", "\\\\.[0-9]{1,9}\\\\.[0-9]{1,9}"), "pay_01KB3Q6ZK8M2V9T4R7X5N1C0HD.1.1", "A payment's id."},
    {"command", ID("cmd", "\\\\.[0-9]{1,9}"), "cmd_01KB3Q6ZK8M2V9T4R7X5N1C0HD.2",
     "A command's id, as Location had it with 202."},
    {"customer", ID("cus", ""), "cus_01KB3Q6ZK8M2V9T4R7X5N1C0HD", "A customer's id."},
    {"key", ID("key", ""), "key_01KB3Q6ZK8M2V9T4R7X5N1C0HD", "An API key's id."},
    {"address", SLUG, "1", "Which of the addresses that one keeps."},
    {"purpose", SLUG, "newsletter", "What one's data may be used for, or may not."},
    {"session", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":2147483647}", "1",
     "The number of one of one's own sessions."},
    {"provider", "{\"type\":\"string\",\"enum\":[\"test\"]}", "test", "The payment provider."},
    {"schema", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":4294967295}", "1",
     "The id: the four bytes behind the first of a record, big-endian."},
    {"subject", TEXT(512), "daybook.orders-daybook.orders.OrderPlaced",
     "Topic, a hyphen, and the record's full name (TopicRecordNameStrategy)."},
    {"version", "{\"type\":\"string\",\"pattern\":\"^([1-9][0-9]{0,8}|latest|-1)$\"}", "latest",
     "From 1 on; latest (or -1) is the newest."},
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

static void begin_parameter(struct json_writer *writer, const char *in, struct str name, bool is_required_,
                            const char *meaning) {
    json_object_begin(writer);
    json_field_string(writer, "name", name);
    json_field_cstr(writer, "in", in);
    json_field_bool(writer, "required", is_required_);
    json_field_cstr(writer, "description", meaning);
}

/* ---- path -------------------------------------------------------------------------------------------------------- */

static void write_path_parameter(struct json_writer *writer, struct str name) {
    for (size_t i = 0; i < ARRAY_LENGTH(path_parameters); i++) {
        const struct path_parameter *parameter = &path_parameters[i];
        if (str_equal(name, str_of_cstr(parameter->name))) {
            begin_parameter(writer, "path", name, true, parameter->meaning);
            json_field_raw(writer, "schema", parameter->schema);
            bool is_number = strstr(parameter->schema, "integer") != NULL;
            json_name(writer, STR("example"));
            if (is_number) {
                json_raw(writer, str_of_cstr(parameter->example));
            } else {
                json_text(writer, str_of_cstr(parameter->example));
            }
            json_object_end(writer);
            return;
        }
    }
}

static void write_path(struct json_writer *writer, const struct route *route) {
    struct str rest = str_of_cstr(route->pattern);
    while (str_find(rest, '{') < rest.len) {
        rest = str_from(rest, str_find(rest, '{') + 1);
        write_path_parameter(writer, str_first(rest, str_find(rest, '}')));
    }
}

/* ---- query ------------------------------------------------------------------------------------------------------- */

/* A report of sales is of some range, by something. */
static bool is_needed(const struct parameter *parameter) {
    return parameter->path != NULL && strcmp(parameter->path, SALES) == 0 && strcmp(parameter->name, "tz") != 0;
}

static void write_query(struct json_writer *writer, const struct route *route) {
    for (struct str rest = str_of_cstr(route->query == NULL ? "" : route->query); !str_is_empty(rest);) {
        struct str name = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, name.len + 1);
        const struct parameter *parameter = parameter_find(route, name);
        if (parameter != NULL) {
            begin_parameter(writer, "query", name, is_needed(parameter), parameter->meaning);
            json_name(writer, STR("schema"));
            write_schema(writer, parameter);
            json_object_end(writer);
        }
    }
}

/* ---- header ------------------------------------------------------------------------------------------------------ */

static void write_header(struct json_writer *writer, const char *name, bool is_required_, const char *schema,
                         const char *meaning) {
    begin_parameter(writer, "header", str_of_cstr(name), is_required_, meaning);
    json_field_raw(writer, "schema", schema);
    json_object_end(writer);
}

static void write_command_headers(struct json_writer *writer, const struct route *route) {
    write_header(writer, "Idempotency-Key", route->key_required,
                 "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,\"pattern\":\"^[!-~]+$\"}",
                 "Under the same key the same request takes effect once, however often it is sent. Of whoever has not "
                 "said who he is, by Authorization or a Daybook-Cart-Token, it must have at least 22 characters.");
    write_header(writer, "Daybook-Cart-Token", false,
                 "{\"type\":\"string\",\"minLength\":1,\"maxLength\":128,"
                 "\"pattern\":\"^[!-~]+$\"}",
                 "The token of a cart makes its bearer a principal of his own.");
    write_header(writer, "Prefer", false, "{\"type\":\"string\",\"examples\":[\"respond-async\",\"wait=10\"]}",
                 "RFC 7240: respond-async, or how many seconds the outcome is waited for, at most 60.");
    if (route->limit != LIMIT_LOGIN || !route_is_for_everybody(route)) {
        write_header(writer, "Daybook-CSRF", false, "{\"type\":\"string\"}",
                     "With cookies: the csrf_token of the session. With Authorization it is not needed.");
    }
    if (route->stream_parameter != NULL || route->the_stream != NULL || route->is_of_self) {
        write_header(writer, "If-Match", false,
                     "{\"type\":\"string\",\"pattern\":\"^(\\\"[1-9][0-9]{0,17}\\\"|[*])$\"}",
                     "The ETag of what was read: if it has changed since, the change is refused.");
    }
}

bool openapi_has_etag(const struct route *route) {
    static const char *const documents[] = {"Product", "StockItem", "Cart",   "Order",   "OrderSeen",
                                            "Payment", "Customer",  "ApiKey", "Category"};
    for (size_t i = 0; i < ARRAY_LENGTH(documents) && !route->is_stream; i++) {
        if (strcmp(route->answer_schema, documents[i]) == 0) {
            return true;
        }
    }
    return false;
}

void openapi_parameters_write(struct json_writer *writer, const struct route *route) {
    json_field_array(writer, "parameters");
    write_path(writer, route);
    write_query(writer, route);
    if (route->command_type != 0) {
        write_command_headers(writer, route);
    } else if (openapi_has_etag(route)) {
        write_header(writer, "If-None-Match", false, "{\"type\":\"string\"}",
                     "ETags that are known already: the answer is 304 when it is still one of them.");
    }
    if (route->is_stream) {
        write_header(writer, "Last-Event-ID", false, "{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]*$\"}",
                     "The id of the last event that was received: nothing up to it is sent.");
    }
    if (route->command_type != 0 || route->query != NULL) {
        write_header(writer, "Daybook-Position", false, "{\"type\":\"string\"}",
                     "Of an earlier answer: what was changed there has been seen by what is read here.");
    }
    json_array_end(writer);
}
