/* why.c: `daybook why STREAM`: how a stream came to stand as it does, for an auditor. */
#include "cmd/command.h"

#include <stdio.h>
#include <string.h>

#include "cmd/installation.h"
#include "cmd/why_stock.h"
#include "cmd/why_story.h"
#include "core/base/shard.h"
#include "core/domain/cart/cart.h"
#include "core/domain/ids.h"
#include "core/domain/order/order.h"
#include "core/domain/payment/payment.h"
#include "core/log/topics.h"
#include "core/log/walk.h"

enum {
    OUT_MAX_BYTES = 256 * 1024 * 1024, /* a story's lines; a SKU's go out one record at a time */
    PARTITIONS_MAX = 1024,             /* config.def bounds the shards */
};

struct why {
    struct str stream;
    bool json;
    const struct config *config;
    struct log_topics topics;
    struct buf out;
    struct why_stock stock;
    struct why_story story;
    int code; /* once something failed */
    struct err_info failure;
};

static int wrong_usage(const char *what, const char *text) {
    fprintf(stderr, "daybook why: %s%s\nusage: daybook why %s\n", what, text, why_command.usage);
    return EXIT_WRONG_USAGE;
}

static int arguments_read(int argc, char **argv, struct why *why) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            why->json = true;
        } else if (argv[i][0] == '-') {
            return wrong_usage("there is no option ", argv[i]);
        } else if (!str_is_empty(why->stream)) {
            return wrong_usage("one stream at a time; too much: ", argv[i]);
        } else {
            why->stream = str_of_cstr(argv[i]);
        }
    }
    if (str_is_empty(why->stream)) {
        return wrong_usage("which stream?", "");
    }
    if (!stream_id_is_valid(why->stream)) {
        return wrong_usage("that is not the id of a stream: ", why->stream.data);
    }
    return EXIT_DONE;
}

/* A reader who has gone away (`| head`) ends it. */
static bool flush_out(struct why *why) {
    if (!buf_ok(&why->out) || fwrite(why->out.data, 1, why->out.len, stdout) != why->out.len) {
        err_set(&why->failure, ERR_IO, "standard output takes no more");
        why->code = EXIT_WORLD_FAILED;
        return false;
    }
    buf_clear(&why->out);
    return true;
}

/* What a record's error makes of the whole; true when there is none. */
static bool goes_on(struct why *why, enum err err) {
    if (err != ERR_NONE) {
        why->code = err == ERR_STORE || err == ERR_TOO_LARGE ? EXIT_WORLD_FAILED : EXIT_DIFFERENCE;
    }
    return err == ERR_NONE;
}

static bool on_stock(void *context, const struct log_record *record) {
    struct why *why = context;
    return goes_on(why, why_stock_record(&why->stock, record, &why->out, &why->failure)) && flush_out(why);
}

static bool on_own(void *context, const struct log_record *record) {
    struct why *why = context;
    return goes_on(why, why_story_record(&why->story, record, &why->failure));
}

static bool on_sku(void *context, const struct log_record *record) {
    struct why *why = context;
    return goes_on(why, why_story_stock_record(&why->story, record, &why->failure));
}

/* Reads partitions from their first record on; the exit code. */
static int walk(struct why *why, bool (*on_record)(void *, const struct log_record *), struct log_partition *partitions,
                size_t count) {
    const struct log_walk walk = {
        .brokers = why->config->kafka_brokers,
        .client_id = "daybook-why",
        .context = why,
        .on_record = on_record,
    };
    struct err_info info;
    if (log_walk(&walk, partitions, count, &info) != ERR_NONE) {
        fprintf(stderr, "daybook why: %s\n", info.text);
        return EXIT_WORLD_FAILED;
    }
    if (why->code != EXIT_DONE) {
        fprintf(stderr, "daybook why: %s\n", why->failure.text);
    }
    return why->code;
}

static struct log_partition partition_of(const struct why *why, enum log_topic topic, struct str stream) {
    return (struct log_partition){.topic = why->topics.names[topic],
                                  .partition = shard_of_stream(stream, (uint32_t)why->config->shards),
                                  .offset = WALK_FROM_FIRST};
}

static int not_there(const struct why *why) {
    fprintf(stderr, "daybook why: there is no %s %.*s\n", aggregate_of_stream(why->stream)->noun,
            STR_ARGS(why->stream));
    return EXIT_WORLD_FAILED;
}

/* The last lines. */
static int finish(struct why *why) {
    if (!flush_out(why)) {
        fprintf(stderr, "daybook why: %s\n", why->failure.text);
    }
    return why->code;
}

