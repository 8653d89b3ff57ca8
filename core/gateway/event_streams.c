#include "core/gateway/event_streams.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/base/json_cut.h"
#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/gateway/event_text.h"
#include "core/gateway/query_run.h"
#include "projections/runtime/view.h"

/* Of a source's statement the columns are those of any by id (query_run.h). */
enum {
    COLUMN_HASH, /* of view_reached */
    COLUMN_REACHED,
    /* A signed number of 64 bits and what stands between two of them. */
    HASH_TEXT_MAX = 21,
    PREAMBLE_MAX_BYTES = 64,
    OWNER_MAX_BYTES = 256,
};

/* What was read of a subject, on its way to the readers. */
struct event_delivery {
    struct event_subject *subject;
    struct event_delivery *next_delivery;
    struct event_reader *next; /* who is served next */
    uint64_t reading;
    enum event_found found;
    enum err failure;
    int64_t version;
    struct buf text; /* the event */
    struct buf owner;
    uint64_t owner_number; /* of the subject */
};

/* After the end nobody is left to be told anything. */
static void wake(struct event_streams *streams) {
    if (!streams->is_stopping) {
        streams->options.wake(streams->options.context);
    }
}

/* ---- subjects ---------------------------------------------------------------------------------------------------- */

static size_t place_of(struct str view) {
    size_t place = 0;
    while (place < view_count && !str_equal(str_of_cstr(views[place]->name), view)) {
        place++;
    }
    return place;
}

static struct event_subject **slot_of(struct event_streams *streams, uint64_t hash) {
    return &streams->slots[hash & (streams->slot_count - 1)];
}

static struct event_subject *subject_create(struct event_streams *streams, const struct event_wish *wish,
                                            uint64_t hash) {
    struct event_subject *subject = calloc_or_end(1, sizeof *subject + wish->stream.len + wish->parameter.len);
    char *texts = (char *)(subject + 1);
    memcpy(texts, wish->stream.data, wish->stream.len);
    memcpy(texts + wish->stream.len, wish->parameter.data, wish->parameter.len);
    *subject = (struct event_subject){.streams = streams,
                                      .source = wish->source,
                                      .stream = str_of(texts, wish->stream.len),
                                      .parameter = str_of(texts + wish->stream.len, wish->parameter.len),
                                      .hash = hash};
    buf_init(&subject->owner, OWNER_MAX_BYTES);
    struct event_subject **slot = slot_of(streams, hash);
    subject->next_in_slot = *slot;
    *slot = subject;
    return subject;
}

static struct event_subject *subject_of(struct event_streams *streams, const struct event_wish *wish) {
    uint64_t hash = stream_hash(wish->stream, wish->source->topic);
    struct event_subject *subject = *slot_of(streams, hash);
    while (subject != NULL && !(subject->source == wish->source && str_equal(subject->stream, wish->stream))) {
        subject = subject->next_in_slot;
    }
    return subject != NULL ? subject : subject_create(streams, wish, hash);
}

static void due_remove(struct event_subject *subject) {
    struct event_streams *streams = subject->streams;
    struct event_subject *previous = subject->previous_due, *next = subject->next_due;
    *(previous != NULL ? &previous->next_due : &streams->first_due) = next;
    *(next != NULL ? &next->previous_due : &streams->last_due) = previous;
    subject->is_due = false;
}

/* Nobody follows it, and nothing is on its way for it. */
static void subject_free_if_idle(struct event_subject *subject) {
    if (subject->readers != NULL || subject->is_reading || subject->delivery != NULL) {
        return;
    }
    if (subject->is_due) {
        due_remove(subject);
    }
    struct event_subject **link = slot_of(subject->streams, subject->hash);
    while (*link != subject) {
        link = &(*link)->next_in_slot;
    }
    *link = subject->next_in_slot;
    buf_release(&subject->owner);
    free(subject);
}

/* It is to be read, after what is on its way for it. */
static void subject_changed(struct event_subject *subject) {
    struct event_streams *streams = subject->streams;
    if (subject->is_reading || subject->delivery != NULL) {
        subject->is_changed = true;
    } else if (!subject->is_due) {
        subject->is_due = true;
        subject->next_due = NULL;
        subject->previous_due = streams->last_due;
        *(streams->last_due != NULL ? &streams->last_due->next_due : &streams->first_due) = subject;
        streams->last_due = subject;
        wake(streams);
    }
}

/* ---- readers ----------------------------------------------------------------------------------------------------- */

static bool is_open(const struct event_reader *reader) {
    return reader->answer == NULL;
}

