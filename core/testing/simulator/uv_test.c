#include "core/testing/simulator/uv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/base/macros.h"
#include "core/testing/simulator/world.h"

enum { FD = 7, US_PER_MS = 1000 };

/* What was told, in order: "12:tick 12:more". */
static char told[1024];
static uv_loop_t loop;
static uv_timer_t timers[2];
static uv_async_t async;
static uv_poll_t poll;
static int close_result;

static void tell(const char *what) {
    size_t len = strlen(told);
    snprintf(told + len, sizeof told - len, "%s%lld:%s", len == 0 ? "" : " ", (long long)(sim_now_us() / US_PER_MS),
             what);
}

static void on_closed(uv_handle_t *handle) {
    tell(handle->type == UV_TIMER ? "timer closed" : handle->type == UV_ASYNC ? "async closed" : "poll closed");
}

static void on_timer(uv_timer_t *timer) {
    tell(timer->data);
}

static void run_process(void (*make)(void)) {
    uv_loop_init(&loop);
    make();
    uv_run(&loop, UV_RUN_DEFAULT);
    tell("end");
    close_result = uv_loop_close(&loop);
}

static void process_main(void *context) {
    run_process(*(void (**)(void))context);
}

static void run_world(void (*make)(void)) {
    told[0] = '\0';
    close_result = -1;
    sim_begin(1);
    sim_start("looper", 1, process_main, &make);
    sim_run(INT64_C(1000000) * 60);
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static void two_timers(void) {
    static char *const names[] = {"late", "early"};
    for (int i = 0; i < 2; i++) {
        uv_timer_init(&loop, &timers[i]);
        timers[i].data = names[i];
        uv_timer_start(&timers[i], on_timer, i == 0 ? 20 : 10, 0);
    }
}

static void timers_come_in_the_order_of_their_times(void **state) {
    (void)state;
    run_world(two_timers);
    assert_string_equal(told, "10:early 20:late 20:end");
    assert_int_equal(close_result, UV_EBUSY); /* none of them was closed */
}

static void on_third_tick(uv_timer_t *timer) {
    static int ticks;
    tell("tick");
    if (++ticks == 3) {
        uv_close((uv_handle_t *)timer, on_closed);
    }
}

static void repeating_timer(void) {
    uv_timer_init(&loop, &timers[0]);
    uv_timer_start(&timers[0], on_third_tick, 5, 10);
}

static void a_timer_repeats_until_it_is_closed(void **state) {
    (void)state;
    run_world(repeating_timer);
    assert_string_equal(told, "5:tick 15:tick 25:tick 25:timer closed 25:end");
    assert_int_equal(close_result, 0);
}

/* ---- asyncs and polls -------------------------------------------------------------------------------------------- */

static void send_twice(void *context) {
    (void)context;
    uv_async_send(&async);
    uv_async_send(&async);
}

static void on_async(uv_async_t *handle) {
    tell("async");
    if (sim_now_us() >= 30 * US_PER_MS) {
        uv_close((uv_handle_t *)handle, on_closed);
        uv_async_send(handle); /* to one that is closing: nothing */
    }
}

static void sends_from_outside(void) {
    uv_async_init(&loop, &async, on_async);
    sim_after(10 * US_PER_MS, NULL, send_twice, NULL);
    sim_after(30 * US_PER_MS, NULL, send_twice, NULL);
}

static void what_was_sent_twice_is_told_once_a_turn(void **state) {
    (void)state;
    run_world(sends_from_outside);
    assert_string_equal(told, "10:async 30:async 30:async closed 30:end");
    assert_int_equal(close_result, 0);
}

static void fd_is_ready(void *context) {
    (void)context;
    sim_uv_fd_ready(FD);
    sim_uv_fd_ready(FD + 1); /* nobody watches it */
}

static void on_poll(uv_poll_t *handle, int status, int events) {
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_READABLE);
    tell("poll");
    if (sim_now_us() >= 20 * US_PER_MS) {
        uv_poll_stop(handle);
        uv_close((uv_handle_t *)handle, on_closed);
    }
}

