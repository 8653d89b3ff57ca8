#include "core/gateway/loop.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/logger.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/gateway/api_key_commands.h"
#include "core/gateway/request.h"
#include "core/gateway/submit.h"
#include "core/log/record.h"
#include "projections/runtime/behind.h"

enum {
    GATEWAY_GRACE_MS = 10000,
    UNOPENED_TOLD_EVERY_US = 60 * MICROS_PER_SECOND,
    CLOCK_TOLD_EVERY_US = 60 * MICROS_PER_SECOND,
    LAST_ANSWERS_MS = 8000, /* of the grace; then who still waits is told 202 */
    LETTER_ARENA_BYTES = 8 * 1024 * 1024,
};

static const char *const channels[] = {VIEW_CHANNEL, NULL};

/* ---- what comes in ------------------------------------------------------------------------------------------------
 */

static void on_notify(void *context, struct str channel, struct str payload) {
    struct gateway_loop *loop = context;
    (void)channel;
    struct view_notice notice = view_notice_read(payload);
    if (str_equal(notice.view, STR("products"))) {
        facts_cache_expire(&loop->facts);
    }
    if (loop->number == 0 && str_equal(notice.view, STR("customers"))) {
        revocation_reader_moved(&loop->revocation_reader, clock_boot_us());
    }
    if (loop->number == 0 && str_equal(notice.view, STR("keys"))) {
        api_keys_moved(loop->gateway->api_keys, clock_boot_us());
    }
    page_cache_moved(&loop->pages, notice, clock_boot_us());
    event_streams_moved(&loop->event_streams, notice);
    view_waits_moved(&loop->view_waits, notice.view);
}

static void on_outcome_letter(struct gateway_loop *loop, struct str value) {
    struct outcome outcome;
    arena_reset(&loop->letter_arena);
    if (outcome_read(&loop->letter_arena, value, &outcome)) {
        recent_outcomes_note(&loop->gateway->recent_outcomes, &outcome, value);
        outcome_questions_end(&loop->questions, outcome.command_id);
        outcome_waiters_outcome(&loop->waiters, &outcome);
    }
}

static void on_delivery_letter(struct gateway_loop *loop, enum letter_kind kind, struct str bytes) {
    struct submission submission;
    bool is_read = submission_read(bytes, &submission);
    assert(is_read && "submit.c wrote it");
    struct str command_id = str_of(submission.command_id, sizeof submission.command_id);
    if (kind == LETTER_DELIVERED) {
        outcome_waiters_delivered(&loop->waiters, command_id, submission.number);
    } else {
        outcome_waiters_failed(&loop->waiters, command_id, submission.number, kind == LETTER_NOT_DELIVERED);
    }
}

static void on_letter(void *context, enum letter_kind kind, struct str bytes) {
    struct gateway_loop *loop = context;
    switch (kind) {
    case LETTER_OUTCOME:
        on_outcome_letter(loop, bytes);
        return;
    case LETTER_DELIVERED:
    case LETTER_NOT_DELIVERED:
    case LETTER_DELIVERY_IN_DOUBT:
        on_delivery_letter(loop, kind, bytes);
        return;
    }
}

/* ---- followed documents ---------------------------------------------------------------------------------------------
 */

static void on_event_work(uv_idle_t *idle) {
    struct gateway_loop *loop = idle->data;
    if (!event_streams_work(&loop->event_streams, clock_boot_us())) {
        (void)uv_idle_stop(idle);
    }
}

static void wake_event_work(void *context) {
    struct gateway_loop *loop = context;
    (void)uv_idle_start(&loop->event_work, on_event_work);
}

/* What each loop has of a bound over all; 0, which is none, stays so. */
static size_t part_of_loop(const struct config *config, int64_t most) {
    return (size_t)(most > 0 ? (most - 1) / config->http_threads + 1 : 0);
}

/* Of one loop. A new connection finds no place among streams, since none gives way: they have half of all at most. */
static size_t streams_max_of(const struct config *config) {
    int64_t half = config->http_connections_max / 2;
    int64_t most = config->http_event_streams_max < half ? config->http_event_streams_max : half;
    return part_of_loop(config, most);
}

static void init_event_streams(struct gateway_loop *loop) {
    const struct config *config = loop->gateway->config;
    (void)uv_idle_init(&loop->uv, &loop->event_work);
    loop->event_work.data = loop;
    const struct event_streams_options options = {
        .pg = loop->query_pg,
        .ask = pg_pool_query,
        .streams_max = streams_max_of(config),
        .streams_per_address = part_of_loop(config, config->http_event_streams_per_address),
        .wake = wake_event_work,
        .context = loop,
    };
    event_streams_init(&loop->event_streams, &options, clock_boot_us());
}

