/* oracle_mails.c: whether those were told by mail who had to be, and nobody else, and whether keys are gone. */
#include "core/testing/simulator/oracle_parts.h"

#include "core/base/timestamp.h"

enum { LATE_S = 22 * 3600 /* a day, by clocks that are an hour off at most */ };

/* Whom the order names when it is placed; NULL: nobody. */
static const struct sealed *recipient_of_order(const struct seen_stream *stream) {
    const struct event *first = &stream->events.items[0]->event;
    bool has_one = first->type == EVENT_ORDER_PLACED && first->as.order_placed.has_email;
    return has_one ? &first->as.order_placed.email : NULL;
}

/* To whom the event of the stream is told; NULL: to nobody. A list of its own, and not that of core/connect/mails.c. */
static const struct sealed *recipient_of(const struct seen_stream *stream, const struct event *event) {
    switch ((int)event->type) {
    case EVENT_ORDER_CONFIRMED:
        return recipient_of_order(stream);
    case EVENT_ORDER_CONFIRMATION_REQUESTED:
        return &event->as.order_confirmation_requested.to;
    case EVENT_CUSTOMER_VERIFICATION_REQUESTED:
        return &event->as.customer_verification_requested.to;
    case EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED:
        return &event->as.customer_password_reset_requested.to;
    case EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED:
        return &event->as.customer_email_change_requested.to;
    case EVENT_CUSTOMER_EMAIL_CHANGED:
        return event->as.customer_email_changed.has_before ? &event->as.customer_email_changed.before : NULL;
    case EVENT_CUSTOMER_PASSWORD_CHANGED:
        return event->as.customer_password_changed.has_to ? &event->as.customer_password_changed.to : NULL;
    case EVENT_LOGIN_FAILED:
        return event->as.login_failed.has_to ? &event->as.login_failed.to : NULL;
    case EVENT_SESSION_ENDED:
        return event->as.session_ended.has_to ? &event->as.session_ended.to : NULL;
    case EVENT_CUSTOMER_TOTP_ENABLED:
        return event->as.customer_totp_enabled.has_to ? &event->as.customer_totp_enabled.to : NULL;
    case EVENT_CUSTOMER_TOTP_ENDED:
        return event->as.customer_totp_ended.has_to ? &event->as.customer_totp_ended.to : NULL;
    case EVENT_CUSTOMER_SUSPENDED:
        return event->as.customer_suspended.has_to ? &event->as.customer_suspended.to : NULL;
    case EVENT_CUSTOMER_REINSTATED:
        return event->as.customer_reinstated.has_to ? &event->as.customer_reinstated.to : NULL;
    default:
        return NULL;
    }
}

/* What the event says became of a mail; false: it says nothing of that. */
static bool told_by(const struct event *event, struct str *ret_cause, struct str *ret_result) {
    switch ((int)event->type) {
    case EVENT_CUSTOMER_MAILED:
        *ret_cause = event->as.customer_mailed.cause;
        *ret_result = event->as.customer_mailed.result;
        return true;
    case EVENT_ORDER_MAILED:
        *ret_cause = event->as.order_mailed.cause;
        *ret_result = event->as.order_mailed.result;
        return true;
    default:
        return false;
    }
}

/* Whether the log says what came of the mail that the event asks for. */
static bool has_outcome(const struct seen_stream *stream, const struct event *asked) {
    struct str cause, result;
    for (uint32_t i = 0; i < stream->events.count; i++) {
        if (told_by(&stream->events.items[i]->event, &cause, &result) && str_equal(cause, asked->meta.event_id)) {
            return true;
        }
    }
    return false;
}

static bool has_event(const struct seen_stream *stream, uint16_t type) {
    for (uint32_t i = 0; i < stream->events.count; i++) {
        if (stream->events.items[i]->event.type == type) {
            return true;
        }
    }
    return false;
}

static int64_t newest_us(const struct oracle *oracle) {
    int64_t newest_us = 0;
    for (uint32_t i = 0; i < oracle->shards; i++) {
        newest_us = oracle->newest_us[i] > newest_us ? oracle->newest_us[i] : newest_us;
    }
    return newest_us;
}

/* An order's mail that came too late is not sent, and nothing said of it. */
static bool is_late(const struct oracle *oracle, const struct event *event) {
    return str_starts_with(event->meta.stream, STR("ord_")) &&
           newest_us(oracle) - event->meta.occurred_at >= (int64_t)LATE_S * MICROS_PER_SECOND;
}

/* Who is erased is owed nothing: CustomerErased closes all mails of its stream, and nothing is recorded of them. Nor is
 * who has cancelled his order. */
void oracle_judge_owed(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        bool is_told = oracle->options.sources->mail_count != NULL || str_starts_with(stream->id, STR("cus_"));
        if (!is_told || has_event(stream, EVENT_CUSTOMER_ERASED) || has_event(stream, EVENT_ORDER_CANCELLED)) {
            continue;
        }
        for (uint32_t j = 0; j < stream->events.count; j++) {
            const struct seen_event *seen = stream->events.items[j];
            bool is_mail = recipient_of(stream, &seen->event) != NULL;
            if (is_mail && !is_late(oracle, &seen->event) && !has_outcome(stream, &seen->event)) {
                oracle_tell(oracle, "mail.closed", "%.*s: nothing came of the mail that is due by %s at " PLACE_FORMAT,
                            STR_ARGS(stream->id), event_info(seen->event.type)->name, PLACE_ARGS(seen->at));
            }
            if (seen->event.type == EVENT_CUSTOMER_ERASURE_REQUESTED) {
                oracle_tell(oracle, "person.destroyed", "%.*s is not erased yet, asked for at " PLACE_FORMAT,
                            STR_ARGS(stream->id), PLACE_ARGS(seen->at));
            }
        }
    }
}

