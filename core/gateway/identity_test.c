#include "core/gateway/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/gateway/cursor.h"
#include "core/gateway/position.h"
#include "core/gateway/trace.h"
#include "core/log/record.h"

static const struct secret secret = {{1, 2, 3}};
static const struct secret other_secret = {{4, 5, 6}};
static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct str command(const struct secret *with, const char *principal, const char *method, const char *path,
                          const char *key) {
    return identity_command(&arena, with, str_of_cstr(principal), str_of_cstr(method), str_of_cstr(path),
                            str_of_cstr(key), STR(""));
}

/* ---- ids ---- */

static void a_retry_is_the_same_command_and_makes_the_same_stream(void **state) {
    (void)state;
    struct str first = command(&secret, "anonymous", "POST", "/v1/carts", "key");
    struct str again = command(&secret, "anonymous", "POST", "/v1/carts", "key");
    assert_true(str_equal(first, again));
    assert_int_equal(first.len, COMMAND_ID_LEN);
    assert_true(str_equal(identity_stream(&arena, &secret, STR("cart_"), first),
                          identity_stream(&arena, &secret, STR("cart_"), again)));
}

static void any_part_of_the_scope_makes_another_command(void **state) {
    (void)state;
    struct str id = command(&secret, "anonymous", "POST", "/v1/carts", "key");
    assert_false(str_equal(id, command(&secret, "guest:x", "POST", "/v1/carts", "key")));
    assert_false(str_equal(id, command(&secret, "anonymous", "PUT", "/v1/carts", "key")));
    assert_false(str_equal(id, command(&secret, "anonymous", "POST", "/v1/carts/", "key")));
    assert_false(str_equal(id, command(&secret, "anonymous", "POST", "/v1/carts", "kez")));
    assert_false(str_equal(id, command(&other_secret, "anonymous", "POST", "/v1/carts", "key")));
}

static void parts_do_not_run_into_one_another(void **state) {
    (void)state;
    assert_false(str_equal(command(&secret, "a", "bc", "d", "e"), command(&secret, "ab", "c", "d", "e")));
}

static void fresh_ids_differ_and_sort_by_time(void **state) {
    (void)state;
    struct str early = identity_fresh(&arena, STR(""), 1000000000000000);
    struct str late = identity_fresh(&arena, STR(""), 1700000000000000);
    assert_true(str_compare(early, late) < 0);
    assert_false(str_equal(identity_fresh(&arena, STR(""), 1), identity_fresh(&arena, STR(""), 1)));
}

static struct str lead_of(struct str id) {
    uint8_t *lead = arena_alloc(&arena, ID_LEAD_BYTES);
    id_lead(id, lead);
    return str_of((const char *)lead, ID_LEAD_BYTES);
}

static void what_belongs_to_a_cart_begins_as_the_cart_does(void **state) {
    (void)state;
    struct str opened = identity_fresh(&arena, STR(""), 1700000000000000);
    struct str cart = identity_stream(&arena, &secret, STR("cart_"), opened);
    struct str order = arena_printf(&arena, "ord_%.*s.1", STR_ARGS(str_from(cart, 5)));
    const struct money amount = {1000, STR("EUR")};
    struct str checked_out =
        identity_command(&arena, &secret, STR("guest:x"), STR("POST"), STR("/v1/carts/x/checkout"), STR("k"), cart);
    const struct str ids[] = {
        cart,
        identity_fresh(&arena, cart, 1800000000000000),
        checked_out,
        identity_second_try(&arena, &secret, checked_out),
        identity_provider_outcome(&arena, &secret, order, STR("captured"), amount, STR("ch_1")),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        assert_true(str_equal(lead_of(ids[i]), lead_of(opened)));
    }
    /* The key still makes the difference. */
    assert_false(str_equal(checked_out, identity_command(&arena, &secret, STR("guest:x"), STR("POST"),
                                                         STR("/v1/carts/x/checkout"), STR("l"), cart)));
    /* Two carts of one millisecond are two. */
    assert_false(str_equal(
        cart, identity_stream(&arena, &secret, STR("cart_"), identity_fresh(&arena, STR(""), 1700000000000000))));
}

