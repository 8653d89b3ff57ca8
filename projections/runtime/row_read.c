#include "projections/runtime/row_read.h"

#include "core/base/text.h"

bool row_int64(const PGresult *rows, int row, int column, int64_t *ret_value) {
    return int64_read(pg_value(rows, row, column), ret_value);
}

bool row_int32(const PGresult *rows, int row, int column, int32_t *ret_value) {
    int64_t value;
    if (!row_int64(rows, row, column, &value) || value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    *ret_value = (int32_t)value;
    return true;
}

bool row_bytes(struct arena *arena, const PGresult *rows, int row, int column, struct str *ret_bytes) {
    struct str hex = pg_value(rows, row, column);
    size_t size = hex.len / 2;
    uint8_t *bytes = arena_try(arena, size + 1);
    if (bytes == NULL || !hex_read(hex, bytes, size)) {
        return false;
    }
    *ret_bytes = str_of((const char *)bytes, size);
    return true;
}
