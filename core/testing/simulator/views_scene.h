/* views_scene.h: carts in the log, and who follows them, to test what views do to one another. For views_*_test.c.
 *
 * The log is a broker's double, PostgreSQL is its double, the projector and the commands are the real ones. There is
 * one world a process, as in the simulator: a test is run in one of its own, for each seed. What is asserted within a
 * fiber ends that process: cmocka could not come back from there.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <assert.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/domain/cart/cart.h"
#include "core/log/record.h"
#include "core/testing/simulator/broker.h"
#include "core/testing/simulator/files.h"
#include "core/testing/simulator/interpose.h"
#include "core/testing/simulator/postgres.h"
#include "projections/runtime/projector.h"
#include "projections/runtime/rebuild.h"
#include "projections/runtime/switch.h"

enum { SECOND_US = 1000000, MS = 1000, CARTS_MAX = 64, NAME_MAX_BYTES = 32 };

extern const struct view carts_view;

static struct {
    struct config config;
    struct log_topics topics;
    struct broker_producer producer;
    int32_t sequence;
    int64_t versions[CARTS_MAX];
    const char *root;
} scene;

/* ---- views that are not the program's own -------------------------------------------------------------------------
 */

/* While set, what is made of this cart is refused by PostgreSQL. */
static const char *broken_cart;

/* Tells who made a row: by its currency. `with` is a bad text for a cart that is broken. */
static inline void project_marked(struct view_batch *batch, struct arena *arena, const struct event *event,
                                  const void *state, bool last, struct str mark) {
    struct cart_state cart = *(const struct cart_state *)state;
    bool is_broken = broken_cart != NULL && str_equal(event->meta.stream, str_of_cstr(broken_cart));
    cart.currency = is_broken ? STR("B\0D") : mark;
    carts_view.project(batch, arena, event, &cart, last);
}

static inline void project_old(struct view_batch *batch, struct arena *arena, const struct event *event,
                               const void *state, bool last) {
    project_marked(batch, arena, event, state, last, STR("OLD"));
}

static inline void project_new(struct view_batch *batch, struct arena *arena, const struct event *event,
                               const void *state, bool last) {
    project_marked(batch, arena, event, state, last, STR("NEW"));
}

/* The carts' view as a program makes it, of before and of now. */
static struct view view_old, view_new;

/* ---- a world ----------------------------------------------------------------------------------------------------- */

static inline void world(uint64_t seed, int32_t shards) {
    struct err_info info;
    sim_begin(seed);
    interpose_begin();
    sim_point_hook = NULL;
    broken_cart = NULL;
    view_old = view_new = carts_view;
    view_old.project = project_old;
    view_new.project = project_new;
    view_new.format++;
    scene.sequence = 0;
    memset(scene.versions, 0, sizeof scene.versions);
    enum err failure = config_load(&scene.config, NULL, &info);
    assert(failure == ERR_NONE);
    scene.root = files_root_make();
    scene.config.data_dir = scene.root;
    scene.config.shards = shards;
    log_topics_name(&scene.topics, scene.config.topic_prefix);
    for (int i = 0; i < TOPIC_COUNT; i++) {
        broker_topic_create(scene.topics.names[i], shards);
    }
    rd_kafka_resp_err_t code = broker_init_producer(NULL, 0, &scene.producer);
    assert(code == RD_KAFKA_RESP_ERR_NO_ERROR);
    sim_postgres_begin();
    sim_postgres_migrate();
}

struct world_test {
    void (*body)(void);
    uint64_t seeds; /* 1 .. seeds */
    int32_t shards; /* 0: one */
};

static bool is_world;

static inline void in_worlds(void **state) {
    const struct world_test *test = *state;
    if (is_world) { /* after a failure, of which cmocka has told, it goes on in that world's process */
        fflush(NULL);
        _exit(1);
    }
    for (uint64_t seed = 1; seed <= test->seeds; seed++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            is_world = true;
            world(seed, test->shards == 0 ? 1 : test->shards);
            test->body();
            files_remove(scene.root);
            fflush(NULL);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0) {
            fail_msg("seed %llu: status %d", (unsigned long long)seed, status);
        }
    }
}

