#include "core/gateway/registry.h"

#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/json_write.h"
#include "core/base/text.h"
#include "core/gateway/loop.h"
#include "core/gateway/request.h"
#include "gen/codec.h"

#define DEFAULT_PREFIX "daybook"

enum { PAGE_MAX_BYTES = 1024 * 1024 };

const char *registry_subject_tail(const struct schema *schema) {
    return schema->subject + sizeof DEFAULT_PREFIX - 1;
}

/* The generated subject begins with the default prefix; ours with the configured one. */
static struct str subject_of(const struct request *request, struct arena *arena, const struct schema *schema) {
    return arena_printf(arena, "%s%s", request->loop->gateway->config->topic_prefix, registry_subject_tail(schema));
}

static void refuse(struct request *request, int status, int code, const char *message) {
    struct str body = arena_printf(request_arena(request), "{\"error_code\":%d,\"message\":\"%s\"}", code, message);
    request_answer(request, status, REGISTRY_TYPE, body);
}

void registry_schema(struct request *request) {
    int64_t id;
    const struct schema *schema = NULL;
    if (int64_read(request_parameter(request, "schema"), &id) && id > 0 && id <= UINT32_MAX) {
        schema = schema_by_id((uint32_t)id);
    }
    if (schema == NULL) {
        refuse(request, 404, 40403, "Schema not found");
        return;
    }
    struct buf page;
    buf_init(&page, PAGE_MAX_BYTES);
    struct json_writer writer = json_writer_of(&page);
    json_object_begin(&writer);
    json_field_string(&writer, "schema", str_of_cstr(schema->json));
    json_object_end(&writer);
    request_answer(request, 200, REGISTRY_TYPE, buf_text(&page));
    buf_release(&page);
}

static int compare_texts(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

void registry_subjects(struct request *request) {
    struct arena *arena = request_arena(request);
    struct str *subjects = arena_alloc(arena, schemas_count * sizeof *subjects);
    for (size_t i = 0; i < schemas_count; i++) {
        subjects[i] = subject_of(request, arena, &schemas[i]);
    }
    qsort(subjects, schemas_count, sizeof *subjects, compare_texts);
    struct buf page;
    buf_init(&page, PAGE_MAX_BYTES);
    struct json_writer writer = json_writer_of(&page);
    json_array_begin(&writer);
    for (size_t i = 0; i < schemas_count; i++) {
        if (i == 0 || !str_equal(subjects[i], subjects[i - 1])) {
            json_text(&writer, subjects[i]);
        }
    }
    json_array_end(&writer);
    request_answer(request, 200, REGISTRY_TYPE, buf_text(&page));
    buf_release(&page);
}

void registry_versions(struct request *request) {
    struct arena *arena = request_arena(request);
    struct str subject = request_parameter(request, "subject");
    struct buf page;
    buf_init(&page, PAGE_MAX_BYTES);
    struct json_writer writer = json_writer_of(&page);
    bool is_found = false;
    json_array_begin(&writer);
    for (size_t i = 0; i < schemas_count; i++) {
        if (str_equal(subject_of(request, arena, &schemas[i]), subject)) {
            json_int(&writer, schemas[i].version);
            is_found = true;
        }
    }
    json_array_end(&writer);
    if (is_found) {
        request_answer(request, 200, REGISTRY_TYPE, buf_text(&page));
    } else {
        refuse(request, 404, 40401, "Subject not found");
    }
    buf_release(&page);
}

/* The subject's schema of that version; the newest for 0. */
static const struct schema *find_version(struct request *request, struct str subject, int64_t version,
                                         bool *ret_has_subject) {
    struct arena *arena = request_arena(request);
    const struct schema *found = NULL;
    *ret_has_subject = false;
    for (size_t i = 0; i < schemas_count; i++) {
        if (!str_equal(subject_of(request, arena, &schemas[i]), subject)) {
            continue;
        }
        *ret_has_subject = true;
        bool is_newer = found == NULL || schemas[i].version > found->version;
        if (version == 0 ? is_newer : schemas[i].version == version) {
            found = &schemas[i];
        }
    }
    return found;
}

static void answer_version(struct request *request, struct str subject, const struct schema *schema) {
    struct buf page;
    buf_init(&page, PAGE_MAX_BYTES);
    struct json_writer writer = json_writer_of(&page);
    json_object_begin(&writer);
    json_field_string(&writer, "subject", subject);
    json_field_int(&writer, "version", schema->version);
    json_field_int(&writer, "id", schema->id);
    json_field_string(&writer, "schema", str_of_cstr(schema->json));
    json_object_end(&writer);
    request_answer(request, 200, REGISTRY_TYPE, buf_text(&page));
    buf_release(&page);
}

void registry_version(struct request *request) {
    struct str subject = request_parameter(request, "subject");
    struct str text = request_parameter(request, "version");
    int64_t version = 0;
    bool is_latest = str_equal(text, STR("latest")) || str_equal(text, STR("-1"));
    if (!is_latest && (!int64_read(text, &version) || version < 1 || version > INT32_MAX)) {
        refuse(request, 422, 42202, "The specified version is not a valid version id");
        return;
    }
    bool has_subject;
    const struct schema *schema = find_version(request, subject, version, &has_subject);
    if (!has_subject) {
        refuse(request, 404, 40401, "Subject not found");
    } else if (schema == NULL) {
        refuse(request, 404, 40402, "Version not found");
    } else {
        answer_version(request, subject, schema);
    }
}
