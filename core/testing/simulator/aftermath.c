/* aftermath.c: once the world is healed clients find out what became of what they do not know the end of. */
#include <assert.h>

#include "core/base/timestamp.h"
#include "core/testing/simulator/shopper_parts.h"

/* Processes may still be on their way up. "Not known yet" is waited on for longer than any provider takes to make up
 * its mind (provider_ledger.c: 20 minutes), ever more patiently; then only a person can tell, and nobody asks on. */
enum {
    SEARCH_TRIES = 60,
    SEARCH_PAUSE_US = 2 * 1000 * 1000,
    SEARCH_PAUSE_MOST_US = 30 * 1000 * 1000,
    SEARCH_PENDING_S = 1500,
};

/* Something to find out: by a question, or by the request once more. */
struct search {
    const struct journal_entry *about;
    bool is_question;
    uint32_t tries_left;
    int64_t pause_us, pending_until_us;
};

static void search_again(void *context);

static bool was_told_its_end(const struct journal_entry *entry) {
    return entry->told.answer == JOURNAL_ACCEPTED || entry->told.answer == JOURNAL_REFUSED;
}

static void on_answer(struct front_request *request) {
    struct search *search = request->context;
    enum journal_answer answer = request->entry->told.answer;
    bool is_unknown = search->is_question && answer == JOURNAL_UNKNOWN;
    bool is_pending = answer == JOURNAL_PENDING;
    bool is_given_up = is_pending ? sim_now_us() >= search->pending_until_us : --search->tries_left == 0;
    if (is_unknown || was_told_its_end(request->entry) || is_given_up) {
        actor_is_idle();
    } else {
        bool is_long = is_pending && search->pause_us < SEARCH_PAUSE_MOST_US;
        sim_after(search->pause_us, NULL, search_again, search);
        search->pause_us = is_long ? search->pause_us * 2 : search->pause_us;
    }
}

static void search_again(void *context) {
    struct search *search = context;
    struct front_request *request = arena_alloc(&clients.arena, sizeof *request);
    struct err_info info;
    if (search->is_question) {
        request->entry = journal_add_question(&clients.journal, search->about);
    } else if (command_record_read(&clients.arena, search->about->record, &request->command, &info) == ERR_NONE) {
        request->entry = journal_add(&clients.journal, search->about->client, &request->command);
        request->may_join = sim_random(2) == 0;
    }
    assert(request->entry != NULL && "what we sent ourselves cannot be read");
    request->entry->is_late = true;
    request->patience_us = clients.plan.patience_us;
    request->on_answer = on_answer;
    request->context = search;
    front_send(clients.fronts[sim_random(clients.plan.fronts)], request);
}

static void search_begin(const struct journal_entry *about, bool is_question) {
    struct search *search = arena_alloc(&clients.arena, sizeof *search);
    *search = (struct search){
        .about = about,
        .is_question = is_question,
        .tries_left = SEARCH_TRIES,
        .pause_us = SEARCH_PAUSE_US,
        .pending_until_us = sim_now_us() + (int64_t)SEARCH_PENDING_S * MICROS_PER_SECOND,
    };
    actor_is_busy();
    search_again(search);
}

/* The request, whoever made it how often: its key with its body. */
static struct str request_key(struct arena *arena, const struct journal_entry *entry) {
    return arena_printf(arena, "%.*s%.*s", STR_ARGS(entry->command_id), STR_ARGS(entry->request_hash));
}

/* Maps the commands, or the requests, to one of their entries; those whose end is known to NULL. */
static void find_open(struct map *open, bool are_commands) {
    for (uint32_t i = 0; i < clients.journal.count; i++) {
        struct journal_entry *entry = clients.journal.entries[i];
        if (entry->has_key && !entry->is_question && entry->record.len > 0) {
            *map_at(open, are_commands ? entry->command_id : request_key(open->arena, entry)) = entry;
        }
    }
    for (uint32_t i = 0; i < clients.journal.count; i++) {
        const struct journal_entry *entry = clients.journal.entries[i];
        bool is_ended = are_commands ? journal_is_final(&entry->told) : was_told_its_end(entry) && !entry->is_question;
        if (entry->has_key && is_ended) {
            *map_at(open, are_commands ? entry->command_id : request_key(open->arena, entry)) = NULL;
        }
    }
}

void shoppers_ask_unanswered(void) {
    struct arena scratch;
    struct map commands, requests;
    arena_init(&scratch, CLIENTS_MAX_BYTES);
    map_init(&commands, &scratch);
    map_init(&requests, &scratch);
    find_open(&commands, true);
    find_open(&requests, false);
    for (uint32_t i = 0; i < clients.plan.fronts; i++) {
        front_answers_all(clients.fronts[i]);
    }
    for (uint32_t i = 0; i < commands.count; i++) {
        if (commands.entries[i].value != NULL) {
            search_begin(commands.entries[i].value, true);
        }
    }
    for (uint32_t i = 0; i < requests.count; i++) {
        if (requests.entries[i].value != NULL) {
            search_begin(requests.entries[i].value, false);
        }
    }
    arena_release(&scratch);
}
