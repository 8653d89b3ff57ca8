/* oracle_settled.c: whether all that was begun has ended. */
#include "core/testing/simulator/oracle_parts.h"

#include "core/base/timestamp.h"
#include "core/handler/group.h"

/* Nothing that can be read lies at or behind the group's offset. */
static void judge_undecided(struct oracle *oracle, const char *group, int32_t number) {
    const char *topic = oracle->topics.names[TOPIC_COMMANDS];
    const struct broker_partition *partition = oracle->options.sources->partition(topic, number);
    int64_t offset = oracle->options.sources->group_offset(group, topic, number);
    int64_t undecided = 0, first = -1;
    for (int64_t i = offset < 0 ? 0 : offset; partition != NULL && i < partition->count; i++) {
        const struct broker_record *record = &partition->records[i];
        if (record->kind == BROKER_DATA && !record->is_aborted) {
            first = undecided == 0 ? i : first;
            undecided++;
        }
    }
    if (undecided > 0) {
        oracle_tell(oracle, "settled.undecided",
                    "%s[%d]: the group stands at %lld; %lld commands from %lld on are undecided", topic, number,
                    (long long)offset, (long long)undecided, (long long)first);
    }
}

static void judge_open(struct oracle *oracle, enum log_topic topic, int32_t number) {
    const struct broker_partition *partition = oracle->options.sources->partition(oracle->topics.names[topic], number);
    if (partition != NULL && partition->open != NULL) {
        oracle_tell(oracle, "settled.open", "%s[%d]: a transaction is open from offset %lld on", partition->topic,
                    number, (long long)oracle->options.sources->stable_offset(partition));
    }
}

static void judge_intents(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        const struct payment_fold *payment = oracle_payment_fold(oracle, stream->id);
        if (payment == NULL || payment->has_contradiction) {
            continue;
        }
        bool owes_refund = payment->refund_pending_minor > 0;
        if (payment->owes_charge || payment->owes_capture || payment->owes_void || owes_refund) {
            oracle_tell(oracle, "settled.intent", "%.*s: unanswered are:%s%s%s%s", STR_ARGS(stream->id),
                        payment->owes_charge ? " charge" : "", payment->owes_capture ? " capture" : "",
                        payment->owes_void ? " void" : "", owes_refund ? " refund" : "");
        }
    }
}

void oracle_judge_settled(struct oracle *oracle) {
    const struct oracle_options *options = &oracle->options;
    char group[GROUP_NAME_MAX];
    handlers_group_name(options->config->topic_prefix, group);
    for (int32_t number = 0; number < (int32_t)oracle->shards; number++) {
        judge_undecided(oracle, group, number);
        for (int topic = 0; topic < TOPIC_COUNT; topic++) {
            judge_open(oracle, (enum log_topic)topic, number);
        }
    }
    judge_intents(oracle);
    if (options->sources->mail_count != NULL) {
        oracle_judge_owed(oracle);
    }
    if (oracle->torn_commands > oracle->dead_letters) {
        oracle_tell(oracle, "settled.torn", "%lld records were sent torn; there are %lld dead letters",
                    (long long)oracle->torn_commands, (long long)oracle->dead_letters);
    }
    uint32_t webhooks = options->sources->webhooks_open == NULL ? 0 : options->sources->webhooks_open();
    if (webhooks > 0) {
        oracle_tell(oracle, "settled.webhook", "%u webhooks of the provider are untold", webhooks);
    }
    int64_t took_us = options->settled_us - options->healed_us;
    if (options->settle_most_us > 0 && (options->settled_us < 0 || took_us > options->settle_most_us)) {
        oracle_tell(oracle, "settled.late", "it took %lld ms from healing to rest; at most %lld ms are allowed",
                    options->settled_us < 0 ? -1LL : (long long)(took_us / MICROS_PER_MS),
                    (long long)(options->settle_most_us / MICROS_PER_MS));
    }
}
