#include "projections/runtime/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/log/record.h"
#include "core/log/stream_hash.h"
#include "gen/state.h"

extern const struct view carts_view;
extern const struct view sales_view;

enum { RECORDS_MAX = 16 };

/* A small log, and what a projector would hold beside it. */
struct fixture {
    struct arena arena;
    struct buf bytes[RECORDS_MAX];
    struct log_record records[RECORDS_MAX];
    size_t count;
    struct view_batch batch;
    struct fold fold;
};

static struct fixture fixture;

static int setup(void **state) {
    (void)state;
    fixture = (struct fixture){0};
    arena_init(&fixture.arena, 64 * 1024 * 1024);
    batch_init(&fixture.batch, &carts_view);
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

static struct buf *add_record(void) {
    assert_true(fixture.count < RECORDS_MAX);
    struct buf *bytes = &fixture.bytes[fixture.count];
    buf_init(bytes, 1024 * 1024);
    fixture.records[fixture.count] = (struct log_record){.topic = "daybook.carts", .offset = (int64_t)fixture.count};
    fixture.count++;
    return bytes;
}

static void add_event(struct event event, struct str stream, int64_t version) {
    event.meta.stream = stream;
    event.meta.version = version;
    event_record_write(add_record(), &event);
}

static void add_opened(struct str stream, int64_t version) {
    struct event event = {.type = EVENT_CART_OPENED};
    event.as.cart_opened.currency = STR("EUR");
    add_event(event, stream, version);
}

static void add_updated(struct str stream, int64_t version, struct str sku, int64_t quantity) {
    struct event event = {.type = EVENT_CART_UPDATED};
    struct money price = {.amount = 100, .currency = STR("EUR")};
    struct money total = {.amount = 100 * quantity, .currency = STR("EUR")};
    event.as.cart_updated =
        (struct cart_updated){.sku = sku,
                              .quantity = quantity,
                              .has_line = true,
                              .line = {.sku = sku, .quantity = quantity, .unit_price = price, .total = total},
                              .total = total};
    add_event(event, stream, version);
}

static void read_log(void) {
    for (size_t i = 0; i < fixture.count; i++) {
        fixture.records[i].value = buf_text(&fixture.bytes[i]);
    }
    batch_begin(&fixture.batch, &fixture.arena);
    fold_read(&fixture.fold, &carts_view, &fixture.arena, fixture.records, fixture.count);
}

static void project(void) {
    struct err_info info = {0};
    fold_plan(&fixture.fold);
    assert_int_equal(fold_project(&fixture.fold, &fixture.batch, &info), ERR_NONE);
}

static struct fold_stream *stream(struct str name) {
    struct fold_stream *found = map_get(&fixture.fold.streams, name);
    assert_non_null(found);
    return found;
}

static enum fold_fate fate(size_t item) {
    return fixture.fold.items[item].fate;
}

static void the_states_of_interleaved_streams_are_folded_and_one_row_is_made_of_each(void **state) {
    (void)state;
    add_opened(STR("cart_A"), 1);
    add_opened(STR("cart_B"), 1);
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    add_updated(STR("cart_B"), 2, STR("y"), 5);
    add_updated(STR("cart_A"), 3, STR("x"), 7);
    read_log();
    project();
    assert_int_equal(stream(STR("cart_A"))->version, 3);
    assert_int_equal(stream(STR("cart_B"))->version, 2);
    assert_true(stream(STR("cart_A"))->changed);
    assert_int_equal(stream(STR("cart_A"))->hash, (int64_t)stream_hash(STR("cart_A"), TOPIC_CARTS));
    const struct table_changes *rows = &fixture.batch.tables[0];
    assert_int_equal(rows->present_count, 2);
    struct cart_state folded = {0};
    assert_true(carts_view.fold->state_decode(&fixture.arena, stream(STR("cart_A"))->state, &folded));
    assert_int_equal(folded.lines.count, 1);
    assert_int_equal(folded.lines.items[0].quantity, 7);
}

static void a_fold_goes_on_from_the_stored_state(void **state) {
    (void)state;
    add_opened(STR("cart_A"), 1);
    read_log();
    project();
    struct str stored = stream(STR("cart_A"))->state;
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    for (size_t i = 0; i < fixture.count; i++) {
        fixture.records[i].value = buf_text(&fixture.bytes[i]);
    }
    batch_begin(&fixture.batch, &fixture.arena);
    fold_read(&fixture.fold, &carts_view, &fixture.arena, fixture.records + 1, 1);
    stream(STR("cart_A"))->version = 1;
    stream(STR("cart_A"))->state = stored;
    project();
    struct cart_state folded = {0};
    assert_true(carts_view.fold->state_decode(&fixture.arena, stream(STR("cart_A"))->state, &folded));
    assert_true(str_equal(folded.currency, STR("EUR")));
    assert_int_equal(folded.lines.count, 1);
}

static void an_event_that_was_seen_is_skipped(void **state) {
    (void)state;
    add_opened(STR("cart_A"), 1);
    add_opened(STR("cart_A"), 1);
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    read_log();
    project();
    assert_int_equal(fate(0), FOLD_APPLIED);
    assert_int_equal(fate(1), FOLD_REPEATED);
    assert_int_equal(fate(2), FOLD_APPLIED);
    assert_int_equal(stream(STR("cart_A"))->version, 2);
}

static void a_gap_parks_its_stream_with_what_comes_behind_and_others_go_on(void **state) {
    (void)state;
    add_opened(STR("cart_A"), 1);
    add_opened(STR("cart_B"), 1);
    add_updated(STR("cart_A"), 3, STR("x"), 2);
    add_updated(STR("cart_A"), 4, STR("x"), 3);
    add_updated(STR("cart_B"), 2, STR("y"), 5);
    read_log();
    project();
    assert_int_equal(fate(2), FOLD_PARKED);
    assert_int_equal(fate(3), FOLD_PARKED);
    assert_true(stream(STR("cart_A"))->parked);
    assert_int_equal(stream(STR("cart_A"))->version, 1);
    assert_int_equal(stream(STR("cart_B"))->version, 2);
    /* The row of what came before the gap is made, although a later event of the stream was in the batch. */
    assert_int_equal(fixture.batch.tables[0].present_count, 2);
}

static void a_parked_stream_stays_parked(void **state) {
    (void)state;
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    read_log();
    stream(STR("cart_A"))->version = 1;
    stream(STR("cart_A"))->parked = true;
    project();
    assert_int_equal(fate(0), FOLD_PARKED);
    assert_false(stream(STR("cart_A"))->changed);
    assert_int_equal(fixture.batch.tables[0].present_count, 0);
}

static void what_is_no_event_of_the_view_is_set_aside(void **state) {
    (void)state;
    buf_str(add_record(), STR("not a frame"));
    struct event foreign = {.type = EVENT_ORDER_STOCK_RESERVED};
    add_event(foreign, STR("ord_A.1"), 1);
    add_opened(STR("ord_A.1"), 1); /* a cart's event in an order's stream */
    add_opened(STR(""), 1);
    add_opened(STR("cart_A"), 0);
    add_opened(STR("cart_B"), 1);
    read_log();
    project();
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fate(i), FOLD_UNREADABLE);
        assert_false(str_is_empty(fixture.fold.items[i].why));
    }
    assert_int_equal(fate(5), FOLD_APPLIED);
}

