/* export.c: `daybook export FOLDER`: events and read models as files, for whoever asks with other tools. */
#include "cmd/command.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/export_events.h"
#include "cmd/export_views.h"
#include "cmd/installation.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/log/walk.h"
#include "projections/runtime/view.h"

enum { ASK_TIMEOUT_MS = 10000, PROGRESS_EVERY_US = 5 * MICROS_PER_SECOND, UNREADABLE_SHOWN = 1000 };

struct export_run {
    const struct config *config;
    const char *path;
    struct export_plan plan;
    bool has_codec;
    struct export_folder folder;
    struct export_state state;
    struct export_events events;
    struct export_views views;
    bool has_terminal;
    int64_t told_us;
    int64_t shown;
};

/* ---- arguments ----------------------------------------------------------------------------------------------------
 */

static int wrong_usage(const char *what, const char *text) {
    fprintf(stderr, "daybook export: %s%s\nusage: daybook export %s\n", what, text, export_command.usage);
    return EXIT_WRONG_USAGE;
}

static void want_all(struct export_plan *plan, bool topics, bool models) {
    for (int topic = TOPIC_FIRST_EVENTS; topic < TOPIC_COUNT; topic++) {
        plan->topics[topic] |= topics;
    }
    for (size_t i = 0; i < view_count; i++) {
        plan->views[i] |= models;
    }
}

static int want_topic(struct export_plan *plan, const char *name) {
    enum log_topic topic = log_topic_of_family(str_of_cstr(name));
    if (strcmp(name, "all") == 0) {
        want_all(plan, true, false);
    } else if (topic == TOPIC_COUNT) {
        return wrong_usage("--topic takes catalog, stock, carts, orders, payments, identities, customers, keys, "
                           "categories or all, not ",
                           name);
    } else {
        plan->topics[topic] = true;
    }
    return EXIT_DONE;
}

static int want_view(struct export_plan *plan, const char *name) {
    assert(view_count <= EXPORT_VIEWS_MAX);
    bool is_known = strcmp(name, "all") == 0;
    for (size_t i = 0; i < view_count; i++) {
        bool is_meant = strcmp(name, views[i]->name) == 0 || strcmp(name, "all") == 0;
        plan->views[i] |= is_meant;
        is_known |= is_meant;
    }
    return is_known ? EXIT_DONE : wrong_usage("--view takes the name of a read model or all, not ", name);
}

static int want_format(struct export_run *run, const char *name) {
    bool is_avro = strcmp(name, "avro") == 0;
    run->plan.form.format = is_avro ? EXPORT_AVRO : EXPORT_JSONL;
    return is_avro || strcmp(name, "jsonl") == 0 ? EXIT_DONE : wrong_usage("--format takes jsonl or avro, not ", name);
}

static int want_codec(struct export_run *run, const char *name) {
    bool is_null = strcmp(name, "null") == 0;
    run->has_codec = true;
    run->plan.form.codec = is_null ? CONTAINER_NULL : CONTAINER_DEFLATE;
    return is_null || strcmp(name, "deflate") == 0 ? EXIT_DONE
                                                   : wrong_usage("--codec takes deflate or null, not ", name);
}

static int want_until(struct export_plan *plan, const char *text) {
    plan->has_until = timestamp_read(str_of_cstr(text), &plan->until_us);
    return plan->has_until ? EXIT_DONE : wrong_usage("--until takes an RFC 3339 time, not ", text);
}

static int option_read(struct export_run *run, const char *name, const char *value) {
    if (strcmp(name, "--topic") == 0) {
        return want_topic(&run->plan, value);
    }
    if (strcmp(name, "--view") == 0) {
        return want_view(&run->plan, value);
    }
    if (strcmp(name, "--format") == 0) {
        return want_format(run, value);
    }
    if (strcmp(name, "--codec") == 0) {
        return want_codec(run, value);
    }
    return strcmp(name, "--until") == 0 ? want_until(&run->plan, value) : wrong_usage("there is no option ", name);
}

static bool has_any(const struct export_plan *plan, bool topics) {
    bool any = false;
    for (int topic = TOPIC_FIRST_EVENTS; topics && topic < TOPIC_COUNT; topic++) {
        any |= plan->topics[topic];
    }
    for (size_t i = 0; !topics && i < view_count; i++) {
        any |= plan->views[i];
    }
    return any;
}

