/* main.c: `make sim`: runs seeds, each in a process of its own, and says what was found.
 *
 *   simulator --seed 17 --trace          one seed, with every step told
 *   simulator --from 1 --count 1000      many, on as many processors as there are
 *   --stop                               at the first seed that finds something
 *   --gentle                             without faults
 *   --histories FOLDER                   <seed>.jsonl for each, as `make histories` judges them
 * Exit codes: 0 all seeds passed, 1 a seed found something, 2 wrong usage.
 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <unistd.h>

#include "core/testing/simulator/scenario.h"

enum { JOBS_MAX = 64 };

struct options {
    uint64_t first, count;
    bool stops;
    int jobs;
    struct scenario_options run;
};

static bool options_read(int argc, char **argv, struct options *ret_options) {
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"from", required_argument, NULL, 'f'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"stop", no_argument, NULL, 'x'},
                                          {"trace", no_argument, NULL, 't'},
                                          {"gentle", no_argument, NULL, 'g'},
                                          {"histories", required_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *ret_options = (struct options){.first = 1, .count = 1, .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN)};
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 's':
        case 'f':
            ret_options->first = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            ret_options->count = strtoull(optarg, NULL, 10);
            break;
        case 'j':
            ret_options->jobs = (int)strtol(optarg, NULL, 10);
            break;
        case 'x':
            ret_options->stops = true;
            break;
        case 't':
            ret_options->run.is_traced = true;
            break;
        case 'g':
            ret_options->run.is_gentle = true;
            break;
        case 'h':
            ret_options->run.histories = optarg;
            break;
        default:
            return false;
        }
    }
    return optind == argc && ret_options->jobs >= 1 && ret_options->jobs <= JOBS_MAX && ret_options->count >= 1;
}

/* What a seed's process tells of itself, through a pipe. */
struct seed_process {
    uint64_t seed;
    pid_t pid;
    int pipe;
};

static struct seed_process seed_begin(uint64_t seed, const struct options *options) {
    int ends[2];
    int made = pipe(ends);
    assert(made == 0);
    fflush(NULL);
    pid_t pid = fork();
    assert(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        struct scenario_report report = {0};
        scenario_run(seed, &options->run, &report);
        ssize_t written = write(ends[1], &report, sizeof report);
        _exit(written == (ssize_t)sizeof report ? (report.violations > 0) : 3);
    }
    close(ends[1]);
    return (struct seed_process){seed, pid, ends[0]};
}

/* Reads what it told, and how it ended. False: it found something, or died. */
static bool seed_end(const struct seed_process *process, int status, struct scenario_report *sum) {
    struct scenario_report report;
    bool told = read(process->pipe, &report, sizeof report) == (ssize_t)sizeof report;
    close(process->pipe);
    if (!told) {
        printf("seed %" PRIu64 ": the simulated system DIED (status %d)\n", process->seed, status);
        return false;
    }
    scenario_report_add(sum, &report);
    if (report.violations > 0) {
        printf("seed %" PRIu64 ": %" PRIu64 " violations (make sim SEED=%" PRIu64 " shows them)\n", process->seed,
               report.violations, process->seed);
    }
    return report.violations == 0;
}

static uint64_t seeds_run(const struct options *options, struct scenario_report *sum) {
    struct seed_process running[JOBS_MAX];
    int count = 0;
    uint64_t next = options->first, end = options->first + options->count, failed = 0;
    while (count > 0 || next < end) {
        if (options->stops && failed > 0) {
            end = next; /* those that run are waited for */
        }
        while (count < options->jobs && next < end) {
            running[count++] = seed_begin(next++, options);
        }
        int status;
        pid_t pid = wait(&status);
        for (int i = 0; i < count; i++) {
            if (running[i].pid == pid) {
                failed += !seed_end(&running[i], status, sum);
                running[i] = running[--count];
                break;
            }
        }
    }
    return failed;
}

int main(int argc, char **argv) {
    struct options options;
    if (!options_read(argc, argv, &options)) {
        fprintf(stderr, "usage: simulator [--seed N | --from N --count N] [--jobs N] [--stop] [--trace] [--gentle] "
                        "[--histories FOLDER]\n");
        return 2;
    }
    struct timeval began, ended; /* not by clock_gettime: that is the world's */
    gettimeofday(&began, NULL);
    struct scenario_report sum = {0};
    uint64_t failed = seeds_run(&options, &sum);
    gettimeofday(&ended, NULL);
    double seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_usec - began.tv_usec) / 1e6;
    scenario_report_write(&sum, stdout);
    printf("%" PRIu64 " seeds, %" PRIu64 " failed; %.1f simulated hours in %.1f s (%.0f hours a minute)\n",
           options.count, failed, (double)sum.simulated_us / 3.6e9, seconds,
           (double)sum.simulated_us / 3.6e9 / seconds * 60);
    return failed > 0;
}