/* Of a view that reads orders, products and payments, and folds the first two. */
static void a_view_of_several_families_folds_each_by_its_own_aggregate(void **state) {
    (void)state;
    struct event placed = {.type = EVENT_ORDER_PLACED}, defined = {.type = EVENT_PRODUCT_DEFINED};
    struct event failed = {.type = EVENT_PAYMENT_FAILED};
    placed.as.order_placed.total = (struct money){.amount = 5, .currency = STR("EUR")};
    defined.as.product_defined.details.title = STR("Tea");
    add_event(placed, STR("ord_A.1"), 1);
    add_event(defined, STR("prod_A"), 1);
    add_event(failed, STR("pay_A.1.1"), 1);
    add_event(defined, STR("ord_B.1"), 1); /* a product's event in an order's stream */
    add_event(failed, STR("prod_B"), 1);
    add_opened(STR("cart_A"), 1); /* of a family that it does not read */
    for (size_t i = 0; i < fixture.count; i++) {
        fixture.records[i].value = buf_text(&fixture.bytes[i]);
    }
    batch_release(&fixture.batch);
    batch_init(&fixture.batch, &sales_view);
    batch_begin(&fixture.batch, &fixture.arena);
    fold_read(&fixture.fold, &sales_view, &fixture.arena, fixture.records, fixture.count);
    project();
    for (size_t i = 0; i < fixture.count; i++) {
        assert_int_equal(fate(i), i < 3 ? FOLD_APPLIED : FOLD_UNREADABLE);
    }
    struct order_state order;
    struct product_state product;
    assert_true(sales_view.fold->state_decode(&fixture.arena, stream(STR("ord_A.1"))->state, &order));
    assert_int_equal(order.total.amount, 5);
    assert_true(sales_view.also_folds[0]->state_decode(&fixture.arena, stream(STR("prod_A"))->state, &product));
    assert_true(str_equal(product.details.title, STR("Tea")));
    assert_true(str_is_empty(stream(STR("pay_A.1.1"))->state));
    assert_int_equal(stream(STR("pay_A.1.1"))->version, 1);
}