#define WORLD_TEST(function, seed_count)                                                                               \
    ((struct CMUnitTest){#function, in_worlds, NULL, NULL,                                                             \
                         &(struct world_test){.body = (function), .seeds = (seed_count)}})

#define SHARDS_TEST(function, shard_count)                                                                             \
    ((struct CMUnitTest){#function, in_worlds, NULL, NULL,                                                             \
                         &(struct world_test){.body = (function), .seeds = 1, .shards = (shard_count)}})

/* Lets the world go on for so long. */
static inline void pass(int64_t us) {
    sim_run(sim_now_us() + us);
}

/* Runs one process to its end. */
static inline void run(void (*main)(void *context), void *context) {
    const struct sim_process *process = sim_start("operator", 1, main, context);
    while (process->is_alive) {
        pass(100 * MS);
    }
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static inline void append_bytes(struct str value) {
    int64_t offset;
    struct broker_record record = {.value = value, .has_value = true};
    rd_kafka_resp_err_t code =
        broker_produce(&scene.producer, scene.topics.names[TOPIC_CARTS], 0, scene.sequence++, &record, 1, &offset);
    assert(code == RD_KAFKA_RESP_ERR_NO_ERROR);
}

static inline int64_t log_end(void) {
    return broker_partition(scene.topics.names[TOPIC_CARTS], 0)->count;
}

static inline void name_cart(int cart, char ret_name[NAME_MAX_BYTES]) {
    snprintf(ret_name, NAME_MAX_BYTES, "cart_%d", cart);
}

static inline void write_event(struct buf *out, int cart, int64_t version) {
    char name[NAME_MAX_BYTES];
    name_cart(cart, name);
    struct event event = {.type = version == 1 ? EVENT_CART_OPENED : EVENT_CART_UPDATED};
    if (version == 1) {
        event.as.cart_opened.currency = STR("EUR");
    } else {
        const struct money price = {.amount = version, .currency = STR("EUR")};
        event.as.cart_updated =
            (struct cart_updated){.sku = STR("TEA"),
                                  .quantity = 1,
                                  .has_line = true,
                                  .line = {.sku = STR("TEA"), .quantity = 1, .unit_price = price, .total = price},
                                  .total = price};
    }
    event.meta.stream = str_of_cstr(name);
    event.meta.version = version;
    event_record_write(out, &event);
}

static inline void append_version(int cart, int64_t version) {
    struct buf bytes;
    buf_init(&bytes, RECORD_MAX_BYTES);
    write_event(&bytes, cart, version);
    append_bytes(buf_text(&bytes)); /* kept by the broker as it is: of the run, like its other records */
}

/* The cart's next event. */
static inline void append(int cart) {
    append_version(cart, ++scene.versions[cart]);
}

/* Each cart's next event, so many times. */
static inline void append_all(int times) {
    for (int i = 0; i < times * CARTS_MAX; i++) {
        append(i % CARTS_MAX);
    }
}

/* Goes on appending until it is killed; `context` NULL: an event every 2 ms, else so many a millisecond. */
static inline void append_main(void *context) {
    const int *rate = context;
    for (int i = 0;; i++) {
        append(i % CARTS_MAX);
        if (rate == NULL || i % *rate == 0) {
            sim_sleep(rate == NULL ? 2 * MS : MS);
        }
    }
}

/* ---- the view ---------------------------------------------------------------------------------------------------- */

static inline int64_t stands_at(const char *schema) {
    return sim_postgres_position(schema, scene.topics.names[TOPIC_CARTS], 0);
}

enum { CARTS_ID = 0, CARTS_TOTAL = 6, CARTS_CURRENCY = 7 };

/* How many rows of a cart bear that mark. */
static inline size_t marked(const char *schema, const char *mark) {
    size_t found = 0;
    for (size_t i = 0; i < sim_postgres_row_count(schema, "carts"); i++) {
        struct sim_postgres_row row = sim_postgres_row(schema, "carts", i);
        found += str_equal(sim_postgres_field(row, CARTS_CURRENCY), str_of_cstr(mark));
    }
    return found;
}

/* What a cart came to: the version of its last CartUpdated; -1: it has no row. */
static inline int64_t total_of(const char *schema, int cart) {
    char name[NAME_MAX_BYTES];
    name_cart(cart, name);
    for (size_t i = 0; i < sim_postgres_row_count(schema, "carts"); i++) {
        struct sim_postgres_row row = sim_postgres_row(schema, "carts", i);
        if (str_equal(sim_postgres_field(row, CARTS_ID), str_of_cstr(name))) {
            uint64_t wire;
            memcpy(&wire, sim_postgres_field(row, CARTS_TOTAL).data, sizeof wire);
            return (int64_t)__builtin_bswap64(wire);
        }
    }
    return -1;
}

/* ---- who follows ------------------------------------------------------------------------------------------------- */

/* A projector's thread for a view of ours, without its pauses. `schema` is what it follows. */
struct follower {
    const struct view *view;
    char schema[SCHEMA_NAME_MAX];
    int failures;
};

static inline void follower_main(void *context) {
    struct follower *follower = context;
    const struct feed_options options = {.config = &scene.config, .view = follower->view};
    for (;;) {
        struct err_info info;
        struct feed *feed = NULL;
        struct feed_counts counts = {0};
        enum err failure = feed_open(&options, &feed, &info);
        if (failure == ERR_NONE) {
            snprintf(follower->schema, sizeof follower->schema, "%s", feed_schema(feed));
        }
        while (failure == ERR_NONE) {
            bool full;
            failure = feed_step(feed, 100, &counts, &full, &info);
        }
        follower->failures++;
        feed_close(feed);
        sim_sleep(100 * MS);
    }
}

/* The program's own projector, of all views. */
static inline void projector_main(void *context) {
    struct projector **projector = context;
    struct err_info info;
    enum err failure = projector_start(&scene.config, projector, &info);
    assert(failure == ERR_NONE);
    for (;;) {
        sim_sleep(3600 * (int64_t)SECOND_US);
    }
}

/* Whether a page of metrics has the line. */
static inline bool tells(const struct projector *projector, const char *line) {
    struct buf page;
    buf_init(&page, 1024 * 1024);
    projector_metrics(projector, &page);
    buf_byte(&page, '\0');
    bool found = strstr(page.data, line) != NULL;
    buf_release(&page);
    return found;
}

/* ---- what operators do ------------------------------------------------------------------------------------------- */

struct order {
    const struct view *view;
    bool back, forgets_skips;
    enum err failure;
    struct err_info info;
    struct rebuild_result rebuilt;
};

static inline void rebuild_main(void *context) {
    struct order *order = context;
    const struct rebuild_options options = {
        .config = &scene.config, .view = order->view, .forgets_skips = order->forgets_skips};
    order->failure = view_rebuild(&options, &order->rebuilt, &order->info);
}

static inline void switch_main(void *context) {
    struct order *order = context;
    const struct rebuild_options options = {.config = &scene.config, .view = order->view};
    order->failure = view_switch(&options, order->back, &order->info);
}

static inline void drop_main(void *context) {
    struct order *order = context;
    struct pg_session *session;
    order->failure = pg_session_open("", "test", &session, &order->info);
    if (order->failure == ERR_NONE) {
        order->failure = view_schema_drop(session, order->back ? "carts_rebuild" : "carts_old", &order->info);
        pg_session_close(session);
    }
}

static inline void done(const struct order *order) {
    if (order->failure != ERR_NONE) {
        fail_msg("%s", order->info.text);
    }
}

static inline void rebuilds(const struct view *view) {
    struct order order = {.view = view};
    run(rebuild_main, &order);
    done(&order);
}

static inline void switches(const struct view *view, bool back) {
    struct order order = {.view = view, .back = back};
    run(switch_main, &order);
    done(&order);
}

static inline bool schemas_are_equal(const char *a, const char *b) {
    struct buf difference;
    buf_init(&difference, 4096);
    bool equal = sim_postgres_equal(a, b, &difference);
    if (!equal) {
        print_message("%.*s\n", STR_ARGS(buf_text(&difference)));
    }
    buf_release(&difference);
    return equal;
}

static inline void assert_rebuilt_equal(const struct view *view) {
    rebuilds(view);
    assert_true(schemas_are_equal("carts", "carts_rebuild"));
}
