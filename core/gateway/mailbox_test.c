#include "core/gateway/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/array.h"
#include "core/gateway/recent_carts.h"

enum { POSTERS = 4, LETTERS_EACH = 2000 };

static uv_loop_t loop;
static struct mailbox mailbox;
static size_t heard;
static uint8_t next_of[POSTERS][2]; /* the low bytes of the number that each poster's next letter must bear */

static void on_letter(void *context, enum letter_kind kind, struct str bytes) {
    (void)context;
    assert_int_equal(kind, LETTER_DELIVERED);
    assert_int_equal(bytes.len, 3);
    uint8_t poster = (uint8_t)bytes.data[0];
    assert_memory_equal(bytes.data + 1, next_of[poster], 2);
    if (++next_of[poster][1] == 0) {
        next_of[poster][0]++;
    }
    heard++;
}

static void open_with(size_t letters_max) {
    struct err_info info;
    heard = 0;
    memset(next_of, 0, sizeof next_of);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mailbox_open(&mailbox, &loop, letters_max, 3 * letters_max, on_letter, NULL, &info), ERR_NONE);
}

static void close_and_release(void) {
    mailbox_close(&mailbox);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    mailbox_release(&mailbox);
}

static bool post(uint8_t poster, int number) {
    const char bytes[3] = {(char)poster, (char)(number >> 8), (char)number};
    return mailbox_post(&mailbox, LETTER_DELIVERED, str_of(bytes, sizeof bytes));
}

static void *poster_run(void *argument) {
    for (int i = 0; i < LETTERS_EACH; i++) {
        (void)post((uint8_t)(uintptr_t)argument, i);
    }
    return NULL;
}

static void letters_of_many_threads_all_arrive_each_threads_in_order(void **state) {
    (void)state;
    open_with(POSTERS * LETTERS_EACH);
    pthread_t threads[POSTERS];
    for (uintptr_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, poster_run, (void *)i), 0);
    }
    while (heard < (size_t)POSTERS * LETTERS_EACH) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    close_and_release();
}

static void past_the_bound_letters_are_dropped_and_counted(void **state) {
    (void)state;
    open_with(2);
    assert_true(post(0, 0));
    assert_true(post(0, 1));
    assert_false(post(0, 2));
    size_t waiting;
    uint64_t dropped;
    mailbox_count(&mailbox, &waiting, &dropped);
    assert_int_equal(waiting, 2);
    assert_int_equal(dropped, 1);
    (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(heard, 2);
    assert_true(post(0, 2));
    close_and_release(); /* what was not read is freed */
    assert_int_equal(heard, 2);
}

static void large_letters_are_dropped_before_there_are_many(void **state) {
    (void)state;
    open_with(4);
    static const char large[9] = {0};
    assert_true(post(0, 0));
    assert_true(post(0, 1));
    assert_false(mailbox_post(&mailbox, LETTER_DELIVERED, str_of(large, sizeof large)));
    assert_true(post(0, 2));
    (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(heard, 3);
    assert_true(post(0, 3));
    close_and_release();
}

static void a_closed_mailbox_takes_nothing(void **state) {
    (void)state;
    open_with(2);
    mailbox_close(&mailbox);
    assert_false(post(0, 0));
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_false(post(0, 0));
    mailbox_release(&mailbox);
}

/* ---- recent carts, the other thing that threads share ---- */

static struct recent_carts carts;

static void note(struct str cart, const char *const *skus, size_t count) {
    struct cart_line lines[300] = {0};
    for (size_t i = 0; i < count; i++) {
        lines[i].sku = str_of_cstr(skus[i % 3]);
    }
    recent_carts_note(&carts, cart, &(struct cart_line_array){lines, (uint32_t)count, (uint32_t)count});
}

static void the_newest_lines_of_a_cart_are_known(void **state) {
    (void)state;
    static const char *const skus[] = {"A", "B.1", "C"};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    recent_carts_init(&carts);
    struct str_array found;
    assert_false(recent_carts_skus(&carts, &arena, STR("cart_X"), &found));
    note(STR("cart_X"), skus, 1);
    note(STR("cart_X"), skus, 3);
    assert_true(recent_carts_skus(&carts, &arena, STR("cart_X"), &found));
    assert_int_equal(found.count, 3);
    assert_true(str_equal(found.items[1], STR("B.1")));
    assert_false(recent_carts_skus(&carts, &arena, STR("cart_"), &found));
    assert_false(recent_carts_skus(&carts, &arena, STR("cart_XY"), &found));
    note(STR("cart_X"), skus, 0);
    assert_true(recent_carts_skus(&carts, &arena, STR("cart_X"), &found));
    assert_int_equal(found.count, 0);
    recent_carts_release(&carts);
    arena_release(&arena);
}

static void a_cart_too_long_to_remember_is_forgotten(void **state) {
    (void)state;
    static const char *const skus[] = {"A", "B", "C"};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    recent_carts_init(&carts);
    struct str_array found;
    note(STR("cart_X"), skus, RECENT_CART_LINES);
    assert_true(recent_carts_skus(&carts, &arena, STR("cart_X"), &found));
    assert_int_equal(found.count, RECENT_CART_LINES);
    note(STR("cart_X"), skus, RECENT_CART_LINES + 1);
    assert_false(recent_carts_skus(&carts, &arena, STR("cart_X"), &found));
    recent_carts_release(&carts);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_many_threads_all_arrive_each_threads_in_order),
        cmocka_unit_test(past_the_bound_letters_are_dropped_and_counted),
        cmocka_unit_test(large_letters_are_dropped_before_there_are_many),
        cmocka_unit_test(a_closed_mailbox_takes_nothing),
        cmocka_unit_test(the_newest_lines_of_a_cart_are_known),
        cmocka_unit_test(a_cart_too_long_to_remember_is_forgotten),
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