static void reader_free(struct event_reader *reader) {
    struct event_subject *subject = reader->subject;
    struct event_streams *streams = subject->streams;
    *(reader->previous != NULL ? &reader->previous->next : &subject->readers) = reader->next;
    if (reader->next != NULL) {
        reader->next->previous = reader->previous;
    }
    if (subject->delivery != NULL && subject->delivery->next == reader) {
        subject->delivery->next = reader->next;
    }
    deadline_clear(&reader->heartbeat);
    if (reader->of_address != NULL) {
        address_counts_remove(&streams->by_address, reader->of_address);
    }
    streams->stats.open -= is_open(reader);
    streams->reader_count--;
    free(reader);
    subject_free_if_idle(subject);
}

static void put_off_heartbeat(struct event_streams *streams, struct event_reader *reader) {
    deadline_set(&streams->heartbeats, &reader->heartbeat, (uint64_t)(streams->now_us / MICROS_PER_MS));
}

static void send_text(struct event_reader *reader, struct str text) {
    struct event_streams *streams = reader->subject->streams;
    http_stream_send(&reader->stream, text);
    put_off_heartbeat(streams, reader);
    streams->allowed--;
}

/* He has taken what he was sent: he may be behind. */
static void on_room(struct http_stream *stream) {
    struct event_reader *reader = CONTAINER_OF(stream, struct event_reader, stream);
    if (is_open(reader) && reader->version < reader->subject->version) {
        subject_changed(reader->subject);
    }
}

static void on_lost(struct http_stream *stream) {
    struct event_reader *reader = CONTAINER_OF(stream, struct event_reader, stream);
    reader->subject->streams->stats.unread_total += !http_stream_has_room(stream);
    reader_free(reader);
}

/* EVENT_THERE: nothing is in the way. */
static enum event_found what_is_in_the_way(const struct event_streams *streams, const uint8_t holder[ADDRESS_BYTES]) {
    size_t per_address = streams->options.streams_per_address;
    if (streams->is_stopping) {
        return EVENT_STOPPING;
    }
    if (per_address > 0) {
        const struct address_count *row = address_counts_find(&streams->by_address, holder);
        if (row != NULL && row->count >= per_address) {
            return EVENT_TOO_MANY_OF_ADDRESS;
        }
    }
    return streams->reader_count >= streams->options.streams_max ? EVENT_TOO_MANY : EVENT_THERE;
}

struct event_reader *event_streams_join(struct event_streams *streams, const struct event_wish *wish) {
    uint8_t holder[ADDRESS_BYTES];
    address_holder(wish->client, holder);
    enum event_found refusal = what_is_in_the_way(streams, holder);
    if (refusal != EVENT_THERE) {
        streams->stats.crowded_total += refusal == EVENT_TOO_MANY_OF_ADDRESS;
        (void)wish->answer(wish->context, &(struct event_opening){.found = refusal}, NULL);
        return NULL;
    }
    struct event_subject *subject = subject_of(streams, wish);
    struct event_reader *reader = calloc_or_end(1, sizeof *reader);
    *reader = (struct event_reader){.stream = {.on_room = on_room, .on_lost = on_lost},
                                    .subject = subject,
                                    .next = subject->readers,
                                    .version = wish->version_seen,
                                    .reading = subject->readings + 1,
                                    .answer = wish->answer,
                                    .context = wish->context};
    if (reader->next != NULL) {
        reader->next->previous = reader;
    }
    subject->readers = reader;
    streams->reader_count++;
    if (streams->options.streams_per_address > 0) {
        reader->of_address = address_counts_add(&streams->by_address, holder);
    }
    put_off_heartbeat(streams, reader);
    subject_changed(subject);
    return reader;
}

void event_streams_leave(struct event_reader *reader) {
    assert(!is_open(reader) && "the stream tells when it is lost");
    reader_free(reader);
}

/* ---- delivering -------------------------------------------------------------------------------------------------- */

static void open_reader(struct event_delivery *delivery, struct event_reader *reader) {
    struct event_streams *streams = reader->subject->streams;
    event_answer *answer = reader->answer;
    const struct event_opening opening = {
        .found = delivery->found, .failure = delivery->failure, .owner = buf_text(&delivery->owner)};
    if (!answer(reader->context, &opening, &reader->stream)) {
        reader_free(reader);
        return;
    }
    reader->answer = NULL;
    reader->owner_number = delivery->owner_number;
    streams->stats.open++;
    struct buf *text = &streams->scratch;
    buf_clear(text);
    event_text_retry(text, EVENT_RETRY_MIN_MS + randombytes_uniform(EVENT_RETRY_MAX_MS - EVENT_RETRY_MIN_MS + 1));
    if (delivery->version > reader->version) {
        reader->version = delivery->version;
        buf_str(text, buf_text(&delivery->text));
        streams->stats.sent_total++;
    }
    send_text(reader, buf_text(text));
}

