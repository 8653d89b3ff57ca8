/* event_streams_test.c: who follows documents, against a database that answers when the test says so, and connections
 * that take what they are sent when the test says so.
 */
#include "core/gateway/event_streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/timestamp.h"
#include "projections/orders/query.h"
#include "projections/stock/query.h"

enum { CLIENTS_MAX = 5000, QUESTIONS_MAX = 2000, STREAMS_MAX = 4500, TEXT_MAX = 512 };

/* ---- the doubles ------------------------------------------------------------------------------------------------- */

struct client {
    struct event_reader *reader; /* NULL: it is none */
    struct http_stream *stream;
    bool answered, is_open, ended, cut, stops_reading, hangs_up;
    enum event_found found;
    enum err failure;
    char owner[TEXT_MAX];  /* of what it opened */
    char text[TEXT_MAX];   /* all that it was sent since the test looked last */
    struct client *behind; /* stands behind this one on its connection */
};

/* A statement on its way. */
struct question {
    const struct pg_statement *statement;
    char parameter[TEXT_MAX];
    size_t hashes; /* in it, of view_reached */
    pg_result_cb *on_result;
    void *context;
};

static struct event_streams streams;
static struct client *clients;
static size_t client_count;
static struct question questions[QUESTIONS_MAX];
static size_t question_count;
static bool database_is_away, is_awake;
static int64_t now_us;

static const struct event_source orders = {.view = "orders", .topic = TOPIC_ORDERS, .by_id = &order_by_id};
static const struct event_source stock = {.view = "stock", .topic = TOPIC_STOCK, .by_id = &stock_by_sku};
static const struct event_source goods = {
    .view = "stock", .topic = TOPIC_STOCK, .by_id = &stock_with_vendor, .has_owner = true};
static const char *owner; /* of what is read; NULL: the row does not say it */

static void fake_ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                     pg_result_cb *on_result, void *context) {
    (void)pg;
    if (database_is_away) {
        struct err_info error;
        err_set_retriable(&error, ERR_POSTGRES, "it is away");
        on_result(context, NULL, &error);
        return;
    }
    assert_true(question_count < QUESTIONS_MAX);
    struct question *question = &questions[question_count++];
    *question = (struct question){.statement = statement, .on_result = on_result, .context = context};
    struct str last = parameters[statement->parameter_count - 1];
    snprintf(question->parameter, sizeof question->parameter, "%.*s", STR_ARGS(last));
    question->hashes = 1;
    for (uint32_t i = 0; i < last.len; i++) {
        question->hashes += last.data[i] == ',';
    }
}

static void fake_wake(void *context) {
    (void)context;
    is_awake = true;
}

static struct client *client_of(const struct http_stream *stream) {
    size_t i = client_count;
    while (i > 0 && clients[i - 1].stream != stream) { /* the newest: memory is used again */
        i--;
    }
    assert_true(i > 0);
    return &clients[i - 1];
}

void http_stream_send(struct http_stream *stream, struct str bytes) {
    struct client *client = client_of(stream);
    assert_true(client->is_open);
    size_t len = strlen(client->text);
    snprintf(client->text + len, sizeof client->text - len, "%.*s", STR_ARGS(bytes));
    stream->has_unsent = client->stops_reading;
}

void http_stream_end(struct http_stream *stream) {
    client_of(stream)->ended = true;
}

void http_stream_cut(struct http_stream *stream) {
    client_of(stream)->cut = true;
}

static bool on_answer(void *context, const struct event_opening *opening, struct http_stream *stream) {
    struct client *client = context;
    assert_false(client->answered);
    client->answered = true;
    client->found = opening->found;
    client->failure = opening->failure;
    snprintf(client->owner, sizeof client->owner, "%.*s", STR_ARGS(opening->owner));
    client->stream = stream;
    client->is_open = opening->found == EVENT_THERE && !client->hangs_up;
    if (client->behind != NULL) {
        event_streams_leave(client->behind->reader);
    }
    return client->is_open;
}

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static void turn(void) {
    is_awake = event_streams_work(&streams, now_us);
}

