#include "core/log/record.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>

#include "core/base/buf.h"
#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "gen/codec.h"

static_assert(CHAIN_HASH_BYTES == crypto_generichash_BYTES, "BLAKE2b-256");

void frame_write(struct buf *out, uint32_t schema_id) {
    const uint8_t frame[FRAME_BYTES] = {0, (uint8_t)(schema_id >> 24), (uint8_t)(schema_id >> 16),
                                        (uint8_t)(schema_id >> 8), (uint8_t)schema_id};
    buf_bytes(out, frame, sizeof frame);
}

bool frame_read(struct str value, uint32_t *ret_schema_id, struct str *ret_avro) {
    if (value.len < FRAME_BYTES || value.data[0] != 0) {
        return false;
    }
    const uint8_t *at = (const uint8_t *)value.data;
    *ret_schema_id = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
    *ret_avro = str_from(value, FRAME_BYTES);
    return true;
}

void event_record_write(struct buf *out, const struct event *event) {
    const struct event_info *info = event_info(event->type);
    assert(info != NULL);
    frame_write(out, info->schema_id);
    event_encode(out, event);
}

void command_record_write(struct buf *out, const struct command *command) {
    frame_write(out, command_schema_id(command->type));
    command_encode(out, command);
}

/* What events and commands have in common: bound, frame, known schema. */
static enum err record_open(struct str value, uint32_t *ret_schema_id, struct str *ret_avro, struct err_info *info) {
    if (value.len > RECORD_MAX_BYTES) {
        return err_set(info, ERR_TOO_LARGE, "a record of %" PRIu32 " bytes; at most %d are read", value.len,
                       RECORD_MAX_BYTES);
    }
    if (!frame_read(value, ret_schema_id, ret_avro)) {
        return err_set(info, ERR_MALFORMED, "a record without a schema frame (%" PRIu32 " bytes)", value.len);
    }
    if (schema_by_id(*ret_schema_id) == NULL) {
        return err_set(info, ERR_NOT_FOUND,
                       "schema id %" PRIu32 " is not known here: was it written by a newer release?", *ret_schema_id);
    }
    return ERR_NONE;
}

enum err event_record_read(struct arena *arena, struct str value, struct event *ret_event, struct err_info *info) {
    uint32_t schema_id;
    struct str avro;
    enum err err = record_open(value, &schema_id, &avro, info);
    if (err != ERR_NONE) {
        return err;
    }
    const char *why = "";
    struct event event = {0};
    if (!event_decode(arena, schema_id, avro, &event, &why)) {
        return err_set(info, ERR_MALFORMED, "an event of schema %" PRIu32 ": %s", schema_id, why);
    }
    *ret_event = event;
    return ERR_NONE;
}

enum err command_record_read(struct arena *arena, struct str value, struct command *ret_command,
                             struct err_info *info) {
    uint32_t schema_id;
    struct str avro;
    enum err err = record_open(value, &schema_id, &avro, info);
    if (err != ERR_NONE) {
        return err;
    }
    const char *why = "";
    struct command command = {0};
    if (!command_decode(arena, schema_id, avro, &command, &why)) {
        return err_set(info, ERR_MALFORMED, "a command of schema %" PRIu32 ": %s", schema_id, why);
    }
    *ret_command = command;
    return ERR_NONE;
}

bool outcome_read(struct arena *arena, struct str value, struct outcome *ret_outcome) {
    uint32_t schema_id;
    struct str avro;
    const char *why;
    return frame_read(value, &schema_id, &avro) && outcome_decode_as(arena, schema_id, avro, ret_outcome, &why);
}

void id_lead(struct str id, uint8_t ret_lead[ID_LEAD_BYTES]) {
    struct str key = shard_key(id);
    uint8_t bytes[ULID_BYTES] = {0};
    if (!ulid_read(key, bytes)) {
        memcpy(bytes, key.data, key.len < ID_LEAD_BYTES ? key.len : ID_LEAD_BYTES);
    }
    bytes[0] &= (uint8_t)~COMMAND_AT_ONCE_BIT;
    memcpy(ret_lead, bytes, ID_LEAD_BYTES);
}

struct str command_id_of_hash(struct arena *arena, struct str stream, const uint8_t *hash) {
    uint8_t bytes[ULID_BYTES];
    memcpy(bytes, hash, sizeof bytes);
    id_lead(stream, bytes);
    char text[ULID_TEXT_LEN];
    ulid_write(bytes, text);
    return arena_join(arena, STR("cmd_"), str_of(text, sizeof text));
}

void chain_hash(struct str value, uint8_t ret_hash[CHAIN_HASH_BYTES]) {
    crypto_generichash(ret_hash, CHAIN_HASH_BYTES, (const unsigned char *)value.data, value.len, NULL, 0);
}

enum err chain_check(const struct event *event, int64_t version, const uint8_t hash[CHAIN_HASH_BYTES],
                     int64_t occurred_at_us, struct err_info *info) {
    static const uint8_t nothing[CHAIN_HASH_BYTES];
    const struct event_meta *meta = &event->meta;
    if (meta->version != version + 1) {
        return err_set(info, ERR_BROKEN_HISTORY, "%.*s: version %" PRId64 " stands after version %" PRId64,
                       STR_ARGS(meta->stream), meta->version, version);
    }
    if (memcmp(meta->prev_hash, version == 0 ? nothing : hash, CHAIN_HASH_BYTES) != 0) {
        return err_set(info, ERR_BROKEN_HISTORY,
                       "%.*s: version %" PRId64 " does not carry the hash of the record before it",
                       STR_ARGS(meta->stream), meta->version);
    }
    if (version > 0 && meta->occurred_at < occurred_at_us) {
        return err_set(info, ERR_BROKEN_HISTORY,
                       "%.*s: version %" PRId64 " occurred %" PRId64 " us before the version before it",
                       STR_ARGS(meta->stream), meta->version, occurred_at_us - meta->occurred_at);
    }
    return ERR_NONE;
}

size_t event_headers(struct arena *arena, const struct event *event, struct str source, struct str traceparent,
                     struct log_header ret_headers[EVENT_HEADERS_MAX]) {
    const struct event_info *info = event_info(event->type);
    assert(info != NULL);
    char time[TIMESTAMP_TEXT_MAX + 1];
    size_t time_len = timestamp_write(event->meta.occurred_at, time);
    size_t count = 0;
    ret_headers[count++] = (struct log_header){"ce_specversion", STR("1.0")};
    ret_headers[count++] = (struct log_header){"ce_id", event->meta.event_id};
    ret_headers[count++] = (struct log_header){"ce_type", str_of_cstr(info->ce_type)};
    ret_headers[count++] = (struct log_header){"ce_source", source};
    ret_headers[count++] = (struct log_header){"ce_subject", event->meta.stream};
    ret_headers[count++] = (struct log_header){"ce_time", arena_str_copy(arena, str_of(time, time_len))};
    /* What the registry's serializers call the wire format; CloudEvents maps datacontenttype to this header. */
    ret_headers[count++] = (struct log_header){"content-type", STR("application/vnd.confluent.avro")};
    if (!str_is_empty(traceparent)) {
        ret_headers[count++] = (struct log_header){"traceparent", traceparent};
    }
    assert(count <= EVENT_HEADERS_MAX);
    return count;
}
