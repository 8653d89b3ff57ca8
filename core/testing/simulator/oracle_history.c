/* oracle_history.c: the run as a history of operations for a checker of linearizability (integration-tests/histories,
 * whose history.go says what a line holds).
 *
 * Receipts and adjustments are operations as their clients saw them. A purchase is one `reserve` of each of its SKUs,
 * from the check-out's first request to its answer, where that answer can only come when all SKUs were visited; and one
 * `release` of each that was held and let go, from the request that led to it, as far as one did: a release follows its
 * cause without anybody waiting for it. What nobody was told has no end. Transfers change nothing, for all locations
 * count together. Every request under a key is a `command` besides, with a digest of what it was told.
 */
#include "core/testing/simulator/oracle_parts.h"

#include "core/base/json_write.h"
#include "core/domain/ids.h"

enum { LINE_MAX_BYTES = 4096 };

struct operation {
    uint32_t client;
    const char *kind; /* receive, adjust, reserve, release, command */
    struct str key, sku, order, code;
    int64_t units;
    int64_t from_us, to_us; /* to_us -1: it may take place at any time after from_us */
    const char *outcome;    /* ok, fail, unknown */
    const uint8_t *digest;  /* NULL: none */
};

struct history {
    struct oracle *oracle;
    FILE *file;
    struct buf line;
};

