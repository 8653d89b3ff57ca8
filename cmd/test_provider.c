/* test_provider.c: `daybook test-provider`: a payment provider's double, for development and tests, with its own
 * ledger.
 *
 * It speaks what core/connect/http_provider.h asks for, and misbehaves on request: the method named in a charge chooses
 * how. What it really did is in its ledger (GET /ledger), which tests compare with Daybook's events.
 */
#include "cmd/command.h"

#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/provider_ledger.h"
#include "core/base/logger.h"
#include "core/base/macros.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/connect/http_calls.h"
#include "core/http/problem.h"
#include "core/http/server.h"

enum {
    SLOW_MS = 2000,
    WEBHOOK_TRIES_MAX = 40,
    WEBHOOK_BACKOFF_MS = 250,
    WEBHOOK_TIMEOUT_MS = 5000,
    WEBHOOKS_MAX = 1000, /* under way at once; more are tried again later */
};

struct double_options {
    int port;
    const char *ledger_path;
    const char *webhook_url; /* NULL: none are sent */
    const char *webhook_ca;  /* the authorities that it trusts there, PEM; NULL: the system's */
    const char *secret;
    int late_ms; /* how late a late answer is */
    int forget_after_s;
};

struct provider_double {
    struct double_options options;
    uv_loop_t loop;
    uv_signal_t on_int, on_term;
    struct http_server *server;
    struct http_calls *calls;
    struct ledger *ledger;
    struct later *laters; /* all that are to be done, for the end */
    bool is_stopping;
};

/* Something to be done later: an answer, or a webhook. */
struct later {
    struct provider_double *self;
    struct later *previous, *next; /* in self->laters */
    uv_timer_t timer;
    struct http_exchange *exchange; /* NULL: a webhook */
    char intent[160];
    const char *decide_as; /* NULL: as it is */
    int tries;
};

static void release_json(json_t **json) {
    json_decref(*json);
}

static void release_text(char **text) {
    free(*text);
}

static void answer_json(struct http_exchange *exchange, int status, json_t *json) {
    char *text CLEANUP(release_text) = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    http_answer(exchange, text == NULL ? 500 : status, "application/json",
                text == NULL ? (struct str){0} : str_of_cstr(text));
}

static void answer_problem(struct http_exchange *exchange, int status, const char *code, const char *detail) {
    http_answer_problem(exchange, &(struct problem){.status = status, .code = code, .detail = detail});
}

static void answer_entry(struct provider_double *self, struct http_exchange *exchange,
                         const struct ledger_entry *entry) {
    json_t *json = ledger_entry_json(entry);
    if (strcmp(entry->result, "action_required") == 0) {
        char url[256];
        snprintf(url, sizeof url, "http://127.0.0.1:%d/act/%s", http_server_port(self->server), entry->intent);
        json_object_set_new(json, "action_url", json_string(url));
    }
    answer_json(exchange, 200, json);
}

/* ---- later --------------------------------------------------------------------------------------------------- */

static void on_later_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void later_done(struct later *later) {
    *(later->previous != NULL ? &later->previous->next : &later->self->laters) = later->next;
    if (later->next != NULL) {
        later->next->previous = later->previous;
    }
    uv_close((uv_handle_t *)&later->timer, on_later_closed);
}

static struct later *later_create(struct provider_double *self, const char *intent) {
    struct later *later = calloc_or_end(1, sizeof *later);
    later->self = self;
    snprintf(later->intent, sizeof later->intent, "%s", intent);
    uv_timer_init(&self->loop, &later->timer);
    later->timer.data = later;
    later->next = self->laters;
    if (later->next != NULL) {
        later->next->previous = later;
    }
    self->laters = later;
    return later;
}

static void send_webhook(uv_timer_t *timer);

static void on_webhook_answered(void *context, const struct http_call_result *result) {
    struct later *later = context;
    if (result->status >= 200 && result->status < 300) {
        later_done(later);
    } else if (++later->tries >= WEBHOOK_TRIES_MAX) {
        log_line(LOG_WARN, "test-provider", "a webhook was given up", LOG_CSTR("intent", later->intent),
                 LOG_INT("status", result->status));
        later_done(later);
    } else {
        uv_timer_start(&later->timer, send_webhook, (uint64_t)WEBHOOK_BACKOFF_MS * (uint64_t)later->tries, 0);
    }
}

