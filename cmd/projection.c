/* projection.c: `daybook projection`: where the read models stand, made again, compared with the log. */
#include "cmd/command.h"
#include "cmd/installation.h"
#include "cmd/projection_parking.h"

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
#include "projections/runtime/switch.h"

enum { WATERMARK_TIMEOUT_MS = 10000, DIFFERENCES_SHOWN = 50, PROGRESS_US = 2 * MICROS_PER_SECOND };

static int failed(const struct err_info *info) {
    fprintf(stderr, "daybook projection: %s\n", info->text);
    return EXIT_WORLD_FAILED;
}

/* Of what there is nothing of, or where something stands in the way. */
static int refused(const struct err_info *info) {
    (void)failed(info);
    bool is_mistake = info->code == ERR_NOT_FOUND || info->code == ERR_CONFLICT;
    return is_mistake && !info->retriable ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
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
static enum err sum_positions(const struct config *config, const struct view *view, const char *schema,
                              struct pg_session *session, struct log_reader *reader, int64_t *ret_position,
                              int64_t *ret_end, struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, config->topic_prefix);
    size_t count = feed_partition_count(view, config);
    struct feed_partition *partitions = calloc_or_end(count, sizeof *partitions);
    feed_name_partitions(view, config, &topics, partitions);
    enum err failure = view_schema_positions(session, schema, partitions, count, info);
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

/* The live one has the program's tables, if it has its format; of the others no more is told. */
static enum err list_tables(const struct view *view, struct pg_session *session, struct err_info *info) {
    enum err failure = ERR_NONE;
    for (size_t i = 0; i < view->table_count && failure == ERR_NONE; i++) {
        int64_t rows;
        failure = count_rows(session, view->name, view->tables[i].name, &rows, info);
        if (failure == ERR_NONE) {
            printf("  %s %" PRId64, view->tables[i].name, rows);
        }
    }
    return failure;
}

static enum err list_schema(const struct config *config, const struct view *view, enum view_schema which,
                            struct pg_session *session, struct log_reader *reader, struct err_info *info) {
    char schema[SCHEMA_NAME_MAX];
    struct view_about about;
    view_schema_name(view, which, schema);
    enum err failure = view_schema_about(session, schema, &about, info);
    if (failure != ERR_NONE || (!about.is_there && which != VIEW_LIVE)) {
        return failure;
    }
    if (!about.is_there) {
        return err_set(info, ERR_NOT_FOUND, "there is no schema %s that this version knows: run `daybook migrate`",
                       schema);
    }
    int64_t position, end, parked;
    failure = sum_positions(config, view, schema, session, reader, &position, &end, info);
    failure = failure != ERR_NONE ? failure : count_rows(session, schema, "parked", &parked, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    printf("%-17s %12" PRId64 " %12" PRId64 " %8" PRId64 " %7" PRId64, schema, position, end, parked, about.format);
    if (which == VIEW_LIVE && about.format == view->format) {
        failure = list_tables(view, session, info);
    }
    printf("\n");
    return failure;
}

static enum err list_view(const struct config *config, const struct view *view, struct pg_session *session,
                          struct log_reader *reader, struct err_info *info) {
    static const enum view_schema shown[] = {VIEW_LIVE, VIEW_REBUILT, VIEW_OLD, VIEW_FILLING, VIEW_COMPARED};
    enum err failure = ERR_NONE;
    for (size_t i = 0; i < ARRAY_LENGTH(shown) && failure == ERR_NONE; i++) {
        failure = list_schema(config, view, shown[i], session, reader, info);
    }
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
        printf("%-17s %12s %12s %8s %7s  rows\n", "schema", "position", "log's end", "parked", "format");
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

static int switch_view(const struct rebuild_options *options, bool back) {
    struct err_info info = {0};
    if (view_switch(options, back, &info) != ERR_NONE) {
        return refused(&info);
    }
    const char *name = options->view->name;
    printf("%s: what was %s%s is live, what was live is %s%s\n", name, name, back ? "_old" : "_rebuild", name,
           back ? "_rebuild" : "_old");
    return EXIT_DONE;
}

static int rebuild(struct rebuild_options *options, bool and_switch) {
    struct err_info info = {0};
    struct rebuild_result result;
    int64_t began_us = clock_boot_us();
    if (and_switch && view_switch_check(options, false, &info) != ERR_NONE) {
        return refused(&info);
    }
    if (view_rebuild(options, &result, &info) != ERR_NONE) {
        return refused(&info);
    }
    double seconds = (double)(clock_boot_us() - began_us) / MICROS_PER_SECOND;
    printf("%s_rebuild holds %" PRId64 " events, made in %.1f s; %" PRId64 " are parked\n", options->view->name,
           result.counts.events, seconds, result.parked);
    return and_switch ? switch_view(options, false) : EXIT_DONE;
}

static int drop(const struct config *config, const char *schema) {
    struct err_info info = {0};
    struct pg_session *session = NULL;
    enum err failure = pg_session_open(config->postgres, "daybook-projection", &session, &info);
    failure = failure == ERR_NONE ? view_schema_drop(session, schema, &info) : failure;
    pg_session_close(session);
    if (failure != ERR_NONE) {
        return refused(&info);
    }
    printf("%s was dropped\n", schema);
    return EXIT_DONE;
}

static void show_difference(void *context, const struct difference *difference) {
    static const char *const words[] = {
        [ONLY_LIVE] = "only live", [ONLY_REBUILT] = "only rebuilt", [NOT_EQUAL] = "differs"};
    int64_t *shown = context;
    if (++*shown > DIFFERENCES_SHOWN) {
        return;
    }
    bool is_row = !str_is_empty(difference->key);
    printf("%s%s", difference->table, is_row ? " " : "");
    if (is_row) {
        printf("%.*s: %s", STR_ARGS(difference->key), words[difference->kind]);
    } else if (!str_is_empty(difference->columns) && difference->kind != NOT_EQUAL) {
        printf(".%.*s: %s, a column", STR_ARGS(difference->columns), words[difference->kind]);
    } else {
        printf(": %s%s", words[difference->kind], difference->kind == NOT_EQUAL ? "" : ", a table");
    }
    if (difference->kind == NOT_EQUAL && !str_is_empty(difference->columns)) {
        printf(" in %.*s", STR_ARGS(difference->columns));
    }
    printf("\n");
}

static int compare(const struct rebuild_options *options) {
    struct err_info info = {0};
    struct compare_result result;
    int64_t shown = 0;
    if (view_compare(*options, show_difference, &shown, &result, &info) != ERR_NONE) {
        return refused(&info);
    }
    if (result.differences > DIFFERENCES_SHOWN) {
        printf("... and %" PRId64 " more\n", result.differences - DIFFERENCES_SHOWN);
    }
    printf("%s and %s: %" PRId64 " rows compared, %" PRId64 " differences\n", options->view->name, result.side,
           result.rows, result.differences);
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

/* A schema beside a view's live one. */
static bool is_side_schema(const char *name) {
    for (size_t i = 0; i < view_count; i++) {
        for (int which = VIEW_LIVE + 1; which < VIEW_SCHEMAS; which++) {
            char schema[SCHEMA_NAME_MAX];
            view_schema_name(views[i], (enum view_schema)which, schema);
            if (strcmp(schema, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* What was asked for: the words behind `projection`, and behind the name that comes second. */
struct request {
    const char *verb;
    const char *name;
    int count;
    char **rest;
};

static bool says(const struct request *request, const char *verb) {
    return strcmp(request->verb, verb) == 0;
}

/* The only word behind the name. */
static bool has_word(const struct request *request, const char *word) {
    return request->count == 1 && strcmp(request->rest[0], word) == 0;
}

static int run_rebuild(const struct request *request, struct rebuild_options *options) {
    bool and_switch = false;
    for (int i = 0; i < request->count; i++) {
        and_switch = and_switch || strcmp(request->rest[i], "--switch") == 0;
        options->forgets_skips = options->forgets_skips || strcmp(request->rest[i], "--forget-skips") == 0;
    }
    return rebuild(options, and_switch);
}

static int run_request(const struct config *config, const struct request *request, const struct view *view) {
    struct progress progress = {.on_terminal = isatty(STDERR_FILENO) == 1};
    struct rebuild_options options = {
        .config = config, .view = view, .on_progress = show_progress, .context = &progress};
    if (says(request, "rebuild")) {
        return run_rebuild(request, &options);
    }
    if (says(request, "compare")) {
        return compare(&options);
    }
    if (says(request, "switch")) {
        return switch_view(&options, request->count == 1);
    }
    if (says(request, "parked")) {
        return projection_parked(config, view);
    }
    if (says(request, "retry")) {
        return projection_retry(config, view, has_word(request, "--all") ? NULL : request->rest[0]);
    }
    return projection_skip(config, view, request->count, request->rest);
}

/* Before anything is connected to. */
static bool is_request(const struct request *request) {
    if (says(request, "rebuild")) {
        for (int i = 0; i < request->count; i++) {
            if (strcmp(request->rest[i], "--switch") != 0 && strcmp(request->rest[i], "--forget-skips") != 0) {
                return false;
            }
        }
        return true;
    }
    if (says(request, "compare") || says(request, "parked")) {
        return request->count == 0;
    }
    if (says(request, "switch")) {
        return request->count == 0 || has_word(request, "--back");
    }
    if (says(request, "retry")) {
        return request->count == 1 && (request->rest[0][0] != '-' || has_word(request, "--all"));
    }
    return says(request, "skip") && projection_skip_is_meant(request->count, request->rest);
}

static int wrong_usage(void) {
    fprintf(stderr, "usage: daybook projection %s\n", projection_command.usage);
    return EXIT_WRONG_USAGE;
}

static int run(const struct config *config, int argc, char **argv) {
    bool lists = argc == 2 && strcmp(argv[1], "list") == 0;
    bool drops = argc == 3 && strcmp(argv[1], "drop") == 0;
    struct request request = {0};
    if (argc >= 3 && !drops) {
        request = (struct request){.verb = argv[1], .name = argv[2], .count = argc - 3, .rest = argv + 3};
    }
    if (drops && !is_side_schema(argv[2])) {
        fprintf(stderr, "daybook projection: %s is no schema beside a live one, such as orders_old\n", argv[2]);
        return EXIT_WRONG_USAGE;
    }
    if (!lists && !drops && (request.verb == NULL || !is_request(&request))) {
        return wrong_usage();
    }
    const struct view *view = request.verb == NULL ? NULL : find_view(request.name);
    if (request.verb != NULL && view == NULL) {
        return EXIT_WRONG_USAGE;
    }
    int code = installation_log_check(config, "projection");
    if (code != EXIT_DONE) {
        return code;
    }
    return lists ? list(config) : drops ? drop(config, argv[2]) : run_request(config, &request, view);
}

const struct command_line projection_command = {
    .name = "projection",
    .usage =
        "list | rebuild NAME [--switch] [--forget-skips] | compare NAME | switch NAME [--back] | drop SCHEMA |\n"
        "       parked NAME | retry NAME STREAM|--all | skip NAME STREAM --event VERSION --reason TEXT --actor WHO",
    .summary = "show, rebuild, check or switch the read models, and what they set aside",
    .help =
        "list             where each read model stands, the log's end, what is parked, the rows' format and how many "
        "of "
        "each\n"
        "                 table. Positions and ends are sums over the shards; a view at rest stands a few transaction\n"
        "                 markers before the end.\n"
        "rebuild NAME     fills the schema NAME_rebuild from the beginning of the log, beside the live one; what is "
        "skipped\n"
        "                 there is skipped here.\n"
        "  --switch       then switches to it.\n"
        "  --forget-skips tries what was skipped again.\n"
        "compare NAME     compares the live tables with NAME_rebuild, both at the same place in the log; where there "
        "is none,\n"
        "                 with what is filled from the log for it, into NAME_compare. Names the keys that differ and "
        "in which\n"
        "                 columns, and the columns that only one has.\n"
        "switch NAME      puts NAME_rebuild in the live one's place, in one transaction, once it has caught up. What "
        "was live\n"
        "                 is NAME_old then, until it is dropped.\n"
        "  --back         puts NAME_old there again, once it has caught up; what was live is NAME_rebuild.\n"
        "drop SCHEMA      drops NAME_old, NAME_rebuild, NAME_compare or NAME_filling.\n"
        "parked NAME      the streams that are set aside: from where on, since when, why, how many events queue "
        "behind; and\n"
        "                 what was skipped, by whom and why.\n"
        "retry NAME STREAM|--all\n"
        "                 projects what is parked again, from the log, in its order, with what queues behind.\n"
        "skip NAME STREAM --event VERSION --reason TEXT --actor WHO\n"
        "                 the stream goes on without that event, which must be the next one. A record of no known "
        "stream\n"
        "                 is named as `parked` shows it, TOPIC/SHARD/OFFSET, without --event.\n\n"
        "Queries and projectors go on meanwhile.\n\n"
        "Exit codes: 0 done; 1 the log or PostgreSQL failed; 2 wrong usage, there is no such thing, something stands\n"
        "in the way (another format, NAME_old, another command), or another number of shards than the log has;\n"
        "3 compare found a difference, or events stay parked.",
    .run = run,
};
