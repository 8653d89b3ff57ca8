/* oracle_people.c: who has which address, which sessions go on, who is locked out, that who is suspended has no session
 * and opens none, and that nothing is written of who is erased. */
#include "core/testing/simulator/oracle_parts.h"

#include "core/base/timestamp.h"
#include "core/domain/actor.h"

enum { LOCK_AFTER = 10, LOCK_FIRST_S = 60, LOCK_MOST_S = 3600 };

struct session_fold {
    int32_t generation;
    bool is_ended;
};

/* Failures in a row. */
struct counter {
    int32_t failures;
    int64_t locked_until;
};

struct person_fold {
    enum customer_status status;
    enum totp_status totp;
    int64_t totp_step;      /* the newest whose code was used */
    uint32_t recovery_used; /* bits by number */
    struct str identity, claiming;
    int64_t claim, claiming_number;
    struct counter logins, within;
    int32_t sessions_opened, sessions_from, session_kept;
    struct map sessions; /* number as text -> struct session_fold */
};

struct address_fold {
    struct str holder;
    int64_t claim;
};

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void apply_address(struct oracle *oracle, struct address_fold *fold, const struct seen_event *seen) {
    const struct event *event = &seen->event;
    bool is_held = !str_is_empty(fold->holder);
    switch ((enum identities_event)event->type) {
    case EVENT_IDENTITY_CLAIMED:
        if (is_held && !str_equal(fold->holder, event->as.identity_claimed.customer)) {
            oracle_tell(oracle, "person.unique", "%.*s, which %.*s has, is %.*s's at " PLACE_FORMAT,
                        STR_ARGS(event->meta.stream), STR_ARGS(fold->holder),
                        STR_ARGS(event->as.identity_claimed.customer), PLACE_ARGS(seen->at));
        }
        *fold = (struct address_fold){event->as.identity_claimed.customer, event->as.identity_claimed.claim};
        break;
    case EVENT_IDENTITY_CLAIM_REFUSED:
        if (!is_held || str_equal(fold->holder, event->as.identity_claim_refused.customer)) {
            oracle_tell(oracle, "person.unique", "%.*s is free or his, and refused to %.*s at " PLACE_FORMAT,
                        STR_ARGS(event->meta.stream), STR_ARGS(event->as.identity_claim_refused.customer),
                        PLACE_ARGS(seen->at));
        }
        break;
    case EVENT_IDENTITY_RELEASED:
        if (!str_equal(fold->holder, event->as.identity_released.customer) ||
            fold->claim != event->as.identity_released.claim) {
            oracle_tell(oracle, "person.released", "%.*s is released by %.*s, who has it not, at " PLACE_FORMAT,
                        STR_ARGS(event->meta.stream), STR_ARGS(event->as.identity_released.customer),
                        PLACE_ARGS(seen->at));
        }
        *fold = (struct address_fold){0};
        break;
    }
}

/* ---- proofs ------------------------------------------------------------------------------------------------------ */

/* All was proved. */
static void clear_all(struct person_fold *fold) {
    fold->logins = fold->within = (struct counter){0};
}

/* The password was, and the code where one is asked for. */
static void clear_within(struct person_fold *fold) {
    fold->within = (struct counter){0};
}

/* Nothing is proved, and nothing counted, while it is locked. What the house does proves nothing. */
static void judge_proof(struct oracle *oracle, const struct counter *counter, const struct seen_event *seen) {
    bool is_of_house = actor_of(seen->event.meta.actor).kind == ACTOR_STAFF;
    if (!is_of_house && seen->event.meta.occurred_at < counter->locked_until) {
        oracle_tell(oracle, "person.lockout", "%.*s is locked, and has %s at " PLACE_FORMAT,
                    STR_ARGS(seen->event.meta.stream), event_info(seen->event.type)->name, PLACE_ARGS(seen->at));
    }
}

