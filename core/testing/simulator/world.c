#include "core/testing/simulator/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "core/testing/simulator/world_parts.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 512 * 1024 };

struct sim_fiber {
    ucontext_t context;
    void *stack;
    struct sim_process *process;
    void *(*run)(void *context);
    void *argument;
    uint32_t number;
    uint64_t waits; /* rises with every wait: an older wake-up is stale */
    const void *key;
    struct sim_fiber *next_waiting; /* for the same bucket of keys */
    bool is_woken;
    bool is_done;
    bool is_main;
};

enum { WAIT_BUCKETS = 1024 };

static struct {
    int64_t now_us;
    uint32_t fiber_count_ever;

    struct sim_fiber **runnable;
    size_t runnable_count, runnable_capacity;
    struct entry *held; /* of paused processes */
    size_t held_count, held_capacity;

    struct sim_fiber *waiting[WAIT_BUCKETS];
    struct sim_fiber *running;
    struct sim_process *processes;
    struct sim_process *acting; /* whose event runs now */
    ucontext_t scheduler;
    void *free_stacks[64];
    size_t free_stack_count;
} world;

void (*sim_point_hook)(const char *name);
bool sim_is_traced;

void sim_trace_write(const char *format, ...) {
    const struct sim_process *process = sim_self();
    fprintf(stderr, "%11.6f %-14s ", (double)world.now_us / 1e6, process == NULL ? "-" : process->name);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int64_t sim_now_us(void) {
    return world.now_us;
}

void sim_after(int64_t delay_us, struct sim_process *process, sim_action *action, void *context) {
    assert(delay_us >= 0);
    due_push(
        (struct entry){.at_us = world.now_us + delay_us, .process = process, .action = action, .context = context});
}

/* ---- fibers ------------------------------------------------------------------------------------------------------ */

static void run_later(struct sim_fiber *fiber) {
    world.runnable = room_for_one(world.runnable, world.runnable_count, &world.runnable_capacity, sizeof(void *));
    world.runnable[world.runnable_count++] = fiber;
}

static void *stack_new(void) {
    if (world.free_stack_count > 0) {
        return world.free_stacks[--world.free_stack_count];
    }
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(stack != MAP_FAILED);
    return stack;
}

/* AddressSanitizer must know which stack is in use. Without it these do nothing. */
#ifdef __SANITIZE_ADDRESS__
/* What a killed process had allocated is nobody's, and goes with the run. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static const void *scheduler_stack;
static size_t scheduler_stack_size;

static void switch_begins(void **ret_fake, const void *stack, size_t size) {
    __sanitizer_start_switch_fiber(ret_fake, stack, size);
}

static void switched_to_scheduler(void *fake) {
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void switched_to_fiber(void *fake) {
    __sanitizer_finish_switch_fiber(fake, &scheduler_stack, &scheduler_stack_size);
}
#else
static const void *const scheduler_stack = NULL;
static const size_t scheduler_stack_size = 0;

static void switch_begins(void **ret_fake, const void *stack, size_t size) {
    (void)ret_fake, (void)stack, (void)size;
}

static void switched_to_scheduler(void *fake) {
    (void)fake;
}

static void switched_to_fiber(void *fake) {
    (void)fake;
}
#endif

static void to_scheduler(void) {
    struct sim_fiber *self = world.running;
    void *fake = NULL;
    switch_begins(self->is_done ? NULL : &fake, scheduler_stack, scheduler_stack_size);
    swapcontext(&self->context, &world.scheduler);
    switched_to_fiber(fake);
}

static void process_ended(struct sim_process *process) {
    if (process->is_alive) {
        process->is_alive = false;
        SIM_TRACE("the process %s (%d) has ended", process->name, process->incarnation);
        if (process->on_end != NULL) {
            process->on_end(process);
        }
    }
}

static void fiber_main(void) {
    switched_to_fiber(NULL);
    struct sim_fiber *self = world.running;
    (void)self->run(self->argument);
    self->is_done = true;
    sim_wake(self);
    if (self->is_main) {
        process_ended(self->process);
    }
    to_scheduler();
    abort(); /* it is never resumed */
}

static struct sim_fiber *fiber_new(struct sim_process *process, void *(*run)(void *), void *argument) {
    struct sim_fiber *fiber = calloc(1, sizeof *fiber);
    assert(fiber != NULL);
    fiber->process = process;
    fiber->run = run;
    fiber->argument = argument;
    fiber->number = world.fiber_count_ever++;
    fiber->stack = stack_new();
    int made = getcontext(&fiber->context);
    assert(made == 0);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber->context, fiber_main, 0);
    run_later(fiber);
    return fiber;
}

struct sim_fiber *sim_spawn(void *(*run)(void *), void *context) {
    struct sim_process *process = sim_self();
    assert(process != NULL);
    return fiber_new(process, run, context);
}

