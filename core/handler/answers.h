/* answers.h: what is said to whoever sent a command: drafted while it is decided, finished, recorded, repeated.
 *
 * Rules    a command with a client's key, and one from outside that is answered at rest, has its outcome recorded: in
 *          the outcomes topic and in the window. Others get a reply alone. Refusals of a repeated, reused or expired id
 *          change nothing and are replies alone.
 *          An answer at rest must come from a stream of the command's own shard: only its window knows the command.
 * Memory   the batch's arena.
 * Thread   the engine's.         May use: base, domain, log. Part of the engine.
 */
#pragma once

#include "core/handler/engine.h"

/* The command did not come from an event. */
bool command_is_from_outside(const struct command_meta *meta);

/* Takes note that a stream moved on under this correlation, for the positions of answers. */
void answers_touch(struct engine *engine, struct str correlation_id, const struct live_stream *stream);

/* A draft for the command, status pending; NULL when nobody is to be told anything. Good until the next draft. */
struct draft *answers_draft(struct engine *engine, const struct work *work, struct window_item *item, bool recorded);

void draft_refuse(struct engine *engine, struct draft *draft, enum rejection rejection, struct str pointer,
                  struct str_array skus);
/* Accepted, with the stream's state as it now stands; where the aggregate has parts, with the one that was touched. */
void draft_accept(struct engine *engine, struct draft *draft, const struct live_stream *stream,
                  const struct live_sub *sub);

/* A reaction of `stream` answers a command that waits for rest. */
MUST_CHECK enum err answers_at_rest(struct engine *engine, int32_t shard, const struct answer *answer,
                                    const struct live_stream *stream, struct str traceparent, struct err_info *info);

/* The command is in the window already. */
MUST_CHECK enum err answers_repeat(struct engine *engine, const struct work *work, struct window_item *item,
                                   struct err_info *info);

/* AskOutcome. */
MUST_CHECK enum err answers_ask(struct engine *engine, const struct work *work, struct err_info *info);

/* All that followed at once was decided: positions, records, replies. */
void answers_finish(struct engine *engine);
