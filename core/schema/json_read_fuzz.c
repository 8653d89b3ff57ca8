/* Request bodies under libFuzzer: the first byte chooses a command, the rest is JSON. What is taken must encode and
 * decode to the same; what is refused must have a known code, a sentence, and a pointer into the body. */
#include "core/schema/json_read.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/macros.h"
#include "gen/codec.h"
#include "gen/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX_BYTES = 4 * 1024 * 1024, BUF_MAX_BYTES = 8 * 1024 * 1024 };

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static bool is_known_code(const char *code) {
    static const char *const codes[] = {"unknown_field", "missing_field",  "wrong_type",    "out_of_range",  "too_long",
                                        "too_short",     "invalid_format", "too_few_items", "too_many_items"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (strcmp(codes[i], code) == 0) {
            return true;
        }
    }
    return false;
}

static void check_taken(struct arena *arena, const struct command *command) {
    struct buf once, twice;
    buf_init(&once, BUF_MAX_BYTES);
    buf_init(&twice, BUF_MAX_BYTES);
    command_encode(&once, command);
    must(buf_ok(&once), "a body of kilobytes became megabytes");
    struct command decoded;
    const char *why;
    must(command_decode(arena, command_schema_id(command->type), buf_text(&once), &decoded, &why),
         "what was taken does not decode");
    command_encode(&twice, &decoded);
    must(str_equal(buf_text(&once), buf_text(&twice)), "what was taken decodes to something else");
    buf_release(&twice);
    buf_release(&once);
}

static void check_refused(const struct json_problem *problem) {
    must(is_known_code(problem->code), "a code that no client knows");
    must(problem->detail.len > 0, "no sentence");
    must(problem->pointer.len == 0 || problem->pointer.data[0] == '/', "not a JSON pointer");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint16_t commands = 0;
    while (command_name((uint16_t)(commands + 1)) != NULL) {
        commands++;
    }
    json_t *body = size == 0 ? NULL : json_loadb((const char *)data + 1, size - 1, JSON_ALLOW_NUL, NULL);
    if (body == NULL) {
        return 0;
    }
    struct arena arena;
    struct command command = {0};
    struct json_problem problem = {0};
    arena_init(&arena, ARENA_MAX_BYTES);
    bool taken = command_body_from_json((uint16_t)(data[0] % commands + 1), body, &arena, &command, &problem);
    json_decref(body);
    if (taken) {
        check_taken(&arena, &command);
    } else {
        check_refused(&problem);
    }
    arena_release(&arena);
    return 0;
}
