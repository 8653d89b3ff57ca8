#include "core/testing/given.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gen/codec.h"

enum { MAX_ARENA_BYTES = 1 << 30, MAX_RECORD_BYTES = 1 << 26 };

#define START_US INT64_C(1750000000000000)
#define SECOND_US INT64_C(1000000)

void given_begin(struct given *given, struct str stream) {
    *given = (struct given){0};
    arena_init(&given->arena, MAX_ARENA_BYTES);
    buf_init(&given->scratch, MAX_RECORD_BYTES);
    given->aggregate = aggregate_of_stream(stream);
    assert(given->aggregate != NULL);
    given->stream = stream;
    given->policy = (struct policy){.payment_deadline_us = 1800 * SECOND_US, .shard_count = 4};
    given->now_us = START_US;
    given->state = arena_alloc(&given->arena, given->aggregate->state_size);
    map_init(&given->parts, &given->arena);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static struct str take_scratch(struct given *given) {
    assert(buf_ok(&given->scratch));
    struct str copy = arena_str_copy(&given->arena, buf_text(&given->scratch));
    buf_clear(&given->scratch);
    return copy;
}

static struct str state_bytes(struct given *given, const void *state) {
    given->aggregate->state_encode(&given->scratch, state);
    return take_scratch(given);
}

static struct str part_bytes(struct given *given, const void *part) {
    given->aggregate->sub_state_encode(&given->scratch, part);
    return take_scratch(given);
}

static struct str event_bytes(struct given *given, const struct event *event) {
    event_encode(&given->scratch, event);
    return take_scratch(given);
}

static struct str command_bytes(struct given *given, const struct command *command) {
    command_encode(&given->scratch, command);
    return take_scratch(given);
}

void given_check_history(struct given *given) {
    for (uint32_t i = 0; i < given->history.count; i++) {
        struct past_event *past = &given->history.items[i];
        event_encode(&given->scratch, &past->event);
        assert(str_equal(buf_text(&given->scratch), past->bytes) && "an event changed after it was made");
        buf_clear(&given->scratch);
    }
}

void given_end(struct given *given) {
    buf_release(&given->scratch);
    arena_release(&given->arena);
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

/* NULL for the empty key. */
static struct given_part *find_part(struct given *given, struct str sub_key) {
    if (str_is_empty(sub_key)) {
        return NULL;
    }
    struct given_part **at = (struct given_part **)map_at(&given->parts, sub_key);
    if (*at == NULL) {
        *at = arena_alloc(&given->arena, sizeof **at);
        (*at)->state = arena_alloc(&given->arena, given->aggregate->sub_state_size);
        (*at)->stored = part_bytes(given, (*at)->state);
    }
    return *at;
}

static struct str event_key(struct given *given, const struct event *event) {
    return given->aggregate->event_sub_key != NULL ? given->aggregate->event_sub_key(event, &given->arena) : STR("");
}

const void *given_part_state(struct given *given, struct str sub_key) {
    return find_part(given, sub_key)->state;
}

/* The second fold: state and event go through their stored form before each step. */
static void evolve_stored(struct given *given, struct given_part *part, struct str bytes, uint16_t event_type) {
    const struct aggregate *aggregate = given->aggregate;
    struct event event = {0};
    const char *why = NULL;
    bool decoded = event_decode(&given->arena, event_info(event_type)->schema_id, bytes, &event, &why);
    assert(decoded && "an event's own bytes are not read");

    void *state = arena_alloc(&given->arena, aggregate->state_size);
    void *part_state = NULL;
    if (!str_is_empty(given->stored)) {
        decoded = aggregate->state_decode(&given->arena, given->stored, state);
        assert(decoded && "a state's own bytes are not read");
    }
    if (part != NULL) {
        part_state = arena_alloc(&given->arena, aggregate->sub_state_size);
        decoded = aggregate->sub_state_decode(&given->arena, part->stored, part_state);
        assert(decoded && "a sub-state's own bytes are not read");
    }
    aggregate->evolve(state, part_state, &event, &given->arena);
    given->stored = state_bytes(given, state);
    assert(str_equal(given->stored, state_bytes(given, given->state)) && "the folds differ");
    if (part != NULL) {
        part->stored = part_bytes(given, part_state);
        assert(str_equal(part->stored, part_bytes(given, part->state)) && "the folds of a part differ");
    }
}

static void check_life(const struct given *given, const struct event *event) {
    const struct status_table *life = given->aggregate->life;
    if (life != NULL) {
        int status;
        memcpy(&status, given->state, sizeof status); /* the first field */
        assert(status_after(life, event->type, status) != -1 && "the status table has no row for the event");
    }
}

static void append(struct given *given, struct event *event, const struct command *cause) {
    given->version++;
    event->meta = (struct event_meta){
        .event_id = arena_printf(&given->arena, "evt_%.*s_%d", STR_ARGS(given->stream), (int)given->version),
        .stream = given->stream,
        .version = given->version,
        .occurred_at = given->now_us,
        .command_id = cause->meta.command_id,
        .correlation_id = cause->meta.correlation_id,
        .causation_id = cause->meta.causation_id,
        .actor = cause->meta.actor,
    };
    check_life(given, event);
    struct str bytes = event_bytes(given, event);
    *ARRAY_PUSH(&given->arena, &given->history) = (struct past_event){*event, bytes};
    struct given_part *part = find_part(given, event_key(given, event));
    given->aggregate->evolve(given->state, part != NULL ? part->state : NULL, event, &given->arena);
    evolve_stored(given, part, bytes, event->type);
}

void given(struct given *given, struct event event) {
    const struct command cause = {.meta = {.command_id = STR("cmd_before"), .correlation_id = STR("cmd_before")}};
    struct event *kept = arena_alloc(&given->arena, sizeof *kept);
    *kept = event;
    append(given, kept, &cause);
}

/* ---- decide ------------------------------------------------------------------------------------------------------ */

static struct decision decide_once(struct given *given, const void *part, const struct command *command,
                                   enum rejection *ret_rejection) {
    struct decision decision = {
        .arena = &given->arena,
        .policy = &given->policy,
        .stream = given->stream,
        .version = given->version,
        .now_us = given->now_us,
    };
    *ret_rejection = given->aggregate->decide(given->state, part, command, &decision);
    return decision;
}

static void check_same_decision(struct given *given, const struct decision *a, const struct decision *b) {
    assert(a->events.count == b->events.count);
    for (uint32_t i = 0; i < a->events.count; i++) {
        assert(a->events.items[i].type == b->events.items[i].type);
        struct str one = event_bytes(given, &a->events.items[i]);
        assert(str_equal(one, event_bytes(given, &b->events.items[i])) && "deciding twice differs");
    }
}

static void decide(struct given *given, const void *part, const struct command *command) {
    struct str state_before = state_bytes(given, given->state);
    struct str command_before = command_bytes(given, command);
    given->decision = decide_once(given, part, command, &given->rejection);
    enum rejection again;
    struct decision second = decide_once(given, part, command, &again);
    assert(given->rejection == again);
    check_same_decision(given, &given->decision, &second);
    assert(str_equal(state_before, state_bytes(given, given->state)) && "decide changed the state");
    assert(str_equal(command_before, command_bytes(given, command)) && "decide changed the command");
    assert(given->rejection == ACCEPTED || given->decision.events.count == 0);
}

enum rejection when(struct given *given, struct command command) {
    struct str bytes = command_bytes(given, &command);
    struct command copy = {0};
    const char *why = NULL;
    bool decoded = command_decode(&given->arena, command_schema_id(command.type), bytes, &copy, &why);
    assert(decoded && "a command's own bytes are not read");
    return when_shared(given, copy);
}

enum rejection when_shared(struct given *given, struct command command) {
    struct command *kept = arena_alloc(&given->arena, sizeof *kept);
    *kept = command;
    kept->meta.stream = given->stream;
    if (str_is_empty(kept->meta.command_id)) {
        kept->meta.command_id = arena_printf(&given->arena, "cmd_%lld", (long long)given->now_us);
    }
    if (str_is_empty(kept->meta.correlation_id)) {
        kept->meta.correlation_id = kept->meta.command_id;
    }
    if (str_is_empty(kept->meta.actor)) {
        kept->meta.actor = STR("anonymous");
    }
    given->now_us += SECOND_US;
    struct str key =
        given->aggregate->command_sub_key != NULL ? given->aggregate->command_sub_key(kept, &given->arena) : STR("");
    const struct given_part *part = find_part(given, key);
    decide(given, part != NULL ? part->state : NULL, kept);
    given->reactions = (struct reactions){.arena = &given->arena, .policy = &given->policy};
    if (given->rejection == ACCEPTED) {
        for (uint32_t i = 0; i < given->decision.events.count; i++) {
            append(given, &given->decision.events.items[i], kept);
            if (given->aggregate->react != NULL) {
                given->aggregate->react(given->state, &given->decision.events.items[i], kept, &given->reactions);
            }
        }
    }
    return given->rejection;
}

/* ---- then -------------------------------------------------------------------------------------------------------- */

static const char *rejection_text(enum rejection rejection) {
    return rejection == ACCEPTED ? "accepted" : rejection_info(rejection)->code;
}

static void print_made(const struct given *given) {
    print_error("it was %s, with %u events:", rejection_text(given->rejection), given->decision.events.count);
    for (uint32_t i = 0; i < given->decision.events.count; i++) {
        print_error(" %s", event_info(given->decision.events.items[i].type)->name);
    }
    print_error("\n");
}

const struct event *made(const struct given *given, uint32_t index) {
    assert(index < given->decision.events.count);
    return &given->decision.events.items[index];
}

void then_made(const struct given *given, const uint16_t *types, size_t count, const char *file, int line) {
    bool as_expected = given->rejection == ACCEPTED && given->decision.events.count == count;
    for (size_t i = 0; as_expected && i < count; i++) {
        as_expected = given->decision.events.items[i].type == types[i];
    }
    if (!as_expected) {
        print_made(given);
        _fail(file, line);
    }
}

void then_refused(const struct given *given, enum rejection why, const char *pointer, const char *file, int line) {
    if (given->rejection != why) {
        print_error("not %s: ", rejection_text(why));
        print_made(given);
        _fail(file, line);
    }
    assert_str_at(given->decision.pointer, pointer, file, line);
}

void then_sends(const struct given *given, uint32_t count, const char *file, int line) {
    if (given->reactions.commands.count != count) {
        print_error("%u commands were sent:", given->reactions.commands.count);
        for (uint32_t i = 0; i < given->reactions.commands.count; i++) {
            const struct command *command = &given->reactions.commands.items[i];
            print_error(" %s to %.*s", command_name(command->type), STR_ARGS(command->meta.stream));
        }
        print_error("\n");
        _fail(file, line);
    }
}

const struct answer *then_answers(const struct given *given, const char *command_id, enum rejection rejection,
                                  const char *file, int line) {
    if (given->reactions.answers.count != 1) {
        print_error("%u answers were given\n", given->reactions.answers.count);
        _fail(file, line);
    }
    const struct answer *answer = &given->reactions.answers.items[0];
    assert_str_at(answer->command_id, command_id, file, line);
    if (answer->rejection != rejection) {
        print_error("it was answered %s\n", rejection_text(answer->rejection));
        _fail(file, line);
    }
    return answer;
}

void then_answers_nobody(const struct given *given, const char *file, int line) {
    if (given->reactions.answers.count != 0) {
        print_error("%u answers were given\n", given->reactions.answers.count);
        _fail(file, line);
    }
}

const struct command *sent(const struct given *given, uint32_t index, uint16_t type, const char *stream,
                           const char *file, int line) {
    if (index >= given->reactions.commands.count) {
        print_error("%u commands were sent\n", given->reactions.commands.count);
        _fail(file, line);
    }
    const struct command *command = &given->reactions.commands.items[index];
    if (command->type != type) {
        print_error("%s was sent\n", command_name(command->type));
        _fail(file, line);
    }
    assert_str_at(command->meta.stream, stream, file, line);
    return command;
}

void assert_str_at(struct str actual, const char *expected, const char *file, int line) {
    if (!str_equal(actual, str_of_cstr(expected))) {
        print_error("\"%.*s\" is not \"%s\"\n", STR_ARGS(actual), expected);
        _fail(file, line);
    }
}
