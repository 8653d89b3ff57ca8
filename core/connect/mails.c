#include "core/connect/mails.h"

#include <stdio.h>
#include <time.h>

#include "core/base/timestamp.h"
#include "core/domain/customer/customer.h"
#include "core/vault/token.h"
#include "gen/commands.h"

/* ---- which events ------------------------------------------------------------------------------------------------ */

/* Each fills in to whom it goes, and what a row does not say of it. False: nobody is told of this one. */

static bool verify(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_verification_requested.to;
    due->number = event->as.customer_verification_requested.number;
    return true;
}

static bool reset(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_password_reset_requested.to;
    due->number = event->as.customer_password_reset_requested.number;
    return true;
}

static bool email_change(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_email_change_requested.to;
    due->number = event->as.customer_email_change_requested.number;
    return true;
}

static bool email_changed(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_email_changed.before;
    return event->as.customer_email_changed.has_before;
}

static bool password_changed(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_password_changed.to;
    return event->as.customer_password_changed.has_to;
}

static bool locked(const struct event *event, struct mail_due *due) {
    due->to = event->as.login_failed.to;
    due->time_us = event->as.login_failed.locked_until;
    due->kind = event->as.login_failed.within ? "locked_within" : due->kind;
    return event->as.login_failed.has_to;
}

static bool reused(const struct event *event, struct mail_due *due) {
    due->to = event->as.session_ended.to;
    return event->as.session_ended.has_to;
}

static bool totp_enabled(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_totp_enabled.to;
    return event->as.customer_totp_enabled.has_to;
}

static bool totp_ended(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_totp_ended.to;
    return event->as.customer_totp_ended.has_to;
}

static bool suspended(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_suspended.to;
    return event->as.customer_suspended.has_to;
}

static bool reinstated(const struct event *event, struct mail_due *due) {
    due->to = event->as.customer_reinstated.to;
    return event->as.customer_reinstated.has_to;
}

static const struct row {
    uint16_t event, told_by;
    int32_t lasts_s; /* how long it is of any use */
    const char *kind;
    bool (*fill)(const struct event *event, struct mail_due *due);
    const char *token_use; /* NULL: it has no token */
} rows[] = {
    {EVENT_CUSTOMER_VERIFICATION_REQUESTED, COMMAND_RECORD_MAIL, CUSTOMER_VERIFY_S, "verify", verify, "verify"},
    {EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED, COMMAND_RECORD_MAIL, CUSTOMER_RESET_S, "reset", reset, "reset"},
    {EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED, COMMAND_RECORD_MAIL, CUSTOMER_VERIFY_S, "email_change", email_change,
     "email"},
    {EVENT_CUSTOMER_EMAIL_CHANGED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "email_changed", email_changed, NULL},
    {EVENT_CUSTOMER_PASSWORD_CHANGED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "password_changed", password_changed, NULL},
    {EVENT_LOGIN_FAILED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "locked", locked, NULL},
    {EVENT_SESSION_ENDED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "reused", reused, NULL},
    {EVENT_CUSTOMER_TOTP_ENABLED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "totp_enabled", totp_enabled, NULL},
    {EVENT_CUSTOMER_TOTP_ENDED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "totp_ended", totp_ended, NULL},
    {EVENT_CUSTOMER_SUSPENDED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "suspended", suspended, NULL},
    {EVENT_CUSTOMER_REINSTATED, COMMAND_RECORD_MAIL, MAIL_NOTICE_S, "reinstated", reinstated, NULL},
};

bool mail_due_of(const struct event *event, struct mail_due *ret_due) {
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].event != event->type) {
            continue;
        }
        int64_t useless_at_us = event->meta.occurred_at + (int64_t)rows[i].lasts_s * MICROS_PER_SECOND;
        struct mail_due due = {
            .kind = rows[i].kind,
            .token_use = rows[i].token_use,
            .asked_at_us = event->meta.occurred_at,
            .time_us = rows[i].token_use != NULL ? useless_at_us : event->meta.occurred_at,
            .useless_at_us = useless_at_us,
            .told_by = rows[i].told_by,
        };
        if (!rows[i].fill(event, &due)) {
            return false;
        }
        *ret_due = due;
        return true;
    }
    return false;
}

bool mail_told(const struct event *event, struct str *ret_cause) {
    if (event->type != EVENT_CUSTOMER_MAILED) {
        return false;
    }
    *ret_cause = event->as.customer_mailed.cause;
    return true;
}

/* ---- what stands in it ------------------------------------------------------------------------------------------- */

void mail_time_write(int64_t time_us, char ret_text[MAIL_TIME_MAX]) {
    static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
    time_t second = (time_t)(time_us / MICROS_PER_SECOND);
    struct tm utc = {0};
    (void)gmtime_r(&second, &utc);
    snprintf(ret_text, MAIL_TIME_MAX, "%d %s %d, %02d:%02d UTC", utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900,
             utc.tm_hour, utc.tm_min);
}

void mail_values(struct arena *arena, const struct secret *secret, struct str stream, const struct mail_due *due,
                 struct mail_value ret_values[MAIL_VALUES_MAX]) {
    char text[MAIL_TIME_MAX];
    mail_time_write(due->time_us, text);
    struct str time = arena_str_copy(arena, str_of_cstr(text));
    struct str token =
        due->token_use == NULL ? STR("") : mail_token_write(arena, secret, due->token_use, stream, due->number);
    const struct mail_value values[MAIL_VALUES_MAX] = {
        {"customer", stream}, {"order", stream}, {"token", token}, {"until", time}, {"when", time}};
    memcpy(ret_values, values, sizeof values);
}

struct str mail_message_id(struct arena *arena, struct str cause, struct str from_address) {
    struct str domain = str_from(from_address, str_find(from_address, '@') + 1);
    return arena_printf(arena, "<%.*s@%.*s>", STR_ARGS(cause), STR_ARGS(domain));
}
