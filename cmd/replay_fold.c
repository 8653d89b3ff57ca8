#include "cmd/replay_fold.h"

#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "gen/codec.h"
#include "gen/json.h"

enum {
    FOLD_BYTES = 8 * 1024 * 1024,
    STATE_MAX_BYTES = 64 * 1024 * 1024,
    PEEK_MAX_BYTES = 64 * 1024 * 1024, /* more than a record of RECORD_MAX_BYTES can decode to */
    ARENA_MAX_BYTES = 256 * 1024 * 1024,
};

/* An encoded sub-state, of malloc. */
struct sub_state_bytes {
    char *data;
    uint32_t len;
};

static struct arena *live_arena(struct replay_fold *fold) {
    return &fold->arenas[fold->live];
}

void replay_fold_init(struct replay_fold *fold, const struct aggregate *aggregate) {
    *fold = (struct replay_fold){.aggregate = aggregate};
    arena_init(&fold->peek, PEEK_MAX_BYTES);
    arena_init(&fold->arenas[0], ARENA_MAX_BYTES);
    arena_init(&fold->arenas[1], ARENA_MAX_BYTES);
    fold->state = arena_alloc(live_arena(fold), aggregate->state_size);
    buf_init(&fold->scratch, STATE_MAX_BYTES);
    digest_map_init(&fold->sub_states, sizeof(struct sub_state_bytes));
}

/* The values of the map of sub-states one after the other; NULL behind the last. *index begins at 0. */
static struct sub_state_bytes *next_sub_state(struct replay_fold *fold, size_t *index) {
    struct digest_map *map = &fold->sub_states;
    while (*index < map->slot_count) {
        struct sub_state_bytes *bytes = (void *)(map->slots + (*index)++ * map->slot_bytes + DIGEST_BYTES);
        if (bytes->data != NULL) {
            return bytes;
        }
    }
    return NULL;
}

void replay_fold_release(struct replay_fold *fold) {
    size_t index = 0;
    struct sub_state_bytes *bytes;
    while ((bytes = next_sub_state(fold, &index)) != NULL) {
        free(bytes->data);
    }
    digest_map_release(&fold->sub_states);
    buf_release(&fold->scratch);
    arena_release(&fold->arenas[0]);
    arena_release(&fold->arenas[1]);
    arena_release(&fold->peek);
}

/* Writes the state out and reads it back into the other arena, so that the events' bytes can go. */
static enum err give_events_up(struct replay_fold *fold, struct err_info *info) {
    buf_clear(&fold->scratch);
    fold->aggregate->state_encode(&fold->scratch, fold->state);
    struct arena *fresh = &fold->arenas[1 - fold->live];
    void *state = arena_alloc(fresh, fold->aggregate->state_size);
    struct str bytes;
    if (!buf_ok(&fold->scratch) || !arena_str_try(fresh, buf_text(&fold->scratch), &bytes) ||
        !fold->aggregate->state_decode(fresh, bytes, state)) {
        return err_set(info, ERR_STORE, "the %s's state cannot be read back as it was written", fold->aggregate->noun);
    }
    arena_reset(live_arena(fold));
    fold->live = 1 - fold->live;
    fold->state = state;
    return ERR_NONE;
}

enum err replay_fold_read(struct replay_fold *fold, struct str value, struct str stream, struct event *ret_event,
                          bool *ret_is_ours, struct err_info *info) {
    arena_reset(&fold->peek);
    struct event event;
    enum err err = event_record_read(&fold->peek, value, &event, info);
    if (err != ERR_NONE) {
        return err;
    }
    *ret_is_ours = str_equal(event.meta.stream, stream);
    if (!*ret_is_ours) {
        return ERR_NONE;
    }
    if (live_arena(fold)->used_bytes > FOLD_BYTES) {
        err = give_events_up(fold, info);
    }
    if (err == ERR_NONE) {
        fold->value = arena_str_copy(live_arena(fold), value);
        err = event_record_read(live_arena(fold), fold->value, ret_event, info);
    }
    return err;
}

/* The sub-state that the event touches, zeroed when it is new; NULL for none. */
static enum err sub_state_of(struct replay_fold *fold, struct str key, void **ret_sub_state, struct err_info *info) {
    bool is_new;
    const struct sub_state_bytes *bytes = digest_map_at(&fold->sub_states, digest_of(key, STR("")), &is_new);
    *ret_sub_state = arena_alloc(live_arena(fold), fold->aggregate->sub_state_size);
    if (bytes->data != NULL &&
        !fold->aggregate->sub_state_decode(live_arena(fold), str_of(bytes->data, bytes->len), *ret_sub_state)) {
        return err_set(info, ERR_STORE, "a sub-state cannot be read back as it was written");
    }
    return ERR_NONE;
}

