/* provider_fuzz.c: libFuzzer on what a payment provider answers, up to the command that it becomes.
 *
 * The first two bytes are the status and what was asked, the rest is the body. The double of http_call below
 * answers at once. Beyond what the sanitizers see: each call is told once; what is not understood is unknown and
 * never a failure, for money may have moved; and whatever is told becomes a command that fits into a record, reads
 * as it was written, and has one name.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/format.h"
#include "core/base/text.h"
#include "core/connect/http_provider.h"
#include "core/connect/outcome_command.h"
#include "core/log/record.h"

enum { ARENA_MAX_BYTES = 8 << 20, BUF_MAX_BYTES = 2 * RECORD_MAX_BYTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_call_result answer;
static int told_count;

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "provider_fuzz: %s\n", what);
        abort();
    }
}

/* In the place of libcurl. */
enum err http_call(struct http_calls *calls, const struct http_call_request *request, http_call_cb *on_done,
                   void *context, struct err_info *info) {
    (void)calls, (void)info;
    require(str_starts_with(str_of_cstr(request->url), STR("https://provider.example/")), "it is asked where it lives");
    on_done(context, &answer);
    return ERR_NONE;
}

static bool is_result(struct str text) {
    static const char *const results[] = {"authorized", "captured",     "declined", "action_required",
                                          "voided",     "void_refused", "refunded", "refund_failed"};
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (str_equal(text, str_of_cstr(results[i]))) {
            return true;
        }
    }
    return false;
}

static void write_command(struct arena *arena, const struct intent *intent, const struct provider_outcome *outcome,
                          struct buf *out) {
    struct command command = outcome_command(arena, intent, outcome, INT64_C(1800000000000000)), again;
    const struct record_provider_outcome *said = &command.as.record_provider_outcome;
    require(!said->has_action_url || format_matches(FORMAT_URL, said->action_url),
            "a shopper is sent to http or https");
    require(said->message.len <= OUTCOME_TEXT_MAX && said->code.len <= OUTCOME_TEXT_MAX &&
                said->provider_ref.len <= OUTCOME_TEXT_MAX && utf8_is_valid(said->message),
            "a provider's words are cut between two characters");
    require(said->amount.currency.len == 3, "an amount has a currency");
    command_record_write(out, &command);
    require(buf_ok(out) && out->len < RECORD_MAX_BYTES / 4, "a command fits into a record");
    struct err_info info = {0};
    require(command_record_read(arena, buf_text(out), &again, &info) == ERR_NONE, "a command can be read");
    require(str_equal(again.as.record_provider_outcome.result, said->result) &&
                again.as.record_provider_outcome.amount.amount == said->amount.amount &&
                str_equal(again.meta.command_id, command.meta.command_id),
            "and says the same");
}

static void on_outcome(void *context, const struct provider_outcome *outcome) {
    const struct intent *intent = context;
    told_count++;
    (void)provider_outcome_is_news(outcome, HEARD_ACTION_REQUIRED);
    switch (outcome->answer) {
    case PROVIDER_UNKNOWN:
        require(outcome->result.len == 0, "of what is unknown nothing is told");
        return;
    case PROVIDER_NOT_FOUND:
        require(answer.status == 404, "only a 404 says that it does not know");
        return;
    case PROVIDER_PENDING:
        require(answer.status == 200 || answer.status == 201, "only an answer says that it is under way");
        return;
    case PROVIDER_DECIDED:
        require(is_result(outcome->result), "a decision is one of ours");
        require(answer.status >= 200 && answer.status < 500, "a server that failed has decided nothing");
        break;
    }
    struct arena arena;
    struct buf once, twice;
    arena_init(&arena, ARENA_MAX_BYTES);
    buf_init(&once, BUF_MAX_BYTES);
    buf_init(&twice, BUF_MAX_BYTES);
    write_command(&arena, intent, outcome, &once);
    write_command(&arena, intent, outcome, &twice);
    require(str_equal(buf_text(&once), buf_text(&twice)), "the same outcome is the same command");
    buf_release(&twice);
    buf_release(&once);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int statuses[] = {200, 201, 0, 202, 204, 301, 400, 401, 402, 404, 409, 422, 429, 500, 503};
    static struct http_provider *provider;
    if (size < 2) {
        return 0;
    }
    if (provider == NULL) {
        provider = http_provider_create(NULL, "https://provider.example", 1000);
    }
    struct intent intent = {.kind = (enum intent_kind)(data[1] % 4),
                            .amount_minor = 1999,
                            .currency = "EUR",
                            .key = "pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1",
                            .payment = "pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1",
                            .provider = "test",
                            .method = "card",
                            .correlation_id = "cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV",
                            .event_id = "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV"};
    struct provider *port = http_provider_port(provider);
    answer = (struct http_call_result){.status = statuses[data[0] % ARRAY_LENGTH(statuses)],
                                       .body = str_of((const char *)data + 2, size - 2)};
    told_count = 0;
    struct err_info info = {0};
    enum err err = (data[1] & 4) != 0 ? port->lookup(port, &intent, on_outcome, &intent, &info)
                                      : port->call(port, &intent, on_outcome, &intent, &info);
    require(err == ERR_NONE && told_count == 1, "each call is told once");
    return 0;
}
