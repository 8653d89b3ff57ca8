#include "projections/runtime/fold.h"

#include "core/base/text.h"
#include "core/log/record.h"
#include "core/log/stream_hash.h"
#include "gen/codec.h"

#include <assert.h>

enum { STATE_MAX_BYTES = 64 * 1024 * 1024 };

static bool reads_family(const struct view *view, const char *family) {
    for (size_t i = 0; i < VIEW_FAMILIES_MAX && view->families[i] != NULL; i++) {
        if (strcmp(view->families[i], family) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL when the view does not fold that family. */
static const struct aggregate *folded_of_family(const struct view *view, const char *family) {
    if (view->fold == NULL || strcmp(view->fold->family, family) == 0) {
        return view->fold;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(view->also_folds) && view->also_folds[i] != NULL; i++) {
        if (strcmp(view->also_folds[i]->family, family) == 0) {
            return view->also_folds[i];
        }
    }
    return NULL;
}

static struct fold_stream *stream_of(struct fold *fold, const struct event *event, enum log_topic topic) {
    void **place = map_at(&fold->streams, event->meta.stream);
    if (*place == NULL) {
        struct fold_stream *stream = arena_alloc(fold->arena, sizeof *stream);
        stream->name = event->meta.stream;
        stream->hash = (int64_t)stream_hash(stream->name, topic);
        stream->begins = event->meta.version == 1;
        stream->aggregate = folded_of_family(fold->view, event_info(event->type)->family);
        *place = stream;
    }
    return *place;
}

/* Whether that family's streams are named so. In a view that reads several each stream is of one of them: states and
 * versions are kept by name alone. */
static bool is_of_family(const struct view *view, struct str stream, const char *family) {
    if (view->fold == NULL) {
        return true;
    }
    const struct aggregate *aggregate = aggregate_of_stream(stream);
    return aggregate != NULL && strcmp(aggregate->family, family) == 0;
}

/* An event must be of a family that the view reads, and in a stream of the aggregate that it folds: evolve's switch
 * knows no others. */
static const char *why_foreign(const struct view *view, const struct event *event) {
    const struct event_info *about = event_info(event->type);
    struct str stream = event->meta.stream;
    if (str_is_empty(stream) || str_find(stream, '\0') != stream.len) {
        return "a stream's name that no table can hold";
    }
    if (about == NULL || !reads_family(view, about->family)) {
        return "an event of a family that the view does not read";
    }
    if (!is_of_family(view, stream, about->family)) {
        return "an event in a stream of another kind";
    }
    return event->meta.version < 1 ? "a version below 1" : NULL;
}

static void read_item(struct fold *fold, struct fold_item *item) {
    struct err_info info = {0};
    if (event_record_read(fold->arena, item->record->value, &item->event, &info) != ERR_NONE) {
        struct str why = str_of_cstr(info.text); /* may quote the record's bytes */
        item->why = utf8_is_valid(why) ? arena_str_copy(fold->arena, why) : str_of_cstr(err_text(info.code));
        return;
    }
    const char *why = why_foreign(fold->view, &item->event);
    if (why != NULL) {
        item->why = str_of_cstr(why);
        return;
    }
    item->topic = log_topic_of_family(str_of_cstr(event_info(item->event.type)->family));
    item->stream = stream_of(fold, &item->event, item->topic);
}

void fold_read(struct fold *fold, const struct view *view, struct arena *arena, const struct log_record *records,
               size_t count) {
    *fold = (struct fold){.view = view, .arena = arena, .item_count = count};
    map_init(&fold->streams, arena);
    fold->items = arena_alloc(arena, count * sizeof *fold->items);
    for (size_t i = 0; i < count; i++) {
        assert(!records[i].end);
        fold->items[i] = (struct fold_item){.record = &records[i], .fate = FOLD_UNREADABLE};
        read_item(fold, &fold->items[i]);
    }
}

/* Skipped versions count as seen, those that never came (they could not be read) as well. */
static void pass_skipped(const struct fold *fold, struct fold_stream *stream, int64_t version) {
    while (version > stream->version && skips_has(fold->skips, stream->name, stream->version + 1)) {
        stream->version++;
        stream->changed = true;
    }
}

static void park(struct fold_item *item, struct str why) {
    item->fate = FOLD_PARKED;
    item->why = why;
    item->stream->parked = true;
    item->stream->changed = true;
}

static bool ended_processes(const struct fold *fold, const struct fold_item *item) {
    return fold->witness != NULL &&
           view_witness_is_refused(fold->witness, (int32_t)item->topic, item->record->partition, item->record->offset);
}

static void plan_next(struct fold *fold, size_t index) {
    struct fold_item *item = &fold->items[index];
    struct fold_stream *stream = item->stream;
    int64_t version = item->event.meta.version;
    if (version > stream->version + 1) {
        park(item, arena_printf(fold->arena, "version %lld came after version %lld: events are missing",
                                (long long)version, (long long)stream->version));
    } else if (ended_processes(fold, item)) {
        park(item, arena_printf(fold->arena, "%d processes ended while they projected it", WITNESS_DEATHS_MAX));
    } else {
        item->fate = FOLD_APPLIED;
        stream->version = version;
        stream->last_item = index;
        stream->changed = true;
    }
}

static bool is_skipped_by_place(const struct fold *fold, const struct fold_item *item) {
    return skips_has_place(fold->skips, item->record->topic, item->record->partition, item->record->offset);
}

static void plan_item(struct fold *fold, size_t index) {
    struct fold_item *item = &fold->items[index];
    struct fold_stream *stream = item->stream;
    int64_t version = item->event.meta.version, known = stream->version;
    if (is_skipped_by_place(fold, item)) { /* as when nobody could read it: its stream lacks it, and shows that */
        item->fate = FOLD_SKIPPED;
        return;
    }
    if (stream->parked) {
        item->fate = FOLD_PARKED;
        item->why = STR("waits behind an earlier event of its stream");
        return;
    }
    pass_skipped(fold, stream, version);
    if (version <= stream->version) {
        item->fate = version <= known ? FOLD_REPEATED : FOLD_SKIPPED;
    } else {
        plan_next(fold, index);
    }
}

static void plan_unreadable(const struct fold *fold, struct fold_item *item) {
    if (is_skipped_by_place(fold, item)) {
        item->fate = FOLD_SKIPPED;
    }
}

void fold_plan(struct fold *fold) {
    size_t state_bytes = 0;
    for (size_t i = 0; i < fold->item_count; i++) {
        struct fold_stream *stream = fold->items[i].stream;
        if (stream == NULL) {
            plan_unreadable(fold, &fold->items[i]);
            continue;
        }
        if (!stream->changed) {
            state_bytes += stream->state.len;
            if (i > 0 && state_bytes > FOLD_STATES_MAX_BYTES) {
                fold->item_count = i;
                break;
            }
        }
        plan_item(fold, i);
    }
}

void fold_park(struct fold *fold, struct str why) {
    assert(fold->item_count == 1 && fold->items[0].stream != NULL);
    /* The stream stands before this event then, which so can be skipped in its turn. */
    pass_skipped(fold, fold->items[0].stream, fold->items[0].event.meta.version);
    /* A cut message may end in the middle of a character. */
    park(&fold->items[0], utf8_is_valid(why) ? arena_str_copy(fold->arena, why) : STR("PostgreSQL refused its data"));
}

static enum err decode(const struct fold *fold, struct fold_stream *stream, struct err_info *info) {
    const struct aggregate *aggregate = stream->aggregate;
    stream->decoded = arena_alloc(fold->arena, aggregate->state_size);
    if (!str_is_empty(stream->state) && !aggregate->state_decode(fold->arena, stream->state, stream->decoded)) {
        return err_set(info, ERR_CONFLICT, "view %s: the stored state of %.*s cannot be read; rebuild the view",
                       fold->view->name, STR_ARGS(stream->name));
    }
    return ERR_NONE;
}

/* Row changes are made from the state without its sub-states: a view's evolve is given an empty one each time. */
static void evolve(const struct fold *fold, struct fold_stream *stream, const struct event *event) {
    const struct aggregate *aggregate = stream->aggregate;
    void *sub_state = aggregate->sub_state_size == 0 ? NULL : arena_alloc(fold->arena, aggregate->sub_state_size);
    aggregate->evolve(stream->decoded, sub_state, event, fold->arena);
}

static void encode_states(struct fold *fold) {
    struct buf bytes;
    buf_init(&bytes, STATE_MAX_BYTES);
    for (uint32_t i = 0; i < fold->streams.count; i++) {
        struct fold_stream *stream = fold->streams.entries[i].value;
        if (stream->decoded == NULL) {
            continue;
        }
        buf_clear(&bytes);
        stream->aggregate->state_encode(&bytes, stream->decoded);
        assert(buf_ok(&bytes));
        stream->state = arena_str_copy(fold->arena, buf_text(&bytes));
    }
    buf_release(&bytes);
}

static enum err project_item(struct fold *fold, struct view_batch *batch, size_t index, struct err_info *info) {
    const struct fold_item *item = &fold->items[index];
    struct fold_stream *stream = item->stream;
    if (stream->aggregate != NULL && stream->decoded == NULL) {
        enum err failure = decode(fold, stream, info);
        if (failure != ERR_NONE) {
            return failure;
        }
    }
    if (stream->aggregate != NULL) {
        evolve(fold, stream, &item->event);
    }
    batch->record = item->record;
    batch->stream_is_new = stream->is_new && stream->aggregate != NULL;
    fold->view->project(batch, fold->arena, &item->event, stream->decoded, stream->last_item == index);
    return ERR_NONE;
}

enum err fold_project(struct fold *fold, struct view_batch *batch, struct err_info *info) {
    enum err failure = ERR_NONE;
    for (size_t i = 0; i < fold->item_count && failure == ERR_NONE; i++) {
        const struct fold_item *item = &fold->items[i];
        if (item->fate != FOLD_APPLIED) {
            continue;
        }
        if (fold->witness != NULL) {
            view_witness_projecting(fold->witness, (int32_t)item->topic, item->record->partition, item->record->offset);
        }
        failure = project_item(fold, batch, i, info);
        if (fold->witness != NULL) {
            view_witness_rest(fold->witness);
        }
    }
    batch->record = NULL;
    if (failure == ERR_NONE) {
        encode_states(fold);
    }
    return failure;
}
