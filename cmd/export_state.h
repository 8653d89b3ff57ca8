/* export_state.h: what an export was asked for and how far it is: export.json in its folder.
 *
 * Promise  it is written whole after each part, once the part's files stand in their places: what it says is done is on
 *          the disk. A run that finds an unfinished export goes on towards the ends that were taken when it began; one
 *          that finds a finished export takes new ends, and so adds what has happened since.
 * Thread   one at a time.        May use: base, log, jansson.
 */
#pragma once

#include "cmd/export_folder.h"
#include "core/log/topics.h"

enum { EXPORT_VIEWS_MAX = 16, EXPORT_CLUSTER_MAX = 128 };

/* What is asked for; the same in each run on a folder. */
struct export_plan {
    struct export_form form;
    bool topics[TOPIC_COUNT];     /* event topics */
    bool views[EXPORT_VIEWS_MAX]; /* by their places in `views` */
    bool has_until;
    int64_t until_us; /* records that the log took later are left for another run */
};

struct export_partition {
    enum log_topic topic;
    int32_t partition;
    int64_t next; /* everything below it is in the folder */
    int64_t end;
};

struct export_state {
    struct export_plan plan;
    const char *topic_prefix;
    char cluster[EXPORT_CLUSTER_MAX]; /* its id; empty when no topic is asked for */
    struct export_partition *partitions;
    size_t partition_count;
    bool view_is_done[EXPORT_VIEWS_MAX];
    int64_t unreadable; /* events that were left out, in this export and those that it goes on from */
};

/* For a plan that nobody began yet: its partitions, from 0 to 0. */
void export_state_init(struct export_state *state, const struct export_plan *plan, const char *topic_prefix,
                       const char *cluster, int32_t shards);
void export_state_release(struct export_state *state);

/* Reads how far it is into a state that was just initialised. ERR_NOT_FOUND: there is none yet. ERR_CONFIG: what
 * stands there is of another plan, log or format, and says which. ERR_IO, ERR_MALFORMED. */
MUST_CHECK enum err export_state_read(struct export_state *state, const struct export_folder *folder,
                                      struct err_info *info);
MUST_CHECK enum err export_state_write(const struct export_state *state, const struct export_folder *folder,
                                       struct err_info *info);

bool export_state_is_done(const struct export_state *state);