/* Signed like Stripe's: HMAC-SHA256 over "<unix time>.<body>". */
static void sign(const char *secret, const char *body, char *ret_header, size_t size) {
    char stamp[32];
    int stamp_len = snprintf(stamp, sizeof stamp, "%lld", (long long)(clock_wall_us() / MICROS_PER_SECOND));
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char hex[2 * sizeof mac + 1];
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret, strlen(secret));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)stamp, (size_t)stamp_len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)".", 1);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)body, strlen(body));
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    snprintf(ret_header, size, "Daybook-Test-Signature: t=%s,v1=%s", stamp, hex);
}

static void send_webhook(uv_timer_t *timer) {
    struct later *later = timer->data;
    struct provider_double *self = later->self;
    const struct ledger_entry *entry = ledger_find(self->ledger, str_of_cstr(later->intent));
    struct err_info info = {0};
    if (later->decide_as != NULL && ledger_decide_late(self->ledger, str_of_cstr(later->intent), later->decide_as,
                                                       clock_wall_us(), &entry, &info) != ERR_NONE) {
        later_done(later); /* voided meanwhile: there is nothing to tell */
        return;
    }
    if (self->options.webhook_url == NULL || entry == NULL) {
        later_done(later);
        return;
    }
    /* A dispute is of what the charge took: nobody asked for it under a key of its own. */
    char intent[sizeof entry->payment + sizeof ".charge"];
    snprintf(intent, sizeof intent, "%s.charge", entry->payment);
    const char *about = entry->operation == OPERATION_DISPUTE ? intent : entry->intent;
    json_t *json = json_pack("{ss ss ss sI ss ss ss ss}", "intent", about, "payment", entry->payment, "result",
                             entry->result, "amount", (json_int_t)entry->amount, "currency", entry->currency,
                             "provider_ref", entry->ref, "code", entry->code, "message", entry->message);
    char *body CLEANUP(release_text) = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    char signature[160];
    sign(self->options.secret, body, signature, sizeof signature);
    const char *headers[] = {"Content-Type: application/json", signature, "Expect:", NULL};
    const struct http_call_request request = {.method = "POST",
                                              .url = self->options.webhook_url,
                                              .headers = headers,
                                              .body = str_of_cstr(body),
                                              .ca_file = self->options.webhook_ca,
                                              .timeout_ms = WEBHOOK_TIMEOUT_MS};
    if (http_call(self->calls, &request, on_webhook_answered, later, &info) != ERR_NONE) {
        uv_timer_start(&later->timer, send_webhook, WEBHOOK_BACKOFF_MS, 0);
    }
}

static void webhook_later(struct provider_double *self, const struct ledger_entry *entry, int delay_ms,
                          const char *decide_as) {
    struct later *later = later_create(self, entry->intent);
    later->decide_as = decide_as;
    uv_timer_start(&later->timer, send_webhook, (uint64_t)delay_ms, 0);
}