static void an_event_that_was_refused_parks_its_stream(void **state) {
    (void)state;
    add_opened(STR("cart_A"), 1);
    read_log();
    fold_park(&fixture.fold, STR("cut \xe2\x98"));
    assert_int_equal(fate(0), FOLD_PARKED);
    assert_true(stream(STR("cart_A"))->parked);
    assert_true(str_equal(fixture.fold.items[0].why, STR("PostgreSQL refused its data")));
}

static void a_stored_state_that_cannot_be_read_is_an_error(void **state) {
    (void)state;
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    read_log();
    stream(STR("cart_A"))->version = 1;
    stream(STR("cart_A"))->state = STR("\377");
    fold_plan(&fixture.fold);
    struct err_info info = {0};
    assert_int_equal(fold_project(&fixture.fold, &fixture.batch, &info), ERR_CONFLICT);
}

static void a_batch_takes_no_more_states_than_its_bound(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        add_updated(i == 0 ? STR("cart_A") : i == 1 ? STR("cart_B") : STR("cart_C"), 2, STR("x"), 2);
    }
    read_log();
    struct str large = {.data = arena_alloc(&fixture.arena, FOLD_STATES_MAX_BYTES), .len = FOLD_STATES_MAX_BYTES / 2};
    for (uint32_t i = 0; i < fixture.fold.streams.count; i++) {
        struct fold_stream *one = fixture.fold.streams.entries[i].value;
        one->version = 1;
        one->state = large;
    }
    fold_plan(&fixture.fold);
    assert_int_equal(fixture.fold.item_count, 2);
    assert_false(stream(STR("cart_C"))->changed);
}

static struct skips skips;

static void project_with_skips(void) {
    fixture.fold.skips = &skips;
    project();
    skips_release(&skips);
}

static void a_skipped_event_counts_as_seen_and_nothing_is_made_of_it(void **state) {
    (void)state;
    skips_init(&skips);
    skips_add(&skips, STR("cart_A"), 2);
    skips_add(&skips, STR("cart_A"), 4);
    skips_add(&skips, STR("cart_A"), 5);
    skips_add(&skips, STR("cart_B"), 3);
    add_opened(STR("cart_A"), 1);
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    add_updated(STR("cart_A"), 3, STR("y"), 3);
    add_updated(STR("cart_A"), 6, STR("z"), 4); /* 4 and 5 could not be read */
    add_opened(STR("cart_B"), 1);
    add_updated(STR("cart_B"), 4, STR("x"), 4); /* and of 2 nothing was said */
    read_log();
    project_with_skips();
    static const enum fold_fate fates[] = {FOLD_APPLIED, FOLD_SKIPPED, FOLD_REPEATED, FOLD_APPLIED,
                                           FOLD_APPLIED, FOLD_APPLIED, FOLD_PARKED};
    for (size_t i = 0; i < ARRAY_LENGTH(fates); i++) {
        assert_int_equal(fate(i), fates[i]);
    }
    assert_int_equal(stream(STR("cart_A"))->version, 6);
    struct cart_state folded = {0};
    assert_true(carts_view.fold->state_decode(&fixture.arena, stream(STR("cart_A"))->state, &folded));
    assert_int_equal(folded.lines.count, 2); /* y and z */
    assert_int_equal(stream(STR("cart_B"))->version, 1);
    assert_true(stream(STR("cart_B"))->parked);
}

static void a_stream_can_begin_with_a_skipped_event(void **state) {
    (void)state;
    skips_init(&skips);
    skips_add(&skips, STR("cart_A"), 1);
    add_opened(STR("cart_A"), 1);
    read_log();
    project_with_skips();
    assert_int_equal(fate(0), FOLD_SKIPPED);
    assert_int_equal(stream(STR("cart_A"))->version, 1);
    assert_true(stream(STR("cart_A"))->changed);
    assert_int_equal(fixture.batch.tables[0].present_count, 0);
}

