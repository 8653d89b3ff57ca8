#include "cmd/export_state.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/macros.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "projections/runtime/view.h"

enum { TEXT_MAX_BYTES = 16 * 1024 * 1024 };

static void json_release(json_t **json) {
    json_decref(*json);
}

void export_state_init(struct export_state *state, const struct export_plan *plan, const char *topic_prefix,
                       const char *cluster, int32_t shards) {
    *state = (struct export_state){.plan = *plan, .topic_prefix = topic_prefix};
    snprintf(state->cluster, sizeof state->cluster, "%s", cluster);
    state->partitions = calloc_or_end(TOPIC_COUNT * (size_t)shards, sizeof *state->partitions);
    for (int topic = TOPIC_FIRST_EVENTS; topic < TOPIC_COUNT; topic++) {
        for (int32_t shard = 0; plan->topics[topic] && shard < shards; shard++) {
            state->partitions[state->partition_count++] =
                (struct export_partition){.topic = (enum log_topic)topic, .partition = shard};
        }
    }
}

void export_state_release(struct export_state *state) {
    free(state->partitions);
}

bool export_state_is_done(const struct export_state *state) {
    for (size_t i = 0; i < state->partition_count; i++) {
        if (state->partitions[i].next < state->partitions[i].end) {
            return false;
        }
    }
    for (size_t i = 0; i < view_count; i++) {
        if (state->plan.views[i] && !state->view_is_done[i]) {
            return false;
        }
    }
    return true;
}

/* ---- writing -------------------------------------------------------------------------------------------------------
 */

static const char *codec_name(enum container_codec codec) {
    return codec == CONTAINER_DEFLATE ? "deflate" : "null";
}

static void put_partitions(struct json_writer *writer, const struct export_state *state,
                           const struct log_topics *topics) {
    json_field_array(writer, "partitions");
    for (size_t i = 0; i < state->partition_count; i++) {
        const struct export_partition *partition = &state->partitions[i];
        json_object_begin(writer);
        json_field_cstr(writer, "topic", topics->names[partition->topic]);
        json_field_int(writer, "partition", partition->partition);
        json_field_int(writer, "next", partition->next);
        json_field_int(writer, "end", partition->end);
        json_object_end(writer);
    }
    json_array_end(writer);
}

enum err export_state_write(const struct export_state *state, const struct export_folder *folder,
                            struct err_info *info) {
    struct log_topics topics;
    struct buf text;
    log_topics_name(&topics, state->topic_prefix);
    buf_init(&text, TEXT_MAX_BYTES);
    struct json_writer writer = json_writer_of(&text);
    json_object_begin(&writer);
    json_field_cstr(&writer, "format", export_format_name(state->plan.form.format));
    json_field_cstr(&writer, "codec", codec_name(state->plan.form.codec));
    json_field_cstr(&writer, "topic_prefix", state->topic_prefix);
    json_field_cstr(&writer, "cluster", state->cluster);
    if (state->plan.has_until) {
        json_field_time(&writer, "until", state->plan.until_us);
    }
    json_field_bool(&writer, "done", export_state_is_done(state));
    json_field_int(&writer, "unreadable", state->unreadable);
    put_partitions(&writer, state, &topics);
    json_field_array(&writer, "views");
    for (size_t i = 0; i < view_count; i++) {
        if (state->plan.views[i]) {
            json_object_begin(&writer);
            json_field_cstr(&writer, "view", views[i]->name);
            json_field_bool(&writer, "done", state->view_is_done[i]);
            json_object_end(&writer);
        }
    }
    json_array_end(&writer);
    json_object_end(&writer);
    enum err err = export_folder_write(folder, "export.json", buf_text(&text), info);
    buf_release(&text);
    return err;
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text != NULL ? text : "";
}

