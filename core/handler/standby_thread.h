/* standby_thread.h: the thread that keeps standby stores (standbys.h) near the end of the log.
 *
 * Purpose  one thread, with one reader, for all of them, so that they cost the owned shards little: it runs at a lower
 *          priority than the workers, sleeps while nothing comes, and has the broker gather records. While there is
 *          nothing to keep, as where one process has all shards, it has no reader and looks once in a second.
 * Bounds   READER_QUEUE_BYTES read ahead; pauses of PAUSE_MAX_MS at most while no broker answers.
 * Thread   its own; these calls from any.        May use: log, domain.
 */
#pragma once

#include "core/handler/standbys.h"

struct standby_thread;

/* Brokers and standbys must outlive it. */
MUST_CHECK enum err standby_thread_start(struct standbys *standbys, const char *brokers,
                                         struct standby_thread **ret_thread, struct err_info *info);

/* Closes the stores, synced. NULL is nothing. */
void standby_thread_stop(struct standby_thread *thread);
