#include "core/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A file with this content, at a path of its own that `*state` names. */
static const char *file_with(void **state, struct str content) {
    char *path = strdup("/tmp/daybook-config-test-XXXXXX");
    assert_non_null(path);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.len), content.len);
    close(fd);
    *state = path;
    return path;
}

static int file_teardown(void **state) {
    if (*state != NULL) {
        unlink(*state);
        free(*state);
    }
    return 0;
}

/* Nothing of the caller's own settings is left in the environment. */
static int clean_environment(void **state) {
    (void)state;
    clearenv();
    return 0;
}

static void assert_refused(void **state, const char *content, const char *expected_in_text) {
    struct config config = {.topic_prefix = "untouched"};
    struct err_info info = {0};
    const char *path = content == NULL ? NULL : file_with(state, str_of_cstr(content));
    assert_int_equal(config_load(&config, path, &info), ERR_CONFIG);
    assert_string_equal(config.topic_prefix, "untouched");
    if (strstr(info.text, expected_in_text) == NULL) {
        fail_msg("'%s' is not in '%s'", expected_in_text, info.text);
    }
    file_teardown(state);
    *state = NULL;
}

static void without_file_and_environment_the_defaults_stand(void **state) {
    (void)state;
    struct config config;
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config.kafka_brokers, "127.0.0.1:19092");
    assert_int_equal(config.http_port, 8080);
    config_release(&config);
}

static void a_setting_that_was_left_alone_is_told_apart(void **state) {
    struct config config;
    assert_int_equal(
        config_load(&config, file_with(state, STR("postgres = host=/run\nhttp_port = 8080\nshards = 7\n")), NULL),
        ERR_NONE);
    assert_true(config_is_default(&config, "provider_webhook_secret"));
    assert_false(config_is_default(&config, "postgres"));
    assert_true(config_is_default(&config, "http_port"));
    assert_false(config_is_default(&config, "shards"));
    config_release(&config);
}

static void the_file_overrides_the_defaults(void **state) {
    struct config config;
    const char *path = file_with(state, STR("# a comment\n"
                                            "\n"
                                            "  kafka_brokers=a:1,b:2  \r\n"
                                            "postgres = host=/run user=x # not a comment\n"
                                            "handler_name =\n"
                                            "http_port = 0"));
    assert_int_equal(config_load(&config, path, NULL), ERR_NONE);
    assert_string_equal(config.kafka_brokers, "a:1,b:2");
    assert_string_equal(config.postgres, "host=/run user=x # not a comment");
    assert_string_equal(config.handler_name, "");
    assert_int_equal(config.http_port, 0);
    config_release(&config);
}

static void the_environment_overrides_the_file(void **state) {
    struct config config;
    const char *path = file_with(state, STR("topic_prefix = file\nhttp_port = 1\n"));
    setenv("DAYBOOK_TOPIC_PREFIX", "environment", 1);
    setenv("DAYBOOKISH", "of somebody else", 1);
    setenv("DAYBOOK_CONFIG", "/nonexistent: the file that was named goes first", 1);
    setenv("DAYBOOK_TEST_ANYTHING", "read by tests", 1);
    assert_int_equal(config_load(&config, path, NULL), ERR_NONE);
    assert_string_equal(config.topic_prefix, "environment");
    assert_int_equal(config.http_port, 1);
    config_release(&config);
}

static void a_front_asks_who_comes_unless_a_developer_says_otherwise(void **state) {
    struct config config;
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config.access, "closed");
    assert_false(config.development);
    config_release(&config);
    assert_refused(state, "access = open\n", "needs development = true");
    assert_refused(state, "development = false\naccess = open\n", "needs development = true");
    /* Whichever stands where: what is in force in the end counts. */
    const char *path = file_with(state, STR("access = open\n"));
    setenv("DAYBOOK_DEVELOPMENT", "true", 1);
    assert_int_equal(config_load(&config, path, NULL), ERR_NONE);
    assert_string_equal(config.access, "open");
    config_release(&config);
    setenv("DAYBOOK_ACCESS", "closed", 1);
    setenv("DAYBOOK_DEVELOPMENT", "false", 1);
    assert_int_equal(config_load(&config, path, NULL), ERR_NONE);
    assert_string_equal(config.access, "closed");
    config_release(&config);
    file_teardown(state);
    *state = NULL;
    setenv("DAYBOOK_ACCESS", "open", 1);
    assert_refused(state, "development = true\n", "for a developer's machine alone");
}

