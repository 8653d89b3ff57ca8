#include "core/gateway/revocations.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"

struct revocation {
    struct revocation *next_in_slot, *next;
    uint8_t customer[ULID_BYTES];
    int32_t session, kept;
    bool is_upto;
    int64_t ended_at_us;
};

/* ---- the table --------------------------------------------------------------------------------------------------- */

void revocations_init(struct revocations *revocations) {
    *revocations = (struct revocations){.slots = calloc_or_end(REVOCATIONS_SLOTS, sizeof(struct revocation *))};
    revocations->last = &revocations->first;
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

static void drop_first(struct revocations *revocations) {
    struct revocation *first = revocations->first;
    struct revocation **at = slot_of(revocations, first->customer);
    while (*at != first) {
        at = &(*at)->next_in_slot;
    }
    *at = first->next_in_slot;
    revocations->first = first->next;
    if (revocations->first == NULL) {
        revocations->last = &revocations->first;
    }
    free(first);
    atomic_fetch_sub(&revocations->count, 1);
}

static void append(struct revocations *revocations, const uint8_t customer[ULID_BYTES], const struct session_end *end) {
    if (atomic_load(&revocations->count) == REVOCATIONS_MAX) {
        drop_first(revocations);
        revocations->lost_total++;
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
    *revocations->last = revocation;
    revocations->last = &revocation->next;
    atomic_fetch_add(&revocations->count, 1);
}

void revocations_add(struct revocations *revocations, const struct session_end *end) {
    uint8_t customer[ULID_BYTES];
    if (!customer_bytes(end->customer, customer)) {
        return;
    }
    pthread_mutex_lock(&revocations->lock);
    struct revocation *at = *slot_of(revocations, customer);
    while (at != NULL && !is_same(at, customer, end)) {
        at = at->next_in_slot;
    }
    if (at == NULL) {
        append(revocations, customer, end);
    } else if (end->ended_at > at->ended_at_us) {
        at->ended_at_us = end->ended_at;
    }
    pthread_mutex_unlock(&revocations->lock);
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

size_t revocations_count(struct revocations *revocations) {
    return atomic_load(&revocations->count);
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

void revocation_reader_moved(struct revocation_reader *reader, int64_t now_boot_us) {
    if (reader->due_boot_us == 0) {
        reader->due_boot_us = now_boot_us + (int64_t)REVOCATIONS_DEBOUNCE_MS * MICROS_PER_MS;
    }
}

static void on_rows(void *context, const PGresult *rows, const struct err_info *error);

static void ask_since(struct revocation_reader *reader, int64_t since_us) {
    reader->is_asking = true;
    reader->since_us = since_us;
    char text[TIMESTAMP_TEXT_MAX + 1];
    (void)timestamp_write(since_us, text);
    (void)snprintf(reader->since_text, sizeof reader->since_text, "%s", text);
    (void)snprintf(reader->rows_text, sizeof reader->rows_text, "%d", REVOCATIONS_PAGE_ROWS);
    const struct str parameters[] = {str_of_cstr(reader->since_text), str_of_cstr(reader->rows_text)};
    reader->ask(reader->pg, &session_ends_since, parameters, on_rows, reader);
}

/* A page that is full of ends of one moment is passed over by a microsecond: no view's batch holds so many. */
static void on_rows(void *context, const PGresult *rows, const struct err_info *error) {
    struct revocation_reader *reader = context;
    reader->is_asking = false;
    if (error != NULL) {
        if (!error->retriable && !reader->has_failed) { /* that the database is away, the loop says */
            log_line(LOG_ERROR, "gateway", "which sessions have ended cannot be read", LOG_CSTR("why", error->text));
        }
        reader->has_failed = true;
        reader->whole_boot_us = reader->asked_boot_us + (int64_t)REVOCATIONS_AGAIN_MS * MICROS_PER_MS;
        return;
    }
    reader->has_failed = false;
    int count = PQntuples(rows);
    int64_t last_us = reader->since_us;
    for (int row = 0; row < count; row++) {
        struct session_end end;
        if (!session_end_read(rows, row, &end)) {
            log_line(LOG_ERROR, "gateway", "an end of a session cannot be read; its access token lives until it dies");
            continue;
        }
        revocations_add(reader->revocations, &end);
        last_us = end.ended_at > last_us ? end.ended_at : last_us;
    }
    reader->newest_us = last_us > reader->newest_us ? last_us : reader->newest_us;
    if (count >= REVOCATIONS_PAGE_ROWS) {
        ask_since(reader, last_us > reader->since_us ? last_us : last_us + 1);
    } else {
        revocations_set_known(reader->revocations); /* the first question was for all, and each for what came after */
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
    ask_since(reader, since_us > oldest_us ? since_us : oldest_us);
}
