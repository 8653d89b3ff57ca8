/* load_report.h: what a run counts, and how it tells: a bar while it runs, a table and a JSON file in the end.
 * Bounds   LOAD_NAMES_MAX different outcomes and errors each; what comes after them counts as "other".
 * Thread   one at a time.        May use: base, jansson.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cmd/load_options.h"
#include "core/base/histogram.h"
#include "core/base/str.h"

enum { LOAD_NAMES_MAX = 64, LOAD_NAME_BYTES = 64, LOAD_STEP_NAMES_MAX = 4 };

struct load_tally {
    struct {
        char name[LOAD_NAME_BYTES];
        uint64_t count;
    } rows[LOAD_NAMES_MAX];
    size_t count;
};

struct load_latency {
    const char *name; /* of a kind of request, or of the item */
    struct histogram histogram;
};

struct load_report {
    const struct load_options *options;
    const char *item_name;
    bool is_terminal;
    int64_t started_us, ended_us;
    int64_t processor_began_us, processor_us; /* load_report_end */
    int64_t printed_us;                       /* when progress was told last */
    uint64_t finished_at_print;
    double rate_now; /* items a second since then */
    uint64_t items_finished, items_skipped, items_malformed, items_unknown, items_not_started;
    uint64_t attempts, replayed, polls;
    struct load_tally outcomes, errors;
    struct load_latency item; /* from the intended start to the outcome */
    struct load_latency steps[LOAD_STEP_NAMES_MAX];
    size_t step_count;
};

struct load_report *load_report_create(const struct load_options *options, const char *item_name, int64_t now_us);

/* The first item may start now. Until then load_report_create's is the beginning. */
void load_report_begin(struct load_report *report, int64_t now_us);

/* The run is over: so long it took, and so much processor time of this process, all threads and the kernel's work for
 * them; a server on the same machine has that much less. */
void load_report_end(struct load_report *report, int64_t now_us);

void load_tally_add(struct load_tally *tally, struct str name);
uint64_t load_tally_of(const struct load_tally *tally, const char *name);

/* A step's answer is final; from its first attempt on. `step` must live as long as the report. */
void load_report_step(struct load_report *report, const char *step, int64_t latency_us);

/* The bar (a terminal: twice a second; else a line every 5 s), on standard error. `share` of the work: 0 to 1. */
void load_report_progress(struct load_report *report, int64_t now_us, double share, bool is_last);

void load_report_print(const struct load_report *report, FILE *out);

/* The same as JSON, written beside and renamed into place. */
MUST_CHECK enum err load_report_write(const struct load_report *report, const char *path, struct err_info *info);
