/* errand_work.c: what is done about open errands: when each is tried, and what the log is told of it.
 *
 *      WAITS -> IS_DONE (right now) -> IS_TOLD (a command) -> closed by the event that the command becomes
 *        ^         | not yet
 *        +---------+
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/base/timestamp.h"
#include "core/connect/errand_command.h"
#include "core/connect/errands_parts.h"
#include "core/log/record.h"

enum {
    TRY_FIRST_S = 60, /* after the first time that a server did not take a mail; doubled with each */
    TRY_MOST_S = 3600,
    WAIT_FIRST_MS = 1000, /* for our own database; doubled with each */
    WAIT_MOST_MS = 60000,
    SEEN_WITHIN_MS = 10000, /* a command that the log does not show by then is sent again; doubled with each */
    SEEN_MOST_MS = 600000,
    KEYS_AT_ONCE = 256,
    VACUUM_FIRST_S = 60,
    VACUUM_AGAIN_S = 60, /* when somebody was in its way */
    WARN_EVERY_S = 10,
};

static int64_t doubled(int64_t first, int times, int64_t most) {
    for (int i = 1; i < times && first < most; i++) {
        first *= 2;
    }
    return first < most ? first : most;
}

/* Up to a quarter more is drawn, so that what failed together does not come back together. */
static void due_in(struct errand *errand, int64_t delay_ms) {
    int64_t drawn_ms = (int64_t)randombytes_uniform((uint32_t)(delay_ms / 4 + 1));
    errand->progress.due_at_us = clock_boot_us() + (delay_ms + drawn_ms) * MICROS_PER_MS;
}

static void wait_ms(struct errand *errand, int64_t delay_ms) {
    errand->progress.state = ERRAND_WAITS;
    due_in(errand, delay_ms);
}

void errands_warn(struct errands *errands, enum errand_warning what, const char *why) {
    static const struct {
        enum log_level level;
        const char *text;
    } lines[ERRAND_WARNINGS] = {
        [ERRANDS_CANNOT_READ] = {LOG_ERROR, "the log cannot be read, and mails and erasures stand still"},
        [ERRANDS_CANNOT_REACH] = {LOG_WARN, "the log cannot be read for now"},
        [ERRANDS_ARE_DEFERRED] = {LOG_WARN, "mails were not taken and are tried again"},
        [ERRANDS_WAIT] = {LOG_WARN, "mails wait"},
        [ERRANDS_KEEP_KEYS] = {LOG_WARN, "keys of people who are to be erased could not be destroyed yet"},
    };
    int64_t now_us = clock_boot_us();
    if (now_us >= errands->next_warning_us[what]) {
        errands->next_warning_us[what] = now_us + (int64_t)WARN_EVERY_S * MICROS_PER_SECOND;
        log_line(lines[what].level, "errands", lines[what].text, LOG_CSTR("why", why == NULL ? "" : why));
    }
}

/* ---- telling the log --------------------------------------------------------------------------------------------- */

static enum err send_command(struct errands *errands, const struct errand *errand) {
    struct arena *arena = &errands->arena;
    arena_reset(arena);
    /* The stream's time would follow a clock that is ahead, and never come back. */
    int64_t now_us = log_clock_now(&errands->clock, clock_wall_us(), clock_boot_us());
    struct command command = errand_command(arena, errand, now_us);
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, &command);
    int32_t partition = shard_of_stream(command.meta.stream, (uint32_t)errands->config->shards);
    const struct log_header trace = {.name = "traceparent", .value = errand->traceparent};
    /* No delivery callback: whether it arrived shows in the log, and one that does not show there is sent again. */
    enum err err = buf_ok(&value) ? log_producer_send(errands->producer, errands->topics.names[TOPIC_COMMANDS],
                                                      partition, shard_key(command.meta.stream), buf_text(&value),
                                                      &trace, trace.value.len > 0 ? 1 : 0, NULL, NULL, NULL)
                                  : ERR_TOO_LARGE;
    buf_release(&value);
    return err;
}

/* From here on the log has the word: it is not done again, whatever becomes of the command. */
static void tell(struct errands *errands, struct errand *errand) {
    struct errand_progress *progress = &errand->progress;
    progress->state = ERRAND_IS_TOLD;
    if (send_command(errands, errand) != ERR_NONE) {
        due_in(errand, WAIT_FIRST_MS);
        return;
    }
    due_in(errand, doubled(SEEN_WITHIN_MS, ++progress->sends, SEEN_MOST_MS));
    if (progress->sends == ERRAND_SENDS_OVERDUE) { /* somebody should look */
        log_line(LOG_ERROR, "errands",
                 "what became of an errand was told again and again, and the log does not show it",
                 LOG_STR("event", errand->cause), LOG_STR("stream", errand->stream), LOG_INT("sends", progress->sends));
    }
}

