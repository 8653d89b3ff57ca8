#include "core/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"

enum { BUF_FIRST_BYTES = 512 };

void buf_init(struct buf *buf, size_t max_bytes) {
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_init_wiping(struct buf *buf, size_t max_bytes) {
    *buf = (struct buf){.max_bytes = max_bytes, .wipes = true};
}

static void wipe(struct buf *buf) {
    if (buf->wipes && buf->len > 0) {
        explicit_bzero(buf->data, buf->len);
    }
}

void buf_clear(struct buf *buf) {
    wipe(buf);
    buf->len = 0;
    buf->overflowed = false;
}

void buf_release(struct buf *buf) {
    wipe(buf);
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->capacity = 0;
}

/* As realloc, which would leave behind what it copies. */
static char *moved(struct buf *buf, size_t capacity) {
    char *data = malloc_or_end(capacity);
    if (buf->len > 0) {
        memcpy(data, buf->data, buf->len);
    }
    wipe(buf);
    free(buf->data);
    return data;
}

static void grow(struct buf *buf, size_t needed) {
    size_t capacity = buf->capacity == 0 ? BUF_FIRST_BYTES : buf->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    buf->data = buf->wipes ? moved(buf, capacity) : realloc_or_end(buf->data, capacity);
    buf->capacity = capacity;
}

char *buf_reserve(struct buf *buf, size_t size) {
    if (buf->overflowed || size > buf->max_bytes - buf->len) {
        buf->overflowed = true;
        return NULL;
    }
    if (buf->capacity == 0 || size > buf->capacity - buf->len) { /* nothing is room as well, and not NULL */
        grow(buf, buf->len + size);
    }
    return buf->data + buf->len;
}

void buf_byte(struct buf *buf, char byte) {
    char *at = buf_reserve(buf, 1);
    if (at != NULL) {
        *at = byte;
        buf->len++;
    }
}

void buf_bytes(struct buf *buf, const void *bytes, size_t size) {
    if (size == 0) {
        return;
    }
    char *at = buf_reserve(buf, size);
    if (at != NULL) {
        memcpy(at, bytes, size);
        buf->len += size;
    }
}

void buf_str(struct buf *buf, struct str text) {
    buf_bytes(buf, text.data, text.len);
}

void buf_printf(struct buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *at = buf_reserve(buf, (size_t)len + 1);
    if (at != NULL) {
        vsnprintf(at, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}
