#include "cmd/export_events.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/log/record.h"
#include "core/log/walk.h"
#include "gen/codec.h"
#include "gen/json.h"

enum {
    ARENA_MAX_BYTES = 64 * 1024 * 1024, /* more than a record of RECORD_MAX_BYTES can decode to */
    LINE_MAX_BYTES = 64 * 1024 * 1024,
    QUEUE_MAX_BYTES = 16 * 1024 * 1024, /* of records read ahead, which cost five times their size */
};

/* ---- the files of a part ---------------------------------------------------------------------------------------- */

/* Where the file of the schema is in the part, or would be. Lines of one type go into one file. */
static size_t place_of(const struct export_events *events, const struct export_part *part,
                       const struct schema *schema) {
    bool by_version = events->state->plan.form.format == EXPORT_AVRO;
    size_t place = 0;
    while (place < part->file_count &&
           (by_version ? part->schemas[place] != schema : strcmp(part->schemas[place]->name, schema->name) != 0)) {
        place++;
    }
    return place;
}

/* The name of a part's file, in the export's folder; `ret_folder` is its folder's. */
static enum err name_file(const struct export_events *events, const struct export_part *part,
                          const struct schema *schema, char ret_folder[EXPORT_PATH_MAX], char ret_name[EXPORT_PATH_MAX],
                          struct err_info *info) {
    enum export_format format = events->state->plan.form.format;
    char file[EXPORT_PART_NAME_MAX];
    export_part_name(file, format == EXPORT_AVRO ? schema->version : 0, part->at->partition, part->at->next, format);
    int folder = snprintf(ret_folder, EXPORT_PATH_MAX, "events/%s/%s", schema->family, schema->name);
    int name = snprintf(ret_name, EXPORT_PATH_MAX, "%s/%s", ret_folder, file);
    return folder < EXPORT_PATH_MAX && name < EXPORT_PATH_MAX ? ERR_NONE
                                                              : err_set(info, ERR_CONFIG, "a file's name is too long");
}

static enum err open_file(struct export_events *events, struct export_part *part, const struct schema *schema,
                          struct err_info *info) {
    char path[EXPORT_PATH_MAX], folder[EXPORT_PATH_MAX], name[EXPORT_PATH_MAX];
    struct export_file *file = &part->files[part->file_count];
    enum err err = name_file(events, part, schema, folder, name, info);
    err = err != ERR_NONE ? err
                          : export_folder_path(events->folder, path, info, ".staging/%s.%s.v%d", schema->family,
                                               schema->name, schema->version);
    err = err != ERR_NONE ? err
                          : export_file_open(file, &events->state->plan.form, path, str_of_cstr(schema->json),
                                             str_of_cstr(name), info);
    if (err == ERR_NONE) {
        part->schemas[part->file_count++] = schema;
    }
    return err;
}

static enum err put_file(struct export_events *events, struct export_part *part, size_t place, struct err_info *info) {
    char folder[EXPORT_PATH_MAX], name[EXPORT_PATH_MAX];
    struct export_file *file = &part->files[place];
    enum err err = export_file_finish(file, info);
    err = err != ERR_NONE ? err : name_file(events, part, part->schemas[place], folder, name, info);
    err = err != ERR_NONE ? err : export_folder_make(events->folder, folder, info);
    err = err != ERR_NONE ? err : export_folder_put(events->folder, file->path, name, info);
    events->file_count += err == ERR_NONE;
    return err;
}

static void discard_from(struct export_part *part, size_t place) {
    for (; place < part->file_count; place++) {
        export_file_discard(&part->files[place]);
    }
    part->file_count = 0;
}