static void a_record_of_no_stream_is_skipped_by_its_place(void **state) {
    (void)state;
    skips_init(&skips);
    skips_add(&skips, STR("daybook.carts/0/1"), 0);
    buf_str(add_record(), STR("not a frame"));
    buf_str(add_record(), STR("nor this"));
    read_log();
    project_with_skips();
    assert_int_equal(fate(0), FOLD_UNREADABLE);
    assert_int_equal(fate(1), FOLD_SKIPPED);
}

/* By a version that can read it: a rebuild comes out as the view did whose program could not. */
static void a_record_that_was_skipped_by_its_place_stays_skipped_when_it_can_be_read(void **state) {
    (void)state;
    skips_init(&skips);
    skips_add(&skips, STR("daybook.carts/0/1"), 0);
    skips_add(&skips, STR("daybook.carts/0/4"), 0);
    skips_add(&skips, STR("cart_B"), 2);
    add_opened(STR("cart_A"), 1);
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    add_updated(STR("cart_A"), 3, STR("x"), 3);
    add_opened(STR("cart_B"), 1);
    add_updated(STR("cart_B"), 2, STR("x"), 2);
    add_updated(STR("cart_B"), 3, STR("y"), 3);
    read_log();
    project_with_skips();
    static const enum fold_fate fates[] = {FOLD_APPLIED, FOLD_SKIPPED, FOLD_PARKED,
                                           FOLD_APPLIED, FOLD_SKIPPED, FOLD_APPLIED};
    for (size_t i = 0; i < ARRAY_LENGTH(fates); i++) {
        assert_int_equal(fate(i), fates[i]);
    }
    assert_int_equal(stream(STR("cart_A"))->version, 1);
    assert_int_equal(stream(STR("cart_B"))->version, 3);
}

static void an_event_that_is_refused_behind_skipped_ones_parks_its_stream_right_before_it(void **state) {
    (void)state;
    skips_init(&skips);
    skips_add(&skips, STR("cart_A"), 2);
    add_updated(STR("cart_A"), 3, STR("x"), 3);
    read_log();
    fixture.fold.skips = &skips;
    stream(STR("cart_A"))->version = 1;
    fold_park(&fixture.fold, STR("a reason"));
    assert_int_equal(stream(STR("cart_A"))->version, 2);
    assert_true(stream(STR("cart_A"))->parked);
    skips_release(&skips);
}

static void an_event_that_ended_two_processes_parks_its_stream_and_no_other_event_is_held_against(void **state) {
    (void)state;
    struct witness_slot slot = {.suspect = {TOPIC_CARTS, 0, 1}, .deaths = 1};
    add_opened(STR("cart_A"), 1);
    add_updated(STR("cart_A"), 2, STR("x"), 2);
    add_updated(STR("cart_A"), 3, STR("x"), 3);
    read_log();
    fixture.fold.witness = &slot;
    project();
    assert_int_equal(fate(1), FOLD_APPLIED);
    slot.deaths = WITNESS_DEATHS_MAX;
    read_log();
    fixture.fold.witness = &slot;
    project();
    assert_int_equal(fate(0), FOLD_APPLIED);
    assert_int_equal(fate(1), FOLD_PARKED);
    assert_int_equal(fate(2), FOLD_PARKED);
    assert_int_equal(stream(STR("cart_A"))->version, 1);
    struct witness_place place;
    assert_false(view_witness_at(&slot, &place));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(the_states_of_interleaved_streams_are_folded_and_one_row_is_made_of_each),
        TEST(a_fold_goes_on_from_the_stored_state),
        TEST(an_event_that_was_seen_is_skipped),
        TEST(a_gap_parks_its_stream_with_what_comes_behind_and_others_go_on),
        TEST(a_parked_stream_stays_parked),
        TEST(what_is_no_event_of_the_view_is_set_aside),
        TEST(a_view_of_several_families_folds_each_by_its_own_aggregate),
        TEST(an_event_that_was_refused_parks_its_stream),
        TEST(a_stored_state_that_cannot_be_read_is_an_error),
        TEST(a_batch_takes_no_more_states_than_its_bound),
        TEST(a_skipped_event_counts_as_seen_and_nothing_is_made_of_it),
        TEST(a_stream_can_begin_with_a_skipped_event),
        TEST(a_record_of_no_stream_is_skipped_by_its_place),
        TEST(a_record_that_was_skipped_by_its_place_stays_skipped_when_it_can_be_read),
        TEST(an_event_that_is_refused_behind_skipped_ones_parks_its_stream_right_before_it),
        TEST(an_event_that_ended_two_processes_parks_its_stream_and_no_other_event_is_held_against),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
