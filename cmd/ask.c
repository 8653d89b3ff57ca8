#include "cmd/ask.h"

#include <assert.h>
#include <time.h>

#include "core/base/shard.h"
#include "core/base/timestamp.h"
#include "core/domain/aggregate.h"
#include "core/gateway/identity.h"
#include "core/log/producer.h"
#include "core/log/record.h"
#include "core/log/topics.h"
#include "core/log/walk.h"

enum { DELIVERY_TIMEOUT_MS = 30000, CLOSE_MS = 35000, LOOK_EVERY_MS = 100, PLACES = 2 };

struct asking {
    const struct ask *ask;
    const struct command *command;
    struct ask_answer *answer;
    struct log_topics topics;
    struct log_partition places[PLACES]; /* of the outcomes, and of the stream's events */
    size_t place_count;
    bool has_outcome, has_event;
    enum err delivery;
    struct err_info why;
};

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void complete(const struct ask *ask, struct command *command) {
    struct command_meta *meta = &command->meta;
    meta->issued_at = clock_wall_us();
    if (str_is_empty(meta->command_id)) {
        meta->command_id = identity_fresh(ask->arena, meta->stream, meta->issued_at);
    }
    meta->correlation_id = meta->command_id;
    meta->causation_id = meta->command_id;
    meta->actor = STR("system");
    meta->client_key = true; /* its outcome is recorded */
    meta->reply_partition = -1;
}

static void on_delivered(void *context, enum err result, const struct err_info *info) {
    struct asking *asking = context;
    asking->delivery = result;
    if (result != ERR_NONE && info != NULL) {
        asking->why = *info;
    }
}