/* The part's files come into their places, and export.json says that the partition is in the folder up to `next`. */
static enum err commit(struct export_events *events, struct export_part *part, int64_t next, struct err_info *info) {
    enum err err = ERR_NONE;
    size_t place = 0;
    while (place < part->file_count && err == ERR_NONE) {
        err = put_file(events, part, place++, info);
    }
    discard_from(part, place);
    if (err != ERR_NONE) {
        return err;
    }
    events->state->unreadable += part->unreadable;
    part->at->next = part->next = next;
    part->bytes = part->unreadable = 0;
    return export_state_write(events->state, events->folder, info);
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

static struct str line_of(struct export_events *events, const struct log_record *record, const struct event *event) {
    struct json_writer writer = json_writer_of(&events->line);
    buf_clear(&events->line);
    json_object_begin(&writer);
    json_field_cstr(&writer, "type", event_info(event->type)->name);
    json_field_int(&writer, "partition", record->partition);
    json_field_int(&writer, "offset", record->offset);
    json_field_time(&writer, "appended_at", record->timestamp_us);
    json_name(&writer, STR("event"));
    event_write_json(&writer, event);
    json_object_end(&writer);
    assert(buf_ok(&events->line));
    return buf_text(&events->line);
}

/* The event of the record, and the schema that it was written with; false tells why it is none of this topic. */
static bool read_event(struct export_events *events, const struct export_part *part, const struct log_record *record,
                       struct event *ret_event, const struct schema **ret_schema, struct str *ret_avro,
                       struct err_info *why) {
    uint32_t schema_id;
    arena_reset(&events->arena);
    if (event_record_read(&events->arena, record->value, ret_event, why) != ERR_NONE) {
        return false;
    }
    bool is_framed = frame_read(record->value, &schema_id, ret_avro);
    *ret_schema = schema_by_id(schema_id);
    assert(is_framed && *ret_schema != NULL);
    if (log_topic_of_family(str_of_cstr((*ret_schema)->family)) == part->at->topic) {
        return true;
    }
    (void)err_set(why, ERR_MALFORMED, "an event of another family: %s", (*ret_schema)->name);
    return false;
}

static enum err take_event(struct export_events *events, struct export_part *part, const struct log_record *record,
                           const struct event *event, const struct schema *schema, struct str avro,
                           struct err_info *info) {
    enum err err = ERR_NONE;
    size_t place = place_of(events, part, schema);
    if (place == EXPORT_PART_FILES) { /* as many files as may be open: the part ends here */
        err = commit(events, part, record->offset, info);
        place = 0;
    }
    if (err == ERR_NONE && place == part->file_count) {
        err = open_file(events, part, schema, info);
    }
    if (err == ERR_NONE) {
        bool is_avro = events->state->plan.form.format == EXPORT_AVRO;
        err = export_file_add(&part->files[place], is_avro ? avro : line_of(events, record, event), info);
        events->event_count++;
    }
    return err;
}

static enum err take(struct export_events *events, struct export_part *part, const struct log_record *record,
                     struct err_info *info) {
    struct event event;
    const struct schema *schema;
    struct str avro;
    struct err_info why = {0};
    enum err err = ERR_NONE;
    if (read_event(events, part, record, &event, &schema, &avro, &why)) {
        err = take_event(events, part, record, &event, schema, avro, info);
    } else {
        part->unreadable++;
        events->on_unreadable(events->context, record, why.text);
    }
    part->next = record->offset + 1;
    part->bytes += record->value.len;
    int64_t most = events->part_bytes > 0 ? events->part_bytes : EXPORT_PART_BYTES;
    return err != ERR_NONE || part->bytes < most ? err : commit(events, part, part->next, info);
}

static struct export_part *part_of(struct export_events *events, const struct log_record *record) {
    for (size_t i = 0; i < events->part_count; i++) {
        if (strcmp(events->parts[i].topic, record->topic) == 0) {
            return &events->parts[i];
        }
    }
    assert(!"a record of a topic that was not asked for");
    return NULL;
}

static bool has_open_part(const struct export_events *events) {
    for (size_t i = 0; i < events->part_count; i++) {
        if (!events->parts[i].is_stopped) {
            return true;
        }
    }
    return false;
}

bool export_events_record(void *context, const struct log_record *record) {
    struct export_events *events = context;
    struct export_part *part = part_of(events, record);
    const struct export_plan *plan = &events->state->plan;
    if (part->is_stopped) {
        return true;
    }
    if (plan->has_until && record->timestamp_us > plan->until_us) {
        part->is_stopped = true;
        part->at->end = part->next = record->offset;
        return has_open_part(events);
    }
    events->failed = take(events, part, record, events->info);
    return events->failed == ERR_NONE;
}

/* ---- a run ------------------------------------------------------------------------------------------------------ */

void export_events_begin(struct export_events *events) {
    events->parts = calloc_or_end(TOPIC_COUNT, sizeof *events->parts);
    log_topics_name(&events->topics, events->state->topic_prefix);
    arena_init(&events->arena, ARENA_MAX_BYTES);
    buf_init(&events->line, LINE_MAX_BYTES);
    for (size_t i = 0; i < events->state->partition_count; i++) {
        events->total += events->state->partitions[i].end - events->state->partitions[i].next;
    }
}

void export_events_end(struct export_events *events) {
    free(events->parts);
    arena_release(&events->arena);
    buf_release(&events->line);
}

void export_events_open(struct export_events *events, int32_t shard) {
    events->part_count = 0;
    for (size_t i = 0; i < events->state->partition_count; i++) {
        struct export_partition *at = &events->state->partitions[i];
        if (at->partition == shard && at->next < at->end) {
            struct export_part *part = &events->parts[events->part_count++];
            part->at = at;
            part->topic = events->topics.names[at->topic];
            part->is_stopped = false;
            part->next = at->next;
            part->bytes = part->unreadable = 0;
            part->file_count = 0;
        }
    }
}

enum err export_events_close(struct export_events *events, struct err_info *info) {
    enum err err = ERR_NONE;
    for (size_t i = 0; i < events->part_count && err == ERR_NONE; i++) {
        struct export_part *part = &events->parts[i];
        err = commit(events, part, part->at->end, info);
    }
    return err;
}

void export_events_discard(struct export_events *events) {
    for (size_t i = 0; i < events->part_count; i++) {
        discard_from(&events->parts[i], 0);
    }
}

static void on_progress(void *context, int64_t done, int64_t total) {
    const struct export_events *events = context;
    (void)total;
    events->on_progress(events->context, events->done_before + done, events->total);
}

/* The shard's partitions, from where they are to their ends. */
static enum err walk(struct export_events *events, struct err_info *info) {
    struct log_partition partitions[TOPIC_COUNT];
    int64_t ends[TOPIC_COUNT], before = 0;
    for (size_t i = 0; i < events->part_count; i++) {
        const struct export_partition *at = events->parts[i].at;
        partitions[i] = (struct log_partition){events->parts[i].topic, at->partition, at->next};
        ends[i] = at->end;
        before += at->end - at->next;
    }
    const struct log_walk walk = {
        .brokers = events->config->kafka_brokers,
        .client_id = "daybook-export",
        .ends = ends,
        .queue_max_bytes = QUEUE_MAX_BYTES,
        .context = events,
        .on_record = export_events_record,
        .on_progress = on_progress,
    };
    events->failed = ERR_NONE;
    events->info = info;
    enum err err = log_walk(&walk, partitions, events->part_count, info);
    events->done_before += before;
    return err != ERR_NONE ? err : events->failed;
}

/* What a killed run put into its place and did not note any more. */
static enum err forget_unnoted(const struct export_events *events, struct err_info *info) {
    enum err err = ERR_NONE;
    for (size_t i = 0; i < events->state->partition_count && err == ERR_NONE; i++) {
        const struct export_partition *at = &events->state->partitions[i];
        err = export_folder_forget(events->folder, log_topic_family(at->topic), at->partition, at->next, info);
    }
    return err;
}

enum err export_events_run(struct export_events *events, struct err_info *info) {
    export_events_begin(events);
    enum err err = forget_unnoted(events, info);
    for (int32_t shard = 0; shard < events->config->shards && err == ERR_NONE; shard++) {
        export_events_open(events, shard);
        if (events->part_count == 0) {
            continue;
        }
        err = walk(events, info);
        if (err == ERR_NONE) {
            err = export_events_close(events, info);
        }
        export_events_discard(events);
    }
    export_events_end(events);
    return err;
}
