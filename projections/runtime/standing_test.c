/* What a view keeps of how its streams stood gives back each state as it was. */
#include "projections/runtime/standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/domain/product/product.h"
#include "core/domain/sku/sku.h"
#include "core/log/record.h"
#include "gen/codec.h"
#include "projections/runtime/fold.h"

extern const struct view products_view;
extern const struct view stock_view;

enum { EVENTS_MAX = 100, PRODUCTS_HISTORY = 2, STOCK_HISTORY = 2, ROW_COLUMNS = 4 };
enum { STREAM, VERSION, OCCURRED_AT, STATE, RECORD };

/* One stream's log, what its view makes of it, and the state after each event. */
struct fixture {
    struct arena arena;
    struct buf bytes[EVENTS_MAX];
    struct log_record records[EVENTS_MAX];
    size_t count;
    struct view_batch batch;
    struct fold fold;
    struct str states[EVENTS_MAX + 1];         /* by version, encoded */
    const struct row_change *rows[EVENTS_MAX]; /* by version - 1 */
};

static struct fixture fixture;

static int setup(void **state) {
    (void)state;
    fixture = (struct fixture){0};
    arena_init(&fixture.arena, (size_t)STANDING_MAX_BYTES);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (size_t i = 0; i < fixture.count; i++) {
        buf_release(&fixture.bytes[i]);
    }
    batch_release(&fixture.batch);
    arena_release(&fixture.arena);
    return 0;
}

/* The stream's next event. */
static void add(struct str stream, struct event event) {
    assert_true(fixture.count < EVENTS_MAX);
    struct buf *bytes = &fixture.bytes[fixture.count];
    event.meta.stream = stream;
    event.meta.version = (int64_t)fixture.count + 1;
    event.meta.occurred_at = 1000 * event.meta.version;
    buf_init(bytes, RECORD_MAX_BYTES);
    event_record_write(bytes, &event);
    fixture.records[fixture.count++].value = buf_text(bytes);
}

/* The states by another way than the view's: each event by itself, all of them from the first. */
static void fold_all(const struct aggregate *aggregate) {
    void *state = arena_alloc(&fixture.arena, aggregate->state_size);
    for (size_t i = 0; i < fixture.count; i++) {
        struct event event;
        struct buf bytes;
        buf_init(&bytes, RECORD_MAX_BYTES);
        assert_int_equal(event_record_read(&fixture.arena, fixture.records[i].value, &event, NULL), ERR_NONE);
        aggregate->evolve(state, NULL, &event, &fixture.arena);
        aggregate->state_encode(&bytes, state);
        fixture.states[i + 1] = arena_str_copy(&fixture.arena, buf_text(&bytes));
        buf_release(&bytes);
    }
}

static void project(const struct view *view, size_t table) {
    struct err_info info = {0};
    batch_init(&fixture.batch, view);
    batch_begin(&fixture.batch, &fixture.arena);
    fold_read(&fixture.fold, view, &fixture.arena, fixture.records, fixture.count);
    fold_plan(&fixture.fold);
    assert_int_equal(fold_project(&fixture.fold, &fixture.batch, &info), ERR_NONE);
    size_t count = 0;
    for (const struct row_change *row = fixture.batch.tables[table].first; row != NULL; row = row->next) {
        fixture.rows[count++] = row;
    }
    assert_int_equal(count, fixture.count);
}

static bool has_state(size_t version) {
    return !fixture.rows[version - 1]->values[STATE].is_null;
}

static struct str kept(size_t version) {
    const struct view_value *values = fixture.rows[version - 1]->values;
    assert_true(values[STATE].is_null != values[RECORD].is_null);
    return has_state(version) ? values[STATE].text : values[RECORD].text;
}

static void set_text(PGresult *result, int row, int column, struct str text) {
    char *copy = malloc_or_end(text.len + 1);
    memcpy(copy, text.data, text.len);
    assert_int_equal(PQsetvalue(result, row, column, copy, (int)text.len), 1);
    free(copy);
}

