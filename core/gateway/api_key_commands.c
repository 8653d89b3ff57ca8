#include "core/gateway/api_key_commands.h"

#include <jansson.h>

#include "core/base/timestamp.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/request.h"
#include "core/gateway/submit.h"
#include "core/gateway/trace.h"
#include "core/log/record.h"
#include "core/vault/token.h"
#include "gen/codec.h"
#include "projections/keys/query.h"

enum { USE_ARENA_BYTES = 16 * 1024, FIRST_GENERATION = 1 };

/* ---- secrets ----------------------------------------------------------------------------------------------------- */

bool api_key_is_made_by(const struct command *command) {
    return command->type == COMMAND_CREATE_API_KEY || command->type == COMMAND_ROTATE_API_KEY;
}

static struct str hash_of(struct arena *arena, const struct secret *secret, struct str key, int32_t generation) {
    uint8_t hash[API_KEY_HASH_BYTES];
    api_key_hash(api_key_write(arena, secret, key, generation), hash);
    return arena_str_copy(arena, str_of((const char *)hash, sizeof hash));
}

void api_key_complete(struct arena *arena, const struct secret *secret, struct command *command) {
    if (command->type == COMMAND_CREATE_API_KEY) {
        command->as.create_api_key.hash = hash_of(arena, secret, command->meta.stream, FIRST_GENERATION);
    }
}

/* Whether the command's own outcome has this generation. Under a client's key the log keeps outcomes, and that of a
 * request that was sent before may have another than the view says now. */
static bool made_generation(const struct command *command, int32_t generation) {
    int32_t sent =
        command->type == COMMAND_ROTATE_API_KEY ? command->as.rotate_api_key.generation : (int32_t)FIRST_GENERATION;
    return command->meta.client_key || generation == sent;
}

struct str api_key_of_outcome(struct arena *arena, const struct secret *secret, const struct command *command,
                              const struct outcome *outcome) {
    uint32_t schema_id;
    struct str avro;
    struct api_key_state state;
    const char *why;
    if (!frame_read(outcome->resource, &schema_id, &avro) ||
        !api_key_state_decode_as(arena, schema_id, avro, &state, &why) || !made_generation(command, state.generation)) {
        return (struct str){0};
    }
    return api_key_write(arena, secret, outcome->stream, state.generation);
}

struct str api_key_shown(struct arena *arena, const struct secret *secret, const struct command *command,
                         const struct outcome *outcome, struct str document) {
    struct str key = api_key_of_outcome(arena, secret, command, outcome);
    return str_is_empty(key)
               ? document
               : arena_printf(arena, "%.*s,\"secret\":\"%.*s\"}", (int)document.len - 1, document.data, STR_ARGS(key));
}

/* ---- rotations --------------------------------------------------------------------------------------------------- */

/* 0: the view has no such key, and whoever decides will say so. */
static int32_t generation_of(const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        return 0;
    }
    struct str text = pg_value(rows, 0, COLUMN_DOCUMENT);
    json_auto_t *document = json_loadb(text.data, text.len, 0, NULL);
    json_int_t generation = json_integer_value(json_object_get(document, "generation"));
    return generation < 0 || generation >= INT32_MAX ? 0 : (int32_t)generation;
}

static void on_key(void *context, const PGresult *rows, const struct err_info *error) {
    struct api_key_rotation *rotation = context;
    struct request *request = rotation->request;
    if (request->is_lost) {
        request_drop(request);
        return;
    }
    if (error != NULL) {
        request_query_failed(request, api_key_by_id.name, error);
        return;
    }
    struct rotate_api_key *rotate = &rotation->command->as.rotate_api_key;
    rotate->generation = generation_of(rows) + 1;
    rotate->hash = hash_of(request_arena(request), &request->loop->gateway->secret, rotation->command->meta.stream,
                           rotate->generation);
    rotation->on_ready(rotation->context);
}

static void on_view(void *context, enum view_state state) {
    struct api_key_rotation *rotation = context;
    struct gateway_loop *loop = rotation->request->loop;
    if (state == VIEW_CAUGHT_UP) {
        loop->view_waits.ask(loop->query_pg, &api_key_by_id, &rotation->command->meta.stream, on_key, rotation);
    } else {
        request_view_is_not_there(rotation->request, state);
    }
}

void api_key_rotation_begin(struct api_key_rotation *rotation, struct request *request, struct command *command,
                            const struct position *position, void (*on_ready)(void *context), void *context) {
    struct gateway_loop *loop = request->loop;
    *rotation =
        (struct api_key_rotation){.request = request, .command = command, .on_ready = on_ready, .context = context};
    int64_t until = clock_boot_us() + loop->gateway->config->view_wait_ms * MICROS_PER_MS;
    view_wait_begin(&loop->view_waits, &rotation->view_wait, "keys", position, until, on_view, rotation);
}

bool api_key_rotation_cancel(struct api_key_rotation *rotation) {
    return view_wait_cancel(&rotation->view_wait);
}

/* ---- uses -------------------------------------------------------------------------------------------------------- */

/* Nobody waits for it. That it was used at this hour is decided once, whoever sends it and however often. */
bool api_key_note_use(void *gateway_loop, struct str key, int64_t hour) {
    struct gateway_loop *loop = gateway_loop;
    struct arena arena;
    arena_init(&arena, USE_ARENA_BYTES);
    struct command command = {.type = COMMAND_NOTE_API_KEY_USE, .as.note_api_key_use.hour = hour};
    command.meta.stream = key;
    command.meta.command_id = identity_key_use(&arena, &loop->gateway->secret, key, hour);
    command.meta.correlation_id = command.meta.command_id;
    command.meta.causation_id = command.meta.command_id;
    command.meta.actor = STR("system");
    command.meta.issued_at = clock_wall_us();
    struct str traceparent = trace_parent(&arena, identity_trace(&arena, command.meta.command_id));
    enum submitted submitted = submit_command(loop, &command, submit_number(loop), traceparent, false);
    arena_release(&arena);
    return submitted == SUBMITTED;
}
