/* record.h: events and commands as records of the log: frame, key, headers, hash chain.
 *
 * Frame    Confluent wire format: 0x00, the schema's id in 4 bytes big-endian, Avro binary.
 * Headers  CloudEvents 1.0, Kafka binding, binary mode: ce_specversion, ce_id, ce_type, ce_source, ce_subject, ce_time,
 *          content-type; and traceparent (W3C) where there is one.
 * Chain    an event's prev_hash is BLAKE2b-256 of the previous record value of its stream, frame included.
 * Thread   pure; any.            May use: base, generated codecs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/log/producer.h"
#include "gen/commands.h"
#include "gen/events.h"
#include "gen/messages.h"

/* In the first byte of a command's id, when its cause is an event: it was decided in the batch of that event and never
 * lay in the log. Whoever sends a command that an event caused leaves the bit clear; else the window forgets it. */
enum { COMMAND_AT_ONCE_BIT = 0x80 };

/* Ids of what belongs together begin alike, so that it lies together wherever it is kept in the order of ids
 * (docs/adr/0023): with the first 48 bits of the cart that all of it came from, a ULID's milliseconds where nothing
 * asked for more. The other 80 bits are a hash or chance. */
enum { ID_LEAD_BYTES = 6 };

/* How ids that belong to this stream, command or event begin; COMMAND_AT_ONCE_BIT is clear. Of a SKU, its first
 * characters. */
void id_lead(struct str id, uint8_t ret_lead[ID_LEAD_BYTES]);

/* The id, from a hash of ULID_BYTES, of a command at this stream that goes through the log. */
struct str command_id_of_hash(struct arena *arena, struct str stream, const uint8_t *hash);

enum {
    FRAME_BYTES = 5,
    CHAIN_HASH_BYTES = 32,
    RECORD_MAX_BYTES = 1024 * 1024, /* the brokers' default max.message.bytes */
    EVENT_HEADERS_MAX = 8,
};

/* Frames: written before the Avro bytes; read answers false when it is not one. */
void frame_write(struct buf *out, uint32_t schema_id);
MUST_CHECK bool frame_read(struct str value, uint32_t *ret_schema_id, struct str *ret_avro);

/* The framed value, appended to out. */
void event_record_write(struct buf *out, const struct event *event);
void command_record_write(struct buf *out, const struct command *command);

/* Texts of the result point into `value`. ERR_MALFORMED, ERR_NOT_FOUND (unknown schema id), ERR_TOO_LARGE. */
MUST_CHECK enum err event_record_read(struct arena *arena, struct str value, struct event *ret_event,
                                      struct err_info *info);
MUST_CHECK enum err command_record_read(struct arena *arena, struct str value, struct command *ret_command,
                                        struct err_info *info);

/* An Outcome likewise; false: it is none, and nobody is told why. */
MUST_CHECK bool outcome_read(struct arena *arena, struct str value, struct outcome *ret_outcome);

/* BLAKE2b-256 of a framed value. */
void chain_hash(struct str value, uint8_t ret_hash[CHAIN_HASH_BYTES]);

/* Whether `event` may follow the one at (version, hash, occurred_at): ERR_BROKEN_HISTORY says how it may not. */
MUST_CHECK enum err chain_check(const struct event *event, int64_t version, const uint8_t hash[CHAIN_HASH_BYTES],
                                int64_t occurred_at_us, struct err_info *info);

/* CloudEvents headers of an event; texts live in the arena. Returns how many. */
size_t event_headers(struct arena *arena, const struct event *event, struct str source, struct str traceparent,
                     struct log_header ret_headers[EVENT_HEADERS_MAX]);