static int run_stock(struct why *why) {
    struct log_partition partition = partition_of(why, TOPIC_STOCK, why->stream);
    why_stock_init(&why->stock, why->stream, why->json);
    int code = walk(why, on_stock, &partition, 1);
    if (code == EXIT_DONE && why->stock.fold.version == 0) {
        code = not_there(why);
    } else if (code == EXIT_DONE) {
        why_stock_conclude(&why->stock, &why->out);
        code = finish(why);
    }
    why_stock_release(&why->stock);
    return code;
}

/* The partitions in which the SKUs with a part in the story live. */
static size_t partitions_of_skus(const struct why *why, struct log_partition *ret_partitions) {
    uint32_t shards = (uint32_t)why->config->shards;
    bool has[PARTITIONS_MAX] = {0};
    for (uint32_t i = 0; i < why->story.skus.count; i++) {
        has[shard_of_key(why->story.skus.entries[i].key, shards)] = true;
    }
    size_t count = 0;
    for (uint32_t shard = 0; shard < shards; shard++) {
        if (has[shard]) {
            ret_partitions[count++] =
                (struct log_partition){why->topics.names[TOPIC_STOCK], (int32_t)shard, WALK_FROM_FIRST};
        }
    }
    return count;
}

/* The stream's own events, or those of all that a purchase consists of. */
static size_t own_partitions(const struct why *why, struct log_partition *ret_partitions) {
    const struct aggregate *aggregate = aggregate_of_stream(why->stream);
    bool is_of_purchase =
        aggregate == &cart_aggregate || aggregate == &order_aggregate || aggregate == &payment_aggregate;
    if (!is_of_purchase) {
        ret_partitions[0] = partition_of(why, log_topic_of_family(str_of_cstr(aggregate->family)), why->stream);
        return 1;
    }
    ret_partitions[0] = partition_of(why, TOPIC_CARTS, why->stream);
    ret_partitions[1] = partition_of(why, TOPIC_ORDERS, why->stream);
    ret_partitions[2] = partition_of(why, TOPIC_PAYMENTS, why->stream);
    return 3;
}

static int run_story(struct why *why) {
    static struct log_partition partitions[PARTITIONS_MAX];
    why_story_init(&why->story, why->stream, why->json);
    int code = walk(why, on_own, partitions, own_partitions(why, partitions));
    if (code == EXIT_DONE && why->story.fold.version == 0) {
        code = not_there(why);
    }
    size_t count = code == EXIT_DONE ? partitions_of_skus(why, partitions) : 0;
    if (count > 0) {
        code = walk(why, on_sku, partitions, count);
    }
    if (code == EXIT_DONE) {
        why_story_write(&why->story, &why->out);
        code = finish(why);
    }
    why_story_release(&why->story);
    return code;
}

static int run(const struct config *config, int argc, char **argv) {
    struct why why = {.config = config};
    int code = arguments_read(argc, argv, &why);
    code = code == EXIT_DONE ? installation_log_check(config, "why") : code;
    if (code != EXIT_DONE) {
        return code;
    }
    log_topics_name(&why.topics, config->topic_prefix);
    buf_init(&why.out, OUT_MAX_BYTES);
    code = str_starts_with(why.stream, STR("sku_")) ? run_stock(&why) : run_story(&why);
    buf_release(&why.out);
    return code;
}

const struct command_line why_command = {
    .name = "why",
    .usage = "STREAM [--json]",
    .summary = "print what led to where a stream stands: each cause, by whom",
    .help =
        "Of a SKU (sku_MUG-1): each event that changed what is on hand or reserved, in its order, with the figures\n"
        "before and after it, who did it, by which command, caused by which event, and for which order of which cart.\n"
        "A line a location. The last line is the sum.\n\n"
        "Of any other stream (ord_01JD....1, cus_01JD...): its events, and, of a purchase back over all streams, what\n"
        "caused them: the cart's checkout, the SKUs that were held, the provider's answer, to the commands from\n"
        "outside. In the order of time, a cause before what it caused; each line has the number of its cause. Last "
        "the\n"
        "state.\n\n"
        "Reads the stream's partition of its family's topic from the first offset to where it ended at the start; for "
        "a\n"
        "purchase those of carts, orders and payments, and then those of its SKUs. The stream's own hash chain is\n"
        "checked on the way.\n\n"
        "  --json  each line a JSON object\n\n"
        "Memory: 64 MiB of records read ahead; for a SKU two states, and 150 bytes for each of its reservations; else\n"
        "the events that may have a part in it, at most 20,000 or 64 MiB.\n\n"
        "Exit codes: 0 done; 1 the log cannot be read, there is no such stream, or too many events have a part in it;\n"
        "2 wrong usage, or another number of shards than the log has; 3 the stream's history is broken.",
    .run = run,
};
