/* found_by.h: an attribute as the view stores it to be found by: name, U+001F, value.
 * No request's parameter can hold that character, so what is asked for is one name and one value and nothing else.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/arena.h"

static inline struct str found_by_text(struct arena *arena, struct str name, struct str value) {
    return arena_printf(arena, "%.*s\x1f%.*s", STR_ARGS(name), STR_ARGS(value));
}
