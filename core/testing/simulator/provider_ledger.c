#include "core/testing/simulator/provider_ledger.h"

#include <assert.h>
#include <stdio.h>

#include "core/base/map.h"
#include "core/base/shard.h"
#include "core/base/timestamp.h"
#include "core/testing/simulator/broker.h"
#include "core/testing/simulator/world.h"

#define LEDGER_MAX_BYTES ((size_t)4 << 30)

/* What comes of it, so many seconds later. */
#define LATER(outcome, least_s, most_s)                                                                                \
    .later = (outcome), .later_least_us = (int64_t)(least_s)*MICROS_PER_SECOND,                                        \
    .later_most_us = (int64_t)(most_s)*MICROS_PER_SECOND

static const struct sim_method methods[] = {
    {.name = "approve", .result = "captured"},
    {.name = "decline", .result = "declined"},
    {.name = "authorize", .result = "authorized"},
    {.name = "slow", .result = "captured", .answers_slowly = true},
    {.name = "hang", .result = "captured", .answers_never = true},
    {.name = "twice", .result = "captured", .tells_twice = true},
    {.name = "late", .result = "pending", LATER("captured", 1, 20)},
    {.name = "late_decline", .result = "pending", LATER("declined", 1, 20)},
    {.name = "late_success", .result = "declined", LATER("captured", 1, 120)},
    {.name = "action", .result = "action_required", LATER("captured", 2, 1200), .waits_for_shopper = true},
    {.name = "pledge", .result = "pending", LATER("authorized", 1, 60), .is_held_fast = true},
    {.name = "uncapturable", .result = "authorized", .is_never_captured = true},
    {.name = "refund_fails", .result = "captured", .refund = "refund_failed"},
    {.name = "refund_late", .result = "captured", .refund = "pending"},
    {.name = "overcharge", .result = "captured", .surplus_minor = 1},
    {.name = "error_before", .result = "captured", .errs_before = true},
    {.name = "error_after", .result = "captured", .errs_after = true},
    {.name = "refuse", .result = "refused"},
    {.name = "dispute_won", .result = "captured", .dispute_ends = "dispute_won"},
    {.name = "dispute_lost", .result = "captured", .dispute_ends = "dispute_lost"},
};
static const struct sim_method unknown_method = {.name = "", .result = "declined"};

int64_t sim_ledger_forgets_after_us;

static struct {
    struct arena arena;
    struct map newest;   /* of struct sim_ledger_entry, by key */
    struct map payments; /* of struct sim_ledger_payment */
    struct sim_ledger_entry *first, *last;
} ledger;

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

const struct sim_method *sim_method_named(const char *name) {
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (is(methods[i].name, name)) {
            return &methods[i];
        }
    }
    return &unknown_method;
}

void sim_ledger_begin(void) {
    arena_release(&ledger.arena);
    arena_init(&ledger.arena, LEDGER_MAX_BYTES);
    map_init(&ledger.newest, &ledger.arena);
    map_init(&ledger.payments, &ledger.arena);
    ledger.first = ledger.last = NULL;
}

/* ---- the book ---------------------------------------------------------------------------------------------------- */

bool sim_ledger_moves_money(const struct sim_ledger_entry *entry) {
    static const char *const results[] = {"captured", "authorized", "voided", "refunded"};
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (is(entry->result, results[i])) {
            return true;
        }
    }
    return false;
}

static struct sim_ledger_payment *payment_of(const struct sim_ledger_entry *entry) {
    void **at = map_at(&ledger.payments, str_of_cstr(entry->payment));
    if (*at == NULL) {
        struct sim_ledger_payment *payment = arena_alloc(&ledger.arena, sizeof *payment);
        snprintf(payment->payment, sizeof payment->payment, "%s", entry->payment);
        *at = payment;
    }
    return *at;
}

static void add_up(struct sim_ledger_payment *payment, const struct sim_ledger_entry *entry) {
    bool is_charge = entry->operation == SIM_CHARGE;
    if (is_charge) {
        snprintf(payment->method, sizeof payment->method, "%s", entry->method);
    }
    if (is_charge && sim_ledger_moves_money(entry)) {
        payment->charges++;
        payment->authorized_minor += entry->amount_minor;
    }
    if (is(entry->result, "captured")) {
        payment->captures++;
        payment->captured_minor += entry->amount_minor;
    } else if (is(entry->result, "voided")) {
        payment->is_voided = true;
    } else if (is(entry->result, "refunded")) {
        payment->refunded_minor += entry->amount_minor;
    } else if (is(entry->result, "disputed")) {
        payment->disputes++;
        payment->contested_minor += entry->amount_minor;
    } else if (entry->operation == SIM_DISPUTE) { /* its end */
        payment->contested_minor -= entry->amount_minor;
        payment->lost_minor += is(entry->result, "dispute_lost") ? entry->amount_minor : 0;
    }
}

