/* dead_letters.c: `daybook dead-letters`: what was set aside, and how it is sent again once its cause is mended. */
#include "cmd/command.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/installation.h"
#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/handler/poison.h"
#include "core/log/producer.h"
#include "core/log/record.h"
#include "core/log/topics.h"
#include "core/log/walk.h"
#include "gen/codec.h"

enum { ARENA_MAX_BYTES = 16 * 1024 * 1024, DELIVERY_TIMEOUT_MS = 30000, CLOSE_MS = 35000 };

struct letters {
    const struct config *config;
    struct log_topics topics;
    struct arena arena;
    int64_t count;
    /* Of resend: */
    int64_t wanted_offset;
    int code;
    enum err delivery;
    struct err_info info;
};

/* ---- list ---------------------------------------------------------------------------------------------------------
 */

/* "SetCartLine cmd_... to cart_...", as far as it can be read. */
static void print_command(struct str value) {
    uint32_t schema_id;
    struct str avro;
    struct command_meta meta;
    const struct schema *schema = frame_read(value, &schema_id, &avro) ? schema_by_id(schema_id) : NULL;
    printf("  %s", schema == NULL ? "of no schema known here" : schema->name);
    if (poison_meta_read(value, &meta)) {
        printf(" %.*s to %.*s", STR_ARGS(meta.command_id), STR_ARGS(meta.stream));
    }
}

static bool on_listed(void *context, const struct log_record *record) {
    struct letters *letters = context;
    char time[TIMESTAMP_TEXT_MAX + 1];
    time[timestamp_write(record->timestamp_us, time)] = '\0';
    struct str topic = log_record_header(record, "daybook_topic"), offset = log_record_header(record, "daybook_offset"),
               partition = log_record_header(record, "daybook_partition"),
               reason = log_record_header(record, "daybook_reason");
    printf("%d %" PRId64 "  %s  from %.*s[%.*s] at %.*s: %.*s\n", record->partition, record->offset, time,
           STR_ARGS(topic), STR_ARGS(partition), STR_ARGS(offset), STR_ARGS(reason));
    print_command(record->value);
    printf("\n");
    letters->count++;
    return true;
}

static int list(struct letters *letters) {
    size_t count = (size_t)letters->config->shards;
    struct log_partition *partitions = calloc_or_end(count, sizeof *partitions);
    for (size_t i = 0; i < count; i++) {
        partitions[i] = (struct log_partition){letters->topics.names[TOPIC_DEAD_LETTERS], (int32_t)i, WALK_FROM_FIRST};
    }
    const struct log_walk walk = {.brokers = letters->config->kafka_brokers,
                                  .client_id = "daybook-dead-letters",
                                  .context = letters,
                                  .on_record = on_listed};
    enum err err = log_walk(&walk, partitions, count, &letters->info);
    free(partitions);
    if (err != ERR_NONE) {
        fprintf(stderr, "daybook dead-letters: %s\n", letters->info.text);
        return EXIT_WORLD_FAILED;
    }
    printf("%" PRId64 " dead letters\n", letters->count);
    return EXIT_DONE;
}

/* ---- resend -------------------------------------------------------------------------------------------------------
 */

/* The same letter always gets the same id, so that sending it twice has one effect. */
static struct str resent_id(struct arena *arena, struct str stream, const struct log_record *letter) {
    struct str text = arena_printf(arena, "resent|%d|%" PRId64, letter->partition, letter->offset);
    uint8_t hash[ULID_BYTES];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)text.data, text.len);
    crypto_generichash_update(&state, (const uint8_t *)letter->value.data, letter->value.len);
    crypto_generichash_final(&state, hash, sizeof hash);
    return command_id_of_hash(arena, stream, hash);
}

/* What it was, under a new id and of now: under its own it is refused already. */
static bool command_made(struct letters *letters, const struct log_record *letter, struct command *command) {
    struct str topic = log_record_header(letter, "daybook_topic");
    if (!str_equal(topic, str_of_cstr(letters->topics.names[TOPIC_COMMANDS]))) {
        err_set(&letters->info, ERR_CONFIG, "it is not of the commands, but of %.*s", STR_ARGS(topic));
        return false;
    }
    if (command_record_read(&letters->arena, letter->value, command, &letters->info) != ERR_NONE) {
        return false;
    }
    struct command_meta *meta = &command->meta;
    meta->command_id = resent_id(&letters->arena, meta->stream, letter);
    meta->issued_at = clock_wall_us();
    meta->client_key = true; /* its outcome is kept, so that it can be asked for */
    meta->reply_partition = -1;
    meta->reply_instance = (struct str){0};
    return true;
}

static void on_delivered(void *context, enum err result, const struct err_info *info) {
    struct letters *letters = context;
    letters->delivery = result;
    if (result != ERR_NONE && info != NULL) {
        letters->info = *info;
    }
}

