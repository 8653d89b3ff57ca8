#include "cmd/load_run.h"

#include <assert.h>
#include <stdlib.h>

#include "cmd/load_bearers.h"
#include "cmd/load_greeting.h"
#include "cmd/load_kinds.h"
#include "cmd/load_schedule.h"
#include "cmd/load_source.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/http/client.h"
#include "core/http/tls.h"

enum {
    ITEM_ARENA_BYTES = 32 * 1024 * 1024,
    ANSWER_BODY_MAX_BYTES = 16 * 1024 * 1024,
    POLL_BACKOFF_MOST = 4, /* the server waits as well when it is asked for an outcome: ask again soon */
    PROGRESS_MS = 250,
};

/* A place for one item at a time. */
struct slot {
    struct load_run *run;
    struct slot *next_free;
    uv_timer_t timer; /* until the next attempt */
    struct load_slot_state state;
    struct load_item item;
    struct load_request request; /* of the item's step */
    struct str poll_path;        /* empty: the request itself is sent */
    int64_t bearer;              /* whose the line is that came last: what follows from it is sent by the same */
    int64_t intended_us;         /* when the item was meant to start */
    int64_t step_begun_us;       /* first attempt; for the first step: the intended start */
    int64_t first_sent_us;       /* what retry_s counts from */
    uint32_t step_attempts;      /* without an answer that tells anything */
    uint32_t item_attempts;
    bool was_replayed;
};

struct load_run {
    uv_loop_t *loop;
    const struct load_options *options;
    const struct load_kind_rules *rules;
    struct load_report *report;
    struct load_journal *journal; /* NULL: none */
    struct load_source source;
    struct load_bearers bearers;
    struct load_schedule schedule;
    struct tls_context *tls; /* NULL: plain */
    struct http_client *client;
    struct slot *slots, *free, *free_last;
    size_t active;
    struct load_greeting greeting;
    uv_timer_t pacer, progress;
    uint32_t random;
    bool is_exhausted; /* the file has ended */
    bool is_stopping;
    bool is_closed;
    struct err_info failure; /* of the file */
};

static void send_attempt(struct slot *slot);
static void start_items(struct load_run *run);

static int64_t now_us(void) {
    return clock_boot_us();
}

/* ---- the end of an item -------------------------------------------------------------------------------------- */

static void put_text(json_t *entry, const char *name, struct str text) {
    if (text.len > 0) {
        json_object_set_new(entry, name, json_stringn(text.data, text.len));
    }
}

static void write_entry(struct slot *slot, struct str outcome, bool is_decided) {
    struct load_item *item = &slot->item;
    json_t *entry = json_pack("{s:I, s:s, s:b, s:s%, s:s, s:i, s:i, s:b, s:I}", "line", (json_int_t)item->line_number,
                              "kind", load_kind_name(item->options->kind), "decided", is_decided, "outcome",
                              outcome.data, (size_t)outcome.len, "step", slot->request.step, "status", item->status,
                              "attempts", (int)slot->item_attempts, "replayed", slot->was_replayed, "latency_us",
                              (json_int_t)(now_us() - slot->intended_us));
    if (entry == NULL) {
        return;
    }
    /* The interval of the last step, in which it took place if it did. */
    put_text(entry, "key", slot->request.key);
    json_object_set_new(entry, "invoke_us", json_integer((json_int_t)slot->first_sent_us));
    json_object_set_new(entry, "return_us", is_decided ? json_integer((json_int_t)now_us()) : json_null());
    bool is_order = item->options->kind == LOAD_BASKETS || item->options->kind == LOAD_CHECKOUTS;
    put_text(entry, "code", item->code);
    put_text(entry, "cart", item->cart);
    put_text(entry, "token", item->token);
    if (slot->bearer > 0) {
        json_object_set_new(entry, "bearer", json_integer((json_int_t)slot->bearer));
    }
    put_text(entry, is_order ? "order" : "id", item->id);
    put_text(entry, "order_status", item->order_status);
    if (item->total != NULL) {
        json_object_set(entry, "total", item->total);
    }
    if (item->skus != NULL) {
        json_object_set(entry, "skus", item->skus);
    }
    if (item->line != NULL) {
        json_object_set(entry, "sent", item->line);
    }
    load_journal_write(slot->run->journal, entry);
    json_decref(entry);
}