static const struct sim_ledger_entry *enter(const struct sim_ledger_entry *row) {
    struct sim_ledger_entry *entry = arena_alloc(&ledger.arena, sizeof *entry);
    *entry = *row;
    entry->number = ledger.last == NULL ? 1 : ledger.last->number + 1;
    entry->origin = row->origin != 0 ? row->origin : entry->number;
    entry->at_us = sim_now_us();
    entry->next = NULL;
    *(ledger.last == NULL ? &ledger.first : (struct sim_ledger_entry **)&ledger.last->next) = entry;
    ledger.last = entry;
    *map_at(&ledger.newest, str_of_cstr(entry->key)) = entry;
    add_up(payment_of(entry), entry);
    sim_digest_add(entry->number);
    sim_digest_add((uint64_t)entry->amount_minor);
    SIM_TRACE("provider: %s %s: %s %lld", sim_operation_name(entry->operation), entry->key, entry->result,
              (long long)entry->amount_minor);
    return entry;
}

/* ---- deciding ---------------------------------------------------------------------------------------------------- */

static void refuse(struct sim_ledger_entry *entry, const char *result, const char *code) {
    entry->result = result;
    entry->code = code;
}

static void decide_charge(struct sim_ledger_entry *entry, const struct sim_ledger_payment *payment) {
    const struct sim_method *method = sim_method_named(entry->method);
    entry->result = method->result;
    if (payment->is_voided) {
        refuse(entry, "declined", "voided");
    } else if (method == &unknown_method) {
        refuse(entry, "declined", "unknown_method");
    } else if (is(method->result, "declined")) {
        refuse(entry, "declined", "card_declined");
    }
    if (sim_ledger_moves_money(entry)) {
        entry->amount_minor += method->surplus_minor;
    }
}

static void decide_capture(struct sim_ledger_entry *entry, const struct sim_ledger_payment *payment) {
    bool is_covered = entry->asked_minor <= payment->authorized_minor - payment->captured_minor;
    if (payment->is_voided || !is_covered) {
        refuse(entry, "declined", "not_authorized");
    } else if (sim_method_named(payment->method)->is_never_captured) {
        refuse(entry, "declined", "expired");
    } else {
        entry->result = "captured";
    }
}

static void decide_void(struct sim_ledger_entry *entry, const struct sim_ledger_payment *payment) {
    if (payment->captured_minor > 0) {
        refuse(entry, "void_refused", "already_captured");
    } else if (sim_method_named(payment->method)->is_held_fast && payment->authorized_minor == 0) {
        refuse(entry, "void_refused", "not_yet_authorized");
    } else {
        entry->result = "voided";
    }
}

/* What was neither given back nor contested. */
static int64_t left_of(const struct sim_ledger_payment *payment) {
    return payment->captured_minor - payment->refunded_minor - payment->contested_minor - payment->lost_minor;
}

static void decide_refund(struct sim_ledger_entry *entry, const struct sim_ledger_payment *payment) {
    const char *result = sim_method_named(payment->method)->refund;
    entry->result = result != NULL ? result : "refunded";
    if (is(entry->result, "refund_failed")) {
        entry->code = "account_closed";
    } else if (entry->asked_minor > left_of(payment)) {
        refuse(entry, "refund_failed", "amount_too_large");
    }
}

static void decide(struct sim_ledger_entry *entry, const struct sim_ledger_payment *payment) {
    entry->amount_minor = entry->asked_minor;
    entry->code = "";
    switch (entry->operation) {
    case SIM_CHARGE:
        decide_charge(entry, payment);
        return;
    case SIM_CAPTURE:
        decide_capture(entry, payment);
        return;
    case SIM_VOID:
        decide_void(entry, payment);
        return;
    case SIM_REFUND:
        decide_refund(entry, payment);
        return;
    case SIM_DISPUTE: /* is not asked for */
        return;
    }
}

static bool is_same_request(const struct sim_ledger_entry *a, const struct sim_ledger_entry *b) {
    return a->operation == b->operation && a->asked_minor == b->asked_minor && is(a->payment, b->payment) &&
           is(a->method, b->method) && is(a->currency, b->currency);
}

static bool is_forgotten(const struct sim_ledger_entry *entry) {
    bool is_old = sim_ledger_forgets_after_us > 0 && sim_now_us() - entry->at_us >= sim_ledger_forgets_after_us;
    return is_old || entry->is_dropped;
}