static struct str login_of(const char *key, const char *stream, const char *within) {
    return identity_command_within(&arena, &secret, STR("anonymous"), STR("POST"), STR("/v1/sessions"),
                                   str_of_cstr(key), str_of_cstr(stream), str_of_cstr(within));
}

#define ADA "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define EVE "cus_01ARZ3NDEKTSV4RRFFQ69G5FAW" /* which begins as hers does */

static void what_was_found_out_makes_another_command_of_the_same_key(void **state) {
    (void)state;
    struct str proved = login_of("k", ADA, "proved");
    assert_true(str_equal(proved, login_of("k", ADA, "proved")));
    assert_false(str_equal(proved, login_of("k", ADA, "unproved")));
    assert_false(str_equal(proved, login_of("k", EVE, "proved")));
    assert_false(str_equal(proved, login_of("l", ADA, "proved")));
    assert_true(str_equal(lead_of(proved), lead_of(STR(ADA))));
}

static void an_address_is_one_identity_in_whatever_case(void **state) {
    (void)state;
    const struct secret other = {{9}};
    struct str ada = identity_of_email(&arena, &secret, STR("Ada@Example.org"));
    assert_int_equal(ada.len, 30);
    assert_true(str_starts_with(ada, STR("idn_")));
    assert_true(str_equal(ada, identity_of_email(&arena, &secret, STR("ada@example.ORG"))));
    assert_false(str_equal(ada, identity_of_email(&arena, &secret, STR("ada@example.com"))));
    assert_false(str_equal(ada, identity_of_email(&arena, &other, STR("ada@example.org"))));
    struct str nobody = identity_nobody(&arena, &secret, ada);
    assert_true(str_starts_with(nobody, STR("cus_")));
    assert_true(str_equal(nobody, identity_nobody(&arena, &secret, ada)));
    assert_false(str_equal(str_from(nobody, 4), str_from(ada, 4)));
}

static void the_second_try_is_another_command_but_always_the_same_one(void **state) {
    (void)state;
    struct str first = command(&secret, "a", "b", "c", "d");
    struct str second = identity_second_try(&arena, &secret, first);
    assert_false(str_equal(first, second));
    assert_true(str_equal(second, identity_second_try(&arena, &secret, first)));
}

static void a_corrected_outcome_of_a_provider_is_another_command(void **state) {
    (void)state;
    struct money amount = {1000, STR("EUR")};
    struct str told = identity_provider_outcome(&arena, &secret, STR("i"), STR("captured"), amount, STR("ch_1"));
    assert_true(
        str_equal(told, identity_provider_outcome(&arena, &secret, STR("i"), STR("captured"), amount, STR("ch_1"))));
    amount.amount = 1001;
    assert_false(
        str_equal(told, identity_provider_outcome(&arena, &secret, STR("i"), STR("captured"), amount, STR("ch_1"))));
    amount = (struct money){1000, STR("USD")};
    assert_false(
        str_equal(told, identity_provider_outcome(&arena, &secret, STR("i"), STR("captured"), amount, STR("ch_1"))));
}

static void the_use_of_a_key_is_one_command_an_hour(void **state) {
    (void)state;
    struct str key = STR("key_01ARZ3NDEKTSV4RRFFQ69G5FAV"), other = STR("key_01ARZ3NDEKTSV4RRFFQ69G5FAW");
    struct str first = identity_key_use(&arena, &secret, key, 495000);
    assert_int_equal(first.len, COMMAND_ID_LEN);
    assert_true(str_equal(first, identity_key_use(&arena, &secret, key, 495000)));
    assert_false(str_equal(first, identity_key_use(&arena, &secret, key, 495001)));
    assert_false(str_equal(first, identity_key_use(&arena, &secret, other, 495000)));
    assert_false(str_equal(first, identity_key_use(&arena, &other_secret, key, 495000)));
}

static void an_installation_has_one_first_admin(void **state) {
    (void)state;
    struct str admin = identity_first_admin(&arena, &secret);
    assert_true(str_starts_with(admin, STR("cus_")));
    assert_true(str_equal(admin, identity_first_admin(&arena, &secret)));
    assert_false(str_equal(admin, identity_first_admin(&arena, &other_secret)));
}

