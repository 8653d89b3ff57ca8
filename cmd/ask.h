/* ask.h: one command, sent to the log by a subcommand, and what became of it.
 *
 * Promise  the command goes as `system`, under an id of chance, and its outcome is recorded. What is reported is what
 *          stands in the log: the outcome, and where one is named the event that it led to, read from where the log
 *          ended before the command was sent. ERR_TIMEOUT after ASK_WAIT_S: it stands in the log and may take effect
 *          yet.
 * Memory   the arena's.
 * Thread   one; blocks.          May use: log, domain's structs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/config.h"
#include "core/base/err.h"
#include "gen/commands.h"
#include "gen/events.h"
#include "gen/messages.h"

enum { ASK_WAIT_S = 60 };

struct ask {
    const struct config *config;
    const char *client_id;
    struct arena *arena;
    /* Of the events of the command's own stream that it led to, those that end the waiting; NULL: its outcome does. */
    bool (*is_end)(const struct event *event);
};

struct ask_answer {
    struct outcome outcome;
    struct event event; /* with is_end, unless the outcome is a refusal */
};

/* Type, payload and meta.stream are set; the rest of meta is filled in, the id where it is empty. */
MUST_CHECK enum err ask_log(const struct ask *ask, struct command *command, struct ask_answer *ret_answer,
                            struct err_info *info);
