/* logger.h: what happened, for operators: one JSON object a line on standard error.
 *
 * Purpose  only cmd/ and the loops log; libraries return errors instead.
 * Promise  a line is written whole (one write(2)) and has "time", "level", "role", "message", then the fields given.
 *          No personal data and no secrets: callers pass ids.
 * Bounds   a line holds at most 4 KiB; longer text is cut, and says so.
 * Thread   any.                  May use: base.
 */
#pragma once

#include "core/base/macros.h"
#include "core/base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *name;
    enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
    struct str text;
    int64_t number;
};

#define LOG_STR(field_name, value) ((struct log_field){.name = (field_name), .kind = LOG_FIELD_STR, .text = (value)})
#define LOG_CSTR(field_name, value) LOG_STR(field_name, str_of_cstr(value))
#define LOG_INT(field_name, value)                                                                                     \
    ((struct log_field){.name = (field_name), .kind = LOG_FIELD_INT, .number = (int64_t)(value)})

/* log_line(LOG_INFO, "handler", "shard taken over", LOG_INT("shard", 3), LOG_INT("events", n)); */
#define log_line(level, role, message, ...)                                                                            \
    log_write((level), (role), (message), &(const struct log_field[]){{0}, ##__VA_ARGS__, {0}}[1])

/* Fields end with one whose name is NULL. */
void log_write(enum log_level level, const char *role, const char *message, const struct log_field *fields);

/* Lines below this level are not written. Set once, before threads start. */
void log_set_level(enum log_level level);