static void turns(void) {
    while (is_awake) {
        turn();
    }
}

static void pass_ms(int64_t ms) {
    now_us += ms * MICROS_PER_MS;
    event_streams_tick(&streams, now_us);
}

static struct client *join(const struct event_source *source, const char *stream, int64_t version_seen) {
    assert_true(client_count < CLIENTS_MAX);
    struct client *client = &clients[client_count++];
    const struct event_wish wish = {.source = source,
                                    .stream = str_of_cstr(stream),
                                    .parameter = str_of_cstr(stream),
                                    .version_seen = version_seen,
                                    .answer = on_answer,
                                    .context = client};
    client->reader = event_streams_join(&streams, &wish);
    return client;
}

static struct question take_question(void) {
    assert_true(question_count > 0);
    struct question question = questions[0];
    memmove(questions, questions + 1, --question_count * sizeof questions[0]);
    return question;
}

static PGresult *row_of(const char *first, const char *second) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[] = {{.name = "first"}, {.name = "second"}, {.name = "owner"}};
    PQsetResultAttrs(result, 3, columns);
    if (first != NULL) {
        PQsetvalue(result, 0, 0, (char *)first, (int)strlen(first));
        PQsetvalue(result, 0, 1, (char *)second, (int)strlen(second));
        PQsetvalue(result, 0, 2, (char *)owner, owner != NULL ? (int)strlen(owner) : -1);
    }
    return result;
}

static void answer_with(struct question question, const char *first, int64_t second) {
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)second);
    PGresult *result = row_of(first, number);
    question.on_result(question.context, result, NULL);
    PQclear(result);
}

/* The statement that has waited longest is answered with the document `{"v":<version>}`, or no row: version 0. */
static void read_as(int64_t version) {
    struct question question = take_question();
    char document[64];
    assert_ptr_not_equal(question.statement, &view_reached);
    snprintf(document, sizeof document, "{\"v\":%lld}", (long long)version);
    answer_with(question, version > 0 ? document : NULL, version);
    turns();
}

static void fail_reading(enum err code) {
    struct question question = take_question();
    struct err_info error;
    err_set_retriable(&error, code, "no");
    question.on_result(question.context, NULL, &error);
    turns();
}

/* The view tells of a commit; `stream` NULL: of one that names none. */
static void moved(const char *view, const char *stream, enum log_topic topic) {
    struct buf payload;
    buf_init(&payload, VIEW_NOTICE_MAX_BYTES + 1);
    buf_str(&payload, str_of_cstr(view));
    if (stream != NULL) {
        assert_true(view_notice_add(&payload, (int64_t)stream_hash(str_of_cstr(stream), topic)));
    }
    event_streams_moved(&streams, view_notice_read(buf_text(&payload)));
    buf_release(&payload);
}

static void order_moved(const char *stream) {
    moved("orders", stream, TOPIC_ORDERS);
    turns();
}

/* The sweep's statement is answered: this order stands at that version, and all others where they stood. */
static void sweep_finds(const char *stream, int64_t version) {
    struct question question = take_question();
    char hash[32];
    assert_ptr_equal(question.statement, &view_reached);
    snprintf(hash, sizeof hash, "%lld", (long long)(int64_t)stream_hash(str_of_cstr(stream), TOPIC_ORDERS));
    answer_with(question, hash, version);
    turns();
}

static void take(struct client *client) {
    client->stops_reading = false;
    client->stream->has_unsent = false;
    client->stream->on_room(client->stream);
    turns();
}

/* What it was sent since it was asked last, without the time after which it comes again. */
static void assert_sent(struct client *client, const char *text) {
    const char *at = client->text;
    if (strncmp(at, "retry: ", 7) == 0) {
        long ms = strtol(at + 7, (char **)&at, 10);
        assert_in_range(ms, EVENT_RETRY_MIN_MS, EVENT_RETRY_MAX_MS);
        assert_memory_equal(at, "\n\n", 2);
        at += 2;
    }
    assert_string_equal(at, text);
    client->text[0] = '\0';
}

