#include "core/handler/engine.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/handler/answers.h"
#include "core/handler/ids.h"
#include "core/handler/poison.h"
#include "gen/codec.h"

static const struct str no_pointer = {0};
static const struct str_array no_skus = {0};

/* ---- life ------------------------------------------------------------------------------------------------------- */

void engine_init(struct engine *engine, const struct engine_options *options) {
    *engine = (struct engine){.options = *options};
    if (engine->options.decisions_per_command == 0) {
        engine->options.decisions_per_command = DECISIONS_PER_COMMAND_MAX;
    }
    engine->shards = calloc_or_end(options->policy->shard_count, sizeof *engine->shards);
    outbox_init(&engine->outbox, BATCH_MAX_BYTES);
    buf_init(&engine->scratch, RECORD_MAX_BYTES);
}

void engine_release(struct engine *engine) {
    for (uint32_t i = 0; i < engine->options.policy->shard_count; i++) {
        askers_release(&engine->shards[i].askers);
    }
    free(engine->shards);
    outbox_release(&engine->outbox);
    buf_release(&engine->scratch);
}

static struct engine_shard *shard_at(const struct engine *engine, int32_t shard) {
    assert(shard >= 0 && (uint32_t)shard < engine->options.policy->shard_count);
    return &engine->shards[shard];
}

void engine_own(struct engine *engine, int32_t shard, struct store *store) {
    struct engine_shard *owned = shard_at(engine, shard);
    assert(store != NULL && owned->store == NULL);
    owned->store = store;
    overlay_init(&owned->overlay, store, &engine->outbox.arena, engine->options.aggregates);
}

void engine_disown(struct engine *engine, int32_t shard) {
    struct engine_shard *owned = shard_at(engine, shard);
    askers_release(&owned->askers);
    *owned = (struct engine_shard){0};
}

static bool is_any_behind(const struct engine *engine) {
    bool behind = false;
    for (uint32_t i = 0; i < engine->options.policy->shard_count; i++) {
        behind = behind || engine->shards[i].behind;
    }
    return behind;
}

/* The stores have it all: everything in memory may go. */
static void overlays_begin(struct engine *engine) {
    outbox_clear(&engine->outbox);
    engine->kept_batches = 0;
    engine->fired = false;
    for (uint32_t i = 0; i < engine->options.policy->shard_count; i++) {
        struct engine_shard *shard = &engine->shards[i];
        if (shard->store != NULL) {
            store_rest(shard->store);
            overlay_init(&shard->overlay, shard->store, &engine->outbox.arena, engine->options.aggregates);
        }
    }
}

void engine_batch_begin(struct engine *engine) {
    if (is_any_behind(engine) || engine->sealed.is_there) {
        assert(!engine->in_batch && "a batch cannot be dropped from above what the stores miss");
        outbox_next(&engine->outbox);
    } else {
        overlays_begin(engine);
    }
    engine->in_batch = true;
    engine->batch_began_bytes = engine->outbox.arena.used_bytes;
    map_init(&engine->touched, &engine->outbox.arena);
    engine->drafts = (struct draft_array){0};
    engine->queue = (struct work_array){0};
    for (uint32_t i = 0; i < engine->options.policy->shard_count; i++) {
        engine->shards[i].wrote = false;
    }
}

bool engine_is_full(const struct engine *engine) {
    return engine->outbox.arena.used_bytes - engine->batch_began_bytes > BATCH_FULL_BYTES;
}

bool engine_wrote(const struct engine *engine, int32_t shard) {
    return shard_at(engine, shard)->wrote;
}

/* ---- setting aside ---------------------------------------------------------------------------------------------- */

