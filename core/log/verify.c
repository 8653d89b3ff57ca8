#include "core/log/verify.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/log/record.h"
#include "core/log/verify_parts.h"
#include "gen/codec.h"

enum {
    ARENA_MAX_BYTES = 64 * 1024 * 1024, /* a record's arrays: more than RECORD_MAX_BYTES can decode to */
    TEXT_MAX = 512,
};

struct stream_record {
    uint8_t hash[CHAIN_HASH_BYTES];
    int64_t version;
    int64_t occurred_at_us;
};

struct verify *verify_new(uint32_t shard_count, verify_violation_cb *on_violation, void *context) {
    struct verify *verify = calloc_or_end(1, sizeof *verify);
    verify->shard_count = shard_count;
    verify->on_violation = on_violation;
    verify->context = context;
    arena_init(&verify->arena, ARENA_MAX_BYTES);
    digest_map_init(&verify->streams, sizeof(struct stream_record));
    digest_map_init(&verify->event_ids, 0);
    digest_map_init(&verify->mail_causes, 0);
    stock_maps_init(&verify->stock);
    money_maps_init(&verify->money);
    people_maps_init(&verify->people);
    category_map_init(&verify->categories);
    outcome_map_init(&verify->outcomes);
    return verify;
}

void verify_free(struct verify *verify) {
    if (verify == NULL) {
        return;
    }
    digest_map_release(&verify->streams);
    digest_map_release(&verify->event_ids);
    digest_map_release(&verify->mail_causes);
    stock_maps_release(&verify->stock);
    money_maps_release(&verify->money);
    people_maps_release(&verify->people);
    digest_map_release(&verify->categories);
    digest_map_release(&verify->outcomes);
    arena_release(&verify->arena);
    free(verify);
}

void verify_tell(struct verify *verify, const char *rule, const char *format, ...) {
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct violation violation = verify->at;
    violation.rule = rule;
    violation.text = text;
    verify->summary.violations++;
    verify->on_violation(verify->context, &violation);
}

/* ---- events --------------------------------------------------------------------------------------------------------
 */

static void check_place(struct verify *verify, const struct event *event, const struct log_record *record) {
    struct str stream = event->meta.stream;
    const struct event_info *info = event_info(event->type);
    if (log_topic_of_family(str_of_cstr(info->family)) != verify->at.topic) {
        verify_tell(verify, "record", "%s is an event of the family %s", info->name, info->family);
    }
    int32_t shard = shard_of_stream(stream, verify->shard_count);
    if (record->partition != shard) {
        verify_tell(verify, "record", "the stream's shard is %d", shard);
    }
    if (!str_equal(record->key, shard_key(stream))) {
        verify_tell(verify, "record", "the key is '%.*s', not the stream's shard key", STR_ARGS(record->key));
    }
}

static void check_history(struct verify *verify, const struct event *event, const struct log_record *record) {
    bool is_new;
    struct str stream = event->meta.stream;
    struct stream_record *known = digest_map_at(&verify->streams, digest_of(stream, STR("")), &is_new);
    verify->summary.streams += is_new;
    struct err_info info;
    if (chain_check(event, known->version, known->hash, known->occurred_at_us, &info) != ERR_NONE) {
        verify_tell(verify, "history", "%s", info.text);
    }
    known->version = event->meta.version;
    known->occurred_at_us = event->meta.occurred_at;
    chain_hash(record->value, known->hash);

    digest_map_at(&verify->event_ids, digest_of(stream, event->meta.event_id), &is_new);
    if (!is_new) {
        verify_tell(verify, "history", "the event id %.*s stands in the stream twice", STR_ARGS(event->meta.event_id));
    }
}

/* What became of a mail is said of one that the order asked for before: when it was confirmed, or afterwards. */
static void verify_order(struct verify *verify, const struct event *event) {
    bool is_new;
    if (event->type == EVENT_ORDER_CONFIRMED || event->type == EVENT_ORDER_CONFIRMATION_REQUESTED) {
        digest_map_at(&verify->mail_causes, digest_of(event->meta.stream, event->meta.event_id), &is_new);
    } else if (event->type == EVENT_ORDER_MAILED) {
        struct str cause = event->as.order_mailed.cause;
        digest_map_at(&verify->mail_causes, digest_of(event->meta.stream, cause), &is_new);
        if (is_new) {
            verify_tell(verify, "mail", "%.*s is no event of the order that asks for a mail", STR_ARGS(cause));
        }
    }
}

static void event_record(struct verify *verify, const struct log_record *record) {
    struct event event;
    struct err_info info;
    if (event_record_read(&verify->arena, record->value, &event, &info) != ERR_NONE) {
        verify_tell(verify, "record", "%s", info.text);
        return;
    }
    verify->at.stream = event.meta.stream;
    check_place(verify, &event, record);
    check_history(verify, &event, record);
    enum log_topic family = log_topic_of_family(str_of_cstr(event_info(event.type)->family));
    if (family == TOPIC_STOCK) {
        verify_stock(verify, &event);
    } else if (family == TOPIC_PAYMENTS) {
        verify_payment(verify, &event);
    } else if (family == TOPIC_IDENTITIES) {
        verify_identity(verify, &event);
    } else if (family == TOPIC_CUSTOMERS) {
        verify_customer(verify, &event);
    } else if (family == TOPIC_ORDERS) {
        verify_order(verify, &event);
    } else if (family == TOPIC_CATEGORIES) {
        verify_category(verify, &event);
    }
}

static void outcome_record(struct verify *verify, const struct log_record *record) {
    uint32_t schema_id;
    struct str avro;
    struct outcome outcome;
    const char *why = "it has no schema frame";
    if (!frame_read(record->value, &schema_id, &avro) ||
        !outcome_decode_as(&verify->arena, schema_id, avro, &outcome, &why)) {
        verify_tell(verify, "record", "it is no outcome: %s", why);
        return;
    }
    verify->at.stream = outcome.command_id;
    verify_outcome(verify, &outcome);
}

void verify_record(struct verify *verify, enum log_topic topic, const struct log_record *record) {
    assert(!record->end);
    assert(topic == TOPIC_OUTCOMES || topic >= TOPIC_FIRST_EVENTS);
    verify->at = (struct violation){.topic = topic, .partition = record->partition, .offset = record->offset};
    verify->summary.records[topic]++;
    arena_reset(&verify->arena);
    if (topic == TOPIC_OUTCOMES) {
        outcome_record(verify, record);
    } else {
        event_record(verify, record);
    }
}

struct verify_summary verify_summary(const struct verify *verify) {
    struct verify_summary summary = verify->summary;
    const struct digest_map *maps[] = {
        &verify->streams,        &verify->event_ids,      &verify->stock.levels,   &verify->stock.totals,
        &verify->stock.holds,    &verify->money.payments, &verify->money.refunds,  &verify->money.intents,
        &verify->money.disputes, &verify->people.claims,  &verify->people.persons, &verify->people.sessions,
        &verify->mail_causes,    &verify->categories,     &verify->outcomes,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(maps); i++) {
        summary.memory_bytes += digest_map_bytes(maps[i]);
    }
    summary.reservations = (int64_t)verify->stock.holds.count;
    summary.payments = (int64_t)verify->money.payments.count;
    summary.outcomes = (int64_t)verify->outcomes.count;
    return summary;
}