static enum err command_sent(struct letters *letters, const struct command *command, int32_t shard) {
    const struct log_producer_options options = {.brokers = letters->config->kafka_brokers,
                                                 .client_id = "daybook-dead-letters",
                                                 .delivery_timeout_ms = DELIVERY_TIMEOUT_MS};
    struct log_producer *producer;
    enum err err = log_producer_open(&options, &producer, &letters->info);
    if (err != ERR_NONE) {
        return err;
    }
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, command);
    letters->delivery = ERR_TIMEOUT;
    err = !buf_ok(&value) ? err_set(&letters->info, ERR_TOO_LARGE, "the command is larger than a record may be")
                          : log_producer_send(producer, letters->topics.names[TOPIC_COMMANDS], shard,
                                              shard_key(command->meta.stream), buf_text(&value), NULL, 0, on_delivered,
                                              letters, &letters->info);
    log_producer_close(producer, CLOSE_MS); /* waits for the delivery */
    buf_release(&value);
    return err == ERR_NONE ? letters->delivery : err;
}

static bool on_resent(void *context, const struct log_record *letter) {
    struct letters *letters = context;
    if (letter->offset != letters->wanted_offset) {
        return false; /* there is none at that offset: a marker, say */
    }
    letters->count = 1;
    struct command command;
    if (!command_made(letters, letter, &command)) {
        fprintf(stderr, "daybook dead-letters: it cannot be sent again: %s\n", letters->info.text);
        letters->code = EXIT_DIFFERENCE;
        return false;
    }
    int32_t shard = shard_of_stream(command.meta.stream, (uint32_t)letters->config->shards);
    if (command_sent(letters, &command, shard) != ERR_NONE) {
        fprintf(stderr, "daybook dead-letters: it was not sent: %s\n", letters->info.text);
        letters->code = EXIT_WORLD_FAILED;
        return false;
    }
    printf("%s for %.*s was sent again; what came of it: GET /v1/commands/%.*s.%d\n", command_name(command.type),
           STR_ARGS(command.meta.stream), STR_ARGS(command.meta.command_id), shard);
    return false;
}

static int resend(struct letters *letters, int32_t partition_number) {
    struct log_partition partition = {letters->topics.names[TOPIC_DEAD_LETTERS], partition_number,
                                      letters->wanted_offset};
    const struct log_walk walk = {.brokers = letters->config->kafka_brokers,
                                  .client_id = "daybook-dead-letters",
                                  .context = letters,
                                  .on_record = on_resent};
    if (log_walk(&walk, &partition, 1, &letters->info) != ERR_NONE) {
        fprintf(stderr, "daybook dead-letters: %s\n", letters->info.text);
        return EXIT_WORLD_FAILED;
    }
    if (letters->count == 0) {
        fprintf(stderr, "daybook dead-letters: there is no letter at %d %" PRId64 "; `daybook dead-letters list`\n",
                partition_number, letters->wanted_offset);
        return EXIT_WRONG_USAGE;
    }
    return letters->code;
}

/* ---- the subcommand -----------------------------------------------------------------------------------------------
 */

static int run(const struct config *config, int argc, char **argv) {
    bool lists = argc == 2 && strcmp(argv[1], "list") == 0;
    bool resends = argc == 4 && strcmp(argv[1], "resend") == 0;
    struct letters letters = {.config = config, .code = EXIT_DONE};
    int64_t partition = 0;
    bool is_placed = resends && int64_read(str_of_cstr(argv[2]), &partition) && partition >= 0 &&
                     partition < config->shards && int64_read(str_of_cstr(argv[3]), &letters.wanted_offset) &&
                     letters.wanted_offset >= 0;
    if (!lists && !is_placed) {
        fprintf(stderr, "usage: daybook dead-letters %s\n", dead_letters_command.usage);
        return EXIT_WRONG_USAGE;
    }
    int code = installation_log_check(config, "dead-letters");
    if (code != EXIT_DONE) {
        return code;
    }
    log_topics_name(&letters.topics, config->topic_prefix);
    arena_init(&letters.arena, ARENA_MAX_BYTES);
    code = lists ? list(&letters) : resend(&letters, (int32_t)partition);
    arena_release(&letters.arena);
    return code;
}

const struct command_line dead_letters_command = {
    .name = "dead-letters",
    .usage = "list | resend PARTITION OFFSET",
    .summary = "show what was set aside, or send one of it again",
    .help =
        "list                     each dead letter: its partition and offset, when, where it came from, why, and as "
        "much\n"
        "                         of the command as can be read.\n"
        "resend PARTITION OFFSET  sends that command again, of now and under a new id, to its stream's shard. For "
        "when\n"
        "                         the cause is mended: a handler that knows its schema, or no longer dies of it. Sent\n"
        "                         twice it takes effect once. The letter stays.\n\n"
        "Exit codes: 0 done; 1 the log failed; 2 wrong usage, or there is no such letter; 3 this version cannot read "
        "it\n"
        "either.",
    .run = run,
};
