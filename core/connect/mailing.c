#include "core/connect/mailing.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/format.h"
#include "core/base/memory.h"
#include "core/connect/mail_text.h"
#include "core/connect/mails.h"

enum { ARENA_MAX_BYTES = 64 * 1024 };

struct mailing {
    struct mailing_options options;
    struct str from, from_address;
    struct arena arena; /* of the mail that is being written */
    int under_way;
};

/* A mail under way. */
struct letter {
    struct mailing *mailing;
    struct errand *errand;
    mail_done_cb *on_done;
};

enum err mailing_open(const struct mailing_options *options, struct mailing **ret_mailing, struct err_info *info) {
    struct str name, address, from = str_of_cstr(options->from);
    if (!mail_sender_read(from, &name, &address)) {
        return err_set(info, ERR_CONFIG, "mail_from is an address, or Name <address>: without it no mail can be sent");
    }
    struct str url = str_of_cstr(options->public_url);
    if (!format_matches(FORMAT_URL, url) || url.len > MAIL_VALUE_MAX_BYTES) {
        return err_set(info, ERR_CONFIG, "public_url is an address that begins with http:// or https://");
    }
    struct mailing *mailing = calloc_or_end(1, sizeof *mailing);
    mailing->options = *options;
    mailing->from = from;
    mailing->from_address = address;
    arena_init(&mailing->arena, ARENA_MAX_BYTES);
    *ret_mailing = mailing;
    return ERR_NONE;
}

void mailing_close(struct mailing *mailing) {
    if (mailing != NULL) {
        assert(mailing->under_way == 0);
        arena_release(&mailing->arena);
        free(mailing);
    }
}

bool mailing_has_room(const struct mailing *mailing) {
    return mailing->under_way < MAILING_MAX;
}

/* Frees the letter. */
static void letter_end(struct letter *letter, enum mail_end end, int code, const char *why) {
    const struct mail_result result = {.end = end, .code = code, .why = why};
    letter->mailing->under_way--;
    letter->on_done(letter->errand, &result);
    free(letter);
}

static void on_answered(void *context, const struct smtp_outcome *outcome) {
    static const enum mail_end ends[] = {
        [SMTP_SENT] = MAIL_SENT, [SMTP_TRY_LATER] = MAIL_DEFERRED, [SMTP_REFUSED] = MAIL_REFUSED};
    letter_end(context, ends[outcome->result], outcome->code, outcome->why);
}

static void hand_over(struct letter *letter, struct str to, struct str data) {
    struct mailing *mailing = letter->mailing;
    const struct smtp_message message = {.from = mailing->from_address, .to = to, .data = data};
    struct err_info info = {0};
    enum err err = smtp_send(mailing->options.calls, &message, on_answered, letter, &info);
    if (err != ERR_NONE) {
        letter_end(letter, info.retriable ? MAIL_NOT_NOW : MAIL_REFUSED, 0, info.text);
    }
}

static void write_and_send(struct letter *letter, struct str to) {
    struct mailing *mailing = letter->mailing;
    const struct errand *errand = letter->errand;
    struct mail_value values[MAIL_VALUES_MAX];
    mail_values(&mailing->arena, mailing->options.secret, errand->stream, &errand->mail, values);
    const struct mail mail = {
        .name = errand->mail.kind,
        .to = to,
        .public_url = str_of_cstr(mailing->options.public_url),
        .message_id = mail_message_id(&mailing->arena, errand->cause, mailing->from_address),
        .values = values,
        .value_count = MAIL_VALUES_MAX,
        .rows = mail_rows(&mailing->arena, &errand->mail),
        .date_us = errand->mail.asked_at_us,
    };
    struct buf data;
    buf_init(&data, MAIL_MAX_BYTES);
    const char *why = NULL;
    if (mail_write(&data, &mail, mailing->from, &why)) {
        hand_over(letter, to, buf_text(&data));
    } else {
        letter_end(letter, MAIL_REFUSED, 0, why);
    }
    buf_release(&data);
}

/* Its key is not there, or opens nothing: so it is when he was erased, and so it is in a vault that has lost keys. */
static void on_end(void *context, enum vault_end end) {
    switch (end) {
    case VAULT_DESTROYED:
        letter_end(context, MAIL_ERASED, 0, "the key of the address is destroyed");
        break;
    case VAULT_NEVER_DESTROYED:
        letter_end(context, MAIL_NOT_NOW, 0, "the vault lacks the key of an address, and nobody destroyed it");
        break;
    case VAULT_END_UNKNOWN:
        letter_end(context, MAIL_NOT_NOW, 0, "the vault's database does not answer");
        break;
    }
}

static void on_key(void *context, enum vault_found found, const struct vault_key *key) {
    struct letter *letter = context;
    struct mailing *mailing = letter->mailing;
    const struct sealed *sealed = &letter->errand->mail.to;
    struct str to;
    switch (found) {
    case VAULT_THERE:
        arena_reset(&mailing->arena);
        if (vault_unseal(key, &mailing->arena, sealed, &to)) {
            write_and_send(letter, to);
            break;
        }
        vault_end_of(mailing->options.vault, sealed->key_id, on_end, letter); /* another key has its place */
        break;
    case VAULT_NONE:
        vault_end_of(mailing->options.vault, sealed->key_id, on_end, letter);
        break;
    case VAULT_NO_DATABASE:
        letter_end(letter, MAIL_NOT_NOW, 0, "the vault's database does not answer");
        break;
    case VAULT_NO_MASTER:
        letter_end(letter, MAIL_NOT_NOW, 0, "the ring of master keys cannot open the key of the address");
        break;
    }
}

void mailing_send(struct mailing *mailing, struct errand *errand, mail_done_cb *on_done) {
    assert(errand->kind == ERRAND_MAIL && mailing_has_room(mailing));
    struct letter *letter = calloc_or_end(1, sizeof *letter);
    *letter = (struct letter){.mailing = mailing, .errand = errand, .on_done = on_done};
    mailing->under_way++;
    vault_key_of(mailing->options.vault, errand->mail.to.key_id, VAULT_FIND, on_key, letter);
}
