#include "cmd/load_report.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"

enum { BAR_CELLS = 24, TERMINAL_PERIOD_US = 500 * 1000, LINE_PERIOD_US = 5 * 1000 * 1000 };

/* Used by this process so far. */
static int64_t processor_now_us(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * MICROS_PER_SECOND + used.tv_nsec / 1000;
}

struct load_report *load_report_create(const struct load_options *options, const char *item_name, int64_t now_us) {
    struct load_report *report = calloc_or_end(1, sizeof *report);
    report->options = options;
    report->item_name = item_name;
    report->is_terminal = isatty(STDERR_FILENO) == 1;
    report->item.name = item_name;
    load_report_begin(report, now_us);
    return report;
}

void load_report_begin(struct load_report *report, int64_t now_us) {
    report->started_us = report->printed_us = now_us;
    report->processor_began_us = processor_now_us();
}

void load_report_end(struct load_report *report, int64_t now_us) {
    report->ended_us = now_us;
    report->processor_us = processor_now_us() - report->processor_began_us;
}

void load_tally_add(struct load_tally *tally, struct str name) {
    struct str known = str_first(name, LOAD_NAME_BYTES - 1);
    if (tally->count == LOAD_NAMES_MAX - 1) {
        bool is_known = false;
        for (size_t i = 0; i < tally->count; i++) {
            is_known |= str_equal(known, str_of_cstr(tally->rows[i].name));
        }
        known = is_known ? known : STR("other");
    }
    size_t i = 0;
    while (i < tally->count && !str_equal(known, str_of_cstr(tally->rows[i].name))) {
        i++;
    }
    if (i == tally->count) {
        memcpy(tally->rows[i].name, known.data, known.len);
        tally->rows[i].name[known.len] = '\0';
        tally->count++;
    }
    tally->rows[i].count++;
}

uint64_t load_tally_of(const struct load_tally *tally, const char *name) {
    for (size_t i = 0; i < tally->count; i++) {
        if (strcmp(tally->rows[i].name, name) == 0) {
            return tally->rows[i].count;
        }
    }
    return 0;
}

void load_report_step(struct load_report *report, const char *step, int64_t latency_us) {
    size_t i = 0;
    while (i < report->step_count && strcmp(report->steps[i].name, step) != 0) {
        i++;
    }
    if (i == LOAD_STEP_NAMES_MAX) {
        return;
    }
    if (i == report->step_count) {
        report->steps[report->step_count++].name = step;
    }
    histogram_record(&report->steps[i].histogram, latency_us > 0 ? (uint64_t)latency_us : 0);
}

static double ms_at(const struct histogram *histogram, double share) {
    return (double)histogram_at(histogram, share) / 1000;
}

static double seconds(const struct load_report *report, int64_t until_us) {
    double passed = (double)(until_us - report->started_us) / 1e6;
    return passed > 1e-6 ? passed : 1e-6;
}

/* ---- while it runs ------------------------------------------------------------------------------------------- */

static void print_errors(const struct load_tally *errors, FILE *out) {
    for (size_t i = 0; i < errors->count; i++) {
        fprintf(out, "%s %s %llu", i == 0 ? "  errors:" : ",", errors->rows[i].name,
                (unsigned long long)errors->rows[i].count);
    }
}

static void print_bar(double share) {
    int filled = (int)(share * BAR_CELLS);
    fputs("\r\033[K[", stderr);
    for (int i = 0; i < BAR_CELLS; i++) {
        fputc(i < filled ? '#' : '.', stderr);
    }
    fputs("] ", stderr);
}

void load_report_progress(struct load_report *report, int64_t now_us, double share, bool is_last) {
    int64_t period_us = report->is_terminal ? TERMINAL_PERIOD_US : LINE_PERIOD_US;
    int64_t passed_us = now_us - report->printed_us;
    if (passed_us < period_us && !is_last) {
        return;
    }
    if (passed_us > 0) {
        report->rate_now = (double)(report->items_finished - report->finished_at_print) * 1e6 / (double)passed_us;
    }
    report->printed_us = now_us;
    report->finished_at_print = report->items_finished;
    if (report->is_terminal) {
        print_bar(share);
    }
    fprintf(stderr, "%3.0f%%  %llu %ss  %.0f/s  p50 %.1f ms  p99 %.1f ms", share * 100,
            (unsigned long long)report->items_finished, report->item_name, report->rate_now,
            ms_at(&report->item.histogram, 0.5), ms_at(&report->item.histogram, 0.99));
    print_errors(&report->errors, stderr);
    fputs(report->is_terminal && !is_last ? "" : "\n", stderr);
    fflush(stderr);
}

/* ---- in the end ---------------------------------------------------------------------------------------------- */

static void print_tally(FILE *out, const char *title, const struct load_tally *tally) {
    for (size_t i = 0; i < tally->count; i++) {
        fprintf(out, "  %-10s %-32s %12llu\n", i == 0 ? title : "", tally->rows[i].name,
                (unsigned long long)tally->rows[i].count);
    }
}

