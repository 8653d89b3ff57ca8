/* oracle_scene.h: a small log made by hand, for the oracle's test. For oracle_*_test.c alone.
 *
 * One SKU, one purchase of it and all that belongs to it: events, outcomes, commands, the clients' journal, the
 * provider's ledger. A test has it made with one thing wrong, or adds one.
 */
#pragma once

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/array.h"
#include "core/base/map.h"
#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/log/topics.h"
#include "core/testing/simulator/oracle.h"
#include "core/testing/simulator/world.h"
#include "gen/codec.h"

enum { SCENE_SHARDS = 2, SCENE_RECORDS_MAX = 64, SCENE_PRODUCER = 7, SCENE_UNITS = 10, SCENE_PRICE = 500 };

#define SCENE_BEGINS_US SIM_WORLD_BEGINS_US
#define SCENE_CART STR("cart_01ARZ3NDEKTSV4RRFFQ69G5FAV")
#define SCENE_ORDER STR("ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.1")
#define SCENE_PAYMENT STR("pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1")
#define SCENE_SKU_STREAM STR("sku_TEA")

struct scene_stream {
    int64_t version;
    uint8_t hash[CHAIN_HASH_BYTES];
};

static struct scene {
    struct arena arena;
    struct config config;
    struct log_topics topics;
    struct journal journal;
    struct broker_partition partitions[TOPIC_COUNT][SCENE_SHARDS];
    int64_t undecided; /* so many commands the group has not passed */
    struct map streams;
    int64_t now_us;
    uint32_t ids;
    struct oracle_payment payments[4];
    size_t payment_count;
    struct str lost_key;                 /* records under it were lost; empty: none were */
    void (*tamper)(struct event *event); /* looks at each event before it is written, meta and all */
    struct journal_entry *receipt, *checkout;
} scene;

/* ---- as the oracle sees it --------------------------------------------------------------------------------------- */

static inline struct broker_partition *scene_partition(const char *topic, int32_t number) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        if (strcmp(scene.topics.names[i], topic) == 0) {
            return &scene.partitions[i][number];
        }
    }
    return NULL;
}

static inline int64_t scene_stable_offset(const struct broker_partition *partition) {
    return partition->count;
}

static inline int64_t scene_group_offset(const char *group, const char *topic, int32_t number) {
    (void)group;
    return scene_partition(topic, number)->count - scene.undecided;
}

static inline size_t scene_payment_count(void) {
    return scene.payment_count;
}

static inline struct oracle_payment scene_payment_at(size_t index) {
    return scene.payments[index];
}

static inline bool scene_has_lost(struct str key) {
    return !str_is_empty(scene.lost_key) && str_equal(key, scene.lost_key);
}

static const struct oracle_sources scene_sources = {
    .partition = scene_partition,
    .stable_offset = scene_stable_offset,
    .group_offset = scene_group_offset,
    .payment_count = scene_payment_count,
    .payment_at = scene_payment_at,
    .has_lost = scene_has_lost,
};

