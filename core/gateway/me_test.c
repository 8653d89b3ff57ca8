/* me_test.c: one's own things as the view has them, on real connections; test_my_front.h says what stands behind. */
#include "core/gateway/me.h"

#include "core/gateway/test_my_front.h"
#include "projections/customers/sessions.h"

static struct buf reply;

static bool answer_sessions(const struct test_statement *asked) {
    if (asked->statement != &customer_sessions) {
        return false;
    }
    char nonce[2 * VAULT_NONCE_BYTES + 1], client[256];
    struct sealed sealed = my_sealed("127.0.0.1 a browser");
    assert_int_equal(sealed.nonce.len, VAULT_NONCE_BYTES);
    sodium_bin2hex(nonce, sizeof nonce, (const unsigned char *)sealed.nonce.data, sealed.nonce.len);
    sodium_bin2hex(client, sizeof client, (const unsigned char *)sealed.ciphertext.data, sealed.ciphertext.len);
    PGresult *rows = my_rows(9);
    my_row_add(rows, (const char *const[]){"7", "password", "1767225600000000", "1767225600000001", "1767225600000002",
                                           "3", MY_KEY, nonce, client});
    my_row_add(rows, (const char *const[]){"5", "totp", "1767225600000000", "1767225600000000", "1767225600000002", "1",
                                           NULL, NULL, NULL});
    my_rows_answer(asked, rows);
    return true;
}

static int start(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    my_front_start(true, answer_sessions);
    return 0;
}

static int start_closed(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    my_front_start(false, answer_sessions);
    return 0;
}

static int stop(void **state) {
    (void)state;
    my_front_stop();
    buf_release(&reply);
    return 0;
}

static void assert_holds(const char *text) {
    test_assert_holds(&reply, text);
}

static void what_is_kept_of_oneself_is_shown_opened_and_the_verifier_is_not(void **state) {
    (void)state;
    test_converse("GET /v1/me", my_token(MY_CUSTOMER, 0), &reply);
    assert_holds("HTTP/1.1 200 ");
    assert_holds("\"id\":\"" MY_CUSTOMER "\"");
    assert_holds("\"email\":\"ada@example.org\"");
    assert_holds("\"address\":" MY_ADDRESS);
    assert_holds("ETag: \"9\"");
    assert_holds("Cache-Control: no-store");
    assert_false(test_holds(&reply, "VERIFIER"));
    char fields[2100];
    (void)snprintf(fields, sizeof fields, "%sIf-None-Match: \"9\"\r\n", my_token(MY_CUSTOMER, 0));
    test_converse("GET /v1/me", fields, &reply);
    assert_holds("HTTP/1.1 304 ");
}

static void addresses_are_listed_by_themselves(void **state) {
    (void)state;
    test_converse("GET /v1/me/addresses", my_token(MY_CUSTOMER, 0), &reply);
    assert_holds("HTTP/1.1 200 ");
    assert_holds("{\"items\":[{\"id\":\"1\",\"address\":" MY_ADDRESS "}],\"next_cursor\":null}");
}

static void sessions_tell_from_where_and_which_one_asks(void **state) {
    (void)state;
    test_converse("GET /v1/me/sessions", my_token(MY_CUSTOMER, 0), &reply);
    assert_holds("HTTP/1.1 200 ");
    assert_holds(
        "{\"items\":[{\"session\":7,\"current\":true,\"method\":\"password\",\"client\":\"127.0.0.1 a browser\"");
    assert_holds("{\"session\":5,\"current\":false,\"method\":\"totp\",\"opened_at\"");
    assert_holds("],\"next_cursor\":null}");
}

static void where_nobody_is_logged_in_there_is_nobody(void **state) {
    (void)state;
    static const char *const lines[] = {"GET /v1/me", "GET /v1/me/addresses", "GET /v1/me/sessions",
                                        "GET /v1/me/export"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        test_converse(lines[i], "", &reply); /* access is open: without credentials all else may be done */
        assert_holds("HTTP/1.1 401 ");
        assert_holds("WWW-Authenticate: Bearer");
        assert_holds("unauthenticated");
    }
}

static void without_the_vault_nothing_is_told(void **state) {
    (void)state;
    mine.vault_is_away = true;
    static const char *const lines[] = {"GET /v1/me", "GET /v1/me/sessions"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        test_converse(lines[i], my_token(MY_CUSTOMER, 0), &reply);
        assert_holds("HTTP/1.1 503 ");
        assert_holds("database_unavailable");
        assert_false(test_holds(&reply, "browser"));
    }
}

static void whoever_the_view_has_not_seen_yet_is_told_to_come_again(void **state) {
    (void)state;
    mine.is_unknown = true;
    test_converse("GET /v1/me", my_token(MY_CUSTOMER, 0), &reply);
    assert_holds("HTTP/1.1 503 ");
    assert_holds("view_behind");
}

static void by_his_id_a_customer_reads_himself_and_of_others_hears_nothing(void **state) {
    (void)state;
    test_converse("GET /v1/customers/" MY_CUSTOMER, my_token(MY_CUSTOMER, 0), &reply);
    assert_holds("HTTP/1.1 200 ");
    assert_holds("\"email\":\"ada@example.org\"");
    test_converse("GET /v1/customers/" MY_CUSTOMER, my_token(MY_OTHER, 0), &reply);
    assert_holds("HTTP/1.1 404 ");
    assert_holds("unknown_customer");
    assert_false(test_holds(&reply, "ada@example.org"));
    test_converse("GET /v1/customers/" MY_CUSTOMER, my_token(MY_OTHER, TOKEN_ROLE_SUPPORT), &reply);
    assert_holds("HTTP/1.1 200 ");
    test_converse("GET /v1/customers/" MY_CUSTOMER, "", &reply);
    assert_holds("HTTP/1.1 401 ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(what_is_kept_of_oneself_is_shown_opened_and_the_verifier_is_not),
        TEST(addresses_are_listed_by_themselves),
        TEST(sessions_tell_from_where_and_which_one_asks),
        TEST(where_nobody_is_logged_in_there_is_nobody),
        TEST(without_the_vault_nothing_is_told),
        TEST(whoever_the_view_has_not_seen_yet_is_told_to_come_again),
        cmocka_unit_test_setup_teardown(by_his_id_a_customer_reads_himself_and_of_others_hears_nothing, start_closed,
                                        stop),
#undef TEST
    };
    return cmocka_run_group_tests_name("me", tests, NULL, NULL);
}
