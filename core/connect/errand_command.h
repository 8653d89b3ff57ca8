/* errand_command.h: what became of an errand, as the command that brings it into the log.
 *
 * Promise  the same errand and attempt always give the same command id, so that the handler decides it once however
 *          often it is brought. Only when it was brought ERRAND_SENDS_OVERDUE times and the log shows nothing, it is
 *          another one: the handler may have set it aside for good (a dead letter). Decided twice it does no harm.
 * Memory   the arena; the errand's texts are lent.
 * Thread   pure; any.          May use: base, log's ids, open_errands, libsodium.
 */
#pragma once

#include "core/base/arena.h"
#include "core/connect/open_errands.h"
#include "gen/commands.h"

enum { ERRAND_SENDS_OVERDUE = 5 };

/* Of a mail: what progress.result and .code say, of the attempt after progress.tries that failed. Of an erasure: that
 * the keys are destroyed. progress.sends: how often it was brought. */
struct command errand_command(struct arena *arena, const struct errand *errand, int64_t now_us);
