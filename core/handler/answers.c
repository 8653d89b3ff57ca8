#include "core/handler/answers.h"

#include <assert.h>

#include "core/handler/ids.h"
#include "core/log/record.h"
#include "core/log/stream_hash.h"
#include "gen/codec.h"

/* The streams that moved on under one correlation in this batch; more are left out of positions. */
struct touched {
    const struct live_stream *streams[POSITION_PAIRS_MAX];
    uint32_t count;
};

bool command_is_from_outside(const struct command_meta *meta) {
    return str_equal(meta->causation_id, meta->command_id);
}

void answers_touch(struct engine *engine, struct str correlation_id, const struct live_stream *stream) {
    void **place = map_at(&engine->touched, correlation_id);
    if (*place == NULL) {
        *place = arena_alloc(&engine->outbox.arena, sizeof(struct touched));
    }
    struct touched *touched = *place;
    for (uint32_t i = 0; i < touched->count; i++) {
        if (touched->streams[i] == stream) {
            return;
        }
    }
    if (touched->count < POSITION_PAIRS_MAX) {
        touched->streams[touched->count++] = stream;
    }
}

/* What is in the scratch buffer, copied into the arena. */
static struct str scratch_taken(struct engine *engine) {
    return arena_str_copy(&engine->outbox.arena, buf_text(&engine->scratch));
}

/* The stream's state, framed; empty when it would not fit a record. */
static struct str resource_of(struct engine *engine, const struct live_stream *stream, bool is_brief) {
    const struct aggregate *aggregate = stream->aggregate;
    buf_clear(&engine->scratch);
    frame_write(&engine->scratch, aggregate->state_schema_id);
    (is_brief ? aggregate->state_encode_brief : aggregate->state_encode)(&engine->scratch, stream->state);
    return buf_ok(&engine->scratch) ? scratch_taken(engine) : (struct str){0};
}

static struct str outcome_value(struct engine *engine, const struct outcome *outcome) {
    buf_clear(&engine->scratch);
    frame_write(&engine->scratch, OUTCOME_SCHEMA_ID);
    outcome_encode(&engine->scratch, outcome);
    if (!buf_ok(&engine->scratch)) {
        /* With its resource it is larger than a record may be; the resource can be read elsewhere. */
        struct outcome smaller = *outcome;
        smaller.resource = (struct str){0};
        buf_clear(&engine->scratch);
        frame_write(&engine->scratch, OUTCOME_SCHEMA_ID);
        outcome_encode(&engine->scratch, &smaller);
        assert(buf_ok(&engine->scratch));
    }
    return scratch_taken(engine);
}

static struct str position_of(struct engine *engine, const struct live_stream *first, struct str correlation_id) {
    buf_clear(&engine->scratch);
    uint32_t pairs = 0;
    if (first != NULL) {
        position_write(&engine->scratch, stream_hash(first->id, first->topic), first->version);
        pairs++;
    }
    const struct touched *touched = map_get(&engine->touched, correlation_id);
    for (uint32_t i = 0; touched != NULL && i < touched->count && pairs < POSITION_PAIRS_MAX; i++) {
        const struct live_stream *stream = touched->streams[i];
        if (stream != first) {
            position_write(&engine->scratch, stream_hash(stream->id, stream->topic), stream->version);
            pairs++;
        }
    }
    return scratch_taken(engine);
}

static void reply(struct engine *engine, struct str value, int32_t partition, struct str instance,
                  struct str traceparent) {
    bool somewhere = partition >= 0 && (uint32_t)partition < engine->options.policy->shard_count;
    if (!somewhere || str_is_empty(instance)) {
        return;
    }
    struct out_reply out = {.partition = partition, .value = value};
    out.instance = arena_str_copy(&engine->outbox.arena, instance);
    out.headers = outbox_trace_header(&engine->outbox, traceparent, &out.header_count);
    outbox_reply(&engine->outbox, &out);
}

/* ---- drafts ------------------------------------------------------------------------------------------------------ */

struct draft *answers_draft(struct engine *engine, const struct work *work, struct window_item *item, bool recorded) {
    const struct command_meta *meta = &work->command->meta;
    if (!recorded && meta->reply_partition < 0) {
        return NULL;
    }
    struct draft *draft = ARRAY_PUSH(&engine->outbox.arena, &engine->drafts);
    draft->outcome = (struct outcome){
        .command_id = meta->command_id,
        .status = OUTCOME_STATUS_PENDING,
        .stream = meta->stream,
        .request_hash = meta->request_hash,
        .reply_partition = meta->reply_partition,
        .reply_instance = meta->reply_instance,
    };
    draft->shard = &engine->shards[work->shard];
    draft->shard_number = work->shard;
    draft->item = item;
    draft->recorded = recorded;
    draft->traceparent = work->traceparent;
    return draft;
}

void draft_refuse(struct engine *engine, struct draft *draft, enum rejection rejection, struct str pointer,
                  struct str_array skus) {
    (void)engine;
    draft->outcome.status = OUTCOME_STATUS_REJECTED;
    draft->outcome.rejection = str_of_cstr(rejection_info(rejection)->code);
    draft->outcome.pointer = pointer;
    draft->outcome.skus = (struct str_array){.items = skus.items, .count = skus.count, .capacity = skus.count};
}

