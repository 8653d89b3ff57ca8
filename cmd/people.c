/* people.c: `daybook people`: the first admin, keys of services, and what else an operator does for people where no
 * route can: before there is anybody who may. */
#include "cmd/command.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/ask.h"
#include "cmd/installation.h"
#include "cmd/people_words.h"
#include "cmd/person_key.h"
#include "core/base/array.h"
#include "core/base/format.h"
#include "core/base/timestamp.h"
#include "core/domain/rejection.h"
#include "core/gateway/identity.h"
#include "core/vault/password.h"
#include "core/vault/token.h"

enum { ARENA_MAX_BYTES = 16 * 1024 * 1024, PASSWORD_LEN = 20, PASSWORD_LASTS_S = 24 * 3600 };

/* 32 letters and digits that nobody takes for one another. */
static const char password_letters[] = "23456789abcdefghijkmnpqrstuvwxyz";
static_assert(sizeof password_letters - 1 == 32, "five bits a letter");

struct people {
    const struct config *config;
    struct arena arena;
    struct err_info info;
};

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static int failed(const struct people *people) {
    fprintf(stderr, "daybook people: %s\n", people->info.text);
    bool is_mistake = people->info.code == ERR_CONFIG || people->info.code == ERR_MALFORMED;
    return is_mistake ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
}

static int wrong_usage(const char *text) {
    fprintf(stderr, "daybook people: %s: daybook people --help\n", text);
    return EXIT_WRONG_USAGE;
}

static int refused(const struct outcome *outcome) {
    enum rejection rejection;
    const char *text = rejection_by_code(outcome->rejection, &rejection) ? rejection_info(rejection)->text : "refused";
    fprintf(stderr, "daybook people: %s (%.*s)\n", text, STR_ARGS(outcome->rejection));
    return EXIT_DIFFERENCE;
}

static bool is_refused(const struct outcome *outcome, enum rejection rejection) {
    return outcome->status == OUTCOME_STATUS_REJECTED &&
           str_equal(outcome->rejection, str_of_cstr(rejection_info(rejection)->code));
}

static enum err send_and_wait(struct people *people, struct command *command, bool (*is_end)(const struct event *event),
                              struct ask_answer *ret_answer) {
    const struct ask ask = {
        .config = people->config, .client_id = "daybook-people", .arena = &people->arena, .is_end = is_end};
    return ask_log(&ask, command, ret_answer, &people->info);
}

/* ---- passwords that are good for one change ---------------------------------------------------------------------- */

struct once {
    char password[PASSWORD_LEN + 1];
    struct sealed verifier; /* sealed */
    int64_t until_us;
};

static void once_forget(struct once *once) {
    explicit_bzero(once->password, sizeof once->password);
}

static enum err once_make(struct people *people, const struct vault_key *key, struct once *ret_once) {
    char verifier[PASSWORD_VERIFIER_MAX];
    uint8_t bytes[PASSWORD_LEN];
    randombytes_buf(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        ret_once->password[i] = password_letters[bytes[i] & 31];
    }
    ret_once->password[PASSWORD_LEN] = '\0';
    explicit_bzero(bytes, sizeof bytes);
    if (!password_make(str_of(ret_once->password, PASSWORD_LEN), verifier)) {
        return err_set(&people->info, ERR_IO, "there is no memory for a password");
    }
    ret_once->verifier = (struct sealed){.plaintext = str_of_cstr(verifier)};
    vault_seal(key, &people->arena, &ret_once->verifier);
    ret_once->verifier.plaintext = (struct str){0}; /* it ends with this function */
    explicit_bzero(verifier, sizeof verifier);
    ret_once->until_us = clock_wall_us() + (int64_t)PASSWORD_LASTS_S * MICROS_PER_SECOND;
    return ERR_NONE;
}

/* Words to standard error, so that standard output is the secret and nothing else. */
static void once_tell(const struct once *once, struct str customer, const char *what) {
    char until[TIMESTAMP_TEXT_MAX + 1];
    until[timestamp_write(once->until_us, until)] = '\0';
    fprintf(stderr, "%s %.*s. The password on standard output is good until %s, for setting another one.\n", what,
            STR_ARGS(customer), until);
    printf("%s\n", once->password);
}

