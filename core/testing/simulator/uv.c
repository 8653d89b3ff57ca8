#include "core/testing/simulator/uv.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "core/testing/simulator/world.h"

enum { US_PER_MS = 1000 };

/* What is behind a handle of the code under simulation (its u.reserved[0]). */
struct handle {
    uv_handle_t *uv;
    struct handle *next;      /* of its loop, in the order of their making */
    struct handle *next_poll; /* of all polls */
    union {
        uv_async_cb async;
        uv_timer_cb timer;
        uv_poll_cb poll;
    } tell;
    int64_t due_us, repeat_us; /* a timer's */
    uint64_t start;            /* of timers that are due at one time, the one that was started first is told first */
    int fd;                    /* a poll's */
    bool is_active;            /* keeps the loop running; an async does from its making on */
    bool is_ready;             /* the async was sent, the descriptor has something */
    bool is_closing;
};

/* Work beside a loop. */
struct work {
    struct work *next; /* of those that are done */
    uv_work_t *uv;
};

/* What is behind a loop (its internal_fields). */
struct loop {
    struct handle *first;
    struct work *done; /* and not told yet, the oldest first */
    int works;         /* that were not told yet */
    uint64_t start_count;
};

static struct handle *polls; /* also those of processes that were killed: nobody runs to hear of them */

static struct loop *loop_of(const uv_loop_t *uv) {
    assert(uv->internal_fields != NULL && "the loop was never made, or is closed");
    return uv->internal_fields;
}

static struct handle *handle_of(const void *uv) {
    struct handle *handle = ((const uv_handle_t *)uv)->u.reserved[0];
    assert(handle != NULL && "the handle was never made, or is closed");
    return handle;
}

/* ---- handles ----------------------------------------------------------------------------------------------------- */

static struct handle *handle_new(uv_loop_t *uv_loop, void *uv, uv_handle_type type) {
    struct handle *handle = calloc(1, sizeof *handle);
    assert(handle != NULL);
    handle->uv = uv;
    handle->uv->loop = uv_loop;
    handle->uv->type = type;
    handle->uv->close_cb = NULL;
    handle->uv->u.reserved[0] = handle;
    struct handle **last = &loop_of(uv_loop)->first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = handle;
    return handle;
}

int uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb async_cb) {
    struct handle *handle = handle_new(loop, async, UV_ASYNC);
    handle->tell.async = async_cb;
    handle->is_active = true;
    return 0;
}

static void ready(struct handle *handle) {
    handle->is_ready = true;
    sim_wake(loop_of(handle->uv->loop));
}

int uv_async_send(uv_async_t *async) {
    struct handle *handle = handle_of(async);
    if (!handle->is_closing) {
        ready(handle);
    }
    return 0;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer) {
    (void)handle_new(loop, timer, UV_TIMER);
    return 0;
}

static void timer_arm(struct handle *handle, int64_t after_us) {
    handle->due_us = sim_now_us() + after_us;
    handle->start = ++loop_of(handle->uv->loop)->start_count;
    handle->is_active = true;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat) {
    struct handle *handle = handle_of(timer);
    if (handle->is_closing || cb == NULL) {
        return UV_EINVAL;
    }
    handle->tell.timer = cb;
    handle->repeat_us = (int64_t)repeat * US_PER_MS;
    timer_arm(handle, (int64_t)timeout * US_PER_MS);
    return 0;
}

int uv_timer_stop(uv_timer_t *timer) {
    handle_of(timer)->is_active = false;
    return 0;
}

int uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd) {
    struct handle *handle = handle_new(loop, poll, UV_POLL);
    handle->fd = fd;
    handle->next_poll = polls;
    polls = handle;
    return 0;
}

int uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb cb) {
    struct handle *handle = handle_of(poll);
    assert(events == UV_READABLE && !handle->is_closing);
    handle->tell.poll = cb;
    handle->is_active = true;
    return 0;
}

int uv_poll_stop(uv_poll_t *poll) {
    handle_of(poll)->is_active = false;
    return 0;
}

void sim_uv_fd_ready(int fd) {
    for (struct handle *handle = polls; handle != NULL; handle = handle->next_poll) {
        if (handle->fd == fd && !handle->is_closing) {
            ready(handle);
        }
    }
}

void uv_close(uv_handle_t *uv, uv_close_cb close_cb) {
    struct handle *handle = handle_of(uv);
    assert(!handle->is_closing && "a handle is closed once");
    uv->close_cb = close_cb;
    handle->is_closing = true;
    handle->is_active = false;
    handle->is_ready = false;
}

/* ---- work -------------------------------------------------------------------------------------------------------- */

static void *run_work(void *context) {
    struct work *work = context;
    struct loop *loop = loop_of(work->uv->loop);
    work->uv->work_cb(work->uv);
    struct work **last = &loop->done;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = work;
    sim_wake(loop);
    return NULL;
}

int uv_queue_work(uv_loop_t *uv_loop, uv_work_t *uv, uv_work_cb work_cb, uv_after_work_cb after_work_cb) {
    struct work *work = calloc(1, sizeof *work);
    assert(work != NULL && work_cb != NULL && after_work_cb != NULL);
    work->uv = uv;
    uv->loop = uv_loop;
    uv->work_cb = work_cb;
    uv->after_work_cb = after_work_cb;
    loop_of(uv_loop)->works++;
    (void)sim_spawn(run_work, work);
    return 0;
}

