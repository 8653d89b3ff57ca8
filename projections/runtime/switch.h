/* switch.h: the schema beside a view's live one takes its place, and can be taken back.
 *
 * Promise  one transaction that renames: a query finds the tables of before or those of after, and none fails or waits.
 *          What was live stays: as `<name>_old`, until it is dropped by a command; after a switch back the new one is
 *          `<name>_rebuild` again. Who becomes live has seen all that the live one had.
 *          Projectors find out by the epoch (parking.sql): each begins anew, with the schema of its own format.
 * Thread   one at a time; blocks.        May use: log, pg, domain.
 */
#pragma once

#include "projections/runtime/rebuild.h"

/* ERR_NOT_FOUND: there is nothing to switch to. ERR_CONFLICT: there is something where the live one is to go. */
MUST_CHECK enum err view_switch_check(const struct rebuild_options *options, bool back, struct err_info *info);
/* ERR_TIMEOUT: they do not meet (meeting.h); nothing has changed. */
MUST_CHECK enum err view_switch(const struct rebuild_options *options, bool back, struct err_info *info);
