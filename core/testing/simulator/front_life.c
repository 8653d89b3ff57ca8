#include "core/testing/simulator/front_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/rejection.h"
#include "core/log/record.h"
#include "core/testing/simulator/world.h"

enum {
    FIRST_ASK_MS = 2000, /* as in core/gateway/commands.c */
    OPEN_AGAIN_US = 500 * 1000,
    LINGER_MS = 1,
    GATHER_MS = 5,
    DELIVERY_TIMEOUT_MS = 4000,
};

/* ---- letters ----------------------------------------------------------------------------------------------------- */

void life_post(struct front_life *life, int kind, uint64_t submission, struct str value) {
    struct letter *letter = calloc(1, sizeof *letter + value.len);
    assert(letter != NULL);
    letter->kind = kind;
    letter->submission = submission;
    if (value.len > 0) {
        memcpy(letter + 1, value.data, value.len);
        letter->value = str_of((const char *)(letter + 1), value.len);
    }
    *life->letters_last = letter;
    life->letters_last = &letter->next;
    sim_wake(life);
}

struct delivery {
    struct front_life *life;
    uint64_t submission;
};

static void on_delivered(void *context, enum err result, const struct err_info *info) {
    struct delivery *delivery = context;
    if (result != ERR_NONE) {
        SIM_TRACE("front: submission %llu: %s", (unsigned long long)delivery->submission, info->text);
        int kind = result == ERR_IN_DOUBT ? LETTER_IN_DOUBT : LETTER_NOT_DELIVERED;
        life_post(delivery->life, kind, delivery->submission, (struct str){0});
    }
    free(delivery);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* False: nothing was sent. `entry`: whose record it is; NULL for none. */
static bool send_record(struct front_life *life, const struct command *command, int32_t shard, struct str key,
                        struct journal_entry *entry, uint64_t submission) {
    struct front *front = life->front;
    if (!life->is_heard) {
        return false;
    }
    struct delivery *delivery = malloc(sizeof *delivery);
    struct buf value;
    struct err_info info;
    assert(delivery != NULL);
    *delivery = (struct delivery){life, submission};
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, command);
    assert(buf_ok(&value));
    struct log_header trace = {.name = "traceparent"};
    if (entry != NULL) {
        trace.value = journal_trace(&life->arena, entry);
        journal_sent(front->options.journal, entry, buf_text(&value));
    }
    bool is_torn = entry != NULL && entry->is_torn;
    struct str sent = is_torn ? str_first(buf_text(&value), (uint32_t)sim_random(value.len)) : buf_text(&value);
    enum err err = log_producer_send(life->producer, front->topics.names[TOPIC_COMMANDS], shard, key, sent, &trace,
                                     entry != NULL ? 1 : 0, on_delivered, delivery, &info);
    buf_release(&value);
    if (err != ERR_NONE) {
        SIM_TRACE("front: %.*s was not taken: %s", STR_ARGS(command->meta.command_id), info.text);
        free(delivery);
    }
    return err == ERR_NONE;
}

static void address_reply(struct front_life *life, struct command *command) {
    command->meta.reply_partition = life->reply_partition;
    command->meta.reply_instance = arena_str_copy(&life->front->options.journal->arena, str_of_cstr(life->instance));
}

static int32_t shard_of(const struct front_life *life, struct str stream) {
    return shard_of_stream(stream, (uint32_t)life->front->options.config->shards);
}

/* As submit_outcome_ask does. That it could not be sent is no harm: it is sent again. */
static void ask_outcome(struct front_life *life, const struct front_request *request) {
    struct command ask = {.type = COMMAND_ASK_OUTCOME};
    ask.meta.issued_at = clock_wall_us();
    ask.meta.command_id = identity_fresh(&life->arena, STR(""), ask.meta.issued_at);
    ask.meta.correlation_id = ask.meta.causation_id = ask.meta.command_id;
    ask.meta.actor = STR("system");
    address_reply(life, &ask);
    ask.as.ask_outcome.asked = request->entry->command_id;
    (void)send_record(life, &ask, shard_of(life, request->entry->stream), request->entry->command_id, NULL, 0);
}

/* ---- taking requests --------------------------------------------------------------------------------------------- */

static void answer_bare(struct front_life *life, struct front_request *request, enum journal_answer answer) {
    const struct journal_told told = {.answer = answer};
    front_answer(life->front, request, &told);
}

static void wait_for(struct front_life *life, struct front_request *request) {
    int64_t now_us = clock_boot_us();
    request->ask_interval_us = (int64_t)FIRST_ASK_MS * MICROS_PER_MS;
    request->ask_at_us = now_us + request->ask_interval_us;
    request->answer_by_us = now_us + life->front->options.config->command_wait_ms * MICROS_PER_MS;
    front_list_add(&life->waiting, request);
}

/* The same request on its way already; NULL when there is none. */
static const struct front_request *in_flight(const struct front_life *life, const struct front_request *request) {
    for (const struct front_request *other = life->waiting.first; other != NULL; other = other->next) {
        if (other->submission != 0 && str_equal(other->entry->command_id, request->entry->command_id) &&
            str_equal(other->entry->request_hash, request->entry->request_hash)) {
            return other;
        }
    }
    return NULL;
}

static void take_question(struct front_life *life, struct front_request *request) {
    if (!life->is_heard) {
        answer_bare(life, request, JOURNAL_NOT_SENT);
        return;
    }
    request->has_asked = true;
    wait_for(life, request);
    ask_outcome(life, request);
}

