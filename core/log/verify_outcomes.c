/* verify_outcomes.c: a command has one final outcome, and it never changes. */
#include "core/log/verify_parts.h"

struct known_outcome {
    struct digest content;
    uint8_t status;
};

void outcome_map_init(struct digest_map *map) {
    digest_map_init(map, sizeof(struct known_outcome));
}

/* What the client is told; not when it was recorded, nor where the answer went. */
static struct digest content_of(struct verify *verify, const struct outcome *outcome) {
    struct buf text;
    buf_init(&text, 4 * 1024 * 1024);
    buf_printf(&text, "%d %.*s %.*s %.*s %lld ", (int)outcome->status, STR_ARGS(outcome->rejection),
               STR_ARGS(outcome->pointer), STR_ARGS(outcome->stream), (long long)outcome->version);
    for (uint32_t i = 0; i < outcome->skus.count; i++) {
        buf_printf(&text, "%.*s ", STR_ARGS(outcome->skus.items[i]));
    }
    buf_str(&text, outcome->request_hash);
    if (!buf_ok(&text)) {
        verify_tell(verify, "outcome", "it is too large to be one");
    }
    struct digest digest = digest_of(buf_text(&text), outcome->resource);
    buf_release(&text);
    return digest;
}

static bool is_final(enum outcome_status status) {
    switch (status) {
    case OUTCOME_STATUS_ACCEPTED:
    case OUTCOME_STATUS_REJECTED:
        return true;
    case OUTCOME_STATUS_PENDING:
    case OUTCOME_STATUS_UNKNOWN:
        return false;
    }
    return false;
}

void verify_outcome(struct verify *verify, const struct outcome *outcome) {
    bool is_new;
    struct known_outcome *known = digest_map_at(&verify->outcomes, digest_of(outcome->command_id, STR("")), &is_new);
    if (outcome->status == OUTCOME_STATUS_UNKNOWN) {
        verify_tell(verify, "outcome", "recorded as unknown: that is an answer, never an outcome");
        return;
    }
    struct digest content = content_of(verify, outcome);
    if (!is_new && is_final((enum outcome_status)known->status)) {
        bool same = memcmp(content.bytes, known->content.bytes, sizeof content.bytes) == 0;
        verify_tell(verify, "outcome", "recorded as %s after it was recorded as %s%s",
                    outcome_status_name(outcome->status), outcome_status_name((enum outcome_status)known->status),
                    same ? ", the same once more" : "");
        return;
    }
    *known = (struct known_outcome){content, (uint8_t)outcome->status};
}
