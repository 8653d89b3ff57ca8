#include "core/gateway/page_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/timestamp.h"

#define ORDER STR("ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.1")
#define OTHER STR("ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.2")

static struct page_cache cache;
static const struct position nothing_seen;

static int set_up(void **state) {
    (void)state;
    page_cache_init(&cache);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    page_cache_release(&cache);
    return 0;
}

static struct page_question ask(struct str order, int64_t ms) {
    return page_cache_ask(&cache, "orders", TOPIC_ORDERS, order, ms * MICROS_PER_MS);
}

static void keep_as(const struct page_question *question, int64_t version, struct str document) {
    page_cache_keep(&cache, question, &(struct page){.version = version, .owner = STR("cus_1"), .document = document});
}

static void keep(struct str order, int64_t version, int64_t ms) {
    struct page_question question = ask(order, ms);
    keep_as(&question, version, STR("{}"));
}

static bool finds(const struct page_question *question, const struct position *position, int64_t version_seen) {
    struct page page;
    return page_cache_find(&cache, question, position, version_seen, &page);
}

static bool is_there(struct str order, int64_t ms) {
    struct page_question question = ask(order, ms);
    return finds(&question, &nothing_seen, 0);
}

/* The view tells of a commit that changed this stream; an empty one: of one that names none. */
static void moved(const char *view, struct str stream, int64_t ms) {
    struct buf payload;
    buf_init(&payload, VIEW_NOTICE_MAX_BYTES + 1);
    buf_str(&payload, str_of_cstr(view));
    if (!str_is_empty(stream)) {
        assert_true(view_notice_add(&payload, (int64_t)stream_hash(stream, TOPIC_ORDERS)));
    }
    page_cache_moved(&cache, view_notice_read(buf_text(&payload)), ms * MICROS_PER_MS);
    buf_release(&payload);
}

static void a_page_is_found_for_a_second(void **state) {
    (void)state;
    assert_false(is_there(ORDER, 10));
    keep(ORDER, 3, 10);
    struct page_question question = ask(ORDER, 11);
    struct page page;
    assert_true(page_cache_find(&cache, &question, &nothing_seen, 0, &page));
    assert_int_equal(page.version, 3);
    assert_true(str_equal(page.document, STR("{}")));
    assert_true(str_equal(page.owner, STR("cus_1")));
    assert_false(is_there(OTHER, 11));
    assert_true(is_there(ORDER, 10 + PAGE_KEPT_MS - 1));
    assert_false(is_there(ORDER, 10 + PAGE_KEPT_MS));
}

static void a_change_of_its_stream_ends_a_page_and_no_other(void **state) {
    (void)state;
    keep(ORDER, 3, 10);
    keep(OTHER, 1, 10);
    moved("orders", ORDER, 11);
    assert_false(is_there(ORDER, 12));
    assert_true(is_there(OTHER, 12));
}

static void a_notice_that_names_no_stream_ends_all_pages_of_its_view(void **state) {
    (void)state;
    struct page_question cart = page_cache_ask(&cache, "carts", TOPIC_CARTS, STR("cart_1"), 10 * MICROS_PER_MS);
    keep_as(&cart, 1, STR("{}"));
    keep(ORDER, 3, 10);
    moved("orders", STR(""), 11);
    assert_false(is_there(ORDER, 12));
    assert_true(finds(&cart, &nothing_seen, 0));
    keep(ORDER, 4, 13);
    assert_true(is_there(ORDER, 13));
    moved("tickets", STR(""), 14); /* a view that this release does not have */
    assert_true(is_there(ORDER, 14));
}

static void what_was_read_while_the_view_moved_is_not_kept(void **state) {
    (void)state;
    struct page_question question = ask(ORDER, 10);
    moved("orders", ORDER, 11);
    keep_as(&question, 3, STR("{}")); /* perhaps read before the commit */
    assert_false(is_there(ORDER, 12));
    question = ask(ORDER, 12);
    moved("carts", STR(""), 13);
    keep_as(&question, 4, STR("{}"));
    assert_true(is_there(ORDER, 14));
}

static void who_has_seen_more_is_given_no_older_page(void **state) {
    (void)state;
    keep(ORDER, 3, 10);
    struct page_question question = ask(ORDER, 11);
    struct position seen = {0};
    position_add(&seen, question.hash, 3);
    position_add(&seen, stream_hash(OTHER, TOPIC_ORDERS), 9); /* another stream's document */
    assert_true(finds(&question, &seen, 0));
    position_add(&seen, question.hash, 4);
    assert_false(finds(&question, &seen, 0));
    assert_true(finds(&question, &nothing_seen, 3));
    assert_false(finds(&question, &nothing_seen, 4));
}

static void a_newer_answer_ends_an_older_page(void **state) {
    (void)state;
    keep(ORDER, 3, 10);
    struct page_question question = ask(ORDER, 11);
    moved("orders", OTHER, 12); /* so what comes now is not kept */
    keep_as(&question, 4, STR("{}"));
    assert_false(is_there(ORDER, 13));
}

static void missed_notices_end_all_pages(void **state) {
    (void)state;
    struct page_question question = ask(OTHER, 9);
    keep(ORDER, 3, 10);
    page_cache_expire(&cache, 11 * MICROS_PER_MS);
    assert_false(is_there(ORDER, 12));
    keep_as(&question, 1, STR("{}"));
    assert_false(is_there(OTHER, 12));
}

static void a_large_document_is_not_kept(void **state) {
    (void)state;
    char *large = calloc(1, CACHED_PAGE_MAX_BYTES + 1);
    assert_non_null(large);
    struct page_question question = ask(ORDER, 10);
    keep_as(&question, 1, str_of(large, CACHED_PAGE_MAX_BYTES + 1));
    assert_false(is_there(ORDER, 11));
    keep_as(&question, 1, str_of(large, CACHED_PAGE_MAX_BYTES));
    assert_true(is_there(ORDER, 11));
    free(large);
}

/* Else one would be shown what another may not see. */
static void a_page_without_room_for_its_owner_is_not_kept(void **state) {
    (void)state;
    static char owner[257];
    memset(owner, 'x', sizeof owner);
    struct page_question question = ask(ORDER, 10);
    struct page page = {.version = 1, .owner = str_of(owner, 256), .document = STR("{}")};
    page_cache_keep(&cache, &question, &page);
    assert_false(is_there(ORDER, 11));
    page.owner = str_of(owner, 255);
    page_cache_keep(&cache, &question, &page);
    assert_true(page_cache_find(&cache, &question, &nothing_seen, 0, &page));
    assert_int_equal(page.owner.len, 255);
    assert_true(str_equal(page.document, STR("{}")));
    page = (struct page){.version = 2, .document = STR("{}")};
    page_cache_keep(&cache, &question, &page);
    assert_true(page_cache_find(&cache, &question, &nothing_seen, 0, &page));
    assert_int_equal(page.owner.len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_page_is_found_for_a_second),
        TEST(a_change_of_its_stream_ends_a_page_and_no_other),
        TEST(a_notice_that_names_no_stream_ends_all_pages_of_its_view),
        TEST(what_was_read_while_the_view_moved_is_not_kept),
        TEST(who_has_seen_more_is_given_no_older_page),
        TEST(a_newer_answer_ends_an_older_page),
        TEST(missed_notices_end_all_pages),
        TEST(a_large_document_is_not_kept),
        TEST(a_page_without_room_for_its_owner_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
