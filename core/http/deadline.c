#include "core/http/deadline.h"

void deadline_clear(struct deadline *deadline) {
    struct deadline_queue *queue = deadline->queue;
    if (queue == NULL) {
        return;
    }
    *(deadline->earlier != NULL ? &deadline->earlier->later : &queue->first) = deadline->later;
    *(deadline->later != NULL ? &deadline->later->earlier : &queue->last) = deadline->earlier;
    *deadline = (struct deadline){0};
}

void deadline_set(struct deadline_queue *queue, struct deadline *deadline, uint64_t now_ms) {
    deadline_clear(deadline);
    *deadline = (struct deadline){.queue = queue, .earlier = queue->last, .due_ms = now_ms + queue->after_ms};
    *(queue->last != NULL ? &queue->last->later : &queue->first) = deadline;
    queue->last = deadline;
}

struct deadline *deadline_take_due(struct deadline_queue *queue, uint64_t now_ms) {
    struct deadline *first = queue->first;
    if (first == NULL || first->due_ms > now_ms) {
        return NULL;
    }
    deadline_clear(first);
    return first;
}