static void accept(struct engine *engine, struct draft *draft, const struct live_stream *stream, bool is_brief) {
    draft->outcome.status = OUTCOME_STATUS_ACCEPTED;
    draft->outcome.stream = stream->id;
    draft->outcome.version = stream->version;
    draft->outcome.resource = resource_of(engine, stream, is_brief);
    draft->stream = stream;
}

/* The part, framed; empty when it would not fit a record. */
static struct str part_of(struct engine *engine, const struct aggregate *aggregate, const struct live_sub *sub) {
    buf_clear(&engine->scratch);
    frame_write(&engine->scratch, aggregate->part_schema_id);
    aggregate->sub_state_encode(&engine->scratch, sub->state);
    return buf_ok(&engine->scratch) ? scratch_taken(engine) : (struct str){0};
}

/* A part that is not there any more was last seen at the stream's version. */
static void accept_part(struct engine *engine, struct draft *draft, const struct live_stream *stream,
                        const struct live_sub *sub) {
    int64_t version = live_version(stream, sub);
    draft->outcome.status = OUTCOME_STATUS_ACCEPTED;
    draft->outcome.stream = stream->id;
    draft->outcome.version = version > 0 ? version : stream->version;
    draft->outcome.resource = part_of(engine, stream->aggregate, sub);
    draft->stream = stream;
}

void draft_accept(struct engine *engine, struct draft *draft, const struct live_stream *stream,
                  const struct live_sub *sub) {
    if (sub != NULL && stream->aggregate->part_version != NULL) {
        accept_part(engine, draft, stream, sub);
    } else {
        accept(engine, draft, stream, false);
    }
}

static struct draft *draft_of(struct engine *engine, const struct window_item *item) {
    for (uint32_t i = 0; i < engine->drafts.count; i++) {
        if (engine->drafts.items[i].item == item) {
            return &engine->drafts.items[i];
        }
    }
    return NULL;
}

/* A pending outcome of an earlier command, taken up again; NULL when the window has none. */
static struct draft *draft_resumed(struct engine *engine, int32_t shard, struct window_item *item,
                                   struct str traceparent) {
    struct outcome outcome;
    if (!item->present || str_is_empty(item->entry.outcome) ||
        !outcome_read(&engine->outbox.arena, item->entry.outcome, &outcome) ||
        outcome.status != OUTCOME_STATUS_PENDING) {
        return NULL;
    }
    struct draft *draft = ARRAY_PUSH(&engine->outbox.arena, &engine->drafts);
    draft->outcome = outcome;
    draft->shard = &engine->shards[shard];
    draft->shard_number = shard;
    draft->item = item;
    draft->recorded = true;
    draft->traceparent = traceparent;
    return draft;
}

