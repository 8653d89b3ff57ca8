/* verify_people.c: an address is one customer's at a time; a session's tokens come one after the other, and none after
 * its end; who is suspended has no session; of who is erased nothing more is written. */
#include "core/log/verify_parts.h"

#include <inttypes.h>

/* Who has an address. */
struct claim_record {
    bool is_held;
    struct digest customer;
    int64_t claim;
};

enum person_stage { PERSON_THERE, PERSON_ERASING, PERSON_ERASED };

struct person {
    int32_t sessions_opened;
    int32_t sessions_from; /* those before are ended ... */
    int32_t session_kept;  /* ... save this one */
    uint8_t stage;
    bool is_suspended;
    int64_t locked_until_us;
};

struct session_record {
    int32_t generation;
    bool is_ended;
};

void people_maps_init(struct people_maps *maps) {
    digest_map_init(&maps->claims, sizeof(struct claim_record));
    digest_map_init(&maps->persons, sizeof(struct person));
    digest_map_init(&maps->sessions, sizeof(struct session_record));
}

void people_maps_release(struct people_maps *maps) {
    digest_map_release(&maps->claims);
    digest_map_release(&maps->persons);
    digest_map_release(&maps->sessions);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static bool is_holder(const struct claim_record *record, struct str customer) {
    struct digest digest = digest_of(customer, STR(""));
    return record->is_held && memcmp(&record->customer, &digest, sizeof digest) == 0;
}

static void claimed(struct verify *verify, struct claim_record *record, const struct identity_claimed *event) {
    if (record->is_held && !is_holder(record, event->customer)) {
        verify_tell(verify, "claim", "%.*s claims what another has", STR_ARGS(event->customer));
    } else if (record->is_held && event->claim < record->claim) {
        verify_tell(verify, "claim", "claim %" PRId64 " after claim %" PRId64, event->claim, record->claim);
    }
    *record = (struct claim_record){true, digest_of(event->customer, STR("")), event->claim};
}

static void claim_refused(struct verify *verify, const struct claim_record *record,
                          const struct identity_claim_refused *event) {
    if (!is_holder(record, event->holder)) {
        verify_tell(verify, "claim", "refused for %.*s, who has it not", STR_ARGS(event->holder));
    } else if (is_holder(record, event->customer)) {
        verify_tell(verify, "claim", "%.*s has it, and is refused it", STR_ARGS(event->customer));
    }
}

static void released(struct verify *verify, struct claim_record *record, const struct identity_released *event) {
    if (!is_holder(record, event->customer) || record->claim != event->claim) {
        verify_tell(verify, "claim", "%.*s releases claim %" PRId64 ", which is not held", STR_ARGS(event->customer),
                    event->claim);
    }
    *record = (struct claim_record){0};
}

void verify_identity(struct verify *verify, const struct event *event) {
    bool is_new;
    struct claim_record *record =
        digest_map_at(&verify->people.claims, digest_of(event->meta.stream, STR("")), &is_new);
    switch ((enum identities_event)event->type) {
    case EVENT_IDENTITY_CLAIMED:
        claimed(verify, record, &event->as.identity_claimed);
        break;
    case EVENT_IDENTITY_CLAIM_REFUSED:
        claim_refused(verify, record, &event->as.identity_claim_refused);
        break;
    case EVENT_IDENTITY_RELEASED:
        released(verify, record, &event->as.identity_released);
        break;
    }
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static struct session_record *session_at(struct verify *verify, const struct event *event, int32_t number) {
    bool is_new;
    struct digest key = digest_of(event->meta.stream, str_of((const char *)&number, sizeof number));
    return digest_map_at(&verify->people.sessions, key, &is_new);
}

static bool is_open(const struct person *person, const struct session_record *session, int32_t number) {
    bool was_ended = session->is_ended || (number < person->sessions_from && number != person->session_kept);
    return session->generation > 0 && !was_ended;
}

static void session_opened(struct verify *verify, struct person *person, const struct event *event) {
    int32_t number = event->as.session_opened.session;
    if (number != person->sessions_opened + 1) {
        verify_tell(verify, "session", "session %d is opened after session %d", number, person->sessions_opened);
    }
    if (event->meta.occurred_at < person->locked_until_us) {
        verify_tell(verify, "session", "session %d is opened while the account is locked", number);
    }
    person->sessions_opened = number;
    *session_at(verify, event, number) = (struct session_record){.generation = 1};
}

static void session_refreshed(struct verify *verify, const struct person *person, const struct event *event) {
    const struct session_refreshed *refreshed = &event->as.session_refreshed;
    struct session_record *session = session_at(verify, event, refreshed->session);
    if (!is_open(person, session, refreshed->session)) {
        verify_tell(verify, "session", "session %d is refreshed, and is not open", refreshed->session);
    } else if (refreshed->generation != session->generation + 1) {
        verify_tell(verify, "session", "generation %d of session %d after generation %d", refreshed->generation,
                    refreshed->session, session->generation);
    }
    session->generation = refreshed->generation;
}

static void session_ended(struct verify *verify, const struct person *person, const struct event *event) {
    int32_t number = event->as.session_ended.session;
    struct session_record *session = session_at(verify, event, number);
    if (!is_open(person, session, number)) {
        verify_tell(verify, "session", "session %d ends, and is not open", number);
    }
    session->is_ended = true;
}

/* None comes back by being kept: it was open until now, or there is none. */
static void sessions_ended(struct verify *verify, struct person *person, const struct event *event) {
    const struct sessions_ended *ended = &event->as.sessions_ended;
    if (ended->before != person->sessions_opened + 1) {
        verify_tell(verify, "session", "those before %d end, of %d", ended->before, person->sessions_opened);
    }
    if (ended->kept > 0 && (ended->kept > person->sessions_opened ||
                            (ended->kept < person->sessions_from && ended->kept != person->session_kept))) {
        verify_tell(verify, "session", "session %d is kept, and is not open", ended->kept);
    }
    person->sessions_from = ended->before;
    person->session_kept = ended->kept;
}

/* ---- suspending -------------------------------------------------------------------------------------------------- */

static void suspended(struct verify *verify, struct person *person) {
    if (person->is_suspended) {
        verify_tell(verify, "suspended", "a customer who is suspended is suspended again");
    }
    if (person->sessions_opened > 0 && (person->sessions_from <= person->sessions_opened || person->session_kept > 0)) {
        verify_tell(verify, "suspended", "a customer is suspended, and not all of his sessions were ended before");
    }
    person->is_suspended = true;
}

static void reinstated(struct verify *verify, struct person *person) {
    if (!person->is_suspended) {
        verify_tell(verify, "suspended", "a customer is reinstated who was not suspended");
    }
    person->is_suspended = false;
    person->locked_until_us = 0;
}

/* What may still come: guesses at the door, a claim that is given back, other roles, what became of mails, and his end.
 */
static void check_suspended(struct verify *verify, const struct person *person, const struct event *event) {
    static const uint16_t may_come[] = {EVENT_LOGIN_FAILED,        EVENT_CUSTOMER_CLAIM_REFUSED,
                                        EVENT_CUSTOMER_MAILED,     EVENT_CUSTOMER_ROLES_CHANGED,
                                        EVENT_CUSTOMER_REINSTATED, EVENT_CUSTOMER_SUSPENDED,
                                        EVENT_CUSTOMER_ERASED,     EVENT_CUSTOMER_ERASURE_REQUESTED};
    bool may = !person->is_suspended || person->stage != PERSON_THERE;
    for (size_t i = 0; i < sizeof may_come / sizeof may_come[0]; i++) {
        may = may || event->type == may_come[i];
    }
    if (!may) {
        verify_tell(verify, "suspended", "a customer who is suspended has another event");
    }
}

/* ---- erasure ----------------------------------------------------------------------------------------------------- */

/* What may still come: a claim that is given back, and while the keys are being destroyed what became of mails. */
static void check_erased(struct verify *verify, const struct person *person, const struct event *event) {
    bool is_claim = event->type == EVENT_CUSTOMER_CLAIM_REFUSED;
    bool is_end = event->type == EVENT_CUSTOMER_ERASED || event->type == EVENT_CUSTOMER_MAILED;
    if (person->stage == PERSON_THERE ? event->type == EVENT_CUSTOMER_ERASED
                                      : !is_claim && !(is_end && person->stage == PERSON_ERASING)) {
        verify_tell(verify, "erased", "a customer who is %s",
                    person->stage == PERSON_THERE     ? "erased without being asked for"
                    : person->stage == PERSON_ERASING ? "being erased has another event"
                                                      : "erased has another event");
    }
}

void verify_customer(struct verify *verify, const struct event *event) {
    bool is_new;
    struct person *person = digest_map_at(&verify->people.persons, digest_of(event->meta.stream, STR("")), &is_new);
    check_erased(verify, person, event);
    check_suspended(verify, person, event);
    switch ((int)event->type) {
    case EVENT_SESSION_OPENED:
        session_opened(verify, person, event);
        break;
    case EVENT_SESSION_REFRESHED:
        session_refreshed(verify, person, event);
        break;
    case EVENT_SESSION_ENDED:
        session_ended(verify, person, event);
        break;
    case EVENT_SESSIONS_ENDED:
        sessions_ended(verify, person, event);
        break;
    case EVENT_LOGIN_FAILED: /* within a session it keeps nobody from logging in */
        if (!event->as.login_failed.within) {
            person->locked_until_us = event->as.login_failed.locked_until;
        }
        break;
    case EVENT_CUSTOMER_PASSWORD_CHANGED: /* by a token that was mailed, or by the house; who changes it proves less */
        if (!str_equal(event->as.customer_password_changed.how, STR("changed"))) {
            person->locked_until_us = 0;
        }
        break;
    case EVENT_CUSTOMER_VERIFIED:
    case EVENT_CUSTOMER_UNLOCKED:
    case EVENT_CUSTOMER_TOTP_ENDED:
        person->locked_until_us = 0;
        break;
    case EVENT_CUSTOMER_SUSPENDED:
        suspended(verify, person);
        break;
    case EVENT_CUSTOMER_REINSTATED:
        reinstated(verify, person);
        break;
    case EVENT_CUSTOMER_ERASURE_REQUESTED:
        person->stage = PERSON_ERASING;
        break;
    case EVENT_CUSTOMER_ERASED:
        person->stage = PERSON_ERASED;
        break;
    default:
        break;
    }
}
