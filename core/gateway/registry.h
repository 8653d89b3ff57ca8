/* registry.h: the read API of a Confluent Schema Registry, so that its clients read our topics without another server.
 *
 * Source   Confluent Schema Registry API reference (paths, answers and error codes 40401, 40402, 40403, 42202).
 * Promise  ids and versions are those of schemas/registry.tsv; subjects carry the configured topic prefix.
 * Thread   the loop's.           May use: http, generated tables.
 */
#pragma once

#define REGISTRY_TYPE "application/vnd.schemaregistry.v1+json"

struct request;
struct schema;

/* What follows the prefix of the topics in the schema's subject. */
const char *registry_subject_tail(const struct schema *schema);

void registry_schema(struct request *request);
void registry_subjects(struct request *request);
void registry_versions(struct request *request);
void registry_version(struct request *request);