/* A dead letter, and a refusal where the command's id can be read. */
static enum err set_aside(struct engine *engine, const struct work *work, struct str reason, struct err_info *info) {
    engine->stats.dead_letters++;
    outbox_dead_letter(&engine->outbox, &work->origin, engine->options.topics->names[work->origin.topic], reason);
    uint8_t id[ULID_BYTES];
    if (work->command == NULL || !command_id_read(work->command->meta.command_id, id)) {
        return ERR_NONE;
    }
    struct window_item *item;
    if (shard_at(engine, work->shard)->store == NULL) {
        return ERR_NONE; /* a follow-up for another's shard, too large to be sent: it waits for no answer */
    }
    enum err err = overlay_window(&shard_at(engine, work->shard)->overlay, id, &item, info);
    if (err != ERR_NONE) {
        return err;
    }
    if (item->present) { /* it was answered before; this is its retry, or another body under its key */
        return answers_repeat(engine, work, item, info);
    }
    bool recorded = command_is_from_outside(&work->command->meta);
    struct draft *draft = answers_draft(engine, work, item, recorded);
    if (draft != NULL) {
        draft_refuse(engine, draft, REJECT_MALFORMED_COMMAND, no_pointer, no_skus);
    }
    return ERR_NONE;
}

/* ---- follow-ups -------------------------------------------------------------------------------------------------- */

/* For another shard, or one that is beyond what is decided at once. */
static enum err follow_up_send(struct engine *engine, struct work *work, struct err_info *info) {
    struct command *command = arena_alloc(&engine->outbox.arena, sizeof *command);
    *command = *work->command;
    work->command = command;
    work->at_once = false;
    command->meta.command_id =
        follow_up_id_of(&engine->outbox.arena, command->meta.causation_id, work->index, work->at_once);
    buf_clear(&engine->scratch);
    command_record_write(&engine->scratch, work->command);
    if (!buf_ok(&engine->scratch)) {
        return set_aside(engine, work, STR("a follow-up command is larger than a record may be"), info);
    }
    struct out_record record = {
        .topic = TOPIC_COMMANDS,
        .partition = work->shard,
        .key = shard_key(work->command->meta.stream),
        .value = arena_str_copy(&engine->outbox.arena, buf_text(&engine->scratch)),
    };
    record.headers = outbox_trace_header(&engine->outbox, work->traceparent, &record.header_count);
    outbox_record(&engine->outbox, &record);
    engine->stats.follow_ups_sent++;
    return ERR_NONE;
}

