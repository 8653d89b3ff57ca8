#include "core/gateway/revocations.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"

struct revocation {
    struct revocation *next_in_slot, *next, *previous;
    uint8_t customer[ULID_BYTES];
    int32_t session, kept;
    bool is_upto;
    int64_t ended_at_us;
};

/* ---- the table --------------------------------------------------------------------------------------------------- */

void revocations_init(struct revocations *revocations) {
    *revocations = (struct revocations){.slots = calloc_or_end(REVOCATIONS_SLOTS, sizeof(struct revocation *))};
    randombytes_buf(revocations->key, sizeof revocations->key);
    pthread_mutex_init(&revocations->lock, NULL);
}

void revocations_release(struct revocations *revocations) {
    while (revocations->first != NULL) {
        struct revocation *next = revocations->first->next;
        free(revocations->first);
        revocations->first = next;
    }
    free(revocations->slots);
    pthread_mutex_destroy(&revocations->lock);
}

static bool customer_bytes(struct str customer, uint8_t ret_bytes[ULID_BYTES]) {
    return str_starts_with(customer, STR("cus_")) && ulid_read(str_from(customer, 4), ret_bytes);
}

static struct revocation **slot_of(const struct revocations *revocations, const uint8_t customer[ULID_BYTES]) {
    _Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t) && crypto_shorthash_KEYBYTES == 16, "SipHash-2-4");
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, customer, ULID_BYTES, revocations->key);
    return &revocations->slots[hash & (REVOCATIONS_SLOTS - 1)];
}

static bool is_same(const struct revocation *revocation, const uint8_t customer[ULID_BYTES],
                    const struct session_end *end) {
    return memcmp(revocation->customer, customer, ULID_BYTES) == 0 && revocation->session == end->session &&
           revocation->is_upto == end->is_upto && revocation->kept == end->kept;
}

static void unlink_time(struct revocations *revocations, struct revocation *revocation) {
    *(revocation->previous != NULL ? &revocation->previous->next : &revocations->first) = revocation->next;
    *(revocation->next != NULL ? &revocation->next->previous : &revocations->last) = revocation->previous;
}

static void link_last(struct revocations *revocations, struct revocation *revocation) {
    revocation->next = NULL;
    revocation->previous = revocations->last;
    *(revocations->last != NULL ? &revocations->last->next : &revocations->first) = revocation;
    revocations->last = revocation;
}

static void drop_first(struct revocations *revocations) {
    struct revocation *first = revocations->first;
    struct revocation **at = slot_of(revocations, first->customer);
    while (*at != first) {
        at = &(*at)->next_in_slot;
    }
    *at = first->next_in_slot;
    unlink_time(revocations, first);
    free(first);
    atomic_fetch_sub(&revocations->count, 1);
}

static void append(struct revocations *revocations, const uint8_t customer[ULID_BYTES], const struct session_end *end) {
    if (atomic_load(&revocations->count) == REVOCATIONS_MAX) {
        drop_first(revocations);
        revocations->counts.lost_total++;
    }
    struct revocation **slot = slot_of(revocations, customer);
    struct revocation *revocation = malloc_or_end(sizeof *revocation);
    *revocation = (struct revocation){.next_in_slot = *slot,
                                      .session = end->session,
                                      .kept = end->kept,
                                      .is_upto = end->is_upto,
                                      .ended_at_us = end->ended_at};
    memcpy(revocation->customer, customer, ULID_BYTES);
    *slot = revocation;
    link_last(revocations, revocation);
    atomic_fetch_add(&revocations->count, 1);
}

void revocations_add(struct revocations *revocations, const struct session_end *end) {
    uint8_t customer[ULID_BYTES];
    if (!customer_bytes(end->customer, customer)) {
        return;
    }
    pthread_mutex_lock(&revocations->lock);
    bool has_lost = revocations->counts.lost_total > 0;
    struct revocation *at = *slot_of(revocations, customer);
    while (at != NULL && !is_same(at, customer, end)) {
        at = at->next_in_slot;
    }
    if (at == NULL) {
        append(revocations, customer, end);
    } else if (end->ended_at > at->ended_at_us) {
        /* To its place: an old token that comes again and again pins nothing. */
        at->ended_at_us = end->ended_at;
        unlink_time(revocations, at);
        link_last(revocations, at);
    }
    bool loses_first = !has_lost && revocations->counts.lost_total > 0;
    pthread_mutex_unlock(&revocations->lock);
    if (loses_first) {
        log_line(LOG_ERROR, "gateway",
                 "more sessions have ended than a front remembers: tokens of the first of them let in until they die",
                 LOG_INT("remembered", REVOCATIONS_MAX));
    }
}