/* An open one's, with a last word when there is room for it. */
static void end_stream(struct event_reader *reader, struct str word) {
    if (http_stream_has_room(&reader->stream)) {
        http_stream_send(&reader->stream, word);
        http_stream_end(&reader->stream);
    } else {
        http_stream_cut(&reader->stream);
    }
    reader_free(reader);
}

static void serve(struct event_delivery *delivery, struct event_reader *reader) {
    if (!is_open(reader)) {
        if (reader->reading <= delivery->reading) {
            open_reader(delivery, reader);
        }
    } else if (reader->owner_number != delivery->owner_number) {
        end_stream(reader, STR(": this is not whose it was, come again\n\n"));
    } else if (delivery->version > reader->version && http_stream_has_room(&reader->stream)) {
        reader->version = delivery->version;
        reader->subject->streams->stats.sent_total++;
        send_text(reader, buf_text(&delivery->text));
    }
}

static void delivery_begin(struct event_delivery *delivery) {
    struct event_subject *subject = delivery->subject;
    struct event_streams *streams = subject->streams;
    subject->delivery = delivery;
    delivery->next = subject->readers;
    *streams->last_delivery = delivery;
    streams->last_delivery = &delivery->next_delivery;
    wake(streams);
}

/* The first one is over. */
static void delivery_end(struct event_streams *streams) {
    struct event_delivery *delivery = streams->first_delivery;
    struct event_subject *subject = delivery->subject;
    streams->first_delivery = delivery->next_delivery;
    if (streams->first_delivery == NULL) {
        streams->last_delivery = &streams->first_delivery;
    }
    streams->documents--;
    subject->delivery = NULL;
    buf_release(&delivery->text);
    buf_release(&delivery->owner);
    free(delivery);
    if (subject->is_changed && subject->readers != NULL) {
        subject->is_changed = false;
        subject_changed(subject);
    } else {
        subject_free_if_idle(subject);
    }
}

