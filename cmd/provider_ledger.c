#include "cmd/provider_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/map.h"
#include "core/base/memory.h"

enum { LINE_MAX_BYTES = 64 * 1024 };

struct payment_book {
    char payment[160], method[80];
    int64_t authorized, captured, refunded, contested, lost;
    int charges; /* charges that took effect: more than one is what must never be seen */
    bool voided;
};

struct ledger {
    struct arena arena; /* entries, books and the maps over them live until close */
    struct map newest;  /* intent -> struct ledger_entry: its newest state */
    struct map books;   /* payment -> struct payment_book */
    struct ledger_entry **effects;
    size_t effect_count, effect_capacity;
    int64_t forget_after_us;
    int file; /* -1: none */
};

static const char *const operation_names[] = {[OPERATION_CHARGE] = "charge",
                                              [OPERATION_CAPTURE] = "capture",
                                              [OPERATION_VOID] = "void",
                                              [OPERATION_REFUND] = "refund",
                                              [OPERATION_DISPUTE] = "dispute"};

static void set_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from);
}
#define SET(field, from) set_text((field), sizeof(field), (from))

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

static struct payment_book *book_of(struct ledger *ledger, const char *payment) {
    void **at = map_at(&ledger->books, str_of_cstr(payment));
    if (*at == NULL) {
        struct payment_book *book = arena_alloc(&ledger->arena, sizeof *book);
        SET(book->payment, payment);
        *at = book;
    }
    return *at;
}

/* The books and the index follow from the entries alone, so reading the file back and living on are the same code. */
static void book_entry(struct ledger *ledger, const struct ledger_entry *from) {
    struct ledger_entry *entry = arena_alloc(&ledger->arena, sizeof *entry);
    *entry = *from;
    if (ledger->effect_count == ledger->effect_capacity) {
        ledger->effect_capacity = ledger->effect_capacity == 0 ? 256 : ledger->effect_capacity * 2;
        ledger->effects = realloc_or_end(ledger->effects, ledger->effect_capacity * sizeof *ledger->effects);
    }
    ledger->effects[ledger->effect_count++] = entry;
    *map_at(&ledger->newest, str_of_cstr(entry->intent)) = entry;

    struct payment_book *book = book_of(ledger, entry->payment);
    bool is_charge = entry->operation == OPERATION_CHARGE;
    if (is_charge) {
        SET(book->method, entry->method);
    }
    if (is_charge && (is(entry->result, "captured") || is(entry->result, "authorized"))) {
        book->charges++;
        book->authorized += entry->amount;
    }
    if (is(entry->result, "captured")) {
        book->captured += entry->amount;
    } else if (is(entry->result, "voided")) {
        book->voided = true;
    } else if (is(entry->result, "refunded")) {
        book->refunded += entry->amount;
    } else if (is(entry->result, "disputed")) {
        book->contested += entry->amount;
    } else if (entry->operation == OPERATION_DISPUTE) { /* its end */
        book->contested -= entry->amount;
        book->lost += is(entry->result, "dispute_lost") ? entry->amount : 0;
    }
}

json_t *ledger_entry_json(const struct ledger_entry *entry) {
    return json_pack("{ss ss ss ss ss sI ss ss ss ss sI}", "operation", operation_names[entry->operation], "intent",
                     entry->intent, "payment", entry->payment, "method", entry->method, "result", entry->result,
                     "amount", (json_int_t)entry->amount, "currency", entry->currency, "provider_ref", entry->ref,
                     "code", entry->code, "message", entry->message, "at_us", (json_int_t)entry->at_us);
}

static bool entry_from_json(const json_t *line, struct ledger_entry *ret_entry) {
    const char *operation, *intent, *payment, *method, *result, *currency, *ref, *code, *message;
    json_int_t amount, at_us;
    if (json_unpack((json_t *)line, "{ss ss ss ss ss sI ss ss ss ss sI}", "operation", &operation, "intent", &intent,
                    "payment", &payment, "method", &method, "result", &result, "amount", &amount, "currency", &currency,
                    "provider_ref", &ref, "code", &code, "message", &message, "at_us", &at_us) != 0) {
        return false;
    }
    *ret_entry = (struct ledger_entry){.amount = amount, .at_us = at_us};
    for (size_t i = 0; i < ARRAY_LENGTH(operation_names); i++) {
        if (is(operation, operation_names[i])) {
            ret_entry->operation = (enum provider_operation)i;
        }
    }
    SET(ret_entry->intent, intent);
    SET(ret_entry->payment, payment);
    SET(ret_entry->method, method);
    SET(ret_entry->result, result);
    SET(ret_entry->currency, currency);
    SET(ret_entry->ref, ref);
    SET(ret_entry->code, code);
    SET(ret_entry->message, message);
    return true;
}

