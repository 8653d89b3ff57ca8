/* replay.c: `daybook replay STREAM`: what happened to one stream, and how it stood then. */
#include "cmd/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/installation.h"
#include "cmd/replay_fold.h"
#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/ids.h"
#include "core/domain/sku/sku.h"
#include "core/log/topics.h"
#include "core/log/walk.h"
#include "gen/codec.h"
#include "gen/json.h"

enum { LINE_MAX_BYTES = 64 * 1024 * 1024 };

/* Until when to read: nothing set means to the end. */
struct as_of {
    const char *text;
    bool has_version;
    int64_t version;
    bool has_time;
    int64_t time_us;
};

struct replay {
    struct str stream;
    const struct aggregate *aggregate;
    struct as_of as_of;
    bool json;
    struct replay_fold fold;
    struct buf line;

    bool is_later; /* an event behind as-of was met: the time of the first such */
    int64_t later_time;
    int code;
    struct err_info failure;
};

/* ---- arguments ----------------------------------------------------------------------------------------------------
 */

static bool as_of_read(const char *text, struct as_of *ret_as_of) {
    struct as_of as_of = {.text = text};
    as_of.has_version = int64_read(str_of_cstr(text), &as_of.version) && as_of.version >= 0;
    as_of.has_time = !as_of.has_version && timestamp_read(str_of_cstr(text), &as_of.time_us);
    *ret_as_of = as_of;
    return as_of.has_version || as_of.has_time;
}

static int wrong_usage(const char *what, const char *text) {
    fprintf(stderr, "daybook replay: %s%s\nusage: daybook replay %s\n", what, text, replay_command.usage);
    return EXIT_WRONG_USAGE;
}

static int arguments_read(int argc, char **argv, struct replay *replay) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            replay->json = true;
        } else if (strcmp(argv[i], "--as-of") == 0) {
            if (i + 1 == argc || !as_of_read(argv[++i], &replay->as_of)) {
                return wrong_usage("--as-of takes a version or an RFC 3339 time, not ", argv[i]);
            }
        } else if (argv[i][0] == '-') {
            return wrong_usage("there is no option ", argv[i]);
        } else if (!str_is_empty(replay->stream)) {
            return wrong_usage("one stream at a time; too much: ", argv[i]);
        } else {
            replay->stream = str_of_cstr(argv[i]);
        }
    }
    if (str_is_empty(replay->stream)) {
        return wrong_usage("which stream?", "");
    }
    replay->aggregate = aggregate_of_stream(replay->stream);
    if (replay->aggregate == NULL || !stream_id_is_valid(replay->stream)) {
        return wrong_usage("that is not the id of a stream: ", replay->stream.data);
    }
    return EXIT_DONE;
}

/* ---- printing -----------------------------------------------------------------------------------------------------
 */

/* The line in hand goes out; a reader who has gone away (`| head`) ends the replay. */
static bool line_out(struct replay *replay) {
    buf_byte(&replay->line, '\n');
    if (!buf_ok(&replay->line) || fwrite(replay->line.data, 1, replay->line.len, stdout) != replay->line.len) {
        err_set(&replay->failure, ERR_IO, "standard output takes no more");
        replay->code = EXIT_WORLD_FAILED;
        return false;
    }
    return true;
}

static bool event_print(struct replay *replay, const struct event *event, const struct log_record *record) {
    const struct event_meta *meta = &event->meta;
    buf_clear(&replay->line);
    struct buf json;
    buf_init(&json, LINE_MAX_BYTES);
    struct json_writer writer = json_writer_of(&json);
    event_write_json(&writer, event);
    char time[TIMESTAMP_TEXT_MAX + 1];
    time[timestamp_write(meta->occurred_at, time)] = 0;
    const char *name = event_info(event->type)->name;
    if (replay->json) {
        buf_printf(&replay->line, "{\"type\":\"%s\",\"partition\":%d,\"offset\":%" PRId64 ",\"event\":", name,
                   record->partition, record->offset);
        buf_str(&replay->line, buf_text(&json));
        buf_byte(&replay->line, '}');
    } else {
        struct str payload = replay_payload(buf_text(&json));
        buf_printf(&replay->line, "%6" PRId64 "  %s  %-24s by ", meta->version, time, name);
        text_write_shown(&replay->line, meta->actor);
        buf_str(&replay->line, STR(", caused by "));
        text_write_shown(&replay->line, meta->causation_id);
        buf_str(&replay->line, STR("  {"));
        text_write_shown(&replay->line, payload);
    }
    bool goes_on = buf_ok(&json) && line_out(replay);
    buf_release(&json);
    return goes_on;
}

static void reservations_print(struct replay *replay) {
    int64_t counts[RESERVATION_STATUS_RELEASED + 1];
    replay_fold_count_reservations(&replay->fold, counts);
    buf_printf(&replay->line, replay->json ? ",\"reservations\":{" : "\n  reservations:");
    for (int status = RESERVATION_STATUS_HELD; status <= RESERVATION_STATUS_RELEASED; status++) {
        const char *name = reservation_status_name((enum reservation_status)status);
        buf_printf(&replay->line, replay->json ? "%s\"%s\":%" PRId64 : "%s %s %" PRId64,
                   status == RESERVATION_STATUS_HELD ? "" : ",", name, counts[status]);
    }
    buf_printf(&replay->line, replay->json ? "}" : "");
}

