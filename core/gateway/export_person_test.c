/* export_person_test.c: what somebody takes along, on real connections; test_my_front.h says what stands behind, here
 * besides: sessions, history, orders and carts, of so many rows each. */
#include "core/gateway/export_person.h"

#include <jansson.h>

#include "core/gateway/test_my_front.h"
#include "projections/carts/query.h"
#include "projections/customers/sessions.h"
#include "projections/orders/query.h"

enum { REPLY_MAX = 80 * 1024 * 1024, ROW_LARGE_BYTES = 1024 * 1024 };

static struct buf reply;
static int orders_count; /* how many there are */
static const struct pg_statement *failing;
static int asked_of_orders;
static char *large; /* each order; NULL: they are small */

/* ---- what stands behind the front -------------------------------------------------------------------------------- */

static void add_session(PGresult *rows) {
    char nonce[2 * VAULT_NONCE_BYTES + 1], client[256];
    struct sealed sealed = my_sealed("127.0.0.1 a browser");
    sodium_bin2hex(nonce, sizeof nonce, (const unsigned char *)sealed.nonce.data, sealed.nonce.len);
    sodium_bin2hex(client, sizeof client, (const unsigned char *)sealed.ciphertext.data, sealed.ciphertext.len);
    my_row_add(rows, (const char *const[]){"1", "password", "1767225600000000", "1767225600000000", "1767225600000000",
                                           "1", MY_KEY, nonce, client});
}

/* Those behind the cursor, which is the number of the last. */
static void add_orders(PGresult *rows, const char *cursor) {
    int64_t first = 0;
    assert_true(str_is_empty(str_of_cstr(cursor)) || int64_read(str_of_cstr(cursor), &first));
    asked_of_orders++;
    for (int64_t i = first; i < orders_count && i < first + EXPORT_PAGE_ROWS; i++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%lld", (long long)i + 1);
        struct str document = arena_printf(&mine.arena, "{\"id\":\"ord_%lld\"}", (long long)i + 1);
        my_row_add(rows, (const char *const[]){large != NULL ? large : document.data, number});
    }
}

static bool answer_rows(const struct test_statement *asked) {
    const struct pg_statement *statement = asked->statement;
    bool is_sessions = statement == &customer_sessions_opened;
    if (statement == failing) {
        struct err_info error;
        err_set_retriable(&error, ERR_POSTGRES, "it is away");
        asked->on_result(asked->context, NULL, &error);
        return true;
    }
    if (!is_sessions && statement != &customer_history_of_his && statement != &orders_of_customer &&
        statement != &carts_of_customer) {
        return false;
    }
    PGresult *rows = my_rows(is_sessions ? 9 : 2);
    if (is_sessions) {
        add_session(rows);
    } else if (statement == &orders_of_customer) {
        add_orders(rows, asked->parameter);
    } else {
        my_row_add(rows, (const char *const[]){
                             statement == &carts_of_customer ? "{\"id\":\"cart_1\"}" : "{\"type\":\"X\"}", "1"});
    }
    my_rows_answer(asked, rows);
    return true;
}

static int start(void **state) {
    (void)state;
    orders_count = 3;
    failing = NULL;
    asked_of_orders = 0;
    buf_init(&reply, REPLY_MAX);
    my_front_start(false, answer_rows);
    return 0;
}

static int stop(void **state) {
    (void)state;
    my_front_stop();
    assert_int_equal(front.loop.exports.count, 0); /* none is left over */
    buf_release(&reply);
    free(large);
    large = NULL;
    return 0;
}

/* ---- the clients ------------------------------------------------------------------------------------------------- */

static int ask_for(const char *line, const char *fields) {
    char all[2200];
    (void)snprintf(all, sizeof all, "%sConnection: close\r\n", fields); /* a refusal ends it as well */
    int fd = test_connect_from(&front.server, "127.0.0.1");
    test_ask_for(fd, line, all);
    return fd;
}

