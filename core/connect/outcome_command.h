/* outcome_command.h: what a provider said, as the command that brings it into the log.
 *
 * Promise  the same outcome always gives the same command id, so that the handler decides it once however often it is
 *          brought; another amount or currency is another outcome. Nothing is bent to what was asked for: that is the
 *          payment's to judge.
 * Bounds   the provider's words are cut to OUTCOME_TEXT_MAX bytes, as a webhook's are refused beyond them; of an
 *          address a part would lead nowhere, so one that is no FORMAT_URL (http or https, 2,048 bytes) is left out.
 *          However much the provider says, the command fits into a record.
 * Memory   the arena; texts of intent and outcome are lent.
 * Thread   pure; any.          May use: base, intents, provider's structs, libsodium.
 */
#pragma once

#include "core/base/arena.h"
#include "core/connect/provider.h"
#include "gen/commands.h"

enum { OUTCOME_TEXT_MAX = 512 };

struct command outcome_command(struct arena *arena, const struct intent *intent, const struct provider_outcome *said,
                               int64_t now_us);
