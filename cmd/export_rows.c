#include "cmd/export_rows.h"

#include <assert.h>

#include "core/base/avro_binary.h"
#include "core/base/json_write.h"
#include "core/pg/array.h"
#include "core/pg/session.h"

static void put_names(struct buf *out, const struct view_table *table, bool keys_only) {
    const char *comma = "";
    for (size_t i = 0; i < table->column_count; i++) {
        if (!keys_only || table->columns[i].key) {
            buf_printf(out, "%s%s", comma, table->columns[i].name);
            comma = ", ";
        }
    }
}

void export_rows_select(struct buf *out, const struct view *view, const struct view_table *table) {
    buf_str(out, STR("SELECT "));
    put_names(out, table, false);
    buf_printf(out, " FROM %s.%s ORDER BY ", view->name, table->name);
    put_names(out, table, true);
}

static enum err no_texts(const struct view_table *table, size_t column, struct err_info *info) {
    return err_set(info, ERR_MALFORMED, "%s.%s is no array of texts", table->name, table->columns[column].name);
}

/* ---- Avro -------------------------------------------------------------------------------------------------------- */

static const char *avro_type(enum view_column_type type) {
    switch (type) {
    case VIEW_TEXT:
    case VIEW_JSON:
        return "\"string\"";
    case VIEW_BIGINT:
        return "\"long\"";
    case VIEW_BOOLEAN:
        return "\"boolean\"";
    case VIEW_TIMESTAMP:
        return "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}";
    case VIEW_BYTEA:
        return "\"bytes\"";
    case VIEW_TEXT_ARRAY:
        return "{\"type\":\"array\",\"items\":\"string\"}";
    }
    assert(false);
}

void export_rows_schema(struct buf *out, const struct view *view, const struct view_table *table) {
    buf_printf(out, "{\"type\":\"record\",\"name\":\"%s\",\"namespace\":\"daybook.views.%s\",\"fields\":[", table->name,
               view->name);
    for (size_t i = 0; i < table->column_count; i++) {
        const struct view_column *column = &table->columns[i];
        buf_printf(out, "%s{\"name\":\"%s\",", i > 0 ? "," : "", column->name);
        if (column->personal) {
            buf_str(out, STR("\"doc\":\"Personal: ciphertext under the person's key.\","));
        }
        buf_str(out, STR("\"type\":"));
        if (column->key) {
            buf_printf(out, "%s}", avro_type(column->type));
        } else {
            buf_printf(out, "[\"null\",%s],\"default\":null}", avro_type(column->type));
        }
    }
    buf_str(out, STR("]}"));
}

/* The last block of an array is empty. */
static bool put_avro_texts(struct buf *out, struct str bytes) {
    struct pg_array_reader reader;
    struct str text;
    if (!pg_array_read(bytes, &reader)) {
        return false;
    }
    if (reader.left > 0) {
        avro_write_long(out, reader.left);
    }
    while (pg_array_next(&reader, &text)) {
        avro_write_bytes(out, text);
    }
    avro_write_long(out, 0);
    return reader.left == 0;
}

static bool put_avro(struct buf *out, enum view_column_type type, const PGresult *result, int row, int column) {
    switch (type) {
    case VIEW_TEXT:
    case VIEW_JSON:
    case VIEW_BYTEA:
        avro_write_bytes(out, pg_get_bytes(result, row, column));
        break;
    case VIEW_BIGINT:
        avro_write_long(out, pg_get_int8(result, row, column));
        break;
    case VIEW_BOOLEAN:
        avro_write_boolean(out, pg_get_bool(result, row, column));
        break;
    case VIEW_TIMESTAMP:
        avro_write_long(out, pg_get_timestamp(result, row, column));
        break;
    case VIEW_TEXT_ARRAY:
        return put_avro_texts(out, pg_get_bytes(result, row, column));
    }
    return true;
}

enum err export_row_avro(struct buf *out, const struct view_table *table, const PGresult *result, int row,
                         struct err_info *info) {
    for (size_t i = 0; i < table->column_count; i++) {
        const struct view_column *column = &table->columns[i];
        bool is_null = PQgetisnull(result, row, (int)i) != 0;
        if (!column->key) {
            avro_write_long(out, is_null ? 0 : 1); /* the branch of the union */
        }
        if (!is_null && !put_avro(out, column->type, result, row, (int)i)) {
            return no_texts(table, i, info);
        }
    }
    return ERR_NONE;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static bool put_json_texts(struct json_writer *writer, struct str bytes) {
    struct pg_array_reader reader;
    struct str text;
    if (!pg_array_read(bytes, &reader)) {
        return false;
    }
    json_array_begin(writer);
    while (pg_array_next(&reader, &text)) {
        json_text(writer, text);
    }
    json_array_end(writer);
    return reader.left == 0;
}

static bool put_json(struct json_writer *writer, enum view_column_type type, const PGresult *result, int row,
                     int column) {
    switch (type) {
    case VIEW_TEXT:
        json_text(writer, pg_get_bytes(result, row, column));
        break;
    case VIEW_JSON:
        json_raw(writer, pg_get_bytes(result, row, column));
        break;
    case VIEW_BYTEA:
        json_base64url(writer, pg_get_bytes(result, row, column));
        break;
    case VIEW_BIGINT:
        json_int(writer, pg_get_int8(result, row, column));
        break;
    case VIEW_BOOLEAN:
        json_bool(writer, pg_get_bool(result, row, column));
        break;
    case VIEW_TIMESTAMP:
        json_time(writer, pg_get_timestamp(result, row, column));
        break;
    case VIEW_TEXT_ARRAY:
        return put_json_texts(writer, pg_get_bytes(result, row, column));
    }
    return true;
}

enum err export_row_json(struct buf *out, const struct view_table *table, const PGresult *result, int row,
                         struct err_info *info) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    for (size_t i = 0; i < table->column_count; i++) {
        json_name(&writer, str_of_cstr(table->columns[i].name));
        if (PQgetisnull(result, row, (int)i) != 0) {
            json_none(&writer);
        } else if (!put_json(&writer, table->columns[i].type, result, row, (int)i)) {
            return no_texts(table, i, info);
        }
    }
    json_object_end(&writer);
    return ERR_NONE;
}
