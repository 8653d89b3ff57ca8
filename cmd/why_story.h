/* why_story.h: why a cart, an order, a payment or a product stands as it does: its events, and what caused them.
 *
 * Purpose  an event names the event that caused its command (causation_id), over streams and shards. From the events of
 *          one stream this goes back along their causes, to the commands from outside, and tells all of them in the
 *          order of time, each with the number of its cause.
 * Reading  first the partitions of the stream's own shard key, then those of the SKUs that have a part in it
 *          (why_story_has_sku): a purchase lives on one shard, save for its SKUs, and so does a product.
 * Promise  a cause stands before what it caused, and a version before the next, also where clocks disagree. The
 *          stream's own chain is checked, and its state folded, as by replay.
 * Bounds   STORY_EVENTS_MAX events hang together by key, of STORY_TEXT_MAX_BYTES of JSON; past either ERR_TOO_LARGE.
 * Thread   one at a time.        May use: base, domain, log, generated codecs.
 */
#pragma once

#include "cmd/replay_fold.h"
#include "core/base/map.h"
#include "core/log/reader.h"

enum { STORY_EVENTS_MAX = 20000, STORY_TEXT_MAX_BYTES = 64 * 1024 * 1024 };

struct story_event {
    struct str id, stream, actor, command_id, causation_id;
    struct str json;
    const char *type;
    int64_t version, occurred_at;
    int32_t partition;
    int64_t offset;
    struct story_event *cause;    /* NULL: from outside, or not found */
    struct story_event *previous; /* of the stream, when it is here */
    bool is_shown;
    int64_t time; /* occurred_at, but never before cause and previous */
    uint32_t depth;
    uint32_t number; /* among those shown, from 1 */
};

struct why_story {
    struct str stream;
    struct str key; /* its shard's */
    bool json;
    struct replay_fold fold;
    struct arena arena;
    struct arena scratch; /* of the record in hand */
    struct buf text;
    struct story_event **events;
    size_t count;
    size_t text_bytes;
    struct map by_id;
    struct map skus; /* that have a part in it */
};

void why_story_init(struct why_story *story, struct str stream, bool json);
void why_story_release(struct why_story *story);

/* The next record of a partition of the stream's shard. */
MUST_CHECK enum err why_story_record(struct why_story *story, const struct log_record *record, struct err_info *info);

/* Whether a record of the key may have a part in it, which only what was read before tells. */
bool why_story_has_sku(const struct why_story *story, struct str sku);

/* The next record of a partition of SKUs. */
MUST_CHECK enum err why_story_stock_record(struct why_story *story, const struct log_record *record,
                                           struct err_info *info);

/* Appends the story, and how the stream stands. Nothing was found of it when fold.version is 0. */
void why_story_write(struct why_story *story, struct buf *out);