static enum err send_command(struct asking *asking, struct err_info *info) {
    const struct config *config = asking->ask->config;
    const struct log_producer_options options = {.brokers = config->kafka_brokers,
                                                 .client_id = asking->ask->client_id,
                                                 .delivery_timeout_ms = DELIVERY_TIMEOUT_MS};
    struct log_producer *producer;
    enum err err = log_producer_open(&options, &producer, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct str stream = asking->command->meta.stream;
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, asking->command);
    err = !buf_ok(&value) ? err_set(info, ERR_TOO_LARGE, "the command is larger than a record may be")
                          : log_producer_send(producer, asking->topics.names[TOPIC_COMMANDS],
                                              shard_of_stream(stream, (uint32_t)config->shards), shard_key(stream),
                                              buf_text(&value), NULL, 0, on_delivered, asking, info);
    log_producer_close(producer, CLOSE_MS); /* waits for the delivery */
    buf_release(&value);
    if (err == ERR_NONE && asking->delivery != ERR_NONE && asking->delivery != ERR_IN_DOUBT) {
        *info = asking->why;
        return asking->delivery;
    }
    return err; /* in doubt: what became of it is looked for */
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static bool is_over(const struct asking *asking) {
    bool is_refused = asking->has_outcome && asking->answer->outcome.status == OUTCOME_STATUS_REJECTED;
    return is_refused || (asking->has_outcome && (asking->ask->is_end == NULL || asking->has_event));
}

/* The record is lent, what is read into the answer points into it. */
static void take_outcome(struct asking *asking, const struct log_record *record) {
    struct str command_id = asking->command->meta.command_id;
    struct outcome outcome;
    if (str_equal(record->key, command_id) &&
        outcome_read(asking->ask->arena, arena_str_copy(asking->ask->arena, record->value), &outcome)) {
        asking->answer->outcome = outcome;
        asking->has_outcome = outcome.status == OUTCOME_STATUS_ACCEPTED || outcome.status == OUTCOME_STATUS_REJECTED;
    }
}

static void take_event(struct asking *asking, const struct log_record *record) {
    const struct command_meta *meta = &asking->command->meta;
    struct event event;
    struct err_info ignored; /* an event of a newer release is none of ours */
    if (!str_equal(record->key, shard_key(meta->stream)) ||
        event_record_read(asking->ask->arena, arena_str_copy(asking->ask->arena, record->value), &event, &ignored) !=
            ERR_NONE) {
        return;
    }
    if (str_equal(event.meta.stream, meta->stream) && str_equal(event.meta.correlation_id, meta->command_id) &&
        asking->ask->is_end(&event)) {
        asking->answer->event = event;
        asking->has_event = true;
    }
}

static bool on_record(void *context, const struct log_record *record) {
    struct asking *asking = context;
    bool is_outcome = strcmp(record->topic, asking->places[0].topic) == 0;
    asking->places[is_outcome ? 0 : 1].offset = record->offset + 1;
    if (is_outcome) {
        take_outcome(asking, record);
    } else {
        take_event(asking, record);
    }
    return !is_over(asking);
}

static void choose_places(struct asking *asking) {
    const struct ask *ask = asking->ask;
    struct str stream = asking->command->meta.stream;
    int32_t shard = shard_of_stream(stream, (uint32_t)ask->config->shards);
    const struct aggregate *aggregate = aggregate_of_stream(stream);
    assert(aggregate != NULL);
    enum log_topic events = log_topic_of_family(str_of_cstr(aggregate->family));
    asking->places[0] = (struct log_partition){asking->topics.names[TOPIC_OUTCOMES], shard, 0};
    asking->places[1] = (struct log_partition){asking->topics.names[events], shard, 0};
    asking->place_count = ask->is_end == NULL ? 1 : 2;
}

static enum err find_ends(struct asking *asking, struct err_info *info) {
    int64_t ends[PLACES];
    enum err err = log_walk_ends(asking->ask->config->kafka_brokers, asking->ask->client_id, asking->places,
                                 asking->place_count, ends, info);
    for (size_t i = 0; i < asking->place_count && err == ERR_NONE; i++) {
        asking->places[i].offset = ends[i];
    }
    return err;
}

static enum err wait_for_answer(struct asking *asking, struct err_info *info) {
    const struct log_walk walk = {.brokers = asking->ask->config->kafka_brokers,
                                  .client_id = asking->ask->client_id,
                                  .stall_ms = ASK_WAIT_S * 1000,
                                  .context = asking,
                                  .on_record = on_record};
    int64_t until = clock_boot_us() + (int64_t)ASK_WAIT_S * MICROS_PER_SECOND;
    while (!is_over(asking)) {
        struct log_partition from[PLACES];
        memcpy(from, asking->places, sizeof from); /* the walk notes in them where it began */
        enum err err = log_walk(&walk, from, asking->place_count, info);
        if (err != ERR_NONE) {
            return err;
        }
        if (!is_over(asking) && clock_boot_us() >= until) {
            return err_set(info, ERR_TIMEOUT,
                           "nobody answered within %d s: does a handler run? The command stands in the log, and takes "
                           "effect when one does",
                           ASK_WAIT_S);
        }
        if (!is_over(asking)) {
            nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
        }
    }
    return ERR_NONE;
}

enum err ask_log(const struct ask *ask, struct command *command, struct ask_answer *ret_answer, struct err_info *info) {
    struct ask_answer answer = {0};
    struct asking asking = {.ask = ask, .command = command, .answer = &answer, .delivery = ERR_TIMEOUT};
    err_set(&asking.why, ERR_TIMEOUT, "no broker took the command within %d s", DELIVERY_TIMEOUT_MS / 1000);
    complete(ask, command);
    log_topics_name(&asking.topics, ask->config->topic_prefix);
    choose_places(&asking);
    enum err err = find_ends(&asking, info);
    err = err == ERR_NONE ? send_command(&asking, info) : err;
    err = err == ERR_NONE ? wait_for_answer(&asking, info) : err;
    if (err == ERR_NONE) {
        *ret_answer = answer;
    }
    return err;
}
