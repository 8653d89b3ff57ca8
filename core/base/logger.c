#include "core/base/logger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"

/* PIPE_BUF of Linux: what is written to a pipe at once and is no longer than this is never torn apart. */
enum { LINE_MAX_BYTES = 4096 };

static const char line_end[] = "}\n";
static const char cut_line_end[] = ",\"cut\":true}\n";

/* Room for the end is always kept free. */
enum { LINE_BODY_MAX_BYTES = LINE_MAX_BYTES - (int)sizeof cut_line_end };

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t len;
    bool cut;
};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static enum log_level lowest_level = LOG_INFO;

void log_set_level(enum log_level level) {
    lowest_level = level;
}

/* The whole piece when it fits and leaves `spare` bytes, or nothing of it. */
static bool put(struct line *line, struct str piece, size_t spare) {
    if (line->len + piece.len + spare > LINE_BODY_MAX_BYTES) {
        line->cut = true;
        return false;
    }
    memcpy(line->bytes + line->len, piece.data, piece.len);
    line->len += piece.len;
    return true;
}

/* One character of text as JSON has it. What is not UTF-8 becomes U+FFFD, so that a line is JSON whatever it was
 * given. */
static struct str escaped(struct str character, char scratch[8]) {
    uint8_t first = (uint8_t)character.data[0];
    if (utf8_first(character) == 0) {
        return STR("\\ufffd");
    }
    if (first == '"' || first == '\\') {
        scratch[0] = '\\';
        scratch[1] = (char)first;
        return str_of(scratch, 2);
    }
    if (first < 0x20 || first == 0x7f) {
        return str_of(scratch, (size_t)snprintf(scratch, 8, "\\u%04x", first));
    }
    return character;
}

/* Text in quotes; as much of it as fits. A place for the closing quote is kept. */
static void put_text(struct line *line, struct str text) {
    if (!put(line, STR("\""), 1)) {
        return;
    }
    for (uint32_t at = 0; at < text.len;) {
        char scratch[8];
        uint32_t len = utf8_first(str_from(text, at));
        len = len == 0 ? 1 : len;
        if (!put(line, escaped(str_first(str_from(text, at), len), scratch), 1)) {
            break;
        }
        at += len;
    }
    put(line, STR("\""), 0);
}

/* `,"name":`, when there is room for it and at least an empty text. */
static bool put_name(struct line *line, const char *name) {
    size_t start = line->len;
    struct str text = str_of_cstr(name);
    if (put(line, start == 0 ? STR("{\"") : STR(",\""), 0) && put(line, text, 0) && put(line, STR("\":"), 2)) {
        return true;
    }
    line->len = start;
    return false;
}

static void put_field(struct line *line, const struct log_field *field) {
    size_t start = line->len;
    if (!put_name(line, field->name)) {
        return;
    }
    if (field->kind == LOG_FIELD_STR) {
        put_text(line, field->text);
        return;
    }
    char number[24];
    int len = snprintf(number, sizeof number, "%" PRId64, field->number);
    if (!put(line, str_of(number, (size_t)len), 0)) {
        line->len = start;
    }
}

static void send_line(const struct line *line) {
    size_t sent = 0;
    while (sent < line->len) {
        ssize_t written = write(STDERR_FILENO, line->bytes + sent, line->len - sent);
        if (written < 0 && errno != EINTR) {
            return; /* there is nobody left to tell */
        }
        sent += written > 0 ? (size_t)written : 0;
    }
}

void log_write(enum log_level level, const char *role, const char *message, const struct log_field *fields) {
    if (level < lowest_level) {
        return;
    }
    int errno_before = errno;
    char time[TIMESTAMP_TEXT_MAX + 1];
    size_t time_len = timestamp_write(clock_wall_us(), time);
    struct line line = {.len = 0};
    put_field(&line, &LOG_STR("time", str_of(time, time_len)));
    put_field(&line, &LOG_CSTR("level", level_names[level]));
    put_field(&line, &LOG_CSTR("role", role));
    put_field(&line, &LOG_CSTR("message", message));
    for (const struct log_field *field = fields; field->name != NULL; field++) {
        put_field(&line, field);
    }
    const char *end = line.cut ? cut_line_end : line_end;
    memcpy(line.bytes + line.len, end, strlen(end));
    line.len += strlen(end);
    send_line(&line);
    errno = errno_before;
}
