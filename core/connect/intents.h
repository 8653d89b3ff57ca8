/* intents.h: which provider calls are still owed, as the fold of a partition of the payments topic.
 *
 * Purpose  an intent (charge, capture, void, refund) is opened by the event that persists its key and closed by the
 *          event that records its outcome; the connector calls the provider for those that are open, and for none
 *          before it has read to the end, so an intent whose outcome is already in the log is never called again.
 * Charges  stay open until it is known whether money moved. A step asked of the shopper is no end: the provider tells
 *          by webhook that it was taken, and a webhook can be lost. Nor is an authorization while a void is under way:
 *          a void that is refused most often means that money was taken, so the charge is then looked up at once.
 *          What the log has of such a charge is in `heard`: it is looked up at a slow pace and never called again.
 * Promise  pure over events. intents_resume_offset is the offset before which nothing is open: committing it loses
 *          no intent, however the connector dies.
 * Bounds   intents_max open ones, beside as many charges that have been heard of, since shoppers take their time and
 *          must not hold up those who pay. Past it, further ones are passed over (their outcomes cannot come before
 *          their calls) while outcomes are still taken in; when there is room, intents_rewind says from where to read
 *          again.
 * Memory   owns copies of what it keeps.
 * Thread   one at a time.          May use: base, generated structs.
 */
#pragma once

#include "core/base/macros.h"
#include "gen/events.h"

enum intent_kind { INTENT_CHARGE, INTENT_CAPTURE, INTENT_VOID, INTENT_REFUND };

enum { INTENT_TEXT_MAX = 128, INTENT_TRACE_MAX = 64 };

/* What the log has of a charge that is open. */
enum intent_heard { HEARD_NOTHING, HEARD_ACTION_REQUIRED, HEARD_AUTHORIZED };

/* The result, as in RecordProviderOutcome, when the provider would not have the request at all: it had no effect. */
struct str intent_refusal(enum intent_kind kind);

struct intent {
    struct intent *next, *previous; /* in the order of their offsets */
    int64_t offset;
    int32_t refund; /* which refund; 0 for other kinds */
    enum intent_kind kind;
    int64_t amount_minor;
    int64_t opened_at_us; /* of the event */
    char currency[4];
    char key[INTENT_TEXT_MAX];     /* the idempotency key, sent to the provider on every try */
    char payment[INTENT_TEXT_MAX]; /* stream id */
    char provider[INTENT_TEXT_MAX];
    char method[INTENT_TEXT_MAX];
    char correlation_id[INTENT_TEXT_MAX];
    char event_id[INTENT_TEXT_MAX];
    char traceparent[INTENT_TRACE_MAX]; /* of the event's record, W3C; empty for none */
    enum intent_heard heard;
    bool is_urgent; /* a charge that is to be looked up now; whoever asks takes it back */
    void *call;     /* the connector's: what it is doing about it; NULL at first */
};

/* The event's trace goes on with the outcome. One that is too long to be a traceparent of today is as good as none. */
void intent_set_trace(struct intent *intent, struct str traceparent);

/* How long after a lookup a charge that was heard of is looked up again: half its age, within 10 s and 10 min, so that
 * a shopper who pays is soon noticed, and thousands who have left cost little. `now_us` is wall-clock time. */
int64_t intent_lookup_interval_us(const struct intent *intent, int64_t now_us);

struct intents;

struct intents *intents_create(uint32_t intents_max);
/* `on_drop` (may be NULL) is told of each intent that is still open. */
void intents_free(struct intents *intents, void (*on_drop)(struct intent *intent));

/* One event of the partition. An intent it closes is given to on_closed (may be NULL) before it is freed; the one it
 * opens is the answer (NULL when none). An event at or before the newest applied offset changes nothing. */
struct intent *intents_apply(struct intents *intents, int64_t offset, const struct event *event,
                             void (*on_closed)(struct intent *intent));

/* Whether intents were passed over and at most half of the room is taken: then read again from *ret_offset. Asked again
 * it answers false until intents are passed over anew. */
bool intents_rewind(struct intents *intents, int64_t *ret_offset);

/* It could not be read again from there: intents_rewind says so once more. */
void intents_rewind_failed(struct intents *intents, int64_t offset);

/* The oldest open intent, or NULL; walk by ->next. */
struct intent *intents_first(const struct intents *intents);
uint32_t intents_count(const struct intents *intents);
int64_t intents_resume_offset(const struct intents *intents);
