#include "core/gateway/lists.h"

#include <assert.h>

#include "core/base/json_write.h"
#include "core/gateway/cursor.h"
#include "core/gateway/list_filters.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/sales_filter.h"
#include "core/gateway/sku_owner.h"
#include "projections/categories/query.h"
#include "projections/stock/query.h"

enum { LIST_BODY_MAX_BYTES = 32 * 1024 * 1024, PAGE_FULL_BYTES = 4 * 1024 * 1024 };
static_assert((int)COLUMN_DOCUMENT == (int)PRODUCTS_COLUMN_DOCUMENT &&
                  (int)COLUMN_SECOND == (int)PRODUCTS_COLUMN_CURSOR,
              "a page of products is read as any other");

struct list_run {
    struct query_run run; /* first: on_rows is given its address */
    struct list_page page;
    struct pg_select rows;
    bool is_of_products;
    struct products_filter products;
    struct sales_filter sales;
};

static const char *const products_views[] = {"products", "categories", NULL};
static const char *const products_and_stock_views[] = {"products", "categories", "stock", NULL};
static const char *const categories_views[] = {"categories", NULL};
static const char *const stock_view[] = {"stock", NULL};
static const char *const stock_and_products_views[] = {"stock", "products", NULL};
static const char *const orders_view[] = {"orders", NULL};
static const char *const orders_and_products_views[] = {"orders", "products", NULL};
static const char *const keys_view[] = {"keys", NULL};
static const char *const sales_view[] = {"sales", NULL};

/* ---- pages ------------------------------------------------------------------------------------------------------- */

/* How many of the rows stand on the page: as many as were asked for, but fewer when they are large. Documents that the
 * statement has left out do not. */
static int rows_shown(const struct list_run *list, const PGresult *result) {
    int rows = PQntuples(result), most = rows > list->page.limit ? (int)list->page.limit : rows, shown = 0;
    for (size_t bytes = 0; shown < most && bytes < PAGE_FULL_BYTES; shown++) {
        if (PQgetisnull(result, shown, COLUMN_DOCUMENT)) {
            break;
        }
        bytes += pg_value(result, shown, COLUMN_DOCUMENT).len;
    }
    return shown;
}

/* Where there is more than is shown: a row without a cursor is none. */
static bool has_more(const PGresult *result, int shown) {
    return PQntuples(result) > shown && !PQgetisnull(result, shown, COLUMN_SECOND);
}

static void write_cursor(struct buf *body, const struct list_run *list, struct str inner) {
    struct request *request = list->run.request;
    if (list->products.q.text.data != NULL) {
        inner = products_meaning_write(request_arena(request), &list->products.meaning, inner);
    }
    struct str cursor =
        cursor_write(request_arena(request), &request->loop->gateway->secret, list->page.identity, inner);
    buf_printf(body, ",\"next_cursor\":\"%.*s\"", STR_ARGS(cursor));
}

/* What the list of products has beside its items. */
static void write_of_products(struct buf *body, const struct list_run *list, const PGresult *result) {
    struct json_writer writer = json_writer_of(body);
    buf_str(body, STR(",\"corrected\":"));
    if (list->products.meaning.is_corrected) {
        json_text(&writer, list->products.meaning.text);
    } else {
        json_none(&writer);
    }
    buf_str(body, STR(",\"facets\":"));
    buf_str(body, list->page.cursor.data == NULL ? pg_value(result, 0, PRODUCTS_COLUMN_FACETS) : STR("null"));
}

static void on_page(struct query_run *run, const PGresult *result) {
    struct list_run *list = (struct list_run *)run;
    int shown = rows_shown(list, result);
    struct buf body;
    buf_init(&body, LIST_BODY_MAX_BYTES);
    buf_byte(&body, '{');
    query_run_write_items(&body, result, shown);
    if (has_more(result, shown)) {
        write_cursor(&body, list, pg_value(result, shown - 1, COLUMN_SECOND));
    } else {
        buf_str(&body, STR(",\"next_cursor\":null"));
    }
    if (list->is_of_products) {
        write_of_products(&body, list, result);
    }
    buf_byte(&body, '}');
    request_answer_json(run->request, 200, buf_text(&body));
    buf_release(&body);
}