bool revocations_has(struct revocations *revocations, struct str customer, int32_t session) {
    uint8_t bytes[ULID_BYTES];
    if (atomic_load_explicit(&revocations->count, memory_order_acquire) == 0 || !customer_bytes(customer, bytes)) {
        return false;
    }
    bool has = false;
    pthread_mutex_lock(&revocations->lock);
    for (const struct revocation *at = *slot_of(revocations, bytes); at != NULL && !has; at = at->next_in_slot) {
        const struct session_end end = {.session = at->session, .is_upto = at->is_upto, .kept = at->kept};
        has = memcmp(at->customer, bytes, ULID_BYTES) == 0 && session_end_ends(&end, session);
    }
    pthread_mutex_unlock(&revocations->lock);
    return has;
}

/* They came in the order of their times, or nearly: what stands before one that is remembered stays a little longer. */
void revocations_forget(struct revocations *revocations, int64_t before_us) {
    pthread_mutex_lock(&revocations->lock);
    while (revocations->first != NULL && revocations->first->ended_at_us < before_us) {
        drop_first(revocations);
    }
    pthread_mutex_unlock(&revocations->lock);
}

struct revocations_counts revocations_counts(struct revocations *revocations) {
    pthread_mutex_lock(&revocations->lock);
    struct revocations_counts counts = revocations->counts;
    pthread_mutex_unlock(&revocations->lock);
    counts.ends = atomic_load(&revocations->count);
    return counts;
}

void revocations_unreadable(struct revocations *revocations, size_t count) {
    pthread_mutex_lock(&revocations->lock);
    bool is_first = count > 0 && revocations->counts.unreadable_total == 0;
    revocations->counts.unreadable_total += count;
    pthread_mutex_unlock(&revocations->lock);
    if (is_first) {
        log_line(LOG_ERROR, "gateway",
                 "ends of sessions cannot be read: this front is older than its view, or than what decides; their "
                 "access tokens let in until they die, or until the end is read");
    }
}

bool revocations_are_known(const struct revocations *revocations) {
    return atomic_load_explicit(&revocations->are_known, memory_order_acquire);
}

void revocations_set_known(struct revocations *revocations) {
    atomic_store_explicit(&revocations->are_known, true, memory_order_release);
}

/* ---- reading them ------------------------------------------------------------------------------------------------ */

void revocation_reader_init(struct revocation_reader *reader, struct revocations *revocations, struct pg_pool *pg,
                            revocations_ask *ask, int64_t token_life_us) {
    *reader = (struct revocation_reader){
        .revocations = revocations,
        .pg = pg,
        .ask = ask,
        .token_life_us = token_life_us + (int64_t)REVOCATIONS_MARGIN_S * MICROS_PER_SECOND,
    };
}

void revocation_reader_missed(struct revocation_reader *reader, int64_t now_boot_us) {
    reader->whole_boot_us = now_boot_us;
}

void revocation_reader_moved(struct revocation_reader *reader, int64_t now_boot_us) {
    if (reader->due_boot_us == 0) {
        reader->due_boot_us = now_boot_us + (int64_t)REVOCATIONS_DEBOUNCE_MS * MICROS_PER_MS;
    }
}

static void on_rows(void *context, const PGresult *rows, const struct err_info *error);

static int64_t within(int64_t time_us) {
    int64_t not_before = time_us > 0 ? time_us : 0;
    return not_before < TIMESTAMP_MOST_US ? not_before : TIMESTAMP_MOST_US;
}

/* A machine's clock may say 1970 when it starts. */
static void ask_since(struct revocation_reader *reader, int64_t since_us) {
    reader->is_asking = true;
    reader->since_us = within(since_us);
    char text[TIMESTAMP_TEXT_MAX + 1];
    (void)timestamp_write(reader->since_us, text);
    (void)snprintf(reader->since_text, sizeof reader->since_text, "%s", text);
    (void)snprintf(reader->rows_text, sizeof reader->rows_text, "%d", REVOCATIONS_PAGE_ROWS);
    const struct str parameters[] = {str_of_cstr(reader->since_text), str_of_cstr(reader->rows_text)};
    reader->ask(reader->pg, &session_ends_since, parameters, on_rows, reader);
}

