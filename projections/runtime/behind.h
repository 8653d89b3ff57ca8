/* behind.h: whether a view has seen what a position token names, so that clients read their own writes.
 * Each commit of a view is told on the channel VIEW_CHANNEL with the view's name as payload: ask again then.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

#define VIEW_CHANNEL "daybook_view"

/* $1 the view's name, $2 bigint[] of stream hashes (core/log/stream_hash.h, as signed numbers), $3 bigint[] of their
 * versions. One row, one column `behind`: t while a stream has not reached its version. Streams of families that the
 * view does not read are not looked at. */
extern const struct pg_statement view_behind;