#define EVENT(version) "id: " #version "\ndata: {\"v\":" #version "}\n\n"

/* One that follows the order `a` and has been sent version 1. */
static struct client *open_at_1(void) {
    struct client *client = join(&orders, "a", 0);
    turns();
    read_as(1);
    assert_true(client->is_open);
    assert_sent(client, EVENT(1));
    return client;
}

static int set_up(void **state) {
    (void)state;
    clients = calloc(CLIENTS_MAX, sizeof *clients);
    client_count = question_count = 0;
    database_is_away = is_awake = false;
    owner = NULL;
    now_us = 1000 * MICROS_PER_SECOND;
    const struct event_streams_options options = {.ask = fake_ask, .streams_max = STREAMS_MAX, .wake = fake_wake};
    event_streams_init(&streams, &options, now_us);
    streams.views[0].sweep_due_us = 0;
    pass_ms(0); /* nobody is there: no sweep */
    for (size_t i = 0; i < EVENT_VIEWS_MAX; i++) {
        streams.views[i].sweep_due_us = now_us + (int64_t)EVENT_SWEEP_MS * MICROS_PER_MS;
    }
    assert_int_equal(question_count, 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    event_streams_stop(&streams);
    database_is_away = true;
    while (question_count > 0) {
        fail_reading(ERR_POSTGRES);
    }
    event_streams_release(&streams);
    free(clients);
    return 0;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void who_comes_is_sent_the_document_as_it_is(void **state) {
    (void)state;
    struct client *client = join(&orders, "a", 0);
    assert_int_equal(question_count, 0); /* not during the call */
    turns();
    assert_ptr_equal(questions[0].statement, &order_by_id);
    assert_string_equal(questions[0].parameter, "a");
    read_as(7);
    assert_true(client->is_open);
    assert_memory_equal(client->text, "retry: ", 7);
    assert_sent(client, EVENT(7));
    assert_int_equal(streams.stats.open, 1);
}

static void what_is_not_there_or_cannot_be_read_is_told_so(void **state) {
    (void)state;
    struct client *unknown = join(&orders, "a", 0), *failed = join(&stock, "sku_A", 0);
    turns();
    read_as(0);
    fail_reading(ERR_TIMEOUT);
    assert_int_equal(unknown->found, EVENT_UNKNOWN);
    assert_int_equal(failed->found, EVENT_FAILED);
    assert_int_equal(failed->failure, ERR_TIMEOUT);
    assert_int_equal(streams.reader_count, 0);
}

static void who_says_what_he_has_is_sent_what_is_newer_and_nothing_else(void **state) {
    (void)state;
    struct client *behind = join(&orders, "a", 6), *level = join(&orders, "a", 7), *ahead = join(&orders, "a", 8);
    turns();
    read_as(7);
    assert_sent(behind, EVENT(7));
    assert_sent(level, "");
    assert_sent(ahead, "");
    order_moved("a");
    read_as(8);
    assert_sent(behind, EVENT(8));
    assert_sent(level, EVENT(8));
    assert_sent(ahead, "");
}

static void all_who_come_for_one_document_share_a_reading(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        join(&orders, "a", 0);
    }
    turns();
    assert_int_equal(question_count, 1);
    read_as(1);
    assert_int_equal(streams.stats.open, 100);
    assert_int_equal(question_count, 0);
}

/* What his Daybook-Position waited for need not be in what was asked for before. */
static void who_comes_while_it_is_read_is_answered_by_the_next_reading(void **state) {
    (void)state;
    struct client *first = join(&orders, "a", 0);
    turns();
    struct client *second = join(&orders, "a", 0);
    turns();
    assert_int_equal(question_count, 1);
    read_as(1);
    assert_true(first->is_open);
    assert_false(second->answered);
    read_as(2);
    assert_sent(first, EVENT(1) EVENT(2));
    assert_sent(second, EVENT(2));
}

static void past_the_bound_nobody_is_let_in(void **state) {
    (void)state;
    for (int i = 0; i < STREAMS_MAX; i++) {
        assert_non_null(join(&orders, "a", 0)->reader);
    }
    struct client *one_more = join(&orders, "a", 0);
    assert_null(one_more->reader);
    assert_int_equal(one_more->found, EVENT_TOO_MANY);
    event_streams_leave(clients[0].reader);
    assert_non_null(join(&orders, "a", 0)->reader);
}

static void who_leaves_before_the_answer_is_not_answered(void **state) {
    (void)state;
    struct client *early = join(&orders, "a", 0);
    event_streams_leave(early->reader);
    turns();
    assert_int_equal(question_count, 0); /* nobody wants to know */
    struct client *later = join(&orders, "a", 0);
    turns();
    event_streams_leave(later->reader);
    read_as(1);
    assert_false(early->answered || later->answered);
    for (size_t slot = 0; slot < streams.slot_count; slot++) {
        assert_null(streams.slots[slot]);
    }
}

/* HEAD, or a client that went away in between. */
static size_t subject_count(void) {
    size_t count = 0;
    for (size_t slot = 0; slot < streams.slot_count; slot++) {
        for (const struct event_subject *at = streams.slots[slot]; at != NULL; at = at->next_in_slot) {
            count++;
        }
    }
    return count;
}

/* While the database is slow, clients come for one thing after the other and do not wait: what the sweep asks for has
 * room for a subject a reader. */
static void who_leaves_before_his_turn_leaves_nothing_behind(void **state) {
    (void)state;
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "order %d", i);
        struct client *client = join(&orders, name, 0);
        turns();
        event_streams_leave(client->reader);
    }
    assert_int_equal(question_count, EVENT_DOCUMENTS_MAX);
    assert_int_equal(subject_count(), EVENT_DOCUMENTS_MAX);
    order_moved("order 0"); /* which is being read for nobody: not again */
    struct client *first = join(&orders, "a", 0), *between = join(&orders, "b", 0), *last = join(&orders, "c", 0);
    turns();
    event_streams_leave(between->reader);
    event_streams_leave(last->reader);
    struct client *late = join(&orders, "d", 0);
    for (int i = 0; i < EVENT_DOCUMENTS_MAX + 2; i++) {
        read_as(1);
    }
    assert_true(first->is_open && late->is_open);
    assert_int_equal(question_count, 0);
    assert_int_equal(subject_count(), 2);
}