static void a_file_may_be_named_by_the_environment(void **state) {
    struct config config;
    setenv("DAYBOOK_CONFIG", file_with(state, STR("topic_prefix = file\nhttp_port = 1\n")), 1);
    setenv("DAYBOOK_HTTP_PORT", "2", 1);
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config.topic_prefix, "file");
    assert_int_equal(config.http_port, 2);
    config_release(&config);
    setenv("DAYBOOK_CONFIG", "", 1);
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config.topic_prefix, "daybook");
    config_release(&config);
}

static void a_file_that_the_environment_names_in_vain_is_an_error(void **state) {
    setenv("DAYBOOK_CONFIG", "/nonexistent/daybook.conf", 1);
    assert_refused(state, NULL, "/nonexistent/daybook.conf");
}

static void a_wrong_line_is_named(void **state) {
    assert_refused(state, "http_port = 1\nhttp_prot = 2\n", ":2: there is no setting 'http_prot'");
    assert_refused(state, "\n\nnonsense\n", ":3: a line is 'name = value'");
    assert_refused(state, "http_port = 65536\n", ":1: http_port must be a number from 0 to 65535, not '65536'");
    assert_refused(state, "http_port = 80 80\n", "http_port must be a number");
    assert_refused(state, "http_port =\n", "http_port must be a number");
    assert_refused(state, "http_port = -1\n", "http_port must be a number");
    assert_refused(state, "HTTP_PORT = 1\n", "there is no setting");
}

static void a_value_with_a_nul_byte_is_refused(void **state) {
    struct config config;
    struct err_info info;
    const char *path = file_with(state, STR("topic_prefix = a\0b\n"));
    assert_int_equal(config_load(&config, path, &info), ERR_CONFIG);
}

static void a_wrong_variable_is_named(void **state) {
    setenv("DAYBOOK_HTTP_PROT", "1", 1);
    assert_refused(state, NULL, "DAYBOOK_HTTP_PROT: there is no such setting");
    clearenv();
    setenv("DAYBOOK_http_port", "1", 1);
    assert_refused(state, NULL, "DAYBOOK_http_port: there is no such setting");
    clearenv();
    setenv("DAYBOOK_SHARDS", "0", 1);
    assert_refused(state, NULL, "DAYBOOK_SHARDS: shards must be a number from 1 to 1024");
}

static void a_file_that_is_missing_or_huge_is_an_error(void **state) {
    struct config config;
    struct err_info info;
    assert_int_equal(config_load(&config, "/nonexistent/daybook.conf", &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "/nonexistent/daybook.conf"));
    struct buf large;
    buf_init(&large, 1024 * 1024);
    while (large.len < 300 * 1024) {
        buf_str(&large, STR("# filler\n"));
    }
    const char *path = file_with(state, buf_text(&large));
    buf_release(&large);
    assert_int_equal(config_load(&config, path, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "larger than"));
}

static void what_is_printed_can_be_read_again(void **state) {
    struct config config, again;
    setenv("DAYBOOK_HTTP_PORT", "1234", 1);
    setenv("DAYBOOK_TOPIC_PREFIX", "printed", 1);
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    clearenv();
    struct buf out;
    buf_init(&out, 64 * 1024);
    config_print(&config, &out);
    config_release(&config);
    assert_true(buf_ok(&out));
    const char *path = file_with(state, buf_text(&out));
    buf_release(&out);
    assert_int_equal(config_load(&again, path, NULL), ERR_NONE);
    assert_int_equal(again.http_port, 1234);
    assert_string_equal(again.topic_prefix, "printed");
    config_release(&again);
}

static void a_password_is_not_printed(void **state) {
    (void)state;
    static const char *const secrets[] = {"host=db password=hunter2", "postgresql://user:hunter2@db/daybook"};
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++) {
        struct config config;
        setenv("DAYBOOK_POSTGRES", secrets[i], 1);
        assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
        struct buf out;
        buf_init(&out, 64 * 1024);
        config_print(&config, &out);
        buf_byte(&out, '\0');
        assert_null(strstr(out.data, "hunter2"));
        assert_non_null(strstr(out.data, "\n# postgres = (set)\n"));
        buf_release(&out);
        config_release(&config);
    }
}

