#include "core/handler/replay_reader.h"

static enum err reader_watermarks(void *context, const char *topic, int32_t partition, int64_t *ret_low,
                                  int64_t *ret_high, struct err_info *info) {
    return log_reader_watermarks(context, topic, partition, REPLAY_CALL_TIMEOUT_MS, ret_low, ret_high, info);
}

static enum err reader_assign(void *context, const struct log_partition *partitions, size_t count,
                              struct err_info *info) {
    return log_reader_assign(context, partitions, count, info);
}

static enum err reader_poll(void *context, int timeout_ms, struct log_record *ret_records, size_t capacity,
                            size_t *ret_count, struct err_info *info) {
    return log_reader_poll(context, timeout_ms, ret_records, capacity, ret_count, info);
}

static enum err reader_ends(void *context, enum log_end which, struct log_partition *partitions, size_t count,
                            struct err_info *info) {
    return log_reader_ends(context, which, partitions, count, REPLAY_CALL_TIMEOUT_MS, info);
}

struct replay_log replay_log_of_reader(struct log_reader *reader) {
    return (struct replay_log){reader_watermarks, reader_assign, reader_poll, reader_ends, reader};
}