/* ---- API keys -----------------------------------------------------------------------------------------------------
 */

/* The first loop reads them, for all. */
static void begin_api_keys(struct gateway_loop *loop) {
    const struct api_keys_ports ports = {
        .pg = loop->query_pg, .ask = pg_pool_query, .note_use = api_key_note_use, .context = loop};
    api_keys_begin(loop->gateway->api_keys, &ports, clock_boot_us());
}

/* ---- the tick -----------------------------------------------------------------------------------------------------
 */

bool loop_database_is_up(const struct gateway_loop *loop) {
    return pg_pool_is_up(loop->pg) && pg_pool_is_up(loop->query_pg) && pg_pool_is_up(loop->list_pg) &&
           (loop->vault_pg == NULL || pg_pool_is_up(loop->vault_pg));
}

static void watch_database(struct gateway_loop *loop) {
    bool is_up = loop_database_is_up(loop);
    if (is_up == loop->database_was_up) {
        return;
    }
    loop->database_was_up = is_up;
    facts_cache_expire(&loop->facts); /* notifications were missed */
    page_cache_expire(&loop->pages, clock_boot_us());
    if (loop->number == 0) {
        api_keys_moved(loop->gateway->api_keys, clock_boot_us());
        revocation_reader_missed(&loop->revocation_reader, clock_boot_us());
    }
    if (is_up) {
        log_line(LOG_INFO, "gateway", "the database answers", LOG_INT("loop", loop->number));
    } else {
        log_line(LOG_WARN, "gateway", "the database does not answer; queries are refused until it does",
                 LOG_INT("loop", loop->number));
    }
}

/* A key stands in the database and cannot be opened: its person is refused until somebody mends it. */
static void watch_vault(struct gateway_loop *loop, int64_t now_boot_us) {
    uint64_t unopened = vault_unopened(loop->vault);
    bool is_time = loop->unopened_told == 0 || now_boot_us - loop->unopened_told_at_boot_us >= UNOPENED_TOLD_EVERY_US;
    if (unopened == loop->unopened_told || !is_time) {
        return;
    }
    loop->unopened_told = unopened;
    loop->unopened_told_at_boot_us = now_boot_us;
    log_line(
        LOG_ERROR, "gateway",
        "persons' keys cannot be opened: this front lacks the master key that they are wrapped under, or they were "
        "changed; `daybook vault status` tells more",
        LOG_INT("loop", loop->number), LOG_INT("times", unopened));
}

/* Tokens are judged by a clock that does not go back; where the machine's is another, somebody should know. */
static void watch_clock(struct gateway_loop *loop, int64_t now_boot_us) {
    authentication_tick(&loop->authentication);
    int64_t gap_us = steady_clock_gap_us(&loop->authentication.clock);
    bool differs = gap_us > STEADY_CLOCK_ALARM_US || gap_us < -(int64_t)STEADY_CLOCK_ALARM_US;
    bool is_time = loop->clock_told_at_boot_us == 0 || now_boot_us - loop->clock_told_at_boot_us >= CLOCK_TOLD_EVERY_US;
    if (!differs) {
        loop->clock_told_at_boot_us = 0;
    } else if (is_time && loop->number == 0) {
        loop->clock_told_at_boot_us = now_boot_us;
        log_line(LOG_WARN, "gateway", "the machine's clock was set; tokens go by the time since this process began",
                 LOG_INT("ahead_s", gap_us / MICROS_PER_SECOND));
    }
}

static void on_tick(uv_timer_t *timer) {
    struct gateway_loop *loop = timer->data;
    int64_t now_boot_us = clock_boot_us();
    admission_tick(&loop->admission, now_boot_us);
    outcome_waiters_tick(&loop->waiters, now_boot_us);
    view_waits_tick(&loop->view_waits, now_boot_us);
    event_streams_tick(&loop->event_streams, now_boot_us);
    watch_database(loop);
    watch_vault(loop, now_boot_us);
    watch_clock(loop, now_boot_us);
    held_answers_tick(&loop->held_answers, now_boot_us);
    if (loop->number == 0) {
        certificate_tick(&loop->gateway->certificate, now_boot_us);
        revocation_reader_tick(&loop->revocation_reader, authentication_now_us(&loop->authentication), now_boot_us);
        api_keys_tick(loop->gateway->api_keys, now_boot_us);
    }
    const struct metrics_loop_state state = {.waiters = loop->waiters.count - loop->undecided_count,
                                             .view_waits = loop->view_waits.count,
                                             .pages_asked = loop->pages.asked,
                                             .pages_found = loop->pages.found,
                                             .keys_unopened = vault_unopened(loop->vault),
                                             .clock_gap_us = steady_clock_gap_us(&loop->authentication.clock),
                                             .events = loop->event_streams.stats,
                                             .http = http_server_stats(loop->server)};
    metrics_loop_is(&loop->metrics, &state);
}

