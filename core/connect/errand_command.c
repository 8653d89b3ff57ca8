#include "core/connect/errand_command.h"

#include <assert.h>
#include <sodium.h>

#include "core/base/text.h"
#include "core/log/record.h"

static struct str command_id(struct arena *arena, const struct errand *errand, int attempt) {
    int in_vain = errand->progress.sends / ERRAND_SENDS_OVERDUE;
    struct str text = errand->kind == ERRAND_MAIL
                          ? arena_printf(arena, "mail|%.*s|%d|%d", STR_ARGS(errand->cause), attempt, in_vain)
                          : arena_printf(arena, "erasure|%.*s|%d", STR_ARGS(errand->cause), in_vain);
    uint8_t hash[ULID_BYTES];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)text.data, text.len, NULL, 0);
    return command_id_of_hash(arena, errand->stream, hash);
}

static void tell_mail(const struct errand *errand, int attempt, struct command *command) {
    assert(errand->progress.result != NULL);
    command->type = errand->mail.told_by;
    switch (command->type) {
    case COMMAND_RECORD_MAIL:
        command->as.record_mail = (struct record_mail){
            .cause = errand->cause,
            .template = str_of_cstr(errand->mail.kind),
            .result = str_of_cstr(errand->progress.result),
            .code = str_of_cstr(errand->progress.code),
            .attempt = attempt,
        };
        break;
    case COMMAND_RECORD_ORDER_MAIL:
        command->as.record_order_mail = (struct record_order_mail){
            .cause = errand->cause,
            .template = str_of_cstr(errand->mail.kind),
            .result = str_of_cstr(errand->progress.result),
            .code = str_of_cstr(errand->progress.code),
            .attempt = attempt,
        };
        break;
    default:
        assert(!"a row of mails.c is told by a command that is not known here");
    }
}

struct command errand_command(struct arena *arena, const struct errand *errand, int64_t now_us) {
    int attempt = errand->progress.tries + 1;
    struct command command = {.type = COMMAND_RECORD_ERASURE};
    command.meta = (struct command_meta){.command_id = command_id(arena, errand, attempt),
                                         .stream = errand->stream,
                                         .correlation_id = errand->correlation_id,
                                         .causation_id = errand->cause,
                                         .actor = STR("system"),
                                         .issued_at = now_us,
                                         .reply_partition = -1};
    if (errand->kind == ERRAND_MAIL) {
        tell_mail(errand, attempt, &command);
    }
    return command;
}
