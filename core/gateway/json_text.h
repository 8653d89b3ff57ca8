/* json_text.h: a request's body as JSON, refused with a code and a pointer to the place when it is not.
 *
 * Promise  what comes out is an object of at most JSON_TEXT_DEPTH_MAX levels without a key twice in any object,
 *          every text UTF-8 and without NUL, every number within 64 bits. Jansson parses; this only bounds it and
 *          tells where it failed.
 * Source   RFC 8259; RFC 6901 for pointers.
 * Thread   pure; any.          May use: base, jansson.
 */
#pragma once

#include <jansson.h>

#include "core/base/arena.h"

enum { JSON_TEXT_DEPTH_MAX = 32 };

struct json_text_problem {
    const char
        *code; /* malformed_json, invalid_utf8, too_deep, duplicate_key, out_of_range, invalid_format, wrong_type */
    struct str pointer;
    const char *detail; /* in the arena, or a literal */
};

/* NULL with *ret_problem when it is refused. The caller gives the value back with json_decref. */
json_t *json_text_read(struct arena *arena, struct str text, struct json_text_problem *ret_problem);

/* The value's canonical text: keys sorted, no spaces. In the arena; empty when there is no room. */
struct str json_text_canonical(struct arena *arena, const json_t *value);

/* The pointer to what is being read at byte `position` of a text that is JSON up to there; for the tests as well. */
struct str json_text_pointer_at(struct arena *arena, struct str text, size_t position);
