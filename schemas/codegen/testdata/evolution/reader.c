/* A reader and writer as one release has them: generated and compiled by evolution_test.sh once for each release, from
 * the schemas that the registry had by then, and knowing nothing of later ones.
 *
 * Standard input has a record a line: its schema's id, and its Avro bytes in hexadecimal. Standard output has a line
 * for each: the event as JSON, or why it is refused; with --write, id and bytes as this release writes the same event.
 * With --from-json TYPE the input is JSON of that event, as a view's rows have it that were written by an older
 * release. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "core/gateway/event_json.h"
#include "gen/codec.h"
#include "gen/json.h"

enum { RECORD_MAX_BYTES = 64 * 1024, LINE_MAX_BYTES = 2 * RECORD_MAX_BYTES + 16 };

static void tell(struct buf *out, const struct event *event, bool as_bytes) {
    buf_clear(out);
    if (!as_bytes) {
        struct json_writer writer = json_writer_of(out);
        event_write_json(&writer, event);
        assert(buf_ok(out));
        printf("%.*s\n", STR_ARGS(buf_text(out)));
        return;
    }
    event_encode(out, event);
    assert(buf_ok(out));
    printf("%u ", event_info(event->type)->schema_id);
    for (size_t i = 0; i < out->len; i++) {
        printf("%02x", (unsigned char)out->data[i]);
    }
    printf("\n");
}

/* "ID HEX"; the bytes must be writable, and live as long as the event. */
static bool read_record(struct arena *arena, char *line, uint8_t *avro, struct event *ret_event, const char **ret_why) {
    char *hex;
    uint32_t schema_id = (uint32_t)strtoul(line, &hex, 10);
    struct str text = str_of_cstr(hex + 1);
    bool is_hex = hex_read(text, avro, text.len / 2);
    assert(is_hex);
    return event_decode(arena, schema_id, str_of((const char *)avro, text.len / 2), ret_event, ret_why);
}

int main(int argc, char **argv) {
    bool as_bytes = argc == 2 && strcmp(argv[1], "--write") == 0;
    const char *json_type = argc == 3 && strcmp(argv[1], "--from-json") == 0 ? argv[2] : NULL;
    static char line[LINE_MAX_BYTES];
    static uint8_t avro[RECORD_MAX_BYTES];
    struct arena arena;
    struct buf out;
    arena_init(&arena, 1024 * 1024);
    buf_init(&out, RECORD_MAX_BYTES);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        struct event event;
        const char *why = "no such JSON";
        bool is_read = json_type != NULL ? event_from_json(&arena, str_of_cstr(json_type), str_of_cstr(line), &event)
                                         : read_record(&arena, line, avro, &event, &why);
        if (is_read) {
            tell(&out, &event, as_bytes);
        } else {
            printf("refused: %s\n", why);
        }
        arena_reset(&arena);
    }
    buf_release(&out);
    arena_release(&arena);
    return EXIT_SUCCESS;
}
