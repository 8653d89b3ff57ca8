/* oracle_coverage.c: what a run saw, so that many runs can be asked what they never saw. */
#include "core/testing/simulator/oracle_parts.h"

#include <assert.h>
#include <inttypes.h>

#include "core/domain/rejection.h"

static_assert((int)REJECTION_COUNT <= (int)COVERAGE_REJECTIONS_MAX, "a place for each refusal");

static void cover_rejection(struct coverage *coverage, struct str code) {
    enum rejection rejection;
    if (!str_is_empty(code) && rejection_by_code(code, &rejection)) {
        coverage->rejections[rejection]++;
    }
}

void oracle_cover(struct oracle *oracle) {
    struct coverage *coverage = &oracle->coverage;
    coverage->runs = 1;
    coverage->dead_letters = (uint64_t)oracle->dead_letters;
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        for (uint32_t j = 0; j < stream->events.count; j++) {
            assert(stream->events.items[j]->event.type < COVERAGE_TYPES_MAX);
            coverage->events[stream->events.items[j]->event.type]++;
        }
    }
    for (uint32_t i = 0; i < oracle->commands.count; i++) {
        const struct seen_outcome *final = oracle_final(oracle->commands.entries[i].value);
        if (final != NULL) {
            cover_rejection(coverage, final->outcome.rejection);
        }
    }
    lives_cover(oracle);
    const struct journal *journal = oracle->options.journal;
    for (uint32_t i = 0; i < journal->count; i++) {
        const struct journal_entry *entry = journal->entries[i];
        assert(entry->command_type < COVERAGE_TYPES_MAX && (int)entry->told.answer < (int)COVERAGE_ANSWERS);
        coverage->answers[entry->command_type][entry->told.answer]++;
        bool is_recorded = entry->has_key && journal_is_final(&entry->told);
        if (!is_recorded) { /* else it was counted above */
            cover_rejection(coverage, entry->told.rejection);
        }
    }
}

void coverage_add(struct coverage *sum, const struct coverage *one) {
    sum->runs += one->runs;
    sum->aborted_records += one->aborted_records;
    sum->dead_letters += one->dead_letters;
    for (size_t i = 0; i < COVERAGE_TYPES_MAX; i++) {
        sum->events[i] += one->events[i];
        for (size_t j = 0; j < COVERAGE_ANSWERS; j++) {
            sum->answers[i][j] += one->answers[i][j];
        }
    }
    for (size_t i = 0; i < COVERAGE_REJECTIONS_MAX; i++) {
        sum->rejections[i] += one->rejections[i];
    }
    for (size_t i = 0; i < COVERAGE_CHANGES_MAX; i++) {
        sum->changes[i] += one->changes[i];
    }
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void write_events(const struct coverage *coverage, bool seen, FILE *file) {
    for (int type = 1; type < COVERAGE_TYPES_MAX; type++) {
        const struct event_info *info = event_info((uint16_t)type);
        if (info != NULL && (coverage->events[type] > 0) == seen) {
            fprintf(file, seen ? " %s %" PRIu64 "," : " %s,", info->name, coverage->events[type]);
        }
    }
}

static void write_rejections(const struct coverage *coverage, bool seen, FILE *file) {
    for (int i = ACCEPTED + 1; i < REJECTION_COUNT; i++) {
        if ((coverage->rejections[i] > 0) == seen) {
            fprintf(file, seen ? " %s %" PRIu64 "," : " %s,", rejection_info((enum rejection)i)->code,
                    coverage->rejections[i]);
        }
    }
}

static void write_answers(const struct coverage *coverage, FILE *file) {
    for (int type = 1; type < COVERAGE_TYPES_MAX; type++) {
        uint64_t asked = 0;
        for (size_t i = 0; i < COVERAGE_ANSWERS; i++) {
            asked += coverage->answers[type][i];
        }
        if (asked == 0) {
            continue;
        }
        fprintf(file, "  %-22s", command_name((uint16_t)type));
        for (int i = 0; i < COVERAGE_ANSWERS; i++) {
            fprintf(file, " %s %" PRIu64, journal_answer_name((enum journal_answer)i), coverage->answers[type][i]);
        }
        fputc('\n', file);
    }
}

void coverage_write(const struct coverage *coverage, FILE *file) {
    fprintf(file, "%" PRIu64 " runs, %" PRIu64 " aborted records, %" PRIu64 " dead letters\nevents:", coverage->runs,
            coverage->aborted_records, coverage->dead_letters);
    write_events(coverage, true, file);
    fputs("\nevents never seen:", file);
    write_events(coverage, false, file);
    fputs("\nrefusals:", file);
    write_rejections(coverage, true, file);
    fputs("\nrefusals never seen:", file);
    write_rejections(coverage, false, file);
    lives_write(coverage, file);
    fputs("\nrequests:\n", file);
    write_answers(coverage, file);
}
