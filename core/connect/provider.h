/* provider.h: the port to a payment provider: what the connector asks of it, and what it hears.
 *
 * Purpose  a function table; http_provider is the real one, tests bring a faulty one in memory.
 * Promise  `call` has the provider carry the intent out under the intent's key: however often, one effect. `lookup`
 * asks what became of it without causing anything. Both tell `on_outcome` exactly once, later, on the loop's thread. An
 *          outcome that is not known (time-out, no connection, 5xx) is PROVIDER_UNKNOWN, never a failure.
 * Thread   the connector's loop.      May use: base, intents.
 */
#pragma once

#include "core/base/err.h"
#include "core/connect/intents.h"

enum provider_answer {
    PROVIDER_UNKNOWN,   /* ask again, with the same key */
    PROVIDER_NOT_FOUND, /* lookup: the provider has never seen the key */
    PROVIDER_PENDING,   /* it is working on it and will tell us by webhook; look it up later */
    PROVIDER_DECIDED,   /* `result` holds */
};

/* Texts live as long as the callback. */
struct provider_outcome {
    enum provider_answer answer;
    struct str result; /* as in RecordProviderOutcome: captured, declined, refunded ... */
    int64_t amount_minor;
    struct str currency; /* empty: the provider did not say; what was asked for then */
    struct str provider_ref;
    struct str code;
    struct str message;
    struct str action_url; /* empty for none */
};

/* Whether the answer to a lookup tells more than the log has of a charge that was heard of. That the provider does not
 * know such a charge any more is news as well: the shopper did not take the step in time. */
bool provider_outcome_is_news(const struct provider_outcome *outcome, enum intent_heard heard);

typedef void provider_outcome_cb(void *context, const struct provider_outcome *outcome);

struct provider {
    /* ERR_TOO_LARGE (retriable) when as many calls are in flight as may be. */
    enum err (*call)(struct provider *self, const struct intent *intent, provider_outcome_cb *on_outcome, void *context,
                     struct err_info *info);
    enum err (*lookup)(struct provider *self, const struct intent *intent, provider_outcome_cb *on_outcome,
                       void *context, struct err_info *info);
};
