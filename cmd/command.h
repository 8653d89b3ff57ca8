/* command.h: a subcommand of `daybook`: one file each, one row in the table of main.c.
 *
 * Exit     0 done; 1 the world failed (a broker, a database, a disk); 2 wrong usage or configuration; 3 a check
 *          found a difference.
 * Promise  `run` gets its own arguments (argv[0] is the subcommand's name), loaded configuration, and may log.
 */
#pragma once

#include "core/base/config.h"

enum exit_code { EXIT_DONE = 0, EXIT_WORLD_FAILED = 1, EXIT_WRONG_USAGE = 2, EXIT_DIFFERENCE = 3 };

struct command_line {
    const char *name;
    const char *usage;   /* what follows the name, e.g. "STREAM [--as-of TIME|VERSION]" */
    const char *summary; /* one line */
    const char *help;    /* paragraphs for --help: options, exit codes, examples */
    int (*run)(const struct config *config, int argc, char **argv);
    bool is_apart; /* it speaks to nobody whom a setting names: links.h has nothing to say of it */
};

extern const struct command_line serve_command, topics_command, migrate_command, replay_command, why_command,
    verify_command, export_command, load_command, test_provider_command, projection_command, config_command,
    shards_command, dead_letters_command, vault_command, mail_command, people_command, reconcile_command;
