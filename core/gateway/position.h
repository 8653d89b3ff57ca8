/* position.h: the Daybook-Position header: what a view must have seen for a client to read its own writes.
 *
 * Form     base64url of the position of core/log/stream_hash.h (at most 16 pairs of stream hash and version), and
 *          behind it POSITION_TAG_BYTES of its keyed hash.
 * Promise  what this installation did not write is refused: a made-up position would name streams that never come, and
 *          each request that brings it would wait as long as it may. A version is at least 1.
 * Memory   texts live in the arena.
 * Thread   pure; any.            May use: base, log, vault.
 */
#pragma once

#include "core/base/arena.h"
#include "core/log/stream_hash.h"
#include "core/vault/secret.h"

/* An outsider may try as many as the front answers, each of which hits with chance 2^-64. */
enum { POSITION_TAG_BYTES = 8 };

struct position {
    struct position_pair pairs[POSITION_PAIRS_MAX];
    size_t count;
};

MUST_CHECK bool position_header_read(const struct secret *secret, struct str text, struct position *ret_position);
struct str position_header_write(struct arena *arena, const struct secret *secret, struct str position_bytes);

/* The position of an answer, and behind it what the client had seen when it asked: it sends back what it was told last,
 * and reads all its writes. Where there is no room the oldest go. */
struct str position_after(struct arena *arena, struct str position_bytes, const struct position *seen);

/* Adds the stream at the version when there is room; one that is there already is raised. */
void position_add(struct position *position, uint64_t hash, int64_t version);

/* Whether a stream of the topic is among them. */
bool position_names(const struct position *position, enum log_topic topic);
