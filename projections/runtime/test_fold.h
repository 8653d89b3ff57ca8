/* test_fold.h: for tests of one view: a small log of one stream, and the row changes that the view makes of it.
 *
 * Use      test_fold_setup and test_fold_teardown are each test's; test_event adds the stream's next event;
 *          test_project makes rows of those that were added since the last time, as one batch, from the state that was
 *          stored then.
 * Rows     lie in the arena until the teardown, as the batch had them: in the order of their first change.
 * Thread   one test at a time.          May use: cmocka.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/log/record.h"
#include "projections/runtime/fold.h"

#define TEST_AT INT64_C(1767225600123456) /* 2026-01-01T00:00:00.123456Z */
#define TEST_AT_TEXT "2026-01-01T00:00:00.123456Z"

enum { TEST_EVENTS_MAX = 64 };

struct test_fold {
    const struct view *view;
    struct str stream;
    struct arena arena;
    struct buf bytes[TEST_EVENTS_MAX];
    struct log_record records[TEST_EVENTS_MAX];
    size_t count;     /* of events */
    size_t projected; /* of these */
    struct str state; /* that the runtime would store: encoded */
    struct view_batch batch;
    struct fold fold;
};

static struct test_fold test_fold;

static inline void test_fold_setup(const struct view *view, struct str stream) {
    test_fold = (struct test_fold){.view = view, .stream = stream};
    arena_init(&test_fold.arena, 64 * 1024 * 1024);
    batch_init(&test_fold.batch, view);
}

static inline void test_fold_teardown(void) {
    for (size_t i = 0; i < test_fold.count; i++) {
        buf_release(&test_fold.bytes[i]);
    }
    batch_release(&test_fold.batch);
    arena_release(&test_fold.arena);
}

/* Of the time TEST_AT and as many seconds as there were events before. */
static inline void test_event(struct event event) {
    assert_true(test_fold.count < TEST_EVENTS_MAX);
    size_t place = test_fold.count++;
    event.meta.stream = test_fold.stream;
    event.meta.version = (int64_t)place + 1;
    event.meta.occurred_at = TEST_AT + (int64_t)place * 1000000;
    event.meta.actor = STR("admin:cus_A");
    event.meta.command_id = STR("cmd_1");
    event.meta.causation_id = STR("cmd_2");
    buf_init(&test_fold.bytes[place], 1024 * 1024);
    event_record_write(&test_fold.bytes[place], &event);
    test_fold.records[place] = (struct log_record){.topic = "daybook.test", .offset = (int64_t)place};
}

static inline void test_project(void) {
    size_t first = test_fold.projected;
    for (size_t i = 0; i < test_fold.count; i++) {
        test_fold.records[i].value = buf_text(&test_fold.bytes[i]);
    }
    batch_begin(&test_fold.batch, &test_fold.arena);
    fold_read(&test_fold.fold, test_fold.view, &test_fold.arena, test_fold.records + first, test_fold.count - first);
    struct fold_stream *stream = map_get(&test_fold.fold.streams, test_fold.stream);
    assert_non_null(stream);
    stream->version = (int64_t)first;
    stream->state = test_fold.state;
    stream->is_new = first == 0;
    fold_plan(&test_fold.fold);
    struct err_info info = {0};
    assert_int_equal(fold_project(&test_fold.fold, &test_fold.batch, &info), ERR_NONE);
    for (size_t i = 0; i < test_fold.fold.item_count; i++) {
        assert_int_equal(test_fold.fold.items[i].fate, FOLD_APPLIED);
    }
    test_fold.state = stream->state;
    test_fold.projected = test_fold.count;
}

/* How many rows of the table there are to be, after the last batch. */
static inline size_t test_row_count(size_t table) {
    return test_fold.batch.tables[table].present_count;
}

/* The values of one of them. */
static inline const struct view_value *test_row(size_t table, size_t index) {
    const struct row_change *row = test_fold.batch.tables[table].first;
    for (; row != NULL; row = row->next) {
        if (row->present && index-- == 0) {
            return row->values;
        }
    }
    fail_msg("table %s has no such row", test_fold.view->tables[table].name);
    return NULL;
}

static inline void test_text(const struct view_value *value, const char *expected) {
    assert_false(value->is_null);
    if (!str_equal(value->text, str_of_cstr(expected))) {
        fail_msg("%.*s instead of %s", STR_ARGS(value->text), expected);
    }
}
