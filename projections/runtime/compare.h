/* compare.h: whether a live view is what the log says: rebuilt up to the same position, and compared row by row.
 *
 * How      the live view's positions and rows are read in one snapshot (REPEATABLE READ), so the projector may go on.
 * Each table's rows come from both sides in the order of their keys, as key and hash of all columns; the view's own
 *          tables, the streams' versions and states, and the parked events.
 * Thread   one at a time; blocks.        May use: log, pg, domain.
 */
#pragma once

#include "projections/runtime/rebuild.h"

enum difference { ONLY_LIVE, ONLY_REBUILT, NOT_EQUAL };

/* A key is the text of its columns, like (sku_1,7). */
typedef void difference_cb(void *context, const char *table, struct str key, enum difference difference);

struct compare_result {
    int64_t rows;        /* compared, over all tables */
    int64_t differences; /* of these, differing or on one side only */
};

/* Rebuilds into the side schema (`options.until` is set here) and compares; the side schema is left for a look. */
MUST_CHECK enum err view_compare(struct rebuild_options options, difference_cb *on_difference, void *context,
                                 struct compare_result *ret_result, struct err_info *info);
