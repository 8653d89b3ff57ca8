/* mail.c: `daybook mail`: mails of each kind, with made-up values, to an address of the operator's: whether the
 * settings work, and what people are sent. */
#include "cmd/command.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/base/format.h"
#include "core/base/macros.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/connect/mail_text.h"
#include "core/connect/smtp_calls.h"

enum { MAIL_VALUES = 8, ROWS = 2, ROW_VALUES = 3, MESSAGE_ID_SIZE = 256 + ULID_TEXT_LEN + 16 };

struct mailing {
    struct smtp_calls *calls;
    struct str from, to;
    struct str address; /* of `from` */
    int under_way;
    bool has_failed;
};

/* One mail under way; as many as there are kinds. */
struct letter {
    struct mailing *mailing;
    const char *kind;
};

static const struct mail_value made_up[MAIL_VALUES] = {
    {"customer", STR("cus_00000000000000000000000000")},
    {"token", STR("this-is-no-token-and-opens-nothing")},
    {"until", STR("1 January 1970, 01:00 UTC")},
    {"when", STR("1 January 1970, 00:00 UTC")},
    {"order", STR("ord_00000000000000000000000000.1")},
    {"reference", STR("R-1970-1")},
    {"total", STR("31.99 EUR")},
    {"more", STR("1")},
};

static const struct mail_value made_up_rows[ROWS * ROW_VALUES] = {
    {"quantity", STR("2")}, {"title", STR("Green tea")}, {"sum", STR("7.00 EUR")},
    {"quantity", STR("1")}, {"title", STR("Pot")},       {"sum", STR("19.99 EUR")},
};

static void tell(struct letter *letter, bool is_sent, const char *what) {
    printf("%-18s%s\n", letter->kind, what);
    letter->mailing->has_failed |= !is_sent;
}

static void on_done(void *context, const struct smtp_outcome *outcome) {
    static const char *const words[] = {
        [SMTP_SENT] = "sent", [SMTP_TRY_LATER] = "not sent, to be tried later", [SMTP_REFUSED] = "refused"};
    struct letter *letter = context;
    char text[512];
    snprintf(text, sizeof text, "%s%s%s", words[outcome->result], outcome->why == NULL ? "" : ": ",
             outcome->why == NULL ? "" : outcome->why);
    tell(letter, outcome->result == SMTP_SENT, text);
    letter->mailing->under_way--;
}

/* Random, in the domain of who sends it. */
static struct str make_message_id(struct str address, char ret_text[MESSAGE_ID_SIZE]) {
    uint8_t bytes[ULID_BYTES];
    char ulid[ULID_TEXT_LEN];
    randombytes_buf(bytes, sizeof bytes);
    ulid_write(bytes, ulid);
    struct str domain = str_from(address, str_find(address, '@') + 1);
    int length = snprintf(ret_text, MESSAGE_ID_SIZE, "<mail.%.*s@%.*s>", ULID_TEXT_LEN, ulid, STR_ARGS(domain));
    return str_of(ret_text, (size_t)length);
}

static void send_letter(struct letter *letter) {
    struct mailing *mailing = letter->mailing;
    char message_id[MESSAGE_ID_SIZE];
    const char *why = NULL;
    struct err_info info = {0};
    struct buf data;
    struct mail mail = {.name = letter->kind,
                        .to = mailing->to,
                        .public_url = STR("https://shop.example"),
                        .message_id = make_message_id(mailing->address, message_id),
                        .values = made_up,
                        .value_count = MAIL_VALUES,
                        .rows = {made_up_rows, ROWS, ROW_VALUES},
                        .date_us = clock_wall_us()};
    buf_init(&data, MAIL_MAX_BYTES);
    if (!mail_write(&data, &mail, mailing->from, &why)) {
        tell(letter, false, why);
    } else if (smtp_send(mailing->calls,
                         &(struct smtp_message){.from = mailing->address, .to = mailing->to, .data = buf_text(&data)},
                         on_done, letter, &info) != ERR_NONE) {
        tell(letter, false, info.text);
    } else {
        mailing->under_way++;
    }
    buf_release(&data);
}

static int wrong_usage(const char *text) {
    fprintf(stderr, "daybook mail: %s\n", text);
    return EXIT_WRONG_USAGE;
}

/* Each kind, or the one that is named; at most SMTP_CALLS_MAX. */
static size_t choose_kinds(const char *name, struct mailing *mailing, struct letter ret_letters[SMTP_CALLS_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < mail_kind_count && count < SMTP_CALLS_MAX; i++) {
        if (name == NULL || strcmp(name, mail_kinds[i].name) == 0) {
            ret_letters[count++] = (struct letter){.mailing = mailing, .kind = mail_kinds[i].name};
        }
    }
    return count;
}

static int run(const struct config *config, int argc, char **argv) {
    struct str name;
    struct mailing mailing = {.from = str_of_cstr(config->mail_from)};
    if (argc < 2 || argc > 3 || !format_matches(FORMAT_EMAIL, str_of_cstr(argv[1]))) {
        return wrong_usage("it takes an address, and may be one of the kinds: daybook mail --help");
    }
    if (config->smtp_url[0] == '\0') {
        return wrong_usage("smtp_url is not set, so no mail is sent");
    }
    if (!mail_sender_read(mailing.from, &name, &mailing.address)) {
        return wrong_usage("mail_from is an address, or Name <address>");
    }
    mailing.to = str_of_cstr(argv[1]);
    struct letter letters[SMTP_CALLS_MAX];
    size_t count = choose_kinds(argc == 3 ? argv[2] : NULL, &mailing, letters);
    if (count == 0) {
        return wrong_usage("there is no such kind: daybook mail --help");
    }
    struct err_info info = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct smtp_server server = {.url = config->smtp_url,
                                 .username = config->smtp_username,
                                 .password = config->smtp_password,
                                 .ca_file = config->smtp_ca_file};
    if (smtp_calls_open(&loop, &server, &mailing.calls, &info) != ERR_NONE) {
        uv_loop_close(&loop);
        return wrong_usage(info.text);
    }
    for (size_t i = 0; i < count; i++) {
        send_letter(&letters[i]);
    }
    while (mailing.under_way > 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    smtp_calls_close(mailing.calls, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return mailing.has_failed ? EXIT_WORLD_FAILED : EXIT_DONE;
}

const struct command_line mail_command = {
    .name = "mail",
    .usage = "ADDRESS [KIND]",
    .summary = "send a mail of each kind to an address, to see that the settings work",
    .help = "Sends one mail of each kind that there is, or one of KIND, to ADDRESS: by the server of smtp_url, from\n"
            "mail_from, with made-up values. It says of each what became of it: sent, when the server took it; "
            "refused, when\n"
            "it never will; not sent, with the reason, in all other cases.\n"
            "\n"
            "Kinds: verify, reset, email_change, email_changed, password_changed, locked, locked_within, reused,\n"
            "totp_enabled, totp_ended, suspended, reinstated, order_confirmed.\n"
            "Exit codes: 0 all were sent, 1 some were not, 2 wrong usage or settings.",
    .run = run,
};
