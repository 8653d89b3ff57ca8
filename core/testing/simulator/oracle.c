#include "core/testing/simulator/oracle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "core/base/shard.h"
#include "core/testing/simulator/oracle_parts.h"

enum { TEXT_MAX = 768 };

void oracle_tell(struct oracle *oracle, const char *check, const char *format, ...) {
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *ARRAY_PUSH(&oracle->arena, &oracle->violations) =
        (struct oracle_violation){check, arena_printf(&oracle->arena, "%s", text).data};
}

static struct oracle *oracle_new(const struct oracle_options *options) {
    struct oracle *oracle = calloc(1, sizeof *oracle);
    assert(oracle != NULL);
    oracle->options = *options;
    oracle->shards = (uint32_t)options->config->shards;
    log_topics_name(&oracle->topics, options->config->topic_prefix);
    arena_init(&oracle->arena, ORACLE_MAX_BYTES);
    map_init(&oracle->streams, &oracle->arena);
    map_init(&oracle->commands, &oracle->arena);
    map_init(&oracle->holds, &oracle->arena);
    oracle->newest_us = arena_alloc(&oracle->arena, oracle->shards * sizeof *oracle->newest_us);
    oracle_read(oracle);
    oracle_fold_orders(oracle);
    oracle_fold_payments(oracle);
    oracle_fold_people(oracle);
    return oracle;
}

struct oracle *oracle_judge(const struct oracle_options *options) {
    struct oracle *oracle = oracle_new(options);
    oracle_judge_streams(oracle);
    oracle_judge_outcomes(oracle);
    oracle_judge_stock(oracle);
    oracle_judge_orders(oracle);
    oracle_judge_money(oracle);
    oracle_judge_people(oracle);
    oracle_judge_keys(oracle);
    oracle_judge_categories(oracle);
    oracle_judge_owners(oracle);
    oracle_judge_mails(oracle);
    oracle_judge_open_orders(oracle);
    oracle_judge_settled(oracle);
    if (options->compare_views != NULL) {
        options->compare_views(oracle, options->views_context);
    }
    oracle_cover(oracle);
    return oracle;
}

bool oracle_is_settled(const struct oracle_options *options, struct buf *ret_why) {
    struct oracle_options now = *options;
    now.settle_most_us = 0;
    now.dead_letters_are_fine = true;
    struct oracle *oracle = oracle_new(&now);
    oracle->violations = (struct violation_array){0}; /* what else is wrong is told at the end */
    oracle_judge_open_orders(oracle);
    oracle_judge_settled(oracle);
    bool is_settled = oracle->violations.count == 0;
    if (!is_settled && ret_why != NULL) {
        buf_printf(ret_why, "%s: %s", oracle->violations.items[0].check, oracle->violations.items[0].text);
    }
    oracle_free(oracle);
    return is_settled;
}

void oracle_free(struct oracle *oracle) {
    if (oracle != NULL) {
        arena_release(&oracle->arena);
        free(oracle);
    }
}

/* ---- what was found ---------------------------------------------------------------------------------------------- */

size_t oracle_violation_count(const struct oracle *oracle) {
    return oracle->violations.count;
}

struct oracle_violation oracle_violation_at(const struct oracle *oracle, size_t index) {
    assert(index < oracle->violations.count);
    return oracle->violations.items[index];
}

size_t oracle_violations_of(const struct oracle *oracle, const char *check) {
    size_t count = 0;
    for (uint32_t i = 0; i < oracle->violations.count; i++) {
        count += strcmp(oracle->violations.items[i].check, check) == 0;
    }
    return count;
}

void oracle_report(const struct oracle *oracle, FILE *file) {
    for (uint32_t i = 0; i < oracle->violations.count; i++) {
        fprintf(file, "VIOLATION %-18s %s\n", oracle->violations.items[i].check, oracle->violations.items[i].text);
    }
}

const struct coverage *oracle_coverage(const struct oracle *oracle) {
    return &oracle->coverage;
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

const char *oracle_topic_name(enum log_topic topic) {
    static const char *const names[] = {
#define TOPIC_NAME(id, suffix, retention) [TOPIC_##id] = (suffix),
        LOG_TOPIC_TABLE(TOPIC_NAME)
#undef TOPIC_NAME
    };
    return names[topic];
}

struct seen_stream *oracle_stream(const struct oracle *oracle, struct str id) {
    return map_get(&oracle->streams, id);
}

struct known_command *oracle_command(const struct oracle *oracle, struct str id) {
    return map_get(&oracle->commands, id);
}

struct hold_fold *oracle_hold(struct oracle *oracle, struct str sku_stream, struct str order) {
    struct str key = arena_printf(&oracle->arena, "%.*s %.*s", STR_ARGS(sku_stream), STR_ARGS(order));
    void **at = map_at(&oracle->holds, key);
    if (*at == NULL) {
        *at = arena_alloc(&oracle->arena, sizeof(struct hold_fold));
    }
    return *at;
}

bool oracle_may_be_lost(const struct oracle *oracle, const struct journal_entry *entry) {
    const struct oracle_options *options = &oracle->options;
    return options->cut_until_us > 0 && entry->answered_us >= options->cut_from_us &&
           entry->asked_us <= options->cut_until_us;
}

bool oracle_has_lost(const struct oracle *oracle, struct str stream) {
    const struct oracle_sources *sources = oracle->options.sources;
    return sources->has_lost != NULL && sources->has_lost(shard_key(stream));
}

static const void *fold_of(const struct oracle *oracle, struct str id, struct str prefix) {
    const struct seen_stream *stream = oracle_stream(oracle, id);
    return stream != NULL && str_starts_with(id, prefix) ? stream->fold : NULL;
}

const struct order_fold *oracle_order(const struct oracle *oracle, struct str id) {
    return fold_of(oracle, id, STR("ord_"));
}

const struct payment_fold *oracle_payment_fold(const struct oracle *oracle, struct str id) {
    return fold_of(oracle, id, STR("pay_"));
}

const struct seen_outcome *oracle_final(const struct known_command *command) {
    for (uint32_t i = 0; i < command->outcomes.count; i++) {
        enum outcome_status status = command->outcomes.items[i]->outcome.status;
        if (status == OUTCOME_STATUS_ACCEPTED || status == OUTCOME_STATUS_REJECTED) {
            return command->outcomes.items[i];
        }
    }
    return NULL;
}

bool oracle_sent(struct oracle *oracle, const struct journal_entry *entry, struct command *ret_command) {
    struct err_info info;
    return entry->record.len > 0 && command_record_read(&oracle->arena, entry->record, ret_command, &info) == ERR_NONE;
}

bool oracle_told_order(struct oracle *oracle, const struct journal_told *told, struct order_state *ret_order) {
    uint32_t schema_id;
    struct str avro;
    const char *why;
    return told->answer == JOURNAL_ACCEPTED && str_starts_with(told->stream, STR("ord_")) &&
           frame_read(told->resource, &schema_id, &avro) &&
           order_state_decode_as(&oracle->arena, schema_id, avro, ret_order, &why);
}
