/* str.h: text and bytes that travel with their length.
 *
 * Promise  a `struct str` never owns what it points to; whoever made it says how long it lives (as a rule: as long
 *          as the arena it was copied into). It need not end in NUL and may hold NUL bytes.
 * Bounds   4 GiB.
 * Thread   values; any.          May use: libc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *data;
    uint32_t len;
};

/* STR("literal"): a str over a string literal, its NUL not counted. */
#define STR(literal) ((struct str){.data = "" literal, .len = sizeof(literal) - 1})

/* For printf: printf("%.*s", STR_ARGS(s)). */
#define STR_ARGS(s) (int)(s).len, (s).data

static inline struct str str_of(const char *data, size_t len) {
    return (struct str){.data = data, .len = (uint32_t)len};
}

static inline struct str str_of_cstr(const char *cstr) {
    return str_of(cstr, strlen(cstr));
}

static inline bool str_is_empty(struct str s) {
    return s.len == 0;
}

static inline bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Byte order, a prefix before what it begins; for sorting. */
static inline int str_compare(struct str a, struct str b) {
    uint32_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool str_starts_with(struct str s, struct str prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* The first place of `byte`, or s.len when it is not there. */
static inline uint32_t str_find(struct str s, char byte) {
    const char *at = s.len == 0 ? NULL : memchr(s.data, byte, s.len);
    return at == NULL ? s.len : (uint32_t)(at - s.data);
}

/* What stands from `start` on; empty when start is past the end. */
static inline struct str str_from(struct str s, uint32_t start) {
    if (s.len == 0) {
        return s; /* its data may be NULL, to which C allows no adding, not even of 0 */
    }
    return start >= s.len ? str_of(s.data + s.len, 0) : str_of(s.data + start, s.len - start);
}

/* The first `len` bytes, or all when there are fewer. */
static inline struct str str_first(struct str s, uint32_t len) {
    return str_of(s.data, len < s.len ? len : s.len);
}