/* Gives a follow-up its identity, and puts it into the queue or, for a shard of others, on its way. */
static enum err follow_up_add(struct engine *engine, struct command *command, const struct event *cause, uint32_t index,
                              struct str traceparent, struct err_info *info) {
    const struct str stream = command->meta.stream;
    command->meta = (struct command_meta){
        .command_id = follow_up_id_of(&engine->outbox.arena, cause->meta.event_id, index, true),
        .stream = stream,
        .correlation_id = cause->meta.correlation_id,
        .causation_id = cause->meta.event_id,
        .actor = cause->meta.actor,
        .issued_at = cause->meta.occurred_at,
        .reply_partition = -1,
    };
    struct work work = {
        .shard = shard_of_stream(stream, engine->options.policy->shard_count),
        .command = command,
        .traceparent = traceparent,
        .index = index,
        .at_once = true,
    };
    work.origin = (struct record_origin){.topic = TOPIC_COMMANDS,
                                         .partition = work.shard,
                                         .offset = -1,
                                         .key = shard_key(stream),
                                         .traceparent = traceparent};
    if (shard_at(engine, work.shard)->store == NULL) {
        return follow_up_send(engine, &work, info);
    }
    *ARRAY_PUSH(&engine->outbox.arena, &engine->queue) = work;
    return ERR_NONE;
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

/* What is being decided. */
struct decided {
    const struct work *work;
    const struct command_info *command_info;
    struct live_stream *stream;
    const struct live_sub *sub; /* NULL: it touches none */
    struct decision *decision;
    struct str *values; /* of the events, framed */
};

static void event_stamp(struct engine *engine, const struct decided *decided, uint32_t index) {
    const struct command_meta *cause = &decided->work->command->meta;
    struct event *event = &decided->decision->events.items[index];
    event->meta = (struct event_meta){
        .event_id = event_id_of(&engine->outbox.arena, cause->command_id, index),
        .stream = decided->stream->id,
        .version = decided->stream->version + 1 + index,
        .occurred_at = decided->decision->now_us,
        .command_id = cause->command_id,
        .correlation_id = cause->correlation_id,
        .causation_id = cause->causation_id,
        .actor = cause->actor,
    };
    if (index == 0) {
        memcpy(event->meta.prev_hash, decided->stream->hash, sizeof event->meta.prev_hash);
    } else {
        chain_hash(decided->values[index - 1], event->meta.prev_hash);
    }
}

/* Meta and record value of every event; false when one is larger than a record may be. */
static bool events_seal(struct engine *engine, struct decided *decided) {
    uint32_t count = decided->decision->events.count;
    decided->values = arena_alloc(&engine->outbox.arena, (count + 1) * sizeof *decided->values);
    for (uint32_t i = 0; i < count; i++) {
        event_stamp(engine, decided, i);
        buf_clear(&engine->scratch);
        event_record_write(&engine->scratch, &decided->decision->events.items[i]);
        if (!buf_ok(&engine->scratch)) {
            return false;
        }
        decided->values[i] = arena_str_copy(&engine->outbox.arena, buf_text(&engine->scratch));
    }
    return true;
}

static void event_append(struct engine *engine, const struct decided *decided, uint32_t index) {
    const struct event *event = &decided->decision->events.items[index];
    struct log_header *headers = arena_alloc(&engine->outbox.arena, EVENT_HEADERS_MAX * sizeof *headers);
    size_t count =
        event_headers(&engine->outbox.arena, event, engine->options.source, decided->work->traceparent, headers);
    outbox_record(&engine->outbox, &(struct out_record){
                                       .topic = decided->stream->topic,
                                       .partition = decided->work->shard,
                                       .key = shard_key(decided->stream->id),
                                       .value = decided->values[index],
                                       .headers = headers,
                                       .header_count = count,
                                   });
    shard_at(engine, decided->work->shard)->wrote = true;
    engine->stats.events++;
}

/* What follows from an event that has just been folded. */
static enum err event_react(struct engine *engine, const struct decided *decided, const struct event *event,
                            struct err_info *info) {
    const struct aggregate *aggregate = decided->stream->aggregate;
    if (aggregate->react == NULL) {
        return ERR_NONE;
    }
    struct reactions reactions = {.arena = &engine->outbox.arena, .policy = engine->options.policy};
    aggregate->react(decided->stream->state, event, decided->work->command, &reactions);
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < reactions.answers.count && err == ERR_NONE; i++) {
        err = answers_at_rest(engine, decided->work->shard, &reactions.answers.items[i], decided->stream,
                              decided->work->traceparent, info);
    }
    for (uint32_t i = 0; i < reactions.commands.count && err == ERR_NONE; i++) {
        err = follow_up_add(engine, &reactions.commands.items[i], event, i, decided->work->traceparent, info);
    }
    return err;
}

/* The events take place: appended, folded, reacted to. */
static enum err events_happen(struct engine *engine, const struct decided *decided, struct err_info *info) {
    struct overlay *overlay = &shard_at(engine, decided->work->shard)->overlay;
    const struct event_array *events = &decided->decision->events;
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < events->count && err == ERR_NONE; i++) {
        event_append(engine, decided, i);
        err = fold_event(overlay, decided->stream, &events->items[i], decided->values[i], overlay->progress.log_time_us,
                         info);
        answers_touch(engine, events->items[i].meta.correlation_id, decided->stream);
        err = err == ERR_NONE ? event_react(engine, decided, &events->items[i], info) : err;
    }
    return err;
}

/* The draft that is the command's own; drafts may have moved since. */
static struct draft *draft_at(struct engine *engine, uint32_t index) {
    return &engine->drafts.items[index];
}

static enum err accept(struct engine *engine, struct decided *decided, struct window_item *item,
                       struct err_info *info) {
    const struct command_meta *meta = &decided->work->command->meta;
    if (!events_seal(engine, decided)) {
        return set_aside(engine, decided->work, STR("an event of it would be larger than a record may be"), info);
    }
    bool at_rest = decided->command_info->answered == ANSWER_AT_REST && decided->decision->events.count > 0;
    bool is_kept = at_rest || decided->stream->aggregate->part_version != NULL; /* the window does not name parts */
    bool recorded = meta->client_key || (is_kept && command_is_from_outside(meta));
    uint32_t place = engine->drafts.count;
    bool drafted = answers_draft(engine, decided->work, item, recorded) != NULL;
    enum err err = events_happen(engine, decided, info);
    if (err == ERR_NONE && drafted && !at_rest) {
        draft_accept(engine, draft_at(engine, place), decided->stream, decided->sub);
    }
    return err;
}

