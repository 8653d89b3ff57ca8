/* oracle_outcomes.c: what clients were told, against what stands in the log. */
#include "core/testing/simulator/oracle_parts.h"

#include "core/base/timestamp.h"
#include "core/domain/rejection.h"

static bool is_told(const struct journal_told *told, enum rejection rejection) {
    return told->answer == JOURNAL_REFUSED && str_equal(told->rejection, str_of_cstr(rejection_info(rejection)->code));
}

/* Answered when what it began has come to rest, maybe by a refusal after its events. As the table of commands says. */
static bool is_answered_at_rest(uint16_t command_type) {
    static const uint16_t types[] = {
        COMMAND_DEFINE_PRODUCT,  COMMAND_ADD_VARIANT,     COMMAND_CHECK_OUT_CART, COMMAND_RETRY_ORDER_PAYMENT,
        COMMAND_VERIFY_CUSTOMER, COMMAND_CHANGE_EMAIL,    COMMAND_CONFIRM_EMAIL,  COMMAND_OPEN_SESSION,
        COMMAND_REFRESH_SESSION, COMMAND_CHANGE_PASSWORD, COMMAND_BEGIN_TOTP,     COMMAND_END_TOTP,
        COMMAND_ERASE_CUSTOMER,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (types[i] == command_type) {
            return true;
        }
    }
    return false;
}

/* 0: it is not known what it was. */
static uint16_t type_of(const struct known_command *command) {
    if (command->entries.count > 0) {
        return command->entries.items[0]->command_type;
    }
    return command->records.count > 0 ? command->records.items[0]->command.type : 0;
}

/* ---- what is recorded -------------------------------------------------------------------------------------------- */

static void judge_recorded(struct oracle *oracle, const struct known_command *command) {
    const struct seen_outcome *first = NULL;
    uint32_t pending = 0;
    for (uint32_t i = 0; i < command->outcomes.count; i++) {
        const struct seen_outcome *seen = command->outcomes.items[i];
        const char *what = outcome_status_name(seen->outcome.status);
        if (first != NULL) {
            oracle_tell(oracle, "outcome.once", "%.*s: " PLACE_FORMAT " says %s after " PLACE_FORMAT " said %s",
                        STR_ARGS(command->id), PLACE_ARGS(seen->at), what, PLACE_ARGS(first->at),
                        outcome_status_name(first->outcome.status));
        } else if (seen->outcome.status == OUTCOME_STATUS_PENDING) {
            pending++;
        } else if (seen->outcome.status == OUTCOME_STATUS_UNKNOWN) {
            oracle_tell(oracle, "outcome.once", "%.*s: " PLACE_FORMAT " says unknown, which is no outcome",
                        STR_ARGS(command->id), PLACE_ARGS(seen->at));
        } else {
            first = seen;
        }
    }
    if (pending > 1) {
        oracle_tell(oracle, "outcome.once", "%.*s: %u pending outcomes", STR_ARGS(command->id), pending);
    }
}

static void judge_refused(struct oracle *oracle, const struct known_command *command,
                          const struct seen_outcome *final) {
    bool is_bare = final->outcome.status == OUTCOME_STATUS_REJECTED && !is_answered_at_rest(type_of(command));
    if (is_bare && command->events.count > 0) {
        oracle_tell(oracle, "outcome.refused",
                    "%.*s: " PLACE_FORMAT " refuses it (%.*s), but " PLACE_FORMAT " is its event",
                    STR_ARGS(command->id), PLACE_ARGS(final->at), STR_ARGS(final->outcome.rejection),
                    PLACE_ARGS(command->events.items[0]->at));
    }
}

/* Whether so late a command may have been refused for its age, which is recorded nowhere. */
static bool may_have_expired(const struct oracle *oracle, const struct seen_command *record) {
    int64_t window_us = oracle->options.config->dedup_window_s * MICROS_PER_SECOND;
    return record->command.meta.issued_at < oracle->newest_us[record->at.partition] - window_us;
}

static void judge_missing(struct oracle *oracle, const struct known_command *command) {
    for (uint32_t i = 0; i < command->records.count; i++) {
        const struct seen_command *record = command->records.items[i];
        if (record->command.meta.client_key && !may_have_expired(oracle, record)) {
            oracle_tell(oracle, "outcome.missing", "%.*s, " PLACE_FORMAT ", %s of %.*s: it has no final outcome",
                        STR_ARGS(command->id), PLACE_ARGS(record->at), command_name(record->command.type),
                        STR_ARGS(record->command.meta.stream));
            return;
        }
    }
}

