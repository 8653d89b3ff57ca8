#include "core/connect/erasing.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"

struct erasing {
    uv_work_t work;
    uv_loop_t *loop;
    const char *conninfo;
    bool is_busy;
    erasing_done_cb *on_done;
    void *context;
    /* While it is busy, the working thread's. */
    struct pg_session *session;  /* NULL: none */
    struct vault_doomed *doomed; /* NULL: it is the vacuum */
    size_t count;
    enum err err;
    struct erased erased;
    struct err_info info;
};

struct erasing *erasing_open(uv_loop_t *loop, const char *conninfo) {
    struct erasing *erasing = calloc_or_end(1, sizeof *erasing);
    erasing->loop = loop;
    erasing->conninfo = conninfo;
    erasing->work.data = erasing;
    return erasing;
}

void erasing_close(struct erasing *erasing) {
    if (erasing != NULL) {
        assert(!erasing->is_busy);
        pg_session_close(erasing->session);
        free(erasing);
    }
}

bool erasing_is_busy(const struct erasing *erasing) {
    return erasing->is_busy;
}

static enum err work_off(struct erasing *erasing) {
    struct err_info *info = &erasing->info;
    enum err err = erasing->session != NULL
                       ? ERR_NONE
                       : pg_session_open(erasing->conninfo, "daybook-errands", &erasing->session, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct erased *erased = &erasing->erased;
    return erasing->doomed != NULL
               ? vault_destroy(erasing->session, erasing->doomed, erasing->count, &erased->keys_left, info)
               : vault_vacuum(erasing->session, &erased->was_due, info);
}

/* On one of libuv's threads. */
static void on_work(uv_work_t *work) {
    struct erasing *erasing = work->data;
    erasing->err = work_off(erasing);
    if (erasing->err != ERR_NONE) { /* the connection may be what failed */
        pg_session_close(erasing->session);
        erasing->session = NULL;
    }
}

static void after_work(uv_work_t *work, int status) {
    struct erasing *erasing = work->data;
    assert(status == 0); /* nobody cancels it */
    free(erasing->doomed);
    erasing->doomed = NULL;
    erasing->is_busy = false;
    erasing->on_done(erasing->context, erasing->err, &erasing->erased, &erasing->info);
}

static void begin(struct erasing *erasing, erasing_done_cb *on_done, void *context) {
    assert(!erasing->is_busy);
    erasing->is_busy = true;
    erasing->erased = (struct erased){0};
    erasing->info = (struct err_info){0};
    erasing->on_done = on_done;
    erasing->context = context;
    int failed = uv_queue_work(erasing->loop, &erasing->work, on_work, after_work);
    assert(failed == 0);
}

void erasing_destroy(struct erasing *erasing, const struct vault_doomed *doomed, size_t count, erasing_done_cb *on_done,
                     void *context) {
    assert(!erasing->is_busy);
    erasing->doomed = calloc_or_end(count + 1, sizeof *doomed); /* none is not the vacuum */
    for (size_t i = 0; i < count; i++) {
        erasing->doomed[i] = doomed[i];
    }
    erasing->count = count;
    begin(erasing, on_done, context);
}

void erasing_vacuum(struct erasing *erasing, erasing_done_cb *on_done, void *context) {
    begin(erasing, on_done, context);
}