/* ---- deciding ---------------------------------------------------------------------------------------------------- */

static void refuse(struct engine *engine, const struct work *work, struct window_item *item, enum rejection rejection,
                   struct str pointer, struct str_array skus) {
    engine->stats.refused++;
    struct draft *draft = answers_draft(engine, work, item, work->command->meta.client_key);
    if (draft != NULL) {
        draft_refuse(engine, draft, rejection, pointer, skus);
    }
}

/* Why the command cannot be decided here, empty when it can: its type, its stream, its shard. */
static struct str misfit_of(const struct engine *engine, const struct work *work,
                            const struct command_info *command_info) {
    const struct command_meta *meta = &work->command->meta;
    if (command_info == NULL) {
        return STR("nothing decides commands of this type");
    }
    if (meta->stream.len > STREAM_ID_MAX ||
        engine->options.aggregates->of_stream(meta->stream) != command_info->aggregate) {
        return STR("its stream is not one that decides such commands");
    }
    if (shard_of_stream(meta->stream, engine->options.policy->shard_count) != work->shard) {
        return STR("its stream lives on another shard");
    }
    return (struct str){0};
}

/* A new command, for a stream that is known to fit it. */
static enum err decide_new(struct engine *engine, const struct work *work, const struct command_info *command_info,
                           struct window_item *item, struct err_info *info) {
    const struct command *command = work->command;
    const struct aggregate *aggregate = command_info->aggregate;
    struct overlay *overlay = &shard_at(engine, work->shard)->overlay;
    struct live_stream *stream;
    enum err err = overlay_stream(overlay, command->meta.stream, &stream, info);
    if (err != ERR_NONE) {
        return err;
    }
    bool has_key = aggregate->command_sub_key != NULL;
    struct str sub_key = has_key ? aggregate->command_sub_key(command, &engine->outbox.arena) : (struct str){0};
    if (sub_key.len > SUB_KEY_MAX) {
        return set_aside(engine, work, STR("its sub-key is too long"), info);
    }
    struct live_sub *sub;
    err = overlay_sub(overlay, stream, sub_key, &sub, info);
    if (err != ERR_NONE) {
        return err;
    }
    if (command->meta.has_expected_version && command->meta.expected_version != live_version(stream, sub)) {
        refuse(engine, work, item, REJECT_VERSION_MISMATCH, no_pointer, no_skus);
        return ERR_NONE;
    }
    struct decision decision = {
        .arena = &engine->outbox.arena,
        .policy = engine->options.policy,
        .stream = stream->id,
        .version = stream->version,
        .now_us = command->meta.issued_at > stream->occurred_at_us ? command->meta.issued_at : stream->occurred_at_us,
    };
    engine->stats.commands++;
    enum rejection rejection = aggregate->decide(stream->state, sub == NULL ? NULL : sub->state, command, &decision);
    if (rejection != ACCEPTED) {
        bool is_as_absent = decision.is_hidden && command->meta.has_expected_version;
        refuse(engine, work, item, is_as_absent ? REJECT_VERSION_MISMATCH : rejection, decision.pointer, decision.skus);
        return ERR_NONE;
    }
    struct decided decided = {work, command_info, stream, sub, &decision, NULL};
    return accept(engine, &decided, item, info);
}

static bool is_expired(const struct engine *engine, const struct work *work) {
    int64_t log_time_us = shard_at(engine, work->shard)->overlay.progress.log_time_us;
    const struct command_meta *meta = &work->command->meta;
    /* What follows from an event must happen, however late: a purchase never stops half-way. */
    return command_is_from_outside(meta) && meta->issued_at < log_time_us - engine->options.window_us;
}

