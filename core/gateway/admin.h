/* admin.h: /metrics, /health/live and /health/ready of a process without the front, at the setting admin_port.
 *
 * Promise  the same pages, with the same words, as the front serves of its process (health.h, metrics.h).
 * Thread   one of its own; these calls are for cmd/ and any thread.      May use: base, http.
 */
#pragma once

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/gateway/peers.h"

struct admin;

/* `config` and `peers` must outlive it. */
MUST_CHECK enum err admin_start(const struct config *config, const struct gateway_peer *peers, size_t peer_count,
                                struct admin **ret_admin, struct err_info *info);
/* Answers what it has in hand and ends its thread. May be given NULL. */
void admin_stop(struct admin *admin);
