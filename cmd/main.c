/* main.c: the ways into Daybook: `daybook [--config FILE] SUBCOMMAND ...`. */
#include "cmd/command.h"

#include <assert.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/links.h"
#include "cmd/secrets_scrub.h"
#include "core/base/logger.h"
#include "core/base/macros.h"
#include "core/base/memory.h"
#include "core/log/client_security.h"

static const struct command_line *const command_lines[] = {
    &serve_command,     &topics_command, &migrate_command, &projection_command,    &replay_command, &why_command,
    &verify_command,    &export_command, &shards_command,  &dead_letters_command,  &vault_command,  &people_command,
    &reconcile_command, &load_command,   &mail_command,    &test_provider_command, &config_command,
};

static void print_overview(FILE *out) {
    fputs("Daybook: an event-sourced order and inventory system.\n\n"
          "usage: daybook [--config FILE] SUBCOMMAND [ARGUMENTS]\n\n",
          out);
    for (size_t i = 0; i < ARRAY_LENGTH(command_lines); i++) {
        fprintf(out, "  %-14s %s\n", command_lines[i]->name, command_lines[i]->summary);
    }
    fputs("\n`daybook SUBCOMMAND --help` says more. Settings come from the file (without --config the one that\n"
          "DAYBOOK_CONFIG names, if any) and DAYBOOK_* variables: `daybook config`.\n"
          "Exit codes: 0 done, 1 the world failed, 2 wrong usage or configuration, 3 a check found a difference.\n",
          out);
}

static const struct command_line *find_command(const char *name) {
    for (size_t i = 0; i < ARRAY_LENGTH(command_lines); i++) {
        if (strcmp(command_lines[i]->name, name) == 0) {
            return command_lines[i];
        }
    }
    return NULL;
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

/* The arguments are the subcommand's, and none has a --config of its own. */
static bool has_late_config(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0) {
            return true;
        }
    }
    return false;
}

static enum log_level log_level_of(const char *name) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum log_level)i;
        }
    }
    assert(!"config.def has no other words");
    return LOG_INFO;
}

/* The texts are the configuration's, which outlives every client. */
static enum err secure_clients(const struct config *config, struct err_info *info) {
    const struct client_security security = {.protocol = config->kafka_security,
                                             .ca_file = config->kafka_ca_file,
                                             .mechanism = config->kafka_mechanism,
                                             .username = config->kafka_username,
                                             .password = config->kafka_password};
    return client_security_set(&security, info);
}

static int run_command(int argc, char **argv) {
    const char *config_path = NULL;
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--config") == 0) {
        config_path = argv[2];
        at = 3;
    }
    if (argc == 2 && strcmp(argv[1], "--config") == 0) {
        fputs("daybook: --config needs a file and a subcommand: daybook [--config FILE] SUBCOMMAND\n", stderr);
        return EXIT_WRONG_USAGE;
    }
    if (argc <= at) {
        print_overview(stderr);
        return EXIT_WRONG_USAGE;
    }
    if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0 || strcmp(argv[at], "help") == 0) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    const struct command_line *command = find_command(argv[at]);
    if (command == NULL) {
        fprintf(stderr, "daybook: there is no subcommand '%s'. `daybook --help` lists them.\n", argv[at]);
        return EXIT_WRONG_USAGE;
    }
    if (asks_for_help(argc - at, argv + at)) {
        printf("usage: daybook [--config FILE] %s %s\n\n%s\n", command->name, command->usage, command->help);
        return EXIT_DONE;
    }
    if (has_late_config(argc - at, argv + at)) {
        fprintf(stderr, "daybook: --config stands before the subcommand: daybook --config FILE %s ...\n",
                command->name);
        return EXIT_WRONG_USAGE;
    }
    struct config config;
    struct err_info info = {0};
    if (config_load(&config, config_path, &info) != ERR_NONE) {
        fprintf(stderr, "daybook: %s\n", info.text);
        return EXIT_WRONG_USAGE;
    }
    secrets_scrub();
    log_set_level(log_level_of(config.log_level));
    /* A peer that closes its socket is an error of that write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    /* jansson says no more than "not JSON" when it gets no memory: a client would be told that of a good body. And it
     * copies what passwords and tokens come in. */
    json_set_alloc_funcs(malloc_or_end, free_wiping);
    int code = EXIT_WRONG_USAGE;
    enum err err = command->is_apart ? ERR_NONE : links_check(&config, &info);
    if (err == ERR_NONE) {
        err = secure_clients(&config, &info);
    }
    if (err == ERR_NONE) {
        code = command->run(&config, argc - at, argv + at);
    } else {
        fprintf(stderr, "daybook: %s\n", info.text);
    }
    client_security_clear();
    config_release(&config);
    return code;
}

/* What was printed may still lie in a buffer: on a full disk it is only now that it is refused, and whoever reads the
 * exit code alone must not take half a result for a whole one. */
int main(int argc, char **argv) {
    int code = run_command(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE) {
        fputs("daybook: standard output took not all of the result\n", stderr);
        code = EXIT_WORLD_FAILED;
    }
    return code;
}
