#include "core/gateway/mailbox.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"

struct letter {
    struct letter *next;
    enum letter_kind kind;
    uint32_t len;
    char bytes[];
};

/* Takes all letters at once, so that posting is never held up by reading. */
static struct letter *take_all(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->lock);
    struct letter *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last_next = &mailbox->first;
    mailbox->count = mailbox->bytes = 0;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

static void on_wake(uv_async_t *wake) {
    struct mailbox *mailbox = wake->data;
    struct letter *letter = take_all(mailbox);
    while (letter != NULL) {
        struct letter *next = letter->next;
        mailbox->on_letter(mailbox->context, letter->kind, str_of(letter->bytes, letter->len));
        free(letter);
        letter = next;
    }
}

enum err mailbox_open(struct mailbox *mailbox, uv_loop_t *loop, size_t letters_max, size_t bytes_max,
                      void (*on_letter)(void *context, enum letter_kind kind, struct str bytes), void *context,
                      struct err_info *info) {
    *mailbox = (struct mailbox){
        .letters_max = letters_max, .bytes_max = bytes_max, .open = true, .on_letter = on_letter, .context = context};
    mailbox->last_next = &mailbox->first;
    int failed = uv_async_init(loop, &mailbox->wake, on_wake);
    if (failed != 0) {
        return err_set(info, ERR_IO, "cannot make a wake-up handle: %s", uv_strerror(failed));
    }
    mailbox->wake.data = mailbox;
    failed = pthread_mutex_init(&mailbox->lock, NULL);
    assert(failed == 0);
    return ERR_NONE;
}

static void on_closed(uv_handle_t *handle) {
    struct mailbox *mailbox = handle->data;
    struct letter *letter = take_all(mailbox);
    while (letter != NULL) {
        struct letter *next = letter->next;
        free(letter);
        letter = next;
    }
}

void mailbox_close(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->lock);
    mailbox->open = false;
    pthread_mutex_unlock(&mailbox->lock);
    uv_close((uv_handle_t *)&mailbox->wake, on_closed);
}

void mailbox_release(struct mailbox *mailbox) {
    pthread_mutex_destroy(&mailbox->lock);
}

bool mailbox_post(struct mailbox *mailbox, enum letter_kind kind, struct str bytes) {
    struct letter *letter = malloc_or_end(sizeof *letter + bytes.len);
    letter->next = NULL;
    letter->kind = kind;
    letter->len = bytes.len;
    memcpy(letter->bytes, bytes.data, bytes.len);
    pthread_mutex_lock(&mailbox->lock);
    bool has_room = mailbox->count < mailbox->letters_max && bytes.len <= mailbox->bytes_max - mailbox->bytes;
    bool is_taken = mailbox->open && has_room;
    if (is_taken) {
        *mailbox->last_next = letter;
        mailbox->last_next = &letter->next;
        mailbox->count++;
        mailbox->bytes += bytes.len;
        /* Under the lock, so that the handle is not closed meanwhile. */
        (void)uv_async_send(&mailbox->wake);
    } else {
        mailbox->dropped++;
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (!is_taken) {
        free(letter);
    }
    return is_taken;
}

void mailbox_count(struct mailbox *mailbox, size_t *ret_waiting, uint64_t *ret_dropped) {
    pthread_mutex_lock(&mailbox->lock);
    *ret_waiting = mailbox->count;
    *ret_dropped = mailbox->dropped;
    pthread_mutex_unlock(&mailbox->lock);
}
