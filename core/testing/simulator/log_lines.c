/* log_lines.c: core/base/logger.h for the code under simulation: its lines are lines of the trace. */
#include "core/base/logger.h"

#include "core/base/buf.h"
#include "core/testing/simulator/world.h"

void log_set_level(enum log_level level) {
    (void)level;
}

void log_write(enum log_level level, const char *role, const char *message, const struct log_field *fields) {
    static const char *const names[] = {"debug", "info", "warn", "ERROR"};
    if (!sim_is_traced) {
        return;
    }
    struct buf line;
    buf_init(&line, 8192);
    for (const struct log_field *field = fields; field->name != NULL; field++) {
        if (field->kind == LOG_FIELD_STR) {
            buf_printf(&line, " %s=%.*s", field->name, STR_ARGS(field->text));
        } else {
            buf_printf(&line, " %s=%lld", field->name, (long long)field->number);
        }
    }
    sim_trace_write("%s %s: %s%.*s", names[level], role, message, STR_ARGS(buf_text(&line)));
    buf_release(&line);
}