static void deliver(struct event_streams *streams) {
    int left = EVENT_SLICE;
    while (left > 0 && streams->first_delivery != NULL) {
        struct event_delivery *delivery = streams->first_delivery;
        struct event_reader *reader = delivery->next;
        if (reader == NULL) {
            delivery_end(streams);
        } else if (streams->allowed <= 0) {
            return; /* the tick goes on */
        } else {
            delivery->next = reader->next;
            serve(delivery, reader);
            left--;
        }
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void write_event(struct event_delivery *delivery, struct str document) {
    const char *without = delivery->subject->source->without;
    if (without == NULL) {
        event_text_write(&delivery->text, delivery->version, document);
        return;
    }
    struct buf rest;
    buf_init(&rest, EVENT_MAX_BYTES);
    bool is_cut = json_without_member(&rest, document, without);
    assert((is_cut || !buf_ok(&rest)) && "a view's document is an object");
    event_text_write(&delivery->text, delivery->version, buf_text(&rest));
    buf_release(&rest);
}

static void take_owner(struct event_delivery *delivery, struct str owner) {
    struct event_subject *subject = delivery->subject;
    buf_str(&delivery->owner, owner);
    if (subject->owner_number == 0 || !str_equal(buf_text(&subject->owner), owner)) {
        buf_clear(&subject->owner);
        buf_str(&subject->owner, owner);
        subject->owner_number++;
    }
    delivery->owner_number = subject->owner_number;
}

static void take_document(struct event_delivery *delivery, const PGresult *result) {
    struct event_subject *subject = delivery->subject;
    subject->has_failed = false;
    bool is_there = PQntuples(result) > 0 && int64_read(pg_value(result, 0, COLUMN_SECOND), &delivery->version);
    if (!is_there) {
        delivery->found = EVENT_UNKNOWN;
        return;
    }
    write_event(delivery, pg_value(result, 0, COLUMN_DOCUMENT));
    if (subject->source->has_owner) {
        take_owner(delivery, query_row_owner(result, 0, COLUMN_OWNER));
    }
    if (!buf_ok(&delivery->text) || !buf_ok(&delivery->owner)) {
        log_line(LOG_ERROR, "gateway", "a document is too large to be followed", LOG_STR("stream", subject->stream));
        delivery->found = EVENT_FAILED;
        delivery->failure = ERR_TOO_LARGE;
        delivery->version = 0;
        return;
    }
    delivery->found = EVENT_THERE;
    if (subject->version < delivery->version) {
        subject->version = delivery->version;
    }
}

static void take_failure(struct event_delivery *delivery, const struct err_info *error) {
    const struct event_subject *subject = delivery->subject;
    delivery->subject->has_failed = true;
    delivery->found = EVENT_FAILED;
    delivery->failure = error->code;
    if (!error->retriable) {
        log_line(LOG_ERROR, "gateway", "a query failed", LOG_CSTR("statement", subject->source->by_id->name),
                 LOG_CSTR("why", error->text));
    }
}

static void on_document(void *context, const PGresult *result, const struct err_info *error) {
    struct event_subject *subject = context;
    struct event_delivery *delivery = calloc_or_end(1, sizeof *delivery);
    delivery->subject = subject;
    delivery->reading = subject->readings;
    delivery->owner_number = subject->owner_number;
    buf_init(&delivery->text, EVENT_MAX_BYTES);
    buf_init(&delivery->owner, OWNER_MAX_BYTES);
    subject->is_reading = false;
    if (error == NULL) {
        take_document(delivery, result);
    } else {
        take_failure(delivery, error);
    }
    delivery_begin(delivery);
}

static void read_document(struct event_subject *subject) {
    struct event_streams *streams = subject->streams;
    streams->documents++;
    streams->stats.documents_total++;
    subject->is_reading = true;
    subject->readings++;
    streams->options.ask(streams->options.pg, subject->source->by_id, &subject->parameter, on_document, subject);
}

static void read_due(struct event_streams *streams) {
    while (streams->first_due != NULL && streams->documents < EVENT_DOCUMENTS_MAX) {
        struct event_subject *subject = streams->first_due;
        due_remove(subject);
        read_document(subject);
    }
}

bool event_streams_work(struct event_streams *streams, int64_t now_boot_us) {
    streams->now_us = now_boot_us;
    deliver(streams);
    read_due(streams);
    return streams->first_delivery != NULL && streams->allowed > 0;
}

/* ---- what has changed -------------------------------------------------------------------------------------------- */

void event_streams_moved(struct event_streams *streams, struct view_notice notice) {
    size_t place = place_of(notice.view);
    if (place == view_count) {
        return; /* of another release */
    }
    bool names_streams = !str_is_empty(notice.hashes);
    int64_t hash;
    while (view_notice_next(&notice, &hash)) {
        struct event_subject *subject = *slot_of(streams, (uint64_t)hash);
        for (; subject != NULL; subject = subject->next_in_slot) {
            if (subject->hash == (uint64_t)hash) {
                subject_changed(subject);
            }
        }
    }
    streams->views[place].is_unclear |= !names_streams || !str_is_empty(notice.hashes);
}

static void sweep(struct event_view *view);

/* What is on its way is newer than the sweep, or is looked at by the next one. */
static void take_reached(struct event_streams *streams, uint64_t hash, int64_t reached) {
    struct event_subject *subject = *slot_of(streams, hash);
    for (; subject != NULL; subject = subject->next_in_slot) {
        bool is_busy = subject->is_due || subject->is_reading || subject->delivery != NULL;
        if (subject->hash == hash && !is_busy && (subject->has_failed || subject->version < reached)) {
            subject_changed(subject);
        }
    }
}

static void on_reached(void *context, const PGresult *result, const struct err_info *error) {
    struct event_view *view = context;
    view->is_asking = false;
    if (error != NULL) {
        return; /* the next one begins anew */
    }
    for (int row = 0; row < PQntuples(result); row++) {
        int64_t hash, reached;
        if (int64_read(pg_value(result, row, COLUMN_HASH), &hash) &&
            int64_read(pg_value(result, row, COLUMN_REACHED), &reached)) {
            take_reached(view->streams, (uint64_t)hash, reached);
        }
    }
    if (view->next_slot > 0) {
        sweep(view);
    }
}

/* The view is asked for the versions of the subjects of the next slots. */
static void sweep(struct event_view *view) {
    struct event_streams *streams = view->streams;
    struct buf hashes;
    size_t count = 0, slot = view->next_slot;
    buf_init(&hashes, (streams->options.streams_max + EVENT_DOCUMENTS_MAX) * HASH_TEXT_MAX + 2);
    buf_byte(&hashes, '{');
    for (; slot < streams->slot_count && count < EVENT_SWEEP_STREAMS; slot++) {
        for (const struct event_subject *at = streams->slots[slot]; at != NULL; at = at->next_in_slot) {
            if (strcmp(at->source->view, view->name) == 0) {
                buf_printf(&hashes, "%s%lld", count++ > 0 ? "," : "", (long long)(int64_t)at->hash);
            }
        }
    }
    buf_byte(&hashes, '}');
    view->next_slot = slot < streams->slot_count ? slot : 0;
    if (count > 0) {
        const struct str parameters[] = {str_of_cstr(view->name), buf_text(&hashes)};
        view->is_asking = true;
        streams->options.ask(streams->options.pg, &view_reached, parameters, on_reached, view);
    }
    buf_release(&hashes);
}

static void beat_hearts(struct event_streams *streams) {
    struct deadline *due;
    for (int left = EVENT_SLICE; left > 0; left--) {
        due = deadline_take_due(&streams->heartbeats, (uint64_t)(streams->now_us / MICROS_PER_MS));
        if (due == NULL) {
            return;
        }
        struct event_reader *reader = CONTAINER_OF(due, struct event_reader, heartbeat);
        if (is_open(reader) && http_stream_has_room(&reader->stream)) {
            http_stream_send(&reader->stream, STR(EVENT_HEARTBEAT));
        }
        put_off_heartbeat(streams, reader);
    }
}

static void allow_more(struct event_streams *streams) {
    int64_t more = (streams->now_us - streams->allowed_at_us) * EVENT_RATE_MAX / MICROS_PER_SECOND;
    if (more > 0) { /* else it adds up */
        streams->allowed = streams->allowed + more < EVENT_BURST_MAX ? streams->allowed + more : EVENT_BURST_MAX;
        streams->allowed_at_us = streams->now_us;
    }
}

void event_streams_tick(struct event_streams *streams, int64_t now_boot_us) {
    streams->now_us = now_boot_us;
    allow_more(streams);
    beat_hearts(streams);
    for (size_t i = 0; i < view_count; i++) {
        struct event_view *view = &streams->views[i];
        int64_t due_us = view->is_unclear ? view->sweep_due_soon_us : view->sweep_due_us;
        if (streams->reader_count > 0 && !view->is_asking && due_us <= now_boot_us) {
            view->is_unclear = false;
            view->next_slot = 0;
            view->sweep_due_us = now_boot_us + (int64_t)EVENT_SWEEP_MS * MICROS_PER_MS;
            view->sweep_due_soon_us = now_boot_us + (int64_t)EVENT_SWEEP_SOON_MS * MICROS_PER_MS;
            sweep(view);
        }
    }
    if (streams->first_delivery != NULL) {
        wake(streams);
    }
}

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

void event_streams_init(struct event_streams *streams, const struct event_streams_options *options,
                        int64_t now_boot_us) {
    assert(view_count <= EVENT_VIEWS_MAX);
    *streams = (struct event_streams){.options = *options,
                                      .slot_count = 1,
                                      .heartbeats = {.after_ms = EVENT_HEARTBEAT_MS},
                                      .now_us = now_boot_us,
                                      .allowed_at_us = now_boot_us,
                                      .allowed = EVENT_BURST_MAX};
    while (streams->slot_count < options->streams_max) {
        streams->slot_count *= 2;
    }
    streams->slots = calloc_or_end(streams->slot_count, sizeof *streams->slots);
    streams->last_delivery = &streams->first_delivery;
    buf_init(&streams->scratch, EVENT_MAX_BYTES + PREAMBLE_MAX_BYTES);
    for (size_t i = 0; i < view_count; i++) {
        streams->views[i] = (struct event_view){.streams = streams, .name = views[i]->name};
    }
}

static void end_reader(struct event_reader *reader) {
    if (is_open(reader)) {
        end_stream(reader, STR(": this front stops, come again\n\n"));
        return;
    }
    (void)reader->answer(reader->context, &(struct event_opening){.found = EVENT_STOPPING}, NULL);
    reader_free(reader);
}

/* Who is told may take others along, whose requests stand behind his: so always whoever is the first then. */
void event_streams_stop(struct event_streams *streams) {
    struct deadline *first;
    streams->is_stopping = true;
    while ((first = deadline_take_due(&streams->heartbeats, UINT64_MAX)) != NULL) {
        end_reader(CONTAINER_OF(first, struct event_reader, heartbeat));
    }
}

void event_streams_release(struct event_streams *streams) {
    assert(streams->reader_count == 0);
    while (streams->first_delivery != NULL) {
        delivery_end(streams);
    }
    for (size_t slot = 0; slot < streams->slot_count; slot++) {
        while (streams->slots[slot] != NULL) {
            struct event_subject *subject = streams->slots[slot];
            streams->slots[slot] = subject->next_in_slot;
            buf_release(&subject->owner);
            free(subject);
        }
    }
    free(streams->slots);
    address_counts_release(&streams->by_address);
    buf_release(&streams->scratch);
}
