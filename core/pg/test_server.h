/* test_server.h: a PostgreSQL of a test's own: deploy/local/postgres.sh makes one in a temporary folder.
 *
 * Use      test_server_setup and test_server_teardown are a group's; `test_conninfo` is how it is reached.
 * Thread   one test at a time.          May use: cmocka.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/pg/session.h"

static char test_directory[] = "/tmp/daybook-pg-test-XXXXXX";
static char test_conninfo[128];

/* Below the range that the kernel gives to outgoing connections (32768 and up) and that of the integration tests (20000
 * and up), so that no client's connection sits on it when the server listens, seconds later. Programs of tests that run
 * beside each other begin at other ports, since their pids differ. */
enum { TEST_PORT_FIRST = 10000, TEST_PORT_COUNT = 10000 };

static inline int test_free_port(void) {
    for (int i = 0; i < TEST_PORT_COUNT; i++) {
        int port = TEST_PORT_FIRST + ((int)getpid() + i) % TEST_PORT_COUNT;
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(listener >= 0);
        struct sockaddr_in address = {
            .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
        int is_taken = bind(listener, (struct sockaddr *)&address, sizeof address);
        close(listener);
        if (is_taken == 0) {
            return port;
        }
    }
    fail_msg("no free port");
    return 0;
}

static inline void test_server_tell(void) {
    char command[128];
    snprintf(command, sizeof command, "cat %s/script.log %s/*.log >&2", test_directory, test_directory);
    (void)!system(command);
}

/* start or stop. */
static inline void test_server(const char *action) {
    char command[512];
    snprintf(command, sizeof command, "deploy/local/postgres.sh %s %s %s >/dev/null 2>%s/script.log", action,
             test_directory, strcmp(action, "start") == 0 ? strrchr(test_conninfo, '=') + 1 : "", test_directory);
    int ended = system(command);
    if (ended != 0) {
        test_server_tell();
    }
    assert_int_equal(ended, 0);
}

static inline void test_server_kill(void) {
    char path[sizeof test_directory + 32];
    snprintf(path, sizeof path, "%s/postgres.pid", test_directory);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char text[32] = "";
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_int_equal(kill((pid_t)strtol(text, NULL, 10), SIGKILL), 0);
}

static inline int test_server_setup(void **state) {
    (void)state;
    assert_non_null(mkdtemp(test_directory));
    snprintf(test_conninfo, sizeof test_conninfo, "host=127.0.0.1 user=daybook dbname=daybook port=%d",
             test_free_port());
    char command[128];
    snprintf(command, sizeof command, "chmod 711 %s", test_directory); /* the server runs as a user of its own */
    assert_int_equal(system(command), 0);
    test_server("start");
    return 0;
}

static inline int test_server_teardown(void **state) {
    (void)state;
    test_server("stop");
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", test_directory);
    return system(command);
}

static inline struct pg_session *test_session_open(void) {
    struct pg_session *session = NULL;
    struct err_info info = {0};
    if (pg_session_open(test_conninfo, "test", &session, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return session;
}

static inline int64_t test_number(struct pg_session *session, const char *sql) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    struct err_info info = {0};
    if (pg_session_query(session, sql, NULL, 0, true, &result, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return pg_get_int8(result, 0, 0);
}
