#include "core/gateway/asyncapi.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/gateway/loop.h"
#include "core/gateway/registry.h"
#include "core/gateway/request.h"
#include "core/log/topics.h"
#include "gen/codec.h"

enum { DOCUMENT_MAX_BYTES = 4 * 1024 * 1024 };

/* {"$ref": "#/<where><family><between><name>"} */
static void reference(struct json_writer *writer, const char *where, const char *family, const char *between,
                      const char *name) {
    char text[160];
    (void)snprintf(text, sizeof text, "#/%s%s%s%s", where, family, between, name);
    json_object_begin(writer);
    json_field_cstr(writer, "$ref", text);
    json_object_end(writer);
}

/* ---- which events ------------------------------------------------------------------------------------------------ */

/* Event types are numbered from 1 on, without gaps. */
static const struct event_info *next_event(uint16_t *type) {
    return event_info(++*type);
}

/* ---- personal data ----------------------------------------------------------------------------------------------- */

/* Whether the type is, or holds, the record that personal data is sealed in. */
static bool is_sealed(const json_t *type) {
    if (json_is_string(type)) {
        return strcmp(json_string_value(type), "daybook.Sealed") == 0;
    }
    bool found = false;
    size_t index;
    json_t *part;
    json_array_foreach(type, index, part) {
        found = found || is_sealed(part);
    }
    const char *name = json_string_value(json_object_get(type, "name"));
    return found || (name != NULL && strcmp(name, "Sealed") == 0);
}