static void clear_item(struct slot *slot) {
    struct load_item *item = &slot->item;
    json_decref(item->line);
    json_decref(item->total);
    json_decref(item->skus);
    arena_reset(&item->arena);
    struct arena arena = item->arena;
    *item = (struct load_item){.options = slot->run->options, .arena = arena};
    slot->request = (struct load_request){0};
    slot->poll_path = (struct str){0};
    slot->item_attempts = 0;
    slot->was_replayed = false;
}

/* In turn, the slot that was free longest is next; else the one freed last. */
static void put_free(struct slot *slot) {
    struct load_run *run = slot->run;
    if (run->free == NULL) {
        slot->next_free = NULL;
        run->free = run->free_last = slot;
    } else if (run->options->rotates) {
        slot->next_free = NULL;
        run->free_last->next_free = slot;
        run->free_last = slot;
    } else {
        slot->next_free = run->free;
        run->free = slot;
    }
}

static void free_slot(struct slot *slot) {
    clear_item(slot);
    put_free(slot);
    slot->run->active--;
}

static void end_item(struct slot *slot, struct str outcome, bool is_decided) {
    struct load_run *run = slot->run;
    struct load_report *report = run->report;
    load_tally_add(&report->outcomes, outcome);
    if (is_decided) {
        int64_t latency_us = now_us() - slot->intended_us;
        histogram_record(&report->item.histogram, latency_us > 0 ? (uint64_t)latency_us : 0);
        report->items_finished++;
    } else {
        report->items_unknown++;
    }
    if (run->journal != NULL) {
        write_entry(slot, outcome, is_decided);
    }
    free_slot(slot);
    start_items(run);
}

/* ---- one request --------------------------------------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer) {
    send_attempt(timer->data);
}

/* Nothing is known about the step yet. */
static void try_again(struct slot *slot, int64_t retry_after_s) {
    struct load_run *run = slot->run;
    int64_t tried_us = now_us() - slot->first_sent_us;
    if (run->is_stopping || tried_us >= run->options->retry_s * MICROS_PER_SECOND) {
        end_item(slot, STR("unknown"), false);
        return;
    }
    int64_t wait_ms = load_backoff_ms(slot->step_attempts, load_random_next(&run->random), retry_after_s);
    uv_timer_start(&slot->timer, on_retry, (uint64_t)wait_ms, 0);
}

