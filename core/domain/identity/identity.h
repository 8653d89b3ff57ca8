/* identity.h: an e-mail address, known by its keyed hash alone: which customer has it.
 *
 * Promise  one customer has it at a time, so one verified customer has an address. Whoever has it keeps it until he
 *          gives it back himself: a release is of one claim, and undoes no newer one, however late it comes.
 * Memory   events and state live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

extern const struct aggregate identity_aggregate;

enum rejection identity_decide(const struct identity_state *state, const struct command *command,
                               struct decision *decision);
void identity_evolve(struct identity_state *state, const struct event *event);
