#include "core/gateway/submit.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/base/timestamp.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/replies.h"
#include "core/log/record.h"

/* Who is to be told how a delivery went. */
struct delivery_note {
    struct mailbox *mailbox;
    bool tells_success;
    struct submission submission;
};

/* Thread: the producer's. */
static void on_delivered(void *context, enum err result, const struct err_info *info) {
    (void)info;
    struct delivery_note *note = context;
    struct str letter = str_of((const char *)&note->submission, sizeof note->submission);
    if (result == ERR_IN_DOUBT) {
        (void)mailbox_post(note->mailbox, LETTER_DELIVERY_IN_DOUBT, letter);
    } else if (result != ERR_NONE) {
        (void)mailbox_post(note->mailbox, LETTER_NOT_DELIVERED, letter);
    } else if (note->tells_success) {
        (void)mailbox_post(note->mailbox, LETTER_DELIVERED, letter);
    }
    free(note);
}

int32_t submit_shard(const struct gateway_loop *loop, struct str stream) {
    return shard_of_stream(stream, (uint32_t)loop->gateway->config->shards);
}

bool submission_read(struct str letter, struct submission *ret_submission) {
    if (letter.len != sizeof *ret_submission) {
        return false;
    }
    memcpy(ret_submission, letter.data, sizeof *ret_submission);
    return true;
}

uint64_t submit_number(struct gateway_loop *loop) {
    return ++loop->last_submission;
}

static enum submitted send_record(struct gateway_loop *loop, const struct command *command, uint64_t number,
                                  int32_t shard, struct str key, struct str traceparent, bool tells_delivery) {
    struct gateway *gateway = loop->gateway;
    if (!replies_are_heard(gateway->replies)) {
        return SUBMIT_NO_LOG; /* its answer could not reach us, and most likely it would not get there either */
    }
    buf_clear(&loop->scratch);
    command_record_write(&loop->scratch, command);
    if (!buf_ok(&loop->scratch) || loop->scratch.len > RECORD_MAX_BYTES) {
        return SUBMIT_TOO_LARGE;
    }
    struct delivery_note *note = malloc_or_end(sizeof *note);
    assert(command->meta.command_id.len == COMMAND_ID_LEN);
    *note =
        (struct delivery_note){.mailbox = &loop->mailbox, .tells_success = tells_delivery, .submission.number = number};
    memcpy(note->submission.command_id, command->meta.command_id.data, COMMAND_ID_LEN);
    const struct log_header headers[] = {{.name = "traceparent", .value = traceparent}};
    struct err_info info;
    enum err sent =
        log_producer_send(gateway->producer, gateway->topics.names[TOPIC_COMMANDS], shard, key,
                          buf_text(&loop->scratch), headers, ARRAY_LENGTH(headers), on_delivered, note, &info);
    if (sent == ERR_NONE) {
        return SUBMITTED;
    }
    free(note);
    if (sent == ERR_TOO_LARGE) {
        return info.retriable ? SUBMIT_OVERLOADED : SUBMIT_TOO_LARGE;
    }
    return SUBMIT_NO_LOG;
}

enum submitted submit_command(struct gateway_loop *loop, struct command *command, uint64_t number,
                              struct str traceparent, bool tells_delivery) {
    command->meta.reply_partition = loop->gateway->reply_partition;
    command->meta.reply_instance = loop->reply_instance;
    return send_record(loop, command, number, submit_shard(loop, command->meta.stream), shard_key(command->meta.stream),
                       traceparent, tells_delivery);
}

enum submitted submit_outcome_ask(struct gateway_loop *loop, struct arena *arena, struct str command_id, int32_t shard,
                                  struct str traceparent) {
    int64_t now_us = clock_wall_us();
    struct command ask = {.type = COMMAND_ASK_OUTCOME};
    ask.meta.command_id = identity_fresh(arena, command_id, now_us);
    ask.meta.correlation_id = ask.meta.command_id;
    ask.meta.causation_id = ask.meta.command_id;
    ask.meta.actor = STR("system");
    ask.meta.issued_at = now_us;
    ask.meta.reply_partition = loop->gateway->reply_partition;
    ask.meta.reply_instance = loop->reply_instance;
    ask.as.ask_outcome.asked = command_id;
    metrics_outcome_ask(&loop->metrics);
    return send_record(loop, &ask, submit_number(loop), shard, command_id, traceparent, false);
}
