#include "core/gateway/peers.h"

/* {"ready":false,"waiting_for":["log"],...}: waiting_for is there when something is waited for. */
void peers_readiness_write(const struct gateway_peer *peers, size_t count, const char *const *awaited,
                           size_t awaited_count, struct buf *out, bool *ret_is_ready) {
    struct buf names;
    buf_init(&names, 4096);
    struct json_writer list = json_writer_of(&names);
    bool is_ready = awaited_count == 0;
    json_array_begin(&list);
    for (size_t i = 0; i < awaited_count; i++) {
        json_text(&list, str_of_cstr(awaited[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (!peers[i].is_ready(peers[i].peer)) {
            is_ready = false;
            json_text(&list, str_of_cstr(peers[i].name));
        }
    }
    json_array_end(&list);
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_bool(&writer, "ready", is_ready);
    if (!is_ready) {
        json_name(&writer, STR("waiting_for"));
        json_raw(&writer, buf_text(&names));
    }
    for (size_t i = 0; i < count; i++) {
        if (peers[i].describe != NULL) {
            peers[i].describe(peers[i].peer, &writer);
        }
    }
    json_object_end(&writer);
    buf_release(&names);
    *ret_is_ready = is_ready;
}

void peers_metrics_write(const struct gateway_peer *peers, size_t count, struct buf *out) {
    for (size_t i = 0; i < count; i++) {
        peers[i].metrics(peers[i].peer, out);
    }
}