static void one_that_does_not_open_is_forgotten(void **state) {
    (void)state;
    struct client *client = join(&orders, "a", 0);
    client->hangs_up = true;
    turns();
    read_as(1);
    assert_int_equal(client->found, EVENT_THERE);
    assert_int_equal(streams.reader_count, 0);
    assert_int_equal(streams.stats.open, 0);
}

static void an_answer_may_take_away_who_is_next(void **state) {
    (void)state;
    struct client *last = join(&orders, "a", 0), *middle = join(&orders, "a", 0), *first = join(&orders, "a", 0);
    first->behind = middle; /* two requests on one connection */
    turns();
    read_as(1);
    assert_true(first->is_open && last->is_open);
    assert_false(middle->answered);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void a_change_is_read_once_and_told_to_all(void **state) {
    (void)state;
    struct client *first = open_at_1();
    struct client *second = join(&orders, "a", 0), *other = join(&orders, "b", 0);
    turns();
    read_as(1);
    read_as(5);
    assert_sent(second, EVENT(1));
    assert_sent(other, EVENT(5));
    order_moved("a");
    order_moved("c");
    moved("carts", NULL, TOPIC_CARTS);
    assert_int_equal(question_count, 1);
    read_as(2);
    assert_sent(first, EVENT(2));
    assert_sent(second, EVENT(2));
    assert_sent(other, "");
}

static void changes_while_it_is_read_are_one_reading_more(void **state) {
    (void)state;
    struct client *client = open_at_1();
    for (int i = 0; i < 10; i++) {
        order_moved("a");
    }
    assert_int_equal(question_count, 1);
    read_as(4);
    assert_int_equal(question_count, 1);
    read_as(11);
    assert_int_equal(question_count, 0);
    assert_sent(client, EVENT(4) EVENT(11));
}

static void a_version_is_told_once(void **state) {
    (void)state;
    struct client *client = open_at_1();
    order_moved("a");
    read_as(1);
    assert_sent(client, "");
}

static void who_does_not_read_is_sent_nothing_and_then_the_newest(void **state) {
    (void)state;
    struct client *slow = open_at_1();
    struct client *quick = join(&orders, "a", 0);
    turns();
    read_as(1);
    slow->stops_reading = true;
    for (int version = 2; version <= 4; version++) {
        order_moved("a");
        read_as(version);
    }
    assert_sent(slow, EVENT(2)); /* and no more until he has taken that */
    assert_sent(quick, EVENT(1) EVENT(2) EVENT(3) EVENT(4));
    take(slow);
    read_as(4);
    assert_sent(slow, EVENT(4));
    assert_sent(quick, "");
    take(slow);
    assert_int_equal(question_count, 0);
}

static void who_is_lost_is_forgotten_and_what_he_left_unread_is_counted(void **state) {
    (void)state;
    struct client *client = open_at_1();
    client->stream->on_lost(client->stream);
    assert_int_equal(streams.reader_count, 0);
    assert_int_equal(streams.stats.open, 0);
    assert_int_equal(streams.stats.unread_total, 0);
    order_moved("a");
    assert_int_equal(question_count, 0);
    client = open_at_1();
    client->stream->has_unsent = true;
    client->stream->on_lost(client->stream);
    assert_int_equal(streams.stats.unread_total, 1);
}

/* ---- the sweep --------------------------------------------------------------------------------------------------- */

static void a_lost_notice_is_made_good(void **state) {
    (void)state;
    struct client *client = open_at_1();
    pass_ms(EVENT_SWEEP_MS - 1);
    assert_int_equal(question_count, 0);
    pass_ms(1);
    assert_int_equal(question_count, 1); /* the views that nobody follows are not asked */
    sweep_finds("a", 1);
    assert_int_equal(question_count, 0);
    pass_ms(EVENT_SWEEP_MS);
    sweep_finds("a", 2);
    read_as(2);
    assert_sent(client, EVENT(2));
}

static void a_notice_that_names_no_stream_has_all_asked_for(void **state) {
    (void)state;
    struct client *client = open_at_1();
    pass_ms(EVENT_SWEEP_MS);
    sweep_finds("a", 1);
    moved("orders", NULL, TOPIC_ORDERS);
    pass_ms(EVENT_SWEEP_SOON_MS - 1);
    assert_int_equal(question_count, 0);
    pass_ms(1);
    moved("orders", NULL, TOPIC_ORDERS); /* while it is asked */
    sweep_finds("a", 2);
    read_as(2);
    assert_sent(client, EVENT(2));
    pass_ms(EVENT_SWEEP_SOON_MS);
    sweep_finds("a", 2);
    pass_ms(EVENT_SWEEP_SOON_MS);
    assert_int_equal(question_count, 0);
}

static void a_reading_that_failed_is_made_good_when_the_database_is_back(void **state) {
    (void)state;
    struct client *client = open_at_1();
    order_moved("a");
    fail_reading(ERR_POSTGRES);
    database_is_away = true;
    for (int i = 0; i < 5; i++) {
        pass_ms(EVENT_SWEEP_MS);
        order_moved("a");
    }
    assert_sent(client, ""); /* the stream stays open */
    assert_true(client->is_open);
    database_is_away = false;
    pass_ms(EVENT_SWEEP_MS);
    sweep_finds("a", 1); /* also when nothing has changed: what he has is not known to be the newest */
    read_as(3);
    assert_sent(client, EVENT(3));
}

/* The sweep is answered as if nothing had changed; how many portions it came in. */
static int answer_sweep(size_t *ret_hashes) {
    int portions = 0;
    *ret_hashes = 0;
    while (question_count > 0) {
        struct question question = take_question();
        assert_ptr_equal(question.statement, &view_reached);
        assert_true(question.hashes < EVENT_SWEEP_STREAMS + 32);
        *ret_hashes += question.hashes;
        portions++;
        answer_with(question, NULL, 0);
    }
    return portions;
}

/* Each client follows an order of its own. */
static void open_each_his_own(int count) {
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "order %d", i);
        join(&orders, name, 0);
    }
    turns();
    while (question_count > 0) {
        assert_in_range(question_count, 1, EVENT_DOCUMENTS_MAX);
        read_as(1);
    }
    assert_int_equal(streams.stats.open, count);
    streams.allowed = EVENT_BURST_MAX;
}

