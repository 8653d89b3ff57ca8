#include "core/testing/simulator/front.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/timestamp.h"
#include "core/testing/simulator/front_parts.h"
#include "core/testing/simulator/world.h"

enum {
    RESTART_LEAST_US = 100 * 1000,
    RESTART_MOST_US = 3 * 1000 * 1000,
    PROVIDER_PATIENCE_US = 5 * 1000 * 1000,
};

static const struct secret secret = {.bytes = "the simulated clients' secret..."};

const struct secret *front_secret(void) {
    return &secret;
}

/* ---- answers, on their way to the client ------------------------------------------------------------------------- */

static void answer_arrives(void *context) {
    struct front_request *request = context;
    if (request->is_over) {
        return; /* the client has gone */
    }
    request->is_over = true;
    request->entry->told = request->told;
    request->entry->answered_us = sim_now_us();
    SIM_TRACE("client %u: %s of %.*s", request->entry->client, journal_answer_name(request->told.answer),
              STR_ARGS(request->entry->command_id));
    if (request->on_answer != NULL) {
        request->on_answer(request);
    }
}

void front_answers_all(struct front *front) {
    front->options.lost_answers_per_million = 0;
}

static int64_t hop_us(const struct front *front) {
    return sim_between(front->options.hop_least_us, front->options.hop_most_us);
}

void front_answer(struct front *front, struct front_request *request, const struct journal_told *told) {
    if (!sim_chance(front->options.lost_answers_per_million)) {
        request->told = *told;
        sim_after(hop_us(front), NULL, answer_arrives, request);
    }
}

/* Nobody answered, and the client waits no longer. */
static void patience_is_over(void *context) {
    struct front_request *request = context;
    request->told = request->is_over ? request->told : (struct journal_told){0};
    answer_arrives(request);
}

/* ---- requests, on their way to the front ------------------------------------------------------------------------- */

struct arrival {
    struct front *front;
    struct front_request *request;
};

static void request_arrives(void *context) {
    struct arrival *arrival = context;
    struct front_life *life = arrival->front->life;
    if (life == NULL) {
        const struct journal_told refused = {.answer = JOURNAL_NOT_SENT}; /* the connection was refused */
        front_answer(arrival->front, arrival->request, &refused);
    } else {
        front_list_add(&life->inbox, arrival->request);
        sim_wake(life);
    }
    free(arrival);
}

void front_send(struct front *front, struct front_request *request) {
    struct arrival *arrival = malloc(sizeof *arrival);
    assert(arrival != NULL && request->patience_us > 0);
    *arrival = (struct arrival){front, request};
    request->entry->asked_us = sim_now_us();
    sim_after(hop_us(front), NULL, request_arrives, arrival);
    sim_after(request->patience_us, NULL, patience_is_over, request);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

void front_list_add(struct front_list *list, struct front_request *request) {
    request->next = NULL;
    request->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = request;
    list->last = request;
}

void front_list_remove(struct front_list *list, struct front_request *request) {
    *(request->previous != NULL ? &request->previous->next : &list->first) = request->next;
    *(request->next != NULL ? &request->next->previous : &list->last) = request->previous;
    request->next = request->previous = NULL;
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

static void front_begin(void *context);

/* Its connections break: what became of the requests nobody can say. */
static void break_all(struct front *front, struct front_list *list) {
    while (list->first != NULL) {
        struct front_request *request = list->first;
        const struct journal_told nothing = {.answer = JOURNAL_UNANSWERED};
        front_list_remove(list, request);
        request->told = nothing;
        sim_after(hop_us(front), NULL, answer_arrives, request);
    }
}

static void on_end(struct sim_process *process) {
    struct front *front = process->context;
    struct front_life *life = front->life;
    front->life = NULL;
    if (life != NULL) {
        break_all(front, &life->inbox);
        break_all(front, &life->waiting);
    }
    sim_after(sim_between(RESTART_LEAST_US, RESTART_MOST_US), NULL, front_begin, front);
}

static void run(void *context) {
    struct front *front = context;
    struct front_life *life = calloc(1, sizeof *life);
    assert(life != NULL);
    life->front = front;
    life->reply_partition = (int32_t)sim_random((uint64_t)front->options.config->shards);
    snprintf(life->instance, sizeof life->instance, "%s%d.0", front->options.instance, front->incarnation);
    arena_init(&life->arena, LIFE_ARENA_BYTES);
    front->life = life;
    life_run(life);
}

static void front_begin(void *context) {
    struct front *front = context;
    front->incarnation++;
    struct sim_process *process = sim_start(front->options.instance, front->incarnation, run, front);
    process->context = front;
    process->on_end = on_end;
}

struct front *front_start(const struct front_options *options) {
    struct front *front = calloc(1, sizeof *front);
    assert(front != NULL);
    front->options = *options;
    log_topics_name(&front->topics, options->config->topic_prefix);
    front_begin(front);
    return front;
}

/* ---- webhooks ---------------------------------------------------------------------------------------------------- */

struct webhook {
    struct front_request request;
    void (*on_taken)(void *context, bool is_taken);
    void *context;
};

static void on_webhook_answer(struct front_request *request) {
    struct webhook *webhook = request->context;
    if (webhook->on_taken != NULL) {
        webhook->on_taken(webhook->context, request->entry->told.answer == JOURNAL_ACCEPTED);
    }
}

void front_webhook(struct front *front, struct str payment, const struct record_provider_outcome *outcome,
                   void (*on_taken)(void *context, bool is_taken), void *context) {
    struct arena *arena = &front->options.journal->arena;
    struct webhook *webhook = arena_alloc(arena, sizeof *webhook);
    struct command *command = &webhook->request.command;
    struct record_provider_outcome *copy = &command->as.record_provider_outcome;
    command->type = COMMAND_RECORD_PROVIDER_OUTCOME;
    *copy = *outcome;
    struct str *const texts[] = {&copy->intent, &copy->result,  &copy->amount.currency, &copy->provider_ref,
                                 &copy->code,   &copy->message, &copy->action_url};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        *texts[i] = arena_str_copy(arena, *texts[i]);
    }
    command->meta.stream = arena_str_copy(arena, payment);
    command->meta.command_id =
        identity_provider_outcome(arena, &secret, copy->intent, copy->result, copy->amount, copy->provider_ref);
    command->meta.correlation_id = command->meta.causation_id = command->meta.command_id;
    command->meta.actor = STR("provider:test");
    webhook->on_taken = on_taken;
    webhook->context = context;
    webhook->request.entry = journal_add(front->options.journal, 0, command);
    webhook->request.may_join = true;
    webhook->request.patience_us = PROVIDER_PATIENCE_US;
    webhook->request.on_answer = on_webhook_answer;
    webhook->request.context = webhook;
    front_send(front, &webhook->request);
}
