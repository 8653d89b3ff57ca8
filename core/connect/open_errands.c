#include "core/connect/open_errands.h"

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

struct open_errands *open_errands_create(uint32_t mails_max, uint32_t erasures_max) {
    struct open_errands *open = calloc_or_end(1, sizeof *open);
    open->applied_offset = -1;
    open->rooms[ERRAND_MAIL] = (struct room){.max = mails_max, .passed_over = -1};
    open->rooms[ERRAND_ERASURE] = (struct room){.max = erasures_max, .passed_over = -1};
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

/* Its texts lie behind it. `keys` is empty for a mail. */
static struct errand *errand_new(const struct event *event, struct str traceparent, const struct mail_due *mail,
                                 const struct str_array *keys) {
    const struct event_meta *meta = &event->meta;
    /* One that is too long to be a traceparent of today is as good as none. */
    struct str trace = traceparent.len < ERRAND_TRACE_MAX ? traceparent : STR("");
    size_t size = sizeof(struct errand) + keys->count * sizeof(struct str) + meta->event_id.len + meta->stream.len +
                  meta->correlation_id.len + trace.len + mail->to.key_id.len + mail->to.nonce.len +
                  mail->to.ciphertext.len;
    for (uint32_t i = 0; i < keys->count; i++) {
        size += keys->items[i].len;
    }
    struct errand *errand = calloc_or_end(1, size);
    char *at = (char *)&errand->keys[keys->count];
    errand->cause = keep(&at, meta->event_id);
    errand->stream = keep(&at, meta->stream);
    errand->correlation_id = keep(&at, meta->correlation_id);
    errand->traceparent = keep(&at, trace);
    errand->asked_at_us = meta->occurred_at;
    errand->mail = *mail;
    errand->mail.to = (struct sealed){.key_id = keep(&at, mail->to.key_id),
                                      .nonce = keep(&at, mail->to.nonce),
                                      .ciphertext = keep(&at, mail->to.ciphertext)};
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

static void take_out(struct open_errands *open, struct errand **at, errand_closed_cb *on_closed) {
    struct errand *errand = *at;
    *at = errand->next_in_bucket;
    *(errand->previous != NULL ? &errand->previous->next : &open->first) = errand->next;
    *(errand->next != NULL ? &errand->next->previous : &open->last) = errand->previous;
    open->rooms[errand->kind].count--;
    give_away(errand, on_closed);
}

/* ---- the fold ---------------------------------------------------------------------------------------------------- */

static bool is_open(struct open_errands *open, const struct event_meta *meta) {
    for (const struct errand *errand = *bucket_of(open, meta->stream); errand != NULL;
         errand = errand->next_in_bucket) {
        if (str_equal(errand->cause, meta->event_id)) {
            return true;
        }
    }
    return false;
}

static struct errand *open_errand(struct open_errands *open, int64_t offset, enum errand_kind kind,
                                  const struct event *event, struct str traceparent, const struct mail_due *mail,
                                  const struct str_array *keys) {
    struct room *room = &open->rooms[kind];
    if (is_open(open, &event->meta)) {
        return NULL;
    }
    if (room->passed_over >= 0 || room->count >= room->max) {
        room->passed_over = room->passed_over >= 0 ? room->passed_over : offset;
        return NULL;
    }
    struct errand *errand = errand_new(event, traceparent, mail, keys);
    errand->offset = offset;
    errand->kind = kind;
    link_in(open, errand);
    return errand;
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
    if (mail_told(event, &cause)) {
        close_of_stream(open, event->meta.stream, &cause, on_closed);
    } else if (event->type == EVENT_CUSTOMER_ERASED) {
        close_of_stream(open, event->meta.stream, NULL, on_closed);
    } else if (event->type == EVENT_CUSTOMER_ERASURE_REQUESTED) {
        return open_errand(open, offset, ERRAND_ERASURE, event, traceparent, &mail,
                           &event->as.customer_erasure_requested.keys);
    }
    return NULL;
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
    return open->rooms[ERRAND_MAIL].passed_over >= 0 || open->rooms[ERRAND_ERASURE].passed_over >= 0;
}

int64_t open_errands_resume_offset(const struct open_errands *open) {
    int64_t offset = open->first != NULL ? open->first->offset : open->applied_offset + 1;
    for (size_t i = 0; i < ERRAND_KINDS; i++) {
        int64_t passed_over = open->rooms[i].passed_over;
        offset = passed_over >= 0 && passed_over < offset ? passed_over : offset;
    }
    return offset;
}
