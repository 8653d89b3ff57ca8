#include "core/gateway/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>

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

static _Atomic size_t taken_by_all;

static void *post_until_it_is_closed(void *argument) {
    for (int i = 0; post((uint8_t)(uintptr_t)argument, i); i++) {
        atomic_fetch_add(&taken_by_all, 1);
    }
    return NULL;
}

/* A loop ends while others still have something for it: they are told, and nothing of theirs is left behind. */
static void it_is_closed_while_others_post(void **state) {
    (void)state;
    open_with((size_t)1 << 20);
    atomic_store(&taken_by_all, 0);
    pthread_t threads[POSTERS];
    for (uintptr_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_until_it_is_closed, (void *)i), 0);
    }
    while (heard < LETTERS_EACH) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    mailbox_close(&mailbox);
    for (size_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    size_t waiting;
    uint64_t dropped;
    mailbox_count(&mailbox, &waiting, &dropped);
    assert_int_equal(waiting, 0);
    assert_true(dropped >= POSTERS && heard <= atomic_load(&taken_by_all));
    mailbox_release(&mailbox);
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

enum { CARTS = 50, NOTES_EACH = 20000 };

/* Notes carts whose lines all name the same SKU, and finds no cart with two. */
static void *note_and_look(void *argument) {
    static const char *const names[] = {"A", "B.1", "C"};
    const char *const skus[] = {names[(uintptr_t)argument], names[(uintptr_t)argument], names[(uintptr_t)argument]};
    struct arena own;
    char cart[16];
    uintptr_t torn = 0;
    arena_init(&own, 1 << 20);
    for (int i = 0; i < NOTES_EACH; i++) {
        snprintf(cart, sizeof cart, "cart_%02d", i % CARTS);
        note(str_of_cstr(cart), skus, (size_t)i % 20);
        struct str_array found = {0};
        arena_reset(&own);
        if (recent_carts_skus(&carts, &own, str_of_cstr(cart), &found)) {
            for (uint32_t k = 1; k < found.count; k++) {
                torn += !str_equal(found.items[k], found.items[0]);
            }
        }
    }
    arena_release(&own);
    return (void *)torn;
}

static void loops_note_and_look_at_once(void **state) {
    (void)state;
    recent_carts_init(&carts);
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, note_and_look, (void *)i), 0);
    }
    for (int i = 0; i < 3; i++) {
        void *torn;
        assert_int_equal(pthread_join(threads[i], &torn), 0);
        assert_null(torn);
    }
    recent_carts_release(&carts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_many_threads_all_arrive_each_threads_in_order),
        cmocka_unit_test(it_is_closed_while_others_post),
        cmocka_unit_test(past_the_bound_letters_are_dropped_and_counted),
        cmocka_unit_test(large_letters_are_dropped_before_there_are_many),
        cmocka_unit_test(a_closed_mailbox_takes_nothing),
        cmocka_unit_test(the_newest_lines_of_a_cart_are_known),
        cmocka_unit_test(a_cart_too_long_to_remember_is_forgotten),
        cmocka_unit_test(loops_note_and_look_at_once),
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
