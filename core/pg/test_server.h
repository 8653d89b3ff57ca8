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

static inline int test_free_port(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    close(listener);
    return ntohs(address.sin_port);
}

/* start or stop. */
static inline void test_server(const char *action) {
    char command[512];
    snprintf(command, sizeof command, "deploy/local/postgres.sh %s %s %s >/dev/null 2>%s/script.log", action,
             test_directory, strcmp(action, "start") == 0 ? strrchr(test_conninfo, '=') + 1 : "", test_directory);
    assert_int_equal(system(command), 0);
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
