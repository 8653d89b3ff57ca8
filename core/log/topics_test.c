/* What the topics are set to, against what others rely on. */
#include "core/log/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "core/base/config.h"

static const int64_t kept_ms[] = {
#define KEPT(id, suffix, retention) [TOPIC_##id] = (retention),
    LOG_TOPIC_TABLE(KEPT)
#undef KEPT
};

static enum err loaded_with_window(int64_t seconds) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)seconds);
    setenv("DAYBOOK_DEDUP_WINDOW_S", text, 1);
    struct config config;
    enum err err = config_load(&config, NULL, NULL);
    if (err == ERR_NONE) {
        config_release(&config);
    }
    return err;
}

/* A state store that was lost is filled from the topics: past their retention a retry would be taken for a new request.
 * The stores look back an hour more than the window (overlay.c). */
static void no_window_looks_back_further_than_outcomes_are_kept(void **state) {
    (void)state;
    clearenv();
    assert_int_equal(loaded_with_window(48 * 3600), ERR_NONE);
    assert_int_equal(loaded_with_window(48 * 3600 + 1), ERR_CONFIG);
    assert_true(kept_ms[TOPIC_OUTCOMES] >= (48 + 1) * 3600 * 1000LL);
}

/* What a broker says of topics with two partitions each, the second of which has `copies` of them. */
static void assert_told(const struct log_topics *topics, const int copies[TOPIC_COUNT], int topic_count,
                        const char *expected) {
    rd_kafka_metadata_partition_t partitions[TOPIC_COUNT][2];
    rd_kafka_metadata_topic_t told[TOPIC_COUNT];
    for (int i = 0; i < TOPIC_COUNT; i++) {
        partitions[i][0] = (rd_kafka_metadata_partition_t){.id = 0, .replica_cnt = 3};
        partitions[i][1] = (rd_kafka_metadata_partition_t){.id = 1, .replica_cnt = copies[i]};
        told[i] = (rd_kafka_metadata_topic_t){
            .topic = (char *)topics->names[i], .partition_cnt = 2, .partitions = partitions[i]};
    }
    const rd_kafka_metadata_t metadata = {.topic_cnt = topic_count, .topics = told};
    struct buf report;
    buf_init(&report, 64 * 1024);
    log_topics_compare(&metadata, topics, 2, 3, &report);
    buf_byte(&report, '\0');
    assert_true(buf_ok(&report));
    assert_string_equal(report.data, expected);
    buf_release(&report);
}

static void topics_with_fewer_copies_than_they_are_made_with_are_named(void **state) {
    (void)state;
    struct log_topics topics;
    log_topics_name(&topics, "books");
    char missing[300];
    snprintf(missing, sizeof missing, "%s: does not exist\n", topics.names[TOPIC_COUNT - 1]);
    int copies[TOPIC_COUNT];
    for (int i = 0; i < TOPIC_COUNT; i++) {
        copies[i] = 3;
    }
    assert_told(&topics, copies, TOPIC_COUNT, "");
    assert_told(&topics, copies, TOPIC_COUNT - 1, missing);
    copies[TOPIC_ORDERS] = 1;
    copies[TOPIC_CARTS] = 4;
    assert_told(&topics, copies, TOPIC_COUNT,
                "books.carts: has 4 copies of a partition, not 3\nbooks.orders: has 1 copy of a partition, not 3\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_with_fewer_copies_than_they_are_made_with_are_named),
        cmocka_unit_test(no_window_looks_back_further_than_outcomes_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