void sim_join(struct sim_fiber *fiber) {
    while (!fiber->is_done) {
        sim_wait(fiber, -1);
    }
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static struct sim_fiber **bucket_of(const void *key) {
    return &world.waiting[((uintptr_t)key >> 4) % WAIT_BUCKETS];
}

static void wait_list_add(struct sim_fiber *fiber, const void *key) {
    struct sim_fiber **last = bucket_of(key);
    while (*last != NULL) {
        last = &(*last)->next_waiting; /* in the order in which they began to wait, whatever the keys' addresses */
    }
    fiber->key = key;
    fiber->next_waiting = NULL;
    *last = fiber;
}

static void wait_list_remove(struct sim_fiber *fiber) {
    for (struct sim_fiber **at = bucket_of(fiber->key); *at != NULL; at = &(*at)->next_waiting) {
        if (*at == fiber) {
            *at = fiber->next_waiting;
            break;
        }
    }
    fiber->key = NULL;
}

bool sim_wait(const void *key, int64_t timeout_us) {
    struct sim_fiber *self = world.running;
    assert(self != NULL);
    self->waits++;
    self->is_woken = false;
    if (key != NULL) {
        wait_list_add(self, key);
    }
    if (timeout_us >= 0) {
        due_push((struct entry){
            .at_us = world.now_us + timeout_us, .process = self->process, .fiber = self, .waits = self->waits});
    }
    to_scheduler();
    return self->is_woken;
}

void sim_sleep(int64_t us) {
    sim_wait(NULL, us > 0 ? us : 1);
}

void sim_wake(const void *key) {
    struct sim_fiber **at = bucket_of(key);
    while (*at != NULL) {
        struct sim_fiber *fiber = *at;
        if (fiber->key != key) {
            at = &fiber->next_waiting;
            continue;
        }
        *at = fiber->next_waiting;
        fiber->key = NULL;
        if (!fiber->process->is_alive) {
            continue; /* its key's memory may be another's by now */
        }
        fiber->is_woken = true;
        fiber->waits++; /* its time-out is stale from now on */
        run_later(fiber);
    }
}

static void wait_over(struct sim_fiber *fiber, uint64_t waits) {
    if (fiber->waits == waits) {
        if (fiber->key != NULL) {
            wait_list_remove(fiber);
        }
        fiber->waits++;
        run_later(fiber);
    }
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

struct main_call {
    void (*run)(void *context);
    void *context;
};

static void *main_run(void *argument) {
    struct main_call *call = argument;
    call->run(call->context);
    free(call);
    return NULL;
}

struct sim_process *sim_start(const char *name, int incarnation, void (*run)(void *), void *context) {
    struct sim_process *process = calloc(1, sizeof *process);
    struct main_call *call = calloc(1, sizeof *call);
    assert(process != NULL && call != NULL);
    process->name = name;
    process->incarnation = incarnation;
    process->is_alive = true;
    struct sim_process **last = &world.processes;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = process;
    *call = (struct main_call){run, context};
    fiber_new(process, main_run, call)->is_main = true;
    SIM_TRACE("the process %s (%d) begins", name, incarnation);
    return process;
}

void sim_kill(struct sim_process *process) {
    SIM_TRACE("KILL of %s (%d)", process->name, process->incarnation);
    process_ended(process);
    if (world.running != NULL && world.running->process == process) {
        to_scheduler();
        abort(); /* it is never resumed */
    }
}

void sim_pause(struct sim_process *process) {
    SIM_TRACE("PAUSE of %s (%d)", process->name, process->incarnation);
    process->is_paused = true;
    if (world.running != NULL && world.running->process == process) {
        run_later(world.running); /* held there until it is resumed */
        to_scheduler();
    }
}

void sim_resume(struct sim_process *process) {
    SIM_TRACE("%s (%d) goes on", process->name, process->incarnation);
    process->is_paused = false;
    size_t left = 0;
    for (size_t i = 0; i < world.held_count; i++) {
        struct entry entry = world.held[i];
        if (entry.process != process) {
            world.held[left++] = entry;
        } else {
            entry.at_us = world.now_us;
            due_push(entry);
        }
    }
    world.held_count = left;
}

struct sim_process *sim_self(void) {
    return world.running != NULL ? world.running->process : world.acting;
}

struct sim_process *sim_processes(void) {
    return world.processes;
}

void sim_point(const char *name) {
    if (sim_point_hook != NULL && world.running != NULL) {
        sim_point_hook(name);
    }
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void hold(struct entry entry) {
    world.held = room_for_one(world.held, world.held_count, &world.held_capacity, sizeof *world.held);
    world.held[world.held_count++] = entry;
}

static void fiber_run(struct sim_fiber *fiber) {
    struct sim_process *process = fiber->process;
    if (!process->is_alive) {
        return;
    }
    if (process->is_paused) {
        hold((struct entry){.process = process, .fiber = fiber, .waits = fiber->waits});
        return;
    }
    sim_digest_add((uint64_t)world.now_us);
    sim_digest_add(fiber->number);
    world.running = fiber;
    void *fake = NULL;
    switch_begins(&fake, fiber->stack, STACK_BYTES);
    swapcontext(&world.scheduler, &fiber->context);
    switched_to_scheduler(fake);
    world.running = NULL;
    if (fiber->is_done && world.free_stack_count < ARRAY_LENGTH(world.free_stacks)) {
        world.free_stacks[world.free_stack_count++] = fiber->stack;
        fiber->stack = NULL;
    }
}

static void entry_run(struct entry entry) {
    if (entry.process != NULL && !entry.process->is_alive) {
        return;
    }
    if (entry.process != NULL && entry.process->is_paused) {
        hold(entry);
        return;
    }
    if (entry.fiber != NULL) {
        wait_over(entry.fiber, entry.waits);
        return;
    }
    sim_digest_add((uint64_t)world.now_us);
    world.acting = entry.process;
    entry.action(entry.context);
    world.acting = NULL;
}

void sim_begin(uint64_t seed) {
    memset(&world, 0, sizeof world);
    due_begin();
    chance_begin(seed);
}

void sim_run(int64_t until_us) {
    for (;;) {
        while (world.runnable_count > 0) {
            size_t chosen = (size_t)sim_random(world.runnable_count);
            struct sim_fiber *fiber = world.runnable[chosen];
            world.runnable[chosen] = world.runnable[--world.runnable_count];
            fiber_run(fiber);
        }
        if (due_first_us() > until_us) {
            world.now_us = until_us;
            return;
        }
        struct entry entry = due_pop();
        world.now_us = entry.at_us > world.now_us ? entry.at_us : world.now_us;
        entry_run(entry);
    }
}
