/* vault.c: `daybook vault`: the keys of persons, and the ring of master keys that they are wrapped under. */
#include "cmd/vault.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "core/base/macros.h"
#include "core/pg/grants.h"
#include "core/pg/migrate.h"
#include "core/vault/upkeep.h"

static void ring_free(struct master_ring **ring) {
    master_free(*ring);
}

static void session_close(struct pg_session **session) {
    pg_session_close(*session);
}

static bool ring_is_in_settings(const struct config *config) {
    return *config->master_keys_secret != '\0';
}

static enum err open_session(const struct config *config, struct pg_session **ret_session, struct err_info *info) {
    return pg_session_open(config_vault_postgres(config), "daybook-vault", ret_session, info);
}

/* ---- migrating --------------------------------------------------------------------------------------------------- */

/* A ring that is made here and gone with this machine would take all keys along. */
static enum err check_place(const struct config *config, struct pg_session *session, struct err_info *info) {
    if (master_exists(config->master_key_file, config->master_keys_secret)) {
        return ERR_NONE;
    }
    struct secret secret = {0};
    bool is_front = access(config->secret_file, R_OK) == 0;
    enum err err = is_front ? secret_load(config->secret_file, &secret, info) : ERR_NOT_FOUND;
    err = err == ERR_NONE ? vault_check_secret(session, &secret, info) : err;
    secret_forget(&secret);
    if (err == ERR_NOT_FOUND || err == ERR_CONFIG) {
        err = err_set(info, ERR_CONFIG,
                      "there are keys to be wrapped, and neither a ring of master keys nor this installation's "
                      "secret_file is here: run it where a front runs, or give the ring");
    }
    return err;
}

static enum err wrap_all(const struct config *config, struct pg_session *session, struct err_info *info) {
    enum err err = check_place(config, session, info);
    if (err != ERR_NONE) {
        return err;
    }
    bool is_new = !master_exists(config->master_key_file, config->master_keys_secret);
    CLEANUP(ring_free) struct master_ring *ring = NULL;
    err = master_load(config->master_key_file, config->master_keys_secret, &ring, info);
    if (err != ERR_NONE) {
        return err;
    }
    if (is_new) {
        printf("%-10s the ring of master keys was made: %s. Every front needs it, and so does the backup.\n", "vault",
               config->master_key_file);
    }
    int64_t done = 0;
    err = vault_rewrap(session, ring, &done, info);
    printf("%-10s %" PRId64 " keys were wrapped under %.*s\n", "vault", done, STR_ARGS(master_id(ring, 0)));
    return err;
}

enum err vault_migrate(const struct config *config, struct err_info *info) {
    CLEANUP(session_close) struct pg_session *session = NULL;
    struct vault_figures figures;
    enum err err = open_session(config, &session, info);
    err = err == ERR_NONE ? pg_migrate_again(session, vault_sql, info) : err;
    err = err == ERR_NONE ? vault_look(session, &figures, info) : err;
    if (err == ERR_NONE && figures.in_the_clear > 0) {
        err = wrap_all(config, session, info);
    }
    bool was_due = false;
    err = err == ERR_NONE ? vault_vacuum(session, &was_due, info) : err;
    err = err == ERR_NONE ? pg_grants_vault(session, info) : err;
    if (err == ERR_NONE) {
        printf("%-10s is up to date%s\n", "vault", was_due ? "; what was left of old keys is removed" : "");
    }
    return err;
}

/* ---- the subcommands --------------------------------------------------------------------------------------------- */

static int failed(const struct err_info *info) {
    fprintf(stderr, "daybook vault: %s\n", info->text);
    bool is_mistake = info->code == ERR_CONFIG || info->code == ERR_NOT_FOUND || info->code == ERR_TOO_LARGE ||
                      (info->code == ERR_CONFLICT && !info->retriable);
    return is_mistake ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
}

/* The ring as it is: looking makes none. */
static enum err load_ring(const struct config *config, struct master_ring **ret_ring, struct err_info *info) {
    if (!master_exists(config->master_key_file, config->master_keys_secret)) {
        return err_set(info, ERR_CONFIG, "there is no ring of master keys: no file %s", config->master_key_file);
    }
    return master_load(config->master_key_file, config->master_keys_secret, ret_ring, info);
}

