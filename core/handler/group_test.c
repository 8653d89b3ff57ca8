/* What a member hears of the commands, against librdkafka's mock cluster. */
#include "core/handler/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/base/timestamp.h"
#include "core/log/producer.h"

enum { WAIT_MS = 15000, COMMANDS = 3 };

struct world {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct group *group;
};

static void on_revoked(void *context, bool is_lost) {
    (void)context, (void)is_lost;
}

/* Shard 0 has three commands, shard 1 none. */
static int commands_sent(const struct world *world) {
    const struct log_producer_options options = {.brokers = rd_kafka_mock_cluster_bootstraps(world->cluster),
                                                 .client_id = "test",
                                                 .delivery_timeout_ms = WAIT_MS};
    struct log_producer *producer;
    struct err_info info;
    enum err err = log_producer_open(&options, &producer, &info);
    for (int i = 0; i < COMMANDS && err == ERR_NONE; i++) {
        err = log_producer_send(producer, "test.commands", 0, STR("key"), STR("value"), NULL, 0, NULL, NULL, &info);
    }
    log_producer_close(producer, WAIT_MS);
    return err == ERR_NONE ? 0 : -1;
}

static int setup(void **state) {
    static struct world world;
    world = (struct world){0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    world.handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    world.cluster = rd_kafka_mock_cluster_new(world.handle, 1);
    rd_kafka_mock_topic_create(world.cluster, "test.commands", 2, 1);
    const struct group_options options = {
        .brokers = rd_kafka_mock_cluster_bootstraps(world.cluster),
        .client_id = "test",
        .group_id = "test-handlers",
        .topic = "test.commands",
        .on_revoked = on_revoked,
    };
    struct err_info info;
    *state = &world;
    return commands_sent(&world) == 0 && group_open(&options, &world.group, &info) == ERR_NONE ? 0 : -1;
}

static int teardown(void **state) {
    struct world *world = *state;
    group_leave(world->group);
    rd_kafka_mock_cluster_destroy(world->cluster);
    rd_kafka_destroy(world->handle);
    return 0;
}

static bool in_time(int64_t began_us) {
    return clock_boot_us() - began_us < WAIT_MS * (int64_t)MICROS_PER_MS;
}

static void await_assignment(struct group *group) {
    int64_t began_us = clock_boot_us();
    while (group_generation(group) == 0 && in_time(began_us)) {
        rd_kafka_message_t *message;
        struct err_info info;
        assert_int_equal(group_poll(group, 50, &message, &info), ERR_NONE);
        assert_null(message);
    }
    size_t count;
    (void)group_shards(group, &count);
    assert_int_equal(count, 2);
}

/* Reads from these offsets on until both ends were told. Whatever comes out of a poll must be a command. */
static int commands_until_ends(struct group *group, int64_t from_0, int64_t from_1) {
    const struct group_position positions[] = {{0, from_0}, {1, from_1}};
    struct err_info info;
    assert_int_equal(group_read_from(group, positions, 2, &info), ERR_NONE);
    assert_int_equal(group_end(group, 0), -1);
    assert_int_equal(group_end(group, 1), -1);
    int commands = 0;
    int64_t began_us = clock_boot_us();
    while ((group_end(group, 0) < 0 || group_end(group, 1) < 0) && in_time(began_us)) {
        rd_kafka_message_t *message = NULL;
        if (group_poll(group, 50, &message, &info) != ERR_NONE) {
            fail_msg("an end was taken for a trouble: %s", info.text);
        }
        if (message != NULL) {
            assert_int_equal(message->err, RD_KAFKA_RESP_ERR_NO_ERROR);
            assert_int_equal(message->offset, from_0 + commands);
            commands++;
            rd_kafka_message_destroy(message);
        }
    }
    return commands;
}

static void the_end_of_a_shard_is_remembered_and_is_no_command(void **state) {
    struct group *group = ((struct world *)*state)->group;
    await_assignment(group);
    assert_int_equal(group_end(group, 0), -1);
    assert_int_equal(commands_until_ends(group, 0, 0), COMMANDS);
    assert_int_equal(group_end(group, 0), COMMANDS);
    assert_int_equal(group_end(group, 1), 0);
    assert_int_equal(group_end(group, 7), -1); /* not ours */
    /* Read again, an end is not known before it is told again. */
    assert_int_equal(commands_until_ends(group, COMMANDS - 1, 0), 1);
    assert_int_equal(group_end(group, 0), COMMANDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_end_of_a_shard_is_remembered_and_is_no_command, setup, teardown),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