/* ---- the first admin --------------------------------------------------------------------------------------------- */

static void ring_free(struct master_ring **ring) {
    master_free(*ring);
}

/* What became of his address is decided where the address is. */
static bool is_end_of_claim(const struct event *event) {
    return event->type == EVENT_CUSTOMER_VERIFIED || event->type == EVENT_CUSTOMER_CLAIM_REFUSED;
}

static struct role_grant admin_role[] = {{.role = {"admin", 5}}};

/* His id derives from the secret, so there is one, whoever asks and however many at once. */
static int register_admin(struct people *people, const struct secret *secret, struct str customer,
                          const struct vault_key *key, struct str email, const struct once *once) {
    struct arena *arena = &people->arena;
    struct command command = {.type = COMMAND_REGISTER_CUSTOMER, .meta.stream = customer};
    command.as.register_customer = (struct register_customer){
        .email = {.plaintext = email},
        .password = once->verifier,
        .identity = identity_of_email(arena, secret, email),
        .key_id = key->id,
        .email_key = vault_key_id_of_email(arena, secret, email),
        .roles = {admin_role, 1, 1},
        .verified = true,
        .once_until = once->until_us,
    };
    vault_seal(key, arena, &command.as.register_customer.email);
    struct ask_answer answer;
    if (send_and_wait(people, &command, is_end_of_claim, &answer) != ERR_NONE) {
        int code = failed(people);
        fprintf(stderr, "If he is made yet, his password is nobody's: daybook people admin --again\n");
        return code;
    }
    if (is_refused(&answer.outcome, REJECT_ALREADY_EXISTS)) {
        fprintf(stderr, "There is a first admin already: %.*s. Another password: daybook people admin --again\n",
                STR_ARGS(customer));
        return EXIT_DIFFERENCE;
    }
    if (answer.outcome.status == OUTCOME_STATUS_REJECTED) {
        return refused(&answer.outcome);
    }
    if (answer.event.type == EVENT_CUSTOMER_CLAIM_REFUSED) {
        fprintf(stderr,
                "The address is another customer's, so the first admin cannot have it, and ends by himself. Give that "
                "customer the role: daybook people roles CUS admin\n");
        return EXIT_DIFFERENCE;
    }
    once_tell(once, customer, "The first admin is");
    return EXIT_DONE;
}

static int issue_again(struct people *people, struct str customer, const struct once *once) {
    struct command command = {.type = COMMAND_ISSUE_PASSWORD, .meta.stream = customer};
    command.as.issue_password = (struct issue_password){.password = once->verifier, .once_until = once->until_us};
    struct ask_answer answer;
    if (send_and_wait(people, &command, NULL, &answer) != ERR_NONE) {
        return failed(people);
    }
    if (answer.outcome.status == OUTCOME_STATUS_REJECTED) {
        return refused(&answer.outcome);
    }
    once_tell(once, customer, "There is another password for");
    return EXIT_DONE;
}

static enum err load_keys(struct people *people, struct secret *ret_secret, struct master_ring **ret_ring) {
    const struct config *config = people->config;
    struct installation installation = installation_of(config, true);
    enum err err = installation_check(&installation, &people->info);
    err = err == ERR_NONE ? secret_load(config->secret_file, ret_secret, &people->info) : err;
    return err == ERR_NONE ? master_load(config->master_key_file, config->master_keys_secret, ret_ring, &people->info)
                           : err;
}

