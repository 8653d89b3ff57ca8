/* config.c: `daybook config`: every setting, its value and what it means. */
#include "cmd/command.h"

#include <stdio.h>

#include "core/base/buf.h"

static int run(const struct config *config, int argc, char **argv) {
    if (argc > 1) {
        fprintf(stderr, "daybook config takes no arguments (got '%s').\n", argv[1]);
        return EXIT_WRONG_USAGE;
    }
    struct buf out;
    buf_init(&out, 1 << 20);
    config_print(config, &out);
    (void)fwrite(out.data, 1, out.len, stdout); /* what was not taken, main tells */
    buf_release(&out);
    return EXIT_DONE;
}

const struct command_line config_command = {
    .name = "config",
    .usage = "",
    .summary = "print every setting, its value and its documentation",
    .help =
        "Prints the configuration as it is in force, in the form of the configuration file: save it, change it, and\n"
        "give it with --config, or name it in DAYBOOK_CONFIG. DAYBOOK_<NAME> in the environment overrides the file.\n"
        "Secrets are not printed: each is a comment, to be filled in or left to the environment.",
    .run = run,
    .is_apart = true,
};
