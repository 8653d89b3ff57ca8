/* What the view of sales makes of the events of orders, payments and products. */
#include "projections/runtime/test_fold.h"
#include "projections/sales/quarter.h"

extern const struct view sales_view;

enum { TOTALS, PRODUCTS, FACTS };
enum { T_AT, T_CURRENCY, T_ORDERS, T_UNITS, T_GROSS, T_CANCELLED_ORDERS, T_CANCELLED_UNITS, T_CANCELLED, T_REFUNDED };
enum { P_PRODUCT, P_CURRENCY, P_AT, P_ORDERS, P_UNITS, P_GROSS, P_CANCELLED_ORDERS, P_CANCELLED_UNITS, P_CANCELLED };
enum { F_PRODUCT, F_TITLE, F_VENDOR, F_CATEGORIES };

/* 2026-01-01T00:00:00Z, in whose quarter TEST_AT is. */
#define QUARTER INT64_C(1767225600000000)

static void begin(struct str stream) {
    test_fold_setup(&sales_view, stream);
}

static int teardown(void **state) {
    (void)state;
    test_fold_teardown();
    return 0;
}

static struct money euros(int64_t minor) {
    return (struct money){.amount = minor, .currency = STR("EUR")};
}

static struct cart_line line_of(struct str product, struct str sku, int64_t quantity, int64_t minor) {
    return (struct cart_line){.sku = sku,
                              .product = product,
                              .quantity = quantity,
                              .unit_price = euros(minor / quantity),
                              .total = euros(minor)};
}

/* Two variants of one product, and another. */
static void is_placed(void) {
    static struct cart_line lines[3];
    lines[0] = line_of(STR("prod_1"), STR("tea-100"), 2, 1780);
    lines[1] = line_of(STR("prod_2"), STR("cup"), 1, 500);
    lines[2] = line_of(STR("prod_1"), STR("tea-250"), 1, 1990);
    struct event event = {.type = EVENT_ORDER_PLACED};
    event.as.order_placed = (struct order_placed){.cart = STR("cart_A"),
                                                  .attempt = 1,
                                                  .lines = {lines, 3, 3},
                                                  .total = euros(4270),
                                                  .deadline_at = TEST_AT + 1,
                                                  .pending_command = STR("cmd_1")};
    test_event(event);
}

static void is_confirmed(void) {
    struct event event = {.type = EVENT_ORDER_CONFIRMED};
    event.as.order_confirmed.payment = STR("pay_A.1.1");
    test_event(event);
}

static void is_cancelled(const char *status_before) {
    struct event event = {.type = EVENT_ORDER_CANCELLED};
    event.as.order_cancelled = (struct order_cancelled){
        .reason = STR("no"), .by = STR("request"), .status_before = str_of_cstr(status_before)};
    test_event(event);
}

static const struct view_value *product_row(const char *product) {
    for (size_t i = 0; i < test_row_count(PRODUCTS); i++) {
        if (str_equal(test_row(PRODUCTS, i)[P_PRODUCT].text, str_of_cstr(product))) {
            return test_row(PRODUCTS, i);
        }
    }
    fail_msg("%s has no row", product);
    return NULL;
}

