/* grants.h: what the group roles of an installation may do in a schema, so that each process has a login of its own.
 *
 * Purpose  daybook_reader   fronts: SELECT on views
 *          daybook_writer   projectors: SELECT, INSERT, UPDATE, DELETE on views
 *          daybook_keys     fronts and connectors: SELECT, INSERT, UPDATE on the vault's keys; SELECT, INSERT on
 *                           what the secret and the master keys are known by
 *          A login is made a member of those that it needs. The tables' owner makes, rebuilds and switches them.
 * Promise  a role that does not exist is passed over, and a role that has all is left alone: running it again changes
 *          nothing. What a role has besides is not taken from it.
 * Thread   the session's.        May use: base.
 */
#pragma once

#include "core/pg/session.h"

/* Once a view's tables are there; by their owner. */
MUST_CHECK enum err pg_grants_view(struct pg_session *session, const char *schema, struct err_info *info);
/* Likewise, of the schema `vault`. */
MUST_CHECK enum err pg_grants_vault(struct pg_session *session, struct err_info *info);
