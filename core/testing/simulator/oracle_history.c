/* oracle_history.c: the run as a history of operations on each SKU, for a checker of linearizability.
 *
 * Receipts and adjustments are operations as their clients saw them. A purchase is one `reserve` of each of its SKUs,
 * from the check-out's first request to its answer, where that answer can only come when all SKUs were visited; and one
 * `release` of each that was held and let go, from the request that led to it, as far as one did, to the end of the
 * run: a release follows its cause without anybody waiting for it. What nobody was told ends with the run.
 *
 * To a checker the state of a SKU is the units that are free at all its locations together. `reserve` takes them: ok
 * when there were enough, fail when there were not. `release`, `receive` and `adjust` add (or take); that a receive or
 * adjust failed says nothing, for it depends on one location. Transfers change nothing. `unknown` may have happened.
 */
#include "core/testing/simulator/oracle_parts.h"

#include <stdlib.h>

#include "core/base/json_write.h"
#include "core/domain/ids.h"

enum { LINE_MAX_BYTES = 4096 };

/* The beginning or the end of an operation. */
struct moment {
    int64_t at_us;
    uint32_t operation;
    bool is_end;
    const char *what; /* invoke, ok, fail, unknown */
    const char *kind;
    struct str sku;
    int64_t units;
};

struct moment_array {
    struct moment *items;
    uint32_t count, capacity;
};

struct history {
    struct oracle *oracle;
    struct moment_array moments;
    uint32_t operations;
    int64_t end_us;
};

static void add(struct history *history, const char *kind, struct str sku, int64_t units, int64_t from_us,
                int64_t to_us, const char *what) {
    struct moment moment = {.operation = ++history->operations, .kind = kind, .sku = sku, .units = units};
    moment.at_us = from_us;
    moment.what = "invoke";
    *ARRAY_PUSH(&history->oracle->arena, &history->moments) = moment;
    moment.at_us = to_us < 0 || to_us > history->end_us ? history->end_us : to_us;
    moment.is_end = true;
    moment.what = what;
    *ARRAY_PUSH(&history->oracle->arena, &history->moments) = moment;
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

static void add_movement(struct history *history, const struct known_command *command) {
    uint16_t type = command->entries.count > 0 ? command->entries.items[0]->command_type : 0;
    int64_t units = 0;
    const struct seen_outcome *final = oracle_final(command);
    if ((type != COMMAND_RECEIVE_STOCK && type != COMMAND_ADJUST_STOCK) ||
        !units_decided(history, command, final, &units)) {
        return;
    }
    const char *what = final == NULL ? "unknown" : final->outcome.status == OUTCOME_STATUS_ACCEPTED ? "ok" : "fail";
    add(history, type == COMMAND_RECEIVE_STOCK ? "receive" : "adjust", sku_of_stream(command->entries.items[0]->stream),
        units, first_asked(command), first_told(command), what);
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

static void add_reservation(struct history *history, struct str sku, const struct event *event) {
    bool is_refused = event->type == EVENT_STOCK_RESERVATION_REFUSED;
    struct str owner = is_refused ? event->as.stock_reservation_refused.owner : event->as.stock_reserved.owner;
    if (is_refused && !str_equal(event->as.stock_reservation_refused.reason, STR("insufficient_stock"))) {
        return; /* not for want of units */
    }
    const struct known_command *checkout = checkout_of(history, owner);
    add(history, "reserve", sku,
        is_refused ? event->as.stock_reservation_refused.quantity : event->as.stock_reserved.quantity,
        first_asked(checkout), tells_of_visits(checkout) ? first_told(checkout) : -1, is_refused ? "fail" : "ok");
}

static void add_release(struct history *history, struct str sku, const struct reservation_released *event) {
    if (event->quantity > 0) {
        int64_t cancel_us = cancel_asked(history, event->owner);
        int64_t from_us = cancel_us >= 0 ? cancel_us : first_asked(checkout_of(history, event->owner));
        add(history, "release", sku, event->quantity, from_us, -1, "ok");
    }
}

static void add_sku(struct history *history, const struct seen_stream *stream) {
    struct str sku = sku_of_stream(stream->id);
    for (uint32_t i = 0; i < stream->events.count; i++) {
        const struct event *event = &stream->events.items[i]->event;
        if (event->type == EVENT_STOCK_RESERVED || event->type == EVENT_STOCK_RESERVATION_REFUSED) {
            add_reservation(history, sku, event);
        } else if (event->type == EVENT_RESERVATION_RELEASED) {
            add_release(history, sku, &event->as.reservation_released);
        }
    }
}

/* ---- the lines --------------------------------------------------------------------------------------------------- */

static int compare_moments(const void *left, const void *right) {
    const struct moment *a = left, *b = right;
    if (a->at_us != b->at_us) {
        return a->at_us < b->at_us ? -1 : 1;
    }
    if (a->is_end != b->is_end) {
        return a->is_end ? 1 : -1; /* what touches overlaps */
    }
    return (a->operation > b->operation) - (a->operation < b->operation);
}

static void moment_write(const struct moment *moment, struct buf *line, FILE *file) {
    buf_clear(line);
    struct json_writer writer = json_writer_of(line);
    json_object_begin(&writer);
    json_field_string(&writer, "sku", moment->sku);
    json_field_int(&writer, "op", moment->operation);
    json_field_string(&writer, "event", str_of_cstr(moment->what));
    json_field_string(&writer, "kind", str_of_cstr(moment->kind));
    json_field_int(&writer, "units", moment->units);
    json_field_int(&writer, "at_us", moment->at_us);
    json_object_end(&writer);
    buf_byte(line, '\n');
    fwrite(line->data, 1, line->len, file);
}

static int64_t last_moment(const struct journal *journal) {
    int64_t last_us = 0;
    for (uint32_t i = 0; i < journal->count; i++) {
        const struct journal_entry *entry = journal->entries[i];
        last_us = entry->asked_us > last_us ? entry->asked_us : last_us;
        last_us = entry->answered_us > last_us ? entry->answered_us : last_us;
    }
    return last_us + 1;
}

void oracle_history_write(struct oracle *oracle, FILE *file) {
    struct history history = {.oracle = oracle, .end_us = last_moment(oracle->options.journal)};
    for (uint32_t i = 0; i < oracle->commands.count; i++) {
        add_movement(&history, oracle->commands.entries[i].value);
    }
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        if (str_starts_with(stream->id, STR("sku_"))) {
            add_sku(&history, stream);
        }
    }
    if (history.moments.count > 0) {
        qsort(history.moments.items, history.moments.count, sizeof *history.moments.items, compare_moments);
    }
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    for (uint32_t i = 0; i < history.moments.count; i++) {
        moment_write(&history.moments.items[i], &line, file);
    }
    buf_release(&line);
}
