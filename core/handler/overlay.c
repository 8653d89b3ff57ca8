#include "core/handler/overlay.h"

#include <assert.h>
#include <stdlib.h>

#include "gen/codec.h"

enum {
    /* An entry is kept somewhat longer than its command is accepted, because the clocks of gateway and broker differ.
     */
    WINDOW_SLACK_S = 3600,
    /* A write forgets at most this many old entries more than it brings, so that no write takes long. */
    PRUNED_MORE_THAN_ADDED = 2000,
};

void overlay_init(struct overlay *overlay, struct store *store, struct arena *arena,
                  const struct aggregates *aggregates) {
    *overlay = (struct overlay){.store = store, .arena = arena, .aggregates = aggregates};
    map_init(&overlay->streams, arena);
    map_init(&overlay->subs, arena);
    map_init(&overlay->window, arena);
    overlay->progress = *store_progress(store);
}

/* A copy in the arena of what the store has under the key; `*ret_found` says whether it has any. */
static enum err stored_copy(struct overlay *overlay, enum store_table table, struct str key, bool *ret_found,
                            struct str *ret_copy, struct err_info *info) {
    struct str lent;
    enum err err = store_get(overlay->store, table, key, ret_found, &lent, info);
    if (err == ERR_NONE && *ret_found && !arena_str_try(overlay->arena, lent, ret_copy)) {
        return err_set(info, ERR_TOO_LARGE, "a batch needs more memory than it may");
    }
    return err;
}

static enum err unreadable(struct err_info *info, struct str what) {
    return err_set(info, ERR_STORE, "the store's copy of %.*s cannot be read", STR_ARGS(what));
}

static enum err state_read(struct overlay *overlay, struct live_stream *stream, struct str bytes,
                           struct err_info *info) {
    struct stored_stream stored;
    if (!stored_stream_decode(overlay->arena, bytes, &stored) ||
        !stream->aggregate->state_decode(overlay->arena, stored.state, stream->state)) {
        return unreadable(info, stream->id);
    }
    stream->version = stored.version;
    stream->occurred_at_us = stored.occurred_at;
    memcpy(stream->hash, stored.hash, sizeof stream->hash);
    stream->deadline_us = stream->stored_deadline_us = stored.deadline_at;
    return ERR_NONE;
}

enum err overlay_stream(struct overlay *overlay, struct str id, struct live_stream **ret_stream,
                        struct err_info *info) {
    struct live_stream *stream = map_get(&overlay->streams, id);
    if (stream != NULL) {
        *ret_stream = stream;
        return ERR_NONE;
    }
    const struct aggregate *aggregate = overlay->aggregates->of_stream(id);
    if (aggregate == NULL || id.len > STREAM_ID_MAX) {
        return err_set(info, ERR_NOT_FOUND, "nothing has streams named like %.*s", STR_ARGS(str_first(id, 100)));
    }
    char space[STORE_KEY_MAX];
    stream = arena_alloc(overlay->arena, sizeof *stream);
    stream->id = arena_str_copy(overlay->arena, id);
    stream->aggregate = aggregate;
    stream->topic = log_topic_of_family(str_of_cstr(aggregate->family));
    stream->state = arena_alloc(overlay->arena, aggregate->state_size);
    stream->store_key = arena_str_copy(overlay->arena, store_stream_key(stream->id, space));
    bool found;
    struct str bytes;
    enum err err = stored_copy(overlay, STORE_STREAMS, stream->store_key, &found, &bytes, info);
    if (err == ERR_NONE && found) {
        err = state_read(overlay, stream, bytes, info);
    }
    if (err != ERR_NONE) {
        return err;
    }
    *map_at(&overlay->streams, stream->id) = stream;
    *ret_stream = stream;
    return ERR_NONE;
}

