/* places.h: which connections a server holds: their bounds, in all and by address, and who gives way past them.
 *
 * Promise  past either bound a new connection takes the place of one that is not owed an answer: of anybody's past
 *          connections_max, of its own address (IPv6: of its /64) past connections_per_address. So whoever opens
 *          connections without end takes the places of his own ones.
 * Bounds   past its part an address's own connections are looked at, connections_per_address of them.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/http/connection.h"
#include "core/http/refusal.h"

/* A place for a connection whose peer is known; else why it has none. The server's connections_open is the caller's to
 * count. */
MUST_CHECK enum http_refusal places_take(struct connection *connection);

/* Its part of its address's places is free again; nothing when it has none. */
void places_leave(struct connection *connection);
