/* event_storm_test.c: clients of event streams that come, pipeline, stop reading, half close, reset and come again in
 * any order, while the database hangs, fails and changes; and a front that stops in the midst of them. That nothing is
 * used after its end is the sanitizer's to say; that nothing is kept is said here.
 */
#include "core/gateway/test_front.h"

#include <signal.h>

enum { CLIENTS_MAX = 64, STREAMS_MAX = 100, ROUNDS = 6, STEPS = 250, PIPELINED_MAX = 5 };

static uint64_t random_state;
static int fds[CLIENTS_MAX];
static bool is_sound; /* the database answers */

static unsigned draw(unsigned below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

static void leave(int place) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (fds[place] < 0) {
        return;
    }
    if (draw(2) == 0) {
        setsockopt(fds[place], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(fds[place]);
    fds[place] = -1;
}

static const char *draw_request(char ret_text[256]) {
    static const char *const fields[] = {"", "Last-Event-ID: 3\r\n", "Last-Event-ID: 9223372036854775807\r\n",
                                         "Last-Event-ID: x\r\n", "Connection: close\r\n"};
    char path[128];
    switch (draw(5)) {
    case 0:
        snprintf(path, sizeof path, "/readers");
        break;
    case 1:
        snprintf(path, sizeof path, "/v1/orders/%s/stream", draw(2) == 0 ? TEST_ORDER : TEST_OTHER_ORDER);
        break;
    default:
        snprintf(path, sizeof path, "/v1/stock/sku-%u/stream", draw(12));
    }
    snprintf(ret_text, 256, "%s %s HTTP/1.%u\r\nHost: a\r\n%s\r\n", draw(8) == 0 ? "HEAD" : "GET", path, draw(6) > 0,
             fields[draw(ARRAY_LENGTH(fields))]);
    return ret_text;
}

static void come(int place) {
    char text[256];
    leave(place);
    fds[place] = test_connect(&front.server);
    for (unsigned i = 0, count = draw(PIPELINED_MAX) + 1; i < count; i++) {
        (void)test_send(fds[place], str_of_cstr(draw_request(text)));
    }
}

static void step(int place) {
    static char bytes[4096];
    char path[64];
    switch (draw(12)) {
    case 0:
        snprintf(path, sizeof path, "/change?%u", draw(1000) + 1);
        test_tell(path);
        break;
    case 1:
        snprintf(path, sizeof path, "/wrong?%u", draw(4));
        test_tell(path);
        break;
    case 2:
        is_sound = !is_sound;
        test_tell(is_sound ? "/hold?0" : "/hold?1");
        break;
    case 3:
        leave(place);
        break;
    case 4:
        if (fds[place] >= 0) {
            (void)shutdown(fds[place], SHUT_WR);
        }
        break;
    case 5:
    case 6:
        if (fds[place] >= 0) {
            (void)!recv(fds[place], bytes, sizeof bytes, MSG_DONTWAIT);
        }
        break;
    default:
        come(place);
    }
}

static void a_storm_leaves_nothing_behind(void **state) {
    (void)state;
    struct buf reply;
    buf_init(&reply, TEST_REPLY_MAX);
    random_state = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : (uint64_t)clock_wall_us();
    (void)signal(SIGPIPE, SIG_IGN); /* as main.c does */
    printf("SEED=%llu\n", (unsigned long long)random_state);
    (void)fflush(stdout);
    for (int round = 0; round < ROUNDS; round++) {
        test_front_start(STREAMS_MAX, 1000);
        front.server.grace_ms = 100;
        is_sound = true;
        memset(fds, -1, sizeof fds);
        test_tell("/change?1");
        for (int i = 0; i < STEPS; i++) {
            step((int)draw(CLIENTS_MAX));
        }
        if (round % 2 == 0) { /* all leave; else the front stops while they are there */
            for (int i = 0; i < CLIENTS_MAX; i++) {
                leave(i);
            }
            test_tell("/hold?0");
            do {
                test_converse("GET /readers", "", &reply);
            } while (!test_holds(&reply, "\r\n\r\n0 readers"));
        }
        test_front_stop();
        assert_int_equal(front.loop.event_streams.stats.open, 0);
        for (int i = 0; i < CLIENTS_MAX; i++) {
            leave(i);
        }
    }
    buf_release(&reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_storm_leaves_nothing_behind)};
    return cmocka_run_group_tests_name("event_storm", tests, NULL, NULL);
}
