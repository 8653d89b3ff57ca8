#include "core/base/json_write.h"

#include <assert.h>
#include <inttypes.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"

enum { JSON_LEVELS_MAX = 32 };

static uint32_t level_bit(const struct json_writer *writer) {
    return (uint32_t)1 << writer->depth;
}

/* A comma where something stands before. json_name clears the bit again, so that the value after a name gets none. */
static void begin_value(struct json_writer *writer) {
    if ((writer->filled & level_bit(writer)) != 0) {
        buf_byte(writer->out, ',');
    }
    writer->filled |= level_bit(writer);
}

static void begin_level(struct json_writer *writer, char bracket) {
    begin_value(writer);
    buf_byte(writer->out, bracket);
    writer->depth++;
    assert(writer->depth < JSON_LEVELS_MAX);
    writer->filled &= ~level_bit(writer);
}

static void end_level(struct json_writer *writer, char bracket) {
    assert(writer->depth > 0);
    writer->depth--;
    buf_byte(writer->out, bracket);
}

void json_object_begin(struct json_writer *writer) {
    begin_level(writer, '{');
}

void json_object_end(struct json_writer *writer) {
    end_level(writer, '}');
}

void json_array_begin(struct json_writer *writer) {
    begin_level(writer, '[');
}

void json_array_end(struct json_writer *writer) {
    end_level(writer, ']');
}

static void put_escape(struct buf *out, char byte) {
    switch (byte) {
    case '"':
        buf_str(out, STR("\\\""));
        break;
    case '\\':
        buf_str(out, STR("\\\\"));
        break;
    case '\n':
        buf_str(out, STR("\\n"));
        break;
    case '\r':
        buf_str(out, STR("\\r"));
        break;
    case '\t':
        buf_str(out, STR("\\t"));
        break;
    default:
        buf_printf(out, "\\u%04x", (unsigned)(uint8_t)byte);
        break;
    }
}

static bool needs_escape(char byte) {
    return (uint8_t)byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f;
}

static void put_quoted(struct buf *out, struct str text) {
    buf_byte(out, '"');
    uint32_t written = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        if (needs_escape(text.data[i])) {
            buf_bytes(out, text.data + written, i - written);
            put_escape(out, text.data[i]);
            written = i + 1;
        }
    }
    buf_str(out, str_from(text, written));
    buf_byte(out, '"');
}

void json_name(struct json_writer *writer, struct str name) {
    begin_value(writer);
    put_quoted(writer->out, name);
    buf_byte(writer->out, ':');
    writer->filled &= ~level_bit(writer);
}

void json_text(struct json_writer *writer, struct str text) {
    begin_value(writer);
    put_quoted(writer->out, text);
}

void json_int(struct json_writer *writer, int64_t value) {
    begin_value(writer);
    buf_printf(writer->out, "%" PRId64, value);
}

void json_bool(struct json_writer *writer, bool value) {
    json_raw(writer, value ? STR("true") : STR("false"));
}

void json_none(struct json_writer *writer) {
    json_raw(writer, STR("null"));
}

void json_time(struct json_writer *writer, int64_t time_us) {
    char text[TIMESTAMP_TEXT_MAX + 1];
    size_t len = timestamp_write(time_us, text);
    json_text(writer, str_of(text, len));
}

void json_base64url(struct json_writer *writer, struct str bytes) {
    begin_value(writer);
    buf_byte(writer->out, '"');
    base64url_write(writer->out, bytes);
    buf_byte(writer->out, '"');
}

void json_raw(struct json_writer *writer, struct str json) {
    begin_value(writer);
    buf_str(writer->out, json);
}

void json_field_string(struct json_writer *writer, const char *name, struct str text) {
    json_name(writer, str_of_cstr(name));
    json_text(writer, text);
}

void json_field_int(struct json_writer *writer, const char *name, int64_t value) {
    json_name(writer, str_of_cstr(name));
    json_int(writer, value);
}

void json_field_cstr(struct json_writer *writer, const char *name, const char *text) {
    json_field_string(writer, name, str_of_cstr(text));
}

void json_field_object(struct json_writer *writer, const char *name) {
    json_name(writer, str_of_cstr(name));
    json_object_begin(writer);
}

void json_field_array(struct json_writer *writer, const char *name) {
    json_name(writer, str_of_cstr(name));
    json_array_begin(writer);
}

void json_field_raw(struct json_writer *writer, const char *name, const char *json) {
    json_name(writer, str_of_cstr(name));
    json_raw(writer, str_of_cstr(json));
}

void json_field_bool(struct json_writer *writer, const char *name, bool value) {
    json_name(writer, str_of_cstr(name));
    json_bool(writer, value);
}

void json_field_time(struct json_writer *writer, const char *name, int64_t time_us) {
    json_name(writer, str_of_cstr(name));
    json_time(writer, time_us);
}
