#include "core/testing/simulator/views_operator.h"

#include <stdlib.h>

#include "core/testing/simulator/faults.h"
#include "core/testing/simulator/postgres.h"
#include "core/testing/simulator/world.h"
#include "projections/runtime/compare.h"
#include "projections/runtime/parking.h"
#include "projections/runtime/switch.h"

#define SECOND_US ((int64_t)1000 * 1000)

static struct {
    const struct config *config;
    int64_t until_us;
    struct sim_process *process;
    int incarnation;
    bool has_ended;
} operator;

/* ---- what he does ------------------------------------------------------------------------------------------------ */

static void told(const char *what, const struct view *view, enum err failure, const struct err_info *info) {
    SIM_TRACE("OPERATOR: %s of %s: %s", what, view->name, failure == ERR_NONE ? "done" : info->text);
}

static void on_difference(void *context, const struct difference *difference) {
    fprintf(stderr, "%s: %s %.*s differs (%d) in %.*s\n", (const char *)context, difference->table,
            STR_ARGS(difference->key), difference->kind, STR_ARGS(difference->columns));
}

static enum err compares(const struct rebuild_options *options, struct err_info *info) {
    struct compare_result result = {0};
    enum err failure = view_compare(*options, on_difference, (void *)(uintptr_t)options->view->name, &result, info);
    if (failure == ERR_NONE && result.differences > 0) {
        fprintf(stderr, "%s is not what %s is, in mid-run\n", options->view->name, result.side);
        abort();
    }
    return failure;
}

static enum err drops(const struct view *view, struct err_info *info) {
    char schema[SCHEMA_NAME_MAX];
    struct pg_session *session = NULL;
    view_schema_name(view, sim_chance(700 * 1000) ? VIEW_OLD : VIEW_REBUILT, schema);
    enum err failure = pg_session_open("", "operator", &session, info);
    if (failure == ERR_NONE) {
        failure = view_schema_drop(session, schema, info);
        pg_session_close(session);
    }
    return failure;
}

static enum err retries(const struct rebuild_options *options, struct err_info *info) {
    const struct parking_options parking = {.config = options->config, .view = options->view};
    struct parking_result result;
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    enum err failure = parking_retry(&parking, STR(""), &arena, &result, info);
    arena_release(&arena);
    return failure;
}

static void operate(void *context) {
    (void)context;
    const struct rebuild_options options = {.config = operator.config, .view = views[sim_random(view_count)]};
    struct err_info info = {0};
    switch (sim_random(8)) {
    case 0:
    case 1: {
        struct rebuild_result result;
        enum err failure = view_rebuild(&options, &result, &info);
        faults_count(FAULT_VIEW_REBUILT, failure == ERR_NONE);
        told("rebuild", options.view, failure, &info);
        break;
    }
    case 2:
    case 3:
    case 4: {
        bool back = sim_chance(300 * 1000);
        enum err failure = view_switch(&options, back, &info);
        faults_count(FAULT_VIEW_SWITCHED, failure == ERR_NONE);
        told(back ? "switch back" : "switch", options.view, failure, &info);
        break;
    }
    case 5: {
        enum err failure = compares(&options, &info);
        faults_count(FAULT_VIEW_COMPARED, failure == ERR_NONE);
        told("comparison", options.view, failure, &info);
        break;
    }
    case 6:
        told("drop", options.view, drops(options.view, &info), &info);
        break;
    default:
        told("retry", options.view, retries(&options, &info), &info);
    }
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

static void be_killed(void *context) {
    struct sim_process *process = context;
    if (process->is_alive) {
        SIM_TRACE("KILL of the operator");
        sim_kill(process);
    }
}

static void begin_again(void *context) {
    (void)context;
    if (operator.has_ended || sim_now_us() > operator.until_us) {
        return;
    }
    if (operator.process == NULL || !operator.process->is_alive) {
        operator.process = sim_start("operator", ++operator.incarnation, operate, NULL);
        if (sim_chance(300 * 1000)) {
            sim_after(sim_between(0, 5 * SECOND_US), NULL, be_killed, operator.process);
        }
    }
    sim_after(sim_between(SECOND_US / 10, 12 * SECOND_US), NULL, begin_again, NULL);
}

void views_operator_begin(const struct config *config, int64_t until_us) {
    operator.config = config;
    operator.until_us = until_us;
    if (sim_chance(200 * 1000)) {
        sim_after(sim_between(SECOND_US, 5 * SECOND_US), NULL, begin_again, NULL);
    }
}

void views_operator_end(void) {
    operator.has_ended = true;
    if (operator.process != NULL && operator.process->is_alive) {
        sim_kill(operator.process);
    }
}