enum err overlay_sub(struct overlay *overlay, const struct live_stream *stream, struct str sub_key,
                     struct live_sub **ret_sub, struct err_info *info) {
    if (str_is_empty(sub_key)) {
        *ret_sub = NULL;
        return ERR_NONE;
    }
    if (sub_key.len > SUB_KEY_MAX) {
        return err_set(info, ERR_TOO_LARGE, "a sub-key of %.*s is longer than %d bytes", STR_ARGS(stream->id),
                       SUB_KEY_MAX);
    }
    assert(stream->aggregate->sub_state_size > 0);
    char space[STORE_KEY_MAX];
    struct str key = store_sub_key(stream->id, sub_key, space);
    struct live_sub *sub = map_get(&overlay->subs, key);
    if (sub != NULL) {
        *ret_sub = sub;
        return ERR_NONE;
    }
    key = arena_str_copy(overlay->arena, key);
    sub = arena_alloc(overlay->arena, sizeof *sub);
    sub->aggregate = stream->aggregate;
    sub->state = arena_alloc(overlay->arena, stream->aggregate->sub_state_size);
    bool found;
    struct str bytes;
    enum err err = stored_copy(overlay, STORE_SUBS, key, &found, &bytes, info);
    if (err == ERR_NONE && found && !stream->aggregate->sub_state_decode(overlay->arena, bytes, sub->state)) {
        err = unreadable(info, stream->id);
    }
    if (err != ERR_NONE) {
        return err;
    }
    *map_at(&overlay->subs, key) = sub;
    *ret_sub = sub;
    return ERR_NONE;
}

enum err overlay_window(struct overlay *overlay, const uint8_t id[ULID_BYTES], struct window_item **ret_item,
                        struct err_info *info) {
    struct str key = str_of((const char *)id, ULID_BYTES);
    struct window_item *item = map_get(&overlay->window, key);
    if (item != NULL) {
        *ret_item = item;
        return ERR_NONE;
    }
    item = arena_alloc(overlay->arena, sizeof *item);
    memcpy(item->id, id, ULID_BYTES);
    struct str bytes;
    enum err err = stored_copy(overlay, STORE_WINDOW, key, &item->present, &bytes, info);
    if (err == ERR_NONE && item->present) {
        if (window_entry_decode(overlay->arena, bytes, &item->entry)) {
            item->stored_seen_at_us = item->entry.seen_at;
        } else {
            err = unreadable(info, STR("a command of the window"));
        }
    }
    if (err != ERR_NONE) {
        return err;
    }
    *map_at(&overlay->window, key) = item;
    *ret_item = item;
    return ERR_NONE;
}

