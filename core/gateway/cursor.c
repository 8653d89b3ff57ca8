#include "core/gateway/cursor.h"

#include <assert.h>
#include <sodium.h>

#include "core/base/text.h"

enum { CURSOR_HASH_BYTES = 12 };

static void cursor_hash(const struct secret *secret, const char *list, struct str inner,
                        uint8_t ret_hash[SECRET_HASH_BYTES]) {
    const struct str parts[] = {str_of_cstr(list), inner};
    secret_hash(secret, "cursor", parts, 2, ret_hash);
}

struct str cursor_write(struct arena *arena, const struct secret *secret, const char *list, struct str inner) {
    assert(inner.len <= CURSOR_INNER_MAX);
    uint8_t bytes[SECRET_HASH_BYTES + CURSOR_INNER_MAX];
    cursor_hash(secret, list, inner, bytes);
    if (inner.len > 0) {
        memcpy(bytes + CURSOR_HASH_BYTES, inner.data, inner.len);
    }
    struct buf text;
    buf_init(&text, 4 * (SECRET_HASH_BYTES + CURSOR_INNER_MAX) / 3 + 4);
    base64url_write(&text, str_of((const char *)bytes, CURSOR_HASH_BYTES + inner.len));
    struct str copy = arena_str_copy(arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

bool cursor_read(struct arena *arena, const struct secret *secret, const char *list, struct str text,
                 struct str *ret_inner) {
    uint8_t bytes[CURSOR_HASH_BYTES + CURSOR_INNER_MAX];
    int size = base64url_read(text, bytes, sizeof bytes);
    if (size < CURSOR_HASH_BYTES) {
        return false;
    }
    struct str inner = str_of((const char *)bytes + CURSOR_HASH_BYTES, (size_t)size - CURSOR_HASH_BYTES);
    uint8_t expected[SECRET_HASH_BYTES];
    cursor_hash(secret, list, inner, expected);
    if (sodium_memcmp(bytes, expected, CURSOR_HASH_BYTES) != 0) {
        return false;
    }
    *ret_inner = arena_str_copy(arena, inner);
    return true;
}
