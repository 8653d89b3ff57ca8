#include "projections/runtime/feed.h"

#include "core/base/lru.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/log/reader.h"
#include "projections/runtime/fold.h"
#include "projections/runtime/schema.h"
#include "projections/runtime/skips.h"
#include "projections/runtime/writer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    CACHE_MAX_BYTES = 16 * 1024 * 1024,
    QUEUE_MAX_BYTES = 2 * 1024 * 1024, /* read ahead by librdkafka, while a batch is written */
    FETCH_MIN_BYTES = 256 * 1024,      /* docs/performance.md has what that saves; a view is later by 50 ms at most */
    /* Decoded events and states are up to 13 times their bytes (a line of 8 bytes becomes a struct of 104). */
    ARENA_MAX_BYTES = 1024 * 1024 * 1024,
    LOOK_US = MICROS_PER_SECOND,
};

enum stage { STAGE_READING, STAGE_PROJECTING, STAGE_POSTGRES };

struct feed {
    const struct view *view;
    char schema[SCHEMA_NAME_MAX];
    bool is_live;
    struct view_about about; /* as the schema was when the feed was opened */
    _Atomic enum stage stage;
    struct log_topics topics;
    struct pg_session *session;
    struct view_writer *writer;
    struct log_reader *reader;
    struct feed_partition *partitions;
    size_t partition_count;
    struct skips skips;
    struct witness_slot *witness;
    struct lru states; /* of the streams met last: so most batches need not ask PostgreSQL. Only what was committed */
    struct arena arena;
    struct view_batch batch;
    struct log_record *records;
    struct position_move *moves;
    int64_t *found_ends; /* of the partitions, by the records of a step; 0: none was told */
    int64_t parked;      /* events, in the table */
    size_t events_max;   /* lowered while a batch is being halved */
    int64_t looked_us;   /* when it last asked whether it is outdated */
};

/* ---- opening --------------------------------------------------------------------------------------------------------
 */

size_t feed_partition_count(const struct view *view, const struct config *config) {
    size_t family_count = 0;
    while (family_count < VIEW_FAMILIES_MAX && view->families[family_count] != NULL) {
        family_count++;
    }
    return family_count * (size_t)config->shards;
}

void feed_name_partitions(const struct view *view, const struct config *config, const struct log_topics *topics,
                          struct feed_partition *ret_partitions) {
    size_t count = feed_partition_count(view, config);
    for (size_t i = 0; i < count; i++) {
        const char *family = view->families[i / (size_t)config->shards];
        enum log_topic topic = log_topic_of_family(str_of_cstr(family));
        assert(topic != TOPIC_COUNT);
        ret_partitions[i] = (struct feed_partition){
            .topic = topics->names[topic], .shard = (int32_t)(i % (size_t)config->shards), .until = INT64_MAX};
    }
}

static void *allocate(size_t count, size_t size) {
    assert(count > 0);
    void *memory = calloc_or_end(count, size);
    return memory;
}

static enum err about_schema(struct feed *feed, const char *schema, struct err_info *info) {
    snprintf(feed->schema, sizeof feed->schema, "%s", schema);
    return view_schema_about(feed->session, schema, &feed->about, info);
}

static bool fits(const struct feed *feed) {
    return feed->about.is_there && feed->about.format == feed->view->format;
}

static enum err wanted_schema(struct feed *feed, const char *schema, struct err_info *info) {
    enum err failure = about_schema(feed, schema, info);
    if (failure == ERR_NONE && !feed->about.is_there) {
        return err_set_retriable(info, ERR_NOT_FOUND, "there is no schema %s", schema);
    }
    if (failure == ERR_NONE && !fits(feed)) {
        return err_set(info, ERR_CONFLICT, "schema %s was made for another format than %d", schema, feed->view->format);
    }
    return failure;
}

/* The first of the view's schemas that has its format. */
static enum err schema_of_format(struct feed *feed, struct err_info *info) {
    static const enum view_schema order[] = {VIEW_LIVE, VIEW_REBUILT, VIEW_OLD};
    bool is_any = false;
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
        char name[SCHEMA_NAME_MAX];
        view_schema_name(feed->view, order[i], name);
        enum err failure = about_schema(feed, name, info);
        if (failure != ERR_NONE) {
            return failure;
        }
        if (fits(feed)) {
            feed->is_live = order[i] == VIEW_LIVE;
            return ERR_NONE;
        }
        is_any = is_any || feed->about.is_there;
    }
    if (!is_any) {
        return err_set_retriable(info, ERR_NOT_FOUND,
                                 "there is no schema %s that this version knows: run `daybook migrate`",
                                 feed->view->name);
    }
    return err_set(info, ERR_CONFLICT,
                   "schema %s was made for another format than %d: run `daybook projection rebuild %s`",
                   feed->view->name, feed->view->format, feed->view->name);
}

