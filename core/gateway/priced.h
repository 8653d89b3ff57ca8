/* priced.h: which commands need to know what goods cost: one row each.
 *
 * Purpose  the gateway attaches what the catalogue says of SKUs (price facts) to these before they are sent, and waits
 *          for the catalogue to have what the client's position names. All else is as with any command.
 * Thread   pure; any.            May use: generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "gen/commands.h"

struct priced_command {
    uint16_t type;
    /* Where its facts go. */
    struct price_fact_array *(*facts)(struct command *command);
    /* The SKUs that facts are needed of, at most FACTS_SKUS_MAX; NULL: those in its cart. */
    struct str_array (*skus)(struct arena *arena, const struct command *command);
};

/* The row of a command; NULL when it needs none. */
const struct priced_command *priced_command(uint16_t type);
