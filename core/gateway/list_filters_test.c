#include "core/gateway/list_filters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/gateway/cursor.h"

/* One request, as the server would hand it over. */
static struct http_exchange exchange;
static const struct secret secret = {{7}};
static struct list_page page;
static struct products_filter products;
static struct orders_filter orders;
static struct problem problem;

#define PRODUCTS "q category tag vendor attr.NAME price_min price_max in_stock sort limit cursor"

static int set_up(void **state) {
    (void)state;
    exchange = (struct http_exchange){0};
    arena_init(&exchange.arena, 16 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&exchange.arena);
    return 0;
}

static bool ask_products(const char *query) {
    exchange.query = str_of_cstr(query);
    problem = (struct problem){0};
    return query_string_has_only(&exchange, PRODUCTS, &problem) &&
           list_page_read(&exchange, &secret, "products", &page, &problem) &&
           list_filters_products(&exchange, &page, &products, &problem);
}

static bool ask_orders(const char *query) {
    exchange.query = str_of_cstr(query);
    problem = (struct problem){0};
    return list_page_read(&exchange, &secret, "orders", &page, &problem) &&
           list_filters_orders(&exchange, &page, &orders, &problem);
}

static bool ask_orders_of_vendor(const char *query) {
    exchange.query = str_of_cstr(query);
    problem = (struct problem){0};
    return list_page_read(&exchange, &secret, "orders of vendor", &page, &problem) &&
           list_filters_orders_of_vendor(&exchange, &page, &orders, &problem);
}

static void assert_names(const char *parameter) {
    assert_int_equal(problem.status, 400);
    char member[128];
    snprintf(member, sizeof member, "\"parameter\":\"%s\"", parameter);
    assert_true(str_equal(problem.members, str_of_cstr(member)));
    assert_non_null(problem.detail);
}

static void assert_text(struct str text, const char *expected) {
    assert_true(str_equal(text, str_of_cstr(expected)));
}

static void all_filters_of_products_are_taken(void **state) {
    (void)state;
    assert_true(ask_products("q=green+tea&category=drinks&tag=bio&vendor=A%26B&attr.color=dark%20red&attr.size=M"
                             "&price_min=0&price_max=1000&in_stock=true&sort=-price&limit=7"));
    assert_text(products.q.text, "green tea");
    assert_text(products.meaning.text, "green tea");
    assert_text(products.category, "drinks");
    assert_text(products.tag, "bio");
    assert_text(products.vendor, "A&B");
    assert_int_equal(products.attribute_count, 2);
    assert_text(products.attributes[0].name, "color");
    assert_text(products.attributes[0].value, "dark red");
    assert_text(products.attributes[1].name, "size");
    assert_text(products.price_min, "0");
    assert_text(products.price_max, "1000");
    assert_int_equal(products.stock, PRODUCTS_IN_STOCK);
    assert_string_equal(products.order->name, "-price");
    assert_int_equal(page.limit, 7);
    assert_null(page.cursor.data);
    assert_null(products.after.id.data);
}

static void without_a_sort_the_best_come_first_or_the_newest(void **state) {
    (void)state;
    assert_true(ask_products(""));
    assert_string_equal(products.order->name, "newest");
    assert_int_equal(products.stock, PRODUCTS_ANY_STOCK);
    assert_true(ask_products("q=tea"));
    assert_string_equal(products.order->name, "relevance");
    assert_true(ask_orders(""));
    assert_string_equal(orders.order->name, "-placed_at");
}

static void what_cannot_be_meant_is_refused_by_its_name(void **state) {
    (void)state;
    static const struct {
        const char *query, *name;
    } cases[] = {
        {"price_min=-1", "price_min"},
        {"price_min=1.5", "price_min"},
        {"price_min=01", "price_min"},
        {"price_max=1000000000000001", "price_max"},
        {"price_max=99999999999999999999", "price_max"},
        {"price_min=5&price_max=4", "price_max"},
        {"in_stock=yes", "in_stock"},
        {"in_stock=", "in_stock"},
        {"sort=relevance", "sort"},
        {"sort=-relevance&q=tea", "sort"},
        {"sort=cheapest", "sort"},
        {"sort=", "sort"},
        {"q=", "q"},
        {"q=a&q=b", "q"},
        {"q=-a-b+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-", "q"},
        {"category=%01", "category"},
        {"attr.color=", "attr.color"},
        {"attr.color=a&attr.color=b", "attr.color"},
        {"attr.a=1&attr.b=1&attr.c=1&attr.d=1&attr.e=1&attr.f=1&attr.g=1&attr.h=1&attr.i=1", "attr.i"},
        {"attr.color=a%1fb", "attr.color"},
        {"attr.a%22b=", "attr.a\\\"b"},
        {"cursor=abc", "cursor"},
        {"limit=0", "limit"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_false(ask_products(cases[i].query));
        assert_string_equal(problem.code, "invalid_parameter");
        assert_names(cases[i].name);
    }
    static const char *const unknown[] = {"attr.=red", "attr=red", "attribute.color=red", "customer=cus_1"};
    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++) {
        assert_false(ask_products(unknown[i]));
        assert_string_equal(problem.code, "unknown_parameter");
    }
    assert_names("customer");
}