static struct feed_partition *find_partition(const struct feed *feed, struct str topic, int64_t shard) {
    for (size_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *partition = &feed->partitions[i];
        if (partition->shard == shard && str_equal(str_of_cstr(partition->topic), topic)) {
            return partition;
        }
    }
    return NULL;
}

static enum err load_positions(struct feed *feed, struct err_info *info) {
    enum err failure = ERR_NONE;
    for (size_t i = 0; i < feed->partition_count && failure == ERR_NONE; i++) {
        failure =
            pg_session_execf(feed->session, info, "INSERT INTO position VALUES ('%s', %d, 0) ON CONFLICT DO NOTHING",
                             feed->partitions[i].topic, feed->partitions[i].shard);
    }
    if (failure != ERR_NONE) {
        return failure;
    }
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    failure =
        pg_session_query(feed->session, "SELECT topic, shard, next_offset FROM position", NULL, 0, true, &result, info);
    for (int row = 0; failure == ERR_NONE && row < PQntuples(result); row++) {
        struct feed_partition *partition =
            find_partition(feed, pg_get_bytes(result, row, 0), pg_get_int8(result, row, 1));
        if (partition == NULL) {
            return err_set(info, ERR_CONFLICT, "view %s has read a topic or shard that is not configured",
                           feed->view->name);
        }
        partition->next_offset = pg_get_int8(result, row, 2);
    }
    return failure;
}

static enum err count_parked(struct feed *feed, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(feed->session, "SELECT count(*) FROM parked", NULL, 0, true, &result, info);
    if (failure == ERR_NONE) {
        feed->parked = pg_get_int8(result, 0, 0);
    }
    return failure;
}

/* Reads from where the schema stands. */
static enum err assign(struct feed *feed, struct err_info *info) {
    struct log_partition *wanted = allocate(feed->partition_count, sizeof *wanted);
    for (size_t i = 0; i < feed->partition_count; i++) {
        const struct feed_partition *partition = &feed->partitions[i];
        wanted[i] = (struct log_partition){partition->topic, partition->shard, partition->next_offset};
    }
    enum err failure = log_reader_assign(feed->reader, wanted, feed->partition_count, info);
    free(wanted);
    return failure;
}

static enum err open_reader(struct feed *feed, const struct config *config, struct err_info *info) {
    struct log_reader_options options = {.brokers = config->kafka_brokers,
                                         .client_id = "daybook-projector",
                                         .isolation = LOG_READ_COMMITTED,
                                         .queue_max_bytes = QUEUE_MAX_BYTES,
                                         .fetch_min_bytes = FETCH_MIN_BYTES};
    enum err failure = log_reader_open(&options, &feed->reader, info);
    return failure == ERR_NONE ? assign(feed, info) : failure;
}

/* The epoch is asked for first: what is read after it, and is not of it any more, is found out by the fence. */
static enum err open_schema(struct feed *feed, const char *wanted, struct err_info *info) {
    enum err failure = wanted == NULL ? schema_of_format(feed, info) : wanted_schema(feed, wanted, info);
    failure = failure != ERR_NONE
                  ? failure
                  : view_writer_open(feed->session, feed->view, feed->schema, feed->about.epoch, &feed->writer, info);
    failure = failure != ERR_NONE ? failure : load_positions(feed, info);
    failure = failure != ERR_NONE ? failure : skips_load(&feed->skips, feed->session, info);
    return failure != ERR_NONE ? failure : count_parked(feed, info);
}

