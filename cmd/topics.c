/* topics.c: `daybook topics create|check`: the topics of an installation. */
#include "cmd/command.h"

#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/log/topics.h"

enum { REPORT_MAX_BYTES = 1 << 20 };

static int tell_error(const char *what, const struct err_info *info) {
    fprintf(stderr, "daybook topics: %s: %s%s\n", what, info->text,
            info->retriable ? " (trying again later may help)" : "");
    return EXIT_WORLD_FAILED;
}

static int check(const struct config *config, const struct log_topics *topics) {
    struct buf report;
    buf_init(&report, REPORT_MAX_BYTES);
    struct err_info info;
    int code = EXIT_DONE;
    enum err err = log_topics_check(config->kafka_brokers, topics, (int32_t)config->shards,
                                    (int)config->replication_factor, &report, &info);
    if (err == ERR_NONE) {
        printf("%d topics with %d partitions each are as they must be\n", TOPIC_COUNT, (int)config->shards);
    } else if (err == ERR_CONFLICT) {
        printf("%.*s", STR_ARGS(buf_text(&report)));
        code = EXIT_DIFFERENCE;
    } else {
        code = tell_error("check", &info);
    }
    buf_release(&report);
    return code;
}

static int run(const struct config *config, int argc, char **argv) {
    bool creates = argc == 2 && strcmp(argv[1], "create") == 0;
    bool checks = argc == 2 && strcmp(argv[1], "check") == 0;
    if (!creates && !checks) {
        fprintf(stderr, "usage: daybook topics %s\n", topics_command.usage);
        return EXIT_WRONG_USAGE;
    }
    struct log_topics topics;
    log_topics_name(&topics, config->topic_prefix);
    if (creates) {
        struct err_info info;
        if (log_topics_create(config->kafka_brokers, &topics, (int32_t)config->shards, (int)config->replication_factor,
                              &info) != ERR_NONE) {
            return tell_error("create", &info);
        }
    }
    return check(config, &topics);
}

const struct command_line topics_command = {
    .name = "topics",
    .usage = "create|check",
    .summary = "create the topics of an installation, or check that they are as they must be",
    .help =
        "create  makes what is missing, with the settings shards and replication_factor, and then checks. It leaves\n"
        "        what exists as it is: the number of partitions of an installation is chosen once.\n"
        "check   compares partitions, copies, cleanup.policy, retention, message.timestamp.type, segment.ms,\n"
        "        max.message.bytes and min.insync.replicas of every topic with what `create` would make, and names "
        "each\n"
        "        difference on a line of its own. Copies that differ: set replication_factor to what they are meant "
        "to\n"
        "        be, or mend them with kafka-reassign-partitions; min.insync.replicas with kafka-configs.\n\n"
        "Exit codes: 0 all is as it must be, 1 the brokers cannot be reached or refuse, 2 wrong usage, 3 a topic is\n"
        "missing or differs.",
    .run = run,
};
