#include "core/connect/outcome_command.h"

#include <sodium.h>

#include "core/base/format.h"
#include "core/base/text.h"
#include "core/log/record.h"

static struct str currency_of(const struct intent *intent, const struct provider_outcome *outcome) {
    return outcome->currency.len > 0 ? outcome->currency : str_of_cstr(intent->currency);
}

static struct str outcome_command_id(struct arena *arena, const struct intent *intent,
                                     const struct provider_outcome *outcome) {
    struct str text = arena_printf(arena, "provider-outcome|%s|%.*s|%lld%.*s|%.*s", intent->key,
                                   STR_ARGS(outcome->result), (long long)outcome->amount_minor,
                                   STR_ARGS(currency_of(intent, outcome)), STR_ARGS(outcome->provider_ref));
    uint8_t hash[ULID_BYTES];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)text.data, text.len, NULL, 0);
    return command_id_of_hash(arena, str_of_cstr(intent->payment), hash);
}

/* The caller has checked `result` against the known ones. */
static struct provider_outcome bounded(const struct provider_outcome *outcome) {
    struct provider_outcome within = *outcome;
    within.provider_ref = utf8_cut(outcome->provider_ref, OUTCOME_TEXT_MAX);
    within.code = utf8_cut(outcome->code, OUTCOME_TEXT_MAX);
    within.message = utf8_cut(outcome->message, OUTCOME_TEXT_MAX);
    /* Storefronts send the shopper there: javascript: and its like are no addresses. */
    within.action_url = format_matches(FORMAT_URL, outcome->action_url) ? outcome->action_url : STR("");
    return within;
}

struct command outcome_command(struct arena *arena, const struct intent *intent, const struct provider_outcome *said,
                               int64_t now_us) {
    const struct provider_outcome within = bounded(said), *outcome = &within;
    struct command command = {.type = COMMAND_RECORD_PROVIDER_OUTCOME};
    command.meta = (struct command_meta){.command_id = outcome_command_id(arena, intent, outcome),
                                         .stream = str_of_cstr(intent->payment),
                                         .correlation_id = str_of_cstr(intent->correlation_id),
                                         .causation_id = str_of_cstr(intent->event_id),
                                         .actor = arena_printf(arena, "provider:%s", intent->provider),
                                         .issued_at = now_us,
                                         .reply_partition = -1};
    command.as.record_provider_outcome = (struct record_provider_outcome){
        .intent = str_of_cstr(intent->key),
        .result = outcome->result,
        .amount = {.amount = outcome->amount_minor, .currency = currency_of(intent, outcome)},
        .provider_ref = outcome->provider_ref,
        .code = outcome->code,
        .message = outcome->message,
        .has_action_url = outcome->action_url.len > 0,
        .action_url = outcome->action_url,
    };
    return command;
}