enum err feed_open(const struct feed_options *options, struct feed **ret_feed, struct err_info *info) {
    struct feed *feed = allocate(1, sizeof *feed);
    feed->view = options->view;
    feed->witness = options->witness;
    feed->events_max = FEED_EVENTS_MAX;
    log_topics_name(&feed->topics, options->config->topic_prefix);
    feed->partition_count = feed_partition_count(feed->view, options->config);
    feed->partitions = allocate(feed->partition_count, sizeof *feed->partitions);
    feed_name_partitions(feed->view, options->config, &feed->topics, feed->partitions);
    feed->moves = allocate(feed->partition_count, sizeof *feed->moves);
    feed->found_ends = allocate(feed->partition_count, sizeof *feed->found_ends);
    feed->records = allocate(FEED_EVENTS_MAX, sizeof *feed->records);
    lru_init(&feed->states, CACHE_MAX_BYTES);
    skips_init(&feed->skips);
    arena_init(&feed->arena, ARENA_MAX_BYTES);
    batch_init(&feed->batch, feed->view);
    enum err failure = pg_session_open(options->config->postgres, "daybook-projector", &feed->session, info);
    failure = failure != ERR_NONE ? failure : open_schema(feed, options->schema, info);
    failure = failure != ERR_NONE ? failure : open_reader(feed, options->config, info);
    if (failure != ERR_NONE) {
        feed_close(feed);
        return failure;
    }
    *ret_feed = feed;
    return ERR_NONE;
}

void feed_close(struct feed *feed) {
    if (feed == NULL) {
        return;
    }
    if (feed->reader != NULL) {
        log_reader_close(feed->reader);
    }
    view_writer_close(feed->writer);
    pg_session_close(feed->session);
    batch_release(&feed->batch);
    arena_release(&feed->arena);
    lru_release(&feed->states);
    skips_release(&feed->skips);
    free(feed->records);
    free(feed->moves);
    free(feed->found_ends);
    free(feed->partitions);
    free(feed);
}

/* ---- one batch ------------------------------------------------------------------------------------------------------
 */

/* A stream whose first event comes is new, and needs no look into the table; `may_be_new` is false where PostgreSQL has
 * just refused what was written under that belief. */
static enum err load_streams(struct feed *feed, struct fold *fold, bool may_be_new, struct err_info *info) {
    for (uint32_t i = 0; i < fold->streams.count; i++) {
        struct fold_stream *stream = fold->streams.entries[i].value;
        const struct lru_entry *cached = lru_get(&feed->states, stream->name, stream->hash);
        if (cached != NULL) {
            stream->version = cached->version;
            stream->parked = cached->mark != 0;
            stream->state = arena_str_copy(&feed->arena, cached->value);
            stream->loaded = true;
        } else {
            stream->is_new = may_be_new && stream->begins;
        }
    }
    return view_writer_load(feed->writer, fold, info);
}

static void remember_streams(struct feed *feed, const struct fold *fold) {
    for (uint32_t i = 0; i < fold->streams.count; i++) {
        const struct fold_stream *stream = fold->streams.entries[i].value;
        if (stream->changed) {
            lru_put(&feed->states, &(struct lru_entry){.name = stream->name,
                                                       .hash = stream->hash,
                                                       .value = stream->state,
                                                       .version = stream->version,
                                                       .mark = stream->parked});
        }
    }
}

/* Whether its rows of one stream depend on another family's: then two projectors that have no partition in common in
 * their batches must not commit side by side, each without what the other writes. */
static bool has_one_writer(const struct view *view) {
    return view->also_folds[0] != NULL;
}

/* The moves that the batch's records make, one a partition; how many. Where a view has one writer, all partitions are
 * held, those as well that stay where they are: so any two batches meet at the same rows of `position`. */
static size_t make_moves(struct feed *feed, const struct log_record *records, size_t count) {
    size_t move_count = 0;
    for (size_t i = 0; i < feed->partition_count; i++) {
        const struct feed_partition *partition = &feed->partitions[i];
        int64_t next_offset = partition->next_offset;
        for (size_t j = 0; j < count; j++) {
            if (records[j].partition == partition->shard && strcmp(records[j].topic, partition->topic) == 0) {
                next_offset = records[j].offset + 1;
            }
        }
        if (next_offset != partition->next_offset || has_one_writer(feed->view)) {
            feed->moves[move_count++] = (struct position_move){.topic = str_of_cstr(partition->topic),
                                                               .shard = partition->shard,
                                                               .expected = partition->next_offset,
                                                               .next_offset = next_offset};
        }
    }
    return move_count;
}

static void count_fates(struct feed *feed, const struct fold *fold, struct feed_counts *counts) {
    for (size_t i = 0; i < fold->item_count; i++) {
        enum fold_fate fate = fold->items[i].fate;
        counts->repeated += fate == FOLD_REPEATED;
        feed->parked += fate == FOLD_PARKED || fate == FOLD_UNREADABLE;
        counts->newest_us = fold->items[i].record->timestamp_us;
    }
    counts->events += (int64_t)fold->item_count;
    counts->batches++;
}

