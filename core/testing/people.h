/* people.h: customers of tests: what is asked of them, and what happened to them. Texts are sealed with made-up bytes.
 * Memory   literals.
 * Thread   any.          May use: core/testing/given.h.
 */
#pragma once

#include <stdlib.h>

#include "core/testing/given.h"

#define PEOPLE_KEY "01J00000000000000000000001"
#define CUS "cus_" PEOPLE_KEY
#define IDN "idn_" PEOPLE_KEY
#define NEW_IDN "idn_01J00000000000000000000002"

enum { PASSWORD_NUMBER = 1 };

static inline struct sealed sealed_text(const char *text) {
    return (struct sealed){.key_id = STR("per_1"), .nonce = STR("nonce"), .ciphertext = str_of_cstr(text)};
}

static inline struct command people_register(void) {
    return (struct command){.type = COMMAND_REGISTER_CUSTOMER,
                            .as.register_customer = {.email = sealed_text("ada@example.org"),
                                                     .has_name = true,
                                                     .name = sealed_text("Ada"),
                                                     .password = sealed_text("verifier 1"),
                                                     .identity = STR(IDN),
                                                     .key_id = STR("per_1"),
                                                     .email_key = STR("per_ada")}};
}

static inline struct command people_verify(int32_t number, bool proved) {
    return (struct command){
        .type = COMMAND_VERIFY_CUSTOMER,
        .as.verify_customer = {.number = number, .password_number = PASSWORD_NUMBER, .proved = proved}};
}

static inline struct command people_claimed(const char *identity, int64_t claim, bool granted) {
    return (struct command){
        .type = COMMAND_RECORD_IDENTITY_CLAIM,
        .as.record_identity_claim = {.identity = str_of_cstr(identity), .claim = claim, .granted = granted}};
}

static inline struct command people_change_email(const char *identity, const char *email, bool proved) {
    return (struct command){.type = COMMAND_CHANGE_EMAIL,
                            .as.change_email = {.email = sealed_text(email),
                                                .identity = str_of_cstr(identity),
                                                .email_key = STR("per_new"),
                                                .password_number = PASSWORD_NUMBER,
                                                .proved = proved}};
}

/* From a session of his. */
static inline struct command people_confirm_email(int32_t number) {
    return (struct command){
        .type = COMMAND_CONFIRM_EMAIL, .meta.actor = STR("customer:" CUS), .as.confirm_email.number = number};
}

/* Registered, and nothing else: versions 1 and 2. */
static inline void given_registered(struct given *customer) {
    given_begin(customer, STR(CUS));
    (void)when(customer, people_register());
    THEN(customer, EVENT_CUSTOMER_REGISTERED, EVENT_CUSTOMER_VERIFICATION_REQUESTED);
}

/* And verified, under claim 3: versions 1 to 4. */
static inline void given_verified(struct given *customer) {
    given_registered(customer);
    (void)when(customer, people_verify(1, true));
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    (void)when(customer, people_claimed(IDN, 3, true));
    THEN(customer, EVENT_CUSTOMER_VERIFIED);
}

static inline const struct customer_state *customer_of(const struct given *customer) {
    return customer->state;
}

static inline void wait_s(struct given *given, int64_t seconds) {
    given->now_us += seconds * 1000000;
}

static inline struct command people_log_in(bool proved) {
    return (struct command){.type = COMMAND_OPEN_SESSION,
                            .as.open_session = {.password_number = PASSWORD_NUMBER, .proved = proved}};
}

static inline struct command people_change_password(bool proved, int32_t session) {
    return (struct command){.type = COMMAND_CHANGE_PASSWORD,
                            .as.change_password = {.password = sealed_text("verifier 2"),
                                                   .password_number = PASSWORD_NUMBER,
                                                   .proved = proved,
                                                   .session = session}};
}

static inline struct command people_reset_password(int32_t number) {
    return (struct command){.type = COMMAND_RESET_PASSWORD,
                            .as.reset_password = {.number = number, .password = sealed_text("verifier 2")}};
}

static inline struct command people_begin_totp(bool proved) {
    return (struct command){.type = COMMAND_BEGIN_TOTP,
                            .as.begin_totp = {.password_number = PASSWORD_NUMBER, .proved = proved}};
}

/* `number` says of which of the customer's authenticators the code is. */
static inline struct command people_confirm_totp(int32_t number, int64_t step) {
    return (struct command){.type = COMMAND_CONFIRM_TOTP, .as.confirm_totp = {.totp_number = number, .step = step}};
}

static inline struct command people_end_totp(bool proved, int32_t number, int64_t step) {
    return (struct command){
        .type = COMMAND_END_TOTP,
        .as.end_totp = {.password_number = PASSWORD_NUMBER, .proved = proved, .totp_number = number, .step = step}};
}

/* For cmocka: a customer of the test's own, registered or verified, whose history is checked in the end. */

static inline int registered_setup(void **state) {
    struct given *customer = malloc(sizeof *customer);
    given_registered(customer);
    *state = customer;
    return 0;
}

static inline int verified_setup(void **state) {
    struct given *customer = malloc(sizeof *customer);
    given_verified(customer);
    *state = customer;
    return 0;
}

static inline int customer_teardown(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

/* An authenticator is asked for, whose code of this step was shown. */
static inline void given_totp(struct given *customer, int64_t step) {
    (void)when(customer, people_begin_totp(true));
    THEN(customer, EVENT_CUSTOMER_TOTP_BEGUN);
    (void)when(customer, people_confirm_totp(customer_of(customer)->totp_number, step));
    THEN(customer, EVENT_CUSTOMER_TOTP_ENABLED);
}
