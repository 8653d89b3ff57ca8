/* replay_fold.h: the state of one stream, folded from its records in bounded memory.
 *
 * Promise  the fold is the aggregate's own evolve, and an event is folded only where it continues its stream: version,
 *          hash chain and time. States keep texts by reference to the events' bytes; so after
 *          FOLD_BYTES of them the state is written out and read back, as the handler's store does, and the events'
 *          bytes are given up.
 * Bounds   two states and FOLD_BYTES of events; of each sub-key (a reservation of a SKU) about 150 bytes.
 * Thread   one at a time.        May use: base, domain, log, generated codecs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/json_write.h"
#include "core/domain/aggregate.h"
#include "core/log/digest_map.h"
#include "core/log/record.h"
#include "gen/state.h"

struct replay_fold {
    const struct aggregate *aggregate;
    struct arena peek; /* of the record in hand, until it is known to be ours */
    struct arena arenas[2];
    int live; /* whose arena holds the state */
    void *state;
    struct buf scratch;
    struct digest_map sub_states; /* of struct sub_state_bytes */

    /* Of the last event that was folded; 0 before the first. */
    int64_t version;
    int64_t occurred_at;
    uint8_t hash[CHAIN_HASH_BYTES];
    struct str value; /* of the last record that was read */
};

/* `aggregate` is that of the stream. */
void replay_fold_init(struct replay_fold *fold, const struct aggregate *aggregate);
void replay_fold_release(struct replay_fold *fold);

/* Whether the record's value is an event of `stream`, which is then read (not yet folded). *ret_event and the bytes
 * that it points to live until the next call. */
MUST_CHECK enum err replay_fold_read(struct replay_fold *fold, struct str value, struct str stream,
                                     struct event *ret_event, bool *ret_is_ours, struct err_info *info);

/* Folds the event of the last replay_fold_read. ERR_BROKEN_HISTORY: it does not continue its stream. ERR_STORE: a state
 * does not read back as it was written (our bug). */
MUST_CHECK enum err replay_fold_event(struct replay_fold *fold, const struct event *event, struct err_info *info);

/* How many sub-states there are, and how many of them stand in each status of a reservation. */
void replay_fold_count_reservations(struct replay_fold *fold, int64_t ret_counts[RESERVATION_STATUS_RELEASED + 1]);

/* The state as JSON, every field under its schema's name. */
void replay_fold_write_state(const struct replay_fold *fold, struct json_writer *writer);
/* The same for people, within a line: core/base/text.h, text_write_shown. */
void replay_fold_show_state(struct replay_fold *fold, struct buf *out);

/* What follows `meta` in the JSON of an event, from the first field's name on or "}": its payload without the brace. */
struct str replay_payload(struct str event_json);
