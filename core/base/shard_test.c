#include "core/base/shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The vectors are those of org.apache.kafka.common.utils.UtilsTest#testMurmur2. */
static void murmur2_is_the_one_of_kafkas_java_client(void **state) {
    (void)state;
    static const struct {
        struct str key;
        int32_t hash;
    } vectors[] = {
        {{"21", 2}, -973932308},
        {{"abc", 3}, 479470107},
        {{"foobar", 6}, -790332482},
        {{"a-little-bit-long-string", 24}, -985981536},
        {{"a-little-bit-longer-string", 26}, -1486304829},
        {{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 48}, -58897971},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        assert_int_equal((int32_t)murmur2(vectors[i].key), vectors[i].hash);
    }
}

static void assert_key(struct str stream, struct str key) {
    struct str found = shard_key(stream);
    assert_true(str_equal(found, key));
}

static void the_streams_of_one_purchase_share_their_key(void **state) {
    (void)state;
    assert_key(STR("cart_01J"), STR("01J"));
    assert_key(STR("ord_01J.1"), STR("01J"));
    assert_key(STR("pay_01J.12.3"), STR("01J"));
    assert_key(STR("prod_01J"), STR("01J"));
}

static void a_sku_keeps_its_dots_and_underscores(void **state) {
    (void)state;
    assert_key(STR("sku_T-SHIRT_red.XL"), STR("T-SHIRT_red.XL"));
    assert_key(STR("sku_.a"), STR(".a"));
}

static void an_id_without_prefix_is_its_own_key(void **state) {
    (void)state;
    assert_key(STR("plain"), STR("plain"));
    assert_key(STR("plain.1"), STR("plain"));
    assert_key(STR(""), STR(""));
}

static void a_shard_is_always_one_of_those_that_exist(void **state) {
    (void)state;
    for (int32_t i = 0; i < 10000; i++) {
        char key[sizeof i];
        memcpy(key, &i, sizeof i);
        int32_t shard = shard_of_key(str_of(key, sizeof key), 7);
        assert_in_range(shard, 0, 6);
    }
    /* toPositive(-790332482) % 4, as Kafka's BuiltInPartitioner does it. */
    assert_int_equal(shard_of_stream(STR("cart_foobar"), 4), (-790332482 & 0x7fffffff) % 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murmur2_is_the_one_of_kafkas_java_client),
        cmocka_unit_test(the_streams_of_one_purchase_share_their_key),
        cmocka_unit_test(a_sku_keeps_its_dots_and_underscores),
        cmocka_unit_test(an_id_without_prefix_is_its_own_key),
        cmocka_unit_test(a_shard_is_always_one_of_those_that_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
