#include "core/gateway/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool is_set(const void *peer) {
    return *(const bool *)peer;
}

static void metric(const void *peer, struct buf *out) {
    buf_printf(out, "x %d\n", *(const bool *)peer);
}

static void stopped_shard(const void *peer, struct json_writer *writer) {
    (void)peer;
    json_name(writer, STR("stopped_shards"));
    json_array_begin(writer);
    json_int(writer, 2);
    json_array_end(writer);
}

static const bool yes = true, no = false;

static void assert_readiness(const struct gateway_peer *peers, size_t count, const char *const *awaited,
                             size_t awaited_count, bool is_ready, const char *expected) {
    struct buf out;
    buf_init(&out, 4096);
    bool found;
    peers_readiness_write(peers, count, awaited, awaited_count, &out, &found);
    buf_byte(&out, '\0');
    assert_string_equal(out.data, expected);
    assert_int_equal(found, is_ready);
    buf_release(&out);
}

static void what_is_waited_for_is_named(void **state) {
    (void)state;
    const struct gateway_peer peers[] = {{"handler", metric, is_set, NULL, &yes},
                                         {"projector", metric, is_set, NULL, &no}};
    const char *const awaited[] = {"log"};
    assert_readiness(peers, 1, NULL, 0, true, "{\"ready\":true}");
    assert_readiness(peers, 2, NULL, 0, false, "{\"ready\":false,\"waiting_for\":[\"projector\"]}");
    assert_readiness(peers, 2, awaited, 1, false, "{\"ready\":false,\"waiting_for\":[\"log\",\"projector\"]}");
    assert_readiness(NULL, 0, NULL, 0, true, "{\"ready\":true}");
}

/* A front that were taken out for one shard's sake would stop the others, too. */
static void a_stopped_shard_is_named_and_does_not_make_unready(void **state) {
    (void)state;
    const struct gateway_peer peers[] = {{"handler", metric, is_set, stopped_shard, &yes}};
    assert_readiness(peers, 1, NULL, 0, true, "{\"ready\":true,\"stopped_shards\":[2]}");
}

static void the_metrics_of_all_roles_make_one_page(void **state) {
    (void)state;
    const struct gateway_peer peers[] = {{"handler", metric, is_set, NULL, &yes},
                                         {"projector", metric, is_set, NULL, &no}};
    struct buf out;
    buf_init(&out, 4096);
    peers_metrics_write(peers, 2, &out);
    buf_byte(&out, '\0');
    assert_string_equal(out.data, "x 1\nx 0\n");
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_waited_for_is_named),
        cmocka_unit_test(a_stopped_shard_is_named_and_does_not_make_unready),
        cmocka_unit_test(the_metrics_of_all_roles_make_one_page),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
