/* journal.h: what the simulated clients sent and what they were told, written down by the clients alone.
 *
 * Purpose  the independent witness of a run: the oracles compare the log with it and never ask the system under test
 *          whether it is right. An entry is one request as a client made it, so a retry is another entry under the same
 *          command id.
 * Promise  an entry holds the very bytes that were handed to the producer (or those of which a part was), and the whole
 *          answer. Entries never move and
 *          are in the order of their making.
 * Bounds   JOURNAL_MAX_BYTES.
 * Memory   copies, in the journal's arena; for the length of the run.
 * Thread   one.                  May use: base, domain, log, generated code.
 */
#pragma once

#include <stdio.h>

#include "core/base/arena.h"
#include "core/log/record.h"
#include "gen/commands.h"
#include "gen/messages.h"

#define JOURNAL_MAX_BYTES ((size_t)4 << 30)

enum { JOURNAL_TRACE_LEN = 55 }; /* of a traceparent of W3C */

enum journal_answer {
    JOURNAL_UNANSWERED, /* the client went, or the front died: nothing is known */
    JOURNAL_ACCEPTED,
    JOURNAL_REFUSED,  /* `rejection` says why */
    JOURNAL_PENDING,  /* 202: not known yet */
    JOURNAL_NOT_SENT, /* 503: it is promised that nothing stands in the log */
    JOURNAL_UNKNOWN,  /* 404 to a question: the window has not seen the command */
};

enum journal_source {
    JOURNAL_BY_NOBODY,
    JOURNAL_BY_REPLY,    /* the first answer */
    JOURNAL_BY_REPLAY,   /* the answer of before, to a command that came again */
    JOURNAL_BY_QUESTION, /* the answer to AskOutcome, the client's or the front's own */
};

/* What was told. Texts are the journal's. */
struct journal_told {
    enum journal_answer answer;
    enum journal_source source;
    struct str rejection; /* its code; empty for none */
    struct str_array skus;
    struct str stream; /* that answers */
    int64_t version;
    struct str resource;              /* its state, framed; empty when there is none */
    uint8_t digest[CHAIN_HASH_BYTES]; /* journal_digest of the outcome */
};

struct journal_entry {
    uint32_t number; /* 1, 2, 3 ... */
    uint32_t client; /* 0: the payment provider */
    struct str command_id;
    struct str stream;
    uint16_t command_type; /* of a question: of the command that is asked about */
    bool has_key;
    bool is_question;
    bool is_late;   /* made once the world was healed: it must be answered */
    bool is_torn;   /* what was handed to the producer is a part of `record` */
    bool is_joined; /* another request for the same was on its way, so that no record was sent for this one */
    struct str request_hash;
    struct str record;   /* the value that was handed to the producer; empty: none was */
    int64_t asked_us;    /* the world's time: the client made the request */
    int64_t answered_us; /* was told; -1: never */
    struct journal_told told;
};

struct journal {
    struct arena arena;
    struct journal_entry **entries;
    uint32_t count, capacity;
};

void journal_init(struct journal *journal);
void journal_release(struct journal *journal);

/* A new entry about this command, which is complete save for what the front fills in. Unanswered. */
struct journal_entry *journal_add(struct journal *journal, uint32_t client, const struct command *command);
/* A new entry about the question what became of the entry's command. */
struct journal_entry *journal_add_question(struct journal *journal, const struct journal_entry *about);

/* The record of its command was handed to the producer. */
void journal_sent(struct journal *journal, struct journal_entry *entry, struct str record);

/* The answer that the outcome means, copied. */
struct journal_told journal_told_of(struct journal *journal, const struct outcome *outcome, bool was_asked);

/* What an outcome tells, whoever it is told to and however often: neither where the answer goes nor `replayed`. */
void journal_digest(const struct outcome *outcome, uint8_t ret_digest[CHAIN_HASH_BYTES]);

/* Marks the one record in the log that was sent for this entry: the traceparent it goes with. */
struct str journal_trace(struct arena *arena, const struct journal_entry *entry);
/* The entry's number; false when the header is none of ours. */
MUST_CHECK bool journal_trace_read(struct str traceparent, uint32_t *ret_number);

/* Whether this was the last word on the command, and not said to this one request (a reused key, too late a try). */
bool journal_is_final(const struct journal_told *told);

const char *journal_answer_name(enum journal_answer answer);

/* One JSON object a line. */
void journal_write(const struct journal *journal, FILE *file);