static int arguments_read(int argc, char **argv, struct export_run *run) {
    int code = EXIT_DONE;
    for (int i = 1; i < argc && code == EXIT_DONE; i++) {
        if (argv[i][0] != '-' && run->path == NULL) {
            run->path = argv[i];
        } else if (argv[i][0] != '-') {
            code = wrong_usage("one folder at a time; too much: ", argv[i]);
        } else if (i + 1 == argc) {
            code = wrong_usage("a value is missing behind ", argv[i]);
        } else {
            code = option_read(run, argv[i], argv[i + 1]);
            i++;
        }
    }
    if (code != EXIT_DONE) {
        return code;
    }
    if (run->path == NULL) {
        return wrong_usage("into which folder?", "");
    }
    if (run->plan.form.format == EXPORT_JSONL && run->has_codec) {
        return wrong_usage("--codec is of --format avro", "");
    }
    if (run->plan.form.format == EXPORT_AVRO && !run->has_codec) {
        run->plan.form.codec = CONTAINER_DEFLATE;
    }
    if (!has_any(&run->plan, true) && !has_any(&run->plan, false)) {
        want_all(&run->plan, true, true);
    }
    return EXIT_DONE;
}

/* ---- what is told on the way ---------------------------------------------------------------------------------------
 */

/* A line that rewrites itself on a terminal; elsewhere a line now and then. */
static bool is_time_to_tell(struct export_run *run, bool is_last) {
    int64_t now_us = clock_boot_us();
    if (!run->has_terminal && !is_last && now_us - run->told_us < PROGRESS_EVERY_US) {
        return false;
    }
    run->told_us = now_us;
    return true;
}

static void on_events(void *context, int64_t done, int64_t total) {
    struct export_run *run = context;
    if (is_time_to_tell(run, done >= total)) {
        int percent = total > 0 ? (int)(100.0 * (double)done / (double)total) : 100;
        fprintf(stderr, "%sevents: %3d %% of %" PRId64 " offsets read%s", run->has_terminal ? "\r" : "", percent, total,
                run->has_terminal && done < total ? "" : "\n");
    }
}

static void on_rows(void *context, const char *view, int64_t rows) {
    struct export_run *run = context;
    if (is_time_to_tell(run, false)) {
        fprintf(stderr, "%sview %s: %" PRId64 " rows%s", run->has_terminal ? "\r" : "", view, rows,
                run->has_terminal ? "" : "\n");
    }
}

static void on_unreadable(void *context, const struct log_record *record, const char *why) {
    struct export_run *run = context;
    if (run->shown++ < UNREADABLE_SHOWN) {
        fprintf(stderr, "daybook export: %s[%" PRId32 "] at offset %" PRId64 " is left out: %s\n", record->topic,
                record->partition, record->offset, why);
    }
}

static int failed(enum err err, const struct err_info *info) {
    fprintf(stderr, "daybook export: %s\n", info->text);
    return err == ERR_CONFIG ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
}

/* ---- a run --------------------------------------------------------------------------------------------------------
 */

static enum err cluster_of(const struct config *config, char ret_id[EXPORT_CLUSTER_MAX], struct err_info *info) {
    struct log_reader *reader;
    struct log_reader_options options = {.brokers = config->kafka_brokers, .client_id = "daybook-export"};
    enum err err = log_reader_open(&options, &reader, info);
    if (err == ERR_NONE) {
        err = log_reader_cluster_id(reader, ASK_TIMEOUT_MS, ret_id, EXPORT_CLUSTER_MAX, info);
        log_reader_close(reader);
    }
    return err;
}

/* Where the log ends now is where this export ends. */
static enum err take_ends(struct export_run *run, struct err_info *info) {
    struct export_state *state = &run->state;
    struct log_topics topics;
    log_topics_name(&topics, state->topic_prefix);
    struct log_partition *partitions = calloc_or_end(state->partition_count + 1, sizeof *partitions);
    int64_t *ends = calloc_or_end(state->partition_count + 1, sizeof *ends);
    for (size_t i = 0; i < state->partition_count; i++) {
        partitions[i] =
            (struct log_partition){topics.names[state->partitions[i].topic], state->partitions[i].partition, 0};
    }
    enum err err = ERR_NONE;
    if (state->partition_count > 0) {
        err =
            log_walk_ends(run->config->kafka_brokers, "daybook-export", partitions, state->partition_count, ends, info);
    }
    for (size_t i = 0; i < state->partition_count && err == ERR_NONE; i++) {
        struct export_partition *partition = &state->partitions[i];
        if (ends[i] < partition->next) {
            err = err_set(info, ERR_CONFLICT, "%s[%" PRId32 "] ends at offset %" PRId64 ", before what is exported",
                          partitions[i].topic, partition->partition, ends[i]);
        }
        partition->end = ends[i];
    }
    free(partitions);
    free(ends);
    return err;
}

