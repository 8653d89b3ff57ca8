#include "cmd/load_greeting.h"

#include <assert.h>

static void on_answer(void *context, const struct http_client_answer *answer) {
    (void)answer;
    struct load_greeting *greeting = context;
    if (--greeting->waiting == 0) {
        greeting->on_done(greeting->context);
    }
}

void load_greeting_send(struct load_greeting *greeting, struct http_client *client, size_t count,
                        void (*on_done)(void *context), void *context) {
    *greeting = (struct load_greeting){.waiting = count, .on_done = on_done, .context = context};
    const struct http_client_request request = {
        .method = "GET", .path = STR("/health/live"), .on_answer = on_answer, .context = greeting};
    for (size_t i = 0; i < count; i++) {
        bool is_sent = http_client_send(client, &request);
        assert(is_sent && "there is a connection for each greeting");
    }
}
