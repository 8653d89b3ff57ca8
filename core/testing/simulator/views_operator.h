/* views_operator.h: somebody who rebuilds, compares, switches and drops views while all goes on, with its faults.
 *
 * Purpose  whatever an operator does to a view, and wherever he is killed at it, projectors go on with what is live,
 *          which is what the log says. A comparison that finds a difference ends the run.
 * Thread   one.                  May use: projections, postgres.h, faults.h.
 */
#pragma once

#include <stdint.h>

#include "core/base/config.h"

/* In some runs, drawn from the seed: now and then until that time. */
void views_operator_begin(const struct config *config, int64_t until_us);
/* What he was about ends where it is. */
void views_operator_end(void);