static void set_bytes(PGresult *result, int row, int column, bool is_there, struct str bytes) {
    struct buf hex;
    buf_init(&hex, 2 * RECORD_MAX_BYTES);
    hex_write(&hex, bytes);
    if (is_there) {
        set_text(result, row, column, buf_text(&hex));
    } else {
        assert_int_equal(PQsetvalue(result, row, column, NULL, -1), 1);
    }
    buf_release(&hex);
}

/* What the statements find of the rows, as STANDING_ROWS says it. */
static PGresult *rows_of(size_t wanted) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    static PGresAttDesc columns[ROW_COLUMNS] = {{.name = (char *)"version"},
                                                {.name = (char *)"occurred_at"},
                                                {.name = (char *)"state"},
                                                {.name = (char *)"record"}};
    assert_int_equal(PQsetResultAttrs(result, ROW_COLUMNS, columns), 1);
    size_t first = wanted;
    while (first > 1 && !has_state(first)) {
        first--;
    }
    for (size_t version = first; version <= wanted; version++) {
        int row = (int)(version - first);
        set_text(result, row, 0, arena_printf(&fixture.arena, "%zu", version));
        set_text(result, row, 1, arena_printf(&fixture.arena, "time %zu", version));
        set_bytes(result, row, 2, has_state(version), kept(version));
        set_bytes(result, row, 3, !has_state(version), kept(version));
    }
    return result;
}

static void assert_stood(const struct aggregate *aggregate, size_t version) {
    struct arena arena;
    struct standing standing;
    struct buf bytes;
    arena_init(&arena, (size_t)STANDING_MAX_BYTES);
    buf_init(&bytes, RECORD_MAX_BYTES);
    PGresult *rows = rows_of(version);
    assert_true(standing_fold(&arena, aggregate, rows, &standing));
    aggregate->state_encode(&bytes, standing.state);
    assert_true(str_equal(buf_text(&bytes), fixture.states[version]));
    assert_int_equal(standing.version, version);
    assert_true(str_equal(standing.occurred_at, arena_printf(&arena, "time %zu", version)));
    PQclear(rows);
    buf_release(&bytes);
    arena_release(&arena);
}

static struct event received(struct str location, int64_t quantity, int64_t on_hand) {
    struct event event = {.type = EVENT_STOCK_RECEIVED};
    event.as.stock_received = (struct stock_received){.location = location, .quantity = quantity, .on_hand = on_hand};
    return event;
}

static struct event reserved(struct str owner, struct stock_allocation *allocation) {
    struct event event = {.type = EVENT_STOCK_RESERVED};
    event.as.stock_reserved =
        (struct stock_reserved){.owner = owner, .quantity = allocation->quantity, .allocations = {allocation, 1, 1}};
    return event;
}

static void a_stock_item_is_given_back_as_it_stood_at_each_version(void **state) {
    (void)state;
    struct event claimed = {.type = EVENT_SKU_CLAIMED};
    claimed.as.sku_claimed.product = STR("prod_01JD0000000000000000000001");
    struct stock_allocation allocation = {STR("main"), 1};
    add(STR("sku_TEA"), claimed);
    add(STR("sku_TEA"), received(STR("main"), 1000, 1000));
    add(STR("sku_TEA"), received(STR("shop"), 5, 5));
    while (fixture.count < 80) {
        struct str owner = arena_printf(&fixture.arena, "ord_%zu.1", fixture.count);
        add(STR("sku_TEA"), reserved(owner, &allocation));
    }
    fold_all(&sku_aggregate);
    project(&stock_view, STOCK_HISTORY);
    for (size_t version = 1; version <= fixture.count; version++) {
        assert_true(has_state(version)); /* it is shorter than the record */
        assert_stood(&sku_aggregate, version);
    }
}

static struct variant variant_of(int64_t cents) {
    return (struct variant){.sku = STR("TEA"), .price = {.amount = cents, .currency = STR("EUR")}};
}

