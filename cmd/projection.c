/* projection.c: `daybook projection`: where the read models stand, made again, compared with the log. */
#include "cmd/command.h"
#include "cmd/installation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/macros.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/log/reader.h"
#include "projections/runtime/compare.h"

enum { WATERMARK_TIMEOUT_MS = 10000, DIFFERENCES_SHOWN = 50, PROGRESS_US = 2 * MICROS_PER_SECOND };

static int failed(const struct err_info *info) {
    fprintf(stderr, "daybook projection: %s\n", info->text);
    return EXIT_WORLD_FAILED;
}

/* ---- list -----------------------------------------------------------------------------------------------------------
 */

static enum err count_rows(struct pg_session *session, const char *schema, const char *table, int64_t *ret_rows,
                           struct err_info *info) {
    char sql[2 * SCHEMA_NAME_MAX + 64];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.%s", schema, table);
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, sql, NULL, 0, true, &result, info);
    if (failure == ERR_NONE) {
        *ret_rows = pg_get_int8(result, 0, 0);
    }
    return failure;
}

/* Position and lag, summed over the partitions. Transaction markers at a partition's end count as not seen. */
static enum err sum_positions(const struct config *config, const struct view *view, struct pg_session *session,
                              struct log_reader *reader, int64_t *ret_position, int64_t *ret_end,
                              struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, config->topic_prefix);
    size_t count = feed_partition_count(view, config);
    struct feed_partition *partitions = calloc_or_end(count, sizeof *partitions);
    feed_name_partitions(view, config, &topics, partitions);
    enum err failure = view_schema_positions(session, view->name, partitions, count, info);
    *ret_position = *ret_end = 0;
    for (size_t i = 0; i < count && failure == ERR_NONE; i++) {
        int64_t low = 0, high = 0;
        failure = log_reader_watermarks(reader, partitions[i].topic, partitions[i].shard, WATERMARK_TIMEOUT_MS, &low,
                                        &high, info);
        *ret_position += partitions[i].next_offset;
        *ret_end += high;
    }
    free(partitions);
    return failure;
}

