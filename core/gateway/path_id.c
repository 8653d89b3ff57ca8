#include "core/gateway/path_id.h"

#include <assert.h>

#include "core/base/format.h"
#include "core/base/text.h"

struct kind {
    const char *parameter;
    const char *prefix;
    int number_count; /* of .n after the ULID */
};

static const struct kind kinds[] = {
    {"product", "prod_", 0}, {"cart", "cart_", 0},    {"order", "ord_", 1}, {"payment", "pay_", 2},
    {"command", "cmd_", 1},  {"customer", "cus_", 0}, {"key", "key_", 0},
};

static const struct kind *kind_of_parameter(struct str name) {
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (str_equal(name, str_of_cstr(kinds[i].parameter))) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* Whether the text is `count` times a dot and a number of at most nine digits. */
static bool are_numbers(struct str text, int count, int64_t *ret_last) {
    for (int i = 0; i < count; i++) {
        if (str_is_empty(text) || text.data[0] != '.') {
            return false;
        }
        text = str_from(text, 1);
        struct str number = str_first(text, str_find(text, '.'));
        if (number.len > 9 || !int64_read(number, ret_last) || *ret_last < 0) {
            return false;
        }
        text = str_from(text, number.len);
    }
    return str_is_empty(text);
}

static bool has_form(const struct kind *kind, struct str value, int64_t *ret_last) {
    struct str prefix = str_of_cstr(kind->prefix);
    uint8_t bytes[ULID_BYTES];
    struct str rest = str_from(value, prefix.len);
    return str_starts_with(value, prefix) && rest.len >= ULID_TEXT_LEN &&
           ulid_read(str_first(rest, ULID_TEXT_LEN), bytes) &&
           are_numbers(str_from(rest, ULID_TEXT_LEN), kind->number_count, ret_last);
}

/* 422 when it is an id of another kind, 404 when it is none. */
static struct problem refusal(struct arena *arena, const struct kind *kind, struct str value) {
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        int64_t last;
        if (&kinds[i] != kind && has_form(&kinds[i], value, &last)) {
            return (struct problem){
                .status = 422,
                .code = "wrong_id_kind",
                .detail = arena_printf(arena, "This is the id of a %s; the path wants that of a %s (%s...).",
                                       kinds[i].parameter, kind->parameter, kind->prefix)
                              .data};
        }
    }
    return (struct problem){
        .status = 404,
        .code = "malformed_id",
        .detail = arena_printf(arena, "There is no such %s: its id would begin with %s.", kind->parameter, kind->prefix)
                      .data};
}

bool path_id_stream(struct arena *arena, struct str name, struct str value, struct str *ret_stream,
                    struct problem *ret_problem) {
    if (str_equal(name, STR("sku"))) {
        if (!format_matches(FORMAT_SKU, value)) {
            *ret_problem = (struct problem){.status = 404,
                                            .code = "malformed_id",
                                            .detail = "A SKU is 1 to 64 of the characters A-Z a-z 0-9 . _ -"};
            return false;
        }
        *ret_stream = arena_printf(arena, "sku_%.*s", STR_ARGS(value));
        return true;
    }
    const struct kind *kind = kind_of_parameter(name);
    assert(kind != NULL);
    int64_t last;
    if (!has_form(kind, value, &last)) {
        *ret_problem = refusal(arena, kind, value);
        return false;
    }
    *ret_stream = value;
    return true;
}

bool path_id_command(struct arena *arena, struct str value, uint32_t shard_count, struct str *ret_command_id,
                     int32_t *ret_shard, struct problem *ret_problem) {
    const struct kind *kind = kind_of_parameter(STR("command"));
    int64_t shard = -1;
    if (!has_form(kind, value, &shard) || shard >= shard_count) {
        *ret_problem = refusal(arena, kind, value);
        return false;
    }
    *ret_command_id = str_first(value, str_find(value, '.'));
    *ret_shard = (int32_t)shard;
    return true;
}