/* `code`: 0 for none. Whatever a server took for one, what the log is told of it has three digits. */
static void decide_mail(struct errands *errands, struct errand *errand, const char *result, int code) {
    struct errand_progress *progress = &errand->progress;
    progress->result = result;
    progress->code[0] = '\0';
    if (code > 0 && code <= 999) {
        (void)snprintf(progress->code, sizeof progress->code, "%03d", code);
    }
    tell(errands, errand);
}

/* ---- mails ------------------------------------------------------------------------------------------------------- */

static void give_up(struct errands *errands, struct errand *errand, int code, const char *why) {
    atomic_fetch_add(&errands->counts.mails_failed, 1);
    log_line(LOG_WARN, "errands", "a mail was given up", LOG_STR("event", errand->cause),
             LOG_STR("stream", errand->stream), LOG_CSTR("mail", errand->mail.kind), LOG_INT("code", code),
             LOG_INT("tries", errand->progress.tries + 1), LOG_CSTR("why", why == NULL ? "" : why));
    decide_mail(errands, errand, "failed", code);
}

static void try_again(struct errands *errands, struct errand *errand, int code, const char *why) {
    struct errand_progress *progress = &errand->progress;
    if (progress->tries + 1 >= ERRAND_TRIES) {
        give_up(errands, errand, code, why);
        return;
    }
    atomic_fetch_add(&errands->counts.mails_deferred, 1);
    wait_ms(errand, doubled(TRY_FIRST_S, ++progress->tries, TRY_MOST_S) * 1000);
    errands_warn(errands, ERRANDS_ARE_DEFERRED, why);
}

static void settle_mail(struct errands *errands, struct errand *errand, const struct mail_result *result) {
    switch (result->end) {
    case MAIL_SENT:
        atomic_fetch_add(&errands->counts.mails_sent, 1);
        decide_mail(errands, errand, "sent", result->code);
        break;
    case MAIL_DEFERRED:
        try_again(errands, errand, result->code, result->why);
        break;
    case MAIL_REFUSED:
        give_up(errands, errand, result->code, result->why);
        break;
    case MAIL_ERASED:
        atomic_fetch_add(&errands->counts.mails_erased, 1);
        decide_mail(errands, errand, "erased", 0);
        break;
    case MAIL_NOT_NOW:
        wait_ms(errand, doubled(WAIT_FIRST_MS, ++errand->progress.waits, WAIT_MOST_MS));
        errands_warn(errands, ERRANDS_WAIT, result->why);
        break;
    }
}

/* The log has closed it meanwhile, or another process has it: which should hear that it is done, lest it does so too.
 */
static void settle_late(struct errands *errands, struct errand *errand, const struct mail_result *result) {
    bool is_decided = result->end != MAIL_DEFERRED && result->end != MAIL_NOT_NOW;
    if (errand->progress.is_revoked && is_decided) {
        settle_mail(errands, errand, result);
    }
    errand_free(errand);
}

static void on_mail_done(struct errand *errand, const struct mail_result *result) {
    struct errands *errands = errand->progress.owner;
    if (errand->progress.is_closed) {
        settle_late(errands, errand, result);
    } else if (errands->stopping && result->end != MAIL_SENT) { /* what ended because of it says nothing */
        errand->progress.state = ERRAND_WAITS;
    } else {
        settle_mail(errands, errand, result);
    }
    if (!errands->stopping) {
        errands->has_work = true; /* there is room for another */
        uv_async_send(&errands->more);
    }
}

static void end_quietly(struct errands *errands, struct errand_shard *shard, struct errand *errand) {
    atomic_fetch_add(&errands->counts.mails_late, 1);
    open_errands_end(shard->open, errand, errand_on_closed);
}

void errands_end_late(struct errands *errands, struct errand_shard *shard, int64_t broker_us) {
    struct errand *errand = open_errands_first(shard->open);
    while (errand != NULL && errand->kind == ERRAND_MAIL && errand->mail.ends_quietly &&
           errand->progress.state == ERRAND_WAITS && errand->mail.useless_at_us <= broker_us) {
        end_quietly(errands, shard, errand);
        errand = open_errands_first(shard->open);
    }
}

