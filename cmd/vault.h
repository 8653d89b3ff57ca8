/* vault.h: what `daybook migrate` and `daybook vault` both do with the keys of persons.
 *
 * Promise  keys are wrapped under a ring that outlives this process: one that has to be made for keys that are there is
 *          made on a machine of a front alone, which is known by the installation's secret.
 * Thread   blocks on PostgreSQL and the disk.          May use: vault, pg.
 */
#pragma once

#include "core/base/config.h"
#include "core/pg/session.h"

/* What rests in the tables: makes them or brings them up to date, wraps what stands in the clear, and has what is left
 * of that removed. Tells on standard output what it did. */
MUST_CHECK enum err vault_migrate(const struct config *config, struct err_info *info);
