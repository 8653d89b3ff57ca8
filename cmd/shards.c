/* shards.c: `daybook shards`: where the handlers stand in each shard's commands, and how a person sets that. */
#include "cmd/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/installation.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/handler/places.h"

static int failed(const struct err_info *info) {
    fprintf(stderr, "daybook shards: %s\n", info->text);
    return info->code == ERR_CONFLICT ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
}

static const char *verdict_of(const struct place *place) {
    if (place->next < 0) {
        return place->end == 0 ? "never used" : "no offset: set it, or its handler stops the shard";
    }
    if (place->next < place->first || place->next > place->end) {
        return "outside of the topic: set it, or its handler stops the shard";
    }
    return place->next == place->end ? "nothing waits" : "";
}

static int list(const struct config *config) {
    struct place *places = calloc_or_end((size_t)config->shards, sizeof *places);
    struct err_info info = {0};
    enum err err = places_read(config, places, &info);
    if (err == ERR_NONE) {
        printf("%5s %12s %12s %12s\n", "shard", "next", "first", "end");
        for (int32_t i = 0; i < config->shards; i++) {
            printf("%5" PRId32 " %12" PRId64 " %12" PRId64 " %12" PRId64 "  %s\n", i, places[i].next, places[i].first,
                   places[i].end, verdict_of(&places[i]));
        }
    }
    free(places);
    return err == ERR_NONE ? EXIT_DONE : failed(&info);
}

static int set(const struct config *config, const char *shard_text, const char *next_text) {
    int64_t shard, next;
    if (!int64_read(str_of_cstr(shard_text), &shard) || shard < 0 || shard >= config->shards) {
        fprintf(stderr, "daybook shards: a shard is a number from 0 to %" PRId64 ", not '%s'\n", config->shards - 1,
                shard_text);
        return EXIT_WRONG_USAGE;
    }
    if (!int64_read(str_of_cstr(next_text), &next) || next < 0) {
        fprintf(stderr, "daybook shards: an offset is a number, not '%s'\n", next_text);
        return EXIT_WRONG_USAGE;
    }
    struct err_info info = {0};
    if (place_set(config, (int32_t)shard, next, &info) != ERR_NONE) {
        return failed(&info);
    }
    printf("shard %" PRId64 " goes on with the command at %" PRId64 "\n", shard, next);
    return EXIT_DONE;
}

static int run(const struct config *config, int argc, char **argv) {
    bool sets = argc == 4 && strcmp(argv[1], "set") == 0;
    if (argc != 1 && !sets) {
        fprintf(stderr, "usage: daybook shards %s\n", shards_command.usage);
        return EXIT_WRONG_USAGE;
    }
    int code = installation_log_check(config, "shards");
    if (code != EXIT_DONE) {
        return code;
    }
    return sets ? set(config, argv[2], argv[3]) : list(config);
}

const struct command_line shards_command = {
    .name = "shards",
    .usage = "[set SHARD OFFSET]",
    .summary = "show where the handlers stand in each shard's commands, or set it",
    .help =
        "Without arguments: for each shard the offset of the command that is decided next, the first that the topic\n"
        "still has, and its end. Transaction markers count: next may stay a little below end when nothing waits.\n\n"
        "set SHARD OFFSET   for a shard that was stopped because its next command is not known, or is not in the "
        "topic\n"
        "                   (docs/operations.md says when). All handlers must be stopped. Commands below OFFSET are\n"
        "                   never decided; those from it on are, and what was decided before is recognised within\n"
        "                   dedup_window_s and not done again.\n\n"
        "Exit codes: 0 done; 1 the brokers failed; 2 wrong usage, handlers at work, no such offset.",
    .run = run,
};
