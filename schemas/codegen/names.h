/* names.h: names as C spells them.
 * Thread   pure.                 May use: base.
 */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"

/* CartLine -> cart_line; URLList -> url_list. */
const char *snake_case(struct arena *arena, const char *camel);
/* cart_line, checked_out -> CART_LINE, CHECKED_OUT. */
const char *upper_case(struct arena *arena, const char *text);
/* printf into the arena, as a C string. */
const char *text_of(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether C17 or C23 keeps the word for itself, so that it cannot name a field. */
bool is_c_keyword(const char *name);
/* [a-z][a-z0-9_]*, no double underscore. */
bool is_snake_case(const char *name);
/* [A-Z][A-Za-z0-9]* */
bool is_camel_case(const char *name);
