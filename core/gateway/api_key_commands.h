/* api_key_commands.h: what the front adds to commands about API keys, and to their answers.
 *
 * Secrets  a key's text derives from the installation's secret, its stream and its generation. The answer shows that of
 *          the generation that the outcome has: so a request that is sent again, under its Idempotency-Key, is answered
 *          with the same bytes, and nothing of it is stored. Whoever lost the answer of one without a key rotates.
 *          Of such a one no outcome is kept either: when its reply was lost, the log tells the key as it is now, which
 *          somebody else may have rotated meanwhile. His secret is not shown, only that of the generation that was
 *          sent.
 * Rotation the hash that goes along is of the next generation, as the view `keys` has the key, which is waited for as
 *          long as the request's position says so. Of two at once the second is refused, `key_rotated`.
 * Memory   the arena given, or the request's.
 * Thread   api_key_complete and _of_outcome: any; the others: the loop's.      May use: log, pg, vault, views' queries.
 */
#pragma once

#include "core/gateway/position.h"
#include "core/gateway/view_wait.h"
#include "core/vault/secret.h"
#include "gen/commands.h"
#include "gen/messages.h"

struct request;

/* Whether it makes a secret, which its answer shows: CreateApiKey, RotateApiKey. */
bool api_key_is_made_by(const struct command *command);

/* Fills in the hash of CreateApiKey; does nothing to others. Its stream is set. */
void api_key_complete(struct arena *arena, const struct secret *secret, struct command *command);
/* The secret that the command made, as its outcome has it; empty: the outcome has none that this front can read, or one
 * that another command made. */
struct str api_key_of_outcome(struct arena *arena, const struct secret *secret, const struct command *command,
                              const struct outcome *outcome);

/* The document of that outcome with the secret as one more member, for this answer alone. */
struct str api_key_shown(struct arena *arena, const struct secret *secret, const struct command *command,
                         const struct outcome *outcome, struct str document);

/* Fills in generation and hash of RotateApiKey. */
struct api_key_rotation {
    struct request *request;
    struct command *command;
    struct view_wait view_wait;
    void (*on_ready)(void *context);
    void *context;
};

/* on_ready is called once, unless the request is answered (503) or its client has gone. */
void api_key_rotation_begin(struct api_key_rotation *rotation, struct request *request, struct command *command,
                            const struct position *position, void (*on_ready)(void *context), void *context);
/* The client has gone: true when the request may be dropped; false: an answer is on its way, which then drops it. */
MUST_CHECK bool api_key_rotation_cancel(struct api_key_rotation *rotation);

/* Sends NoteApiKeyUse: a port of core/gateway/api_keys.h, the context is a loop. */
bool api_key_note_use(void *gateway_loop, struct str key, int64_t hour);
