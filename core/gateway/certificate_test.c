#include "core/gateway/certificate.h"

#include "core/base/timestamp.h"
#include "core/http/test_tls.h"

enum { LOOK_US = CERTIFICATE_LOOK_MS * MICROS_PER_MS };

static struct test_authority authority;
static char certificate_path[TEST_PATH_MAX], key_path[TEST_PATH_MAX];
static struct certificate certificate;

static int begin(void **state) {
    (void)state;
    test_authority_begin(&authority);
    test_certificate_write(&authority, (struct test_certificate){.name = "front"});
    test_path(certificate_path, &authority, "front", ".pem");
    test_path(key_path, &authority, "front", ".key");
    certificate = (struct certificate){0};
    return 0;
}

static int end(void **state) {
    (void)state;
    certificate_close(&certificate);
    test_authority_end(&authority);
    return 0;
}

static enum err open_with(const char *certificate_file, const char *key_file, struct err_info *info) {
    const struct config config = {
        .tls_certificate = certificate_file, .tls_key = key_file, .http_host = "127.0.0.1", .trusted_proxies = ""};
    return certificate_open(&certificate, &config, info);
}

static void without_settings_there_is_none(void **state) {
    (void)state;
    assert_int_equal(open_with("", "", NULL), ERR_NONE);
    assert_null(certificate.tls);
    certificate_tick(&certificate, LOOK_US);
    assert_false(atomic_load(&certificate.is_refused));
}

static enum err open_plain(const char *host, const char *proxies, bool development, struct err_info *info) {
    const struct config config = {.tls_certificate = "",
                                  .tls_key = "",
                                  .http_host = host,
                                  .trusted_proxies = proxies,
                                  .development = development};
    return certificate_open(&certificate, &config, info);
}

static void nothing_is_spoken_in_the_clear_to_other_machines(void **state) {
    (void)state;
    static const char *const OWN[] = {"127.0.0.1", "127.1.2.3", "::1", "localhost"};
    for (size_t i = 0; i < ARRAY_LENGTH(OWN); i++) {
        assert_int_equal(open_plain(OWN[i], "", false, NULL), ERR_NONE);
    }
    static const char *const REACHED[] = {"0.0.0.0", "::", "10.0.0.7", "2001:db8::1", "shop.example", "128.0.0.1", ""};
    for (size_t i = 0; i < ARRAY_LENGTH(REACHED); i++) {
        struct err_info info = {0};
        assert_int_equal(open_plain(REACHED[i], "", false, &info), ERR_CONFIG);
        assert_non_null(strstr(info.text, "give tls_certificate and tls_key"));
        assert_int_equal(open_plain(REACHED[i], "10.0.0.0/8", false, NULL), ERR_NONE);
        assert_int_equal(open_plain(REACHED[i], "", true, NULL), ERR_NONE);
    }
    assert_null(certificate.tls);
}

static void half_of_the_settings_and_missing_files_are_told(void **state) {
    (void)state;
    struct err_info info = {0};
    assert_int_equal(open_with(certificate_path, "", &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "give both, or neither"));
    assert_int_equal(open_with("", key_path, &info), ERR_CONFIG);
    assert_int_equal(open_with(certificate_path, "/nowhere", &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "/nowhere: No such file"));
    assert_null(certificate.tls);
}

static void changed_files_are_taken_when_it_is_time_to_look(void **state) {
    (void)state;
    assert_int_equal(open_with(certificate_path, key_path, NULL), ERR_NONE);
    certificate_tick(&certificate, LOOK_US);
    assert_int_equal(atomic_load(&certificate.reloads_total), 0);
    int64_t expires_at_s = tls_context_expires_at_s(certificate.tls);
    test_certificate_write(&authority, (struct test_certificate){.name = "front", .ends_in_s = 2L * TEST_DAY_S});
    certificate_tick(&certificate, 2 * LOOK_US - 1);
    assert_int_equal(tls_context_expires_at_s(certificate.tls), expires_at_s);
    certificate_tick(&certificate, 2 * LOOK_US);
    assert_true(tls_context_expires_at_s(certificate.tls) > expires_at_s);
    assert_int_equal(atomic_load(&certificate.reloads_total), 1);
}

static void broken_files_are_told_once_and_what_was_loaded_is_kept(void **state) {
    (void)state;
    assert_int_equal(open_with(certificate_path, key_path, NULL), ERR_NONE);
    assert_int_equal(unlink(key_path), 0);
    certificate_tick(&certificate, LOOK_US);
    assert_true(atomic_load(&certificate.is_refused));
    assert_non_null(strstr(certificate.refusal.text, "No such file"));
    test_certificate_write(&authority,
                           (struct test_certificate){.name = "front", .begins_in_s = -TEST_DAY_S, .ends_in_s = -5});
    certificate_tick(&certificate, 2 * LOOK_US);
    assert_true(atomic_load(&certificate.is_refused));
    assert_non_null(strstr(certificate.refusal.text, "has expired"));
    certificate_tick(&certificate, 3 * LOOK_US);
    assert_true(atomic_load(&certificate.is_refused));
    assert_int_equal(atomic_load(&certificate.reloads_total), 0);
    test_certificate_write(&authority, (struct test_certificate){.name = "front"});
    certificate_tick(&certificate, 4 * LOOK_US);
    assert_false(atomic_load(&certificate.is_refused));
    assert_int_equal(certificate.refusal.code, ERR_NONE);
    assert_int_equal(atomic_load(&certificate.reloads_total), 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(without_settings_there_is_none),
        WITH(nothing_is_spoken_in_the_clear_to_other_machines),
        WITH(half_of_the_settings_and_missing_files_are_told),
        WITH(changed_files_are_taken_when_it_is_time_to_look),
        WITH(broken_files_are_told_once_and_what_was_loaded_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
