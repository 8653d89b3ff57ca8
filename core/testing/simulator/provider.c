#include "core/testing/simulator/provider.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json_write.h"
#include "core/base/shard.h"
#include "core/base/timestamp.h"
#include "core/testing/simulator/broker.h"
#include "core/testing/simulator/world.h"

#define SECOND_US ((int64_t)MICROS_PER_SECOND)

enum {
    SLOW_MS = 2000,
    BUSY_MS = 3000, /* a request's key counts as in use for so long */
    WEBHOOK_MOST_MS = 2000,
    WEBHOOK_BACKOFF_MS = 250,
    WEBHOOK_BACKOFF_MAX_MS = 60000,
    DROPS_PER_MILLION = 200000, /* of the charges that wait for a shopper */
    FORGETFUL_PER_MILLION = 300000,
    OUTAGES_MAX = 3,
};

struct sim_provider_faults sim_provider_faults;
enum sim_provider_condition sim_provider_condition;
uint32_t sim_provider_shoppers_act;
void (*sim_provider_on_decided)(const struct sim_ledger_entry *entry, void (*on_taken)(void *context, bool is_taken),
                                void *context);

static struct {
    uint64_t healings; /* an outage that was planned before the last one does not begin any more */
    uint32_t webhooks_open;
} provider;

void sim_provider_begin(void) {
    sim_ledger_begin();
    sim_ledger_forgets_after_us = 24 * 3600 * SECOND_US;
    sim_provider_faults = (struct sim_provider_faults){0};
    sim_provider_condition = SIM_PROVIDER_UP;
    sim_provider_shoppers_act = 600000;
    sim_provider_on_decided = NULL;
    provider.healings++;
    provider.webhooks_open = 0;
}

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* Off in half of the runs; else from once in a thousand to every fifth. */
static uint32_t drawn_frequency(void) {
    return sim_chance(500000) ? 0 : (uint32_t)sim_between(1000, 200000);
}

struct outage {
    uint64_t healings;
    int64_t lasts_us;
    enum sim_provider_condition condition;
};

static void outage_end(void *context) {
    struct outage *outage = context;
    if (outage->healings == provider.healings) {
        sim_provider_condition = SIM_PROVIDER_UP;
        SIM_TRACE("provider: is there again");
    }
    free(outage);
}

static void outage_begin(void *context) {
    struct outage *outage = context;
    if (outage->healings == provider.healings) {
        sim_provider_condition = outage->condition;
        SIM_TRACE("provider: %s", outage->condition == SIM_PROVIDER_SILENT ? "is silent" : "refuses connections");
    }
    sim_after(outage->lasts_us, NULL, outage_end, outage);
}

void sim_provider_draw_faults(int64_t until_us) {
    sim_provider_faults = (struct sim_provider_faults){
        .request_lost = drawn_frequency(),
        .request_twice = drawn_frequency(),
        .answer_lost = drawn_frequency(),
        .late = drawn_frequency(),
        .error_before = drawn_frequency(),
        .error_after = drawn_frequency(),
        .torn = drawn_frequency(),
        .busy = drawn_frequency(),
        .webhook = drawn_frequency(),
        .webhook_lost = sim_chance(500000) ? 0 : (uint32_t)sim_between(1000, 500000),
        .late_most_us = sim_between(SECOND_US, 60 * SECOND_US),
    };
    /* Longer than a request can be on its way or in a process that stands still, shorter than the longest outage. */
    if (sim_chance(FORGETFUL_PER_MILLION)) {
        sim_provider_faults.late_most_us = sim_between(SECOND_US, 20 * SECOND_US);
        sim_ledger_forgets_after_us = sim_between(120 * SECOND_US, 240 * SECOND_US);
    }
    int64_t left_us = until_us - sim_now_us();
    for (uint64_t i = left_us > 0 ? sim_random(OUTAGES_MAX + 1) : 0; i > 0; i--) {
        struct outage *outage = calloc(1, sizeof *outage);
        assert(outage != NULL);
        *outage = (struct outage){.healings = provider.healings,
                                  .lasts_us = sim_between(SECOND_US, 300 * SECOND_US),
                                  .condition = sim_chance(500000) ? SIM_PROVIDER_SILENT : SIM_PROVIDER_REFUSING};
        sim_after(sim_between(0, left_us), NULL, outage_begin, outage);
    }
}

