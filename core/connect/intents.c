#include "core/connect/intents.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/domain/payment/payment.h"

/* Open intents are few (what providers are working on right now), but they come and go by the thousand a second, so a
 * payment's are found through a hash table of short chains rather than by walking the list. */
enum { BUCKETS = 4096 };

enum { LOOKUP_MIN_MS = 10000, LOOKUP_MAX_MS = 600000 };

struct link {
    struct intent intent; /* first: an intent is its link */
    struct link *next_in_bucket;
};

struct intents {
    struct intent *first, *last;
    uint32_t count, intents_max;
    uint32_t heard_count;   /* of these: charges that have been heard of */
    int64_t applied_offset; /* newest; -1: none */
    int64_t passed_over;    /* the first intent that found no room; -1: none */
    struct link *buckets[BUCKETS];
};

static struct link **bucket_of(struct intents *intents, struct str payment) {
    uint32_t hash = 2166136261u; /* FNV-1a: the keys are our own stream ids */
    for (uint32_t i = 0; i < payment.len; i++) {
        hash = (hash ^ (uint8_t)payment.data[i]) * 16777619u;
    }
    return &intents->buckets[hash % BUCKETS];
}

struct str intent_refusal(enum intent_kind kind) {
    switch (kind) {
    case INTENT_CHARGE:
    case INTENT_CAPTURE:
        return STR("declined");
    case INTENT_VOID:
        return STR("void_refused");
    case INTENT_REFUND:
        return STR("refund_failed");
    }
    assert(false);
}

void intent_set_trace(struct intent *intent, struct str traceparent) {
    if (traceparent.len > 0 && traceparent.len < INTENT_TRACE_MAX) {
        memcpy(intent->traceparent, traceparent.data, traceparent.len);
        intent->traceparent[traceparent.len] = '\0';
    }
}

int64_t intent_lookup_interval_us(const struct intent *intent, int64_t now_us) {
    int64_t interval_us = (now_us - intent->opened_at_us) / 2;
    int64_t least_us = LOOKUP_MIN_MS * MICROS_PER_MS, most_us = LOOKUP_MAX_MS * MICROS_PER_MS;
    return interval_us < least_us ? least_us : interval_us > most_us ? most_us : interval_us;
}

struct intents *intents_create(uint32_t intents_max) {
    struct intents *intents = calloc_or_end(1, sizeof *intents);
    intents->intents_max = intents_max;
    intents->applied_offset = -1;
    intents->passed_over = -1;
    return intents;
}

void intents_free(struct intents *intents, void (*on_drop)(struct intent *intent)) {
    for (struct intent *intent = intents->first; intent != NULL;) {
        struct intent *next = intent->next;
        if (on_drop != NULL) {
            on_drop(intent);
        }
        free(intent);
        intent = next;
    }
    free(intents);
}

static void close_link(struct intents *intents, struct link **at, void (*on_closed)(struct intent *intent)) {
    struct link *link = *at;
    struct intent *intent = &link->intent;
    *at = link->next_in_bucket;
    *(intent->previous != NULL ? &intent->previous->next : &intents->first) = intent->next;
    *(intent->next != NULL ? &intent->next->previous : &intents->last) = intent->previous;
    intents->count--;
    intents->heard_count -= intent->heard != HEARD_NOTHING;
    if (on_closed != NULL) {
        on_closed(intent);
    }
    free(link);
}

static void copy_text(char *to, struct str text) {
    /* Ids and slugs are bounded far below this by the schemas; a longer one would be another provider's key. */
    assert(text.len < INTENT_TEXT_MAX);
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
}

static struct intent *find_of_payment(struct intents *intents, struct str payment, enum intent_kind kind) {
    for (struct link *link = *bucket_of(intents, payment); link != NULL; link = link->next_in_bucket) {
        if (link->intent.kind == kind && str_equal(str_of_cstr(link->intent.payment), payment)) {
            return &link->intent;
        }
    }
    return NULL;
}

/* The payment's charge, if it is open, stays open but is only looked up from here on. */
static void hear_of_charge(struct intents *intents, struct str payment, enum intent_heard heard) {
    struct intent *charge = find_of_payment(intents, payment, INTENT_CHARGE);
    if (charge != NULL) {
        intents->heard_count += charge->heard == HEARD_NOTHING;
        charge->heard = heard;
    }
}

