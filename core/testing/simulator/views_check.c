#include "core/testing/simulator/views_check.h"

#include "core/testing/simulator/postgres.h"
#include "core/testing/simulator/world.h"
#include "projections/runtime/rebuild.h"

static bool is_rebuilt;
static struct err_info rebuild_trouble;

static void rebuild_main(void *context) {
    const struct config *config = context;
    enum err err = ERR_NONE;
    for (size_t i = 0; i < view_count && err == ERR_NONE; i++) {
        const struct rebuild_options options = {.config = config, .view = views[i]};
        struct rebuild_result result;
        while ((err = view_rebuild(&options, &result, &rebuild_trouble)) == ERR_CONFLICT) {
            sim_sleep(100 * 1000); /* the server has not noticed yet that the operator was killed, who filled it */
        }
    }
    is_rebuilt = err == ERR_NONE;
}

bool views_rebuild(const struct config *config, int64_t most_us) {
    int64_t until_us = sim_now_us() + most_us;
    const struct sim_process *process = sim_start("rebuild", 1, rebuild_main, (void *)config);
    while (process->is_alive && sim_now_us() < until_us) {
        sim_run(sim_now_us() + 100 * 1000);
    }
    return is_rebuilt;
}

void views_compare(struct oracle *oracle, void *context) {
    (void)context;
    if (!is_rebuilt) {
        oracle_tell(oracle, "views.rebuild", "the views could not be rebuilt: %s", rebuild_trouble.text);
        return;
    }
    for (size_t i = 0; i < view_count; i++) {
        char schema[SCHEMA_NAME_MAX];
        view_schema_name(views[i], VIEW_REBUILT, schema);
        struct buf difference;
        buf_init(&difference, 4096);
        if (!sim_postgres_equal(views[i]->name, schema, &difference)) {
            oracle_tell(oracle, "views.equal", "%s: %.*s", views[i]->name, STR_ARGS(buf_text(&difference)));
        }
        buf_release(&difference);
    }
}
