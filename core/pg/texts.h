/* texts.h: a statement's parameters as libpq takes them.
 *
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/str.h"

/* libpq wants each text to end in NUL: `ret_block`, the caller's to free, holds the pointers (NULL for SQL NULL) and
 * behind them the texts. False: one of them has a NUL byte in it. */
bool pg_texts_make(const struct str *parameters, int count, char ***ret_block);
