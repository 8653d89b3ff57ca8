/* outcome_command.h: what a provider said, as the command that brings it into the log.
 *
 * Promise  the same outcome always gives the same command id, so that the handler decides it once however often it is
 *          brought; another amount or currency is another outcome. Nothing is bent to what was asked for: that is the
 *          payment's to judge.
 * Memory   the arena; texts of intent and outcome are lent.
 * Thread   pure; any.          May use: base, intents, provider's structs, libsodium.
 */
#pragma once

#include "core/base/arena.h"
#include "core/connect/provider.h"
#include "gen/commands.h"

struct command outcome_command(struct arena *arena, const struct intent *intent, const struct provider_outcome *outcome,
                               int64_t now_us);