static enum err same(const json_t *json, const char *name, const char *asked, struct err_info *info) {
    const char *there = text_of(json, name);
    return strcmp(there, asked) == 0
               ? ERR_NONE
               : err_set(info, ERR_CONFIG, "the export in the folder has the %s %.60s, not %.60s", name,
                         there[0] != '\0' ? there : "none", asked[0] != '\0' ? asked : "none");
}

static enum err same_until(const json_t *json, const struct export_plan *plan, struct err_info *info) {
    char asked[TIMESTAMP_TEXT_MAX + 1] = "";
    if (plan->has_until) {
        asked[timestamp_write(plan->until_us, asked)] = '\0';
    }
    return same(json, "until", asked, info);
}

static bool offset_read(const json_t *row, const char *name, int64_t *ret_offset) {
    const json_t *offset = json_object_get(row, name);
    *ret_offset = json_integer_value(offset);
    return json_is_integer(offset) && *ret_offset >= 0;
}

/* The partitions are those of the plan, in the same order. An offset that cannot be read is not taken for 0, from which
 * on all parts would be thrown away. */
static enum err read_partitions(struct export_state *state, const json_t *there, struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, state->topic_prefix);
    bool is_same = json_array_size(there) == state->partition_count;
    for (size_t i = 0; is_same && i < state->partition_count; i++) {
        struct export_partition *partition = &state->partitions[i];
        const json_t *row = json_array_get(there, i);
        is_same = strcmp(text_of(row, "topic"), topics.names[partition->topic]) == 0 &&
                  json_integer_value(json_object_get(row, "partition")) == partition->partition;
        bool are_read = offset_read(row, "next", &partition->next) && offset_read(row, "end", &partition->end);
        if (is_same && (!are_read || partition->next > partition->end)) {
            return err_set(info, ERR_MALFORMED, "export.json: %s[%d] is at %lld of %lld", text_of(row, "topic"),
                           partition->partition, (long long)partition->next, (long long)partition->end);
        }
    }
    return is_same ? ERR_NONE
                   : err_set(info, ERR_CONFIG,
                             "the export in the folder is of other topics, or of another number of "
                             "shards");
}

static enum err read_views(struct export_state *state, const json_t *there, struct err_info *info) {
    size_t at = 0;
    bool is_same = true;
    for (size_t i = 0; is_same && i < view_count; i++) {
        if (state->plan.views[i]) {
            const json_t *row = json_array_get(there, at++);
            is_same = strcmp(text_of(row, "view"), views[i]->name) == 0;
            state->view_is_done[i] = json_is_true(json_object_get(row, "done"));
        }
    }
    return is_same && at == json_array_size(there)
               ? ERR_NONE
               : err_set(info, ERR_CONFIG, "the export in the folder is of other views");
}

enum err export_state_read(struct export_state *state, const struct export_folder *folder, struct err_info *info) {
    char path[EXPORT_PATH_MAX];
    enum err err = export_folder_path(folder, path, info, "export.json");
    if (err != ERR_NONE) {
        return err;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(info, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "opening %s: %s", path, strerror(errno));
    }
    CLEANUP(json_release) json_t *json = json_loadf(file, JSON_REJECT_DUPLICATES, NULL);
    fclose(file);
    if (!json_is_object(json)) {
        return err_set(info, ERR_MALFORMED, "%s is not what an export writes", path);
    }
    err = same(json, "format", export_format_name(state->plan.form.format), info);
    err = err != ERR_NONE ? err : same(json, "codec", codec_name(state->plan.form.codec), info);
    err = err != ERR_NONE ? err : same(json, "topic_prefix", state->topic_prefix, info);
    err = err != ERR_NONE ? err : same(json, "cluster", state->cluster, info);
    err = err != ERR_NONE ? err : read_partitions(state, json_object_get(json, "partitions"), info);
    err = err != ERR_NONE ? err : read_views(state, json_object_get(json, "views"), info);
    if (err == ERR_NONE && !export_state_is_done(state)) {
        err = same_until(json, &state->plan, info);
    }
    state->unreadable = json_integer_value(json_object_get(json, "unreadable"));
    return err;
}
