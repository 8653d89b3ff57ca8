#include "core/testing/simulator/faults.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/broker.h"
#include "core/testing/simulator/node.h"
#include "core/testing/simulator/post.h"
#include "core/testing/simulator/postgres.h"
#include "core/testing/simulator/provider.h"
#include "core/testing/simulator/wire.h"
#include "core/testing/simulator/world.h"

#define SECOND_US ((int64_t)1000 * 1000)
#define LAG_MOST_US (SECOND_US / 50)

static struct fault_counts counts;

/* What this seed suffers; chances in a million. */
static struct {
    int64_t until_us;
    uint32_t kill, pause; /* at each point */
    int64_t pause_least_us, pause_most_us;
    int64_t restart_most_us;
    int64_t between_us; /* of faults that happen at any time, on average */
    bool steps_clocks;
    int64_t cut_from_us, cut_until_us; /* see faults_log_cut */
    bool is_healed;
} plan;

static void counted(enum fault_kind kind) {
    counts.kinds[kind]++;
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

static struct node *node_of(const struct sim_process *process) {
    for (size_t i = 0; i < node_count; i++) {
        if (nodes[i].process == process) {
            return &nodes[i];
        }
    }
    return NULL;
}

static void start_again(void *context) {
    struct node *node = context;
    if (!node->process->is_alive) {
        node_start(node);
    }
}

/* Its supervisor starts it again, some time after. */
static void starts_again(struct node *node) {
    if (!plan.is_healed && sim_chance(150 * 1000)) {
        node->loses_store = sim_chance(500 * 1000);
        node->uses_snapshot = !node->loses_store && node->keeps_snapshot;
        counts.kinds[FAULT_STORE_LOST] += node->loses_store;
        counts.kinds[FAULT_STORE_OLD] += node->uses_snapshot;
    }
    sim_after(sim_between(SECOND_US / 5, plan.restart_most_us), NULL, start_again, node);
}

static void node_kill(struct node *node) {
    counted(FAULT_KILL);
    starts_again(node);
    sim_kill(node->process);
}

static void resume(void *context) {
    struct sim_process *process = context;
    if (process->is_alive && process->is_paused) {
        sim_resume(process);
    }
}

static void node_pause(struct node *node) {
    counted(FAULT_PAUSE);
    sim_after(sim_between(plan.pause_least_us, plan.pause_most_us), NULL, resume, node->process);
    sim_pause(node->process);
}

/* SIGTERM; a process that does not end in time is killed, as a supervisor does it. */
static void stop_ended(void *context) {
    struct node *node = context;
    if (node->process->is_alive && node->must_stop) {
        sim_kill(node->process);
    }
    if (!node->process->is_alive) {
        node_start(node);
    }
}

/* ---- at the points ----------------------------------------------------------------------------------------------- */

static size_t point_of(const char *name) {
    size_t at = 0;
    while (at < FAULT_POINTS_MAX - 1 && counts.points[at][0] != '\0' && strcmp(counts.points[at], name) != 0) {
        at++;
    }
    if (counts.points[at][0] == '\0') {
        snprintf(counts.points[at], sizeof counts.points[at], "%s", name);
    }
    return at;
}

static void at_point(const char *name) {
    size_t point = point_of(name);
    counts.passed[point]++;
    struct node *node = node_of(sim_self());
    if (plan.is_healed || node == NULL || node->must_stop) {
        return;
    }
    if (plan.kill > 0 && sim_chance(plan.kill)) {
        SIM_TRACE("at the point \"%s\":", name);
        counts.killed[point]++;
        node_kill(node);
    } else if (plan.pause > 0 && sim_chance(plan.pause)) {
        SIM_TRACE("at the point \"%s\":", name);
        counts.paused[point]++;
        node_pause(node);
        if (sim_chance(500 * 1000)) {
            sim_sleep(sim_between(0, LAG_MOST_US)); /* of all its threads this one goes on last */
        }
    }
}

/* ---- at any time ------------------------------------------------------------------------------------------------- */

static void link_whole(void *context) {
    wire_cut(context, WIRE_WHOLE);
}

static void broker_back(void *context) {
    (void)context;
    broker_set_up(true);
}

static void clock_step(struct node *node) {
    counted(FAULT_CLOCK_STEP);
    int64_t us = sim_between(-3600 * SECOND_US, 3600 * SECOND_US);
    SIM_TRACE("the clock of %s steps by %" PRId64 " s", node->name, us / SECOND_US);
    node->process->wall_offset_us = node->process->wall_offset_us == 0 ? us : 0;
}

static void postgres_back(void *context) {
    (void)context;
    if (!sim_postgres_is_up()) {
        sim_postgres_up();
    }
}

static void postgres_leaves(bool is_crash) {
    if (!sim_postgres_is_up()) {
        return;
    }
    counted(is_crash ? FAULT_POSTGRES_CRASH : FAULT_POSTGRES_DOWN);
    if (is_crash) {
        (void)sim_postgres_crash();
    } else {
        sim_postgres_down();
    }
    sim_after(sim_between(SECOND_US / 10, 10 * SECOND_US), NULL, postgres_back, NULL);
}

static void postgres_whole(void *context) {
    sim_postgres_cut(context, false);
}

static void replies_gone(void) {
    counted(FAULT_REPLIES_GONE);
    for (size_t i = 0; i < broker_topic_count(); i++) {
        const char *name = broker_topic_name(i);
        size_t length = strlen(name);
        for (int32_t j = 0;
             length > 8 && strcmp(name + length - 8, ".replies") == 0 && j < broker_topic_partitions(name); j++) {
            struct broker_partition *partition = broker_partition(name, j);
            broker_delete_before(partition, partition->count);
        }
    }
}

/* A broker is cut off from the others, though not from everybody; often a process of ours goes with it. */
static void new_leaders(struct node *node) {
    counted(FAULT_OLD_LEADER);
    for (size_t i = 0; i < broker_topic_count(); i++) {
        const char *name = broker_topic_name(i);
        for (int32_t j = 0; j < broker_topic_partitions(name); j++) {
            if (sim_chance(500 * 1000)) {
                broker_new_leader(broker_partition(name, j), sim_now_us() + sim_between(SECOND_US, 15 * SECOND_US));
            }
        }
    }
    if (sim_chance(500 * 1000)) {
        broker_new_coordinator(sim_now_us() + sim_between(SECOND_US, 15 * SECOND_US));
    }
    if (sim_chance(700 * 1000)) {
        node_kill(node);
    }
}

static void one_fault(struct node *node) {
    enum fault_kind kind = (enum fault_kind)sim_random(FAULT_KINDS_DRAWN);
    switch (kind) {
    case FAULT_KILL:
        node_kill(node);
        break;
    case FAULT_PAUSE:
        node_pause(node);
        break;
    case FAULT_STOP:
        counted(kind);
        node_stop(node);
        sim_after(sim_between(SECOND_US, 20 * SECOND_US), NULL, stop_ended, node);
        break;
    case FAULT_CUT:
    case FAULT_CUT_ONE_WAY:
        counted(kind);
        wire_cut(node->process, kind == FAULT_CUT ? WIRE_CUT : WIRE_ANSWERS_LOST);
        sim_after(sim_between(SECOND_US / 10, 20 * SECOND_US), NULL, link_whole, node->process);
        break;
    case FAULT_CUT_GROUP: /* for longer than the group waits for a member */
        counted(kind);
        wire_cut(node->process, WIRE_GROUP_CUT);
        sim_after(sim_between(6 * SECOND_US, 12 * SECOND_US), NULL, link_whole, node->process);
        break;
    case FAULT_BROKER_DOWN:
        counted(kind);
        broker_set_up(false);
        sim_after(sim_between(SECOND_US / 10, 12 * SECOND_US), NULL, broker_back, NULL);
        break;
    case FAULT_STORE_LOST:
    case FAULT_STORE_OLD:
        if (node->kind == NODE_HANDLER) {
            node_snapshot(node); /* a later start may find it */
        }
        break;
    case FAULT_CLOCK_STEP:
        if (plan.steps_clocks) {
            clock_step(node);
        }
        break;
    case FAULT_OLD_LEADER:
        new_leaders(node);
        break;
    case FAULT_REPLIES_GONE:
        replies_gone();
        break;
    case FAULT_POSTGRES_DOWN:
    case FAULT_POSTGRES_CRASH:
        postgres_leaves(kind == FAULT_POSTGRES_CRASH);
        break;
    case FAULT_POSTGRES_CUT:
        counted(kind);
        sim_postgres_cut(node->process, true);
        sim_after(sim_between(SECOND_US / 10, 20 * SECOND_US), NULL, postgres_whole, node->process);
        break;
    case FAULT_LOG_CUT:
    case FAULT_VIEW_REBUILT:
    case FAULT_VIEW_COMPARED:
    case FAULT_VIEW_SWITCHED:
    case FAULT_KINDS:
        abort();
    }
}

/* ---- once: the log is cut ---------------------------------------------------------------------------------------- */

/* The power goes, and with it all that had not reached a disk; state stores had. Of the views nothing is said: whoever
 * starts all of it again has them made anew (docs/operations.md, "Backup and restore"). */
static void power_cut(void *context) {
    (void)context;
    if (plan.is_healed) {
        return;
    }
    counted(FAULT_LOG_CUT);
    SIM_TRACE("POWER CUT: the log is what it was at %" PRId64 " ms", plan.cut_from_us / 1000);
    plan.cut_until_us = sim_now_us();
    for (struct sim_process *process = sim_processes(); process != NULL; process = process->next) {
        if (process->is_alive) {
            sim_kill(process);
        }
    }
    for (size_t i = 0; i < node_count; i++) {
        sim_after(sim_between(SECOND_US / 5, plan.restart_most_us), NULL, start_again, &nodes[i]);
    }
    broker_set_back();
    broker_set_up(false);
    sim_after(sim_between(SECOND_US / 10, 5 * SECOND_US), NULL, broker_back, NULL);
    if (sim_postgres_is_up()) {
        (void)sim_postgres_crash();
    }
    sim_postgres_empty();
    sim_after(sim_between(SECOND_US / 10, 5 * SECOND_US), NULL, postgres_back, NULL);
}

static void moment_passes(void *context) {
    (void)context;
    if (!plan.is_healed) {
        plan.cut_from_us = sim_now_us();
        broker_keep_moment();
        sim_after(sim_between(SECOND_US / 100, 5 * SECOND_US), NULL, power_cut, NULL);
    }
}

void faults_log_cut(int64_t *ret_from_us, int64_t *ret_until_us) {
    *ret_from_us = plan.cut_until_us > 0 ? plan.cut_from_us : 0;
    *ret_until_us = plan.cut_until_us;
}

/* ---- again and again --------------------------------------------------------------------------------------------- */

static void next_fault(void *context) {
    (void)context;
    if (plan.is_healed || sim_now_us() > plan.until_us) {
        return;
    }
    struct node *node = &nodes[sim_random(node_count)];
    if (node->process->is_alive && !node->process->is_paused && !node->must_stop) {
        one_fault(node);
    }
    sim_after(sim_between(1, 2 * plan.between_us), NULL, next_fault, NULL);
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

/* Half of the seeds have a given kind of trouble, so that each is also seen without the others. */
static uint32_t drawn(uint32_t most) {
    return sim_chance(500 * 1000) ? (uint32_t)sim_random(most + 1) : 0;
}

void faults_begin(int64_t until_us) {
    plan.until_us = until_us;
    plan.kill = drawn(400);
    plan.pause = drawn(400);
    plan.pause_least_us = SECOND_US / 100;
    plan.pause_most_us = sim_chance(500 * 1000) ? 2 * SECOND_US : 25 * SECOND_US;
    plan.restart_most_us = sim_chance(500 * 1000) ? SECOND_US : 15 * SECOND_US;
    plan.between_us = sim_between(2, 30) * SECOND_US;
    plan.steps_clocks = sim_chance(250 * 1000);
    wire_faults = (struct wire_faults){
        .request_lost = drawn(3000),
        .answer_lost = drawn(3000),
        .late = drawn(3000),
        .late_most_us = sim_chance(500 * 1000) ? SECOND_US : 8 * SECOND_US,
        .slow = drawn(50000),
        .slow_most_us = sim_chance(800 * 1000) ? SECOND_US / 10 : 3 * SECOND_US,
    };
    sim_provider_draw_faults(until_us);
    sim_post_draw_faults();
    sim_postgres_faults.slow = drawn(20000);
    sim_postgres_faults.slow_most_us = SECOND_US;
    sim_postgres_faults.request_lost = drawn(2000);
    sim_postgres_faults.answer_lost = drawn(2000);
    sim_postgres_faults.late = drawn(2000);
    sim_postgres_faults.late_most_us = 5 * SECOND_US;
    broker_marker_most_us = sim_chance(700 * 1000) ? 3000 : 400 * 1000;
    sim_point_hook = at_point;
    if (sim_chance(100 * 1000)) {
        sim_after(sim_between(2 * SECOND_US, 40 * SECOND_US), NULL, moment_passes, NULL);
    }
    sim_after(sim_between(1, 2 * plan.between_us), NULL, next_fault, NULL);
}

void faults_heal(void) {
    SIM_TRACE("everything is HEALED");
    plan.is_healed = true;
    plan.restart_most_us = SECOND_US;
    wire_faults = (struct wire_faults){0};
    sim_provider_heal();
    sim_post_heal();
    sim_postgres_faults.slow = sim_postgres_faults.request_lost = 0;
    sim_postgres_faults.answer_lost = sim_postgres_faults.late = 0;
    postgres_back(NULL);
    if (!broker_is_up()) {
        broker_set_up(true);
    }
    for (size_t i = 0; i < node_count; i++) {
        struct sim_process *process = nodes[i].process;
        wire_cut(process, WIRE_WHOLE);
        sim_postgres_cut(process, false);
        process->wall_offset_us = 0;
        if (process->is_alive && process->is_paused) {
            sim_resume(process);
        }
    }
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

const struct fault_counts *faults_counts(void) {
    return &counts;
}

void faults_count(enum fault_kind kind, bool has_happened) {
    counts.kinds[kind] += has_happened;
}

void fault_counts_add(struct fault_counts *sum, const struct fault_counts *one) {
    for (int i = 0; i < FAULT_KINDS; i++) {
        sum->kinds[i] += one->kinds[i];
    }
    for (size_t i = 0; i < FAULT_POINTS_MAX && one->points[i][0] != '\0'; i++) {
        size_t at = 0;
        while (at < FAULT_POINTS_MAX - 1 && sum->points[at][0] != '\0' &&
               strcmp(sum->points[at], one->points[i]) != 0) {
            at++;
        }
        memcpy(sum->points[at], one->points[i], sizeof sum->points[at]);
        sum->passed[at] += one->passed[i];
        sum->killed[at] += one->killed[i];
        sum->paused[at] += one->paused[i];
    }
}

void fault_counts_write(const struct fault_counts *told, FILE *file) {
    static const char *const names[FAULT_KINDS] = {
        "kill",       "pause",        "stop",          "link cut",       "link cut one way",
        "group cut",  "broker down",  "store lost",    "store old",      "clock step",
        "old leader", "replies gone", "postgres down", "postgres crash", "postgres cut",
        "log cut",    "view rebuilt", "view compared", "view switched"};
    fprintf(file, "faults:");
    for (int i = 0; i < FAULT_KINDS; i++) {
        fprintf(file, " %s %" PRIu64 "%s", names[i], told->kinds[i], i + 1 < FAULT_KINDS ? "," : "\n");
    }
    fprintf(file, "%-40s %12s %8s %8s\n", "point", "passed", "killed", "paused");
    for (size_t i = 0; i < FAULT_POINTS_MAX && told->points[i][0] != '\0'; i++) {
        fprintf(file, "%-40s %12" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n", told->points[i], told->passed[i],
                told->killed[i], told->paused[i]);
    }
}