static void is_row(const struct view_value *row, size_t first, size_t count, const int64_t *expected) {
    for (size_t i = 0; i < count; i++) {
        if (row[first + i].number != expected[i]) {
            fail_msg("column %zu is %lld instead of %lld", first + i, (long long)row[first + i].number,
                     (long long)expected[i]);
        }
    }
}
#define IS_ROW(row, first, ...)                                                                                        \
    is_row(row, first, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

static void an_order_is_sold_once_it_is_confirmed(void **state) {
    (void)state;
    begin(STR("ord_A.1"));
    is_placed();
    test_project();
    assert_int_equal(test_row_count(TOTALS), 0);
    assert_int_equal(test_row_count(PRODUCTS), 0);
    is_confirmed();
    test_project();
    assert_int_equal(test_row_count(TOTALS), 1);
    const struct view_value *row = test_row(TOTALS, 0);
    assert_int_equal(row[T_AT].number, QUARTER);
    test_text(&row[T_CURRENCY], "EUR");
    IS_ROW(row, T_ORDERS, 1, 4, 4270, 0, 0, 0, 0);
}

static void an_order_counts_once_for_each_of_its_products(void **state) {
    (void)state;
    begin(STR("ord_A.1"));
    is_placed();
    is_confirmed();
    test_project();
    assert_int_equal(test_row_count(PRODUCTS), 2);
    const struct view_value *row = product_row("prod_1");
    test_text(&row[P_CURRENCY], "EUR");
    assert_int_equal(row[P_AT].number, QUARTER);
    IS_ROW(row, P_ORDERS, 1, 3, 3770, 0, 0, 0);
    IS_ROW(product_row("prod_2"), P_ORDERS, 1, 1, 500, 0, 0, 0);
}

static void what_was_confirmed_and_cancelled_is_told_beside_what_was_sold(void **state) {
    (void)state;
    begin(STR("ord_A.1"));
    is_placed();
    is_confirmed();
    test_project();
    is_cancelled("confirmed");
    test_project();
    IS_ROW(test_row(TOTALS, 0), T_ORDERS, 0, 0, 0, 1, 4, 4270, 0);
    IS_ROW(product_row("prod_1"), P_ORDERS, 0, 0, 0, 1, 3, 3770);
}

static void what_was_never_confirmed_is_neither_sold_nor_cancelled(void **state) {
    (void)state;
    begin(STR("ord_A.1"));
    is_placed();
    is_cancelled("awaiting_payment");
    test_project();
    assert_int_equal(test_row_count(TOTALS), 0);
    assert_int_equal(test_row_count(PRODUCTS), 0);
}

/* The row may be there already, of another order of that quarter: to insert it without looking would be refused. */
static void sums_of_a_new_order_are_added_and_not_inserted(void **state) {
    (void)state;
    begin(STR("ord_A.1"));
    is_placed();
    is_confirmed();
    test_project();
    assert_true(map_get(&test_fold.fold.streams, STR("ord_A.1")) != NULL);
    assert_int_equal(test_fold.batch.tables[TOTALS].new_count, 0);
    assert_int_equal(test_fold.batch.tables[PRODUCTS].new_count, 0);
    assert_false(test_fold.batch.tables[TOTALS].first->is_new);
}

static void refunds_are_told_by_their_payments(void **state) {
    (void)state;
    begin(STR("pay_A.1.1"));
    struct event event = {.type = EVENT_REFUND_REQUESTED};
    event.as.refund_requested.amount = euros(300);
    test_event(event);
    event = (struct event){.type = EVENT_PAYMENT_REFUNDED};
    event.as.payment_refunded = (struct payment_refunded){1, euros(300), STR("ref")};
    test_event(event);
    event.as.payment_refunded = (struct payment_refunded){2, euros(20), STR("ref")};
    test_event(event);
    test_project();
    assert_int_equal(test_row_count(TOTALS), 1);
    IS_ROW(test_row(TOTALS, 0), T_ORDERS, 0, 0, 0, 0, 0, 0, 320);
    assert_true(str_is_empty(test_fold.state)); /* no state of payments is kept */
}

static void is_defined(bool has_vendor, size_t categories) {
    static struct str names[] = {STR("tea"), STR("tea.black"), STR("tea")};
    struct event event = {.type = EVENT_PRODUCT_DEFINED};
    event.as.product_defined.details =
        (struct product_details){.title = STR("Darjeeling"),
                                 .has_vendor = has_vendor,
                                 .vendor = STR("Teekontor"),
                                 .categories = {names, (uint32_t)categories, (uint32_t)categories}};
    test_event(event);
}

static void a_products_facts_are_its_title_its_vendor_and_each_of_its_categories_once(void **state) {
    (void)state;
    begin(STR("prod_1"));
    is_defined(true, 3);
    test_project();
    assert_int_equal(test_row_count(FACTS), 1);
    const struct view_value *row = test_row(FACTS, 0);
    test_text(&row[F_PRODUCT], "prod_1");
    test_text(&row[F_TITLE], "Darjeeling");
    test_text(&row[F_VENDOR], "Teekontor");
    assert_int_equal(row[F_CATEGORIES].item_count, 2);
    assert_true(str_equal(row[F_CATEGORIES].items[1], STR("tea.black")));
    assert_false(str_is_empty(test_fold.state));
}

static void a_product_without_vendor_and_category_is_of_the_empty_ones(void **state) {
    (void)state;
    begin(STR("prod_1"));
    is_defined(false, 0);
    test_project();
    const struct view_value *row = test_row(FACTS, 0);
    test_text(&row[F_VENDOR], "");
    assert_int_equal(row[F_CATEGORIES].item_count, 1);
    assert_true(str_is_empty(row[F_CATEGORIES].items[0]));
}

static void a_quarter_of_an_hour_begins_before_its_times(void **state) {
    (void)state;
    test_fold = (struct test_fold){0};
    assert_int_equal(quarter_of(QUARTER), QUARTER);
    assert_int_equal(quarter_of(QUARTER + QUARTER_US - 1), QUARTER);
    assert_int_equal(quarter_of(QUARTER + QUARTER_US), QUARTER + QUARTER_US);
    assert_int_equal(quarter_of(-1), -QUARTER_US);
    assert_int_equal(quarter_of(-QUARTER_US), -QUARTER_US);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, teardown)
        TEST(an_order_is_sold_once_it_is_confirmed),
        TEST(an_order_counts_once_for_each_of_its_products),
        TEST(what_was_confirmed_and_cancelled_is_told_beside_what_was_sold),
        TEST(what_was_never_confirmed_is_neither_sold_nor_cancelled),
        TEST(sums_of_a_new_order_are_added_and_not_inserted),
        TEST(refunds_are_told_by_their_payments),
        TEST(a_products_facts_are_its_title_its_vendor_and_each_of_its_categories_once),
        TEST(a_product_without_vendor_and_category_is_of_the_empty_ones),
        cmocka_unit_test(a_quarter_of_an_hour_begins_before_its_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