/* With a secret: what was printed leaves it to be given, and does not set it to the mark that stands for it. */
static void what_is_printed_never_becomes_a_secret(void **state) {
    struct config config, again;
    setenv("DAYBOOK_PROVIDER_WEBHOOK_SECRET", "hunter2", 1);
    setenv("DAYBOOK_POSTGRES", "host=db password=hunter2", 1);
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    clearenv();
    struct buf out;
    buf_init(&out, 64 * 1024);
    config_print(&config, &out);
    config_release(&config);
    const char *path = file_with(state, buf_text(&out));
    buf_release(&out);
    assert_int_equal(config_load(&again, path, NULL), ERR_NONE);
    assert_true(config_is_default(&again, "provider_webhook_secret"));
    assert_true(config_is_default(&again, "postgres"));
    config_release(&again);
    file_teardown(state);
    *state = NULL;
    assert_refused(state, "provider_webhook_secret = (set)\n", ":1: provider_webhook_secret is (set), which");
    assert_refused(state, "postgres = (set)\n", "give the secret itself");
}

/* `secret_at` of a file with that content, as a setting of the environment; what became of it. */
static enum err load_secret_of_file(void **state, struct str content, struct config *config, struct err_info *info) {
    const char *path = file_with(state, content);
    char value[128];
    snprintf(value, sizeof value, "file:%s", path);
    setenv("DAYBOOK_PROVIDER_WEBHOOK_SECRET", value, 1);
    enum err err = config_load(config, NULL, info);
    file_teardown(state);
    *state = NULL;
    return err;
}

static void a_secret_may_stand_in_a_file_of_its_own(void **state) {
    static const char *const contents[] = {"hunter2", "hunter2\n", "hunter2\r\nmore\n", "hunter2\n\n\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(contents); i++) {
        struct config config;
        assert_int_equal(load_secret_of_file(state, str_of_cstr(contents[i]), &config, NULL), ERR_NONE);
        assert_string_equal(config.provider_webhook_secret, "hunter2");
        config_release(&config);
    }
    clearenv();
    struct config config;
    char line[128];
    snprintf(line, sizeof line, "file:%s", file_with(state, STR("host=db password=hunter2\n")));
    setenv("DAYBOOK_POSTGRES", line, 1);
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config.postgres, "host=db password=hunter2");
    config_release(&config);
}

static void a_secret_as_long_as_it_may_be_is_taken_and_a_longer_one_refused(void **state) {
    static char content[4097];
    memset(content, 'x', sizeof content);
    struct config config;
    struct err_info info;
    assert_int_equal(load_secret_of_file(state, str_of(content, 4096), &config, &info), ERR_NONE);
    assert_int_equal(strlen(config.provider_webhook_secret), 4096);
    config_release(&config);
    assert_int_equal(load_secret_of_file(state, str_of(content, 4097), &config, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "is longer than 4096 bytes"));
}

static void a_file_that_holds_no_secret_is_named(void **state) {
    struct config config;
    struct err_info info;
    assert_int_equal(load_secret_of_file(state, STR("\nhunter2\n"), &config, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "DAYBOOK_PROVIDER_WEBHOOK_SECRET: the first line of /tmp/"));
    assert_int_equal(load_secret_of_file(state, STR(""), &config, &info), ERR_CONFIG);
    assert_int_equal(load_secret_of_file(state, STR("a\0b\n"), &config, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "NUL"));
    assert_int_equal(load_secret_of_file(state, STR("(set)\n"), &config, &info), ERR_CONFIG);
    clearenv();
    assert_refused(state, "provider_webhook_secret = file:/nonexistent/secret\n", "/nonexistent/secret: No such file");
    assert_refused(state, "provider_webhook_secret = file:secret\n", "is followed by an absolute path");
    assert_refused(state, "provider_webhook_secret = file:/tmp\n", "/tmp is not a regular file");
    assert_refused(state, "provider_webhook_secret = file:/dev/zero\n", "/dev/zero is not a regular file");
}