/* Nothing is sent behind it, and the sending side stays open: who ends it is taken to be gone. */
static void fetch(const char *line, const char *fields) {
    int fd = ask_for(line, fields);
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
}

static void fetch_mine(void) {
    fetch("GET /v1/me/export", my_token(MY_CUSTOMER, 0));
}

/* The body of the reply without its chunks; it must be whole JSON. */
static json_t *document_of_reply(void) {
    buf_byte(&reply, '\0');
    const char *body = strstr(reply.data, "\r\n\r\n");
    assert_non_null(body);
    struct buf text;
    buf_init(&text, REPLY_MAX);
    for (body += 4;;) {
        char *end;
        size_t bytes = strtoul(body, &end, 16);
        if (bytes == 0) {
            break;
        }
        buf_bytes(&text, end + 2, bytes);
        body = end + 2 + bytes + 2;
    }
    json_t *document = json_loadb(text.data, text.len, 0, NULL);
    buf_release(&text);
    assert_non_null(document);
    return document;
}

static size_t count_of(json_t *document, const char *name) {
    return json_array_size(json_object_get(document, name));
}

static bool is_complete(json_t *document) {
    json_t *complete = json_object_get(document, "complete");
    assert_true(json_is_boolean(complete));
    return json_is_true(complete);
}

static void make_orders_large(int count) {
    orders_count = count;
    large = malloc(ROW_LARGE_BYTES + 1);
    memset(large, 'x', ROW_LARGE_BYTES);
    large[0] = large[ROW_LARGE_BYTES - 1] = '"';
    large[ROW_LARGE_BYTES] = '\0';
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void all_that_is_kept_comes_along_as_a_file(void **state) {
    (void)state;
    fetch_mine();
    test_assert_holds(&reply, "HTTP/1.1 200 ");
    test_assert_holds(&reply, "Content-Type: application/json");
    test_assert_holds(&reply, "Content-Disposition: attachment; filename=\"" MY_CUSTOMER ".json\"");
    test_assert_holds(&reply, "Cache-Control: no-store");
    test_assert_holds(&reply, "ada@example.org");
    assert_false(test_holds(&reply, "VERIFIER"));
    json_t *document = document_of_reply();
    json_t *session = json_array_get(json_object_get(document, "sessions"), 0);
    assert_string_equal(json_string_value(json_object_get(session, "client")), "127.0.0.1 a browser");
    assert_int_equal(count_of(document, "sessions"), 1);
    assert_int_equal(count_of(document, "history"), 1);
    assert_int_equal(count_of(document, "orders"), 3);
    assert_int_equal(count_of(document, "carts"), 1);
    assert_true(is_complete(document));
    json_decref(document);
}

/* Its rows are as they were, and this front has used his key a moment ago. */
static void of_a_destroyed_key_that_is_remembered_nothing_is_opened(void **state) {
    (void)state;
    fetch_mine();
    test_assert_holds(&reply, "127.0.0.1 a browser");
    mine.vault_has_key = false;
    fetch_mine();
    json_t *document = document_of_reply();
    json_t *session = json_array_get(json_object_get(document, "sessions"), 0);
    assert_non_null(json_object_get(session, "session"));
    assert_null(json_object_get(session, "client"));
    assert_true(is_complete(document));
    json_decref(document);
}

static void pages_follow_each_other_without_a_gap(void **state) {
    (void)state;
    orders_count = 2 * EXPORT_PAGE_ROWS + 1;
    fetch_mine();
    json_t *document = document_of_reply();
    json_t *orders = json_object_get(document, "orders");
    assert_int_equal(json_array_size(orders), orders_count);
    for (int i = 0; i < orders_count; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "ord_%d", i + 1);
        assert_string_equal(json_string_value(json_object_get(json_array_get(orders, (size_t)i), "id")), id);
    }
    assert_int_equal(asked_of_orders, 3);
    assert_true(is_complete(document));
    json_decref(document);
}