/* What was parked for the processes that it ended, or has passed after all. */
static void forget_suspect(struct feed *feed, const struct fold *fold) {
    const struct witness_slot *witness = feed->witness;
    for (size_t i = 0; witness != NULL && witness->deaths > 0 && i < fold->item_count; i++) {
        const struct fold_item *item = &fold->items[i];
        if (item->stream != NULL && (int32_t)item->topic == witness->suspect.topic &&
            item->record->partition == witness->suspect.shard && item->record->offset == witness->suspect.offset) {
            view_witness_passed(feed->witness);
        }
    }
}

static void committed(struct feed *feed, const struct fold *fold, size_t move_count, struct feed_counts *counts) {
    remember_streams(feed, fold);
    forget_suspect(feed, fold);
    for (size_t i = 0; i < move_count; i++) {
        const struct position_move *move = &feed->moves[i];
        find_partition(feed, move->topic, move->shard)->next_offset = move->next_offset;
    }
    count_fates(feed, fold, counts);
}

/* How a batch is tried. */
struct attempt {
    bool may_be_new;    /* see load_streams */
    struct str refused; /* why PostgreSQL would not have its one event, which is then parked; else empty */
};

/* `ret_refused` tells that PostgreSQL would not have the data. */
static enum err project_batch(struct feed *feed, const struct log_record *records, size_t count,
                              const struct attempt *attempt, struct feed_counts *counts, size_t *ret_taken,
                              bool *ret_refused, struct err_info *info) {
    arena_reset(&feed->arena);
    batch_begin(&feed->batch, &feed->arena);
    struct fold fold;
    fold_read(&fold, feed->view, &feed->arena, records, count);
    fold.skips = &feed->skips;
    fold.witness = feed->witness;
    feed->stage = STAGE_POSTGRES;
    enum err failure = load_streams(feed, &fold, attempt->may_be_new, info);
    feed->stage = STAGE_PROJECTING;
    if (failure != ERR_NONE) {
        return failure;
    }
    if (!str_is_empty(attempt->refused) && fold.items[0].stream != NULL) {
        fold_park(&fold, attempt->refused);
    } else {
        fold_plan(&fold);
        failure = fold_project(&fold, &feed->batch, info);
    }
    if (failure != ERR_NONE) {
        return failure;
    }
    size_t move_count = make_moves(feed, records, fold.item_count);
    feed->stage = STAGE_POSTGRES;
    failure = view_writer_write(feed->writer, &feed->batch, &fold, feed->moves, move_count, feed->is_live, info);
    feed->stage = STAGE_PROJECTING;
    *ret_refused = failure == ERR_MALFORMED;
    if (failure == ERR_NONE) {
        committed(feed, &fold, move_count, counts);
        *ret_taken = fold.item_count;
    }
    return failure;
}

/* Of `count` records how many make a batch. */
static size_t batch_size(const struct feed *feed, const struct log_record *records, size_t count) {
    size_t bytes = 0, taken = 0;
    while (taken < count && taken < feed->events_max && (taken == 0 || bytes < FEED_BYTES_MAX)) {
        bytes += records[taken++].value.len;
    }
    return taken;
}

static enum err project_all(struct feed *feed, const struct log_record *records, size_t count,
                            struct feed_counts *counts, struct err_info *info) {
    size_t done = 0;
    bool may_be_new = true;
    bool park = false; /* the next event is to be parked: it was refused when it came alone */
    struct err_info refusal = {0};
    while (done < count) {
        size_t size = park ? 1 : batch_size(feed, records + done, count - done);
        struct attempt attempt = {.may_be_new = may_be_new, .refused = park ? str_of_cstr(refusal.text) : STR("")};
        struct err_info trouble = {0};
        bool refused = false;
        size_t taken = 0;
        enum err failure = project_batch(feed, records + done, size, &attempt, counts, &taken, &refused, &trouble);
        if (failure == ERR_NONE) {
            done += taken;
            park = false;
            may_be_new = true;
            feed->events_max = feed->events_max * 2 > FEED_EVENTS_MAX ? FEED_EVENTS_MAX : feed->events_max * 2;
        } else if (refused && may_be_new) {
            may_be_new = false; /* a repeat of a stream's first event, perhaps */
        } else if (refused && !park) {
            feed->events_max = size > 1 ? size / 2 : 1;
            park = size == 1;
            refusal = trouble;
        } else {
            *info = trouble;
            return failure;
        }
    }
    return ERR_NONE;
}

