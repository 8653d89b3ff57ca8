#include "projections/runtime/witness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log/record.h"
#include "projections/runtime/fold.h"

extern const struct view carts_view;

enum { SLOT = 2, SHARD = 3 };

static char dir[] = "/tmp/daybook-views-test-XXXXXX";

static int a_folder(void **state) {
    (void)state;
    memcpy(dir, "/tmp/daybook-views-test-XXXXXX", sizeof dir);
    return mkdtemp(dir) == NULL;
}

static int folder_goes(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/projecting", dir);
    (void)remove(path);
    return remove(dir);
}

/* ---- a view that dies of an event ---------------------------------------------------------------------------------
 */

static void die_of_poison(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                          bool last) {
    (void)batch, (void)arena, (void)state, (void)last;
    if (str_equal(event->meta.stream, STR("cart_poison"))) {
        abort();
    }
}

/* Projects the three carts that are in the log; returns the fate of the second one, which is the poison. */
static enum fold_fate project_all(struct witness_slot *slot) {
    static const struct str names[] = {STR("cart_A"), STR("cart_poison"), STR("cart_B")};
    struct view view = carts_view;
    view.project = die_of_poison;
    struct arena arena;
    struct view_batch batch;
    struct buf bytes[ARRAY_LENGTH(names)];
    struct log_record records[ARRAY_LENGTH(names)];
    arena_init(&arena, 1024 * 1024 * 64);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct event event = {.type = EVENT_CART_OPENED, .meta = {.stream = names[i], .version = 1}};
        event.as.cart_opened.currency = STR("EUR");
        buf_init(&bytes[i], 1024 * 1024);
        event_record_write(&bytes[i], &event);
        records[i] = (struct log_record){
            .topic = "daybook.carts", .partition = SHARD, .offset = (int64_t)i, .value = buf_text(&bytes[i])};
    }
    struct fold fold;
    struct err_info info;
    batch_init(&batch, &view);
    batch_begin(&batch, &arena);
    fold_read(&fold, &view, &arena, records, ARRAY_LENGTH(names));
    fold.witness = slot;
    fold_plan(&fold);
    enum err failure = fold_project(&fold, &batch, &info);
    assert_int_equal(failure, ERR_NONE);
    assert_int_equal(fold.items[0].fate, FOLD_APPLIED);
    assert_int_equal(fold.items[2].fate, FOLD_APPLIED);
    enum fold_fate fate = fold.items[1].fate;
    batch_release(&batch);
    arena_release(&arena);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        buf_release(&bytes[i]);
    }
    return fate;
}

/* ---- processes that die ---------------------------------------------------------------------------------------------
 */

static void in_a_process_that_dies(int signal_number, void (*body)(struct view_witness *witness)) {
    pid_t child = fork();
    if (child == 0) {
        struct view_witness witness;
        struct err_info info;
        const struct rlimit no_core = {0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(signal_number, SIG_DFL); /* cmocka catches some */
        if (view_witness_open(&witness, dir, &info) != ERR_NONE) {
            _exit(1);
        }
        body(&witness);
        kill(getpid(), signal_number);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void project_poison(struct view_witness *witness) {
    (void)project_all(&witness->slots[SLOT]);
}

static void project_offset_1(struct view_witness *witness) {
    view_witness_projecting(&witness->slots[SLOT], TOPIC_CARTS, SHARD, 1);
}

static void project_offset_2(struct view_witness *witness) {
    view_witness_projecting(&witness->slots[SLOT], TOPIC_CARTS, SHARD, 2);
}

static void project_and_rest(struct view_witness *witness) {
    view_witness_projecting(&witness->slots[SLOT], TOPIC_CARTS, SHARD, 1);
    view_witness_rest(&witness->slots[SLOT]);
}

static struct view_witness opened(void) {
    struct view_witness witness;
    struct err_info info;
    assert_int_equal(view_witness_open(&witness, dir, &info), ERR_NONE);
    return witness;
}

static bool is_refused(const struct view_witness *witness, int64_t offset) {
    return view_witness_is_refused(&witness->slots[SLOT], TOPIC_CARTS, SHARD, offset);
}

static void an_event_that_ends_every_process_is_parked_by_the_third(void **state) {
    (void)state;
    in_a_process_that_dies(SIGABRT, project_poison);
    in_a_process_that_dies(SIGABRT, project_poison);
    struct view_witness witness = opened();
    assert_int_equal(project_all(&witness.slots[SLOT]), FOLD_PARKED);
    view_witness_passed(&witness.slots[SLOT]);
    assert_false(is_refused(&witness, 1));
    view_witness_close(&witness);
}

static void a_kill_from_outside_condemns_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        in_a_process_that_dies(SIGKILL, project_and_rest);
    }
    in_a_process_that_dies(SIGKILL, project_offset_1);
    struct view_witness witness = opened();
    assert_false(is_refused(&witness, 1));
    view_witness_close(&witness);
    in_a_process_that_dies(SIGKILL, project_offset_2); /* another event: it begins anew */
    in_a_process_that_dies(SIGKILL, project_offset_1);
    witness = opened();
    assert_false(is_refused(&witness, 1));
    view_witness_close(&witness);
}

/* One that hangs at an event and is killed for it. */
static void two_deaths_at_one_event_with_others_in_between_count(void **state) {
    (void)state;
    in_a_process_that_dies(SIGKILL, project_offset_1);
    in_a_process_that_dies(SIGKILL, project_and_rest);
    in_a_process_that_dies(SIGKILL, project_offset_1);
    struct view_witness witness = opened();
    assert_true(is_refused(&witness, 1));
    assert_false(is_refused(&witness, 2));
    assert_false(view_witness_is_refused(&witness.slots[SLOT], TOPIC_ORDERS, SHARD, 1));
    assert_false(view_witness_is_refused(&witness.slots[SLOT], TOPIC_CARTS, SHARD + 1, 1));
    assert_false(view_witness_is_refused(&witness.slots[SLOT + 1], TOPIC_CARTS, SHARD, 1));
    view_witness_close(&witness);
}

static void a_second_process_on_the_folder_has_slots_of_its_own(void **state) {
    (void)state;
    struct view_witness first = opened(), second;
    struct err_info info;
    assert_int_equal(view_witness_open(&second, dir, &info), ERR_CONFLICT);
    view_witness_projecting(&second.slots[SLOT], TOPIC_CARTS, SHARD, 1);
    struct witness_place place;
    assert_false(view_witness_at(&first.slots[SLOT], &place));
    assert_true(view_witness_at(&second.slots[SLOT], &place));
    assert_int_equal(place.offset, 1);
    view_witness_close(&second);
    view_witness_close(&first);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, a_folder, folder_goes)
    const struct CMUnitTest tests[] = {
        TEST(an_event_that_ends_every_process_is_parked_by_the_third),
        TEST(a_kill_from_outside_condemns_nothing),
        TEST(two_deaths_at_one_event_with_others_in_between_count),
        TEST(a_second_process_on_the_folder_has_slots_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
