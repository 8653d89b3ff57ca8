/* buf.h: a growing run of bytes: what encoders write into.
 *
 * Promise  a write either fits or, past `max_bytes`, sets `overflowed` and writes nothing more; whoever sends the
 *          bytes asks buf_ok first. So encoders need no check after each field.
 * Memory   malloc'ed, kept over buf_clear, given back by buf_release. A failing malloc ends the process.
 * Secrets  what was written to one that `wipes` is overwritten with zeros when it is cleared or released, and where it
 *          lay before the buffer grew. Whoever sets that after the first write has what grew before left as it is.
 * Thread   one at a time.        May use: libc.
 */
#pragma once

#include <stddef.h>

#include "core/base/macros.h"
#include "core/base/str.h"

struct buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max_bytes;
    bool overflowed;
    bool wipes;
};

void buf_init(struct buf *buf, size_t max_bytes);
/* One that wipes. */
void buf_init_wiping(struct buf *buf, size_t max_bytes);
void buf_clear(struct buf *buf);
void buf_release(struct buf *buf);

/* Room for `size` more bytes at the end, to be filled and then counted with `len += written`; NULL past the bound. */
MUST_CHECK char *buf_reserve(struct buf *buf, size_t size);

void buf_byte(struct buf *buf, char byte);
void buf_bytes(struct buf *buf, const void *bytes, size_t size);
void buf_str(struct buf *buf, struct str text);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

static inline bool buf_ok(const struct buf *buf) {
    return !buf->overflowed;
}

/* What was written; valid until the next write. */
static inline struct str buf_text(const struct buf *buf) {
    return str_of(buf->data, buf->len);
}
