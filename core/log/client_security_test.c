/* Settings of clients, and what librdkafka makes of them; its mock cluster is a broker that speaks in the clear. */
#include "core/log/client_security.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#include "core/log/client.h"
#include "core/log/topics.h"

#define TEMPLATE "/tmp/daybook-security-test-XXXXXX"
static char folder[] = TEMPLATE;
static char ca_file[sizeof folder + 32], other_file[sizeof folder + 32];

static void shell(const char *command) {
    assert_int_equal(system(command), 0);
}

/* Two authorities: ca.pem, and other/ca.pem. */
static int group_setup(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", folder);
    snprintf(other_file, sizeof other_file, "%s/other/ca.pem", folder);
    char command[256];
    snprintf(command, sizeof command, "for at in %s %s/other; do deploy/local/tls.sh $at broker 2>/dev/null; done",
             folder, folder);
    shell(command);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    shell(command);
    return 0;
}

static int cleared(void **state) {
    (void)state;
    client_security_clear();
    return 0;
}

static const char *file_with(const char *name, const char *content, size_t size) {
    static char path[sizeof folder + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static struct client_security with_password(void) {
    return (struct client_security){
        .protocol = "sasl_ssl", .ca_file = ca_file, .mechanism = "PLAIN", .username = "handler", .password = "hunter2"};
}

static struct client_security in_tls(void) {
    return (struct client_security){
        .protocol = "ssl", .ca_file = ca_file, .mechanism = "PLAIN", .username = "", .password = ""};
}

static struct client_security in_the_clear(void) {
    return (struct client_security){
        .protocol = "plaintext", .ca_file = "", .mechanism = "PLAIN", .username = "", .password = ""};
}

static void must_be_set(struct client_security security) {
    struct err_info info = {0};
    if (client_security_set(&security, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
}

static void assert_refused(struct client_security security, const char *expected_in_text) {
    struct err_info info = {0};
    assert_int_equal(client_security_set(&security, &info), ERR_CONFIG);
    if (strstr(info.text, expected_in_text) == NULL) {
        fail_msg("'%s' is not in '%s'", expected_in_text, info.text);
    }
}

/* Of a client that is made now. */
static void assert_setting(const char *name, const char *expected) {
    rd_kafka_conf_t *conf = client_conf("127.0.0.1:1", "test", NULL, 0);
    char value[8192] = "";
    size_t size = sizeof value;
    (void)rd_kafka_conf_get(conf, name, value, &size); /* of what was never set: nothing */
    assert_string_equal(value, expected);
    rd_kafka_conf_destroy(conf);
}

/* ---- what is set ------------------------------------------------------------------------------------------------- */

static void what_cannot_protect_is_refused(void **state) {
    (void)state;
    struct client_security security = in_the_clear();
    security.ca_file = ca_file;
    assert_refused(security, "with kafka_security = plaintext no broker shows a certificate");
    security = in_the_clear();
    security.password = "hunter2";
    assert_refused(security, "with kafka_security = plaintext no broker asks for them");
    security = in_tls();
    security.username = "handler";
    assert_refused(security, "with kafka_security = ssl no broker asks for them");
    security = with_password();
    security.username = "";
    assert_refused(security, "needs kafka_username and kafka_password");
    security = with_password();
    security.password = "";
    assert_refused(security, "needs kafka_username and kafka_password");
}

static void scram_is_refused_where_brokers_would_refuse_it(void **state) {
    (void)state;
    struct client_security security = with_password();
    security.mechanism = "SCRAM-SHA-512";
    if (rd_kafka_version() < 0x02060100) {
        assert_refused(security,
                       "kafka_mechanism is SCRAM-SHA-512, which brokers of Kafka 4 refuse from librdkafka 2.");
        return;
    }
    must_be_set(security);
    assert_setting("sasl.mechanism", "SCRAM-SHA-512");
}

static void a_file_without_a_certificate_is_refused(void **state) {
    (void)state;
    struct client_security security = in_tls();
    security.ca_file = "/nonexistent/ca.pem";
    assert_refused(security, "kafka_ca_file: /nonexistent/ca.pem: No such file");
    security.ca_file = folder;
    assert_refused(security, "Is a directory");
    security.ca_file = file_with("empty", "", 0);
    assert_refused(security, "no certificate in PEM");
    security.ca_file = file_with("text", "broker.internal\n", 16);
    assert_refused(security, "no certificate in PEM");
    static const char with_nul[] = "-----BEGIN CERTIFICATE-----\n\0";
    security.ca_file = file_with("nul", with_nul, sizeof with_nul - 1);
    assert_refused(security, "no certificate in PEM");
    static char large[CLIENT_CA_MAX_BYTES + 1];
    memset(large, 'x', sizeof large);
    security.ca_file = file_with("large", large, sizeof large);
    assert_refused(security, "is larger than 1048576 bytes");
}

static void what_is_refused_leaves_what_was_set(void **state) {
    (void)state;
    must_be_set(with_password());
    struct client_security security = with_password();
    security.ca_file = "/nonexistent/ca.pem";
    assert_refused(security, "No such file");
    security.protocol = "ssl";
    assert_refused(security, "no broker asks for them");
    assert_setting("security.protocol", "sasl_ssl");
    assert_setting("sasl.username", "handler");
}

/* ---- what a client has ------------------------------------------------------------------------------------------- */

static void each_client_has_it(void **state) {
    (void)state;
    assert_setting("security.protocol", "plaintext"); /* as long as nothing is set */
    must_be_set(with_password());
    assert_setting("security.protocol", "sasl_ssl");
    assert_setting("ssl.endpoint.identification.algorithm", "https");
    assert_setting("enable.ssl.certificate.verification", "true");
    assert_setting("sasl.mechanism", "PLAIN");
    assert_setting("sasl.username", "handler");
    assert_setting("sasl.password", "hunter2");
    must_be_set(in_tls());
    assert_setting("security.protocol", "ssl");
    assert_setting("sasl.username", "");
    must_be_set(in_the_clear());
    assert_setting("security.protocol", "plaintext");
    assert_setting("ssl.ca.pem", "");
}

static enum err make_client(struct err_info *info) {
    rd_kafka_t *client = NULL;
    enum err err = client_new(RD_KAFKA_PRODUCER, client_conf("127.0.0.1:1", "test", NULL, 0), &client, info);
    if (err == ERR_NONE) {
        rd_kafka_destroy(client);
    }
    return err;
}

static void the_file_is_read_once_and_may_hold_several_authorities(void **state) {
    (void)state;
    char command[512], path[sizeof folder + 32];
    snprintf(path, sizeof path, "%s/both.pem", folder);
    snprintf(command, sizeof command, "{ echo 'of two sites'; cat %s; echo; cat %s; } >%s", ca_file, other_file, path);
    shell(command);
    struct client_security security = with_password();
    security.ca_file = path;
    must_be_set(security);
    assert_int_equal(unlink(path), 0);
    struct err_info info = {0};
    if (make_client(&info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
}

static void a_certificate_that_is_broken_is_a_wrong_configuration(void **state) {
    (void)state;
    static const char broken[] = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
    struct client_security security = in_tls();
    security.ca_file = file_with("broken", broken, sizeof broken - 1);
    must_be_set(security);
    struct err_info info = {0};
    assert_int_equal(make_client(&info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "ssl.ca.pem"));
}

/* ---- why we are refused ------------------------------------------------------------------------------------------ */

enum { ASK_MS = 3000 };

/* What whoever asks this cluster for its topics is told. */
static struct err_info asked(const char *brokers) {
    struct log_topics topics;
    log_topics_name(&topics, "test");
    struct err_info info = {0};
    assert_int_not_equal(log_topics_check_shards(brokers, &topics, 4, ASK_MS, &info), ERR_NONE);
    return info;
}

static void a_broker_that_speaks_in_the_clear_is_named_as_the_reason(void **state) {
    (void)state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, 1);
    const char *brokers = rd_kafka_mock_cluster_bootstraps(cluster);
    must_be_set(in_tls());
    struct err_info refused = asked(brokers);
    assert_int_equal(refused.code, ERR_KAFKA);
    assert_true(refused.retriable); /* the broker may be mended */
    if (strstr(refused.text, "a connection failed: ssl://127.0.0.1") == NULL || strstr(refused.text, "SSL") == NULL ||
        strstr(refused.text, "(after") != NULL) {
        fail_msg("%s", refused.text);
    }
    /* What was is not told of what is. */
    must_be_set(in_the_clear());
    struct err_info missing = asked(brokers);
    assert_int_equal(missing.code, ERR_NOT_FOUND);
    rd_kafka_mock_broker_set_down(cluster, -1);
    struct err_info down = asked(brokers);
    assert_int_equal(down.code, ERR_KAFKA);
    assert_null(strstr(down.text, "SSL"));
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
}

/* A password is changed while processes run: at the broker, or in their settings, first. */
static void a_refusal_may_pass(void **state) {
    (void)state;
    assert_true(client_error_is_passing(RD_KAFKA_RESP_ERR__AUTHENTICATION));
    assert_true(client_error_is_passing(RD_KAFKA_RESP_ERR__SSL));
    assert_true(client_error_is_passing(RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED));
    assert_false(client_error_is_passing(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED));
}

static void a_line_is_told_without_what_differs_each_time(void **state) {
    (void)state;
    static const struct {
        const char *line, *told;
    } rows[] = {
        {"[thrd:ssl://b:1/bootstrap]: ssl://b:1/bootstrap: SSL handshake failed: x (after 3ms in state SSL_HANDSHAKE)",
         "ssl://b:1/bootstrap: SSL handshake failed: x (in state SSL_HANDSHAKE)"},
        {"ssl://b:1/1: SASL authentication error: y (after 301ms in state AUTH_REQ, 4 identical error(s) suppressed)",
         "ssl://b:1/1: SASL authentication error: y (in state AUTH_REQ)"},
        {"[::1]: 9092", "[::1]: 9092"},
        {"it failed (after all)", "it failed (after all)"},
        {"1/1 brokers are down", "1/1 brokers are down"},
        {"[thrd:", "[thrd:"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char told[CLIENT_TROUBLE_MAX];
        client_line_told(rows[i].line, told, sizeof told);
        assert_string_equal(told, rows[i].told);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_cannot_protect_is_refused, cleared),
        cmocka_unit_test_teardown(scram_is_refused_where_brokers_would_refuse_it, cleared),
        cmocka_unit_test_teardown(a_file_without_a_certificate_is_refused, cleared),
        cmocka_unit_test_teardown(what_is_refused_leaves_what_was_set, cleared),
        cmocka_unit_test_teardown(each_client_has_it, cleared),
        cmocka_unit_test_teardown(the_file_is_read_once_and_may_hold_several_authorities, cleared),
        cmocka_unit_test_teardown(a_certificate_that_is_broken_is_a_wrong_configuration, cleared),
        cmocka_unit_test_teardown(a_broker_that_speaks_in_the_clear_is_named_as_the_reason, cleared),
        cmocka_unit_test_teardown(a_refusal_may_pass, cleared),
        cmocka_unit_test_teardown(a_line_is_told_without_what_differs_each_time, cleared),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