static void orders_are_asked_for_by_a_status_that_there_is_and_times_that_follow(void **state) {
    (void)state;
    assert_true(ask_orders("status=confirmed&from=2026-01-01T01:00:00%2B01:00&to=2026-01-01T00:00:00Z&sort=total"));
    assert_text(orders.status, "confirmed");
    assert_string_equal(orders.order->name, "total");
    assert_false(ask_orders("status=absent"));
    assert_names("status");
    assert_false(ask_orders("status=lost"));
    assert_names("status");
    assert_false(ask_orders("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"));
    assert_names("to");
    assert_false(ask_orders("customer=cus_2"));
    assert_names("customer");
    assert_false(ask_orders("customer=cart_01ARZ3NDEKTSV4RRFFQ69G5FA2"));
    assert_names("customer");
    assert_false(ask_orders("sort=status"));
    assert_names("sort");
}

/* By what is not his he neither asks nor sorts: from the order of totals he would learn what the others sold. */
static void a_vendor_asks_for_his_own_lines_alone(void **state) {
    (void)state;
    assert_true(ask_orders_of_vendor("status=confirmed&sku=tea&from=2026-01-01T00:00:00Z&sort=placed_at"));
    assert_text(orders.sku, "tea");
    assert_string_equal(orders.order->name, "placed_at");
    assert_ptr_equal(orders.order, &orders_orders[1]);
    assert_true(ask_orders_of_vendor(""));
    assert_string_equal(orders.order->name, "-placed_at");
    static const char *const sorts[] = {"sort=total", "sort=-total", "sort="};
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        assert_false(ask_orders_of_vendor(sorts[i]));
        assert_names("sort");
    }
    assert_false(ask_orders_of_vendor("reference=R-1"));
    assert_names("reference");
}

