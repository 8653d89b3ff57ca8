#include "core/connect/mails.h"

#include <stdio.h>
#include <time.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/customer/customer.h"
#include "core/domain/money.h"
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

static bool confirmation(const struct event *event, struct mail_due *due) {
    const struct order_confirmation_requested *asked = &event->as.order_confirmation_requested;
    due->to = asked->to;
    due->reference = asked->has_reference ? asked->reference : STR("");
    due->total = asked->total;
    due->lines = asked->lines.items;
    due->line_count = asked->lines.count;
    return true;
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
    {EVENT_ORDER_CONFIRMATION_REQUESTED, COMMAND_RECORD_ORDER_MAIL, MAIL_ORDER_S, "order_confirmed", confirmation,
     NULL},
};

static const struct row *row_of(uint16_t event_type) {
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].event == event_type) {
            return &rows[i];
        }
    }
    return NULL;
}

/* What the row says of it, and the times by the event that makes it due. */
static void set_out(const struct row *row, const struct event *event, struct mail_due *due) {
    int64_t useless_at_us = event->meta.occurred_at + (int64_t)row->lasts_s * MICROS_PER_SECOND;
    due->kind = row->kind;
    due->token_use = row->token_use;
    due->asked_at_us = event->meta.occurred_at;
    due->time_us = row->token_use != NULL ? useless_at_us : event->meta.occurred_at;
    due->useless_at_us = useless_at_us;
    due->told_by = row->told_by;
    due->ends_quietly = row->told_by == COMMAND_RECORD_ORDER_MAIL; /* there may be as many as orders */
}

bool mail_due_of(const struct event *event, struct mail_due *ret_due) {
    const struct row *row = row_of(event->type);
    if (row == NULL) {
        return false;
    }
    struct mail_due due = {0};
    set_out(row, event, &due);
    if (!row->fill(event, &due)) {
        return false;
    }
    *ret_due = due;
    return true;
}

bool mail_foreseen(const struct event *event, struct mail_due *ret_due) {
    const struct order_placed *placed = &event->as.order_placed;
    if (event->type != EVENT_ORDER_PLACED || !placed->has_email) {
        return false;
    }
    *ret_due = (struct mail_due){.to = placed->email,
                                 .reference = placed->has_reference ? placed->reference : STR(""),
                                 .total = placed->total,
                                 .lines = placed->lines.items,
                                 .line_count = placed->lines.count};
    return true;
}

bool mail_falls_due(const struct event *event, struct mail_due *due) {
    if (event->type != EVENT_ORDER_CONFIRMED) {
        return false;
    }
    set_out(row_of(EVENT_ORDER_CONFIRMATION_REQUESTED), event, due); /* the same mail, whoever asks */
    return true;
}

bool mails_are_off(const struct event *event) {
    return event->type == EVENT_ORDER_REJECTED || event->type == EVENT_ORDER_CANCELLED;
}

bool mail_told(const struct event *event, struct str *ret_cause) {
    switch ((int)event->type) {
    case EVENT_CUSTOMER_MAILED:
        *ret_cause = event->as.customer_mailed.cause;
        return true;
    case EVENT_ORDER_MAILED:
        *ret_cause = event->as.order_mailed.cause;
        return true;
    default:
        return false;
    }
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

/* 31.99 EUR: for people, whatever the locale. */
static struct str money_text(struct arena *arena, struct money money) {
    int decimals = money_decimals(money.currency);
    int64_t unit_minor = 1;
    for (int i = 0; i < decimals; i++) {
        unit_minor *= 10;
    }
    long long whole = money.amount / unit_minor, part = money.amount % unit_minor;
    return decimals == 0 ? arena_printf(arena, "%lld %.*s", whole, STR_ARGS(money.currency))
                         : arena_printf(arena, "%lld.%0*lld %.*s", whole, decimals, part, STR_ARGS(money.currency));
}

/* A title is whatever a vendor called it: here it may be long, but neither break a line nor keep the mail from being
 * sent. */
static struct str one_line(struct arena *arena, struct str text) {
    text = utf8_cut(text, MAIL_TITLE_MAX);
    char *copy = arena_alloc(arena, text.len + 1);
    for (uint32_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.data[i];
        copy[i] = byte < ' ' || byte == 0x7f ? ' ' : (char)byte;
    }
    return str_of(copy, text.len);
}

void mail_values(struct arena *arena, const struct secret *secret, struct str stream, const struct mail_due *due,
                 struct mail_value ret_values[MAIL_VALUES_MAX]) {
    char text[MAIL_TIME_MAX];
    mail_time_write(due->time_us, text);
    struct str time = arena_str_copy(arena, str_of_cstr(text));
    struct str token =
        due->token_use == NULL ? STR("") : mail_token_write(arena, secret, due->token_use, stream, due->number);
    struct str more = due->line_count > MAIL_LINES_MAX
                          ? arena_printf(arena, "%u", due->line_count - (uint32_t)MAIL_LINES_MAX)
                          : STR("");
    const struct mail_value values[MAIL_VALUES_MAX] = {{"customer", stream},
                                                       {"order", stream},
                                                       {"token", token},
                                                       {"until", time},
                                                       {"when", time},
                                                       {"reference", one_line(arena, due->reference)},
                                                       {"total", money_text(arena, due->total)},
                                                       {"more", more}};
    memcpy(ret_values, values, sizeof values);
}

struct mail_rows mail_rows(struct arena *arena, const struct mail_due *due) {
    static const char *const names[] = {"quantity", "title", "sum"};
    struct mail_rows made = {.count = due->line_count < MAIL_LINES_MAX ? due->line_count : MAIL_LINES_MAX,
                             .value_count = ARRAY_LENGTH(names)};
    struct mail_value *values = arena_alloc(arena, (made.count * ARRAY_LENGTH(names) + 1) * sizeof *values);
    for (size_t i = 0; i < made.count; i++) {
        const struct cart_line *line = &due->lines[i];
        const struct str texts[] = {arena_printf(arena, "%lld", (long long)line->quantity),
                                    one_line(arena, line->title), money_text(arena, line->total)};
        for (size_t j = 0; j < ARRAY_LENGTH(names); j++) {
            values[i * ARRAY_LENGTH(names) + j] = (struct mail_value){names[j], texts[j]};
        }
    }
    made.values = values;
    return made;
}

struct str mail_message_id(struct arena *arena, struct str cause, struct str from_address) {
    struct str domain = str_from(from_address, str_find(from_address, '@') + 1);
    return arena_printf(arena, "<%.*s@%.*s>", STR_ARGS(cause), STR_ARGS(domain));
}
