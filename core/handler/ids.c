#include "core/handler/ids.h"

#include <assert.h>
#include <sodium.h>

/* BLAKE2b-128 of tag, cause (length first, so that no two causes run into one) and number. */
static struct str id_of(struct arena *arena, const char *prefix, const char *tag, struct str cause, uint64_t number) {
    uint8_t head[12];
    for (int i = 0; i < 4; i++) {
        head[i] = (uint8_t)(cause.len >> (8 * (3 - i)));
    }
    for (int i = 0; i < 8; i++) {
        head[4 + i] = (uint8_t)(number >> (8 * (7 - i)));
    }
    uint8_t bytes[ULID_BYTES];
    crypto_generichash_state state;
    int failed = crypto_generichash_init(&state, NULL, 0, sizeof bytes);
    failed |= crypto_generichash_update(&state, (const uint8_t *)tag, strlen(tag) + 1);
    failed |= crypto_generichash_update(&state, head, sizeof head);
    failed |= crypto_generichash_update(&state, (const uint8_t *)cause.data, cause.len);
    failed |= crypto_generichash_final(&state, bytes, sizeof bytes);
    assert(failed == 0);
    char text[ULID_TEXT_LEN];
    ulid_write(bytes, text);
    return arena_printf(arena, "%s%.*s", prefix, ULID_TEXT_LEN, text);
}

struct str event_id_of(struct arena *arena, struct str command_id, uint32_t index) {
    return id_of(arena, "evt_", "event", command_id, index);
}

struct str follow_up_id_of(struct arena *arena, struct str event_id, uint32_t index) {
    return id_of(arena, "cmd_", "follow-up", event_id, index);
}

struct str timer_id_of(struct arena *arena, struct str stream, int64_t deadline_us) {
    return id_of(arena, "cmd_", "timer", stream, (uint64_t)deadline_us);
}

bool command_id_read(struct str text, uint8_t ret_id[ULID_BYTES]) {
    return text.len == ID_TEXT_LEN && str_starts_with(text, STR("cmd_")) && ulid_read(str_from(text, 4), ret_id);
}
