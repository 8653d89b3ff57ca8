/* client.h: what every Kafka client of Daybook shares: how it is configured, and how its errors are told.
 *
 * Promise  librdkafka writes nothing to standard error (libraries do not log); what went wrong is in err_info instead.
 *          A setting that librdkafka does not know is our bug, and asserts. Every client is protected as
 *          client_security.h says.
 * Thread   any.                  May use: base, librdkafka. For core/log, and for loops that read
 *          with librdkafka themselves.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/base/err.h"
#include "core/log/producer.h"

enum {
    /* The largest record batch: a record value of RECORD_MAX_BYTES with its key, headers and the batch's own header. */
    LOG_BATCH_MAX_BYTES = 1024 * 1024 + 64 * 1024,
};

struct client_setting {
    const char *name;
    const char *value; /* NULL: `number` is meant */
    int64_t number;
};

#define CLIENT_TEXT(setting_name, setting_value) ((struct client_setting){(setting_name), (setting_value), 0})
#define CLIENT_NUMBER(setting_name, setting_value)                                                                     \
    ((struct client_setting){(setting_name), NULL, (int64_t)(setting_value)})

/* A configuration for rd_kafka_new, which takes it over. */
rd_kafka_conf_t *client_conf(const char *brokers, const char *client_id, const struct client_setting *settings,
                             size_t count);

/* Sets one more, for text that comes from outside (a transactional id). ERR_CONFIG when librdkafka refuses it. */
MUST_CHECK enum err client_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err_info *info);

/* A client of that configuration, which is consumed either way. */
MUST_CHECK enum err client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_client,
                               struct err_info *info);

/* librdkafka's headers of a record; NULL for none. Owned by the caller until a produce call has succeeded. */
rd_kafka_headers_t *client_headers(const struct log_header *headers, size_t count);

/* The newest header of that name; empty for none. Lives as long as the message. */
struct str client_message_header(const rd_kafka_message_t *message, const char *name);

/* Whether the same request may work later: the broker or the way to it is in trouble, not the request. */
bool client_error_is_passing(rd_kafka_resp_err_t error);

/* ERR_CONFIG: the topic has `partitions`, the setting `shards` is another number. */
enum err client_shards_differ(struct err_info *info, const char *topic, int partitions, int32_t shards);

/* ERR_KAFKA, retriable when the error is a passing one, as "<what>: <librdkafka's words>", and why connections fail,
 * where that is the reason. */
enum err client_error(struct err_info *info, rd_kafka_resp_err_t error, const char *what);

/* The same with other words, and with another judgement of whether it passes. */
enum err client_error_said(struct err_info *info, rd_kafka_resp_err_t error, bool is_passing, const char *what,
                           const char *words);
