/* verify.h: whether the log says what it must: the promises in README.md, checked from the records alone.
 *
 * Purpose  an auditor's check. It is fed every record of the event topics and of outcomes, from the first on, and uses
 *          neither the domain's code nor its states: what is wrong there does not make it blind.
 * Checks   record    is an event of the topic's family, in the partition of its stream, under its shard key
 *          history   versions 1, 2, 3 ..., hash chain, time that never goes back; no event id twice within a stream
 *          stock     numbers add up; on_hand - reserved >= 0 per SKU and location after every event
 *          hold      a reservation is held once and resolves once, with the units that it took
 *          money     captured <= authorized, one capture a payment, refunded + pending <= captured, one currency,
 *                    each provider intent used once
 *          claim     an address is one customer's at a time, who gives it back himself
 *          session   a customer's sessions are numbered 1, 2, 3 ..., their tokens likewise; none after an end, and none
 *                    opened while proofs count for nothing
 *          mail      what became of an order's mail names the event of the same order that asked for it
 *          tree      a category stands at the top or in one that is there, and not in itself; none is removed in which
 *                    others stand
 *          erased    of a customer who is erased nothing more is written
 *          outcome   a command has one final outcome, and it never changes
 *          Each violation is told once, where it shows; what follows is judged as if that record were right.
 * Memory   at most 175 bytes a stream, 45 an event and as much again one that confirms an order, 150 a location of a
 *          SKU, 110 a reservation, 260 a payment, 130 each of its refunds and disputes, 130 an address, 110 a customer,
 *          70 a session, 90 a category, 110 an outcome; half as much again while a table doubles.
 * Thread   one at a time.        May use: base, generated codecs.
 */
#pragma once

#include "core/log/reader.h"
#include "core/log/topics.h"

struct violation {
    enum log_topic topic;
    int32_t partition;
    int64_t offset;
    struct str stream; /* or the command's id; lent for the call */
    const char *rule;  /* of the list above */
    const char *text;  /* lent for the call */
};

typedef void verify_violation_cb(void *context, const struct violation *violation);

struct verify;

struct verify *verify_new(uint32_t shard_count, verify_violation_cb *on_violation, void *context);
void verify_free(struct verify *verify);

/* The next record of its partition; of an event topic or of outcomes. */
void verify_record(struct verify *verify, enum log_topic topic, const struct log_record *record);

struct verify_summary {
    int64_t records[TOPIC_COUNT];
    int64_t streams;
    int64_t reservations;
    int64_t payments;
    int64_t outcomes;
    int64_t violations;
    size_t memory_bytes;
};

struct verify_summary verify_summary(const struct verify *verify);