/* One of the database's, with what this machine's ring says of it. */
static void print_master(const struct vault_master_figures *master, const struct master_ring *ring) {
    size_t index = ring == NULL ? 0 : master_find(ring, str_of_cstr(master->id));
    const char *place = ring == NULL || index == master_count(ring) ? "not in this ring"
                        : index == 0                                ? "wraps"
                                                                    : "unwraps";
    printf("%-32s %10" PRId64 " keys  %s\n", master->id, master->keys, place);
}

static bool is_in_use(const struct vault_figures *figures, struct str id) {
    for (size_t i = 0; i < figures->master_count; i++) {
        if (str_equal(str_of_cstr(figures->masters[i].id), id)) {
            return true;
        }
    }
    return false;
}

/* EXIT_DIFFERENCE: something is to be done. */
static int print_figures(const struct vault_figures *figures, const struct master_ring *ring) {
    bool is_well = figures->in_the_clear == 0 && !figures->has_remains;
    for (size_t i = 0; i < figures->master_count; i++) {
        print_master(&figures->masters[i], ring);
        is_well =
            is_well && ring != NULL && master_find(ring, str_of_cstr(figures->masters[i].id)) < master_count(ring);
    }
    for (size_t i = 0; ring != NULL && i < master_count(ring); i++) {
        if (!is_in_use(figures, master_id(ring, i))) {
            printf("%-32.*s %10d keys  %s\n", STR_ARGS(master_id(ring, i)), 0,
                   i == 0 ? "will wrap" : "added, does not wrap yet");
        }
    }
    printf("%" PRId64 " keys in the clear, %" PRId64 " destroyed%s\n", figures->in_the_clear, figures->destroyed,
           figures->has_remains ? "; old forms of keys are left: daybook vault vacuum" : "");
    return is_well ? EXIT_DONE : EXIT_DIFFERENCE;
}

static int status(const struct config *config, const char *id) {
    (void)id;
    struct err_info info = {0};
    CLEANUP(ring_free) struct master_ring *ring = NULL;
    CLEANUP(session_close) struct pg_session *session = NULL;
    struct vault_figures figures;
    bool has_ring = master_exists(config->master_key_file, config->master_keys_secret);
    if ((has_ring && load_ring(config, &ring, &info) != ERR_NONE) ||
        open_session(config, &session, &info) != ERR_NONE || vault_look(session, &figures, &info) != ERR_NONE) {
        return failed(&info);
    }
    if (!has_ring) {
        printf("there is no ring of master keys here: no file %s\n", config->master_key_file);
    }
    return print_figures(&figures, ring);
}

static int add_master(const struct config *config, const char *id) {
    (void)id;
    struct err_info info = {0};
    if (ring_is_in_settings(config)) {
        char line[MASTER_LINE_MAX + 1];
        if (master_new_line(line, &info) != ERR_NONE) {
            return failed(&info);
        }
        fprintf(stderr,
                "The ring is in master_keys_secret: add this behind what is there, in each front's settings.\n");
        printf("%s", line);
        explicit_bzero(line, sizeof line);
        return EXIT_DONE;
    }
    char added[MASTER_ID_MAX + 1];
    bool is_first = !master_exists(config->master_key_file, NULL);
    if (master_add(config->master_key_file, added, &info) != ERR_NONE) {
        return failed(&info);
    }
    printf("%s was added to %s%s\n", added, config->master_key_file,
           is_first ? ", which was made: it wraps" : "; it wraps nothing yet");
    return EXIT_DONE;
}

static int refuse_settings(const struct config *config) {
    if (ring_is_in_settings(config)) {
        fprintf(stderr, "daybook vault: the ring is in master_keys_secret: change it there\n");
        return EXIT_WRONG_USAGE;
    }
    return EXIT_DONE;
}

static int use_master(const struct config *config, const char *id) {
    struct err_info info = {0};
    if (refuse_settings(config) != EXIT_DONE) {
        return EXIT_WRONG_USAGE;
    }
    if (master_use(config->master_key_file, str_of_cstr(id), &info) != ERR_NONE) {
        return failed(&info);
    }
    printf("%s is the first of %s: fronts that start from now on wrap under it\n", id, config->master_key_file);
    return EXIT_DONE;
}

/* The database first: it knows whether a key is wrapped under it. What is then left in the file is no harm, and the
 * next call removes it. */
