/* handler.h: exactly-once command processing: the workers that own shards, decide commands and append events.
 * See docs/handler.md for the protocol. Each worker is one thread; these calls are for cmd/ and any thread.
 * May use: log, domain.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/config.h"
#include "core/base/err.h"

struct handler;

/* Starts the workers; returns at once. They retry with backoff while the log cannot be reached. */
MUST_CHECK enum err handler_start(const struct config *config, struct handler **ret_handler, struct err_info *info);

/* Finishes the batch in hand, leaves the group, closes the stores. */
void handler_stop(struct handler *handler);

/* Whether every shard assigned to a worker of this process is being decided on. */
bool handler_is_ready(const struct handler *handler);

/* Whether a worker met something that needs a person (a broken history); the process should end with an error. */
bool handler_has_failed(const struct handler *handler, struct err_info *info);

/* Its metrics in Prometheus text format 0.0.4, appended. */
void handler_metrics(const struct handler *handler, struct buf *out);
