#include "core/connect/open_errands.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"

/* They are few where a server takes mails, and as many as fit where none does. */
enum { BUCKETS = 4096 };

/* One kind of them. */
struct room {
    uint32_t count, max;
    int64_t passed_over; /* the first that found none; -1: none */
};

struct open_errands {
    struct errand *first, *last;
    struct room rooms[ERRAND_KINDS];
    int64_t applied_offset; /* newest; -1: none */
    struct errand *buckets[BUCKETS];
};

static struct errand **bucket_of(struct open_errands *open, struct str stream) {
    uint32_t hash = 2166136261u; /* FNV-1a: the keys are our own stream ids */
    for (uint32_t i = 0; i < stream.len; i++) {
        hash = (hash ^ (uint8_t)stream.data[i]) * 16777619u;
    }
    return &open->buckets[hash % BUCKETS];
}

struct open_errands *open_errands_create(struct errand_bounds bounds) {
    struct open_errands *open = calloc_or_end(1, sizeof *open);
    open->applied_offset = -1;
    open->rooms[ERRAND_MAIL] = (struct room){.max = bounds.mails, .passed_over = -1};
    open->rooms[ERRAND_ERASURE] = (struct room){.max = bounds.erasures, .passed_over = -1};
    open->rooms[ERRAND_FORESEEN] = (struct room){.max = bounds.foreseen, .passed_over = -1};
    return open;
}

void errand_free(struct errand *errand) {
    free(errand);
}

static void give_away(struct errand *errand, errand_closed_cb *on_closed) {
    if (on_closed != NULL) {
        on_closed(errand);
    } else {
        errand_free(errand);
    }
}

void open_errands_free(struct open_errands *open, errand_closed_cb *on_drop) {
    for (struct errand *errand = open->first; errand != NULL;) {
        struct errand *next = errand->next;
        give_away(errand, on_drop);
        errand = next;
    }
    free(open);
}

/* ---- one errand -------------------------------------------------------------------------------------------------- */

/* Copies the text to *at, which moves on. */
static struct str keep(char **at, struct str text) {
    char *copy = *at;
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    *at += text.len;
    return str_of(copy, text.len);
}

static uint32_t lines_kept(const struct mail_due *mail) {
    return mail->line_count < MAIL_LINES_MAX ? mail->line_count : MAIL_LINES_MAX;
}

/* Of an order: what its mail shows, and nothing else of it. */
static size_t goods_bytes(const struct mail_due *mail) {
    size_t size = lines_kept(mail) * sizeof *mail->lines + mail->reference.len + mail->total.currency.len;
    for (uint32_t i = 0; i < lines_kept(mail); i++) {
        size += mail->lines[i].title.len + mail->lines[i].total.currency.len;
    }
    return size;
}

/* `kept` has room for the lines, *at for the texts. */
static void keep_goods(struct cart_line *kept, char **at, struct mail_due *mail) {
    for (uint32_t i = 0; i < lines_kept(mail); i++) {
        const struct cart_line *line = &mail->lines[i];
        kept[i] = (struct cart_line){.title = keep(at, line->title),
                                     .quantity = line->quantity,
                                     .total = {line->total.amount, keep(at, line->total.currency)}};
    }
    mail->lines = kept;
    mail->reference = keep(at, mail->reference);
    mail->total.currency = keep(at, mail->total.currency);
}

