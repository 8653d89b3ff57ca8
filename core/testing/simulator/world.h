/* world.h: the simulated world: one virtual clock, processes whose threads are fibers, and chance from one seed.
 *
 * Purpose  to run the real code of several processes in one thread of one process, in an order that the seed alone
 *          decides, so that a run that found something can be had again. Real code reaches the world through doubles
 *          of what it calls: interpose.c (threads, clocks), the client of Kafka, a session of PostgreSQL, HTTP calls.
 * Promise  the same program and the same seed make the same run. Virtual time passes only when every fiber waits.
 * Fibers   a fiber runs until it waits; nothing preempts it. One whose process was killed never runs again: what it
 *          had allocated stays, as memory of the run, which ends with the run.
 * Events   actions of the world itself (a request arrives, a lease runs out). They run between fibers and never wait.
 * Thread   one; everything here is for it.           May use: base.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/macros.h"

/* ---- chance ------------------------------------------------------------------------------------------------------ */

/* 0 .. below - 1, evenly enough. */
uint64_t sim_random(uint64_t below);
/* Evenly between the two, both included. */
int64_t sim_between(int64_t least, int64_t most);
/* True that many times in a million. */
bool sim_chance(uint32_t per_million);

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* What every wall clock says as the world begins: 2027-01-15T08:00:00Z. */
#define SIM_WORLD_BEGINS_US INT64_C(1800000000000000)

/* Microseconds since the world began. */
int64_t sim_now_us(void);

/* ---- processes --------------------------------------------------------------------------------------------------- */

struct sim_process {
    const char *name;                            /* "handler-1" */
    int incarnation;                             /* 1, 2, ...: how often the name was started */
    bool is_alive;                               /* false once it was killed or has ended */
    bool is_paused;                              /* SIGSTOP: neither its fibers nor its events run */
    int64_t wall_offset_us;                      /* its wall clock is the world's time plus this */
    void (*on_end)(struct sim_process *process); /* called when it was killed or has ended; may be NULL */
    void *context;
    struct sim_process *next; /* all that ever were */
};

/* Starts `run` as the first fiber of a new process. */
struct sim_process *sim_start(const char *name, int incarnation, void (*run)(void *context), void *context);
/* kill -9. When it is the running process, this does not return. */
void sim_kill(struct sim_process *process);
void sim_pause(struct sim_process *process);
void sim_resume(struct sim_process *process);
/* The running fiber's; NULL within an event of the world. */
struct sim_process *sim_self(void);
struct sim_process *sim_processes(void);

/* ---- fibers ------------------------------------------------------------------------------------------------------ */

struct sim_fiber;

/* One more fiber of the running process. */
struct sim_fiber *sim_spawn(void *(*run)(void *context), void *context);
/* Waits until it has returned. */
void sim_join(struct sim_fiber *fiber);
/* Lets at least so much time pass; 0 lets others run. */
void sim_sleep(int64_t us);
/* Waits until sim_wake names the same key: true. False: `timeout_us` went by first; negative: it never does. */
bool sim_wait(const void *key, int64_t timeout_us);
/* All that wait for the key; they run later. */
void sim_wake(const void *key);

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef void sim_action(void *context);

/* `process`: the event is dropped when that process is dead, and waits while it is paused. NULL: the world's. */
void sim_after(int64_t delay_us, struct sim_process *process, sim_action *action, void *context);

/* ---- points, for faults and for coverage ------------------------------------------------------------------------- */

/* The running code has come to a named place at which it may be killed or paused. Does not return when it is killed. */
void sim_point(const char *name);
/* Who decides what happens there; NULL: nothing does. May kill or pause the running process. */
extern void (*sim_point_hook)(const char *name);

/* ---- the run ----------------------------------------------------------------------------------------------------- */

void sim_begin(uint64_t seed);
/* Runs until nothing is left to run or `until_us` has come. */
void sim_run(int64_t until_us);

/* ---- the trace --------------------------------------------------------------------------------------------------- */

/* One line of what happened: time, process, words. Written when the run is traced; costs nothing otherwise. */
extern bool sim_is_traced;
void sim_trace_write(const char *format, ...) PRINTF_LIKE(1, 2);
#define SIM_TRACE(...)                                                                                                 \
    do {                                                                                                               \
        if (sim_is_traced) {                                                                                           \
            sim_trace_write(__VA_ARGS__);                                                                              \
        }                                                                                                              \
    } while (0)

/* A digest of all that the world has done so far, in order: two runs with one seed must agree. */
uint64_t sim_digest(void);
void sim_digest_add(uint64_t what);
