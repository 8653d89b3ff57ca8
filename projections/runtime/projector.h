/* projector.h: keeps read models up to date with the log: one thread a view.
 * These calls are for cmd/ and any thread. May use: log, pg, domain.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/config.h"
#include "core/base/err.h"

struct projector;

MUST_CHECK enum err projector_start(const struct config *config, struct projector **ret_projector,
                                    struct err_info *info);
void projector_stop(struct projector *projector);
/* Whether every view has seen everything that was in the log when it started. */
bool projector_is_ready(const struct projector *projector);
void projector_metrics(const struct projector *projector, struct buf *out);
