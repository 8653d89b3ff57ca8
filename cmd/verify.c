/* verify.c: `daybook verify`: the whole log, checked record by record. */
#include "cmd/command.h"
#include "cmd/installation.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/log/topics.h"
#include "core/log/verify.h"
#include "core/log/walk.h"

enum { VIOLATIONS_SHOWN = 1000, PROGRESS_EVERY_US = 5 * MICROS_PER_SECOND };

struct audit {
    struct log_topics topics;
    struct verify *verify;
    int64_t shown;
    bool has_terminal;
    int64_t told_us;
};

static void on_violation(void *context, const struct violation *violation) {
    struct audit *audit = context;
    if (audit->shown++ < VIOLATIONS_SHOWN) {
        printf("%s: %s[%d] at offset %" PRId64 ", %.*s: %s\n", violation->rule, audit->topics.names[violation->topic],
               violation->partition, violation->offset, STR_ARGS(violation->stream), violation->text);
    }
}

static enum log_topic topic_of(const struct audit *audit, const char *name) {
    enum log_topic topic = TOPIC_COMMANDS;
    while (strcmp(audit->topics.names[topic], name) != 0) {
        topic++;
        assert(topic < TOPIC_COUNT);
    }
    return topic;
}

static bool on_record(void *context, const struct log_record *record) {
    struct audit *audit = context;
    verify_record(audit->verify, topic_of(audit, record->topic), record);
    return true;
}

/* A line that rewrites itself on a terminal; elsewhere a line now and then. */
static void on_progress(void *context, int64_t done, int64_t total) {
    struct audit *audit = context;
    int64_t now_us = clock_boot_us();
    if (!audit->has_terminal && done < total && now_us - audit->told_us < PROGRESS_EVERY_US) {
        return;
    }
    audit->told_us = now_us;
    int percent = total > 0 ? (int)(100.0 * (double)done / (double)total) : 100;
    fprintf(stderr, "%s%3d %% of %" PRId64 " offsets read%s", audit->has_terminal ? "\r" : "", percent, total,
            audit->has_terminal && done < total ? "" : "\n");
}

/* All partitions of the event topics and of outcomes. The caller frees them. */
static struct log_partition *partitions_of(const struct audit *audit, int32_t shards, size_t *ret_count) {
    struct log_partition *partitions = calloc_or_end(TOPIC_COUNT * (size_t)shards, sizeof *partitions);
    size_t count = 0;
    for (enum log_topic topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int32_t shard = 0; shard < shards && (topic == TOPIC_OUTCOMES || topic >= TOPIC_FIRST_EVENTS); shard++) {
            partitions[count++] = (struct log_partition){audit->topics.names[topic], shard, WALK_FROM_FIRST};
        }
    }
    *ret_count = count;
    return partitions;
}

/* Event topics are kept for ever: their first offset is 0. */
static int64_t tell_lost_beginnings(const struct audit *audit, const struct log_partition *partitions, size_t count) {
    int64_t lost = 0;
    for (size_t i = 0; i < count; i++) {
        if (partitions[i].offset > 0 && topic_of(audit, partitions[i].topic) != TOPIC_OUTCOMES) {
            printf("beginning: %s[%d] begins at offset %" PRId64 ": what stood before it is gone\n",
                   partitions[i].topic, partitions[i].partition, partitions[i].offset);
            lost++;
        }
    }
    return lost;
}

static void print_summary(const struct audit *audit, const struct verify_summary *summary, int64_t violations) {
    if (violations > VIOLATIONS_SHOWN) {
        printf("... and %" PRId64 " more\n", violations - VIOLATIONS_SHOWN);
    }
    for (enum log_topic topic = 0; topic < TOPIC_COUNT; topic++) {
        if (topic == TOPIC_OUTCOMES || topic >= TOPIC_FIRST_EVENTS) {
            printf("%-32s %12" PRId64 " records\n", audit->topics.names[topic], summary->records[topic]);
        }
    }
    printf("%" PRId64 " streams, %" PRId64 " reservations, %" PRId64 " payments, %" PRId64
           " commands with an outcome; %zu MiB of memory for them\n",
           summary->streams, summary->reservations, summary->payments, summary->outcomes, summary->memory_bytes >> 20);
    printf("%s: %" PRId64 " violations\n", violations == 0 ? "sound" : "NOT SOUND", violations);
}

static int run(const struct config *config, int argc, char **argv) {
    if (argc > 1) {
        fprintf(stderr, "daybook verify takes no arguments (got '%s').\n", argv[1]);
        return EXIT_WRONG_USAGE;
    }
    int code = installation_log_check(config, "verify");
    if (code != EXIT_DONE) {
        return code;
    }
    struct audit audit = {.has_terminal = isatty(STDERR_FILENO) != 0, .told_us = clock_boot_us()};
    log_topics_name(&audit.topics, config->topic_prefix);
    audit.verify = verify_new((uint32_t)config->shards, on_violation, &audit);
    size_t count;
    struct log_partition *partitions = partitions_of(&audit, (int32_t)config->shards, &count);
    const struct log_walk walk = {
        .brokers = config->kafka_brokers,
        .client_id = "daybook-verify",
        .context = &audit,
        .on_record = on_record,
        .on_progress = on_progress,
    };
    struct err_info info;
    code = EXIT_WORLD_FAILED;
    if (log_walk(&walk, partitions, count, &info) != ERR_NONE) {
        fprintf(stderr, "daybook verify: %s\n", info.text);
    } else {
        struct verify_summary summary = verify_summary(audit.verify);
        int64_t violations = summary.violations + tell_lost_beginnings(&audit, partitions, count);
        print_summary(&audit, &summary, violations);
        code = violations == 0 ? EXIT_DONE : EXIT_DIFFERENCE;
    }
    free(partitions);
    verify_free(audit.verify);
    return code;
}

const struct command_line verify_command = {
    .name = "verify",
    .usage = "",
    .summary = "check the whole log: chains, contiguity, stock, money, outcomes",
    .help =
        "Reads every event topic and the outcomes, from the first record to where each ended when it was started, and\n"
        "checks without using the domain's code:\n"
        "  record   is an event of the topic's family, in its stream's partition, under its shard key\n"
        "  history  versions 1, 2, 3 ..., the hash chain, time that never goes back, no event id twice in a stream\n"
        "  stock    units add up; on_hand - reserved >= 0 per SKU and location after every event\n"
        "  hold     a reservation is taken once and resolves once, with the units that it took\n"
        "  money    captured <= authorized, one capture a payment, refunded + pending <= captured, each provider\n"
        "           intent used once\n"
        "  outcome  a command has one final outcome, and it never changes\n"
        "Each violation is a line: rule: topic[partition] at offset, stream: what is wrong (the first 1000).\n"
        "It may run while Daybook serves.\n\n"
        "Memory: at most 175 bytes a stream, 45 an event, 150 a location of a SKU, 110 a reservation, 260 a payment\n"
        "and 130 each of its refunds, 110 an outcome; half as much again while a table doubles; and 64 MiB of records\n"
        "read ahead.\n\n"
        "Exit codes: 0 sound, 1 the log cannot be read, 2 wrong usage or another number of shards than the log has, 3 "
        "there\n"
        "are violations.",
    .run = run,
};
