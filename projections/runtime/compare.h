/* compare.h: whether a live view is what another schema beside it is, row by row.
 *
 * With     `<name>_rebuild`, where there is one: both are brought to the same place in the log (meeting.h). Else with
 *          what the log says: `<name>_compare` is filled up to where the live one stood as the comparison began, and
 *          neither queries nor projectors notice.
 * How      each side is read in one snapshot (REPEATABLE READ), so the projector may go on. What tables and columns
 *          there are the catalogue says: the two may have been made by different programs. Rows come in the order of
 *          their keys, with a hash of each column that both have. Compared are the view's own tables, the streams'
 *          versions and states, the parked events and the skipped ones.
 * Thread   one at a time; blocks.        May use: log, pg, domain.
 */
#pragma once

#include "projections/runtime/rebuild.h"

enum difference_kind { ONLY_LIVE, ONLY_REBUILT, NOT_EQUAL };

struct difference {
    enum difference_kind kind;
    const char *table;
    struct str key; /* of a row: the text of its key's columns, like (sku_1,7); empty: a column, or the whole table */
    struct str columns; /* of a row: those that differ, "total_minor, document"; of a column: its name */
};

typedef void difference_cb(void *context, const struct difference *difference);

struct compare_result {
    char side[SCHEMA_NAME_MAX]; /* what the live one was compared with */
    int64_t rows;               /* compared, over all tables */
    int64_t differences;        /* rows that differ or are on one side only, columns and tables that only one has */
};

/* `<name>_compare` is dropped when there is no difference, else left for a look. */
MUST_CHECK enum err view_compare(struct rebuild_options options, difference_cb *on_difference, void *context,
                                 struct compare_result *ret_result, struct err_info *info);