static void other_settings_are_never_read_from_a_file(void **state) {
    (void)state;
    struct config config;
    setenv("DAYBOOK_TOPIC_PREFIX", "file:/etc/hostname", 1);
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config.topic_prefix, "file:/etc/hostname");
    config_release(&config);
}

static void a_variable_with_a_secret_is_known(void **state) {
    (void)state;
    assert_true(config_variable_is_secret("DAYBOOK_PROVIDER_WEBHOOK_SECRET=x"));
    assert_true(config_variable_is_secret("DAYBOOK_KAFKA_PASSWORD=x"));
    assert_false(config_variable_is_secret("DAYBOOK_KAFKA_USERNAME=x"));
    assert_true(config_variable_is_secret("DAYBOOK_POSTGRES=host=db password=x"));
    assert_true(config_variable_is_secret("DAYBOOK_POSTGRES=postgresql://me:x@db/daybook"));
    assert_true(config_variable_is_secret("DAYBOOK_MASTER_KEYS_SECRET=x"));
    assert_true(config_variable_is_secret("DAYBOOK_VAULT_POSTGRES=host=db password=x"));
    assert_false(config_variable_is_secret("DAYBOOK_PROVIDER_WEBHOOK_SECRET="));
    assert_false(config_variable_is_secret("DAYBOOK_PROVIDER_WEBHOOK_SECRET"));
    assert_false(config_variable_is_secret("DAYBOOK_POSTGRES=host=db user=me"));
    assert_false(config_variable_is_secret("DAYBOOK_TEST_SECRET=password"));
    assert_false(config_variable_is_secret("SOME_SECRET=password"));
}

static void the_vault_is_where_the_read_models_are_unless_it_is_said(void **state) {
    (void)state;
    struct config config;
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config_vault_postgres(&config), config.postgres);
    config_release(&config);
    setenv("DAYBOOK_VAULT_POSTGRES", "host=keys", 1);
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_string_equal(config_vault_postgres(&config), "host=keys");
    config_release(&config);
}

static void a_word_that_is_no_choice_is_refused_with_those_that_are(void **state) {
    setenv("DAYBOOK_LOG_LEVEL", "verbose", 1);
    assert_refused(state, NULL, "DAYBOOK_LOG_LEVEL: log_level must be one of: debug info warn error; not 'verbose'");
    clearenv();
    assert_refused(state, "log_level =\n", "log_level must be one of");
    struct config config;
    assert_int_equal(config_load(&config, file_with(state, STR("log_level = debug\n")), NULL), ERR_NONE);
    assert_string_equal(config.log_level, "debug");
    config_release(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_file_and_environment_the_defaults_stand, clean_environment,
                                        file_teardown),
        cmocka_unit_test_setup_teardown(a_setting_that_was_left_alone_is_told_apart, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(the_file_overrides_the_defaults, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(the_environment_overrides_the_file, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_front_asks_who_comes_unless_a_developer_says_otherwise, clean_environment,
                                        file_teardown),
        cmocka_unit_test_setup_teardown(a_file_may_be_named_by_the_environment, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_the_environment_names_in_vain_is_an_error, clean_environment,
                                        file_teardown),
        cmocka_unit_test_setup_teardown(a_wrong_line_is_named, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_value_with_a_nul_byte_is_refused, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_wrong_variable_is_named, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_missing_or_huge_is_an_error, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(what_is_printed_can_be_read_again, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_password_is_not_printed, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(what_is_printed_never_becomes_a_secret, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_secret_may_stand_in_a_file_of_its_own, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_secret_as_long_as_it_may_be_is_taken_and_a_longer_one_refused,
                                        clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_holds_no_secret_is_named, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(other_settings_are_never_read_from_a_file, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(a_variable_with_a_secret_is_known, clean_environment, file_teardown),
        cmocka_unit_test_setup_teardown(the_vault_is_where_the_read_models_are_unless_it_is_said, clean_environment,
                                        file_teardown),
        cmocka_unit_test_setup_teardown(a_word_that_is_no_choice_is_refused_with_those_that_are, clean_environment,
                                        file_teardown),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
