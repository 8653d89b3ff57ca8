/* json_read.h: reading a request's JSON body into structs, strictly; what generated readers are made of.
 *
 * Promise  the first thing that is wrong is reported with a stable code and a JSON pointer (RFC 6901) to the offending
 *          value, and reading stops. Nothing is guessed: no numbers from texts, no whole numbers from reals, no
 *          fields that the schema does not know, no control characters.
 * Bounds   depth is that of the schema; texts and arrays have the schema's bounds.
 * Memory   texts, arrays and the problem live in the arena. When it is full, that is a problem as well (too_long,
 *          too_many_items), never a crash.
 * Thread   one at a time.        May use: base, jansson.
 */
#pragma once

#include <jansson.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/format.h"
#include "core/base/macros.h"

/* Codes: unknown_field, missing_field, wrong_type, out_of_range, too_long, too_short, invalid_format, too_few_items,
 * too_many_items. */
struct json_problem {
    const char *code;
    struct str pointer; /* e.g. /lines/3/sku; empty: the whole body, or a field that is not in the body */
    struct str detail;  /* one sentence for the caller's developer */
};

struct json_reader {
    struct arena *arena;
    struct json_problem *problem;
};

/* Where a value stands: a member's name or, with no name, an item's index, in what `parent` names. NULL is the body. */
struct json_place {
    const struct json_place *parent;
    const char *name;
    size_t index;
};

/* Bounds in bytes. Texts of more than 256 bytes may have line breaks and tabs, shorter ones no control characters. */
struct json_text_rules {
    uint32_t min_bytes;
    uint32_t max_bytes; /* 0: the format has a bound of its own */
    bool has_format;
    enum text_format format;
};

/* Fills in the problem; always false, so that a reader ends with `return json_fail(...)`. */
bool json_fail(const struct json_reader *reader, const struct json_place *place, const char *code, const char *format,
               ...) PRINTF_LIKE(4, 5);

/* Whether `json` is an object whose members all have one of `names` (which end in NULL). NULL is an empty object. */
MUST_CHECK bool json_read_object(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                                 const char *const *names);

/* The member called place->name. A required one must be there; an optional one, or one with a default, may be missing.
 * null is never as good as missing, it is of the wrong type: whoever sends it in a change means to clear the field, and
 * must not be told that this was done. */
MUST_CHECK bool json_read_required(const struct json_reader *reader, const struct json_place *place,
                                   const json_t *object, const json_t **ret_value);
MUST_CHECK bool json_read_optional(const struct json_place *place, const json_t *object, const json_t **ret_value);

MUST_CHECK bool json_read_text(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                               const struct json_text_rules *rules, struct str *ret_text);
MUST_CHECK bool json_read_long(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                               int64_t min, int64_t max, int64_t *ret_value);
MUST_CHECK bool json_read_int(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                              int32_t min, int32_t max, int32_t *ret_value);
MUST_CHECK bool json_read_boolean(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                                  bool *ret_value);
/* RFC 3339 text. */
MUST_CHECK bool json_read_time(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                               int64_t *ret_time_us);
/* One of the symbols (which end in NULL), as its index. */
MUST_CHECK bool json_read_symbol(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                                 const char *const *symbols, uint32_t *ret_index);

/* Zeroed room for all items of an array, or of an object's members; NULL when it is none, or their number is out of
 * bounds. */
MUST_CHECK void *json_read_array(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                                 uint32_t min_items, uint32_t max_items, size_t item_bytes, uint32_t *ret_count);
MUST_CHECK void *json_read_members(const struct json_reader *reader, const struct json_place *place, const json_t *json,
                                   uint32_t min_items, uint32_t max_items, size_t item_bytes, uint32_t *ret_count);

/* What was written into `text`, copied into the arena; too_long when that or the text is full. Releases the text. */
enum { JSON_SEALED_MAX_BYTES = 16 * 1024 };
MUST_CHECK bool json_take_text(const struct json_reader *reader, const struct json_place *place, struct buf *text,
                               struct str *ret_text);

/* The rules of a text, wherever it came from: what json_read_text does, and what a field from the path needs. */
MUST_CHECK bool json_check_text(const struct json_reader *reader, const struct json_place *place, struct str text,
                                const struct json_text_rules *rules, struct str *ret_copy);
