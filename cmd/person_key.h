/* person_key.h: a person's key, for a subcommand that seals something of him.
 *
 * Promise  it is had as a front has it: made and wrapped in the vault, and what the vault holds wins.
 * Thread   one; blocks for PERSON_KEY_WAIT_S at most.          May use: vault, pg.
 */
#pragma once

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/vault/vault.h"

enum { PERSON_KEY_WAIT_S = 10 };

/* `ret_key` has the id that was given; whoever is done with it wipes its bytes. ERR_NOT_FOUND: there is none, or it was
 * destroyed; ERR_CONFIG: this ring cannot open it; ERR_POSTGRES. */
MUST_CHECK enum err person_key(const struct config *config, const struct master_ring *ring, struct str key_id,
                               enum vault_wish wish, struct vault_key *ret_key, struct err_info *info);