/* How much of intents_max is taken. */
static uint32_t room_taken(const struct intents *intents) {
    uint32_t aside = intents->heard_count < intents->intents_max ? intents->heard_count : intents->intents_max;
    return intents->count - aside;
}

/* Closes the payment's open intents of the kinds in `kinds` (a bit set) and, for refunds, of that number. */
static void close_of_payment(struct intents *intents, struct str payment, unsigned kinds, int32_t refund,
                             void (*on_closed)(struct intent *intent)) {
    struct link **at = bucket_of(intents, payment);
    while (*at != NULL) {
        struct intent *intent = &(*at)->intent;
        if (str_equal(str_of_cstr(intent->payment), payment) && (kinds & (1u << intent->kind)) != 0 &&
            intent->refund == refund) {
            close_link(intents, at, on_closed);
        } else {
            at = &(*at)->next_in_bucket;
        }
    }
}

/* Closes the payment's open intent of that key. */
static void close_by_key(struct intents *intents, struct str payment, struct str key,
                         void (*on_closed)(struct intent *intent)) {
    for (struct link **at = bucket_of(intents, payment); *at != NULL; at = &(*at)->next_in_bucket) {
        if (str_equal(str_of_cstr((*at)->intent.key), key)) {
            close_link(intents, at, on_closed);
            return;
        }
    }
}

/* A dispute names the charge, but is nothing that the charge came to. */
static void close_refused(struct intents *intents, struct str payment, const struct payment_outcome_refused *refused,
                          void (*on_closed)(struct intent *intent)) {
    if (!payment_is_of_dispute(refused->result)) {
        close_by_key(intents, payment, refused->intent, on_closed);
    }
}

static struct intent *open_intent(struct intents *intents, int64_t offset, const struct event *event,
                                  enum intent_kind kind, const struct money *amount, struct str provider,
                                  struct str key) {
    if (intents->passed_over >= 0 || room_taken(intents) >= intents->intents_max) {
        intents->passed_over = intents->passed_over >= 0 ? intents->passed_over : offset;
        return NULL;
    }
    struct link *link = calloc_or_end(1, sizeof *link);
    struct intent *intent = &link->intent;
    intent->offset = offset;
    intent->kind = kind;
    intent->opened_at_us = event->meta.occurred_at;
    copy_text(intent->key, key);
    copy_text(intent->payment, event->meta.stream);
    copy_text(intent->provider, provider);
    copy_text(intent->correlation_id, event->meta.correlation_id);
    copy_text(intent->event_id, event->meta.event_id);
    if (amount != NULL) {
        intent->amount_minor = amount->amount;
        assert(amount->currency.len == 3);
        memcpy(intent->currency, amount->currency.data, 3);
    }

    struct link **bucket = bucket_of(intents, event->meta.stream);
    link->next_in_bucket = *bucket;
    *bucket = link;
    intent->previous = intents->last;
    *(intents->last != NULL ? &intents->last->next : &intents->first) = intent;
    intents->last = intent;
    intents->count++;
    return intent;
}

enum {
    CHARGE = 1u << INTENT_CHARGE,
    CAPTURE = 1u << INTENT_CAPTURE,
    VOID = 1u << INTENT_VOID,
    REFUND = 1u << INTENT_REFUND,
};