/* `email` is NULL: another password for him who is there. */
static int make_admin(struct people *people, const struct str *email) {
    CLEANUP(secret_forget) struct secret secret = {0};
    CLEANUP(ring_free) struct master_ring *ring = NULL;
    if (load_keys(people, &secret, &ring) != ERR_NONE) {
        return failed(people);
    }
    struct str customer = identity_first_admin(&people->arena, &secret);
    struct str key_id = vault_key_id_of_customer(&people->arena, &secret, customer);
    struct vault_key key = {0};
    enum err err =
        person_key(people->config, ring, key_id, email != NULL ? VAULT_MAKE : VAULT_FIND, &key, &people->info);
    if (err == ERR_NOT_FOUND) {
        fprintf(stderr, email != NULL ? "The first admin was erased: daybook people roles CUS admin makes another one\n"
                                      : "There is no first admin yet: daybook people admin EMAIL\n");
        return EXIT_DIFFERENCE;
    }
    CLEANUP(once_forget) struct once once = {0};
    err = err == ERR_NONE ? once_make(people, &key, &once) : err;
    int code = err != ERR_NONE ? failed(people)
               : email != NULL ? register_admin(people, &secret, customer, &key, *email, &once)
                               : issue_again(people, customer, &once);
    explicit_bzero(&key, sizeof key);
    return code;
}

static int run_admin(struct people *people, int argc, char **argv) {
    bool is_again = argc == 1 && strcmp(argv[0], "--again") == 0;
    struct str email;
    if (is_again) {
        return make_admin(people, NULL);
    }
    if (argc != 1) {
        return wrong_usage("admin takes an address, - for one on standard input, or --again");
    }
    if (!people_email_read(&people->arena, argv[0], stdin, &email)) {
        return wrong_usage("that is no e-mail address");
    }
    return make_admin(people, &email);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* A secret of chance instead of the installation's: nobody sends this request again. So it is made wherever the log can
 * be reached. */
static int run_key(struct people *people, int argc, char **argv) {
    struct people_key_words words;
    const char *why;
    if (!people_key_words_read(&people->arena, argc, argv, &words, &why)) {
        return wrong_usage(why);
    }
    CLEANUP(secret_forget) struct secret chance;
    randombytes_buf(chance.bytes, sizeof chance.bytes);
    struct arena *arena = &people->arena;
    struct command command = {.type = COMMAND_CREATE_API_KEY};
    command.meta.command_id = identity_fresh(arena, (struct str){0}, clock_wall_us());
    command.meta.stream = identity_stream(arena, &chance, STR("key_"), command.meta.command_id);
    struct str text = api_key_write(arena, &chance, command.meta.stream, 1);
    uint8_t hash[API_KEY_HASH_BYTES];
    api_key_hash(text, hash);
    command.as.create_api_key = (struct create_api_key){
        .name = words.name, .roles = words.roles, .hash = str_of((const char *)hash, sizeof hash)};
    struct ask_answer answer;
    if (send_and_wait(people, &command, NULL, &answer) != ERR_NONE) {
        return failed(people);
    }
    if (answer.outcome.status == OUTCOME_STATUS_REJECTED) {
        return refused(&answer.outcome);
    }
    fprintf(stderr, "The key %.*s is made; it is on standard output, and nowhere else.\n",
            STR_ARGS(command.meta.stream));
    printf("%.*s\n", STR_ARGS(text));
    return EXIT_DONE;
}

/* ---- persons ----------------------------------------------------------------------------------------------------- */

static int change_customer(struct people *people, struct command *command, const char *done) {
    struct ask_answer answer;
    if (send_and_wait(people, command, NULL, &answer) != ERR_NONE) {
        return failed(people);
    }
    if (answer.outcome.status == OUTCOME_STATUS_REJECTED) {
        return refused(&answer.outcome);
    }
    printf("%.*s %s\n", STR_ARGS(command->meta.stream), done);
    return EXIT_DONE;
}

static int run_roles(struct people *people, int argc, char **argv) {
    struct command command = {.type = COMMAND_SET_ROLES};
    const char *why;
    if (argc < 1 || !people_customer_read(argv[0], &command.meta.stream)) {
        return wrong_usage("roles takes a customer (cus_...) and all the roles that he is to have");
    }
    if (!people_roles_read(&people->arena, argc - 1, argv + 1, &command.as.set_roles.roles, &why)) {
        return wrong_usage(why);
    }
    return change_customer(people, &command, "has these roles, and no session any more if he had others");
}

static int run_unlock(struct people *people, int argc, char **argv) {
    struct command command = {.type = COMMAND_UNLOCK_CUSTOMER};
    if (argc != 1 || !people_customer_read(argv[0], &command.meta.stream)) {
        return wrong_usage("unlock takes a customer (cus_...)");
    }
    return change_customer(people, &command, "may log in");
}

static int run_suspend(struct people *people, int argc, char **argv) {
    struct command command = {.type = COMMAND_SUSPEND_CUSTOMER};
    if (argc != 2 || !people_customer_read(argv[0], &command.meta.stream)) {
        return wrong_usage("suspend takes a customer (cus_...) and a reason");
    }
    command.as.suspend_customer.reason = str_of_cstr(argv[1]);
    if (!format_matches(FORMAT_SLUG, command.as.suspend_customer.reason)) {
        return wrong_usage("a reason is one word of the house's (a-z 0-9 _ - and dots), since it is kept for ever");
    }
    return change_customer(people, &command, "is suspended, and has no session any more");
}

static int run_reinstate(struct people *people, int argc, char **argv) {
    struct command command = {.type = COMMAND_REINSTATE_CUSTOMER};
    if (argc != 1 || !people_customer_read(argv[0], &command.meta.stream)) {
        return wrong_usage("reinstate takes a customer (cus_...)");
    }
    return change_customer(people, &command, "may log in again");
}

/* ---- the subcommand ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(struct people *people, int argc, char **argv);
} verbs[] = {{"admin", run_admin},   {"key", run_key},         {"roles", run_roles},
             {"unlock", run_unlock}, {"suspend", run_suspend}, {"reinstate", run_reinstate}};

static int run(const struct config *config, int argc, char **argv) {
    struct people people = {.config = config};
    if (sodium_init() < 0) {
        fprintf(stderr, "daybook people: libsodium finds no source of randomness\n");
        return EXIT_WORLD_FAILED;
    }
    for (size_t i = 0; argc > 1 && i < ARRAY_LENGTH(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            arena_init(&people.arena, ARENA_MAX_BYTES);
            int code = installation_log_check(config, "people");
            code = code == EXIT_DONE ? verbs[i].run(&people, argc - 2, argv + 2) : code;
            arena_wipe(&people.arena); /* an address, or the key that was made */
            arena_release(&people.arena);
            return code;
        }
    }
    fprintf(stderr, "usage: daybook people %s\n", people_command.usage);
    return EXIT_WRONG_USAGE;
}

