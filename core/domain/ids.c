#include "core/domain/ids.h"

#include <assert.h>

#include "core/base/format.h"
#include "core/base/text.h"

static struct str without_prefix(struct str stream, struct str prefix) {
    assert(str_starts_with(stream, prefix));
    return str_from(stream, prefix.len);
}

struct str order_id(struct arena *arena, struct str cart, int32_t attempt) {
    struct str key = without_prefix(cart, STR("cart_"));
    return arena_printf(arena, "ord_%.*s.%d", STR_ARGS(key), attempt);
}

struct str payment_id(struct arena *arena, struct str order, int32_t number) {
    struct str key = without_prefix(order, STR("ord_"));
    return arena_printf(arena, "pay_%.*s.%d", STR_ARGS(key), number);
}

struct str sku_stream(struct arena *arena, struct str sku) {
    return arena_join(arena, STR("sku_"), sku);
}

struct str sku_of_stream(struct str stream) {
    return without_prefix(stream, STR("sku_"));
}

static bool is_ulid(struct str text) {
    uint8_t bytes[ULID_BYTES];
    return ulid_read(text, bytes);
}

/* A ULID and then `numbers` times a dot and a number from 1 on. */
static bool is_ulid_and_numbers(struct str text, int numbers) {
    uint32_t dot = str_find(text, '.');
    if (!is_ulid(str_first(text, dot))) {
        return false;
    }
    for (; numbers > 0; numbers--) {
        if (dot == text.len) {
            return false;
        }
        text = str_from(text, dot + 1);
        dot = str_find(text, '.');
        int64_t number;
        if (!int64_read(str_first(text, dot), &number) || number < 1 || number > INT32_MAX) {
            return false;
        }
    }
    return dot == text.len;
}

bool stream_id_is_valid(struct str stream) {
    if (str_equal(stream, STR("cat_tree"))) {
        return true;
    }
    uint32_t underscore = str_find(stream, '_');
    if (underscore == stream.len) {
        return false;
    }
    struct str prefix = str_first(stream, underscore + 1);
    struct str rest = str_from(stream, underscore + 1);
    static const struct str of_ulid_alone[] = {{"prod_", 5}, {"cart_", 5}, {"cus_", 4}, {"idn_", 4}, {"key_", 4}};
    for (size_t i = 0; i < ARRAY_LENGTH(of_ulid_alone); i++) {
        if (str_equal(prefix, of_ulid_alone[i])) {
            return is_ulid_and_numbers(rest, 0);
        }
    }
    if (str_equal(prefix, STR("sku_"))) {
        return format_matches(FORMAT_SKU, rest);
    }
    if (str_equal(prefix, STR("ord_"))) {
        return is_ulid_and_numbers(rest, 1);
    }
    if (str_equal(prefix, STR("pay_"))) {
        return is_ulid_and_numbers(rest, 2);
    }
    return false;
}