static enum err decide_one(struct engine *engine, const struct work *work, struct err_info *info) {
    const struct command *command = work->command;
    if (command->type == COMMAND_ASK_OUTCOME) {
        return answers_ask(engine, work, info);
    }
    const struct command_info *command_info = engine->options.aggregates->of_command(command->type);
    uint8_t id[ULID_BYTES];
    struct str misfit = misfit_of(engine, work, command_info);
    if (!str_is_empty(misfit) || !command_id_read(command->meta.command_id, id)) {
        return set_aside(engine, work, str_is_empty(misfit) ? STR("its id is not a command's") : misfit, info);
    }
    struct window_item *item = NULL;
    if (!work->at_once) {
        enum err err = overlay_window(&shard_at(engine, work->shard)->overlay, id, &item, info);
        if (err != ERR_NONE) {
            return err;
        }
        if (item->present) {
            return answers_repeat(engine, work, item, info);
        }
    }
    if (is_expired(engine, work)) {
        engine->stats.expired++;
        struct draft *draft = answers_draft(engine, work, NULL, false);
        if (draft != NULL) {
            draft_refuse(engine, draft, REJECT_COMMAND_EXPIRED, no_pointer, no_skus);
        }
        return ERR_NONE;
    }
    return decide_new(engine, work, command_info, item, info);
}

/* A command and what follows from it at once. */
static enum err decide_all(struct engine *engine, const struct work *work, struct err_info *info) {
    engine->queue = (struct work_array){0};
    enum err err = decide_one(engine, work, info);
    uint32_t decisions = 1;
    for (uint32_t i = 0; i < engine->queue.count && err == ERR_NONE; i++) {
        struct work next = engine->queue.items[i]; /* a copy: the queue may move as it grows */
        if (decisions < engine->options.decisions_per_command) {
            decisions++;
            engine->stats.follow_ups_local++;
            err = decide_one(engine, &next, info);
        } else {
            err = follow_up_send(engine, &next, info);
        }
    }
    if (err == ERR_NONE) {
        answers_finish(engine);
    }
    return err;
}

/* ---- what comes from outside ------------------------------------------------------------------------------------- */

/* The input as work without its command; texts copied into the batch. */
static struct work work_of_input(struct engine *engine, const struct engine_input *input) {
    struct arena *arena = &engine->outbox.arena;
    struct store_progress *progress = &shard_at(engine, input->shard)->overlay.progress;
    if (input->timestamp_us > progress->log_time_us) {
        progress->log_time_us = input->timestamp_us;
    }
    struct work work = {.shard = input->shard, .traceparent = arena_str_copy(arena, input->traceparent)};
    work.origin = (struct record_origin){
        .topic = TOPIC_COMMANDS,
        .partition = input->shard,
        .offset = input->offset,
        .key = arena_str_copy(arena, input->key),
        .value = arena_str_copy(arena, input->value),
        .traceparent = work.traceparent,
    };
    return work;
}

/* Sets aside what cannot be decoded, or must not be decided. */
static enum err set_aside_input(struct engine *engine, struct work *work, struct str reason, struct err_info *info) {
    struct command *command = arena_alloc(&engine->outbox.arena, sizeof *command);
    if (poison_meta_read(work->origin.value, &command->meta)) {
        work->command = command;
    }
    enum err err = set_aside(engine, work, reason, info);
    if (err == ERR_NONE) {
        answers_finish(engine);
    }
    return err;
}

enum err engine_set_aside(struct engine *engine, const struct engine_input *input, struct str reason,
                          struct err_info *info) {
    struct work work = work_of_input(engine, input);
    return set_aside_input(engine, &work, reason, info);
}

