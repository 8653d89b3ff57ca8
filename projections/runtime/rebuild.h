/* rebuild.h: a view made again from offset 0, in a schema beside the live one.
 *
 * Purpose  a read model is a pure function of the log, and of what somebody decided to skip: this is how it is proved
 *          (compare.h) and how a new format comes to be without downtime (switch.h).
 * Promise  the live view is neither read nor locked while `<name>_filling` fills; what is skipped in it is skipped
 *          there as well. Filled, and with its indexes, it becomes `<name>_rebuild`: so nobody follows half of a view.
 * Thread   one at a time; blocks.          May use: log, pg, domain.
 */
#pragma once

#include "projections/runtime/schema.h"

/* Told now and then: records passed, of how many there are to pass. */
typedef void rebuild_progress_cb(void *context, int64_t done, int64_t total);

struct rebuild_options {
    const struct config *config;
    const struct view *view;
    bool forgets_skips; /* what is skipped in the live view is tried again */
    /* Where to stop, one a partition in the order of feed_name_partitions; NULL: at the log's present ends. */
    const int64_t *until;
    rebuild_progress_cb *on_progress; /* may be NULL */
    void *context;
};

struct rebuild_result {
    struct feed_counts counts;
    int64_t parked;
};

/* Makes `<name>_rebuild`; an earlier one is dropped first. ERR_CONFLICT: another rebuild of the view is at work. */
MUST_CHECK enum err view_rebuild(const struct rebuild_options *options, struct rebuild_result *ret_result,
                                 struct err_info *info);

/* Fills a schema of that name, in the place of what has it, and makes its indexes. */
MUST_CHECK enum err view_fill(const struct rebuild_options *options, const char *schema,
                              struct rebuild_result *ret_result, struct err_info *info);

/* Projects until each partition is where its `until` says. ERR_TIMEOUT: the deadline (of clock_boot_us) has come, or
 * nothing has moved for a minute. */
MUST_CHECK enum err view_fill_on(struct feed *feed, const struct rebuild_options *options, int64_t deadline_us,
                                 struct feed_counts *counts, struct err_info *info);
