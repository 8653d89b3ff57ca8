/* password_rules.h: which passwords a front refuses, as its settings have it.
 *
 * Rules    `password_list`: those that are known, of which there are PASSWORD_RULES_LEAST at least where it counts: a
 *          front without them does not start, save a developer's (`development`). ASVS 5.0, 6.2.4 asks for the 3,000
 *          most frequent of those that are long enough, 6.2.12 for breached ones; docs/operations.md says where they
 *          come from ("Known passwords"). `password_words`: the words of the house (house_words.h).
 * Memory   the list's own; words stand in the configuration, which outlives them.
 * Thread   opened once; then read-only, any.        May use: base, vault.
 */
#pragma once

#include "core/base/config.h"
#include "core/vault/password.h"

enum { PASSWORD_RULES_LEAST = 3000 };

/* Zeroed nothing is known but what is too short. */
struct password_rules {
    struct password_list *list; /* NULL: none */
    struct house_words house;
};

/* ERR_CONFIG: too few are known, or one of the two settings cannot be read. */
MUST_CHECK enum err password_rules_open(const struct config *config, struct password_rules *ret_rules,
                                        struct err_info *info);
void password_rules_close(struct password_rules *rules);
