#include "core/gateway/answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>

#include "core/domain/rejection.h"
#include "core/log/record.h"
#include "core/log/stream_hash.h"
#include "gen/codec.h"

static struct arena arena;
#define CART "cart_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define COMMAND "cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 16 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct outcome accepted_cart(void) {
    struct cart_line line = {.sku = STR("A"),
                             .product = STR("prod_X"),
                             .title = STR("T"),
                             .quantity = 2,
                             .unit_price = {150, STR("EUR")},
                             .total = {300, STR("EUR")}};
    struct cart_state cart = {.status = CART_STATUS_OPEN,
                              .currency = STR("EUR"),
                              .lines = {&line, 1, 1},
                              .total = {300, STR("EUR")},
                              .created_at = 1700000000000000,
                              .changed_at = 1700000000000000};
    struct buf state, position;
    buf_init(&state, 1 << 20);
    buf_init(&position, 1 << 10);
    frame_write(&state, CART_STATE_SCHEMA_ID);
    cart_state_encode(&state, &cart);
    position_write(&position, stream_hash(STR(CART), TOPIC_CARTS), 7);
    struct outcome outcome = {.command_id = STR(COMMAND),
                              .status = OUTCOME_STATUS_ACCEPTED,
                              .stream = STR(CART),
                              .version = 7,
                              .resource = arena_str_copy(&arena, buf_text(&state)),
                              .position = arena_str_copy(&arena, buf_text(&position))};
    buf_release(&state);
    buf_release(&position);
    return outcome;
}

static void an_accepted_command_is_answered_with_its_resource(void **state) {
    (void)state;
    struct outcome outcome = accepted_cart();
    struct outcome_answer answer = answer_of_outcome(&arena, &outcome, 201);
    assert_false(answer.is_problem);
    assert_int_equal(answer.status, 201);
    assert_true(str_equal(answer.etag, STR("\"7\"")));
    assert_true(str_equal(answer.location, STR("/v1/carts/" CART)));
    assert_true(answer.position.len > 0);
    json_t *body = json_loadb(answer.body.data, answer.body.len, 0, NULL);
    assert_non_null(body);
    assert_string_equal(json_string_value(json_object_get(body, "id")), CART);
    assert_int_equal(json_integer_value(json_object_get(body, "version")), 7);
    json_decref(body);
}

#define KEY "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define CUSTOMER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"

/* The body, and where it is found. */
static struct str body_of(const char *stream, uint32_t schema_id, const struct buf *avro, const char *location) {
    struct buf framed;
    buf_init(&framed, 1 << 20);
    frame_write(&framed, schema_id);
    buf_str(&framed, buf_text(avro));
    const struct outcome outcome = {.command_id = STR(COMMAND),
                                    .status = OUTCOME_STATUS_ACCEPTED,
                                    .stream = str_of_cstr(stream),
                                    .version = 3,
                                    .resource = buf_text(&framed)};
    struct outcome_answer answer = answer_of_outcome(&arena, &outcome, 200);
    assert_int_equal(answer.status, 200);
    assert_true(str_equal(answer.location, str_of_cstr(location)));
    buf_release(&framed);
    return answer.body;
}