/* ---- stepping -------------------------------------------------------------------------------------------------------
 */

/* Takes the ends of partitions out of the records, and what lies past `until`; how many are left. They are
 * kept once what came before them is written: until then nobody has seen it. */
static size_t take_ends(struct feed *feed, size_t count) {
    size_t left = 0;
    memset(feed->found_ends, 0, feed->partition_count * sizeof *feed->found_ends);
    for (size_t i = 0; i < count; i++) {
        const struct log_record *record = &feed->records[i];
        const struct feed_partition *partition = find_partition(feed, str_of_cstr(record->topic), record->partition);
        assert(partition != NULL);
        if (record->end || record->offset >= partition->until) {
            feed->found_ends[partition - feed->partitions] = record->offset;
        } else {
            feed->records[left++] = *record;
        }
    }
    return left;
}

static void keep_ends(struct feed *feed) {
    for (size_t i = 0; i < feed->partition_count; i++) {
        if (feed->found_ends[i] > 0) {
            feed->partitions[i].end_offset = feed->found_ends[i];
        }
    }
}

/* Nothing has come. A server that crashed may have lost the last commits, which are asynchronous; and of a switch, a
 * retry or a skip the fence would tell with the next event. The feed is opened again, where the view now is, and does
 * not wait for that event to learn it. */
static enum err look_around(struct feed *feed, struct err_info *info) {
    enum err failure = pg_session_check(feed->session, info);
    int64_t now_us = clock_boot_us();
    if (failure != ERR_NONE || now_us - feed->looked_us < LOOK_US) {
        return failure;
    }
    feed->looked_us = now_us;
    return feed_is_outdated(feed)
               ? err_set_retriable(info, ERR_FENCED, "other tables than before stand under the name %s", feed->schema)
               : ERR_NONE;
}

enum err feed_step(struct feed *feed, int timeout_ms, struct feed_counts *counts, bool *ret_full,
                   struct err_info *info) {
    size_t count = 0;
    feed->stage = STAGE_READING;
    enum err failure = log_reader_poll(feed->reader, timeout_ms, feed->records, FEED_EVENTS_MAX, &count, info);
    feed->stage = STAGE_PROJECTING;
    if (failure != ERR_NONE) {
        return failure;
    }
    *ret_full = count == FEED_EVENTS_MAX;
    if (count == 0) {
        return look_around(feed, info);
    }
    int64_t began_us = clock_boot_us();
    failure = project_all(feed, feed->records, take_ends(feed, count), counts, info);
    if (failure == ERR_NONE) {
        keep_ends(feed);
    }
    counts->busy_us += clock_boot_us() - began_us;
    return failure;
}

enum err feed_read_until(struct feed *feed, const int64_t *until, struct err_info *info) {
    for (size_t i = 0; i < feed->partition_count; i++) {
        feed->partitions[i].until = until[i];
        feed->partitions[i].end_offset = 0; /* was told by a record that is to be read now */
    }
    return assign(feed, info);
}

struct feed_partition *feed_partitions(struct feed *feed, size_t *ret_count) {
    *ret_count = feed->partition_count;
    return feed->partitions;
}

enum err feed_watermarks(struct feed *feed, int timeout_ms, int64_t *ret_ends, struct err_info *info) {
    for (size_t i = 0; i < feed->partition_count; i++) {
        int64_t low = 0;
        enum err failure = log_reader_watermarks(feed->reader, feed->partitions[i].topic, feed->partitions[i].shard,
                                                 timeout_ms, &low, &ret_ends[i], info);
        if (failure != ERR_NONE) {
            return failure;
        }
    }
    return ERR_NONE;
}

const char *feed_schema(const struct feed *feed) {
    return feed->schema;
}

bool feed_is_live(const struct feed *feed) {
    return feed->is_live;
}

bool feed_is_outdated(struct feed *feed) {
    struct view_about about;
    return view_schema_about(feed->session, feed->schema, &about, NULL) == ERR_NONE &&
           (!about.is_there || strcmp(about.epoch, feed->about.epoch) != 0);
}

const char *feed_stage(const struct feed *feed) {
    static const char *const words[] = {
        [STAGE_READING] = "reads the log", [STAGE_PROJECTING] = "projects", [STAGE_POSTGRES] = "waits for PostgreSQL"};
    return words[atomic_load(&feed->stage)];
}

int64_t feed_parked(const struct feed *feed) {
    return feed->parked;
}

void feed_wake(struct feed *feed) {
    log_reader_wake(feed->reader);
}
