/* faults.h: what goes wrong in a run, drawn from its seed, and how often each has happened where.
 *
 * Purpose  kills and pauses at the named points (sim_point) and at any time; links cut both ways and one way; a
 *          network that loses and delays; a broker that goes away; stores lost or old; clocks that step; members that
 *          come and go; in some runs a power cut under the broker takes the end of the log. faults_heal ends all of it.
 * Thread   one.                  May use: node, wire, broker, world.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { FAULT_POINTS_MAX = 64 };

enum fault_kind {
    FAULT_KILL,
    FAULT_PAUSE,
    FAULT_STOP,
    FAULT_CUT,
    FAULT_CUT_ONE_WAY,
    FAULT_CUT_GROUP,
    FAULT_BROKER_DOWN,
    FAULT_STORE_LOST,
    FAULT_STORE_OLD,
    FAULT_CLOCK_STEP,
    FAULT_OLD_LEADER,
    FAULT_REPLIES_GONE,
    FAULT_POSTGRES_DOWN,
    FAULT_POSTGRES_CRASH,
    FAULT_POSTGRES_CUT,
    FAULT_KINDS_DRAWN, /* those that happen at any time; the next one once a run at most */
    FAULT_LOG_CUT = FAULT_KINDS_DRAWN,
    FAULT_VIEW_REBUILT, /* these are no faults, but work in the midst of them (views_operator.h) */
    FAULT_VIEW_COMPARED,
    FAULT_VIEW_SWITCHED,
    FAULT_KINDS
};

struct fault_counts {
    uint64_t kinds[FAULT_KINDS];
    char points[FAULT_POINTS_MAX][40];
    uint64_t passed[FAULT_POINTS_MAX], killed[FAULT_POINTS_MAX], paused[FAULT_POINTS_MAX];
};

/* Draws what this run suffers, and begins it. */
void faults_begin(int64_t until_us);
/* All is well from here on: links whole, processes up and running, the network does what it should. */
void faults_heal(void);

/* A power cut took what the log had got between the two, acknowledged or not. 0 and 0: there was none. */
void faults_log_cut(int64_t *ret_from_us, int64_t *ret_until_us);

const struct fault_counts *faults_counts(void);
/* Of those that others make. */
void faults_count(enum fault_kind kind, bool has_happened);
void fault_counts_add(struct fault_counts *sum, const struct fault_counts *one);
void fault_counts_write(const struct fault_counts *counts, FILE *file);
