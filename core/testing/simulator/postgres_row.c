#include "core/testing/simulator/postgres_row.h"

#include <assert.h>
#include <endian.h>

static const size_t ROWS_MAX_BYTES = (size_t)64 << 30;

static struct arena rows;
static struct buf row_key;

void row_begin(void) {
    arena_release(&rows);
    buf_release(&row_key);
    arena_init(&rows, ROWS_MAX_BYTES);
    buf_init(&row_key, UINT32_MAX);
}

static bool is_number(enum view_column_type type) {
    return type == VIEW_BIGINT || type == VIEW_TIMESTAMP;
}

/* Texts hold no NUL byte (postgres_rows.c refuses it, as PostgreSQL does), so that one ends them. */
static void put_key_field(struct buf *key, const struct view_column *column, struct str field) {
    assert(field.data != NULL);
    if (is_number(column->type)) {
        uint64_t wire = htobe64((uint64_t)field_int8(field) ^ (uint64_t)INT64_MIN);
        buf_bytes(key, &wire, sizeof wire);
    } else {
        assert(column->type == VIEW_TEXT);
        buf_str(key, field);
        buf_byte(key, '\0');
    }
}

struct str row_key_of(const struct view_table *shape, const struct str *fields) {
    buf_clear(&row_key);
    size_t at = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        if (shape->columns[i].key) {
            put_key_field(&row_key, &shape->columns[i], fields[at++]);
        }
    }
    assert(at > 0 && buf_ok(&row_key));
    return buf_text(&row_key);
}

static struct str key_of_row(const struct view_table *shape, const struct str *fields) {
    struct str of_key[VIEW_COLUMNS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        if (shape->columns[i].key) {
            of_key[count++] = fields[i];
        }
    }
    return row_key_of(shape, of_key);
}

const struct stored_row *row_new(const struct view_table *shape, const struct str *fields) {
    struct buf bytes;
    buf_init(&bytes, UINT32_MAX);
    for (size_t i = 0; i < shape->column_count; i++) {
        uint32_t length = htobe32(fields[i].data == NULL ? UINT32_MAX : fields[i].len);
        buf_bytes(&bytes, &length, sizeof length);
        buf_str(&bytes, fields[i].data == NULL ? STR("") : fields[i]);
    }
    assert(buf_ok(&bytes));
    struct stored_row *row = arena_alloc(&rows, sizeof *row);
    row->key = arena_str_copy(&rows, key_of_row(shape, fields));
    row->bytes = arena_str_copy(&rows, buf_text(&bytes));
    buf_release(&bytes);
    return row;
}

struct str row_field(const struct stored_row *row, size_t column) {
    const char *at = row->bytes.data;
    for (size_t i = 0;; i++) {
        uint32_t length;
        memcpy(&length, at, sizeof length);
        length = be32toh(length);
        at += sizeof length;
        bool is_null = length == UINT32_MAX;
        assert(at <= row->bytes.data + row->bytes.len);
        if (i == column) {
            return str_of(is_null ? NULL : at, is_null ? 0 : length);
        }
        at += is_null ? 0 : length;
    }
}

int64_t field_int8(struct str field) {
    uint64_t wire;
    assert(field.len == sizeof wire);
    memcpy(&wire, field.data, sizeof wire);
    return (int64_t)be64toh(wire);
}

struct str field_of_int8(int64_t value) {
    uint64_t wire = htobe64((uint64_t)value);
    return arena_str_copy(&rows, str_of((const char *)&wire, sizeof wire));
}

struct str field_of_text(struct str text) {
    return text.len == 0 ? STR("") : arena_str_copy(&rows, text);
}
