/* why_stock.h: how the figures of a SKU came about: each event that changed on_hand or reserved, with who and why.
 *
 * Promise  the figures are those of the aggregate's own evolve, before and after each event; a line a location that the
 *          event changed. Events that change none (claims, confirmations, refusals) are folded and not shown.
 * Bounds   replay_fold's, and two figures a location. Lines are as long as their texts.
 * Thread   one at a time.        May use: base, domain, log, generated codecs.
 */
#pragma once

#include "cmd/replay_fold.h"
#include "core/domain/sku/sku.h"
#include "core/log/reader.h"

struct why_level {
    int64_t on_hand, reserved;
};

struct why_stock {
    struct str stream;
    bool json;
    struct replay_fold fold;
    struct why_level before[SKU_MAX_LOCATIONS]; /* in the order of the state's levels */
    int64_t changes;                            /* events that changed a figure */
};

void why_stock_init(struct why_stock *why, struct str stream, bool json);
void why_stock_release(struct why_stock *why);

/* The next record of the stream's partition: appends the lines of what it changed. Errors are replay_fold's. */
MUST_CHECK enum err why_stock_record(struct why_stock *why, const struct log_record *record, struct buf *out,
                                     struct err_info *info);

/* Appends what the figures are now. Nothing was found of the stream when fold.version is 0. */
void why_stock_conclude(const struct why_stock *why, struct buf *out);
