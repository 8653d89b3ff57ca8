/* owned_test.c: whose purchases are shown to whom, from the database, from memory and in lists; and with whose key is
 * sealed what is said with them. */
#include "core/gateway/test_owned.h"

/* ---- purchases --------------------------------------------------------------------------------------------------- */

static void a_purchase_is_shown_to_its_customer_and_to_the_house(void **state) {
    (void)state;
    assert_int_equal(ask("ann", ORDER), 200);
    assert_true(says("{\"is\":\"order\"}"));
    assert_int_equal(ask("support", ORDER), 200);
    assert_int_equal(ask("ann", CART), 200);
    assert_hidden("bea", ORDER, ABSENT_ORDER);
    assert_hidden("token", ORDER, ABSENT_ORDER); /* it was a guest's once */
    assert_int_equal(ask("bea", CART), 404);
    assert_true(says("unknown_cart"));
    database.purchase_owner = "guest";
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("token", ORDER), 200);
    assert_hidden("ann", ORDER, ABSENT_ORDER);
}

/* One loads it, the other asks; and the other way round. */
static void a_page_from_memory_is_judged_like_one_from_the_database(void **state) {
    (void)state;
    assert_int_equal(ask("ann", ORDER), 200);
    unsigned asked = database.asked;
    assert_int_equal(ask("bea", ORDER), 404);
    assert_false(says("is\":\"order"));
    assert_int_equal(ask("token", ORDER), 404);
    assert_int_equal(ask_with("GET", "bea", ORDER, "If-None-Match: \"7\"\r\n"), 404); /* and not 304 */
    assert_int_equal(ask("ann", ORDER), 200);
    assert_int_equal(ask_with("GET", "ann", ORDER, "If-None-Match: \"7\"\r\n"), 304);
    assert_int_equal(ask_with("GET", "ann", ORDER, "If-None-Match: \"6\",\tW/\"7\" , \"8\"\r\n"), 304);
    assert_int_equal(ask_with("GET", "ann", ORDER, "If-None-Match: \"6\" , \"77\"\r\n"), 200);
    assert_int_equal(database.asked, asked);
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("bea", ORDER), 404);
    assert_int_equal(database.asked, asked + 1);
    assert_int_equal(ask("ann", ORDER), 200);
    assert_int_equal(database.asked, asked + 1);
}

static void a_vendor_sees_of_an_order_what_was_ordered_of_him(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) { /* from the database, then with the page in memory */
        assert_int_equal(ask("acme", ORDER), 200);
        assert_true(says("{\"is\":\"lines\"}"));
        assert_false(says("ETag:"));
    }
    assert_hidden("other", ORDER, ABSENT_ORDER);
    assert_hidden("nameless", ORDER, ABSENT_ORDER);
    database.purchase_owner = BEA; /* what he bought himself he sees whole */
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("acme", ORDER), 200);
    assert_true(says("{\"is\":\"order\"}"));
}

