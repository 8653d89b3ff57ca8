/* server_crowd_test.c: ten thousand connections that want nothing, or dawdle, while one client works.
 */
#include "core/http/test_server.h"

#include <sys/wait.h>

#include "core/base/histogram.h"
#include "core/base/timestamp.h"

enum {
    CROWD = 10000,
    REQUESTS = 2000,
    /* For a connection that has sent half a header block, everything counted. */
    CONNECTION_MAX_BYTES = 8 * 1024,
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_MEASURED = 0 }; /* the sanitizers' own would be measured */
#else
enum { MEMORY_IS_MEASURED = 1 };
#endif

struct crowd {
    pid_t pid;
    int port_in; /* tells the crowd where to go; its end sends it home */
    int ready_out;
};

/* Runs in a process of its own: descriptors are counted for each. */
static void be_the_crowd(int port_out, int ready_in) {
    struct test_server server = {0};
    if (read(port_out, &server.port, sizeof server.port) != sizeof server.port) {
        _exit(1);
    }
    for (int i = 0; i < CROWD; i++) {
        int fd = test_connect(&server);
        if (i % 2 == 0) {
            test_send(fd, STR("GET /hello HTTP/1.1\r\nHost: a\r\nX-Slow: "));
        }
    }
    char byte = 0;
    (void)!write(ready_in, &byte, 1);
    (void)!read(port_out, &byte, 1);
    _exit(0);
}

static struct crowd call_the_crowd(void) {
    int port[2], ready[2];
    assert_int_equal(pipe(port), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(port[1]);
        close(ready[0]);
        be_the_crowd(port[0], ready[1]);
    }
    close(port[0]);
    close(ready[1]);
    return (struct crowd){.pid = pid, .port_in = port[1], .ready_out = ready[0]};
}

/* One client, one request after the other; their 99th percentile. */
static uint64_t work(struct test_server *server) {
    static struct histogram latencies;
    latencies = (struct histogram){0};
    struct buf reply;
    buf_init(&reply, 1 << 20);
    int fd = test_connect(server);
    for (int i = 0; i < REQUESTS; i++) {
        int64_t begun_us = clock_boot_us();
        buf_clear(&reply);
        assert_true(test_send(fd, STR("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")));
        test_read_until(fd, &reply, "\r\n\r\nhello", 1);
        histogram_record(&latencies, (uint64_t)(clock_boot_us() - begun_us));
    }
    close(fd);
    buf_release(&reply);
    return histogram_at(&latencies, 0.99);
}

static void ten_thousand_idle_or_slow_connections_leave_the_others_served(void **state) {
    (void)state;
    test_need_descriptors(CROWD + 100);
    struct crowd crowd = call_the_crowd();
    struct test_server server;
    /* No more than the crowd itself: the one who works takes the place of one who idles. */
    test_server_start(&server, (struct http_server_options){.connections_max = CROWD});
    uint64_t alone_us = work(&server);
    size_t before = test_resident_bytes();
    assert_int_equal(write(crowd.port_in, &server.port, sizeof server.port), sizeof server.port);
    char byte;
    assert_int_equal(read(crowd.ready_out, &byte, 1), 1);
    uint64_t crowded_us = work(&server);
    size_t grown = test_resident_bytes() - before;
    print_message("p99 %llu us alone, %llu us in the crowd; %zu bytes a connection\n", (unsigned long long)alone_us,
                  (unsigned long long)crowded_us, grown / CROWD);
    if (MEMORY_IS_MEASURED) {
        assert_true(grown < (size_t)CROWD * CONNECTION_MAX_BYTES);
    }
    close(crowd.port_in);
    int status;
    assert_int_equal(waitpid(crowd.pid, &status, 0), crowd.pid);
    assert_int_equal(status, 0);
    close(crowd.ready_out);
    test_server_stop(&server);
    assert_true(server.stats.connections_total >= CROWD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_idle_or_slow_connections_leave_the_others_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
