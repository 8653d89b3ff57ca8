#include "core/pg/array.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>

/* The fields before the elements: dimensions, whether there are NULLs, the element's type, length, first index. */
enum { HEAD_BYTES = 5 * sizeof(uint32_t), HEAD_BYTES_EMPTY = 3 * sizeof(uint32_t) };

/* src/include/catalog/pg_type.dat; these numbers never change. */
static uint32_t oid_of(enum pg_element type) {
    switch (type) {
    case PG_ELEMENT_BOOL:
        return 16;
    case PG_ELEMENT_BYTEA:
        return 17;
    case PG_ELEMENT_INT8:
        return 20;
    case PG_ELEMENT_TEXT:
        return 25;
    case PG_ELEMENT_JSON:
        return 114;
    case PG_ELEMENT_TIMESTAMPTZ:
        return 1184;
    }
    assert(false);
}

static void put_int32(struct buf *out, uint32_t value) {
    uint32_t wire = htonl(value);
    buf_bytes(out, &wire, sizeof wire);
}

static void set_int32(struct buf *out, size_t at, uint32_t value) {
    uint32_t wire = htonl(value);
    memcpy(out->data + at, &wire, sizeof wire);
}

void pg_array_init(struct pg_array *array, size_t max_bytes) {
    *array = (struct pg_array){0};
    buf_init(&array->bytes, max_bytes);
}

void pg_array_release(struct pg_array *array) {
    buf_release(&array->bytes);
}

void pg_array_begin(struct pg_array *array, enum pg_element type) {
    buf_clear(&array->bytes);
    array->count = 0;
    array->has_null = false;
    const uint32_t head[] = {1, 0, oid_of(type), 0, 1};
    for (size_t i = 0; i < ARRAY_LENGTH(head); i++) {
        put_int32(&array->bytes, head[i]);
    }
}

void pg_array_null(struct pg_array *array) {
    array->count++;
    array->has_null = true;
    put_int32(&array->bytes, UINT32_MAX); /* a length of -1 */
}

void pg_array_bytes(struct pg_array *array, struct str bytes) {
    array->count++;
    put_int32(&array->bytes, (uint32_t)bytes.len);
    buf_str(&array->bytes, bytes);
}

void pg_array_int8(struct pg_array *array, int64_t value) {
    uint64_t wire = htobe64((uint64_t)value);
    pg_array_bytes(array, str_of((const char *)&wire, sizeof wire));
}

void pg_array_bool(struct pg_array *array, bool value) {
    char wire = value ? 1 : 0;
    pg_array_bytes(array, str_of(&wire, sizeof wire));
}

void pg_array_timestamp(struct pg_array *array, int64_t time_us) {
    pg_array_int8(array, time_us - PG_EPOCH_US);
}

static void put_quoted(struct buf *out, struct str text) {
    buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            buf_byte(out, '\\');
        }
        buf_byte(out, text.data[i]);
    }
    buf_byte(out, '"');
}

void pg_array_literal(struct pg_array *array, const struct str *items, size_t count) {
    struct buf *out = &array->bytes;
    array->count++;
    size_t length_at = out->len;
    put_int32(out, 0);
    buf_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_byte(out, ',');
        }
        put_quoted(out, items[i]);
    }
    buf_byte(out, '}');
    if (buf_ok(out)) {
        set_int32(out, length_at, (uint32_t)(out->len - length_at - sizeof(uint32_t)));
    }
}

struct str pg_array_end(struct pg_array *array) {
    struct buf *out = &array->bytes;
    assert(buf_ok(out) && out->len >= HEAD_BYTES);
    if (array->count == 0) { /* has no dimension */
        set_int32(out, 0, 0);
        return str_of(out->data, HEAD_BYTES_EMPTY);
    }
    set_int32(out, sizeof(uint32_t), array->has_null);
    set_int32(out, 3 * sizeof(uint32_t), array->count);
    return buf_text(out);
}

static bool take_int32(struct str *rest, uint32_t *ret_value) {
    uint32_t wire;
    if (rest->len < sizeof wire) {
        return false;
    }
    memcpy(&wire, rest->data, sizeof wire);
    *rest = str_from(*rest, sizeof wire);
    *ret_value = ntohl(wire);
    return true;
}

bool pg_array_read(struct str bytes, struct pg_array_reader *ret_reader) {
    uint32_t dimensions, has_null, type, count = 0, first;
    struct str rest = bytes;
    if (!take_int32(&rest, &dimensions) || !take_int32(&rest, &has_null) || !take_int32(&rest, &type) ||
        dimensions > 1 || has_null != 0 || type != oid_of(PG_ELEMENT_TEXT)) {
        return false;
    }
    if (dimensions == 1 && (!take_int32(&rest, &count) || !take_int32(&rest, &first))) {
        return false;
    }
    *ret_reader = (struct pg_array_reader){rest, count};
    return true;
}

bool pg_array_next(struct pg_array_reader *reader, struct str *ret_text) {
    uint32_t len;
    if (reader->left == 0 || !take_int32(&reader->rest, &len) || len > reader->rest.len) {
        return false;
    }
    *ret_text = str_first(reader->rest, len);
    reader->rest = str_from(reader->rest, len);
    reader->left--;
    return true;
}
