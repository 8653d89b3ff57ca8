/* views_check.h: oracle (e): read models that are rebuilt from offset 0 equal the live ones, row by row.
 *
 * Purpose  the real view_rebuild runs as a process of the world; what it filled is compared with what the projectors
 *          have written through all faults.
 * Thread   one.                  May use: projections, postgres.h, oracle.h.
 */
#pragma once

#include "core/base/config.h"
#include "core/testing/simulator/oracle.h"

/* Rebuilds all views beside the live ones; false: not done in that time. */
bool views_rebuild(const struct config *config, int64_t most_us);

/* For oracle_options. */
void views_compare(struct oracle *oracle, void *context);
