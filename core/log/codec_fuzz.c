/* The decoders under libFuzzer: the first two bytes choose a schema, the rest are Avro. What decodes must encode, and
 * the encoded bytes must decode to the same again (not to the input: Avro has several spellings of a number and of an
 * array's blocks). What decodes must also be writable as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/macros.h"
#include "gen/codec.h"
#include "gen/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX_BYTES = 8 * 1024 * 1024, BUF_MAX_BYTES = 32 * 1024 * 1024 };

static void must(bool holds, const struct schema *schema, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: %s\n", schema->name, what);
        abort();
    }
}

/* Decodes, encodes into out, and writes JSON; false when the bytes are not of this schema. */
static bool there_and_back(struct arena *arena, const struct schema *schema, struct str avro, struct buf *out,
                           struct buf *json) {
    struct json_writer writer = json_writer_of(json);
    const char *why = NULL;
    struct event event;
    struct command command;
    if (schema->type != 0 && event_type_by_name(str_of_cstr(schema->name)) == schema->type) {
        bool ok = event_decode(arena, schema->id, avro, &event, &why);
        must(ok || why != NULL, schema, "refused without a reason");
        if (ok) {
            event_encode(out, &event);
            event_write_json(&writer, &event);
        }
        return ok;
    }
    if (schema->type != 0) {
        bool ok = command_decode(arena, schema->id, avro, &command, &why);
        if (ok) {
            command_encode(out, &command);
            command_write_json(&writer, &command);
        }
        return ok;
    }
#define ROW(snake, camel)                                                                                              \
    if (strcmp(schema->name, #camel) == 0) {                                                                           \
        struct snake value;                                                                                            \
        bool ok = snake##_decode_as(arena, schema->id, avro, &value, &why);                                            \
        if (ok) {                                                                                                      \
            snake##_encode(out, &value);                                                                               \
            snake##_write_json(&writer, &value);                                                                       \
        }                                                                                                              \
        return ok;                                                                                                     \
    }
#include "core/log/codec_records.def"
    return false;
}

/* The version that is written today: what an old version's bytes become. */
static const struct schema *newest_of(const struct schema *schema) {
    for (size_t i = 0; i < schemas_count; i++) {
        if (strcmp(schemas[i].subject, schema->subject) == 0 && schemas[i].version > schema->version) {
            schema = &schemas[i];
        }
    }
    return schema;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const struct schema *schema = schema_by_id((uint32_t)(data[0] << 8 | data[1]) % (uint32_t)schemas_count + 1);
    /* In memory of its own, without the two bytes in front, so that any read outside is seen. */
    char *copy = malloc(size - 2 + 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data + 2, size - 2);
    struct arena arena;
    struct buf once, twice, json;
    arena_init(&arena, ARENA_MAX_BYTES);
    buf_init(&once, BUF_MAX_BYTES);
    buf_init(&twice, BUF_MAX_BYTES);
    buf_init(&json, BUF_MAX_BYTES);
    if (there_and_back(&arena, schema, str_of(copy, size - 2), &once, &json) && buf_ok(&once)) {
        arena_reset(&arena);
        buf_clear(&json);
        bool again = there_and_back(&arena, newest_of(schema), buf_text(&once), &twice, &json);
        must(again, schema, "what was encoded does not decode");
        must(str_equal(buf_text(&once), buf_text(&twice)), schema, "the second encoding differs from the first");
    }
    buf_release(&json);
    buf_release(&twice);
    buf_release(&once);
    arena_release(&arena);
    free(copy);
    return 0;
}
