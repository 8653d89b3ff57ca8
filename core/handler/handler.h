/* handler.h: exactly-once command processing: the workers that own shards, decide commands and append events.
 * See docs/handler.md for the protocol. Each worker is one thread; these calls are for cmd/ and any thread.
 * May use: log, domain.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/json_write.h"
#include "core/log/local_replies.h"

struct handler;

/* Starts the workers; returns at once. They retry with backoff while the log cannot be reached. `local`: who listens
 * for replies in this process; it must outlive the handler. NULL: all replies go through the log. */
MUST_CHECK enum err handler_start(const struct config *config, struct local_replies *local,
                                  struct handler **ret_handler, struct err_info *info);

/* Finishes the batch in hand, leaves the group, closes the stores. */
void handler_stop(struct handler *handler);

/* Whether every shard assigned to a worker of this process is being decided on, or stopped. A stopped shard does not
 * make the process unready: that would take the front away from all the others. */
bool handler_is_ready(const struct handler *handler);

/* "stopped_shards":[{"shard":2,"why":"..."}], when there are any: a broken history, or commands that are gone. Each
 * needs a person (docs/operations.md). */
void handler_describe(const struct handler *handler, struct json_writer *writer);

/* Its metrics in Prometheus text format 0.0.4, appended. */
void handler_metrics(const struct handler *handler, struct buf *out);