enum err answers_at_rest(struct engine *engine, int32_t shard, const struct answer *answer,
                         const struct live_stream *stream, struct str traceparent, struct err_info *info) {
    uint8_t id[ULID_BYTES];
    if (!command_id_read(answer->command_id, id)) {
        engine->stats.lost_answers++;
        return ERR_NONE;
    }
    struct window_item *item;
    enum err err = overlay_window(&engine->shards[shard].overlay, id, &item, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct draft *draft = draft_of(engine, item);
    if (draft == NULL) {
        draft = draft_resumed(engine, shard, item, traceparent);
    }
    if (draft == NULL || draft->outcome.status != OUTCOME_STATUS_PENDING) {
        engine->stats.lost_answers++;
        return ERR_NONE;
    }
    if (answer->rejection == ACCEPTED) {
        accept(engine, draft, stream, answer->is_brief);
    } else {
        draft_refuse(engine, draft, answer->rejection, (struct str){0}, answer->skus);
        draft->outcome.stream = stream->id;
        draft->outcome.version = stream->version;
        draft->stream = stream;
    }
    return ERR_NONE;
}

/* ---- finishing --------------------------------------------------------------------------------------------------- */

static void draft_record(struct engine *engine, struct draft *draft, struct str value) {
    struct out_record record = {
        .topic = TOPIC_OUTCOMES, .partition = draft->shard_number, .key = draft->outcome.command_id, .value = value};
    record.headers = outbox_trace_header(&engine->outbox, draft->traceparent, &record.header_count);
    outbox_record(&engine->outbox, &record);
    draft->shard->wrote = true;
}

static void draft_keep(struct draft *draft, struct str value, int64_t seen_at_us) {
    struct window_item *item = draft->item;
    struct window_entry *entry = &item->entry;
    item->present = item->dirty = true;
    entry->seen_at = entry->seen_at > seen_at_us ? entry->seen_at : seen_at_us;
    if (str_is_empty(entry->stream)) {
        entry->stream = draft->outcome.stream;
    }
    entry->outcome = value;
}

static void draft_reply(struct engine *engine, struct draft *draft, struct str value) {
    reply(engine, value, draft->outcome.reply_partition, draft->outcome.reply_instance, draft->traceparent);
    if (draft->item == NULL) {
        return;
    }
    int32_t partition;
    struct str instance;
    while (askers_take(&draft->shard->askers, draft->item->id, &partition, &instance)) {
        reply(engine, value, partition, instance, draft->traceparent);
    }
}

void answers_finish(struct engine *engine) {
    for (uint32_t i = 0; i < engine->drafts.count; i++) {
        struct draft *draft = &engine->drafts.items[i];
        int64_t now_us = draft->shard->overlay.progress.log_time_us;
        draft->outcome.recorded_at = now_us;
        /* A command from outside is its own correlation. */
        draft->outcome.position = position_of(engine, draft->stream, draft->outcome.command_id);
        struct str value = outcome_value(engine, &draft->outcome);
        if (draft->recorded) {
            draft_record(engine, draft, value);
            if (draft->item != NULL) {
                draft_keep(draft, value, now_us);
            }
        }
        if (draft->outcome.status != OUTCOME_STATUS_PENDING) {
            draft_reply(engine, draft, value);
        }
    }
    engine->drafts = (struct draft_array){0};
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

/* What the window knows of a command whose outcome was not kept: it was accepted, and made these events. */
static enum err outcome_of_entry(struct engine *engine, int32_t shard, const struct window_entry *entry,
                                 struct outcome *ret_outcome, struct err_info *info) {
    struct live_stream *stream;
    enum err err = overlay_stream(&engine->shards[shard].overlay, entry->stream, &stream, info);
    if (err != ERR_NONE) {
        return err;
    }
    *ret_outcome = (struct outcome){
        .status = OUTCOME_STATUS_ACCEPTED,
        .stream = stream->id,
        .version = stream->version,
        .recorded_at = entry->seen_at,
    };
    if (stream->aggregate->part_version == NULL) { /* of a part the outcome is kept: engine.c, accept */
        ret_outcome->resource = resource_of(engine, stream, false);
    }
    ret_outcome->position = position_of(engine, stream, (struct str){0});
    return ERR_NONE;
}

/* The outcome that the window holds. */
static enum err outcome_again(struct engine *engine, int32_t shard, const struct window_item *item,
                              struct outcome *ret_outcome, struct err_info *info) {
    if (str_is_empty(item->entry.outcome)) {
        return outcome_of_entry(engine, shard, &item->entry, ret_outcome, info);
    }
    return outcome_read(&engine->outbox.arena, item->entry.outcome, ret_outcome)
               ? ERR_NONE
               : err_set(info, ERR_STORE, "an outcome in the window cannot be read");
}

static void reply_outcome(struct engine *engine, const struct work *work, struct outcome *outcome) {
    const struct command_meta *meta = &work->command->meta;
    outcome->reply_partition = meta->reply_partition;
    outcome->reply_instance = meta->reply_instance;
    outcome->replayed = true;
    reply(engine, outcome_value(engine, outcome), meta->reply_partition, meta->reply_instance, work->traceparent);
}

enum err answers_repeat(struct engine *engine, const struct work *work, struct window_item *item,
                        struct err_info *info) {
    const struct command_meta *meta = &work->command->meta;
    engine->stats.repeated++;
    if (meta->reply_partition < 0) {
        return ERR_NONE;
    }
    struct outcome outcome;
    enum err err = outcome_again(engine, work->shard, item, &outcome, info);
    if (err != ERR_NONE) {
        return err;
    }
    bool has_outcome = !str_is_empty(item->entry.outcome);
    if (has_outcome && !str_equal(outcome.request_hash, meta->request_hash)) {
        struct draft *draft = answers_draft(engine, work, NULL, false);
        if (draft != NULL) {
            draft_refuse(engine, draft, REJECT_KEY_REUSED, (struct str){0}, (struct str_array){0});
        }
        return ERR_NONE;
    }
    if (outcome.status == OUTCOME_STATUS_PENDING) {
        askers_add(&engine->shards[work->shard].askers, item->id, meta->reply_partition, meta->reply_instance);
        return ERR_NONE;
    }
    outcome.command_id = meta->command_id;
    reply_outcome(engine, work, &outcome);
    return ERR_NONE;
}

enum err answers_ask(struct engine *engine, const struct work *work, struct err_info *info) {
    engine->stats.asked++;
    /* A public id names its shard behind a dot. */
    struct str asked = work->command->as.ask_outcome.asked;
    struct str bare = str_first(asked, str_find(asked, '.'));
    struct outcome outcome = {.status = OUTCOME_STATUS_UNKNOWN};
    uint8_t id[ULID_BYTES];
    if (command_id_read(bare, id)) {
        struct window_item *item;
        enum err err = overlay_window(&engine->shards[work->shard].overlay, id, &item, info);
        if (err == ERR_NONE && item->present) {
            err = outcome_again(engine, work->shard, item, &outcome, info);
        }
        if (err != ERR_NONE) {
            return err;
        }
    }
    outcome.command_id = bare;
    reply_outcome(engine, work, &outcome);
    return ERR_NONE;
}