static void begin_mail(struct errands *errands, struct errand_shard *shard, struct errand *errand) {
    switch (log_clock_is_over(&errands->clock, errand->mail.useless_at_us, clock_wall_us(), clock_boot_us())) {
    case LOG_CLOCK_OVER:
        if (errand->mail.ends_quietly) {
            end_quietly(errands, shard, errand);
        } else {
            give_up(errands, errand, 0, "it is of no use any more");
        }
        break;
    case LOG_CLOCK_UNSURE:
        wait_ms(errand, WAIT_MOST_MS);
        errands_warn(errands, ERRANDS_WAIT, "they are too old by this machine's clock; the next event will show");
        break;
    case LOG_CLOCK_NOT_YET:
        if (errands->mailing != NULL && mailing_has_room(errands->mailing)) {
            errand->progress.state = ERRAND_IS_DONE;
            mailing_send(errands->mailing, errand, on_mail_done);
        }
        break;
    }
}

/* ---- erasures ---------------------------------------------------------------------------------------------------- */

static void settle_erasure(struct errands *errands, struct errand *errand, enum err err) {
    if (err == ERR_NONE) {
        for (size_t i = 0; i < errand->key_count; i++) {
            vault_forget(errands->vault, errand->keys[i]);
        }
        atomic_fetch_add(&errands->counts.erasures, 1);
    }
    if (errand->progress.is_closed) {
        errand_free(errand);
    } else if (err == ERR_NONE) {
        tell(errands, errand);
    } else {
        wait_ms(errand, doubled(WAIT_FIRST_MS, ++errand->progress.waits, WAIT_MOST_MS));
    }
}

/* One of them is at fault, a key's id that no database takes, say: the others need not wait for it. */
static void set_apart(const struct erasure_batch *batch, const struct err_info *info) {
    for (size_t i = 0; i < batch->count; i++) {
        batch->errands[i]->progress.goes_alone = true;
    }
    if (batch->count == 1) {
        const struct errand *errand = batch->errands[0];
        log_line(LOG_ERROR, "errands", "somebody's keys cannot be destroyed", LOG_STR("event", errand->cause),
                 LOG_STR("stream", errand->stream), LOG_CSTR("why", info->text));
    }
}

static void on_destroyed(void *context, enum err err, const struct erased *erased, const struct err_info *info) {
    struct errands *errands = context;
    struct erasure_batch batch = errands->batch;
    errands->batch.count = 0;
    if (err != ERR_NONE) {
        errands_warn(errands, ERRANDS_KEEP_KEYS, info->text);
    } else if (erased->keys_left > 0) {
        atomic_fetch_add(&errands->counts.keys_left, (uint64_t)erased->keys_left);
        log_line(LOG_INFO, "errands", "keys that are somebody else's by now were left alone",
                 LOG_INT("keys", erased->keys_left));
    }
    if (err == ERR_MALFORMED) {
        set_apart(&batch, info);
    }
    for (size_t i = 0; i < batch.count; i++) {
        settle_erasure(errands, batch.errands[i], err);
    }
    if (!errands->stopping) {
        errands->has_work = true;
        uv_async_send(&errands->more);
    }
}

/* The first is the person's own, the others are of addresses (CustomerErasureRequested). */
static struct vault_doomed doomed_key(const struct errand *errand, size_t index) {
    return (struct vault_doomed){.key_id = errand->keys[index],
                                 .cause = errand->cause,
                                 .asked_at_us = errand->asked_at_us,
                                 .may_be_anew = index > 0};
}

/* The keys of all together, in one statement. */
static void begin_batch(struct errands *errands) {
    const struct erasure_batch *batch = &errands->batch;
    size_t count = 0, at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        count += batch->errands[i]->key_count;
    }
    struct vault_doomed *doomed = calloc_or_end(count + 1, sizeof *doomed);
    for (size_t i = 0; i < batch->count; i++) {
        struct errand *errand = batch->errands[i];
        errand->progress.state = ERRAND_IS_DONE;
        for (size_t j = 0; j < errand->key_count; j++) {
            doomed[at++] = doomed_key(errand, j);
        }
    }
    erasing_destroy(errands->erasing, doomed, count, on_destroyed, errands);
    free(doomed);
}

/* What finds no room waits for the next batch. An event names two keys; should one name more, it goes alone, and so
 * does one that failed with others. */
static void gather(struct errands *errands, struct errand *errand, size_t *keys) {
    struct erasure_batch *batch = &errands->batch;
    bool fits = batch->count < ERASURES_AT_ONCE && *keys + errand->key_count <= KEYS_AT_ONCE &&
                !errand->progress.goes_alone && (batch->count == 0 || !batch->errands[0]->progress.goes_alone);
    if (!erasing_is_busy(errands->erasing) && (fits || batch->count == 0)) {
        batch->errands[batch->count++] = errand;
        *keys += errand->key_count;
    }
}

