#include "core/testing/simulator/journal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/json_write.h"
#include "core/base/text.h"
#include "core/domain/rejection.h"
#include "gen/codec.h"

enum { LINE_MAX_BYTES = 64 * 1024 };

void journal_init(struct journal *journal) {
    *journal = (struct journal){0};
    arena_init(&journal->arena, JOURNAL_MAX_BYTES);
}

void journal_release(struct journal *journal) {
    free(journal->entries);
    arena_release(&journal->arena);
    *journal = (struct journal){0};
}

/* ---- writing down ------------------------------------------------------------------------------------------------ */

static struct journal_entry *entry_new(struct journal *journal) {
    if (journal->count == journal->capacity) {
        journal->capacity = journal->capacity == 0 ? 256 : journal->capacity * 2;
        journal->entries = realloc(journal->entries, journal->capacity * sizeof(struct journal_entry *));
        assert(journal->entries != NULL);
    }
    struct journal_entry *entry = arena_alloc(&journal->arena, sizeof *entry);
    journal->entries[journal->count++] = entry;
    entry->number = journal->count;
    entry->answered_us = -1;
    return entry;
}

struct journal_entry *journal_add(struct journal *journal, uint32_t client, const struct command *command) {
    struct journal_entry *entry = entry_new(journal);
    entry->client = client;
    entry->command_id = arena_str_copy(&journal->arena, command->meta.command_id);
    entry->stream = arena_str_copy(&journal->arena, command->meta.stream);
    entry->command_type = command->type;
    entry->has_key = command->meta.client_key;
    entry->request_hash = arena_str_copy(&journal->arena, command->meta.request_hash);
    return entry;
}

struct journal_entry *journal_add_question(struct journal *journal, const struct journal_entry *about) {
    struct journal_entry *entry = entry_new(journal);
    uint32_t number = entry->number;
    *entry = *about;
    entry->number = number;
    entry->is_question = true;
    entry->is_joined = entry->is_late = entry->is_torn = false;
    entry->record = (struct str){0};
    entry->answered_us = -1;
    entry->told = (struct journal_told){0};
    return entry;
}