/* Where an authenticator is on, whatever asks for a proof has a code of it, each once. */
static void apply_code(struct oracle *oracle, struct person_fold *fold, const struct seen_event *seen, int64_t step,
                       int32_t recovery) {
    if (fold->totp != TOTP_STATUS_ON) {
        return;
    }
    bool is_used = recovery > 0 ? (fold->recovery_used >> recovery & 1) != 0 : step <= fold->totp_step;
    if (is_used) {
        oracle_tell(oracle, "person.factor", "%.*s has %s by step %lld, code %d, none or used, at " PLACE_FORMAT,
                    STR_ARGS(seen->event.meta.stream), event_info(seen->event.type)->name, (long long)step, recovery,
                    PLACE_ARGS(seen->at));
    }
    if (recovery > 0) {
        fold->recovery_used |= 1U << recovery;
    } else {
        fold->totp_step = step;
    }
}

static void apply_failure(struct oracle *oracle, struct person_fold *fold, const struct seen_event *seen) {
    const struct login_failed *failed = &seen->event.as.login_failed;
    struct counter *counter = failed->within ? &fold->within : &fold->logins;
    int64_t lock_s = LOCK_FIRST_S;
    for (int32_t i = LOCK_AFTER; i < failed->failures && lock_s < LOCK_MOST_S; i++) {
        lock_s *= 2;
    }
    lock_s = failed->failures < LOCK_AFTER ? 0 : lock_s < LOCK_MOST_S ? lock_s : LOCK_MOST_S;
    int64_t until = lock_s == 0 ? 0 : seen->event.meta.occurred_at + lock_s * MICROS_PER_SECOND;
    judge_proof(oracle, counter, seen);
    if (failed->failures != counter->failures + 1 || failed->locked_until != until) {
        oracle_tell(oracle, "person.lockout", "%.*s: failure %d after failure %d locks for %lld us at " PLACE_FORMAT,
                    STR_ARGS(seen->event.meta.stream), failed->failures, counter->failures,
                    (long long)(failed->locked_until - seen->event.meta.occurred_at), PLACE_ARGS(seen->at));
    }
    *counter = (struct counter){failed->failures, failed->locked_until};
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static struct session_fold *session_at(struct oracle *oracle, struct person_fold *fold, int32_t number) {
    void **at = map_at(&fold->sessions, arena_printf(&oracle->arena, "%d", number));
    if (*at == NULL) {
        *at = arena_alloc(&oracle->arena, sizeof(struct session_fold));
    }
    return *at;
}

static void tell_session(struct oracle *oracle, const struct seen_event *seen, int32_t session, const char *what) {
    oracle_tell(oracle, "person.session", "%.*s, session %d: %s at " PLACE_FORMAT, STR_ARGS(seen->event.meta.stream),
                session, what, PLACE_ARGS(seen->at));
}

static bool is_open(const struct person_fold *fold, const struct session_fold *session, int32_t number) {
    return session->generation > 0 && !session->is_ended &&
           (number >= fold->sessions_from || number == fold->session_kept);
}

static void apply_session(struct oracle *oracle, struct person_fold *fold, const struct seen_event *seen) {
    const struct event *event = &seen->event;
    if (event->type == EVENT_SESSION_OPENED) {
        int32_t number = event->as.session_opened.session;
        if (number != fold->sessions_opened + 1) {
            tell_session(oracle, seen, number, "opened out of turn");
        }
        fold->sessions_opened = number;
        *session_at(oracle, fold, number) = (struct session_fold){.generation = 1};
    } else if (event->type == EVENT_SESSION_REFRESHED) {
        int32_t number = event->as.session_refreshed.session;
        struct session_fold *session = session_at(oracle, fold, number);
        if (!is_open(fold, session, number)) {
            tell_session(oracle, seen, number, "refreshed after its end");
        } else if (event->as.session_refreshed.generation != session->generation + 1) {
            tell_session(oracle, seen, number, "a generation twice, or none");
        }
        session->generation = event->as.session_refreshed.generation;
    } else if (event->type == EVENT_SESSION_ENDED) {
        int32_t number = event->as.session_ended.session;
        struct session_fold *session = session_at(oracle, fold, number);
        if (!is_open(fold, session, number)) {
            tell_session(oracle, seen, number, "ends after its end");
        }
        session->is_ended = true;
    } else {
        const struct sessions_ended *ended = &event->as.sessions_ended;
        bool is_kept = ended->kept > 0;
        if (is_kept && ended->kept < fold->sessions_from && ended->kept != fold->session_kept) {
            tell_session(oracle, seen, ended->kept, "brought back by being kept");
        }
        fold->sessions_from = ended->before;
        fold->session_kept = ended->kept;
    }
}

/* ---- suspending -------------------------------------------------------------------------------------------------- */

/* All his sessions were ended before, so that no token of his lets in. */
static void apply_suspension(struct oracle *oracle, struct person_fold *fold, const struct seen_event *seen) {
    bool has_session = false;
    for (int32_t number = 1; number <= fold->sessions_opened; number++) {
        has_session = has_session || is_open(fold, session_at(oracle, fold, number), number);
    }
    if (has_session || fold->status != CUSTOMER_STATUS_ACTIVE) {
        oracle_tell(oracle, "person.suspended", "%.*s, %s%s, is suspended at " PLACE_FORMAT,
                    STR_ARGS(seen->event.meta.stream), customer_status_name(fold->status),
                    has_session ? " with an open session" : "", PLACE_ARGS(seen->at));
    }
    fold->status = CUSTOMER_STATUS_SUSPENDED;
}

static void judge_suspended(struct oracle *oracle, const struct person_fold *fold, const struct seen_event *seen) {
    bool may_be = false;
    switch ((int)seen->event.type) {
    case EVENT_LOGIN_FAILED:
    case EVENT_CUSTOMER_CLAIM_REFUSED:
    case EVENT_CUSTOMER_ROLES_CHANGED:
    case EVENT_CUSTOMER_MAILED:
    case EVENT_CUSTOMER_REINSTATED:
    case EVENT_CUSTOMER_ERASURE_REQUESTED:
        may_be = true;
        break;
    default:
        break;
    }
    bool is_suspended = fold->status == CUSTOMER_STATUS_SUSPENDED;
    bool is_unasked = seen->event.type == EVENT_CUSTOMER_REINSTATED && !is_suspended;
    if (is_unasked || (is_suspended && !may_be)) {
        oracle_tell(oracle, "person.suspended", "%.*s, %s, has %s at " PLACE_FORMAT, STR_ARGS(seen->event.meta.stream),
                    customer_status_name(fold->status), event_info(seen->event.type)->name, PLACE_ARGS(seen->at));
    }
}

/* ---- a person ---------------------------------------------------------------------------------------------------- */

static void take_claim(struct oracle *oracle, struct person_fold *fold, const struct seen_event *seen,
                       struct str identity) {
    if (!str_equal(fold->claiming, identity)) {
        oracle_tell(oracle, "person.unique", "%.*s has %.*s, which it did not claim, at " PLACE_FORMAT,
                    STR_ARGS(seen->event.meta.stream), STR_ARGS(identity), PLACE_ARGS(seen->at));
    }
    fold->status = CUSTOMER_STATUS_ACTIVE;
    fold->identity = identity;
    fold->claim = fold->claiming_number;
    fold->claiming = STR("");
}

static void judge_erased(struct oracle *oracle, const struct person_fold *fold, const struct seen_event *seen) {
    uint16_t type = seen->event.type;
    bool is_erasing = fold->status == CUSTOMER_STATUS_ERASING, is_erased = fold->status == CUSTOMER_STATUS_ERASED;
    bool may_be = type == EVENT_CUSTOMER_CLAIM_REFUSED ||
                  (is_erasing && (type == EVENT_CUSTOMER_ERASED || type == EVENT_CUSTOMER_MAILED));
    bool is_unasked = type == EVENT_CUSTOMER_ERASED && !is_erasing;
    if (is_unasked || ((is_erasing || is_erased) && !may_be)) {
        oracle_tell(oracle, "person.erased", "%.*s, %s, has %s at " PLACE_FORMAT, STR_ARGS(seen->event.meta.stream),
                    customer_status_name(fold->status), event_info(type)->name, PLACE_ARGS(seen->at));
    }
}

/* What counts failures, and what clears them, beside sessions and claims. */
static void apply_proof(struct oracle *oracle, struct person_fold *fold, const struct seen_event *seen) {
    const struct event *event = &seen->event;
    switch ((int)event->type) {
    case EVENT_LOGIN_FAILED:
        apply_failure(oracle, fold, seen);
        break;
    case EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED:
        judge_proof(oracle, &fold->within, seen);
        apply_code(oracle, fold, seen, event->as.customer_email_change_requested.totp_step,
                   event->as.customer_email_change_requested.recovery);
        clear_within(fold);
        break;
    case EVENT_CUSTOMER_TOTP_BEGUN:
        judge_proof(oracle, &fold->within, seen);
        fold->totp = TOTP_STATUS_PENDING;
        fold->recovery_used = 0;
        clear_within(fold);
        break;
    case EVENT_CUSTOMER_TOTP_ENABLED:
        fold->totp = TOTP_STATUS_ON;
        fold->totp_step = event->as.customer_totp_enabled.step;
        break;
    case EVENT_CUSTOMER_TOTP_ENDED:
        judge_proof(oracle, &fold->within, seen);
        fold->totp = TOTP_STATUS_OFF;
        clear_all(fold);
        break;
    case EVENT_CUSTOMER_PASSWORD_CHANGED:
        if (str_equal(event->as.customer_password_changed.how, STR("reset")) ||
            str_equal(event->as.customer_password_changed.how, STR("issued"))) {
            clear_all(fold);
        } else {
            judge_proof(oracle, &fold->within, seen);
            apply_code(oracle, fold, seen, event->as.customer_password_changed.totp_step,
                       event->as.customer_password_changed.recovery);
            clear_within(fold);
        }
        break;
    case EVENT_CUSTOMER_UNLOCKED:
        clear_all(fold);
        break;
    default:
        break;
    }
}

static void apply_person(struct oracle *oracle, struct person_fold *fold, const struct seen_event *seen) {
    const struct event *event = &seen->event;
    judge_erased(oracle, fold, seen);
    judge_suspended(oracle, fold, seen);
    apply_proof(oracle, fold, seen);
    switch ((int)event->type) {
    case EVENT_CUSTOMER_REGISTERED:
        fold->status = CUSTOMER_STATUS_UNVERIFIED;
        fold->identity = event->as.customer_registered.identity;
        fold->sessions_from = 1;
        break;
    case EVENT_CUSTOMER_VERIFICATION_PROVED:
        if (fold->status == CUSTOMER_STATUS_UNVERIFIED && event->meta.version > 2) { /* else the operator vouches */
            judge_proof(oracle, &fold->logins, seen);
        }
        fold->claiming = event->as.customer_verification_proved.identity;
        fold->claiming_number = event->meta.version;
        break;
    case EVENT_CUSTOMER_VERIFIED:
        take_claim(oracle, fold, seen, event->as.customer_verified.identity);
        clear_all(fold);
        break;
    case EVENT_CUSTOMER_EMAIL_CHANGED:
        take_claim(oracle, fold, seen, event->as.customer_email_changed.identity);
        break;
    case EVENT_CUSTOMER_CLAIM_REFUSED:
        if (event->as.customer_claim_refused.claim == fold->claiming_number) {
            fold->claiming = STR("");
        }
        break;
    case EVENT_SESSION_OPENED:
        judge_proof(oracle, &fold->logins, seen);
        apply_code(oracle, fold, seen, event->as.session_opened.totp_step, event->as.session_opened.recovery);
        clear_all(fold);
        apply_session(oracle, fold, seen);
        break;
    case EVENT_SESSION_REFRESHED:
    case EVENT_SESSION_ENDED:
    case EVENT_SESSIONS_ENDED:
        apply_session(oracle, fold, seen);
        break;
    case EVENT_CUSTOMER_SUSPENDED:
        apply_suspension(oracle, fold, seen);
        break;
    case EVENT_CUSTOMER_REINSTATED:
        fold->status = CUSTOMER_STATUS_ACTIVE;
        clear_all(fold);
        break;
    case EVENT_CUSTOMER_ERASURE_REQUESTED:
        if (event->as.customer_erasure_requested.asked) {
            judge_proof(oracle, &fold->within, seen);
        }
        fold->status = CUSTOMER_STATUS_ERASING;
        break;
    case EVENT_CUSTOMER_ERASED:
        fold->status = CUSTOMER_STATUS_ERASED;
        break;
    default:
        break;
    }
}

void oracle_fold_people(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        struct seen_stream *stream = oracle->streams.entries[i].value;
        bool is_person = str_starts_with(stream->id, STR("cus_"));
        if (!is_person && !str_starts_with(stream->id, STR("idn_"))) {
            continue;
        }
        struct person_fold *person = arena_alloc(&oracle->arena, sizeof *person);
        struct address_fold *address = arena_alloc(&oracle->arena, sizeof *address);
        map_init(&person->sessions, &oracle->arena);
        for (uint32_t j = 0; j < stream->events.count; j++) {
            if (is_person) {
                apply_person(oracle, person, stream->events.items[j]);
            } else {
                apply_address(oracle, address, stream->events.items[j]);
            }
        }
        stream->fold = is_person ? (void *)person : (void *)address;
    }
}