static void a_page_that_is_just_full_is_followed_by_an_empty_one(void **state) {
    (void)state;
    orders_count = EXPORT_PAGE_ROWS;
    fetch_mine();
    json_t *document = document_of_reply();
    assert_int_equal(count_of(document, "orders"), EXPORT_PAGE_ROWS);
    assert_int_equal(asked_of_orders, 2);
    assert_true(is_complete(document));
    json_decref(document);
}

static void what_could_not_go_on_says_so(void **state) {
    (void)state;
    failing = &orders_of_customer;
    fetch_mine();
    json_t *document = document_of_reply();
    assert_int_equal(count_of(document, "history"), 1);
    assert_int_equal(count_of(document, "orders"), 0);
    assert_null(json_object_get(document, "carts"));
    assert_false(is_complete(document));
    json_decref(document);
}

static void past_its_bound_it_ends(void **state) {
    (void)state;
    make_orders_large(EXPORT_MAX_BYTES / ROW_LARGE_BYTES + 1);
    fetch_mine();
    assert_true(reply.len > EXPORT_MAX_BYTES - 2 * ROW_LARGE_BYTES);
    json_t *document = document_of_reply();
    assert_int_equal(count_of(document, "orders"), orders_count - 2);
    assert_false(is_complete(document));
    json_decref(document);
}

static void what_cannot_be_begun_is_refused(void **state) {
    (void)state;
    mine.vault_is_away = true;
    fetch_mine();
    test_assert_holds(&reply, "HTTP/1.1 503 ");
    assert_false(test_holds(&reply, "complete"));
    mine.vault_is_away = false;
    fetch("GET /v1/customers/" MY_OTHER "/export", my_token(MY_OTHER, TOKEN_ROLE_ADMIN));
    test_assert_holds(&reply, "HTTP/1.1 404 ");
    test_assert_holds(&reply, "unknown_customer");
}

static void an_admin_exports_others_and_nobody_else_does(void **state) {
    (void)state;
    static const char path[] = "GET /v1/customers/" MY_CUSTOMER "/export";
    fetch(path, my_token(MY_OTHER, TOKEN_ROLE_ADMIN));
    json_t *document = document_of_reply();
    assert_true(is_complete(document));
    json_decref(document);
    fetch(path, my_token(MY_OTHER, TOKEN_ROLE_SUPPORT));
    test_assert_holds(&reply, "HTTP/1.1 403 ");
    fetch(path, my_token(MY_CUSTOMER, 0));
    test_assert_holds(&reply, "HTTP/1.1 403 ");
    fetch(path, "");
    test_assert_holds(&reply, "HTTP/1.1 401 ");
}

/* The first stands still, as its database does. */
static void one_at_a_time_is_enough_for_a_person(void **state) {
    (void)state;
    make_orders_large(20); /* more than the kernel takes of a reader who does not read */
    int fd = ask_for("GET /v1/me/export", my_token(MY_CUSTOMER, 0));
    for (int tries = 0; front.loop.exports.count == 0 && tries < 1000; tries++) {
        test_tell("/change?1"); /* a turn of the loop */
    }
    fetch_mine();
    test_assert_holds(&reply, "HTTP/1.1 503 ");
    test_assert_holds(&reply, "overloaded");
    close(fd); /* and with its reader it is gone */
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(all_that_is_kept_comes_along_as_a_file), TEST(of_a_destroyed_key_that_is_remembered_nothing_is_opened),
        TEST(pages_follow_each_other_without_a_gap),  TEST(a_page_that_is_just_full_is_followed_by_an_empty_one),
        TEST(what_could_not_go_on_says_so),           TEST(past_its_bound_it_ends),
        TEST(what_cannot_be_begun_is_refused),        TEST(an_admin_exports_others_and_nobody_else_does),
        TEST(one_at_a_time_is_enough_for_a_person),
#undef TEST
    };
    return cmocka_run_group_tests_name("export_person", tests, NULL, NULL);
}
