#include "core/log/client.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/log/client_security.h"

static void conf_set_checked(rd_kafka_conf_t *conf, const char *name, const char *value) {
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, NULL, 0);
    assert(result == RD_KAFKA_CONF_OK);
}

rd_kafka_conf_t *client_conf(const char *brokers, const char *client_id, const struct client_setting *settings,
                             size_t count) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    client_security_apply(conf);
    conf_set_checked(conf, "bootstrap.servers", brokers);
    conf_set_checked(conf, "client.id", client_id);
    /* Nagle's algorithm would hold a small request back while the answer to an earlier one is awaited. */
    conf_set_checked(conf, "socket.nagle.disable", "true");
    conf_set_checked(conf, "socket.keepalive.enable", "true");
    conf_set_checked(conf, "reconnect.backoff.max.ms", "1000");
    for (size_t i = 0; i < count; i++) {
        char number[24];
        int written = snprintf(number, sizeof number, "%" PRId64, settings[i].number);
        assert(written > 0 && (size_t)written < sizeof number);
        conf_set_checked(conf, settings[i].name, settings[i].value != NULL ? settings[i].value : number);
    }
    return conf;
}

enum err client_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err_info *info) {
    char why[192];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
        return err_set(info, ERR_CONFIG, "Kafka client setting %s: %s", name, why);
    }
    return ERR_NONE;
}

enum err client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_client, struct err_info *info) {
    char why[192];
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        return err_set(info, ERR_CONFIG, "Kafka client: %s", why);
    }
    *ret_client = client;
    return ERR_NONE;
}

rd_kafka_headers_t *client_headers(const struct log_header *headers, size_t count) {
    if (count == 0) {
        return NULL;
    }
    rd_kafka_headers_t *list = rd_kafka_headers_new(count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t error =
            rd_kafka_header_add(list, headers[i].name, -1, headers[i].value.data, headers[i].value.len);
        assert(error == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    return list;
}

struct str client_message_header(const rd_kafka_message_t *message, const char *name) {
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return (struct str){0};
    }
    return str_of(value, size);
}

/* The list of what Kafka's protocol guide calls retriable, as far as our clients meet it, and librdkafka's own. The
 * enum has over a hundred values, and new brokers add to them: hence no switch. */
bool client_error_is_passing(rd_kafka_resp_err_t error) {
    static const rd_kafka_resp_err_t passing[] = {
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        RD_KAFKA_RESP_ERR__RESOLVE,
        /* A password or a certificate that does not fit is mended at the broker as well. */
        RD_KAFKA_RESP_ERR__SSL,
        RD_KAFKA_RESP_ERR__AUTHENTICATION,
        RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
        RD_KAFKA_RESP_ERR__TIMED_OUT,
        RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
        RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
        RD_KAFKA_RESP_ERR__WAIT_COORD,
        RD_KAFKA_RESP_ERR__WAIT_CACHE,
        RD_KAFKA_RESP_ERR__QUEUE_FULL,
        RD_KAFKA_RESP_ERR__PURGE_QUEUE,
        RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
        RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
        RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(passing); i++) {
        if (passing[i] == error) {
            return true;
        }
    }
    return false;
}

/* Of these librdkafka does not say why no broker could be asked. */
static bool hides_its_cause(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
           error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE ||
           error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
}

enum err client_error_said(struct err_info *info, rd_kafka_resp_err_t error, bool is_passing, const char *what,
                           const char *words) {
    char trouble[CLIENT_TROUBLE_MAX] = "";
    bool has_cause = hides_its_cause(error) && client_security_trouble(trouble);
    const char *between = has_cause ? "; a connection failed: " : "";
    return is_passing ? err_set_retriable(info, ERR_KAFKA, "%s: %s%s%s", what, words, between, trouble)
                      : err_set(info, ERR_KAFKA, "%s: %s%s%s", what, words, between, trouble);
}

enum err client_error(struct err_info *info, rd_kafka_resp_err_t error, const char *what) {
    return client_error_said(info, error, client_error_is_passing(error), what, rd_kafka_err2str(error));
}

enum err client_shards_differ(struct err_info *info, const char *topic, int partitions, int32_t shards) {
    return err_set(info, ERR_CONFIG,
                   "topic %.100s has %d partitions, but the setting shards is %" PRId32
                   ": set it to the number with which the installation was made",
                   topic, partitions, shards);
}
