/* aggregate.h: what every aggregate is made of, and what the command handler may know of it.
 *
 * Purpose  an aggregate is a stream of events with one writer. Its state is the fold of `evolve` over its events;
 *          `decide` turns state and command into new events or a refusal; `react` turns an event into follow-up
 *          commands for other streams (that is how a purchase moves on) and into the answer for a command that
 *          waits for the stream to come to rest.
 * Promise  all of these are pure: no clock, no randomness, no I/O, no allocation beyond the arena they are handed.
 *          The same inputs give the same outputs, so a batch that was aborted is decided again to the same end.
 * Sub-keys what can grow without bound under one stream (the reservations of a SKU) is not in its state but in a
 *          sub-state of its own; a command or event touches at most one, named by `sub_key`.
 * Parts    of some aggregates clients read and change one sub-state at a time (a category of the tree): such a part has
 *          a version of its own, `part_version`, and an accepted command is answered with it instead of with the state.
 * Timers   a stream has at most one: `deadline_us(state)`; when it has passed, the command of `on_deadline` is decided
 *          like any other and checks the state again.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/array.h"
#include "core/base/buf.h"
#include "core/domain/rejection.h"
#include "core/domain/status.h"
#include "gen/commands.h"
#include "gen/events.h"

/* What an installation decided once and for all; the same in every process of it. */
struct policy {
    int64_t payment_deadline_us; /* how long an order waits for its payment */
    uint32_t shard_count;
};

/* What decide is given beside state and command, and where it puts what it decides. */
struct decision {
    struct arena *arena;
    const struct policy *policy;
    struct str stream;
    int64_t version;           /* of the stream before this decision; 0: it does not exist */
    int64_t now_us;            /* never before the stream's last event */
    struct event_array events; /* type and payload; the handler fills in meta */
    /* With a refusal: */
    struct str pointer;    /* the offending field of the body as a JSON pointer, e.g. /lines/3/sku; may be empty */
    struct str_array skus; /* the SKUs concerned */
    bool is_hidden;        /* refused as if the stream were not there: see decision_hide */
};

/* A new event at the end of the decision; the caller fills in `as`. The pointer is good until the next call. */
struct event *decision_event(struct decision *decision, uint16_t event_type);

/* Refuse, naming the offending field (an empty pointer for none). */
enum rejection decision_reject(struct decision *decision, enum rejection why, struct str pointer);

/* Refuse whoever may not know that the stream is there, with what would be said if it were not: so the handler answers
 * an expected version, whichever it is, as it does for a stream that does not exist. */
enum rejection decision_hide(struct decision *decision, enum rejection unknown);

/* The end of a wait. The first answer for a command counts; one for a command that does not wait is ignored. */
struct answer {
    struct str command_id;
    enum rejection rejection; /* ACCEPTED: answered with the state of the event's stream */
    bool is_brief;            /* without what state_encode_brief leaves out */
    struct str_array skus;
};

struct answer_array {
    struct answer *items;
    uint32_t count, capacity;
};

/* What react is given beside state and event, and where it puts what follows. */
struct reactions {
    struct arena *arena;
    const struct policy *policy;
    struct command_array commands; /* type, payload and meta.stream; the handler fills in the rest of meta */
    struct answer_array answers;
};

struct command *react_command(struct reactions *reactions, struct str stream, uint16_t command_type);
struct answer *react_answer(struct reactions *reactions, struct str command_id, enum rejection rejection);

struct aggregate {
    struct str prefix;  /* of its stream ids, e.g. "cart_" */
    const char *family; /* of its topic, e.g. "carts" */
    const char *noun;   /* for messages, e.g. "cart" */
    size_t state_size;
    size_t sub_state_size; /* 0: it has no sub-keys */

    enum rejection (*decide)(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision);
    /* evolve may grow arrays of the state in the arena; texts of the event may be kept by reference, since events,
     * states and arena live equally long. */
    void (*evolve)(void *state, void *sub_state, const struct event *event, struct arena *arena);
    /* Called once for each new event, in their order, with the state as it is right after that event and before the
     * next one; `cause` is the command that was decided. A command accepted without events leads to nothing.
     * NULL when it never reacts. */
    void (*react)(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions);

    /* Which events may come in which status, and what it is afterwards; NULL for one without a status. A state with a
     * status has it as its first field. For tests and documentation. */
    const struct status_table *life;

    /* NULL without sub-keys. Empty: this one touches none. What it is made of, and no NUL, in the arena. */
    struct str (*command_sub_key)(const struct command *command, struct arena *arena);
    struct str (*event_sub_key)(const struct event *event, struct arena *arena);

    /* NULL without timers. 0: no timer is set. */
    int64_t (*deadline_us)(const void *state);
    void (*on_deadline)(const void *state, struct command *ret_command);

    /* Generated codecs of the stored forms (Avro binary without frame). Decode answers false on malformed bytes. */
    void (*state_encode)(struct buf *out, const void *state);
    bool (*state_decode)(struct arena *arena, struct str bytes, void *ret_state);
    /* The state as far as a brief answer shows it; NULL without such answers. */
    void (*state_encode_brief)(struct buf *out, const void *state);
    uint32_t state_schema_id;
    void (*sub_state_encode)(struct buf *out, const void *sub_state);
    bool (*sub_state_decode)(struct arena *arena, struct str bytes, void *ret_sub_state);

    /* Of parts; NULL where sub-states are nobody's to see. The version of the stream at which the part last changed,
     * 0: it is not there. A command's expected version is of its part then. Such commands are answered ANSWER_NOW. */
    int64_t (*part_version)(const void *sub_state);
    uint32_t part_schema_id;
};

/* The aggregate whose prefix the stream id has, or NULL. */
const struct aggregate *aggregate_of_stream(struct str stream);

/* When a command from outside is answered. */
enum answer_time {
    ANSWER_NOW,     /* as soon as it is decided */
    ANSWER_AT_REST, /* when accepted, once a reaction answers it; a refusal at once */
};

struct command_info {
    uint16_t type;
    const char *name;                  /* e.g. "CheckOutCart" */
    const struct aggregate *aggregate; /* who decides it */
    enum answer_time answered;
};

/* By the command's type; NULL when no aggregate decides it (AskOutcome). The table is commands.def. */
const struct command_info *command_info(uint16_t command_type);