/* A charge that has not come to its end will come to none but this, and whoever looks it up is told. */
static void end_voided_charge(const struct sim_ledger_entry *voided) {
    char key[sizeof voided->payment + sizeof ".charge"];
    snprintf(key, sizeof key, "%s.charge", voided->payment);
    const struct sim_ledger_entry *charge = sim_ledger_find(str_of_cstr(key));
    if (charge != NULL && (is(charge->result, "pending") || is(charge->result, "action_required"))) {
        struct sim_ledger_entry row = *charge;
        refuse(&row, "declined", "voided");
        (void)enter(&row);
    }
}

const struct sim_ledger_entry *sim_ledger_apply(const struct sim_ledger_entry *request, bool *ret_is_repeated) {
    const struct sim_ledger_entry *known = sim_ledger_find(str_of_cstr(request->key));
    if (known != NULL && !is_same_request(known, request)) {
        /* Only who has lost that he asked before asks for something else; real providers answer so for good (Stripe:
         * idempotency_error). */
        assert(broker_has_lost(shard_key(str_of_cstr(request->payment))) && "two different requests under one key");
        struct sim_ledger_entry row = *request;
        refuse(&row, "refused", "key_reused");
        *ret_is_repeated = false;
        return enter(&row);
    }
    *ret_is_repeated = known != NULL && !is_forgotten(known);
    if (*ret_is_repeated) {
        return known;
    }
    struct sim_ledger_entry row = *request;
    row.origin = 0;
    row.is_dropped = false;
    decide(&row, payment_of(request));
    const struct sim_ledger_entry *entry = enter(&row);
    if (is(entry->result, "voided")) {
        end_voided_charge(entry);
    }
    return entry;
}

const struct sim_ledger_entry *sim_ledger_come_to(const struct sim_ledger_entry *entry, const char *result) {
    const struct sim_ledger_payment *payment = payment_of(entry);
    bool is_newest = sim_ledger_find(str_of_cstr(entry->key)) == entry;
    if (!is_newest || entry->is_dropped || payment->is_voided) {
        return NULL;
    }
    struct sim_ledger_entry row = *entry;
    row.result = result;
    row.code = is(result, "declined") ? "card_declined" : "";
    if (row.operation == SIM_REFUND && row.asked_minor > left_of(payment)) {
        refuse(&row, "refund_failed", "amount_too_large");
    }
    return enter(&row);
}

/* Banks let what was given back be contested as well, but no more in all than was taken. */
const struct sim_ledger_entry *sim_ledger_dispute(const struct sim_ledger_entry *charge, int64_t amount_minor) {
    const struct sim_ledger_payment *payment = payment_of(charge);
    int64_t most_minor = payment->captured_minor - payment->contested_minor - payment->lost_minor;
    if (most_minor < 1) {
        return NULL;
    }
    struct sim_ledger_entry row = *charge;
    row.operation = SIM_DISPUTE;
    row.origin = 0;
    row.method[0] = '\0';
    snprintf(row.key, sizeof row.key, "%.*s.dispute.%d", (int)sizeof row.payment - 24, row.payment,
             payment->disputes + 1);
    row.asked_minor = row.amount_minor = amount_minor < most_minor ? amount_minor : most_minor;
    row.result = "disputed";
    row.code = "fraudulent";
    return enter(&row);
}

void sim_ledger_drop(const struct sim_ledger_entry *entry) {
    struct sim_ledger_entry *newest = map_get(&ledger.newest, str_of_cstr(entry->key));
    if (newest == entry && !newest->is_dropped) {
        newest->is_dropped = true;
        SIM_TRACE("provider: %s is dropped", newest->key);
    }
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

const struct sim_ledger_entry *sim_ledger_find(struct str key) {
    return map_get(&ledger.newest, key);
}

const struct sim_ledger_entry *sim_ledger_first(void) {
    return ledger.first;
}

const char *sim_operation_name(enum sim_operation operation) {
    static const char *const names[] = {[SIM_CHARGE] = "charge",
                                        [SIM_CAPTURE] = "capture",
                                        [SIM_VOID] = "void",
                                        [SIM_REFUND] = "refund",
                                        [SIM_DISPUTE] = "dispute"};
    return names[operation];
}

size_t sim_ledger_payment_count(void) {
    return ledger.payments.count;
}

const struct sim_ledger_payment *sim_ledger_payment_at(size_t index) {
    assert(index < ledger.payments.count);
    return ledger.payments.entries[index].value;
}

const struct sim_ledger_payment *sim_ledger_payment(struct str payment) {
    return map_get(&ledger.payments, payment);
}