/* ---- both together, at rest -------------------------------------------------------------------------------------- */

static const void *fold_at(const struct oracle *oracle, struct str id) {
    const struct seen_stream *stream = oracle_stream(oracle, id);
    return stream == NULL ? NULL : stream->fold;
}

/* Whoever is suspended keeps his. */
static bool has_address(const struct person_fold *person) {
    return person->status == CUSTOMER_STATUS_ACTIVE || person->status == CUSTOMER_STATUS_SUSPENDED;
}

static void judge_person(struct oracle *oracle, struct str id, const struct person_fold *person) {
    if (!str_is_empty(person->claiming) && !oracle_has_lost(oracle, person->claiming)) {
        oracle_tell(oracle, "person.released", "%.*s still claims %.*s", STR_ARGS(id), STR_ARGS(person->claiming));
    }
    if (person->status == CUSTOMER_STATUS_ERASING) {
        oracle_tell(oracle, "person.erased", "%.*s is still being erased", STR_ARGS(id));
    }
    if (!has_address(person) || oracle_has_lost(oracle, person->identity)) {
        return;
    }
    const struct address_fold *address = fold_at(oracle, person->identity);
    if (address == NULL || !str_equal(address->holder, id) || address->claim != person->claim) {
        struct str holder = address == NULL ? STR("nobody") : address->holder;
        oracle_tell(oracle, "person.unique", "%.*s is verified; its address %.*s is %.*s's", STR_ARGS(id),
                    STR_ARGS(person->identity), STR_ARGS(holder));
    }
}

static void judge_address(struct oracle *oracle, struct str id, const struct address_fold *address) {
    if (str_is_empty(address->holder) || oracle_has_lost(oracle, address->holder)) {
        return;
    }
    const struct person_fold *person = fold_at(oracle, address->holder);
    if (person == NULL || !has_address(person) || !str_equal(person->identity, id)) {
        oracle_tell(oracle, "person.released", "%.*s is kept by %.*s, who does not have it", STR_ARGS(id),
                    STR_ARGS(address->holder));
    }
}

void oracle_judge_people(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        if (oracle_has_lost(oracle, stream->id)) {
            continue;
        }
        if (str_starts_with(stream->id, STR("cus_"))) {
            judge_person(oracle, stream->id, stream->fold);
        } else if (str_starts_with(stream->id, STR("idn_"))) {
            judge_address(oracle, stream->id, stream->fold);
        }
    }
}