/* A product of which each change is much less than the whole. */
static void add_large_product(void) {
    static char text[16384];
    memset(text, 'x', sizeof text);
    struct str stream = STR("prod_01JD0000000000000000000001");
    struct variant variant = variant_of(100);
    struct event event = {.type = EVENT_PRODUCT_DEFINED};
    event.as.product_defined = (struct product_defined){
        .details = {.title = STR("Tea"), .has_description = true, .description = {text, sizeof text}},
        .proposed = {&variant, 1, 1}};
    add(stream, event);
    event = (struct event){.type = EVENT_VARIANT_ADDED};
    event.as.variant_added.variant = variant;
    add(stream, event);
    while (fixture.count < EVENTS_MAX) {
        event = (struct event){.type = EVENT_VARIANT_CHANGED};
        event.as.variant_changed =
            (struct variant_changed){.before = variant, .after = variant_of((int64_t)fixture.count)};
        add(stream, event);
        variant = event.as.variant_changed.after;
    }
}

static void of_a_large_product_the_changes_are_kept_and_its_state_at_the_marks(void **state) {
    (void)state;
    add_large_product();
    fold_all(&product_aggregate);
    project(&products_view, PRODUCTS_HISTORY);
    for (size_t version = 1; version <= fixture.count; version++) {
        size_t record_bytes = fixture.records[version - 1].value.len;
        bool is_mark = version % HISTORY_STEP == 0;
        assert_true(has_state(version) == (is_mark || fixture.states[version].len <= record_bytes));
        assert_true(is_mark || kept(version).len <= record_bytes);
        assert_true(is_mark || kept(version).len <= fixture.states[version].len);
        assert_stood(&product_aggregate, version);
        PGresult *rows = rows_of(version);
        assert_true(PQntuples(rows) <= HISTORY_STEP);
        PQclear(rows);
    }
    assert_false(has_state(HISTORY_STEP - 1));
}

static void a_row_tells_its_stream_version_and_time(void **state) {
    (void)state;
    add(STR("sku_TEA"), received(STR("main"), 1, 1));
    add(STR("sku_TEA"), received(STR("main"), 1, 2));
    project(&stock_view, STOCK_HISTORY);
    const struct view_value *values = fixture.rows[1]->values;
    assert_true(str_equal(values[STREAM].text, STR("sku_TEA")));
    assert_int_equal(values[VERSION].number, 2);
    assert_int_equal(values[OCCURRED_AT].number, 2000);
}

static void what_cannot_be_read_back_is_told(void **state) {
    (void)state;
    add_large_product();
    project(&products_view, PRODUCTS_HISTORY);
    struct arena arena;
    struct standing standing;
    arena_init(&arena, (size_t)STANDING_MAX_BYTES);
    for (int broken = 0; broken < 2; broken++) { /* the first row's state, or the second one's record */
        PGresult *rows = rows_of(HISTORY_STEP + 1);
        set_text(rows, broken, broken == 0 ? 2 : 3, STR("00ff"));
        assert_false(standing_fold(&arena, &product_aggregate, rows, &standing));
        set_text(rows, broken, broken == 0 ? 2 : 3, STR("no hexadecimal"));
        assert_false(standing_fold(&arena, &product_aggregate, rows, &standing));
        PQclear(rows);
    }
    arena_release(&arena);
}

/* The number of the code stands in SQL as well. */
static void the_views_mark_the_versions_that_the_questions_look_for(void **state) {
    (void)state;
    const char *marks = "ON history (stream, occurred_at, version) WHERE version % " HISTORY_STEP_TEXT " = 0;";
    assert_int_equal(HISTORY_STEP, atoi(HISTORY_STEP_TEXT));
    assert_non_null(strstr(products_view.sql, marks));
    assert_non_null(strstr(stock_view.sql, marks));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stock_item_is_given_back_as_it_stood_at_each_version, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_large_product_the_changes_are_kept_and_its_state_at_the_marks, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_row_tells_its_stream_version_and_time, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_back_is_told, setup, teardown),
        cmocka_unit_test(the_views_mark_the_versions_that_the_questions_look_for),
    };
    return cmocka_run_group_tests_name("standing", tests, NULL, NULL);
}
