/* export_views.h: the read models of an export: each view's tables as files, of one moment.
 *
 * Promise  a view's tables and its position are read in one transaction, and come into their place together; the
 *          folder that was there before is replaced. A killed run begins the view anew, since that moment is gone.
 *          A view that is switched meanwhile is ERR_CONFLICT, and so is one of another format than the program's.
 *          What a table holds in encoded form alone (view_table.opaque) is left out, and so are the runtime's tables.
 * Bounds   EXPORT_FETCH_ROWS rows are held in memory, and EXPORT_VIEW_FILE_BYTES is about what a file holds.
 * Thread   one at a time; blocks.        May use: base, pg, views.
 */
#pragma once

#include "cmd/export_state.h"
#include "core/base/config.h"

enum { EXPORT_FETCH_ROWS = 200, EXPORT_VIEW_FILE_BYTES = 64 * 1024 * 1024 };

struct export_views {
    const struct config *config;
    const struct export_folder *folder;
    struct export_state *state;
    void *context;
    /* So many rows of the view are read; now and then. */
    void (*on_progress)(void *context, const char *view, int64_t rows);
    int64_t row_count, file_count; /* of this run */
};

/* Those that the state has not done; it is written after each. */
MUST_CHECK enum err export_views_run(struct export_views *work, struct err_info *info);