static bool says_try_again(int status) {
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

static void count_error(struct slot *slot, const struct http_client_answer *answer) {
    char name[32];
    if (answer->failure != HTTP_CLIENT_OK) {
        snprintf(name, sizeof name, "%s", http_client_failure_text(answer->failure));
    } else {
        snprintf(name, sizeof name, "%d", answer->status);
    }
    load_tally_add(&slot->run->report->errors, str_of_cstr(name));
}

static bool begin_step(struct slot *slot, int64_t begun_us) {
    if (!slot->run->rules->next(&slot->item, &slot->state, &slot->request)) {
        return false;
    }
    slot->step_begun_us = begun_us;
    slot->first_sent_us = now_us();
    slot->step_attempts = 0;
    slot->poll_path = (struct str){0};
    return true;
}

/* The step's answer is final. */
static void take_decision(struct slot *slot, const struct http_client_answer *answer) {
    struct load_run *run = slot->run;
    struct load_item *item = &slot->item;
    load_report_step(run->report, slot->request.step, now_us() - slot->step_begun_us);
    item->status = answer->status;
    struct str replayed = http_client_field(answer, "Idempotent-Replayed");
    run->report->replayed += str_equal(replayed, STR("true"));
    slot->was_replayed |= str_equal(replayed, STR("true"));
    struct str position = http_client_field(answer, "Daybook-Position");
    if (!str_is_empty(position)) {
        item->position = arena_str_copy(&item->arena, position);
    }
    bool is_problem = answer->status >= 300;
    json_t *body = NULL;
    if (run->rules->reads_answers || is_problem) {
        body = json_loadb(answer->body.data, answer->body.len, 0, NULL);
    }
    const char *code = is_problem ? json_string_value(json_object_get(body, "code")) : NULL;
    item->code = arena_str_copy(&item->arena, str_of_cstr(code == NULL ? "" : code));
    enum load_verdict verdict = run->rules->decided(item, &slot->state, body);
    json_decref(body);
    if (verdict == LOAD_ITEM_DONE) {
        end_item(slot, load_item_outcome(item), true);
        return;
    }
    item->step++;
    if (begin_step(slot, now_us())) {
        send_attempt(slot);
    } else {
        /* Accepted, but without what the next step needs: the answer is not what docs/http.md says. */
        end_item(slot, STR("answer not understood"), true);
    }
}

/* The outcome is told to those whose the thing is. A guest who opens a cart is not known by its token before the
 * answer: he is told that it is decided, and no more. */
static bool tells_nothing_more(const struct http_client_answer *answer) {
    json_t *body = json_loadb(answer->body.data, answer->body.len, 0, NULL);
    const char *status = json_string_value(json_object_get(body, "status"));
    bool is_so = json_object_get(body, "command") != NULL && status != NULL && strcmp(status, "decided") == 0;
    json_decref(body);
    return is_so;
}

static bool lacks_what_the_answer_has(const struct slot *slot) {
    return slot->request.answer_has_more && !str_is_empty(slot->request.key);
}

/* The request itself goes out again under its key, and is answered as it was decided. Without one it would be done
 * again. */
static void ask_by_key(struct slot *slot) {
    if (str_is_empty(slot->request.key)) {
        end_item(slot, STR("unknown"), false);
        return;
    }
    slot->poll_path = (struct str){0};
    try_again(slot, 0);
}

/* 202: asks the Location from now on. */
static void begin_polling(struct slot *slot, const struct http_client_answer *answer) {
    struct str location = http_client_field(answer, "Location");
    if (str_is_empty(slot->poll_path) && str_starts_with(location, STR("/"))) {
        slot->poll_path = arena_str_copy(&slot->item.arena, location);
        slot->step_attempts = 0;
    }
    slot->step_attempts = slot->step_attempts < POLL_BACKOFF_MOST ? slot->step_attempts : POLL_BACKOFF_MOST;
    try_again(slot, 0);
}

static void on_answer(void *context, const struct http_client_answer *answer) {
    struct slot *slot = context;
    bool is_poll = !str_is_empty(slot->poll_path);
    slot->item.status = answer->failure == HTTP_CLIENT_OK ? answer->status : 0;
    if (answer->failure != HTTP_CLIENT_OK || says_try_again(answer->status)) {
        int64_t retry_after_s = 0;
        struct str asked = http_client_field(answer, "Retry-After");
        retry_after_s = int64_read(asked, &retry_after_s) ? retry_after_s : 0;
        count_error(slot, answer);
        try_again(slot, retry_after_s);
    } else if (answer->status == 202) {
        begin_polling(slot, answer);
    } else if (is_poll && answer->status == 404) {
        /* The command was never decided: the request goes out again, with its key. */
        count_error(slot, answer);
        slot->poll_path = (struct str){0};
        try_again(slot, 0);
    } else if (is_poll && answer->status == 200 && (lacks_what_the_answer_has(slot) || tells_nothing_more(answer))) {
        ask_by_key(slot);
    } else {
        take_decision(slot, answer);
    }
}

static void send_attempt(struct slot *slot) {
    struct load_run *run = slot->run;
    const struct load_request *request = &slot->request;
    bool is_poll = !str_is_empty(slot->poll_path);
    struct http_field fields[4];
    size_t field_count = 0;
    struct str bearer = load_bearers_of(&run->bearers, slot->bearer);
    if (!str_is_empty(bearer)) {
        fields[field_count++] = (struct http_field){.name = STR("Authorization"), .value = bearer};
    }
    if (!str_is_empty(request->token)) {
        fields[field_count++] = (struct http_field){.name = STR("Daybook-Cart-Token"), .value = request->token};
    }
    if (!is_poll && !str_is_empty(request->key)) {
        fields[field_count++] = (struct http_field){.name = STR("Idempotency-Key"), .value = request->key};
    }
    if (!str_is_empty(request->position)) {
        fields[field_count++] = (struct http_field){.name = STR("Daybook-Position"), .value = request->position};
    }
    struct http_client_request sent = {
        .method = is_poll ? "GET" : request->method,
        .path = is_poll ? slot->poll_path : request->path,
        .fields = fields,
        .field_count = field_count,
        .content_type = is_poll || str_is_empty(request->body) ? NULL : "application/json",
        .body = is_poll ? STR("") : request->body,
        .on_answer = on_answer,
        .context = slot,
    };
    slot->step_attempts++;
    slot->item_attempts++;
    run->report->attempts += !is_poll;
    run->report->polls += is_poll;
    bool is_sent = http_client_send(run->client, &sent);
    assert(is_sent && "there is a connection for every slot");
}

/* ---- the next item ------------------------------------------------------------------------------------------- */

static void fail_run(struct load_run *run, const struct err_info *info) {
    run->failure = *info;
    run->is_exhausted = true;
}

/* The next line of the file that no earlier run has decided; false at the end, or when the file fails. */
static bool next_line(struct load_run *run, struct str *ret_line) {
    struct err_info info = {0};
    bool has_rewound = false;
    for (;;) {
        enum err err = load_source_next(&run->source, ret_line, &info);
        if (err == ERR_NOT_FOUND && (run->rules->goes_round || run->options->comes_again) && !has_rewound) {
            has_rewound = true; /* once: an empty file has no lines, however often it is read */
            err = load_source_rewind(&run->source, &info);
            if (err == ERR_NONE) {
                continue;
            }
        }
        if (err == ERR_NOT_FOUND) {
            run->is_exhausted = true;
            return false;
        }
        if (err != ERR_NONE) {
            fail_run(run, &info);
            return false;
        }
        if (run->journal == NULL || !load_journal_has(run->journal, run->source.line_number)) {
            return true;
        }
        run->report->items_skipped++;
    }
}

/* By whom the item is sent: by who sent what it goes on with, else by whose turn it is. */
static int64_t bearer_of(const struct load_run *run, const struct load_item *item) {
    json_int_t sender = run->rules->takes_entries ? json_integer_value(json_object_get(item->line, "bearer")) : 0;
    return load_bearers_turn(&run->bearers, sender > 0 ? (int64_t)sender : item->line_number);
}

/* Gives the slot its next item; false when there is none. */
static bool take_item(struct slot *slot) {
    struct load_run *run = slot->run;
    struct load_item *item = &slot->item;
    bool needs_line = run->rules->needs_line == NULL || run->rules->needs_line(&slot->state);
    struct str line;
    if (!needs_line) {
        return true;
    }
    if (!next_line(run, &line)) {
        return false;
    }
    item->line_number = run->source.line_number;
    item->text = arena_str_copy(&item->arena, line);
    item->line = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
    slot->bearer = bearer_of(run, item);
    return true;
}

static void start_item(struct slot *slot, int64_t intended_us) {
    struct load_run *run = slot->run;
    slot->intended_us = intended_us;
    if (!take_item(slot)) {
        free_slot(slot);
        return;
    }
    run->schedule.started++;
    if (!begin_step(slot, intended_us)) {
        run->report->items_malformed++;
        load_tally_add(&run->report->outcomes, STR("malformed line"));
        free_slot(slot);
        return;
    }
    send_attempt(slot);
}

static void on_client_closed(void *context) {
    struct load_run *run = context;
    run->is_closed = true;
}

static void close_all(struct load_run *run) {
    load_report_end(run->report, now_us());
    run->report->items_not_started = run->is_exhausted ? 0 : load_schedule_behind(&run->schedule, now_us());
    uv_close((uv_handle_t *)&run->pacer, NULL);
    uv_close((uv_handle_t *)&run->progress, NULL);
    for (int64_t i = 0; i < run->options->in_flight; i++) {
        uv_close((uv_handle_t *)&run->slots[i].timer, NULL);
    }
    http_client_close(run->client, on_client_closed, run);
}

static void on_pace(uv_timer_t *pacer) {
    start_items(pacer->data);
}

/* Starts what is due and has a place; sets the pacer for the next; closes when nothing is left. */
static void start_items(struct load_run *run) {
    bool is_over = false;
    while (!is_over && run->free != NULL) {
        int64_t now = now_us();
        is_over = run->is_stopping || run->is_exhausted || load_schedule_is_over(&run->schedule, now);
        int64_t due_us = load_schedule_next_us(&run->schedule, now);
        if (is_over) {
            break;
        }
        if (due_us > now) {
            uv_update_time(run->loop);
            uv_timer_start(&run->pacer, on_pace, (uint64_t)((due_us - now) / MICROS_PER_MS + 1), 0);
            return;
        }
        struct slot *slot = run->free;
        run->free = slot->next_free;
        run->active++;
        start_item(slot, due_us);
    }
    if (is_over && run->active == 0 && !uv_is_closing((uv_handle_t *)&run->pacer)) {
        close_all(run);
    }
}

void load_run_stop(struct load_run *run) {
    run->is_stopping = true;
    if (run->active == 0) {
        start_items(run);
    }
}

/* ---- life and death ------------------------------------------------------------------------------------------ */

static double share_done(const struct load_run *run) {
    double share = 0, other = 0;
    if (run->source.bytes_total > 0 && !run->rules->goes_round && !run->options->comes_again) {
        share = (double)run->source.bytes_read / (double)run->source.bytes_total;
    }
    if (run->schedule.items_max != UINT64_MAX) {
        other = (double)run->schedule.started / (double)run->schedule.items_max;
        share = other > share ? other : share;
    }
    if (run->options->duration_s > 0) {
        other = (double)(now_us() - run->schedule.start_us) / 1e6 / (double)run->options->duration_s;
        share = other > share ? other : share;
    }
    return share < 1 ? share : 1;
}

static void on_progress(uv_timer_t *timer) {
    struct load_run *run = timer->data;
    load_report_progress(run->report, now_us(), share_done(run), false);
    start_items(run); /* the end of the duration is seen here when everything is busy or waiting */
}

static void create_slots(struct load_run *run) {
    size_t count = (size_t)run->options->in_flight;
    run->slots = calloc_or_end(count, sizeof *run->slots);
    for (size_t i = count; i-- > 0;) {
        struct slot *slot = &run->slots[i];
        slot->run = run;
        arena_init(&slot->item.arena, ITEM_ARENA_BYTES);
        slot->item.options = run->options;
        uv_timer_init(run->loop, &slot->timer);
        slot->timer.data = slot;
        put_free(slot);
    }
}

static struct load_schedule schedule_of(const struct load_options *options) {
    int64_t start_us = now_us();
    return (struct load_schedule){
        .rate_per_s = options->rate_per_s,
        .start_us = start_us,
        .end_us = options->duration_s > 0 ? start_us + options->duration_s * MICROS_PER_SECOND : INT64_MAX,
        .items_max = options->items_max > 0 ? (uint64_t)options->items_max : UINT64_MAX,
    };
}

static void begin(void *context) {
    struct load_run *run = context;
    if (uv_is_closing((uv_handle_t *)&run->pacer)) {
        return; /* stopped while connections were opened */
    }
    assert(run->greeting.waiting == 0 && "every slot has a connection from now on");
    load_report_begin(run->report, now_us());
    run->schedule = schedule_of(run->options);
    uv_timer_start(&run->progress, on_progress, PROGRESS_MS, PROGRESS_MS);
    uv_timer_start(&run->pacer, on_pace, 0, 0);
}

enum err load_run_start(uv_loop_t *loop, const struct load_options *options, struct load_report *report,
                        struct load_journal *journal, struct load_run **ret_run, struct err_info *info) {
    struct load_run *run = calloc_or_end(1, sizeof *run);
    run->loop = loop;
    run->options = options;
    run->rules = load_kind_rules(options->kind);
    run->report = report;
    run->journal = journal;
    run->random = (uint32_t)now_us() | 1;
    enum err err = load_source_open(&run->source, options->file, info);
    if (err == ERR_NONE && options->bearer_file != NULL) {
        err = load_bearers_read(options->bearer_file, &run->bearers, info);
    }
    if (err == ERR_NONE && options->is_https) {
        err = tls_client_context_open(options->ca_file, &run->tls, info);
    }
    struct http_client_options client = {
        .host = options->host,
        .port = options->port,
        .connections_max = (size_t)options->in_flight,
        .rotates = options->rotates,
        .timeout_ms = (int)options->timeout_ms,
        .body_max_bytes = ANSWER_BODY_MAX_BYTES,
        .tls = run->tls,
    };
    if (err == ERR_NONE) {
        err = http_client_open(loop, &client, &run->client, info);
    }
    if (err != ERR_NONE) {
        load_source_close(&run->source);
        load_bearers_release(&run->bearers);
        tls_context_close(run->tls);
        free(run);
        return err;
    }
    create_slots(run);
    uv_timer_init(loop, &run->pacer);
    uv_timer_init(loop, &run->progress);
    run->pacer.data = run->progress.data = run;
    if (options->connects_first) {
        load_greeting_send(&run->greeting, run->client, (size_t)options->in_flight, begin, run);
    } else {
        begin(run);
    }
    *ret_run = run;
    return ERR_NONE;
}

enum err load_run_finish(struct load_run *run, struct err_info *info) {
    assert(run->is_closed && run->active == 0);
    for (int64_t i = 0; i < run->options->in_flight; i++) {
        arena_release(&run->slots[i].item.arena);
        json_decref(run->slots[i].state.line);
    }
    free(run->slots);
    load_source_close(&run->source);
    load_bearers_release(&run->bearers);
    tls_context_close(run->tls);
    enum err err = run->failure.code;
    if (err != ERR_NONE && info != NULL) {
        *info = run->failure;
    }
    free(run);
    return err;
}
