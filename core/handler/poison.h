/* poison.h: what can still be read of a command that cannot be decoded: who asked, and where the answer goes.
 *
 * `meta` is the first field of every command, and its form does not change, so it can be read even where what follows
 * is of a schema that is not known here, or is broken.
 * Memory   texts point into the value.
 * Thread   pure; any.            May use: base, log.
 */
#pragma once

#include "core/base/macros.h"
#include "gen/commands.h"

/* False when not even that can be read. */
MUST_CHECK bool poison_meta_read(struct str value, struct command_meta *ret_meta);