/* ---- what was told ----------------------------------------------------------------------------------------------- */

/* The answering stream stands at the version that was told, or above. */
static void judge_version(struct oracle *oracle, const struct journal_entry *entry) {
    const struct seen_stream *stream = oracle_stream(oracle, entry->told.stream);
    uint32_t versions = stream == NULL ? 0 : stream->events.count;
    if (entry->told.answer == JOURNAL_ACCEPTED && entry->told.version > versions) {
        oracle_tell(oracle, "outcome.version",
                    "%.*s: client %u was told that %.*s stands at version %lld; it has %u events",
                    STR_ARGS(entry->command_id), entry->client, STR_ARGS(entry->told.stream),
                    (long long)entry->told.version, versions);
    }
}

static void judge_told_with_key(struct oracle *oracle, const struct journal_entry *entry,
                                const struct seen_outcome *final) {
    const struct journal_told *told = &entry->told;
    if (!journal_is_final(told)) {
        return;
    }
    if (final == NULL) {
        oracle_tell(oracle, "outcome.told", "%.*s: client %u was told '%s%s%.*s' of it, and nothing is recorded",
                    STR_ARGS(entry->command_id), entry->client, journal_answer_name(told->answer),
                    told->rejection.len > 0 ? ": " : "", STR_ARGS(told->rejection));
    } else if (memcmp(told->digest, final->digest, sizeof told->digest) != 0) {
        oracle_tell(oracle, "outcome.told",
                    "%.*s: client %u was told '%s %.*s', %.*s version %lld (request %u); " PLACE_FORMAT
                    " says '%s %.*s', %.*s version %lld",
                    STR_ARGS(entry->command_id), entry->client, journal_answer_name(told->answer),
                    STR_ARGS(told->rejection), STR_ARGS(told->stream), (long long)told->version, entry->number,
                    PLACE_ARGS(final->at), outcome_status_name(final->outcome.status),
                    STR_ARGS(final->outcome.rejection), STR_ARGS(final->outcome.stream),
                    (long long) final->outcome.version);
    }
}

/* A question carries the hash of the request that it is about, and so is bound to no body. */
static void judge_body(struct oracle *oracle, const struct known_command *command, const struct journal_entry *entry,
                       const struct seen_outcome *final) {
    if (entry->is_question) {
        return;
    }
    final = final == NULL && command->outcomes.count > 0 ? command->outcomes.items[0] : final; /* still pending */
    bool is_reused = is_told(&entry->told, REJECT_KEY_REUSED);
    bool is_its_own = final != NULL && str_equal(entry->request_hash, final->outcome.request_hash);
    if (is_reused && (final == NULL || is_its_own)) {
        oracle_tell(oracle, "outcome.body", "%.*s: client %u was told that the key was reused by request %u; %s",
                    STR_ARGS(entry->command_id), entry->client, entry->number,
                    final == NULL ? "nothing else is recorded under it" : "it is the one that has the effect");
    } else if (journal_is_final(&entry->told) && !is_its_own && final != NULL) {
        oracle_tell(oracle, "outcome.body",
                    "%.*s: client %u was told '%s' of request %u, whose body is not the one that " PLACE_FORMAT
                    " is about",
                    STR_ARGS(entry->command_id), entry->client, journal_answer_name(entry->told.answer), entry->number,
                    PLACE_ARGS(final->at));
    }
}

/* The body that has the effect is one that was sent. */
static void judge_whose_body(struct oracle *oracle, const struct known_command *command,
                             const struct seen_outcome *final) {
    for (uint32_t i = 0; i < command->entries.count; i++) {
        if (str_equal(command->entries.items[i]->request_hash, final->outcome.request_hash)) {
            return;
        }
    }
    if (command->entries.count > 0) {
        oracle_tell(oracle, "outcome.body", "%.*s: " PLACE_FORMAT " is about a body that no client sent",
                    STR_ARGS(command->id), PLACE_ARGS(final->at));
    }
}

/* Every question behind the command in the log, which so was decided when it was asked. */
static bool was_asked_behind(const struct known_command *command) {
    if (command->records.count == 0 || command->questions.count == 0) {
        return false;
    }
    int64_t first = command->records.items[0]->at.offset;
    for (uint32_t i = 0; i < command->questions.count; i++) {
        if (command->questions.items[i]->at.offset < first) {
            return false;
        }
    }
    return true;
}

