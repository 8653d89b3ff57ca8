/* The documents of all views: what clients see, from states written down here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>

#include "projections/carts/document.h"
#include "projections/categories/document.h"
#include "projections/customers/document.h"
#include "projections/keys/document.h"
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

/* What a guest's lacks. */
static void a_purchase_names_its_customer(void **state) {
    (void)state;
    struct order_state order = {.cart = STR("cart_1"), .has_customer = true, .customer = STR("cus_1")};
    struct cart_state cart = {.has_customer = true, .customer = STR("cus_1")};
    struct buf out;
    buf_init(&out, 65536);
    order_document(&out, STR("ord_1.1"), 1, &order);
    buf_byte(&out, '\0');
    assert_non_null(strstr(out.data, "\"cart\":\"cart_1\",\"customer\":\"cus_1\","));
    buf_clear(&out);
    cart_document(&out, STR("cart_1"), 1, &cart);
    buf_byte(&out, '\0');
    assert_non_null(strstr(out.data, "\"customer\":\"cus_1\","));
    buf_release(&out);
}

static void a_category_shows_where_it_stands(void **state) {
    (void)state;
    struct category_state category = {.status = CATEGORY_STATUS_ACTIVE,
                                      .category = {.slug = STR("tea"), .title = STR("Tea"), .created_at = AT},
                                      .version = 2,
                                      .changed_at = AT};
    struct buf out;
    buf_init(&out, 65536);
    category_document(&out, STR("cat_tree"), 2, &category);
    assert_document(&out, "{'slug':'tea','status':'active','title':'Tea','position':0,'version':2,"
                          "'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}");
    category.category.has_description = true;
    category.category.description = STR("Leaves.");
    category.category.has_parent = true;
    category.category.parent = STR("drinks");
    category.category.position = 7;
    category.status = CATEGORY_STATUS_REMOVED;
    buf_init(&out, 65536);
    category_document(&out, STR("cat_tree"), 5, &category);
    assert_document(&out, "{'slug':'tea','status':'removed','title':'Tea','description':'Leaves.','parent':'drinks',"
                          "'position':7,'version':5,'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}");
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
    struct dispute disputes[] = {{.dispute = STR("dp_1"),
                                  .amount = EUR(70),
                                  .reason = STR("fraudulent"),
                                  .status = STR("open"),
                                  .has_respond_by = true,
                                  .respond_by = AT},
                                 {.dispute = STR("dp_2"), .amount = EUR(30), .reason = STR(""), .status = STR("lost")}};
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
                                    .disputes = {disputes, 2, 2},
                                    .refund_owed = STR("order_cancelled"),
                                    .provider_ref = STR("ch_1"),
                                    .created_at = AT,
                                    .changed_at = AT};
    struct buf out;
    buf_init(&out, 65536);
    payment_document(&out, STR("pay_1.1.1"), 5, &payment);
    assert_document(
        &out,
        "{'id':'pay_1.1.1','order':'ord_1.1','status':'captured','provider':'test','method':'card',"
        "'amount':{'amount':398,'currency':'EUR'},'authorized':{'amount':398,'currency':'EUR'},"
        "'captured':{'amount':398,'currency':'EUR'},'refund_pending':{'amount':98,'currency':'EUR'},"
        "'refunded':{'amount':0,'currency':'EUR'},"
        "'contested':{'amount':70,'currency':'EUR'},'lost':{'amount':30,'currency':'EUR'},"
        "'refunds':[{'refund':1,'amount':{'amount':98,'currency':'EUR'},'reason':'damaged',"
        "'status':'pending'}],'disputes':[{'dispute':'dp_1','amount':{'amount':70,'currency':'EUR'},"
        "'reason':'fraudulent','status':'open','respond_by':'" AT_TEXT
        "'},{'dispute':'dp_2','amount':{'amount':30,'currency':'EUR'},'reason':'',"
        "'status':'lost'}],'refund_owed':'order_cancelled','provider_ref':'ch_1','version':5,'created_at':'" AT_TEXT
        "','changed_at':'" AT_TEXT "'}");
}

static struct sealed sealed_as(const char *plaintext) {
    return (struct sealed){.key_id = STR("per_1"),
                           .nonce = STR("nonce"),
                           .ciphertext = STR("sealed"),
                           .plaintext = str_of_cstr(plaintext)};
}

