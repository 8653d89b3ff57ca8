/* record_fuzz.c: libFuzzer on records of the log as bytes: the frame, what is in it, its place in the chain.
 *
 * Beyond what the sanitizers see: what is read is an event, a command or an outcome, and never two of them;
 * written and read again it is the same; its headers say what it says; and behind it stands only what bears its
 * hash.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/log/record.h"
#include "core/log/stream_hash.h"
#include "gen/codec.h"

enum { ARENA_MAX_BYTES = 16 << 20, BUF_MAX_BYTES = 4 * RECORD_MAX_BYTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "record_fuzz: %s\n", what);
        abort();
    }
}

static void check_headers(struct arena *arena, const struct event *event) {
    struct log_header headers[EVENT_HEADERS_MAX];
    size_t count = event_headers(arena, event, STR("daybook"), STR("00-1-2-01"), headers);
    int64_t time_us;
    require(count == EVENT_HEADERS_MAX, "an event has its headers");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, "ce_subject") == 0) {
            require(str_equal(headers[i].value, event->meta.stream), "its subject is its stream");
        }
        if (strcmp(headers[i].name, "ce_time") == 0) {
            require(timestamp_read(headers[i].value, &time_us) && time_us == event->meta.occurred_at,
                    "its time is its own");
        }
    }
}

/* Whether it may be the first, and what may stand behind it. */
static void check_chain(const struct event *event, struct str value) {
    static const uint8_t nothing[CHAIN_HASH_BYTES];
    struct err_info info = {0};
    uint8_t hash[CHAIN_HASH_BYTES];
    bool may_begin = event->meta.version == 1 && memcmp(event->meta.prev_hash, nothing, sizeof nothing) == 0;
    require((chain_check(event, 0, nothing, 0, &info) == ERR_NONE) == may_begin, "the first stands behind nothing");
    if (event->meta.version < 1 || event->meta.version == INT64_MAX) {
        return; /* no history has come so far */
    }
    struct event next = *event;
    chain_hash(value, hash);
    next.meta.version++;
    memcpy(next.meta.prev_hash, hash, sizeof hash);
    require(chain_check(&next, event->meta.version, hash, event->meta.occurred_at, &info) == ERR_NONE,
            "what bears its hash stands behind it");
    next.meta.prev_hash[0] ^= 1;
    require(chain_check(&next, event->meta.version, hash, event->meta.occurred_at, &info) == ERR_BROKEN_HISTORY,
            "and nothing else does");
}

static bool check_event(struct arena *arena, struct str value, struct buf *once, struct buf *twice) {
    struct event event, again;
    struct err_info info = {0};
    if (event_record_read(arena, value, &event, &info) != ERR_NONE) {
        require(info.code != ERR_NONE && info.text[0] != '\0', "a refusal says why");
        return false;
    }
    check_headers(arena, &event);
    check_chain(&event, value);
    event_record_write(once, &event);
    require(event_record_read(arena, buf_text(once), &again, &info) == ERR_NONE, "what is written is read");
    event_record_write(twice, &again);
    require(str_equal(buf_text(once), buf_text(twice)), "and is the same");
    return true;
}

static bool check_command(struct arena *arena, struct str value, struct buf *once, struct buf *twice) {
    struct command command, again;
    struct err_info info = {0};
    uint8_t lead[ID_LEAD_BYTES];
    if (command_record_read(arena, value, &command, &info) != ERR_NONE) {
        return false;
    }
    id_lead(command.meta.stream, lead);
    require((lead[0] & COMMAND_AT_ONCE_BIT) == 0, "what goes through the log does not say that it did not");
    command_record_write(once, &command);
    require(command_record_read(arena, buf_text(once), &again, &info) == ERR_NONE, "what is written is read");
    command_record_write(twice, &again);
    require(str_equal(buf_text(once), buf_text(twice)), "and is the same");
    return true;
}

static void check_position(struct str bytes, struct buf *out) {
    struct position_pair pairs[POSITION_PAIRS_MAX];
    int count = position_read(bytes, pairs);
    for (int i = 0; i < count; i++) {
        position_write(out, pairs[i].hash, pairs[i].version);
        (void)stream_hash_topic(pairs[i].hash);
    }
    require(count < 0 || str_equal(buf_text(out), bytes), "a position has one text");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str value = str_of((const char *)data, size);
    struct arena arena;
    struct buf once, twice;
    struct outcome outcome;
    arena_init(&arena, ARENA_MAX_BYTES);
    buf_init(&once, BUF_MAX_BYTES);
    buf_init(&twice, BUF_MAX_BYTES);
    bool is_event = check_event(&arena, value, &once, &twice);
    buf_clear(&once);
    buf_clear(&twice);
    bool is_command = check_command(&arena, value, &once, &twice);
    bool is_outcome = outcome_read(&arena, value, &outcome);
    require(is_event + is_command + is_outcome <= 1, "a record is one thing");
    buf_clear(&once);
    check_position(value, &once);
    buf_release(&twice);
    buf_release(&once);
    arena_release(&arena);
    return 0;
}