/* ---- what the server was handed ---------------------------------------------------------------------------------- */

/* evt_.. of <evt_..@domain> */
static struct str cause_of(struct str message_id) {
    struct str inner = str_from(message_id, 1);
    return str_first(inner, str_find(inner, '@'));
}

static const struct oracle_mail *mail_of(const struct oracle *oracle, struct str cause, struct oracle_mail *ret_mail) {
    const struct oracle_sources *sources = oracle->options.sources;
    for (size_t i = 0; i < sources->mail_count(); i++) {
        *ret_mail = sources->mail_at(i);
        if (str_equal(cause_of(ret_mail->message_id), cause)) {
            return ret_mail;
        }
    }
    return NULL;
}

static void judge_asked(struct oracle *oracle, const struct map *causes, const struct oracle_mail *mail) {
    const struct sealed *to = map_get(causes, cause_of(mail->message_id));
    if (to == NULL) {
        if (oracle->options.cut_until_us == 0) {
            oracle_tell(oracle, "mail.asked", "%.*s was sent, and no event asks for it", STR_ARGS(mail->message_id));
        }
        return;
    }
    if (!str_starts_with(mail->to, to->key_id) || mail->to.data[to->key_id.len] != '@') {
        oracle_tell(oracle, "mail.asked", "%.*s went to another than %.*s's owner", STR_ARGS(mail->message_id),
                    STR_ARGS(to->key_id));
    }
    /* An event that a cut took may happen again at another time, under the id that derives from its command. */
    if (mail->changed > 0 && oracle->options.cut_until_us == 0) {
        oracle_tell(oracle, "mail.same", "%.*s was sent again as another mail", STR_ARGS(mail->message_id));
    }
}

static bool was_asked_before(const struct seen_stream *stream, uint32_t index, struct str cause) {
    for (uint32_t i = 0; i < index; i++) {
        const struct event *event = &stream->events.items[i]->event;
        if (str_equal(event->meta.event_id, cause)) {
            return recipient_of(stream, event) != NULL;
        }
    }
    return false;
}

/* What is said of a mail is said of one that was asked for before, in the same stream; what is said to be sent was. */
static void judge_told(struct oracle *oracle, const struct seen_stream *stream, uint32_t index, struct str cause,
                       struct str result) {
    const struct seen_event *seen = stream->events.items[index];
    struct oracle_mail mail;
    if (!was_asked_before(stream, index, cause)) {
        oracle_tell(oracle, "mail.asked", "%.*s is said to have been mailed, and is no event of %.*s that asks for it",
                    STR_ARGS(cause), STR_ARGS(seen->event.meta.stream));
    } else if (str_equal(result, STR("sent")) && mail_of(oracle, cause, &mail) == NULL) {
        oracle_tell(oracle, "mail.told", "%.*s is said to be sent, and no server took it, at " PLACE_FORMAT,
                    STR_ARGS(cause), PLACE_ARGS(seen->at));
    }
}

/* Whoever asked for it, the command that says so comes from where it was done when an event caused it. */
static void judge_destroyed(struct oracle *oracle, const struct seen_stream *stream) {
    const struct customer_erasure_requested *asked = NULL;
    for (uint32_t i = 0; i < stream->events.count; i++) {
        const struct seen_event *seen = stream->events.items[i];
        if (seen->event.type == EVENT_CUSTOMER_ERASURE_REQUESTED) {
            asked = &seen->event.as.customer_erasure_requested;
        }
        bool is_done =
            seen->event.type == EVENT_CUSTOMER_ERASED && str_starts_with(seen->event.meta.causation_id, STR("evt_"));
        for (uint32_t j = 0; is_done && asked != NULL && j < asked->keys.count; j++) {
            if (!oracle->options.sources->key_is_destroyed(asked->keys.items[j])) {
                oracle_tell(oracle, "person.destroyed", "%.*s is erased, and its key %.*s is there, at " PLACE_FORMAT,
                            STR_ARGS(stream->id), STR_ARGS(asked->keys.items[j]), PLACE_ARGS(seen->at));
            }
        }
    }
}

static void judge_stream(struct oracle *oracle, struct map *causes, const struct seen_stream *stream) {
    for (uint32_t i = 0; i < stream->events.count; i++) {
        struct seen_event *seen = stream->events.items[i];
        const struct sealed *to = recipient_of(stream, &seen->event);
        struct str cause, result;
        if (to != NULL) {
            *map_at(causes, seen->event.meta.event_id) = (void *)to;
        } else if (told_by(&seen->event, &cause, &result)) {
            judge_told(oracle, stream, i, cause, result);
        }
    }
}

void oracle_judge_mails(struct oracle *oracle) {
    const struct oracle_sources *sources = oracle->options.sources;
    if (sources->mail_count == NULL) {
        return;
    }
    struct map causes; /* event id -> to whom it is told */
    map_init(&causes, &oracle->arena);
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        judge_stream(oracle, &causes, stream);
        if (str_starts_with(stream->id, STR("cus_"))) {
            judge_destroyed(oracle, stream);
        }
    }
    for (size_t i = 0; i < sources->mail_count(); i++) {
        const struct oracle_mail mail = sources->mail_at(i);
        judge_asked(oracle, &causes, &mail);
    }
}
