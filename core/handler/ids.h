/* ids.h: ids that follow from their cause, so that a decision made again names everything as it did before.
 *
 * Promise  event id = BLAKE2b of its command's id and its index; a follow-up command's id of its causing event's id and
 *          its index; a timer's command of its stream and deadline. Each kind has a tag of its own inside the hash. An
 *          id begins as its cause does (id_lead), the other 80 bits are the hash.
 * Memory   texts live in the arena.
 * Thread   pure; any.            May use: base, log, libsodium.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/text.h"

enum { ID_TEXT_LEN = 4 + ULID_TEXT_LEN }; /* cmd_ or evt_ and 26 characters */

struct str event_id_of(struct arena *arena, struct str command_id, uint32_t index);

/* `at_once`: it is decided in the batch of its cause and never lies in the commands topic, so that nothing can bring it
 * a second time. The id says so (COMMAND_AT_ONCE_BIT), for the fold has nothing else to tell by. */
struct str follow_up_id_of(struct arena *arena, struct str event_id, uint32_t index, bool at_once);

/* Whether the command was a follow-up that was decided at once. */
bool command_was_at_once(struct str command_id, struct str causation_id);

struct str timer_id_of(struct arena *arena, struct str stream, int64_t deadline_us);

/* The 16 bytes of a command's id; false when the text is none. What a public id adds for routing, a dot and the
 * shard's number, is not part of it: cut it off first. */
MUST_CHECK bool command_id_read(struct str text, uint8_t ret_id[ULID_BYTES]);
