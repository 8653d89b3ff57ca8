/* installation.h: whether the settings of this process are those of the installation in the log and the database.
 *
 * Purpose  some settings cannot be judged by themselves: `shards`, which must be the number of partitions that the
 *          topics were made with, and the secret and the master keys, which must be those of every other front and
 *          connector of the installation. With wrong ones everything seems to work: half the log is read for the
 *          whole, a stream gets a second owner, a retry takes effect twice, what one front seals no other can read.
 * Promise  what is wrong is an ERR_CONFIG whose text says both sides, and never passes; what cannot be asked yet (no
 *          broker, no topics, no database, no tables) is another error, and is asked again.
 * Thread   one at a time; blocks for up to 2 s on the broker and 5 s on the database.        May use: log, vault, pg.
 */
#pragma once

#include "core/base/config.h"

struct installation {
    const struct config *config;
    bool log_is_ours, keys_are_ours; /* asked, and so it is */
};

/* `has_keys`: only fronts and connectors use the secret and the master keys. */
static inline struct installation installation_of(const struct config *config, bool has_keys) {
    return (struct installation){.config = config, .keys_are_ours = !has_keys};
}

/* Asks what is not answered yet. ERR_NONE: all is as it must be. */
MUST_CHECK enum err installation_check(struct installation *installation, struct err_info *info);

/* For a subcommand that reads the log: EXIT_DONE, or what is wrong is told on standard error and the exit code is this.
 */
int installation_log_check(const struct config *config, const char *subcommand);
