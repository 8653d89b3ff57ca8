/* keeper.c: somebody who keeps an API key: makes it, rotates it, now and then with a second one who does so at the same
 * time, has it used, and revokes it. */
#include "core/testing/simulator/shopper_parts.h"

#include "core/base/timestamp.h"
#include "gen/codec.h"

enum { KEEPER_ACTS_MOST = 20, HOUR_S = 3600 };

struct keeper {
    uint32_t number;
    uint32_t acts_left;
    struct api_key_state known; /* as he was told last; ABSENT: not yet */
    struct str stream;
};

static void act(void *context);

static void on_act_end(struct errand *errand) {
    struct keeper *keeper = errand->context;
    const struct journal_told *told = &errand->entry->told;
    uint32_t schema_id;
    struct str avro;
    struct api_key_state state;
    const char *why;
    if (errand_is_accepted(errand) && frame_read(told->resource, &schema_id, &avro) &&
        api_key_state_decode_as(&clients.arena, schema_id, avro, &state, &why)) {
        keeper->known = state;
        keeper->stream = told->stream;
    }
    actor_thinks(act, keeper);
}

static struct errand keeper_errand(struct keeper *keeper, uint16_t command_type) {
    struct errand errand = errand_of(keeper->number, command_type, keeper->stream, on_act_end, keeper);
    errand.actor = "admin:key_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    return errand;
}

/* 32 bytes that no other errand has. */
static struct str any_hash(void) {
    return arena_printf(&clients.arena, "%032u", clients.errands);
}

static void create(struct keeper *keeper) {
    static struct role_grant service[] = {{.role = {"service", 7}}};
    struct errand errand = keeper_errand(keeper, COMMAND_CREATE_API_KEY);
    errand.created_prefix = "key_";
    errand.command.as.create_api_key =
        (struct create_api_key){.name = STR("importer"), .roles = {service, 1, 1}, .hash = any_hash()};
    (void)errand_begin(&errand);
}

/* Both look at the key as it is now, and make its next secret. */
static void rotate(struct keeper *keeper) {
    for (uint64_t at_once = 1 + sim_random(2); at_once > 0; at_once--) {
        struct errand errand = keeper_errand(keeper, COMMAND_ROTATE_API_KEY);
        errand.on_end = at_once == 1 ? on_act_end : NULL;
        errand.command.as.rotate_api_key = (struct rotate_api_key){
            .grace_s = (int32_t)sim_random(120), .hash = any_hash(), .generation = keeper->known.generation + 1};
        (void)errand_begin(&errand);
    }
}

static void revoke(struct keeper *keeper) {
    struct errand errand = keeper_errand(keeper, COMMAND_REVOKE_API_KEY);
    (void)errand_begin(&errand);
}

/* This hour, one before, or, by a clock that is wrong, one to come. */
static void use(struct keeper *keeper) {
    struct errand errand = keeper_errand(keeper, COMMAND_NOTE_API_KEY_USE);
    int64_t hour = (SIM_WORLD_BEGINS_US + sim_now_us()) / ((int64_t)HOUR_S * MICROS_PER_SECOND);
    errand.actor = "system";
    errand.command.as.note_api_key_use.hour = hour + 1 - (int64_t)sim_random(6);
    (void)errand_begin(&errand);
}

static void act(void *context) {
    struct keeper *keeper = context;
    if (keeper->acts_left == 0) {
        actor_is_idle();
        return;
    }
    keeper->acts_left--;
    if (str_is_empty(keeper->stream)) {
        create(keeper);
    } else if (sim_random(12) == 0) {
        revoke(keeper);
    } else if (sim_random(2) == 0) {
        rotate(keeper);
    } else {
        use(keeper);
    }
}

void keeper_start(uint32_t number) {
    struct keeper *keeper = arena_alloc(&clients.arena, sizeof *keeper);
    keeper->number = number;
    keeper->acts_left = 1 + (uint32_t)sim_random(KEEPER_ACTS_MOST);
    actor_is_busy();
    actor_thinks(act, keeper);
}
