/* smtp_calls.c: the double of core/connect/smtp_calls.h, and the server behind it.
 *
 * A mail that was handed over is the world's: it arrives although its sender was killed. Answers and time-outs are
 * events of the sender's process, which its loop is told of by an async, as a real one would be by its sockets.
 * Points: "mail: before send", "mail: after send", "mail: before answer", "mail: after answer".
 */
#include "core/connect/smtp_calls.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/map.h"
#include "core/testing/simulator/post.h"
#include "core/testing/simulator/world.h"

enum {
    US_PER_MS = 1000,
    WAY_LEAST_US = 1 * US_PER_MS,
    WAY_MOST_US = 200 * US_PER_MS,
    CODE_TAKEN = 250,
    CODE_PUT_OFF = 451,
    CODE_REFUSED = 550,
};

#define LEDGER_MAX_BYTES ((size_t)256 << 20)

struct smtp_calls {
    uv_async_t arrived;
    struct letter *first; /* in flight, the newest first */
    int count;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* Events on their way hold it, and so does the call while it is in flight. */
struct letter {
    int references;
    struct sim_process *process;
    struct str to, data; /* copies */
    struct smtp_outcome outcome;
    struct smtp_calls *calls; /* NULL: the sender was told */
    struct letter *next;
    bool is_answered;
    smtp_done_cb *on_done;
    void *context;
};

/* ---- the server -------------------------------------------------------------------------------------------------- */

struct sim_post_faults sim_post_faults;

static struct arena ledger_arena;
static struct map ledger; /* Message-ID -> struct sim_mail */

void sim_post_draw_faults(void) {
    sim_post_faults = (struct sim_post_faults){
        .put_off = (uint32_t)sim_random(20000),
        .refused = (uint32_t)sim_random(20000),
        .unheard = (uint32_t)sim_random(20000),
        .unreached = (uint32_t)sim_random(20000),
        .vault_away = (uint32_t)sim_random(50000),
    };
}

void sim_post_heal(void) {
    sim_post_faults = (struct sim_post_faults){0};
}

uint32_t sim_mail_count(void) {
    return ledger.count;
}

const struct sim_mail *sim_mail_at(uint32_t index) {
    return ledger.entries[index].value;
}

static struct str message_id_of(struct str data) {
    static const char name[] = "\r\nMessage-ID: ";
    const char *at = memmem(data.data, data.len, name, sizeof name - 1);
    assert(at != NULL && "every mail has a Message-ID");
    uint32_t begin = (uint32_t)(at - data.data) + (uint32_t)sizeof name - 1;
    struct str rest = str_from(data, begin);
    return str_first(rest, str_find(rest, '\r'));
}

static void take(const struct letter *letter) {
    if (ledger.arena == NULL) {
        arena_init(&ledger_arena, LEDGER_MAX_BYTES);
        map_init(&ledger, &ledger_arena);
    }
    struct str id = message_id_of(letter->data);
    void **at = map_at(&ledger, id);
    if (*at == NULL) {
        struct sim_mail *made = arena_alloc(&ledger_arena, sizeof *made);
        *made = (struct sim_mail){.message_id = arena_str_copy(&ledger_arena, id),
                                  .to = arena_str_copy(&ledger_arena, letter->to),
                                  .data = arena_str_copy(&ledger_arena, letter->data)};
        *at = made;
    }
    struct sim_mail *mail = *at;
    mail->taken++;
    mail->changed += !str_equal(mail->data, letter->data) || !str_equal(mail->to, letter->to);
    SIM_TRACE("mail server: takes %.*s, time %u", STR_ARGS(id), mail->taken);
}

/* ---- the sender's end of it -------------------------------------------------------------------------------------- */

static void letter_release(struct letter *letter) {
    if (--letter->references == 0) {
        free((char *)letter->to.data);
        free((char *)letter->data.data);
        free(letter);
    }
}

static void tell(struct smtp_calls *calls, struct letter *letter) {
    letter->calls = NULL;
    struct letter **at = &calls->first;
    while (*at != letter) {
        at = &(*at)->next;
    }
    *at = letter->next;
    calls->count--;
    letter->on_done(letter->context, &letter->outcome);
    letter_release(letter);
}

/* Those that are answered; each that is told may bring others. */
static void on_arrived(uv_async_t *async) {
    struct smtp_calls *calls = async->data;
    for (struct letter *letter = calls->first; letter != NULL;) {
        if (!letter->is_answered) {
            letter = letter->next;
            continue;
        }
        sim_point("mail: before answer");
        tell(calls, letter);
        sim_point("mail: after answer");
        letter = calls->first;
    }
}

/* What comes first counts. */
static void end(struct letter *letter, enum smtp_result result, int code, const char *why) {
    if (letter->calls != NULL && !letter->is_answered) {
        letter->is_answered = true;
        letter->outcome = (struct smtp_outcome){.result = result, .code = code, .why = why};
        uv_async_send(&letter->calls->arrived);
    }
    letter_release(letter);
}

static void on_timeout(void *context) {
    end(context, SMTP_TRY_LATER, 0, "the time for it ran out");
}

static void on_taken(void *context) {
    end(context, SMTP_SENT, CODE_TAKEN, NULL);
}

static void on_put_off(void *context) {
    end(context, SMTP_TRY_LATER, CODE_PUT_OFF, "the server answered 451 to the message");
}

static void on_refused(void *context) {
    end(context, SMTP_REFUSED, CODE_REFUSED, "the server answered 550 to the recipient");
}

static int64_t way_us(void) {
    return sim_between(WAY_LEAST_US, WAY_MOST_US);
}

static void answer(struct letter *letter, sim_action *action) {
    letter->references++;
    sim_after(way_us(), letter->process, action, letter);
}

static void on_letter(void *context) {
    struct letter *letter = context;
    if (sim_chance(sim_post_faults.put_off)) {
        answer(letter, on_put_off);
    } else if (sim_chance(sim_post_faults.refused)) {
        answer(letter, on_refused);
    } else {
        take(letter);
        if (!sim_chance(sim_post_faults.unheard)) {
            answer(letter, on_taken);
        }
    }
    letter_release(letter);
}

/* ---- smtp_calls.h ------------------------------------------------------------------------------------------------ */

enum err smtp_calls_open(uv_loop_t *loop, const struct smtp_server *server, struct smtp_calls **ret_calls,
                         struct err_info *info) {
    (void)server, (void)info;
    struct smtp_calls *calls = calloc(1, sizeof *calls);
    assert(calls != NULL);
    uv_async_init(loop, &calls->arrived, on_arrived);
    calls->arrived.data = calls;
    *ret_calls = calls;
    return ERR_NONE;
}

static void on_async_closed(uv_handle_t *handle) {
    struct smtp_calls *calls = handle->data;
    void (*on_closed)(void *) = calls->on_closed;
    void *context = calls->closed_context;
    free(calls);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

void smtp_calls_close(struct smtp_calls *calls, void (*on_closed)(void *context), void *context) {
    calls->on_closed = on_closed;
    calls->closed_context = context;
    while (calls->first != NULL) {
        struct letter *letter = calls->first;
        letter->is_answered = true;
        letter->outcome = (struct smtp_outcome){.result = SMTP_TRY_LATER, .why = "the caller closes"};
        tell(calls, letter);
    }
    uv_close((uv_handle_t *)&calls->arrived, on_async_closed);
}

static struct str copy(struct str text) {
    char *bytes = calloc(1, (size_t)text.len + 1);
    assert(bytes != NULL);
    memcpy(bytes, text.data, text.len);
    return str_of(bytes, text.len);
}

enum err smtp_send(struct smtp_calls *calls, const struct smtp_message *message, smtp_done_cb *on_done, void *context,
                   struct err_info *info) {
    if (calls->count >= SMTP_CALLS_MAX) {
        return err_set_retriable(info, ERR_TOO_LARGE, "%d mails are on their way", calls->count);
    }
    sim_point("mail: before send");
    struct letter *letter = calloc(1, sizeof *letter);
    assert(letter != NULL);
    *letter = (struct letter){.references = 2, /* the call, and its time-out */
                              .process = sim_self(),
                              .to = copy(message->to),
                              .data = copy(message->data),
                              .calls = calls,
                              .next = calls->first,
                              .on_done = on_done,
                              .context = context};
    calls->first = letter;
    calls->count++;
    sim_after((int64_t)SMTP_TIMEOUT_MS * US_PER_MS, letter->process, on_timeout, letter);
    if (!sim_chance(sim_post_faults.unreached)) {
        letter->references++;
        sim_after(way_us(), NULL, on_letter, letter);
    }
    sim_point("mail: after send");
    return ERR_NONE;
}

int smtp_calls_open_count(const struct smtp_calls *calls) {
    return calls->count;
}