int64_t live_version(const struct live_stream *stream, const struct live_sub *sub) {
    bool is_part = sub != NULL && stream->aggregate->part_version != NULL;
    return is_part ? stream->aggregate->part_version(sub->state) : stream->version;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

bool overlay_is_dirty(const struct overlay *overlay) {
    const struct map *maps[] = {&overlay->streams, &overlay->window}; /* a sub-state never changes without its stream */
    for (uint32_t i = 0; i < maps[0]->count; i++) {
        if (((const struct live_stream *)maps[0]->entries[i].value)->dirty) {
            return true;
        }
    }
    for (uint32_t i = 0; i < maps[1]->count; i++) {
        if (((const struct window_item *)maps[1]->entries[i].value)->dirty) {
            return true;
        }
    }
    return false;
}

struct filling {
    struct overlay *overlay;
    int64_t window_us;
    struct buf bytes;
    struct buf inner;
};

static enum err timer_write(struct store_writer *writer, const struct live_stream *stream, struct err_info *info) {
    char key[STORE_TIME_KEY_MAX];
    enum err err = ERR_NONE;
    if (stream->stored_deadline_us == stream->deadline_us) {
        return ERR_NONE;
    }
    if (stream->stored_deadline_us > 0) {
        err = store_delete(writer, STORE_TIMERS, store_time_key(stream->stored_deadline_us, stream->id, key), info);
    }
    if (err == ERR_NONE && stream->deadline_us > 0) {
        err = store_put(writer, STORE_TIMERS, store_time_key(stream->deadline_us, stream->id, key), (struct str){0},
                        info);
    }
    return err;
}

static enum err stream_write(struct filling *filling, struct store_writer *writer, const struct live_stream *stream,
                             struct err_info *info) {
    buf_clear(&filling->inner);
    stream->aggregate->state_encode(&filling->inner, stream->state);
    struct stored_stream stored = {
        .version = stream->version,
        .occurred_at = stream->occurred_at_us,
        .deadline_at = stream->deadline_us,
        .state = buf_text(&filling->inner),
    };
    memcpy(stored.hash, stream->hash, sizeof stored.hash);
    buf_clear(&filling->bytes);
    stored_stream_encode(&filling->bytes, &stored);
    if (!buf_ok(&filling->inner) || !buf_ok(&filling->bytes)) {
        return err_set(info, ERR_TOO_LARGE, "the state of %.*s has grown past its bound", STR_ARGS(stream->id));
    }
    enum err err = store_put(writer, STORE_STREAMS, stream->store_key, buf_text(&filling->bytes), info);
    return err == ERR_NONE ? timer_write(writer, stream, info) : err;
}

static enum err sub_write(struct filling *filling, struct store_writer *writer, struct str key,
                          const struct live_sub *sub, struct err_info *info) {
    buf_clear(&filling->bytes);
    sub->aggregate->sub_state_encode(&filling->bytes, sub->state);
    return buf_ok(&filling->bytes) ? store_put(writer, STORE_SUBS, key, buf_text(&filling->bytes), info)
                                   : err_set(info, ERR_TOO_LARGE, "a sub-state has grown past its bound");
}

static enum err item_write(struct filling *filling, struct store_writer *writer, const struct window_item *item,
                           struct err_info *info) {
    buf_clear(&filling->bytes);
    window_entry_encode(&filling->bytes, &item->entry);
    struct str id = str_of((const char *)item->id, ULID_BYTES);
    return buf_ok(&filling->bytes) ? store_put(writer, STORE_WINDOW, id, buf_text(&filling->bytes), info)
                                   : err_set(info, ERR_TOO_LARGE, "an entry of the window has grown past its bound");
}

static enum err item_time_write(struct store_writer *writer, const struct window_item *item, struct err_info *info) {
    char key[STORE_TIME_KEY_MAX];
    struct str id = str_of((const char *)item->id, ULID_BYTES);
    enum err err = ERR_NONE;
    if (item->stored_seen_at_us > 0 && item->stored_seen_at_us != item->entry.seen_at) {
        err = store_delete(writer, STORE_WINDOW_TIMES, store_time_key(item->stored_seen_at_us, id, key), info);
    }
    return err == ERR_NONE ? store_put(writer, STORE_WINDOW_TIMES, store_time_key(item->entry.seen_at, id, key),
                                       (struct str){0}, info)
                           : err;
}

/* ---- in the order of their keys: rows that share a page are written one after the other -------------------------- */

/* An entry with the beginning of what it is sorted by, which decides nearly always: the entry itself is looked at where
 * that is alike, and then lies far away in memory. */
struct place {
    uint64_t first, second;
    const struct map_entry *entry;
};

static uint64_t eight_bytes(struct str text, uint32_t from) {
    uint64_t value = 0;
    for (uint32_t i = from; i < from + 8; i++) {
        value = value << 8 | (i < text.len ? (uint8_t)text.data[i] : 0);
    }
    return value;
}

static struct str store_key_of(const struct map_entry *entry) {
    return ((const struct live_stream *)entry->value)->store_key;
}

static int64_t seen_at(const struct map_entry *entry) {
    return ((const struct window_item *)entry->value)->entry.seen_at;
}

static struct place place_by_key(const struct map_entry *entry) {
    return (struct place){eight_bytes(entry->key, 0), eight_bytes(entry->key, 8), entry};
}

static struct place place_by_store_key(const struct map_entry *entry) {
    return (struct place){eight_bytes(store_key_of(entry), 0), eight_bytes(store_key_of(entry), 8), entry};
}

static struct place place_by_time(const struct map_entry *entry) {
    return (struct place){(uint64_t)seen_at(entry), eight_bytes(entry->key, 0), entry}; /* a time is not negative */
}

/* 0: what is compared goes on behind the beginning. */
static int by_beginning(const struct place *left, const struct place *right) {
    if (left->first != right->first) {
        return left->first < right->first ? -1 : 1;
    }
    return left->second == right->second ? 0 : left->second < right->second ? -1 : 1;
}

static int by_key(const void *a, const void *b) {
    const struct place *left = a, *right = b;
    int order = by_beginning(left, right);
    return order != 0 ? order : str_compare(left->entry->key, right->entry->key);
}

static int by_store_key(const void *a, const void *b) {
    const struct place *left = a, *right = b;
    int order = by_beginning(left, right);
    return order != 0 ? order : str_compare(store_key_of(left->entry), store_key_of(right->entry));
}

static const struct sorting {
    struct place (*place)(const struct map_entry *entry);
    int (*order)(const void *, const void *);
} keys = {place_by_key, by_key}, store_keys = {place_by_store_key, by_store_key}, times = {place_by_time, by_key};

/* The map's entries in that order; the list lives in the overlay's arena. */
static const struct place *entries_of(const struct overlay *overlay, const struct map *map,
                                      const struct sorting *sorting) {
    struct place *places = arena_alloc(overlay->arena, (map->count + 1) * sizeof *places);
    for (uint32_t i = 0; i < map->count; i++) {
        places[i] = sorting->place(&map->entries[i]);
    }
    qsort(places, map->count, sizeof *places, sorting->order);
    return places;
}

static enum err streams_write(struct filling *filling, struct store_writer *writer, struct err_info *info) {
    const struct map *streams = &filling->overlay->streams;
    const struct place *places = entries_of(filling->overlay, streams, &store_keys);
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < streams->count && err == ERR_NONE; i++) {
        const struct live_stream *stream = places[i].entry->value;
        err = stream->dirty ? stream_write(filling, writer, stream, info) : ERR_NONE;
    }
    return err;
}