/* Its texts lie behind it. `keys` is empty for a mail. */
static struct errand *errand_new(const struct event *event, struct str traceparent, const struct mail_due *mail,
                                 const struct str_array *keys) {
    const struct event_meta *meta = &event->meta;
    /* One that is too long to be a traceparent of today is as good as none. */
    struct str trace = traceparent.len < ERRAND_TRACE_MAX ? traceparent : STR("");
    size_t size = sizeof(struct errand) + keys->count * sizeof(struct str) + meta->event_id.len + meta->stream.len +
                  meta->correlation_id.len + trace.len + mail->to.key_id.len + mail->to.nonce.len +
                  mail->to.ciphertext.len + goods_bytes(mail);
    for (uint32_t i = 0; i < keys->count; i++) {
        size += keys->items[i].len;
    }
    struct errand *errand = calloc_or_end(1, size);
    struct cart_line *lines = (struct cart_line *)&errand->keys[keys->count];
    char *at = (char *)&lines[lines_kept(mail)];
    errand->cause = keep(&at, meta->event_id);
    errand->stream = keep(&at, meta->stream);
    errand->correlation_id = keep(&at, meta->correlation_id);
    errand->traceparent = keep(&at, trace);
    errand->asked_at_us = meta->occurred_at;
    errand->mail = *mail;
    errand->mail.to = (struct sealed){.key_id = keep(&at, mail->to.key_id),
                                      .nonce = keep(&at, mail->to.nonce),
                                      .ciphertext = keep(&at, mail->to.ciphertext)};
    keep_goods(lines, &at, &errand->mail);
    errand->key_count = keys->count;
    for (uint32_t i = 0; i < keys->count; i++) {
        errand->keys[i] = keep(&at, keys->items[i]);
    }
    return errand;
}

/* Behind all of lower offsets: what is read again may have later ones of the other kind before it. */
static void link_in(struct open_errands *open, struct errand *errand) {
    struct errand *before = open->last;
    while (before != NULL && before->offset > errand->offset) {
        before = before->previous;
    }
    errand->previous = before;
    errand->next = before != NULL ? before->next : open->first;
    *(before != NULL ? &before->next : &open->first) = errand;
    *(errand->next != NULL ? &errand->next->previous : &open->last) = errand;
    struct errand **bucket = bucket_of(open, errand->stream);
    errand->next_in_bucket = *bucket;
    *bucket = errand;
    open->rooms[errand->kind].count++;
}

static void keep_it(struct errand *errand) {
    (void)errand; /* whoever takes it out has it */
}

static void take_out(struct open_errands *open, struct errand **at, errand_closed_cb *on_closed) {
    struct errand *errand = *at;
    *at = errand->next_in_bucket;
    *(errand->previous != NULL ? &errand->previous->next : &open->first) = errand->next;
    *(errand->next != NULL ? &errand->next->previous : &open->last) = errand->previous;
    open->rooms[errand->kind].count--;
    give_away(errand, on_closed);
}

/* ---- the fold ---------------------------------------------------------------------------------------------------- */

/* What is read again may be open: then it began at the same offset, whatever has become of it since. */
static bool is_open(struct open_errands *open, struct str stream, int64_t offset) {
    for (const struct errand *errand = *bucket_of(open, stream); errand != NULL; errand = errand->next_in_bucket) {
        if (errand->offset == offset) {
            return true;
        }
    }
    return false;
}

static struct errand *open_errand(struct open_errands *open, int64_t offset, enum errand_kind kind,
                                  const struct event *event, struct str traceparent, const struct mail_due *mail,
                                  const struct str_array *keys) {
    struct room *room = &open->rooms[kind];
    if (is_open(open, event->meta.stream, offset)) {
        return NULL;
    }
    if (room->passed_over >= 0 || room->count >= room->max) {
        /* One that was foreseen began before others that fell due sooner. */
        room->passed_over = room->passed_over >= 0 && room->passed_over < offset ? room->passed_over : offset;
        return NULL;
    }
    struct errand *errand = errand_new(event, traceparent, mail, keys);
    errand->offset = offset;
    errand->kind = kind;
    link_in(open, errand);
    return errand;
}

/* The mail that the stream foresaw is due: it begins anew as another errand, where it began. Without room for it, it is
 * foreseen again when it is read again. */
static struct errand *fall_due(struct open_errands *open, const struct event *event, struct str traceparent) {
    struct errand **at = bucket_of(open, event->meta.stream);
    while (*at != NULL && !((*at)->kind == ERRAND_FORESEEN && str_equal((*at)->stream, event->meta.stream))) {
        at = &(*at)->next_in_bucket;
    }
    struct errand *foreseen = *at;
    if (foreseen == NULL) { /* told to nobody; or it found no room, and is read again */
        return NULL;
    }
    struct mail_due mail = foreseen->mail;
    bool is_due = mail_falls_due(event, &mail);
    assert(is_due);
    take_out(open, at, keep_it);
    struct errand *due =
        open_errand(open, foreseen->offset, ERRAND_MAIL, event, traceparent, &mail, &(struct str_array){0});
    errand_free(foreseen);
    return due;
}

