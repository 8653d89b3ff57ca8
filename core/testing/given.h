/* given.h: an aggregate under test: given what happened, when a command comes, then these events or this refusal.
 *
 *     given(&cart, opened("EUR"));
 *     when(&cart, set_line("TEA", 2));
 *     THEN(&cart, EVENT_CART_UPDATED);
 *     when(&cart, set_line("TEA", 2));
 *     THEN_NOTHING(&cart);
 *
 * Promise  each command is decided the way the handler does it (decide, fill in meta, evolve, react, event by event),
 *          and with it, every time and for every aggregate:
 *            - decide changes neither state nor command, and deciding twice gives the same events;
 *            - the event has a row in the aggregate's status table;
 *            - a second fold, which stores and reloads its state and every event as bytes before each step, stays equal
 *              to the first: so fold(all) = fold(stored state + tail), and the codecs lose nothing;
 *            - no event of the history is changed by what follows, though states and events share memory
 *              (given_check_history).
 * Memory   everything lives until given_end.
 * Thread   one.          May use: base, domain, generated code; cmocka in its assertions.
 */
#pragma once

#include "core/base/map.h"
#include "core/domain/aggregate.h"

struct past_event {
    struct event event;
    struct str bytes; /* as it was when it was made */
};

struct past_event_array {
    struct past_event *items;
    uint32_t count, capacity;
};

/* A sub-state and its stored form. */
struct given_part {
    void *state;
    struct str stored;
};

struct given {
    const struct aggregate *aggregate;
    struct str stream;
    struct policy policy; /* 30 minutes to pay, 4 shards */
    struct arena arena;
    struct buf scratch;
    int64_t version;
    int64_t now_us; /* moves a second with each command */
    void *state;
    struct str stored; /* the second fold's state, as bytes */
    struct map parts;  /* of struct given_part, by sub-key */
    struct past_event_array history;

    /* What the newest command led to. */
    enum rejection rejection;
    struct decision decision;
    struct reactions reactions;
};

/* The stream's prefix says which aggregate it is. */
void given_begin(struct given *given, struct str stream);
/* Asserts that no event of its history has changed since it was made. */
void given_check_history(struct given *given);
/* Gives all memory back. */
void given_end(struct given *given);

/* It happened before: type and payload; meta is filled in. */
void given(struct given *given, struct event event);

/* Type and payload; meta may name command_id, correlation_id and actor (else anonymous). The command goes through its
 * bytes, so what it points to need not outlive the call. */
enum rejection when(struct given *given, struct command command);
/* The same without a copy, as a follow-up is decided whose cause was decided in the same batch. */
enum rejection when_shared(struct given *given, struct command command);

/* The sub-state under this key; a zeroed one when there is none. */
const void *given_part_state(struct given *given, struct str sub_key);

/* ---- then -------------------------------------------------------------------------------------------------------- */

/* Accepted, with exactly these events. */
#define THEN(given, ...)                                                                                               \
    then_made((given), (const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t),    \
              __FILE__, __LINE__)
/* Accepted, without an event. */
#define THEN_NOTHING(given) then_made((given), NULL, 0, __FILE__, __LINE__)
/* Refused, naming this field ("" for none). */
#define THEN_REFUSED(given, why, pointer) then_refused((given), (why), (pointer), __FILE__, __LINE__)
/* The follow-up commands are exactly so many. */
#define THEN_SENDS(given, count) then_sends((given), (count), __FILE__, __LINE__)
/* One answer, to this command. */
#define THEN_ANSWERS(given, command_id, rejection) then_answers((given), (command_id), (rejection), __FILE__, __LINE__)
#define THEN_ANSWERS_NOBODY(given) then_answers_nobody((given), __FILE__, __LINE__)
/* The i-th follow-up command, which is of this type and for this stream. */
#define SENT(given, index, type, stream) sent((given), (index), (type), (stream), __FILE__, __LINE__)

/* The i-th event of the newest command. */
const struct event *made(const struct given *given, uint32_t index);

void then_made(const struct given *given, const uint16_t *types, size_t count, const char *file, int line);
void then_refused(const struct given *given, enum rejection why, const char *pointer, const char *file, int line);
void then_sends(const struct given *given, uint32_t count, const char *file, int line);
const struct answer *then_answers(const struct given *given, const char *command_id, enum rejection rejection,
                                  const char *file, int line);
void then_answers_nobody(const struct given *given, const char *file, int line);
const struct command *sent(const struct given *given, uint32_t index, uint16_t type, const char *stream,
                           const char *file, int line);

#define assert_str(actual, expected) assert_str_at((actual), (expected), __FILE__, __LINE__)
void assert_str_at(struct str actual, const char *expected, const char *file, int line);
