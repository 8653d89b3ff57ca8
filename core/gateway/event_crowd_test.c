/* event_crowd_test.c: five thousand clients that follow documents on one loop: how soon they are told of a change, what
 * each costs, and how another client is served meanwhile.
 */
#include "core/gateway/test_front.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/base/histogram.h"

enum {
    CROWD = 5000,
    CHANGES = 5,
    /* Everything counted, in the kernel's memory aside. */
    STREAM_MAX_BYTES = 8 * 1024,
    TOLD_MAX_US = MICROS_PER_SECOND,
    READ_BYTES_MAX = 64 * 1024,
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_MEASURED = 0 }; /* the sanitizers' own time and memory would be */
#else
enum { IS_MEASURED = 1 };
#endif

/* Between the test and the crowd, which is a process of its own: descriptors are counted for each. */
static struct board {
    int port;
    _Atomic int64_t version;       /* that the crowd waits for */
    _Atomic int64_t changed_at_us; /* to it */
    _Atomic int64_t told;          /* so many of the crowd have heard of it */
    struct histogram latencies;    /* us; read when all have */
} * board;

/* What the last bytes of an event say. */
static bool holds_version(const char *bytes, size_t size, int64_t version) {
    char text[32];
    snprintf(text, sizeof text, "\"v\":%lld}\n\n", (long long)version);
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

static void hear(int epoll, int fd) {
    static char bytes[READ_BYTES_MAX];
    ssize_t size = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size <= 0) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    int64_t version = atomic_load(&board->version);
    if (holds_version(bytes, (size_t)size, version)) {
        histogram_record(&board->latencies, (uint64_t)(clock_boot_us() - atomic_load(&board->changed_at_us)));
        atomic_fetch_add(&board->told, 1);
    }
}

/* Every second one follows one SKU, the others each an own one. */
static void be_the_crowd(int go, int ready) {
    char byte;
    if (read(go, &byte, 1) != 1) {
        _exit(1);
    }
    int epoll = epoll_create1(0);
    front.server.port = board->port;
    for (int i = 0; i < CROWD; i++) {
        char line[64];
        int fd = test_connect(&front.server);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        snprintf(line, sizeof line, "GET /v1/stock/%s%d/stream", i % 2 == 0 ? "all" : "own", i % 2 == 0 ? 0 : i);
        test_ask_for(fd, line, "");
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
    (void)!write(ready, &byte, 1);
    struct epoll_event end = {.events = EPOLLIN, .data.fd = go}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, go, &end);
    for (;;) {
        int count = epoll_wait(epoll, events, ARRAY_LENGTH(events), -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == go) {
                _exit(0);
            }
            hear(epoll, events[i].data.fd);
        }
    }
}

/* One client asks for something else, over and over, until all of the crowd have heard. */
static void ask_until_all_are_told(struct histogram *latencies) {
    struct buf reply;
    buf_init(&reply, 1 << 20);
    int fd = test_connect(&front.server);
    int64_t begun_us = clock_boot_us();
    while (atomic_load(&board->told) < CROWD) {
        int64_t asked_us = clock_boot_us();
        buf_clear(&reply);
        test_ask_for(fd, "GET /health/live", "");
        test_read_until(fd, &reply, "{\"live\":true}", 1);
        histogram_record(latencies, (uint64_t)(clock_boot_us() - asked_us));
        if (clock_boot_us() - begun_us > (int64_t)TEST_WAIT_S * MICROS_PER_SECOND) {
            fail_msg("only %lld of the crowd were told", (long long)atomic_load(&board->told));
        }
    }
    close(fd);
    buf_release(&reply);
}

static void change_to(int64_t version, struct histogram *latencies) {
    char path[32];
    snprintf(path, sizeof path, "/change?%lld", (long long)version);
    atomic_store(&board->told, 0);
    atomic_store(&board->changed_at_us, clock_boot_us());
    atomic_store(&board->version, version);
    test_tell(path);
    ask_until_all_are_told(latencies);
}

static void five_thousand_are_told_within_a_second_and_others_are_served(void **state) {
    (void)state;
    test_need_descriptors(CROWD + 100);
    int go[2], ready[2];
    char byte = 0;
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(ready), 0);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(go[1]);
        close(ready[0]);
        be_the_crowd(go[0], ready[1]);
    }
    close(go[0]);
    close(ready[1]);
    test_front_start(CROWD, CROWD + 100);
    test_tell("/wrong?0");
    size_t before = test_resident_bytes();
    board->port = front.server.port;
    board->version = 1;
    board->changed_at_us = clock_boot_us();
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    static struct histogram others;
    ask_until_all_are_told(&others); /* of version 1: all are open */
    size_t grown = test_resident_bytes() - before;
    others = board->latencies = (struct histogram){0};
    for (int64_t version = 2; version < 2 + CHANGES; version++) {
        change_to(version, &others);
    }
    uint64_t told_us = histogram_at(&board->latencies, 0.99), served_us = histogram_at(&others, 0.99);
    print_message("told: p50 %llu us, p99 %llu us; another client: p50 %llu us, p99 %llu us; %zu bytes a stream\n",
                  (unsigned long long)histogram_at(&board->latencies, 0.5), (unsigned long long)told_us,
                  (unsigned long long)histogram_at(&others, 0.5), (unsigned long long)served_us, grown / CROWD);
    if (IS_MEASURED) {
        assert_true(told_us < TOLD_MAX_US);
        assert_true(served_us < TOLD_MAX_US / 10);
        assert_true(grown < (size_t)CROWD * STREAM_MAX_BYTES);
    }
    test_front_stop();
    close(go[1]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ready[0]);
    munmap(board, sizeof *board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_thousand_are_told_within_a_second_and_others_are_served),
    };
    return cmocka_run_group_tests_name("event_crowd", tests, NULL, NULL);
}