void journal_sent(struct journal *journal, struct journal_entry *entry, struct str record) {
    entry->record = arena_str_copy(&journal->arena, record);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

void journal_digest(const struct outcome *outcome, uint8_t ret_digest[CHAIN_HASH_BYTES]) {
    struct outcome plain = *outcome;
    plain.reply_partition = -1;
    plain.reply_instance = STR("");
    plain.replayed = false;
    struct buf text;
    buf_init(&text, (size_t)2 * RECORD_MAX_BYTES);
    outcome_encode(&text, &plain);
    assert(buf_ok(&text));
    chain_hash(buf_text(&text), ret_digest);
    buf_release(&text);
}

static enum journal_answer answer_of(enum outcome_status status) {
    switch (status) {
    case OUTCOME_STATUS_PENDING:
        return JOURNAL_PENDING;
    case OUTCOME_STATUS_ACCEPTED:
        return JOURNAL_ACCEPTED;
    case OUTCOME_STATUS_REJECTED:
        return JOURNAL_REFUSED;
    case OUTCOME_STATUS_UNKNOWN:
        return JOURNAL_UNKNOWN;
    }
    return JOURNAL_UNKNOWN;
}

struct journal_told journal_told_of(struct journal *journal, const struct outcome *outcome, bool was_asked) {
    struct arena *arena = &journal->arena;
    struct journal_told told = {
        .answer = answer_of(outcome->status),
        .source = !outcome->replayed ? JOURNAL_BY_REPLY : (was_asked ? JOURNAL_BY_QUESTION : JOURNAL_BY_REPLAY),
        .rejection = arena_str_copy(arena, outcome->rejection),
        .stream = arena_str_copy(arena, outcome->stream),
        .version = outcome->version,
        .resource = arena_str_copy(arena, outcome->resource),
    };
    for (uint32_t i = 0; i < outcome->skus.count; i++) {
        *ARRAY_PUSH(arena, &told.skus) = arena_str_copy(arena, outcome->skus.items[i]);
    }
    journal_digest(outcome, told.digest);
    return told;
}

static bool is_refusal(const struct journal_told *told, enum rejection rejection) {
    return told->answer == JOURNAL_REFUSED && str_equal(told->rejection, str_of_cstr(rejection_info(rejection)->code));
}

bool journal_is_final(const struct journal_told *told) {
    if (is_refusal(told, REJECT_KEY_REUSED) || is_refusal(told, REJECT_COMMAND_EXPIRED)) {
        return false;
    }
    return told->answer == JOURNAL_ACCEPTED || told->answer == JOURNAL_REFUSED;
}

const char *journal_answer_name(enum journal_answer answer) {
    static const char *const names[] = {
        [JOURNAL_UNANSWERED] = "unanswered", [JOURNAL_ACCEPTED] = "accepted", [JOURNAL_REFUSED] = "refused",
        [JOURNAL_PENDING] = "pending",       [JOURNAL_NOT_SENT] = "not_sent", [JOURNAL_UNKNOWN] = "unknown",
    };
    return names[answer];
}

/* ---- the mark ---------------------------------------------------------------------------------------------------- */

#define TRACE_BEFORE "00-5ca1ab1e0000000000000000"

struct str journal_trace(struct arena *arena, const struct journal_entry *entry) {
    return arena_printf(arena, TRACE_BEFORE "%08" PRIx32 "-%016" PRIx32 "-01", entry->number, entry->number);
}

bool journal_trace_read(struct str traceparent, uint32_t *ret_number) {
    uint8_t bytes[4];
    struct str before = STR(TRACE_BEFORE);
    if (traceparent.len != JOURNAL_TRACE_LEN || !str_starts_with(traceparent, before) ||
        !hex_read(str_first(str_from(traceparent, before.len), 8), bytes, sizeof bytes)) {
        return false;
    }
    *ret_number = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return true;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void entry_write(const struct journal_entry *entry, struct json_writer *writer) {
    static const char *const sources[] = {
        [JOURNAL_BY_NOBODY] = "",
        [JOURNAL_BY_REPLY] = "reply",
        [JOURNAL_BY_REPLAY] = "replay",
        [JOURNAL_BY_QUESTION] = "question",
    };
    const struct journal_told *told = &entry->told;
    json_object_begin(writer);
    json_field_int(writer, "number", entry->number);
    json_field_int(writer, "client", entry->client);
    json_field_string(writer, "command", str_of_cstr(command_name(entry->command_type)));
    json_field_string(writer, "id", entry->command_id);
    json_field_string(writer, "stream", entry->stream);
    json_field_bool(writer, "key", entry->has_key);
    json_field_bool(writer, "question", entry->is_question);
    json_field_bool(writer, "joined", entry->is_joined);
    json_field_bool(writer, "late", entry->is_late);
    json_name(writer, STR("body"));
    json_base64url(writer, str_first(entry->request_hash, 8));
    json_field_bool(writer, "sent", entry->record.len > 0);
    json_field_int(writer, "asked_us", entry->asked_us);
    json_field_int(writer, "answered_us", entry->answered_us);
    json_field_string(writer, "answer", str_of_cstr(journal_answer_name(told->answer)));
    json_field_string(writer, "by", str_of_cstr(sources[told->source]));
    json_field_string(writer, "rejection", told->rejection);
    json_field_string(writer, "answered_by", told->stream);
    json_field_int(writer, "version", told->version);
    json_object_end(writer);
}

void journal_write(const struct journal *journal, FILE *file) {
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    for (uint32_t i = 0; i < journal->count; i++) {
        buf_clear(&line);
        struct json_writer writer = json_writer_of(&line);
        entry_write(journal->entries[i], &writer);
        buf_byte(&line, '\n');
        fwrite(line.data, 1, line.len, file);
    }
    buf_release(&line);
}
