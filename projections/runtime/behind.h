/* behind.h: how far a view has come with the streams that position tokens name, so that clients read their own writes;
 * and how a view tells of its commits.
 * Thread   pure; any.            May use: base, pg.
 */
#pragma once

#include "core/base/buf.h"
#include "core/pg/pool.h"

/* Each commit of a view is told on this channel of PostgreSQL: ask again then. The payload is a view_notice. */
#define VIEW_CHANNEL "daybook_view"

/* $1 the view's name, $2 bigint[] of stream hashes (core/log/stream_hash.h, as signed numbers). A row for each hash:
 * itself and the version that the view has reached, 0 when it has seen nothing of it. Streams of families that the view
 * does not read are not looked at: 0. */
extern const struct pg_statement view_reached;

/* The view's name, and behind it the hashes of the streams that changed, each a space and 16 hexadecimal digits; the
 * name alone when they do not fit, or when anything may have changed. */
struct view_notice {
    struct str view;
    struct str hashes; /* empty: of any stream */
};

/* PostgreSQL's manual, "NOTIFY": a payload is shorter than 8,000 bytes. */
enum { VIEW_NOTICE_MAX_BYTES = 7999 };

/* Whether the hash still fitted into the notice that begins with the view's name. */
bool view_notice_add(struct buf *notice, int64_t hash);

/* Parts of the payload. */
struct view_notice view_notice_read(struct str payload);

/* Takes the next hash; false at the end, and at what is none. */
bool view_notice_next(struct view_notice *notice, int64_t *ret_hash);
