/* The documents of all views: what clients see, from states written down here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>

#include "projections/carts/document.h"
#include "projections/orders/document.h"
#include "projections/payments/document.h"
#include "projections/products/document.h"
#include "projections/stock/document.h"

#define EUR(minor) ((struct money){.amount = (minor), .currency = STR("EUR")})
#define AT INT64_C(1767225600123456) /* 2026-01-01T00:00:00.123456Z */
#define AT_TEXT "2026-01-01T00:00:00.123456Z"

static struct cart_line lines[] = {
    {STR("TEA-1"), STR("prod_1"), STR("Tea \"green\""), 2, {199, STR("EUR")}, {398, STR("EUR")}}};
#define LINES                                                                                                          \
    "[{'sku':'TEA-1','product':'prod_1','title':'Tea \\\"green\\\"','quantity':2,"                                     \
    "'unit_price':{'amount':199,'currency':'EUR'},'total':{'amount':398,'currency':'EUR'}}]"

/* `expected` has ' where JSON has ". The order of members counts: it is what clients see. */
static void assert_document(struct buf *document, const char *expected) {
    assert_true(buf_ok(document));
    json_error_t error;
    json_t *parsed = json_loadb(document->data, document->len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(parsed);
    json_decref(parsed);
    buf_byte(document, '\0');
    char *text = strdup(expected);
    assert_non_null(text);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    assert_string_equal(document->data, text);
    free(text);
    buf_release(document);
}

static void an_order_shows_lines_payments_and_shortages_but_no_personal_data(void **state) {
    (void)state;
    struct order_payment payments[] = {{.payment = STR("pay_1.1.1"),
                                        .amount = EUR(398),
                                        .choice = {STR("test"), STR("card")},
                                        .result = STR("failed"),
                                        .code = STR("card_declined")}};
    struct stock_shortage shortages[] = {{STR("TEA-1"), 2, 1}};
    struct order_state order = {.status = ORDER_STATUS_AWAITING_PAYMENT,
                                .cart = STR("cart_1"),
                                .has_reference = true,
                                .reference = STR("R-7"),
                                .lines = {lines, 1, 1},
                                .total = EUR(398),
                                .has_email = true,
                                .email = {.key_id = STR("key"), .plaintext = STR("someone@example.org")},
                                .deadline_at = AT,
                                .payments = {payments, 1, 1},
                                .shortages = {shortages, 1, 1},
                                .pending_command = STR("cmd_1"),
                                .created_at = AT,
                                .changed_at = AT};
    struct buf out;
    buf_init(&out, 65536);
    order_document(&out, STR("ord_1.1"), 4, &order);
    assert_document(&out,
                    "{'id':'ord_1.1','status':'awaiting_payment','cart':'cart_1','reference':'R-7','lines':" LINES ","
                    "'total':{'amount':398,'currency':'EUR'},"
                    "'payments':[{'id':'pay_1.1.1','amount':{'amount':398,'currency':'EUR'},'provider':'test',"
                    "'method':'card','result':'failed','code':'card_declined'}],"
                    "'shortages':[{'sku':'TEA-1','requested':2,'available':1}],"
                    "'deadline_at':'" AT_TEXT "','version':4,'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}");
}

static void a_cart_shows_its_order_once_it_has_one(void **state) {
    (void)state;
    struct cart_state cart = {.status = CART_STATUS_OPEN,
                              .currency = STR("EUR"),
                              .lines = {lines, 1, 1},
                              .total = EUR(398),
                              .created_at = AT,
                              .changed_at = AT};
    struct buf out;
    buf_init(&out, 65536);
    cart_document(&out, STR("cart_1"), 2, &cart);
    assert_document(&out, "{'id':'cart_1','status':'open','currency':'EUR','lines':" LINES ","
                          "'total':{'amount':398,'currency':'EUR'},'version':2,'created_at':'" AT_TEXT
                          "','changed_at':'" AT_TEXT "'}");
    cart.status = CART_STATUS_CHECKED_OUT;
    cart.order = STR("ord_1.1");
    cart.lines.count = 0;
    buf_init(&out, 65536);
    cart_document(&out, STR("cart_1"), 3, &cart);
    assert_document(&out, "{'id':'cart_1','status':'checked_out','currency':'EUR','lines':[],"
                          "'total':{'amount':398,'currency':'EUR'},'order':'ord_1.1','version':3,'created_at':'" AT_TEXT
                          "','changed_at':'" AT_TEXT "'}");
}

static void a_stock_item_is_named_by_its_sku_and_sums_its_locations(void **state) {
    (void)state;
    struct stock_level levels[] = {{STR("east"), 10, 4}, {STR("west"), 3, 0}};
    struct sku_state sku = {.product = STR("prod_1"), .levels = {levels, 2, 2}};
    struct buf out;
    buf_init(&out, 65536);
    stock_document(&out, STR("sku_TEA_1.x"), 9, &sku);
    assert_document(&out, "{'sku':'TEA_1.x','available':9,'locations':["
                          "{'location':'east','on_hand':10,'reserved':4,'available':6},"
                          "{'location':'west','on_hand':3,'reserved':0,'available':3}],'version':9}");
}

static void a_product_shows_the_variants_whose_skus_it_has(void **state) {
    (void)state;
    struct str categories[] = {STR("drinks"), STR("tea")};
    struct attribute origin[] = {{STR("origin"), STR("Assam")}};
    struct variant variants[] = {{.sku = STR("TEA-1"),
                                  .has_barcode = true,
                                  .barcode = STR("4000000000017"),
                                  .attributes = {origin, 1, 1},
                                  .price = EUR(199),
                                  .has_weight_g = true,
                                  .weight_g = 100}};
    struct product_state product = {.status = PRODUCT_STATUS_DRAFT,
                                    .details = {.title = STR("Tea"),
                                                .has_vendor = true,
                                                .vendor = STR("Garden"),
                                                .categories = {categories, 2, 2},
                                                .attributes = {origin, 1, 1}},
                                    .variants = {variants, 1, 1},
                                    .proposed = {variants, 1, 1},
                                    .created_at = AT,
                                    .changed_at = AT};
    struct buf out;
    buf_init(&out, 65536);
    product_document(&out, STR("prod_1"), 3, &product);
    assert_document(&out, "{'id':'prod_1','status':'draft','title':'Tea','vendor':'Garden',"
                          "'categories':['drinks','tea'],'tags':[],'attributes':{'origin':'Assam'},'images':[],"
                          "'variants':[{'sku':'TEA-1','barcode':'4000000000017','attributes':{'origin':'Assam'},"
                          "'price':{'amount':199,'currency':'EUR'},'weight_g':100}],'version':3,"
                          "'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}");
}

static void a_payment_shows_each_amount_in_the_currency_that_was_asked_for(void **state) {
    (void)state;
    struct refund refunds[] = {
        {.refund = 1, .amount = EUR(98), .reason = STR("damaged"), .intent = STR("secret"), .status = STR("pending")}};
    struct payment_state payment = {.status = PAYMENT_STATUS_CAPTURED,
                                    .order = STR("ord_1.1"),
                                    .amount = EUR(398),
                                    .provider = STR("test"),
                                    .method = STR("card"),
                                    .intent = STR("secret"),
                                    .authorized = 398,
                                    .captured = 398,
                                    .refund_pending = 98,
                                    .refunds = {refunds, 1, 1},
                                    .provider_ref = STR("ch_1"),
                                    .created_at = AT,
                                    .changed_at = AT};
    struct buf out;
    buf_init(&out, 65536);
    payment_document(&out, STR("pay_1.1.1"), 5, &payment);
    assert_document(&out, "{'id':'pay_1.1.1','order':'ord_1.1','status':'captured','provider':'test','method':'card',"
                          "'amount':{'amount':398,'currency':'EUR'},'authorized':{'amount':398,'currency':'EUR'},"
                          "'captured':{'amount':398,'currency':'EUR'},'refund_pending':{'amount':98,'currency':'EUR'},"
                          "'refunded':{'amount':0,'currency':'EUR'},"
                          "'refunds':[{'refund':1,'amount':{'amount':98,'currency':'EUR'},'reason':'damaged',"
                          "'status':'pending'}],'provider_ref':'ch_1','version':5,'created_at':'" AT_TEXT
                          "','changed_at':'" AT_TEXT "'}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_shows_lines_payments_and_shortages_but_no_personal_data),
        cmocka_unit_test(a_cart_shows_its_order_once_it_has_one),
        cmocka_unit_test(a_stock_item_is_named_by_its_sku_and_sums_its_locations),
        cmocka_unit_test(a_product_shows_the_variants_whose_skus_it_has),
        cmocka_unit_test(a_payment_shows_each_amount_in_the_currency_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
