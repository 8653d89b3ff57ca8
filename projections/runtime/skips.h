/* skips.h: the events of a view that are passed over, because somebody decided so (table `skipped`, parking.h).
 *
 * Promise  an event is named by its stream and version, so that one which is missing or cannot be read can be passed
 *          over as well. A record of no known stream is named by its place, as a stream that has a version 0; a
 *          program that can read it passes over it, too.
 * Bounds   SKIPS_MAX events a view.
 * Thread   one at a time.        May use: pg.
 */
#pragma once

#include "core/base/map.h"
#include "core/pg/session.h"

enum { SKIPS_MAX = 10000, SKIP_PLACE_MAX = 320 };

struct skips {
    struct arena arena;
    struct map versions; /* by stream: struct skip, a list */
    size_t place_count;  /* of these, records' places */
};

void skips_init(struct skips *skips);
void skips_release(struct skips *skips);

void skips_add(struct skips *skips, struct str stream, int64_t version);
/* All rows of the table `skipped` that search_path finds. ERR_TOO_LARGE: more than SKIPS_MAX. */
MUST_CHECK enum err skips_load(struct skips *skips, struct pg_session *session, struct err_info *info);

/* `skips` NULL: none. */
bool skips_has(const struct skips *skips, struct str stream, int64_t version);
bool skips_has_place(const struct skips *skips, const char *topic, int32_t shard, int64_t offset);

/* "daybook.orders/2/17"; as long as it is. */
struct str skip_place(const char *topic, int32_t shard, int64_t offset, char ret_text[SKIP_PLACE_MAX]);
