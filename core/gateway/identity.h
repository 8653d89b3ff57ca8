/* identity.h: ids that a retry finds again.
 *
 * Purpose  a request with an Idempotency-Key always becomes the same command, and the stream it creates always has
 *          the same id: so a retry reaches the same shard and the same stream, whatever process takes it.
 * Order    an id begins as its stream does (id_lead): what belongs to a cart lies near it wherever ids are sorted, and
 *          carts that were opened without a key in the order of time.
 * Scope    the key counts within principal, method and path; the secret keeps outsiders from computing ids.
 * Memory   results live in the arena.
 * Thread   pure, save identity_fresh (random); any.          May use: base, log, vault.
 */
#pragma once

#include "core/base/arena.h"
#include "core/vault/secret.h"
#include "gen/common.h"

enum {
    COMMAND_ID_LEN = 4 + 26, /* cmd_ and a ULID's text */
    CART_TOKEN_BYTES = 24,   /* as base64url, 32 characters */
    IDEMPOTENCY_KEY_MAX = 255,
    /* Who has neither a token nor an account shares one scope with all like him: his key must be one that nobody
     * guesses or repeats by chance. 22 characters of base64url hold 128 bits. */
    ANONYMOUS_KEY_MIN = 22,
};

/* "anonymous", or what a Daybook-Cart-Token makes its bearer: the token itself stays out of the log. A short text of
 * somebody's own choice must not be taken for one: others would choose it too, and share his scope. */
struct str identity_principal(struct arena *arena, const struct secret *secret, struct str cart_token);
/* The token that lets a guest speak for a cart, to be sent as Daybook-Cart-Token. */
struct str identity_cart_token(struct arena *arena, const struct secret *secret, struct str cart);

/* Of a command at `stream`; empty: it creates one. */
struct str identity_command(struct arena *arena, const struct secret *secret, struct str principal, struct str method,
                            struct str path, struct str key, struct str stream);
/* The same of a command whose stream the front finds out, and which counts within what it found out as well: a key
 * alone must not bring back the answer of whoever has proved to be somebody. */
struct str identity_command_within(struct arena *arena, const struct secret *secret, struct str principal,
                                   struct str method, struct str path, struct str key, struct str stream,
                                   struct str within);
/* One that nobody asks for again: chance, and for a stream that it creates the time in milliseconds before it. */
struct str identity_fresh(struct arena *arena, struct str stream, int64_t now_us);
/* The command with which `command_id` is tried once more: see core/gateway/commands.h. */
struct str identity_second_try(struct arena *arena, const struct secret *secret, struct str command_id);
/* Of what a provider said: the same words twice are one command. */
struct str identity_provider_outcome(struct arena *arena, const struct secret *secret, struct str intent,
                                     struct str result, struct money amount, struct str provider_ref);

/* That an API key (key_...) was used in this hour since 1970: the same from each front. */
struct str identity_key_use(struct arena *arena, const struct secret *secret, struct str key, int64_t hour);

/* The customer who is an installation's first admin: there is one, by his id. */
struct str identity_first_admin(struct arena *arena, const struct secret *secret);

/* The stream that the command creates, e.g. prefix "cart_". */
struct str identity_stream(struct arena *arena, const struct secret *secret, struct str prefix, struct str command_id);

/* The stream of an e-mail address (idn_..), in whatever case it is written. */
struct str identity_of_email(struct arena *arena, const struct secret *secret, struct str email);
/* Who is asked in the place of the customer of an address that has none: always the same, and there is nobody. */
struct str identity_nobody(struct arena *arena, const struct secret *secret, struct str identity);

/* Keyed hash of what the client asked for: method, path (see route_path) and the body in its canonical form. */
struct str identity_request_hash(struct arena *arena, const struct secret *secret, struct str method, struct str path,
                                 struct str canonical_body);

/* The 32 hexadecimal digits of the command's own trace, used when the client began none. */
struct str identity_trace(struct arena *arena, struct str command_id);