static void write_operation(struct history *history, const struct operation *operation) {
    struct buf *line = &history->line;
    buf_clear(line);
    struct json_writer writer = json_writer_of(line);
    json_object_begin(&writer);
    json_field_int(&writer, "process", operation->client);
    json_field_string(&writer, "op", str_of_cstr(operation->kind));
    json_field_string(&writer, "key", operation->key);
    json_field_string(&writer, "sku", operation->sku);
    json_field_int(&writer, "quantity", operation->units);
    json_field_int(&writer, "invoke_us", operation->from_us);
    json_name(&writer, STR("return_us"));
    if (operation->to_us >= 0) {
        json_int(&writer, operation->to_us);
    } else {
        json_none(&writer);
    }
    json_field_string(&writer, "outcome", str_of_cstr(operation->outcome));
    json_field_string(&writer, "code", operation->code);
    json_field_string(&writer, "order", operation->order);
    if (operation->digest != NULL) {
        json_name(&writer, STR("answer"));
        json_base64url(&writer, str_of((const char *)operation->digest, CHAIN_HASH_BYTES));
    }
    json_object_end(&writer);
    buf_byte(line, '\n');
    fwrite(line->data, 1, line->len, history->file);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

/* The first request under the id; -1: none was made. */
static int64_t first_asked(const struct known_command *command) {
    int64_t first_us = -1;
    for (uint32_t i = 0; command != NULL && i < command->entries.count; i++) {
        const struct journal_entry *entry = command->entries.items[i];
        first_us = first_us == -1 || entry->asked_us < first_us ? entry->asked_us : first_us;
    }
    return first_us;
}

/* The first time that somebody was told its end; -1: nobody was. */
static int64_t first_told(const struct known_command *command) {
    int64_t first_us = -1;
    for (uint32_t i = 0; command != NULL && i < command->entries.count; i++) {
        const struct journal_entry *entry = command->entries.items[i];
        bool is_end = journal_is_final(&entry->told) && entry->answered_us >= 0;
        first_us = is_end && (first_us == -1 || entry->answered_us < first_us) ? entry->answered_us : first_us;
    }
    return first_us;
}

/* ---- receipts and adjustments ------------------------------------------------------------------------------------ */

/* The units of the body that was decided; false: it is not known which. */
static bool units_decided(struct history *history, const struct known_command *command,
                          const struct seen_outcome *final, int64_t *ret_units) {
    for (uint32_t i = 0; i < command->entries.count; i++) {
        struct command sent;
        const struct journal_entry *entry = command->entries.items[i];
        if ((final == NULL || str_equal(entry->request_hash, final->outcome.request_hash)) &&
            oracle_sent(history->oracle, entry, &sent)) {
            *ret_units =
                sent.type == COMMAND_RECEIVE_STOCK ? sent.as.receive_stock.quantity : sent.as.adjust_stock.delta;
            return true;
        }
    }
    return false;
}

static void write_movement(struct history *history, const struct known_command *command) {
    uint16_t type = command->entries.count > 0 ? command->entries.items[0]->command_type : 0;
    int64_t units = 0;
    const struct seen_outcome *final = oracle_final(command);
    if ((type != COMMAND_RECEIVE_STOCK && type != COMMAND_ADJUST_STOCK) ||
        !units_decided(history, command, final, &units)) {
        return;
    }
    bool is_ok = final != NULL && final->outcome.status == OUTCOME_STATUS_ACCEPTED;
    const struct journal_entry *first = command->entries.items[0];
    if (!str_starts_with(first->stream, STR("sku_"))) {
        return; /* sent to what is no SKU, to be refused */
    }
    write_operation(history, &(struct operation){
                                 .client = first->client,
                                 .kind = type == COMMAND_RECEIVE_STOCK ? "receive" : "adjust",
                                 .sku = sku_of_stream(first->stream),
                                 .code = final == NULL || is_ok ? STR("") : final->outcome.rejection,
                                 .units = units,
                                 .from_us = first_asked(command),
                                 .to_us = first_told(command),
                                 .outcome = final == NULL ? "unknown" : (is_ok ? "ok" : "fail"),
                             });
}

/* ---- purchases --------------------------------------------------------------------------------------------------- */

/* The check-out that made the order. */
static const struct known_command *checkout_of(const struct history *history, struct str order) {
    const struct seen_stream *stream = oracle_stream(history->oracle, order);
    if (stream == NULL || stream->events.count == 0) {
        return NULL;
    }
    return oracle_command(history->oracle, stream->events.items[0]->event.meta.correlation_id);
}

/* Whether the answer tells that every SKU of the order was visited. */
static bool tells_of_visits(const struct known_command *checkout) {
    const struct seen_outcome *final = checkout == NULL ? NULL : oracle_final(checkout);
    return final != NULL && (final->outcome.status == OUTCOME_STATUS_ACCEPTED ||
                             str_equal(final->outcome.rejection, STR("out_of_stock")) ||
                             str_equal(final->outcome.rejection, STR("payment_declined")));
}

/* The first request to cancel the order, when that is how it ended; else -1. */
static int64_t cancel_asked(const struct history *history, struct str order) {
    const struct seen_stream *stream = oracle_stream(history->oracle, order);
    for (uint32_t i = 0; stream != NULL && i < stream->events.count; i++) {
        const struct seen_event *seen = stream->events.items[i];
        if (seen->event.type == EVENT_ORDER_CANCELLED) {
            return first_asked(seen->command);
        }
    }
    return -1;
}

static void write_reservation(struct history *history, struct str sku, const struct event *event) {
    bool is_refused = event->type == EVENT_STOCK_RESERVATION_REFUSED;
    struct str owner = is_refused ? event->as.stock_reservation_refused.owner : event->as.stock_reserved.owner;
    if (is_refused && !str_equal(event->as.stock_reservation_refused.reason, STR("insufficient_stock"))) {
        return; /* not for want of units */
    }
    const struct known_command *checkout = checkout_of(history, owner);
    write_operation(
        history,
        &(struct operation){
            .client = checkout == NULL || checkout->entries.count == 0 ? 0 : checkout->entries.items[0]->client,
            .kind = "reserve",
            .sku = sku,
            .order = owner,
            .code = is_refused ? STR("out_of_stock") : STR(""),
            .units = is_refused ? event->as.stock_reservation_refused.quantity : event->as.stock_reserved.quantity,
            .from_us = first_asked(checkout),
            .to_us = tells_of_visits(checkout) ? first_told(checkout) : -1,
            .outcome = is_refused ? "fail" : "ok",
        });
}

static void write_release(struct history *history, struct str sku, const struct reservation_released *event) {
    if (event->quantity > 0) {
        int64_t cancel_us = cancel_asked(history, event->owner);
        write_operation(history,
                        &(struct operation){
                            .kind = "release",
                            .sku = sku,
                            .order = event->owner,
                            .units = event->quantity,
                            .from_us = cancel_us >= 0 ? cancel_us : first_asked(checkout_of(history, event->owner)),
                            .to_us = -1,
                            .outcome = "ok",
                        });
    }
}

static void write_sku(struct history *history, const struct seen_stream *stream) {
    struct str sku = sku_of_stream(stream->id);
    for (uint32_t i = 0; i < stream->events.count; i++) {
        const struct event *event = &stream->events.items[i]->event;
        if (event->type == EVENT_STOCK_RESERVED || event->type == EVENT_STOCK_RESERVATION_REFUSED) {
            write_reservation(history, sku, event);
        } else if (event->type == EVENT_RESERVATION_RELEASED) {
            write_release(history, sku, &event->as.reservation_released);
        }
    }
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* Whether it was told something that has an end: of the command, or of this one request (a reused key). */
static bool is_told(const struct journal_entry *entry) {
    enum journal_answer answer = entry->told.answer;
    return entry->answered_us >= 0 && (answer == JOURNAL_ACCEPTED || answer == JOURNAL_REFUSED);
}

static void write_request(struct history *history, const struct journal_entry *entry) {
    bool is_ended = is_told(entry);
    const char *outcome = entry->told.answer == JOURNAL_ACCEPTED ? "ok" : "fail";
    write_operation(history, &(struct operation){
                                 .client = entry->client,
                                 .kind = "command",
                                 .key = entry->command_id,
                                 .order = entry->told.stream,
                                 .code = entry->told.rejection,
                                 .from_us = entry->asked_us,
                                 .to_us = is_ended ? entry->answered_us : -1,
                                 .outcome = is_ended ? outcome : "unknown",
                                 .digest = is_ended ? entry->told.digest : NULL,
                             });
}

void oracle_history_write(struct oracle *oracle, FILE *file) {
    struct history history = {.oracle = oracle, .file = file};
    buf_init(&history.line, LINE_MAX_BYTES);
    for (uint32_t i = 0; i < oracle->commands.count; i++) {
        write_movement(&history, oracle->commands.entries[i].value);
    }
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        if (str_starts_with(stream->id, STR("sku_"))) {
            write_sku(&history, stream);
        }
    }
    const struct journal *journal = oracle->options.journal;
    for (uint32_t i = 0; i < journal->count; i++) {
        if (journal->entries[i]->has_key) {
            write_request(&history, journal->entries[i]);
        }
    }
    buf_release(&history.line);
}
