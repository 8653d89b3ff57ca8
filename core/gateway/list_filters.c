#include "core/gateway/list_filters.h"

#include <assert.h>
#include <string.h>

#include "core/base/text.h"
#include "core/domain/ids.h"
#include "core/gateway/cursor.h"
#include "gen/common.h"

/* The schemas' bounds. */
enum {
    SLUG_MAX = 64,
    TAG_MAX = 64,
    VENDOR_MAX = 128,
    SKU_MAX = 64,
    REFERENCE_MAX = 128,
    STATUS_MAX = 32,
    CUSTOMER_MAX = 64,
    WORDS_MAX = 256,
    ATTRIBUTE_NAME_MAX = 64,
    ATTRIBUTE_VALUE_MAX = 256,
    CURSOR_TEXT_MAX = 2048, /* of cursor.h's CURSOR_INNER_MAX */
};
static const int64_t price_max = INT64_C(1000000000000000);

/* ---- pages ------------------------------------------------------------------------------------------------------- */

bool list_page_read(struct http_exchange *exchange, const struct secret *secret, const char *list,
                    struct list_page *ret_page, struct problem *ret_problem) {
    struct str identity, text;
    *ret_page = (struct list_page){0};
    if (!query_string_limit(exchange, &ret_page->limit, ret_problem) ||
        !query_string_text(exchange, "cursor", CURSOR_TEXT_MAX, &text, ret_problem) ||
        !query_string_identity(exchange, list, &identity, ret_problem)) {
        return false;
    }
    ret_page->identity = identity.data;
    if (text.data != NULL && !cursor_read(&exchange->arena, secret, identity.data, text, &ret_page->cursor)) {
        return query_string_refuse(exchange, "cursor", "a next_cursor of this list, asked for with the same parameters",
                                   ret_problem);
    }
    return true;
}

/* `sort`, of the table; `orders[usual]` when absent. */
static bool take_order(struct http_exchange *exchange, const struct pg_order *orders, const struct pg_order *usual,
                       const struct pg_order **ret_order, struct problem *ret_problem) {
    struct str name;
    if (!query_string_text(exchange, "sort", 32, &name, ret_problem)) {
        return false;
    }
    *ret_order = name.data == NULL ? usual : pg_order_find(orders, name);
    if (*ret_order == NULL) {
        struct str names = {0};
        for (const struct pg_order *order = orders; order->name != NULL; order++) {
            names =
                arena_printf(&exchange->arena, "%.*s%s%s", STR_ARGS(names), order == orders ? "" : ", ", order->name);
        }
        return query_string_refuse(exchange, "sort", arena_printf(&exchange->arena, "one of %s", names.data).data,
                                   ret_problem);
    }
    return true;
}