static inline struct oracle_options scene_options(void) {
    return (struct oracle_options){.config = &scene.config,
                                   .sources = &scene_sources,
                                   .journal = &scene.journal,
                                   .now_wall_us = SCENE_BEGINS_US + INT64_C(3600000000),
                                   .deadline_grace_us = 60000000};
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static inline struct broker_record *scene_append(enum log_topic topic, int32_t shard, struct str key,
                                                 struct str value) {
    struct broker_partition *partition = &scene.partitions[topic][shard];
    assert(partition->count < SCENE_RECORDS_MAX);
    struct broker_record *record = &partition->records[partition->count++];
    *record = (struct broker_record){
        .timestamp_ms = scene.now_us / 1000,
        .key = arena_str_copy(&scene.arena, key),
        .value = arena_str_copy(&scene.arena, value),
        .has_value = true,
        .producer_id = SCENE_PRODUCER,
        .is_transactional = true,
    };
    return record;
}

/* The transaction ends: a marker in each partition. */
static inline void scene_commit(void) {
    for (int topic = TOPIC_FIRST_EVENTS; topic < TOPIC_COUNT; topic++) {
        for (int32_t shard = 0; shard < SCENE_SHARDS; shard++) {
            scene_append((enum log_topic)topic, shard, STR(""), STR(""))->kind = BROKER_COMMIT_MARKER;
        }
    }
}

static inline struct str scene_id(const char *prefix) {
    uint8_t bytes[ULID_BYTES] = {0};
    char text[ULID_TEXT_LEN];
    scene.ids++;
    memcpy(bytes + 8, &scene.ids, sizeof scene.ids);
    ulid_write(bytes, text);
    return arena_printf(&scene.arena, "%s_%.*s", prefix, ULID_TEXT_LEN, text);
}

static inline int32_t scene_shard(struct str stream) {
    return shard_of_stream(stream, SCENE_SHARDS);
}

static inline struct scene_stream *scene_stream(struct str stream) {
    void **at = map_at(&scene.streams, stream);
    if (*at == NULL) {
        *at = arena_alloc(&scene.arena, sizeof(struct scene_stream));
    }
    return *at;
}

/* One more event of the stream. `cause`: the command's id when it came from outside; empty: something within. */
static inline void scene_event(struct str stream, struct str cause, struct event event) {
    struct scene_stream *at = scene_stream(stream);
    scene.now_us += 1000;
    event.meta.event_id = scene_id("evt");
    event.meta.stream = stream;
    event.meta.version = at->version + 1;
    event.meta.occurred_at = scene.now_us;
    event.meta.command_id = str_is_empty(cause) ? scene_id("cmd") : cause;
    event.meta.causation_id = str_is_empty(cause) ? STR("evt_before") : cause;
    event.meta.correlation_id = str_is_empty(cause) ? scene.checkout->command_id : cause;
    event.meta.actor = STR("guest:2");
    memcpy(event.meta.prev_hash, at->hash, sizeof event.meta.prev_hash);
    if (scene.tamper != NULL) {
        scene.tamper(&event);
    }
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    event_record_write(&value, &event);
    const struct event_info *info = event_info(event.type);
    scene_append(log_topic_of_family(str_of_cstr(info->family)), scene_shard(stream), shard_key(stream),
                 buf_text(&value));
    chain_hash(buf_text(&value), at->hash);
    at->version = event.meta.version;
    buf_release(&value);
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

/* Its record, as the front sends it. */
static inline void scene_record(struct journal_entry *entry, const struct command *command) {
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, command);
    journal_sent(&scene.journal, entry, buf_text(&value));
    struct broker_record *record = scene_append(TOPIC_COMMANDS, scene_shard(command->meta.stream),
                                                shard_key(command->meta.stream), buf_text(&value));
    record->headers = arena_alloc(&scene.arena, sizeof *record->headers);
    record->headers[0] = (struct broker_header){"traceparent", journal_trace(&scene.arena, entry)};
    record->header_count = 1;
    buf_release(&value);
}

static inline struct journal_entry *scene_request(struct command command, struct str id, const char *hash) {
    command.meta.command_id = command.meta.correlation_id = command.meta.causation_id = id;
    command.meta.actor = STR("guest:2");
    command.meta.issued_at = scene.now_us;
    command.meta.client_key = true;
    command.meta.request_hash = str_of_cstr(hash);
    struct journal_entry *entry = journal_add(&scene.journal, 2, &command);
    entry->asked_us = scene.now_us - SCENE_BEGINS_US;
    scene_record(entry, &command);
    return entry;
}

static inline void scene_tell(struct journal_entry *entry, const struct outcome *outcome) {
    scene.now_us += 1000;
    entry->told = journal_told_of(&scene.journal, outcome, false);
    entry->answered_us = scene.now_us - SCENE_BEGINS_US;
}

static inline void scene_outcome(const struct outcome *outcome, int32_t shard) {
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    frame_write(&value, OUTCOME_SCHEMA_ID);
    outcome_encode(&value, outcome);
    scene_append(TOPIC_OUTCOMES, shard, outcome->command_id, buf_text(&value));
    buf_release(&value);
}

static inline struct outcome scene_accepted(const struct journal_entry *entry, struct str stream, int64_t version) {
    return (struct outcome){.command_id = entry->command_id,
                            .status = OUTCOME_STATUS_ACCEPTED,
                            .stream = stream,
                            .version = version,
                            .request_hash = entry->request_hash,
                            .reply_partition = -1};
}

static inline struct outcome scene_refused(const struct journal_entry *entry, const char *code) {
    return (struct outcome){.command_id = entry->command_id,
                            .status = OUTCOME_STATUS_REJECTED,
                            .rejection = str_of_cstr(code),
                            .stream = entry->stream,
                            .request_hash = entry->request_hash,
                            .reply_partition = -1};
}

/* Recorded and told. */
static inline void scene_decide(struct journal_entry *entry, const struct outcome *outcome) {
    scene_outcome(outcome, scene_shard(entry->stream));
    scene_tell(entry, outcome);
}

/* ---- the purchase ------------------------------------------------------------------------------------------------ */

static inline struct cart_line scene_line(void) {
    return (struct cart_line){.sku = STR("TEA"),
                              .product = STR("prod_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                              .title = STR("Tea"),
                              .quantity = 2,
                              .unit_price = {SCENE_PRICE, STR("EUR")},
                              .total = {2 * SCENE_PRICE, STR("EUR")}};
}

static inline struct command scene_receive(int64_t units) {
    struct command command = {.type = COMMAND_RECEIVE_STOCK, .meta.stream = SCENE_SKU_STREAM};
    command.as.receive_stock = (struct receive_stock){.location = STR("berlin"), .quantity = units};
    return command;
}

static inline struct command scene_check_out(void) {
    struct command command = {.type = COMMAND_CHECK_OUT_CART, .meta.stream = SCENE_CART};
    command.as.check_out_cart.payment = (struct payment_choice){STR("test"), STR("approve")};
    return command;
}

static inline struct str scene_order_resource(enum order_status status) {
    struct cart_line line = scene_line();
    const struct order_state order = {
        .status = status, .cart = SCENE_CART, .lines = {&line, 1, 1}, .total = line.total};
    struct buf text;
    buf_init(&text, RECORD_MAX_BYTES);
    frame_write(&text, ORDER_STATE_SCHEMA_ID);
    order_state_encode(&text, &order);
    struct str copy = arena_str_copy(&scene.arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

static inline void scene_stock(void) {
    scene.receipt = scene_request(scene_receive(SCENE_UNITS), scene_id("cmd"), "hash of the receipt");
    struct event event = {.type = EVENT_STOCK_RECEIVED};
    event.as.stock_received =
        (struct stock_received){.location = STR("berlin"), .quantity = SCENE_UNITS, .on_hand = SCENE_UNITS};
    scene_event(SCENE_SKU_STREAM, scene.receipt->command_id, event);
    scene_commit();
    struct outcome outcome = scene_accepted(scene.receipt, SCENE_SKU_STREAM, 1);
    scene_decide(scene.receipt, &outcome);
}

static inline void scene_place(struct cart_line *line) {
    struct event event = {.type = EVENT_CART_CHECKED_OUT};
    event.as.cart_checked_out =
        (struct cart_checked_out){.order = SCENE_ORDER, .attempt = 1, .lines = {line, 1, 1}, .total = line->total};
    scene_event(SCENE_CART, scene.checkout->command_id, event);
    event = (struct event){.type = EVENT_ORDER_PLACED};
    event.as.order_placed = (struct order_placed){.cart = SCENE_CART,
                                                  .attempt = 1,
                                                  .lines = {line, 1, 1},
                                                  .total = line->total,
                                                  .deadline_at = scene.now_us + 60000000};
    scene_event(SCENE_ORDER, STR(""), event);
}

static inline void scene_reserve(struct str order, int64_t units, int64_t available) {
    struct stock_allocation allocation = {STR("berlin"), units};
    struct event event = {.type = EVENT_STOCK_RESERVED};
    event.as.stock_reserved = (struct stock_reserved){
        .owner = order, .quantity = units, .allocations = {&allocation, 1, 1}, .available = available};
    scene_event(SCENE_SKU_STREAM, STR(""), event);
}

static inline void scene_release(struct str order, int64_t units, int64_t available) {
    struct stock_allocation allocation = {STR("berlin"), units};
    struct event event = {.type = EVENT_RESERVATION_RELEASED};
    event.as.reservation_released = (struct reservation_released){
        .owner = order, .quantity = units, .allocations = {&allocation, 1, 1}, .available = available};
    scene_event(SCENE_SKU_STREAM, STR(""), event);
}

static inline void scene_request_payment(const struct cart_line *line) {
    struct event event = {.type = EVENT_ORDER_PAYMENT_STARTED};
    event.as.order_payment_started =
        (struct order_payment_started){.payment = SCENE_PAYMENT, .number = 1, .amount = line->total};
    scene_event(SCENE_ORDER, STR(""), event);
    event = (struct event){.type = EVENT_PAYMENT_REQUESTED};
    event.as.payment_requested = (struct payment_requested){.order = SCENE_ORDER, .amount = line->total};
    scene_event(SCENE_PAYMENT, STR(""), event);
}

static inline void scene_capture(int64_t amount_minor) {
    struct event event = {.type = EVENT_PAYMENT_CAPTURED};
    event.as.payment_captured.amount = (struct money){amount_minor, STR("EUR")};
    scene_event(SCENE_PAYMENT, STR(""), event);
}

static inline void scene_confirm(void) {
    struct event event = {.type = EVENT_ORDER_CONFIRMED};
    event.as.order_confirmed.payment = SCENE_PAYMENT;
    scene_event(SCENE_ORDER, STR(""), event);
    event = (struct event){.type = EVENT_RESERVATION_CONFIRMED};
    event.as.reservation_confirmed = (struct reservation_confirmed){SCENE_ORDER, 2};
    scene_event(SCENE_SKU_STREAM, STR(""), event);
}

static inline void scene_begin(void) {
    scene = (struct scene){.now_us = SCENE_BEGINS_US};
    arena_init(&scene.arena, (size_t)64 << 20);
    map_init(&scene.streams, &scene.arena);
    journal_init(&scene.journal);
    scene.config = (struct config){.topic_prefix = "scene", .shards = SCENE_SHARDS, .dedup_window_s = 172800};
    log_topics_name(&scene.topics, "scene");
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int32_t shard = 0; shard < SCENE_SHARDS; shard++) {
            struct broker_partition *partition = &scene.partitions[topic][shard];
            partition->topic = scene.topics.names[topic];
            partition->number = shard;
            partition->records = arena_alloc(&scene.arena, SCENE_RECORDS_MAX * sizeof *partition->records);
        }
    }
}

/* Received, bought, paid, told. */
static inline void scene_play(void) {
    struct cart_line line = scene_line();
    scene_stock();
    scene.checkout = scene_request(scene_check_out(), scene_id("cmd"), "hash of the check-out");
    scene_place(&line);
    scene_reserve(SCENE_ORDER, 2, SCENE_UNITS - 2);
    scene_request_payment(&line);
    scene_capture(line.total.amount);
    scene_confirm();
    scene_commit();
    struct outcome outcome = scene_accepted(scene.checkout, SCENE_ORDER, 3);
    outcome.resource = scene_order_resource(ORDER_STATUS_CONFIRMED);
    scene_decide(scene.checkout, &outcome);
    scene.payments[0] = (struct oracle_payment){.payment = SCENE_PAYMENT,
                                                .authorized_minor = line.total.amount,
                                                .captured_minor = line.total.amount,
                                                .charges = 1};
    scene.payment_count = 1;
}

static inline void scene_end(void) {
    journal_release(&scene.journal);
    arena_release(&scene.arena);
}

/* ---- expecting --------------------------------------------------------------------------------------------------- */

static inline void expect(const char *check) {
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    if (oracle_violations_of(oracle, check) == 0) {
        oracle_report(oracle, stderr);
        fail_msg("%s was not found", check);
    }
    for (size_t i = 0; i < oracle_violation_count(oracle); i++) {
        assert_true(oracle_violation_at(oracle, i).text[0] != '\0');
    }
    oracle_free(oracle);
    scene_end();
}

/* Exactly this one. */
static inline void expect_only(const char *check) {
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    if (oracle_violations_of(oracle, check) == 0 || oracle_violation_count(oracle) != 1) {
        oracle_report(oracle, stderr);
        fail_msg("%s was to be found alone", check);
    }
    oracle_free(oracle);
    scene_end();
}

static inline void play(void) {
    scene_begin();
    scene_play();
}

static inline void play_tampered(void (*tamper)(struct event *event)) {
    scene_begin();
    scene.tamper = tamper;
    scene_play();
}