static void print_latency(FILE *out, const struct load_latency *latency) {
    const struct histogram *histogram = &latency->histogram;
    fprintf(out, "  %-14s %10llu %10.1f %10.1f %10.1f %10.1f %10.1f\n", latency->name,
            (unsigned long long)histogram->total, ms_at(histogram, 0.5), ms_at(histogram, 0.9), ms_at(histogram, 0.99),
            ms_at(histogram, 0.999), (double)histogram->largest / 1000);
}

void load_report_print(const struct load_report *report, FILE *out) {
    double passed_s = seconds(report, report->ended_us);
    fprintf(out, "%llu %ss in %.1f s: %.1f/s (%s loop, at most %lld in flight)\n",
            (unsigned long long)report->items_finished, report->item_name, passed_s,
            (double)report->items_finished / passed_s, report->options->rate_per_s > 0 ? "open" : "closed",
            (long long)report->options->in_flight);
    print_tally(out, "outcomes", &report->outcomes);
    print_tally(out, "errors", &report->errors);
    const struct {
        const char *what;
        uint64_t count;
    } rest[] = {
        {"decided in an earlier run", report->items_skipped},
        {"lines that are no such item", report->items_malformed},
        {"outcome unknown", report->items_unknown},
        {"due, but not started", report->items_not_started},
        {"answers replayed", report->replayed},
        {"times asked for an outcome", report->polls},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rest); i++) {
        if (rest[i].count > 0) {
            fprintf(out, "  %-43s %12llu\n", rest[i].what, (unsigned long long)rest[i].count);
        }
    }
    uint64_t finished = report->items_finished > 0 ? report->items_finished : 1;
    fprintf(out, "  processor time of load: %.2f s, %.1f us for each %s\n", (double)report->processor_us / 1e6,
            (double)report->processor_us / (double)finished, report->item_name);
    fprintf(out, "  %-14s %10s %10s %10s %10s %10s %10s\n", "latency in ms", "count", "p50", "p90", "p99", "p99.9",
            "max");
    print_latency(out, &report->item);
    for (size_t i = 0; i < report->step_count; i++) {
        print_latency(out, &report->steps[i]);
    }
}

static json_t *tally_json(const struct load_tally *tally) {
    json_t *object = json_object();
    for (size_t i = 0; i < tally->count; i++) {
        json_object_set_new(object, tally->rows[i].name, json_integer((json_int_t)tally->rows[i].count));
    }
    return object;
}

static json_t *latency_json(const struct load_latency *latency) {
    const struct histogram *histogram = &latency->histogram;
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)histogram->total, "p50",
                     ms_at(histogram, 0.5), "p90", ms_at(histogram, 0.9), "p99", ms_at(histogram, 0.99), "p99.9",
                     ms_at(histogram, 0.999), "max", (double)histogram->largest / 1000);
}

static json_t *report_json(const struct load_report *report) {
    const struct load_options *options = report->options;
    double passed_s = seconds(report, report->ended_us);
    json_t *latencies = json_object();
    json_object_set_new(latencies, report->item.name, latency_json(&report->item));
    for (size_t i = 0; i < report->step_count; i++) {
        json_object_set_new(latencies, report->steps[i].name, latency_json(&report->steps[i]));
    }
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
        "file", options->file, "kind", load_kind_name(options->kind), "loop",
        options->rate_per_s > 0 ? "open" : "closed", "host", options->host, "port", options->port, "in_flight",
        (json_int_t)options->in_flight, "rate_asked_per_s", options->rate_per_s, "duration_s", passed_s, "rate_per_s",
        (double)report->items_finished / passed_s, "processor_s", (double)report->processor_us / 1e6, "finished",
        (json_int_t)report->items_finished, "skipped", (json_int_t)report->items_skipped, "malformed",
        (json_int_t)report->items_malformed, "unknown", (json_int_t)report->items_unknown, "not_started",
        (json_int_t)report->items_not_started, "attempts", (json_int_t)report->attempts, "replayed",
        (json_int_t)report->replayed, "polls", (json_int_t)report->polls, "outcomes", tally_json(&report->outcomes),
        "errors", tally_json(&report->errors), "latency_ms", latencies);
}

enum err load_report_write(const struct load_report *report, const char *path, struct err_info *info) {
    json_t *json = report_json(report);
    size_t len = strlen(path);
    char *beside = malloc_or_end(len + 5);
    memcpy(beside, path, len);
    memcpy(beside + len, ".new", 5);
    errno = EIO; /* for a failure of jansson's own, which sets none */
    bool is_written =
        json_dump_file(json, beside, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6)) == 0 &&
        rename(beside, path) == 0;
    int why = errno;
    json_decref(json);
    free(beside);
    return is_written ? ERR_NONE : err_set(info, ERR_IO, "cannot write the report %s: %s", path, strerror(why));
}
