#include "core/handler/poison.h"

#include "core/base/avro_binary.h"
#include "core/log/record.h"

bool poison_meta_read(struct str value, struct command_meta *ret_meta) {
    uint32_t schema_id;
    struct str avro;
    if (!frame_read(value, &schema_id, &avro)) {
        return false;
    }
    struct avro_reader reader = avro_reader_of(avro);
    struct command_meta meta = {0};
    meta.command_id = avro_read_string(&reader);
    meta.stream = avro_read_string(&reader);
    meta.correlation_id = avro_read_string(&reader);
    meta.causation_id = avro_read_string(&reader);
    meta.actor = avro_read_string(&reader);
    meta.issued_at = avro_read_long(&reader);
    meta.client_key = avro_read_boolean(&reader);
    meta.request_hash = avro_read_bytes(&reader);
    int32_t branch = avro_read_int(&reader);
    if (branch != 0 && branch != 1) {
        return false;
    }
    meta.has_expected_version = branch == 1;
    meta.expected_version = branch == 1 ? avro_read_long(&reader) : 0;
    meta.reply_partition = avro_read_int(&reader);
    meta.reply_instance = avro_read_string(&reader);
    if (reader.failed) {
        return false;
    }
    *ret_meta = meta;
    return true;
}