static void a_token_is_not_in_the_principal(void **state) {
    (void)state;
    struct str principal = identity_principal(&arena, &secret, STR("tok_secret"));
    assert_true(str_starts_with(principal, STR("guest:")));
    for (uint32_t i = 0; i < principal.len; i++) {
        assert_false(str_starts_with(str_from(principal, i), STR("tok_secret")));
    }
    assert_true(str_equal(identity_principal(&arena, &secret, STR("")), STR("anonymous")));
}

static void another_body_has_another_hash(void **state) {
    (void)state;
    struct str a = identity_request_hash(&arena, &secret, STR("POST"), STR("/v1/carts"), STR("{}"));
    struct str b = identity_request_hash(&arena, &secret, STR("POST"), STR("/v1/carts"), STR("{\"a\":1}"));
    assert_false(str_equal(a, b));
    assert_true(str_equal(a, identity_request_hash(&arena, &secret, STR("POST"), STR("/v1/carts"), STR("{}"))));
}

/* ---- cursors ---- */

static void a_cursor_of_ours_comes_back_as_it_was(void **state) {
    (void)state;
    struct str text = cursor_write(&arena, &secret, "orders", STR("ord_X.1"));
    struct str inner;
    assert_true(cursor_read(&arena, &secret, "orders", text, &inner));
    assert_true(str_equal(inner, STR("ord_X.1")));
}

static void a_cursor_of_another_list_or_made_up_is_refused(void **state) {
    (void)state;
    struct str text = cursor_write(&arena, &secret, "orders", STR("ord_X.1"));
    struct str inner;
    assert_false(cursor_read(&arena, &secret, "products", text, &inner));
    assert_false(cursor_read(&arena, &other_secret, "orders", text, &inner));
    assert_false(cursor_read(&arena, &secret, "orders", STR("b3JkX1guMQ"), &inner));
    assert_false(cursor_read(&arena, &secret, "orders", STR("not base64url!"), &inner));
    assert_false(cursor_read(&arena, &secret, "orders", STR(""), &inner));
    for (uint32_t i = 0; i < text.len; i++) {
        char *changed = arena_alloc(&arena, text.len);
        memcpy(changed, text.data, text.len);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(cursor_read(&arena, &secret, "orders", str_of(changed, text.len), &inner));
    }
}

/* ---- positions ---- */

static void a_position_comes_back_as_it_was(void **state) {
    (void)state;
    struct buf bytes;
    buf_init(&bytes, 1024);
    position_write(&bytes, stream_hash(STR("cart_X"), TOPIC_CARTS), 300);
    position_write(&bytes, stream_hash(STR("ord_X.1"), TOPIC_ORDERS), 1);
    struct position position;
    assert_true(position_header_read(&secret, position_header_write(&arena, &secret, buf_text(&bytes)), &position));
    assert_int_equal(position.count, 2);
    assert_int_equal(position.pairs[0].version, 300);
    assert_true(position.pairs[1].hash == stream_hash(STR("ord_X.1"), TOPIC_ORDERS));
    assert_true(position_names(&position, TOPIC_CARTS));
    assert_false(position_names(&position, TOPIC_CATALOG));
    buf_release(&bytes);
}

static void an_answer_s_position_keeps_what_the_client_had_seen(void **state) {
    (void)state;
    struct position seen = {0}, after;
    for (uint64_t i = 0; i < POSITION_PAIRS_MAX; i++) {
        position_add(&seen, i, 1);
    }
    position_add(&seen, 0, 5);
    struct buf answer;
    buf_init(&answer, 1024);
    position_write(&answer, 99, 7);
    position_write(&answer, 0, 4);
    struct str bytes = position_after(&arena, buf_text(&answer), &seen);
    after.count = (size_t)position_read(bytes, after.pairs);
    assert_int_equal(after.count, POSITION_PAIRS_MAX);
    assert_int_equal(after.pairs[0].hash, 99); /* the answer's first */
    assert_int_equal(after.pairs[0].version, 7);
    assert_int_equal(after.pairs[1].version, 5);                                        /* of two, the later */
    assert_int_equal(after.pairs[POSITION_PAIRS_MAX - 1].hash, POSITION_PAIRS_MAX - 2); /* the oldest has gone */
    seen.count = 0;
    assert_true(str_equal(position_after(&arena, buf_text(&answer), &seen), buf_text(&answer)));
    buf_release(&answer);
}

