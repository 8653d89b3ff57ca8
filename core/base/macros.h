/* macros.h: the few compiler attributes and helpers that the whole of Daybook uses.
 * Thread   none.                 May use: libc.
 */
#pragma once

/* The result says whether the call worked; dropping it is a compile error. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Format strings are checked at compile time. */
#define PRINTF_LIKE(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))

/* Runs `function(&variable)` when the variable leaves its scope; for foreign handles (PGresult, json_t). */
#define CLEANUP(function) __attribute__((cleanup(function)))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