/* The mail of that cause; NULL: all of the stream. */
static void close_of_stream(struct open_errands *open, struct str stream, const struct str *cause,
                            errand_closed_cb *on_closed) {
    struct errand **at = bucket_of(open, stream);
    while (*at != NULL) {
        struct errand *errand = *at;
        bool is_meant = cause == NULL || (errand->kind == ERRAND_MAIL && str_equal(errand->cause, *cause));
        if (is_meant && str_equal(errand->stream, stream)) {
            take_out(open, at, on_closed);
        } else {
            at = &errand->next_in_bucket;
        }
    }
}

struct errand *open_errands_apply(struct open_errands *open, int64_t offset, const struct event *event,
                                  struct str traceparent, errand_closed_cb *on_closed) {
    if (offset <= open->applied_offset) {
        return NULL;
    }
    open->applied_offset = offset;
    struct mail_due mail = {0};
    struct str cause;
    if (mail_due_of(event, &mail)) {
        return open_errand(open, offset, ERRAND_MAIL, event, traceparent, &mail, &(struct str_array){0});
    }
    if (mail_foreseen(event, &mail)) {
        (void)open_errand(open, offset, ERRAND_FORESEEN, event, traceparent, &mail, &(struct str_array){0});
        return NULL;
    }
    if (mail_falls_due(event, &mail)) {
        return fall_due(open, event, traceparent);
    }
    if (mail_told(event, &cause)) {
        close_of_stream(open, event->meta.stream, &cause, on_closed);
    } else if (event->type == EVENT_CUSTOMER_ERASED || mails_are_off(event)) {
        close_of_stream(open, event->meta.stream, NULL, on_closed);
    } else if (event->type == EVENT_CUSTOMER_ERASURE_REQUESTED) {
        return open_errand(open, offset, ERRAND_ERASURE, event, traceparent, &mail,
                           &event->as.customer_erasure_requested.keys);
    }
    return NULL;
}

void open_errands_end(struct open_errands *open, struct errand *errand, errand_closed_cb *on_closed) {
    struct errand **at = bucket_of(open, errand->stream);
    while (*at != errand) {
        at = &(*at)->next_in_bucket;
    }
    take_out(open, at, on_closed);
}

/* ---- reading again ----------------------------------------------------------------------------------------------- */

bool open_errands_rewind(struct open_errands *open, int64_t *ret_offset) {
    for (size_t i = 0; i < ERRAND_KINDS; i++) {
        struct room *room = &open->rooms[i];
        if (room->passed_over >= 0 && room->count <= room->max / 2) {
            *ret_offset = room->passed_over;
            /* What was taken in since is taken in again: what is open then is known, and what closes closes nothing. */
            open->applied_offset = room->passed_over - 1;
            room->passed_over = -1;
            return true;
        }
    }
    return false;
}

struct errand *open_errands_first(const struct open_errands *open) {
    return open->first;
}

uint32_t open_errands_count(const struct open_errands *open, enum errand_kind kind) {
    return open->rooms[kind].count;
}

bool open_errands_are_more(const struct open_errands *open) {
    bool are_more = false;
    for (size_t i = 0; i < ERRAND_KINDS; i++) {
        are_more = are_more || open->rooms[i].passed_over >= 0;
    }
    return are_more;
}

int64_t open_errands_resume_offset(const struct open_errands *open) {
    int64_t offset = open->first != NULL ? open->first->offset : open->applied_offset + 1;
    for (size_t i = 0; i < ERRAND_KINDS; i++) {
        int64_t passed_over = open->rooms[i].passed_over;
        offset = passed_over >= 0 && passed_over < offset ? passed_over : offset;
    }
    return offset;
}