static enum err subs_write(struct filling *filling, struct store_writer *writer, struct err_info *info) {
    const struct map *subs = &filling->overlay->subs;
    const struct place *places = entries_of(filling->overlay, subs, &keys);
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < subs->count && err == ERR_NONE; i++) {
        const struct live_sub *sub = places[i].entry->value;
        err = sub->dirty ? sub_write(filling, writer, places[i].entry->key, sub, info) : ERR_NONE;
    }
    return err;
}

static enum err window_write(struct filling *filling, struct store_writer *writer, struct err_info *info) {
    const struct map *window = &filling->overlay->window;
    const struct place *places = entries_of(filling->overlay, window, &keys);
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < window->count && err == ERR_NONE; i++) {
        const struct window_item *item = places[i].entry->value;
        err = item->dirty ? item_write(filling, writer, item, info) : ERR_NONE;
    }
    places = entries_of(filling->overlay, window, &times);
    for (uint32_t i = 0; i < window->count && err == ERR_NONE; i++) {
        const struct window_item *item = places[i].entry->value;
        err = item->dirty ? item_time_write(writer, item, info) : ERR_NONE;
    }
    return err;
}

static enum err overlay_fill(struct store_writer *writer, void *context, struct err_info *info) {
    struct filling *filling = context;
    const struct overlay *overlay = filling->overlay;
    enum err err = streams_write(filling, writer, info);
    err = err == ERR_NONE ? subs_write(filling, writer, info) : err;
    err = err == ERR_NONE ? window_write(filling, writer, info) : err;
    if (err == ERR_NONE) {
        int64_t horizon_us = overlay->progress.log_time_us - filling->window_us - WINDOW_SLACK_S * 1000000LL;
        err = store_prune_window(writer, horizon_us, overlay->window.count + PRUNED_MORE_THAN_ADDED, info);
    }
    return err;
}

enum err overlay_write(struct overlay *overlay, int64_t window_us, struct err_info *info) {
    struct filling filling = {.overlay = overlay, .window_us = window_us};
    buf_init(&filling.bytes, OVERLAY_VALUE_MAX_BYTES);
    buf_init(&filling.inner, OVERLAY_VALUE_MAX_BYTES);
    enum err err = store_write(overlay->store, &overlay->progress, overlay_fill, &filling, info);
    buf_release(&filling.bytes);
    buf_release(&filling.inner);
    return err;
}
