/* overlay.h: what a batch has changed of a shard, over what its store holds.
 *
 * Purpose  a batch is decided here and reaches the store only after its Kafka transaction was committed; a batch that
 *          was aborted is forgotten by forgetting the overlay. Takeover folds the log through it as well.
 * Promise  a stream, sub-state or window entry is read from the store once and stands from then on in the overlay.
 *          Pointers to them stay good until the arena is reset.
 * Memory   everything lives in the arena; what the store lends is copied before it is decoded.
 * Bounds   the arena's maximum (ERR_TOO_LARGE); whoever feeds it ends the batch well before.
 * Thread   the store's.          May use: base, domain, log.
 */
#pragma once

#include "core/base/map.h"
#include "core/base/text.h"
#include "core/domain/aggregate.h"
#include "core/handler/store.h"
#include "gen/messages.h"
#include "gen/state.h"

enum {
    STREAM_ID_MAX = 128,
    SUB_KEY_MAX = 255,                         /* with its stream and the NULs between it fits STORE_KEY_MAX */
    OVERLAY_VALUE_MAX_BYTES = 8 * 1024 * 1024, /* of one stored state: far beyond what the domain allows */
};

/* Who decides what. A table so that tests can bring aggregates of their own. */
struct aggregates {
    const struct aggregate *(*of_stream)(struct str stream);
    const struct command_info *(*of_command)(uint16_t command_type);
};

struct live_stream {
    struct str id;
    struct str store_key;
    const struct aggregate *aggregate;
    enum log_topic topic;
    void *state;
    int64_t version; /* 0: it does not exist */
    int64_t occurred_at_us;
    uint8_t hash[STORE_HASH_BYTES];
    int64_t deadline_us;        /* 0: none */
    int64_t stored_deadline_us; /* as the store has it */
    bool dirty;
};

struct live_sub {
    const struct aggregate *aggregate;
    void *state;
    bool dirty;
};

struct window_item {
    uint8_t id[ULID_BYTES];
    bool present;
    bool dirty;
    int64_t stored_seen_at_us; /* as the store has it; 0: it has none */
    struct window_entry entry;
};

struct overlay {
    struct store *store;
    struct arena *arena;
    const struct aggregates *aggregates;
    struct map streams;             /* id -> live_stream */
    struct map subs;                /* the store's key -> live_sub */
    struct map window;              /* 16 bytes -> window_item */
    struct store_progress progress; /* as it will be once the overlay is written */
};

void overlay_init(struct overlay *overlay, struct store *store, struct arena *arena,
                  const struct aggregates *aggregates);

/* ERR_NOT_FOUND when no aggregate has such streams or the id is too long. */
MUST_CHECK enum err overlay_stream(struct overlay *overlay, struct str id, struct live_stream **ret_stream,
                                   struct err_info *info);

/* *ret_sub is NULL when the key is empty. ERR_TOO_LARGE past SUB_KEY_MAX. */
MUST_CHECK enum err overlay_sub(struct overlay *overlay, const struct live_stream *stream, struct str sub_key,
                                struct live_sub **ret_sub, struct err_info *info);

/* Never NULL; `present` says whether the window knows it. */
MUST_CHECK enum err overlay_window(struct overlay *overlay, const uint8_t id[ULID_BYTES], struct window_item **ret_item,
                                   struct err_info *info);

/* The version that a command for this stream and sub-state (NULL: it touches none) is held against: of the part where
 * the aggregate has such, else of the stream. 0: it is not there. */
int64_t live_version(const struct live_stream *stream, const struct live_sub *sub);

/* Whether anything is to be written. */
bool overlay_is_dirty(const struct overlay *overlay);

/* Writes it with its progress and forgets what the window need not keep: entries older than window_us before the
 * progress's log time. ERR_CONFLICT as store_write. The overlay is of no use afterwards, whatever the result. */
MUST_CHECK enum err overlay_write(struct overlay *overlay, int64_t window_us, struct err_info *info);
