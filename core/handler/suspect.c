#include "core/handler/suspect.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/base/text.h"

static const struct str suspect = STR("suspect:");

struct suspect_note suspect_note_read(const char *text) {
    struct str note = str_of_cstr(text);
    if (str_equal(note, STR("clean"))) {
        return (struct suspect_note){.kind = NOTE_CLEAN};
    }
    if (str_starts_with(note, suspect)) {
        struct str rest = str_from(note, suspect.len);
        uint32_t colon = str_find(rest, ':');
        struct suspect_note found = {.kind = NOTE_SUSPECT};
        if (int64_read(str_first(rest, colon), &found.offset) && int64_read(str_from(rest, colon + 1), &found.deaths) &&
            found.offset >= 0 && found.deaths > 0) {
            return found;
        }
    }
    return (struct suspect_note){.kind = NOTE_OPEN};
}

void suspect_note_write(struct suspect_note note, char ret_text[SUSPECT_NOTE_MAX]) {
    switch (note.kind) {
    case NOTE_OPEN:
        (void)snprintf(ret_text, SUSPECT_NOTE_MAX, "open");
        return;
    case NOTE_CLEAN:
        (void)snprintf(ret_text, SUSPECT_NOTE_MAX, "clean");
        return;
    case NOTE_SUSPECT:
        (void)snprintf(ret_text, SUSPECT_NOTE_MAX, "suspect:%" PRId64 ":%" PRId64, note.offset, note.deaths);
        return;
    }
}

struct suspect_note suspect_note_after(struct suspect_note note, int64_t next_offset) {
    return note.kind == NOTE_SUSPECT && note.offset >= next_offset ? note : (struct suspect_note){.kind = NOTE_OPEN};
}

struct suspect_note suspect_note_taken_over(struct suspect_note found, int64_t died_at, int64_t next_offset) {
    struct suspect_note note = suspect_note_after(found, next_offset);
    if (died_at < next_offset) {
        return note; /* nothing died, or what it died at has been passed since */
    }
    bool is_same = note.kind == NOTE_SUSPECT && note.offset == died_at;
    return (struct suspect_note){.kind = NOTE_SUSPECT, .offset = died_at, .deaths = is_same ? note.deaths + 1 : 1};
}

bool suspect_is_refused(struct suspect_note note, int64_t offset) {
    return note.kind == NOTE_SUSPECT && note.offset == offset && note.deaths >= SUSPECT_DEATHS_MAX;
}
