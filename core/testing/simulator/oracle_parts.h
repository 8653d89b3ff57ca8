/* oracle_parts.h: what the files of the oracle share. Not for others.
 *
 * oracle.c          the judgement, violations, the report.
 * oracle_log.c      the log and the journal, read and put in order.
 * oracle_streams.c  histories of streams, effects of commands.
 * oracle_outcomes.c what was told.       oracle_stock.c    units.          oracle_orders.c   orders.
 * oracle_money.c    payments.            oracle_settled.c  rest.           oracle_history.c  for the checker.
 * oracle_people.c   customers and addresses.   oracle_owners.c   whose carts and orders are.
 * oracle_keys.c     API keys.            oracle_categories.c   the tree of categories.
 * oracle_coverage.c what was seen.        oracle_lives.c    changes of status that were seen.
 */
#pragma once

#include "core/base/array.h"
#include "core/base/map.h"
#include "core/log/record.h"
#include "core/log/topics.h"
#include "core/testing/simulator/oracle.h"
#include "gen/codec.h"

struct place_in_log {
    enum log_topic topic;
    int32_t partition;
    int64_t offset;
};

/* For printf: "%s[%d]@%lld". */
#define PLACE_FORMAT "%s[%d]@%lld"
#define PLACE_ARGS(place) oracle_topic_name((place).topic), (place).partition, (long long)(place).offset

struct known_command;

struct seen_event {
    struct event event;
    struct str value;
    struct place_in_log at;
    int64_t producer_id;
    struct known_command *command;
};

struct seen_event_array {
    struct seen_event **items;
    uint32_t count, capacity;
};

struct seen_stream {
    struct str id;
    struct seen_event_array events; /* in the order of the log */
    void *fold;                     /* of the file that judges its family */
};

struct seen_outcome {
    struct outcome outcome;
    struct place_in_log at;
    uint8_t digest[CHAIN_HASH_BYTES];
};

struct seen_outcome_array {
    struct seen_outcome **items;
    uint32_t count, capacity;
};

/* A record of `commands` that can be read by whoever waits for commits. */
struct seen_command {
    struct command command;
    struct place_in_log at;
    int64_t timestamp_us;
    uint32_t mark; /* the number of the journal's entry that it was sent for; 0: for none */
};

struct seen_command_array {
    struct seen_command **items;
    uint32_t count, capacity;
};

struct entry_array {
    const struct journal_entry **items;
    uint32_t count, capacity;
};

/* All that is known of one command id. */
struct known_command {
    struct str id;
    struct seen_event_array events;
    struct seen_outcome_array outcomes;
    struct seen_command_array records;
    struct seen_command_array questions; /* AskOutcome about it */
    struct entry_array entries;
};

struct violation_array {
    struct oracle_violation *items;
    uint32_t count, capacity;
};

/* The fold of an order. */
struct order_fold {
    enum order_status status;
    struct cart_line_array lines;
    int64_t total_minor;
    int64_t deadline_us;
    struct str_array payments;
    struct str kept_payment;    /* that confirmed it */
    struct str pending_command; /* that waits for its newest payment */
    uint32_t confirmations;
};

/* The fold of one reservation. */
struct hold_fold {
    enum reservation_status status;
    int64_t units;
};

/* The fold of a payment. */
struct payment_fold {
    struct str order;
    int64_t asked_minor, authorized_minor, captured_minor, refunded_minor, refund_pending_minor;
    int64_t contested_minor, lost_minor; /* by disputes that are open; that were lost */
    int64_t refunded_on_request_minor;   /* of the refunded: a client asked for it, not the order */
    uint32_t captures;
    bool awaits_step;       /* the shopper's, at the provider; and was not asked to let go */
    bool has_contradiction; /* PaymentOutcomeRefused */
    bool has_failed_refund; /* and so keeps what it should not */
    bool owes_charge, owes_capture, owes_void, owes_refund; /* asked of the provider, not answered */
    struct map refunds;                                     /* number as text -> struct refund_fold */
    struct map disputes;                                    /* name -> struct dispute_fold */
};

struct oracle {
    struct oracle_options options;
    struct log_topics topics;
    uint32_t shards;
    struct arena arena;
    struct violation_array violations;
    struct coverage coverage;
    struct map streams;  /* id -> struct seen_stream */
    struct map commands; /* id -> struct known_command */
    struct map holds;    /* "<SKU stream> <order>" -> struct hold_fold */
    int64_t *newest_us;  /* by partition: the newest time that the broker wrote there */
    int64_t dead_letters;
    int64_t torn_commands; /* that clients sent */
};

const char *oracle_topic_name(enum log_topic topic);
struct seen_stream *oracle_stream(const struct oracle *oracle, struct str id);
/* NULL: nothing is known of it. */
struct known_command *oracle_command(const struct oracle *oracle, struct str id);
struct hold_fold *oracle_hold(struct oracle *oracle, struct str sku_stream, struct str order);
/* The fold of an order or payment; NULL: there is none. */
const struct order_fold *oracle_order(const struct oracle *oracle, struct str id);
const struct payment_fold *oracle_payment_fold(const struct oracle *oracle, struct str id);

/* What was answered to it may have been lost with the end of the log. */
bool oracle_may_be_lost(const struct oracle *oracle, const struct journal_entry *entry);
/* The purchase, or whatever the stream belongs to, has lost records. */
bool oracle_has_lost(const struct oracle *oracle, struct str stream);

/* The final outcome that is recorded; NULL: none. */
const struct seen_outcome *oracle_final(const struct known_command *command);
/* The command as the client sent it; false: it cannot be read, or none was sent. */
bool oracle_sent(struct oracle *oracle, const struct journal_entry *entry, struct command *ret_command);
/* The newest state that some client was told of a stream, e.g. of an order; false: this answer has none. */
bool oracle_told_order(struct oracle *oracle, const struct journal_told *told, struct order_state *ret_order);

/* Each judges what its file is about, in this order. */
void oracle_read(struct oracle *oracle);
void oracle_judge_streams(struct oracle *oracle);
void oracle_judge_outcomes(struct oracle *oracle);
void oracle_fold_orders(struct oracle *oracle);
void oracle_fold_payments(struct oracle *oracle);
void oracle_fold_people(struct oracle *oracle);
void oracle_judge_stock(struct oracle *oracle);
void oracle_judge_orders(struct oracle *oracle);
void oracle_judge_money(struct oracle *oracle);
void oracle_judge_people(struct oracle *oracle);
void oracle_judge_keys(struct oracle *oracle);
void oracle_judge_categories(struct oracle *oracle);
void oracle_judge_owners(struct oracle *oracle);
void oracle_judge_mails(struct oracle *oracle);
/* What people are owed yet: a part of being settled. */
void oracle_judge_owed(struct oracle *oracle);
void oracle_judge_settled(struct oracle *oracle);
void oracle_judge_open_orders(struct oracle *oracle);
void oracle_cover(struct oracle *oracle);

/* ---- oracle_lives.c ---------------------------------------------------------------------------------------------- */

void lives_cover(struct oracle *oracle);
void lives_write(const struct coverage *coverage, FILE *file);
