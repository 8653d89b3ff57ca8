/* deadline.h: many waits of one length each, at the cost of a list.
 *
 * Purpose  all waits in a queue have the same length, so the order of starting is the order of ending: setting and
 *          clearing are a few pointers, and only the first has to be looked at. One uv_timer serves all connections.
 * Memory   intrusive; a zeroed struct deadline is not set.
 * Thread   the loop's.           May use: libc.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline_queue;

struct deadline {
    struct deadline_queue *queue; /* NULL: not set */
    struct deadline *earlier, *later;
    uint64_t due_ms;
};

struct deadline_queue {
    struct deadline *first, *last;
    uint64_t after_ms;
};

/* Due at now + the queue's length; a deadline that was set, in this queue or another, is moved. */
void deadline_set(struct deadline_queue *queue, struct deadline *deadline, uint64_t now_ms);
void deadline_clear(struct deadline *deadline);

/* The first that is due, cleared; NULL when none is. */
struct deadline *deadline_take_due(struct deadline_queue *queue, uint64_t now_ms);
