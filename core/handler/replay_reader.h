/* replay_reader.h: the log of a broker, as replays need it.
 *
 * Thread   the reader's.         May use: log.
 */
#pragma once

#include "core/handler/replay.h"

enum { REPLAY_CALL_TIMEOUT_MS = 5000 }; /* for one question to the broker */

/* The reader is lent, and must be read_committed. */
struct replay_log replay_log_of_reader(struct log_reader *reader);