/* A customer of whom everything is known, opened or not. */
static struct customer_state a_customer(bool is_opened) {
    static struct customer_address addresses[2];
    static struct role_grant roles[] = {{.role = STR("support")},
                                        {.role = STR("vendor"), .has_vendor = true, .vendor = STR("Garden")}};
    static struct consent consents[] = {{STR("newsletter"), true, AT}};
    addresses[0] = (struct customer_address){
        .id = STR("home"),
        .address = sealed_as(is_opened ? "{\"recipient\":\"A\",\"street\":[\"1 Road\"],\"city\":\"X\"}" : "")};
    addresses[1] = (struct customer_address){.id = STR("work"), .address = sealed_as("")};
    return (struct customer_state){.status = CUSTOMER_STATUS_ACTIVE,
                                   .identity = STR("idn_1"),
                                   .key_id = STR("per_1"),
                                   .has_email = true,
                                   .email = sealed_as(is_opened ? "someone@example.org" : ""),
                                   .has_name = true,
                                   .name = sealed_as(is_opened ? "Some \"One\"" : ""),
                                   .has_password = true,
                                   .password = sealed_as(is_opened ? "$argon2id$" : ""),
                                   .has_pending_email = true,
                                   .pending_email = sealed_as(is_opened ? "other@example.org" : ""),
                                   .addresses = {addresses, 2, 2},
                                   .roles = {roles, 2, 2},
                                   .consents = {consents, 1, 1},
                                   .totp = TOTP_STATUS_ON,
                                   .locked_until = AT,
                                   .created_at = AT,
                                   .changed_at = AT};
}

static void a_customer_shows_what_was_opened_but_never_his_password(void **state) {
    (void)state;
    struct customer_state customer = a_customer(true);
    struct buf out;
    buf_init(&out, 65536);
    customer_document(&out, STR("cus_1"), 7, &customer);
    assert_document(&out,
                    "{'id':'cus_1','status':'active','email':'someone@example.org','pending_email':'other@example.org',"
                    "'name':'Some \\\"One\\\"','addresses':[{'id':'home','address':"
                    "{'recipient':'A','street':['1 Road'],'city':'X'}},{'id':'work'}],"
                    "'roles':[{'role':'support'},{'role':'vendor','vendor':'Garden'}],"
                    "'consents':[{'purpose':'newsletter','granted':true,'at':'" AT_TEXT "'}],'totp':'on',"
                    "'password_change_required':false,'locked_until':'" AT_TEXT "','version':7,'created_at':'" AT_TEXT
                    "','changed_at':'" AT_TEXT "'}");
}

static void of_what_was_not_opened_a_customer_shows_nothing(void **state) {
    (void)state;
    struct customer_state customer = a_customer(false);
    customer.roles.count = customer.consents.count = 0;
    customer.totp = TOTP_STATUS_OFF;
    customer.locked_until = 0;
    customer.once_until = AT;
    struct buf out;
    buf_init(&out, 65536);
    customer_document(&out, STR("cus_1"), 7, &customer);
    assert_document(&out, "{'id':'cus_1','status':'active','addresses':[{'id':'home'},{'id':'work'}],"
                          "'roles':[],'consents':[],'totp':'off','password_change_required':true,'version':7,"
                          "'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}");
}

static void who_is_suspended_is_shown_with_why(void **state) {
    (void)state;
    struct customer_state customer = a_customer(false);
    customer.addresses.count = customer.roles.count = customer.consents.count = 0;
    customer.status = CUSTOMER_STATUS_SUSPENDED;
    customer.suspended_at = AT;
    customer.suspended_for = STR("left_the_company");
    customer.locked_until = 0;
    struct buf out;
    buf_init(&out, 65536);
    customer_document(&out, STR("cus_1"), 7, &customer);
    assert_document(&out, "{'id':'cus_1','status':'suspended','addresses':[],'roles':[],'consents':[],'totp':'on',"
                          "'password_change_required':false,'suspended_at':'" AT_TEXT
                          "','suspended_for':'left_the_company','version':7,'created_at':'" AT_TEXT
                          "','changed_at':'" AT_TEXT "'}");
}