struct intent *intents_apply(struct intents *intents, int64_t offset, const struct event *event,
                             void (*on_closed)(struct intent *intent)) {
    if (offset <= intents->applied_offset) {
        return NULL;
    }
    intents->applied_offset = offset;
    struct str payment = event->meta.stream;
    switch ((enum payments_event)event->type) {
    case EVENT_PAYMENT_REQUESTED: {
        const struct payment_requested *asked = &event->as.payment_requested;
        struct intent *intent =
            open_intent(intents, offset, event, INTENT_CHARGE, &asked->amount, asked->provider, asked->intent);
        if (intent != NULL) {
            copy_text(intent->method, asked->method);
        }
        return intent;
    }
    case EVENT_PAYMENT_CAPTURE_REQUESTED: {
        const struct payment_capture_requested *asked = &event->as.payment_capture_requested;
        return open_intent(intents, offset, event, INTENT_CAPTURE, &asked->amount, asked->provider, asked->intent);
    }
    case EVENT_PAYMENT_VOID_REQUESTED: {
        const struct payment_void_requested *asked = &event->as.payment_void_requested;
        return open_intent(intents, offset, event, INTENT_VOID, NULL, asked->provider, asked->intent);
    }
    case EVENT_REFUND_REQUESTED: {
        const struct refund_requested *asked = &event->as.refund_requested;
        struct intent *intent =
            open_intent(intents, offset, event, INTENT_REFUND, &asked->amount, asked->provider, asked->intent);
        if (intent != NULL) {
            intent->refund = asked->refund;
        }
        return intent;
    }
    case EVENT_PAYMENT_ACTION_REQUIRED:
        hear_of_charge(intents, payment, HEARD_ACTION_REQUIRED);
        break;
    case EVENT_PAYMENT_AUTHORIZED:
        if (find_of_payment(intents, payment, INTENT_VOID) != NULL) {
            hear_of_charge(intents, payment, HEARD_AUTHORIZED);
        } else {
            close_of_payment(intents, payment, CHARGE, 0, on_closed);
        }
        break;
    case EVENT_PAYMENT_CAPTURED:
        close_of_payment(intents, payment, CHARGE | CAPTURE, 0, on_closed);
        break;
    case EVENT_PAYMENT_FAILED: {
        /* A declined charge holds nothing that could be voided; what a declined capture was to take is still held. Who
         * began to read at the void knows neither: the charge would still be open, so it was the capture. */
        bool is_held = find_of_payment(intents, payment, INTENT_CAPTURE) != NULL ||
                       find_of_payment(intents, payment, INTENT_CHARGE) == NULL;
        close_of_payment(intents, payment, is_held ? CHARGE | CAPTURE : CHARGE | VOID, 0, on_closed);
        break;
    }
    case EVENT_PAYMENT_VOIDED: /* what is declined after it makes no event that would close it */
        close_of_payment(intents, payment, CHARGE | CAPTURE | VOID, 0, on_closed);
        break;
    case EVENT_PAYMENT_VOID_REFUSED: {
        close_of_payment(intents, payment, VOID, 0, on_closed);
        struct intent *charge = find_of_payment(intents, payment, INTENT_CHARGE);
        if (charge != NULL) {
            charge->is_urgent = true;
        }
        break;
    }
    case EVENT_PAYMENT_REFUNDED:
        close_of_payment(intents, payment, REFUND, event->as.payment_refunded.refund, on_closed);
        break;
    case EVENT_PAYMENT_OUTCOME_REFUSED: /* asked again it would tell the same; a correction comes by webhook */
        close_refused(intents, payment, &event->as.payment_outcome_refused, on_closed);
        break;
    case EVENT_REFUND_FAILED:
        close_of_payment(intents, payment, REFUND, event->as.refund_failed.refund, on_closed);
        break;
    case EVENT_REFUND_DEFERRED: /* nothing is asked of the provider: disputes are between it and the bank */
    case EVENT_PAYMENT_DISPUTED:
    case EVENT_DISPUTE_CLOSED:
        break;
    }
    return NULL;
}

bool intents_rewind(struct intents *intents, int64_t *ret_offset) {
    if (intents->passed_over < 0 || room_taken(intents) > intents->intents_max / 2) {
        return false;
    }
    *ret_offset = intents->passed_over;
    /* What was taken in since is taken in again: outcomes then close nothing, and intents before this offset are known.
     */
    intents->applied_offset = intents->passed_over - 1;
    intents->passed_over = -1;
    return true;
}

void intents_rewind_failed(struct intents *intents, int64_t offset) {
    intents->passed_over = offset;
}

struct intent *intents_first(const struct intents *intents) {
    return intents->first;
}

uint32_t intents_count(const struct intents *intents) {
    return intents->count;
}

int64_t intents_resume_offset(const struct intents *intents) {
    if (intents->first != NULL) {
        return intents->first->offset; /* always before those passed over */
    }
    return intents->passed_over >= 0 ? intents->passed_over : intents->applied_offset + 1;
}