/* *ret_is_torn: the last line has no end, so the next one must not be written behind it. */
static enum err read_back(struct ledger *ledger, const char *path, bool *ret_is_torn, struct err_info *info) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return errno == ENOENT ? ERR_NONE : err_set(info, ERR_IO, "%s: %s", path, strerror(errno));
    }
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t len; (len = getline(&line, &capacity, file)) > 0;) {
        *ret_is_torn = line[len - 1] != '\n';
        json_t *json = json_loads(line, 0, NULL);
        struct ledger_entry entry;
        /* A torn last line is an effect that was never answered: as if it had not happened. */
        if (json != NULL && entry_from_json(json, &entry)) {
            book_entry(ledger, &entry);
        }
        json_decref(json);
    }
    free(line);
    fclose(file);
    return ERR_NONE;
}

enum err ledger_open(const char *path, int64_t forget_after_us, struct ledger **ret_ledger, struct err_info *info) {
    struct ledger *ledger = calloc_or_end(1, sizeof *ledger);
    arena_init(&ledger->arena, (size_t)8 << 30);
    map_init(&ledger->newest, &ledger->arena);
    map_init(&ledger->books, &ledger->arena);
    ledger->forget_after_us = forget_after_us;
    ledger->file = -1;
    bool is_torn = false;
    enum err err = path == NULL ? ERR_NONE : read_back(ledger, path, &is_torn, info);
    if (err == ERR_NONE && path != NULL) {
        ledger->file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        bool is_open = ledger->file >= 0 && (!is_torn || write(ledger->file, "\n", 1) == 1);
        err = is_open ? ERR_NONE : err_set(info, ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (err != ERR_NONE) {
        ledger_close(ledger);
        return err;
    }
    *ret_ledger = ledger;
    return ERR_NONE;
}

void ledger_close(struct ledger *ledger) {
    if (ledger->file >= 0) {
        close(ledger->file);
    }
    free(ledger->effects);
    arena_release(&ledger->arena);
    free(ledger);
}

/* All of it or nothing: what a full disk took of a line is cut off again, so that the next one begins a line. */
static bool append_line(int file, struct str line) {
    off_t end = lseek(file, 0, SEEK_END);
    if (end >= 0 && write(file, line.data, line.len) == (ssize_t)line.len) {
        return true;
    }
    int why = errno;
    bool is_cut = end >= 0 && ftruncate(file, end) == 0;
    if (!is_cut) {
        fputs("daybook: the ledger ends in half a line and cannot be mended\n", stderr);
        exit(EXIT_FAILURE); /* read_back mends it */
    }
    errno = why;
    return false;
}

static enum err record(struct ledger *ledger, const struct ledger_entry *entry, struct err_info *info) {
    if (ledger->file >= 0) {
        json_t *json = ledger_entry_json(entry);
        char *line = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
        json_decref(json);
        struct buf text;
        buf_init(&text, LINE_MAX_BYTES);
        buf_printf(&text, "%s\n", line == NULL ? "" : line);
        bool written = line != NULL && buf_ok(&text) && append_line(ledger->file, buf_text(&text));
        buf_release(&text);
        free(line);
        if (!written) {
            return err_set(info, ERR_IO, "the ledger could not be written: %s", strerror(errno));
        }
    }
    book_entry(ledger, entry);
    return ERR_NONE;
}

static void refuse(struct ledger_entry *entry, const char *result, const char *code, const char *message) {
    SET(entry->result, result);
    SET(entry->code, code);
    SET(entry->message, message);
}

static void decide_charge(struct ledger_entry *entry, const struct payment_book *book) {
    const char *method = entry->method;
    if (book->voided) {
        refuse(entry, "declined", "voided", "The payment was voided before it was charged.");
    } else if (is(method, "decline") || is(method, "late_success")) {
        refuse(entry, "declined", "card_declined", "The card was declined.");
    } else if (is(method, "authorize")) {
        SET(entry->result, "authorized");
    } else if (is(method, "late")) {
        SET(entry->result, "pending");
    } else if (is(method, "action")) {
        SET(entry->result, "action_required");
    } else if (is(method, "approve") || is(method, "slow") || is(method, "hang") || is(method, "twice") ||
               is(method, "refund_fails") || is(method, "dispute_won") || is(method, "dispute_lost")) {
        SET(entry->result, "captured");
    } else if (is(method, "overcharge")) {
        SET(entry->result, "captured");
        entry->amount++;
    } else {
        refuse(entry, "declined", "unknown_method", "There is no such method.");
    }
}

static void decide(struct ledger_entry *entry, const struct payment_book *book) {
    switch (entry->operation) {
    case OPERATION_CHARGE:
        decide_charge(entry, book);
        break;
    case OPERATION_CAPTURE:
        if (book->voided || entry->amount > book->authorized - book->captured) {
            refuse(entry, "declined", "not_authorized", "That much is not authorized.");
        } else {
            SET(entry->result, "captured");
        }
        break;
    case OPERATION_VOID:
        if (book->captured > 0) {
            refuse(entry, "void_refused", "already_captured", "The money was taken already.");
        } else {
            SET(entry->result, "voided");
        }
        break;
    case OPERATION_REFUND:
        if (is(book->method, "refund_fails")) {
            refuse(entry, "refund_failed", "account_closed", "The account is closed.");
        } else if (entry->amount > book->captured - book->refunded) {
            refuse(entry, "refund_failed", "amount_too_large", "That much was not captured.");
        } else if (entry->amount > book->captured - book->refunded - book->contested - book->lost) {
            refuse(entry, "refund_failed", "disputed", "That much is not free: the payer contests it.");
        } else {
            SET(entry->result, "refunded");
        }
        break;
    case OPERATION_DISPUTE: /* is not asked for */
        break;
    }
}

enum err ledger_apply(struct ledger *ledger, const struct ledger_entry *request, int64_t now_us,
                      const struct ledger_entry **ret_entry, bool *ret_repeated, struct err_info *info) {
    const struct ledger_entry *known = ledger_find(ledger, str_of_cstr(request->intent));
    if (known != NULL && (ledger->forget_after_us == 0 || now_us - known->at_us < ledger->forget_after_us)) {
        *ret_entry = known;
        *ret_repeated = true;
        return ERR_NONE;
    }
    struct ledger_entry entry = *request;
    entry.at_us = now_us;
    snprintf(entry.ref, sizeof entry.ref, "tp_%s_%zu", operation_names[entry.operation], ledger->effect_count + 1);
    decide(&entry, book_of(ledger, entry.payment));
    enum err err = record(ledger, &entry, info);
    if (err == ERR_NONE) {
        *ret_entry = ledger_find(ledger, str_of_cstr(request->intent));
        *ret_repeated = false;
    }
    return err;
}

enum err ledger_decide_late(struct ledger *ledger, struct str intent, const char *result, int64_t now_us,
                            const struct ledger_entry **ret_entry, struct err_info *info) {
    const struct ledger_entry *known = ledger_find(ledger, intent);
    if (known == NULL) {
        return err_set(info, ERR_NOT_FOUND, "the key was never seen");
    }
    if (is(known->result, result)) {
        *ret_entry = known;
        return ERR_NONE;
    }
    if (book_of(ledger, known->payment)->voided) {
        return err_set(info, ERR_CONFLICT, "the payment was voided");
    }
    struct ledger_entry entry = *known;
    entry.at_us = now_us;
    SET(entry.result, result);
    SET(entry.code, "");
    SET(entry.message, "");
    enum err err = record(ledger, &entry, info);
    if (err == ERR_NONE) {
        *ret_entry = ledger_find(ledger, intent);
    }
    return err;
}

enum err ledger_dispute(struct ledger *ledger, const struct ledger_entry *charge, int64_t now_us,
                        const struct ledger_entry **ret_entry, struct err_info *info) {
    struct ledger_entry entry = *charge;
    entry.operation = OPERATION_DISPUTE;
    entry.at_us = now_us;
    SET(entry.method, "");
    SET(entry.result, "disputed");
    SET(entry.code, "fraudulent");
    SET(entry.message, "The payer says that it was not him.");
    snprintf(entry.intent, sizeof entry.intent, "%.*s.dispute.1", (int)sizeof entry.intent - 16, charge->payment);
    snprintf(entry.ref, sizeof entry.ref, "tp_dispute_%zu", ledger->effect_count + 1);
    enum err err = record(ledger, &entry, info);
    if (err == ERR_NONE) {
        *ret_entry = ledger_find(ledger, str_of_cstr(entry.intent));
    }
    return err;
}

const struct ledger_entry *ledger_find(const struct ledger *ledger, struct str intent) {
    return map_get(&ledger->newest, intent);
}

json_t *ledger_json(const struct ledger *ledger, size_t from) {
    json_t *operations = json_array(), *payments = json_array();
    size_t end = from + LEDGER_PAGE_MAX;
    for (size_t i = from; i < ledger->effect_count && i < end; i++) {
        json_array_append_new(operations, ledger_entry_json(ledger->effects[i]));
    }
    for (size_t i = from; i < ledger->books.count && i < end; i++) {
        const struct payment_book *book = ledger->books.entries[i].value;
        json_array_append_new(payments, json_pack("{ss sI sI sI sI sI si sb}", "payment", book->payment, "authorized",
                                                  (json_int_t)book->authorized, "captured", (json_int_t)book->captured,
                                                  "refunded", (json_int_t)book->refunded, "contested",
                                                  (json_int_t)book->contested, "lost", (json_int_t)book->lost,
                                                  "charges", book->charges, "voided", book->voided));
    }
    bool is_more = end < ledger->effect_count || end < ledger->books.count;
    return json_pack("{so so so}", "operations", operations, "payments", payments, "next",
                     is_more ? json_integer((json_int_t)end) : json_null());
}