/* ---- what is due ------------------------------------------------------------------------------------------------- */

/* May end it. */
static void begin(struct errands *errands, struct errand_shard *shard, struct errand *errand, size_t *keys) {
    errand->progress.owner = errands;
    if (errand->progress.state == ERRAND_IS_TOLD) {
        tell(errands, errand);
        return;
    }
    switch (errand->kind) {
    case ERRAND_MAIL:
        begin_mail(errands, shard, errand);
        break;
    case ERRAND_ERASURE:
        gather(errands, errand, keys);
        break;
    case ERRAND_FORESEEN:
        break;
    }
}

void errands_begin_due(struct errands *errands) {
    int64_t now_us = clock_boot_us();
    size_t keys = 0;
    errands->has_work = false;
    for (size_t i = 0; i < errands_shard_count(errands); i++) {
        struct errand_shard *shard = &errands->shards[i];
        if (shard->open == NULL || !shard->is_live || shard->is_stopped) {
            continue;
        }
        for (struct errand *errand = open_errands_first(shard->open), *next; errand != NULL; errand = next) {
            next = errand->next;
            if (errand->progress.state != ERRAND_IS_DONE && errand->progress.due_at_us <= now_us) {
                begin(errands, shard, errand, &keys);
            }
        }
    }
    if (errands->batch.count > 0 && !erasing_is_busy(errands->erasing)) {
        begin_batch(errands);
    }
}

/* While it is being done, whoever does it frees it. */
void errand_on_closed(struct errand *errand) {
    errand->progress.is_closed = true;
    if (errand->progress.state != ERRAND_IS_DONE) {
        errand_free(errand);
    }
}

void errand_on_revoked(struct errand *errand) {
    errand->progress.is_revoked = true;
    errand_on_closed(errand);
}

void errands_count(struct errands *errands) {
    uint64_t mails = 0, erasures = 0, passed_over = 0, stopped = 0, live = 0, not_live = 0;
    for (size_t i = 0; i < errands_shard_count(errands); i++) {
        const struct errand_shard *shard = &errands->shards[i];
        if (shard->open != NULL) {
            mails += open_errands_count(shard->open, ERRAND_MAIL);
            erasures += open_errands_count(shard->open, ERRAND_ERASURE);
            passed_over += open_errands_are_more(shard->open);
            stopped += shard->is_stopped;
            live += shard->is_live && !shard->is_stopped;
            not_live += !shard->is_live && !shard->is_stopped;
        }
    }
    atomic_store(&errands->counts.mails_waiting, mails);
    atomic_store(&errands->counts.erasures_waiting, erasures);
    atomic_store(&errands->counts.passed_over, passed_over);
    atomic_store(&errands->counts.shards_stopped, stopped);
    atomic_store(&errands->counts.shards_live, live);
    atomic_store(&errands->counts.shards_not_live, not_live);
}

/* ---- upkeep ------------------------------------------------------------------------------------------------------ */

static void vacuum_again_in(struct errands *errands, int64_t seconds) {
    errands->next_vacuum_us = clock_boot_us() + seconds * MICROS_PER_SECOND;
}

static void on_vacuumed(void *context, enum err err, const struct erased *erased, const struct err_info *info) {
    struct errands *errands = context;
    if (err != ERR_NONE) {
        log_line(LOG_WARN, "errands", "the table of keys was not written anew: what was destroyed lies in its file yet",
                 LOG_CSTR("why", info->text));
    } else if (erased->was_due) {
        log_line(LOG_INFO, "errands", "the table of keys was written anew");
    }
    int64_t every_s = errands->config->vault_vacuum_s;
    vacuum_again_in(errands, err == ERR_TIMEOUT && every_s > VACUUM_AGAIN_S ? VACUUM_AGAIN_S : every_s);
    errands->has_work = true; /* erasures have waited for it */
}

/* Soon after the start, whatever the interval: a process may never live that long, and what is destroyed would lie in
 * the file for ever. */
void errands_vacuum_when_due(struct errands *errands) {
    int64_t every_s = errands->config->vault_vacuum_s;
    if (errands->next_vacuum_us == 0) {
        vacuum_again_in(errands, every_s < VACUUM_FIRST_S ? every_s : VACUUM_FIRST_S);
    } else if (clock_boot_us() >= errands->next_vacuum_us && !erasing_is_busy(errands->erasing)) {
        erasing_vacuum(errands->erasing, on_vacuumed, errands);
    }
}