void sim_provider_heal(void) {
    sim_provider_faults = (struct sim_provider_faults){0};
    sim_provider_condition = SIM_PROVIDER_UP;
    provider.healings++;
}

/* ---- webhooks ---------------------------------------------------------------------------------------------------- */

struct webhook {
    const struct sim_ledger_entry *entry;
    uint32_t tries;
};

static void webhook_tell(void *context);

static void webhook_again(struct webhook *webhook) {
    int64_t delay_ms = (int64_t)WEBHOOK_BACKOFF_MS * ++webhook->tries;
    sim_after((delay_ms < WEBHOOK_BACKOFF_MAX_MS ? delay_ms : WEBHOOK_BACKOFF_MAX_MS) * MICROS_PER_MS, NULL,
              webhook_tell, webhook);
}

static void on_webhook_taken(void *context, bool is_taken) {
    struct webhook *webhook = context;
    /* Of a payment that the log has lost nobody ever takes it: the shop tells its provider so. */
    if (!is_taken && !broker_has_lost(shard_key(str_of_cstr(webhook->entry->payment)))) {
        webhook_again(webhook);
        return;
    }
    provider.webhooks_open--;
    free(webhook);
}

static void webhook_tell(void *context) {
    struct webhook *webhook = context;
    if (sim_provider_condition != SIM_PROVIDER_UP) {
        webhook_again(webhook);
        return;
    }
    SIM_TRACE("provider: webhook %s: %s", webhook->entry->key, webhook->entry->result);
    sim_provider_on_decided(webhook->entry, on_webhook_taken, webhook);
}

/* "pending" is no result that a webhook could bring, and what was refused outright is nothing to tell of. */
static void webhook_later(const struct sim_ledger_entry *entry) {
    if (sim_provider_on_decided == NULL || is(entry->result, "pending") || is(entry->result, "refused")) {
        return;
    }
    struct webhook *webhook = calloc(1, sizeof *webhook);
    assert(webhook != NULL);
    webhook->entry = entry;
    provider.webhooks_open++;
    sim_after(sim_between(0, WEBHOOK_MOST_MS * MICROS_PER_MS), NULL, webhook_tell, webhook);
}

uint32_t sim_provider_webhooks_open(void) {
    return provider.webhooks_open;
}

/* ---- what comes later -------------------------------------------------------------------------------------------- */

/* The events that bring it hold rows, which stay where they are and are what the event began with. */
static void come_to(const struct sim_ledger_entry *entry, const char *result) {
    const struct sim_ledger_entry *newer = sim_ledger_come_to(entry, result);
    bool may_be_lost = !is(entry->result, "declined");
    if (newer != NULL && !(may_be_lost && sim_chance(sim_provider_faults.webhook_lost))) {
        webhook_later(newer);
    }
}

static void charge_goes_on(void *context) {
    const struct sim_ledger_entry *entry = context;
    come_to(entry, sim_method_named(entry->method)->later);
}

static void charge_is_dropped(void *context) {
    sim_ledger_drop(context);
}

static void refund_goes_on(void *context) {
    come_to(context, "refunded");
}

/* Nobody asks for a dispute, so its webhooks are told until they are taken; its end may overtake its beginning. */
static void dispute_ends(void *context) {
    const struct sim_ledger_entry *dispute = context;
    char key[sizeof dispute->payment + sizeof ".charge"];
    snprintf(key, sizeof key, "%s.charge", dispute->payment);
    const struct sim_ledger_entry *charge = sim_ledger_find(str_of_cstr(key));
    const struct sim_ledger_entry *ended = sim_ledger_come_to(dispute, sim_method_named(charge->method)->dispute_ends);
    provider.webhooks_open--;
    if (ended != NULL) {
        webhook_later(ended);
    }
}

