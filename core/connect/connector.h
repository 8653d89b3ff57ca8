/* connector.h: what leaves Daybook: payment intents go to their provider, the provider's outcomes come back as
 * commands. One thread with a uv loop; these calls are for cmd/ and any thread. Its file is
 * long because the log's side and the providers' side meet in one table of tasks. May use: log, domain.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/config.h"
#include "core/base/err.h"

struct connector;

MUST_CHECK enum err connector_start(const struct config *config, struct connector **ret_connector,
                                    struct err_info *info);
void connector_stop(struct connector *connector);
bool connector_is_ready(const struct connector *connector);
void connector_metrics(const struct connector *connector, struct buf *out);