static void a_history_is_shown_to_whom_the_order_is(void **state) {
    (void)state;
    assert_int_equal(ask("ann", ORDER "/history"), 200);
    assert_int_equal(ask("auditor", ORDER "/history"), 200);
    assert_hidden("bea", ORDER "/history", ABSENT_ORDER "/history");
    assert_int_equal(ask("ann", ORDER "/history?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("before_beginning"));
    assert_int_equal(ask("bea", ORDER "/history?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("unknown_order"));
}

/* Which of the staff helped him is not his to know. */
static void a_history_tells_who_of_the_house_acted_to_the_house_alone(void **state) {
    (void)state;
    assert_int_equal(ask("ann", ORDER "/history"), 200);
    assert_string_equal(database.parameters, "ord_" KEY ".1   false ");
    assert_int_equal(ask("auditor", ORDER "/history"), 200);
    assert_string_equal(database.parameters, "ord_" KEY ".1   true ");
    database.purchase_owner = "guest";
    assert_int_equal(ask("token", ORDER "/history"), 200);
    assert_string_equal(database.parameters, "ord_" KEY ".1   false ");
}

/* A row that does not say whose it is does not say that it is everybody's. */
static void what_nobody_says_whose_it_is_is_for_the_house_alone(void **state) {
    (void)state;
    static const char *const targets[] = {ORDER, ORDER "/history", ORDER "/history?as_of=2020-01-01T00:00:00Z", CART};
    database.purchase_owner = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        for (int round = 0; round < 2; round++) { /* from the database, then from memory */
            assert_int_equal(ask("ann", targets[i]), 404);
            assert_false(says("before_beginning"));
            assert_int_equal(ask("token", targets[i]), 404);
            assert_false(says("before_beginning"));
        }
    }
    assert_int_equal(ask("support", ORDER), 200);
}

/* Whose his lines are the catalogue says, of an order by id as of the list. */
static void a_vendors_order_waits_for_the_catalogue_too(void **state) {
    (void)state;
    assert_int_equal(ask_with("GET", "acme", ORDER, position_of("prod_" KEY, TOPIC_CATALOG)), 200);
    assert_string_equal(database.waited, "products ");
    database.waited[0] = '\0';
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask_with("GET", "ann", ORDER, position_of("prod_" KEY, TOPIC_CATALOG)), 200);
    assert_string_equal(database.waited, "");
}

static void a_list_of_orders_is_ones_own(void **state) {
    (void)state;
    assert_int_equal(ask("ann", "/v1/orders?customer=" BEA), 200);
    assert_string_equal(database.parameters, BEA " " ANN " 51 ");
    assert_int_equal(ask("support", "/v1/orders?customer=" ANN), 200);
    assert_string_equal(database.parameters, ANN " 51 ");
    assert_int_equal(ask("acme", "/v1/orders"), 200);
    assert_string_equal(database.parameters, "Acme 51 ");
    assert_null(strstr(database.list, "o.document"));
    assert_int_equal(ask("acme", "/v1/orders?customer=" BEA), 200); /* what he bought himself */
    assert_string_equal(database.parameters, BEA " " BEA " 51 ");
    assert_int_equal(ask("acme", "/v1/orders?sort=total"), 400);
    assert_int_equal(ask("", "/v1/orders"), 401);
}

/* ---- what is sealed ---------------------------------------------------------------------------------------------- */

#define CHECKOUT CART "/checkout"

static int check_out(const char *who) {
    static const char body[] =
        "{\"payment\":{\"provider\":\"test\",\"method\":\"approve\"},\"email\":\"Ann@Example.org\"}";
    char fields[256];
    snprintf(fields, sizeof fields,
             "Idempotency-Key: 0123456789012345678901\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n",
             sizeof body - 1);
    keys.asked[0] = '\0';
    return ask_all("POST", who, CHECKOUT, fields, body);
}

static void assert_key_asked(bool is_customers) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct str expected = is_customers ? vault_key_id_of_customer(&arena, &gateway.secret, STR(ANN))
                                       : vault_key_id_of_email(&arena, &gateway.secret, STR("ann@example.org"));
    assert_true(str_equal(str_of_cstr(keys.asked), expected));
    arena_release(&arena);
}

/* So that it ends with him; and a key of his is never made, since he may have been erased. */
static void a_customers_address_is_sealed_with_his_own_key(void **state) {
    (void)state;
    assert_int_equal(check_out("ann"), 409);
    assert_true(says("\"code\":\"customer_erased\""));
    assert_key_asked(true);
    assert_int_equal(keys.made, 0);
    assert_int_equal(check_out("annwithtoken"), 409); /* what she buys so is hers */
    assert_key_asked(true);
    assert_int_equal(keys.made, 0);
    keys.is_away = true;
    assert_int_equal(check_out("ann"), 503);
    assert_true(says("database_unavailable"));
}

/* Of a guest, and of whom staff help, nobody knows who he is. */
static void other_addresses_are_sealed_with_the_addresss_key(void **state) {
    (void)state;
    static const char *const who[] = {"token", "support"};
    for (size_t i = 0; i < ARRAY_LENGTH(who); i++) {
        assert_int_equal(check_out(who[i]), 503); /* it was to be made, and could not be */
        assert_key_asked(false);
        assert_int_equal(keys.made, i + 1);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        WITH(a_purchase_is_shown_to_its_customer_and_to_the_house),
        WITH(a_page_from_memory_is_judged_like_one_from_the_database),
        WITH(a_vendor_sees_of_an_order_what_was_ordered_of_him),
        WITH(a_history_is_shown_to_whom_the_order_is),
        WITH(a_history_tells_who_of_the_house_acted_to_the_house_alone),
        WITH(what_nobody_says_whose_it_is_is_for_the_house_alone),
        WITH(a_vendors_order_waits_for_the_catalogue_too),
        WITH(a_list_of_orders_is_ones_own),
        WITH(a_customers_address_is_sealed_with_his_own_key),
        WITH(other_addresses_are_sealed_with_the_addresss_key),
    };
    return cmocka_run_group_tests_name("owned", tests, NULL, NULL);
}
