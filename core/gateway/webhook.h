/* webhook.h: what a payment provider tells us by itself.
 *
 * Form     POST /v1/webhooks/test with `Daybook-Test-Signature: t=<unix seconds>,v1=<hex>`: HMAC-SHA-256 with the
 *          shared secret (provider_webhook_secret) over "<t>.<body>"; several v1 while a secret is being changed.
 *          Body: {intent, payment, result, amount?, currency?, provider_ref, code?, message?, action_url?}; further
 *          fields are passed over, as providers add some.
 * Secret   its default stands in the source, so anybody could sign with it: then there are no webhooks (404), save on a
 *          developer's machine (the setting `development`). One of one's own has WEBHOOK_SECRET_MIN_BYTES: who has seen
 *          one webhook can try secrets on it as fast as he likes, and 32 hexadecimal digits are the 128 bits that ASVS
 *          5.0 asks for (11.2.3).
 * Promise  forged, altered or older than WEBHOOK_TOLERANCE_S: 401, and nothing of the body is looked at. It becomes
 *          RecordProviderOutcome, whose id derives from intent, result, amount and the provider's reference: told
 *          twice, it counts once; corrected, it is another one.
 * Thread   the loop's; the checks are pure.          May use: http, vault.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/config.h"
#include "core/http/problem.h"
#include "gen/commands.h"

enum { WEBHOOK_TOLERANCE_S = 300, WEBHOOK_SECRET_MIN_BYTES = 32 };

struct request;

void webhook_received(struct request *request);

/* ERR_CONFIG: there is one, not the default, and it is too short. */
MUST_CHECK enum err webhook_secret_check(const struct config *config, struct err_info *info);
bool webhook_secret_is_usable(const struct config *config);

enum webhook_check { WEBHOOK_GENUINE, WEBHOOK_FORGED, WEBHOOK_STALE };

enum webhook_check webhook_check(struct str secret, struct str signature_header, struct str body, int64_t now_s);

/* The body as a command: type, payload and stream. */
MUST_CHECK bool webhook_command(struct arena *arena, struct str body, struct command *ret_command,
                                struct problem *ret_problem);
