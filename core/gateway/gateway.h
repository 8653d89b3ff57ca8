/* gateway.h: Daybook's HTTP front: commands in, answers and queries out.
 * Each loop is one thread; these calls are for cmd/ and any thread. May use: http, log, domain, pg, vault, query.c.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/config.h"
#include "core/base/err.h"
#include "core/gateway/peers.h"
#include "core/log/local_replies.h"

struct gateway;

/* `peers`: the other roles of the process; `local`: where a handler of this process leaves its replies, NULL: there is
 * none. Both must outlive it. */
MUST_CHECK enum err gateway_start(const struct config *config, const struct gateway_peer *peers, size_t peer_count,
                                  struct local_replies *local, struct gateway **ret_gateway, struct err_info *info);
int gateway_port(const struct gateway *gateway);
/* Refuses new requests, answers those in hand (10 s at most), ends its threads. */
void gateway_stop(struct gateway *gateway);
