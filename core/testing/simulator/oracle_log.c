#include "core/testing/simulator/oracle_parts.h"

#include <inttypes.h>

#include "core/base/shard.h"
#include "core/base/timestamp.h"

/* ---- what is known, made when it is first met -------------------------------------------------------------------- */

static struct known_command *command_at(struct oracle *oracle, struct str id) {
    void **at = map_at(&oracle->commands, id);
    if (*at == NULL) {
        struct known_command *command = arena_alloc(&oracle->arena, sizeof *command);
        command->id = id;
        *at = command;
    }
    return *at;
}

static struct seen_stream *stream_at(struct oracle *oracle, struct str id) {
    void **at = map_at(&oracle->streams, id);
    if (*at == NULL) {
        struct seen_stream *stream = arena_alloc(&oracle->arena, sizeof *stream);
        stream->id = id;
        *at = stream;
    }
    return *at;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

struct reading {
    struct oracle *oracle;
    const struct broker_record *record;
    struct place_in_log at;
};

static void read_event(const struct reading *reading) {
    struct oracle *oracle = reading->oracle;
    struct seen_event *seen = arena_alloc(&oracle->arena, sizeof *seen);
    struct err_info info;
    if (event_record_read(&oracle->arena, reading->record->value, &seen->event, &info) != ERR_NONE) {
        oracle_tell(oracle, "log.record", PLACE_FORMAT ": %s", PLACE_ARGS(reading->at), info.text);
        return;
    }
    const struct event_meta *meta = &seen->event.meta;
    const struct event_info *type = event_info(seen->event.type);
    bool is_in_place = log_topic_of_family(str_of_cstr(type->family)) == reading->at.topic &&
                       shard_of_stream(meta->stream, oracle->shards) == reading->at.partition &&
                       str_equal(reading->record->key, shard_key(meta->stream));
    if (!is_in_place) {
        oracle_tell(oracle, "log.record", PLACE_FORMAT ": %s of %.*s under the key '%.*s' does not belong there",
                    PLACE_ARGS(reading->at), type->name, STR_ARGS(meta->stream), STR_ARGS(reading->record->key));
    }
    seen->value = reading->record->value;
    seen->at = reading->at;
    seen->producer_id = reading->record->producer_id;
    seen->command = command_at(oracle, meta->command_id);
    *ARRAY_PUSH(&oracle->arena, &seen->command->events) = seen;
    *ARRAY_PUSH(&oracle->arena, &stream_at(oracle, meta->stream)->events) = seen;
}

static void read_outcome(const struct reading *reading) {
    struct oracle *oracle = reading->oracle;
    struct seen_outcome *seen = arena_alloc(&oracle->arena, sizeof *seen);
    uint32_t schema_id;
    struct str avro;
    const char *why = "it has no frame";
    if (!frame_read(reading->record->value, &schema_id, &avro) ||
        !outcome_decode_as(&oracle->arena, schema_id, avro, &seen->outcome, &why)) {
        oracle_tell(oracle, "log.record", PLACE_FORMAT ": no outcome: %s", PLACE_ARGS(reading->at), why);
        return;
    }
    if (!str_equal(reading->record->key, seen->outcome.command_id)) {
        oracle_tell(oracle, "log.record", PLACE_FORMAT ": the outcome of %.*s under the key '%.*s'",
                    PLACE_ARGS(reading->at), STR_ARGS(seen->outcome.command_id), STR_ARGS(reading->record->key));
    }
    seen->at = reading->at;
    journal_digest(&seen->outcome, seen->digest);
    *ARRAY_PUSH(&oracle->arena, &command_at(oracle, seen->outcome.command_id)->outcomes) = seen;
}

static uint32_t mark_of(const struct broker_record *record) {
    uint32_t number = 0;
    for (size_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, "traceparent") == 0 &&
            !journal_trace_read(record->headers[i].value, &number)) {
            number = 0;
        }
    }
    return number;
}

/* Whether a client sent it so. */
static bool is_torn(const struct oracle *oracle, uint32_t mark) {
    const struct journal *journal = oracle->options.journal;
    return mark > 0 && mark <= journal->count && journal->entries[mark - 1]->is_torn;
}