static struct list_run *list_create(struct request *request) {
    struct list_run *list = arena_alloc(request_arena(request), sizeof *list);
    query_run_init(&list->run, request, NULL);
    list->run.on_rows = on_page;
    list->run.is_list = true;
    return list;
}

static bool take_page(struct list_run *list, const char *name, struct problem *ret_problem) {
    struct request *request = list->run.request;
    return list_page_read(request->exchange, &request->loop->gateway->secret, name, &list->page, ret_problem);
}

/* A row more than the page has tells that there are more. */
static struct str rows_wanted(const struct list_run *list) {
    return arena_printf(request_arena(list->run.request), "%lld", (long long)list->page.limit + 1);
}

static void use_select(struct query_run *run, const struct pg_select *select) {
    run->statement = &select->statement;
    run->values = select->parameters;
}

/* ---- the lists --------------------------------------------------------------------------------------------------- */

static void use_products_list(struct list_run *list) {
    bool is_first = list->page.cursor.data == NULL;
    products_list(&list->rows, request_arena(list->run.request), &list->products, rows_wanted(list), is_first);
    use_select(&list->run, &list->rows);
    list->run.on_rows = on_page;
}

static void on_words(struct query_run *run, const PGresult *result) {
    struct list_run *list = (struct list_run *)run;
    list->products.meaning = products_question_mean(request_arena(run->request), &list->products.q, result);
    use_products_list(list);
    query_run_send(run);
}

/* With words the catalogue is asked for these first; the pages behind the first one go on with what was found then. */
static void use_words_or_list(struct list_run *list) {
    const struct products_filter *filter = &list->products;
    if (list->page.cursor.data == NULL && filter->q.word_count > 0) {
        products_words_parameters(request_arena(list->run.request), &filter->q, list->run.parameters);
        list->run.statement = &products_words;
        list->run.values = list->run.parameters;
        list->run.on_rows = on_words;
    } else {
        use_products_list(list);
    }
}

/* A category that has none below it is looked for as one value, which is planned best. */
static void on_below(struct query_run *run, const PGresult *result) {
    struct list_run *list = (struct list_run *)run;
    bool is_alone = str_equal(pg_value(result, 0, BELOW_COLUMN_COUNT), STR("1"));
    if (!is_alone &&
        !arena_str_try(request_arena(run->request), pg_value(result, 0, BELOW_COLUMN_SLUGS), &list->products.below)) {
        request_overloaded(run->request);
        return;
    }
    use_words_or_list(list);
    query_run_send(run);
}

/* Of a category it is the tree that is asked first: what is in those below it is in it. */
void query_products(struct request *request) {
    struct list_run *list = list_create(request);
    struct products_filter *filter = &list->products;
    struct problem problem;
    if (!take_page(list, "products", &problem) ||
        !list_filters_products(request->exchange, &list->page, filter, &problem)) {
        request_problem(request, &problem);
        return;
    }
    list->is_of_products = true;
    if (filter->category.data != NULL) {
        list->run.parameters[0] = filter->category;
        list->run.statement = &categories_below;
        list->run.on_rows = on_below;
    } else {
        use_words_or_list(list);
    }
    query_run_start(&list->run, filter->stock == PRODUCTS_ANY_STOCK ? products_views : products_and_stock_views);
}

/* The orders with his goods, and of these his lines alone. By what the others' lines add up to he neither sorts nor
 * asks. */
static void list_orders_of_vendor(struct request *request) {
    struct list_run *list = list_create(request);
    struct orders_filter filter;
    struct problem problem;
    if (!take_page(list, "orders of vendor", &problem) ||
        !list_filters_orders_of_vendor(request->exchange, &list->page, &filter, &problem)) {
        request_problem(request, &problem);
        return;
    }
    orders_list_of_vendor(&list->rows, request_arena(request), &filter, request->principal.vendor, rows_wanted(list));
    use_select(&list->run, &list->rows);
    query_run_start(&list->run, orders_and_products_views);
}

/* Whoever sees his own alone is given his own, whatever else he asks for. A vendor who names himself as the customer is
 * given what he bought. */
