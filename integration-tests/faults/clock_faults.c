/* clock_faults.c: a wall clock that is wrong, for a program that is started with this library in LD_PRELOAD.
 *
 * The file that FAULT_CLOCK names is mapped: its first eight bytes are the seconds by which the wall clock is
 * ahead (negative: behind), and a test steps the clock by writing them. Only CLOCK_REALTIME is touched, as when somebody
 * sets a machine's clock: CLOCK_MONOTONIC and CLOCK_BOOTTIME go on. Whoever waits until a moment of that clock waits by
 * the same one: the kernel has the true one, and would wait an hour too long or not at all.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *ahead_s;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("FAULT_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *ahead_s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        ahead_s = mapped == MAP_FAILED ? NULL : mapped;
    }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (failed == 0 && ahead_s != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += atomic_load(ahead_s);
    }
    return (int)failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    *now = (struct timeval){.tv_sec = precise.tv_sec, .tv_usec = precise.tv_nsec / 1000};
    return failed;
}

time_t time(time_t *ret_now) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now != NULL) {
        *ret_now = now.tv_sec;
    }
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

/* Moments of the other clocks count from the machine's start: no machine has run for thirty years. */
enum { WALL_CLOCK_MIN_S = 1000000000 };

static struct timespec true_moment(const struct timespec *until) {
    struct timespec moment = *until;
    if (ahead_s != NULL && moment.tv_sec > WALL_CLOCK_MIN_S) {
        moment.tv_sec -= atomic_load(ahead_s);
    }
    return moment;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict lock,
                           const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (real == NULL) {
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlvsym(
            RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    }
    const struct timespec moment = true_moment(until);
    return real(cond, lock, &moment);
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict lock, const struct timespec *restrict until) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    if (real == NULL) {
        real = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
    }
    const struct timespec moment = true_moment(until);
    return real(cond, lock, &moment);
}
