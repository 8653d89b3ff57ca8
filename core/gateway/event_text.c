#include "core/gateway/event_text.h"

#include "core/base/text.h"

void event_text_retry(struct buf *out, unsigned retry_ms) {
    buf_printf(out, "retry: %u\n\n", retry_ms);
}

void event_text_write(struct buf *out, int64_t version, struct str data) {
    buf_printf(out, "id: %lld\n", (long long)version);
    bool has_more = true;
    while (has_more) {
        struct str line = str_first(data, str_find(data, '\n'));
        has_more = line.len < data.len;
        data = str_from(data, line.len + 1);
        buf_str(out, STR("data: "));
        buf_str(out, line);
        buf_byte(out, '\n');
    }
    buf_byte(out, '\n');
}

bool event_text_read_id(struct str text, int64_t *ret_version) {
    int64_t version;
    if (!int64_read(text, &version) || version < 1) {
        return false;
    }
    *ret_version = version;
    return true;
}
