#include "cmd/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* As it is set where nothing is: everything is on this machine. */
static struct config settings(void) {
    return (struct config){.kafka_brokers = "127.0.0.1:19092",
                           .kafka_security = "plaintext",
                           .postgres = "host=127.0.0.1 port=15432 user=daybook dbname=daybook",
                           .vault_postgres = "",
                           .provider_url = "http://127.0.0.1:18090",
                           .admin_host = "127.0.0.1",
                           .http_host = "127.0.0.1",
                           .tls_certificate = "",
                           .unprotected_links = ""};
}

static int without_variables(void **state) {
    (void)state;
    static const char *const names[] = {"PGHOST",    "PGHOSTADDR",    "PGSSLMODE",
                                        "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        unsetenv(names[i]);
    }
    return 0;
}

static void assert_refused(const struct config *config, const char *expected_in_text) {
    struct err_info info = {0};
    if (links_check(config, &info) != ERR_CONFIG) {
        fail_msg("'%s' was expected", expected_in_text);
    }
    if (strstr(info.text, expected_in_text) == NULL) {
        fail_msg("'%s' is not in '%s'", expected_in_text, info.text);
    }
    struct config of_developer = *config;
    of_developer.development = true;
    assert_int_equal(links_check(&of_developer, &info), ERR_NONE);
}