static void what_is_no_position_is_refused(void **state) {
    (void)state;
    struct position position;
    assert_false(position_header_read(&secret, STR(""), &position));
    assert_false(position_header_read(&secret, STR("!"), &position));
    assert_false(position_header_read(&secret, STR("AAAA"), &position));
    assert_false(position_header_read(&secret, STR("AAAAAAAAAAAA"), &position));
    struct buf bytes;
    buf_init(&bytes, 1024);
    position_write(&bytes, 1, 0);
    assert_false(position_header_read(&secret, position_header_write(&arena, &secret, buf_text(&bytes)), &position));
    buf_clear(&bytes);
    for (int i = 0; i < POSITION_PAIRS_MAX + 1; i++) {
        position_write(&bytes, (uint64_t)i, 1);
    }
    assert_false(position_header_read(&secret, position_header_write(&arena, &secret, buf_text(&bytes)), &position));
    buf_release(&bytes);
}

static void a_position_cannot_be_made_up_or_changed(void **state) {
    (void)state;
    struct buf bytes, forged;
    buf_init(&bytes, 1024);
    buf_init(&forged, 1024);
    position_write(&bytes, stream_hash(STR("cart_X"), TOPIC_CARTS), 1000000);
    base64url_write(&forged, buf_text(&bytes));
    struct position position;
    assert_false(position_header_read(&secret, buf_text(&forged), &position));
    struct str text = position_header_write(&arena, &secret, buf_text(&bytes));
    for (uint32_t i = 0; i < text.len; i++) {
        char *changed = arena_alloc(&arena, text.len);
        memcpy(changed, text.data, text.len);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(position_header_read(&secret, str_of(changed, text.len), &position));
    }
    assert_false(position_header_read(&other_secret, text, &position));
    buf_release(&bytes);
    buf_release(&forged);
}

/* ---- traces ---- */

static void a_well_formed_traceparent_is_continued(void **state) {
    (void)state;
    struct str id;
    assert_true(trace_read(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), &id));
    assert_true(str_equal(id, STR("4bf92f3577b34da6a3ce929d0e0e4736")));
    assert_true(trace_read(STR("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later"), &id));
    assert_true(trace_read(trace_parent(&arena, id), &id));
}

static void any_other_traceparent_is_as_good_as_none(void **state) {
    (void)state;
    struct str id;
    assert_false(trace_read(STR(""), &id));
    assert_false(trace_read(STR("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), &id));
    assert_false(trace_read(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"), &id));
    assert_false(trace_read(STR("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), &id));
    assert_false(trace_read(STR("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), &id));
    assert_false(trace_read(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"), &id));
    assert_false(trace_read(STR("00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01"), &id));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_is_the_same_command_and_makes_the_same_stream),
        cmocka_unit_test(any_part_of_the_scope_makes_another_command),
        cmocka_unit_test(parts_do_not_run_into_one_another),
        cmocka_unit_test(fresh_ids_differ_and_sort_by_time),
        cmocka_unit_test(what_belongs_to_a_cart_begins_as_the_cart_does),
        cmocka_unit_test(what_was_found_out_makes_another_command_of_the_same_key),
        cmocka_unit_test(an_address_is_one_identity_in_whatever_case),
        cmocka_unit_test(the_second_try_is_another_command_but_always_the_same_one),
        cmocka_unit_test(a_corrected_outcome_of_a_provider_is_another_command),
        cmocka_unit_test(the_use_of_a_key_is_one_command_an_hour),
        cmocka_unit_test(an_installation_has_one_first_admin),
        cmocka_unit_test(a_token_is_not_in_the_principal),
        cmocka_unit_test(another_body_has_another_hash),
        cmocka_unit_test(a_cursor_of_ours_comes_back_as_it_was),
        cmocka_unit_test(a_cursor_of_another_list_or_made_up_is_refused),
        cmocka_unit_test(a_position_comes_back_as_it_was),
        cmocka_unit_test(an_answer_s_position_keeps_what_the_client_had_seen),
        cmocka_unit_test(what_is_no_position_is_refused),
        cmocka_unit_test(a_position_cannot_be_made_up_or_changed),
        cmocka_unit_test(a_well_formed_traceparent_is_continued),
        cmocka_unit_test(any_other_traceparent_is_as_good_as_none),
    };
    return cmocka_run_group_tests_name("identity", tests, set_up, tear_down);
}
