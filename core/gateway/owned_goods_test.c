/* owned_goods_test.c: whose goods and whose stock are shown to whom, today and as they stood, and what becomes known of
 * commands that change them. */
#include "core/gateway/test_owned.h"

#include "core/log/record.h"

/* ---- goods ------------------------------------------------------------------------------------------------------- */

static void goods_that_are_not_published_are_their_vendors(void **state) {
    (void)state;
    static const char *const targets[] = {PRODUCT, "/v1/variants/tea", "/v1/barcodes/123"};
    static const char *const those_who_see[] = {"acme", "support", "auditor"}, *const others[] = {"", "ann", "other",
                                                                                                  "nameless", "token"};
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        for (size_t who = 0; who < ARRAY_LENGTH(those_who_see); who++) {
            assert_int_equal(ask(those_who_see[who], targets[i]), 200);
        }
        for (size_t who = 0; who < ARRAY_LENGTH(others); who++) {
            assert_int_equal(ask(others[who], targets[i]), 404);
        }
    }
    database.product_owner = "vendor:"; /* a draft of nobody's */
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("nameless", PRODUCT), 404);
    database.product_owner = "";
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("", PRODUCT), 200);
    assert_int_equal(ask("other", PRODUCT), 200);
}

static void how_goods_stood_is_for_few(void **state) {
    (void)state;
    assert_int_equal(ask("acme", PRODUCT "?as_of=3"), 200);
    assert_int_equal(ask("auditor", PRODUCT "?as_of=3"), 200);
    assert_int_equal(ask("", PRODUCT "?as_of=3"), 401);
    assert_true(says("\r\nWWW-Authenticate: Bearer\r\n"));
    assert_int_equal(ask("support", PRODUCT "?as_of=3"), 403);
    assert_int_equal(ask("ann", PRODUCT "?as_of=3"), 403);
    assert_int_equal(ask("other", PRODUCT "?as_of=3"), 404);
    assert_true(says("unknown_product"));
    assert_int_equal(ask("other", PRODUCT "?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("unknown_product"));
    assert_int_equal(ask("acme", PRODUCT "?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("before_beginning"));
}

static void stock_by_location_is_for_those_who_keep_it(void **state) {
    (void)state;
    static const struct {
        const char *who;
        bool sees_locations;
    } rows[] = {{"", false}, {"ann", false}, {"acme", true}, {"other", false}, {"nameless", false}, {"support", true}};
    for (int round = 0; round < 2; round++) { /* from the database, and in turns from memory */
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
            assert_int_equal(ask(rows[i].who, "/v1/stock/tea"), 200);
            assert_true(says("{\"available\":3,"));
            assert_true(says("\"version\":7}"));
            assert_int_equal(says("locations"), rows[i].sees_locations);
        }
    }
    assert_int_equal(ask("acme", "/v1/stock/tea/movements"), 200);
    assert_int_equal(ask("other", "/v1/stock/tea/movements"), 404);
    database.vendor = "";
    facts_cache_expire(&loop.facts);
    assert_int_equal(ask("nameless", "/v1/stock/tea/movements"), 404);
}

static void goods_that_are_not_on_sale_have_no_stock_for_others(void **state) {
    (void)state;
    static const char *const those_who_see[] = {"acme", "support", "auditor"}, *const others[] = {"", "ann", "other",
                                                                                                  "nameless"};
    database.stock_owner = "vendor:Acme";
    for (int round = 0; round < 2; round++) { /* from the database, then from memory */
        for (size_t who = 0; who < ARRAY_LENGTH(those_who_see); who++) {
            assert_int_equal(ask(those_who_see[who], "/v1/stock/tea"), 200);
            assert_true(says("locations"));
        }
        for (size_t who = 0; who < ARRAY_LENGTH(others); who++) {
            assert_int_equal(ask_with("GET", others[who], "/v1/stock/tea", "If-None-Match: \"7\"\r\n"), 404);
            assert_true(says("\"code\":\"unknown_sku\""));
            assert_false(says("available\":"));
        }
    }
    database.stock_owner = NULL; /* nobody says */
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("", "/v1/stock/tea"), 404);
    assert_int_equal(ask("support", "/v1/stock/tea"), 200);
}

/* What the catalogue has heard of the SKU since, its own stream does not tell: memory is as old as it was. */
static void whoever_has_changed_the_catalogue_sees_it_at_the_stock(void **state) {
    (void)state;
    assert_int_equal(ask("", "/v1/stock/tea"), 200);
    database.stock_owner = "vendor:Acme";
    assert_int_equal(ask("", "/v1/stock/tea"), 200); /* for a second at most */
    assert_int_equal(ask_with("GET", "", "/v1/stock/tea", position_of("prod_" KEY, TOPIC_CATALOG)), 404);
    assert_string_equal(database.waited, "products ");
}

static void how_stock_stood_is_for_few(void **state) {
    (void)state;
    assert_int_equal(ask("", "/v1/stock/tea?as_of=3"), 401);
    assert_int_equal(ask("support", "/v1/stock/tea?as_of=3"), 403);
    assert_int_equal(ask("auditor", "/v1/stock/tea?as_of=3"), 200);
    assert_string_equal(database.newest, "stock_at_version");
    assert_int_equal(ask("acme", "/v1/stock/tea?as_of=3"), 200);
    assert_string_equal(database.newest, "stock_of_vendor_at_version"); /* which bounds it by when it became his */
    assert_int_equal(ask("acme", "/v1/stock/tea?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("before_beginning"));
    static const char *const not_his[] = {"other", "nameless"};
    for (size_t who = 0; who < ARRAY_LENGTH(not_his); who++) {
        assert_int_equal(ask(not_his[who], "/v1/stock/tea?as_of=3"), 404);
        assert_true(says("unknown_sku"));
        assert_int_equal(ask(not_his[who], "/v1/stock/tea?as_of=2020-01-01T00:00:00Z"), 404);
        assert_true(says("unknown_sku"));
    }
}

/* He is let in for more as the one than as the other, and is judged as that one then. */
static void who_helps_and_sells_sees_how_his_own_stock_stood_and_no_others(void **state) {
    (void)state;
    assert_int_equal(ask("helper", "/v1/stock/tea?as_of=3"), 200);
    assert_string_equal(database.newest, "stock_of_vendor_at_version");
    assert_int_equal(ask("stranger", "/v1/stock/tea?as_of=3"), 404);
    assert_true(says("unknown_sku"));
    assert_int_equal(ask("stranger", "/v1/stock/tea?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("unknown_sku"));
    assert_int_equal(ask("stranger", "/v1/stock/tea"), 200); /* as one who helps */
    assert_true(says("locations"));
}

/* By a statement that does not know who bought, and bounds it by when it became his. */
static void a_vendors_ledger_is_another_than_the_houses(void **state) {
    (void)state;
    assert_int_equal(ask("acme", "/v1/stock/tea/movements"), 200);
    assert_string_equal(database.newest, "stock_movements_of_vendor");
    assert_string_equal(database.parameters, "tea 51  Acme ");
    assert_non_null(strstr(database.list, "held_since"));
    static const char *const hidden[] = {"m.actor", "m.owner", "m.command_id", "m.causation_id"};
    for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++) {
        assert_null(strstr(database.list, hidden[i]));
    }
    assert_int_equal(ask("auditor", "/v1/stock/tea/movements"), 200);
    assert_string_equal(database.newest, "stock_movements");
    for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++) {
        assert_non_null(strstr(database.list, hidden[i]));
    }
}

static void a_barcode_finds_a_vendors_own_first(void **state) {
    (void)state;
    assert_int_equal(ask("acme", "/v1/barcodes/123"), 200);
    assert_string_equal(database.parameters, "123 Acme ");
    assert_int_equal(ask("support", "/v1/barcodes/123"), 200);
    assert_string_equal(database.parameters, "123  ");
    assert_int_equal(ask("", "/v1/barcodes/123"), 404);
    assert_string_equal(database.parameters, "123  ");
}

/* ---- whose goods a SKU is ---------------------------------------------------------------------------------------- */

/* A vendor who has just put it into his product, and says so, is not told that it is nobody's. */
static void a_vendor_reads_at_a_sku_what_he_wrote_to_the_catalogue(void **state) {
    (void)state;
    static const char *const targets[] = {"/v1/stock/tea", "/v1/stock/tea/movements"};
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        database.vendor = "";
        database.waited[0] = '\0';
        facts_cache_expire(&loop.facts);
        assert_int_equal(ask("acme", targets[i]), i == 0 ? 200 : 404);
        database.vendor = "Acme"; /* and the front has not heard of it */
        assert_int_equal(ask_with("GET", "acme", targets[i], position_of("prod_" KEY, TOPIC_CATALOG)), 200);
        assert_true(i == 1 || says("locations"));
        assert_string_equal(database.waited_for_owner, "products ");
    }
    database.vendor = "Other";
    assert_int_equal(ask("acme", "/v1/stock/tea/movements"), 200); /* what is remembered */
    assert_int_equal(ask_with("GET", "acme", "/v1/stock/tea/movements", position_of("prod_" KEY, TOPIC_CATALOG)), 404);
    assert_int_equal(ask_with("GET", "acme", "/v1/stock/tea/movements", "Daybook-Position: x\r\n"), 400);
    assert_true(says("invalid_position"));
}

/* Asked once, as long as the catalogue does not move. */
static void whose_goods_a_sku_is_is_remembered(void **state) {
    (void)state;
    assert_int_equal(ask("acme", "/v1/stock/tea"), 200);
    unsigned asked = database.asked;
    assert_int_equal(ask("acme", "/v1/stock/tea"), 200);
    assert_int_equal(database.asked, asked);
    database.vendor = "Other";
    facts_cache_expire(&loop.facts);
    assert_int_equal(ask("acme", "/v1/stock/tea"), 200);
    assert_false(says("locations"));
    assert_int_equal(database.asked, asked + 1);
}

static void a_vendor_changes_the_stock_of_his_own_goods(void **state) {
    (void)state;
    char others[1024], nobodys[1024];
    assert_int_equal(ask_with("POST", "other", "/v1/stock/tea/receipts", "Content-Length: 0\r\n"), 404);
    copy_answer(others, sizeof others);
    assert_true(says("\"code\":\"unknown_sku\""));
    database.vendor = "";
    facts_cache_expire(&loop.facts);
    assert_int_equal(ask_with("POST", "other", "/v1/stock/tea/receipts", "Content-Length: 0\r\n"), 404);
    copy_answer(nobodys, sizeof nobodys);
    assert_string_equal(others, nobodys);
    database.vendor = "Acme";
    facts_cache_expire(&loop.facts);
    /* He is past that: what is looked at next is missing. */
    assert_int_equal(ask_with("POST", "acme", "/v1/stock/tea/receipts", "Content-Length: 0\r\n"), 400);
    assert_true(says("idempotency_key_required"));
}

/* ---- what became of a command ------------------------------------------------------------------------------------ */

#define COMMAND_ID "cmd_" KEY

static void note_outcome(enum outcome_status status, const char *rejection) {
    struct sku_state state = {.product = STR("prod_" KEY)};
    struct outcome outcome = {.command_id = STR(COMMAND_ID),
                              .stream = STR("sku_tea"),
                              .version = 7,
                              .status = status,
                              .rejection = str_of_cstr(rejection)};
    struct buf resource, record;
    buf_init(&resource, 4096);
    buf_init(&record, 8192);
    frame_write(&resource, SKU_STATE_SCHEMA_ID);
    sku_state_encode(&resource, &state);
    if (status == OUTCOME_STATUS_ACCEPTED) {
        outcome.resource = buf_text(&resource);
    }
    frame_write(&record, OUTCOME_SCHEMA_ID);
    outcome_encode(&record, &outcome);
    recent_outcomes_note(&gateway.recent_outcomes, &outcome, buf_text(&record));
    buf_release(&resource);
    buf_release(&record);
}

static void a_vendor_is_told_what_became_of_his_stocks_command(void **state) {
    (void)state;
    static const char *const others[] = {"other", "nameless", "ann", ""};
    note_outcome(OUTCOME_STATUS_ACCEPTED, "");
    assert_int_equal(ask("acme", "/v1/commands/" COMMAND_ID ".0"), 200);
    assert_true(says("\"sku\":\"tea\""));
    assert_true(says("Content-Location: /v1/stock/tea\r\n"));
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        assert_int_equal(ask(others[i], "/v1/commands/" COMMAND_ID ".0"), 200);
        assert_true(says("\"status\":\"decided\""));
        assert_false(says("tea"));
    }
    note_outcome(OUTCOME_STATUS_REJECTED, "stock_reserved");
    assert_int_equal(ask("acme", "/v1/commands/" COMMAND_ID ".0"), 409);
    assert_true(says("stock_reserved"));
    assert_int_equal(ask("other", "/v1/commands/" COMMAND_ID ".0"), 200);
    assert_true(says("\"status\":\"decided\""));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        WITH(goods_that_are_not_published_are_their_vendors),
        WITH(how_goods_stood_is_for_few),
        WITH(stock_by_location_is_for_those_who_keep_it),
        WITH(goods_that_are_not_on_sale_have_no_stock_for_others),
        WITH(whoever_has_changed_the_catalogue_sees_it_at_the_stock),
        WITH(how_stock_stood_is_for_few),
        WITH(who_helps_and_sells_sees_how_his_own_stock_stood_and_no_others),
        WITH(a_vendors_ledger_is_another_than_the_houses),
        WITH(a_barcode_finds_a_vendors_own_first),
        WITH(a_vendor_reads_at_a_sku_what_he_wrote_to_the_catalogue),
        WITH(whose_goods_a_sku_is_is_remembered),
        WITH(a_vendor_changes_the_stock_of_his_own_goods),
        WITH(a_vendor_is_told_what_became_of_his_stocks_command),
    };
    return cmocka_run_group_tests_name("owned_goods", tests, NULL, NULL);
}
