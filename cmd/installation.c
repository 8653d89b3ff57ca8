#include "cmd/installation.h"

#include <stdio.h>

#include "cmd/command.h"
#include "core/log/topics.h"
#include "core/vault/upkeep.h"

enum { LOG_TIMEOUT_MS = 2000, SUBCOMMAND_TIMEOUT_MS = 10000 };

static enum err check_log(const struct config *config, int timeout_ms, struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, config->topic_prefix);
    return log_topics_check_shards(config->kafka_brokers, &topics, (int32_t)config->shards, timeout_ms, info);
}

/* The secret first: a ring is compared with, and if it is the first written into, the installation of that secret. */
static enum err check_keys(const struct config *config, struct err_info *info) {
    struct secret secret = {0};
    struct master_ring *ring = NULL;
    struct pg_session *session = NULL;
    enum err err = secret_load(config->secret_file, &secret, info);
    err = err == ERR_NONE ? master_load(config->master_key_file, config->master_keys_secret, &ring, info) : err;
    err = err == ERR_NONE ? pg_session_open(config_vault_postgres(config), "daybook-serve", &session, info) : err;
    err = err == ERR_NONE ? vault_check_secret(session, &secret, info) : err;
    err = err == ERR_NONE ? vault_check_ring(session, ring, info) : err;
    pg_session_close(session);
    master_free(ring);
    secret_forget(&secret);
    return err;
}

enum err installation_check(struct installation *installation, struct err_info *info) {
    enum err log = ERR_NONE, keys = ERR_NONE;
    struct err_info about_keys = {0};
    if (!installation->log_is_ours) {
        log = check_log(installation->config, LOG_TIMEOUT_MS, info);
        installation->log_is_ours = log == ERR_NONE;
    }
    if (!installation->keys_are_ours) {
        keys = check_keys(installation->config, &about_keys);
        installation->keys_are_ours = keys == ERR_NONE;
    }
    if (log == ERR_CONFIG || keys == ERR_NONE) {
        return log;
    }
    if (keys == ERR_CONFIG || log == ERR_NONE) {
        *info = about_keys;
        return keys;
    }
    return log;
}

int installation_log_check(const struct config *config, const char *subcommand) {
    struct err_info info = {0};
    enum err err = check_log(config, SUBCOMMAND_TIMEOUT_MS, &info);
    if (err == ERR_NONE) {
        return EXIT_DONE;
    }
    fprintf(stderr, "daybook %s: %s\n", subcommand, info.text);
    return err == ERR_CONFIG ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
}