static void payer_contests(void *context) {
    const struct sim_ledger_entry *charge = context;
    int64_t amount_minor = sim_chance(500000) ? charge->amount_minor : sim_between(1, charge->amount_minor);
    const struct sim_ledger_entry *dispute = sim_ledger_dispute(charge, amount_minor);
    if (dispute != NULL) {
        webhook_later(dispute);
        provider.webhooks_open++; /* that of its end */
        sim_after(sim_between(0, 120 * SECOND_US), NULL, dispute_ends, (void *)dispute);
    }
}

void sim_provider_act(struct str payment) {
    for (const struct sim_ledger_entry *entry = sim_ledger_first(); entry != NULL; entry = entry->next) {
        if (is(entry->result, "action_required") && str_equal(str_of_cstr(entry->payment), payment)) {
            come_to(entry, sim_method_named(entry->method)->later);
        }
    }
}

static void plan_what_comes_later(const struct sim_ledger_entry *entry) {
    const struct sim_method *method = sim_method_named(entry->method);
    bool is_open = is(entry->result, "pending") || is(entry->result, "action_required");
    bool is_planned = entry->operation == SIM_CHARGE && method->later != NULL &&
                      is(entry->result, method->result); /* not one that came after a void */
    if (entry->operation == SIM_CHARGE && method->dispute_ends != NULL && is(entry->result, "captured")) {
        sim_after(sim_between(0, 240 * SECOND_US), NULL, payer_contests, (void *)entry);
    }
    if (entry->operation == SIM_REFUND && is_open) {
        sim_after(sim_between(SECOND_US, 60 * SECOND_US), NULL, refund_goes_on, (void *)entry);
    } else if (is_planned && (!method->waits_for_shopper || sim_chance(sim_provider_shoppers_act))) {
        int64_t delay_us = sim_between(method->later_least_us, method->later_most_us);
        sim_after(delay_us, NULL, charge_goes_on, (void *)entry);
    } else if (is_planned && sim_chance(DROPS_PER_MILLION)) {
        sim_after(sim_between(20 * SECOND_US, 300 * SECOND_US), NULL, charge_is_dropped, (void *)entry);
    }
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

struct str sim_provider_ref(const struct sim_ledger_entry *entry, char ret_text[32]) {
    return str_of(ret_text, (size_t)snprintf(ret_text, 32, "sim_%s_%llu", sim_operation_name(entry->operation),
                                             (unsigned long long)entry->origin));
}

static struct sim_provider_answer problem(int status) {
    return (struct sim_provider_answer){.status = status};
}

static struct sim_provider_answer passing_error(bool is_before) {
    static const int statuses[] = {500, 502, 504, 503, 429}; /* the last two say that nothing was done */
    return problem(statuses[sim_random(is_before ? ARRAY_LENGTH(statuses) : 3)]);
}

static struct sim_provider_answer answer_entry(const struct sim_ledger_entry *entry, struct buf *body) {
    if (is(entry->result, "refused")) {
        return problem(422);
    }
    char ref[32];
    struct json_writer writer = json_writer_of(body);
    json_object_begin(&writer);
    json_field_string(&writer, "result", str_of_cstr(entry->result));
    json_field_int(&writer, "amount", entry->amount_minor);
    json_field_string(&writer, "currency", str_of_cstr(entry->currency));
    json_field_string(&writer, "provider_ref", sim_provider_ref(entry, ref));
    json_field_string(&writer, "code", str_of_cstr(entry->code));
    json_field_string(&writer, "message", entry->code[0] == '\0' ? STR("") : STR("said the provider"));
    if (is(entry->result, "action_required")) {
        json_field_string(&writer, "action_url", STR("http://provider.test/act"));
    }
    json_object_end(&writer);
    if (sim_chance(sim_provider_faults.torn)) {
        body->len = (size_t)sim_random(body->len);
    }
    return (struct sim_provider_answer){.status = 200};
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void release_json(json_t **json) {
    json_decref(*json);
}

static struct sim_ledger_entry read_request(const struct sim_provider_request *request, enum sim_operation operation) {
    json_t *body CLEANUP(release_json) = json_loadb(request->body.data, request->body.len, 0, NULL);
    const char *intent, *payment, *method, *currency;
    json_int_t amount;
    int unpacked = json_unpack(body, "{ss ss ss sI ss}", "intent", &intent, "payment", &payment, "method", &method,
                               "amount", &amount, "currency", &currency);
    assert(unpacked == 0 && amount >= 0 && str_equal(request->key, str_of_cstr(intent)));
    struct sim_ledger_entry entry = {.operation = operation, .asked_minor = amount};
    const struct {
        char *to;
        size_t size;
        const char *from;
    } copies[] = {{entry.key, sizeof entry.key, intent},
                  {entry.payment, sizeof entry.payment, payment},
                  {entry.method, sizeof entry.method, method},
                  {entry.currency, sizeof entry.currency, currency}};
    for (size_t i = 0; i < ARRAY_LENGTH(copies); i++) {
        int len = snprintf(copies[i].to, copies[i].size, "%s", copies[i].from);
        assert(len >= 0 && (size_t)len < copies[i].size);
    }
    return entry;
}

/* The first answer to a request, in the manner that the charge's method names. */
static struct sim_provider_answer answer_first(const struct sim_ledger_entry *entry, struct buf *body) {
    static const struct sim_method plain = {0};
    const struct sim_method *method = entry->operation == SIM_CHARGE ? sim_method_named(entry->method) : &plain;
    if (method->tells_twice) {
        webhook_later(entry);
        webhook_later(entry);
    } else if (sim_chance(sim_provider_faults.webhook)) {
        webhook_later(entry);
    }
    if (method->answers_never) {
        return problem(0);
    }
    if (method->errs_after) {
        return passing_error(false);
    }
    struct sim_provider_answer answer = answer_entry(entry, body);
    answer.after_us = method->answers_slowly ? SLOW_MS * MICROS_PER_MS : 0;
    return answer;
}

static struct sim_provider_answer carry_out(const struct sim_provider_request *request, enum sim_operation operation,
                                            struct buf *body) {
    const struct sim_ledger_entry asked = read_request(request, operation);
    const struct sim_ledger_entry *known = sim_ledger_find(request->key);
    if (known != NULL && sim_now_us() - known->at_us < BUSY_MS * MICROS_PER_MS &&
        sim_chance(sim_provider_faults.busy)) {
        return problem(409);
    }
    if (sim_method_named(asked.method)->errs_before && sim_chance(500000)) {
        return passing_error(true);
    }
    bool is_repeated;
    const struct sim_ledger_entry *entry = sim_ledger_apply(&asked, &is_repeated);
    if (is_repeated) {
        return answer_entry(entry, body);
    }
    plan_what_comes_later(entry);
    return answer_first(entry, body);
}

/* What was refused outright had no effect, so it is not known either; what was dropped is known no more. */
static struct sim_provider_answer look_up(struct str key, struct buf *body) {
    const struct sim_ledger_entry *entry = sim_ledger_find(key);
    if (entry == NULL || entry->is_dropped || is(entry->result, "refused")) {
        return problem(404);
    }
    return answer_entry(entry, body);
}

static struct sim_provider_answer serve(const struct sim_provider_request *request, struct buf *body) {
    static const struct str paths[] = {[SIM_CHARGE] = STR("/charges"),
                                       [SIM_CAPTURE] = STR("/captures"),
                                       [SIM_VOID] = STR("/voids"),
                                       [SIM_REFUND] = STR("/refunds")};
    const struct str operations = STR("/operations/");
    bool is_post = str_equal(request->method, STR("POST"));
    for (size_t i = 0; is_post && i < ARRAY_LENGTH(paths); i++) {
        if (str_equal(request->path, paths[i])) {
            return carry_out(request, (enum sim_operation)i, body);
        }
    }
    assert(str_equal(request->method, STR("GET")) && str_starts_with(request->path, operations));
    return look_up(str_from(request->path, operations.len), body);
}

struct sim_provider_answer sim_provider_take(const struct sim_provider_request *request, struct buf *ret_body) {
    if (sim_chance(sim_provider_faults.error_before)) {
        return passing_error(true);
    }
    struct sim_provider_answer answer = serve(request, ret_body);
    bool is_done = answer.status == 200;
    return is_done && sim_chance(sim_provider_faults.error_after) ? passing_error(false) : answer;
}