/* `why` is NULL where it is told elsewhere. */
static void fail(struct revocation_reader *reader, const char *why) {
    if (why != NULL && !reader->has_told) {
        reader->has_told = true;
        log_line(LOG_ERROR, "gateway",
                 "which sessions have ended cannot be read; those that are known hold, and where they never were read "
                 "no access token lets anybody in",
                 LOG_CSTR("why", why));
    }
    struct revocations *revocations = reader->revocations;
    pthread_mutex_lock(&revocations->lock);
    revocations->counts.failures_total++;
    pthread_mutex_unlock(&revocations->lock);
    reader->whole_boot_us = reader->asked_boot_us + (int64_t)REVOCATIONS_AGAIN_MS * MICROS_PER_MS;
}

/* The first question was for all, and each for what came after. */
static void succeed(struct revocation_reader *reader) {
    struct revocations *revocations = reader->revocations;
    pthread_mutex_lock(&revocations->lock);
    revocations->counts.read_at_boot_us = reader->asked_boot_us;
    pthread_mutex_unlock(&revocations->lock);
    revocations_set_known(revocations);
    reader->has_told = false;
}

/* What could be read of it; the time of the last of these, or that since which it was asked. */
static int64_t take_rows(struct revocation_reader *reader, const PGresult *rows) {
    int64_t last_us = reader->since_us;
    size_t unreadable = 0;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct session_end end;
        if (!session_end_read(rows, row, &end)) {
            unreadable++;
            continue;
        }
        revocations_add(reader->revocations, &end);
        last_us = end.ended_at > last_us ? end.ended_at : last_us;
    }
    revocations_unreadable(reader->revocations, unreadable);
    reader->are_all_unreadable = unreadable == (size_t)PQntuples(rows);
    return last_us;
}

/* A page that is full of ends of one moment is passed over by a microsecond: no view's batch holds so many. A time that
 * lies ahead of ours, of a front whose clock is, is not where the next question begins: it would pass over all who tell
 * the right time. */
static void on_rows(void *context, const PGresult *rows, const struct err_info *error) {
    struct revocation_reader *reader = context;
    reader->is_asking = false;
    if (error != NULL) {
        fail(reader, error->retriable ? NULL : error->text); /* that the database is away, the loop says */
        return;
    }
    int64_t last_us = take_rows(reader, rows);
    int64_t next_us = within(last_us > reader->since_us ? last_us : last_us + 1);
    int64_t newest_us = last_us < reader->asked_us ? last_us : reader->asked_us;
    reader->newest_us = newest_us > reader->newest_us ? newest_us : reader->newest_us;
    if (PQntuples(rows) < REVOCATIONS_PAGE_ROWS) {
        succeed(reader);
    } else if (reader->are_all_unreadable || next_us <= reader->since_us) {
        fail(reader, "a whole page of its rows cannot be read");
    } else {
        ask_since(reader, next_us);
    }
}

void revocation_reader_tick(struct revocation_reader *reader, int64_t now_us, int64_t now_boot_us) {
    if (reader->is_asking) {
        return;
    }
    bool is_whole_due = now_boot_us >= reader->whole_boot_us;
    bool is_due = reader->due_boot_us != 0 && now_boot_us >= reader->due_boot_us;
    if (!is_whole_due && !is_due) {
        return;
    }
    int64_t oldest_us = now_us - reader->token_life_us;
    revocations_forget(reader->revocations, oldest_us);
    int64_t since_us = reader->newest_us - (int64_t)REVOCATIONS_OVERLAP_S * MICROS_PER_SECOND;
    if (is_whole_due) {
        reader->whole_boot_us = now_boot_us + (int64_t)REVOCATIONS_WHOLE_MS * MICROS_PER_MS;
        since_us = oldest_us;
    }
    reader->due_boot_us = 0;
    reader->asked_boot_us = now_boot_us;
    reader->asked_us = now_us;
    ask_since(reader, since_us > oldest_us ? since_us : oldest_us);
}
