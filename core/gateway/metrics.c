#include "core/gateway/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/gateway/loop.h"
#include "core/gateway/replies.h"
#include "core/gateway/request.h"

enum { PAGE_MAX_BYTES = 4 * 1024 * 1024 };

/* Upper bounds of the buckets; Prometheus adds +Inf. */
static const struct {
    int64_t us;
    const char *seconds;
} bounds[METRICS_BOUNDS] = {
    {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"},
};

void metrics_init(struct metrics *metrics) {
    assert(route_count < METRICS_ROUTES_MAX);
    *metrics = (struct metrics){0};
    pthread_mutex_init(&metrics->lock, NULL);
}

void metrics_release(struct metrics *metrics) {
    pthread_mutex_destroy(&metrics->lock);
}

void metrics_request(struct metrics *metrics, size_t row, int status, int64_t duration_us) {
    size_t bucket = 0;
    while (bucket < METRICS_BOUNDS && duration_us > bounds[bucket].us) {
        bucket++;
    }
    pthread_mutex_lock(&metrics->lock);
    metrics->requests[row][status > 0 && status < METRICS_STATUS_MAX ? status : 0]++;
    metrics->durations[row][bucket]++;
    metrics->duration_sum_us[row] += duration_us > 0 ? (uint64_t)duration_us : 0;
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_loop_is(struct metrics *metrics, const struct metrics_loop_state *state) {
    pthread_mutex_lock(&metrics->lock);
    metrics->state = *state;
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_second_try(struct metrics *metrics) {
    pthread_mutex_lock(&metrics->lock);
    metrics->second_tries++;
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_outcome_ask(struct metrics *metrics) {
    pthread_mutex_lock(&metrics->lock);
    metrics->outcome_asks++;
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_limited(struct metrics *metrics, enum limit_class limit) {
    pthread_mutex_lock(&metrics->lock);
    metrics->limited[limit]++;
    pthread_mutex_unlock(&metrics->lock);
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static void add(struct metrics *sum, struct metrics *loop) {
    pthread_mutex_lock(&loop->lock);
    for (size_t row = 0; row < METRICS_ROUTES_MAX; row++) {
        for (size_t status = 0; status < METRICS_STATUS_MAX; status++) {
            sum->requests[row][status] += loop->requests[row][status];
        }
        for (size_t bucket = 0; bucket <= METRICS_BOUNDS; bucket++) {
            sum->durations[row][bucket] += loop->durations[row][bucket];
        }
        sum->duration_sum_us[row] += loop->duration_sum_us[row];
    }
    sum->state.waiters += loop->state.waiters;
    sum->state.view_waits += loop->state.view_waits;
    sum->state.pages_asked += loop->state.pages_asked;
    sum->state.pages_found += loop->state.pages_found;
    sum->state.keys_unopened += loop->state.keys_unopened;
    int64_t gap_us = loop->state.clock_gap_us < 0 ? -loop->state.clock_gap_us : loop->state.clock_gap_us;
    sum->state.clock_gap_us = gap_us > sum->state.clock_gap_us ? gap_us : sum->state.clock_gap_us;
    sum->state.events.open += loop->state.events.open;
    sum->state.events.sent_total += loop->state.events.sent_total;
    sum->state.events.documents_total += loop->state.events.documents_total;
    sum->state.events.unread_total += loop->state.events.unread_total;
    sum->state.events.crowded_total += loop->state.events.crowded_total;
    sum->state.http.connections_open += loop->state.http.connections_open;
    sum->state.http.connections_total += loop->state.http.connections_total;
    sum->state.http.refused_total += loop->state.http.refused_total;
    sum->state.http.crowded_total += loop->state.http.crowded_total;
    sum->second_tries += loop->second_tries;
    sum->outcome_asks += loop->outcome_asks;
    for (size_t limit = 0; limit < LIMIT_CLASSES; limit++) {
        sum->limited[limit] += loop->limited[limit];
    }
    pthread_mutex_unlock(&loop->lock);
}

static void write_labels(struct buf *out, size_t row) {
    if (row < route_count) {
        buf_printf(out, "method=\"%s\",route=\"%s\"", routes[row].method_name, routes[row].pattern);
    } else {
        buf_str(out, STR("method=\"\",route=\"\""));
    }
}

static void write_requests(struct buf *out, const struct metrics *sum) {
    buf_str(out, STR("# HELP daybook_http_requests_total Requests answered.\n"
                     "# TYPE daybook_http_requests_total counter\n"));
    for (size_t row = 0; row < METRICS_ROUTES_MAX; row++) {
        for (size_t status = 0; status < METRICS_STATUS_MAX; status++) {
            if (sum->requests[row][status] > 0) {
                buf_str(out, STR("daybook_http_requests_total{"));
                write_labels(out, row);
                buf_printf(out, ",status=\"%zu\"} %llu\n", status, (unsigned long long)sum->requests[row][status]);
            }
        }
    }
}

static void write_duration(struct buf *out, const struct metrics *sum, size_t row) {
    uint64_t so_far = 0;
    for (size_t bucket = 0; bucket <= METRICS_BOUNDS; bucket++) {
        so_far += sum->durations[row][bucket];
        buf_str(out, STR("daybook_http_request_seconds_bucket{"));
        write_labels(out, row);
        buf_printf(out, ",le=\"%s\"} %llu\n", bucket < METRICS_BOUNDS ? bounds[bucket].seconds : "+Inf",
                   (unsigned long long)so_far);
    }
    buf_str(out, STR("daybook_http_request_seconds_sum{"));
    write_labels(out, row);
    buf_printf(out, "} %.6f\n", (double)sum->duration_sum_us[row] / MICROS_PER_SECOND);
    buf_str(out, STR("daybook_http_request_seconds_count{"));
    write_labels(out, row);
    buf_printf(out, "} %llu\n", (unsigned long long)so_far);
}

static void write_durations(struct buf *out, const struct metrics *sum) {
    buf_str(out, STR("# HELP daybook_http_request_seconds From a request's last byte to its answer.\n"
                     "# TYPE daybook_http_request_seconds histogram\n"));
    for (size_t row = 0; row < METRICS_ROUTES_MAX; row++) {
        bool is_used = false;
        for (size_t bucket = 0; bucket <= METRICS_BOUNDS; bucket++) {
            is_used = is_used || sum->durations[row][bucket] > 0;
        }
        if (is_used) {
            write_duration(out, sum, row);
        }
    }
}

static void write_number(struct buf *out, const char *name, const char *type, const char *help, uint64_t value) {
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, (unsigned long long)value);
}

static void write_loops(struct buf *out, struct gateway *gateway, const struct metrics *sum) {
    uint64_t letters_dropped = 0;
    size_t letters = 0;
    for (size_t i = 0; i < gateway->loop_count; i++) {
        size_t waiting;
        uint64_t dropped;
        mailbox_count(&gateway->loops[i].mailbox, &waiting, &dropped);
        letters += waiting;
        letters_dropped += dropped;
    }
    const struct http_server_stats *http = &sum->state.http;
    write_number(out, "daybook_http_connections", "gauge", "Connections open now.", http->connections_open);
    write_number(out, "daybook_http_connections_total", "counter", "Connections accepted.", http->connections_total);
    write_number(out, "daybook_http_refused_total", "counter", "Requests refused before routing.", http->refused_total);
    write_number(out, "daybook_gateway_letters", "gauge", "Answers from the log not yet handled.", letters);
    write_number(out, "daybook_gateway_letters_dropped_total", "counter", "Answers dropped: the queue was full.",
                 letters_dropped);
    write_number(out, "daybook_gateway_log_up", "gauge", "Whether the log answers.",
                 replies_are_heard(gateway->replies));
    write_number(out, "daybook_gateway_unreadable_replies_total", "counter",
                 "Records among the replies that were none, and were passed over.",
                 replies_unreadable(gateway->replies));
}

static void write_api_keys(struct buf *out, struct api_keys *keys) {
    struct api_keys_counts counts = api_keys_counts(keys);
    write_number(out, "daybook_gateway_api_keys", "gauge", "API keys that let somebody in now.", counts.keys);
    if (counts.read_at_boot_us != 0) {
        write_number(out, "daybook_gateway_api_keys_age_seconds", "gauge",
                     "How long ago they were read: one that was revoked since is not known to be.",
                     (uint64_t)((clock_boot_us() - counts.read_at_boot_us) / MICROS_PER_SECOND));
    }
    write_number(out, "daybook_gateway_api_keys_failures_total", "counter", "How often they could not be read.",
                 counts.failures_total);
}

/* Of a front that speaks TLS alone. */
static void write_certificate(struct buf *out, const struct certificate *certificate) {
    if (certificate->tls == NULL) {
        return;
    }
    write_number(out, "daybook_http_certificate_expires_timestamp_seconds", "gauge",
                 "When the certificate that new connections get ends to be valid, in seconds since 1970.",
                 (uint64_t)tls_context_expires_at_s(certificate->tls));
    write_number(out, "daybook_http_certificate_reloads_total", "counter", "Changed certificates that were taken.",
                 atomic_load(&certificate->reloads_total));
    write_number(out, "daybook_http_certificate_refused", "gauge",
                 "Whether its files cannot be taken as they are, so that an older one is served.",
                 atomic_load(&certificate->is_refused));
}

static void write_events(struct buf *out, const struct event_streams_stats *events) {
    write_number(out, "daybook_gateway_event_streams", "gauge", "Event streams open now.", events->open);
    write_number(out, "daybook_gateway_events_total", "counter", "Events sent to clients.", events->sent_total);
    write_number(out, "daybook_gateway_event_documents_total", "counter", "How often a document was read for them.",
                 events->documents_total);
    write_number(out, "daybook_gateway_event_streams_unread_total", "counter",
                 "Event streams that were lost while their client had not taken what it was sent.",
                 events->unread_total);
}

static void write_limits(struct buf *out, const struct metrics *sum) {
    buf_str(out, STR("# HELP daybook_gateway_limited_total Requests refused with 429 by the limits of their class.\n"
                     "# TYPE daybook_gateway_limited_total counter\n"));
    for (enum limit_class limit = LIMIT_NONE + 1; limit < LIMIT_CLASSES; limit++) {
        buf_printf(out, "daybook_gateway_limited_total{class=\"%s\"} %llu\n", limit_class_name(limit),
                   (unsigned long long)sum->limited[limit]);
    }
    write_number(out, "daybook_gateway_event_streams_crowded_total", "counter",
                 "Event streams refused because their address had as many as it may.", sum->state.events.crowded_total);
    write_number(out, "daybook_http_connections_crowded_total", "counter",
                 "Connections closed or refused because their address had as many as it may.",
                 sum->state.http.crowded_total);
}

static void write_revocations(struct buf *out, struct revocations *revocations) {
    struct revocations_counts counts = revocations_counts(revocations);
    write_number(out, "daybook_gateway_revocations", "gauge", "Ends of sessions that are remembered while tokens live.",
                 counts.ends);
    if (counts.read_at_boot_us != 0) {
        write_number(out, "daybook_gateway_revocations_age_seconds", "gauge",
                     "How long ago they were read: a session that ended elsewhere since may still let in.",
                     (uint64_t)((clock_boot_us() - counts.read_at_boot_us) / MICROS_PER_SECOND));
    }
    write_number(out, "daybook_gateway_revocations_failures_total", "counter", "How often they could not be read.",
                 counts.failures_total);
    write_number(out, "daybook_gateway_revocations_lost_total", "counter",
                 "Ends that were forgotten before their tokens died, because there were too many.", counts.lost_total);
    write_number(out, "daybook_gateway_revocations_unreadable_total", "counter",
                 "Ends that this release could not read, each as often as it was shown.", counts.unreadable_total);
}

static void write_credentials(struct buf *out, struct gateway *gateway, const struct metrics *sum) {
    write_number(out, "daybook_gateway_clock_gap_seconds", "gauge",
                 "By how much the machine's clock differs from that by which tokens are judged.",
                 (uint64_t)(sum->state.clock_gap_us / MICROS_PER_SECOND));
    write_revocations(out, &gateway->revocations);
    struct hashing_counts hashings = hashing_count(gateway->hashing);
    write_number(out, "daybook_gateway_hashings_waiting", "gauge", "Passwords that wait to be hashed.",
                 hashings.waiting);
    write_number(out, "daybook_gateway_hashings_total", "counter", "Passwords hashed.", hashings.done_total);
    write_number(out, "daybook_gateway_hashings_refused_total", "counter",
                 "Requests refused with 429 because too many passwords waited.", hashings.refused_total);
}

static void write_page(struct buf *out, struct gateway *gateway, const struct metrics *sum) {
    write_credentials(out, gateway, sum);
    write_requests(out, sum);
    write_durations(out, sum);
    write_number(out, "daybook_gateway_waiting_commands", "gauge", "Requests that wait for an outcome.",
                 sum->state.waiters);
    write_number(out, "daybook_gateway_waiting_queries", "gauge", "Requests that wait for a view.",
                 sum->state.view_waits);
    write_number(out, "daybook_gateway_pages_total", "counter", "Documents asked for by id.", sum->state.pages_asked);
    write_number(out, "daybook_gateway_pages_found_total", "counter", "Of these, without asking the database.",
                 sum->state.pages_found);
    write_number(out, "daybook_gateway_keys_unopened_total", "counter",
                 "Persons' keys that are there and could not be opened with this front's master keys.",
                 sum->state.keys_unopened);
    write_events(out, &sum->state.events);
    write_limits(out, sum);
    write_number(out, "daybook_gateway_second_tries_total", "counter",
                 "Checkouts sent again with the facts that were missing.", sum->second_tries);
    write_number(out, "daybook_gateway_outcome_asks_total", "counter", "Outcomes asked for.", sum->outcome_asks);
    write_loops(out, gateway, sum);
    write_api_keys(out, gateway->api_keys);
    write_certificate(out, &gateway->certificate);
    peers_metrics_write(gateway->peers, gateway->peer_count, out);
}

void metrics_page(struct request *request) {
    struct gateway *gateway = request->loop->gateway;
    struct metrics *sum = calloc_or_end(1, sizeof *sum);
    for (size_t i = 0; i < gateway->loop_count; i++) {
        add(sum, &gateway->loops[i].metrics);
    }
    struct buf page;
    buf_init(&page, PAGE_MAX_BYTES);
    write_page(&page, gateway, sum);
    request_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_text(&page));
    buf_release(&page);
    free(sum);
}