static void state_print(struct replay *replay) {
    char time[TIMESTAMP_TEXT_MAX + 1];
    time[timestamp_write(replay->fold.occurred_at, time)] = 0;
    buf_clear(&replay->line);
    if (replay->json) {
        struct json_writer writer = json_writer_of(&replay->line);
        buf_printf(&replay->line, "{\"stream\":\"%.*s\",\"version\":%" PRId64 ",\"occurred_at\":\"%s\",\"state\":",
                   STR_ARGS(replay->stream), replay->fold.version, time);
        replay_fold_write_state(&replay->fold, &writer);
    } else {
        buf_printf(&replay->line, "\n%.*s as it stood at version %" PRId64 " (%s):\n  ", STR_ARGS(replay->stream),
                   replay->fold.version, time);
        replay_fold_show_state(&replay->fold, &replay->line);
    }
    if (replay->aggregate == &sku_aggregate) { /* what a customer's sessions are, is in the state */
        reservations_print(replay);
    }
    buf_printf(&replay->line, replay->json ? "}" : "");
    line_out(replay);
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

static bool is_behind(const struct as_of *as_of, const struct event_meta *meta) {
    return (as_of->has_version && meta->version > as_of->version) ||
           (as_of->has_time && meta->occurred_at > as_of->time_us);
}

static bool stop_with(struct replay *replay, int code) {
    replay->code = code;
    return false;
}

static bool on_record(void *context, const struct log_record *record) {
    struct replay *replay = context;
    if (!str_equal(record->key, shard_key(replay->stream))) {
        return true;
    }
    struct event event;
    bool is_ours;
    enum err err = replay_fold_read(&replay->fold, record->value, replay->stream, &event, &is_ours, &replay->failure);
    if (err != ERR_NONE) {
        return stop_with(replay, err == ERR_STORE ? EXIT_WORLD_FAILED : EXIT_DIFFERENCE);
    }
    if (!is_ours) {
        return true;
    }
    if (is_behind(&replay->as_of, &event.meta)) {
        replay->is_later = true;
        replay->later_time = event.meta.occurred_at;
        return false;
    }
    err = replay_fold_event(&replay->fold, &event, &replay->failure);
    if (err != ERR_NONE) {
        return stop_with(replay, err == ERR_STORE ? EXIT_WORLD_FAILED : EXIT_DIFFERENCE);
    }
    return event_print(replay, &event, record);
}

/* After the last event: what there is to say. */
static int conclude(struct replay *replay) {
    if (replay->fold.version > 0) {
        if (replay->as_of.has_version && replay->as_of.version > replay->fold.version) {
            fprintf(stderr, "daybook replay: there is no version %s yet; the newest is %" PRId64 "\n",
                    replay->as_of.text, replay->fold.version);
        }
        state_print(replay);
        return replay->code;
    }
    if (replay->is_later) {
        char time[TIMESTAMP_TEXT_MAX + 1];
        time[timestamp_write(replay->later_time, time)] = 0;
        fprintf(stderr, "daybook replay: %.*s did not exist as of %s; its first event is of %s\n",
                STR_ARGS(replay->stream), replay->as_of.text, time);
    } else {
        fprintf(stderr, "daybook replay: there is no %s %.*s\n", replay->aggregate->noun, STR_ARGS(replay->stream));
    }
    return EXIT_WORLD_FAILED;
}

static int run(const struct config *config, int argc, char **argv) {
    struct replay replay = {0};
    int code = arguments_read(argc, argv, &replay);
    code = code == EXIT_DONE ? installation_log_check(config, "replay") : code;
    if (code != EXIT_DONE) {
        return code;
    }
    struct log_topics topics;
    log_topics_name(&topics, config->topic_prefix);
    struct log_partition partition = {
        .topic = topics.names[log_topic_of_family(str_of_cstr(replay.aggregate->family))],
        .partition = shard_of_stream(replay.stream, (uint32_t)config->shards),
        .offset = WALK_FROM_FIRST,
    };
    const struct log_walk walk = {
        .brokers = config->kafka_brokers,
        .client_id = "daybook-replay",
        .context = &replay,
        .on_record = on_record,
    };
    replay_fold_init(&replay.fold, replay.aggregate);
    buf_init(&replay.line, LINE_MAX_BYTES);
    struct err_info info;
    if (log_walk(&walk, &partition, 1, &info) != ERR_NONE) {
        fprintf(stderr, "daybook replay: %s\n", info.text);
        code = EXIT_WORLD_FAILED;
    } else if (replay.code != EXIT_DONE) {
        fprintf(stderr, "daybook replay: %s\n", replay.failure.text);
        code = replay.code;
    } else {
        code = conclude(&replay);
    }
    buf_release(&replay.line);
    replay_fold_release(&replay.fold);
    return code;
}

const struct command_line replay_command = {
    .name = "replay",
    .usage = "STREAM [--as-of TIME|VERSION] [--json]",
    .summary = "print the events of one stream, and the state as it stood",
    .help =
        "STREAM is an id such as cart_01JD..., ord_01JD....1, pay_01JD....1.1, prod_01JD..., sku_MUG-1\n"
        "or cat_tree.\n\n"
        "Reads the stream's partition of its family's topic from the first offset to where it ended at the start,\n"
        "prints each event of the stream on a line (version, time, type, actor, cause, payload), and then the state\n"
        "that they fold to, by the very code that the handler uses. The hash chain is checked on the way.\n\n"
        "  --as-of VERSION  up to and with this version\n"
        "  --as-of TIME     up to and with this time, RFC 3339: 2026-11-23T12:00:00Z\n"
        "  --json           each line a JSON object: first the events, last the state\n\n"
        "Memory: 64 MiB of records read ahead, two states, and 150 bytes for each reservation of a SKU.\n\n"
        "Exit codes: 0 done; 1 the log cannot be read, the stream does not exist, or did not exist yet; 2 wrong "
        "usage,\n"
        "or another number of shards than the log has; 3 the stream's history is broken.",
    .run = run,
};
