#include "core/handler/places.h"

#include <inttypes.h>

#include "core/handler/group.h"
#include "core/log/client.h"
#include "core/log/topics.h"

enum { TIMEOUT_MS = 10000 };

/* A client that knows the group and never joins it. */
struct visitor {
    rd_kafka_t *client;
    struct log_topics topics;
};

static enum err visitor_open(const struct config *config, struct visitor *visitor, struct err_info *info) {
    char group[GROUP_NAME_MAX];
    handlers_group_name(config->topic_prefix, group);
    const struct client_setting settings[] = {
        CLIENT_TEXT("enable.auto.commit", "false"),
        CLIENT_TEXT("isolation.level", "read_uncommitted"), /* watermarks that count markers, as takeover's do */
    };
    rd_kafka_conf_t *conf = client_conf(config->kafka_brokers, "daybook-shards", settings, ARRAY_LENGTH(settings));
    enum err err = client_conf_set(conf, "group.id", group, info);
    if (err != ERR_NONE) {
        rd_kafka_conf_destroy(conf);
        return err;
    }
    log_topics_name(&visitor->topics, config->topic_prefix);
    return client_new(RD_KAFKA_CONSUMER, conf, &visitor->client, info);
}

static const char *commands_topic(const struct visitor *visitor) {
    return visitor->topics.names[TOPIC_COMMANDS];
}

static enum err ends_read(const struct visitor *visitor, int32_t shard, struct place *place, struct err_info *info) {
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(visitor->client, commands_topic(visitor), shard,
                                                                 &place->first, &place->end, TIMEOUT_MS);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_NONE : client_error(info, error, commands_topic(visitor));
}

enum err places_read(const struct config *config, struct place *ret_places, struct err_info *info) {
    struct visitor visitor;
    enum err err = visitor_open(config, &visitor, info);
    if (err != ERR_NONE) {
        return err;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)config->shards);
    rd_kafka_topic_partition_list_add_range(list, commands_topic(&visitor), 0, (int32_t)config->shards - 1);
    rd_kafka_resp_err_t error = rd_kafka_committed(visitor.client, list, TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err = client_error(info, error, "asking for the group's offsets");
    }
    for (int32_t i = 0; i < config->shards && err == ERR_NONE; i++) {
        int64_t committed = list->elems[i].offset;
        ret_places[i].next = committed < 0 ? -1 : committed; /* RD_KAFKA_OFFSET_INVALID: none */
        err = ends_read(&visitor, i, &ret_places[i], info);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(visitor.client);
    return err;
}

/* A commit from outside is taken only while the group is empty: so no handler is moved under its feet. */
static enum err place_commit(const struct visitor *visitor, int32_t shard, int64_t next, struct err_info *info) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, commands_topic(visitor), shard)->offset = next;
    rd_kafka_resp_err_t error = rd_kafka_commit(visitor->client, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION) {
        return err_set(info, ERR_CONFLICT,
                       "handlers are at work: stop every `daybook serve` with the role handler first (after a kill -9 "
                       "the group forgets it within 6 s)");
    }
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_NONE : client_error(info, error, "setting the group's offset");
}

enum err place_set(const struct config *config, int32_t shard, int64_t next, struct err_info *info) {
    struct visitor visitor;
    enum err err = visitor_open(config, &visitor, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct place place;
    err = ends_read(&visitor, shard, &place, info);
    if (err == ERR_NONE && (next < place.first || next > place.end)) {
        err = err_set(info, ERR_CONFLICT,
                      "shard %" PRId32 " has commands from %" PRId64 " to %" PRId64 ", and no %" PRId64, shard,
                      place.first, place.end, next);
    }
    err = err == ERR_NONE ? place_commit(&visitor, shard, next, info) : err;
    rd_kafka_destroy(visitor.client);
    return err;
}
