/* http_provider.h: a provider that speaks JSON over HTTP, as `daybook test-provider` does.
 *
 * POST <url>/charges | /captures | /voids | /refunds with `Idempotency-Key: <intent>` and
 *   {"intent", "payment", "method", "amount", "currency"}; GET <url>/operations/<intent> looks one up (404: never
 * seen). Answers 200 {"result", "amount", "provider_ref", "code", "message", "action_url"}; result `pending` is not
 * decided yet. 400, 402 and 422 say that the request can never work and had no effect: it counts as declined
 * (void_refused, refund_failed) with the status as its code. Everything else is unknown, and asked again under the same
 * key. Thread: the loop's. May use: base, provider, http_calls.
 */
#pragma once

#include "core/connect/http_calls.h"
#include "core/connect/provider.h"

struct http_provider;

struct http_provider *http_provider_create(struct http_calls *calls, const char *url, int timeout_ms);
void http_provider_free(struct http_provider *provider);
struct provider *http_provider_port(struct http_provider *provider);