static int drop_master(const struct config *config, const char *id) {
    struct err_info info = {0};
    CLEANUP(ring_free) struct master_ring *ring = NULL;
    CLEANUP(session_close) struct pg_session *session = NULL;
    if (load_ring(config, &ring, &info) != ERR_NONE) {
        return failed(&info);
    }
    if (str_equal(master_id(ring, 0), str_of_cstr(id))) {
        fprintf(stderr, "daybook vault: %s is the master key that wraps: `daybook vault use-master` another one\n", id);
        return EXIT_WRONG_USAGE;
    }
    bool is_here = master_find(ring, str_of_cstr(id)) < master_count(ring);
    if (open_session(config, &session, &info) != ERR_NONE ||
        vault_drop_master(session, str_of_cstr(id), &info) != ERR_NONE ||
        (is_here && !ring_is_in_settings(config) &&
         master_drop(config->master_key_file, str_of_cstr(id), &info) != ERR_NONE)) {
        return failed(&info);
    }
    printf("%s is forgotten by the database%s\n", id,
           !is_here                      ? ""
           : ring_is_in_settings(config) ? "; take it out of master_keys_secret"
                                         : ", and is no more in the ring");
    return EXIT_DONE;
}

static int rewrap(const struct config *config, const char *id) {
    (void)id;
    struct err_info info = {0};
    CLEANUP(ring_free) struct master_ring *ring = NULL;
    CLEANUP(session_close) struct pg_session *session = NULL;
    if (load_ring(config, &ring, &info) != ERR_NONE || open_session(config, &session, &info) != ERR_NONE) {
        return failed(&info);
    }
    int64_t done = 0;
    enum err err = vault_rewrap(session, ring, &done, &info);
    if (err == ERR_NONE || done > 0) {
        printf("%" PRId64 " keys were wrapped under %.*s\n", done, STR_ARGS(master_id(ring, 0)));
    }
    return err == ERR_NONE ? EXIT_DONE : err == ERR_MALFORMED ? (failed(&info), EXIT_DIFFERENCE) : failed(&info);
}

static int vacuum(const struct config *config, const char *id) {
    (void)id;
    struct err_info info = {0};
    CLEANUP(session_close) struct pg_session *session = NULL;
    bool was_due = false;
    if (open_session(config, &session, &info) != ERR_NONE || vault_vacuum(session, &was_due, &info) != ERR_NONE) {
        return failed(&info);
    }
    printf("%s\n", was_due ? "what was left of old keys is removed" : "nothing was left of old keys");
    return EXIT_DONE;
}

static const struct {
    const char *name;
    bool takes_id;
    int (*run)(const struct config *config, const char *id);
} verbs[] = {
    {"status", false, status},          {"add-master", false, add_master}, {"use-master", true, use_master},
    {"drop-master", true, drop_master}, {"rewrap", false, rewrap},         {"vacuum", false, vacuum},
};

static int run(const struct config *config, int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < ARRAY_LENGTH(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0 && argc == (verbs[i].takes_id ? 3 : 2)) {
            return verbs[i].run(config, argc == 3 ? argv[2] : NULL);
        }
    }
    fprintf(stderr, "usage: daybook vault %s\n", vault_command.usage);
    return EXIT_WRONG_USAGE;
}

const struct command_line vault_command = {
    .name = "vault",
    .usage = "status | add-master | use-master ID | drop-master ID | rewrap | vacuum",
    .summary = "the keys of persons, and the master keys they are wrapped under",
    .help =
        "status           how many keys are wrapped under which master key, and whether this machine's ring has it; "
        "how\n"
        "                 many stand in the clear or were destroyed.\n"
        "add-master       makes a new master key, the last of the ring: it unwraps, and does not wrap yet. Where the "
        "ring\n"
        "                 is in master_keys_secret, its line is printed and nothing is changed.\n"
        "use-master ID    makes it the first: it wraps from now on.\n"
        "rewrap           wraps all keys under the first, 1,000 a transaction. May be ended and begun again.\n"
        "drop-master ID   forgets one that no key is wrapped under.\n"
        "vacuum           writes the table anew without what was replaced or destroyed. Fronts wait for it.\n\n"
        "To change the master key: add-master; the file to all fronts' hosts, and the fronts started anew one by one;\n"
        "use-master; the same again; rewrap; vacuum; drop-master; the same once more. docs/operations.md, \"The "
        "ring\".\n"
        "Processes that run keep the ring that they started with.\n\n"
        "Exit codes: 0 done; 1 PostgreSQL or the disk failed; 2 wrong usage, or this ring is not the installation's;\n"
        "3 status found something to be done, or rewrap keys that cannot be opened.",
    .run = run,
};