static bool has(struct str text, const char *part) {
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static void a_key_s_hash_is_not_shown(void **state) {
    (void)state;
    struct role_grant role = {.role = STR("service")};
    const struct api_key_state key = {.status = API_KEY_STATUS_ACTIVE,
                                      .name = STR("importer"),
                                      .roles = {&role, 1, 1},
                                      .hash = STR("HASHHASHHASHHASHHASHHASHHASHHASH"),
                                      .generation = 2,
                                      .previous_hash = STR("HASHHASHHASHHASHHASHHASHHASHHASH"),
                                      .created_at = 1700000000000000,
                                      .changed_at = 1700000000000000};
    struct buf avro;
    buf_init(&avro, 1 << 16);
    api_key_state_encode(&avro, &key);
    struct str body = body_of(KEY, API_KEY_STATE_SCHEMA_ID, &avro, "/v1/api-keys/" KEY);
    assert_true(has(body, "\"id\":\"" KEY "\""));
    assert_true(has(body, "\"name\":\"importer\""));
    assert_false(has(body, "HASH"));
    buf_release(&avro);
}

/* Its stream is the tree's, which has no address. */
static void a_category_is_shown_and_not_its_tree(void **state) {
    (void)state;
    const struct category_state category = {.status = CATEGORY_STATUS_ACTIVE,
                                            .category = {.slug = STR("black"),
                                                         .title = STR("Black tea"),
                                                         .has_parent = true,
                                                         .parent = STR("tea"),
                                                         .position = 2,
                                                         .created_at = 1700000000000000},
                                            .version = 3,
                                            .changed_at = 1700000000000000};
    struct buf avro;
    buf_init(&avro, 1 << 16);
    category_state_encode(&avro, &category);
    struct str body = body_of("cat_tree", CATEGORY_STATE_SCHEMA_ID, &avro, "");
    assert_true(has(body, "{\"slug\":\"black\",\"status\":\"active\",\"title\":\"Black tea\",\"parent\":\"tea\","));
    assert_true(has(body, "\"version\":3,"));
    assert_false(has(body, "cat_tree"));
    buf_release(&avro);
}

static void of_a_customer_nothing_personal_is_shown(void **state) {
    (void)state;
    const struct sealed sealed = {.key_id = STR("per_1"), .nonce = STR("nonce"), .ciphertext = STR("CIPHERTEXT")};
    const struct customer_state customer = {.status = CUSTOMER_STATUS_ACTIVE,
                                            .has_email = true,
                                            .email = sealed,
                                            .has_password = true,
                                            .password = sealed,
                                            .created_at = 1700000000000000,
                                            .changed_at = 1700000000000000};
    struct buf avro;
    buf_init(&avro, 1 << 16);
    customer_state_encode(&avro, &customer);
    struct str body = body_of(CUSTOMER, CUSTOMER_STATE_SCHEMA_ID, &avro, "/v1/customers/" CUSTOMER);
    assert_true(has(body, "\"id\":\"" CUSTOMER "\""));
    assert_true(has(body, "\"status\":\"active\""));
    assert_false(has(body, "email") || has(body, "CIPHERTEXT") || has(body, "per_1"));
    buf_release(&avro);
}

static void a_replay_has_the_same_bytes(void **state) {
    (void)state;
    struct outcome outcome = accepted_cart();
    struct outcome_answer first = answer_of_outcome(&arena, &outcome, 200);
    outcome.replayed = true;
    outcome.reply_partition = 3;
    outcome.recorded_at = 99;
    struct outcome_answer again = answer_of_outcome(&arena, &outcome, 200);
    assert_true(again.is_replayed);
    assert_true(str_equal(first.body, again.body));
    assert_true(str_equal(first.etag, again.etag));
}

static void a_state_left_out_is_not_reported_as_a_failure(void **state) {
    (void)state;
    struct outcome outcome = accepted_cart();
    outcome.resource = (struct str){0};
    struct outcome_answer answer = answer_of_outcome(&arena, &outcome, 200);
    assert_int_equal(answer.status, 200);
    assert_true(str_equal(answer.body, STR("{\"id\":\"" CART "\",\"version\":7}")));
    outcome.resource = STR("\0\0\0\0\xff garbage");
    assert_int_equal(answer_of_outcome(&arena, &outcome, 200).status, 200);
}

static void every_refusal_has_its_status_code_and_text(void **state) {
    (void)state;
    for (enum rejection rejection = ACCEPTED + 1; rejection < REJECTION_COUNT; rejection++) {
        const struct rejection_info *info = rejection_info(rejection);
        const struct outcome outcome = {.command_id = STR(COMMAND),
                                        .status = OUTCOME_STATUS_REJECTED,
                                        .rejection = str_of_cstr(info->code),
                                        .pointer = STR("/lines/3/sku")};
        struct outcome_answer answer = answer_of_outcome(&arena, &outcome, 201);
        assert_true(answer.is_problem);
        assert_int_equal(answer.status, info->http_status);
        assert_string_equal(answer.problem.code, info->code);
        assert_true(str_equal(answer.problem.pointer, STR("/lines/3/sku")));
        assert_int_equal(answer.problem.trace_id.len, 32);
    }
}

static void what_is_out_of_stock_is_named(void **state) {
    (void)state;
    struct str skus[] = {STR("A"), STR("B\"")};
    const struct outcome outcome = {.command_id = STR(COMMAND),
                                    .status = OUTCOME_STATUS_REJECTED,
                                    .rejection = STR("out_of_stock"),
                                    .stream = STR("ord_X.1"),
                                    .skus = {skus, 2, 2}};
    struct outcome_answer answer = answer_of_outcome(&arena, &outcome, 201);
    assert_true(str_equal(answer.problem.members, STR("\"skus\":[\"A\",\"B\\\"\"],\"order\":\"ord_X.1\"")));
}

static void a_declined_payment_names_the_order_that_waits(void **state) {
    (void)state;
    const struct outcome outcome = {.command_id = STR(COMMAND),
                                    .status = OUTCOME_STATUS_REJECTED,
                                    .rejection = STR("payment_declined"),
                                    .stream = STR("ord_X.1")};
    struct outcome_answer answer = answer_of_outcome(&arena, &outcome, 201);
    assert_int_equal(answer.status, 402);
    assert_true(str_equal(answer.problem.members, STR("\"order\":\"ord_X.1\"")));
}

static void a_refusal_of_a_newer_handler_keeps_its_code(void **state) {
    (void)state;
    const struct outcome outcome = {
        .command_id = STR(COMMAND), .status = OUTCOME_STATUS_REJECTED, .rejection = STR("of_tomorrow")};
    struct outcome_answer answer = answer_of_outcome(&arena, &outcome, 201);
    assert_int_equal(answer.status, 409);
    assert_string_equal(answer.problem.code, "of_tomorrow");
}

static struct str owner_of(const char *stream, uint32_t schema_id, void (*encode)(struct buf *, const void *),
                           const void *state) {
    struct buf framed;
    buf_init(&framed, 1 << 16);
    frame_write(&framed, schema_id);
    encode(&framed, state);
    const struct outcome outcome = {.status = OUTCOME_STATUS_ACCEPTED,
                                    .stream = str_of_cstr(stream),
                                    .resource = arena_str_copy(&arena, buf_text(&framed))};
    buf_release(&framed);
    return answer_owner(&arena, &outcome);
}

static void encode_cart(struct buf *out, const void *state) {
    cart_state_encode(out, state);
}

static void encode_order(struct buf *out, const void *state) {
    order_state_encode(out, state);
}

static void encode_product(struct buf *out, const void *state) {
    product_state_encode(out, state);
}

static void an_outcome_says_whose_its_resource_is(void **state) {
    (void)state;
    struct cart_state cart = {.currency = STR("EUR")};
    struct order_state order = {.has_customer = true, .customer = STR("cus_1")};
    struct product_state product = {.details = {.has_vendor = true, .vendor = STR("Acme")}};
    assert_true(str_equal(owner_of(CART, CART_STATE_SCHEMA_ID, encode_cart, &cart), STR("guest")));
    cart.has_customer = true;
    cart.customer = STR("cus_1");
    assert_true(str_equal(owner_of(CART, CART_STATE_SCHEMA_ID, encode_cart, &cart), STR("cus_1")));
    assert_true(str_equal(owner_of("ord_X.1", ORDER_STATE_SCHEMA_ID, encode_order, &order), STR("cus_1")));
    assert_true(str_equal(owner_of("prod_X", PRODUCT_STATE_SCHEMA_ID, encode_product, &product), STR("vendor:Acme")));
    const struct outcome refused = {.status = OUTCOME_STATUS_REJECTED, .stream = STR(CART)};
    assert_null(answer_owner(&arena, &refused).data);
    struct outcome torn = accepted_cart();
    torn.resource.len /= 2;
    assert_null(answer_owner(&arena, &torn).data);
    torn.stream = STR("key_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_null(answer_owner(&arena, &torn).data);
    torn.stream = STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"); /* whatever became of it, the stream says whose it is */
    assert_true(str_equal(answer_owner(&arena, &torn), torn.stream));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_command_is_answered_with_its_resource),
        cmocka_unit_test(a_key_s_hash_is_not_shown),
        cmocka_unit_test(a_category_is_shown_and_not_its_tree),
        cmocka_unit_test(of_a_customer_nothing_personal_is_shown),
        cmocka_unit_test(a_replay_has_the_same_bytes),
        cmocka_unit_test(a_state_left_out_is_not_reported_as_a_failure),
        cmocka_unit_test(every_refusal_has_its_status_code_and_text),
        cmocka_unit_test(what_is_out_of_stock_is_named),
        cmocka_unit_test(a_declined_payment_names_the_order_that_waits),
        cmocka_unit_test(a_refusal_of_a_newer_handler_keeps_its_code),
        cmocka_unit_test(an_outcome_says_whose_its_resource_is),
    };
    return cmocka_run_group_tests_name("answers", tests, set_up, tear_down);
}
