/* thread_name.h: what a thread is called in top -H, perf and a debugger.
 *
 * Bounds   Linux keeps 15 characters; the rest is cut off.
 * Thread   the caller's own.     May use: libc.
 */
#pragma once

#include "core/base/macros.h"

void thread_name(const char *format, ...) PRINTF_LIKE(1, 2);