/* Goes on with what the folder holds, or begins. */
static enum err prepare(struct export_run *run, struct err_info *info) {
    char cluster[EXPORT_CLUSTER_MAX] = "";
    enum err err = has_any(&run->plan, true) ? cluster_of(run->config, cluster, info) : ERR_NONE;
    if (err != ERR_NONE) {
        return err;
    }
    export_state_init(&run->state, &run->plan, run->config->topic_prefix, cluster, (int32_t)run->config->shards);
    err = export_state_read(&run->state, &run->folder, info);
    bool is_new = err == ERR_NOT_FOUND;
    if (err != ERR_NONE && !is_new) {
        return err;
    }
    if (!is_new && !export_state_is_done(&run->state)) {
        fprintf(stderr, "daybook export: going on with the export in %s\n", run->folder.path);
        return ERR_NONE;
    }
    if (!is_new) {
        fprintf(stderr, "daybook export: adding to the export in %s\n", run->folder.path);
    }
    memset(run->state.view_is_done, 0, sizeof run->state.view_is_done);
    err = take_ends(run, info);
    return err != ERR_NONE ? err : export_state_write(&run->state, &run->folder, info);
}

static enum err export_all(struct export_run *run, struct err_info *info) {
    enum err err = prepare(run, info);
    run->events = (struct export_events){.config = run->config,
                                         .folder = &run->folder,
                                         .state = &run->state,
                                         .context = run,
                                         .on_progress = on_events,
                                         .on_unreadable = on_unreadable};
    run->views = (struct export_views){
        .config = run->config, .folder = &run->folder, .state = &run->state, .context = run, .on_progress = on_rows};
    if (err == ERR_NONE && has_any(&run->plan, true)) {
        err = export_events_run(&run->events, info);
    }
    if (err == ERR_NONE && has_any(&run->plan, false)) {
        err = export_views_run(&run->views, info);
    }
    return err != ERR_NONE ? err : export_state_write(&run->state, &run->folder, info);
}

static int conclude(const struct export_run *run) {
    if (run->has_terminal && run->views.row_count > 0) {
        fputc('\n', stderr); /* behind the line that rewrites itself */
    }
    printf("%s: %" PRId64 " events and %" PRId64 " rows in %" PRId64 " files\n", run->folder.path,
           run->events.event_count, run->views.row_count, run->events.file_count + run->views.file_count);
    if (run->state.unreadable == 0) {
        return EXIT_DONE;
    }
    printf("NOT ALL: %" PRId64 " events cannot be read and are left out\n", run->state.unreadable);
    return EXIT_DIFFERENCE;
}

static int run(const struct config *config, int argc, char **argv) {
    struct export_run run = {.config = config, .has_terminal = isatty(STDERR_FILENO) != 0, .told_us = clock_boot_us()};
    int code = arguments_read(argc, argv, &run);
    code = code == EXIT_DONE && has_any(&run.plan, true) ? installation_log_check(config, "export") : code;
    if (code != EXIT_DONE) {
        return code;
    }
    struct err_info info = {0};
    enum err err = export_folder_open(&run.folder, run.path, &info);
    if (err != ERR_NONE) {
        return failed(err, &info);
    }
    err = export_all(&run, &info);
    code = err != ERR_NONE ? failed(err, &info) : conclude(&run);
    export_state_release(&run.state);
    export_folder_close(&run.folder);
    return code;
}

const struct command_line export_command = {
    .name = "export",
    .usage = "FOLDER [--topic NAME]... [--view NAME]... [--format jsonl|avro] [--codec deflate|null] [--until TIME]",
    .summary = "write events and read models into files: JSON lines or Avro",
    .help =
        "Into FOLDER, which is made, or holds an export that this one goes on with:\n"
        "  events/orders/OrderPlaced/...   the events by topic and type, each committed one once\n"
        "  views/orders/order_lines/...    the read models by table, each view as it stood at one moment\n"
        "  export.json                     what it is of, and how far it is\n"
        "docs/audit.md has the forms, and how DuckDB reads them and makes Parquet of them.\n\n"
        "Events are exported up to where each partition ended when the export began. A run that was killed, or found\n"
        "the disk full, is started again with the same words: it goes on behind the last whole part. Started once\n"
        "more after its end it adds the events since, and makes the views anew. Files and folders come to their\n"
        "names when they are whole, and .staging holds what is not.\n\n"
        "  --topic NAME   events of catalog, stock, carts, orders, payments, identities, customers, keys, categories,\n"
        "                 or all; may be repeated\n"
        "  --view NAME    the read model products, stock, carts, orders, payments, customers, keys, sales,\n"
        "                 categories, or all; may be repeated (with neither: all of both)\n"
        "  --format jsonl one JSON object a line (default)\n"
        "  --format avro  object container files with the schemas of the registry; --codec deflate (default) or null\n"
        "  --until TIME   leave out events that the log took later, RFC 3339; of views there is only now\n\n"
        "Fields stand as they do in the log: personal data is sealed. Files can be read by their owner alone.\n\n"
        "Memory: 16 MiB of records read ahead, and for each open file 0.4 MiB, or 0.7 with deflate.\n\n"
        "Exit codes: 0 done; 1 the log, the database or the disk failed, or another export works in FOLDER; 2 wrong\n"
        "usage, another number of shards than the log has, or FOLDER holds something else; 3 done, but events that\n"
        "cannot be read were left out.",
    .run = run,
};
