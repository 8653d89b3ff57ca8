#include "core/gateway/gateway.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/gateway/loop.h"
#include "core/gateway/replies.h"
#include "core/gateway/webhook.h"

enum {
    /* A record that was not delivered by then is given up, so that its sender hears 503 before he gives up himself. */
    DELIVERY_TIMEOUT_MS = 4000,
    PRODUCER_CLOSE_MS = 2000,
    /* Commands share requests: those of a millisecond, and where many come those of some more (docs/performance.md). */
    COMMANDS_LINGER_MS = 1,
    COMMANDS_GATHER_MS = 5,
};

static void choose_instance(struct gateway *gateway) {
    uint8_t bytes[ULID_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    ulid_write(bytes, gateway->instance);
    gateway->reply_partition = (int32_t)randombytes_uniform((uint32_t)gateway->config->shards);
}

static enum err open_producer(struct gateway *gateway, struct err_info *info) {
    const struct log_producer_options options = {
        .brokers = gateway->config->kafka_brokers,
        .client_id = "daybook-gateway",
        .linger_ms = COMMANDS_LINGER_MS,
        .gather_ms = COMMANDS_GATHER_MS,
        .delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
    };
    return log_producer_open(&options, &gateway->producer, info);
}

static enum err read_addresses(const char *setting, const char *text, struct address_list *ret_list,
                               struct err_info *info) {
    struct err_info why;
    if (address_list_read(text, ret_list, &why) != ERR_NONE) {
        return err_set(info, ERR_CONFIG, "%s: %.200s", setting, why.text);
    }
    return ERR_NONE;
}

static enum err read_who_may(struct gateway *gateway, struct err_info *info) {
    const struct config *config = gateway->config;
    enum err err = read_addresses("trusted_proxies", config->trusted_proxies, &gateway->trusted_proxies, info);
    if (err == ERR_NONE) {
        err = read_addresses("metrics_from", config->metrics_from, &gateway->metrics_from, info);
    }
    if (err == ERR_NONE) {
        err = cors_read(config->cors_origins, &gateway->cors, info);
    }
    return err == ERR_NONE ? limits_open(config->limits, &gateway->limits, info) : err;
}

/* What nobody's passwords are compared with is made anew at each start. */
static enum err open_passwords(struct gateway *gateway, struct err_info *info) {
    const struct config *config = gateway->config;
    char password[32];
    randombytes_buf(password, sizeof password);
    bool is_made = password_make(str_of(password, sizeof password), gateway->nobodys_verifier);
    sodium_memzero(password, sizeof password);
    if (!is_made) {
        return err_set(info, ERR_IO,
                       "there is no memory to hash a password: %zu bytes are needed for each of "
                       "password_threads",
                       PASSWORD_MEMORY_BYTES);
    }
    enum err err = password_rules_open(config, &gateway->passwords, info);
    return err == ERR_NONE ? hashing_open((int)config->password_threads, HASHINGS_MAX, &gateway->hashing, info) : err;
}

static enum err open_loops(struct gateway *gateway, struct err_info *info) {
    size_t count = (size_t)gateway->config->http_threads;
    gateway->loops = calloc_or_end(count, sizeof *gateway->loops);
    int port = (int)gateway->config->http_port;
    for (size_t i = 0; i < count; i++) {
        enum err err = loop_open(&gateway->loops[i], gateway, (unsigned)i, port, info);
        if (err != ERR_NONE) {
            return err;
        }
        gateway->loop_count++;
        port = http_server_port(gateway->loops[0].server); /* the others share what the first one got */
    }
    return ERR_NONE;
}

static enum err start_loops(struct gateway *gateway, struct err_info *info) {
    for (size_t i = 0; i < gateway->loop_count; i++) {
        if (pthread_create(&gateway->loops[i].thread, NULL, loop_run, &gateway->loops[i]) != 0) {
            return err_set(info, ERR_IO, "no thread could be started for a loop of the gateway");
        }
    }
    return ERR_NONE;
}

/* When one of these fails the process cannot go on and ends; nothing is undone. */
enum err gateway_start(const struct config *config, const struct gateway_peer *peers, size_t peer_count,
                       struct local_replies *local, struct gateway **ret_gateway, struct err_info *info) {
    /* It holds the secret: in libsodium's memory, which is locked, stays out of core files and is wiped when freed. */
    struct gateway *gateway = sodium_init() < 0 ? NULL : sodium_malloc(sizeof *gateway);
    if (gateway == NULL) {
        return err_set(info, ERR_IO, "libsodium gives no memory for the secret");
    }
    memset(gateway, 0, sizeof *gateway);
    gateway->config = config;
    gateway->peers = peers;
    gateway->peer_count = peer_count;
    gateway->local_replies = local;
    gateway->is_open = strcmp(config->access, "open") == 0;
    gateway->roles_need_factor = strcmp(config->staff_second_factor, "required") == 0;
    log_topics_name(&gateway->topics, config->topic_prefix);
    recent_carts_init(&gateway->recent_carts);
    recent_outcomes_init(&gateway->recent_outcomes);
    revocations_init(&gateway->revocations);
    gateway->api_keys = api_keys_open();
    enum err err = webhook_secret_check(config, info);
    if (err == ERR_NONE) {
        err = docs_load(&gateway->docs, config->docs_dir, info);
    }
    if (err == ERR_NONE) {
        err = read_who_may(gateway, info);
    }
    if (err == ERR_NONE) {
        err = secret_load(config->secret_file, &gateway->secret, info);
    }
    if (err == ERR_NONE) {
        err = master_load(config->master_key_file, config->master_keys_secret, &gateway->masters, info);
    }
    if (err == ERR_NONE) {
        err = open_passwords(gateway, info);
    }
    if (err == ERR_NONE) {
        err = certificate_open(&gateway->certificate, config, info);
    }
    if (err == ERR_NONE) {
        choose_instance(gateway);
        err = open_producer(gateway, info);
    }
    if (err == ERR_NONE) {
        err = open_loops(gateway, info);
    }
    if (err == ERR_NONE) {
        err = replies_start(gateway, &gateway->replies, info);
    }
    if (err == ERR_NONE) {
        err = start_loops(gateway, info);
    }
    if (err != ERR_NONE) {
        return err;
    }
    if (local != NULL) {
        local_replies_listen(local, replies_take_local, gateway);
    }
    log_line(LOG_INFO, "gateway", "listening", LOG_CSTR("host", config->http_host),
             LOG_INT("port", gateway_port(gateway)), LOG_INT("loops", gateway->loop_count),
             LOG_CSTR("protocol", gateway->certificate.tls != NULL ? "https" : "http"));
    *ret_gateway = gateway;
    return ERR_NONE;
}

int gateway_port(const struct gateway *gateway) {
    return http_server_port(gateway->loops[0].server);
}

void gateway_stop(struct gateway *gateway) {
    if (gateway == NULL) {
        return;
    }
    atomic_store(&gateway->stopping, true);
    for (size_t i = 0; i < gateway->loop_count; i++) {
        loop_stop(&gateway->loops[i]);
    }
    for (size_t i = 0; i < gateway->loop_count; i++) {
        pthread_join(gateway->loops[i].thread, NULL);
    }
    if (gateway->local_replies != NULL) {
        local_replies_listen(gateway->local_replies, NULL, NULL);
    }
    /* Both may still post letters; a closed mailbox drops them. */
    replies_stop(gateway->replies);
    log_producer_close(gateway->producer, PRODUCER_CLOSE_MS);
    for (size_t i = 0; i < gateway->loop_count; i++) {
        loop_release(&gateway->loops[i]);
    }
    hashing_close(gateway->hashing);
    password_rules_close(&gateway->passwords);
    revocations_release(&gateway->revocations);
    recent_carts_release(&gateway->recent_carts);
    recent_outcomes_release(&gateway->recent_outcomes);
    api_keys_close(gateway->api_keys);
    docs_release(&gateway->docs);
    limits_close(gateway->limits);
    free(gateway->loops);
    certificate_close(&gateway->certificate);
    secret_forget(&gateway->secret);
    master_free(gateway->masters);
    sodium_free(gateway);
}
