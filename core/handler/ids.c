#include "core/handler/ids.h"

#include <assert.h>
#include <sodium.h>

#include "core/log/record.h"

/* As its cause begins, then BLAKE2b of tag, cause (length first, so that no two causes run into one) and number. */
static void id_bytes(const char *tag, struct str cause, uint64_t number, uint8_t ret_bytes[ULID_BYTES]) {
    uint8_t head[12];
    for (int i = 0; i < 4; i++) {
        head[i] = (uint8_t)(cause.len >> (8 * (3 - i)));
    }
    for (int i = 0; i < 8; i++) {
        head[4 + i] = (uint8_t)(number >> (8 * (7 - i)));
    }
    crypto_generichash_state state;
    int failed = crypto_generichash_init(&state, NULL, 0, ULID_BYTES);
    failed |= crypto_generichash_update(&state, (const uint8_t *)tag, strlen(tag) + 1);
    failed |= crypto_generichash_update(&state, head, sizeof head);
    failed |= crypto_generichash_update(&state, (const uint8_t *)cause.data, cause.len);
    failed |= crypto_generichash_final(&state, ret_bytes, ULID_BYTES);
    assert(failed == 0);
    id_lead(cause, ret_bytes);
}

static struct str id_text(struct arena *arena, const char *prefix, const uint8_t bytes[ULID_BYTES]) {
    char text[ULID_TEXT_LEN];
    ulid_write(bytes, text);
    return arena_join(arena, str_of_cstr(prefix), str_of(text, sizeof text));
}

struct str event_id_of(struct arena *arena, struct str command_id, uint32_t index) {
    uint8_t bytes[ULID_BYTES];
    id_bytes("event", command_id, index, bytes);
    return id_text(arena, "evt_", bytes);
}

struct str follow_up_id_of(struct arena *arena, struct str event_id, uint32_t index, bool at_once) {
    uint8_t bytes[ULID_BYTES];
    id_bytes("follow-up", event_id, index, bytes);
    bytes[0] |= at_once ? COMMAND_AT_ONCE_BIT : 0;
    return id_text(arena, "cmd_", bytes);
}

bool command_was_at_once(struct str command_id, struct str causation_id) {
    uint8_t bytes[ULID_BYTES];
    return str_starts_with(causation_id, STR("evt_")) && command_id_read(command_id, bytes) &&
           (bytes[0] & COMMAND_AT_ONCE_BIT) != 0;
}

struct str timer_id_of(struct arena *arena, struct str stream, int64_t deadline_us) {
    uint8_t bytes[ULID_BYTES];
    id_bytes("timer", stream, (uint64_t)deadline_us, bytes);
    return id_text(arena, "cmd_", bytes);
}

bool command_id_read(struct str text, uint8_t ret_id[ULID_BYTES]) {
    return text.len == ID_TEXT_LEN && str_starts_with(text, STR("cmd_")) && ulid_read(str_from(text, 4), ret_id);
}
