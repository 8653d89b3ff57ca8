/* suspect.h: what a worker notes beside a committed offset, so that the next owner knows how the last one ended.
 *
 * Purpose  a command that ends the process that decides it must be set aside, here and wherever its shard moves, and
 *          an innocent one must not, however often and whenever a process is killed from outside.
 * Notes    "clean": the owner handed the shard over. "open": it was at work; so does nothing or anything else.
 *          "suspect:<offset>:<deaths>": so many processes died deciding the command at <offset>, as their witnesses
 *          said when they came back (core/handler/witness.h). It stays until the command has been passed.
 * Promise  a command at which SUSPECT_DEATHS_MAX processes died is refused undecided. Two, because a process can be
 *          killed from outside within the very microseconds of deciding an innocent command, but not twice.
 * Thread   pure; any.            May use: libc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SUSPECT_DEATHS_MAX = 2, SUSPECT_NOTE_MAX = 64 };

struct suspect_note {
    enum { NOTE_OPEN, NOTE_CLEAN, NOTE_SUSPECT } kind;
    int64_t offset; /* with NOTE_SUSPECT */
    int64_t deaths;
};

struct suspect_note suspect_note_read(const char *text);
void suspect_note_write(struct suspect_note note, char ret_text[SUSPECT_NOTE_MAX]);

/* What the new owner of a shard notes: what it found, and what its own witness says (-1: nothing), before it decides
 * the command at next_offset or any later one. */
struct suspect_note suspect_note_taken_over(struct suspect_note found, int64_t died_at, int64_t next_offset);

/* What is noted beside a later offset. */
struct suspect_note suspect_note_after(struct suspect_note note, int64_t next_offset);

/* Whether the command at this offset is to be refused undecided. */
bool suspect_is_refused(struct suspect_note note, int64_t offset);
