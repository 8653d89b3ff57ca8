#include "core/gateway/health.h"

#include "core/gateway/loop.h"
#include "core/gateway/peers.h"
#include "core/gateway/replies.h"
#include "core/gateway/request.h"

enum { READINESS_MAX_BYTES = 1024 * 1024 };

void health_live(struct request *request) {
    request_answer_json(request, 200, STR("{\"live\":true}"));
}

bool health_judges_credentials(const struct gateway *gateway) {
    return revocations_are_known(&gateway->revocations) && api_keys_are_known(gateway->api_keys);
}

void health_ready(struct request *request) {
    const struct gateway *gateway = request->loop->gateway;
    const char *awaited[2];
    size_t awaited_count = 0;
    if (!replies_are_heard(gateway->replies)) {
        awaited[awaited_count++] = "log";
    }
    if (!loop_database_is_up(request->loop) || !health_judges_credentials(gateway)) {
        awaited[awaited_count++] = "database";
    }
    struct buf body;
    buf_init(&body, READINESS_MAX_BYTES);
    bool is_ready;
    peers_readiness_write(gateway->peers, gateway->peer_count, awaited, awaited_count, &body, &is_ready);
    request_answer_json(request, is_ready ? 200 : 503, buf_text(&body));
    buf_release(&body);
}