enum err engine_decide(struct engine *engine, const struct engine_input *input, struct err_info *info) {
    struct work work = work_of_input(engine, input);
    struct command *command = arena_alloc(&engine->outbox.arena, sizeof *command);
    struct err_info why;
    enum err err = command_record_read(&engine->outbox.arena, work.origin.value, command, &why);
    if (err != ERR_NONE) {
        return set_aside_input(engine, &work, str_of_cstr(why.text), info);
    }
    work.command = command;
    return decide_all(engine, &work, info);
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static enum err timer_fire(struct engine *engine, int32_t shard, struct live_stream *stream, int64_t now_us,
                           struct err_info *info) {
    struct arena *arena = &engine->outbox.arena;
    int64_t deadline_us = stream->deadline_us;
    struct command *command = arena_alloc(arena, sizeof *command);
    stream->aggregate->on_deadline(stream->state, command);
    struct str id = timer_id_of(arena, stream->id, deadline_us);
    command->meta = (struct command_meta){
        .command_id = id,
        .stream = stream->id,
        .correlation_id = id,
        .causation_id = id,
        .actor = STR("system"),
        .issued_at = deadline_us > now_us ? deadline_us : now_us,
        .reply_partition = -1,
    };
    struct work work = {.shard = shard, .command = command};
    work.origin =
        (struct record_origin){.topic = TOPIC_COMMANDS, .partition = shard, .offset = -1, .key = shard_key(stream->id)};
    engine->stats.timers_fired++;
    enum err err = decide_all(engine, &work, info);
    if (err == ERR_NONE && stream->deadline_us == deadline_us) {
        /* It changed nothing. It would fire for ever; the stream's next event sets it again if it is still due. */
        stream->deadline_us = 0;
        stream->dirty = true;
    }
    return err;
}

enum err engine_fire_timers(struct engine *engine, int32_t shard, int64_t now_us, uint32_t most, uint32_t *ret_fired,
                            struct err_info *info) {
    struct engine_shard *owned = shard_at(engine, shard);
    struct store_timer_array due;
    enum err err = store_timers_due(owned->store, now_us, most, &engine->outbox.arena, &due, info);
    uint32_t fired = 0;
    for (uint32_t i = 0; err == ERR_NONE && i < due.count && !engine_is_full(engine); i++) {
        struct live_stream *stream;
        err = overlay_stream(&owned->overlay, due.items[i].stream, &stream, info);
        /* This batch may have moved the stream on. */
        if (err == ERR_NONE && stream->deadline_us == due.items[i].deadline_us) {
            err = timer_fire(engine, shard, stream, now_us, info);
            fired++;
            engine->fired = true;
        }
    }
    if (err == ERR_NONE) {
        *ret_fired = fired;
    }
    return err;
}

/* ---- the commit, and after it ------------------------------------------------------------------------------------ */

void engine_batch_seal(struct engine *engine) {
    assert(engine->in_batch && !engine->sealed.is_there);
    for (uint32_t i = 0; i < engine->options.policy->shard_count; i++) {
        struct engine_shard *shard = &engine->shards[i];
        shard->behind = shard->store != NULL && (shard->behind || shard->wrote || overlay_is_dirty(&shard->overlay));
    }
    engine->in_batch = false;
    engine->kept_batches++;
    engine->sealed = (struct sealed_batch){true, engine->outbox.records, engine->outbox.replies};
}

void engine_appended(struct engine *engine, enum log_topic topic, int32_t partition, int64_t offset) {
    bool is_folded = topic == TOPIC_OUTCOMES || topic >= TOPIC_FIRST_EVENTS;
    for (uint32_t i = engine->sealed.records.count; is_folded && i > 0; i--) {
        const struct out_record *record = &engine->sealed.records.items[i - 1];
        if (record->topic == topic && record->partition == partition) {
            struct store_applied *applied = &shard_at(engine, partition)->overlay.progress.topics[topic];
            applied->offset = offset;
            chain_hash(record->value, applied->hash);
            return;
        }
    }
}

void engine_batch_landed(struct engine *engine) {
    engine->sealed = (struct sealed_batch){0};
}

void engine_batch_failed(struct engine *engine) {
    engine_batch_landed(engine);
    for (uint32_t i = 0; i < engine->options.policy->shard_count; i++) {
        engine->shards[i].failed = engine->shards[i].store != NULL;
    }
}

bool engine_apply_is_due(const struct engine *engine) {
    return engine->kept_batches >= KEPT_BATCHES_MAX || engine->outbox.arena.used_bytes > KEPT_MAX_BYTES ||
           engine->fired;
}

enum err engine_apply(struct engine *engine, int32_t shard, struct err_info *info) {
    struct engine_shard *owned = shard_at(engine, shard);
    if (!owned->behind) {
        return ERR_NONE;
    }
    assert(!engine->in_batch && !engine->sealed.is_there && !owned->failed);
    enum err err = overlay_write(&owned->overlay, engine->options.window_us, info);
    owned->behind = err != ERR_NONE;
    return err;
}
