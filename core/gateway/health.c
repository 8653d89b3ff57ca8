#include "core/gateway/health.h"

#include "core/base/json_write.h"
#include "core/gateway/loop.h"
#include "core/gateway/replies.h"
#include "core/gateway/request.h"

void health_live(struct request *request) {
    request_answer_json(request, 200, STR("{\"live\":true}"));
}

/* A peer's name as an item of waiting_for. */
static bool note(struct json_writer *writer, const char *name, bool is_ready) {
    if (!is_ready) {
        json_text(writer, str_of_cstr(name));
    }
    return is_ready;
}

void health_ready(struct request *request) {
    const struct gateway *gateway = request->loop->gateway;
    struct buf names;
    buf_init(&names, 4096);
    struct json_writer writer = json_writer_of(&names);
    json_array_begin(&writer);
    bool is_ready = note(&writer, "log", replies_are_heard(gateway->replies));
    is_ready = note(&writer, "database", pg_pool_is_up(request->loop->pg)) && is_ready;
    for (size_t i = 0; i < gateway->peer_count; i++) {
        const struct gateway_peer *peer = &gateway->peers[i];
        is_ready = note(&writer, peer->name, peer->is_ready == NULL || peer->is_ready(peer->peer)) && is_ready;
    }
    json_array_end(&writer);
    struct str list = buf_text(&names);
    struct str body =
        is_ready ? STR("{\"ready\":true}")
                 : arena_printf(request_arena(request), "{\"ready\":false,\"waiting_for\":%.*s}", STR_ARGS(list));
    request_answer_json(request, is_ready ? 200 : 503, body);
    buf_release(&names);
}
