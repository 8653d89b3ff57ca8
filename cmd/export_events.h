/* export_events.h: the events of an export: read from the log, and put into files by their type, part by part.
 *
 * Files    JSON lines {type, partition, offset, appended_at, event}, the event in today's form as everywhere; or Avro
 *          container files, a file a schema version, the datums byte for byte as in the log (without the frame).
 * Parts    a part is what one partition holds of a topic from some offset on, EXPORT_PART_BYTES of records. Its files
 *          come to their names together, then export.json says so. The same records give the same parts and bytes.
 * Order    shard after shard; of one the topics are read side by side.
 * Bounds   16 MiB of records read ahead; of each topic asked for up to EXPORT_PART_FILES files are open at once.
 * Thread   one at a time; blocks.        May use: base, log, generated codecs.
 */
#pragma once

#include "cmd/export_state.h"
#include "core/base/config.h"
#include "core/log/reader.h"

enum { EXPORT_PART_BYTES = 64 * 1024 * 1024, EXPORT_PART_FILES = 64 };

/* A part in the making; export_events.c's own, open for its test. */
struct export_part {
    struct export_partition *at;
    const char *topic; /* full name */
    bool is_stopped;   /* what comes was taken by the log later than is asked for */
    int64_t next;      /* what was taken reaches to here */
    int64_t bytes;
    int64_t unreadable;
    size_t file_count;
    struct export_file files[EXPORT_PART_FILES];
    const struct schema *schemas[EXPORT_PART_FILES]; /* of each file's items; of lines any version of the type */
};

struct export_events {
    const struct config *config;
    const struct export_folder *folder;
    struct export_state *state;
    void *context;
    /* In offsets; about once a second. */
    void (*on_progress)(void *context, int64_t done, int64_t total);
    /* An event that cannot be read, and so is left out. */
    void (*on_unreadable)(void *context, const struct log_record *record, const char *why);

    int64_t event_count, file_count; /* of this run */

    /* Its own: */
    int64_t part_bytes; /* 0: EXPORT_PART_BYTES */
    struct log_topics topics;
    struct export_part *parts;
    size_t part_count;
    struct arena arena; /* of the record in hand */
    struct buf line;
    int64_t done_before, total; /* of progress: the walks before this one, and all */
    enum err failed;            /* in a walk */
    struct err_info *info;
};

/* Up to the ends that the state has; the state is moved and written as parts come into their places. */
MUST_CHECK enum err export_events_run(struct export_events *events, struct err_info *info);

/* ---- the steps of a run, for tests without a log ----------------------------------------------------------------- */

void export_events_begin(struct export_events *events);
void export_events_end(struct export_events *events);
/* The partitions of this shard are next. */
void export_events_open(struct export_events *events, int32_t shard);
/* A record of one of them; false ends the walk: `failed` says why, or everything asked for was seen. */
bool export_events_record(void *events, const struct log_record *record);
/* The walk has come to its ends: what is open comes into its place. */
MUST_CHECK enum err export_events_close(struct export_events *events, struct err_info *info);
/* It has not: what is open is thrown away. */
void export_events_discard(struct export_events *events);