static void many_documents_are_asked_for_in_portions_and_each_once(void **state) {
    (void)state;
    size_t hashes;
    open_each_his_own(1400);
    pass_ms(EVENT_SWEEP_MS);
    assert_int_equal(answer_sweep(&hashes), 3);
    assert_int_equal(hashes, 1400);
    database_is_away = true;
    pass_ms(EVENT_SWEEP_MS);
    database_is_away = false;
    pass_ms(EVENT_SWEEP_MS);
    (void)answer_sweep(&hashes);
    assert_int_equal(hashes, 1400); /* from the beginning again */
}

static void without_a_database_all_who_come_are_told(void **state) {
    (void)state;
    database_is_away = true;
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "order %d", i);
        join(&orders, name, 0);
    }
    turns();
    for (int i = 0; i < 300; i++) {
        assert_int_equal(clients[i].found, EVENT_FAILED);
    }
    assert_int_equal(streams.documents, 0);
}

/* ---- crowds ------------------------------------------------------------------------------------------------------ */

static size_t count_sent(const char *text) {
    size_t count = 0;
    for (size_t i = 0; i < client_count; i++) {
        count += strstr(clients[i].text, text) != NULL;
    }
    return count;
}

static void a_crowd_is_served_in_slices(void **state) {
    (void)state;
    enum { CROWD = 3 * EVENT_SLICE };
    for (int i = 0; i < CROWD; i++) {
        join(&orders, "a", 0);
    }
    turns();
    read_as(1);
    order_moved("a");
    answer_with(take_question(), "{\"v\":2}", 2);
    turn();
    assert_int_equal(count_sent(EVENT(2)), EVENT_SLICE);
    assert_true(is_awake);
    /* Between slices some go, of those that were served and of those that were not, and others come. */
    struct client *newest = &clients[CROWD - 1], *oldest = &clients[0], *next = newest - EVENT_SLICE;
    assert_null(strstr(next->text, EVENT(2)));
    assert_non_null(strstr((next + 1)->text, EVENT(2)));
    newest->stream->on_lost(newest->stream);
    oldest->stream->on_lost(oldest->stream);
    next->stream->on_lost(next->stream);
    struct client *late = join(&orders, "a", 0);
    turns();
    assert_int_equal(count_sent(EVENT(2)), CROWD - 2);
    assert_false(late->answered);
}

