#include "cmd/projection_parking.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "core/base/text.h"
#include "projections/runtime/parking.h"

enum { SHOWN_MAX = 100, ARENA_MAX_BYTES = 16 * 1024 * 1024 };

/* What was asked for is not there, or is not so: the caller's mistake. */
static int failed(const struct err_info *info) {
    fprintf(stderr, "daybook projection: %s\n", info->text);
    bool is_mistake = info->code == ERR_NOT_FOUND || info->code == ERR_CONFLICT || info->code == ERR_TOO_LARGE;
    return is_mistake && !info->retriable ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
}

/* ---- parked ---------------------------------------------------------------------------------------------------------
 */

static void show_parked(void *context, const struct parked_stream *stream) {
    (void)context;
    printf("%.*s", STR_ARGS(stream->name));
    if (stream->version > 0) {
        printf(" version %" PRId64, stream->version);
    }
    printf("  %.*s  from %.*s[%" PRId64 "] at %" PRId64 ", %" PRId64 " behind: %.*s\n", STR_ARGS(stream->appended_at),
           STR_ARGS(stream->topic), stream->shard, stream->log_offset, stream->behind, STR_ARGS(stream->reason));
}

static void show_skipped(void *context, const struct skipped_event *event) {
    (void)context;
    printf("skipped: %.*s", STR_ARGS(event->name));
    if (event->version > 0) {
        printf(" version %" PRId64, event->version);
    }
    printf("  %.*s  by %.*s: %.*s\n", STR_ARGS(event->skipped_at), STR_ARGS(event->actor), STR_ARGS(event->reason));
    printf("  it was parked for: %.*s\n", STR_ARGS(event->parked_reason));
}

static void show_rest(int64_t all, const char *what) {
    if (all > SHOWN_MAX) {
        printf("... and %" PRId64 " more %s\n", all - SHOWN_MAX, what);
    }
}

int projection_parked(const struct config *config, const struct view *view) {
    struct err_info info = {0};
    const struct parking_options options = {.config = config, .view = view};
    struct parking_list list = {.limit = SHOWN_MAX, .on_parked = show_parked, .on_skipped = show_skipped};
    if (parking_look(&options, &list, &info) != ERR_NONE) {
        return failed(&info);
    }
    show_rest(list.parked, "parked events");
    show_rest(list.skipped, "skipped before");
    printf("%s: %" PRId64 " streams parked, %" PRId64 " events skipped\n", view->name, list.parked, list.skipped);
    return EXIT_DONE;
}

/* ---- retry ----------------------------------------------------------------------------------------------------------
 */

static int retry(const struct parking_options *options, struct str stream) {
    struct err_info info = {0};
    struct parking_result result;
    struct arena arena;
    arena_init(&arena, ARENA_MAX_BYTES);
    int code = EXIT_DONE;
    if (parking_retry(options, stream, &arena, &result, &info) != ERR_NONE) {
        code = failed(&info);
    } else {
        printf("%s: %" PRId64 " events projected, %" PRId64 " streams go on, %" PRId64 " events are still parked\n",
               options->view->name, result.projected, result.streams, result.parked);
        if (!str_is_empty(result.stuck)) {
            printf("%.*s\n", STR_ARGS(result.stuck));
        }
        code = result.parked == 0 ? EXIT_DONE : EXIT_DIFFERENCE;
    }
    arena_release(&arena);
    return code;
}

int projection_retry(const struct config *config, const struct view *view, const char *stream) {
    const struct parking_options options = {.config = config, .view = view};
    if (stream != NULL && parking_is_place(str_of_cstr(stream))) {
        fprintf(stderr, "daybook projection: %s is a record of no known stream: retry %s --all tries those as well\n",
                stream, view->name);
        return EXIT_WRONG_USAGE;
    }
    return retry(&options, stream == NULL ? STR("") : str_of_cstr(stream));
}

/* ---- skip -----------------------------------------------------------------------------------------------------------
 */

/* STREAM --event VERSION --reason TEXT --actor WHO, the options in any order; a place has no --event. */
static bool read_decision(int count, char **arguments, struct skip_decision *ret_decision) {
    if (count < 1 || count % 2 == 0 || arguments[0][0] == '-') {
        return false;
    }
    struct skip_decision decision = {.stream = str_of_cstr(arguments[0])};
    for (int i = 1; i + 1 < count; i += 2) {
        struct str value = str_of_cstr(arguments[i + 1]);
        if (strcmp(arguments[i], "--reason") == 0) {
            decision.reason = value;
        } else if (strcmp(arguments[i], "--actor") == 0) {
            decision.actor = value;
        } else if (strcmp(arguments[i], "--event") != 0 || !int64_read(value, &decision.version)) {
            return false;
        }
    }
    *ret_decision = decision;
    bool is_placed = parking_is_place(decision.stream) ? decision.version == 0 : decision.version > 0;
    return is_placed && !str_is_empty(decision.reason) && !str_is_empty(decision.actor);
}

bool projection_skip_is_meant(int count, char **arguments) {
    struct skip_decision decision;
    return read_decision(count, arguments, &decision);
}

int projection_skip(const struct config *config, const struct view *view, int count, char **arguments) {
    const struct parking_options options = {.config = config, .view = view};
    struct skip_decision decision;
    struct err_info info = {0};
    if (!read_decision(count, arguments, &decision)) {
        return EXIT_WRONG_USAGE;
    }
    if (parking_skip(&options, &decision, &info) != ERR_NONE) {
        return failed(&info);
    }
    printf("%s: %s is skipped from now on, here and in every rebuild\n", view->name, arguments[0]);
    return decision.version == 0 ? EXIT_DONE : retry(&options, decision.stream);
}