/* The cursor was written by the list's own statement. */
static bool take_after(struct http_exchange *exchange, const struct list_page *page, struct pg_cursor *ret_after,
                       struct problem *ret_problem) {
    return page->cursor.data == NULL || pg_cursor_read(page->cursor, ret_after) ||
           query_string_refuse(exchange, "cursor", "a next_cursor of this list", ret_problem);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static bool take_prices(struct http_exchange *exchange, struct products_filter *filter, struct problem *ret_problem) {
    if (!query_string_number(exchange, "price_min", price_max, &filter->price_min, ret_problem) ||
        !query_string_number(exchange, "price_max", price_max, &filter->price_max, ret_problem)) {
        return false;
    }
    int64_t least, most;
    bool are_both = int64_read(filter->price_min, &least) && int64_read(filter->price_max, &most);
    return !are_both || least <= most || query_string_refuse(exchange, "price_max", "at least price_min", ret_problem);
}

static bool take_stock(struct http_exchange *exchange, enum products_stock *ret_stock, struct problem *ret_problem) {
    struct str text;
    if (!query_string_text(exchange, "in_stock", 16, &text, ret_problem)) {
        return false;
    }
    *ret_stock = PRODUCTS_ANY_STOCK;
    if (str_equal(text, STR("true"))) {
        *ret_stock = PRODUCTS_IN_STOCK;
    } else if (str_equal(text, STR("false"))) {
        *ret_stock = PRODUCTS_OUT_OF_STOCK;
    } else if (text.data != NULL) {
        return query_string_refuse(exchange, "in_stock", "true or false", ret_problem);
    }
    return true;
}

static bool take_attributes(struct http_exchange *exchange, struct products_filter *filter,
                            struct problem *ret_problem) {
    struct query_pair pairs[PRODUCTS_ATTRIBUTES_MAX];
    if (!query_string_prefixed(exchange, "attr.", PRODUCTS_ATTRIBUTES_MAX, ATTRIBUTE_NAME_MAX, ATTRIBUTE_VALUE_MAX,
                               pairs, &filter->attribute_count, ret_problem)) {
        return false;
    }
    for (size_t i = 0; i < filter->attribute_count; i++) {
        filter->attributes[i] = (struct products_attribute){.name = pairs[i].name, .value = pairs[i].value};
    }
    return true;
}

/* What it means is asked of the catalogue, unless the page before this one has told. */
static bool take_words(struct http_exchange *exchange, struct products_filter *filter, struct problem *ret_problem) {
    struct str text;
    if (!query_string_text(exchange, "q", WORDS_MAX, &text, ret_problem)) {
        return false;
    }
    if (text.data != NULL) {
        filter->q = products_question_read(text);
        filter->meaning = products_question_literal(&filter->q);
    }
    static_assert(QUESTION_EXCLUDED_MAX == 16, "the text below");
    return filter->q.excluded_count <= QUESTION_EXCLUDED_MAX ||
           query_string_refuse(exchange, "q", "words of which a - excludes 16 at most", ret_problem);
}

/* With `q` the best matches come first, else the newest. */
static bool take_products_order(struct http_exchange *exchange, struct products_filter *filter,
                                struct problem *ret_problem) {
    bool has_words = filter->q.text.data != NULL;
    const struct pg_order *usual = &products_orders[has_words ? 0 : 1];
    return take_order(exchange, products_orders, usual, &filter->order, ret_problem) &&
           (has_words || !products_order_is_relevance(filter->order) ||
            query_string_refuse(exchange, "sort", "another order when there is no q", ret_problem));
}

static bool take_products_after(struct http_exchange *exchange, const struct list_page *page,
                                struct products_filter *filter, struct problem *ret_problem) {
    struct list_page after = *page;
    if (page->cursor.data != NULL && filter->q.text.data != NULL &&
        !products_meaning_read(page->cursor, filter->q.text, &filter->meaning, &after.cursor)) {
        return query_string_refuse(exchange, "cursor", "a next_cursor of this list", ret_problem);
    }
    return take_after(exchange, &after, &filter->after, ret_problem);
}

bool list_filters_products(struct http_exchange *exchange, const struct list_page *page,
                           struct products_filter *ret_filter, struct problem *ret_problem) {
    struct products_filter *filter = ret_filter;
    *filter = (struct products_filter){0};
    return take_words(exchange, filter, ret_problem) &&
           query_string_text(exchange, "category", SLUG_MAX, &filter->category, ret_problem) &&
           query_string_text(exchange, "tag", TAG_MAX, &filter->tag, ret_problem) &&
           query_string_text(exchange, "vendor", VENDOR_MAX, &filter->vendor, ret_problem) &&
           take_attributes(exchange, filter, ret_problem) && take_prices(exchange, filter, ret_problem) &&
           take_stock(exchange, &filter->stock, ret_problem) && take_products_order(exchange, filter, ret_problem) &&
           take_products_after(exchange, page, filter, ret_problem);
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

/* One of the names, which ends in NULL, or absent. */
static bool take_one_of(struct http_exchange *exchange, const char *name, const char *const *names, const char *must_be,
                        struct str *ret_value, struct problem *ret_problem) {
    if (!query_string_text(exchange, name, STATUS_MAX, ret_value, ret_problem)) {
        return false;
    }
    bool is_known = ret_value->data == NULL;
    for (; *names != NULL && !is_known; names++) {
        is_known = str_equal(*ret_value, str_of_cstr(*names));
    }
    return is_known || query_string_refuse(exchange, name, must_be, ret_problem);
}

static bool take_status(struct http_exchange *exchange, struct str *ret_status, struct problem *ret_problem) {
    const char *names[ORDER_STATUS_CANCELLED + 1];
    size_t count = 0;
    for (enum order_status status = ORDER_STATUS_ABSENT + 1; status <= ORDER_STATUS_CANCELLED; status++) {
        names[count++] = order_status_name(status);
    }
    names[count] = NULL;
    return take_one_of(exchange, "status", names, "a status that an order can have", ret_status, ret_problem);
}

static bool take_customer(struct http_exchange *exchange, struct str *ret_customer, struct problem *ret_problem) {
    if (!query_string_text(exchange, "customer", CUSTOMER_MAX, ret_customer, ret_problem)) {
        return false;
    }
    bool is_one = str_starts_with(*ret_customer, STR("cus_")) && stream_id_is_valid(*ret_customer);
    return ret_customer->data == NULL || is_one ||
           query_string_refuse(exchange, "customer", "the id of a customer, cus_ and a ULID", ret_problem);
}

/* Written in UTC with all digits, times are in order when their texts are. */
static bool take_times(struct http_exchange *exchange, struct orders_filter *filter, struct problem *ret_problem) {
    return query_string_time(exchange, "from", &filter->from, ret_problem) &&
           query_string_time(exchange, "to", &filter->to, ret_problem) &&
           (filter->from.data == NULL || filter->to.data == NULL || str_compare(filter->from, filter->to) <= 0 ||
            query_string_refuse(exchange, "to", "no earlier than from", ret_problem));
}

bool list_filters_orders(struct http_exchange *exchange, const struct list_page *page, struct orders_filter *ret_filter,
                         struct problem *ret_problem) {
    struct orders_filter *filter = ret_filter;
    *filter = (struct orders_filter){0};
    return query_string_text(exchange, "reference", REFERENCE_MAX, &filter->reference, ret_problem) &&
           take_customer(exchange, &filter->customer, ret_problem) &&
           take_status(exchange, &filter->status, ret_problem) &&
           query_string_text(exchange, "sku", SKU_MAX, &filter->sku, ret_problem) &&
           take_times(exchange, filter, ret_problem) &&
           take_order(exchange, orders_orders, &orders_orders[0], &filter->order, ret_problem) &&
           take_after(exchange, page, &filter->after, ret_problem);
}

static bool refuse_for_vendors(struct http_exchange *exchange, const char *name, struct problem *ret_problem) {
    bool is_present;
    struct str value;
    return (http_query_parameter(exchange, name, &is_present, &value) && !is_present) ||
           query_string_refuse(exchange, name, "left out by vendors, who see their own lines alone", ret_problem);
}

bool list_filters_orders_of_vendor(struct http_exchange *exchange, const struct list_page *page,
                                   struct orders_filter *ret_filter, struct problem *ret_problem) {
    struct orders_filter *filter = ret_filter;
    *filter = (struct orders_filter){0};
    struct pg_order may[ORDERS_ORDERS_OF_VENDOR + 1] = {0}; /* the last has no name */
    memcpy(may, orders_orders, ORDERS_ORDERS_OF_VENDOR * sizeof *may);
    const struct pg_order *order;
    if (!refuse_for_vendors(exchange, "reference", ret_problem) ||
        !take_status(exchange, &filter->status, ret_problem) ||
        !query_string_text(exchange, "sku", SKU_MAX, &filter->sku, ret_problem) ||
        !take_times(exchange, filter, ret_problem) || !take_order(exchange, may, &may[0], &order, ret_problem)) {
        return false;
    }
    filter->order = &orders_orders[order - may];
    return take_after(exchange, page, &filter->after, ret_problem);
}

/* ---- categories -------------------------------------------------------------------------------------------------- */

/* Those beside each other are those in one category, or those in none. */
static bool take_place(struct http_exchange *exchange, struct categories_filter *filter, struct problem *ret_problem) {
    struct str top;
    if (!query_string_text(exchange, "parent", SLUG_MAX, &filter->parent, ret_problem) ||
        !query_string_text(exchange, "top", 16, &top, ret_problem)) {
        return false;
    }
    if (top.data != NULL && (filter->parent.data != NULL || !str_equal(top, STR("true")))) {
        return query_string_refuse(exchange, "top", "true, and without parent", ret_problem);
    }
    filter->is_of_top = top.data != NULL;
    return true;
}

bool list_filters_categories(struct http_exchange *exchange, const struct list_page *page,
                             struct categories_filter *ret_filter, struct problem *ret_problem) {
    struct categories_filter *filter = ret_filter;
    *filter = (struct categories_filter){0};
    return take_place(exchange, filter, ret_problem) &&
           take_order(exchange, categories_orders, &categories_orders[0], &filter->order, ret_problem) &&
           take_after(exchange, page, &filter->after, ret_problem);
}

/* ---- API keys and customers -------------------------------------------------------------------------------------- */

static const char *const roles_of_keys[] = {"admin", "support", "analyst", "auditor", "vendor", "service", NULL};
static const char *const roles_of_people[] = {"admin", "support", "analyst", "auditor", "vendor", NULL};

bool list_filters_api_keys(struct http_exchange *exchange, const struct list_page *page,
                           struct api_keys_filter *ret_filter, struct problem *ret_problem) {
    static const char *const statuses[] = {"active", "revoked", NULL};
    struct api_keys_filter *filter = ret_filter;
    *filter = (struct api_keys_filter){0};
    return take_one_of(exchange, "status", statuses, "active or revoked", &filter->status, ret_problem) &&
           take_one_of(exchange, "role", roles_of_keys, "a role that a key can have", &filter->role, ret_problem) &&
           take_order(exchange, api_keys_orders, &api_keys_orders[0], &filter->order, ret_problem) &&
           take_after(exchange, page, &filter->after, ret_problem);
}

bool list_filters_customers(struct http_exchange *exchange, const struct list_page *page,
                            struct customers_filter *ret_filter, struct problem *ret_problem) {
    static const char *const statuses[] = {"unverified", "active", "suspended", "erasing", "erased", NULL};
    struct customers_filter *filter = ret_filter;
    *filter = (struct customers_filter){0};
    return take_one_of(exchange, "status", statuses, "a status that a customer can have", &filter->status,
                       ret_problem) &&
           take_one_of(exchange, "role", roles_of_people, "a role that a person can have", &filter->role,
                       ret_problem) &&
           take_order(exchange, customers_orders, &customers_orders[0], &filter->order, ret_problem) &&
           take_after(exchange, page, &filter->after, ret_problem);
}