static void assert_taken(const struct config *config) {
    struct err_info info = {0};
    if (links_check(config, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
}

/* Refused, unless that word is among what may be so. */
static void assert_needs_word(struct config config, const char *word) {
    char begin[64];
    (void)snprintf(begin, sizeof begin, "%s: the way to another machine", word);
    assert_refused(&config, begin);
    config.unprotected_links = word;
    assert_taken(&config);
    config.unprotected_links = strcmp(word, "kafka") == 0 ? "admin postgres  provider" : "kafka";
    assert_refused(&config, begin);
}

static void what_is_on_this_machine_may_be_in_the_clear(void **state) {
    (void)state;
    struct config config = settings();
    assert_taken(&config);
    config.admin_port = 8081;
    assert_taken(&config);
    config.kafka_brokers = "localhost:9092, [::1]:9093,127.0.0.2";
    assert_taken(&config);
}

static void kafka_elsewhere_is_spoken_to_in_tls(void **state) {
    (void)state;
    static const char *const elsewhere[] = {"kafka:9092", "10.0.0.1:9092", "localhost:9092,kafka-2:9092",
                                            "[fd00::1]:9092", "kafka:9092,127.0.0.1:9092"};
    for (size_t i = 0; i < ARRAY_LENGTH(elsewhere); i++) {
        struct config config = settings();
        config.kafka_brokers = elsewhere[i];
        assert_needs_word(config, "kafka");
        config.kafka_security = "ssl";
        assert_taken(&config);
        config.kafka_security = "sasl_ssl";
        assert_taken(&config);
    }
}

static void a_database_elsewhere_shows_a_certificate_that_is_looked_at(void **state) {
    (void)state;
    static const char *const refused[] = {
        "host=db",
        "host=db sslmode=require",
        "host=db sslmode=verify-ca sslrootcert=/ca.pem",
        "postgresql://me@db/daybook",
        "postgresql://me@db/daybook?sslmode=prefer",
        "host=localhost,db",
        "host=localhost hostaddr=10.0.0.1", /* where it connects counts */
        "service=shop",
        "service=shop user=me",
        "hostaddr=fd00::1",
    };
    static const char *const taken[] = {
        "host=db sslmode=verify-full",
        "postgresql://me@db/daybook?sslmode=verify-full&sslrootcert=system",
        "host=localhost",
        "host=/run/postgresql",
        "host=@abstract",
        "host=localhost,/run/postgresql,127.0.0.1",
        "host=db hostaddr=127.0.0.1",
        "dbname=daybook",
        "service=shop sslmode=verify-full",
        "service=shop host=127.0.0.1",
        "no connection string", /* who connects says so */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        struct config config = settings();
        config.postgres = refused[i];
        assert_needs_word(config, "postgres");
        config = settings();
        config.vault_postgres = refused[i];
        assert_needs_word(config, "postgres");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        struct config config = settings();
        config.postgres = config.vault_postgres = taken[i];
        assert_taken(&config);
    }
}

static void what_the_string_leaves_open_the_variables_say(void **state) {
    (void)state;
    struct config config = settings();
    config.postgres = "dbname=daybook";
    setenv("PGHOST", "db", 1);
    assert_needs_word(config, "postgres");
    config.postgres = "host=127.0.0.1";
    assert_taken(&config);
    config.postgres = "dbname=daybook";
    setenv("PGSSLMODE", "verify-full", 1);
    assert_taken(&config);
    config.postgres = "dbname=daybook sslmode=prefer";
    assert_needs_word(config, "postgres");
    /* Of a service that the string names nothing is known, and its file goes before the variables. */
    config.postgres = "service=shop";
    assert_needs_word(config, "postgres");
}

static void a_provider_elsewhere_is_asked_by_https(void **state) {
    (void)state;
    static const char *const refused[] = {"http://payments.example",
                                          "http://10.0.0.1:80/x",
                                          "http://127.0.0.1.payments.example",
                                          "http://localhost@payments.example/",
                                          "http://127.0.0.1:x@payments.example",
                                          "HTTP://payments.example",
                                          "payments.example:8443",
                                          "http://[::1]@payments.example",
                                          "http://[fd00::1]:80"};
    static const char *const taken[] = {"https://payments.example", "http://localhost/x", "http://[::1]:18090/"};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        struct config config = settings();
        config.provider_url = refused[i];
        assert_needs_word(config, "provider");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        struct config config = settings();
        config.provider_url = taken[i];
        assert_taken(&config);
    }
}

static void pages_without_tls_are_for_this_machine(void **state) {
    (void)state;
    struct config config = settings();
    config.admin_host = "0.0.0.0";
    assert_taken(&config); /* there are none */
    config.admin_port = 8081;
    assert_needs_word(config, "admin");
}

/* What is said of the settings. */
static const char *warnings_of(const struct config *config) {
    static char text[8192];
    FILE *file = tmpfile();
    assert_non_null(file);
    int before = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    links_warn(config);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void a_front_for_other_machines_has_a_certificate(void **state) {
    (void)state;
    struct config config = settings();
    config.http_host = "10.0.0.1";
    config.trusted_proxies = "10.0.0.2"; /* which speaks TLS to the world, and in the clear to us */
    assert_needs_word(config, "front");
    config.tls_certificate = "/etc/daybook/front.pem";
    assert_taken(&config);
}

static void what_may_be_unprotected_and_is_so_is_told(void **state) {
    (void)state;
    struct config config = settings();
    config.unprotected_links = "kafka postgres provider admin";
    assert_string_equal(warnings_of(&config), ""); /* all are on this machine */
    config.kafka_brokers = "kafka:9092";
    config.admin_host = "0.0.0.0";
    config.admin_port = 8081;
    const char *told = warnings_of(&config);
    assert_non_null(strstr(told, "\"link\":\"kafka\""));
    assert_non_null(strstr(told, "\"link\":\"admin\""));
    assert_null(strstr(told, "\"link\":\"postgres\""));
    assert_non_null(strstr(told, "\"level\":\"warn\""));
    config.development = true;
    assert_string_equal(warnings_of(&config), "");
}

static void a_word_that_is_no_link_is_named(void **state) {
    (void)state;
    struct config config = settings();
    struct err_info info = {0};
    config.unprotected_links = "kafka database";
    config.development = true; /* whoever reads it: it is a mistake */
    assert_int_equal(links_check(&config, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "there is no 'database'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_on_this_machine_may_be_in_the_clear),
        cmocka_unit_test(kafka_elsewhere_is_spoken_to_in_tls),
        cmocka_unit_test(a_database_elsewhere_shows_a_certificate_that_is_looked_at),
        cmocka_unit_test_setup_teardown(what_the_string_leaves_open_the_variables_say, without_variables,
                                        without_variables),
        cmocka_unit_test(a_provider_elsewhere_is_asked_by_https),
        cmocka_unit_test(pages_without_tls_are_for_this_machine),
        cmocka_unit_test(a_front_for_other_machines_has_a_certificate),
        cmocka_unit_test(what_may_be_unprotected_and_is_so_is_told),
        cmocka_unit_test(a_word_that_is_no_link_is_named),
    };
    return cmocka_run_group_tests_name("links", tests, without_variables, NULL);
}