static void read_command(const struct reading *reading) {
    struct oracle *oracle = reading->oracle;
    struct seen_command *seen = arena_alloc(&oracle->arena, sizeof *seen);
    struct err_info info;
    seen->mark = mark_of(reading->record);
    if (command_record_read(&oracle->arena, reading->record->value, &seen->command, &info) != ERR_NONE) {
        if (is_torn(oracle, seen->mark)) {
            oracle->torn_commands++;
            return;
        }
        oracle_tell(oracle, "log.record", PLACE_FORMAT ": %s", PLACE_ARGS(reading->at), info.text);
        return;
    }
    seen->at = reading->at;
    seen->timestamp_us = reading->record->timestamp_ms * MICROS_PER_MS;
    if (seen->command.type == COMMAND_ASK_OUTCOME) {
        struct known_command *asked = command_at(oracle, seen->command.as.ask_outcome.asked);
        *ARRAY_PUSH(&oracle->arena, &asked->questions) = seen;
    } else {
        struct known_command *command = command_at(oracle, seen->command.meta.command_id);
        *ARRAY_PUSH(&oracle->arena, &command->records) = seen;
    }
}

static void read_dead_letter(const struct reading *reading) {
    struct oracle *oracle = reading->oracle;
    oracle->dead_letters++;
    if (oracle->options.dead_letters_are_fine) {
        return;
    }
    struct str reason = STR("");
    for (size_t i = 0; i < reading->record->header_count; i++) {
        if (strcmp(reading->record->headers[i].name, "daybook_reason") == 0) {
            reason = reading->record->headers[i].value;
        }
    }
    oracle_tell(oracle, "settled.aside", PLACE_FORMAT ": a dead letter: %.*s", PLACE_ARGS(reading->at),
                STR_ARGS(reason));
}

static void read_record(const struct reading *reading) {
    switch (reading->at.topic) {
    case TOPIC_COMMANDS:
        read_command(reading);
        break;
    case TOPIC_OUTCOMES:
        read_outcome(reading);
        break;
    case TOPIC_DEAD_LETTERS:
        read_dead_letter(reading);
        break;
    case TOPIC_REPLIES: /* best effort: clients tell what they heard */
    case TOPIC_COUNT:
        break;
    case TOPIC_CATALOG:
    case TOPIC_STOCK:
    case TOPIC_CARTS:
    case TOPIC_ORDERS:
    case TOPIC_PAYMENTS:
    case TOPIC_IDENTITIES:
    case TOPIC_CUSTOMERS:
    case TOPIC_KEYS:
    case TOPIC_CATEGORIES:
        read_event(reading);
        break;
    }
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

static void read_partition(struct oracle *oracle, enum log_topic topic, int32_t number) {
    const char *name = oracle->topics.names[topic];
    const struct broker_partition *partition = oracle->options.sources->partition(name, number);
    if (partition == NULL) {
        oracle_tell(oracle, "log.record", "%s[%d] is not there", name, number);
        return;
    }
    int64_t end = oracle->options.sources->stable_offset(partition);
    for (int64_t offset = 0; offset < end; offset++) {
        const struct broker_record *record = &partition->records[offset];
        int64_t time_us = record->timestamp_ms * MICROS_PER_MS;
        oracle->newest_us[number] = time_us > oracle->newest_us[number] ? time_us : oracle->newest_us[number];
        oracle->coverage.aborted_records += record->kind == BROKER_DATA && record->is_aborted;
        if (record->kind == BROKER_DATA && !record->is_aborted) {
            read_record(&(struct reading){oracle, record, {topic, number, offset}});
        }
    }
}

void oracle_read(struct oracle *oracle) {
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int32_t number = 0; number < (int32_t)oracle->shards; number++) {
            read_partition(oracle, (enum log_topic)topic, number);
        }
    }
    const struct journal *journal = oracle->options.journal;
    for (uint32_t i = 0; i < journal->count; i++) {
        struct known_command *command = command_at(oracle, journal->entries[i]->command_id);
        *ARRAY_PUSH(&oracle->arena, &command->entries) = journal->entries[i];
    }
}