static void a_crowd_has_its_part_of_the_loop_and_no_more(void **state) {
    (void)state;
    enum { CROWD = EVENT_BURST_MAX, TICK_MS = 25, A_TICK = EVENT_RATE_MAX * TICK_MS / 1000 };
    for (int i = 0; i < CROWD; i++) {
        join(&orders, "a", 0);
    }
    struct client *other = join(&orders, "b", 0);
    turns();
    read_as(1);
    read_as(1);
    assert_int_equal(count_sent(EVENT(1)), CROWD); /* all that goes at once */
    assert_false(other->answered);
    pass_ms(TICK_MS);
    turns();
    assert_sent(other, EVENT(1));
    order_moved("a");
    order_moved("b");
    read_as(2);
    read_as(2);
    assert_int_equal(count_sent(EVENT(2)), A_TICK - 1);
    order_moved("a"); /* while it is told */
    for (int ticks = 2; ticks <= CROWD / A_TICK; ticks++) {
        assert_int_equal(question_count, 0);
        pass_ms(TICK_MS);
        turns();
        assert_int_equal(count_sent(EVENT(2)), ticks * A_TICK - 1);
    }
    pass_ms(TICK_MS);
    turns();
    assert_sent(other, EVENT(2)); /* it was the next in turn */
    read_as(7);
    assert_int_equal(count_sent(EVENT(7)), A_TICK - 2);
}