static void take_command(struct front_life *life, struct front_request *request) {
    const struct front_request *joined = request->may_join ? in_flight(life, request) : NULL;
    if (joined != NULL) {
        request->entry->is_joined = true;
        request->submission = joined->submission;
        wait_for(life, request);
        return;
    }
    struct command *command = &request->command;
    command->meta.issued_at = clock_wall_us() - request->age_us;
    address_reply(life, command);
    request->submission = ++life->submissions;
    wait_for(life, request); /* first: its answer may come while it is being sent */
    if (!send_record(life, command, shard_of(life, command->meta.stream), shard_key(command->meta.stream),
                     request->entry, request->submission)) {
        front_list_remove(&life->waiting, request);
        answer_bare(life, request, JOURNAL_NOT_SENT);
    }
}

static bool take_request(struct front_life *life) {
    struct front_request *request = life->inbox.first;
    if (request == NULL) {
        return false;
    }
    front_list_remove(&life->inbox, request);
    if (request->is_over) {
        return true; /* the client went before anything was sent */
    }
    if (request->entry->is_question) {
        take_question(life, request);
    } else {
        take_command(life, request);
    }
    return true;
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

/* Whether it answers the request; see on_outcome in core/gateway/commands.c, on_queried_outcome in outcome_query.c. */
static bool answers(const struct front_request *request, const struct outcome *outcome) {
    if (!str_equal(request->entry->command_id, outcome->command_id)) {
        return false;
    }
    if (request->entry->is_question) {
        return !str_equal(outcome->rejection, str_of_cstr(rejection_info(REJECT_KEY_REUSED)->code));
    }
    bool is_of_other = outcome->request_hash.len > 0 && !str_equal(outcome->request_hash, request->entry->request_hash);
    return !is_of_other && outcome->status != OUTCOME_STATUS_PENDING && outcome->status != OUTCOME_STATUS_UNKNOWN;
}

static void take_reply(struct front_life *life, struct str value) {
    struct outcome outcome;
    bool is_read = outcome_read(&life->arena, value, &outcome);
    assert(is_read); /* the replies' fiber has read it before */
    for (struct front_request *request = life->waiting.first, *next; request != NULL; request = next) {
        next = request->next;
        if (answers(request, &outcome)) {
            front_list_remove(&life->waiting, request);
            struct journal_told told = journal_told_of(life->front->options.journal, &outcome, request->has_asked);
            front_answer(life->front, request, &told);
        }
    }
}

static void take_failure(struct front_life *life, uint64_t submission, bool is_certain) {
    for (struct front_request *request = life->waiting.first, *next; request != NULL && submission != 0;
         request = next) {
        next = request->next;
        if (request->submission == submission) {
            front_list_remove(&life->waiting, request);
            answer_bare(life, request, is_certain ? JOURNAL_NOT_SENT : JOURNAL_PENDING);
        }
    }
}

static bool take_letter(struct front_life *life) {
    struct letter *letter = life->letters;
    if (letter == NULL) {
        return false;
    }
    life->letters = letter->next;
    if (life->letters == NULL) {
        life->letters_last = &life->letters;
    }
    switch (letter->kind) {
    case LETTER_REPLY:
        take_reply(life, letter->value);
        break;
    case LETTER_NOT_DELIVERED:
        take_failure(life, letter->submission, true);
        break;
    case LETTER_IN_DOUBT:
        take_failure(life, letter->submission, false);
        break;
    }
    free(letter);
    return true;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static bool is_asked_lately(const struct front_life *life, const struct front_request *request, int64_t now_us) {
    for (const struct front_request *other = life->waiting.first; other != NULL; other = other->next) {
        if (other != request && other->has_asked && other->ask_at_us > now_us &&
            str_equal(other->entry->command_id, request->entry->command_id)) {
            return true;
        }
    }
    return false;
}

/* One that is due: its client has waited long enough, or its answer has got lost and is asked for. */
static bool take_due(struct front_life *life) {
    int64_t now_us = clock_boot_us();
    for (struct front_request *request = life->waiting.first; request != NULL; request = request->next) {
        if (request->answer_by_us <= now_us) {
            front_list_remove(&life->waiting, request);
            answer_bare(life, request, JOURNAL_PENDING);
            return true;
        }
        if (request->ask_at_us <= now_us) {
            request->ask_interval_us *= 2;
            request->ask_at_us = now_us + request->ask_interval_us;
            request->has_asked = true;
            if (!is_asked_lately(life, request, now_us)) {
                ask_outcome(life, request);
            }
            return true;
        }
    }
    return false;
}

/* Microseconds until one is due; -1: nobody waits. */
static int64_t due_in(const struct front_life *life) {
    int64_t now_us = clock_boot_us(), first_us = -1;
    for (const struct front_request *request = life->waiting.first; request != NULL; request = request->next) {
        int64_t at_us = request->ask_at_us < request->answer_by_us ? request->ask_at_us : request->answer_by_us;
        first_us = first_us == -1 || at_us < first_us ? at_us : first_us;
    }
    return first_us == -1 ? -1 : (first_us > now_us ? first_us - now_us : 0);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

void life_run(struct front_life *life) {
    const struct log_producer_options options = {.brokers = life->front->options.config->kafka_brokers,
                                                 .client_id = life->front->options.instance,
                                                 .linger_ms = LINGER_MS,
                                                 .gather_ms = GATHER_MS,
                                                 .delivery_timeout_ms = DELIVERY_TIMEOUT_MS};
    struct err_info info;
    life->letters_last = &life->letters;
    life->replies_next = -1;
    while (log_producer_open(&options, &life->producer, &info) != ERR_NONE) {
        sim_sleep(OPEN_AGAIN_US);
    }
    (void)sim_spawn(replies_run, life);
    for (;;) {
        arena_reset(&life->arena);
        if (!take_letter(life) && !take_request(life) && !take_due(life)) {
            (void)sim_wait(life, due_in(life));
        }
    }
}
