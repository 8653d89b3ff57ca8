/* migrate.c: `daybook migrate`: the tables of the read models and of the vault. */
#include "cmd/command.h"
#include "cmd/vault.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/macros.h"
#include "projections/runtime/schema.h"

/* A view whose tables were made for another format is left as it is: a rebuild replaces it. */
static enum err migrate_view(struct pg_session *session, const struct view *view, struct err_info *info) {
    int steps = 0;
    struct view_about about = {0};
    enum err failure = view_schema_migrate(session, view, view->name, &steps, info);
    failure = failure == ERR_NONE ? view_schema_about(session, view->name, &about, info) : failure;
    if (failure != ERR_NONE) {
        return failure;
    }
    if (about.is_there && about.format != view->format) {
        printf("%-10s has format %" PRId64
               ", this version makes %d: left as it is; docs/operations.md, \"Upgrading\"\n",
               view->name, about.format, view->format);
    } else {
        printf("%-10s %s\n", view->name, steps == 0 ? "is up to date" : "was brought up to date");
    }
    return ERR_NONE;
}

static enum err migrate_all(const struct config *config, struct err_info *info) {
    struct pg_session *session = NULL;
    enum err failure = pg_session_open(config->postgres, "daybook-migrate", &session, info);
    for (size_t i = 0; i < view_count && failure == ERR_NONE; i++) {
        failure = migrate_view(session, views[i], info);
    }
    pg_session_close(session);
    return failure == ERR_NONE ? vault_migrate(config, info) : failure;
}

static int run(const struct config *config, int argc, char **argv) {
    if (argc > 1) {
        fprintf(stderr, "daybook migrate takes no arguments (got '%s').\n", argv[1]);
        return EXIT_WRONG_USAGE;
    }
    struct err_info info = {0};
    if (migrate_all(config, &info) != ERR_NONE) {
        fprintf(stderr, "daybook migrate: %s\n", info.text);
        return info.code == ERR_CONFIG ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
    }
    return EXIT_DONE;
}

const struct command_line migrate_command = {
    .name = "migrate",
    .usage = "",
    .summary = "make or update the tables in PostgreSQL",
    .help =
        "Makes one PostgreSQL schema for each read model and one for the vault, or brings them up to date. May be run\n"
        "at any time and by several at once: what is there already is left alone, and each schema is changed in one\n"
        "transaction. A read model whose rows are made differently by this version is left as it is, and said to be\n"
        "of another format: docs/operations.md, \"Upgrading\", has the way from one to the other.\n\n"
        "Keys of persons that stand in the clear, as before there was a ring of master keys, are wrapped under it,\n"
        "and the ring is made when it is absent: run it where a front runs, and keep the file as docs/operations.md\n"
        "says. From then on older fronts answer 503 to check-outs of persons whose keys were wrapped.\n\n"
        "The roles daybook_reader, daybook_writer and daybook_keys, where they exist, may then use these tables:\n"
        "docs/operations.md, \"Who may do what\".\n\n"
        "Exit codes: 0 done, 1 PostgreSQL refused or could not be reached, 2 wrong usage, or there are keys to be\n"
        "wrapped and this machine has neither the ring nor the installation's secret.",
    .run = run,
};