static void tell_done(struct loop *loop) {
    while (loop->done != NULL) {
        struct work *work = loop->done;
        uv_work_t *uv = work->uv;
        loop->done = work->next;
        loop->works--;
        free(work);
        uv->after_work_cb(uv, 0);
    }
}

/* ---- a turn of the loop ------------------------------------------------------------------------------------------ */

/* The timer that is due first, of those that were started before that one; NULL: none. */
static struct handle *first_timer(const struct loop *loop, uint64_t before_start) {
    struct handle *first = NULL;
    for (struct handle *handle = loop->first; handle != NULL; handle = handle->next) {
        bool counts = handle->uv->type == UV_TIMER && handle->is_active && handle->start < before_start;
        if (counts && (first == NULL || handle->due_us < first->due_us ||
                       (handle->due_us == first->due_us && handle->start < first->start))) {
            first = handle;
        }
    }
    return first;
}

static void run_timers(struct loop *loop) {
    uint64_t before_start = loop->start_count + 1; /* what a callback starts anew waits for the next turn */
    struct handle *timer;
    while ((timer = first_timer(loop, before_start)) != NULL && timer->due_us <= sim_now_us()) {
        timer->is_active = false;
        if (timer->repeat_us > 0) {
            timer_arm(timer, timer->repeat_us);
        }
        timer->tell.timer((uv_timer_t *)timer->uv);
    }
}

static bool is_told(const struct handle *handle) {
    return handle->is_ready && handle->is_active;
}

static void run_ready(struct loop *loop) {
    struct handle *waiting[SIM_UV_HANDLES_MAX];
    size_t count = 0;
    for (struct handle *handle = loop->first; handle != NULL; handle = handle->next) {
        if (is_told(handle)) {
            assert(count < SIM_UV_HANDLES_MAX);
            waiting[count++] = handle;
        }
    }
    while (count > 0) {
        size_t chosen = (size_t)sim_random(count);
        struct handle *handle = waiting[chosen];
        waiting[chosen] = waiting[--count];
        if (!is_told(handle)) {
            continue; /* the one before has stopped or closed it */
        }
        handle->is_ready = false;
        if (handle->uv->type == UV_ASYNC) {
            handle->tell.async((uv_async_t *)handle->uv);
        } else {
            handle->tell.poll((uv_poll_t *)handle->uv, 0, UV_READABLE);
        }
    }
}

static void forget_poll(const struct handle *handle) {
    for (struct handle **at = &polls; *at != NULL; at = &(*at)->next_poll) {
        if (*at == handle) {
            *at = handle->next_poll;
            return;
        }
    }
}

/* Those that are closing now; what their callbacks close follows in the next turn. */
static void finish_closing(struct loop *loop) {
    struct handle *closing = NULL, **last = &closing;
    for (struct handle **at = &loop->first; *at != NULL;) {
        struct handle *handle = *at;
        if (!handle->is_closing) {
            at = &handle->next;
            continue;
        }
        *at = handle->next;
        handle->next = NULL;
        *last = handle;
        last = &handle->next;
    }
    while (closing != NULL) {
        struct handle *handle = closing;
        uv_handle_t *uv = handle->uv;
        closing = handle->next;
        forget_poll(handle);
        free(handle);
        uv->u.reserved[0] = NULL;
        if (uv->close_cb != NULL) {
            uv->close_cb(uv);
        }
    }
}

static bool is_needed(const struct loop *loop) {
    for (const struct handle *handle = loop->first; handle != NULL; handle = handle->next) {
        if (handle->is_active || handle->is_closing) {
            return true;
        }
    }
    return loop->works > 0;
}

static bool has_work(const struct loop *loop) {
    if (loop->done != NULL) {
        return true;
    }
    for (const struct handle *handle = loop->first; handle != NULL; handle = handle->next) {
        if (handle->is_closing || is_told(handle)) {
            return true;
        }
    }
    return false;
}

static void wait_for_work(const struct loop *loop) {
    const struct handle *timer = first_timer(loop, UINT64_MAX);
    int64_t left_us = timer == NULL ? -1 : timer->due_us - sim_now_us();
    if (has_work(loop) || (timer != NULL && left_us <= 0)) {
        sim_sleep(0);
    } else {
        (void)sim_wait(loop, left_us);
    }
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

int uv_loop_init(uv_loop_t *uv) {
    struct loop *loop = calloc(1, sizeof *loop);
    assert(loop != NULL);
    *uv = (uv_loop_t){.data = uv->data, .internal_fields = loop};
    return 0;
}

int uv_run(uv_loop_t *uv, uv_run_mode mode) {
    assert(mode == UV_RUN_DEFAULT);
    struct loop *loop = loop_of(uv);
    while (is_needed(loop)) {
        wait_for_work(loop);
        run_timers(loop);
        run_ready(loop);
        tell_done(loop);
        finish_closing(loop);
    }
    return 0;
}

int uv_loop_close(uv_loop_t *uv) {
    struct loop *loop = loop_of(uv);
    if (loop->first != NULL) {
        return UV_EBUSY;
    }
    free(loop);
    uv->internal_fields = NULL;
    return 0;
}