static void judge_unknown(struct oracle *oracle, const struct known_command *command,
                          const struct journal_entry *entry) {
    if (entry->told.answer == JOURNAL_UNKNOWN && entry->has_key && was_asked_behind(command) &&
        !may_have_expired(oracle, command->records.items[0])) {
        oracle_tell(oracle, "outcome.forgotten",
                    "%.*s, " PLACE_FORMAT ": client %u asked after it behind it, and was told that it is unknown",
                    STR_ARGS(command->id), PLACE_ARGS(command->records.items[0]->at), entry->client);
    }
}

static void judge_unsent(struct oracle *oracle, const struct known_command *command,
                         const struct journal_entry *entry) {
    for (uint32_t i = 0; i < command->records.count; i++) {
        const struct seen_command *record = command->records.items[i];
        if (entry->told.answer == JOURNAL_NOT_SENT && record->mark == entry->number && !entry->is_question) {
            oracle_tell(oracle, "outcome.unsent", "%.*s: client %u was told 503 of request %u, which is " PLACE_FORMAT,
                        STR_ARGS(command->id), entry->client, entry->number, PLACE_ARGS(record->at));
        }
    }
}

/* Without a key nothing is recorded: what was said then shows in the events. */
static void judge_told_without_key(struct oracle *oracle, const struct known_command *command,
                                   const struct journal_entry *entry) {
    bool is_bare_refusal = entry->told.answer == JOURNAL_REFUSED && journal_is_final(&entry->told) &&
                           !is_answered_at_rest(entry->command_type);
    /* The provider's word may come by the connector as well, under another id; so may it by a second webhook. */
    if (is_bare_refusal && command->events.count > 0 && entry->client != 0) {
        oracle_tell(oracle, "outcome.refused", "%.*s: client %u was told '%.*s', but " PLACE_FORMAT " is its event",
                    STR_ARGS(command->id), entry->client, STR_ARGS(entry->told.rejection),
                    PLACE_ARGS(command->events.items[0]->at));
    }
}

/* Of those who asked the same in the end, one at least was told. */
static void judge_unanswered(struct oracle *oracle, const struct known_command *command,
                             const struct journal_entry *entry) {
    if (!entry->is_late) {
        return;
    }
    for (uint32_t i = 0; i < command->entries.count; i++) {
        const struct journal_entry *other = command->entries.items[i];
        bool is_the_same = other->is_late && other->is_question == entry->is_question &&
                           str_equal(other->request_hash, entry->request_hash);
        enum journal_answer answer = other->told.answer;
        bool was_told = answer == JOURNAL_ACCEPTED || answer == JOURNAL_REFUSED ||
                        (entry->is_question && answer == JOURNAL_UNKNOWN);
        if (is_the_same && was_told) {
            return;
        }
        if (is_the_same && other->number > entry->number) {
            return; /* told of the last one */
        }
    }
    oracle_tell(oracle, "outcome.unanswered", "%.*s: client %u made %s for %s %.*s after all was healed, in vain: %s",
                STR_ARGS(command->id), entry->client, entry->is_question ? "a question" : "the request once more",
                command_name(entry->command_type), STR_ARGS(entry->stream), journal_answer_name(entry->told.answer));
}

static void judge_command(struct oracle *oracle, const struct known_command *command) {
    const struct seen_outcome *final = oracle_final(command);
    judge_recorded(oracle, command);
    if (final != NULL) {
        judge_refused(oracle, command, final);
        judge_whose_body(oracle, command, final);
    } else {
        judge_missing(oracle, command);
    }
    for (uint32_t i = 0; i < command->entries.count; i++) {
        const struct journal_entry *entry = command->entries.items[i];
        judge_unsent(oracle, command, entry);
        if (oracle_may_be_lost(oracle, entry)) {
            continue;
        }
        judge_version(oracle, entry);
        judge_unknown(oracle, command, entry);
        judge_unanswered(oracle, command, entry);
        if (entry->has_key) {
            judge_told_with_key(oracle, entry, final);
            judge_body(oracle, command, entry, final);
        } else {
            judge_told_without_key(oracle, command, entry);
        }
    }
}

void oracle_judge_outcomes(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->commands.count; i++) {
        judge_command(oracle, oracle->commands.entries[i].value);
    }
}