/* Whatever a state still has. */
static void who_is_being_erased_or_was_is_an_id(void **state) {
    (void)state;
    static const enum customer_status statuses[] = {CUSTOMER_STATUS_ERASING, CUSTOMER_STATUS_ERASED};
    static const char *const expected[] = {
        "{'id':'cus_1','status':'erasing','version':9,'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}",
        "{'id':'cus_1','status':'erased','version':9,'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}"};
    for (size_t i = 0; i < 2; i++) {
        struct customer_state customer = a_customer(true);
        customer.status = statuses[i];
        struct buf out;
        buf_init(&out, 65536);
        customer_document(&out, STR("cus_1"), 9, &customer);
        assert_document(&out, expected[i]);
    }
}

static void a_session_shows_from_where_it_was_opened_once_that_was_opened(void **state) {
    (void)state;
    struct customer_session session = {.session = 3,
                                       .method = STR("totp"),
                                       .opened_at = AT,
                                       .used_at = AT,
                                       .expires_at = AT,
                                       .generation = 2,
                                       .has_client = true,
                                       .client = sealed_as("203.0.113.7")};
    struct buf out;
    buf_init(&out, 65536);
    customer_session_document(&out, &session, true);
    assert_document(&out, "{'session':3,'current':true,'method':'totp','client':'203.0.113.7','opened_at':'" AT_TEXT
                          "','used_at':'" AT_TEXT "','expires_at':'" AT_TEXT "'}");
    session.client.plaintext = (struct str){0};
    buf_init(&out, 65536);
    customer_session_document(&out, &session, false);
    assert_document(&out, "{'session':3,'current':false,'method':'totp','opened_at':'" AT_TEXT "','used_at':'" AT_TEXT
                          "','expires_at':'" AT_TEXT "'}");
}

static void an_api_key_shows_its_past_but_none_of_its_hashes(void **state) {
    (void)state;
    struct role_grant roles[] = {{.role = STR("service")}};
    struct api_key_state key = {.status = API_KEY_STATUS_ACTIVE,
                                .name = STR("till"),
                                .roles = {roles, 1, 1},
                                .hash = STR("secret"),
                                .generation = 1,
                                .created_at = AT,
                                .changed_at = AT};
    struct buf out;
    buf_init(&out, 65536);
    api_key_document(&out, STR("key_1"), 1, &key);
    assert_document(&out, "{'id':'key_1','name':'till','status':'active','roles':[{'role':'service'}],'generation':1,"
                          "'version':1,'created_at':'" AT_TEXT "','changed_at':'" AT_TEXT "'}");
    key.status = API_KEY_STATUS_REVOKED;
    key.generation = 2;
    key.previous_hash = STR("secret");
    key.previous_until = AT;
    key.has_expires_at = true;
    key.expires_at = AT;
    key.used_hour = 490896;
    key.has_reason = true;
    key.reason = STR("lost");
    buf_init(&out, 65536);
    api_key_document(&out, STR("key_1"), 4, &key);
    assert_document(&out, "{'id':'key_1','name':'till','status':'revoked','roles':[{'role':'service'}],'generation':2,"
                          "'previous_until':'" AT_TEXT "','expires_at':'" AT_TEXT
                          "','used_at':'2026-01-01T00:00:00.000000Z','reason':'lost','version':4,'created_at':'" AT_TEXT
                          "','changed_at':'" AT_TEXT "'}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_shows_lines_payments_and_shortages_but_no_personal_data),
        cmocka_unit_test(a_purchase_names_its_customer),
        cmocka_unit_test(a_cart_shows_its_order_once_it_has_one),
        cmocka_unit_test(a_category_shows_where_it_stands),
        cmocka_unit_test(a_stock_item_is_named_by_its_sku_and_sums_its_locations),
        cmocka_unit_test(a_product_shows_the_variants_whose_skus_it_has),
        cmocka_unit_test(a_payment_shows_each_amount_in_the_currency_that_was_asked_for),
        cmocka_unit_test(a_customer_shows_what_was_opened_but_never_his_password),
        cmocka_unit_test(of_what_was_not_opened_a_customer_shows_nothing),
        cmocka_unit_test(who_is_suspended_is_shown_with_why),
        cmocka_unit_test(who_is_being_erased_or_was_is_an_id),
        cmocka_unit_test(a_session_shows_from_where_it_was_opened_once_that_was_opened),
        cmocka_unit_test(an_api_key_shows_its_past_but_none_of_its_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