/* ---- ending -------------------------------------------------------------------------------------------------------
 */

static void on_pg_closed(void *context) {
    struct gateway_loop *loop = context;
    if (--loop->open_pools > 0) {
        return;
    }
    uv_close((uv_handle_t *)&loop->tick, NULL);
    uv_close((uv_handle_t *)&loop->stop, NULL);
    uv_close((uv_handle_t *)&loop->event_work, NULL);
    hashing_outlet_close(&loop->hashing_outlet);
    mailbox_close(&loop->mailbox);
}

static void on_server_closed(void *context) {
    struct gateway_loop *loop = context;
    uv_timer_stop(&loop->tick); /* it looks at the server */
    pg_pool_close(loop->pg, on_pg_closed, loop);
    pg_pool_close(loop->query_pg, on_pg_closed, loop);
    pg_pool_close(loop->list_pg, on_pg_closed, loop);
    if (loop->vault_pg != NULL) {
        pg_pool_close(loop->vault_pg, on_pg_closed, loop);
    }
}

static void on_stop(uv_async_t *stop) {
    struct gateway_loop *loop = stop->data;
    outcome_waiters_hasten(&loop->waiters, clock_boot_us() + (int64_t)LAST_ANSWERS_MS * MICROS_PER_MS);
    event_streams_stop(&loop->event_streams);
    person_exports_stop(&loop->exports);
    http_server_close(loop->server, GATEWAY_GRACE_MS, on_server_closed, loop);
}

/* ---- life cycle ---------------------------------------------------------------------------------------------------
 */

/* What a proxy speaks for are many, and he keeps his connections. */
static bool is_trusted_proxy(void *context, const uint8_t address[ADDRESS_BYTES]) {
    const struct gateway_loop *loop = context;
    return address_list_has(&loop->gateway->trusted_proxies, address);
}

static enum err open_server(struct gateway_loop *loop, int port, struct err_info *info) {
    const struct config *config = loop->gateway->config;
    const struct http_server_options options = {
        .host = config->http_host,
        .port = port,
        .body_max_bytes = (size_t)config->http_body_max_bytes,
        .connections_max = (size_t)(config->http_connections_max / config->http_threads) + 1,
        .connections_per_address = part_of_loop(config, config->http_connections_per_address),
        .is_exempt = is_trusted_proxy,
        .tls = loop->gateway->certificate.tls,
        .on_request = request_received,
        .on_lost = request_lost,
        .on_refused = request_refused_unread,
        .context = loop,
    };
    return http_server_open(&loop->uv, &options, &loop->server, info);
}

static enum err open_database(struct gateway_loop *loop, struct err_info *info) {
    const struct config *config = loop->gateway->config;
    const char *conninfo = config->postgres;
    const struct pg_pool_options of_commands = {
        .conninfo = conninfo,
        .listen = channels,
        .on_notify = on_notify,
        .context = loop,
    };
    const struct pg_pool_options of_queries = {.conninfo = conninfo};
    const struct pg_pool_options of_lists = {
        .conninfo = conninfo,
        .queries_max = LOOP_LISTS_MAX,
        .timeout_ms = LOOP_LIST_TIMEOUT_MS,
    };
    enum err err = pg_pool_open(&loop->uv, &of_commands, &loop->pg, info);
    if (err == ERR_NONE) {
        err = pg_pool_open(&loop->uv, &of_queries, &loop->query_pg, info);
    }
    if (err == ERR_NONE) {
        err = pg_pool_open(&loop->uv, &of_lists, &loop->list_pg, info);
    }
    const struct pg_pool_options of_vault = {.conninfo = config->vault_postgres};
    if (err == ERR_NONE && *config->vault_postgres != '\0') {
        err = pg_pool_open(&loop->uv, &of_vault, &loop->vault_pg, info);
    }
    loop->open_pools = loop->vault_pg == NULL ? 3 : 4;
    return err;
}