static void write_personal_data(struct json_writer *writer, const json_t *schema) {
    json_field_object(writer, "x-personal-data");
    json_field_array(writer, "sealed");
    size_t index;
    json_t *member;
    json_array_foreach(json_object_get(schema, "fields"), index, member) {
        if (is_sealed(json_object_get(member, "type"))) {
            json_text(writer, str_of_cstr(json_string_value(json_object_get(member, "name"))));
        }
    }
    json_array_end(writer);
    json_field_cstr(
        writer, "description",
        "Fields that are encrypted under a key of their person's own, which is destroyed when the person is erased. "
        "No other field of an event holds personal data.");
    json_object_end(writer);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void write_message(struct json_writer *writer, const struct event_info *event, const char *topic_prefix) {
    const struct schema *schema = schema_by_id(event->schema_id);
    json_auto_t *record = json_loads(schema->json, 0, NULL);
    assert(record != NULL);
    json_field_object(writer, event->name);
    json_field_cstr(writer, "name", event->name);
    json_field_cstr(writer, "title", event->name);
    json_field_cstr(writer, "summary", json_string_value(json_object_get(record, "doc")));
    json_field_cstr(writer, "contentType", "application/vnd.confluent.avro");
    json_field_raw(writer, "traits", "[{\"$ref\":\"#/components/messageTraits/event\"}]");
    json_field_object(writer, "payload");
    json_field_cstr(writer, "schemaFormat", "application/vnd.apache.avro+json;version=1.9.0");
    json_field_raw(writer, "schema", schema->json);
    json_object_end(writer);
    json_field_cstr(writer, "x-ce-type", event->ce_type);
    char subject[512];
    (void)snprintf(subject, sizeof subject, "%s%s", topic_prefix, registry_subject_tail(schema));
    json_field_cstr(writer, "x-subject", subject);
    json_field_int(writer, "x-version", schema->version);
    json_field_int(writer, "x-schema-id", schema->id);
    write_personal_data(writer, record);
    json_object_end(writer);
}

/* What all events have in common. The headers are those of CloudEvents 1.0, Kafka binding, binary mode. */
static void write_trait(struct json_writer *writer) {
    json_field_object(writer, "event");
    json_field_object(writer, "headers");
    json_field_cstr(writer, "type", "object");
    json_field_object(writer, "properties");
    static const char *const texts[][2] = {
        {"ce_specversion", "1.0 (CloudEvents)."},
        {"ce_id", "The event's id: evt_ and 26 characters. Whoever must not do a thing twice remembers it."},
        {"ce_type", "daybook, the family and the event's name, with dots between them."},
        {"ce_source", "The installation: the prefix of its topics."},
        {"ce_subject", "The stream: the cart, order, product ... that it happened to."},
        {"ce_time", "When it happened: UTC, RFC 3339. Never going back within a stream."},
        {"content-type", "application/vnd.confluent.avro"},
        {"traceparent", "W3C trace context of the request that began it all, where there was one."},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        json_field_object(writer, texts[i][0]);
        json_field_cstr(writer, "type", "string");
        json_field_cstr(writer, "description", texts[i][1]);
        json_object_end(writer);
    }
    json_object_end(writer);
    json_object_end(writer);
    json_field_object(writer, "bindings");
    json_field_object(writer, "kafka");
    json_field_raw(
        writer, "key",
        "{\"type\":\"string\",\"description\":\"What follows the prefix in the stream's id, up to the first dot (of a "
        "sku_ all of it): cart_X, ord_X.1 and pay_X.1.1 have the key X, and lie in one partition of their topics.\"}");
    json_field_cstr(writer, "schemaIdLocation", "payload");
    json_field_cstr(writer, "schemaIdPayloadEncoding", "confluent");
    json_field_cstr(writer, "schemaLookupStrategy", "TopicRecordNameStrategy");
    json_field_cstr(writer, "bindingVersion", "0.5.0");
    json_object_end(writer);
    json_object_end(writer);
    json_field_cstr(writer, "x-compatibility",
                    "FULL_TRANSITIVE: every reader of any version reads what any version has written.");
    json_object_end(writer);
}

static void write_components(struct json_writer *writer, const char *topic_prefix) {
    json_field_object(writer, "components");
    json_field_object(writer, "messageTraits");
    write_trait(writer);
    json_object_end(writer);
    json_field_object(writer, "messages");
    const struct event_info *event;
    for (uint16_t type = 0; (event = next_event(&type)) != NULL;) {
        write_message(writer, event, topic_prefix);
    }
    json_object_end(writer);
    json_object_end(writer);
}

/* ---- channels and operations ------------------------------------------------------------------------------------- */

/* Of a channel, by its messages' names; of an operation, in a list. */
static void write_message_refs(struct json_writer *writer, const char *family, bool is_channel) {
    const struct event_info *event;
    for (uint16_t type = 0; (event = next_event(&type)) != NULL;) {
        if (strcmp(event->family, family) != 0) {
            continue;
        }
        if (is_channel) {
            json_name(writer, str_of_cstr(event->name));
            reference(writer, "components/messages/", "", "", event->name);
        } else {
            reference(writer, "channels/", family, "/messages/", event->name);
        }
    }
}

static void write_channel(struct json_writer *writer, const char *name, const char *family, int shards) {
    json_field_object(writer, family);
    json_field_cstr(writer, "address", name);
    json_field_cstr(writer, "title", family);
    json_field_cstr(
        writer, "description",
        "Read it with isolation.level=read_committed: what was given up stays in the log. The events of a stream are "
        "in one "
        "partition, in the order of their versions (meta.version: 1, 2, 3 ... without gaps), each holding the hash "
        "of the "
        "one before (meta.prev_hash). Between streams there is no order but that of cause (meta.causation_id). An "
        "event is "
        "there once; a consumer that begins again at an older offset sees it again. Nothing is ever changed or "
        "deleted.");
    json_field_object(writer, "messages");
    write_message_refs(writer, family, true);
    json_object_end(writer);
    json_field_object(writer, "bindings");
    json_field_object(writer, "kafka");
    json_field_cstr(writer, "topic", name);
    json_field_int(writer, "partitions", shards);
    json_field_raw(writer, "topicConfiguration", "{\"cleanup.policy\":[\"delete\"],\"retention.ms\":-1}");
    json_field_cstr(writer, "bindingVersion", "0.5.0");
    json_object_end(writer);
    json_object_end(writer);
    json_field_cstr(
        writer, "x-partitioner",
        "murmur2, as the Java client's default: (murmur2(key) & 0x7fffffff) modulo the number of partitions, which "
        "never "
        "changes.");
    json_object_end(writer);
}

static void write_operation(struct json_writer *writer, const char *family) {
    char name[64];
    (void)snprintf(name, sizeof name, "tell-%s", family);
    json_field_object(writer, name);
    json_field_cstr(writer, "action", "send");
    json_field_cstr(writer, "summary", "What has happened, in the transaction that it happened in.");
    json_name(writer, STR("channel"));
    reference(writer, "channels/", family, "", "");
    json_field_array(writer, "messages");
    write_message_refs(writer, family, false);
    json_array_end(writer);
    json_object_end(writer);
}

static void write_document(struct buf *out, const char *topic_prefix, int shards) {
    struct log_topics topics;
    log_topics_name(&topics, topic_prefix);
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_cstr(&writer, "asyncapi", "3.0.0");
    json_field_raw(
        &writer, "info",
        "{\"title\":\"Daybook's events\",\"version\":\"1\",\"description\":\"What has happened to products, stock, "
        "carts, "
        "orders, payments and customers, as Kafka records that anybody may read. Schemas are served at /registry as by "
        "Confluent's "
        "registry.\"}");
    json_field_object(&writer, "channels");
    for (enum log_topic topic = TOPIC_FIRST_EVENTS; topic < TOPIC_COUNT; topic++) {
        write_channel(&writer, topics.names[topic], topics.names[topic] + strlen(topic_prefix) + 1, shards);
    }
    json_object_end(&writer);
    json_field_object(&writer, "operations");
    for (enum log_topic topic = TOPIC_FIRST_EVENTS; topic < TOPIC_COUNT; topic++) {
        write_operation(&writer, topics.names[topic] + strlen(topic_prefix) + 1);
    }
    json_object_end(&writer);
    write_components(&writer, topic_prefix);
    json_object_end(&writer);
}

void asyncapi_document(struct request *request) {
    const struct config *config = request->loop->gateway->config;
    struct buf document;
    buf_init(&document, DOCUMENT_MAX_BYTES);
    write_document(&document, config->topic_prefix, (int)config->shards);
    assert(buf_ok(&document));
    request_answer_json(request, 200, buf_text(&document));
    buf_release(&document);
}