static void watched_fd(void) {
    uv_poll_init(&loop, &poll, FD);
    uv_poll_start(&poll, UV_READABLE, on_poll);
    sim_after(10 * US_PER_MS, NULL, fd_is_ready, NULL);
    sim_after(20 * US_PER_MS, NULL, fd_is_ready, NULL);
    sim_after(30 * US_PER_MS, NULL, fd_is_ready, NULL); /* after the end: nobody is told */
}

static void a_poll_is_told_that_its_descriptor_is_ready(void **state) {
    (void)state;
    run_world(watched_fd);
    assert_string_equal(told, "10:poll 20:poll 20:poll closed 20:end");
    assert_int_equal(close_result, 0);
}

/* ---- beside others ----------------------------------------------------------------------------------------------- */

static int turns;

static void on_busy(uv_async_t *handle) {
    turns++;
    if (sim_now_us() < 1 * US_PER_MS) {
        uv_async_send(handle);
    } else {
        uv_close((uv_handle_t *)handle, NULL);
    }
}

static void *other_fiber(void *context) {
    (void)context;
    sim_sleep(500);
    tell("other");
    return NULL;
}

static void busy_loop(void) {
    uv_async_init(&loop, &async, on_busy);
    uv_async_send(&async);
    sim_spawn(other_fiber, NULL);
}

static void a_loop_that_keeps_itself_busy_lets_others_run(void **state) {
    (void)state;
    turns = 0;
    run_world(busy_loop);
    assert_string_equal(told, "0:other 1:end");
    assert_in_range(turns, 500, 1100);
}

/* ---- work -------------------------------------------------------------------------------------------------------- */

static uv_work_t works[2];

static void on_work(uv_work_t *work) {
    sim_sleep((work == &works[0] ? 30 : 10) * US_PER_MS);
    tell(work == &works[0] ? "long work" : "short work");
}

static void after_work(uv_work_t *work, int status) {
    tell(status == 0 ? work->data : "cancelled");
}

static void two_works_and_a_timer(void) {
    works[0].data = "after the long";
    works[1].data = "after the short";
    timers[0].data = "tick";
    uv_timer_init(&loop, &timers[0]);
    uv_timer_start(&timers[0], on_timer, 20, 0);
    uv_queue_work(&loop, &works[0], on_work, after_work);
    uv_queue_work(&loop, &works[1], on_work, after_work);
}

static void work_goes_on_beside_the_loop_which_ends_behind_it(void **state) {
    (void)state;
    run_world(two_works_and_a_timer);
    assert_string_equal(told, "10:short work 10:after the short 20:tick 30:long work 30:after the long 30:end");
}

static void kill_looper(void *context) {
    (void)context;
    sim_kill(sim_processes());
}

static void killed_loop(void) {
    two_timers();
    uv_poll_init(&loop, &poll, FD + 2); /* a number of its own: this poll is never closed */
    uv_poll_start(&poll, UV_READABLE, on_poll);
    sim_after(15 * US_PER_MS, NULL, kill_looper, NULL);
}

static void a_loop_whose_process_was_killed_hears_no_more(void **state) {
    (void)state;
    run_world(killed_loop);
    sim_uv_fd_ready(FD + 2);
    sim_run(INT64_C(1000000) * 120);
    assert_string_equal(told, "10:early");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_in_the_order_of_their_times),
        cmocka_unit_test(a_timer_repeats_until_it_is_closed),
        cmocka_unit_test(what_was_sent_twice_is_told_once_a_turn),
        cmocka_unit_test(a_poll_is_told_that_its_descriptor_is_ready),
        cmocka_unit_test(a_loop_that_keeps_itself_busy_lets_others_run),
        cmocka_unit_test(work_goes_on_beside_the_loop_which_ends_behind_it),
        cmocka_unit_test(a_loop_whose_process_was_killed_hears_no_more),
    };
    return cmocka_run_group_tests_name("simulated uv", tests, NULL, NULL);
}
