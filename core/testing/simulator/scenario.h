/* scenario.h: one seed: a system is set up, clients use it, faults happen, all is healed, and the oracles judge.
 *
 * Promise  the same seed gives the same run (struct scenario_report.digest says so).
 * Thread   one; once a process.  May use: everything of the simulator.
 */
#pragma once

#include <stdio.h>

#include "core/testing/simulator/faults.h"
#include "core/testing/simulator/oracle.h"

struct scenario_report {
    uint64_t violations;
    uint64_t digest;
    int64_t simulated_us;
    struct coverage coverage;
    struct fault_counts faults;
};

struct scenario_options {
    bool is_gentle; /* without faults */
    bool is_traced;
    const char *histories; /* the folder where <seed>.jsonl goes, for integration-tests/histories; NULL: nowhere */
};

/* Violations are told on standard error. */
void scenario_run(uint64_t seed, const struct scenario_options *options, struct scenario_report *ret_report);

void scenario_report_add(struct scenario_report *sum, const struct scenario_report *one);
void scenario_report_write(const struct scenario_report *report, FILE *file);