static void so_many_documents_are_read_at_a_time_and_no_more(void **state) {
    (void)state;
    open_each_his_own(200);
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "order %d", i);
        moved("orders", name, TOPIC_ORDERS);
    }
    turns();
    assert_int_equal(question_count, EVENT_DOCUMENTS_MAX);
    while (question_count > 0) {
        assert_in_range(question_count, 1, EVENT_DOCUMENTS_MAX);
        read_as(2);
    }
    assert_int_equal(count_sent(EVENT(2)), 200);
}

/* ---- heartbeats and the end -------------------------------------------------------------------------------------- */

static void who_is_told_nothing_for_long_is_told_that_the_connection_lives(void **state) {
    (void)state;
    struct client *quiet = open_at_1();
    struct client *stopped = join(&orders, "a", 0);
    stopped->stops_reading = true;
    turns();
    read_as(1);
    pass_ms(EVENT_HEARTBEAT_MS - 1);
    assert_sent(quiet, "");
    pass_ms(1);
    assert_sent(quiet, ":\n\n");
    assert_sent(stopped, EVENT(1));
    pass_ms(EVENT_HEARTBEAT_MS / 2);
    while (question_count > 0) {
        sweep_finds("a", 2);
        if (question_count > 0) {
            read_as(2);
        }
    }
    assert_sent(quiet, EVENT(2));
    pass_ms(EVENT_HEARTBEAT_MS - 1); /* since the last event */
    assert_sent(quiet, "");
    pass_ms(1);
    assert_sent(quiet, ":\n\n");
}