static void keys_and_customers_are_asked_for_by_what_they_can_be(void **state) {
    (void)state;
    struct api_keys_filter keys;
    struct customers_filter customers;
#define ASK(list, filter, text)                                                                                        \
    (exchange.query = str_of_cstr(text), problem = (struct problem){0},                                                \
     list_page_read(&exchange, &secret, #list, &page, &problem) &&                                                     \
         list_filters_##list(&exchange, &page, &(filter), &problem))
    assert_true(ASK(api_keys, keys, ""));
    assert_null(keys.status.data);
    assert_null(keys.role.data);
    assert_string_equal(keys.order->name, "-created_at");
    assert_true(ASK(api_keys, keys, "status=revoked&role=service&sort=name"));
    assert_text(keys.status, "revoked");
    assert_text(keys.role, "service");
    assert_string_equal(keys.order->name, "name");
    assert_false(ASK(api_keys, keys, "status=absent"));
    assert_names("status");
    assert_false(ASK(api_keys, keys, "role=customer"));
    assert_names("role");
    assert_true(ASK(customers, customers, "status=unverified&role=vendor&sort=created_at"));
    assert_text(customers.status, "unverified");
    assert_text(customers.role, "vendor");
    assert_null(customers.identity.data);
    assert_false(ASK(customers, customers, "status=confirmed"));
    assert_names("status");
    assert_false(ASK(customers, customers, "role=service"));
    assert_names("role");
    assert_false(ASK(customers, customers, "sort=name"));
    assert_names("sort");
}

static void categories_are_asked_for_by_where_they_stand(void **state) {
    (void)state;
    struct categories_filter categories;
    assert_true(ASK(categories, categories, ""));
    assert_null(categories.parent.data);
    assert_false(categories.is_of_top);
    assert_string_equal(categories.order->name, "position");
    assert_true(ASK(categories, categories, "parent=tea&sort=-title"));
    assert_text(categories.parent, "tea");
    assert_string_equal(categories.order->name, "-title");
    assert_true(ASK(categories, categories, "top=true"));
    assert_true(categories.is_of_top);
    static const char *const refused[][2] = {{"top=false", "top"},     {"top=true&parent=tea", "top"},
                                             {"top=", "top"},          {"parent=", "parent"},
                                             {"parent=%01", "parent"}, {"sort=slug", "sort"}};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        assert_false(ASK(categories, categories, refused[i][0]));
        assert_names(refused[i][1]);
    }
#undef ASK
}

/* The query with the cursor of its own first page behind it. */
static struct str with_cursor(const char *query, const char *inner) {
    assert_true(ask_products(query));
    struct str cursor = cursor_write(&exchange.arena, &secret, page.identity, str_of_cstr(inner));
    return arena_printf(&exchange.arena, "cursor=%.*s", STR_ARGS(cursor));
}

static bool ask_behind(struct str cursor, const char *query) {
    return ask_products(arena_printf(&exchange.arena, "%.*s&%s", STR_ARGS(cursor), query).data);
}

static void a_cursor_goes_on_with_its_own_query_alone(void **state) {
    (void)state;
    struct str cursor = with_cursor("q=tea&sort=title&attr.color=red&limit=2", "\x1f\x1f\x1fprod_1 a title");
    assert_true(ask_behind(cursor, "attr.color=red&sort=title&limit=9&q=tea"));
    assert_text(products.after.id, "prod_1");
    assert_text(products.after.key, "a title");
    static const char *const others[] = {"q=tea&sort=title", "q=tea&sort=-title&attr.color=red",
                                         "q=teas&sort=title&attr.color=red", "q=tea&sort=title&attr.color=blue",
                                         "q=tea&sort=title&attr.color=red&tag=x"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        assert_false(ask_behind(cursor, others[i]));
        assert_names("cursor");
    }
    assert_false(ask_orders(cursor.data));
    assert_names("cursor");
}

static void a_cursor_brings_what_the_words_were_taken_to_mean(void **state) {
    (void)state;
    const struct products_meaning meaning = {
        .text = STR("toast red"), .is_corrected = true, .typed = STR("'red'"), .begun = STR("'red' | 'redwood'")};
    struct str inner = products_meaning_write(&exchange.arena, &meaning, STR("prod_1 1.5"));
    struct str cursor = with_cursor("q=tost+red", inner.data);
    assert_true(ask_behind(cursor, "q=tost+red"));
    assert_text(products.meaning.text, "toast red");
    assert_true(products.meaning.is_corrected);
    assert_text(products.meaning.typed, "'red'");
    assert_text(products.meaning.begun, "'red' | 'redwood'");
    assert_text(products.after.id, "prod_1");
    assert_text(products.after.key, "1.5");
    /* One that was written before there were meanings. */
    assert_false(ask_behind(with_cursor("q=tost", "prod_1 0.5"), "q=tost"));
    assert_names("cursor");
}

/* ---- the statements ---- */

static struct pg_select made;

static const char *products_sql(const char *query, bool has_facets) {
    assert_true(ask_products(query));
    products_list(&made, &exchange.arena, &products, STR("51"), has_facets);
    return made.statement.sql;
}

static void assert_holds(const char *sql, const char *part) {
    if (strstr(sql, part) == NULL) {
        fail_msg("%s\nhas not\n%s", sql, part);
    }
}

static void a_list_asks_the_database_only_what_it_was_asked(void **state) {
    (void)state;
    assert_string_equal(products_sql("", false),
                        "SELECT CASE WHEN r.bytes - r.document_bytes < 4194304 THEN r.document END AS document, "
                        "r.cursor, NULL AS facets"
                        " FROM (SELECT) AS one LEFT JOIN (SELECT p.id, p.document, p.document_bytes,"
                        " concat(p.id, ' ', p.created_at) AS cursor, row_number() OVER w AS place, "
                        "sum(p.document_bytes) OVER w AS bytes"
                        " FROM (SELECT * FROM products.products AS p WHERE p.status = 'published' AND true"
                        " ORDER BY p.created_at DESC, p.id DESC LIMIT $1::bigint) AS p"
                        " WINDOW w AS ( ORDER BY p.created_at DESC, p.id DESC ROWS UNBOUNDED PRECEDING)) AS r ON true "
                        "ORDER BY r.place");
    assert_holds(products_sql("attr.color=red&price_max=5&in_stock=true&sort=price", false),
                 " WHERE p.status = 'published'"
                 " AND EXISTS (SELECT FROM products.variants AS v"
                 " JOIN stock.stock AS s ON s.sku = v.sku AND s.available > 0"
                 " WHERE v.product = p.id AND v.on_sale AND v.price_minor <= $1::bigint"
                 " AND v.found_by @> ARRAY[$2::text]) AND true"
                 " ORDER BY p.price_least, p.id LIMIT $3::bigint");
    assert_null(strstr(products_sql("q=tea&sort=title", true), "ts_rank"));
    assert_holds(products_sql("q=tea&sort=title", true), "MATERIALIZED (SELECT p.id, lower(p.title) AS key");
    assert_holds(products_sql("q=tea", true), "ts_rank(p.search, websearch_to_tsquery('english', $1::text)) AS key");
}

static void a_list_of_orders_is_ones_own_whatever_is_asked_for(void **state) {
    (void)state;
    static struct pg_select list;
    assert_true(ask_orders("customer=cus_01ARZ3NDEKTSV4RRFFQ69G5FA2&status=confirmed"));
    orders.owner = STR("cus_1");
    orders_list(&list, &exchange.arena, &orders, STR("51"));
    assert_holds(list.statement.sql, " AND o.customer = $2::text AND o.customer = $3::text ORDER BY ");
    assert_text(list.parameters[1], "cus_01ARZ3NDEKTSV4RRFFQ69G5FA2");
    assert_text(list.parameters[2], "cus_1");
}

static void a_vendors_list_names_him_in_each_part_of_it(void **state) {
    (void)state;
    static struct pg_select list;
    assert_true(ask_orders_of_vendor("sku=tea&status=confirmed"));
    orders_list_of_vendor(&list, &exchange.arena, &orders, STR("Acme"), STR("51"));
    const char *sql = list.statement.sql;
    assert_text(list.parameters[0], "Acme");
    assert_holds(sql, "WHERE l.order_id = o.id AND p.vendor = $1::text), '],"); /* the lines that are shown */
    assert_holds(sql, "WHERE l.product = p.id AND true AND l.sku = $2::text AND EXISTS (SELECT FROM orders.orders AS o"
                      " WHERE o.id = l.order_id AND o.status = $3::text)");
    assert_holds(sql, ") AS found WHERE p.vendor = $1::text ");
    assert_null(strstr(sql, "o.document"));
    assert_null(strstr(sql, "o.total_minor"));
}

static void page_and_facets_come_from_the_same_matches(void **state) {
    (void)state;
    const char *both = products_sql("q=tea", true);
    assert_holds(both, "AS key, p.categories, p.tags, p.vendor FROM");
    assert_holds(both, "FROM (SELECT f.id, f.key FROM found AS f");
    assert_holds(both, "(SELECT unnest(tags) AS value FROM found)");
    assert_int_equal(made.statement.parameter_count, 2);
    assert_null(strstr(products_sql("q=tea", false), "tags"));
}

/* One value where it is alone, as that is planned best; and what is below it in the same parameter's place. */
static void a_category_is_looked_for_with_those_below_it(void **state) {
    (void)state;
    assert_holds(products_sql("category=tea", false), " AND p.categories @> ARRAY[$1::text] AND ");
    assert_text(made.parameters[0], "tea");
    products.below = STR("{tea,black}");
    products_list(&made, &exchange.arena, &products, STR("51"), false);
    assert_holds(made.statement.sql, " AND p.categories && $1::text[] AND ");
    assert_null(strstr(made.statement.sql, "@>"));
    assert_text(made.parameters[0], "{tea,black}");
    assert_int_equal(made.statement.parameter_count, 2);
}

static void the_facet_of_categories_goes_up_the_tree(void **state) {
    (void)state;
    const char *sql = products_sql("", true);
    assert_holds(sql,
                 ", ',\"category\":[', (WITH RECURSIVE sets AS MATERIALIZED (SELECT row_number() OVER () AS number,"
                 " categories, count(*) AS products FROM found GROUP BY categories)");
    assert_holds(sql, " UNION SELECT a.number, a.products, c.parent FROM above AS a"
                      " JOIN categories.categories AS c ON c.slug = a.value WHERE c.parent IS NOT NULL)");
    assert_holds(sql, "FROM (SELECT value, sum(products)::bigint AS count FROM above GROUP BY value"
                      " ORDER BY count DESC, value LIMIT 20) AS counted");
    assert_holds(sql, "FROM (SELECT vendor AS value, count(*) AS count FROM found WHERE vendor IS NOT NULL GROUP BY"
                      " value ORDER BY count DESC, value LIMIT 20) AS counted");
}

static void what_a_typed_word_begins_stands_behind_what_has_the_word(void **state) {
    (void)state;
    assert_true(ask_products("q=dark+choc"));
    products.meaning.typed = STR("'choc'");
    products.meaning.begun = STR("'choc' | 'chocol'");
    products_list(&made, &exchange.arena, &products, STR("51"), true);
#define EXACT "websearch_to_tsquery('english', $1::text)"
#define ALL "ts_rewrite(" EXACT ", $2::tsquery, $3::tsquery)"
    assert_holds(made.statement.sql, "p.search @@ " ALL);
    assert_holds(made.statement.sql, "CASE WHEN p.search @@ " EXACT " THEN 1 + ts_rank(p.search, " EXACT
                                     ") ELSE ts_rank(p.search, " ALL ") END)::real AS key");
    assert_true(str_equal(made.parameters[1], products.meaning.typed));
    assert_true(str_equal(made.parameters[2], products.meaning.begun));
    /* A stop word that is all there is has no lexeme to be put in the place of. */
    products.meaning.typed = (struct str){0};
    products_list(&made, &exchange.arena, &products, STR("51"), true);
    assert_holds(made.statement.sql, "ts_rank(p.search, $1::tsquery) AS key");
    assert_holds(made.statement.sql, "p.search @@ $1::tsquery");
}

static void the_fullest_query_has_room(void **state) {
    (void)state;
    static const char *const full =
        "q=a&category=b&tag=c&vendor=d&attr.a=1&attr.b=1&attr.c=1&attr.d=1&attr.e=1&attr.f=1&attr.g=1"
        "&attr.h=1&price_min=1&price_max=2&in_stock=false";
    const struct products_meaning meaning = {.text = STR("a"), .typed = STR("'a'"), .begun = STR("'a' | 'ab'")};
    struct str cursor = with_cursor(full, products_meaning_write(&exchange.arena, &meaning, STR("prod_1 0.5")).data);
    const char *query = arena_printf(&exchange.arena, "%s&%.*s", full, STR_ARGS(cursor)).data;
    const char *sql = products_sql(query, true);
    assert_holds(sql, "NOT EXISTS");
    assert_holds(sql, "LIMIT 10000");
    /* Without words the filters stand in it twice: once for the facets, once for the page. */
    assert_holds(products_sql(strchr(full, '&') + 1, true), "NOT EXISTS");
    assert_int_equal(made.statement.parameter_count, 2 * (3 + 2 * 10) + 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_filters_of_products_are_taken),
        TEST(without_a_sort_the_best_come_first_or_the_newest),
        TEST(what_cannot_be_meant_is_refused_by_its_name),
        TEST(orders_are_asked_for_by_a_status_that_there_is_and_times_that_follow),
        TEST(a_vendor_asks_for_his_own_lines_alone),
        TEST(keys_and_customers_are_asked_for_by_what_they_can_be),
        TEST(categories_are_asked_for_by_where_they_stand),
        TEST(a_cursor_goes_on_with_its_own_query_alone),
        TEST(a_cursor_brings_what_the_words_were_taken_to_mean),
        TEST(a_list_asks_the_database_only_what_it_was_asked),
        TEST(a_list_of_orders_is_ones_own_whatever_is_asked_for),
        TEST(a_vendors_list_names_him_in_each_part_of_it),
        TEST(page_and_facets_come_from_the_same_matches),
        TEST(a_category_is_looked_for_with_those_below_it),
        TEST(the_facet_of_categories_goes_up_the_tree),
        TEST(what_a_typed_word_begins_stands_behind_what_has_the_word),
        TEST(the_fullest_query_has_room),
    };
    return cmocka_run_group_tests_name("list filters", tests, NULL, NULL);
}
