/* test_life.h: for tests: the events of a customer's life, each added to the log of test_fold.h.
 *
 * What is sealed has as its ciphertext what it is of, so that it is found wherever it stands.
 * Thread   one test at a time.          May use: cmocka.
 */
#pragma once

#include "projections/runtime/test_fold.h"

#define CUSTOMER "cus_01JDXW3C0000000000000000AA"
#define IDENTITY "idn_01JDXW3C0000000000000000AA"

extern const struct view customers_view;

static inline struct sealed sealed(const char *ciphertext) {
    return (struct sealed){.key_id = STR("per_1"), .nonce = STR("nonce"), .ciphertext = str_of_cstr(ciphertext)};
}

static inline void registers(void) {
    struct event event = {.type = EVENT_CUSTOMER_REGISTERED};
    event.as.customer_registered = (struct customer_registered){.identity = STR(IDENTITY),
                                                                .key_id = STR("per_1"),
                                                                .email_key = STR("per_2"),
                                                                .email = sealed("sealed-email"),
                                                                .has_name = true,
                                                                .name = sealed("sealed-name"),
                                                                .password = sealed("sealed-verifier"),
                                                                .password_number = 1};
    test_event(event);
}

static inline void is_verified(void) {
    struct event proved = {.type = EVENT_CUSTOMER_VERIFICATION_PROVED};
    proved.as.customer_verification_proved.identity = STR(IDENTITY);
    test_event(proved);
    struct event event = {.type = EVENT_CUSTOMER_VERIFIED};
    event.as.customer_verified.identity = STR(IDENTITY);
    test_event(event);
}

static inline void is_given_roles(void) {
    static struct role_grant roles[] = {{.role = STR("support")},
                                        {.role = STR("vendor"), .has_vendor = true, .vendor = STR("Garden & Co")}};
    struct event event = {.type = EVENT_CUSTOMER_ROLES_CHANGED};
    event.as.customer_roles_changed.after = (struct role_grant_array){roles, 2, 2};
    test_event(event);
}

static inline void puts_address(void) {
    struct event event = {.type = EVENT_CUSTOMER_ADDRESS_PUT};
    event.as.customer_address_put =
        (struct customer_address_put){.id = STR("home"), .address = sealed("sealed-address")};
    test_event(event);
}

static inline void opens(int32_t session) {
    struct event event = {.type = EVENT_SESSION_OPENED};
    event.as.session_opened = (struct session_opened){.session = session,
                                                      .expires_at = TEST_AT + 1000,
                                                      .method = STR("password"),
                                                      .has_client = session == 1,
                                                      .client = sealed("sealed-client")};
    test_event(event);
}

static inline void refreshes(int32_t session, int32_t generation) {
    struct event event = {.type = EVENT_SESSION_REFRESHED};
    event.as.session_refreshed =
        (struct session_refreshed){.session = session, .generation = generation, .expires_at = TEST_AT + 2000};
    test_event(event);
}

static inline void ends(int32_t session) {
    struct event event = {.type = EVENT_SESSION_ENDED};
    event.as.session_ended = (struct session_ended){.session = session, .reason = STR("request")};
    test_event(event);
}

static inline void ends_all_before(int32_t session, int32_t kept) {
    struct event event = {.type = EVENT_SESSIONS_ENDED};
    event.as.sessions_ended = (struct sessions_ended){.before = session, .kept = kept, .reason = STR("request")};
    test_event(event);
}

static inline void is_suspended(void) {
    struct event event = {.type = EVENT_CUSTOMER_SUSPENDED};
    event.as.customer_suspended.reason = STR("left_the_company");
    test_event(event);
}

static inline void is_to_be_erased(void) {
    static struct str keys[] = {STR("per_1"), STR("per_2")};
    struct event event = {.type = EVENT_CUSTOMER_ERASURE_REQUESTED};
    event.as.customer_erasure_requested =
        (struct customer_erasure_requested){.keys = {keys, 2, 2}, .identity = STR(IDENTITY)};
    test_event(event);
}

static inline void is_erased(void) {
    test_event((struct event){.type = EVENT_CUSTOMER_ERASED});
}
