#include "core/testing/simulator/interpose.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

#include "core/testing/simulator/world.h"

#define BOOT_BEFORE_S 1000LL /* the machines had run for so long */

/* The linker's names for what --wrap redirects; the wrapped ones need a prototype that says nothing new. */
int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context);
int __wrap_pthread_join(pthread_t thread, void **ret_result);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_pthread_setname_np(pthread_t thread, const char *name);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *ret_left);
int __wrap_setpriority(int which, id_t who, int priority);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
time_t __wrap_time(time_t *ret_time);

enum { LOCK_PAUSE_US = 20, NANOS_PER_US = 1000 };

/* ---- threads ----------------------------------------------------------------------------------------------------- */

int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context) {
    (void)attributes;
    *ret_thread = (pthread_t)(uintptr_t)sim_spawn(run, context);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **ret_result) {
    assert(ret_result == NULL);
    sim_join((struct sim_fiber *)(uintptr_t)thread); // NOLINT(performance-no-int-to-ptr): it was one above
    return 0;
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name) {
    (void)thread, (void)name;
    return 0;
}

/* ---- locks: all fibers are one thread, so a lock that is taken is another fiber's that waits --------------------- */

/* Fibers have no priorities. */
int __wrap_setpriority(int which, id_t who, int priority) {
    (void)which, (void)who, (void)priority;
    return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
    while (pthread_mutex_trylock(mutex) != 0) {
        sim_sleep(LOCK_PAUSE_US);
    }
    return 0;
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
    while (pthread_rwlock_tryrdlock(lock) != 0) {
        sim_sleep(LOCK_PAUSE_US);
    }
    return 0;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
    while (pthread_rwlock_trywrlock(lock) != 0) {
        sim_sleep(LOCK_PAUSE_US);
    }
    return 0;
}

static bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t timeout_us) {
    pthread_mutex_unlock(mutex);
    bool woken = sim_wait(condition, timeout_us);
    __wrap_pthread_mutex_lock(mutex);
    return woken;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    (void)condition_wait(condition, mutex, -1);
    return 0;
}

static int64_t micros_of(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000000 + time->tv_nsec / NANOS_PER_US;
}

static int64_t boot_us(void) {
    return BOOT_BEFORE_S * 1000000 + sim_now_us();
}

/* All conditions with a time-out are by the monotonic clock: house rule, since the wall clock steps. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    int64_t left_us = micros_of(until) - boot_us();
    return condition_wait(condition, mutex, left_us > 0 ? left_us : 0) ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition) {
    sim_wake(condition); /* spurious wake-ups are allowed */
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition) {
    sim_wake(condition);
    return 0;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *ret_left) {
    (void)ret_left;
    sim_sleep(micros_of(wanted));
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time) {
    int64_t now_us = boot_us();
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        const struct sim_process *process = sim_self();
        now_us = SIM_WORLD_BEGINS_US + sim_now_us() + (process == NULL ? 0 : process->wall_offset_us);
    }
    ret_time->tv_sec = now_us / 1000000;
    ret_time->tv_nsec = now_us % 1000000 * NANOS_PER_US;
    return 0;
}

time_t __wrap_time(time_t *ret_time) {
    struct timespec now;
    (void)__wrap_clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time != NULL) {
        *ret_time = now.tv_sec;
    }
    return now.tv_sec;
}

/* ---- chance of libsodium ----------------------------------------------------------------------------------------- */

static const char *chance_name(void) {
    return "the simulator's seed";
}

static uint32_t chance_word(void) {
    return (uint32_t)sim_random((uint64_t)1 << 32);
}

static void chance_fill(void *const bytes, const size_t size) {
    uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)sim_random(256);
    }
}

void interpose_begin(void) {
    static randombytes_implementation chance = {
        .implementation_name = chance_name, .random = chance_word, .buf = chance_fill};
    randombytes_set_implementation(&chance);
    int ready = sodium_init();
    assert(ready >= 0);
}
