/* behind.h: how far a view has come with the streams that position tokens name, so that clients read their own writes.
 * Each commit of a view is told on the channel VIEW_CHANNEL with the view's name as payload: ask again then.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

#define VIEW_CHANNEL "daybook_view"

/* $1 the view's name, $2 bigint[] of stream hashes (core/log/stream_hash.h, as signed numbers). A row for each hash:
 * itself and the version that the view has reached, 0 when it has seen nothing of it. Streams of families that the view
 * does not read are not looked at: 0. */
extern const struct pg_statement view_reached;
