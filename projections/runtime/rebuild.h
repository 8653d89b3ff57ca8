/* rebuild.h: a view made again from offset 0, in a schema beside the live one, and put in its place.
 *
 * Purpose  a read model is a pure function of the log: this is how it is proved (compare.h) and how a new format
 *          comes to be without downtime.
 * Promise  the live view is neither read nor locked while its side schema `<name>_rebuild` fills. The switch
 *          happens in one transaction, in which the live projector waits, and only when the side schema has seen
 *          all that the live one has; that projector is then fenced, and goes on in the new one. Queries keep their
 *          statements.
 * Thread   one at a time; blocks.          May use: log, pg, domain.
 */
#pragma once

#include "projections/runtime/schema.h"

/* Told now and then: records passed, of how many there are to pass. */
typedef void rebuild_progress_cb(void *context, int64_t done, int64_t total);

struct rebuild_options {
    const struct config *config;
    const struct view *view;
    /* Where to stop, one a partition in the order of feed_name_partitions; NULL: at the log's present ends. */
    const int64_t *until;
    rebuild_progress_cb *on_progress; /* may be NULL */
    void *context;
};

void rebuild_schema_name(const struct view *view, char ret_name[SCHEMA_NAME_MAX]);

/* Drops what an earlier one left, fills the side schema, and then makes its indexes. */
MUST_CHECK enum err view_rebuild(const struct rebuild_options *options, struct feed_counts *ret_counts,
                                 struct err_info *info);

/* Lets the side schema catch up with the live view, and switches. ERR_TIMEOUT when it cannot catch up. */
MUST_CHECK enum err view_switch(const struct rebuild_options *options, struct err_info *info);
