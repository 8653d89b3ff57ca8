/* roles.h: the roles that persons and API keys may have beside what everybody may.
 *
 * admin, support, analyst, auditor; vendor, who has a vendor's name; of keys alone service.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "gen/common.h"

#define ROLE_ADMIN STR("admin")

enum role_holders { ROLES_OF_PEOPLE, ROLES_OF_KEYS };

/* Whether every role is one, none stands there twice, and a vendor's name is given with that role and no other. */
bool roles_are_known(const struct role_grant_array *roles, enum role_holders holders);

bool roles_include(const struct role_grant_array *roles, struct str role);
/* In the same order. */
bool roles_equal(const struct role_grant_array *a, const struct role_grant_array *b);
