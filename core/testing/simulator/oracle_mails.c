/* oracle_mails.c: whether those were told by mail who had to be, and nobody else, and whether keys are gone. */
#include "core/testing/simulator/oracle_parts.h"

/* To whom the event is told; NULL: to nobody. A list of its own, and not that of core/connect/mails.c. */
static const struct sealed *recipient_of(const struct event *event) {
    switch ((int)event->type) {
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

/* What came of the mail that the event asks for; NULL: nothing yet. */
static const struct customer_mailed *outcome_of(const struct seen_stream *stream, const struct event *cause) {
    for (uint32_t i = 0; i < stream->events.count; i++) {
        const struct event *event = &stream->events.items[i]->event;
        if (event->type == EVENT_CUSTOMER_MAILED && str_equal(event->as.customer_mailed.cause, cause->meta.event_id)) {
            return &event->as.customer_mailed;
        }
    }
    return NULL;
}

static bool is_erased(const struct seen_stream *stream) {
    for (uint32_t i = 0; i < stream->events.count; i++) {
        if (stream->events.items[i]->event.type == EVENT_CUSTOMER_ERASED) {
            return true;
        }
    }
    return false;
}

/* Who is erased is owed nothing: CustomerErased closes all mails of its stream, and nothing is recorded of them. */
void oracle_judge_owed(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        if (!str_starts_with(stream->id, STR("cus_")) || is_erased(stream)) {
            continue;
        }
        for (uint32_t j = 0; j < stream->events.count; j++) {
            const struct seen_event *seen = stream->events.items[j];
            bool is_mail = recipient_of(&seen->event) != NULL;
            if (is_mail && outcome_of(stream, &seen->event) == NULL) {
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
    const struct event *cause = map_get(causes, cause_of(mail->message_id));
    if (cause == NULL) {
        if (oracle->options.cut_until_us == 0) {
            oracle_tell(oracle, "mail.asked", "%.*s was sent, and no event asks for it", STR_ARGS(mail->message_id));
        }
        return;
    }
    const struct sealed *to = recipient_of(cause);
    if (!str_starts_with(mail->to, to->key_id) || mail->to.data[to->key_id.len] != '@') {
        oracle_tell(oracle, "mail.asked", "%.*s went to another than %.*s's owner", STR_ARGS(mail->message_id),
                    STR_ARGS(to->key_id));
    }
    if (mail->changed > 0) {
        oracle_tell(oracle, "mail.same", "%.*s was sent again as another mail", STR_ARGS(mail->message_id));
    }
}

static void judge_told(struct oracle *oracle, const struct seen_event *seen) {
    const struct customer_mailed *told = &seen->event.as.customer_mailed;
    struct oracle_mail mail;
    bool is_sent = str_equal(told->result, STR("sent"));
    if (is_sent && mail_of(oracle, told->cause, &mail) == NULL) {
        oracle_tell(oracle, "mail.told", "%.*s is said to be sent, and no server took it, at " PLACE_FORMAT,
                    STR_ARGS(told->cause), PLACE_ARGS(seen->at));
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

void oracle_judge_mails(struct oracle *oracle) {
    const struct oracle_sources *sources = oracle->options.sources;
    if (sources->mail_count == NULL) {
        return;
    }
    struct map causes; /* event id -> the event that is told to somebody */
    map_init(&causes, &oracle->arena);
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        bool is_person = str_starts_with(stream->id, STR("cus_"));
        for (uint32_t j = 0; is_person && j < stream->events.count; j++) {
            struct seen_event *seen = stream->events.items[j];
            if (recipient_of(&seen->event) != NULL) {
                *map_at(&causes, seen->event.meta.event_id) = &seen->event;
            } else if (seen->event.type == EVENT_CUSTOMER_MAILED) {
                judge_told(oracle, seen);
            }
        }
        if (is_person) {
            judge_destroyed(oracle, stream);
        }
    }
    for (size_t i = 0; i < sources->mail_count(); i++) {
        const struct oracle_mail mail = sources->mail_at(i);
        judge_asked(oracle, &causes, &mail);
    }
}
