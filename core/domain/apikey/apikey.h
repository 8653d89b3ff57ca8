/* apikey.h: a key with which a service, or a person's tool, comes in: what it may do, and by what it is known.
 *
 *             CreateApiKey         RevokeApiKey
 *     absent -------------> active -------------> revoked
 *
 * Promise  the stream holds hashes of the key's secrets alone. Of two rotations at once one is refused, since the hash
 *          of a secret that nobody was given would lock everybody out. After a rotation the secret before is good for
 *          as long as was asked for, the one before that no more. What is revoked stays so. That a key was used is
 *          written down once an hour at most, whatever number of fronts it came in by.
 * Who      staff and the system alone (actor.h); to anybody else no key is there.
 * Time     that a key has expired, and that the time of the secret before is over, is for whoever lets it in to see.
 * Bounds   API_KEY_ROLES_MAX roles; API_KEY_GRACE_MAX_S.
 * Memory   events and state live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum {
    API_KEY_ROLES_MAX = 8,
    API_KEY_HASH_BYTES = 32,
    API_KEY_GRACE_MAX_S = 7 * 24 * 3600,
};

extern const struct aggregate apikey_aggregate;

enum rejection apikey_decide(const struct api_key_state *state, const struct command *command,
                             struct decision *decision);
void apikey_evolve(struct api_key_state *state, const struct event *event);