static enum err list_view(const struct config *config, const struct view *view, struct pg_session *session,
                          struct log_reader *reader, struct err_info *info) {
    int64_t position, end, parked;
    enum err failure = sum_positions(config, view, session, reader, &position, &end, info);
    failure = failure != ERR_NONE ? failure : count_rows(session, view->name, "parked", &parked, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    printf("%-10s %12" PRId64 " %12" PRId64 " %8" PRId64, view->name, position, end, parked);
    for (size_t i = 0; i < view->table_count && failure == ERR_NONE; i++) {
        int64_t rows;
        failure = count_rows(session, view->name, view->tables[i].name, &rows, info);
        if (failure == ERR_NONE) {
            printf("  %s %" PRId64, view->tables[i].name, rows);
        }
    }
    printf("\n");
    return failure;
}

static int list(const struct config *config) {
    struct err_info info = {0};
    struct pg_session *session = NULL;
    struct log_reader *reader = NULL;
    struct log_reader_options options = {
        .brokers = config->kafka_brokers, .client_id = "daybook-projection", .isolation = LOG_READ_UNCOMMITTED};
    enum err failure = pg_session_open(config->postgres, "daybook-projection", &session, &info);
    failure = failure != ERR_NONE ? failure : log_reader_open(&options, &reader, &info);
    if (failure == ERR_NONE) {
        printf("%-10s %12s %12s %8s  rows\n", "view", "position", "log's end", "parked");
    }
    for (size_t i = 0; i < view_count && failure == ERR_NONE; i++) {
        failure = list_view(config, views[i], session, reader, &info);
    }
    if (reader != NULL) {
        log_reader_close(reader);
    }
    pg_session_close(session);
    return failure == ERR_NONE ? EXIT_DONE : failed(&info);
}

/* ---- rebuild and compare --------------------------------------------------------------------------------------------
 */

struct progress {
    int64_t shown_us;
    bool on_terminal;
};

static void show_progress(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    int64_t now_us = clock_boot_us();
    if (now_us - progress->shown_us < (progress->on_terminal ? PROGRESS_US / 10 : PROGRESS_US) && done < total) {
        return;
    }
    progress->shown_us = now_us;
    fprintf(stderr, "%s%" PRId64 " of %" PRId64 " records (%d %%)%s", progress->on_terminal ? "\r" : "", done, total,
            total == 0 ? 100 : (int)(100 * done / total), progress->on_terminal && done < total ? "" : "\n");
}

static int rebuild(struct rebuild_options *options, bool and_switch) {
    struct err_info info = {0};
    struct feed_counts counts;
    int64_t began_us = clock_boot_us();
    if (view_rebuild(options, &counts, &info) != ERR_NONE) {
        return failed(&info);
    }
    double seconds = (double)(clock_boot_us() - began_us) / MICROS_PER_SECOND;
    printf("%s_rebuild holds %" PRId64 " events, made in %.1f s\n", options->view->name, counts.events, seconds);
    if (and_switch) {
        if (view_switch(options, &info) != ERR_NONE) {
            return failed(&info);
        }
        printf("%s was switched to it\n", options->view->name);
    }
    return EXIT_DONE;
}

static void show_difference(void *context, const char *table, struct str key, enum difference difference) {
    static const char *const words[] = {
        [ONLY_LIVE] = "only live", [ONLY_REBUILT] = "only rebuilt", [NOT_EQUAL] = "differs"};
    int *shown = context;
    if (++*shown <= DIFFERENCES_SHOWN) {
        printf("%s %.*s: %s\n", table, STR_ARGS(key), words[difference]);
    }
}

static int compare(const struct rebuild_options *options) {
    struct err_info info = {0};
    struct compare_result result;
    int shown = 0;
    if (view_compare(*options, show_difference, &shown, &result, &info) != ERR_NONE) {
        return failed(&info);
    }
    if (result.differences > DIFFERENCES_SHOWN) {
        printf("... and %" PRId64 " more\n", result.differences - DIFFERENCES_SHOWN);
    }
    printf("%s: %" PRId64 " rows compared, %" PRId64 " differences\n", options->view->name, result.rows,
           result.differences);
    return result.differences == 0 ? EXIT_DONE : EXIT_DIFFERENCE;
}

/* ---- arguments ------------------------------------------------------------------------------------------------------
 */

static const struct view *find_view(const char *name) {
    for (size_t i = 0; i < view_count; i++) {
        if (strcmp(views[i]->name, name) == 0) {
            return views[i];
        }
    }
    fprintf(stderr, "daybook projection: there is no view '%s'; there are", name);
    for (size_t i = 0; i < view_count; i++) {
        fprintf(stderr, " %s", views[i]->name);
    }
    fprintf(stderr, ".\n");
    return NULL;
}

static int wrong_usage(void) {
    fprintf(stderr, "usage: daybook projection list | rebuild NAME [--switch] | compare NAME\n");
    return EXIT_WRONG_USAGE;
}

static int run(const struct config *config, int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        int code = installation_log_check(config, "projection");
        return code == EXIT_DONE ? list(config) : code;
    }
    bool is_rebuild = argc >= 3 && strcmp(argv[1], "rebuild") == 0;
    bool is_compare = argc == 3 && strcmp(argv[1], "compare") == 0;
    bool and_switch = argc == 4 && strcmp(argv[3], "--switch") == 0;
    if (!(is_compare || (is_rebuild && (argc == 3 || and_switch)))) {
        return wrong_usage();
    }
    const struct view *view = find_view(argv[2]);
    if (view == NULL) {
        return EXIT_WRONG_USAGE;
    }
    int code = installation_log_check(config, "projection");
    if (code != EXIT_DONE) {
        return code;
    }
    struct progress progress = {.on_terminal = isatty(STDERR_FILENO) == 1};
    struct rebuild_options options = {
        .config = config, .view = view, .on_progress = show_progress, .context = &progress};
    return is_rebuild ? rebuild(&options, and_switch) : compare(&options);
}

const struct command_line projection_command = {
    .name = "projection",
    .usage = "list | rebuild NAME [--switch] | compare NAME",
    .summary = "show, rebuild or check the read models",
    .help =
        "list             where each read model stands, the log's end, what is parked, rows of each table. Positions "
        "and\n"
        "                 ends are sums over the shards; a view at rest stands a few transaction markers before the\n"
        "                 end.\n"
        "rebuild NAME     fills the schema NAME_rebuild from the beginning of the log, beside the live one.\n"
        "  --switch       then puts it in the live one's place, in one transaction.\n"
        "compare NAME     rebuilds up to where the live view stands, compares all tables row by row, and names the\n"
        "                 keys that differ. NAME_rebuild is left for a look.\n\n"
        "The live view is kept up to date meanwhile.\n\n"
        "Exit codes: 0 done, 1 the log or PostgreSQL failed, 2 wrong usage or another number of shards than the log "
        "has,\n"
        "3 compare found a difference.",
    .run = run,
};
