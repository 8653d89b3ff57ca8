/* report.h: saying what is wrong with a schema, and stopping.
 *
 * Promise  one line on standard error that names the file and the field, then exit code 1. The generator writes its
 *          files only after everything was checked, so stopping leaves nothing half made.
 * Thread   the generator has one.        May use: base.
 */
#pragma once

#include "core/base/macros.h"

/* `file` and `field` may be NULL. */
_Noreturn void fail_at(const char *file, const char *field, const char *format, ...) PRINTF_LIKE(3, 4);