static void on_slow_answer(uv_timer_t *timer) {
    struct later *later = timer->data;
    answer_entry(later->self, later->exchange, ledger_find(later->self->ledger, str_of_cstr(later->intent)));
    later_done(later);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static bool read_request(const struct http_exchange *exchange, enum provider_operation operation,
                         struct ledger_entry *ret_entry) {
    json_t *body CLEANUP(release_json) = json_loadb(exchange->body.data, exchange->body.len, 0, NULL);
    const char *intent, *payment, *method, *currency;
    json_int_t amount;
    struct str key = http_request_field(exchange, "idempotency-key");
    if (json_unpack(body, "{ss ss ss sI ss}", "intent", &intent, "payment", &payment, "method", &method, "amount",
                    &amount, "currency", &currency) != 0 ||
        amount < 0 || !str_equal(key, str_of_cstr(intent))) {
        return false;
    }
    *ret_entry = (struct ledger_entry){.operation = operation, .amount = amount};
    const struct {
        char *to;
        size_t size;
        const char *from;
    } copies[] = {{ret_entry->intent, sizeof ret_entry->intent, intent},
                  {ret_entry->payment, sizeof ret_entry->payment, payment},
                  {ret_entry->method, sizeof ret_entry->method, method},
                  {ret_entry->currency, sizeof ret_entry->currency, currency}};
    for (size_t i = 0; i < ARRAY_LENGTH(copies); i++) {
        if (strlen(copies[i].from) >= copies[i].size) {
            return false;
        }
        snprintf(copies[i].to, copies[i].size, "%s", copies[i].from);
    }
    return true;
}

/* The payer contests the charge: it is told after a while, and its end, which the method names, after as long again. */
static void contest(struct provider_double *self, const struct ledger_entry *charge) {
    const struct ledger_entry *dispute = NULL;
    struct err_info info = {0};
    if (ledger_dispute(self->ledger, charge, clock_wall_us(), &dispute, &info) != ERR_NONE) {
        log_line(LOG_ERROR, "test-provider", "the ledger failed", LOG_CSTR("error", info.text));
        return;
    }
    webhook_later(self, dispute, self->options.late_ms, NULL);
    webhook_later(self, dispute, 2 * self->options.late_ms, charge->method);
}

/* The first answer to a charge, in the manner that its method names. */
static void answer_charge(struct provider_double *self, struct http_exchange *exchange,
                          const struct ledger_entry *entry) {
    const char *method = entry->method;
    if (strcmp(method, "hang") == 0) {
        exchange->application = self; /* charged, and never answered: the client's time-out ends it, see on_lost */
        return;
    }
    if (strcmp(method, "slow") == 0) {
        struct later *later = later_create(self, entry->intent);
        later->exchange = exchange;
        exchange->application = later;
        uv_timer_start(&later->timer, on_slow_answer, SLOW_MS, 0);
        return;
    }
    if (strcmp(method, "twice") == 0) {
        webhook_later(self, entry, 0, NULL);
        webhook_later(self, entry, 0, NULL);
    } else if (strcmp(method, "late") == 0 || strcmp(method, "late_success") == 0) {
        webhook_later(self, entry, self->options.late_ms, "captured");
    }
    if (strcmp(method, "dispute_won") == 0 || strcmp(method, "dispute_lost") == 0) {
        contest(self, entry);
    }
    answer_entry(self, exchange, entry);
}

static void on_ledger(struct provider_double *self, struct http_exchange *exchange) {
    bool is_present;
    struct str text;
    int64_t from = 0;
    if (!http_query_parameter(exchange, "from", &is_present, &text) ||
        (is_present && (!int64_read(text, &from) || from < 0))) {
        answer_problem(exchange, 400, "malformed_query", "`from` is the number of the first entry to be told.");
        return;
    }
    answer_json(exchange, 200, ledger_json(self->ledger, (size_t)from));
}

static void on_operation(struct provider_double *self, struct http_exchange *exchange,
                         enum provider_operation operation) {
    struct ledger_entry request;
    if (!read_request(exchange, operation, &request)) {
        answer_problem(exchange, 400, "malformed",
                       "intent (also as Idempotency-Key), payment, method, amount, currency");
        return;
    }
    const struct ledger_entry *entry = NULL;
    bool repeated = false;
    struct err_info info = {0};
    if (ledger_apply(self->ledger, &request, clock_wall_us(), &entry, &repeated, &info) != ERR_NONE) {
        log_line(LOG_ERROR, "test-provider", "the ledger failed", LOG_CSTR("error", info.text));
        answer_problem(exchange, 500, "ledger", "The ledger could not be written.");
    } else if (operation == OPERATION_CHARGE && !repeated) {
        answer_charge(self, exchange, entry);
    } else {
        answer_entry(self, exchange, entry);
    }
}

static void on_lookup(struct provider_double *self, struct http_exchange *exchange, struct str intent) {
    const struct ledger_entry *entry = ledger_find(self->ledger, intent);
    if (entry == NULL) {
        answer_problem(exchange, 404, "unknown_intent", "This key was never seen.");
    } else {
        answer_entry(self, exchange, entry);
    }
}

/* The shopper's step of the method `action`. */
static void on_act(struct provider_double *self, struct http_exchange *exchange, struct str intent) {
    const struct ledger_entry *entry = NULL;
    struct err_info info = {0};
    if (ledger_decide_late(self->ledger, intent, "captured", clock_wall_us(), &entry, &info) != ERR_NONE) {
        answer_problem(exchange, info.code == ERR_NOT_FOUND ? 404 : 409, "cannot_act", info.text);
        return;
    }
    webhook_later(self, entry, 0, NULL);
    http_answer(exchange, 200, "text/plain", STR("Thank you, you have paid.\n"));
}

static void on_request(void *context, struct http_exchange *exchange) {
    static const struct str operation_paths[] = {[OPERATION_CHARGE] = STR("/charges"),
                                                 [OPERATION_CAPTURE] = STR("/captures"),
                                                 [OPERATION_VOID] = STR("/voids"),
                                                 [OPERATION_REFUND] = STR("/refunds")};
    struct provider_double *self = context;
    struct str path = exchange->path;
    if (self->is_stopping) {
        answer_problem(exchange, 503, "stopping", "Nothing was done.");
        return;
    }
    if (exchange->method == HTTP_POST_) {
        for (size_t i = 0; i < ARRAY_LENGTH(operation_paths); i++) {
            if (str_equal(path, operation_paths[i])) {
                on_operation(self, exchange, (enum provider_operation)i);
                return;
            }
        }
    } else if (exchange->method == HTTP_GET_ && str_starts_with(path, STR("/operations/"))) {
        on_lookup(self, exchange, str_from(path, STR("/operations/").len));
        return;
    } else if (exchange->method == HTTP_GET_ && str_equal(path, STR("/ledger"))) {
        on_ledger(self, exchange);
        return;
    } else if (exchange->method == HTTP_GET_ && str_equal(path, STR("/health"))) {
        http_answer(exchange, 200, "text/plain", STR("ok\n"));
        return;
    }
    if (str_starts_with(path, STR("/act/"))) {
        on_act(self, exchange, str_from(path, STR("/act/").len));
        return;
    }
    answer_problem(exchange, 404, "not_found", "See `daybook test-provider --help`.");
}

/* Who waited for a hanging or slow answer has gone: what was charged is in the ledger, and there is nobody to tell. */
static void on_lost(void *context, struct http_exchange *exchange) {
    bool is_slow = exchange->application != context && exchange->application != NULL;
    if (is_slow) {
        later_done(exchange->application);
    }
    http_answer(exchange, 504, NULL, (struct str){0});
}

/* ---- the process --------------------------------------------------------------------------------------------- */

/* Closes all that is open, so that the loop ends. A double has nothing to finish, as what it did is in the ledger's
 * file: who waits loses the connection, as when a real provider fails. */
static void stop_double(struct provider_double *self) {
    if (self->is_stopping) {
        return;
    }
    self->is_stopping = true;
    uv_close((uv_handle_t *)&self->on_int, NULL);
    uv_close((uv_handle_t *)&self->on_term, NULL);
    if (self->server != NULL) {
        http_server_close(self->server, 0, NULL, NULL);
    }
    if (self->calls != NULL) {
        http_calls_close(self->calls, NULL,
                         NULL); /* tells the webhooks under way, which then wait for their next try */
    }
    while (self->laters != NULL) {
        struct later *later = self->laters;
        if (later->exchange != NULL) {
            later->exchange->application = self; /* on_lost ends it */
        }
        later_done(later);
    }
}

static void on_stop(uv_signal_t *signal_handle, int number) {
    (void)number;
    stop_double(signal_handle->data);
}

static bool number_option(const char *text, int *ret_number) {
    int64_t number;
    if (!int64_read(str_of_cstr(text), &number) || number < 0 || number > 86400000) {
        return false;
    }
    *ret_number = (int)number;
    return true;
}

static bool parse_options(int argc, char **argv, struct double_options *options) {
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc) {
            return false;
        }
        const char *value = argv[i + 1];
        bool good = true;
        if (strcmp(argv[i], "--port") == 0) {
            good = number_option(value, &options->port) && options->port <= 65535;
        } else if (strcmp(argv[i], "--ledger") == 0) {
            options->ledger_path = value;
        } else if (strcmp(argv[i], "--webhook-url") == 0) {
            options->webhook_url = value;
        } else if (strcmp(argv[i], "--webhook-ca") == 0) {
            options->webhook_ca = value;
        } else if (strcmp(argv[i], "--late-ms") == 0) {
            good = number_option(value, &options->late_ms);
        } else if (strcmp(argv[i], "--forget-after") == 0) {
            good = number_option(value, &options->forget_after_s);
        } else {
            good = false;
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

static enum err open_double(struct provider_double *self, struct err_info *info) {
    uv_signal_init(&self->loop, &self->on_int);
    uv_signal_init(&self->loop, &self->on_term);
    self->on_int.data = self->on_term.data = self;
    uv_signal_start(&self->on_int, on_stop, SIGINT);
    uv_signal_start(&self->on_term, on_stop, SIGTERM);
    enum err err = http_calls_open(&self->loop, WEBHOOKS_MAX, &self->calls, info);
    if (err != ERR_NONE) {
        return err;
    }
    const struct http_server_options server_options = {.host = "127.0.0.1",
                                                       .port = self->options.port,
                                                       .body_max_bytes = 64 * 1024,
                                                       .connections_max = 20000,
                                                       .on_request = on_request,
                                                       .on_lost = on_lost,
                                                       .context = self};
    return http_server_open(&self->loop, &server_options, &self->server, info);
}

static int run(const struct config *config, int argc, char **argv) {
    struct provider_double self = {
        .options = {.port = 18090, .late_ms = 3000, .secret = config->provider_webhook_secret}};
    if (!parse_options(argc, argv, &self.options)) {
        fputs("daybook test-provider: wrong arguments; see `daybook test-provider --help`.\n", stderr);
        return EXIT_WRONG_USAGE;
    }
    struct err_info info = {0};
    enum err err = ledger_open(self.options.ledger_path, (int64_t)self.options.forget_after_s * MICROS_PER_SECOND,
                               &self.ledger, &info);
    if (err != ERR_NONE) {
        fprintf(stderr, "daybook test-provider: %s\n", info.text);
        return EXIT_WORLD_FAILED;
    }
    uv_loop_init(&self.loop);
    err = open_double(&self, &info);
    if (err == ERR_NONE) {
        log_line(LOG_INFO, "test-provider", "listening", LOG_INT("port", http_server_port(self.server)));
    } else {
        fprintf(stderr, "daybook test-provider: %s\n", info.text);
        stop_double(&self);
    }
    uv_run(&self.loop, UV_RUN_DEFAULT);
    uv_loop_close(&self.loop);
    ledger_close(self.ledger);
    return err == ERR_NONE ? EXIT_DONE : EXIT_WORLD_FAILED;
}

const struct command_line test_provider_command = {
    .name = "test-provider",
    .usage = "[--port N] [--ledger FILE] [--webhook-url URL [--webhook-ca FILE]] [OPTIONS]",
    .summary = "a payment provider's double with a ledger of its own, for development and tests",
    .help = "  --port N              where it listens on 127.0.0.1 (18090; 0: the system chooses)\n"
            "  --ledger FILE         keep the ledger in this file over restarts\n"
            "  --webhook-url URL     where late and repeated answers are sent, e.g. "
            "http://127.0.0.1:8080/v1/webhooks/test\n"
            "  --webhook-ca FILE     of https: the authorities (PEM) that it trusts (those of the system)\n"
            "  --late-ms N           how late a late answer is (3000)\n"
            "  --forget-after N      forget idempotency keys after N seconds, as providers do (0: never)\n\n"
            "The method of a charge chooses how it behaves:\n"
            "  approve       charges at once                 decline       refuses\n"
            "  slow          charges, answers after 2 s      hang          charges, never answers\n"
            "  twice         charges, tells it twice more    late          answers pending, charges later, by webhook\n"
            "  authorize     only holds the money            late_success  refuses, but charges later all the same\n"
            "  action        waits for the shopper's step    refund_fails  charges; refunds fail\n"
            "  overcharge    charges one unit too much\n"
            "  dispute_won   charges; the payer contests it, and its end is told later, by webhooks; dispute_lost\n"
            "                likewise\n\n"
            "GET /ledger shows all that it did: what Daybook's events are checked against, 50,000 entries at\n"
            "a time: `next` in an answer is the `from` of the one that goes on (GET /ledger?from=50000).",
    .run = run,
    .is_apart = true,
};