enum err loop_open(struct gateway_loop *loop, struct gateway *gateway, unsigned number, int port,
                   struct err_info *info) {
    *loop = (struct gateway_loop){.gateway = gateway, .number = number, .database_was_up = true};
    int length =
        snprintf(loop->reply_instance_text, sizeof loop->reply_instance_text, "%s.%u", gateway->instance, number);
    loop->reply_instance = str_of(loop->reply_instance_text, (size_t)length);
    int failed = uv_loop_init(&loop->uv);
    if (failed != 0) {
        return err_set(info, ERR_IO, "cannot make an event loop: %s", uv_strerror(failed));
    }
    metrics_init(&loop->metrics);
    const struct config *config = gateway->config;
    admission_init(&loop->admission, (uint32_t)config->shards, config->command_queue_ms, clock_boot_us());
    outcome_waiters_init(&loop->waiters, LOOP_WAITERS_MAX);
    outcome_questions_init(&loop->questions, GATEWAY_QUESTIONS_MAX / (size_t)config->http_threads + 1);
    facts_cache_init(&loop->facts);
    page_cache_init(&loop->pages);
    buf_init(&loop->scratch, LOOP_SCRATCH_MAX);
    arena_init(&loop->letter_arena, LETTER_ARENA_BYTES);
    (void)uv_timer_init(&loop->uv, &loop->tick);
    loop->tick.data = loop;
    loop->stop.data = loop;
    enum err err = open_server(loop, port, info);
    if (err == ERR_NONE) {
        err = mailbox_open(&loop->mailbox, &loop->uv, LOOP_LETTERS_MAX, LOOP_LETTERS_MAX_BYTES, on_letter, loop, info);
    }
    if (err == ERR_NONE) {
        err = open_database(loop, info);
    }
    if (err != ERR_NONE) {
        return err;
    }
    err = authentication_open(&loop->authentication, &gateway->secret, gateway->masters, config->public_url,
                              config->token_audience, &gateway->revocations, &gateway->cors, info);
    if (err == ERR_NONE) {
        err = hashing_outlet_open(&loop->hashing_outlet, gateway->hashing, &loop->uv, info);
    }
    if (err != ERR_NONE) {
        return err;
    }
    loop->authentication.roles_need_factor = gateway->roles_need_factor;
    loop->authentication.key_finder =
        (struct key_finder){.find = api_keys_find, .are_known = api_keys_are_known, .keys = gateway->api_keys};
    revocation_reader_init(&loop->revocation_reader, &gateway->revocations, loop->query_pg, pg_pool_query,
                           config->access_token_s * MICROS_PER_SECOND);
    loop->vault = vault_open(loop->vault_pg == NULL ? loop->pg : loop->vault_pg, gateway->masters);
    view_waits_init(&loop->view_waits, loop->pg, pg_pool_query);
    init_event_streams(loop);
    if (number == 0) {
        begin_api_keys(loop);
    }
    failed = uv_async_init(&loop->uv, &loop->stop, on_stop);
    if (failed != 0) {
        return err_set(info, ERR_IO, "cannot make a wake-up handle: %s", uv_strerror(failed));
    }
    return ERR_NONE;
}

void *loop_run(void *gateway_loop) {
    struct gateway_loop *loop = gateway_loop;
    thread_name("http %u", loop->number);
    (void)uv_timer_start(&loop->tick, on_tick, OUTCOME_TICK_MS, OUTCOME_TICK_MS);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    return NULL;
}

void loop_stop(struct gateway_loop *loop) {
    (void)uv_async_send(&loop->stop);
}

void loop_release(struct gateway_loop *loop) {
    vault_close(loop->vault);
    authentication_close(&loop->authentication);
    outcome_waiters_hasten(&loop->waiters, 1);
    outcome_waiters_tick(&loop->waiters, clock_boot_us()); /* those that no client waits for any more */
    admission_release(&loop->admission);
    outcome_waiters_release(&loop->waiters);
    facts_cache_release(&loop->facts);
    page_cache_release(&loop->pages);
    event_streams_release(&loop->event_streams);
    metrics_release(&loop->metrics);
    mailbox_release(&loop->mailbox);
    buf_release(&loop->scratch);
    arena_release(&loop->letter_arena);
    (void)uv_loop_close(&loop->uv);
}