static void keep_sub_state(struct replay_fold *fold, struct str key, const void *sub_state) {
    buf_clear(&fold->scratch);
    fold->aggregate->sub_state_encode(&fold->scratch, sub_state);
    bool is_new;
    struct sub_state_bytes *bytes = digest_map_at(&fold->sub_states, digest_of(key, STR("")), &is_new);
    free(bytes->data);
    bytes->data = malloc_or_end(fold->scratch.len + 1); /* never NULL, as an empty one would be */
    memcpy(bytes->data, fold->scratch.data, fold->scratch.len);
    bytes->len = (uint32_t)fold->scratch.len;
}

enum err replay_fold_event(struct replay_fold *fold, const struct event *event, struct err_info *info) {
    const struct aggregate *aggregate = fold->aggregate;
    enum err broken = chain_check(event, fold->version, fold->hash, fold->occurred_at, info);
    if (broken != ERR_NONE) {
        return broken;
    }
    struct str key = aggregate->event_sub_key != NULL ? aggregate->event_sub_key(event, live_arena(fold)) : STR("");
    void *sub_state = NULL;
    if (!str_is_empty(key)) {
        enum err err = sub_state_of(fold, key, &sub_state, info);
        if (err != ERR_NONE) {
            return err;
        }
    }
    aggregate->evolve(fold->state, sub_state, event, live_arena(fold));
    if (sub_state != NULL) {
        keep_sub_state(fold, key, sub_state);
    }
    fold->version = event->meta.version;
    fold->occurred_at = event->meta.occurred_at;
    chain_hash(fold->value, fold->hash);
    return ERR_NONE;
}

void replay_fold_count_reservations(struct replay_fold *fold, int64_t ret_counts[RESERVATION_STATUS_RELEASED + 1]) {
    memset(ret_counts, 0, (RESERVATION_STATUS_RELEASED + 1) * sizeof *ret_counts);
    size_t index = 0;
    const struct sub_state_bytes *bytes;
    while ((bytes = next_sub_state(fold, &index)) != NULL) {
        struct reservation_state reservation = {0};
        arena_reset(&fold->peek);
        if (fold->aggregate->sub_state_decode(&fold->peek, str_of(bytes->data, bytes->len), &reservation)) {
            ret_counts[reservation.status]++;
        }
    }
}

void replay_fold_write_state(const struct replay_fold *fold, struct json_writer *writer) {
    const void *state = fold->state;
    switch (fold->aggregate->state_schema_id) {
    case API_KEY_STATE_SCHEMA_ID:
        api_key_state_write_json(writer, state);
        break;
    case CART_STATE_SCHEMA_ID:
        cart_state_write_json(writer, state);
        break;
    case CATEGORY_TREE_STATE_SCHEMA_ID:
        category_tree_state_write_json(writer, state);
        break;
    case CUSTOMER_STATE_SCHEMA_ID:
        customer_state_write_json(writer, state);
        break;
    case IDENTITY_STATE_SCHEMA_ID:
        identity_state_write_json(writer, state);
        break;
    case ORDER_STATE_SCHEMA_ID:
        order_state_write_json(writer, state);
        break;
    case PAYMENT_STATE_SCHEMA_ID:
        payment_state_write_json(writer, state);
        break;
    case PRODUCT_STATE_SCHEMA_ID:
        product_state_write_json(writer, state);
        break;
    case SKU_STATE_SCHEMA_ID:
        sku_state_write_json(writer, state);
        break;
    default:
        json_none(writer);
    }
}

void replay_fold_show_state(struct replay_fold *fold, struct buf *out) {
    struct json_writer writer = json_writer_of(&fold->scratch);
    buf_clear(&fold->scratch);
    replay_fold_write_state(fold, &writer);
    text_write_shown(out, buf_text(&fold->scratch));
}

/* meta comes first, and nothing in it is nested. */
struct str replay_payload(struct str event_json) {
    uint32_t at = str_find(event_json, ':') + 1;
    bool in_text = false;
    for (; at < event_json.len && (in_text || event_json.data[at] != '}'); at++) {
        if (in_text && event_json.data[at] == '\\') {
            at++;
        } else if (event_json.data[at] == '"') {
            in_text = !in_text;
        }
    }
    /* `}` of meta, then `,` or the end of the whole. */
    return str_from(event_json, at + (at + 1 < event_json.len && event_json.data[at + 1] == ',' ? 2 : 1));
}
