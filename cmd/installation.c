#include "cmd/installation.h"

#include <stdio.h>

#include "cmd/command.h"
#include "core/log/topics.h"
#include "core/vault/vault.h"

enum { LOG_TIMEOUT_MS = 2000, SUBCOMMAND_TIMEOUT_MS = 10000 };

static enum err check_log(const struct config *config, int timeout_ms, struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, config->topic_prefix);
    return log_topics_check_shards(config->kafka_brokers, &topics, (int32_t)config->shards, timeout_ms, info);
}

static enum err check_secret(const struct config *config, struct err_info *info) {
    struct secret secret;
    enum err err = secret_load(config->secret_file, &secret, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct pg_session *session = NULL;
    err = pg_session_open(config->postgres, "daybook-serve", &session, info);
    err = err == ERR_NONE ? vault_check_secret(session, &secret, info) : err;
    pg_session_close(session);
    secret_forget(&secret);
    return err;
}

enum err installation_check(struct installation *installation, struct err_info *info) {
    enum err log = ERR_NONE, secret = ERR_NONE;
    struct err_info about_secret = {0};
    if (!installation->log_is_ours) {
        log = check_log(installation->config, LOG_TIMEOUT_MS, info);
        installation->log_is_ours = log == ERR_NONE;
    }
    if (!installation->secret_is_ours) {
        secret = check_secret(installation->config, &about_secret);
        installation->secret_is_ours = secret == ERR_NONE;
    }
    if (log == ERR_CONFIG || secret == ERR_NONE) {
        return log;
    }
    if (secret == ERR_CONFIG || log == ERR_NONE) {
        *info = about_secret;
        return secret;
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