static void list_orders(struct request *request, bool is_own) {
    struct list_run *list = list_create(request);
    struct orders_filter filter;
    struct problem problem;
    if (!take_page(list, "orders", &problem) ||
        !list_filters_orders(request->exchange, &list->page, &filter, &problem)) {
        request_problem(request, &problem);
        return;
    }
    if (is_own) {
        filter.owner = request->principal.id;
    }
    orders_list(&list->rows, request_arena(request), &filter, rows_wanted(list));
    use_select(&list->run, &list->rows);
    query_run_start(&list->run, orders_view);
}

void query_orders(struct request *request) {
    bool names_customer;
    struct str customer;
    if (request->access.by == 'v' &&
        (!http_query_parameter(request->exchange, "customer", &names_customer, &customer) || !names_customer)) {
        list_orders_of_vendor(request);
    } else {
        list_orders(request, access_is_own(&request->access));
    }
}

/* A cursor of another SKU's ledger is none of this one. */
static void list_movements(struct request *request) {
    struct list_run *list = list_create(request);
    struct str *parameters = list->run.parameters;
    struct problem problem;
    if (!query_run_take_id(request, "sku", &parameters[0], NULL)) {
        return;
    }
    const char *name = arena_printf(request_arena(request), "movements %.*s", STR_ARGS(parameters[0])).data;
    if (!take_page(list, name, &problem)) {
        request_problem(request, &problem);
        return;
    }
    parameters[1] = rows_wanted(list);
    parameters[2] = list->page.cursor;
    parameters[3] = request->principal.vendor;
    bool is_vendor = request->access.by == 'v';
    list->run.statement = is_vendor ? &stock_movements_of_vendor : &stock_movements;
    query_run_start(&list->run, is_vendor ? stock_and_products_views : stock_view);
}

static void on_movements_owned(struct request *request, bool is_his) {
    if (is_his) {
        list_movements(request);
    } else {
        request_refuse(request, 404, "unknown_sku", REQUEST_UNKNOWN_THING);
    }
}

void query_movements(struct request *request) {
    if (request->access.by == 'v') {
        sku_owner_ask(request, on_movements_owned);
    } else {
        list_movements(request);
    }
}

void query_api_keys(struct request *request) {
    struct list_run *list = list_create(request);
    struct api_keys_filter filter;
    struct problem problem;
    if (!take_page(list, "api keys", &problem) ||
        !list_filters_api_keys(request->exchange, &list->page, &filter, &problem)) {
        request_problem(request, &problem);
        return;
    }
    api_keys_list(&list->rows, request_arena(request), &filter, rows_wanted(list));
    use_select(&list->run, &list->rows);
    query_run_start(&list->run, keys_view);
}

static void use_sales_list(struct list_run *list) {
    sales_list(&list->rows, request_arena(list->run.request), &list->sales, rows_wanted(list));
    use_select(&list->run, &list->rows);
    list->run.on_rows = on_page;
}

static void on_zone(struct query_run *run, const PGresult *result) {
    struct list_run *list = (struct list_run *)run;
    struct problem problem;
    if (PQntuples(result) == 1 && str_equal(pg_value(result, 0, 0), STR("t"))) {
        use_sales_list(list);
        query_run_send(run);
    } else if (!sales_filter_refuse_zone(run->request->exchange, &problem)) {
        request_problem(run->request, &problem);
    }
}

/* PostgreSQL is asked for a zone first: a statement that names one which it does not know fails like any other. */
void query_sales(struct request *request) {
    struct list_run *list = list_create(request);
    struct problem problem;
    if (!take_page(list, "sales", &problem) ||
        !sales_filter_read(request->exchange, &list->page, &list->sales, &problem)) {
        request_problem(request, &problem);
        return;
    }
    if (sales_is_by_time(list->sales.by) && !str_equal(list->sales.zone, STR("UTC"))) {
        list->run.parameters[0] = list->sales.zone;
        list->run.statement = &sales_knows_zone;
        list->run.on_rows = on_zone;
    } else {
        use_sales_list(list);
    }
    query_run_start(&list->run, sales_view);
}

void query_categories(struct request *request) {
    struct list_run *list = list_create(request);
    struct categories_filter filter;
    struct problem problem;
    if (!take_page(list, "categories", &problem) ||
        !list_filters_categories(request->exchange, &list->page, &filter, &problem)) {
        request_problem(request, &problem);
        return;
    }
    categories_list(&list->rows, request_arena(request), &filter, rows_wanted(list));
    use_select(&list->run, &list->rows);
    query_run_start(&list->run, categories_views);
}
