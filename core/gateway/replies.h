/* replies.h: the thread that hears the handlers' answers and hands each to the loop that waits for it.
 *
 * Purpose  a gateway chooses one partition of the replies topic and reads it from the end; every command names that
 * partition and the loop that waits (instance id, a dot, the loop's number), so answers to others are passed over.
 * Promise  nothing is sent before the reader stands at the partition's end: so no answer is missed at the start.
 * Without the log it tries again with backoff, 200 ms to 5 s; an answer missed meanwhile is made good by asking for it.
 * Thread   its own; replies_are_heard and replies_unreadable from any.  May use: log.
 */
#pragma once

#include "core/base/err.h"
#include "core/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct gateway;
struct replies;

MUST_CHECK enum err replies_start(struct gateway *gateway, struct replies **ret_replies, struct err_info *info);
void replies_stop(struct replies *replies);

/* A local_reply_taker whose context is the gateway: a handler of this process has an answer for one of its loops. */
bool replies_take_local(void *context, struct str instance, struct str value);

/* Whether answers can reach us: the log was there when last looked (every REPLIES_CHECK_MS). */
bool replies_are_heard(const struct replies *replies);

/* Records of our partition that were no replies, and were passed over. */
uint64_t replies_unreadable(const struct replies *replies);