const struct command_line people_command = {
    .name = "people",
    .usage =
        "admin EMAIL | admin --again | key NAME --role ROLE ... [--vendor NAME] | roles CUS [ROLE ...] | unlock CUS |\n"
        "       daybook people suspend CUS REASON | reinstate CUS",
    .summary = "the first admin, keys of services, roles and lockouts",
    .help =
        "admin EMAIL      makes the first admin, once in an installation, and prints a password that is good for a "
        "day, "
        "for\n"
        "                 setting another one. EMAIL may be -: then it is read from standard input. On a front's host: "
        "it\n"
        "                 needs secret_file, the ring of master keys and the vault.\n"
        "admin --again    prints another such password for him; his sessions end.\n"
        "key NAME         makes an API key that may what its roles may, and prints it: admin, support, analyst, "
        "auditor,\n"
        "                 service, vendor (whose name follows --vendor). --role may stand there several times.\n"
        "roles CUS ROLE.. gives a customer these roles and takes all others from him: admin, support, analyst, "
        "auditor,\n"
        "                 vendor:NAME. His sessions end.\n"
        "unlock CUS       lets a customer log in who is locked out after too many failures.\n"
        "suspend CUS WORD locks a customer out without erasing him; the word says why, for ever. His sessions end.\n"
        "reinstate CUS    lets him in again.\n\n"
        "What is secret goes to standard output, alone; words go to standard error. Each is a command in the log, by\n"
        "`system`, and is waited for: a handler must run.\n\n"
        "Exit codes: 0 done; 1 the log or the database failed, or nobody answered in a minute; 2 wrong usage or "
        "settings;\n"
        "3 it was refused: there is a first admin already, or no such customer.",
    .run = run,
};
