/* front_parts.h: what the files of the front share. Not for others.
 *
 * front.c         requests and answers on their way, the process and its life after life.
 * front_life.c    one life: the loop that sends, waits, asks and answers.
 * front_replies.c the fiber that hears the handlers' replies.
 */
#pragma once

#include "core/gateway/identity.h"
#include "core/log/producer.h"
#include "core/log/reader.h"
#include "core/log/topics.h"
#include "core/testing/simulator/front.h"

#define LIFE_ARENA_BYTES ((size_t)16 << 20)

struct front_list {
    struct front_request *first, *last;
};

struct front {
    struct front_options options;
    struct log_topics topics;
    int incarnation;
    struct front_life *life; /* NULL: its process is dead, or has just begun */
};

/* What the producer's and the replies' fibers tell the loop. */
struct letter {
    enum { LETTER_REPLY, LETTER_NOT_DELIVERED, LETTER_IN_DOUBT } kind;
    uint64_t submission;
    struct str value; /* a reply: its own copy */
    struct letter *next;
};

struct front_life {
    struct front *front;
    struct log_producer *producer;
    struct log_reader *reader;
    int64_t replies_next; /* -1: from the end */
    int64_t replies_check_us;
    bool is_heard; /* answers can reach it */
    int32_t reply_partition;
    char instance[32];
    uint64_t submissions;
    struct front_list inbox, waiting;
    struct letter *letters, **letters_last;
    struct arena arena; /* of what is in hand */
};

/* ---- front.c ----------------------------------------------------------------------------------------------------- */

void front_list_add(struct front_list *list, struct front_request *request);
void front_list_remove(struct front_list *list, struct front_request *request);
/* Sends the answer on its way; the request is in no list. */
void front_answer(struct front *front, struct front_request *request, const struct journal_told *told);

/* ---- front_life.c ------------------------------------------------------------------------------------------------ */

/* Never returns. */
void life_run(struct front_life *life);
/* Wakes the loop. `value` is copied. */
void life_post(struct front_life *life, int kind, uint64_t submission, struct str value);

/* ---- front_replies.c --------------------------------------------------------------------------------------------- */

void *replies_run(void *life);