static void at_the_end_all_are_told_and_who_does_not_read_is_cut(void **state) {
    (void)state;
    struct client *open = open_at_1();
    struct client *slow = join(&orders, "a", 0);
    slow->stops_reading = true;
    turns();
    read_as(1);
    struct client *opening = join(&orders, "a", 0), *behind = join(&stock, "sku_A", 0);
    opening->behind = behind;
    event_streams_stop(&streams);
    assert_true(open->ended && !open->cut);
    assert_sent(open, ": this front stops, come again\n\n");
    assert_true(slow->cut && !slow->ended);
    assert_int_equal(opening->found, EVENT_STOPPING);
    assert_false(behind->answered);
    assert_int_equal(streams.reader_count, 0);
    assert_int_equal(streams.stats.open, 0);
    struct client *late = join(&orders, "a", 0);
    assert_null(late->reader);
    assert_int_equal(late->found, EVENT_STOPPING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- whose it is ------------------------------------------------------------------------------------------------- */

static struct client *open_goods(void) {
    struct client *client = join(&goods, "sku_A", 0);
    turns();
    read_as(1);
    assert_true(client->is_open);
    assert_sent(client, EVENT(1));
    return client;
}

static void goods_moved(int64_t version) {
    moved("stock", "sku_A", TOPIC_STOCK);
    turns();
    read_as(version);
}

#define PASSED_ON ": this is not whose it was, come again\n\n"

/* Whoever was judged by the one before is told nothing of it any more. */
static void a_stream_ends_when_what_it_follows_has_passed_on(void **state) {
    (void)state;
    owner = "vendor:Leaf";
    struct client *client = open_goods();
    assert_string_equal(client->owner, "vendor:Leaf");
    goods_moved(2);
    assert_sent(client, EVENT(2));
    owner = "vendor:Kiln";
    goods_moved(3);
    assert_sent(client, PASSED_ON);
    assert_true(client->ended);
    assert_int_equal(streams.reader_count, 0);
    assert_int_equal(streams.stats.open, 0);
}

/* He comes by the reading that finds it with another: he is judged by that one, the others end. */
static void who_comes_then_is_judged_by_whose_it_is(void **state) {
    (void)state;
    owner = "vendor:Leaf";
    struct client *client = open_goods(), *slow = open_goods();
    slow->stops_reading = true;
    goods_moved(2);
    owner = NULL; /* nobody says whose */
    struct client *late = join(&goods, "sku_A", 0);
    turns();
    read_as(3);
    assert_string_equal(late->owner, "vendor:");
    assert_sent(late, EVENT(3));
    assert_sent(client, EVENT(2) PASSED_ON);
    assert_true(client->ended);
    assert_sent(slow, EVENT(2)); /* which he has not taken */
    assert_true(slow->cut);
    assert_int_equal(streams.reader_count, 1);
    goods_moved(4);
    assert_sent(late, EVENT(4));
}

/* A reading that fails, or finds nothing, says nothing of the owner. */
static void a_reading_that_fails_parts_nobody_from_his_stream(void **state) {
    (void)state;
    owner = "vendor:Leaf";
    struct client *client = open_goods();
    moved("stock", "sku_A", TOPIC_STOCK);
    turns();
    fail_reading(ERR_TIMEOUT);
    goods_moved(0);
    goods_moved(2);
    assert_sent(client, EVENT(2));
    assert_false(client->ended);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(who_comes_is_sent_the_document_as_it_is),
        TEST(what_is_not_there_or_cannot_be_read_is_told_so),
        TEST(who_says_what_he_has_is_sent_what_is_newer_and_nothing_else),
        TEST(all_who_come_for_one_document_share_a_reading),
        TEST(who_comes_while_it_is_read_is_answered_by_the_next_reading),
        TEST(past_the_bound_nobody_is_let_in),
        TEST(who_leaves_before_the_answer_is_not_answered),
        TEST(who_leaves_before_his_turn_leaves_nothing_behind),
        TEST(one_that_does_not_open_is_forgotten),
        TEST(an_answer_may_take_away_who_is_next),
        TEST(a_change_is_read_once_and_told_to_all),
        TEST(changes_while_it_is_read_are_one_reading_more),
        TEST(a_version_is_told_once),
        TEST(who_does_not_read_is_sent_nothing_and_then_the_newest),
        TEST(who_is_lost_is_forgotten_and_what_he_left_unread_is_counted),
        TEST(a_lost_notice_is_made_good),
        TEST(a_notice_that_names_no_stream_has_all_asked_for),
        TEST(a_reading_that_failed_is_made_good_when_the_database_is_back),
        TEST(many_documents_are_asked_for_in_portions_and_each_once),
        TEST(without_a_database_all_who_come_are_told),
        TEST(a_crowd_is_served_in_slices),
        TEST(a_crowd_has_its_part_of_the_loop_and_no_more),
        TEST(so_many_documents_are_read_at_a_time_and_no_more),
        TEST(who_is_told_nothing_for_long_is_told_that_the_connection_lives),
        TEST(at_the_end_all_are_told_and_who_does_not_read_is_cut),
        TEST(a_stream_ends_when_what_it_follows_has_passed_on),
        TEST(who_comes_then_is_judged_by_whose_it_is),
        TEST(a_reading_that_fails_parts_nobody_from_his_stream),
    };
    return cmocka_run_group_tests_name("event_streams", tests, NULL, NULL);
}
